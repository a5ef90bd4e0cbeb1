"""Arrays from a NumPy file that may be damaged or not what it should be."""

import tokenize
import zipfile
import zlib

import numpy as np

from keras_stn.datasets.damage import damaged

# What zipfile and NumPy raise where a byte of a file is another one: RuntimeError where
# it seems encrypted or of a newer version, OSError where a place lies before the file.
_SIGNS_OF_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)


def read_arrays(path, keys):
    """Reads some arrays of an .npz file; nothing is ever unpickled.

    Args:
        path: A `pathlib.Path`.
        keys: Names of the arrays.

    Returns:
        A list of arrays in the order of the names.

    Raises:
        ValueError: If the file is something else, truncated or damaged, or an array is
            missing.
    """
    layout = f"a NumPy .npz file with the arrays {', '.join(keys)}"
    if not zipfile.is_zipfile(path):
        raise damaged(path, layout, f"something else of {path.stat().st_size:,} bytes")
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in keys if key not in file.files]
            arrays = [] if missing else [file[key] for key in keys]
    except _SIGNS_OF_DAMAGE as error:
        # NumPy advises to unpickle what it does not know: never here.
        reason = str(error).partition("If you trust")[0].strip()
        raise damaged(path, layout, f"unreadable arrays ({reason})") from error
    if missing:
        raise damaged(path, layout, f"no {', '.join(missing)}")
    if not all(isinstance(array, np.ndarray) for array in arrays):
        raise damaged(path, layout, "entries that are not arrays")
    return arrays
