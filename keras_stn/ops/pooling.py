"""Maximum pooling without overlap, with a fast gradient on a CPU."""

import functools
import math

import numpy as np
from keras import ops

from keras_stn.backend import compiled, runs_on_cpu, with_derivatives
from keras_stn.ops.sizes import inner_shape

# Where all is fused into one loop, each pixel compares its window anew. In trials on
# two cores that was twice as fast, but with up to 16 channels, where the innermost loop
# is too short for XLA's vectors, three times slower, and no faster from 4 x 4 on.
_ONE_LOOP_ABOVE = 16
_SMALL_WINDOW = 9


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
    height, width, channels = inner_shape(images)
    pool_height, pool_width = pool_size
    rows, columns = height // pool_height, width // pool_width
    windows = ops.reshape(
        images[:, : rows * pool_height, : columns * pool_width],
        (-1, rows, pool_height, columns, pool_width, channels),
    )
    # Numbers the pixels of a window, to find the first of those that are largest.
    number = np.arange(math.prod(pool_size), dtype="int32").reshape(
        (1, 1, pool_height, 1, pool_width, 1)
    )
    if channels > _ONE_LOOP_ABOVE and math.prod(pool_size) <= _SMALL_WINDOW:
        first = _first_by_comparing(windows)
    else:
        first = _first_by_reducing(windows, number)
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


def _first_by_comparing(windows):
    """Compares the pixels one by one, which XLA fuses with what comes after."""
    pool_height, pool_width = windows.shape[2], windows.shape[4]
    largest = first = None
    for j in range(pool_height):
        for i in range(pool_width):
            value = windows[:, :, j : j + 1, :, i : i + 1]
            if largest is None:
                largest, first = value, ops.zeros_like(value, dtype="int32")
                continue
            is_larger = value > largest
            largest = ops.where(is_larger, value, largest)
            first = ops.where(is_larger, j * pool_width + i, first)
    return first


def _first_by_reducing(windows, number):
    """Finds the largest value, then its first place, in a pass over the images each."""
    largest = ops.max(windows, axis=(2, 4), keepdims=True)
    candidates = ops.where(windows == largest, number, number.size)
    return ops.min(candidates, axis=(2, 4), keepdims=True)
