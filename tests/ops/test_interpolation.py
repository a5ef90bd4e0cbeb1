import keras
import numpy as np
import pytest

from keras_stn.ops.interpolation import interpolate
from tests import oracle
from tests.ops.cases import FILL_MODES, FILL_VALUE, IMAGES, INTERPOLATIONS, to_numpy

# Pixel coordinates in and around the images, each read by every backend as it is: this
# tests the core without the compiled functions around it.
X, Y = np.random.default_rng(6).uniform(-20, 35, (2, 8, 6, 7)).astype("float32")


def read(images, x, y, interpolation="bilinear", fill_mode="constant", fill_value=0.0):
    images, x, y = map(keras.ops.convert_to_tensor, (images, x, y))
    return to_numpy(interpolate(images, x, y, interpolation, fill_mode, fill_value))


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_matches_the_oracle(interpolation, fill_mode):
    options = (interpolation, fill_mode, FILL_VALUE)
    expected = oracle.sample_pixels(IMAGES, X.astype("float64"), Y, *options)
    values = read(IMAGES, X, Y, *options)
    assert values.shape == (8, 6, 7, 2)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_whole_pixels_are_read_as_they_are(fill_mode, interpolation):
    y, x = np.mgrid[:12, :17].astype("float32")[:, None].repeat(8, axis=1)
    values = read(IMAGES, x, y, interpolation, fill_mode, FILL_VALUE)
    np.testing.assert_array_equal(values, IMAGES)


def test_edge_pixels_fade_into_the_fill_value():
    image = np.full((1, 2, 3, 1), 8, "float32")
    x = np.float32([[[-2, -1, -0.75, -0.25, 0, 2.5, 3, 4]]])
    along_x = read(image, x, 0 * x, fill_value=4).ravel()
    np.testing.assert_array_equal(along_x, [4, 4, 5, 7, 8, 6, 4, 4])
    # Both axes at a corner: a quarter of the image.
    half = np.float32([[[-0.5]]])
    assert read(image, half, half, fill_value=4).item() == 5


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_images_of_one_pixel(interpolation, fill_mode):
    image = np.full((1, 1, 1, 1), 8, "float32")
    x = np.float32([[[0, 0.25, 5, -3]]])
    values = read(image, x, 0 * x, interpolation, fill_mode, 4).ravel()
    if fill_mode == "constant":
        expected = [8, 7 if interpolation == "bilinear" else 8, 4, 4]
    else:
        expected = [8, 8, 8, 8]
    np.testing.assert_array_equal(values, expected)


def test_each_image_has_coordinates_of_its_own():
    images = np.arange(6, dtype="float32").reshape(2, 1, 3, 1)
    x = np.float32([[[0, 1]], [[2, 1]]])
    np.testing.assert_array_equal(read(images, x, 0 * x).ravel(), [0, 1, 5, 4])


def test_sums_are_formed_in_float32():
    # 2048 + 1 is not a float16, but the mean of 2048 and 2050 is exact in float32.
    images = np.float16([[[[2048], [2050]]]])
    x = np.float32([[[0.5]]])
    values = read(images, x, 0 * x)
    assert values.dtype == "float16" and values.item() in (2048, 2050)
    # 1/3 of 3 * 255: products of eight bits would not be whole.
    images = np.full((1, 1, 2, 1), 255, "uint8")
    x = np.float32([[[1 / 3]]])
    assert read(images, x, 0 * x).item() == 255


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_rounded_once_at_the_end(dtype):
    images = keras.ops.cast(keras.ops.convert_to_tensor(IMAGES), dtype)
    values = read(images, X, Y, fill_mode="mirror")
    single = read(to_numpy(keras.ops.cast(images, "float32")), X, Y, fill_mode="mirror")
    rounded = to_numpy(keras.ops.cast(single, dtype))
    np.testing.assert_array_equal(values, rounded)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32"])
def test_integers_are_rounded_to_even_halves(dtype):
    images = np.array([1, 2, 3, 3], dtype).reshape(1, 1, 4, 1)
    x = np.float32([[[0.25, 0.5, 0.75, 1.5, 2.5]]])
    values = read(images, x, 0 * x)
    assert values.dtype == dtype
    np.testing.assert_array_equal(values.ravel(), [1, 2, 2, 2, 3])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_integers_saturate(interpolation, dtype):
    images = np.zeros((1, 1, 1, 1), dtype)
    x = np.float32([[[9]]])
    limits = np.iinfo(dtype)
    for fill_value, limit in ((1e12, limits.max), (-1e12, limits.min)):
        value = read(images, x, x, interpolation, "constant", fill_value).item()
        if interpolation == "nearest" or dtype != "int32":
            assert value == limit
        else:
            # The last float32 below 2**31.
            assert value in (limit, 2**31 - 128)
