import keras
import numpy as np
import pytest
from keras import layers

from keras_stn import transforms
from keras_stn.analysis import (
    alignment_gap,
    best_feature_warp,
    feature_layers,
    gap_by_depth,
)

GENERATOR = np.random.default_rng(0)


def network():
    return keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            keras.layers.Conv2D(3, 3, padding="same", name="first"),
            keras.layers.ReLU(name="relu"),
            keras.layers.MaxPooling2D(2, name="pool"),
            keras.layers.MaxPooling2D(4, name="small"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )


def test_is_what_the_functions_for_a_layer_give():
    model = network()
    images = GENERATOR.random((2, 16, 16, 1)).astype("float32")
    theta = transforms.Rotation()(np.array([[0.4]], "float32"))
    gaps = gap_by_depth(
        model,
        images,
        theta,
        [None, "relu"],
        family="rotation",
        steps=2,
        fill_mode="nearest",
    )
    assert gaps.layers == ("image", "relu")
    options = {"fill_mode": "nearest"}
    gap = alignment_gap(model, "relu", images, theta, **options)
    best = best_feature_warp(
        model, "relu", images, theta, "rotation", steps=2, **options
    )
    np.testing.assert_allclose(gaps.feature_warp[1], gap.feature_warp)
    np.testing.assert_allclose(gaps.input_warp[1], gap.input_warp)
    np.testing.assert_allclose(gaps.best_feature_warp[1], best.gap, rtol=1e-5)
    # Of the image itself, the inverse leaves what interpolation does.
    np.testing.assert_allclose(gaps.feature_warp[0], gaps.input_warp[0])


def test_the_last_layer_of_each_size():
    assert feature_layers(network()) == ["relu", "pool"]


@pytest.mark.slow
def test_a_backbone_of_keras_applications():
    model = keras.applications.MobileNetV2((64, 64, 3), weights=None, include_top=False)
    layers = feature_layers(model)
    sizes = [model.get_layer(name).output.shape[1] for name in layers]
    assert sizes == [32, 16, 8]
    images = GENERATOR.random((2, 64, 64, 3)).astype("float32")
    turn = [[[0, 1, 0], [-1, 0, 0]]]
    gaps = gap_by_depth(model, images, turn, layers[1:], search=False)
    assert np.all(np.isfinite(gaps.feature_warp))
    np.testing.assert_allclose(gaps.input_warp, 0, atol=1e-4)


def test_a_model_without_feature_maps():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="Expected at least one layer"):
        gap_by_depth(model, np.zeros((1, 5)), [[[1, 0, 0], [0, 1, 0]]])


def test_one_layer_in_any_form():
    model = network()
    images = GENERATOR.random((2, 16, 16, 1)).astype("float32")
    turn = [[[0, 1, 0], [-1, 0, 0]]]
    relu = model.get_layer("relu")
    found = [
        gap_by_depth(model, images, turn, one, search=False)
        for one in ("relu", relu, relu.output, ["relu"])
    ]
    for gaps in found:
        assert gaps.layers == ("relu",)
        np.testing.assert_array_equal(gaps.feature_warp, found[0].feature_warp)


def test_says_what_is_wrong_before_it_begins():
    model = network()
    images = GENERATOR.random((2, 16, 16, 1)).astype("float32")
    turn = [[[0, 1, 0], [-1, 0, 0]]]
    with pytest.raises(ValueError, match="Unknown family"):
        gap_by_depth(model, images, turn, search=False, family="nonsense")
    with pytest.raises(TypeError, match="batchsize"):
        gap_by_depth(model, images, turn, search=False, batchsize=3)
    anywhere = keras.Sequential(
        [keras.Input((None, None, 1)), keras.layers.Conv2D(2, 3)]
    )
    with pytest.raises(ValueError, match="of a known size.*Build it with an `Input`"):
        gap_by_depth(anywhere, images, turn, search=False)


def test_layers_of_a_model_that_is_not_built():
    model = keras.Sequential([keras.layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match="Sequential model that has been built"):
        feature_layers(model)


def test_leaves_out_maps_that_need_another_input():
    image, numbers = keras.Input((16, 16, 1)), keras.Input((2,))
    maps = layers.Conv2D(2, 3, name="alone")(image)
    both = layers.Multiply()([maps, layers.Reshape((1, 1, 2))(numbers)])
    head = layers.Flatten()(layers.Conv2D(2, 3)(both))
    model = keras.Model([image, numbers], head)
    assert feature_layers(model) == ["alone"]
