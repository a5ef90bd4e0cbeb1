import keras
import numpy as np
import pytest

from keras_stn.ops.neighbours import corner_indices, flat_index, neighbours
from tests.gradients import gradients
from tests.ops.cases import to_numpy

SIDES = [1, 2, 3, 12]


def neighbours_of(places, side):
    found = neighbours(keras.ops.convert_to_tensor(np.array(places, "float32")), side)
    return (
        to_numpy(found.first),
        np.stack([to_numpy(weight) for weight in found.weights]),
        np.stack([to_numpy(slope) for slope in found.slopes]),
    )


def dense_weights(places, side):
    """The weight of each pixel of an axis, (places, side), in float64."""
    distance = np.abs(np.float64(places)[:, None] - np.arange(side))
    return np.maximum(1 - distance, 0)


def spread(first, values, side):
    """Puts what belongs to two neighbours at their places along the axis."""
    dense = np.zeros((len(first), side + 1))
    at = np.arange(len(first))
    dense[at, first.astype(int)] = values[0]
    dense[at, first.astype(int) + 1] += values[1]
    assert np.all(dense[:, side] == 0)
    return dense[:, :side]


@pytest.mark.parametrize("side", SIDES)
def test_weights_are_hats(side):
    places = np.float32(np.random.default_rng(0).uniform(-3, side + 2, 300))
    first, weights, _ = neighbours_of(places, side)
    np.testing.assert_allclose(
        spread(first, weights, side), dense_weights(places, side), rtol=0, atol=1e-6
    )
    # The same with a side that is known only when it runs.
    dynamic = keras.ops.convert_to_tensor(side, dtype="int32")
    for found, expected in zip(
        neighbours_of(places, dynamic), neighbours_of(places, side), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("side", SIDES)
def test_both_are_pixels_of_the_image(side):
    places = [-1e30, -5, -1, -0.5, 0, 0.5, side - 1, side - 0.5, side, side + 9, 1e30]
    places += [np.nan, np.inf, -np.inf]
    first, weights, slopes = neighbours_of(places, side)
    assert np.all((first >= 0) & (first <= max(side - 2, 0)))
    assert np.isfinite(weights).all() and np.isfinite(slopes).all()
    far = ~(np.abs(np.array(places) - (side - 1) / 2) < (side + 1) / 2)
    assert far.sum() >= 8
    assert np.all(weights[:, far] == 0)


@pytest.mark.parametrize("side", SIDES)
def test_slopes_are_right_hand_derivatives(side):
    places = np.arange(-3, side + 3, 0.25).astype("float32")
    first, _, slopes = neighbours_of(places, side)
    step = 0.125
    expected = dense_weights(places + step, side) - dense_weights(places, side)
    np.testing.assert_array_equal(spread(first, slopes, side), expected / step)


@pytest.mark.parametrize("side", SIDES)
def test_slopes_are_the_automatic_gradient(side):
    places = np.arange(-3, side + 3, 0.25).astype("float32")
    places = np.concatenate([places, np.float32([np.nan, np.inf, -np.inf])])
    _, _, slopes = neighbours_of(places, side)
    for k in range(2):
        (gradient,) = gradients(
            lambda pixels, k=k: keras.ops.sum(neighbours(pixels, side).weights[k]),
            places,
        )
        np.testing.assert_array_equal(gradient, slopes[k])


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (3, 1), (2, 2), (5, 7)])
def test_corner_indices(size):
    height, width = size
    y, x = np.meshgrid(np.arange(-2, height + 2), np.arange(-2, width + 2))
    columns, rows = (
        neighbours(keras.ops.convert_to_tensor(axis.astype("float32")), side)
        for axis, side in ((x, width), (y, height))
    )
    first_column, first_row = to_numpy(columns.first), to_numpy(rows.first)
    for known in (size, tuple(map(keras.ops.convert_to_tensor, size))):
        for j, indices in enumerate(corner_indices(columns, rows, known)):
            for i, index in enumerate(indices):
                column = np.minimum(first_column + i, width - 1)
                row = np.minimum(first_row + j, height - 1)
                np.testing.assert_array_equal(to_numpy(index), row * width + column)


@pytest.mark.parametrize("size", [(2048, 4096), (2731, 3072), (4097, 8191)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_flat_index_counts_beyond_what_float32_can(dtype, size):
    height, width = size
    index = flat_index(
        keras.ops.convert_to_tensor(np.array([width - 1.0]), dtype=dtype),
        keras.ops.convert_to_tensor(np.array([height - 1.0]), dtype=dtype),
        size,
    )
    assert keras.backend.standardize_dtype(index.dtype) == "int32"
    assert to_numpy(index).item() == height * width - 1


@pytest.mark.parametrize("is_stored", [True, False])
def test_pixels_around_a_flat_index_are_within_the_image(is_stored):
    # However wrong the index, as those of images without a finite theta are.
    column, row = (
        keras.ops.convert_to_tensor(np.array(places, "float32"))
        for places in ([[0, 4, 5, 7]], [[0, 3, 4, 9]])
    )
    index = flat_index(column, row, (5, 6), farthest=7, is_stored=is_stored)
    np.testing.assert_array_equal(to_numpy(index), [[0, 22, 22, 22]])
