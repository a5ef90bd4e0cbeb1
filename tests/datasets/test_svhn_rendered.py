import sys

import numpy as np
import pytest

from keras_stn.datasets.svhn_rendered import (
    DIGIT_COUNTS,
    LENGTH_COUNTS,
    render_numbers,
)


@pytest.fixture(scope="module")
def rendered():
    return render_numbers(40, seed=3)


@pytest.fixture
def unpainted(monkeypatch):
    """Labels alone: as `render_numbers`, with black in place of the scenes."""
    from keras_stn.datasets import street_scene

    black = np.zeros((64, 64, 3), np.uint8)
    monkeypatch.setattr(street_scene, "render_scene", lambda *arguments: black)


def test_images_and_labels(rendered):
    images, labels = rendered
    assert images.shape == (40, 64, 64, 3)
    assert labels.shape == (40, 5)
    assert images.dtype == labels.dtype == np.uint8
    blank = labels == 10
    assert labels.max() == 10
    assert not blank[:, 0].any()
    assert not (blank[:, :-1] & ~blank[:, 1:]).any()
    # Each shows something, and no two the same.
    assert images.std(axis=(1, 2)).max(axis=1).min() > 5
    assert len({image.tobytes() for image in images}) == 40


def test_an_image_depends_on_seed_and_index_alone(rendered):
    images, labels = rendered
    fewer, fewer_labels = render_numbers(7, seed=3)
    np.testing.assert_array_equal(fewer, images[:7])
    np.testing.assert_array_equal(fewer_labels, labels[:7])
    others, _ = render_numbers(7, seed=4)
    assert not {image.tobytes() for image in others} & {
        image.tobytes() for image in images
    }


def test_lengths_and_digits_are_as_frequent_as_in_svhn(unpainted):
    _, labels = render_numbers(3000, seed=0)
    lengths = np.bincount((labels < 10).sum(axis=1), minlength=6)[1:]
    digits = np.bincount(labels[labels < 10], minlength=10)
    # SVHN's own counts: 33,402 numbers with one of six digits, 73,257 digits with six
    # in that one.
    assert sum(LENGTH_COUNTS) == 33402 - 1
    assert np.dot(LENGTH_COUNTS, range(1, 6)) == 73257 - 6
    for drawn, counts in ((lengths, LENGTH_COUNTS), (digits, DIGIT_COUNTS)):
        expected = np.array(counts) / sum(counts) * drawn.sum()
        # Within four standard deviations, and one more for the rarest.
        assert (np.abs(drawn - expected) < 1 + 4 * np.sqrt(expected)).all()


def test_the_ends_of_the_seeds(unpainted):
    _, first = render_numbers(20, seed=0)
    _, last = render_numbers(np.int64(20), seed=2**32 - 1)
    assert (first != last).any()


@pytest.mark.parametrize(
    ("count", "seed", "message"),
    [
        (0, 0, "`count` must be a whole number, at least 1. Received: count=0"),
        (-3, 0, "`count`.*Received: count=-3"),
        (2.0, 0, "`count`.*Received: count=2.0"),
        ("2", 0, "`count`.*Received: count='2'"),
        (2, -1, "`seed` must be a whole number, at least 0 and below 4,294,967,296"),
        (2, 2**32, "`seed`.*Received: seed=4294967296"),
        (2, None, "`seed`.*Received: seed=None"),
        (2, 0.5, "`seed`.*Received: seed=0.5"),
    ],
)
def test_wrong_arguments(count, seed, message):
    with pytest.raises(ValueError, match=message):
        render_numbers(count, seed)


@pytest.mark.parametrize("package", ["PIL", "matplotlib"])
def test_missing_packages(monkeypatch, package):
    for name in list(sys.modules):
        part = name.removeprefix("keras_stn.datasets.")
        if part in ("street_scene", "photograph", "viewpoint", "lettering"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"import of {package} .*pip install"):
        render_numbers(1, 0)
