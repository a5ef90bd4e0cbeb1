"""Finds SVHN's full numbers, the street numbers of 1 to 5 digits."""

import warnings
from functools import partial
from typing import NamedTuple

import numpy as np

from keras_stn.datasets import svhn_archives, svhn_tensorflow_datasets
from keras_stn.datasets.sources import Sources, first_of, named_directory
from keras_stn.datasets.svhn_archives import ARCHIVES
from keras_stn.datasets.svhn_npz import NPZ_NAME, find_npz, read_npz
from keras_stn.datasets.svhn_rendered import render_numbers

# Without and with `extra`.
TRAIN_NUMBERS = {
    False: ARCHIVES["train"].numbers,
    True: ARCHIVES["train"].numbers + ARCHIVES["extra"].numbers,
}
# Our choice: enough to train on for a demonstration, and drawn within a minute.
RENDERED_TRAIN = 4000
RENDERED_TEST = 1000


class SVHN(NamedTuple):
    """Street numbers, and where they are from.

    Attributes:
        x_train: uint8, shape `(numbers, 64, 64, 3)`: an array, or what is indexed like
            one and reads from disk.
        y_train: uint8 array of shape `(numbers, 5)`: the digits 0 to 9 from left to
            right, then 10 for blank.
        x_test: As `x_train`.
        y_test: As `y_train`.
        source: One sentence that says what was read, for the screen and for results.
        complete: Whether this is all of SVHN: 33,401 training numbers, or 235,754 with
            `extra`, and 13,068 test numbers.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    source: str
    complete: bool


def load_svhn(data_dir=None, extra=False):
    """Loads SVHN's full numbers from a local copy or the network, or renders some.

    Looks into one directory: `data_dir`, else the environment variable
    `KERAS_STN_DATA`, else that of TensorFlow Datasets (`TFDS_DATA_DIR`, or
    `~/tensorflow_datasets`). There it takes the first of

    1. `svhn_numbers.npz`, or the only file `svhn*numbers*.npz`: arrays of images and
       labels that somebody has prepared, of SVHN or of other numbers, in the layout
       that `keras_stn.datasets.svhn_npz` describes. They need no TensorFlow. Such a
       file can be named itself in place of the directory;
    2. `svhn_numbers`, as TensorFlow Datasets has prepared it in an earlier call;
    3. the official archives `train.tar.gz` and `test.tar.gz` (and `extra.tar.gz`) in
       `downloads/manual`, which TensorFlow Datasets prepares once, without a network;
       into a cache of the user (`$XDG_CACHE_HOME/keras_stn`, by default
       `~/.cache/keras_stn`) where the directory cannot be written to. Where it is not
       installed, they are read into memory as they are;
    4. a download by TensorFlow Datasets, to the same places;
    5. 5,000 numbers that are rendered on the spot, 4,000 to train on and 1,000 to test
       on, always the same ones, with a warning: they are not SVHN.

    Args:
        data_dir: The directory, or a `.npz` file; a string or path. It must exist.
        extra: Whether the official half `extra` belongs to the training numbers. Not
            for a `.npz` file, which is read as it is.

    Returns:
        An `SVHN`. The images of 2. to 4. stay on disk.

    Raises:
        FileNotFoundError: If the directory or file does not exist.
        ValueError: If a file is damaged or is not what its name says, if several
            files match 1., or if `extra` is asked for beside such a file.

    Example:

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import keras_stn
    >>> images, labels = np.zeros((6, 64, 64, 1), "uint8"), np.full((6, 5), 10)
    >>> labels[:, 0] = 7  # A number of one digit; 10 is blank.
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "numbers.npz")
    ...     np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)
    ...     svhn = keras_stn.datasets.load_svhn(path)
    >>> np.shape(svhn.x_test), svhn.complete
    ((6, 64, 64, 3), False)
    """
    extra = bool(extra)
    directory = _directory(data_dir)
    npz = directory if directory.is_file() else find_npz(directory)
    if npz and extra:
        raise ValueError(
            "`extra` is a part of the official SVHN, and an array file is read as it "
            "is. Leave `extra` out, or name a directory without such a file. Received: "
            f"extra=True, {str(npz)!r}"
        )
    if npz:
        return _result(read_npz(npz), {}, f"from {npz}", extra)

    splits = svhn_tensorflow_datasets.SPLITS[extra]
    sources = Sources(
        find_prepared=partial(svhn_tensorflow_datasets.find_prepared, extra=extra),
        read_prepared=partial(svhn_tensorflow_datasets.read, extra=extra),
        has_archives=partial(svhn_archives.any_in, splits=splits),
        check_archives=partial(svhn_archives.check, splits=splits),
        read_archives=partial(svhn_archives.read, splits=splits),
        prepare=partial(svhn_tensorflow_datasets.prepare, extra=extra),
        download=partial(svhn_tensorflow_datasets.download, extra=extra),
    )
    numbers, origin = first_of(sources, directory)
    if numbers is None:
        return _rendered(directory, origin)
    return _result(*numbers, origin, extra)


def _directory(data_dir):
    path, named = named_directory(data_dir)
    is_npz = path.is_file() and path.suffix == ".npz"
    if named and not (path.is_dir() or is_npz):
        raise FileNotFoundError(
            f"{named} must name an existing directory, or an .npz file. Make it (for a "
            f"download), or name the one that holds {NPZ_NAME} or the official "
            "archives train.tar.gz and test.tar.gz in downloads/manual. "
            f"Received: {str(path)!r}"
        )
    return path


def _result(arrays, skipped, origin, extra):
    x_train, _, x_test, _ = arrays
    expected = TRAIN_NUMBERS[extra], ARCHIVES["test"].numbers
    complete = len(x_train) in TRAIN_NUMBERS.values() and len(x_test) == expected[1]
    sizes = f"{len(x_train):,} training and {len(x_test):,} test numbers"
    if skipped:
        reasons = ", ".join(f"{reason} ({n:,})" for reason, n in skipped.items())
        origin = f"{origin}; left out: {reasons}"
    if complete:
        return SVHN(*arrays, f"SVHN, {sizes}, {origin}.", complete)
    source = (
        f"NOT the full SVHN: {sizes} instead of {expected[0]:,} and {expected[1]:,}, "
        f"{origin}."
    )
    warnings.warn(source, stacklevel=3)
    return SVHN(*arrays, source, complete)


def _rendered(directory, problem):
    x_train, y_train = render_numbers(RENDERED_TRAIN, seed=0)
    x_test, y_test = render_numbers(RENDERED_TEST, seed=1)
    notice = (
        f"NOT SVHN: {len(x_train):,} training and {len(x_test):,} test numbers that "
        f"were rendered on the spot, because SVHN is not in {directory} and could not "
        f"be downloaded ({problem})."
    )
    # On standard output too: a filtered warning must not make this silent.
    print(notice)
    warnings.warn(notice, stacklevel=3)
    return SVHN(x_train, y_train, x_test, y_test, notice, False)
