"""Where data sets are prepared, all or nothing, and whether a server answers."""

import contextlib
import hashlib
import os
import pathlib
import shutil
import tempfile
import threading
import time
import urllib.request

# Unfinished preparations carry this in their name.
UNFINISHED = "keras_stn.unfinished."
# Seconds without a change after which one is taken for that of a killed process. What
# is downloaded or written changes every few seconds, minutes at most.
UNFINISHED_AGE = 3600.0
# How often, and after how many seconds each time, removing one is tried again.
_REMOVALS, _REMOVAL_PAUSE = 50, 0.1


def find_prepared(directory, version_directory):
    """Finds a data set as it was prepared earlier from this directory.

    Also clears away what preparations that were killed have left behind.

    Args:
        directory: A `pathlib.Path`.
        version_directory: The relative path that TensorFlow Datasets gives the data
            set, such as `mnist/3.0.1`.

    Returns:
        Its path, in the directory or in the user's cache, or None.

    Raises:
        ValueError: If it is there but was not finished.
    """
    for root in (directory, user_cache(directory)):
        _remove_abandoned(root)
        prepared = root / version_directory
        if (prepared / "dataset_info.json").is_file():
            return prepared
        if prepared.exists():
            raise ValueError(
                f"{prepared} is damaged. Expected a dataset that TensorFlow Datasets "
                "has prepared to the end. Received: a directory without "
                "dataset_info.json. Replace it by a fresh copy, or delete it to use "
                "another source."
            )
    return None


@contextlib.contextmanager
def all_or_nothing(root, version_directory):
    """Gives a preparation a directory of its own, which is renamed in the end.

    Args:
        root: A `pathlib.Path` that can be written to, from `writable_root()`.
        version_directory: The relative path that the preparation makes in the
            directory that it is given, and that `root` has after it.

    Yields:
        The directory to prepare in; removed at the end, whatever has happened.
    """
    final = root / version_directory
    unfinished = tempfile.mkdtemp(prefix=UNFINISHED, dir=root)
    try:
        yield unfinished
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(pathlib.Path(unfinished) / version_directory, final)
        except OSError:
            # Another process may have been faster; its result is as good.
            if not (final / "dataset_info.json").is_file():
                raise
    finally:
        _remove(pathlib.Path(unfinished))


def writable_root(directory, name):
    """The directory itself if it can be written to, else the user's cache for it.

    Args:
        directory: A `pathlib.Path`.
        name: What is to be prepared there, for the message.

    Returns:
        A `pathlib.Path` that exists.

    Raises:
        OSError: If neither can be written to.
    """
    for root in (directory, user_cache(directory)):
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
        f"{name} cannot be prepared: neither {directory} nor {root} can be written to. "
        "Make one of them writable, or set XDG_CACHE_HOME to a directory that is."
    ) from problem


def user_cache(directory):
    """The user's cache for a data directory, different for each.

    Args:
        directory: A `pathlib.Path`.

    Returns:
        A `pathlib.Path`; it need not exist.
    """
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    key = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:16]
    return pathlib.Path(home).expanduser() / "keras_stn" / "datasets" / key


def probe(url, size, timeout):
    """Asks for the head of one file, and takes no longer than the timeout.

    In a thread, because the timeout of a connection does not cover name resolution.

    Args:
        url: The file's address.
        size: How many bytes the file has.
        timeout: Seconds.

    Returns:
        Why a download is not possible, or None if it looks possible.
    """
    answers = []

    def ask():
        request = urllib.request.Request(url, method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                length = response.headers.get("Content-Length")
        except OSError as error:
            answers.append(f"{url} cannot be reached: {error}")
        else:
            # A login page of a network answers too, with another length.
            same = length == str(size)
            answers.append(None if same else f"{url} is another file now")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    if not answers:
        return f"{url} does not answer within {timeout:g} seconds"
    return answers[0]


def _remove_abandoned(root):
    """Removes what killed processes have left behind."""
    for path in root.glob(UNFINISHED + "*"):
        try:
            files = [below for below in path.rglob("*") if below.is_file()]
            changed = max(below.stat().st_mtime for below in [path, *files])
            if time.time() - changed > UNFINISHED_AGE:
                shutil.rmtree(path, ignore_errors=True)
        except FileNotFoundError:
            continue


def _remove(path):
    """Removes a directory into which a download's threads may still be writing."""
    for _ in range(_REMOVALS):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        time.sleep(_REMOVAL_PAUSE)
