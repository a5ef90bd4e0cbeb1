"""The sampling grid as a layer."""

import keras

from keras_stn import ops
from keras_stn.ops.arguments import (
    check_theta_shape,
    standardize_flag,
    standardize_size,
)


@keras.saving.register_keras_serializable(package="keras_stn")
class AffineGrid(keras.layers.Layer):
    """Generates the sampling grid of affine transforms.

    `keras_stn.ops.affine_grid` as a layer, for models that do something to the grid
    before they sample it. To predict, warp and sample in one layer, see
    `SpatialTransformer`.

    Args:
        size: `(height, width)` of the grid in pixels, or one integer for both.
        align_corners: Whether -1 and 1 are the centres of the outer pixels. By
            default they are the outer edges of the image (half-pixel centres).
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Call arguments:
        theta: Tensor of affine matrices.

    Input shape:
        `(batch, 2, 3)` or `(batch, 6)`.

    Output shape:
        `(batch, height, width, 2)`, x before y. Always float32 (float64 if theta is),
        whatever the dtype policy: half precision cannot tell neighbouring pixels
        apart.

    Raises:
        ValueError: If the size or the shape of the input is not as above.

    Example:

    >>> import keras_stn
    >>> theta = keras_stn.ops.identity_theta(1)
    >>> keras_stn.layers.AffineGrid((4, 6))(theta).shape == (1, 4, 6, 2)
    True

    References:
        - [Jaderberg et al., 2015](https://arxiv.org/abs/1506.02025), equation 1
    """

    def __init__(self, size, align_corners=False, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.size = standardize_size(size)
        self.align_corners = standardize_flag("align_corners", align_corners)

    def call(self, theta):
        """Computes the grid."""
        return ops.affine_grid(theta, self.size, self.align_corners)

    def compute_output_shape(self, input_shape):
        """Returns `(batch, height, width, 2)`."""
        check_theta_shape(input_shape)
        return (input_shape[0], *self.size, 2)

    def compute_output_spec(self, theta):
        """The dtype follows theta and not the dtype policy."""
        return ops.affine_grid(
            keras.KerasTensor(theta.shape, theta.dtype), self.size, self.align_corners
        )

    def get_config(self):
        """The arguments that rebuild this layer."""
        config = {"size": self.size, "align_corners": self.align_corners}
        return {**super().get_config(), **config}
