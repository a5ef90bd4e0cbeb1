"""What differs between the TensorFlow, JAX and PyTorch backends of Keras.

Everything else in the package is written with `keras.ops`. This file decides
how a sampler is compiled and how rows are gathered per image.
"""

import functools

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
        static arguments by keyword. The first axis of all tensors is the batch.
    """

    def decorate(function):
        backend = keras.config.backend()
        if backend == "tensorflow":
            return _compiled_by_tensorflow(function)
        if backend == "jax":
            import jax

            return jax.jit(function, static_argnames=static_names)
        return function

    return decorate


def _compiled_by_tensorflow(function):
    import tensorflow as tf

    @functools.cache
    def cluster(signature, options):
        # Traced once for each kind of image and set of options, whatever the batch
        # size; one `tf.function` for all would warn that it is traced too often. No
        # autograph: there is no control flow that depends on data.
        return tf.function(
            functools.partial(function, **dict(options)),
            input_signature=signature,
            jit_compile=True,
            autograph=False,
        )

    @functools.wraps(function)
    def call(*tensors, **options):
        tensors = [tf.convert_to_tensor(tensor) for tensor in tensors]
        signature = tuple(
            tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in tensors
        )
        result = cluster(signature, tuple(sorted(options.items())))(*tensors)
        batch_size = tensors[0].shape[0]
        if batch_size is not None and not tf.executing_eagerly():
            result.set_shape([batch_size, *result.shape[1:]])
        return result

    return call


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
