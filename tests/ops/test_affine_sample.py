import itertools

import keras
import numpy as np
import pytest

from keras_stn import ops
from tests import oracle
from tests.compilation import compile_function
from tests.gradients import gradient_of, gradients, numeric_gradient, weighted_sum
from tests.ops.cases import (
    FILL_MODES,
    FILL_VALUE,
    IDENTITY,
    IMAGES,
    INTERPOLATIONS,
    OUTPUTS,
    SMALL_IMAGES,
    SMALL_SIZE,
    THETAS,
    WEIGHTS,
    apply,
    check_gradients,
    off_lattice_thetas,
    rigid_motions,
    to_numpy,
    whole_shifts,
)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(5, 8), (7, 7), (29, 31), (60, 60), (64, 64)])
def test_rigid_motions_and_whole_shifts_are_exact(size, align_corners):
    image = np.random.default_rng(0).uniform(size=(*size, 1)).astype("float32")
    square = size[0] == size[1]
    cases = rigid_motions()[: None if square else -2]
    cases += whole_shifts(size, align_corners)
    warped = apply(
        ops.affine_sample,
        np.stack([image] * len(cases)),
        np.stack([theta for theta, _ in cases]),
        align_corners=align_corners,
    )
    expected = np.stack([move(image) for _, move in cases])
    np.testing.assert_allclose(warped, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_identity_is_exact_in_every_fill_mode(fill_mode):
    identity = np.repeat(IDENTITY, 8, axis=0)
    warped = apply(ops.affine_sample, IMAGES, identity, fill_mode=fill_mode)
    np.testing.assert_array_equal(warped, IMAGES)


@pytest.mark.parametrize("size, data_format, align_corners", OUTPUTS)
@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_random_affines_match_the_oracle(
    interpolation, fill_mode, size, data_format, align_corners
):
    options = {
        "interpolation": interpolation,
        "fill_mode": fill_mode,
        "fill_value": FILL_VALUE,
        "align_corners": align_corners,
    }
    warped = apply(
        ops.affine_sample, IMAGES, THETAS, size=size, data_format=data_format, **options
    )
    expected = oracle.affine_sample(IMAGES, THETAS, size=size, **options)
    assert warped.shape == expected.shape and warped.dtype == "float32"
    if interpolation == "nearest":
        # Rounding decides where a sample lies in the middle between two pixels.
        grid = oracle.affine_grid(THETAS, expected.shape[1:3], align_corners)
        pixels = oracle.to_pixels(grid, IMAGES.shape[1:3], align_corners)
        decided = oracle.half_distance(*pixels) > 1e-4
        assert decided.mean() > 0.99
        warped, expected = warped[decided], expected[decided]
    np.testing.assert_allclose(warped, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_equals_grid_and_sampling(fill_mode):
    grid = ops.affine_grid(THETAS, IMAGES.shape[1:3])
    two_steps = apply(ops.grid_sample, IMAGES, grid, fill_mode=fill_mode)
    one_step = apply(ops.affine_sample, IMAGES, THETAS, fill_mode=fill_mode)
    np.testing.assert_allclose(one_step, two_steps, rtol=0, atol=1e-5)


def test_halving_averages_pairs():
    halved = apply(ops.affine_sample, IMAGES, np.repeat(IDENTITY, 8, 0), size=(6, 17))
    expected = (IMAGES[:, ::2] + IMAGES[:, 1::2]) / 2
    np.testing.assert_allclose(halved, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size, align_corners", [(1, False), (1, True)])
def test_a_single_pixel_is_the_centre(size, align_corners):
    centre = apply(
        ops.affine_sample,
        IMAGES[:, :11],
        np.repeat(IDENTITY, 8, 0),
        size=size,
        align_corners=align_corners,
    )
    np.testing.assert_allclose(centre[:, 0, 0], IMAGES[:, 5, 8], rtol=0, atol=1e-6)


def test_theta_of_six_numbers():
    np.testing.assert_array_equal(
        apply(ops.affine_sample, IMAGES, THETAS.reshape(8, 6)),
        apply(ops.affine_sample, IMAGES, THETAS),
    )


def test_data_format_defaults_to_the_setting_of_keras(channels_first):
    images = np.moveaxis(IMAGES, -1, 1)
    warped = ops.affine_sample(images, THETAS, (5, 9))
    expected = ops.affine_sample(images, THETAS, (5, 9), data_format="channels_first")
    assert tuple(warped.shape) == (8, 2, 5, 9)
    np.testing.assert_array_equal(to_numpy(warped), to_numpy(expected))


# --- Gradients ------------------------------------------------------------------------


def _small(fill_mode):
    return {"size": SMALL_SIZE, "fill_mode": fill_mode, "fill_value": FILL_VALUE}


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_gradients_match_finite_differences(fill_mode):
    check_gradients(
        ops.affine_sample,
        oracle.affine_sample,
        off_lattice_thetas(),
        **_small(fill_mode),
    )


@pytest.mark.parametrize(
    ("align_corners", "data_format"),
    [(True, "channels_last"), (False, "channels_first"), (True, "channels_first")],
)
def test_gradients_in_other_conventions(align_corners, data_format):
    check_gradients(
        ops.affine_sample,
        oracle.affine_sample,
        off_lattice_thetas(align_corners),
        data_format,
        align_corners=align_corners,
        **_small("constant"),
    )


@pytest.mark.parametrize("fill_mode", ["constant", "mirror"])
def test_second_derivatives_match_finite_differences(fill_mode):
    thetas = off_lattice_thetas()
    direction = np.random.default_rng(2).normal(size=thetas.shape)

    def slope(images, theta):
        """The derivative of a curved function of theta along `direction`."""
        to_theta = gradient_of(
            lambda images, theta: weighted_sum(
                WEIGHTS, ops.affine_sample(images, theta, **_small(fill_mode)) ** 2
            )
        )(images, theta)[1]
        return weighted_sum(direction, to_theta)

    def numeric_slope(images, theta, step=1e-5):
        ends = (
            oracle.affine_sample(images, theta + sign * step * direction, **options)
            for sign, options in ((1, _small(fill_mode)), (-1, _small(fill_mode)))
        )
        after, before = (np.sum(WEIGHTS * end**2) for end in ends)
        return (after - before) / (2 * step)

    found = gradients(slope, SMALL_IMAGES, thetas)
    to_images = numeric_gradient(
        lambda array: numeric_slope(array, thetas), SMALL_IMAGES, 1e-2
    )
    to_theta = numeric_gradient(
        lambda array: numeric_slope(SMALL_IMAGES, array), thetas, 1e-4
    )
    for gradient, expected in zip(found, (to_images, to_theta), strict=True):
        scale = np.abs(expected).max()
        assert scale > 1
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.slow
def test_many_channels_have_the_derivatives_of_few():
    thetas = off_lattice_thetas()
    direction = np.random.default_rng(2).normal(size=thetas.shape)

    def slope_of(weights):
        def slope(images, theta):
            to_theta = gradient_of(
                lambda images, theta: weighted_sum(
                    weights, ops.affine_sample(images, theta, **_small("constant")) ** 2
                )
            )(images, theta)[1]
            return weighted_sum(direction, to_theta)

        return slope

    copies = 72 // SMALL_IMAGES.shape[-1]
    many, weights = (
        np.tile(array, (1, 1, 1, copies)) for array in (SMALL_IMAGES, WEIGHTS)
    )
    assert many.shape[-1] == 72  # Summed up in two steps on a CPU.
    to_images, to_theta = gradients(slope_of(WEIGHTS), SMALL_IMAGES, thetas)
    found = gradients(slope_of(weights), many, thetas)
    expected = np.tile(to_images, (1, 1, 1, copies)), to_theta * copies
    for gradient, one in zip(found, expected, strict=True):
        scale = np.abs(one).max()
        assert scale > 1
        np.testing.assert_allclose(gradient, one, rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_image_gradient_is_the_adjoint(fill_mode):
    generator = np.random.default_rng(3)
    angles, zooms = generator.uniform(-np.pi, np.pi, 8), generator.uniform(0.4, 2, 8)
    theta = np.zeros((8, 2, 3), "float32")
    theta[:, 0, 0] = theta[:, 1, 1] = zooms * np.cos(angles)
    theta[:, 1, 0] = zooms * np.sin(angles)
    theta[:, 0, 1] = -theta[:, 1, 0]
    theta[:, :, 2] = generator.uniform(-0.3, 0.3, size=(8, 2))
    u, elsewhere, v = generator.normal(size=(3, *IMAGES.shape)).astype("float32")

    def product(images):
        return weighted_sum(v, ops.affine_sample(images, theta, fill_mode=fill_mode))

    forward = to_numpy(ops.affine_sample(u, theta, fill_mode=fill_mode))
    # The map is linear, so its gradient is the same everywhere.
    (adjoint,) = gradients(product, elsewhere)
    left = np.sum(forward.astype("float64") * v, axis=(1, 2, 3))
    right = np.sum(u * adjoint.astype("float64"), axis=(1, 2, 3))
    norms = np.linalg.norm(forward.reshape(8, -1), axis=1)
    norms = norms * np.linalg.norm(v.reshape(8, -1), axis=1)
    assert np.all(np.abs(left - right) <= 1e-5 * np.abs(left) + 1e-7 * norms)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_gradient_at_the_identity_is_right_hand(fill_mode):
    # Eight by eight pixels lie at exact coordinates. The centre of the last column and
    # row is a turning point of "mirror", where the gradient is documented as zero.
    images = np.random.default_rng(4).uniform(size=(1, 8, 8, 1)).astype("float32")
    (gradient,) = gradients(
        lambda theta: keras.ops.sum(
            ops.affine_sample(images, theta, fill_mode=fill_mode, fill_value=FILL_VALUE)
        ),
        IDENTITY,
    )
    mode = "symmetric" if fill_mode == "constant" else "edge"
    wide = np.pad(images[0, :, :, 0].astype("float64"), ((0, 1), (0, 1)), mode)
    if fill_mode == "constant":
        wide[-1], wide[:, -1] = FILL_VALUE, FILL_VALUE
    by_x = np.diff(wide, axis=1)[:-1] * 4  # Half a side in pixels.
    by_y = np.diff(wide, axis=0)[:, :-1] * 4
    centres = oracle.pixel_centres(8)
    expected = [
        [(by * centres).sum(), (by * centres[:, None]).sum(), by.sum()]
        for by in (by_x, by_y)
    ]
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-5, atol=1e-4)


# --- Coordinates that are not numbers, or huge ----------------------------------------


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_any_theta_gives_values_and_gradients(fill_mode, interpolation):
    theta = np.repeat(IDENTITY, 8, axis=0)
    entries = (np.nan, np.inf, -np.inf, 1e30, -1e30, 3e38)
    for case, entry in zip(theta, itertools.cycle(entries), strict=False):
        case[0, 2] = entry
    theta[6], theta[7] = np.nan, 1e30
    options = {
        "interpolation": interpolation,
        "fill_mode": fill_mode,
        "fill_value": FILL_VALUE,
    }
    warped = apply(ops.affine_sample, IMAGES, theta, **options)
    assert np.all((0 <= warped) & (warped <= 1))
    if fill_mode == "constant":
        np.testing.assert_allclose(warped, FILL_VALUE, rtol=1e-6)
    if fill_mode == "nearest":
        for case, column in enumerate((0, -1, 0, -1, 0, -1)):
            expected = np.broadcast_to(IMAGES[case][:, [column]], warped[case].shape)
            np.testing.assert_array_equal(warped[case], expected)
        np.testing.assert_array_equal(
            warped[6], np.broadcast_to(IMAGES[6, 0, 0], warped[6].shape)
        )
    to_images, to_theta = gradients(
        lambda images, theta: keras.ops.sum(
            ops.affine_sample(images, theta, **options)
        ),
        IMAGES,
        theta,
    )
    assert np.all(np.isfinite(to_images)) and np.all(np.isfinite(to_theta))
    # NaN and infinity pass no gradient on; x is such in the first three cases.
    np.testing.assert_array_equal(to_theta[:3, 0], 0)
    np.testing.assert_array_equal(to_theta[6], 0)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("pixel", [(3, 2), (0, 5)])
def test_a_nan_pixel_stays_with_the_samples_that_read_it(pixel, fill_mode):
    size = (8, 8)
    image = np.random.default_rng(0).uniform(size=(1, *size, 1)).astype("float32")
    theta = np.array([[[0.6, 0.3, 0.02], [-0.3, 0.6, 0.03]]], "float32")
    whole = apply(ops.affine_sample, image, theta, fill_mode=fill_mode)
    image[0, *pixel] = np.nan
    warped = apply(ops.affine_sample, image, theta, fill_mode=fill_mode)
    x, y = oracle.to_pixels(oracle.affine_grid(theta, size), size)
    row, column = pixel
    # All of these samples lie in the image, where a sample reads two by two pixels.
    reads = (np.abs(np.floor(x) + 0.5 - column) < 1) & (
        np.abs(np.floor(y) + 0.5 - row) < 1
    )
    assert np.any(reads) and x.min() > 0 and y.min() > 0
    np.testing.assert_array_equal(np.isnan(warped[..., 0]), reads)
    np.testing.assert_array_equal(warped[~reads], whole[~reads])


@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
def test_a_nan_pixel_on_an_edge_is_seen_beyond_it(fill_mode):
    image = np.zeros((1, 8, 8, 1), "float32")
    image[0, 3, 0] = np.nan
    theta = np.array([[[1, 0, -1], [0, 1, 0]]], "float32")  # Half of it is beyond.
    warped = apply(ops.affine_sample, image, theta, fill_mode=fill_mode)
    assert np.isnan(warped[0, 3, :4]).all()
    assert not np.isnan(np.delete(warped[0], [2, 3], axis=0)).any()


# --- dtypes ---------------------------------------------------------------------------


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_float_dtypes(dtype, interpolation):
    images = keras.ops.convert_to_tensor(IMAGES, dtype=dtype)
    warped = ops.affine_sample(images, THETAS, interpolation=interpolation)
    # JAX has no float64 unless it is told to.
    assert warped.dtype == images.dtype
    expected = oracle.affine_sample(
        to_numpy(images), THETAS, interpolation=interpolation
    )
    epsilon = {"float16": 2**-11, "bfloat16": 2**-8}.get(dtype, 1e-5)
    np.testing.assert_allclose(to_numpy(warped), expected, rtol=epsilon, atol=1e-5)


def test_float64_throughout_is_precise():
    images = keras.ops.convert_to_tensor(IMAGES.astype("float64"))
    theta = keras.ops.convert_to_tensor(THETAS.astype("float64"))
    warped = ops.affine_sample(images, theta)
    has_float64 = keras.backend.standardize_dtype(images.dtype) == "float64"
    assert has_float64 or keras.config.backend() == "jax"
    np.testing.assert_allclose(
        to_numpy(warped),
        oracle.affine_sample(IMAGES, THETAS),
        rtol=0,
        atol=1e-13 if has_float64 else 1e-5,
    )


def test_float64_theta_keeps_the_dtype_of_the_images():
    warped = ops.affine_sample(IMAGES, THETAS.astype("float64"))
    assert keras.backend.standardize_dtype(warped.dtype) == "float32"
    expected = oracle.affine_sample(IMAGES, THETAS)
    np.testing.assert_allclose(to_numpy(warped), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_keeps_the_pixels_of_a_row_apart(dtype):
    ramp = np.broadcast_to(np.arange(64, dtype="float32")[:, None], (1, 64, 64, 1))
    images = keras.ops.convert_to_tensor(ramp, dtype=dtype)
    shift = np.array(IDENTITY)
    shift[0, 0, 2] = 2 / 64
    theta = keras.ops.convert_to_tensor(shift, dtype=dtype)
    warped = to_numpy(ops.affine_sample(images, theta, fill_mode="nearest"))
    np.testing.assert_array_equal(warped[0, 0, :, 0], [*range(1, 64), 63])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32"])
def test_integers_are_rounded(dtype):
    limits = np.iinfo("int8" if dtype == "int32" else dtype)
    images = np.round(limits.min + IMAGES * (limits.max - limits.min)).astype(dtype)
    warped = apply(ops.affine_sample, images, THETAS)
    expected = oracle.affine_sample(images, THETAS)
    assert warped.dtype == dtype
    decided = np.abs(expected - np.floor(expected) - 0.5) > 1e-3
    assert decided.mean() > 0.99
    np.testing.assert_array_equal(warped[decided], np.round(expected)[decided])


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(
    "dtype, fill_value, expected",
    [
        ("uint8", 1e20, 255),
        ("uint8", -3, 0),
        ("uint8", 7.6, 8),
        ("int8", 300, 127),
        ("int8", -1e20, -128),
    ],
)
def test_integers_saturate(dtype, fill_value, expected, interpolation):
    away = np.array(IDENTITY)
    away[0, 0, 2] = 9
    warped = apply(
        ops.affine_sample,
        np.ones((1, 3, 3, 1), dtype),
        away,
        interpolation=interpolation,
        fill_value=fill_value,
    )
    np.testing.assert_array_equal(warped, np.full((1, 3, 3, 1), expected, dtype))


def test_nearest_is_exact_for_large_labels():
    labels = np.arange(2**31 - 204, 2**31, dtype="int32").reshape(1, 12, 17, 1)
    flip = IDENTITY * np.float32([[-1], [1]])
    options = {"interpolation": "nearest", "fill_value": 2**31 - 1}
    flipped = apply(ops.affine_sample, labels, flip, **options)
    np.testing.assert_array_equal(flipped, labels[:, :, ::-1])
    away = IDENTITY + np.float32([[[0, 0, 9], [0, 0, 0]]])
    filled = apply(ops.affine_sample, labels, away, **options)
    np.testing.assert_array_equal(filled, np.full_like(labels, 2**31 - 1))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_gradients_in_half_precision_are_summed_in_single(interpolation, dtype):
    """A half-precision sum of ones would end at 2048 or 256."""
    options = {"fill_mode": "nearest", "data_format": "channels_last"}

    def scalar(images):
        half = keras.ops.cast(images, dtype)
        return keras.ops.sum(
            keras.ops.cast(
                ops.affine_sample(
                    half, IDENTITY, size=64, interpolation=interpolation, **options
                ),
                "float32",
            )
        )

    (found,) = gradients(scalar, np.ones((1, 1, 1, 1), "float32"))
    assert found.item() == 64 * 64


# --- Compilation ----------------------------------------------------------------------


def test_compiles():
    function = compile_function(
        lambda images, theta: ops.affine_sample(images, theta, fill_mode="reflect")
    )
    expected = oracle.affine_sample(IMAGES, THETAS, fill_mode="reflect")
    for count in (8, 3):
        warped = to_numpy(function(IMAGES[:count], THETAS[:count]))
        np.testing.assert_allclose(warped, expected[:count], rtol=0, atol=1e-5)


def test_gradient_compiles():
    thetas = off_lattice_thetas()

    def scalar(images, theta):
        warped = ops.affine_sample(images, theta, **_small("reflect"))
        return weighted_sum(WEIGHTS, warped)

    compiled = compile_function(lambda *tensors: gradient_of(scalar)(*tensors))
    found = compiled(SMALL_IMAGES, thetas)
    expected = gradients(scalar, SMALL_IMAGES, thetas)
    for gradient, reference in zip(found, expected, strict=True):
        gradient = keras.ops.convert_to_numpy(gradient)
        np.testing.assert_allclose(gradient, reference, rtol=1e-4, atol=1e-4)


@pytest.mark.tensorflow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_unknown_batch_in_a_graph(jit_compile):
    import tensorflow as tf

    shapes = []

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 12, 17, 2)),
            tf.TensorSpec((None, 2, 3)),
        ],
        jit_compile=jit_compile,
    )
    def warp(images, theta):
        warped = ops.affine_sample(images, theta, (5, 9))
        shapes.append(warped.shape)
        return warped

    expected = oracle.affine_sample(IMAGES, THETAS, (5, 9))
    for count in (8, 3):
        warped = warp(IMAGES[:count], THETAS[:count]).numpy()
        np.testing.assert_allclose(warped, expected[:count], rtol=0, atol=1e-5)
    assert [shape.as_list() for shape in shapes] == [[None, 5, 9, 2]]


@pytest.mark.tensorflow
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_unknown_size_in_a_graph(fill_mode):
    import tensorflow as tf

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, None, 2)),
            tf.TensorSpec((None, 2, 3)),
        ]
    )
    def warp(images, theta):
        return ops.affine_sample(images, theta, fill_mode=fill_mode)

    for images in (IMAGES, IMAGES[:, :7, :11]):
        expected = oracle.affine_sample(images, THETAS, fill_mode=fill_mode)
        warped = warp(images, THETAS).numpy()
        np.testing.assert_allclose(warped, expected, rtol=0, atol=1e-5)


@pytest.mark.skipif(keras.config.backend() != "jax", reason="Sizes of JAX's exports.")
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_unknown_size_in_an_export_of_jax(fill_mode):
    import jax

    shape = jax.export.symbolic_shape("batch, height, width, 2")
    exported = jax.export.export(
        jax.jit(lambda *args: ops.affine_sample(*args, fill_mode=fill_mode))
    )(
        jax.ShapeDtypeStruct(shape, "float32"),
        jax.ShapeDtypeStruct((shape[0], 2, 3), "float32"),
    )
    for images in (IMAGES, IMAGES[:, :7, :11], IMAGES[:, :1, :1]):
        expected = oracle.affine_sample(images, THETAS, fill_mode=fill_mode)
        warped = np.asarray(exported.call(images, THETAS))
        np.testing.assert_allclose(warped, expected, rtol=0, atol=1e-5)


@pytest.mark.tensorflow
def test_is_an_xla_cluster_of_its_own():
    import tensorflow as tf

    graph = tf.function(ops.affine_sample).get_concrete_function(IMAGES, THETAS).graph
    # The graph around it is not compiled and calls one function that is.
    assert all(operation.type != "GatherV2" for operation in graph.get_operations())
    clusters = [
        definition
        for definition in graph.as_graph_def().library.function
        if definition.attr["_XlaMustCompile"].b
    ]
    assert any(
        node.op == "GatherV2" for cluster in clusters for node in cluster.node_def
    )


# --- Symbolic calls -------------------------------------------------------------------


@pytest.mark.parametrize(
    "images, theta, options, expected",
    [
        ((None, 9, 8, 3), (None, 2, 3), {}, (None, 9, 8, 3)),
        ((None, 9, 8, 3), (4, 6), {}, (4, 9, 8, 3)),
        ((4, 9, 8, 3), (None, 6), {"size": 5}, (4, 5, 5, 3)),
        ((2, None, None, 3), (2, 2, 3), {}, (2, None, None, 3)),
        ((2, None, None, 3), (2, 2, 3), {"size": (4, 6)}, (2, 4, 6, 3)),
        (
            (None, 3, 9, 8),
            (None, 2, 3),
            {"size": (4, 6), "data_format": "channels_first"},
            (None, 3, 4, 6),
        ),
    ],
)
def test_symbolic_shape_and_dtype(images, theta, options, expected):
    warped = ops.affine_sample(
        keras.KerasTensor(images, dtype="float16"), keras.KerasTensor(theta), **options
    )
    assert (warped.shape, warped.dtype) == (expected, "float16")


def test_as_a_node_of_a_saved_model(tmp_path):
    images, theta = keras.Input((12, 17, 2)), keras.Input((2, 3))
    options = {"fill_mode": "constant", "fill_value": FILL_VALUE, "size": (5, 9)}
    model = keras.Model(
        [images, theta],
        ops.affine_sample(images, theta, data_format="channels_last", **options),
    )
    model.save(tmp_path / "warp.keras")
    restored = keras.models.load_model(tmp_path / "warp.keras")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(restored([IMAGES, THETAS])),
        oracle.affine_sample(IMAGES, THETAS, **options),
        rtol=0,
        atol=1e-5,
    )


def test_a_saved_node_keeps_its_data_format(tmp_path, request):
    request.getfixturevalue("channels_last")
    images, theta = keras.Input((12, 17, 2)), keras.Input((2, 3))
    model = keras.Model([images, theta], ops.affine_sample(images, theta, size=(5, 9)))
    model.save(tmp_path / "warp.keras")
    request.getfixturevalue("channels_first")
    for copy in (
        keras.models.load_model(tmp_path / "warp.keras"),
        keras.models.clone_model(model),
    ):
        assert copy.output_shape == (None, 5, 9, 2)
        np.testing.assert_array_equal(
            to_numpy(copy([IMAGES, THETAS])), to_numpy(model([IMAGES, THETAS]))
        )


# --- Errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "images, theta, options, message",
    [
        ((4, 4, 1), (1, 2, 3), {}, r"rank.*Expected 4.*Received: images.shape=\(4, 4"),
        ((1, 0, 4, 1), (1, 2, 3), {}, r"at least one pixel.*images.shape=\(1, 0, 4, 1"),
        ((1, 4, 4, 1), (2, 3), {}, r"Expected `\(batch, 2, 3\)`.*theta.shape=\(2, 3\)"),
        ((2, 4, 4, 1), (3, 2, 3), {}, r"same batch size.*theta.shape=\(3, 2, 3\).$"),
        ((1, 4, 4, 1), (3, 2, 3), {}, r"one image.*`keras.ops.repeat\(images, 3, "),
        ((4, 4, 4, 1), (1, 2, 3), {}, r"same way.*`keras.ops.repeat\(theta, 4, "),
        ((1, 4, 4, 1), (1, 6), {"size": -2}, "positive integers.*Received: size=-2"),
        (
            (1, 4, 4, 1),
            (1, 6),
            {"interpolation": "cubic"},
            r"Expected one of \['bilinear', 'nearest'\]. Received: interpolation='cub",
        ),
        (
            (1, 4, 4, 1),
            (1, 6),
            {"fill_mode": "zeros"},
            r"Expected one of \['constant', .*Received: fill_mode='zeros'",
        ),
        (
            (1, 4, 4, 1),
            (1, 6),
            {"fill_value": "black"},
            "Expected a finite number.*Received: fill_value='black'",
        ),
        (
            (1, 4, 4, 1),
            (1, 6),
            {"data_format": "NHWC"},
            r"Expected one of \['channels_first', .*Received: data_format='NHWC'",
        ),
    ],
)
def test_errors_say_what_was_received_and_expected(images, theta, options, message):
    with pytest.raises(ValueError, match=message):
        ops.affine_sample(np.zeros(images), np.zeros(theta), **options)
    with pytest.raises(ValueError, match=message):
        ops.affine_sample(
            keras.KerasTensor(images), keras.KerasTensor(theta), **options
        )


def test_wrong_dtype_of_images():
    with pytest.raises(ValueError, match=r"Expected a float or an integer.*=bool"):
        ops.affine_sample(np.zeros((1, 4, 4, 1), bool), IDENTITY)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("images", "thetas"), [(3, 1), (1, 3), (3, 2)])
def test_batches_that_differ_in_a_graph_for_any_size(images, thetas):
    """Where the sizes are not known before, the data must not be cut or repeated."""
    import tensorflow as tf

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 5, 4, 2)),
            tf.TensorSpec((None, 2, 3)),
            tf.TensorSpec((None, 5, 4, 2)),
        ]
    )
    def warp(images, theta, grid):
        options = {"data_format": "channels_last"}
        warped = ops.affine_sample(images, theta, **options)
        return warped, ops.grid_sample(images, grid, **options)

    def call(images, thetas, grids):
        shapes = (images, 5, 4, 2), (thetas, 2, 3), (grids, 5, 4, 2)
        return warp(*map(tf.zeros, shapes))

    assert [tensor.shape[0] for tensor in call(images, images, images)] == [images] * 2
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="one theta for each image"
    ):
        call(images, thetas, images)
    with pytest.raises(tf.errors.InvalidArgumentError, match="one grid for each image"):
        call(images, images, thetas)


def test_images_that_are_not_an_input_of_a_functional_model():
    pixels = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    theta = keras.Input((2, 3))
    warped = ops.affine_sample(pixels, theta, data_format="channels_last")
    found = to_numpy(keras.Model(theta, warped)(np.eye(2, 3, dtype="float32")[None]))
    np.testing.assert_allclose(found, pixels, atol=1e-5)


def test_a_list_in_a_functional_model():
    image = keras.Input((4, 4, 1), batch_size=1)
    warped = ops.affine_sample(
        image, [[-1, 0, 0, 0, 1, 0]], data_format="channels_last"
    )
    pixels = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    found = to_numpy(keras.Model(image, warped)(pixels))
    np.testing.assert_allclose(found, pixels[:, :, ::-1], atol=1e-5)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_gradient_of_an_empty_batch(fill_mode):
    def scalar(images, theta):
        return keras.ops.sum(ops.affine_sample(images, theta, fill_mode=fill_mode))

    arrays = np.zeros((0, 5, 6, 2), "float32"), np.zeros((0, 2, 3), "float32")
    found = gradients(scalar, *arrays)
    assert [gradient.shape for gradient in found] == [(0, 5, 6, 2), (0, 2, 3)]
