"""From normalised coordinates to places inside the image, in pixels."""

from keras import ops

from keras_stn.backend import matmul
from keras_stn.ops.sizes import as_number, at_least_one


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
    half_extent = as_number(extent(side, align_corners), normalized.dtype) / 2
    # This order makes the centre of the image exact; (1 + x) * side would not.
    return rounded(normalized * half_extent) + centre(side, normalized.dtype)


def rounded(product):
    """Returns a product that is rounded before anything is added to it.

    A compiler may fuse a product with a sum, and do so in one place and not in another.
    The index of a pixel and its weight, computed in two places from a coordinate that
    is so rounded in two ways, would at times not belong together: an error of a whole
    pixel.
    """
    # The same number, in one instruction, but the compiler cannot know that, as NaN
    # becomes minus infinity. Both read the same: see `fold`.
    return ops.where(product > float("-inf"), product, float("-inf"))


def centred_indices(count, dtype):
    """Pixel indices 0 .. `count - 1` relative to the centre of their axis."""
    return ops.arange(count, dtype=dtype) - centre(count, dtype)


def affine_coordinates(theta, input_size, output_size, align_corners):
    """Where each output pixel is sampled from, in pixels of the input.

    Counted from the centres of both images, so that an identity is exact in floating
    point: whole and half numbers are multiplied by one.

    Args:
        theta: Tensor of shape `(batch, 2, 3)`.
        input_size: `(height, width)` of the input.
        output_size: `(height, width)` of the output.
        align_corners: As in `affine_sample`.

    Returns:
        x and y, each of shape `(batch, output_height, output_width)`.
    """
    matrix = pixel_matrix(theta, input_size, output_size, align_corners)
    column = centred_indices(output_size[1], theta.dtype)[None, :]
    row = centred_indices(output_size[0], theta.dtype)[:, None]
    return tuple(
        rounded(by_column * column)
        + (rounded(by_row * row) + (rounded(shift) + centre(side, theta.dtype)))
        for (by_column, by_row, shift), side in zip(
            matrix, reversed(input_size), strict=True
        )
    )


def pixel_matrix(theta, input_size, output_size, align_corners):
    """Theta in pixels, counted from the centres of both images.

    Args:
        theta: Tensor of shape `(batch, 2, 3)`.
        input_size: `(height, width)` of the input.
        output_size: `(height, width)` of the output.
        align_corners: As in `affine_sample`.

    Returns:
        Two rows, for x and for y, of three tensors of shape `(batch, 1, 1)`: the
        factor of an output pixel's column, that of its row, and the shift.
    """
    input_extents, output_extents = (
        [as_number(extent(side, align_corners), theta.dtype) for side in reversed(size)]
        for size in (input_size, output_size)
    )
    # A single pixel has no extent if corners are aligned.
    output_extents = [at_least_one(one) for one in output_extents]
    axes = ops.unstack(ops.reshape(theta, (-1, 2, 3, 1, 1)), 2, axis=1)
    rows = []
    for axis, input_extent in zip(axes, input_extents, strict=True):
        by_column, by_row, shift = ops.unstack(axis, 3, axis=1)
        rows.append(
            (
                by_column * (input_extent / output_extents[0]),
                by_row * (input_extent / output_extents[1]),
                shift * (input_extent / 2),
            )
        )
    return rows


def affine_contraction(gradient, theta, input_size, output_size, align_corners):
    """Differentiates `affine_coordinates` to theta.

    Args:
        gradient: Complex tensor of shape `(batch, output_height, output_width)`,
            derivatives of x and, as the imaginary part, of y.
        theta: Tensor of shape `(batch, 2, 3)`.
        input_size: `(height, width)` of the input.
        output_size: `(height, width)` of the output.
        align_corners: As in `affine_sample`.

    Returns:
        Tensor of the shape and dtype of `theta`.
    """
    height, width = output_size

    def basis(side):
        index = centred_indices(side, theta.dtype)
        return ops.cast(ops.stack([index, ops.ones_like(index)]), gradient.dtype)

    # First along the rows: flattened, the samples before it would be computed in one
    # axis, and with it divisions that keep XLA from vectorising. And complex products:
    # XLA would undo the pairing to form real ones.
    by_row = matmul(ops.reshape(gradient, (-1, width)), ops.transpose(basis(width)))
    sums = matmul(basis(height), ops.reshape(by_row, (-1, height, 2)))
    sums = ops.stack([sums[:, 1, 0], sums[:, 0, 1], sums[:, 1, 1]], axis=-1)
    sums = ops.stack([ops.real(sums), ops.imag(sums)], axis=1)
    factors = pixel_matrix(
        ops.ones((1, 2, 3), dtype=theta.dtype), input_size, output_size, align_corners
    )
    factors = ops.stack(
        [ops.stack([entry[:, 0, 0] for entry in axis], axis=-1) for axis in factors],
        axis=1,
    )
    return ops.cast(sums, theta.dtype) * factors


def centre(side, dtype):
    """The pixel coordinate of the middle of an axis."""
    return as_number(side - 1, dtype) / 2


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
    last = as_number(side - 1, pixels.dtype)
    lowest, highest = (-1, last + 1) if fill_mode == "constant" else (0, last)
    # Before any arithmetic: the gradient of a later choice would multiply NaN by 0.
    if fill_mode in ("reflect", "mirror"):
        pixels = ops.where(ops.isfinite(pixels), pixels, lowest)
        pixels = _reflect(pixels, side, fill_mode)[0]
    else:
        pixels = ops.where(ops.isnan(pixels), lowest, pixels)
    # Not `ops.clip`: on a bound, where an identity puts the outer pixels, JAX would
    # pass half of the gradient on. The gradient is the right-hand one.
    pixels = ops.where(pixels < lowest, lowest, pixels)
    return ops.where(pixels >= highest, highest, pixels)


def fold_slope(pixels, side, fill_mode):
    """The derivative of `fold`: 1; -1 where the image is turned around; else 0.

    Args:
        pixels: Float tensor of pixel coordinates along one axis.
        side: Number of pixels along that axis, an integer or an integer tensor.
        fill_mode: One of `"nearest"`, `"reflect"`, `"mirror"`.

    Returns:
        Tensor of the same shape and dtype.
    """
    last = as_number(side - 1, pixels.dtype)
    slope = ops.ones_like(pixels)
    if fill_mode in ("reflect", "mirror"):
        # NaN and infinity become NaN, which is not inside.
        pixels, is_turned = _reflect(pixels, side, fill_mode)
        slope = ops.where(is_turned, -slope, slope)
    is_inside = ops.logical_and(pixels >= 0, pixels < last)
    return ops.where(is_inside, slope, 0)


def _reflect(pixels, side, fill_mode):
    """Coordinates reflected into the image, and whether an odd number of times."""
    last = as_number(side - 1, pixels.dtype)
    if fill_mode == "reflect":
        # About the outer edges of the outer pixels, at -1/2 and side - 1/2.
        offset, half_period = 0.5, last + 1
    else:
        # About the centres of the outer pixels; one pixel is its own mirror image.
        offset, half_period = 0.0, at_least_one(last)
    positions = pixels + offset
    period = 2 * half_period
    phase = positions - period * ops.floor(positions / period)
    wave = half_period - ops.absolute(half_period - phase)
    return wave - offset, phase >= half_period
