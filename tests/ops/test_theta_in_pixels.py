import numpy as np
import pytest
from scipy import ndimage

from keras_stn import ops
from tests import oracle
from tests.gradients import gradients, numeric_gradient, weighted_sum
from tests.ops.cases import IDENTITY, IMAGES, to_numpy
from tests.ops.theta_cases import (
    THETAS,
    as_3x3,
    check_as_node,
    check_compiled,
    check_double_precision,
    check_half_precision,
    check_wrong_shapes,
)

FUNCTIONS = {
    "to_pixels": lambda theta: ops.theta_to_pixels(theta, (12, 17), (5, 9)),
    "from_pixels": lambda theta: ops.theta_from_pixels(theta, (12, 17), (5, 9)),
}


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("output_size", [None, (9, 5)])
def test_pixels_and_back(output_size, align_corners):
    options = {"output_size": output_size, "align_corners": align_corners}
    matrix = ops.theta_to_pixels(THETAS, (12, 17), **options)
    theta = ops.theta_from_pixels(matrix, (12, 17), **options)
    np.testing.assert_allclose(to_numpy(theta), THETAS, rtol=0, atol=1e-5)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("output_size", [(12, 17), (9, 5)])
def test_pixel_matrix_is_that_of_scipy(output_size, align_corners):
    theta = THETAS[:8] * np.float32(0.7)
    options = {"output_size": output_size, "align_corners": align_corners}
    matrices = to_numpy(ops.theta_to_pixels(theta, (12, 17), **options))
    warped = ops.affine_sample(
        IMAGES, theta, output_size, align_corners=align_corners, fill_mode="mirror"
    )
    for image, matrix, ours in zip(IMAGES, matrices, to_numpy(warped), strict=True):
        # SciPy counts rows before columns.
        swapped = np.array(matrix[::-1, [1, 0, 2]], "float64")
        for channel in range(2):
            expected = ndimage.affine_transform(
                image[..., channel].astype("float64"),
                swapped[:, :2],
                offset=swapped[:, 2],
                output_shape=output_size,
                order=1,
                mode="mirror",
            )
            np.testing.assert_allclose(ours[..., channel], expected, rtol=0, atol=1e-5)


def test_normalised_and_pixel_units_agree_with_the_grid():
    # The definition of both units at once, in float64 NumPy.
    matrices = to_numpy(ops.theta_to_pixels(THETAS, (12, 17), (9, 5)))
    rows, columns = np.mgrid[:9, :5]
    points = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    x, y = np.moveaxis(np.einsum("bij,hwj->bhwi", matrices, points), -1, 0)
    expected = oracle.to_pixels(oracle.affine_grid(THETAS, (9, 5)), (12, 17))
    np.testing.assert_allclose([x, y], expected, rtol=0, atol=2e-5)


def test_whole_pixel_shift_from_pixels():
    matrix = np.array([[[1, 0, 3], [0, 1, -2]]], "float32")
    theta = ops.theta_from_pixels(matrix, (12, 17))
    warped = to_numpy(ops.affine_sample(IMAGES[:1], theta))
    np.testing.assert_allclose(
        warped[:, 2:, :-3], IMAGES[:1, :-2, 3:], rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("convert", [ops.theta_to_pixels, ops.theta_from_pixels])
def test_gradient(convert):
    """Linear in theta's entries, but for what is added: the difference is exact."""
    weights = np.random.default_rng(0).normal(size=(2, 2, 3))

    def scalar(theta):
        return weighted_sum(weights, convert(theta, (12, 17), (5, 9)))

    (found,) = gradients(scalar, THETAS[:2])
    expected = numeric_gradient(
        lambda theta: float(scalar(theta.astype("float32"))), THETAS[:2], 1.0
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("convert", [ops.theta_to_pixels, ops.theta_from_pixels])
def test_errors(convert):
    with pytest.raises(ValueError, match=r"input_size.*positive.*input_size=\(0, 4\)"):
        convert(IDENTITY, (0, 4))
    with pytest.raises(ValueError, match="Received: output_size='wide'"):
        convert(IDENTITY, 4, "wide")
    with pytest.raises(ValueError, match="Received: align_corners='False'"):
        convert(IDENTITY, 4, align_corners="False")


def test_a_single_pixel_with_aligned_corners():
    """It is the middle of an output; of an input it says nothing about theta."""
    options = {"output_size": (4, 1), "align_corners": True}
    matrix = ops.theta_to_pixels(THETAS, (12, 17), **options)
    # The pixel of a row of one is read where the middle of the row is.
    x, y = to_numpy(matrix)[..., 2].T
    grid = oracle.affine_grid(THETAS, (4, 1), align_corners=True)
    expected = oracle.to_pixels(grid[:, 0, 0], (12, 17), align_corners=True)
    np.testing.assert_allclose([x, y], expected, atol=1e-5)
    theta = ops.theta_from_pixels(matrix, (12, 17), **options)
    np.testing.assert_allclose(to_numpy(theta), THETAS, rtol=0, atol=1e-5)
    in_one = to_numpy(ops.theta_to_pixels(THETAS, (1, 17), 4, align_corners=True))
    np.testing.assert_array_equal(in_one[:, 1], np.zeros((len(THETAS), 3)))
    with pytest.raises(ValueError, match=r"at least 2 pixels.*input_size=\(1, 17\)"):
        ops.theta_from_pixels(in_one, (1, 17), 4, align_corners=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiles(name):
    check_compiled(FUNCTIONS[name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_half_precision_is_computed_in_float32(name):
    check_half_precision(FUNCTIONS[name])


def test_double_precision_is_kept():
    # What maps the pixels of each image to normalised coordinates, as 3x3 matrices.
    of_input, of_output = (
        np.array(
            [[2 / width, 0, 1 / width - 1], [0, 2 / height, 1 / height - 1], [0, 0, 1]]
        )
        for height, width in ((12, 17), (5, 9))
    )
    matrices = as_3x3(THETAS)
    in_pixels = np.linalg.inv(of_input) @ matrices @ of_output
    check_double_precision(FUNCTIONS["to_pixels"], in_pixels[:, :2])
    normalised = of_input @ matrices @ np.linalg.inv(of_output)
    check_double_precision(FUNCTIONS["from_pixels"], normalised[:, :2])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_wrong_shape_of_theta(name):
    check_wrong_shapes(FUNCTIONS[name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_as_a_node_of_a_saved_model(name, tmp_path):
    check_as_node(FUNCTIONS[name], tmp_path / "algebra.keras")
