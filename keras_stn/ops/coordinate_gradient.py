"""The gradient of bilinear samples to their coordinates."""

from keras import ops

from keras_stn.backend import as_complex, runs_on_cpu
from keras_stn.ops.coordinates import fold, fold_slope
from keras_stn.ops.interpolation import flat_pixels, per_channel, read_pixels, sum_dtype
from keras_stn.ops.neighbours import corner_indices, neighbours
from keras_stn.ops.sizes import inner_shape

# On a CPU XLA forms sums over a longer axis in two steps, and stores all terms first.
_LONGEST_SUM = 32
# Our choice: of many channels at most so many are summed up one after the other, in
# rows that fill vectors. XLA's code for such a sum has no loop and so is vectorised,
# for one of 16 not: in trials with AVX-512 the gradient took 0.4 to 0.7 of the time
# with 16 to 128 channels; with rows of six or twelve it took more than in one sum.
_MOST_TERMS, _SHORTEST_ROW, _TWO_STEPS_FROM = 8, 4, 12


def coordinate_gradient(images, x, y, cotangent, fill_mode, fill_value):
    """Differentiates what `interpolate` reads bilinearly to x and y.

    The corners are read again rather than kept from the forward pass, and the two
    derivatives are the real and the imaginary part of one number: so XLA computes both
    in one pass over the samples, without storing anything of the size of the samples,
    but where the channels do not divide into groups. On a CPU many channels are summed
    up in two steps, of which the first adds vectors: in one long sum each addition
    would wait for the one before.

    Args:
        images: Float tensor of shape `(batch, height, width, channels)`.
        x: Float tensor of shape `(batch, output_height, output_width)`.
        y: The same for the vertical axis.
        cotangent: Derivative of the samples, of shape `(batch, output_height,
            output_width, channels)`.
        fill_mode: How the image is continued beyond its edges.
        fill_value: The value there when `fill_mode="constant"`.

    Returns:
        Complex tensor of shape `(batch, output_height, output_width)`: `d/dx + i d/dy`,
        summed over the channels.
    """
    height, width, _ = inner_shape(images)
    dtype = sum_dtype(images, x)
    slopes = None
    if fill_mode != "constant":
        slopes = fold_slope(x, width, fill_mode), fold_slope(y, height, fill_mode)
        x, y = fold(x, width, fill_mode), fold(y, height, fill_mode)
    columns, rows = neighbours(x, width), neighbours(y, height)
    terms = _terms(images.shape[-1])
    in_two_steps = terms > 1
    pixels = flat_pixels(images)
    pixels = _in_rows(pixels, terms) if in_two_steps else _in_groups(pixels)

    def read(index, weight):
        corner = ops.cast(read_pixels(pixels, index), dtype)
        return corner * per_channel(ops.cast(weight, dtype), pixels)

    by_x = by_y = 0
    if fill_mode == "constant" and fill_value != 0:
        # What is not seen of the image is filled. Not as a difference to each pixel,
        # which a large fill value would round away: within the image this is zero.
        for_x = sum(columns.slopes) * sum(rows.weights)
        for_y = sum(columns.weights) * sum(rows.slopes)
        by_x, by_y = (
            per_channel(ops.cast(-fill_value * one, dtype), pixels)
            for one in (for_x, for_y)
        )
    for j, indices in enumerate(corner_indices(columns, rows, (height, width))):
        for i, index in enumerate(indices):
            along_x = columns.slopes[i] * rows.weights[j]
            along_y = columns.weights[i] * rows.slopes[j]
            if slopes is not None:
                along_x, along_y = along_x * slopes[0], along_y * slopes[1]
            # Read twice in the source: XLA fuses a gather that has one user.
            by_x = by_x + read(index, along_x)
            by_y = by_y + read(index, along_y)
    cotangent = ops.cast(ops.reshape(cotangent, (-1, *inner_shape(by_x))), dtype)
    gradient = as_complex(by_x * cotangent, by_y * cotangent)
    if in_two_steps:
        gradient = ops.sum(gradient, axis=3)
        # Apart, or XLA would make one sum of the two steps.
        parts = ops.real(gradient), ops.imag(gradient)
        return as_complex(*(ops.sum(part, axis=-1) for part in parts))
    return ops.sum(gradient, axis=tuple(range(3, len(gradient.shape))))


def _terms(channels):
    """How many channels to sum up in a first of two steps; 1 if there is one step."""
    if not runs_on_cpu() or not isinstance(channels, int) or channels < _TWO_STEPS_FROM:
        return 1
    for terms in range(_MOST_TERMS, 1, -1):
        row, rest = divmod(channels, terms)
        if rest == 0 and row >= _SHORTEST_ROW and row.bit_count() == 1:
            return terms
    return 1


def _in_rows(pixels, terms):
    """Splits the axis of channels of flat pixels into a few long rows."""
    count, channels = inner_shape(pixels)
    return ops.reshape(pixels, (-1, count, terms, channels // terms))


def _in_groups(pixels):
    """Splits the axis of channels of flat pixels where it is long."""
    count, *axes = inner_shape(pixels)
    if not axes or not isinstance(axes[0], int):
        return pixels
    (channels,) = axes
    groups = []
    while channels > _LONGEST_SUM:
        sizes = range(_LONGEST_SUM, 1, -1)
        size = next((size for size in sizes if channels % size == 0), channels)
        groups.append(size)
        channels //= size
    return ops.reshape(pixels, (-1, count, channels, *groups)) if groups else pixels
