"""What differs between the TensorFlow, JAX and PyTorch backends of Keras.

Everything else in the package is written with `keras.ops`. This file decides
how a sampler is compiled and how rows are gathered per image.
"""

import keras
from keras import ops


def compiled(*static_names):
    """Compiles a tensor function the way its backend does that best.

    TensorFlow: the function becomes one XLA cluster of its own,
    `tf.function(jit_compile=True)`, also inside a larger graph that XLA does not
    compile. On a CPU this is faster than compiling the whole model, which halves
    the speed of convolutions there. JAX: `jax.jit`. PyTorch and others: unchanged.

    Args:
        *static_names: Names of the keyword-only arguments that are Python values
            and not tensors.

    Returns:
        A decorator. The decorated function takes its tensors by position and the
        static arguments by keyword.
    """

    def decorate(function):
        backend = keras.config.backend()
        if backend == "tensorflow":
            import tensorflow as tf

            # No autograph: these are plain tensor functions without control flow
            # that depends on data.
            return tf.function(function, jit_compile=True, autograph=False)
        if backend == "jax":
            import jax

            return jax.jit(function, static_argnames=static_names)
        return function

    return decorate


def gather_rows(rows, indices):
    """Takes rows of each batch element by its own indices.

    `keras.ops` has no such operation: `take_along_axis` goes through int64 and
    dynamic shapes on TensorFlow, and flattening the batch into one index is slower
    under XLA than the batched form.

    Args:
        rows: Tensor of shape `(batch, count, channels)`.
        indices: int32 tensor of shape `(batch, samples)`, all within
            `[0, count - 1]`.

    Returns:
        Tensor of shape `(batch, samples, channels)`.
    """
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.gather(rows, indices, axis=1, batch_dims=1)
    if backend == "jax":
        import jax

        return jax.vmap(lambda one, index: one.at[index].get(mode="promise_in_bounds"))(
            rows, indices
        )
    if backend == "torch":
        index = indices[:, :, None].long().expand(-1, -1, rows.shape[-1])
        return rows.gather(1, index)
    return ops.take_along_axis(rows, ops.expand_dims(indices, -1), axis=1)
