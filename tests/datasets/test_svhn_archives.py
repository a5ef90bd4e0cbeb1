import collections
import gzip
import tempfile
import tracemalloc

import numpy as np
import pytest

from keras_stn.datasets import svhn_archives
from tests.datasets.svhn_layout import (
    Number,
    digit_struct,
    make_official,
    png,
    random_number,
    write_archive,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "train.tar.gz"


def read(path):
    """What is in an archive, by number, and what was left out."""
    skipped = collections.Counter()
    read = list(svhn_archives.read_numbers(path, skipped))
    numbers = {number: (image, label) for number, image, label in read}
    assert len(numbers) == len(read)
    return numbers, skipped


def some_numbers():
    return [
        random_number(1, [5]),
        random_number(2, [2, 1]),
        random_number(10, [10] * 5),
    ]


def resampled(image, box):
    """A triangle as wide as an output pixel, or as an input one if that is wider."""
    weights = []
    for low, high, length in zip(box[:2], box[2:], image.shape[1::-1], strict=True):
        scale = (high - low) / 64
        centres = low + (np.arange(64) + 0.5) * scale
        distance = np.arange(length) + 0.5 - centres[:, None]
        weight = np.maximum(1 - np.abs(distance) / max(scale, 1), 0)
        weights.append(weight / weight.sum(axis=1, keepdims=True))
    across, down = weights
    return np.einsum("yi,xj,ijc->yxc", down, across, image.astype(float), optimize=True)


@pytest.mark.parametrize("mat", ["start", "end"])
def test_numbers_and_labels(path, mat):
    write_archive(path, some_numbers(), mat)
    numbers, skipped = read(path)
    labels = {number: label.tolist() for number, (_, label) in numbers.items()}
    assert labels == {
        1: [5, 10, 10, 10, 10],
        2: [2, 1, 10, 10, 10],
        10: [0, 0, 0, 0, 0],
    }
    assert not skipped
    for image, label in numbers.values():
        assert image.shape == (64, 64, 3)
        assert image.dtype == label.dtype == np.uint8


def test_digits_are_in_reading_order(path):
    image = np.zeros((40, 60, 3), np.uint8)
    digits = [(3, 40, 5, 9, 20), (10, 5, 5, 9, 20), (7, 22, 5, 9, 20)]
    write_archive(path, [Number("1.png", image, digits)])
    assert read(path)[0][1][1].tolist() == [0, 7, 3, 10, 10]


@pytest.mark.parametrize(
    ("size", "digits", "box"),
    [
        # left - 0.15 width, top - 0.15 height, right + ..., bottom + ...
        ((300, 400), [(1, 100, 50, 80, 200)], (88, 20, 192, 280)),
        ((90, 80), [(1, 30, 40, 10, 20), (2, 45, 38, 5, 12)], (27, 34.7, 53, 63.3)),
        # Clipped on every side.
        ((50, 40), [(1, 1, 2, 37, 46)], (0, 0, 40, 50)),
        ((50, 40), [(1, -4, 10, 20, 20), (2, 20, 10, 30, 20)], (0, 7, 40, 33)),
    ],
)
def test_crop(path, size, digits, box):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    write_archive(path, [Number("1.png", image, digits)])
    picture = read(path)[0][1][0]
    # Pillow rounds after each axis.
    np.testing.assert_allclose(picture, resampled(image, box), atol=1.5)


def test_what_is_left_out_is_counted(path):
    good, broken = random_number(1, [5, 6]), random_number(2, [5])
    outside = random_number(6, [1])._replace(digits=[(1, 5, 5, 9, 9), (2, 60, 5, 9, 9)])
    numbers = [
        good,
        broken._replace(image=png(broken.image)[:-2000]),
        random_number(3, [1])._replace(image=b"no png"),
        random_number(4, [1])._replace(image=None),
        random_number(5, [1, 2, 3, 4, 5, 6]),
        outside,
        random_number(7, [1])._replace(digits=[(1, 5, 5, 0, 9)]),
        random_number(8, [1, 2, 3, 4, 5, 6])._replace(image=None),
    ]
    write_archive(path, numbers)
    read_numbers, skipped = read(path)
    assert list(read_numbers) == [1]
    assert skipped == {
        "more than 5 digits": 2,
        "unreadable png": 2,
        "no png in the archive": 1,
        "a box outside the image": 2,
    }


def test_png_that_has_no_boxes_is_counted(path, tmp_path):
    write_archive(path, some_numbers())
    digit_struct(tmp_path / "fewer.mat", some_numbers()[:2])
    write_archive(path, some_numbers(), (tmp_path / "fewer.mat").read_bytes())
    numbers, skipped = read(path)
    assert list(numbers) == [1, 2]
    assert skipped == {"png that digitStruct.mat does not name": 1}


def test_grey_and_palette_images_become_colour(path):
    colour = np.random.default_rng(0).integers(0, 4, (40, 60, 3), np.uint8) * 85
    grey = colour[..., 0]
    digits = [(1, 10, 10, 20, 20)]
    write_archive(
        path,
        [
            Number("1.png", grey, digits),
            Number("2.png", np.stack([grey] * 3, axis=-1), digits),
            Number("3.png", np.dstack([colour, np.full_like(grey, 9)]), digits),
            Number("4.png", colour, digits),
        ],
    )
    numbers = read(path)[0]
    np.testing.assert_array_equal(numbers[1][0], numbers[2][0])
    np.testing.assert_array_equal(numbers[3][0], numbers[4][0])


@pytest.mark.parametrize("mat", ["start", "end"])
@pytest.mark.parametrize("keep", [0, 5, 0.3, 0.6, 0.95, -8, -1])
def test_truncated_archive(path, mat, keep):
    write_archive(path, some_numbers(), mat)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if 0 < keep < 1 else keep])
    with pytest.raises(ValueError, match=r"train\.tar\.gz is damaged") as caught:
        read(path)
    assert "Expected a whole .tar.gz archive" in str(caught.value)


@pytest.mark.parametrize("keep", [0.4, 0.8])
def test_truncated_tar_in_a_whole_gzip_file(path, keep):
    write_archive(path, some_numbers(), "start")
    tar = gzip.decompress(path.read_bytes()).rstrip(b"\0")
    path.write_bytes(gzip.compress(tar[: int(keep * len(tar))]))
    with pytest.raises(ValueError, match=r"train\.tar\.gz is damaged"):
        read(path)


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9, -5])
def test_archive_with_flipped_bits(path, place):
    write_archive(path, some_numbers(), "start")
    content = bytearray(path.read_bytes())
    content[int(place * len(content)) if place > 0 else place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"train\.tar\.gz is damaged"):
        read(path)


def test_archive_that_is_something_else(path):
    path.write_bytes(b"no archive" * 100)
    with pytest.raises(ValueError, match=r"train\.tar\.gz is damaged"):
        read(path)
    with pytest.raises(FileNotFoundError):
        read(path.parent / "test.tar.gz")


def test_missing_boxes(path):
    write_archive(path, some_numbers(), mat=None)
    with pytest.raises(ValueError, match="an archive without it") as caught:
        read(path)
    assert "Expected digitStruct.mat in it" in str(caught.value)


@pytest.mark.parametrize("damage", ["empty", "text", "truncated", "middle"])
def test_damaged_boxes(path, tmp_path, damage):
    digit_struct(tmp_path / "boxes.mat", some_numbers())
    whole = (tmp_path / "boxes.mat").read_bytes()
    content = {
        "empty": b"",
        "text": b"digitStruct" * 100,
        "truncated": whole[: len(whole) // 2],
        "middle": whole[:1000] + bytes(len(whole) - 2000) + whole[-1000:],
    }[damage]
    write_archive(path, some_numbers(), content)
    with pytest.raises(ValueError, match=r"digitStruct\.mat in .*train\.tar\.gz"):
        read(path)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (random_number(1, [11]), "label 11"),
        (random_number(1, [0, 2]), "label 0"),
        (random_number(1, [1.5]), "label 1.5"),
        (random_number(1, [1])._replace(digits=[(1, np.nan, 5, 9, 9)]), "nan"),
        (random_number(1, [1])._replace(name="x.jpg"), "x.jpg"),
    ],
)
def test_boxes_that_make_no_sense(path, number, message):
    write_archive(path, [*some_numbers(), number])
    with pytest.raises(ValueError, match=message) as caught:
        read(path)
    assert "digitStruct.mat" in str(caught.value)


def test_neither_memory_nor_disk_holds_the_archive(path, tmp_path, monkeypatch):
    numbers = [random_number(n, [1], width=400, height=300) for n in range(1, 21)]
    write_archive(path, numbers)
    assert path.stat().st_size > 7e6
    del numbers
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    tracemalloc.start()
    try:
        for _ in svhn_archives.read_numbers(path, collections.Counter()):
            assert not list(temporary.iterdir())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3e6


def test_read_joins_the_extra_half(tmp_path, monkeypatch):
    manual = make_official(tmp_path, monkeypatch)
    arrays, skipped = svhn_archives.read(manual, ["train", "test", "extra"])
    assert [array.shape for array in arrays] == [
        (19, 64, 64, 3),
        (19, 5),
        (5, 64, 64, 3),
        (5, 5),
    ]
    assert skipped == {"more than 5 digits": 1}
    extra = read(manual / "extra.tar.gz")[0]
    np.testing.assert_array_equal(
        arrays[0][12:], [image for image, _ in extra.values()]
    )
    alone, _ = svhn_archives.read(manual, ["train", "test"])
    np.testing.assert_array_equal(alone[0], arrays[0][:12])


def test_check(tmp_path, monkeypatch):
    manual = make_official(tmp_path, monkeypatch)
    splits = ["train", "test"]
    assert svhn_archives.any_in(manual, splits)
    svhn_archives.check(manual, splits)
    (manual / "train.tar.gz").write_bytes((manual / "test.tar.gz").read_bytes())
    with pytest.raises(ValueError, match=r"train\.tar\.gz.*MD5 checksum"):
        svhn_archives.check(manual, splits)
    (manual / "train.tar.gz").unlink()
    with pytest.raises(ValueError, match=r"train\.tar\.gz is missing.*Add it"):
        svhn_archives.check(manual, splits)
    (manual / "test.tar.gz").unlink()
    assert not svhn_archives.any_in(manual, splits)
    assert svhn_archives.any_in(manual, ["extra"])
