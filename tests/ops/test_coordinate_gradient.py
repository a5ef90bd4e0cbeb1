import math
import re

import keras
import numpy as np
import pytest

from keras_stn.ops import affine_sample
from keras_stn.ops.coordinate_gradient import coordinate_gradient
from keras_stn.ops.interpolation import interpolate
from tests import oracle
from tests.compilation import compile_function
from tests.gradients import gradients, numeric_gradient, weighted_sum
from tests.ops.cases import (
    FILL_MODES,
    FILL_VALUE,
    IMAGES,
    off_lattice_thetas,
    to_numpy,
)

GENERATOR = np.random.default_rng(4)
COTANGENT = GENERATOR.normal(size=(8, 6, 7, 2)).astype("float32")


def places_off_the_lattice():
    """Coordinates in and around the images, none near a whole or a half pixel."""
    whole = GENERATOR.integers(-30, 45, size=(2, 8, 6, 7))
    fraction = GENERATOR.uniform(0.05, 0.45, size=whole.shape)
    return (whole + fraction + GENERATOR.choice([0, 0.5], whole.shape)).astype(
        "float32"
    )


X, Y = places_off_the_lattice()


def many_channels(array, channels=48):
    """The same values in other orders, so that no two channels are alike."""
    generator = np.random.default_rng(5)
    pixels = array.reshape(len(array), -1)
    orders = [generator.permutation(pixels.shape[1]) for _ in range(channels)]
    values = np.stack([pixels[:, order] for order in orders], axis=-1)
    values = values[:, : math.prod(array.shape[1:3])]
    return values.reshape(*array.shape[:3], channels)


def found_gradient(images, x, y, cotangent, fill_mode, fill_value=FILL_VALUE):
    tensors = map(keras.ops.convert_to_tensor, (images, x, y, cotangent))
    gradient = to_numpy(coordinate_gradient(*tensors, fill_mode, fill_value))
    assert gradient.shape == x.shape
    return gradient.real, gradient.imag


# 37 and 72 are more than XLA sums up at once; the first cannot be split. 16 and 48 are
# summed up in two steps.
@pytest.mark.parametrize("channels", [1, 2, 16, 37, 48, 72])
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_matches_finite_differences(fill_mode, channels):
    images, cotangent = (
        many_channels(array, channels) for array in (IMAGES, COTANGENT)
    )
    x, y = np.float64(X), np.float64(Y)
    step = 1e-3

    def slope(x_step, y_step):
        after, before = (
            oracle.sample_pixels(
                images,
                x + sign * x_step,
                y + sign * y_step,
                fill_mode=fill_mode,
                fill_value=FILL_VALUE,
            )
            for sign in (1, -1)
        )
        return np.sum((after - before) / (2 * step) * cotangent, axis=-1)

    by_x, by_y = found_gradient(images, X, Y, cotangent, fill_mode)
    tolerance = 1e-4 if channels < 32 else 5e-4
    np.testing.assert_allclose(by_x, slope(step, 0), rtol=0, atol=tolerance)
    np.testing.assert_allclose(by_y, slope(0, step), rtol=0, atol=tolerance)


@pytest.mark.tensorflow
@pytest.mark.parametrize("channels", [16, 48, 64, 72, 192, 1056])
def test_stores_nothing_of_the_size_of_the_samples(channels):
    arrays = (many_channels(IMAGES, channels), X, Y, many_channels(COTANGENT, channels))
    program = compile_function(
        lambda *tensors: keras.ops.imag(coordinate_gradient(*tensors, "constant", 0.0))
    ).experimental_get_compiler_ir(*arrays)(stage="optimized_hlo")
    # What follows the last fusion's code is what is run: one name for each result.
    entry = program[program.index("ENTRY") :]
    results = re.findall(r"= [a-z]+(\d+)\[([\d,]+)\]\S* (?!parameter)\w", entry)
    assert results
    bits = [
        int(size) * math.prod(map(int, shape.split(","))) for size, shape in results
    ]
    samples = 32 * X.size * channels
    # Of many channels perhaps the first of two sums, as complex numbers.
    assert max(bits) <= (samples / 4 if channels >= 64 else 64 * X.size)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_is_the_automatic_gradient_on_the_lattice_too(fill_mode):
    y, x = np.mgrid[-4:16, -5:21:0.5].astype("float32")[:, None].repeat(8, axis=1)
    x[0, 0, :3] = y[0, 1, :3] = [np.nan, np.inf, -np.inf]
    cotangent = GENERATOR.normal(size=(*x.shape, 2)).astype("float32")

    def scalar(x, y):
        images = keras.ops.convert_to_tensor(IMAGES)
        samples = interpolate(images, x, y, "bilinear", fill_mode, FILL_VALUE)
        return weighted_sum(cotangent, samples)

    found = found_gradient(IMAGES, x, y, cotangent, fill_mode)
    for gradient, automatic in zip(found, gradients(scalar, x, y), strict=True):
        np.testing.assert_allclose(gradient, automatic, rtol=0, atol=1e-5)


def test_half_precision_images_have_a_single_precision_gradient():
    half = (IMAGES.astype("float16"), X, Y, COTANGENT.astype("float16"), "constant")
    single = tuple(
        one.astype("float32") if isinstance(one, np.ndarray) else one for one in half
    )
    for found, expected in zip(
        found_gradient(*half), found_gradient(*single), strict=True
    ):
        assert found.dtype == "float32"
        np.testing.assert_array_equal(found, expected)


def test_compiles():
    function = compile_function(
        lambda *tensors: keras.ops.imag(coordinate_gradient(*tensors, "mirror", 0.0))
    )
    found = to_numpy(function(IMAGES, X, Y, COTANGENT))
    expected = found_gradient(IMAGES, X, Y, COTANGENT, "mirror")[1]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def theta_gradient(images, theta, **options):
    (found,) = gradients(
        lambda theta: keras.ops.sum(
            keras.ops.square(
                affine_sample(images, theta, data_format="channels_last", **options)
            )
        ),
        theta,
    )
    return found


def test_in_double_precision():
    """As precise as its dtype, also where it goes through complex numbers."""
    images = np.random.default_rng(0).random((2, 5, 6, 2))
    theta = off_lattice_thetas().astype("float64")
    found = theta_gradient(images, theta)
    if found.dtype != np.float64:
        pytest.skip("the backend has no double precision here")
    expected = numeric_gradient(
        lambda theta: np.sum(oracle.affine_sample(images, theta) ** 2), theta, 1e-6
    )
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_large_fill_value_that_is_not_read(channels):
    images = np.random.default_rng(0).random((1, 8, 8, channels), dtype="float32")
    theta = np.array([[[0.5, 0.1, 0.05], [-0.1, 0.5, 0.02]]], "float32")
    expected = affine_sample(images, theta, data_format="channels_last")
    warped = affine_sample(images, theta, fill_value=-1e9, data_format="channels_last")
    np.testing.assert_array_equal(to_numpy(warped), to_numpy(expected))
    np.testing.assert_allclose(
        theta_gradient(images, theta, fill_value=-1e9),
        theta_gradient(images, theta),
        rtol=1e-5,
        atol=1e-5,
    )
