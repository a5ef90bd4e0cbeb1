import keras
import numpy as np
import pytest
from scipy import ndimage

from keras_stn import ops
from tests import oracle
from tests.compilation import compile_function
from tests.gradients import gradients, numeric_gradient, weighted_sum
from tests.ops.cases import IDENTITY, IMAGES, to_numpy

_generator = np.random.default_rng(0)
# Half of them mirror the image: the determinant is negative.
THETAS = _generator.uniform(-1.5, 1.5, size=(64, 2, 3)).astype("float32")
THETAS = THETAS[np.abs(np.linalg.det(THETAS[:, :, :2])) > 0.1][:32]
OTHERS = _generator.uniform(-1.5, 1.5, size=THETAS.shape).astype("float32")
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


def as_3x3(theta):
    theta = np.asarray(theta, "float64")
    last = np.broadcast_to([[[0, 0, 1]]], (len(theta), 1, 3))
    return np.concatenate([theta, last], axis=1)


def turn(degrees):
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[[cos, -sin, 0], [sin, cos, 0]]], "float32")


# --- Identity -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_identity(dtype):
    theta = ops.identity_theta(3, dtype=dtype)
    assert keras.backend.standardize_dtype(theta.dtype) == dtype
    np.testing.assert_array_equal(to_numpy(theta), np.repeat(IDENTITY, 3, 0))


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
    weights = _generator.normal(size=(2, 2, 3))
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
    weights = _generator.normal(size=(4, 2, 3))
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


# --- Pixels ---------------------------------------------------------------------------


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("output_size", [None, (9, 5)])
def test_pixels_and_back(output_size, align_corners):
    options = {"output_size": output_size, "align_corners": align_corners}
    matrix = ops.theta_to_pixels(THETAS, (12, 17), **options)
    theta = ops.theta_from_pixels(matrix, (12, 17), **options)
    np.testing.assert_allclose(to_numpy(theta), THETAS, rtol=0, atol=1e-5)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("output_size", [(12, 17), (9, 5)])
def test_pixel_matrix_is_that_of_scipy(output_size, align_corners):
    theta = THETAS[:8] * np.float32(0.7)
    options = {"output_size": output_size, "align_corners": align_corners}
    matrices = to_numpy(ops.theta_to_pixels(theta, (12, 17), **options))
    warped = ops.affine_sample(
        IMAGES, theta, output_size, align_corners=align_corners, fill_mode="mirror"
    )
    for image, matrix, ours in zip(IMAGES, matrices, to_numpy(warped), strict=True):
        # SciPy counts rows before columns.
        swapped = np.array(matrix[::-1, [1, 0, 2]], "float64")
        for channel in range(2):
            expected = ndimage.affine_transform(
                image[..., channel].astype("float64"),
                swapped[:, :2],
                offset=swapped[:, 2],
                output_shape=output_size,
                order=1,
                mode="mirror",
            )
            np.testing.assert_allclose(ours[..., channel], expected, rtol=0, atol=1e-5)


def test_whole_pixel_shift_from_pixels():
    matrix = np.array([[[1, 0, 3], [0, 1, -2]]], "float32")
    theta = ops.theta_from_pixels(matrix, (12, 17))
    warped = to_numpy(ops.affine_sample(IMAGES[:1], theta))
    np.testing.assert_allclose(
        warped[:, 2:, :-3], IMAGES[:1, :-2, 3:], rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("convert", [ops.theta_to_pixels, ops.theta_from_pixels])
def test_errors_of_pixel_conversions(convert):
    with pytest.raises(ValueError, match=r"input_size.*positive.*input_size=\(0, 4\)"):
        convert(IDENTITY, (0, 4))
    with pytest.raises(ValueError, match="Received: output_size='wide'"):
        convert(IDENTITY, 4, "wide")
    with pytest.raises(ValueError, match=r"at least 2 pixels.*output_size=\(4, 1\)"):
        convert(IDENTITY, 4, (4, 1), align_corners=True)


# --- Parts ----------------------------------------------------------------------------


def test_parts_restore_theta():
    theta = np.concatenate([THETAS, THETAS * np.float32([[-1], [1]]), IDENTITY])
    restored = ops.recompose_theta(*ops.decompose_theta(theta))
    np.testing.assert_allclose(to_numpy(restored), theta, rtol=0, atol=1e-5)


def test_parts_are_rotation_times_symmetric_stretch():
    angle, scale, shear, shift = map(to_numpy, ops.decompose_theta(THETAS))
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.moveaxis(np.array([[cos, -sin], [sin, cos]]), -1, 0)
    stretch = np.moveaxis(np.array([[scale[:, 0], shear], [shear, scale[:, 1]]]), -1, 0)
    np.testing.assert_allclose(rotation @ stretch, THETAS[:, :, :2], atol=1e-5)
    np.testing.assert_allclose(
        scale.prod(axis=1) - shear**2, np.linalg.det(THETAS[:, :, :2]), atol=1e-5
    )
    np.testing.assert_array_equal(shift, THETAS[:, :, 2])


def test_angle_is_that_of_the_nearest_rotation():
    angle = to_numpy(ops.decompose_theta(THETAS).angle)
    # The statistic of the paper.
    t = THETAS.astype("float64")
    paper = -np.arctan2(t[:, 0, 1] - t[:, 1, 0], t[:, 0, 0] + t[:, 1, 1])
    np.testing.assert_allclose(angle, paper, rtol=0, atol=1e-5)
    # Its meaning: no rotation lies nearer.
    candidates = np.linspace(-np.pi, np.pi, 3601)
    cos, sin = np.cos(candidates), np.sin(candidates)
    rotations = np.moveaxis(np.array([[cos, -sin], [sin, cos]]), -1, 0)
    distances = np.square(rotations - t[:, None, :, :2]).sum(axis=(2, 3))
    best = candidates[distances.argmin(axis=1)]
    error = np.abs(np.exp(1j * best) - np.exp(1j * angle))
    assert error.max() < 2 * np.pi / 3600


@pytest.mark.parametrize("degrees", [-170, -90, 0, 30, 90, 180])
def test_known_parts(degrees):
    theta = turn(degrees) * np.float32(1.5)
    theta[0, :, 2] = 0.25, -0.5
    parts = ops.decompose_theta(theta)
    np.testing.assert_allclose(np.abs(np.degrees(to_numpy(parts.angle))), abs(degrees))
    if abs(degrees) < 180:
        assert np.sign(to_numpy(parts.angle)) == np.sign(degrees)
    np.testing.assert_allclose(to_numpy(parts.scale), [[1.5, 1.5]], rtol=1e-6)
    np.testing.assert_allclose(to_numpy(parts.shear), [0], atol=1e-6)
    np.testing.assert_allclose(to_numpy(parts.shift), [[0.25, -0.5]])


def test_angle_of_reflections_is_zero():
    flips = np.array([[[-1, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, -1, 0]]], "float32")
    np.testing.assert_array_equal(to_numpy(ops.decompose_theta(flips).angle), [0, 0])


def test_a_positive_angle_turns_the_image_counter_clockwise():
    image = IMAGES[:1, :, :12]
    theta = ops.recompose_theta(
        np.array([np.pi / 2], "float32"),
        np.ones((1, 2), "float32"),
        np.zeros(1, "float32"),
        np.zeros((1, 2), "float32"),
    )
    turned = to_numpy(ops.affine_sample(image, theta))
    # `np.rot90` turns counter-clockwise on the screen.
    np.testing.assert_allclose(turned[0], np.rot90(image[0]), rtol=0, atol=2e-6)


def test_gradient_of_the_parts():
    weights = _generator.normal(size=(4, 2, 3))

    def scalar(theta):
        # Each part by another nonlinear function, so that none can be forgotten.
        angle, scale, shear, shift = ops.decompose_theta(theta)
        changed = ops.recompose_theta(2 * angle, scale**2, 3 * shear, shift)
        return weighted_sum(weights, changed)

    def numeric(theta):
        a, b, c, d = (theta[:, i, j] for i in (0, 1) for j in (0, 1))
        angle = np.arctan2(c - b, a + d)
        cos, sin = np.cos(angle), np.sin(angle)
        x, y, shear = cos * a + sin * c, cos * d - sin * b, 3 * (cos * b + sin * d)
        cos, sin = np.cos(2 * angle), np.sin(2 * angle)
        first = [cos * x**2 - sin * shear, cos * shear - sin * y**2, theta[:, 0, 2]]
        second = [sin * x**2 + cos * shear, sin * shear + cos * y**2, theta[:, 1, 2]]
        return np.sum(weights * np.moveaxis(np.array([first, second]), -1, 0))

    (found,) = gradients(scalar, THETAS[:4])
    expected = numeric_gradient(numeric, THETAS[:4], 1e-6)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * scale)


# --- All of them ----------------------------------------------------------------------

FUNCTIONS = {
    "compose": lambda theta: ops.compose_theta(theta, theta),
    "invert": ops.invert_theta,
    "to_pixels": lambda theta: ops.theta_to_pixels(theta, (12, 17), (5, 9)),
    "from_pixels": lambda theta: ops.theta_from_pixels(theta, (12, 17), (5, 9)),
    "parts": lambda theta: ops.recompose_theta(*ops.decompose_theta(theta)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiles(name):
    compiled = compile_function(FUNCTIONS[name])
    for count in (32, 3):
        np.testing.assert_allclose(
            to_numpy(compiled(THETAS[:count])),
            to_numpy(FUNCTIONS[name](THETAS[:count])),
            rtol=1e-5,
            atol=1e-5,
        )


def test_as_nodes_of_a_saved_model(tmp_path):
    theta = keras.Input((6,))
    model = keras.Model(theta, [function(theta) for function in FUNCTIONS.values()])
    model.save(tmp_path / "algebra.keras")
    restored = keras.models.load_model(tmp_path / "algebra.keras")
    flat = THETAS.reshape(-1, 6)
    for output, function in zip(restored(flat), FUNCTIONS.values(), strict=True):
        assert tuple(output.shape) == (32, 2, 3)
        np.testing.assert_allclose(
            to_numpy(output), to_numpy(function(flat)), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_half_precision_is_computed_in_float32(name):
    theta = keras.ops.convert_to_tensor(THETAS, dtype="bfloat16")
    result = FUNCTIONS[name](theta)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    np.testing.assert_array_equal(
        to_numpy(result), to_numpy(FUNCTIONS[name](to_numpy(theta)))
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_wrong_shape_of_theta(name):
    with pytest.raises(ValueError, match=r"Expected `\(batch, 2, 3\)`.*\(2, 3\).*None"):
        FUNCTIONS[name](IDENTITY[0])
    with pytest.raises(ValueError, match=r"Received: theta.shape=\(1, 3, 3\)"):
        FUNCTIONS[name](as_3x3(IDENTITY))


def test_normalised_and_pixel_units_agree_with_the_grid():
    # The definition of both units at once, in float64 NumPy.
    matrices = to_numpy(ops.theta_to_pixels(THETAS, (12, 17), (9, 5)))
    rows, columns = np.mgrid[:9, :5]
    points = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    x, y = np.moveaxis(np.einsum("bij,hwj->bhwi", matrices, points), -1, 0)
    expected = oracle.to_pixels(oracle.affine_grid(THETAS, (9, 5)), (12, 17))
    np.testing.assert_allclose([x, y], expected, rtol=0, atol=2e-5)


def test_whole_numbers_as_parts():
    theta = to_numpy(ops.recompose_theta([0.0], [[1, 2]], [0], [[3, 0]]))
    np.testing.assert_array_equal(theta, [[[1, 0, 3], [0, 2, 0]]])
    assert theta.dtype == "float32"


def test_thetas_that_do_not_belong_together():
    two, three = np.tile(np.eye(2, 3), (2, 1, 1)), np.tile(np.eye(2, 3), (3, 1, 1))
    with pytest.raises(ValueError, match=r"same batch size.*\(2, 2, 3\), \(3, 2, 3\)"):
        ops.compose_theta(two, three)
    assert ops.compose_theta(two[:1], three).shape == (3, 2, 3)


@pytest.mark.parametrize(
    "parts",
    [
        (0.0, [[1.0, 1.0]], [0.0], [[0.0, 0.0]]),
        ([0.0], [1.0, 1.0], [0.0], [[0.0, 0.0]]),
        ([0.0], [[1.0, 1.0]], [0.0], [[0.0, 0.0, 0.0]]),
        ([0.0, 0.0], [[1.0, 1.0]] * 3, [0.0] * 3, [[0.0, 0.0]] * 3),
    ],
)
def test_parts_of_a_wrong_shape(parts):
    with pytest.raises(ValueError, match="`recompose_theta` needs.*Received: "):
        ops.recompose_theta(*parts)


def test_gradient_where_there_is_no_angle():
    """A reflection, and zero: as elsewhere, a number."""
    theta = np.array([[[1, 0, 0], [0, -1, 0]], np.zeros((2, 3))], "float32")

    def scalar(theta):
        return sum(keras.ops.sum(part) for part in ops.decompose_theta(theta))

    (found,) = gradients(scalar, theta)
    assert np.all(np.isfinite(found))
    np.testing.assert_array_equal(to_numpy(ops.decompose_theta(theta).angle), [0, 0])


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


@pytest.mark.parametrize("convert", [ops.theta_to_pixels, ops.theta_from_pixels])
def test_gradient_of_pixel_conversions(convert):
    """Linear in theta's entries, but for what is added: the difference is exact."""
    weights = np.random.default_rng(0).normal(size=(2, 2, 3))

    def scalar(theta):
        return weighted_sum(weights, convert(theta, (12, 17), (5, 9)))

    (found,) = gradients(scalar, THETAS[:2])
    expected = numeric_gradient(
        lambda theta: float(scalar(theta.astype("float32"))), THETAS[:2], 1.0
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_identity_compiles():
    compiled = compile_function(
        lambda images: ops.identity_theta(keras.ops.shape(images)[0])
    )
    for count in (2, 5):
        found = to_numpy(compiled(np.zeros((count, 4), "float32")))
        np.testing.assert_array_equal(found, np.tile(np.eye(2, 3), (count, 1, 1)))


def test_parts_of_two_precisions():
    """An angle from NumPy, in double precision, and tensors in single."""
    theta = ops.recompose_theta(
        np.array([0.1]),
        keras.ops.ones((1, 2)),
        keras.ops.zeros(1),
        keras.ops.zeros((1, 2)),
    )
    cos, sin = np.cos(0.1), np.sin(0.1)
    expected = [[[cos, -sin, 0], [sin, cos, 0]]]
    np.testing.assert_allclose(to_numpy(theta), expected, atol=1e-7)
