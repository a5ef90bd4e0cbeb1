import keras
import numpy as np
import pytest
from keras import layers

import keras_stn
from keras_stn import SpatialTransformer
from keras_stn.models.calls import call_of, first_call, inputs_of

IMAGES = np.random.default_rng(0).random((3, 12, 12, 2), dtype="float32")


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_what_computed_a_tensor():
    dense, image = layers.Dense(4), keras.Input((4,))
    once = dense(image)
    twice = dense(once)
    assert call_of(twice) == (dense, 1, 0, [once])
    operation, _, _, sources = call_of(image)
    assert isinstance(operation, layers.InputLayer) and sources == []


def test_the_call_in_this_model():
    dense, image = layers.Dense(3), keras.Input((4,))
    first = keras.Model(image, dense(image))
    scaled = layers.Rescaling(10.0)(image)
    second = keras.Model(image, dense(layers.Dense(4)(scaled)))
    assert first_call(first, dense)[0] is image
    inputs, outputs = first_call(second, dense)
    assert inputs is not image and outputs is second.outputs[0]


def test_the_first_call_of_several():
    dense, image = layers.Dense(4), keras.Input((4,))
    once = dense(image)
    model = keras.Model(image, dense(once))
    assert first_call(model, dense) == (image, once)


def test_structures():
    image, theta = keras.Input((6, 6, 1)), keras.Input((2, 3))
    layer = SpatialTransformer(return_theta=True, data_format="channels_last")
    model = keras.Model([image, theta], layer(inputs=[image, theta]))
    inputs, outputs = first_call(model, layer)
    assert inputs[0] is image and inputs[1] is theta
    assert [output.shape for output in outputs] == [(None, 6, 6, 1), (None, 2, 3)]


def test_a_layer_that_is_not_called():
    image = keras.Input((4,))
    model = keras.Model(image, layers.Dense(3)(image), name="small")
    other = layers.Dense(3, name="other")
    other(image)
    with pytest.raises(ValueError, match="'small' calls.*'other', which it does not"):
        first_call(model, other)
    with pytest.raises(ValueError, match="Expected a functional or Sequential"):
        first_call(keras.Sequential([other]), other)


def test_models_that_share_layers_have_poses_and_gaps_of_their_own():
    """One transformer and one convolution, in two models of one input."""
    network = keras.Sequential([layers.Flatten(), layers.Dense(3)])
    transformer = SpatialTransformer(
        network, transform="rotation", data_format="channels_last"
    )
    conv = layers.Conv2D(4, 3, padding="same", name="conv", activation="tanh")
    image = keras.Input((12, 12, 2))
    first = keras.Model(image, conv(transformer(image)))
    read = layers.Rescaling(10.0)(image)
    second = keras.Model(image, conv(transformer(read)))
    transformer._regression.set_weights([np.full((3, 1), 0.3), np.zeros(1)])
    for model, scale in ((first, 1), (second, 10)):
        expected = numpy(transformer.localize(scale * IMAGES))
        theta = numpy(keras_stn.models.pose(model)(IMAGES))
        np.testing.assert_allclose(theta, expected, atol=1e-5)
        seen = keras_stn.analysis.image_theta(model, IMAGES)
        np.testing.assert_allclose(seen, expected, atol=1e-5)
    assert np.abs(numpy(keras_stn.models.pose(first)(IMAGES)) - expected).max() > 0.1

    quarter = np.array([[[0, -1, 0], [1, 0, 0]]], "float32")
    gaps = [
        keras_stn.analysis.alignment_gap(model, "conv", IMAGES, quarter).feature_warp
        for model in (keras.Model(image, conv(image)), keras.Model(image, conv(read)))
    ]
    assert abs(gaps[0][0] - gaps[1][0]) > 1e-3


def test_two_variants_of_the_same_blocks():
    """They share their weights, and each has its own feature maps."""
    blocks = [layers.Conv2D(4, 3, name="first"), layers.Conv2D(4, 3, name="second")]
    head = [layers.GlobalAveragePooling2D(), layers.Dense(2)]
    shared = ((12, 12, 2), blocks, head)
    keras_stn.models.splice(*shared, "cnn")
    model = keras_stn.models.splice(*shared, "stn_sl1", layers.Dense(4))
    quarter = np.array([[[0, -1, 0], [1, 0, 0]]], "float32")
    gap = keras_stn.analysis.alignment_gap(model, "second", IMAGES, quarter)
    assert np.isfinite(gap.feature_warp).all()


def test_the_inputs_that_a_tensor_needs():
    first, second = keras.Input((4,)), keras.Input((4,))
    doubled = layers.Rescaling(2.0)(second)
    model = keras.Model([first, second], layers.Add()([first, doubled]), name="sum")
    assert inputs_of(model, doubled) == [1]
    assert inputs_of(model, model.outputs[0]) == [0, 1]
    assert inputs_of(model, first) == [0]
    with pytest.raises(ValueError, match="inputs of the model 'sum'.*that needs"):
        inputs_of(model, layers.Rescaling(2.0)(keras.Input((4,), name="foreign")))
