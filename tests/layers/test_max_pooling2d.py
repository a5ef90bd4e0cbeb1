import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from keras_stn.layers import MaxPooling2D
from tests.gradients import gradients, weighted_sum

GENERATOR = np.random.default_rng(0)


class MaxPooling2DTest(TestCase):
    def test_keras_layer_checks(self):
        self.run_layer_test(
            MaxPooling2D,
            init_kwargs={"pool_size": 2},
            input_shape=(2, 9, 8, 3),
            expected_output_shape=(2, 4, 4, 3),
            expected_num_trainable_weights=0,
            expected_num_losses=0,
        )


@pytest.mark.parametrize(
    "options",
    [
        {"pool_size": 2},
        {"pool_size": (3, 2)},
        # These are left to Keras.
        {"pool_size": 3, "strides": 2},
        {"pool_size": 2, "padding": "same"},
    ],
)
def test_is_keras_layer(options):
    images = GENERATOR.normal(size=(2, 9, 7, 3)).astype("float32")
    ours, keras_own = MaxPooling2D(**options), keras.layers.MaxPooling2D(**options)
    expected = keras.ops.convert_to_numpy(keras_own(images))
    found = keras.ops.convert_to_numpy(ours(images))
    np.testing.assert_array_equal(found, expected)
    weights = GENERATOR.normal(size=expected.shape)
    found, expected = (
        gradients(
            lambda images, layer=layer: weighted_sum(weights, layer(images)), images
        )[0]
        for layer in (ours, keras_own)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_errors_are_those_of_keras():
    with pytest.raises(ValueError, match="pool_size"):
        MaxPooling2D(0)
