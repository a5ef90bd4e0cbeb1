"""Reads images at pixel coordinates: the core that all samplers share."""

import keras
import numpy as np
from keras import ops

from keras_stn.backend import gather_rows
from keras_stn.ops.coordinates import fold


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
    _, height, width, channels = ops.shape(images)
    output_shape = (-1, *ops.shape(x)[1:], channels)
    samples = ops.shape(x)[1] * ops.shape(x)[2]
    x = fold(ops.reshape(x, (-1, samples)), width, fill_mode)
    y = fold(ops.reshape(y, (-1, samples)), height, fill_mode)
    rows = ops.reshape(images, (-1, height * width, channels))
    read = _nearest if interpolation == "nearest" else _bilinear
    values = read(rows, x, y, width, height, fill_mode == "constant", fill_value)
    return ops.reshape(values, output_shape)


def _nearest(rows, x, y, width, height, is_constant, fill_value):
    # Halves go to the even neighbour, as IEEE rounding does.
    column, row = ops.round(x), ops.round(y)
    values = gather_rows(rows, _row_index(column, row, width, height))
    if not is_constant:
        return values
    inside = ops.logical_and(_is_inside(column, width), _is_inside(row, height))
    dtype = keras.backend.standardize_dtype(rows.dtype)
    if keras.backend.is_int_dtype(dtype):
        # Rounded and saturating, as in `_cast_to_image`, but exact.
        limits = np.iinfo(dtype)
        fill_value = round(min(max(fill_value, limits.min), limits.max))
    fill = ops.convert_to_tensor(fill_value, dtype=dtype)
    return ops.where(ops.expand_dims(inside, -1), values, fill)


def _bilinear(rows, x, y, width, height, is_constant, fill_value):
    left, top = ops.floor(x), ops.floor(y)
    right, bottom = left + 1, top + 1
    right_weight, bottom_weight = x - left, y - top
    left_weight, top_weight = 1 - right_weight, 1 - bottom_weight
    if is_constant:
        # Each axis by itself: a corner is seen if its column and its row are.
        left_weight = ops.where(_is_inside(left, width), left_weight, 0)
        right_weight = ops.where(_is_inside(right, width), right_weight, 0)
        top_weight = ops.where(_is_inside(top, height), top_weight, 0)
        bottom_weight = ops.where(_is_inside(bottom, height), bottom_weight, 0)

    image_dtype = keras.backend.standardize_dtype(rows.dtype)
    weight_dtype = keras.backend.standardize_dtype(x.dtype)
    # Sums are formed in at least single precision, whatever the image's dtype.
    sum_dtype = "float64" if "float64" in (image_dtype, weight_dtype) else "float32"

    def corner(column, row, weight):
        values = gather_rows(rows, _row_index(column, row, width, height))
        weight = ops.cast(ops.expand_dims(weight, -1), sum_dtype)
        return ops.cast(values, sum_dtype) * weight

    values = (
        corner(left, top, left_weight * top_weight)
        + corner(right, top, right_weight * top_weight)
        + corner(left, bottom, left_weight * bottom_weight)
        + corner(right, bottom, right_weight * bottom_weight)
    )
    if is_constant and fill_value != 0:
        seen = (left_weight + right_weight) * (top_weight + bottom_weight)
        unseen = ops.cast(ops.expand_dims(1 - seen, -1), sum_dtype)
        values = values + unseen * fill_value
    return _cast_to_image(values, image_dtype)


def _is_inside(index, side):
    return ops.logical_and(index >= 0, index < ops.cast(side, index.dtype))


def _row_index(column, row, width, height):
    """Index into the flattened image of the pixel nearest to `(column, row)`."""
    column = ops.clip(ops.cast(column, "int32"), 0, width - 1)
    row = ops.clip(ops.cast(row, "int32"), 0, height - 1)
    return row * width + column


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
