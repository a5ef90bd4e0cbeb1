"""The pixels that a bilinear sample is interpolated between, and their weights."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_stn.backend import LARGEST_COUNT, stored_index, to_index
from keras_stn.ops.sizes import as_number


class Neighbours(NamedTuple):
    """Two adjacent pixels along an axis, and how a sample depends on them.

    Always two pixels of the image, so that no index needs to be checked: outside the
    image it is the weights that are zero.

    Attributes:
        first: Index of the first of the two, a whole number in a float dtype.
        weights: Weights of the first and the second pixel.
        slopes: Derivatives of the weights, to the right of the sample where
            interpolation has a kink: -1, 0 or 1.
    """

    first: Any
    weights: tuple
    slopes: tuple


def neighbours(pixels, side):
    """Finds the two pixels along an axis that samples are interpolated between.

    A weight falls from 1 at its pixel to 0 one pixel away, also beyond the edge of the
    image. Coordinates farther out, NaN and infinity have weights and slopes of zero.

    Args:
        pixels: Float tensor of pixel coordinates along one axis.
        side: Number of pixels along that axis, an integer or an integer tensor.

    Returns:
        `Neighbours` of tensors of the shape and dtype of `pixels`. If the side is a
        single pixel, that is the first one, and the weight of the second is zero.
    """
    # Choices and not `ops.clip` and `ops.maximum`, which compile to several
    # instructions as they pass NaN on; and differences between whole numbers, whose
    # kinks are on one side.
    lower = ops.floor(pixels)
    fraction = pixels - lower
    last = as_number(side - 2, pixels.dtype)
    first = ops.where(lower < last, lower, last)
    first = ops.where(first > 0, first, 0)
    offset = lower - first
    # Infinity less infinity is not a number; times zero it would remain that.
    fraction = ops.where(fraction >= 0, fraction, 0)
    before, between, after = (ops.cast(offset == k, pixels.dtype) for k in (-1, 0, 1))
    weights = (
        between * (1 - fraction) + before * fraction,
        between * fraction + after * (1 - fraction),
    )
    slopes = (before - between, between - after)
    if not isinstance(side, int) or side == 1:
        exists = ops.cast(as_number(side, pixels.dtype) > 1, pixels.dtype)
        weights = (weights[0], weights[1] * exists)
        slopes = (slopes[0], slopes[1] * exists)
    return Neighbours(first, weights, slopes)


def corner_indices(columns, rows, size):
    """Indices into a flattened image of the four pixels around samples.

    Args:
        columns: `Neighbours` along the horizontal axis.
        rows: `Neighbours` along the vertical axis.
        size: `(height, width)` of the image, integers or integer tensors.

    Returns:
        Two rows of two int32 tensors: the pixels of the upper and of the lower row,
        each from left to right.
    """
    height, width = size
    right, below = ops.minimum(1, width - 1), ops.minimum(1, height - 1) * width
    if isinstance(width, int) and isinstance(height, int):
        right, below = min(1, width - 1), min(1, height - 1) * width
    start = flat_index(columns.first, rows.first, size, below + right)
    return (start, start + right), (start + below, start + (below + right))


def flat_index(column, row, size, farthest=None, is_stored=True):
    """Index into a flattened image, from whole numbers in a float dtype.

    Args:
        column: Float tensor, within the image.
        row: The same for the vertical axis.
        size: `(height, width)` of the image, integers or integer tensors.
        farthest: How far beyond the index pixels are read, all of them within the
            image: an integer if the size is. XLA checks indices at each pixel that it
            reads, but for those that it can see to be within bounds. None where only
            one pixel is read.
        is_stored: Whether an index with which several pixels are read is stored first.

    Returns:
        int32 tensor.
    """
    height, width = size
    is_known = isinstance(height, int) and isinstance(width, int)
    is_double = keras.backend.standardize_dtype(column.dtype) == "float64"
    if not is_known or (height * width > LARGEST_COUNT and not is_double):
        return to_index(row) * width + to_index(column)
    index = to_index(row * width + column)
    if farthest is None or height * width > LARGEST_COUNT:
        return index
    if is_stored:
        index = stored_index(index)
    return ops.minimum(index, height * width - 1 - farthest)
