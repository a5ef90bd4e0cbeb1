"""The official archives of SVHN's full numbers, read as streams."""

import collections
import contextlib
import gzip
import hashlib
import io
import pathlib
import re
import shutil
import struct
import tarfile
import tempfile
import zlib
from typing import NamedTuple

import numpy as np

from keras_stn.datasets import svhn_boxes
from keras_stn.datasets.damage import damaged

# "Blank" in place of a digit; official files say 10 for the digit 0 instead.
BLANK = 10
DIGITS = 5
SIZE = 64
# On each side, of the width and of the height of the box of all digits: 30 % in all.
MARGIN = 0.15
URL = "http://ufldl.stanford.edu/housenumbers/"
BOXES_NAME = "digitStruct.mat"

# Why a number is left out.
TOO_LONG = f"more than {DIGITS} digits"
NO_DIGITS = "no digits"
NO_PICTURE = "no png in the archive"
UNREADABLE = "unreadable png"
OUTSIDE = "a box outside the image"
NOT_NAMED = f"png that {BOXES_NAME} does not name"

_DAMAGED_ARCHIVE = (gzip.BadGzipFile, EOFError, zlib.error, tarfile.TarError)
_DAMAGED_PICTURE = (OSError, EOFError, SyntaxError, ValueError, struct.error)


class Archive(NamedTuple):
    """What is known of an official archive.

    Attributes:
        size: Its bytes.
        md5: Its MD5 checksum.
        sha256: Its SHA-256 checksum.
        numbers: How many of its numbers have at most five digits.
    """

    size: int
    md5: str
    sha256: str
    numbers: int


# Stanford publishes no checksums. Sizes, SHA-256 and the counts of images (33,402,
# 13,068 and 202,353) are those that Hugging Face's `datasets` records for its data set
# "svhn". One training number has six digits; that no extra one has follows from the
# 235,754 in all that the literature trains on.
ARCHIVES = {
    "train": Archive(
        404_141_560,
        "a649f4cb15c35520e8a8c342d4c0005a",
        "4b17bb33b6cd8f963493168f80143da956f28ec406cc12f8e5745a9f91a51898",
        33_401,
    ),
    "test": Archive(
        276_555_967,
        "790d9c8d42f1fcbd219b59956c853a81",
        "57ac9ceb530e4aa85b55d991be8fc49c695b3d71c6f6a88afea86549efde7fb5",
        13_068,
    ),
    "extra": Archive(
        1_955_489_752,
        "606f41243d71ca4d5fe66dbaf1f02bee",
        "e857e27d1e65bd1e7d3959b094061777f6506bbc39889a0df3bba6a729d60f9c",
        202_353,
    ),
}


def archive_name(split):
    """The name of the archive of `"train"`, `"test"` or `"extra"`."""
    return f"{split}.tar.gz"


def any_in(directory, splits):
    """Whether at least one of the archives is there.

    Args:
        directory: A `pathlib.Path`.
        splits: Which, a list out of `"train"`, `"test"` and `"extra"`.

    Returns:
        True or False.
    """
    return any((directory / archive_name(split)).exists() for split in splits)


def check(directory, splits):
    """Checks that archives are there, whole and unchanged.

    Args:
        directory: A `pathlib.Path`.
        splits: Which, a list out of `"train"`, `"test"` and `"extra"`.

    Raises:
        ValueError: If one is missing or differs from the official one.
    """
    for split in splits:
        path = directory / archive_name(split)
        if not path.is_file():
            raise ValueError(
                f"{path} is missing. Expected the official archives beside each other: "
                f"{', '.join(map(archive_name, splits))}. Add it, or move the others "
                "away to use another source."
            )
        with path.open("rb") as file:
            received = hashlib.file_digest(file, hashlib.md5).hexdigest()
        if received != ARCHIVES[split].md5:
            raise damaged(
                path,
                f"the official archive, with the MD5 checksum {ARCHIVES[split].md5}",
                f"{path.stat().st_size:,} bytes with the checksum {received}",
            )


def read_numbers(path, skipped):
    """Reads an archive number by number.

    In two passes, as the boxes may come last. Neither the archive nor its images are
    ever in memory or on disk as a whole; the boxes are, in a temporary file.

    A picture is the box of all digits, enlarged by 30 %, clipped to the image and
    resized bilinearly, as Pillow does it: over all pixels where it makes smaller, and
    with an edge anywhere between pixels. The latter is our choice.

    Args:
        path: A `pathlib.Path`, a `.tar.gz` in the official layout.
        skipped: A `collections.Counter`, to which is added how many numbers were left
            out for which reason; complete when the last number has been read.

    Yields:
        The image's official number; the picture, uint8 of shape `(64, 64, 3)`; the
        label, uint8 of shape `(5,)`, the digits from left to right and then 10 for
        blank.

    Raises:
        ValueError: If the archive is damaged, or `digitStruct.mat` is or is missing.
    """
    with _damage_reported(path):
        boxes = {}
        for number, digits in _read_boxes(path):
            boxes[number] = digits
            if not 0 < len(digits) <= DIGITS:
                skipped[TOO_LONG if digits else NO_DIGITS] += 1
                boxes[number] = None
        unread = {number for number, digits in boxes.items() if digits}
        for name, file in _files(path):
            png = re.fullmatch(r"(\d+)\.png", name)
            number = int(png[1]) if png else None
            if png and number not in boxes:
                skipped[NOT_NAMED] += 1
            elif number in unread:
                unread.remove(number)
                picture = _picture(file.read(), boxes[number])
                if isinstance(picture, str):
                    skipped[picture] += 1
                else:
                    yield number, picture, _label(boxes[number])
        if unread:
            skipped[NO_PICTURE] += len(unread)


def read(directory, splits):
    """Reads archives into memory.

    Args:
        directory: A `pathlib.Path` whose archives have been checked.
        splits: Which, a list out of `"train"`, `"test"` and `"extra"`.

    Returns:
        x_train, y_train, x_test, y_test, all uint8, in the archives' order, with
        `extra` at the end of the training numbers; and how many numbers were left out
        for which reason, a `collections.Counter`.
    """
    skipped = collections.Counter()
    arrays = []
    for half in (("train", "extra"), ("test",)):
        half = [split for split in half if split in splits]
        limit = sum(ARCHIVES[split].numbers for split in half)
        # Takes up memory only where it is written to.
        images = np.empty((limit, SIZE, SIZE, 3), np.uint8)
        labels = np.empty((limit, DIGITS), np.uint8)
        count = 0
        for split in half:
            path = directory / archive_name(split)
            for _, image, label in read_numbers(path, skipped):
                images[count], labels[count] = image, label
                count += 1
        arrays += [images[:count], labels[:count]]
    return tuple(arrays), skipped


@contextlib.contextmanager
def _damage_reported(path):
    try:
        yield
    except _DAMAGED_ARCHIVE as error:
        raise damaged(
            path, "a whole .tar.gz archive", f"one that cannot be read ({error})"
        ) from error


def _files(path):
    """Yields the name of each file in an archive, and what its content is read from."""
    # Not mode "r|gz", which may miss a missing end and does not check the checksum.
    with gzip.open(path) as content, tarfile.open(fileobj=content, mode="r|") as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # They would be kept, all 200,000.
            if member.isfile():
                name = pathlib.PurePosixPath(member.name).name
                yield name, tar.extractfile(member)
        while content.read(1 << 20):
            continue


def _read_boxes(path):
    """Yields the number of each image and its digits, a label and a box each."""
    with tempfile.TemporaryDirectory() as directory:
        copy = pathlib.Path(directory) / BOXES_NAME
        with contextlib.closing(_files(path)) as files:
            for name, file in files:
                if name == BOXES_NAME:
                    with copy.open("wb") as target:
                        shutil.copyfileobj(file, target)
                    break
            else:
                raise damaged(path, f"{BOXES_NAME} in it", "an archive without it")
        try:
            yield from svhn_boxes.read_boxes(copy)
        except svhn_boxes.DAMAGED as error:
            raise damaged(
                f"{BOXES_NAME} in {path}",
                "the names and boxes of images, as MATLAB 7.3 writes them",
                f"what cannot be read ({str(error) or type(error).__name__})",
            ) from error


def _label(digits):
    """The digits from left to right, then blanks."""
    label = np.full(DIGITS, BLANK, np.uint8)
    ordered = sorted(digits, key=lambda digit: digit[1][0])
    label[: len(digits)] = [value % 10 for value, _ in ordered]
    return label


def _picture(content, digits):
    """Crops and resizes; returns the reason if that is not possible."""
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(content)).convert("RGB")
    except (*_DAMAGED_PICTURE, Image.DecompressionBombError):
        return UNREADABLE
    for _, (left, top, right, bottom) in digits:
        across = min(right, image.width) > max(left, 0)
        down = min(bottom, image.height) > max(top, 0)
        if not (across and down):
            return OUTSIDE
    lefts, tops, rights, bottoms = zip(*(box for _, box in digits), strict=True)
    left, top, right, bottom = min(lefts), min(tops), max(rights), max(bottoms)
    x_margin, y_margin = MARGIN * (right - left), MARGIN * (bottom - top)
    crop = (
        max(left - x_margin, 0),
        max(top - y_margin, 0),
        min(right + x_margin, image.width),
        min(bottom + y_margin, image.height),
    )
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=crop))
