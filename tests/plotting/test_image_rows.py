import numpy as np
import pytest

from keras_stn.plotting import image_rows

DIGITS = np.random.default_rng(0).random((3, 6, 5))


def test_shows_the_images_that_it_is_given():
    figure = image_rows({"input": DIGITS, "aligned": DIGITS[..., None] + 1})
    shown = [np.asarray(axis.images[0].get_array()) for axis in figure.axes]
    np.testing.assert_allclose(shown[:3], DIGITS, rtol=1e-6)
    np.testing.assert_allclose(shown[3:], DIGITS + 1, rtol=1e-6)
    labels = [axis.get_ylabel() for axis in figure.axes]
    assert labels == ["input", "", "", "aligned", "", ""]


def test_colour_and_titles(tmp_path):
    figure = image_rows({"colour": np.zeros((2, 4, 4, 3))}, titles=["a", "b"])
    assert [axis.get_title() for axis in figure.axes] == ["a", "b"]
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("rows", "titles", "message"),
    [
        ({}, None, "at least one"),
        ({"a": DIGITS, "b": DIGITS[:2]}, None, r"rows of \[3, 2\] images"),
        ({"a": DIGITS[0]}, None, r"'a' must have shape.*shape=\(6, 5\)"),
        ({"a": DIGITS}, ["one"], "each of the 3 columns. Received 1"),
    ],
)
def test_rejects(rows, titles, message):
    with pytest.raises(ValueError, match=message):
        image_rows(rows, titles)


def test_colours_of_whole_numbers():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), "uint8")
    figure = image_rows({"bytes": pixels})
    shown = np.stack([axis.images[0].get_array() for axis in figure.axes])
    np.testing.assert_allclose(shown, pixels / 255, atol=1e-6)


def test_titles_as_an_array():
    figure = image_rows({"a": DIGITS}, titles=np.array(["1", "2", "3"]))
    assert [axis.get_title() for axis in figure.axes] == ["1", "2", "3"]


def test_colours_that_would_be_white():
    floats = np.full((2, 4, 4, 3), 200.0)
    with pytest.raises(ValueError, match="'bright'.*up to 200. Divide by 255"):
        image_rows({"bright": floats})
    # A little overshoot, as interpolation and noise have it, is cut.
    image_rows({"fine": floats / 190})


def test_rows_without_labels():
    with pytest.raises(ValueError, match="dict from labels.*Received: ndarray"):
        image_rows(DIGITS)
