"""What differs between the TensorFlow, JAX and PyTorch backends of Keras.

Everything else that computes is written with `keras.ops`. This file decides how a
sampler is compiled and differentiated, on which device, how rows are gathered per
image, how complex numbers are made and batch sizes compared, and what of that is left
out of an exported model. (`datasets` names TensorFlow where it reads data with it.)
"""

import functools
import sys

import keras
from keras import ops

# Modules that trace a model to write it to a file: `model.export` and
# `keras.export.ExportArchive`; converters that are called directly.
_EXPORTERS = ("keras.src.export", "tf2onnx", "tensorflow.lite")
# Added to a smaller whole number it makes that the low bits of a float32.
LARGEST_COUNT = 2**23


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
        if is_exporting():
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


def with_derivatives(function, *derivatives):
    """Gives a function of tensors derivatives of its own, for reverse mode.

    They take the place of the automatic ones, which keep every intermediate result of
    the function until they are computed. Each is called by itself, so that one whose
    result nobody uses is dropped from a graph. PyTorch keeps the automatic ones, and so
    does a model that is exported: no file format keeps ours.

    Args:
        function: Takes float tensors by position, returns a tensor.
        *derivatives: For each tensor a function of all tensors and the derivative of
            the result, that returns the derivative of that tensor; None if it is
            always zero.

    Returns:
        The same function. It can be differentiated as often as its derivatives can.
    """

    def derive(tensors, cotangent):
        return tuple(
            ops.zeros_like(tensor)
            if derivative is None
            else derivative(*tensors, cotangent)
            for tensor, derivative in zip(tensors, derivatives, strict=True)
        )

    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.custom_gradient
        def with_own(*tensors):
            # Stopped, or the automatic derivatives would be prepared too.
            result = function(*map(tf.stop_gradient, tensors))
            return result, lambda cotangent: derive(tensors, cotangent)

        def call(*tensors):
            # Read here, as a variable read within would want a derivative of its own.
            tensors = [tf.convert_to_tensor(tensor) for tensor in tensors]
            return function(*tensors) if is_exporting() else with_own(*tensors)

        return call
    if backend == "jax":
        import jax

        with_own = jax.custom_vjp(function)
        # Through itself, so that second derivatives take the same way.
        with_own.defvjp(lambda *tensors: (with_own(*tensors), tensors), derive)
        return lambda *tensors: with_own(*map(ops.convert_to_tensor, tensors))
    return function


def automatic_derivative(function, tensor, cotangent):
    """The automatic derivative of a function of one tensor.

    Args:
        function: Takes a float tensor, returns a tensor.
        tensor: Where to differentiate.
        cotangent: Derivative of the result.

    Returns:
        Tensor of the shape and dtype of `tensor`.
    """
    return value_and_derivative(function, tensor, cotangent)[1]


def value_and_derivative(function, tensor, cotangent):
    """What a function of one tensor returns, and its automatic derivative.

    Args:
        function: Takes a float tensor, returns a tensor.
        tensor: Where to differentiate.
        cotangent: Derivative of the result.

    Returns:
        The result, and a tensor of the shape and dtype of `tensor`.
    """
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensor)
            result = function(tensor)
        return result, tape.gradient(result, tensor, output_gradients=cotangent)
    if backend == "jax":
        import jax

        result, pull_back = jax.vjp(function, tensor)
        return result, pull_back(cotangent)[0]
    if backend == "torch":
        import torch

        with torch.enable_grad():
            tensor = tensor.detach().requires_grad_()
            result = function(tensor)
        derivative = torch.autograd.grad(result, tensor, cotangent)[0]
        return result.detach(), derivative
    raise NotImplementedError(
        f"Keras' {backend} backend has no derivatives. Expected tensorflow, jax or "
        "torch: set the environment variable KERAS_BACKEND to one of them."
    )


def is_exporting():
    """Whether TensorFlow is tracing a model in order to write it to a file.

    Keras says nowhere that it exports, and `model.export` shall work without a word to
    this package. So this looks who is calling. Only while a graph is traced, which is
    once: neither eager calls nor training steps pay for it.
    """
    import tensorflow as tf

    if tf.executing_eagerly():
        return False
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(_EXPORTERS):
            return True
        frame = frame.f_back
    return False


def assert_same_batch(first, second, message):
    """Has TensorFlow raise `InvalidArgumentError` if the data differ in batch size.

    The other backends know all sizes while they trace. Not in a model that is written
    to a file: other formats have no such operation.

    Args:
        first: A tensor.
        second: A tensor.
        message: What the error says before the two batch sizes.
    """
    if keras.config.backend() != "tensorflow" or is_exporting():
        return
    import tensorflow as tf

    sizes = tf.shape(first)[0], tf.shape(second)[0]
    # In a `tf.function` it runs although nothing depends on it.
    tf.debugging.Assert(tf.equal(*sizes), [message, *sizes])


def runs_on_cpu():
    """Whether the backend computes on a CPU, for lack of an accelerator."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return not tf.config.list_logical_devices("GPU")
    if backend == "jax":
        import jax

        return jax.default_backend() == "cpu"
    if backend == "torch":
        import torch

        return not torch.cuda.is_available()
    return True


def on_cpu():
    """A scope in which tensors live on a CPU of this process.

    On JAX `keras.device("cpu")` means the first CPU of all processes that are
    connected, which need not be one of this process.
    """
    if keras.config.backend() == "jax":
        import jax

        return jax.default_device(jax.local_devices(backend="cpu")[0])
    return keras.device("cpu")


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
        if backend == "tensorflow" and not is_exporting():
            import tensorflow as tf

            return tf.bitcast(whole + LARGEST_COUNT, tf.int32) & (LARGEST_COUNT - 1)
        if backend == "jax":
            import jax

            bits = jax.lax.bitcast_convert_type(whole + LARGEST_COUNT, "int32")
            return bits & (LARGEST_COUNT - 1)
    return ops.cast(whole, "int32")


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
    backend = keras.config.backend()
    if backend not in ("tensorflow", "jax") or not runs_on_cpu():
        return index
    if backend == "tensorflow" and is_exporting():
        return index
    # True, unless there is no index at all. A choice is stored, as XLA does not know
    # how it ends; an optimisation barrier it drops on a CPU before it fuses.
    is_right = ops.max(index[tuple(slice(1) for _ in index.shape)], initial=-1) >= 0
    index = ops.cond(is_right, lambda: index, lambda: ops.zeros_like(index))
    # So that LLVM still knows that it is not negative.
    return ops.bitwise_and(index, LARGEST_COUNT - 1)


def as_complex(real, imaginary):
    """Makes complex numbers of two float tensors of the same shape and dtype.

    `keras.ops.view_as_complex` wants them interleaved in memory, which XLA then does.
    """
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.complex(real, imaginary)
    if backend == "jax":
        import jax

        return jax.lax.complex(real, imaginary)
    return ops.view_as_complex(ops.stack([real, imaginary], axis=-1))


def matmul(first, second):
    """The product of matrices, also of complex ones in double precision.

    On TensorFlow `keras.ops.matmul` rounds those to single precision.
    """
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return tf.matmul(first, second)
    return ops.matmul(first, second)


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

        if is_exporting():
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
