import keras
import numpy as np
import pytest

from keras_stn.backend import assert_same_batch

TWO, THREE = np.zeros((2, 1), "float32"), np.zeros((3, 1), "float32")


@pytest.mark.tensorflow
def test_the_data_must_have_the_same_batch_size():
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, 1])] * 2)
    def first_of(first, second):
        assert_same_batch(first, second, "They differ:")
        return first

    np.testing.assert_array_equal(first_of(TWO, TWO), TWO)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"They differ:\] \[2\] \[3\]"
    ):
        first_of(TWO, THREE)


def test_a_backend_that_knows_all_sizes_is_not_asked():
    if keras.config.backend() == "tensorflow":
        pytest.skip("It does not know them all.")
    tensors = map(keras.ops.convert_to_tensor, (TWO, THREE))
    assert assert_same_batch(*tensors, "They differ:") is None
