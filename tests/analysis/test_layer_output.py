import keras
import pytest
from keras import layers

from keras_stn.analysis.layer_output import image_input, layer_output, name_of


def test_a_layer_in_each_form():
    image, numbers = keras.Input((6, 6, 1)), keras.Input((3,))
    conv = layers.Conv2D(2, 3, name="conv")
    outputs = [conv(image), layers.Dense(2)(numbers)]
    model = keras.Model([numbers, image], outputs)
    for layer in ("conv", conv, outputs[0]):
        tensor, name = layer_output(model, layer)
        assert tensor is outputs[0] and name == name_of(layer) == "conv"
        assert image_input(model, tensor, (4, 6, 6, 1)) is image
    # Of several inputs the image is the one with four axes.
    assert layer_output(model, None) == (image, "image") and name_of(None) == "image"


@pytest.mark.parametrize("shape", [(6, 6, 1), (0, 6, 6, 1), (4, 6, 6, 2)])
def test_images_that_do_not_fit(shape):
    model = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match="at least one image.*images.shape="):
        image_input(model, model.outputs[0], shape)


def test_images_of_any_size():
    model = keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(2, 3)])
    source = image_input(model, model.outputs[0], (4, 9, 7, 1))
    assert source is model.inputs[0]
