"""Checks that every family of transforms must pass."""

import keras
import numpy as np

from keras_stn.transforms import Composed
from tests import oracle
from tests.compilation import compile_function
from tests.gradients import gradients, numeric_gradient, weighted_sum
from tests.ops.cases import to_numpy

IDENTITY = np.array([[1, 0, 0], [0, 1, 0]], "float32")


def theta_of(transform, parameters):
    """Returns the theta of a list of parameters as a NumPy array."""
    theta = transform(np.array(parameters, "float32"))
    return keras.ops.convert_to_numpy(theta)


def check_family(transform, numeric_theta):
    """Checks what families have in common.

    Args:
        transform: A `Transform`.
        numeric_theta: The same map in float64 NumPy: parameters of shape
            `(batch, num_parameters)` to theta of shape `(batch, 2, 3)`.
    """
    count = transform.num_parameters
    assert len(transform.identity_parameters) == count
    np.testing.assert_array_equal(
        theta_of(transform, [transform.identity_parameters] * 2), [IDENTITY] * 2
    )

    generator = np.random.default_rng(0)
    parameters = generator.uniform(-2, 2, size=(5, count)).astype("float32")
    expected = numeric_theta(parameters.astype("float64"))
    theta = theta_of(transform, parameters)
    assert theta.shape == (5, 2, 3) and theta.dtype == "float32"
    np.testing.assert_allclose(theta, expected, rtol=1e-5, atol=1e-6)

    weights = generator.normal(size=(5, 2, 3))
    (gradient,) = gradients(
        lambda parameters: weighted_sum(weights, transform(parameters)), parameters
    )
    expected_gradient = numeric_gradient(
        lambda parameters: np.sum(weights * numeric_theta(parameters)), parameters, 1e-5
    )
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-4)

    compiled = compile_function(lambda parameters: transform(parameters))
    theta = keras.ops.convert_to_numpy(compiled(parameters))
    np.testing.assert_allclose(theta, expected, rtol=1e-5, atol=1e-6)

    check_dtypes(transform, numeric_theta, parameters)

    symbolic = transform(keras.KerasTensor((None, count)))
    assert (symbolic.shape, symbolic.dtype) == ((None, 2, 3), "float32")

    config = keras.saving.serialize_keras_object(transform)
    restored = keras.saving.deserialize_keras_object(config)
    assert restored == transform and hash(restored) == hash(transform)
    assert repr(restored) == repr(transform)
    np.testing.assert_array_equal(
        theta_of(restored, parameters), theta_of(transform, parameters)
    )
    assert config["registered_name"] == f"keras_stn>{type(transform).__name__}"


def check_dtypes(transform, numeric_theta, parameters):
    """Theta has the dtype of the parameters; a product is float32 at least."""
    for dtype, epsilon in (("float16", 2**-9), ("bfloat16", 2**-6), ("float64", 1e-12)):
        given = keras.ops.convert_to_tensor(parameters, dtype=dtype)
        # JAX has no float64 unless it is told to.
        has_dtype = keras.backend.standardize_dtype(given.dtype) == dtype
        assert has_dtype or (dtype, keras.config.backend()) == ("float64", "jax")
        theta = transform(given)
        found = keras.backend.standardize_dtype(theta.dtype)
        wide = not has_dtype or (isinstance(transform, Composed) and epsilon > 1e-6)
        assert found == ("float32" if wide else dtype)
        expected = numeric_theta(to_numpy(given).astype("float64"))
        tolerance = epsilon if has_dtype else 1e-5
        np.testing.assert_allclose(
            to_numpy(theta), expected, rtol=tolerance, atol=4 * tolerance
        )


def rotation(angle):
    """Returns float64 matrices that turn the grid by angles of shape (batch,)."""
    zero = np.zeros_like(angle)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.moveaxis(np.array([[cos, -sin, zero], [sin, cos, zero]]), -1, 0)


def pixel_distances(theta, size):
    """Returns how far apart neighbours along x and y are in the input, in pixels."""
    x, y = oracle.to_pixels(oracle.affine_grid(theta, size), size)
    points = np.stack([x, y], axis=-1)
    along_x = np.diff(points, axis=2)[:, 0, 0]
    along_y = np.diff(points, axis=1)[:, 0, 0]
    return along_x, along_y
