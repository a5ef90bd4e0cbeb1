"""The algebra of theta: identity, product, inverse.

Plain sums of products, so that an accelerator does not lower their precision, and
pure `keras.ops`, so that all of it can stand in a functional model and be
differentiated.
"""

import keras
import numpy as np
from keras import ops

from keras_stn.ops.arguments import check_theta_shape, standardize_theta


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
    combined in the authors' code of the paper: always the original image is resampled.

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
    product, *others = map(_as_factor, thetas)
    counts = {theta.shape[0] for theta in (product, *others)} - {None, 1}
    if len(counts) > 1:
        raise ValueError(
            "`compose_theta` needs thetas of the same batch size, or of one. Received: "
            f"{[tuple(theta.shape) for theta in (product, *others)]}"
        )
    for theta in others:
        product = _multiply(product, theta)
    return standardize_theta(product)


def _as_factor(theta):
    """As `standardize_theta`, but an array stays one.

    A constant tensor of a functional model cannot be exported.
    """
    if not isinstance(theta, np.ndarray):
        return standardize_theta(theta)
    check_theta_shape(theta.shape)
    dtype = np.float64 if theta.dtype == np.float64 else np.float32
    return theta.reshape(-1, 2, 3).astype(dtype)


def _multiply(first, second):
    # Not `*` and `+`: a constant may meet a symbolic tensor, float32 meet float64.
    columns = [
        ops.multiply(first[:, :, 0], second[:, 0, k, None])
        + ops.multiply(first[:, :, 1], second[:, 1, k, None])
        for k in range(3)
    ]
    # Not `ops.add`, which on TensorFlow takes an empty batch for a bias.
    columns[2] = ops.subtract(columns[2], -first[:, :, 2])
    return ops.stack(columns, axis=2)


def invert_theta(theta):
    """The theta that undoes `theta`.

    Args:
        theta: Tensor of shape `(batch, 2, 3)` or `(batch, 6)`.

    Returns:
        Tensor of shape `(batch, 2, 3)`, float64 if theta is, else float32. A singular
        matrix has no inverse: where the determinant is not finite, or zero to within
        the rounding error of its dtype, the result is all zeros, which samples the
        centre of the image everywhere and has a gradient of zero.

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
