"""Matrices that the tests of theta share, and what holds of each of its functions."""

import keras
import numpy as np
import pytest

from tests.compilation import compile_function
from tests.ops.cases import IDENTITY, to_numpy

_generator = np.random.default_rng(0)
# Half of them mirror the image: the determinant is negative.
THETAS = _generator.uniform(-1.5, 1.5, size=(64, 2, 3)).astype("float32")
THETAS = THETAS[np.abs(np.linalg.det(THETAS[:, :, :2])) > 0.1][:32]
OTHERS = _generator.uniform(-1.5, 1.5, size=THETAS.shape).astype("float32")


def as_3x3(theta):
    theta = np.asarray(theta, "float64")
    last = np.broadcast_to([[[0, 0, 1]]], (len(theta), 1, 3))
    return np.concatenate([theta, last], axis=1)


def turn(degrees):
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[[cos, -sin, 0], [sin, cos, 0]]], "float32")


def check_compiled(function):
    """Compiled, `function` of theta returns the same, for any batch size."""
    compiled = compile_function(function)
    for count in (32, 3):
        np.testing.assert_allclose(
            to_numpy(compiled(THETAS[:count])),
            to_numpy(function(THETAS[:count])),
            rtol=1e-5,
            atol=1e-5,
        )


def check_half_precision(function):
    """`function` computes in float32 what it is given in half precision."""
    theta = keras.ops.convert_to_tensor(THETAS, dtype="bfloat16")
    result = function(theta)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    np.testing.assert_array_equal(to_numpy(result), to_numpy(function(to_numpy(theta))))


def check_double_precision(function, expected, tolerance=1e-12):
    """`function` keeps double precision, where the backend has it."""
    theta = keras.ops.convert_to_tensor(THETAS.astype("float64"))
    precise = keras.backend.standardize_dtype(theta.dtype) == "float64"
    assert precise or keras.config.backend() == "jax"
    found = to_numpy(function(theta))
    assert found.dtype == ("float64" if precise else "float32")
    tolerance = tolerance if precise else 1e-4
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def check_wrong_shapes(function):
    """`function` says what shape theta has, and which ones it may have."""
    with pytest.raises(ValueError, match=r"Expected `\(batch, 2, 3\)`.*\(2, 3\).*None"):
        function(IDENTITY[0])
    with pytest.raises(ValueError, match=r"Received: theta.shape=\(1, 3, 3\)"):
        function(as_3x3(IDENTITY))


def check_as_node(function, path):
    """`function` is a node of a model that is saved to `path` and loaded."""
    theta = keras.Input((6,))
    keras.Model(theta, function(theta)).save(path)
    flat = THETAS.reshape(-1, 6)
    found = keras.models.load_model(path)(flat)
    assert tuple(found.shape) == (32, 2, 3)
    np.testing.assert_allclose(
        to_numpy(found), to_numpy(function(flat)), rtol=1e-5, atol=1e-5
    )
