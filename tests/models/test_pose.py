import keras
import numpy as np
import pytest
from keras import layers

from keras_stn import SpatialTransformer
from keras_stn.models import pose


def network(name=None):
    return keras.Sequential([layers.Flatten(), layers.Dense(3)], name=name)


def images():
    return np.random.default_rng(0).random((4, 6, 6, 1), dtype="float32")


def randomize(layer):
    generator = np.random.default_rng(1)
    for weight in layer._regression.weights:
        weight.assign(generator.normal(size=weight.shape))


@pytest.mark.parametrize("return_theta", [False, True])
def test_equals_what_the_model_warps_by(return_theta):
    image = keras.Input((6, 6, 1))
    transformer = SpatialTransformer(
        network(), return_theta=True, data_format="channels_last"
    )
    warped, theta = transformer(image)
    outputs = [warped, theta] if return_theta else warped
    model = keras.Model(image, outputs)
    randomize(transformer)
    expected = keras.Model(image, theta).predict(images(), verbose=0)
    np.testing.assert_allclose(
        pose(model).predict(images(), verbose=0), expected, atol=1e-6
    )
    assert expected.shape == (4, 2, 3)


def test_theta_that_is_an_input():
    image, theta = keras.Input((6, 6, 1)), keras.Input((6,))
    transformer = SpatialTransformer(None, data_format="channels_last")
    model = keras.Model([image, theta], transformer([image, theta]))
    given = np.random.default_rng(0).random((4, 6), dtype="float32")
    found = pose(model).predict([images(), given], verbose=0)
    np.testing.assert_allclose(found, given.reshape(4, 2, 3))


def test_follows_later_training():
    image = keras.Input((6, 6, 1))
    transformer = SpatialTransformer(network(), data_format="channels_last")
    model = keras.Model(image, transformer(image))
    poses = pose(model)
    before = poses.predict(images(), verbose=0)
    randomize(transformer)
    assert np.abs(poses.predict(images(), verbose=0) - before).max() > 0.01


def two():
    x = image = keras.Input((6, 6, 1))
    for name in ("first", "second"):
        x = SpatialTransformer(network(), name=name, data_format="channels_last")(x)
    return keras.Model(image, x)


def test_several_transformers_need_a_choice():
    model = two()
    with pytest.raises(ValueError, match=r"\['first', 'second'\], layer=None"):
        pose(model)
    randomize(model.get_layer("second"))
    theta = pose(model, "second").predict(images(), verbose=0)
    assert np.abs(theta - np.eye(2, 3)).max() > 0.01
    by_instance = pose(model, model.get_layer("first")).predict(images(), verbose=0)
    np.testing.assert_allclose(by_instance, np.tile(np.eye(2, 3), (4, 1, 1)))


def test_model_that_is_not_functional():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.transformer = SpatialTransformer(
                network(), data_format="channels_last"
            )

        def call(self, images):
            return self.transformer(images)

    model = Subclassed()
    model(images())
    with pytest.raises(ValueError, match="Expected a functional or Sequential model"):
        pose(model)
    unbuilt = keras.Sequential([SpatialTransformer(network())])
    with pytest.raises(ValueError, match="begin it with `keras.Input`"):
        pose(unbuilt)


def test_takes_inputs_as_the_model_does():
    image = keras.Input((6, 6, 1), name="image")
    x = SpatialTransformer(network(), data_format="channels_last")(image)
    model = keras.Model({"image": image}, x)
    theta = pose(model).predict({"image": images()}, verbose=0)
    np.testing.assert_allclose(theta, np.tile(np.eye(2, 3), (4, 1, 1)))
    sequential = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            SpatialTransformer(network(), data_format="channels_last"),
        ]
    )
    assert pose(sequential).predict(images(), verbose=0).shape == (4, 2, 3)


def test_the_first_call_of_several():
    layer = SpatialTransformer(network(), data_format="channels_last")
    image = keras.Input((6, 6, 1))
    model = keras.Model(image, layer(layer(image)))
    once = keras.Model(image, layer(image))
    layer._regression.bias.assign(np.full(6, 0.1))
    np.testing.assert_allclose(
        pose(model).predict(images(), verbose=0),
        pose(once).predict(images(), verbose=0),
        atol=1e-6,
    )


def test_a_theta_in_half_precision_is_given_as_the_layer_has_it():
    image, numbers = keras.Input((8, 8, 1)), keras.Input((4,))
    theta = keras.layers.Dense(6, dtype="float16")(numbers)
    layer = SpatialTransformer(return_theta=True, data_format="channels_last")
    warped, expected = layer([image, theta])
    model = keras.Model([image, numbers], warped)
    assert pose(model).output.dtype == expected.dtype == "float32"


def test_a_theta_from_elsewhere_is_given_as_a_layer_in_double_precision_has_it():
    image, theta = keras.Input((6, 6, 1)), keras.Input((2, 3))
    layer = SpatialTransformer(
        return_theta=True, data_format="channels_last", dtype="float64"
    )
    warped, expected = layer([image, theta])
    found = pose(keras.Model([image, theta], warped)).output
    assert found.dtype == expected.dtype == "float64"


@pytest.mark.parametrize("transform", ["affine", "rigid"])
def test_saving_and_loading(transform, tmp_path):
    transformer = SpatialTransformer(
        network(), transform, data_format="channels_last", name="transformer"
    )
    image = keras.Input((6, 6, 1))
    model = keras.Model(image, transformer(image))
    randomize(transformer)
    theta = pose(model)
    expected = theta.predict(images(), verbose=0)
    theta.save(tmp_path / "pose.keras")
    for copy in (
        keras.saving.load_model(tmp_path / "pose.keras"),
        keras.models.model_from_json(theta.to_json()),
        keras.models.clone_model(theta),
    ):
        copy.set_weights(theta.get_weights())
        np.testing.assert_allclose(copy.predict(images(), verbose=0), expected)
