"""The four official files of MNIST."""

import gzip
import hashlib

import numpy as np

from keras_stn.datasets.damage import damaged
from keras_stn.datasets.mnist_arrays import check_arrays

# The published checksums.
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


def any_in(directory):
    """Whether at least one of the files is there.

    Args:
        directory: A `pathlib.Path`.

    Returns:
        True or False.
    """
    return any((directory / name).exists() for name in MD5)


def check(directory):
    """Checks that all four files are there, whole and unchanged.

    Args:
        directory: A `pathlib.Path`.

    Raises:
        ValueError: If one is missing or differs from the official one.
    """
    for name, expected in MD5.items():
        path = directory / name
        if not path.is_file():
            raise ValueError(
                f"{path} is missing. Expected all four official files beside each "
                f"other: {', '.join(MD5)}. Add it, or delete the others to use "
                "another source."
            )
        received = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        if received != expected:
            raise damaged(
                path,
                f"the official file, with the MD5 checksum {expected}",
                f"{path.stat().st_size:,} bytes with the checksum {received}",
            )


def read(directory):
    """Reads the files without help.

    Args:
        directory: A `pathlib.Path` whose files have been checked.

    Returns:
        x_train, y_train, x_test, y_test, all uint8, in the official order.
    """
    arrays = tuple(_read_idx(directory / name) for name in MD5)
    check_arrays(arrays, directory)
    return arrays


def _read_idx(path):
    """Reads an IDX file: two zeros, type 8 (uint8), axes, their sizes, the values."""
    content = gzip.decompress(path.read_bytes())
    axes = content[3]
    shape = np.frombuffer(content, ">u4", count=axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
