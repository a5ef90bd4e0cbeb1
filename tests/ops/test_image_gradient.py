import keras
import numpy as np
import pytest

from keras_stn.ops.image_gradient import SQUARES_UP_TO, image_gradient
from tests import oracle
from tests.compilation import compile_function
from tests.gradients import gradients, weighted_sum
from tests.ops.cases import FILL_MODES, to_numpy

GENERATOR = np.random.default_rng(5)
SIZE = (4, 5)
X, Y = GENERATOR.uniform(-6, 11, size=(2, 3, 2, 6)).astype("float32")
COTANGENT = GENERATOR.normal(size=(3, 2, 6, 2)).astype("float32")
# Few channels are added to four pixels at once, many to one pixel after the other.
CHANNELS = (1, 3, SQUARES_UP_TO + 1)


def transposed_oracle(x, y, cotangent, size, fill_mode):
    """The gradient from what the oracle makes of images with a single bright pixel."""
    gradient = np.zeros((len(x), *size, cotangent.shape[-1]))
    for index in np.ndindex(*size):
        image = np.zeros((len(x), *size, 1))
        image[(slice(None), *index)] = 1
        seen = oracle.sample_pixels(image, x, y, fill_mode=fill_mode)
        gradient[(slice(None), *index)] = np.sum(seen * cotangent, axis=(1, 2))
    return gradient


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_is_the_transposed_oracle(fill_mode, channels):
    cotangent = GENERATOR.normal(size=(3, 2, 6, channels)).astype("float32")
    expected = transposed_oracle(X, Y, cotangent, SIZE, fill_mode)
    tensors = list(map(keras.ops.convert_to_tensor, (X, Y, cotangent)))
    found = to_numpy(image_gradient(*tensors, SIZE, fill_mode))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    function = compile_function(
        lambda *tensors: image_gradient(*tensors, SIZE, fill_mode)
    )
    found = to_numpy(function(X, Y, cotangent))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1), (2, 2)])
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_smallest_images(fill_mode, size):
    expected = transposed_oracle(X, Y, COTANGENT, size, fill_mode)
    tensors = map(keras.ops.convert_to_tensor, (X, Y, COTANGENT))
    found = to_numpy(image_gradient(*tensors, size, fill_mode))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("channels", CHANNELS)
def test_places_that_are_no_numbers_add_nothing(channels):
    x = X.copy()
    x[:, 0, :3] = np.nan, np.inf, -np.inf
    x[:, 1, 0] = 1e30
    cotangent = np.ones((3, 2, 6, channels), "float32")
    tensors = map(keras.ops.convert_to_tensor, (x, Y, cotangent))
    found = to_numpy(image_gradient(*tensors, SIZE, "constant"))
    x[~np.isfinite(x)] = -9
    expected = transposed_oracle(x, Y, cotangent, SIZE, "constant")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.skipif(
    keras.config.backend() == "torch", reason="PyTorch has automatic derivatives."
)
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_its_derivatives_do_not_depend_on_the_number_of_channels(fill_mode):
    # At whole pixels too, where the weights have kinks.
    x = np.where(X > 2, np.round(X), X)
    weights = GENERATOR.normal(size=(3, *SIZE, 2)).astype("float32")

    def weighted(x, y, cotangent):
        return weighted_sum(weights, image_gradient(x, y, cotangent, SIZE, fill_mode))

    def among_many(x, y, cotangent):
        others = [keras.ops.zeros_like(cotangent)] * SQUARES_UP_TO
        cotangent = keras.ops.concatenate([cotangent, *others], axis=-1)
        gradient = image_gradient(x, y, cotangent, SIZE, fill_mode)
        return weighted_sum(weights, gradient[..., :2])

    few = gradients(weighted, x, Y, COTANGENT)
    for found, expected in zip(
        few, gradients(among_many, x, Y, COTANGENT), strict=True
    ):
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_dtype_is_that_of_the_cotangent():
    tensors = list(map(keras.ops.convert_to_tensor, (X, Y, COTANGENT)))
    tensors[2] = keras.ops.cast(tensors[2], "float16")
    gradient = image_gradient(*tensors, SIZE, "constant")
    assert keras.backend.standardize_dtype(gradient.dtype) == "float16"
    expected = transposed_oracle(X, Y, COTANGENT, SIZE, "constant")
    np.testing.assert_allclose(to_numpy(gradient), expected, rtol=0, atol=2e-2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_many_samples_of_one_pixel(dtype):
    """A sum in half precision would stand still at 2048, or at 256."""
    x = y = np.full((1, 64, 63), 2.0, "float32")
    cotangent = np.ones((1, 64, 63, 1), "float32")
    tensors = list(map(keras.ops.convert_to_tensor, (x, y, cotangent)))
    tensors[2] = keras.ops.cast(tensors[2], dtype)
    gradient = to_numpy(
        keras.ops.cast(image_gradient(*tensors, SIZE, "nearest"), "float32")
    )
    assert gradient[0, 2, 2, 0] == 4032
