"""Theta in pixel units, and back."""

import keras
import numpy as np

from keras_stn.ops.arguments import (
    standardize_flag,
    standardize_size,
    standardize_theta,
)
from keras_stn.ops.coordinates import extent
from keras_stn.ops.theta import compose_theta


def theta_to_pixels(theta, input_size, output_size=None, align_corners=False):
    """Turns theta from normalised coordinates into pixel units.

    Args:
        theta: Tensor of shape `(batch, 2, 3)` or `(batch, 6)`.
        input_size: `(height, width)` of the image that is sampled, in pixels.
        output_size: `(height, width)` of the result. Defaults to `input_size`.
        align_corners: As in `affine_grid`.

    Returns:
        Tensor of shape `(batch, 2, 3)`, float64 if theta is, else float32: takes
        `(column, row, 1)` of an output pixel to the column and row in the input that
        it is sampled from, both counted from the centre of the first pixel. This is
        the matrix that `scipy.ndimage.affine_transform` takes, but for the order of x
        and y.

    Raises:
        ValueError: If a shape or a size is not as above.

    Example:

    >>> import numpy as np
    >>> from keras_stn import ops
    >>> flip = np.array([[[-1, 0, 0], [0, 1, 0]]], "float32")
    >>> np.array(ops.theta_to_pixels(flip, (28, 28)))
    array([[[-1.,  0., 27.],
            [ 0.,  1.,  0.]]], dtype=float32)
    """
    from_output, to_input = _pixel_maps(input_size, output_size, align_corners)
    return _between(to_input, standardize_theta(theta), from_output)


def theta_from_pixels(matrix, input_size, output_size=None, align_corners=False):
    """Turns an affine matrix in pixel units into theta: undoes `theta_to_pixels`.

    Args:
        matrix: Tensor of shape `(batch, 2, 3)` or `(batch, 6)`, taking `(column, row,
            1)` of an output pixel to a column and row of the input.
        input_size: `(height, width)` of the image that is sampled, in pixels.
        output_size: `(height, width)` of the result. Defaults to `input_size`.
        align_corners: As in `affine_grid`. With `align_corners=True` no side of the
            input may be a single pixel, which has no extent to measure by.

    Returns:
        Tensor of shape `(batch, 2, 3)`, theta in normalised coordinates, float64 if the
        matrix is, else float32.

    Raises:
        ValueError: If a shape or a size is not as above.

    Example:

    >>> import numpy as np
    >>> from keras_stn import ops
    >>> three_right = np.array([[[1, 0, 3], [0, 1, 0]]], "float32")
    >>> np.array(ops.theta_from_pixels(three_right, (28, 12)))
    array([[[1. , 0. , 0.5],
            [0. , 1. , 0. ]]], dtype=float32)
    """
    from_output, to_input = _pixel_maps(input_size, output_size, align_corners)
    if not np.diagonal(to_input).all():
        raise ValueError(
            "With align_corners=True each side of the input must have at least 2 "
            "pixels, as -1 and 1 are the centres of its first and last pixel. "
            f"Received: input_size={input_size}. Use align_corners=False."
        )
    return _between(
        _invert_diagonal(to_input),
        standardize_theta(matrix),
        _invert_diagonal(from_output),
    )


def _pixel_maps(input_size, output_size, align_corners):
    """Output pixels to normalised, normalised to input pixels: 2x3 in NumPy."""
    align_corners = standardize_flag("align_corners", align_corners)
    input_size = standardize_size(input_size, "input_size")
    if output_size is None:
        output_size = input_size
    output_size = standardize_size(output_size, "output_size")
    # A single pixel of the output lies in the middle in both conventions.
    to_output = _from_normalized(
        output_size, [max(extent(side, align_corners), 1) for side in output_size]
    )
    to_input = _from_normalized(
        input_size, [extent(side, align_corners) for side in input_size]
    )
    return _invert_diagonal(to_output), to_input


def _from_normalized(size, extents):
    (height, width), (along_y, along_x) = size, extents
    return np.array(
        [[along_x / 2, 0, (width - 1) / 2], [0, along_y / 2, (height - 1) / 2]]
    )


def _invert_diagonal(matrix):
    scale = np.diagonal(matrix)
    return np.stack([*np.diag(1 / scale), -matrix[:, 2] / scale], axis=1)


def _between(left, matrix, right):
    """The product of three, of which the outer two are constants for one image."""
    dtype = keras.backend.standardize_dtype(matrix.dtype)
    left, right = (constant[None].astype(dtype) for constant in (left, right))
    return compose_theta(left, matrix, right)
