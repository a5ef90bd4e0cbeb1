"""Zeros to add to, and to differentiate at."""

import keras
from keras import ops


def zeros_beside(tensor, shape, dtype):
    """Makes zeros that are as much one device's own as a tensor is.

    Within `jax.shard_map` JAX tells what each device has of its own from what all have
    in common. What a loop carries must stay the one or the other, and a gradient to
    what is common is summed over the devices.

    Args:
        tensor: The tensor that decides it: what is added, or what is read from.
        shape: Shape of the zeros.
        dtype: Their dtype.

    Returns:
        Tensor of zeros.
    """
    if keras.config.backend() == "jax":
        import jax

        return jax.numpy.zeros_like(tensor, shape=shape, dtype=dtype)
    return ops.zeros(shape, dtype=dtype)
