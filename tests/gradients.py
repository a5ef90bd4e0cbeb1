"""Derivatives on whichever backend Keras runs, for the tests.

`gradient_of(function)` is itself a function of tensors that can be differentiated
again; `numeric_gradient` is the independent float64 estimate it is compared with.
"""

import keras
import numpy as np


def gradient_of(function):
    """Returns the function that computes the gradients of a scalar `function`.

    Args:
        function: Takes float tensors by position, returns a scalar tensor.

    Returns:
        A function of the same tensors that returns a tuple of gradients, zeros for
        an argument that `function` does not depend on. It can be differentiated.
    """
    return {
        "tensorflow": _tensorflow_gradient_of,
        "jax": _jax_gradient_of,
        "torch": _torch_gradient_of,
    }[keras.config.backend()](function)


def gradients(function, *inputs):
    """Returns the gradients of a scalar `function` at `inputs`, as NumPy arrays."""
    tensors = [keras.ops.convert_to_tensor(array) for array in inputs]
    return tuple(
        keras.ops.convert_to_numpy(gradient)
        for gradient in gradient_of(function)(*tensors)
    )


def weighted_sum(weights, tensor):
    """Returns the sum of `tensor` times a constant array: a scalar to differentiate."""
    weights = keras.ops.convert_to_tensor(weights, dtype=tensor.dtype)
    return keras.ops.sum(weights * tensor)


def numeric_gradient(function, array, step):
    """Estimates the gradient of a scalar NumPy function by central differences.

    Args:
        function: Takes a float64 array, returns a scalar.
        array: Where to differentiate.
        step: Half the distance of the two points of a difference.

    Returns:
        float64 array of the shape of `array`.
    """
    array = np.asarray(array, "float64")
    result = np.empty_like(array)
    for index in np.ndindex(array.shape):
        values = []
        for sign in (1, -1):
            moved = array.copy()
            moved[index] += sign * step
            values.append(function(moved))
        result[index] = (values[0] - values[1]) / (2 * step)
    return result


def _tensorflow_gradient_of(function):
    import tensorflow as tf

    def gradient(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        return tape.gradient(
            value, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

    return gradient


def _jax_gradient_of(function):
    import jax

    def gradient(*tensors):
        return jax.grad(function, argnums=tuple(range(len(tensors))))(*tensors)

    return gradient


def _torch_gradient_of(function):
    import torch

    def gradient(*tensors):
        tensors = [
            tensor if tensor.requires_grad else tensor.detach().requires_grad_()
            for tensor in tensors
        ]
        value = function(*tensors)
        if not value.requires_grad:
            return tuple(torch.zeros_like(tensor) for tensor in tensors)
        return torch.autograd.grad(
            value, tensors, create_graph=True, materialize_grads=True
        )

    return gradient
