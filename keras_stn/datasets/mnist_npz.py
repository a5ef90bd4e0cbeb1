"""MNIST from one NumPy file, in the layout of `keras.datasets.mnist`."""

import zipfile
import zlib

import numpy as np

from keras_stn.datasets.mnist_arrays import check_arrays, wrong

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
    layout = f"a NumPy .npz file with the arrays {', '.join(KEYS)}"
    if not zipfile.is_zipfile(path):
        raise wrong(path, layout, f"something else of {path.stat().st_size:,} bytes")
    with np.load(path, allow_pickle=False) as file:
        missing = [key for key in KEYS if key not in file.files]
        if missing:
            raise wrong(path, layout, f"no {', '.join(missing)}")
        try:
            arrays = [file[key] for key in KEYS]
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
            raise wrong(path, layout, f"unreadable arrays ({error})") from error
    check_arrays(arrays, path)
    return tuple(array.astype(np.uint8, copy=False) for array in arrays)
