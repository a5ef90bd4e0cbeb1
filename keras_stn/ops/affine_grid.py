"""The sampling grid of an affine transform."""

import keras
import numpy as np
from keras import ops

from keras_stn.backend import compiled
from keras_stn.ops.arguments import (
    check_theta_shape,
    coordinate_dtype,
    standardize_flag,
    standardize_size,
    standardize_theta,
)
from keras_stn.ops.coordinates import extent


def affine_grid(theta, size, align_corners=False):
    """Generates the sampling grid of affine transforms.

    Each output pixel's normalised coordinates `(x, y, 1)` are multiplied by `theta`:
    the warp convention is stated in `keras_stn.ops`. Same as PyTorch's function of
    this name, but for the order of the axes of `size`.

    Args:
        theta: Tensor of shape `(batch, 2, 3)` or `(batch, 6)`, the affine matrices
            row by row.
        size: `(height, width)` of the grid in pixels, or one integer for both.
        align_corners: Whether -1 and 1 are the centres of the outer pixels. By
            default they are the outer edges of the image (half-pixel centres).

    Returns:
        Tensor of shape `(batch, height, width, 2)`, x before y, in the normalised
        coordinates of the input. Always float32 (float64 if `theta` is), also under
        mixed precision: half precision cannot tell neighbouring pixels apart.

    Raises:
        ValueError: If the shape of `theta` or the size is not as above.

    Example:

    >>> import numpy as np
    >>> from keras_stn import ops
    >>> grid = ops.affine_grid(ops.identity_theta(1), (2, 2))
    >>> np.array(grid)[0, :, :, 0]
    array([[-0.5,  0.5],
           [-0.5,  0.5]], dtype=float32)

    References:
        - [Jaderberg et al., 2015](https://arxiv.org/abs/1506.02025), equation 1
    """
    operation = AffineGridOperation(size, align_corners)
    if isinstance(theta, keras.KerasTensor):
        return operation.symbolic_call(theta)
    return operation.call(theta)


@keras.saving.register_keras_serializable(package="keras_stn")
class AffineGridOperation(keras.Operation):
    """`affine_grid` as a node of a functional model."""

    def __init__(self, size, align_corners=False, *, name=None):
        super().__init__(name=name)
        self.size = standardize_size(size)
        self.align_corners = standardize_flag("align_corners", align_corners)

    def call(self, theta):
        """Computes the grid."""
        return _affine_grid(
            standardize_theta(theta), size=self.size, align_corners=self.align_corners
        )

    def compute_output_spec(self, theta):
        """Infers shape and dtype of the grid."""
        check_theta_shape(theta.shape)
        shape = (theta.shape[0], *self.size, 2)
        return keras.KerasTensor(shape, dtype=coordinate_dtype(theta))


@compiled("size", "align_corners")
def _affine_grid(theta, *, size, align_corners):
    height, width = size
    x, y = (
        # Rounded once, from float64: the product of rounded factors would put an
        # identity several 1e-6 of a pixel beside the pixels.
        ops.convert_to_tensor(_pixel_centres(side, align_corners), dtype=theta.dtype)
        for side in (width, height)
    )
    # Sums of products and not a matrix product, whose precision an accelerator may
    # lower (TF32 and bfloat16 passes).
    theta = ops.reshape(theta, (-1, 1, 1, 2, 3))
    x, y = x[None, :, None], y[:, None, None]
    return theta[..., 0] * x + theta[..., 1] * y + theta[..., 2]


def _pixel_centres(side, align_corners):
    """Normalised coordinates of the pixels along a side: a float64 NumPy array."""
    # A single pixel lies in the middle in both conventions.
    half_extent = max(extent(side, align_corners), 1) / 2
    return (np.arange(side) - (side - 1) / 2) / half_extent
