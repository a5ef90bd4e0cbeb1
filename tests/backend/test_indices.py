import keras
import numpy as np
import pytest

from keras_stn.backend import (
    LARGEST_COUNT,
    compiled,
    gather_rows,
    runs_on_cpu,
    stored,
    stored_index,
    to_index,
)
from tests.gradients import gradients, weighted_sum


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


@pytest.mark.parametrize("count", [0, 1, 3])
def test_stored_tensors_are_the_same(count):
    generator = np.random.default_rng(0)
    tensors = tuple(
        generator.normal(size=(count, size)).astype("float32") for size in (2, 3)
    )

    @compiled()
    def store(first, second, index):
        first, second = stored((first, second), index)
        return keras.ops.concatenate([first, second], axis=1)

    index = generator.integers(0, 5, (count, 2)).astype("int32")
    found = store(*map(keras.ops.convert_to_tensor, (*tensors, index)))
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(found), np.concatenate(tensors, axis=1)
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
