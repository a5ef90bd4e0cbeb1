"""MNIST by way of TensorFlow Datasets.

The two packages are imported when they are needed and not before: the other sources
do without them.
"""

import hashlib
import os
import pathlib
import shutil
import tempfile
import threading
import time
import urllib.error
import urllib.request

import keras
import numpy as np

from keras_stn.datasets.mnist_arrays import (
    TEST_DIGITS,
    TRAIN_DIGITS,
    check_arrays,
    wrong,
)

VERSION_DIRECTORY = pathlib.Path("mnist") / "3.0.1"
# Where TensorFlow Datasets downloads MNIST from, and how large this file is.
PROBE_URL = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz"
)
PROBE_BYTES = 9_912_422
# Seconds. Our choice: a slow network answers in that time, a missing one is not waited
# for longer.
PROBE_TIMEOUT = 6.0
# Unfinished preparations carry this in their name.
UNFINISHED = "keras_stn.unfinished."
# Seconds after which one is taken for that of a killed process. It takes 20 normally.
UNFINISHED_AGE = 3600.0


class DownloadFailed(Exception):
    """The network or the server is not to be had; another source may be."""


def default_directory():
    """The directory that TensorFlow Datasets uses by default, without importing it.

    Returns:
        A `pathlib.Path`; it need not exist.
    """
    default = os.path.join("~", "tensorflow_datasets")
    return pathlib.Path(os.environ.get("TFDS_DATA_DIR", default)).expanduser()


def obstacle():
    """Says why TensorFlow Datasets cannot be used.

    Returns:
        A short text, or None if it can.
    """
    try:
        import tensorflow
        import tensorflow_datasets
    except ImportError as error:
        return f"TensorFlow Datasets is not usable: {error}"
    del tensorflow, tensorflow_datasets
    return None


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
    for root in (directory, _cache(directory)):
        _remove_abandoned(root)
        prepared = root / VERSION_DIRECTORY
        if (prepared / "dataset_info.json").is_file():
            return prepared
        if prepared.exists():
            raise wrong(
                prepared,
                "a dataset that TensorFlow Datasets has prepared to the end",
                "a directory without dataset_info.json",
            )
    return None


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

    root = _writable_root(directory)
    final = root / VERSION_DIRECTORY
    print(f"Preparing MNIST in {final}; only this once, it takes about 20 seconds.")
    if archives is not None:
        tfds.disable_progress_bar()  # Nothing is downloaded, so there is none to show.
    with tempfile.TemporaryDirectory(
        prefix=UNFINISHED, dir=root, ignore_cleanup_errors=True
    ) as unfinished:
        builder = tfds.builder(f"mnist:{VERSION_DIRECTORY.name}", data_dir=unfinished)
        builder.download_and_prepare(
            download_dir=os.path.join(unfinished, "downloads"),
            download_config=tfds.download.DownloadConfig(
                manual_dir=None if archives is None else os.fspath(archives)
            ),
        )
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(pathlib.Path(unfinished) / VERSION_DIRECTORY, final)
        except OSError:
            # Another process may have been faster; its result is as good.
            if not (final / "dataset_info.json").is_file():
                raise
    return final


def download(directory):
    """Downloads and prepares MNIST.

    Args:
        directory: A `pathlib.Path`, the data directory.

    Returns:
        The path of `mnist/3.0.1`, in the data directory or in the user's cache.

    Raises:
        DownloadFailed: If the network or the server is not to be had.
    """
    import requests
    import tensorflow_datasets as tfds

    problem = _probe()
    if problem:
        raise DownloadFailed(problem)
    try:
        return prepare(directory)
    except (
        requests.exceptions.RequestException,
        tfds.download.DownloadError,
        urllib.error.URLError,
        ConnectionError,
        TimeoutError,
    ) as error:
        raise DownloadFailed(f"the download broke off: {error}") from error


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
            raise wrong(prepared, whole, f"unreadable files ({reason})") from error
    check_arrays(arrays, prepared)
    counts = len(arrays[0]), len(arrays[2])
    if counts != (TRAIN_DIGITS, TEST_DIGITS):
        raise wrong(prepared, whole, f"{counts[0]:,} and {counts[1]:,}")
    return tuple(array.astype(np.uint8, copy=False) for array in arrays)


def _leave_accelerators_to_backend(tf):
    """Keeps TensorFlow from taking the memory that JAX or PyTorch need."""
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        # TensorFlow is in use already, and has what it has.
        return


def _writable_root(directory):
    """The directory itself if it can be written to, else the user's cache for it."""
    for root in (directory, _cache(directory)):
        try:
            root.mkdir(parents=True, exist_ok=True)
            # Also root respects a directory that is marked read-only.
            if not root.stat().st_mode & 0o222:
                raise PermissionError(f"{root} is read-only")
            with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=root):
                return root
        except OSError as error:
            problem = error
    raise OSError(
        f"MNIST cannot be prepared: neither {directory} nor {root} can be written to. "
        "Make one of them writable, or set XDG_CACHE_HOME to a directory that is."
    ) from problem


def _cache(directory):
    """The user's cache for a data directory, different for each."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    key = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:16]
    return pathlib.Path(home).expanduser() / "keras_stn" / "datasets" / key


def _remove_abandoned(root):
    """Removes what killed processes have left behind."""
    for path in root.glob(UNFINISHED + "*"):
        try:
            if time.time() - path.stat().st_mtime > UNFINISHED_AGE:
                shutil.rmtree(path, ignore_errors=True)
        except FileNotFoundError:
            continue


def _probe():
    """Asks for the head of one file, and takes no longer than the timeout.

    In a thread, because the timeout of a connection does not cover name resolution.

    Returns:
        Why a download is not possible, or None if it looks possible.
    """
    answers = []

    def ask():
        request = urllib.request.Request(PROBE_URL, method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=PROBE_TIMEOUT) as response:
                length = response.headers.get("Content-Length")
        except OSError as error:
            answers.append(f"{PROBE_URL} cannot be reached: {error}")
        else:
            # A login page of a network answers too, with another length.
            same = length == str(PROBE_BYTES)
            answers.append(None if same else f"{PROBE_URL} is another file now")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_TIMEOUT)
    if not answers:
        return f"{PROBE_URL} does not answer within {PROBE_TIMEOUT:g} seconds"
    return answers[0]
