import itertools

import keras
import numpy as np
import pytest

from keras_stn.ops.affine_window import AffineWindow, taps_of_block
from keras_stn.ops.cells import Cells
from keras_stn.ops.coordinates import pixel_matrix
from keras_stn.ops.interpolation import flat_pixels
from tests import oracle
from tests.ops.cases import to_numpy

SIZE, OUTPUT_SIZE = (7, 6), (9, 8)
COTANGENTS = np.random.default_rng(0).normal(size=(3, *OUTPUT_SIZE, 2))
MAPS = {
    "turns": [(1.0, 10), (1.0, 45), (1.0, 200)],
    "magnified": [(0.4, 30), (0.5, 100), (0.9, 0)],
    "shrunk": [(2.0, 30), (1.5, 100), (3.0, 0)],
}


def thetas(name):
    found = []
    for (zoom, degrees), shift in zip(MAPS[name], (0.3, -0.2, 0.1), strict=True):
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn = np.array([[cos, -sin, shift], [sin, cos, shift / 2]])
        found.append(turn * [zoom, zoom, 1])
    return np.array(found, "float32")


def window_of(theta, size=SIZE, output_size=OUTPUT_SIZE):
    matrix = pixel_matrix(keras.ops.convert_to_tensor(theta), size, output_size, False)
    columns, rows = (Cells.of_pixels(side, "float32") for side in reversed(size))
    return AffineWindow.around(matrix, output_size, columns, rows)


def hat_weights(theta):
    """How much of each output pixel is read from each pixel: dense."""
    x, y = oracle.to_pixels(oracle.affine_grid(theta, OUTPUT_SIZE), SIZE)
    column, row = np.arange(SIZE[1]), np.arange(SIZE[0])
    along_x = np.maximum(0, 1 - np.abs(x[..., None] - column))
    along_y = np.maximum(0, 1 - np.abs(y[..., None] - row))
    return along_y[..., :, None] * along_x[..., None, :]


@pytest.mark.parametrize("name", MAPS)
def test_the_blocks_hold_all_that_read_a_pixel(name):
    theta = thetas(name)
    window = window_of(theta)
    across, down = (int(count) for count in window.blocks)
    cotangents = flat_pixels(keras.ops.convert_to_tensor(COTANGENTS, "float32"))
    found = sum(
        to_numpy(window.sum(cotangents, block))
        for block in itertools.product(range(across), range(down))
    )
    expected = np.einsum("bijrc,bijk->brck", hat_weights(theta), COTANGENTS)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_one_block_for_turns():
    # Of squares of the same size: there a turn of theta is one of pixels.
    window = window_of(thetas("turns"), OUTPUT_SIZE[:1] * 2, OUTPUT_SIZE[:1] * 2)
    assert window.taps == 3
    assert [int(count) for count in window.blocks] == [1, 1]
    cotangents = np.random.default_rng(1).normal(size=(3, 9, 9, 1))
    cotangents = flat_pixels(keras.ops.convert_to_tensor(cotangents, "float32"))
    np.testing.assert_allclose(
        to_numpy(window.sum(cotangents)),
        to_numpy(window.sum(cotangents, (0, 0))),
        atol=1e-6,
    )
    assert window_of(thetas("magnified")).blocks[0] > 1


def test_all_of_the_output_for_maps_without_an_inverse():
    window = window_of(np.zeros((3, 2, 3), "float32"))
    assert [int(count) for count in window.blocks] == [3, 3]


def test_zeros_are_a_sum_over_nothing():
    window = window_of(thetas("turns"))
    cotangents = flat_pixels(keras.ops.convert_to_tensor(COTANGENTS, "float32"))
    zeros = to_numpy(window.zeros(cotangents))
    assert zeros.shape == to_numpy(window.sum(cotangents)).shape and not zeros.any()


@pytest.mark.parametrize(("size", "taps"), [((8, 8), 3), ((12, 12), 2)])
def test_fewer_taps_where_images_become_smaller(size, taps):
    assert taps_of_block(size, (8, 8)) == taps
