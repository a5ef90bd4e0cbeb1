"""Derivatives of a function: its own, or the automatic ones."""

import keras
from keras import ops

from keras_stn.backend.plain_operations import needs_plain_operations


def with_derivatives(function, *derivatives):
    """Gives a function of tensors derivatives of its own, for reverse mode.

    They take the place of the automatic ones, which keep every intermediate result of
    the function until they are computed. Each is called by itself, so that one whose
    result nobody uses is dropped from a graph. PyTorch keeps the automatic ones, and so
    does a model that is exported or vectorised: neither keeps ours.

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

            def gradient(cotangent):
                # In a branch of the caller's, the derivative's own branches find only
                # what has been brought into its graph.
                return derive(tuple(map(tf.identity, tensors)), cotangent)

            return result, gradient

        def call(*tensors):
            # Read here, as a variable read within would want a derivative of its own.
            tensors = [tf.convert_to_tensor(tensor) for tensor in tensors]
            return (
                function(*tensors) if needs_plain_operations() else with_own(*tensors)
            )

        return call
    if backend == "jax":
        import jax

        with_own = jax.custom_vjp(function)

        def forward(*tensors):
            # Through itself, so that second derivatives take the same way. Copies,
            # which XLA drops: JAX 0.10 keeps of an argument only which one it is, and
            # in a loop, where second derivatives have others, mistakes it.
            return with_own(*tensors), tuple(map(jax.numpy.copy, tensors))

        with_own.defvjp(forward, derive)
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
