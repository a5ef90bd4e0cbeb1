import keras
import numpy as np
import pytest
from scipy.signal import correlate2d

from keras_stn.ops.convolution import add_bias, convolve_one_channel
from tests.compilation import compile_function
from tests.gradients import gradient_of, gradients, numeric_gradient, weighted_sum

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.normal(size=(2, 6, 7, 1)).astype("float32")
KERNEL = GENERATOR.normal(size=(3, 4, 1, 2)).astype("float32")


def convolved_by_scipy(images, kernel, padding):
    """The definition, in float64."""
    if padding == "same":
        # The odd pixel of an even kernel's border comes last.
        around = [((side - 1) // 2, side // 2) for side in kernel.shape[:2]]
        images = np.pad(images, [(0, 0), *around, (0, 0)])
    return np.stack(
        [
            np.stack(
                [
                    correlate2d(image[..., 0], kernel[..., 0, k], mode="valid")
                    for k in range(kernel.shape[-1])
                ],
                axis=-1,
            )
            for image in np.float64(images)
        ]
    )


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_matches_scipy_and_finite_differences(padding):
    expected = convolved_by_scipy(IMAGES, KERNEL, padding)
    found = convolve_one_channel(IMAGES, KERNEL, padding)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(found), expected, rtol=0, atol=1e-5
    )
    weights = GENERATOR.normal(size=expected.shape)
    found = gradients(
        lambda images, kernel: weighted_sum(
            weights, convolve_one_channel(images, kernel, padding)
        ),
        IMAGES,
        KERNEL,
    )

    def scalar(images, kernel):
        return np.sum(weights * convolved_by_scipy(images, kernel, padding))

    for gradient, numeric in zip(
        found,
        (
            numeric_gradient(lambda images: scalar(images, KERNEL), IMAGES, 0.5),
            numeric_gradient(lambda kernel: scalar(IMAGES, kernel), KERNEL, 0.5),
        ),
        strict=True,
    ):
        np.testing.assert_allclose(gradient, numeric, rtol=0, atol=1e-4)


def test_gradient_compiles():
    def scalar(images, kernel):
        return keras.ops.sum(convolve_one_channel(images, kernel) ** 2)

    function = compile_function(lambda *tensors: gradient_of(scalar)(*tensors))
    expected = gradients(scalar, IMAGES, KERNEL)
    for found, reference in zip(function(IMAGES, KERNEL), expected, strict=True):
        found = keras.ops.convert_to_numpy(found)
        np.testing.assert_allclose(found, reference, rtol=1e-5, atol=1e-4)


def test_second_derivatives():
    direction = GENERATOR.normal(size=IMAGES.shape)

    def slope(images, kernel):
        to_images = gradient_of(
            lambda images, kernel: keras.ops.sum(
                convolve_one_channel(images, kernel) ** 3
            )
        )(images, kernel)[0]
        return weighted_sum(direction, to_images)

    def numeric_slope(images, kernel, step=1e-4):
        after, before = (
            np.sum(
                convolved_by_scipy(images + sign * step * direction, kernel, "valid")
                ** 3
            )
            for sign in (1, -1)
        )
        return (after - before) / (2 * step)

    found = gradients(slope, IMAGES, KERNEL)
    for gradient, numeric in zip(
        found,
        (
            numeric_gradient(lambda array: numeric_slope(array, KERNEL), IMAGES, 1e-3),
            numeric_gradient(lambda array: numeric_slope(IMAGES, array), KERNEL, 1e-3),
        ),
        strict=True,
    ):
        scale = np.abs(numeric).max()
        assert scale > 1
        np.testing.assert_allclose(gradient, numeric, rtol=0, atol=1e-4 * scale)


BIAS = np.array([0.5, -2.0], "float32")


def test_add_bias_and_its_gradients():
    features = GENERATOR.normal(size=(3, 4, 5, 2)).astype("float32")
    found = keras.ops.convert_to_numpy(add_bias(features, BIAS))
    np.testing.assert_allclose(found, features + BIAS, rtol=0, atol=1e-6)

    weights = GENERATOR.normal(size=features.shape)

    def scalar(features, bias):
        return weighted_sum(weights, add_bias(features, bias) ** 2)

    function = compile_function(lambda *tensors: gradient_of(scalar)(*tensors))
    expected = 2 * weights * (np.float64(features) + BIAS)
    for found in (gradients(scalar, features, BIAS), function(features, BIAS)):
        to_features, to_bias = map(keras.ops.convert_to_numpy, found)
        np.testing.assert_allclose(to_features, expected, rtol=0, atol=1e-4)
        np.testing.assert_allclose(to_bias, expected.sum((0, 1, 2)), rtol=0, atol=1e-3)


def test_second_derivative_of_add_bias():
    features = GENERATOR.normal(size=(3, 4, 5, 2)).astype("float32")

    def slope(features, bias):
        to_bias = gradient_of(lambda f, b: keras.ops.sum(add_bias(f, b) ** 3))
        return keras.ops.sum(to_bias(features, bias)[1])

    to_features, to_bias = gradients(slope, features, BIAS)
    expected = 6 * (np.float64(features) + BIAS)
    np.testing.assert_allclose(to_features, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(to_bias, expected.sum((0, 1, 2)), rtol=0, atol=1e-3)


def test_the_gradient_to_a_bias_sums_many_places():
    """One running sum in single precision would be off by more than a part in 1e5."""
    factors = GENERATOR.uniform(0, 1, (64, 40, 40, 2)).astype("float32")
    features = np.zeros_like(factors)
    bias = np.zeros(2, "float32")

    def scalar(bias):
        return weighted_sum(factors, add_bias(features, bias))

    (found,) = gradients(scalar, bias)
    expected = np.sum(factors, (0, 1, 2), dtype="float64")
    found = keras.ops.convert_to_numpy(found)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.tensorflow
def test_gradients_to_kernel_and_bias_stay_apart():
    """Fused they take oneDNN more than twice as long, and it fuses `BiasAddGrad`."""
    import tensorflow as tf

    @tf.function
    def step(images, kernel, bias):
        with tf.GradientTape() as tape:
            tape.watch([kernel, bias])
            result = tf.reduce_sum(add_bias(convolve_one_channel(images, kernel), bias))
        return tape.gradient(result, [kernel, bias])

    graph = step.get_concrete_function(*map(tf.constant, (IMAGES, KERNEL, BIAS))).graph
    operations = {
        node.op
        for function in [graph.as_graph_def(), *graph.as_graph_def().library.function]
        for node in getattr(function, "node", None) or function.node_def
    }
    assert "Conv2DBackpropFilter" in operations
    assert "BiasAddGrad" not in operations


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_summed_in_single(dtype):
    """Over so many places that a sum in half precision would stand still."""
    features = np.zeros((16, 30, 30, 2), "float32")
    cotangent = 0.5 + GENERATOR.random((16, 30, 30, 2)).astype("float32")

    def scalar(features, bias):
        outputs = add_bias(keras.ops.cast(features, dtype), keras.ops.cast(bias, dtype))
        return weighted_sum(cotangent, keras.ops.cast(outputs, "float32"))

    _, to_bias = gradients(scalar, features, np.zeros(2, "float32"))
    np.testing.assert_allclose(to_bias, cotangent.sum((0, 1, 2)), rtol=1e-2)


def test_half_precision_gradient_to_the_images():
    cotangent = GENERATOR.normal(size=(2, 12, 13, 64)).astype("float32")
    images = GENERATOR.normal(size=(2, 20, 21, 1)).astype("float32")
    kernel = GENERATOR.normal(size=(9, 9, 1, 64)).astype("float32")

    def to_images(dtype):
        def scalar(images):
            outputs = convolve_one_channel(
                keras.ops.cast(images, dtype), keras.ops.cast(kernel, dtype)
            )
            return weighted_sum(cotangent, keras.ops.cast(outputs, "float32"))

        (found,) = gradients(scalar, images)
        return found

    expected = to_images("float32")
    scale = np.abs(expected).max()
    np.testing.assert_allclose(to_images("float16"), expected, atol=4e-3 * scale)
