"""How XLA compiles a tensor function on each backend."""

import functools

import keras

from keras_stn.backend.plain_operations import needs_plain_operations


def compiled(*static_names):
    """Compiles a tensor function the way its backend does that best.

    TensorFlow: the function becomes one XLA cluster of its own,
    `tf.function(jit_compile=True)`, also inside a larger graph that XLA does not
    compile. On a CPU this is faster than compiling the whole model, which halves
    the speed of convolutions there. A model that is exported gets the plain operations:
    converters to other formats cannot look into a cluster, and a server would compile
    it anew for each batch size. JAX: `jax.jit`. PyTorch and others: unchanged.

    Args:
        *static_names: Names of the keyword-only arguments that are Python values
            and not tensors.

    Returns:
        A decorator. The decorated function takes its tensors by position and the
        static arguments by keyword. The first axis of all tensors is the batch, and of
        what it returns unless that is a scalar.
    """

    def decorate(function):
        backend = keras.config.backend()
        if backend == "tensorflow":
            return _compiled_by_tensorflow(function)
        if backend == "jax":
            return _compiled_by_jax(function, static_names)
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
        if needs_plain_operations():
            return function(*tensors, **options)
        signature = tuple(
            tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in tensors
        )
        result = cluster(signature, tuple(sorted(options.items())))(*tensors)
        batch_size = tensors[0].shape[0]
        is_known = batch_size is not None and result.shape.rank != 0
        if is_known and not tf.executing_eagerly():
            result.set_shape([batch_size, *result.shape[1:]])
        return result

    return call


def _compiled_by_jax(function, static_names):
    import jax

    @functools.wraps(function)
    def precise(*tensors, **options):
        # Else an accelerator may round the factors of a sum over pixels to TF32.
        with jax.default_matmul_precision("highest"):
            return function(*tensors, **options)

    return jax.jit(precise, static_argnames=static_names)


def compiled_in_parts(*static_names):
    """As `compiled`, for a function that chooses among compiled functions.

    TensorFlow compiles each of them when it is first chosen, which most never are, and
    not all of them before the first step. JAX compiles the choice as a whole, or it
    would do so anew at every call.

    Args:
        *static_names: As in `compiled`.

    Returns:
        A decorator, as of `compiled`.
    """
    if keras.config.backend() == "tensorflow":
        return lambda function: function
    return compiled(*static_names)
