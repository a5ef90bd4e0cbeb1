import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from keras_stn.layers import Conv2D
from tests.gradients import gradients, weighted_sum

GENERATOR = np.random.default_rng(0)


class Conv2DTest(TestCase):
    def test_keras_layer_checks(self):
        self.run_layer_test(
            Conv2D,
            init_kwargs={"filters": 3, "kernel_size": 3},
            input_shape=(2, 8, 9, 1),
            expected_output_shape=(2, 6, 7, 3),
            expected_num_trainable_weights=2,
            expected_num_losses=0,
        )


def built(layer_class, shape, options):
    layer = layer_class(**options)
    layer.build(shape)
    generator = np.random.default_rng(1)
    layer.set_weights([generator.normal(size=w.shape) for w in layer.get_weights()])
    return layer


@pytest.mark.parametrize(
    "shape, options",
    [
        ((2, 12, 11, 1), {"kernel_size": 9}),
        ((2, 12, 11, 1), {"kernel_size": (2, 5), "padding": "same"}),
        ((2, 12, 11, 1), {"kernel_size": (4, 3), "activation": "tanh"}),
        ((2, 12, 11, 1), {"kernel_size": 3, "use_bias": False}),
        # These are left to Keras.
        ((2, 12, 11, 3), {"kernel_size": 3}),
        ((2, 12, 11, 1), {"kernel_size": 3, "strides": 2}),
        ((2, 12, 11, 1), {"kernel_size": 3, "dilation_rate": 2}),
    ],
)
def test_is_keras_layer(shape, options):
    options = {"filters": 4, **options}
    ours, keras_own = (
        built(layer_class, shape, options)
        for layer_class in (Conv2D, keras.layers.Conv2D)
    )
    images = GENERATOR.normal(size=shape).astype("float32")
    expected = keras.ops.convert_to_numpy(keras_own(images))
    found = keras.ops.convert_to_numpy(ours(images))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)

    weights = GENERATOR.normal(size=expected.shape)
    variables = ours.get_weights()

    def results(layer):
        def scalar(images, *variables):
            return weighted_sum(
                weights, layer.stateless_call(list(variables), [], images)[0]
            )

        return gradients(scalar, images, *variables)

    for gradient, reference in zip(results(ours), results(keras_own), strict=True):
        assert np.abs(reference).max() > 1
        np.testing.assert_allclose(gradient, reference, rtol=1e-4, atol=1e-4)


def test_takes_the_weights_of_keras_layer(tmp_path):
    shape = (None, 12, 11, 1)
    options = {"filters": 4, "kernel_size": 3}
    theirs, ours = (
        keras.Sequential([keras.Input(shape[1:]), layer_class(**options)])
        for layer_class in (keras.layers.Conv2D, Conv2D)
    )
    images = GENERATOR.normal(size=(2, 12, 11, 1)).astype("float32")
    theirs.save_weights(tmp_path / "one.weights.h5")
    ours.load_weights(tmp_path / "one.weights.h5")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(ours(images)),
        keras.ops.convert_to_numpy(theirs(images)),
        rtol=0,
        atol=1e-6,
    )


def test_errors_are_those_of_keras():
    with pytest.raises(ValueError, match="filters"):
        Conv2D(0, 3)
