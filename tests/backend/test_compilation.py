import keras
import numpy as np
import pytest

from keras_stn.backend import compiled, compiled_in_parts


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


def test_compiled_in_parts():
    """TensorFlow leaves the choice among compiled functions as it is."""

    def scaled(images, *, factor):
        return images * factor

    function = compiled_in_parts("factor")(scaled)
    result = function(keras.ops.ones((2,)), factor=3.0)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(result), [3, 3])
    if keras.config.backend() == "jax":
        lowered = function.lower(keras.ops.ones((2,)), factor=3.0)
        assert "stablehlo" in lowered.as_text()
    else:
        assert function is scaled


@pytest.mark.tensorflow
def test_checks_of_numerics_where_functions_run_eagerly():
    """As the README says of `tf.debugging.enable_check_numerics`."""
    import tensorflow as tf

    @compiled()
    def inverse(images):
        return 1 / images

    tf.debugging.enable_check_numerics()
    tf.config.run_functions_eagerly(True)
    try:
        np.testing.assert_array_equal(inverse(tf.constant([2.0])), [0.5])
        with pytest.raises(tf.errors.InvalidArgumentError, match="Inf"):
            inverse(tf.constant([0.0]))
    finally:
        tf.config.run_functions_eagerly(False)
        tf.debugging.disable_check_numerics()
    np.testing.assert_array_equal(inverse(tf.constant([0.0])), [np.inf])
