import keras
import numpy as np
import pytest

from keras_stn.ops.coordinates import (
    affine_coordinates,
    centred_indices,
    extent,
    fold,
    fold_slope,
    rounded,
    to_pixels,
)
from tests.compilation import compile_function
from tests.gradients import gradients
from tests.ops.cases import FILL_MODES, to_numpy

# Where a row of four pixels, 0 to 3, is read for places in and around it.
PLACES = [-8.25, -4.5, -1.25, -0.5, -0.25, 0, 0.5, 3, 3.25, 3.75, 5, 8.5]
FOLDED = {
    "constant": [-1, -1, -1, -0.5, -0.25, 0, 0.5, 3, 3.25, 3.75, 4, 4],
    "nearest": [0, 0, 0, 0, 0, 0, 0.5, 3, 3, 3, 3, 3],
    # Turned around at -0.5 and 3.5; half a pixel beyond the outer centres is theirs.
    "reflect": [0, 3, 0.25, 0, 0, 0, 0.5, 3, 3, 3, 2, 0.5],
    # Turned around at 0 and 3.
    "mirror": [2.25, 1.5, 1.25, 0.5, 0.25, 0, 0.5, 3, 2.75, 2.25, 1, 2.5],
}
NOT_NUMBERS = np.array([np.nan, np.inf, -np.inf], "float32")


def fold_array(pixels, side, fill_mode):
    pixels = keras.ops.convert_to_tensor(np.array(pixels, "float32"))
    return to_numpy(fold(pixels, side, fill_mode))


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_folds(fill_mode):
    folded = fold_array(PLACES, 4, fill_mode)
    np.testing.assert_array_equal(folded, np.array(FOLDED[fill_mode], "float32"))
    # The same with a side that is known only when it runs.
    side = keras.ops.convert_to_tensor(4, dtype="int32")
    np.testing.assert_array_equal(fold_array(PLACES, side, fill_mode), folded)


@pytest.mark.parametrize(
    "fill_mode, expected",
    [
        ("constant", [-1, 4, -1]),
        ("nearest", [0, 3, 0]),
        ("reflect", [0, 0, 0]),
        ("mirror", [0, 0, 0]),
    ],
)
def test_folds_what_is_not_a_number(fill_mode, expected):
    np.testing.assert_array_equal(fold_array(NOT_NUMBERS, 4, fill_mode), expected)
    (gradient,) = gradients(
        lambda pixels: keras.ops.sum(fold(pixels, 4, fill_mode)), NOT_NUMBERS
    )
    np.testing.assert_array_equal(gradient, [0, 0, 0])


@pytest.mark.parametrize("side", [1, 2, 7, 64])
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_huge_coordinates_end_inside(fill_mode, side):
    sizes = np.float32([1e4, 1e7, 1e9, 1e20, 1e30, 3.4e38])
    huge = np.concatenate([sizes, -sizes])
    low, high = (-1, side) if fill_mode == "constant" else (0, side - 1)
    folded = fold_array(huge, side, fill_mode)
    assert np.all((low <= folded) & (folded <= high))
    (gradient,) = gradients(
        lambda pixels: keras.ops.sum(fold(pixels, side, fill_mode)), huge
    )
    assert np.all(np.isin(gradient, (-1, 0, 1)))


@pytest.mark.parametrize(
    "fill_mode, expected",
    [
        # At -1, 0, 1.5, 3, 4 of four pixels. No backend halves it on a bound.
        ("constant", [1, 1, 1, 1, 0]),
        ("nearest", [0, 1, 1, 0, 0]),
        ("reflect", [-1, 1, 1, 0, 0]),
        ("mirror", [-1, 1, 1, 0, -1]),
    ],
)
def test_gradient_on_the_bounds(fill_mode, expected):
    places = np.float32([-1, 0, 1.5, 3, 4])
    (gradient,) = gradients(
        lambda pixels: keras.ops.sum(fold(pixels, 4, fill_mode)), places
    )
    np.testing.assert_array_equal(gradient, expected)
    if fill_mode != "constant":
        slope = fold_slope(keras.ops.convert_to_tensor(places), 4, fill_mode)
        np.testing.assert_array_equal(to_numpy(slope), expected)


@pytest.mark.parametrize("side", [1, 2, 7, 64])
@pytest.mark.parametrize("fill_mode", ["nearest", "reflect", "mirror"])
def test_slope_is_the_automatic_gradient(fill_mode, side):
    places = np.random.default_rng(0).uniform(-3 * side, 4 * side, 200)
    places = np.concatenate([places, NOT_NUMBERS]).astype("float32")
    (gradient,) = gradients(
        lambda pixels: keras.ops.sum(fold(pixels, side, fill_mode)), places
    )
    slope = fold_slope(keras.ops.convert_to_tensor(places), side, fill_mode)
    np.testing.assert_array_equal(to_numpy(slope), gradient)
    if side > 1:
        assert set(gradient) == ({0, 1} if fill_mode == "nearest" else {-1, 0, 1})


@pytest.mark.parametrize("fill_mode", ["nearest", "reflect", "mirror"])
def test_a_single_pixel_is_everywhere(fill_mode):
    np.testing.assert_array_equal(fold_array(PLACES, 1, fill_mode), np.zeros(12))


@pytest.mark.parametrize(
    "align_corners, expected", [(False, [-0.5, 1.5, 3.5]), (True, [0, 1.5, 3])]
)
def test_to_pixels(align_corners, expected):
    edges = keras.ops.convert_to_tensor(np.float32([-1, 0, 1]))
    for side in (4, keras.ops.convert_to_tensor(4, dtype="int32")):
        pixels = to_numpy(to_pixels(edges, side, align_corners))
        assert pixels.dtype == "float32"
        np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("count", [1, 2, 5, 28])
def test_centred_indices(count):
    indices = to_numpy(centred_indices(count, "float32"))
    assert indices.dtype == "float32"
    np.testing.assert_array_equal(indices, np.arange(count) - (count - 1) / 2)


def test_extent():
    assert (extent(4, align_corners=False), extent(4, align_corners=True)) == (4, 3)


@pytest.mark.parametrize("count", [10, 224])
def test_rounds_each_product(count):
    """As NumPy does, and never a product and a sum at once."""
    generator = np.random.default_rng(0)
    theta = generator.uniform(-1, 1, (8, 2, 3)).astype("float32")
    size = (count, count)
    found = compile_function(
        lambda theta: affine_coordinates(theta, size, size, False)
    )(theta)
    middle, half = np.float32((count - 1) / 2), np.float32(count / 2)
    index = np.arange(count, dtype="float32") - middle
    for axis, coordinate in enumerate(found):
        by_column, by_row, shift = (theta[:, axis, k, None, None] for k in range(3))
        expected = by_column * index + (
            by_row * index[:, None] + (shift * half + middle)
        )
        np.testing.assert_array_equal(to_numpy(coordinate), expected)


def test_rounds_normalised_coordinates_once():
    places = np.random.default_rng(0).uniform(-1, 1, 10000).astype("float32")
    found = compile_function(lambda places: to_pixels(places, 101, False))(places)
    expected = places * np.float32(50.5) + np.float32(50)
    np.testing.assert_array_equal(to_numpy(found), expected)


def test_rounded_changes_no_number():
    numbers = np.float32([-np.inf, -2.5, -0.0, 0, 1e-30, 3, np.inf])
    found = to_numpy(rounded(keras.ops.convert_to_tensor(np.append(numbers, np.nan))))
    np.testing.assert_array_equal(found[:-1], numbers)
    np.testing.assert_array_equal(np.signbit(found[:-1]), np.signbit(numbers))
    assert found[-1] == -np.inf  # No number, and read as far from the image.
    (slope,) = gradients(lambda x: keras.ops.sum(rounded(x)), numbers[1:-1])
    np.testing.assert_array_equal(to_numpy(slope), np.ones(5))
