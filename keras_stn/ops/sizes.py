"""Sizes to compute with, as Python's numbers where they are known.

A size that is a number needs no operation. A sampler uses dozens of them, and on
TensorFlow making operations is much of the time before the first training step.
"""

from keras import ops


def inner_shape(tensor):
    """The sizes of all axes but the first, the batch, as integers where they are known.

    `ops.shape` has TensorFlow compute the batch size as well.

    Args:
        tensor: A tensor.

    Returns:
        Tuple of integers, and of integer tensors where TensorFlow does not know them.
    """
    inner = tuple(tensor.shape[1:])
    return tuple(ops.shape(tensor)[1:]) if None in inner else inner


def as_number(size, dtype):
    """A size as a number to compute with.

    Args:
        size: An integer or an integer tensor.
        dtype: The dtype that it then has if it is a tensor.

    Returns:
        The integer, or a tensor.
    """
    return size if isinstance(size, int) else ops.cast(size, dtype)


def at_least_one(number):
    """The number, or 1 if that is larger, for a number or a tensor."""
    return max(number, 1) if isinstance(number, int) else ops.maximum(number, 1)
