"""Street numbers from one NumPy file, prepared by whoever wants to use their own."""

import numpy as np

from keras_stn.datasets.damage import damaged
from keras_stn.datasets.npz_arrays import read_arrays
from keras_stn.datasets.svhn_archives import BLANK, DIGITS, SIZE

NPZ_NAME = "svhn_numbers.npz"
NPZ_PATTERN = "svhn*numbers*.npz"
KEYS = ("x_train", "y_train", "x_test", "y_test")


def find_npz(directory):
    """Finds the file in a directory.

    Args:
        directory: A `pathlib.Path`.

    Returns:
        The path of `svhn_numbers.npz`, else of the only file that matches
        `svhn*numbers*.npz`, else None.

    Raises:
        ValueError: If several files match.
    """
    if (directory / NPZ_NAME).exists():
        return directory / NPZ_NAME
    matches = sorted(directory.glob(NPZ_PATTERN))
    if len(matches) > 1:
        raise ValueError(
            f"{directory} must hold one file {NPZ_PATTERN}, or one that is called "
            f"{NPZ_NAME}. Name the one to use in place of the directory. "
            f"Received: {', '.join(path.name for path in matches)}"
        )
    return matches[0] if matches else None


def read_npz(path):
    """Reads and checks a file.

    It holds `x_train` and `x_test`, uint8 of shape `(numbers, 64, 64, channels)` with
    one or three channels, and `y_train` and `y_test`, integers of shape `(numbers, 5)`:
    digits 0 to 9 from left to right, then 10 for blank. Other arrays are ignored.

    Args:
        path: A `pathlib.Path`.

    Returns:
        x_train, y_train, x_test, y_test, all uint8, the images with three channels: a
        grey one is repeated, as the network takes three.

    Raises:
        ValueError: If the file is truncated or holds something else.
    """
    arrays = read_arrays(path, KEYS)
    for split in ("train", "test"):
        images, labels = arrays[:2] if split == "train" else arrays[2:]
        _check_images(path, f"x_{split}", images)
        _check_labels(path, f"y_{split}", labels, len(images))
    x_train, y_train, x_test, y_test = arrays
    return (
        _in_colour(x_train),
        y_train.astype(np.uint8, copy=False),
        _in_colour(x_test),
        y_test.astype(np.uint8, copy=False),
    )


def _check_images(path, name, images):
    good = (
        images.dtype == np.uint8
        and images.ndim == 4
        and images.shape[1:3] == (SIZE, SIZE)
        and images.shape[3] in (1, 3)
        and len(images) > 0
    )
    if not good:
        raise damaged(
            path,
            f"{name} to be uint8 of shape (numbers, {SIZE}, {SIZE}, 1 or 3)",
            f"{images.dtype} of {images.shape}",
        )


def _check_labels(path, name, labels, count):
    if labels.dtype.kind not in "iu" or labels.shape != (count, DIGITS):
        raise damaged(
            path,
            f"{name} to be integers of shape ({count}, {DIGITS}), a row for each image",
            f"{labels.dtype} of {labels.shape}",
        )
    if labels.min() < 0 or labels.max() > BLANK:
        raise damaged(
            path,
            f"{name} to hold digits from 0 to 9, and {BLANK} for blank",
            f"values from {labels.min()} to {labels.max()}",
        )
    blank = labels == BLANK
    bad = blank[:, 0] | (blank[:, :-1] & ~blank[:, 1:]).any(axis=1)
    if bad.any():
        row = np.flatnonzero(bad)[0]
        raise damaged(
            path,
            f"each row of {name} to be at least one digit, then blanks ({BLANK})",
            f"{labels[row].tolist()} in row {row}",
        )


def _in_colour(images):
    return images if images.shape[3] == 3 else np.repeat(images, 3, axis=3)
