import keras
import numpy as np
import pytest

from keras_stn.ops.sizes import as_number, at_least_one, inner_shape
from tests.ops.cases import to_numpy


def test_what_is_known_is_a_number():
    tensor = keras.ops.zeros((2, 3, 0))
    assert inner_shape(tensor) == (3, 0)
    assert all(isinstance(size, int) for size in inner_shape(tensor))
    assert as_number(3, "float32") == 3
    assert at_least_one(0) == 1
    assert at_least_one(7) == 7


def test_a_tensor_stays_one():
    size = keras.ops.convert_to_tensor(5, dtype="int32")
    number = as_number(size, "float16")
    assert keras.backend.standardize_dtype(number.dtype) == "float16"
    assert to_numpy(number) == 5
    assert to_numpy(at_least_one(number)) == 5
    assert to_numpy(at_least_one(number - 7)) == 1


@pytest.mark.tensorflow
def test_what_a_graph_does_not_know():
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, 4, None))])
    def inner(tensor):
        height, width = inner_shape(tensor)
        assert isinstance(height, int)
        return width

    assert inner(np.zeros((2, 4, 6), "float32")) == 6


@pytest.mark.tensorflow
def test_known_sizes_make_no_operation():
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, 4, 6))])
    def inner(tensor):
        return tensor * as_number(sum(inner_shape(tensor)), tensor.dtype)

    operations = {
        one.type for one in inner.get_concrete_function().graph.get_operations()
    }
    assert "Shape" not in operations and "Cast" not in operations
