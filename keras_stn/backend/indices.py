"""Indices of pixels, and what is read by them."""

import keras
from keras import ops

from keras_stn.backend.devices import runs_on_cpu
from keras_stn.backend.plain_operations import needs_plain_operations

# Added to a smaller whole number it makes that the low bits of a float32.
LARGEST_COUNT = 2**23


def to_index(whole):
    """Converts whole numbers that count pixels to int32.

    XLA's own conversion guards against NaN and overflow, and so takes some seven scalar
    instructions for each sample where this takes three: in trials on an AVX2 processor
    a quarter of the time of a warp of few channels.

    Args:
        whole: Float tensor of whole numbers, at least 0 and, in float32, less than
            `LARGEST_COUNT`. Others become some index, and no error.

    Returns:
        int32 tensor of the same shape.
    """
    backend = keras.config.backend()
    if keras.backend.standardize_dtype(whole.dtype) == "float32":
        if backend == "tensorflow" and not needs_plain_operations():
            import tensorflow as tf

            return tf.bitcast(whole + LARGEST_COUNT, tf.int32) & (LARGEST_COUNT - 1)
        if backend == "jax":
            import jax

            bits = jax.lax.bitcast_convert_type(whole + LARGEST_COUNT, "int32")
            return bits & (LARGEST_COUNT - 1)
    return ops.cast(whole, "int32")


def stored(tensors, index):
    """Has XLA on a CPU store tensors before anything is computed from them.

    It would fuse what computes them into what uses them, and compute them anew for each
    use, in the order and with the axes of that.

    Args:
        tensors: Tuple of tensors.
        index: int32 tensor, at least 0, of which XLA does not know the first number
            before it runs.

    Returns:
        Tuple of the same tensors.
    """
    backend = keras.config.backend()
    if backend not in ("tensorflow", "jax") or not runs_on_cpu():
        return tensors
    if backend == "tensorflow" and needs_plain_operations():
        return tensors
    # True, unless there is no index at all. A choice is stored, as XLA does not know
    # how it ends; an optimisation barrier it drops on a CPU before it fuses.
    is_right = ops.max(index[tuple(slice(1) for _ in index.shape)], initial=-1) >= 0
    return ops.cond(
        is_right, lambda: tensors, lambda: tuple(map(ops.zeros_like, tensors))
    )


def stored_index(index):
    """Has XLA on a CPU store an index before anything is read with it.

    In the loop that reads, it would compute the index number by number, as LLVM keeps
    in scalars all that leads to an address; so stored, it is computed in vectors. In
    trials on an AVX2 processor warps of one channel became 1.3 to 1.6 times as fast, of
    three channels 1.2 times.

    Args:
        index: int32 tensor, at least 0 and less than `LARGEST_COUNT`.

    Returns:
        The same tensor.
    """
    (found,) = stored((index,), index)
    if found is index:
        return index
    # So that LLVM still knows that it is not negative.
    return ops.bitwise_and(found, LARGEST_COUNT - 1)


def gather_rows(rows, indices):
    """Takes rows of each batch element by its own indices.

    `keras.ops` has no such operation: `take_along_axis` goes through int64 and
    dynamic shapes on TensorFlow, and flattening the batch into one index is slower
    under XLA than the batched form.

    Args:
        rows: Tensor of shape `(batch, count, channels)`, or with more axes of channels
            or none.
        indices: int32 tensor of shape `(batch, samples)`, all within
            `[0, count - 1]`.

    Returns:
        Tensor of shape `(batch, samples, channels)`, with the axes of channels that
        `rows` has.
    """
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        if needs_plain_operations():
            # Converters may turn a choice into a sum of products, which NaN survives,
            # and a runtime refuses the whole batch for the index that it becomes.
            indices = tf.clip_by_value(indices, 0, ops.shape(rows)[1] - 1)
        return tf.gather(rows, indices, axis=1, batch_dims=1)
    if backend == "jax":
        import jax

        return jax.vmap(lambda one, index: one.at[index].get(mode="promise_in_bounds"))(
            rows, indices
        )
    if backend == "torch":
        index = indices.long().reshape(*indices.shape, *[1] * (rows.ndim - 2))
        return rows.gather(1, index.expand(-1, -1, *rows.shape[2:]))
    for _ in rows.shape[2:]:
        indices = ops.expand_dims(indices, -1)
    return ops.take_along_axis(rows, indices, axis=1)
