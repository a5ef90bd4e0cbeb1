"""Reads images at pixel coordinates: the core that all samplers share."""

import keras
import numpy as np
from keras import ops

from keras_stn.backend import gather_rows
from keras_stn.ops.coordinates import fold
from keras_stn.ops.neighbours import corner_indices, flat_index, neighbours
from keras_stn.ops.sizes import inner_shape


def interpolate(images, x, y, interpolation, fill_mode, fill_value):
    """Interpolates `images` at the pixel coordinates `(x, y)`.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        x: Float tensor of shape `(batch, output_height, output_width)`.
        y: The same for the vertical axis.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: How to continue the image beyond its edges.
        fill_value: The value there when `fill_mode="constant"`.

    Returns:
        Tensor of shape `(batch, output_height, output_width, channels)` in the dtype
        of `images`.
    """
    height, width, channels = inner_shape(images)
    output_height, output_width = inner_shape(x)
    read = _nearest if interpolation == "nearest" else _bilinear
    values = read(flat_pixels(images), x, y, (height, width), fill_mode, fill_value)
    return ops.reshape(values, (-1, output_height, output_width, channels))


def flat_pixels(images):
    """Flattens the two axes of images, and drops a single channel.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.

    Returns:
        Tensor of shape `(batch, height * width, channels)`, or `(batch, height *
        width)` if there is one channel: without the axis XLA vectorises over pixels.
    """
    height, width, channels = inner_shape(images)
    has_one_channel = isinstance(channels, int) and channels == 1
    shape = (-1, height * width) if has_one_channel else (-1, height * width, channels)
    return ops.reshape(images, shape)


def read_pixels(pixels, indices):
    """Reads flat pixels.

    Only the reading itself is flat: XLA finds the place in the output of what is
    computed in two axes without a division.

    Args:
        pixels: What `flat_pixels` returns; its channels may be in more than one axis.
        indices: int32 tensor of shape `(batch, output_height, output_width)`.

    Returns:
        Tensor of shape `(batch, output_height, output_width, channels)`, with the axes
        of channels that `pixels` has.
    """
    height, width = inner_shape(indices)
    values = gather_rows(pixels, ops.reshape(indices, (-1, height * width)))
    return ops.reshape(values, (-1, height, width, *inner_shape(pixels)[1:]))


def per_channel(weight, pixels):
    """Gives a tensor without axes of channels those that flat pixels have."""
    axes = [1] * (len(pixels.shape) - 2)
    return ops.reshape(weight, (-1, *inner_shape(weight), *axes)) if axes else weight


def sum_dtype(*tensors):
    """The dtype in which sums over pixels are formed: float32 or float64."""
    dtypes = (keras.backend.standardize_dtype(one.dtype) for one in tensors)
    return "float64" if "float64" in dtypes else "float32"


def _nearest(pixels, x, y, size, fill_mode, fill_value):
    # Halves go to the even neighbour, as IEEE rounding does.
    height, width = size
    column, row = (
        ops.round(fold(axis, side, fill_mode))
        for axis, side in ((x, width), (y, height))
    )
    seen_column, seen_row = (
        ops.clip(index, 0, ops.cast(side - 1, index.dtype))
        for index, side in ((column, width), (row, height))
    )
    dtype = keras.backend.standardize_dtype(pixels.dtype)
    if keras.backend.is_float_dtype(dtype):
        # Not for what is read, but for the gradient, which adds up in this dtype.
        pixels = ops.cast(pixels, sum_dtype(pixels, x))
    values = read_pixels(pixels, flat_index(seen_column, seen_row, size))
    values = ops.cast(values, dtype)
    if fill_mode != "constant":
        return values
    is_inside = ops.logical_and(column == seen_column, row == seen_row)
    if keras.backend.is_int_dtype(dtype):
        # Rounded and saturating, as in `_cast_to_image`, but exact.
        limits = np.iinfo(dtype)
        fill_value = round(min(max(fill_value, limits.min), limits.max))
    fill = ops.convert_to_tensor(fill_value, dtype=dtype)
    return ops.where(per_channel(is_inside, pixels), values, fill)


def _bilinear(pixels, x, y, size, fill_mode, fill_value):
    height, width = size
    if fill_mode != "constant":
        x, y = fold(x, width, fill_mode), fold(y, height, fill_mode)
    columns, rows = neighbours(x, width), neighbours(y, height)
    dtype = sum_dtype(pixels, x)
    values = 0
    for row_weight, indices in zip(
        rows.weights, corner_indices(columns, rows, size), strict=True
    ):
        for column_weight, index in zip(columns.weights, indices, strict=True):
            weight = ops.cast(column_weight * row_weight, dtype)
            corner = ops.cast(read_pixels(pixels, index), dtype)
            values = values + corner * per_channel(weight, pixels)
    if fill_mode == "constant" and fill_value != 0:
        seen = sum(columns.weights) * sum(rows.weights)
        # A choice, so that a large fill value takes nothing from the precision of
        # values and automatic derivatives within the image.
        is_inside = ops.logical_and(
            ops.logical_and(sum(columns.slopes) == 0, sum(rows.slopes) == 0), seen > 0.5
        )
        unseen = ops.where(is_inside, 0.0, 1 - seen)
        values = values + per_channel(ops.cast(unseen, dtype), pixels) * fill_value
    return _cast_to_image(values, keras.backend.standardize_dtype(pixels.dtype))


def _cast_to_image(values, dtype):
    """Casts to the dtype of the image; integers are rounded and saturate."""
    if not keras.backend.is_int_dtype(dtype):
        return ops.cast(values, dtype)
    limits = np.iinfo(dtype)
    work_dtype = np.dtype(keras.backend.standardize_dtype(values.dtype)).type
    # The largest float that does not exceed the largest integer.
    highest = work_dtype(limits.max)
    if int(highest) > limits.max:
        highest = np.nextafter(highest, work_dtype(0))
    values = ops.clip(ops.round(values), work_dtype(limits.min), highest)
    return ops.cast(values, dtype)
