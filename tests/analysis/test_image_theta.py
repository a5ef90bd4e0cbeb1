import keras
import numpy as np
import pytest

import keras_stn
from keras_stn import SpatialTransformer, ops
from keras_stn.analysis import image_theta

IMAGES = np.random.default_rng(0).random((3, 60, 60, 1)).astype("float32")


def with_theta(variant, theta):
    """A network that predicts the same theta for all images."""
    model = keras_stn.models.mnist(variant, task="translation")
    layer = model.get_layer("spatial_transformer")
    layer._regression.bias.assign(np.ravel(theta) - [1, 0, 0, 0, 1, 0])
    layer._regression.kernel.assign(np.zeros(layer._regression.kernel.shape))
    return model


THETA = [[0.9, -0.2, 0.3], [0.1, 1.1, -0.4]]


@pytest.mark.parametrize("variant", ["stn_c0", "stn_sl1"])
def test_a_theta_of_the_image_stays(variant):
    found = image_theta(with_theta(variant, THETA), IMAGES)
    np.testing.assert_allclose(found, [THETA] * 3, atol=1e-6)


def test_a_theta_of_the_map_is_of_a_part_of_the_image():
    """Its frame is the 52 pixels in the middle that 26 places with a step of 2 span."""
    found = image_theta(with_theta("stn_c1", THETA), IMAGES)
    in_pixels = ops.theta_to_pixels(found, (60, 60))
    expected = ops.theta_to_pixels(np.array([THETA] * 3, "float32"), (52, 52))
    # Pixel 4 of the image is pixel 0 of the frame.
    corner = np.array([4, 4, 1])
    np.testing.assert_allclose(
        np.array(in_pixels) @ corner, np.array(expected) @ [0, 0, 1] + 4, atol=1e-4
    )
    np.testing.assert_allclose(found[:, :, :2], np.array([THETA] * 3)[:, :, :2])


def test_needs_a_transformer():
    model = keras_stn.models.mnist("cnn", task="translation")
    with pytest.raises(ValueError, match="with one SpatialTransformer"):
        image_theta(model, IMAGES)


def moved(model, transformer, shift):
    """The model, with a transformer that shifts all images by the same."""
    transformer._regression.kernel.assign(
        np.zeros(transformer._regression.kernel.shape)
    )
    transformer._regression.bias.assign(shift)
    return model


@pytest.mark.parametrize("output_size", [None, (9, 5)])
def test_aligned_corners_are_given_for_half_pixel_centres(output_size):
    """What the layer does to the image, `affine_sample` does by this theta."""
    image = keras.Input((12, 15, 1))
    layer = SpatialTransformer(
        keras.layers.Flatten(),
        output_size=output_size,
        align_corners=True,
        data_format="channels_last",
    )
    bias = np.ravel(THETA) - [1, 0, 0, 0, 1, 0]
    model = moved(keras.Model(image, layer(image)), layer, bias)
    images = IMAGES[:, :12, :15]
    expected = model.predict(images, verbose=0)
    found = image_theta(model, images)
    warped = ops.affine_sample(
        images, found, size=expected.shape[1:3], data_format="channels_last"
    )
    np.testing.assert_allclose(np.array(warped), expected, atol=1e-5)


def test_several_inputs():
    """The image among them, by its name or its place."""
    image = keras.Input((12, 12, 1), name="image")
    extra = keras.Input((3,), name="extra")
    layer = SpatialTransformer(
        keras.layers.Dense(2), "translation", data_format="channels_last"
    )
    warped = layer([image, extra])
    numbers = np.ones((3, 3), "float32")
    images = IMAGES[:, :12, :12]
    named = {"image": images, "extra": numbers}
    for inputs, fed in (
        ([extra, image], [numbers, images]),
        ([image, extra], named),
        ({"image": image, "extra": extra}, named),
    ):
        model = moved(keras.Model(inputs, warped), layer, [0.5, 0.0])
        found = image_theta(model, fed)
        np.testing.assert_allclose(found, [[[1, 0, 0.5], [0, 1, 0]]] * 3, atol=1e-6)
    with pytest.raises(ValueError, match=r"Expected all inputs.*Received \['a'\]"):
        image_theta(model, {"a": images})


def test_a_list_of_images_is_one_input():
    model = with_theta("stn_c1", THETA)
    np.testing.assert_array_equal(
        image_theta(model, list(IMAGES)), image_theta(model, IMAGES)
    )


def test_images_of_any_size():
    image = keras.Input((None, None, 1))
    localization = keras.Sequential([keras.layers.GlobalAveragePooling2D()])
    layer = SpatialTransformer(localization, "translation", data_format="channels_last")
    model = moved(keras.Model(image, layer(image)), layer, [0.5, 0.0])
    found = image_theta(model, IMAGES)
    np.testing.assert_allclose(found, [[[1, 0, 0.5], [0, 1, 0]]] * 3, atol=1e-6)


def test_channels_first(channels_first):
    model = with_theta("stn_c1", THETA)
    found = image_theta(model, np.moveaxis(IMAGES, -1, 1))
    in_pixels = np.array(ops.theta_to_pixels(found, (60, 60)))
    expected = ops.theta_to_pixels(np.array([THETA] * 3, "float32"), (52, 52))
    np.testing.assert_allclose(
        in_pixels @ [4, 4, 1], np.array(expected) @ [0, 0, 1] + 4, atol=1e-4
    )


def test_one_of_several_transformers_and_a_stride():
    image = keras.Input((12, 12, 1))
    half = keras.layers.Lambda(lambda x: x[:, ::2, ::2])(image)
    first, second = (
        SpatialTransformer(
            keras.layers.Flatten(),
            "translation",
            data_format="channels_last",
            name=name,
        )
        for name in ("first", "second")
    )
    outputs = [first(image), second(half)]
    model = moved(keras.Model(image, outputs), first, [0.5, 0.0])
    moved(model, second, [0.0, 0.25])
    images = IMAGES[:, :12, :12]
    with pytest.raises(ValueError, match="first.*second"):
        image_theta(model, images)
    for layer in ("first", first):
        found = image_theta(model, images, layer=layer)
        np.testing.assert_allclose(found, [[[1, 0, 0.5], [0, 1, 0]]] * 3, atol=1e-6)
    with pytest.raises(ValueError, match="Give `stride`"):
        image_theta(model, images, layer="second")
    # A quarter of half the side of the map, which spans the image.
    found = image_theta(model, images, layer="second", stride=2)
    np.testing.assert_allclose(found, [[[1, 0, 0], [0, 1, 0.25]]] * 3, atol=1e-6)
    found = image_theta(model, images, layer="second", stride=1)
    np.testing.assert_allclose(found, [[[1, 0, 0], [0, 1, 0.125]]] * 3, atol=1e-6)


@pytest.mark.parametrize("convolves", [False, True])
def test_a_data_format_that_is_not_that_of_keras(convolves):
    """The sizes of maps would be read from the wrong axes."""
    options = {"data_format": "channels_first"}
    image = keras.Input((1, 12, 12))
    features = keras.layers.Conv2D(2, 3, **options)(image) if convolves else image
    layer = SpatialTransformer(keras.layers.Dense(2), "translation", **options)
    model = keras.Model(image, layer(features))
    with pytest.raises(ValueError, match=r"set_image_data_format\('channels_first'\)"):
        image_theta(model, np.zeros((1, 1, 12, 12)))
