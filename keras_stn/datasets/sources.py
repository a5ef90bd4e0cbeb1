"""Where a data set may come from, and which of these places has it first."""

import contextlib
import os
import pathlib
import urllib.error
from collections.abc import Callable
from typing import NamedTuple


class DownloadFailed(Exception):
    """The network or the server is not to be had; another source may be."""


@contextlib.contextmanager
def downloading():
    """Turns what a network, a server or a proxy may do into `DownloadFailed`."""
    import requests
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import download_manager

    try:
        yield
    except (
        requests.exceptions.RequestException,
        tfds.download.DownloadError,
        download_manager.NonMatchingChecksumError,
        urllib.error.URLError,
        ConnectionError,
        TimeoutError,
    ) as error:
        raise DownloadFailed(f"the download failed: {error}") from error


class Sources(NamedTuple):
    """The places that may have a data set.

    Attributes:
        find_prepared: Takes the directory, returns what TensorFlow Datasets has
            prepared there in an earlier call, or None.
        read_prepared: Reads that.
        has_archives: Whether there are official archives in a folder.
        check_archives: Raises if they are not whole.
        read_archives: Reads them without TensorFlow Datasets.
        prepare: Has TensorFlow Datasets prepare them, given the directory and the
            folder of the archives; returns the place.
        download: The same from the network, given the directory; may raise
            `DownloadFailed`.
    """

    find_prepared: Callable
    read_prepared: Callable
    has_archives: Callable
    check_archives: Callable
    read_archives: Callable
    prepare: Callable
    download: Callable


def first_of(sources, directory):
    """Reads a data set from the first place that has it.

    That is what is prepared, else the archives in `downloads/manual`, else the network.

    Args:
        sources: The `Sources` of the data set.
        directory: A `pathlib.Path`.

    Returns:
        What was read, and where from; or None, and why there is nothing.
    """
    archives = directory / "downloads" / "manual"
    prepared = sources.find_prepared(directory)
    obstacle = obstacle_to_preparing()
    if prepared and not obstacle:
        origin = f"prepared by TensorFlow Datasets in {prepared}"
        return sources.read_prepared(prepared), origin
    if sources.has_archives(archives):
        sources.check_archives(archives)
        origin = f"from the official archives in {archives}"
        if obstacle:
            return sources.read_archives(archives), origin
        prepared = sources.prepare(directory, archives)
        origin = f"{origin}, prepared by TensorFlow Datasets in {prepared}"
        return sources.read_prepared(prepared), origin
    if prepared:
        return None, f"{prepared} cannot be read: {obstacle}"
    if obstacle:
        return None, obstacle
    try:
        prepared = sources.download(directory)
    except DownloadFailed as failure:
        return None, str(failure)
    origin = f"downloaded and prepared by TensorFlow Datasets in {prepared}"
    return sources.read_prepared(prepared), origin


def named_directory(data_dir):
    """The place that the caller names, or the environment, or a default.

    Args:
        data_dir: A string, a path or None.

    Returns:
        A `pathlib.Path`, which need not exist, and what has named it: None if that is
        the default, the directory of TensorFlow Datasets.
    """
    if data_dir is not None:
        named, directory = "`data_dir`", data_dir
    elif os.environ.get("KERAS_STN_DATA"):
        named = "The environment variable KERAS_STN_DATA"
        directory = os.environ["KERAS_STN_DATA"]
    else:
        # As TensorFlow Datasets has it, without importing that.
        default = os.path.join("~", "tensorflow_datasets")
        named, directory = None, os.environ.get("TFDS_DATA_DIR", default)
    return pathlib.Path(directory).expanduser(), named


def obstacle_to_preparing():
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
