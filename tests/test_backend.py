import keras
import numpy as np
import pytest

from keras_stn.backend import (
    LARGEST_COUNT,
    as_complex,
    automatic_derivative,
    compiled,
    gather_rows,
    runs_on_cpu,
    stored_index,
    to_index,
    value_and_derivative,
    with_derivatives,
)
from tests.gradients import gradients, weighted_sum


@compiled("power", "negate")
def _power_of_sum(first, second, *, power, negate):
    total = (first + second) ** power
    return -total if negate else total


def test_compiled_takes_tensors_and_static_values():
    first, second = np.float32([1, 2]), np.float32([3, 4])
    for count in (2, 1):
        result = _power_of_sum(
            keras.ops.convert_to_tensor(first[:count]),
            keras.ops.convert_to_tensor(second[:count]),
            power=2,
            negate=True,
        )
        expected = -np.square(first + second)[:count]
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(result), expected)


@pytest.mark.tensorflow
def test_compiled_by_xla_and_traced_once_for_all_batch_sizes():
    import tensorflow as tf

    traces = []

    @compiled("factor")
    def scale(images, *, factor):
        traces.append(images.shape.as_list())
        return images * factor

    for images in (tf.ones((2, 5)), tf.ones((3, 5)), tf.ones((4, 5))):
        assert scale(images, factor=2.0).shape == images.shape
    assert traces == [[None, 5]]
    scale(tf.ones((2, 5)), factor=3.0)
    scale(tf.ones((2, 6)), factor=3.0)
    assert len(traces) == 3

    @tf.function
    def around(images):
        result = scale(images, factor=2.0)
        assert result.shape.as_list() == images.shape.as_list()
        return result

    for signature in (tf.TensorSpec((2, 5)), tf.TensorSpec((None, 5))):
        graph = around.get_concrete_function(signature).graph
        functions = graph.as_graph_def().library.function
        assert any(function.attr["_XlaMustCompile"].b for function in functions)


def test_compiled_by_jax_or_left_alone():
    def double(images):
        return images * 2

    function = compiled()(double)
    backend = keras.config.backend()
    if backend == "jax":
        assert "stablehlo" in function.lower(keras.ops.ones((2,))).as_text()
    else:
        assert (function is double) == (backend == "torch")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8", "int32"])
def test_gathers_rows_of_each_batch_element(dtype):
    rows = np.random.default_rng(0).integers(0, 100, size=(3, 7, 2))
    indices = np.random.default_rng(1).integers(0, 7, size=(3, 11)).astype("int32")
    result = gather_rows(
        keras.ops.cast(rows, dtype), keras.ops.convert_to_tensor(indices)
    )
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    expected = np.take_along_axis(rows, indices[..., None], axis=1)
    result = keras.ops.convert_to_numpy(keras.ops.cast(result, "int32"))
    np.testing.assert_array_equal(result, expected)


def test_gradient_of_gathered_rows_adds_up():
    rows = np.zeros((1, 3, 1), "float32")
    indices = keras.ops.convert_to_tensor([[2, 0, 2, 2]], dtype="int32")
    weights = np.float32([1, 10, 100, 1000]).reshape(1, 4, 1)
    (gradient,) = gradients(
        lambda rows: weighted_sum(weights, gather_rows(rows, indices)), rows
    )
    np.testing.assert_array_equal(gradient.ravel(), [10, 0, 1101])


def test_gathers_rows_of_one_channel():
    rows = np.float32([[1, 2, 3], [4, 5, 6]])
    indices = keras.ops.convert_to_tensor([[2, 0], [1, 1]], dtype="int32")
    result = gather_rows(keras.ops.convert_to_tensor(rows), indices)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(result), [[3, 1], [5, 5]])


def test_gathers_rows_of_grouped_channels():
    rows = np.arange(2 * 3 * 2 * 5, dtype="float32").reshape(2, 3, 2, 5)
    indices = np.int32([[2, 0], [1, 1]])
    result = gather_rows(*map(keras.ops.convert_to_tensor, (rows, indices)))
    expected = np.take_along_axis(rows, indices[..., None, None], axis=1)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(result), expected)


def test_derivatives_of_its_own():
    # Ten times the true ones, to tell them apart; none for the second tensor.
    function = with_derivatives(
        lambda first, second: first * second,
        lambda first, second, cotangent: 10 * cotangent * second,
        None,
    )
    first, second = np.float32([2, 3]), np.float32([5, 7])
    found = gradients(lambda *tensors: keras.ops.sum(function(*tensors)), first, second)
    is_torch = keras.config.backend() == "torch"
    np.testing.assert_array_equal(found[0], second if is_torch else 10 * second)
    np.testing.assert_array_equal(found[1], first if is_torch else [0, 0])


def test_a_variable_has_derivatives_too():
    function = with_derivatives(
        lambda images, kernel: images * kernel,
        lambda images, kernel, cotangent: cotangent * kernel,
        lambda images, kernel, cotangent: cotangent * images,
    )

    class Scale(keras.layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(1,), initializer="ones")

        def call(self, images):
            return function(images, self.kernel * keras.ops.ones_like(images))

    model = keras.Sequential([keras.Input((1,)), Scale()])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(np.ones((8, 1)), 3 * np.ones((8, 1)), epochs=40, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], [3], atol=1e-3)


def test_value_and_derivative():
    tensor = keras.ops.convert_to_tensor(np.float32([1, 2, 3]))
    cotangent = keras.ops.convert_to_tensor(np.float32([1, 0, 2]))
    found = value_and_derivative(lambda x: x**3, tensor, cotangent)
    value, derivative = map(keras.ops.convert_to_numpy, found)
    np.testing.assert_allclose(value, [1, 8, 27])
    np.testing.assert_allclose(derivative, [3, 0, 54])


def test_automatic_derivative():
    tensor = keras.ops.convert_to_tensor(np.float32([2, 3]))
    cotangent = keras.ops.convert_to_tensor(np.float32([5, 7]))
    derivative = automatic_derivative(lambda x: x**3, tensor, cotangent)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(derivative), [60, 189])


def test_runs_on_cpu():
    device = {
        "tensorflow": lambda: __import__("tensorflow").config.list_logical_devices(),
        "jax": lambda: __import__("jax").devices(),
        "torch": lambda: ["gpu"] * __import__("torch").cuda.device_count(),
    }[keras.config.backend()]()
    names = {
        getattr(one, "device_type", getattr(one, "platform", one)) for one in device
    }
    assert runs_on_cpu() == (not any(name.lower() == "gpu" for name in names))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_indices_of_pixels(dtype):
    counts = np.unique(
        np.concatenate(
            [
                [0, 1, LARGEST_COUNT - 1],
                2 ** np.arange(23),
                2 ** np.arange(1, 23) - 1,
                np.random.default_rng(0).integers(LARGEST_COUNT, size=1000),
            ]
        )
    ).astype("int32")

    @compiled()
    def indices(whole):
        return to_index(whole)

    found = indices(keras.ops.convert_to_tensor(counts, dtype=dtype))
    assert keras.backend.standardize_dtype(found.dtype) == "int32"
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(found), counts)


@compiled()
def _stored_and_read(indices, rows):
    return gather_rows(rows, stored_index(indices))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_stored_index_is_the_same(count):
    rows = np.random.default_rng(0).normal(size=(count, 5)).astype("float32")
    indices = np.random.default_rng(1).integers(0, 5, (count, 7)).astype("int32")
    found = _stored_and_read(*map(keras.ops.convert_to_tensor, (indices, rows)))
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(found), np.take_along_axis(rows, indices, axis=1)
    )


@pytest.mark.skipif(not runs_on_cpu(), reason="Only a CPU stores indices first.")
def test_xla_stores_an_index():
    # It would not if it could tell how the choice ends.
    arguments = np.zeros((2, 7), "int32"), np.zeros((2, 5), "float32")
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        function = tf.function(_stored_and_read.__wrapped__, jit_compile=True)
        text = function.experimental_get_compiler_ir(*map(tf.constant, arguments))(
            stage="optimized_hlo"
        )
    elif keras.config.backend() == "jax":
        text = _stored_and_read.lower(*arguments).compile().as_text()
    else:
        pytest.skip("This backend has no XLA.")
    assert " conditional(" in text


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_complex_numbers(dtype):
    parts = np.array([[1, 2], [3, 4]], dtype)
    numbers = as_complex(*(keras.ops.convert_to_tensor(part, dtype) for part in parts))
    expected = (parts[0] + 1j * parts[1]).astype(
        "complex64"
        if dtype == "float32" or keras.config.backend() == "jax"
        else "complex128"
    )
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(numbers), expected)
