import keras
import numpy as np
import pytest

from keras_stn.datasets import HouseNumbers, as_tf_dataset

pytestmark = pytest.mark.tensorflow

IMAGES = np.arange(10, dtype="uint8")[:, None, None, None]
LABELS = np.zeros((10, 5), int)


def test_batches_are_the_same():
    data = HouseNumbers(IMAGES, LABELS, batch_size=4)
    dataset = as_tf_dataset(data)
    assert len(dataset) == 3
    found = list(dataset.as_numpy_iterator())
    expected = [data[index] for index in range(3)]
    for batch, reference in zip(found, expected, strict=True):
        for array, other in zip(batch, reference, strict=True):
            assert array.dtype == other.dtype
            np.testing.assert_array_equal(array, other)


def test_passes():
    data = HouseNumbers(IMAGES, LABELS, batch_size=2, shuffle=True)
    dataset = as_tf_dataset(data)
    assert data.pass_index == 0
    next(iter(dataset))  # As Keras does to learn the shapes.
    for pass_index in range(3):
        again = HouseNumbers(
            IMAGES, LABELS, batch_size=2, shuffle=True, first_pass=pass_index
        )
        found = np.concatenate([images for images, _ in dataset.as_numpy_iterator()])
        np.testing.assert_array_equal(found, np.concatenate([x for x, _ in again]))
        assert data.pass_index == pass_index


def test_nothing_is_tuned():
    """Else the end of an epoch waits for what tunes; it depends on chance how long."""
    data = HouseNumbers(IMAGES, LABELS, batch_size=4)
    assert as_tf_dataset(data).options().autotune.enabled is False


def test_takes_batches_only():
    with pytest.raises(ValueError, match="PyDataset. Received: ndarray"):
        as_tf_dataset(IMAGES)


@pytest.mark.parametrize("batch", [[1, 2], {"x": 1}, ([1], [2])])
def test_says_which_batches_it_takes(batch):
    class Other(keras.utils.PyDataset):
        num_batches = 2

        def __getitem__(self, index):
            return batch

    with pytest.raises(ValueError, match="must be tuples of arrays.*Received: a "):
        as_tf_dataset(Other())


def test_an_endless_data_set_has_no_length():
    import tensorflow as tf

    class Endless(keras.utils.PyDataset):
        num_batches = None

        def __getitem__(self, index):
            return (np.full((2, 1), index, "float32"),)

    dataset = as_tf_dataset(Endless())
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    for _ in range(2):  # Each time from its first batch.
        found = [batch.max() for (batch,) in dataset.take(3).as_numpy_iterator()]
        assert found == [0, 1, 2]
