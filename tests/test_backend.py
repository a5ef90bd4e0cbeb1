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


def test_compiled_in_the_way_of_the_backend():
    backend = keras.config.backend()
    if backend == "tensorflow":
        tensor = keras.ops.ones((2,))
        program = _power_of_sum.experimental_get_compiler_ir(
            tensor, tensor, power=2, negate=False
        )
        assert "HloModule" in program(stage="hlo")
    elif backend == "jax":
        tensor = keras.ops.ones((2,))
        lowered = _power_of_sum.lower(tensor, tensor, power=2, negate=False)
        assert "stablehlo" in lowered.as_text()
    else:
        assert _power_of_sum.__name__ == "_power_of_sum"


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
