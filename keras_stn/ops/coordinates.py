"""From normalised coordinates to places inside the image, in pixels."""

from keras import ops


def extent(side, align_corners):
    """The length in pixels that [-1, 1] spans along a side of `side` pixels."""
    return side - 1 if align_corners else side


def to_pixels(normalized, side, align_corners):
    """Turns normalised coordinates into pixel coordinates along one axis.

    Pixel centres are at 0, 1, ..., `side - 1`.

    Args:
        normalized: Float tensor of any shape.
        side: Number of pixels along the axis, an integer or an integer tensor.
        align_corners: Whether -1 and 1 are the centres of the outer pixels rather
            than their outer edges.

    Returns:
        Tensor of the same shape and dtype.
    """
    half_extent = ops.cast(extent(side, align_corners), normalized.dtype) / 2
    centre = ops.cast(side - 1, normalized.dtype) / 2
    # This order makes the centre of the image exact; (1 + x) * side would not.
    return normalized * half_extent + centre


def centred_indices(count, dtype):
    """Pixel indices 0 .. `count - 1` relative to the centre of their axis."""
    return ops.arange(count, dtype=dtype) - ops.cast(count - 1, dtype) / 2


def fold(pixels, side, fill_mode):
    """Brings pixel coordinates to where a sample can be taken.

    With `"constant"` that is [-1, side], beyond which nothing of the image is seen;
    with the other modes [0, side - 1]. NaN becomes the lower bound, so that it reads
    the fill value or the first pixel; infinity becomes the bound on its side, or the
    lower bound where the fill mode has no limit there (reflect and mirror). Neither
    passes a gradient on.

    Args:
        pixels: Float tensor of pixel coordinates along one axis.
        side: Number of pixels along that axis, an integer or an integer tensor.
        fill_mode: One of `"constant"`, `"nearest"`, `"reflect"`, `"mirror"`.

    Returns:
        Tensor of the same shape and dtype.
    """
    last = ops.cast(side - 1, pixels.dtype)
    if fill_mode == "constant":
        lowest, highest = -ops.ones_like(last), last + 1
    else:
        lowest, highest = ops.zeros_like(last), last
    # Before any arithmetic: the gradient of a later choice would multiply NaN by 0.
    if fill_mode in ("reflect", "mirror"):
        pixels = ops.where(ops.isfinite(pixels), pixels, lowest)
    else:
        pixels = ops.where(ops.isnan(pixels), lowest, pixels)
    if fill_mode == "reflect":
        # About the outer edges of the outer pixels, at -1/2 and side - 1/2.
        pixels = triangle_wave(pixels + 0.5, last + 1) - 0.5
    elif fill_mode == "mirror":
        # About the centres of the outer pixels; one pixel is its own mirror image.
        pixels = triangle_wave(pixels, ops.maximum(last, 1))
    # Not `ops.clip`: on a bound, where an identity puts the outer pixels, JAX would
    # pass half of the gradient on.
    pixels = ops.where(pixels < lowest, lowest, pixels)
    return ops.where(pixels > highest, highest, pixels)


def triangle_wave(positions, half_period):
    """|positions| folded back at every multiple of `half_period`."""
    period = 2 * half_period
    phase = positions - period * ops.floor(positions / period)
    return half_period - ops.absolute(half_period - phase)
