"""The gradient of bilinear samples to the images, for any coordinates."""

from keras import ops

from keras_stn.backend import (
    automatic_derivative,
    gather_rows,
    runs_on_cpu,
    stored,
    to_index,
    zeros_beside,
)
from keras_stn.ops.coordinates import fold
from keras_stn.ops.interpolation import interpolate, sum_dtype
from keras_stn.ops.neighbours import flat_index, neighbours

# Our choice. In trials on two AVX-512 cores one channel after the other took half the
# time of adding to one pixel after the other with four or five channels, three quarters
# with eight, and as much with 16.
SQUARES_UP_TO = 8


def image_gradient(x, y, cotangent, size, fill_mode):
    """Differentiates what `interpolate` reads bilinearly to the images.

    Adds each sample's share to four pixels, wherever they are: a scatter, which XLA
    does one by one on a CPU and in no fixed order on an accelerator. For affine
    transforms `affine_image_gradient` knows better.

    Args:
        x: Float tensor of shape `(batch, output_height, output_width)`.
        y: The same for the vertical axis.
        cotangent: Derivative of the samples, of shape `(batch, output_height,
            output_width, channels)`.
        size: `(height, width)` of the images.
        fill_mode: How the image is continued beyond its edges.

    Returns:
        Tensor of shape `(batch, height, width, channels)` and the dtype of
        `cotangent`.
    """
    dtype = sum_dtype(cotangent, x)
    cotangents = ops.cast(cotangent, dtype)
    channels = cotangent.shape[3]
    has_few = isinstance(channels, int) and channels <= SQUARES_UP_TO
    add = _add_to_squares if has_few and runs_on_cpu() else _add_to_pixels
    return ops.cast(add(x, y, cotangents, size, fill_mode), cotangent.dtype)


def _add_to_pixels(x, y, cotangents, size, fill_mode):
    """Adds to one pixel after the other, four for each sample."""
    batch, _, _, channels = ops.shape(cotangents)
    # Samples are linear in the images: any images will do, and none is computed.
    return automatic_derivative(
        lambda images: interpolate(images, x, y, "bilinear", fill_mode, 0.0),
        zeros_beside(cotangents, (batch, *size, channels), cotangents.dtype),
        cotangents,
    )


def _add_to_squares(x, y, cotangents, size, fill_mode):
    """Adds to two by two pixels at once, for one channel after the other.

    They are kept together as one row of numbers for each place that a square can have,
    and summed up in the end. So a CPU adds one vector for each sample and channel, and
    no numbers one by one. It takes four times the memory of the images and of the
    samples.
    """
    height, width = size
    channels = cotangents.shape[3]
    batch, output_height, output_width, _ = ops.shape(cotangents)
    samples = output_height * output_width
    if fill_mode != "constant":
        x, y = fold(x, width, fill_mode), fold(y, height, fill_mode)
    # Stored, so that the loops over what is scattered, which have one axis for the
    # samples of all images, read them: computing them there from rows and columns takes
    # divisions, which LLVM does not vectorise where threads share a loop.
    x, y = stored((x, y), to_index(neighbours(x, width).first))
    x, y = (ops.reshape(axis, (-1, samples)) for axis in (x, y))
    cotangents = ops.reshape(cotangents, (-1, samples, channels))
    columns, rows = neighbours(x, width), neighbours(y, height)
    # Of a square its first pixel; a place more on each axis, so that every pixel has
    # four squares.
    index = flat_index(columns.first + 1, rows.first + 1, (height + 1, width + 1))
    weights = _corner_weights(columns, [0, 1, 0, 1]) * _corner_weights(
        rows, [0, 0, 1, 1]
    )
    weights = ops.cast(weights, cotangents.dtype)
    squares = zeros_beside(
        weights, (batch, (height + 1) * (width + 1), 4), weights.dtype
    )
    gradients = []
    for channel in range(channels):
        sums = automatic_derivative(
            lambda squares: gather_rows(squares, index),
            squares,
            weights * cotangents[:, :, channel : channel + 1],
        )
        sums = ops.reshape(sums, (-1, height + 1, width + 1, 4))
        gradients.append(
            sums[:, 1:, 1:, 0]
            + sums[:, 1:, :-1, 1]
            + sums[:, :-1, 1:, 2]
            + sums[:, :-1, :-1, 3]
        )
    return ops.stack(gradients, axis=-1)


def _corner_weights(axis, is_second):
    """For each corner of a square its weight along an axis, along a new last one."""
    is_second = ops.convert_to_tensor(is_second, dtype="bool")
    first, second = (ops.expand_dims(weight, -1) for weight in axis.weights)
    return ops.where(is_second, second, first)
