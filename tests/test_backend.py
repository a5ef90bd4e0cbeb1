import keras
import numpy as np
import pytest

from keras_stn.backend import compiled, gather_rows
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
