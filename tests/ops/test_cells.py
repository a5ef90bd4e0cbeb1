import keras
import numpy as np
import pytest

from keras_stn.ops.cells import Cells
from tests.compilation import compile_function
from tests.gradients import gradients
from tests.ops.cases import to_numpy

SIDES = [1, 2, 11]
# How far beyond the outermost pixels: within the first margin, in narrow ones, in
# wide ones, and farther than any margin of a finite width.
DISTANCES = [0, 2.5, 30, 3e6]


def make(side, farthest):
    farthest = keras.ops.convert_to_tensor(farthest, dtype="float32")
    return Cells.with_margins(side, max(1, side // 8), farthest, "float32")


def pixel_weights(cells, places):
    """The weight of each place for each pixel, of shape (places, pixels)."""
    places = keras.ops.convert_to_tensor(places[:, None], dtype="float32")
    return to_numpy(cells.fold(cells.along((1, -1)).weigh(places), axis=1))


def places_beyond(side, farthest):
    """Places up to the farthest, among them all whole and half ones nearby."""
    end = (side - 1) / 2 + farthest
    random = np.random.default_rng(0).uniform(-end, end, 500)
    lattice = np.arange(-min(end, 60), min(end, 60) + 0.25, 0.25)
    return np.float32(np.concatenate([random, lattice, [-end, end]]))


def hats(places, side):
    """Weights by which an axis is interpolated, in float64."""
    pixels = np.arange(side) - (side - 1) / 2
    return np.maximum(1 - np.abs(np.float64(places)[:, None] - pixels), 0)


@pytest.mark.parametrize("side", SIDES)
def test_cells_of_pixels_weigh_as_a_sample_is_interpolated(side):
    cells = Cells.of_pixels(side, "float32")
    assert cells.count == side == len(to_numpy(cells.middle))
    places = places_beyond(side, 3)
    found = pixel_weights(cells, places)
    np.testing.assert_allclose(found, hats(places, side), rtol=0, atol=1e-6)


@pytest.mark.parametrize("farthest", DISTANCES)
@pytest.mark.parametrize("side", SIDES)
def test_margins_make_a_place_beyond_that_of_the_outermost_pixel(side, farthest):
    cells = make(side, farthest)
    assert cells.count == len(to_numpy(cells.middle)) == side + 2 * cells.margin
    places = places_beyond(side, farthest)
    clamped = places.clip(-(side - 1) / 2, (side - 1) / 2)
    found = pixel_weights(cells, places)
    np.testing.assert_allclose(found, hats(clamped, side), rtol=0, atol=1e-6)


@pytest.mark.parametrize("side", SIDES)
def test_rounding_of_a_place_puts_it_into_one_margin(side):
    cells = make(side, 40)
    lower, upper = (to_numpy(bound) for bound in cells.bounds)
    places = np.concatenate([lower[: cells.margin], upper[-cells.margin :]])
    places = places[np.isfinite(places)]
    places = np.concatenate(
        [places, *(np.nextafter(places, np.float32(end)) for end in (-1e9, 1e9))]
    )
    weights = to_numpy(
        cells.along((1, -1)).weigh(keras.ops.convert_to_tensor(places[:, None]))
    )
    assert np.all(np.sum(weights == 1, axis=1) == 1)


@pytest.mark.parametrize("farthest", DISTANCES)
@pytest.mark.parametrize("side", SIDES)
def test_no_cell_is_wider_than_it_says(side, farthest):
    cells = make(side, farthest)
    middle, half_width = to_numpy(cells.middle), to_numpy(cells.half_width)
    places = places_beyond(side, farthest)
    weights = to_numpy(
        cells.along((1, -1)).weigh(keras.ops.convert_to_tensor(places[:, None]))
    )
    distance = np.abs(places[:, None] - middle)
    assert np.all(distance[weights > 0] <= half_width + 1e-3)
    end = np.abs(places).max()
    assert np.isinf(half_width) or 2 * end <= to_numpy(cells.extent)


def test_an_endless_axis():
    cells = make(4, np.inf)
    assert np.isinf(to_numpy(cells.half_width))
    found = pixel_weights(cells, np.float32([-np.inf, np.nan, 0, np.inf]))
    np.testing.assert_array_equal(found[0], [1, 0, 0, 0])
    np.testing.assert_array_equal(found[1:3], [[0] * 4, [0, 0.5, 0.5, 0]])
    assert np.isfinite(found).all()


def test_few_margins_where_an_image_turns_within_its_frame():
    """The widest window is that of a pixel, and there are few cells."""
    for side in (28, 60, 64, 224):
        cells = make(side, (np.sqrt(2) - 1) / 2 * side)
        assert to_numpy(cells.half_width) == 1
        assert cells.count <= 1.29 * side


def test_folds_an_axis():
    cells = make(5, 1)
    sums = np.random.default_rng(0).normal(size=(3, cells.count, 2)).astype("float32")
    margin = cells.margin
    expected = sums[:, margin:-margin].copy()
    expected[:, 0] += sums[:, :margin].sum(1)
    expected[:, -1] += sums[:, -margin:].sum(1)
    found = to_numpy(cells.fold(keras.ops.convert_to_tensor(sums), axis=1))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    pixels = Cells.of_pixels(5, "float32")
    assert pixels.fold(expected, axis=1) is expected


def test_gradient_is_the_slope_of_the_weights():
    places = np.float32([[-4.2], [-1.3], [-0.2], [0.4], [1.7], [9.1]])
    factors = np.random.default_rng(0).normal(size=(1, 4)).astype("float32")

    def weigh(places):
        cells = make(4, 10)
        weights = cells.fold(cells.along((1, -1)).weigh(places), 1)
        return keras.ops.sum(keras.ops.multiply(weights, factors))

    def value(places):
        return np.sum(hats(places[:, 0].clip(-1.5, 1.5), 4) * factors, axis=1)

    (found,) = gradients(weigh, places)
    step = 1e-3
    expected = (value(places + step) - value(places - step)) / (2 * step)
    np.testing.assert_allclose(to_numpy(found)[:, 0], expected, rtol=0, atol=1e-3)


def test_compiles():
    def weigh(places, farthest):
        cells = Cells.with_margins(6, 1, farthest, "float32")
        return cells.fold(cells.along((1, -1)).weigh(places), 1)

    places = places_beyond(6, 40)
    found = compile_function(weigh)(places[:, None], np.float32(40))
    expected = pixel_weights(make(6, 40), places)
    np.testing.assert_allclose(to_numpy(found), expected, rtol=0, atol=1e-6)
