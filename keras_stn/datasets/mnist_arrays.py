"""What MNIST's four arrays must look like."""

import numpy as np

from keras_stn.datasets.damage import damaged

TRAIN_DIGITS = 60_000
TEST_DIGITS = 10_000
# How many there are of each digit in MNIST's files: in any order this tells MNIST from
# other data in its form, such as Fashion-MNIST, which have as many of each class.
COUNTS_OF_DIGITS = (
    (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
)


def are_complete(y_train, y_test):
    """Whether labels are those of all of MNIST, in any order."""
    return all(
        tuple(np.bincount(labels, minlength=10)) == counts
        for labels, counts in zip((y_train, y_test), COUNTS_OF_DIGITS, strict=True)
    )


def check_arrays(arrays, origin):
    """Checks images and labels.

    Args:
        arrays: x_train, y_train, x_test, y_test.
        origin: The file or directory they were read from, for the message.

    Raises:
        ValueError: If dtype, shape or a value is wrong.
    """
    names = ("x_train", "y_train", "x_test", "y_test")
    for name, array in zip(names, arrays, strict=True):
        if name.startswith("x"):
            expected = "uint8 of shape (images, 28, 28)"
            good = array.dtype == np.uint8 and array.shape[1:] == (28, 28)
        else:
            expected = "integers of shape (images,)"
            good = array.dtype.kind in "iu" and array.ndim == 1
        if not good or array.size == 0:
            raise damaged(
                origin, f"{name} to be {expected}", f"{array.dtype} of {array.shape}"
            )
    x_train, y_train, x_test, y_test = arrays
    for split, x, y in (("train", x_train, y_train), ("test", x_test, y_test)):
        if len(x) != len(y):
            raise damaged(
                origin,
                f"as many labels in y_{split} as images in x_{split}",
                f"{len(y)} labels and {len(x)} images",
            )
        if y.min() < 0 or y.max() > 9:
            raise damaged(
                origin,
                f"the labels y_{split} to be digits from 0 to 9",
                f"labels from {y.min()} to {y.max()}",
            )
