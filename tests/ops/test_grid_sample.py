import keras
import numpy as np
import pytest
from scipy import ndimage

from keras_stn import ops
from tests import oracle
from tests.compilation import compile_function
from tests.gradients import gradient_of, gradients, weighted_sum
from tests.ops.cases import (
    FILL_MODES,
    FILL_VALUE,
    IMAGES,
    INTERPOLATIONS,
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

INPUT_SIZE = IMAGES.shape[1:3]
# Any points, up to a side and a half beyond the image; as many as the image has.
GRID = np.random.default_rng(5).uniform(-4, 4, (8, *INPUT_SIZE, 2)).astype("float32")


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(5, 8), (7, 7), (29, 31), (60, 60), (64, 64)])
def test_rigid_motions_and_whole_shifts(size, align_corners):
    image = np.random.default_rng(0).uniform(size=(*size, 1)).astype("float32")
    motions = rigid_motions()[: None if size[0] == size[1] else -2]
    cases = motions + whole_shifts(size, align_corners)
    theta = np.stack([theta for theta, _ in cases])
    sampled = apply(
        ops.grid_sample,
        np.stack([image] * len(cases)),
        ops.affine_grid(theta, size, align_corners),
        align_corners=align_corners,
    )
    error = np.abs(sampled - np.stack([move(image) for _, move in cases]))
    # What float32 can hold: next to 1 a coordinate is rounded by up to 2**-25, which is
    # side * 2**-26 pixels, on either axis. A shift is rounded too, and so is the sum.
    # (`affine_sample` has no such error: its coordinates are never normalised.)
    rounding = sum(size) * 2**-26
    assert error[: len(motions)].max() <= max(1e-6, rounding)
    assert error[len(motions) :].max() <= max(1e-6, 3 * rounding)


@pytest.mark.parametrize(
    "data_format, align_corners",
    [("channels_last", False), ("channels_last", True), ("channels_first", True)],
)
@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_random_points_match_the_oracle(
    interpolation, fill_mode, data_format, align_corners
):
    options = {
        "interpolation": interpolation,
        "fill_mode": fill_mode,
        "fill_value": FILL_VALUE,
        "align_corners": align_corners,
    }
    # The other data format with another output size.
    grid = GRID if data_format == "channels_last" else GRID[:, :5, :9]
    sampled = apply(ops.grid_sample, IMAGES, grid, data_format, **options)
    expected = oracle.grid_sample(IMAGES, grid, **options)
    assert sampled.shape == expected.shape and sampled.dtype == "float32"
    if interpolation == "nearest":
        pixels = oracle.to_pixels(grid, INPUT_SIZE, align_corners)
        decided = oracle.half_distance(*pixels) > 1e-4
        assert decided.mean() > 0.99
        sampled, expected = sampled[decided], expected[decided]
    np.testing.assert_allclose(sampled, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_random_points_match_scipy(interpolation, fill_mode):
    x, y = oracle.to_pixels(GRID, INPUT_SIZE)
    expected = [
        [
            ndimage.map_coordinates(
                channel.astype("float64"),
                coordinates,
                order=1 if interpolation == "bilinear" else 0,
                mode="grid-constant" if fill_mode == "constant" else fill_mode,
                cval=FILL_VALUE,
            )
            for channel in np.moveaxis(image, -1, 0)
        ]
        for image, coordinates in zip(IMAGES, np.stack([y, x], axis=1), strict=True)
    ]
    expected = np.moveaxis(expected, 1, -1)
    sampled = apply(
        ops.grid_sample,
        IMAGES,
        GRID,
        interpolation=interpolation,
        fill_mode=fill_mode,
        fill_value=FILL_VALUE,
    )
    if interpolation == "nearest":
        decided = oracle.half_distance(x, y) > 1e-4
        sampled, expected = sampled[decided], expected[decided]
    np.testing.assert_allclose(sampled, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "fill_mode, padding_mode, align_corners",
    [
        ("constant", "zeros", False),
        ("constant", "zeros", True),
        ("nearest", "border", False),
        ("nearest", "border", True),
        ("reflect", "reflection", False),
        ("mirror", "reflection", True),
    ],
)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_random_points_match_pytorch(
    interpolation, fill_mode, padding_mode, align_corners
):
    torch = pytest.importorskip("torch")
    expected = torch.nn.functional.grid_sample(
        torch.from_numpy(np.moveaxis(IMAGES, -1, 1).copy()),
        torch.from_numpy(GRID),
        mode=interpolation,
        padding_mode=padding_mode,
        align_corners=align_corners,
    ).numpy()
    sampled = apply(
        ops.grid_sample,
        IMAGES,
        GRID,
        interpolation=interpolation,
        fill_mode=fill_mode,
        align_corners=align_corners,
        # The value does not change what is compiled where it is not used.
        fill_value=0.0 if fill_mode == "constant" else FILL_VALUE,
    )
    expected = np.moveaxis(expected, 1, -1)
    if interpolation == "nearest":
        pixels = oracle.to_pixels(GRID, INPUT_SIZE, align_corners)
        decided = oracle.half_distance(*pixels) > 1e-4
        sampled, expected = sampled[decided], expected[decided]
    np.testing.assert_allclose(sampled, expected, rtol=0, atol=1e-5)


def test_nearest_takes_halves_to_the_even_pixel():
    halves = np.array([[[0.5, 1.5, 2.5]]])
    grid = oracle.from_pixels(halves, 0 * halves, (1, 4)).astype("float32")
    image = np.arange(4, dtype="float32").reshape(1, 1, 4, 1)
    sampled = apply(ops.grid_sample, image, grid, interpolation="nearest")
    np.testing.assert_array_equal(sampled.ravel(), [0, 2, 2])


def test_data_format_defaults_to_the_setting_of_keras(channels_first):
    sampled = ops.grid_sample(np.moveaxis(IMAGES, -1, 1), GRID[:, :5, :9])
    assert tuple(sampled.shape) == (8, 2, 5, 9)


# --- Gradients ------------------------------------------------------------------------


def _off_lattice_grid(align_corners=False):
    thetas = off_lattice_thetas(align_corners)
    return oracle.affine_grid(thetas, SMALL_SIZE, align_corners).astype("float32")


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_gradients_match_finite_differences(fill_mode):
    check_gradients(
        ops.grid_sample,
        oracle.grid_sample,
        _off_lattice_grid(),
        fill_mode=fill_mode,
        fill_value=FILL_VALUE,
    )


@pytest.mark.parametrize(
    ("align_corners", "data_format"),
    [(True, "channels_last"), (False, "channels_first"), (True, "channels_first")],
)
def test_gradients_in_other_conventions(align_corners, data_format):
    check_gradients(
        ops.grid_sample,
        oracle.grid_sample,
        _off_lattice_grid(align_corners),
        data_format,
        align_corners=align_corners,
        fill_value=FILL_VALUE,
    )


def test_second_derivative_to_grid():
    # Bilinear in x and y: only the mixed derivative is not zero.
    grid = _off_lattice_grid()

    def slope_along_x(grid):
        (gradient,) = gradient_of(
            lambda grid: weighted_sum(WEIGHTS, ops.grid_sample(SMALL_IMAGES, grid))
        )(grid)
        return keras.ops.sum(gradient[..., 0])

    (found,) = gradients(slope_along_x, grid)
    expected = np.zeros_like(grid, "float64")
    step = 1e-4
    for right in (1, -1):
        for down in (1, -1):
            moved = oracle.grid_sample(SMALL_IMAGES, grid + step * np.r_[right, down])
            corner = np.sum(WEIGHTS * moved, axis=-1)
            expected[..., 1] += right * down * corner / (2 * step) ** 2
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "fill_mode, expected",
    [
        # Pixels 1, 2, 4, 8 at the places -2 .. 5, fill value 3; where the image is
        # turned around the gradient is the left-hand one.
        ("constant", [0, -2, 1, 2, 4, -5, 0, 0]),
        ("nearest", [0, 0, 1, 2, 4, 0, 0, 0]),
        ("reflect", [-2, -1, 1, 2, 4, 0, 0, -4]),
        ("mirror", [-4, -2, 1, 2, 4, 0, -4, -2]),
    ],
)
def test_gradient_at_whole_pixels_is_right_hand(fill_mode, expected):
    pixels = np.arange(-2.0, 6.0).reshape(1, 1, 8)
    image = np.array([1, 2, 4, 8], "float32").reshape(1, 1, 4, 1)

    def scalar(grid):
        sampled = ops.grid_sample(image, grid, fill_mode=fill_mode, fill_value=3)
        return keras.ops.sum(sampled)

    grid = oracle.from_pixels(pixels, 0 * pixels, (1, 4)).astype("float32")
    (gradient,) = gradients(scalar, grid)
    np.testing.assert_allclose(gradient[0, 0, :, 0] / 2, expected, rtol=0, atol=1e-6)


def test_nearest_has_gradients_to_images_only():
    to_images, to_grid = gradients(
        lambda images, grid: keras.ops.sum(
            ops.grid_sample(images, grid, interpolation="nearest", fill_mode="nearest")
        ),
        IMAGES,
        GRID,
    )
    np.testing.assert_array_equal(to_grid, 0)
    # Each sample reads one pixel.
    np.testing.assert_allclose(to_images.sum(axis=(1, 2)), np.full((8, 2), 12 * 17))


# --- Coordinates that are not numbers, or huge ----------------------------------------


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(
    "fill_mode, expected",
    [
        # NaN, inf, -inf, 1e30, -1e30; None: any pixel.
        ("constant", [9, 9, 9, 9, 9]),
        ("nearest", [1, 8, 1, 8, 1]),
        ("reflect", [1, 1, 1, None, None]),
        ("mirror", [1, 1, 1, None, None]),
    ],
)
def test_any_coordinate_has_a_value(fill_mode, expected, interpolation):
    # An image that changes along x and one that changes along y, a bad coordinate on
    # that axis.
    by_x = np.tile(np.array([1, 2, 4, 8], "float32"), (4, 1))
    images = np.stack([by_x, by_x.T])[..., None]
    bad = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 1e9, 3e38, -3e38], "float32")
    bad_x = np.stack([bad, np.zeros_like(bad)], axis=-1)
    grid = np.stack([bad_x, bad_x[:, ::-1]])[:, None]
    options = {"interpolation": interpolation, "fill_mode": fill_mode, "fill_value": 9}

    sampled = apply(ops.grid_sample, images, grid, **options).reshape(2, len(bad))
    for values in sampled:
        for value, one in zip(values, expected, strict=False):
            assert value == one or (one is None and 1 <= value <= 8)
    assert np.all((1 <= sampled) & (sampled <= 9))

    to_images, to_grid = gradients(
        lambda images, grid: keras.ops.sum(ops.grid_sample(images, grid, **options)),
        images,
        grid,
    )
    assert np.all(np.isfinite(to_images)) and np.all(np.isfinite(to_grid))
    np.testing.assert_array_equal(to_grid[:, :, :3], 0)
    # Whatever is not filled in is read from the image.
    read = 0 if fill_mode == "constant" else len(bad)
    np.testing.assert_allclose(to_images.sum(axis=(1, 2, 3)), [read] * 2, atol=1e-6)


# --- dtypes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "image_dtype, grid_dtype",
    [
        ("float16", "float32"),
        ("bfloat16", "float16"),
        ("float32", "bfloat16"),
        ("float32", "float64"),
        ("uint8", "float32"),
        ("int32", "float32"),
    ],
)
def test_dtypes(image_dtype, grid_dtype):
    images = keras.ops.cast(np.round(IMAGES * 100), image_dtype)
    grid = keras.ops.cast(GRID, grid_dtype)
    sampled = ops.grid_sample(images, grid, fill_mode="reflect")
    assert sampled.dtype == images.dtype
    expected = oracle.grid_sample(to_numpy(images), to_numpy(grid), fill_mode="reflect")
    sampled = to_numpy(sampled).astype("float64")
    if "int" in image_dtype:
        assert np.abs(sampled - expected).max() < 0.501
    else:
        epsilon = {"float16": 2**-11, "bfloat16": 2**-8}.get(image_dtype, 1e-5)
        np.testing.assert_allclose(sampled, expected, rtol=epsilon, atol=1e-3)


def test_float64_throughout_is_precise():
    images = keras.ops.convert_to_tensor(IMAGES.astype("float64"))
    grid = keras.ops.convert_to_tensor(GRID.astype("float64"))
    sampled = to_numpy(ops.grid_sample(images, grid, fill_mode="mirror"))
    # JAX has no float64 unless it is told to.
    has_float64 = keras.backend.standardize_dtype(images.dtype) == "float64"
    assert has_float64 or keras.config.backend() == "jax"
    expected = oracle.grid_sample(IMAGES, GRID, fill_mode="mirror")
    tolerance = 1e-13 if has_float64 else 1e-5
    np.testing.assert_allclose(sampled, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_gradients_in_half_precision_are_summed_in_single(interpolation, dtype):
    """A half-precision sum of ones would end at 2048 or 256."""
    options = {"fill_mode": "nearest", "data_format": "channels_last"}

    def scalar(images):
        half = keras.ops.cast(images, dtype)
        return keras.ops.sum(
            keras.ops.cast(
                ops.grid_sample(
                    half,
                    np.zeros((1, 64, 64, 2)),
                    interpolation=interpolation,
                    **options,
                ),
                "float32",
            )
        )

    (found,) = gradients(scalar, np.ones((1, 1, 1, 1), "float32"))
    assert found.item() == 64 * 64


# --- Compilation ----------------------------------------------------------------------


def test_compiles():
    function = compile_function(
        lambda images, grid: ops.grid_sample(images, grid, fill_mode="mirror")
    )
    expected = oracle.grid_sample(IMAGES, GRID, fill_mode="mirror")
    for count in (8, 3):
        sampled = to_numpy(function(IMAGES[:count], GRID[:count]))
        np.testing.assert_allclose(sampled, expected[:count], rtol=0, atol=1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_unknown_batch_in_a_graph(jit_compile):
    import tensorflow as tf

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 12, 17, 2)),
            tf.TensorSpec((None, 12, 17, 2)),
        ],
        jit_compile=jit_compile,
    )
    def sample(images, grid):
        sampled = ops.grid_sample(images, grid)
        assert sampled.shape.as_list() == [None, 12, 17, 2]
        return sampled

    expected = oracle.grid_sample(IMAGES, GRID)
    for count in (8, 3):
        sampled = sample(IMAGES[:count], GRID[:count]).numpy()
        np.testing.assert_allclose(sampled, expected[:count], rtol=0, atol=1e-5)


@pytest.mark.tensorflow
def test_unknown_sizes_in_a_graph():
    import tensorflow as tf

    @tf.function(
        input_signature=[tf.TensorSpec((None,) * 4), tf.TensorSpec((None,) * 4)]
    )
    def sample(images, grid):
        return ops.grid_sample(images, tf.ensure_shape(grid, (None, None, None, 2)))

    for images, grid in ((IMAGES, GRID), (IMAGES[:, :7, :11], GRID[:, :5, :9])):
        sampled = sample(images, grid).numpy()
        expected = oracle.grid_sample(images, grid)
        np.testing.assert_allclose(sampled, expected, rtol=0, atol=1e-5)


# --- Symbolic calls -------------------------------------------------------------------


@pytest.mark.parametrize(
    "images, grid, data_format, expected",
    [
        ((None, 9, 8, 3), (None, 5, 6, 2), "channels_last", (None, 5, 6, 3)),
        ((4, 9, 8, 3), (None, None, 6, 2), "channels_last", (4, None, 6, 3)),
        ((None, 3, 9, 8), (4, 5, 6, 2), "channels_first", (4, 3, 5, 6)),
    ],
)
def test_symbolic_shape_and_dtype(images, grid, data_format, expected):
    sampled = ops.grid_sample(
        keras.KerasTensor(images, dtype="uint8"),
        keras.KerasTensor(grid),
        data_format=data_format,
    )
    assert (sampled.shape, sampled.dtype) == (expected, "uint8")


def test_as_a_node_of_a_saved_model(tmp_path):
    images, grid = keras.Input((12, 17, 2)), keras.Input((12, 17, 2))
    sampled = ops.grid_sample(images, grid, fill_mode="reflect", fill_value=FILL_VALUE)
    keras.Model([images, grid], sampled).save(tmp_path / "sample.keras")
    restored = keras.models.load_model(tmp_path / "sample.keras")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(restored([IMAGES, GRID])),
        oracle.grid_sample(IMAGES, GRID, fill_mode="reflect"),
        rtol=0,
        atol=1e-5,
    )


def test_a_saved_node_keeps_its_data_format(tmp_path, request):
    request.getfixturevalue("channels_last")
    images, grid = keras.Input((12, 17, 2)), keras.Input((5, 9, 2))
    model = keras.Model([images, grid], ops.grid_sample(images, grid))
    model.save(tmp_path / "warp.keras")
    request.getfixturevalue("channels_first")
    for copy in (
        keras.models.load_model(tmp_path / "warp.keras"),
        keras.models.clone_model(model),
    ):
        assert copy.output_shape == (None, 5, 9, 2)
        np.testing.assert_array_equal(
            to_numpy(copy([IMAGES, GRID[:, :5, :9]])),
            to_numpy(model([IMAGES, GRID[:, :5, :9]])),
        )


# --- Errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "images, grid, options, message",
    [
        ((4, 4, 1), (1, 4, 4, 2), {}, r"rank.*Expected 4.*images.shape=\(4, 4, 1\)"),
        ((1, 4, 4, 0), (1, 4, 4, 2), {}, r"one channel. Received: images.shape=\(1, 4"),
        ((1, 4, 4, 1), (4, 4, 2), {}, r"shape of `grid`.*grid.shape=\(4, 4, 2\)"),
        ((1, 4, 4, 1), (1, 4, 4, 3), {}, r"x before y.*grid.shape=\(1, 4, 4, 3\)"),
        ((2, 4, 4, 1), (3, 4, 4, 2), {}, r"same batch size.*grid.shape=\(3, 4, 4, 2"),
        ((1, 4, 4, 1), (1, 4, 4, 2), {"interpolation": 1}, "Received: interpolation=1"),
        ((1, 4, 4, 1), (1, 4, 4, 2), {"fill_mode": "wrap"}, "fill_mode='wrap'"),
        ((1, 4, 4, 1), (1, 4, 4, 2), {"fill_value": None}, "fill_value=None"),
        ((1, 4, 4, 1), (1, 4, 4, 2), {"data_format": "last"}, "data_format='last'"),
    ],
)
def test_errors_say_what_was_received_and_expected(images, grid, options, message):
    with pytest.raises(ValueError, match=message):
        ops.grid_sample(np.zeros(images), np.zeros(grid), **options)
    with pytest.raises(ValueError, match=message):
        ops.grid_sample(keras.KerasTensor(images), keras.KerasTensor(grid), **options)


def test_wrong_dtype_of_images():
    with pytest.raises(ValueError, match=r"Expected a float or an integer.*=bool"):
        ops.grid_sample(np.zeros((8, *INPUT_SIZE, 2), bool), GRID)


def test_theta_is_not_a_grid():
    with pytest.raises(ValueError, match=r"grid.shape=\(8, 2, 3\)"):
        ops.grid_sample(IMAGES, THETAS)


def test_a_grid_without_points():
    with pytest.raises(ValueError, match=r"at least one point.*\(2, 0, 3, 2\)"):
        ops.grid_sample(
            np.zeros((2, 4, 4, 1), "float32"), np.zeros((2, 0, 3, 2), "float32")
        )


@pytest.mark.tensorflow
def test_tensors_of_unknown_rank():
    import tensorflow as tf

    def lost(tensor):
        return tf.py_function(lambda x: x, [tensor], tf.float32)

    images, grid = tf.zeros((1, 4, 4, 1)), tf.zeros((1, 3, 3, 2))
    for name, arguments in {
        "images": lambda: (lost(images), grid),
        "grid": lambda: (images, lost(grid)),
    }.items():
        with pytest.raises(ValueError, match=f"rank of `{name}` is.*set_shape"):
            tf.function(lambda make=arguments: ops.grid_sample(*make()))()
