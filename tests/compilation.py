"""Compiles a function of tensors on whichever backend Keras runs, for the tests."""

import keras


def compile_function(function):
    """Returns `function` compiled by XLA; unchanged where the backend has no XLA."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True, autograph=False)
    if backend == "jax":
        import jax

        return jax.jit(function)
    return lambda *arrays: function(*map(keras.ops.convert_to_tensor, arrays))
