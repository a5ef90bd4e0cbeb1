"""Rotation, isotropic scale and shift."""

from keras import ops

from keras_stn.ops.arguments import standardize_positive
from keras_stn.transforms.transform import Transform, register, stack_theta


@register
class Similarity(Transform):
    """Rotation, scale and shift: `(angle, scale, shift_x, shift_y)`.

    The angle is in radians; a positive one turns the sampling grid clockwise on the
    screen, so it turns the image counter-clockwise.

    Args:
        aspect_ratio: Width over height of the image. Normalised coordinates stretch
            an image to a square, where a rotation would shear it unless its aspect
            ratio is known. Defaults to 1, a square image. With aligned corners it is
            `(width - 1) / (height - 1)`.

    Raises:
        ValueError: If `aspect_ratio` is not a positive number.

    Example:

    >>> import numpy as np
    >>> from keras_stn import transforms
    >>> theta = transforms.Similarity()([[np.pi / 2, 2.0, 0.5, 0.0]])
    >>> np.array(theta).round(3) + 0.0
    array([[[ 0. , -2. ,  0.5],
            [ 2. ,  0. ,  0. ]]], dtype=float32)
    """

    num_parameters = 4
    identity_parameters = (0.0, 1.0, 0.0, 0.0)

    def __init__(self, aspect_ratio=1.0):
        self.aspect_ratio = standardize_positive("aspect_ratio", aspect_ratio)

    def compute_theta(self, parameters):
        """Computes scale times rotation, and the shift."""
        angle, scale, shift_x, shift_y = ops.unstack(parameters, 4, axis=1)
        cos, sin = scale * ops.cos(angle), scale * ops.sin(angle)
        return stack_theta(
            [
                [cos, -sin / self.aspect_ratio, shift_x],
                [sin * self.aspect_ratio, cos, shift_y],
            ]
        )

    def get_config(self):
        """The arguments that rebuild this object."""
        return {"aspect_ratio": self.aspect_ratio}
