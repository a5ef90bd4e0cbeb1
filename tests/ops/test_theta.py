import keras
import numpy as np
import pytest

from keras_stn import ops
from tests.compilation import compile_function
from tests.gradients import gradients, numeric_gradient, weighted_sum
from tests.ops.cases import IDENTITY, IMAGES, to_numpy
from tests.ops.theta_cases import (
    OTHERS,
    THETAS,
    as_3x3,
    check_as_node,
    check_compiled,
    check_double_precision,
    check_half_precision,
    check_wrong_shapes,
    turn,
)

SINGULAR = np.array(
    [
        [[0, 0, 1], [0, 0, 1]],
        [[1, 2, 0.5], [2, 4, 0.5]],
        [[0.1, 0.3, 0], [0.2, 0.6, 0]],  # Not exactly zero in float32.
        [[1e-30, 0, 0], [0, 1e-30, 0]],
        [[1e30, 0, 0], [0, 1e30, 0]],
        [[np.nan, 0, 0], [0, 1, 0]],
        [[np.inf, 1, 0], [1, 2, 0]],
        [[1, 0, np.inf], [0, 1, 0]],
    ],
    "float32",
)

FUNCTIONS = {
    "compose": lambda theta: ops.compose_theta(theta, theta),
    "invert": ops.invert_theta,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiles(name):
    check_compiled(FUNCTIONS[name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_half_precision_is_computed_in_float32(name):
    check_half_precision(FUNCTIONS[name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_double_precision_is_kept(name):
    matrices = as_3x3(THETAS)
    expected = {"compose": matrices @ matrices, "invert": np.linalg.inv(matrices)}
    check_double_precision(FUNCTIONS[name], expected[name][:, :2])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_wrong_shape_of_theta(name):
    check_wrong_shapes(FUNCTIONS[name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_as_a_node_of_a_saved_model(name, tmp_path):
    check_as_node(FUNCTIONS[name], tmp_path / "algebra.keras")


# --- Identity -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_identity(dtype):
    theta = ops.identity_theta(3, dtype=dtype)
    assert keras.backend.standardize_dtype(theta.dtype) == dtype
    np.testing.assert_array_equal(to_numpy(theta), np.repeat(IDENTITY, 3, 0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1,), "batch_size=-1"),
        ((2.5,), "batch_size=2.5"),
        ((None,), "batch_size=None"),
        ((True,), "batch_size=True"),
        ((1, "int32"), "dtype='int32'"),
        ((1, "foo"), "dtype='foo'"),
    ],
)
def test_identity_of_nothing(arguments, message):
    with pytest.raises(ValueError, match=message):
        ops.identity_theta(*arguments)


def test_identity_for_a_batch_of_unknown_size():
    count = keras.ops.shape(np.zeros((3, 4)))[0]
    assert ops.identity_theta(count).shape == (3, 2, 3)


def test_identity_compiles():
    compiled = compile_function(
        lambda images: ops.identity_theta(keras.ops.shape(images)[0])
    )
    for count in (2, 5):
        found = to_numpy(compiled(np.zeros((count, 4), "float32")))
        np.testing.assert_array_equal(found, np.tile(np.eye(2, 3), (count, 1, 1)))


# --- Product --------------------------------------------------------------------------


def test_product_matches_numpy():
    product = to_numpy(ops.compose_theta(THETAS, OTHERS, THETAS))
    expected = as_3x3(THETAS) @ as_3x3(OTHERS) @ as_3x3(THETAS)
    np.testing.assert_allclose(product, expected[:, :2], rtol=1e-5, atol=1e-5)


def test_product_of_one_and_of_six_numbers():
    np.testing.assert_array_equal(to_numpy(ops.compose_theta(THETAS)), THETAS)
    flat = ops.compose_theta(THETAS.reshape(-1, 6), OTHERS.reshape(-1, 6))
    product = ops.compose_theta(THETAS, OTHERS)
    np.testing.assert_array_equal(to_numpy(flat), to_numpy(product))


def test_product_of_one_matrix_with_many():
    expected = (as_3x3(THETAS[:1]) @ as_3x3(OTHERS))[:, :2]
    found = to_numpy(ops.compose_theta(THETAS[:1], OTHERS))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    expected = (as_3x3(OTHERS) @ as_3x3(THETAS[:1]))[:, :2]
    found = to_numpy(ops.compose_theta(OTHERS, THETAS[:1]))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_product_warps_by_the_first_and_the_result_by_the_second():
    turned, shifted = turn(90), np.array(IDENTITY)
    shifted[0, 0, 2] = 2 * 3 / 12  # Three pixels.
    image = IMAGES[:1, :, :12]
    at_once = ops.affine_sample(image, ops.compose_theta(turned, shifted))
    one_by_one = ops.affine_sample(ops.affine_sample(image, turned), shifted)
    np.testing.assert_allclose(
        to_numpy(at_once), to_numpy(one_by_one), rtol=0, atol=1e-5
    )
    other_order = ops.affine_sample(image, ops.compose_theta(shifted, turned))
    assert np.abs(to_numpy(at_once) - to_numpy(other_order)).max() > 0.1


def test_product_of_two_precisions():
    product = ops.compose_theta(THETAS, OTHERS.astype("float64"))
    expected = (as_3x3(THETAS) @ as_3x3(OTHERS))[:, :2]
    np.testing.assert_allclose(to_numpy(product), expected, rtol=1e-5, atol=1e-5)
    reverse = ops.compose_theta(OTHERS.astype("float64"), THETAS)
    assert reverse.dtype == product.dtype


def test_gradient_of_the_product():
    weights = np.random.default_rng(0).normal(size=(2, 2, 3))
    found = gradients(
        lambda *thetas: weighted_sum(weights, ops.compose_theta(*thetas)),
        THETAS[:2],
        OTHERS[:2],
    )

    def scalar(first, second):
        return np.sum(weights * (as_3x3(first) @ as_3x3(second))[:, :2])

    expected = (
        numeric_gradient(lambda array: scalar(array, OTHERS[:2]), THETAS[:2], 1e-3),
        numeric_gradient(lambda array: scalar(THETAS[:2], array), OTHERS[:2], 1e-3),
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_product_of_nothing():
    with pytest.raises(ValueError, match=r"at least one theta. Received: none"):
        ops.compose_theta()


def test_thetas_that_do_not_belong_together():
    two, three = np.tile(np.eye(2, 3), (2, 1, 1)), np.tile(np.eye(2, 3), (3, 1, 1))
    with pytest.raises(ValueError, match=r"same batch size.*\(2, 2, 3\), \(3, 2, 3\)"):
        ops.compose_theta(two, three)


# --- Inverse --------------------------------------------------------------------------


def test_inverse_matches_numpy():
    inverse = to_numpy(ops.invert_theta(THETAS))
    expected = np.linalg.inv(as_3x3(THETAS))[:, :2]
    np.testing.assert_allclose(inverse, expected, rtol=1e-4, atol=1e-4)


def test_inverse_undoes():
    for product in (
        ops.compose_theta(THETAS, ops.invert_theta(THETAS)),
        ops.compose_theta(ops.invert_theta(THETAS), THETAS),
    ):
        identity = np.broadcast_to(IDENTITY, THETAS.shape)
        np.testing.assert_allclose(to_numpy(product), identity, rtol=0, atol=1e-5)


def test_small_and_large_regular_matrices_are_inverted():
    for scale in (1e-6, 1e6):
        product = ops.compose_theta(
            scale * IDENTITY, ops.invert_theta(scale * IDENTITY)
        )
        np.testing.assert_allclose(to_numpy(product), IDENTITY, rtol=1e-6)


def test_inverse_of_singular_matrices_is_zero():
    inverse = to_numpy(ops.invert_theta(SINGULAR))
    np.testing.assert_array_equal(inverse, np.zeros_like(SINGULAR))
    # Others in the same batch are not touched.
    mixed = to_numpy(ops.invert_theta(np.concatenate([SINGULAR, THETAS])))
    np.testing.assert_array_equal(
        mixed[len(SINGULAR) :], to_numpy(ops.invert_theta(THETAS))
    )


def test_gradient_of_the_inverse():
    weights = np.random.default_rng(0).normal(size=(4, 2, 3))
    (found,) = gradients(
        lambda theta: weighted_sum(weights, ops.invert_theta(theta)), THETAS[:4]
    )
    expected = numeric_gradient(
        lambda theta: np.sum(weights * np.linalg.inv(as_3x3(theta))[:, :2]),
        THETAS[:4],
        1e-6,
    )
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * scale)


def test_gradient_at_singular_matrices_is_zero():
    (gradient,) = gradients(
        lambda theta: keras.ops.sum(ops.invert_theta(theta)), SINGULAR
    )
    np.testing.assert_array_equal(gradient, 0)


def test_an_empty_batch():
    """On TensorFlow `keras.ops.add` takes it for a bias."""
    nothing = np.zeros((0, 2, 3), "float32")
    tensor = keras.ops.convert_to_tensor(nothing)
    for one in (nothing, tensor):
        for other in (nothing, tensor):
            assert tuple(ops.compose_theta(one, other).shape) == (0, 2, 3)
    assert tuple(ops.theta_to_pixels(tensor, (4, 6)).shape) == (0, 2, 3)


@pytest.mark.parametrize("order", [1, -1])
def test_an_array_and_a_symbolic_theta(order, tmp_path):
    """The array stays one, so that the model can be saved, and exported."""
    theta = keras.Input((2, 3))
    product = ops.compose_theta(*[turn(30), theta][::order])
    model = keras.Model(theta, product)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = to_numpy(ops.compose_theta(*[turn(30), THETAS][::order]))
    for one in (model, loaded):
        found = one.predict(np.asarray(THETAS, "float32"), verbose=0)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    constants = [
        argument
        for operation in model.operations
        for node in operation._inbound_nodes
        for argument in keras.tree.flatten(list(node.arguments.args))
        if keras.ops.is_tensor(argument)
    ]
    assert not constants
