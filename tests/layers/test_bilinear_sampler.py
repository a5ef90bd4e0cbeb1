import json

import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from keras_stn.layers import AffineGrid, BilinearSampler
from tests import oracle
from tests.compilation import compile_function
from tests.gradients import gradient_of, numeric_gradient, weighted_sum
from tests.ops.cases import SMALL_IMAGES, SMALL_SIZE, WEIGHTS, off_lattice_thetas


class BilinearSamplerTest(TestCase):
    def test_keras_layer_checks(self):
        self.run_layer_test(
            BilinearSampler,
            init_kwargs={"fill_mode": "nearest", "data_format": "channels_last"},
            input_shape=[(2, 6, 8, 3), (2, 4, 5, 2)],
            expected_output_shape=(2, 4, 5, 3),
            expected_num_trainable_weights=0,
            expected_num_losses=0,
            # Keras' check cannot feed a list to `fit`; there is nothing to train.
            run_training_check=False,
        )

    def test_keras_layer_checks_channels_first(self):
        self.run_layer_test(
            BilinearSampler,
            init_kwargs={"fill_value": 1.5, "data_format": "channels_first"},
            input_shape=[(2, 3, 6, 8), (2, 4, 5, 2)],
            expected_output_shape=(2, 3, 4, 5),
            expected_num_trainable_weights=0,
            expected_num_losses=0,
            # Keras' check cannot feed a list to `fit`; there is nothing to train.
            run_training_check=False,
        )


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("fill_mode", ["constant", "nearest", "reflect", "mirror"])
def test_matches_oracle(fill_mode, align_corners):
    generator = np.random.default_rng(0)
    images = generator.random((2, 6, 8, 3), dtype="float32")
    grid = generator.uniform(-1.5, 1.5, (2, 4, 5, 2)).astype("float32")
    options = {
        "fill_mode": fill_mode,
        "fill_value": 0.5,
        "align_corners": align_corners,
    }
    layer = BilinearSampler(data_format="channels_last", **options)
    # Each option is in the config, with its value.
    assert options.items() <= layer.get_config().items()
    expected = oracle.grid_sample(images, grid, **options)
    outputs = keras.ops.convert_to_numpy(layer([images, grid]))
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_casts_images_and_not_the_grid():
    layer = BilinearSampler(dtype="mixed_float16", data_format="channels_last")
    images = np.arange(64, dtype="uint8").reshape(1, 1, 64, 1)
    grid = AffineGrid((1, 64))(np.array([[[1, 0, 0], [0, 1, 0]]], "float32"))
    outputs = layer([images, grid])
    assert keras.backend.standardize_dtype(outputs.dtype) == "float16"
    # A half-precision grid would move the samples by up to a sixteenth of a pixel.
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(outputs)[0, 0, :, 0], np.arange(64)
    )


def test_a_displacement_field_in_a_functional_model():
    image = keras.Input((6, 8, 1))
    offsets = keras.layers.Conv2D(
        2, 3, padding="same", kernel_initializer="zeros", data_format="channels_last"
    )(image)
    base = AffineGrid((6, 8))(keras.Input((2, 3), name="theta"))
    theta = base._keras_history.operation.input
    sampler = BilinearSampler("nearest", data_format="channels_last")
    model = keras.Model([image, theta], sampler([image, base + offsets]))
    images = np.random.default_rng(0).random((2, 6, 8, 1), dtype="float32")
    identity = np.tile(np.eye(2, 3, dtype="float32"), (2, 1, 1))
    np.testing.assert_allclose(
        model.predict([images, identity], verbose=0), images, atol=1e-6
    )


def test_rejects_one_input():
    with pytest.raises(ValueError, match=r"called on `\[images, grid\]`"):
        BilinearSampler()(np.zeros((1, 4, 4, 1), "float32"))


def test_rejects_other_batch_size():
    with pytest.raises(ValueError, match=r"same batch size.*grid.shape=\(3, 4, 4, 2\)"):
        BilinearSampler()([np.zeros((1, 4, 4, 1)), np.zeros((3, 4, 4, 2))])


def test_rejects_unknown_fill_mode():
    with pytest.raises(ValueError, match="Received: fill_mode='zeros'"):
        BilinearSampler(fill_mode="zeros")


def test_gradients_and_jit():
    images = SMALL_IMAGES
    grid = oracle.affine_grid(off_lattice_thetas(), SMALL_SIZE).astype("float32")
    layer = BilinearSampler("nearest", data_format="channels_last")

    def scalar(images, grid):
        warped = oracle.grid_sample(images, grid, fill_mode="nearest")
        return np.sum(WEIGHTS * warped)

    expected = (
        numeric_gradient(lambda images: scalar(images, grid), images, 1e-3),
        numeric_gradient(lambda grid: scalar(images, grid), grid, 1e-4),
    )

    def both(images, grid):
        return gradient_of(
            lambda images, grid: weighted_sum(WEIGHTS, layer([images, grid]))
        )(images, grid)

    eager = both(*map(keras.ops.convert_to_tensor, (images, grid)))
    for found in (eager, compile_function(both)(images, grid)):
        for one, of in zip(found, expected, strict=True):
            np.testing.assert_allclose(
                keras.ops.convert_to_numpy(one), of, rtol=1e-3, atol=1e-3
            )


def test_rejects_a_flag_that_is_none():
    with pytest.raises(ValueError, match="Received: align_corners='no'"):
        BilinearSampler(align_corners="no")


def test_rejects_one_input_of_two_axes():
    with pytest.raises(ValueError, match=r"called on `\[images, grid\]`.*\(None, 5\)"):
        BilinearSampler()(keras.Input((5,)))


def test_a_fill_value_of_numpy_is_serialisable():
    layer = BilinearSampler(fill_value=np.float32(0.5))
    assert json.dumps(layer.get_config()["fill_value"]) == "0.5"
