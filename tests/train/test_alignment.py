import numpy as np
import pytest
from scipy import ndimage

import keras_stn
from keras_stn import SpatialTransformer
from train.alignment import align, alignment_rows

IMAGES = np.random.default_rng(0).random((2, 28, 28, 1)).astype("float32")


def shifted(variant, fill_mode, pixels):
    """A network that reads so many pixels of its map further to the right."""
    model = keras_stn.models.mnist(variant, fill_mode=fill_mode)
    layer = model.get_layer("spatial_transformer")
    assert isinstance(layer, SpatialTransformer)
    kernel, bias = layer._regression.kernel, layer._regression.bias
    kernel.assign(np.zeros(kernel.shape))
    side = 28 if variant == "stn_c0" else 10
    bias.assign([0, 0, 2 * pixels / side, 0, 0, 0])
    return model


@pytest.mark.parametrize("fill_mode", ["nearest", "constant"])
def test_the_image_beyond_its_edges_is_that_of_the_transformer(fill_mode):
    aligned, theta = align(shifted("stn_c0", fill_mode, 3.5), IMAGES)
    # A black pixel around, as bilinear interpolation fades into the outside.
    expected = ndimage.shift(
        IMAGES.astype("float64"),
        (0, 0, -3.5, 0),
        order=1,
        mode="nearest" if fill_mode == "nearest" else "grid-constant",
    )
    np.testing.assert_allclose(aligned, expected, atol=1e-5)
    np.testing.assert_allclose(theta, [[[1, 0, 0.25], [0, 1, 0]]] * 2, atol=1e-6)


def test_theta_of_a_map_in_pixels_of_the_image():
    """A place of the map is two pixels of the image."""
    aligned, _ = align(shifted("stn_c1", "nearest", 2), IMAGES)
    expected = ndimage.shift(IMAGES, (0, 0, -4, 0), order=0, mode="nearest")
    np.testing.assert_allclose(aligned, expected, atol=1e-5)


def test_rows():
    model = shifted("stn_c0", "nearest", 3)
    rows = alignment_rows(model, IMAGES)
    assert list(rows) == ["input", "aligned"]
    np.testing.assert_array_equal(rows["input"], IMAGES)
    np.testing.assert_array_equal(rows["aligned"], align(model, IMAGES)[0])
    assert list(alignment_rows(keras_stn.models.mnist("cnn"), IMAGES)) == ["input"]


def test_needs_a_transformer():
    with pytest.raises(ValueError, match="with one SpatialTransformer"):
        align(keras_stn.models.mnist("cnn"), IMAGES)
