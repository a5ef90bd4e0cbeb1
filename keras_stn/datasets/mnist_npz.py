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
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in KEYS if key not in file.files]
            arrays = [] if missing else [file[key] for key in KEYS]
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        # NumPy advises to unpickle what it does not know: never here.
        reason = str(error).partition("If you trust")[0].strip()
        raise wrong(path, layout, f"unreadable arrays ({reason})") from error
    if missing:
        raise wrong(path, layout, f"no {', '.join(missing)}")
    if not all(isinstance(array, np.ndarray) for array in arrays):
        raise wrong(path, layout, "entries that are not arrays")
    check_arrays(arrays, path)
    return tuple(array.astype(np.uint8, copy=False) for array in arrays)
