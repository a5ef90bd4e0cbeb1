import keras
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
    with pytest.raises(ValueError, match="'bright'.*from 0 to 200. Divide by 255"):
        image_rows({"bright": floats})
    # A little overshoot, as interpolation and noise have it, is cut.
    image_rows({"fine": floats / 195})


def test_rows_without_labels():
    with pytest.raises(ValueError, match="dict from labels.*Received: ndarray"):
        image_rows(DIGITS)


def test_a_normalised_picture_is_not_cut():
    colours = np.random.default_rng(0).uniform(-1, 1, (2, 4, 4, 3))
    with pytest.raises(ValueError, match="Received values from -0.9.*normalised by"):
        image_rows({"in [-1, 1]": colours})


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, -3.0, 7.0])
def test_flat_images_keep_their_grey(value):
    figure = image_rows({"flat": np.full((1, 4, 4), value)})
    image = figure.axes[0].images[0]
    grey = image.norm(image.get_array()).mean()
    assert grey == pytest.approx({-3.0: 0, 7.0: 1}.get(value, value))


def test_pixels_that_are_no_numbers():
    image_rows({"a": np.full((1, 4, 4), np.nan)}).draw_without_rendering()
    image = np.array([[[0.0, 1.0], [np.nan, np.inf]]])
    assert image_rows({"a": image}).axes[0].images[0].get_clim() == (0, 1)


@pytest.mark.parametrize("size", [(20, 60), (60, 20), (30, 30)])
def test_images_that_are_not_square_fill_the_paper(size):
    rows = dict.fromkeys("abc", np.zeros((4, *size)))
    figure = image_rows(rows)
    figure.draw_without_rendering()
    boxes = [axis.get_window_extent() for axis in figure.axes]
    filled = sum(box.width * box.height for box in boxes)
    beside_labels = figure.bbox.width - 1.1 * figure.dpi
    assert filled > 0.6 * beside_labels * figure.bbox.height


def test_rows_of_different_shape_share_their_columns():
    wide, tall = np.zeros((2, 10, 30)), np.zeros((2, 30, 10))
    figure = image_rows({"wide": wide, "tall": tall})
    figure.draw_without_rendering()
    boxes = [axis.get_window_extent() for axis in figure.axes]
    assert min(max(box.width, box.height) for box in boxes) > 0.5 * figure.dpi


def test_tensors_that_have_a_gradient():
    image = keras.Variable(np.random.default_rng(0).random((2, 5, 5, 1)))
    tensors = keras.ops.multiply(image, 1.0)
    for images in (tensors, keras.ops.cast(tensors, "bfloat16")):
        figure = image_rows({"": images})
        shown = figure.axes[0].get_images()[0].get_array()
        expected = keras.ops.convert_to_numpy(image)[0, ..., 0]
        np.testing.assert_allclose(shown, expected, atol=1e-2)
