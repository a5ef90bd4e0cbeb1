"""The parts of theta: angle, scale, shear and shift."""

from typing import Any, NamedTuple

from keras import ops

from keras_stn.ops.arguments import coordinate_dtype, standardize_theta


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
    multiplied by `scale_x * scale_y - shear**2`. All of it is in normalised
    coordinates, which for images that are not square are stretched: there
    `keras_stn.analysis.predicted_angle` takes the aspect ratio.

    Args:
        theta: Tensor of shape `(batch, 2, 3)` or `(batch, 6)`.

    Returns:
        A `ThetaParts` of tensors, from which `recompose_theta` restores theta: float64
        if theta is, else float32. On PyTorch the angle is float32 always, as Keras'
        `arctan2` there. For a reflection, where `t01 = t10` and `t00 = -t11`, no
        rotation is nearest and the angle is 0.

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
