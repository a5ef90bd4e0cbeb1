import keras
import numpy as np
import pytest

from keras_stn import ops
from tests.gradients import gradients, numeric_gradient, weighted_sum
from tests.ops.cases import IDENTITY, IMAGES, to_numpy
from tests.ops.theta_cases import (
    THETAS,
    check_as_node,
    check_compiled,
    check_double_precision,
    check_half_precision,
    check_wrong_shapes,
    turn,
)


def parts_and_back(theta):
    return ops.recompose_theta(*ops.decompose_theta(theta))


def test_parts_restore_theta():
    theta = np.concatenate([THETAS, THETAS * np.float32([[-1], [1]]), IDENTITY])
    restored = parts_and_back(theta)
    np.testing.assert_allclose(to_numpy(restored), theta, rtol=0, atol=1e-5)


def test_parts_are_rotation_times_symmetric_stretch():
    angle, scale, shear, shift = map(to_numpy, ops.decompose_theta(THETAS))
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.moveaxis(np.array([[cos, -sin], [sin, cos]]), -1, 0)
    stretch = np.moveaxis(np.array([[scale[:, 0], shear], [shear, scale[:, 1]]]), -1, 0)
    np.testing.assert_allclose(rotation @ stretch, THETAS[:, :, :2], atol=1e-5)
    np.testing.assert_allclose(
        scale.prod(axis=1) - shear**2, np.linalg.det(THETAS[:, :, :2]), atol=1e-5
    )
    np.testing.assert_array_equal(shift, THETAS[:, :, 2])


def test_angle_is_that_of_the_nearest_rotation():
    angle = to_numpy(ops.decompose_theta(THETAS).angle)
    # The statistic of the paper.
    t = THETAS.astype("float64")
    paper = -np.arctan2(t[:, 0, 1] - t[:, 1, 0], t[:, 0, 0] + t[:, 1, 1])
    np.testing.assert_allclose(angle, paper, rtol=0, atol=1e-5)
    # Its meaning: no rotation lies nearer.
    candidates = np.linspace(-np.pi, np.pi, 3601)
    cos, sin = np.cos(candidates), np.sin(candidates)
    rotations = np.moveaxis(np.array([[cos, -sin], [sin, cos]]), -1, 0)
    distances = np.square(rotations - t[:, None, :, :2]).sum(axis=(2, 3))
    best = candidates[distances.argmin(axis=1)]
    error = np.abs(np.exp(1j * best) - np.exp(1j * angle))
    assert error.max() < 2 * np.pi / 3600


@pytest.mark.parametrize("degrees", [-170, -90, 0, 30, 90, 180])
def test_known_parts(degrees):
    theta = turn(degrees) * np.float32(1.5)
    theta[0, :, 2] = 0.25, -0.5
    parts = ops.decompose_theta(theta)
    np.testing.assert_allclose(np.abs(np.degrees(to_numpy(parts.angle))), abs(degrees))
    if abs(degrees) < 180:
        assert np.sign(to_numpy(parts.angle)) == np.sign(degrees)
    np.testing.assert_allclose(to_numpy(parts.scale), [[1.5, 1.5]], rtol=1e-6)
    np.testing.assert_allclose(to_numpy(parts.shear), [0], atol=1e-6)
    np.testing.assert_allclose(to_numpy(parts.shift), [[0.25, -0.5]])


def test_angle_of_reflections_is_zero():
    flips = np.array([[[-1, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, -1, 0]]], "float32")
    np.testing.assert_array_equal(to_numpy(ops.decompose_theta(flips).angle), [0, 0])


def test_a_positive_angle_turns_the_image_counter_clockwise():
    image = IMAGES[:1, :, :12]
    theta = ops.recompose_theta(
        np.array([np.pi / 2], "float32"),
        np.ones((1, 2), "float32"),
        np.zeros(1, "float32"),
        np.zeros((1, 2), "float32"),
    )
    turned = to_numpy(ops.affine_sample(image, theta))
    # `np.rot90` turns counter-clockwise on the screen.
    np.testing.assert_allclose(turned[0], np.rot90(image[0]), rtol=0, atol=2e-6)


def test_gradient_of_the_parts():
    weights = np.random.default_rng(0).normal(size=(4, 2, 3))

    def scalar(theta):
        # Each part by another nonlinear function, so that none can be forgotten.
        angle, scale, shear, shift = ops.decompose_theta(theta)
        changed = ops.recompose_theta(2 * angle, scale**2, 3 * shear, shift)
        return weighted_sum(weights, changed)

    def numeric(theta):
        a, b, c, d = (theta[:, i, j] for i in (0, 1) for j in (0, 1))
        angle = np.arctan2(c - b, a + d)
        cos, sin = np.cos(angle), np.sin(angle)
        x, y, shear = cos * a + sin * c, cos * d - sin * b, 3 * (cos * b + sin * d)
        cos, sin = np.cos(2 * angle), np.sin(2 * angle)
        first = [cos * x**2 - sin * shear, cos * shear - sin * y**2, theta[:, 0, 2]]
        second = [sin * x**2 + cos * shear, sin * shear + cos * y**2, theta[:, 1, 2]]
        return np.sum(weights * np.moveaxis(np.array([first, second]), -1, 0))

    (found,) = gradients(scalar, THETAS[:4])
    expected = numeric_gradient(numeric, THETAS[:4], 1e-6)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * scale)


def test_gradient_where_there_is_no_angle():
    """A reflection, and zero: as elsewhere, a number."""
    theta = np.array([[[1, 0, 0], [0, -1, 0]], np.zeros((2, 3))], "float32")

    def scalar(theta):
        return sum(keras.ops.sum(part) for part in ops.decompose_theta(theta))

    (found,) = gradients(scalar, theta)
    assert np.all(np.isfinite(found))
    np.testing.assert_array_equal(to_numpy(ops.decompose_theta(theta).angle), [0, 0])


def test_whole_numbers_as_parts():
    theta = to_numpy(ops.recompose_theta([0.0], [[1, 2]], [0], [[3, 0]]))
    np.testing.assert_array_equal(theta, [[[1, 0, 3], [0, 2, 0]]])
    assert theta.dtype == "float32"


def test_parts_of_two_precisions():
    """An angle from NumPy, in double precision, and tensors in single."""
    theta = ops.recompose_theta(
        np.array([0.1]),
        keras.ops.ones((1, 2)),
        keras.ops.zeros(1),
        keras.ops.zeros((1, 2)),
    )
    cos, sin = np.cos(0.1), np.sin(0.1)
    expected = [[[cos, -sin, 0], [sin, cos, 0]]]
    np.testing.assert_allclose(to_numpy(theta), expected, atol=1e-7)


@pytest.mark.parametrize(
    "parts",
    [
        (0.0, [[1.0, 1.0]], [0.0], [[0.0, 0.0]]),
        ([0.0], [1.0, 1.0], [0.0], [[0.0, 0.0]]),
        ([0.0], [[1.0, 1.0]], [0.0], [[0.0, 0.0, 0.0]]),
        ([0.0, 0.0], [[1.0, 1.0]] * 3, [0.0] * 3, [[0.0, 0.0]] * 3),
    ],
)
def test_parts_of_a_wrong_shape(parts):
    with pytest.raises(ValueError, match="`recompose_theta` needs.*Received: "):
        ops.recompose_theta(*parts)


def test_compiles():
    check_compiled(parts_and_back)


def test_half_precision_is_computed_in_float32():
    check_half_precision(parts_and_back)


def test_double_precision_is_kept():
    # Keras' `arctan2` rounds on PyTorch.
    rounding = 1e-6 if keras.config.backend() == "torch" else 1e-12
    check_double_precision(parts_and_back, THETAS, rounding)


def test_wrong_shape_of_theta():
    check_wrong_shapes(ops.decompose_theta)


def test_as_nodes_of_a_saved_model(tmp_path):
    check_as_node(parts_and_back, tmp_path / "parts.keras")
