import keras
import numpy as np
import pytest

from keras_stn import ops
from tests import oracle
from tests.compilation import compile_function
from tests.gradients import gradients, numeric_gradient, weighted_sum
from tests.ops.cases import THETAS


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(12, 17), (1, 1), (64, 60)])
def test_matches_the_definition(size, align_corners):
    grid = keras.ops.convert_to_numpy(ops.affine_grid(THETAS, size, align_corners))
    assert grid.shape == (8, *size, 2) and grid.dtype == "float32"
    expected = oracle.affine_grid(THETAS, size, align_corners)
    np.testing.assert_allclose(grid, expected, rtol=0, atol=5e-7)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("side", [3, 28, 60, 64, 100])
def test_identity_is_rounded_once(side, align_corners):
    grid = ops.affine_grid(ops.identity_theta(1), side, align_corners)
    centres = oracle.pixel_centres(side, align_corners).astype("float32")
    x, y = np.moveaxis(keras.ops.convert_to_numpy(grid)[0], -1, 0)
    np.testing.assert_array_equal(x, np.tile(centres, (side, 1)))
    np.testing.assert_array_equal(y, np.tile(centres[:, None], (1, side)))


def test_x_comes_before_y():
    shift = np.array([[[1, 0, 0.25], [0, 1, -0.5]]], "float32")
    grid = keras.ops.convert_to_numpy(ops.affine_grid(shift, (1, 2)))
    np.testing.assert_allclose(grid, [[[[-0.25, -0.5], [0.75, -0.5]]]], atol=1e-7)


def test_accepts_six_numbers_and_one_size():
    flat = ops.affine_grid(THETAS.reshape(8, 6), 9)
    square = ops.affine_grid(THETAS, (9, 9))
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(flat), keras.ops.convert_to_numpy(square)
    )


@pytest.mark.parametrize("align_corners", [False, True])
def test_matches_pytorch(align_corners):
    torch = pytest.importorskip("torch")
    expected = torch.nn.functional.affine_grid(
        torch.from_numpy(THETAS), (8, 1, 12, 17), align_corners=align_corners
    )
    grid = ops.affine_grid(THETAS, (12, 17), align_corners)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(grid), expected.numpy(), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "int32"])
def test_is_float32_whatever_theta_is(dtype):
    theta = keras.ops.cast(ops.identity_theta(2), dtype)
    grid = ops.affine_grid(theta, 64)
    assert keras.backend.standardize_dtype(grid.dtype) == "float32"
    row = keras.ops.convert_to_numpy(grid)[0, 0, :, 0]
    assert len(np.unique(row)) == 64, "pixels of the row collapse"


def test_is_float64_if_theta_is_where_the_backend_has_it():
    theta = keras.ops.convert_to_tensor(THETAS.astype("float64"))
    grid = ops.affine_grid(theta, (12, 17))
    assert grid.dtype == theta.dtype
    precise = keras.backend.standardize_dtype(theta.dtype) == "float64"
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(grid),
        oracle.affine_grid(THETAS, (12, 17)),
        rtol=0,
        atol=1e-15 if precise else 5e-7,
    )
    assert precise or keras.config.backend() == "jax"


def test_gradient_to_theta():
    weights = np.random.default_rng(0).normal(size=(8, 12, 17, 2)).astype("float32")
    (gradient,) = gradients(
        lambda theta: weighted_sum(weights, ops.affine_grid(theta, (12, 17))), THETAS
    )
    expected = numeric_gradient(
        lambda theta: np.sum(weights * oracle.affine_grid(theta, (12, 17))),
        THETAS,
        step=1e-3,
    )
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)


def test_compiles():
    function = compile_function(lambda theta: ops.affine_grid(theta, (12, 17)))
    for count in (8, 3):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(function(THETAS[:count])),
            oracle.affine_grid(THETAS[:count], (12, 17)),
            rtol=0,
            atol=5e-7,
        )


def test_symbolic_shape_and_dtype():
    for batch in (None, 4):
        for shape in ((2, 3), (6,)):
            theta = keras.KerasTensor((batch, *shape), dtype="float16")
            grid = ops.affine_grid(theta, (5, 7))
            assert (grid.shape, grid.dtype) == ((batch, 5, 7, 2), "float32")


def test_as_a_node_of_a_saved_model(tmp_path):
    theta = keras.Input((2, 3))
    model = keras.Model(theta, ops.affine_grid(theta, (12, 17), align_corners=True))
    model.save(tmp_path / "grid.keras")
    restored = keras.models.load_model(tmp_path / "grid.keras")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(restored(THETAS)),
        oracle.affine_grid(THETAS, (12, 17), align_corners=True),
        rtol=0,
        atol=5e-7,
    )


@pytest.mark.parametrize("shape", [(2, 3), (6,), (1, 3, 2), (1, 5), (1, 1, 2, 3), ()])
def test_wrong_shape_of_theta(shape):
    message = r"Expected `\(batch, 2, 3\)` or `\(batch, 6\)`.*Received: theta.shape="
    with pytest.raises(ValueError, match=message):
        ops.affine_grid(np.zeros(shape, "float32"), 4)
    if len(shape) > 1:
        with pytest.raises(ValueError, match=message):
            ops.affine_grid(keras.KerasTensor(shape), 4)


@pytest.mark.parametrize("size", [0, (4, -1), (4,), (4, 5, 6), 4.5, (4, 2.5), "big"])
def test_wrong_size(size):
    message = r"Expected one or two positive integers.*Received: size="
    with pytest.raises(ValueError, match=message):
        ops.affine_grid(np.zeros((1, 2, 3), "float32"), size)


@pytest.mark.tensorflow
def test_gradient_in_a_loop_that_xla_compiles():
    import tensorflow as tf

    def gradient(theta):
        with tf.GradientTape() as tape:
            tape.watch(theta)
            total = 0.0
            for _ in tf.range(3):
                total += tf.reduce_sum(ops.affine_grid(theta, (4, 5)) ** 3)
        return tape.gradient(total, theta)

    theta = tf.constant([[[0.83, -0.31, 0.12], [0.27, 0.71, 0.05]]])
    found = tf.function(gradient, jit_compile=True)(theta)
    np.testing.assert_allclose(found, gradient(theta), rtol=1e-5)
