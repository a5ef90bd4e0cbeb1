import keras
import numpy as np
import pytest
from scipy import ndimage

import keras_stn
from keras_stn import SpatialTransformer
from train.alignment import align, alignment_rows

IMAGES = np.random.default_rng(0).random((2, 28, 28, 1)).astype("float32")


def with_theta(model, theta):
    """The model, predicting the same theta for all images."""
    layer = model.get_layer("spatial_transformer")
    kernel, bias = layer._regression.kernel, layer._regression.bias
    kernel.assign(np.zeros(kernel.shape))
    bias.assign(np.ravel(theta) - [1, 0, 0, 0, 1, 0])
    return model


def shift_right(pixels, side):
    """Theta that reads so many pixels further to the right."""
    return [[1, 0, 2 * pixels / side], [0, 1, 0]]


@pytest.mark.parametrize(
    ("fill_mode", "fill_value", "mode"),
    [
        ("nearest", 0.0, "nearest"),
        ("constant", 0.0, "grid-constant"),
        ("constant", 0.5, "grid-constant"),
    ],
)
def test_the_image_beyond_its_edges_is_that_of_the_transformer(
    fill_mode, fill_value, mode
):
    image = keras.Input((28, 28, 1))
    layer = SpatialTransformer(
        keras.layers.Flatten(),
        fill_mode=fill_mode,
        fill_value=fill_value,
        name="spatial_transformer",
    )
    model = with_theta(keras.Model(image, layer(image)), shift_right(3.5, 28))
    aligned, theta = align(model, IMAGES)
    expected = ndimage.shift(
        IMAGES.astype("float64"), (0, 0, -3.5, 0), order=1, mode=mode, cval=fill_value
    )
    np.testing.assert_allclose(aligned, expected, atol=1e-5)
    np.testing.assert_allclose(theta, [[[1, 0, 0.25], [0, 1, 0]]] * 2, atol=1e-6)


def test_theta_of_a_map_in_pixels_of_the_image():
    """A place of the map is two pixels of the image."""
    aligned, _ = align(
        with_theta(keras_stn.models.mnist("stn_c1"), shift_right(2, 10)), IMAGES
    )
    expected = ndimage.shift(IMAGES, (0, 0, -4, 0), order=0, mode="nearest")
    np.testing.assert_allclose(aligned, expected, atol=1e-5)


def test_rows():
    model = with_theta(keras_stn.models.mnist("stn_c0"), shift_right(3, 28))
    rows = alignment_rows(model, IMAGES)
    assert list(rows) == ["input", "aligned"]
    np.testing.assert_array_equal(rows["input"], IMAGES)
    np.testing.assert_array_equal(rows["aligned"], align(model, IMAGES)[0])
    assert list(alignment_rows(keras_stn.models.mnist("cnn"), IMAGES)) == ["input"]


def test_needs_a_transformer():
    with pytest.raises(ValueError, match="with one SpatialTransformer"):
        align(keras_stn.models.mnist("cnn"), IMAGES)
