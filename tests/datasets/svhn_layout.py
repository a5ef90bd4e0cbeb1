"""Makes small archives in the layout of SVHN's official ones, and array files."""

import hashlib
import io
import tarfile
from typing import NamedTuple

import h5py
import numpy as np
from PIL import Image

from keras_stn.datasets import svhn_archives


class Number(NamedTuple):
    """A picture and the digits in it.

    Attributes:
        name: As in `digitStruct.mat`.
        image: uint8 array, or the bytes of the png, or None to leave it out.
        digits: (label, left, top, width, height) for each, label 10 for the digit 0.
    """

    name: str
    image: np.ndarray | bytes | None
    digits: list


def random_number(index, labels, seed=0, width=60, height=40):
    """Noise with digits side by side."""
    generator = np.random.default_rng([seed, index])
    image = generator.integers(0, 256, (height, width, 3), np.uint8)
    step = (width - 10) / len(labels)
    digits = [
        (label, 5 + step * place, 8 + place, step - 1, 20 + place)
        for place, label in enumerate(labels)
    ]
    return Number(f"{index}.png", image, digits)


def png(image):
    """The bytes of an image file."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "png")
    return stream.getvalue()


def digit_struct(path, numbers):
    """Writes digitStruct.mat as MATLAB 7.3 does: HDF5 behind a header, references."""
    with h5py.File(path, "w", userblock_size=512) as file:
        heap = file.create_group("#refs#")

        def stored(value):
            return heap.create_dataset(str(len(heap)), data=value).ref

        names, boxes = [], []
        for number in numbers:
            codes = np.array([list(map(ord, number.name))], np.uint16).T
            names.append(stored(codes))
            group = heap.create_group(str(len(heap)))
            keys = ("label", "left", "top", "width", "height")
            for column, key in enumerate(keys):
                values = [float(digit[column]) for digit in number.digits]
                if len(values) == 1:
                    group[key] = np.array([values])
                else:
                    references = [[stored(np.array([[value]]))] for value in values]
                    group.create_dataset(
                        key,
                        shape=(len(values), 1),
                        dtype=h5py.ref_dtype,
                        data=np.array(references, h5py.ref_dtype).reshape(-1, 1),
                    )
            boxes.append(group.ref)
        struct = file.create_group("digitStruct")
        for key, references in (("bbox", boxes), ("name", names)):
            column = np.array(references, h5py.ref_dtype).reshape(-1, 1)
            struct.create_dataset(key, data=column, dtype=h5py.ref_dtype)
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512))


def write_archive(path, numbers, mat="end"):
    """Writes an archive.

    Args:
        path: A `pathlib.Path`, `<split>.tar.gz`.
        numbers: `Number`s.
        mat: Where digitStruct.mat is, `"start"` or `"end"`; or its bytes, at the end;
            or None to leave it out.
    """
    split = path.name.split(".")[0]
    struct = path.parent / "written.mat"
    digit_struct(struct, numbers)
    content = mat if isinstance(mat, bytes) else struct.read_bytes()
    struct.unlink()
    files = []
    for number in numbers:
        if number.image is not None:
            image = number.image
            image = image if isinstance(image, bytes) else png(image)
            files.append((number.name, image))
    if mat is not None:
        place = 0 if mat == "start" else len(files)
        files.insert(place, ("digitStruct.mat", content))
    files.append(("see_bboxes.m", b"% shows the boxes\n"))
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        directory = tarfile.TarInfo(split)
        directory.type = tarfile.DIRTYPE
        tar.addfile(directory)
        for name, content in files:
            member = tarfile.TarInfo(f"{split}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def make_official(directory, monkeypatch, counts=(12, 5, 7)):
    """Writes three small archives that count as the official ones.

    Args:
        directory: A `pathlib.Path`, the data directory.
        monkeypatch: pytest's fixture.
        counts: How many numbers of at most five digits train, test and extra have.
            Train has one of six digits besides.

    Returns:
        The path of `downloads/manual` in it.
    """
    manual = directory / "downloads" / "manual"
    manual.mkdir(parents=True)
    splits = zip(("train", "test", "extra"), counts, strict=True)
    for seed, (split, count) in enumerate(splits):
        numbers = [
            random_number(
                index, [(index + k) % 10 + 1 for k in range(index % 5 + 1)], seed
            )
            for index in range(1, count + 1)
        ]
        if split == "train":
            numbers.insert(1, random_number(count + 1, [1, 2, 3, 4, 5, 6], seed))
        path = manual / f"{split}.tar.gz"
        write_archive(path, numbers)
        content = path.read_bytes()
        archive = svhn_archives.Archive(
            len(content),
            hashlib.md5(content).hexdigest(),
            hashlib.sha256(content).hexdigest(),
            count,
        )
        monkeypatch.setitem(svhn_archives.ARCHIVES, split, archive)
    return manual


def number_arrays(channels=1, train=6, test=4):
    """The content of a small but proper array file."""
    generator = np.random.default_rng(0)
    content = {}
    for split, count in (("train", train), ("test", test)):
        labels = generator.integers(0, 10, (count, 5))
        labels[np.arange(5) > np.arange(count)[:, None] % 5] = 10
        shape = (count, 64, 64, channels)
        content[f"x_{split}"] = generator.integers(0, 256, shape, np.uint8)
        content[f"y_{split}"] = labels
    return content


def save_npz(path, content):
    """Writes an array file and returns its path."""
    np.savez_compressed(path, **content)
    return path
