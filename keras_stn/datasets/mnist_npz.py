"""MNIST from one NumPy file, in the layout of `keras.datasets.mnist`."""

import numpy as np

from keras_stn.datasets.mnist_arrays import check_arrays
from keras_stn.datasets.npz_arrays import read_arrays

NPZ_NAME = "mnist.npz"
KEYS = ("x_train", "y_train", "x_test", "y_test")


def read_npz(path):
    """Reads and checks the file.

    Args:
        path: A `pathlib.Path`.

    Returns:
        x_train, y_train, x_test, y_test, all uint8.

    Raises:
        ValueError: If the file is truncated or holds something else.
    """
    arrays = read_arrays(path, KEYS)
    check_arrays(arrays, path)
    return tuple(array.astype(np.uint8, copy=False) for array in arrays)
