"""Maximum pooling without overlap, with a fast gradient on a CPU."""

import functools
import math

import numpy as np
from keras import ops

from keras_stn.backend import compiled, runs_on_cpu, with_derivatives


def max_pool(images, pool_size):
    """Takes the largest value of each window, as `keras.ops.max_pool` does.

    Its gradient is that of TensorFlow, which goes to the first of equal values, but in
    passes over whole images and not window by window.

    Args:
        images: Float tensor of shape `(batch, height, width, channels)`.
        pool_size: `(height, width)` of a window in pixels, and the step between them.
            What is left over at the end of an axis is not looked at.

    Returns:
        Tensor of shape `(batch, height // pool_height, width // pool_width,
        channels)`.
    """

    def pool(images):
        return ops.max_pool(images, pool_size, pool_size, data_format="channels_last")

    if not runs_on_cpu():
        return pool(images)
    gradient = functools.partial(_gradient_to_images, pool_size=tuple(pool_size))
    return with_derivatives(pool, gradient)(images)


@compiled("pool_size")
def _gradient_to_images(images, cotangent, *, pool_size):
    _, height, width, channels = ops.shape(images)
    pool_height, pool_width = pool_size
    rows, columns = height // pool_height, width // pool_width
    windows = ops.reshape(
        images[:, : rows * pool_height, : columns * pool_width],
        (-1, rows, pool_height, columns, pool_width, channels),
    )
    largest = ops.max(windows, axis=(2, 4), keepdims=True)
    # Numbers the pixels of a window, to find the first of those that are largest.
    count = math.prod(pool_size)
    number = np.arange(count, dtype="int32").reshape(
        (1, 1, pool_height, 1, pool_width, 1)
    )
    candidates = ops.where(windows == largest, number, count)
    first = ops.min(candidates, axis=(2, 4), keepdims=True)
    cotangent = ops.reshape(cotangent, (-1, rows, 1, columns, 1, channels))
    gradient = ops.where(first == number, cotangent, 0)
    gradient = ops.reshape(
        gradient, (-1, rows * pool_height, columns * pool_width, channels)
    )
    left_over = (
        (0, height - rows * pool_height),
        (0, width - columns * pool_width),
    )
    if any(after for _, after in left_over):
        gradient = ops.pad(gradient, ((0, 0), *left_over, (0, 0)))
    return gradient
