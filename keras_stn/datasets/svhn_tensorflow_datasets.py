"""SVHN's full numbers by way of TensorFlow Datasets, which only has the 32x32 crops.

The package is imported when it is needed and not before: the other sources do without.
"""

import collections
import os
import pathlib

import numpy as np

from keras_stn.datasets import preparation, svhn_archives
from keras_stn.datasets.damage import damaged
from keras_stn.datasets.sources import DownloadFailed, downloading
from keras_stn.datasets.svhn_archives import ARCHIVES, DIGITS, SIZE, URL

VERSION = "1.0.0"
IMAGE_SHAPE = (SIZE, SIZE, 3)
# What `extra` is called in the path.
CONFIGS = {False: "without_extra", True: "with_extra"}
SPLITS = {False: ["train", "test"], True: ["train", "test", "extra"]}
PROBE_URL = URL + svhn_archives.archive_name("train")
# Seconds; as for MNIST.
PROBE_TIMEOUT = 6.0
# How many examples are decoded at once: 12 MB.
CHUNK = 1000


class ImagesOnDisk:
    """Images that are read from disk when they are indexed, and not before.

    Looks like a uint8 array of shape `(images, 64, 64, 3)` that can be indexed along
    its first axis, by whatever NumPy takes there: `images[[3, 1, 2]]`, `images[:10]`.
    Can be read from several threads.

    Args:
        source: A data source of TensorFlow Datasets, of examples with an `"image"`.
        rows: Integer array, which examples; None for all.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, source, rows=None):
        self._source = source
        self._rows = np.arange(len(source)) if rows is None else rows

    def part(self, rows):
        """Some of the images, still on disk; `rows` is what NumPy takes for indices."""
        return ImagesOnDisk(self._source, self._rows[rows])

    @property
    def shape(self):
        """`(images, 64, 64, 3)`."""
        return (len(self), *IMAGE_SHAPE)

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, index):
        rows = np.asarray(self._rows[index])
        images = np.empty((rows.size, *IMAGE_SHAPE), np.uint8)
        for start, examples in _chunks(self._source, rows.ravel()):
            for place, example in enumerate(examples, start):
                images[place] = example["image"]
        return images.reshape(*rows.shape, *IMAGE_SHAPE)

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("The images have to be read from disk, which is a copy.")
        return self[:].astype(dtype or self.dtype, copy=False)


def builder_class():
    """Makes the class of the builder.

    Its configurations are `"without_extra"`, with the splits `train` and `test`, and
    `"with_extra"`, with `extra` besides. It takes the archives from `manual_dir` where
    they are there, downloads them otherwise, and checks them against the registered
    checksums. `info.metadata["skipped"]` says, for each split, how many numbers were
    left out for which reason.

    Returns:
        A subclass of `tfds.core.GeneratorBasedBuilder`.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.checksums import UrlInfo

    class SvhnNumbers(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """SVHN's full numbers, cropped and resized to 64x64."""

        VERSION = tfds.core.Version(VERSION)
        BUILDER_CONFIGS = [
            tfds.core.BuilderConfig(name=name) for name in CONFIGS.values()
        ]
        # A file checksums.tsv beside this one would be read in its place.
        url_infos = {
            URL + name: UrlInfo(archive.size, archive.sha256, name)
            for split, archive in ARCHIVES.items()
            for name in [svhn_archives.archive_name(split)]
        }

        def _info(self):
            bytes_as_they_are = tfds.features.Encoding.BYTES
            return tfds.core.DatasetInfo(
                builder=self,
                description="Street View House Numbers, full numbers of 1 to 5 digits.",
                homepage=URL,
                features=tfds.features.FeaturesDict(
                    {
                        "image": tfds.features.Tensor(
                            shape=IMAGE_SHAPE,
                            dtype=np.uint8,
                            encoding=bytes_as_they_are,
                        ),
                        "label": tfds.features.Tensor(
                            shape=(DIGITS,), dtype=np.uint8, encoding=bytes_as_they_are
                        ),
                    }
                ),
                supervised_keys=("image", "label"),
                metadata=tfds.core.MetadataDict(skipped={}),
            )

        def _split_generators(self, dl_manager):
            with_extra = self.builder_config.name == CONFIGS[True]
            paths = dl_manager.download(
                {
                    split: URL + svhn_archives.archive_name(split)
                    for split in SPLITS[with_extra]
                }
            )
            return {
                split: self._generate_examples(split, path)
                for split, path in paths.items()
            }

        def _generate_examples(self, split, path):
            skipped = collections.Counter()
            numbers = svhn_archives.read_numbers(pathlib.Path(path), skipped)
            for number, image, label in numbers:
                yield number, {"image": image, "label": label}
            self.info.metadata["skipped"][split] = dict(skipped)

    return SvhnNumbers


def find_prepared(directory, extra=False):
    """Finds the numbers as they were prepared earlier from this directory.

    Args:
        directory: A `pathlib.Path`.
        extra: Whether `extra` must be there too; else it may.

    Returns:
        The path of what was prepared, in the directory or in the user's cache, or None.

    Raises:
        ValueError: If it is there but was not finished.
    """
    for with_extra in [True] if extra else [False, True]:
        prepared = preparation.find_prepared(directory, _version_directory(with_extra))
        if prepared:
            return prepared
    return None


def prepare(directory, archives=None, extra=False):
    """Prepares the numbers once and for all.

    All or nothing: in a directory of its own, which is renamed in the end. TensorFlow
    Datasets puts them into an order of its own, for which it keeps at most a gigabyte
    in memory and the rest on disk.

    Args:
        directory: A `pathlib.Path`, the data directory.
        archives: A `pathlib.Path`, the directory of the official archives, checked; or
            None to download them.
        extra: Whether to prepare `extra` too.

    Returns:
        The path of what was prepared, in the data directory or in the user's cache.

    Raises:
        OSError: If neither can be written to, or the disk is full.
        ValueError: If an archive is damaged.
    """
    import tensorflow_datasets as tfds

    root = preparation.writable_root(directory, "SVHN")
    version_directory = _version_directory(extra)
    final = root / version_directory
    print(f"Preparing SVHN in {final}; only this once, it takes minutes.")
    if archives is not None:
        tfds.disable_progress_bar()  # Nothing is downloaded, so there is none to show.
    with preparation.all_or_nothing(root, version_directory) as unfinished:
        builder = builder_class()(
            config=CONFIGS[extra], data_dir=unfinished, file_format="array_record"
        )
        builder.download_and_prepare(
            download_dir=os.path.join(unfinished, "downloads"),
            download_config=tfds.download.DownloadConfig(
                manual_dir=None if archives is None else os.fspath(archives)
            ),
        )
    return final


def download(directory, extra=False):
    """Downloads and prepares the numbers.

    Args:
        directory: A `pathlib.Path`, the data directory.
        extra: Whether to do so with `extra`, 1.9 GB, too.

    Returns:
        The path of what was prepared, in the data directory or in the user's cache.

    Raises:
        DownloadFailed: If the network or the server is not to be had, or sends
            something else.
    """
    problem = preparation.probe(PROBE_URL, ARCHIVES["train"].size, PROBE_TIMEOUT)
    if problem:
        raise DownloadFailed(problem)
    with downloading():
        return prepare(directory, extra=extra)


def read(prepared, extra=False):
    """Opens prepared numbers: the labels in memory, the images on disk.

    Args:
        prepared: The path of what was prepared.
        extra: Whether `extra` belongs to the training numbers.

    Returns:
        x_train, y_train, x_test, y_test, the images as `ImagesOnDisk`; and how many
        numbers were left out for which reason, a `collections.Counter`.

    Raises:
        ValueError: If the files are damaged.
    """
    import tensorflow_datasets as tfds

    arrays, skipped = [], collections.Counter()
    try:
        builder = tfds.builder_from_directory(prepared)
        for split in SPLITS[extra]:
            skipped.update(builder.info.metadata["skipped"][split])
        for split in ("train+extra" if extra else "train", "test"):
            source = builder.as_data_source(split=split)
            arrays += [ImagesOnDisk(source), _labels(source)]
    except Exception as error:  # Whatever the libraries make of a damaged file.
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise damaged(
            prepared, "numbers prepared to the end", f"unreadable files ({reason})"
        ) from error
    return tuple(arrays), skipped


def _version_directory(extra):
    return pathlib.Path("svhn_numbers") / CONFIGS[extra] / VERSION


def _labels(source):
    labels = np.empty((len(source), DIGITS), np.uint8)
    for start, examples in _chunks(source, np.arange(len(source))):
        for place, example in enumerate(examples, start):
            labels[place] = example["label"]
    return labels


def _chunks(source, rows):
    """Yields where a chunk of rows starts, and their examples."""
    for start in range(0, len(rows), CHUNK):
        yield start, source.__getitems__(rows[start : start + CHUNK].tolist())
