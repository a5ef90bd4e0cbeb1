"""The algebra of theta: identity, product, inverse, units, parts.

Plain sums of products, so that an accelerator does not lower their precision, and
pure `keras.ops`, so that all of it can stand in a functional model and be
differentiated.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_stn.ops.arguments import (
    coordinate_dtype,
    standardize_size,
    standardize_theta,
)
from keras_stn.ops.coordinates import extent


def identity_theta(batch_size, dtype="float32"):
    """The theta that changes nothing.

    Args:
        batch_size: Number of matrices, an integer or an integer tensor.
        dtype: A float dtype.

    Returns:
        Tensor of shape `(batch_size, 2, 3)`.

    Raises:
        ValueError: If the number or the dtype is not as above.

    Example:

    >>> import numpy as np
    >>> from keras_stn import ops
    >>> np.array(ops.identity_theta(1))
    array([[[1., 0., 0.],
            [0., 1., 0.]]], dtype=float32)
    """
    is_truth = isinstance(batch_size, bool)
    is_integer = isinstance(batch_size, int | np.integer) and not is_truth
    is_known = is_integer or is_truth or isinstance(batch_size, float | str | None)
    if is_known and (not is_integer or batch_size < 0):
        raise ValueError(
            "`batch_size` must be a whole number, 0 or more, or a tensor of one. "
            f"Received: batch_size={batch_size!r}"
        )
    try:
        is_float = keras.backend.is_float_dtype(keras.backend.standardize_dtype(dtype))
    except ValueError:
        is_float = False
    if not is_float:
        raise ValueError(
            '`dtype` must be a float dtype, such as "float32". '
            f"Received: dtype={dtype!r}"
        )
    return ops.tile(ops.eye(2, 3, dtype=dtype)[None], (batch_size, 1, 1))


def compose_theta(*thetas):
    """The product of affine matrices, each new one on the right.

    As of 3x3 matrices with a last row of `(0, 0, 1)`.

    `affine_sample(images, compose_theta(a, b))` looks the place of each output pixel
    up in `b` and then in `a`: the image is warped by `a`, and the result by `b`, but
    interpolated once. This is how several transformers, or several rounds of one, are
    combined in the paper's experiments: always the original image is resampled.

    Args:
        *thetas: At least one tensor of shape `(batch, 2, 3)` or `(batch, 6)`. One of a
            batch of one is combined with each of the others.

    Returns:
        Tensor of shape `(batch, 2, 3)`, float64 if a theta is, else float32.

    Raises:
        ValueError: If there is no theta, a shape is not as above, or the batch sizes
            differ.

    Example:

    >>> import numpy as np
    >>> from keras_stn import ops
    >>> shrink = np.array([[[2, 0, 0], [0, 2, 0]]], "float32")
    >>> shift = np.array([[[1, 0, 0.5], [0, 1, 0]]], "float32")
    >>> np.array(ops.compose_theta(shrink, shift))
    array([[[2., 0., 1.],
            [0., 2., 0.]]], dtype=float32)
    """
    if not thetas:
        raise ValueError("`compose_theta` needs at least one theta. Received: none.")
    product, *others = (standardize_theta(theta) for theta in thetas)
    counts = {theta.shape[0] for theta in (product, *others)} - {None, 1}
    if len(counts) > 1:
        raise ValueError(
            "`compose_theta` needs thetas of the same batch size, or of one. Received: "
            f"{[tuple(theta.shape) for theta in (product, *others)]}"
        )
    for theta in others:
        product = _multiply(product, theta)
    return product


def _multiply(first, second):
    # Not `*` and `+`: a constant may meet a symbolic tensor, float32 meet float64.
    columns = [
        ops.multiply(first[:, :, 0], second[:, 0, k, None])
        + ops.multiply(first[:, :, 1], second[:, 1, k, None])
        for k in range(3)
    ]
    columns[2] = ops.add(columns[2], first[:, :, 2])
    return ops.stack(columns, axis=2)


def invert_theta(theta):
    """The theta that undoes `theta`.

    Args:
        theta: Tensor of shape `(batch, 2, 3)` or `(batch, 6)`.

    Returns:
        Tensor of shape `(batch, 2, 3)`, float64 if theta is, else float32. A singular
        matrix has no inverse: where the
        determinant is not finite, or zero to within the rounding error of its dtype,
        the result is all zeros, which samples the centre of the image everywhere and
        has a gradient of zero.

    Raises:
        ValueError: If the shape of `theta` is not as above.

    Example:

    >>> import numpy as np
    >>> from keras_stn import ops
    >>> theta = np.array([[[2, 0, 1], [0, 4, 0]]], "float32")
    >>> np.array(ops.invert_theta(theta)) + 0.0
    array([[[ 0.5 ,  0.  , -0.5 ],
            [ 0.  ,  0.25,  0.  ]]], dtype=float32)
    """
    theta = standardize_theta(theta)
    a, b, c, d = theta[:, 0, 0], theta[:, 0, 1], theta[:, 1, 0], theta[:, 1, 1]
    shift_x, shift_y = theta[:, 0, 2], theta[:, 1, 2]
    determinant = a * d - b * c
    epsilon = float(np.finfo(keras.backend.standardize_dtype(theta.dtype)).eps)
    rounding = epsilon * (ops.absolute(a * d) + ops.absolute(b * c))
    regular = ops.logical_and(
        ops.absolute(determinant) > rounding,
        ops.all(ops.isfinite(theta), axis=(1, 2)),
    )
    # Replaced before the division, so that its gradient is finite everywhere.
    a, b, c, d, shift_x, shift_y = (
        ops.where(regular, entry, 0.0) for entry in (a, b, c, d, shift_x, shift_y)
    )
    determinant = ops.where(regular, a * d - b * c, 1.0)
    rows = [
        [d, -b, b * shift_y - d * shift_x],
        [-c, a, c * shift_x - a * shift_y],
    ]
    inverse = ops.stack([ops.stack(row, axis=1) for row in rows], axis=1)
    inverse = inverse / determinant[:, None, None]
    return ops.where(regular[:, None, None], inverse, 0.0)


def theta_to_pixels(theta, input_size, output_size=None, align_corners=False):
    """Turns theta from normalised coordinates into pixel units.

    Args:
        theta: Tensor of shape `(batch, 2, 3)` or `(batch, 6)`.
        input_size: `(height, width)` of the image that is sampled, in pixels.
        output_size: `(height, width)` of the result. Defaults to `input_size`.
        align_corners: As in `affine_grid`.

    Returns:
        Tensor of shape `(batch, 2, 3)`, float64 if theta is, else float32: takes
        `(column, row, 1)` of an output pixel
        to the column and row in the input that it is sampled from, both counted from
        the centre of the first pixel. This is the matrix that
        `scipy.ndimage.affine_transform` takes, but for the order of x and y.

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
    theta = standardize_theta(theta)
    to_output, to_input = _pixel_maps(input_size, output_size, align_corners)
    matrix = _multiply(_constant(to_input, theta), theta)
    return _multiply(matrix, _constant(to_output, theta))


def theta_from_pixels(matrix, input_size, output_size=None, align_corners=False):
    """Turns an affine matrix in pixel units into theta: undoes `theta_to_pixels`.

    Args:
        matrix: Tensor of shape `(batch, 2, 3)` or `(batch, 6)`, taking `(column, row,
            1)` of an output pixel to a column and row of the input.
        input_size: `(height, width)` of the image that is sampled, in pixels.
        output_size: `(height, width)` of the result. Defaults to `input_size`.
        align_corners: As in `affine_grid`. With `align_corners=True` no side may be
            a single pixel, which has no extent to measure by.

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
    matrix = standardize_theta(matrix)
    to_output, to_input = (
        _invert_diagonal(pixel_map)
        for pixel_map in _pixel_maps(input_size, output_size, align_corners)
    )
    theta = _multiply(_constant(to_input, matrix), matrix)
    return _multiply(theta, _constant(to_output, matrix))


def _pixel_maps(input_size, output_size, align_corners):
    """Output pixels to normalised, normalised to input pixels: 2x3 in NumPy."""
    input_size = standardize_size(input_size, "input_size")
    if output_size is None:
        output_size = input_size
    output_size = standardize_size(output_size, "output_size")
    extents = {
        side: extent(side, align_corners) for side in (*input_size, *output_size)
    }
    if 0 in extents.values():
        raise ValueError(
            "With align_corners=True each side must have at least 2 pixels, as -1 and "
            "1 are the centres of its first and last pixel. Received: "
            f"input_size={input_size}, output_size={output_size}. Use "
            "align_corners=False."
        )

    def from_normalized(size):
        height, width = size
        return np.array(
            [
                [extents[width] / 2, 0, (width - 1) / 2],
                [0, extents[height] / 2, (height - 1) / 2],
            ]
        )

    return _invert_diagonal(from_normalized(output_size)), from_normalized(input_size)


def _invert_diagonal(matrix):
    scale = np.diagonal(matrix)
    return np.stack([*np.diag(1 / scale), -matrix[:, 2] / scale], axis=1)


def _constant(matrix, like):
    return ops.convert_to_tensor(matrix[None], dtype=like.dtype)


class ThetaParts(NamedTuple):
    """What `decompose_theta` returns; each field is a tensor.

    Attributes:
        angle: Shape `(batch,)`, radians.
        scale: Shape `(batch, 2)`, the stretch along x and along y.
        shear: Shape `(batch,)`.
        shift: Shape `(batch, 2)`, x before y, in normalised coordinates.
    """

    angle: Any
    scale: Any
    shear: Any
    shift: Any


def decompose_theta(theta):
    """Splits theta into angle, scale, shear and shift.

    The linear part is the product `R(angle) S` of a rotation and a symmetric stretch
    (polar decomposition):

    ```
    R(angle) = [[cos, -sin], [sin, cos]]    S = [[scale_x, shear], [shear, scale_y]]
    ```

    The angle is that of the rotation nearest to theta, `-atan2(t01 - t10, t00 + t11)`,
    the statistic of the paper's Figure 3. A positive angle turns the sampling grid
    clockwise on the screen, so it turns the image counter-clockwise. An area is
    multiplied by `scale_x * scale_y - shear**2`.

    Args:
        theta: Tensor of shape `(batch, 2, 3)` or `(batch, 6)`.

    Returns:
        A `ThetaParts` of tensors, from which `recompose_theta` restores theta. For a
        reflection, where `t01 = t10` and `t00 = -t11`, no rotation is nearest and the
        angle is 0.

    Raises:
        ValueError: If the shape of `theta` is not as above.

    Example:

    >>> import numpy as np
    >>> from keras_stn import ops
    >>> parts = ops.decompose_theta([[[0.0, -2.0, 0.0], [2.0, 0.0, 0.5]]])
    >>> float(np.degrees(parts.angle)[0])
    90.0
    >>> np.array(parts.scale)
    array([[2., 2.]], dtype=float32)

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), Figure 3
    """
    theta = standardize_theta(theta)
    a, b, c, d = theta[:, 0, 0], theta[:, 0, 1], theta[:, 1, 0], theta[:, 1, 1]
    # c - b and not -(b - c), whose zero may be negative and turn pi into -pi.
    sine, cosine = c - b, a + d
    # Replaced where there is no angle, so that its gradient is finite everywhere.
    has_angle = ops.logical_or(ops.not_equal(sine, 0), ops.not_equal(cosine, 0))
    sine = ops.where(has_angle, sine, 0.0)
    cosine = ops.where(has_angle, cosine, 1.0)
    angle = ops.arctan2(sine, cosine)
    cos, sin = ops.cos(angle), ops.sin(angle)
    scale = ops.stack([cos * a + sin * c, cos * d - sin * b], axis=1)
    shear = cos * b + sin * d
    return ThetaParts(angle, scale, shear, theta[:, :, 2])


def recompose_theta(angle, scale, shear, shift):
    """Builds theta from angle, scale, shear and shift: undoes `decompose_theta`.

    Args:
        angle: Tensor of shape `(batch,)`, radians.
        scale: Tensor of shape `(batch, 2)`, the stretch along x and along y.
        shear: Tensor of shape `(batch,)`.
        shift: Tensor of shape `(batch, 2)`, x before y, in normalised coordinates.

    Returns:
        Tensor of shape `(batch, 2, 3)`, float64 if a part is, else float32.

    Raises:
        ValueError: If a shape is not as above, or the batch sizes differ.

    Example:

    >>> import numpy as np
    >>> from keras_stn import ops
    >>> theta = [[[1.0, -0.5, 0.25], [0.5, 2.0, 0.0]]]
    >>> restored = ops.recompose_theta(*ops.decompose_theta(theta))
    >>> bool(np.allclose(restored, theta))
    True
    """
    tensors = [ops.convert_to_tensor(one) for one in (angle, scale, shear, shift)]
    dtypes = [coordinate_dtype(tensor) for tensor in tensors]
    dtype = "float64" if "float64" in dtypes else "float32"
    angle, scale, shear, shift = (ops.cast(tensor, dtype) for tensor in tensors)
    shapes = [tuple(part.shape) for part in (angle, scale, shear, shift)]
    counts = {shape[0] for shape in shapes if shape} - {None}
    if [len(shape) for shape in shapes] != [1, 2, 1, 2] or not (
        shapes[1][1] == shapes[3][1] == 2 and len(counts) <= 1
    ):
        raise ValueError(
            "`recompose_theta` needs angle, scale, shear and shift of the shapes "
            "`(batch,)`, `(batch, 2)`, `(batch,)` and `(batch, 2)`, of one batch "
            "size. Received: "
            f"{', '.join(map(str, shapes))}"
        )
    cos, sin = ops.cos(angle), ops.sin(angle)
    scale_x, scale_y = scale[:, 0], scale[:, 1]
    rows = [
        [cos * scale_x - sin * shear, cos * shear - sin * scale_y, shift[:, 0]],
        [sin * scale_x + cos * shear, sin * shear + cos * scale_y, shift[:, 1]],
    ]
    return ops.stack([ops.stack(row, axis=1) for row in rows], axis=1)
