"""Properties that hold for all shapes, dtypes, sizes and options: drawn at random.

More than 2,000 cases, the same ones each time. They run uncompiled, as XLA would have
to compile nearly every one of them; the compiled samplers are compared with the same
oracle in the files beside this one.
"""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as draw
from hypothesis.extra import numpy as draw_numpy

from keras_stn import ops
from tests import oracle
from tests.gradients import gradients, weighted_sum
from tests.ops.cases import FILL_MODES, INTERPOLATIONS, apply, to_numpy

pytestmark = pytest.mark.slow

# A few units in the last place, for values of about 1.
ROUNDING = {"float32": 5e-7, "float16": 4e-3, "bfloat16": 3e-2}


def cases(count):
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@pytest.fixture(scope="module", autouse=True)
def uncompiled():
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)
        yield
        tf.config.run_functions_eagerly(False)
    elif backend == "jax":
        import jax

        with jax.disable_jit():
            yield
    else:
        yield


sides = draw.integers(1, 9)
sizes = draw.none() | draw.tuples(sides, sides)
image_shapes = draw.tuples(draw.integers(1, 3), sides, sides, draw.integers(1, 4))
# Turns, mirrors, zooms up to three times, lines and points; shifts out of the image.
entries = draw.floats(-3, 3, width=32) | draw.sampled_from([0.0, 1.0, -1.0, 0.5])
options = draw.fixed_dictionaries(
    {
        "interpolation": draw.sampled_from(INTERPOLATIONS),
        "fill_mode": draw.sampled_from(FILL_MODES),
        "fill_value": draw.sampled_from([0.0, 0.7, -2.0]),
        "align_corners": draw.booleans(),
    }
)
data_formats = draw.sampled_from(["channels_first", "channels_last"])
seeds = draw.integers(0, 2**32 - 1)


def thetas_for(shape):
    return draw_numpy.arrays("float32", (shape[0], 2, 3), elements=entries)


def pixels_of(shape, seed):
    return np.random.default_rng(seed).uniform(size=shape).astype("float32")


def check(found, expected, pixels, rounding, interpolation, largest=1):
    """Compares with the oracle, given the pixel coordinates of the samples."""
    coordinate_error = 1e-6 * (1 + np.max(np.abs(pixels)))
    if interpolation == "nearest":
        # Rounding decides where a sample lies in the middle between two pixels.
        decided = oracle.half_distance(*pixels) > 4 * coordinate_error
        found, expected = found[decided], expected[decided]
    tolerance = 8 * coordinate_error * largest + rounding
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@cases(900)
@given(draw.data(), image_shapes, sizes, options, data_formats, seeds)
def test_affine_sample_is_the_oracle(data, shape, size, options, data_format, seed):
    theta, images = data.draw(thetas_for(shape)), pixels_of(shape, seed)
    found = apply(ops.affine_sample, images, theta, data_format, size=size, **options)
    expected = oracle.affine_sample(images, theta, size=size, **options)
    assert found.shape == expected.shape and found.dtype == "float32"
    grid = oracle.affine_grid(theta, expected.shape[1:3], options["align_corners"])
    pixels = oracle.to_pixels(grid, shape[1:3], options["align_corners"])
    check(found, expected, pixels, ROUNDING["float32"], options["interpolation"])


@cases(400)
@given(draw.data(), image_shapes, draw.tuples(sides, sides), options, seeds)
def test_grid_sample_is_the_oracle(data, shape, size, options, seed):
    grid = data.draw(
        draw_numpy.arrays(
            "float32", (shape[0], *size, 2), elements=draw.floats(-3, 3, width=32)
        )
    )
    images = pixels_of(shape, seed)
    found = apply(ops.grid_sample, images, grid, **options)
    expected = oracle.grid_sample(images, grid, **options)
    pixels = oracle.to_pixels(grid, shape[1:3], options["align_corners"])
    check(found, expected, pixels, ROUNDING["float32"], options["interpolation"])


@cases(300)
@given(
    draw.data(),
    image_shapes,
    sizes,
    options,
    draw.sampled_from(["float64", "float16", "bfloat16", "uint8", "int32"]),
    seeds,
)
def test_every_dtype(data, shape, size, options, dtype, seed):
    """The grid is as precise as ever; the result is in the dtype of the images."""
    theta = data.draw(thetas_for(shape))
    images = pixels_of(shape, seed)
    if "int" in dtype:
        images = np.floor(256 * images)
        options = {**options, "fill_value": 7.0}
    images = keras.ops.cast(images, dtype)
    found = ops.affine_sample(
        images, theta, size=size, data_format="channels_last", **options
    )
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    exact = to_numpy(images)
    expected = oracle.affine_sample(exact, theta, size=size, **options)
    grid = oracle.affine_grid(theta, expected.shape[1:3], options["align_corners"])
    pixels = oracle.to_pixels(grid, shape[1:3], options["align_corners"])
    found = to_numpy(found).astype("float64")
    if "int" in dtype:
        rounding, largest = 0.5, 256
    else:
        # The grid of a float32 theta is no more precise for float64 images.
        rounding, largest = ROUNDING.get(dtype, ROUNDING["float32"]), 1
    check(found, expected, pixels, rounding, options["interpolation"], largest)


@cases(120)
@given(draw.data(), image_shapes, sizes, options, seeds)
def test_the_image_gradient_is_the_adjoint(data, shape, size, options, seed):
    """`<A u, v> = <u, A^T v>` for the linear map `A` of images."""
    options = {**options, "interpolation": "bilinear", "fill_value": 0.0}
    theta, images = data.draw(thetas_for(shape)), pixels_of(shape, seed)
    warped = apply(ops.affine_sample, images, theta, size=size, **options)
    weights = pixels_of(warped.shape, seed + 1)
    found, _ = gradients(
        lambda images, theta: weighted_sum(
            weights,
            ops.affine_sample(
                images, theta, size=size, data_format="channels_last", **options
            ),
        ),
        images,
        theta,
    )
    forward = np.sum(warped.astype("float64") * weights)
    backward = np.sum(images.astype("float64") * found)
    terms = np.prod(warped.shape)
    assert abs(forward - backward) < 1e-5 * (1 + terms)


@cases(150)
@given(draw_numpy.arrays("float32", (2, 2, 3), elements=entries))
def test_the_inverse_undoes(theta):
    determinant = np.linalg.det(theta[:, :, :2].astype("float64"))
    assume(np.all(np.abs(determinant) > 1e-2))
    both = to_numpy(ops.compose_theta(theta, ops.invert_theta(theta)))
    np.testing.assert_allclose(both, np.stack([np.eye(2, 3)] * 2), atol=2e-3)


@cases(150)
@given(
    draw_numpy.arrays("float32", (2, 3, 2, 3), elements=entries),
)
def test_the_product_is_associative(thetas):
    first, second, third = np.moveaxis(thetas, 1, 0)
    left = ops.compose_theta(ops.compose_theta(first, second), third)
    right = ops.compose_theta(first, ops.compose_theta(second, third))
    np.testing.assert_allclose(to_numpy(left), to_numpy(right), atol=1e-4)
