import keras
import numpy as np
import pytest

from keras_stn.backend import as_complex, matmul


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
    assert keras.ops.convert_to_numpy(numbers).dtype == expected.dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_of_complex_matrices(dtype):
    is_single = dtype == "float32" or keras.config.backend() == "jax"
    parts = np.random.default_rng(0).normal(size=(4, 5, 3, 3)).astype(dtype)
    first, second = (
        as_complex(*(keras.ops.convert_to_tensor(part, dtype) for part in pair))
        for pair in (parts[:2], parts[2:])
    )
    expected = (parts[0] + 1j * parts[1]) @ (parts[2] + 1j * parts[3])
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(matmul(first, second)),
        expected,
        atol=1e-5 if is_single else 1e-14,
    )
