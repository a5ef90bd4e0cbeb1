import keras
import numpy as np
import pytest

from keras_stn.ops.pooling import max_pool
from tests.compilation import compile_function
from tests.gradients import gradient_of, gradients, numeric_gradient, weighted_sum

GENERATOR = np.random.default_rng(0)


def distinct_images(channels):
    """Images without two values near each other, where finite differences meet no kink.

    With more than 16 channels the gradient takes another way.
    """
    shape = (2, 7, 8, channels)
    return GENERATOR.permutation(np.prod(shape)).reshape(shape).astype("float32")


IMAGES = distinct_images(3)


def pooled_by_numpy(images, pool_size):
    height, width = pool_size
    rows, columns = images.shape[1] // height, images.shape[2] // width
    return np.stack(
        [
            images[:, i : rows * height : height, j : columns * width : width]
            for i in range(height)
            for j in range(width)
        ]
    ).max(axis=0)


@pytest.mark.parametrize("channels", [3, 17])
@pytest.mark.parametrize("pool_size", [(2, 2), (3, 2), (1, 4)])
def test_matches_numpy_and_finite_differences(pool_size, channels):
    images = distinct_images(channels)
    expected = pooled_by_numpy(images, pool_size)
    found = keras.ops.convert_to_numpy(max_pool(images, pool_size))
    np.testing.assert_array_equal(found, expected)
    weights = GENERATOR.normal(size=expected.shape)
    (gradient,) = gradients(
        lambda images: weighted_sum(weights, max_pool(images, pool_size)), images
    )
    numeric = numeric_gradient(
        lambda images: np.sum(weights * pooled_by_numpy(images, pool_size)),
        images,
        0.25,
    )
    np.testing.assert_allclose(gradient, numeric, rtol=0, atol=1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize("channels", [5, 20])
def test_equal_values_as_in_tensorflow(channels):
    # After a ReLU most values of a window are zero.
    images = GENERATOR.integers(0, 2, (4, 8, 8, channels)).astype("float32")
    weights = GENERATOR.normal(size=(4, 4, 4, channels))
    found, expected = (
        gradients(
            lambda images, pool=pool: weighted_sum(weights, pool(images)), images
        )[0]
        for pool in (
            lambda images: max_pool(images, (2, 2)),
            lambda images: keras.ops.max_pool(images, 2, data_format="channels_last"),
        )
    )
    np.testing.assert_array_equal(found, expected)


def test_second_derivative_and_jit():
    def scalar(images):
        return keras.ops.sum(max_pool(images, (2, 2)) ** 3)

    def slope(images):
        return keras.ops.sum(gradient_of(scalar)(images)[0] ** 2)

    images = IMAGES / 100
    (found,) = gradients(slope, images)
    (first,) = gradients(scalar, images)
    # d/dx (3 x^2)^2 where x is the largest of its window, else 0.
    expected = np.where(first != 0, 36 * images.astype("float64") ** 3, 0)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    (jitted,) = compile_function(lambda images: gradient_of(scalar)(images))(images)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(jitted), first, rtol=1e-5, atol=1e-5
    )
