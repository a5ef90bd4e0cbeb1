"""MNIST by way of TensorFlow Datasets.

The two packages are imported when they are needed and not before: the other sources
do without them.
"""

import os
import pathlib

import keras
import numpy as np

from keras_stn.datasets import preparation
from keras_stn.datasets.damage import damaged
from keras_stn.datasets.mnist_arrays import TEST_DIGITS, TRAIN_DIGITS, check_arrays
from keras_stn.datasets.sources import DownloadFailed, downloading

VERSION_DIRECTORY = pathlib.Path("mnist") / "3.0.1"
# Where TensorFlow Datasets downloads MNIST from, and how large this file is.
PROBE_URL = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz"
)
PROBE_BYTES = 9_912_422
# Seconds. Our choice: a slow network answers in that time, a missing one is not waited
# for longer.
PROBE_TIMEOUT = 6.0


def find_prepared(directory):
    """Finds MNIST as it was prepared earlier from this directory.

    Also clears away what preparations that were killed have left behind.

    Args:
        directory: A `pathlib.Path`.

    Returns:
        The path of `mnist/3.0.1`, in the directory or in the user's cache, or None.

    Raises:
        ValueError: If it is there but was not finished.
    """
    return preparation.find_prepared(directory, VERSION_DIRECTORY)


def prepare(directory, archives=None):
    """Prepares MNIST once and for all.

    All or nothing: in a directory of its own, which is renamed in the end.

    Args:
        directory: A `pathlib.Path`, the data directory.
        archives: A `pathlib.Path`, the directory of the four official files, checked;
            or None to download them.

    Returns:
        The path of `mnist/3.0.1`, in the data directory or in the user's cache.

    Raises:
        OSError: If neither can be written to, or the disk is full.
    """
    import tensorflow_datasets as tfds

    root = preparation.writable_root(directory, "MNIST")
    final = root / VERSION_DIRECTORY
    print(f"Preparing MNIST in {final}; only this once, it takes about 20 seconds.")
    if archives is not None:
        tfds.disable_progress_bar()  # Nothing is downloaded, so there is none to show.
    with preparation.all_or_nothing(root, VERSION_DIRECTORY) as unfinished:
        builder = tfds.builder(f"mnist:{VERSION_DIRECTORY.name}", data_dir=unfinished)
        builder.download_and_prepare(
            download_dir=os.path.join(unfinished, "downloads"),
            download_config=tfds.download.DownloadConfig(
                manual_dir=None if archives is None else os.fspath(archives)
            ),
        )
    return final


def download(directory):
    """Downloads and prepares MNIST.

    Args:
        directory: A `pathlib.Path`, the data directory.

    Returns:
        The path of `mnist/3.0.1`, in the data directory or in the user's cache.

    Raises:
        DownloadFailed: If the network or the server is not to be had, or sends
            something else.
    """
    problem = _probe()
    if problem:
        raise DownloadFailed(problem)
    with downloading():
        return prepare(directory)


def read(prepared):
    """Reads prepared data into memory; takes some four seconds.

    Args:
        prepared: The path of `mnist/3.0.1`.

    Returns:
        x_train, y_train, x_test, y_test, all uint8, in the order of TensorFlow
        Datasets, which is always the same.

    Raises:
        ValueError: If the files are damaged.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    if keras.config.backend() != "tensorflow":
        _leave_accelerators_to_backend(tf)
    whole = "the 60,000 and 10,000 examples of MNIST"
    arrays = []
    with tf.device("CPU"):
        try:
            builder = tfds.builder_from_directory(prepared)
            for split in ("train", "test"):
                examples = builder.as_dataset(
                    split=split, as_supervised=True, shuffle_files=False, batch_size=-1
                )
                images, labels = tfds.as_numpy(examples)
                arrays += [images[..., 0], labels]
        except (tf.errors.OpError, AssertionError, KeyError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise damaged(prepared, whole, f"unreadable files ({reason})") from error
    check_arrays(arrays, prepared)
    counts = len(arrays[0]), len(arrays[2])
    if counts != (TRAIN_DIGITS, TEST_DIGITS):
        raise damaged(prepared, whole, f"{counts[0]:,} and {counts[1]:,}")
    return tuple(array.astype(np.uint8, copy=False) for array in arrays)


def _leave_accelerators_to_backend(tf):
    """Keeps TensorFlow from taking the memory that JAX or PyTorch need."""
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        # TensorFlow is in use already, and has what it has.
        return


def _probe():
    """Why a download is not possible, or None if it looks possible."""
    return preparation.probe(PROBE_URL, PROBE_BYTES, PROBE_TIMEOUT)
