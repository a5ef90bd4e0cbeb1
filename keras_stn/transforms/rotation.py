"""Rotation about the centre."""

from keras import ops

from keras_stn.ops.arguments import standardize_positive
from keras_stn.transforms.rigid import Rigid
from keras_stn.transforms.transform import Transform, register


@register
class Rotation(Transform):
    """Rotation about the centre of the image: `(angle,)` in radians.

    A positive angle turns the sampling grid clockwise on the screen, so it turns the
    image counter-clockwise.

    Args:
        aspect_ratio: Width over height of the image, as in `Similarity`.

    Raises:
        ValueError: If `aspect_ratio` is not a positive number.

    Example:

    >>> import numpy as np
    >>> from keras_stn import transforms
    >>> np.array(transforms.Rotation()([[np.pi / 2]])).round(3) + 0.0
    array([[[ 0., -1.,  0.],
            [ 1.,  0.,  0.]]], dtype=float32)
    """

    num_parameters = 1
    identity_parameters = (0.0,)

    def __init__(self, aspect_ratio=1.0):
        self.aspect_ratio = standardize_positive("aspect_ratio", aspect_ratio)

    def compute_theta(self, parameters):
        """Computes the rigid motion of shift zero."""
        zero = ops.zeros_like(parameters)
        parameters = ops.concatenate([parameters, zero, zero], axis=1)
        return Rigid(self.aspect_ratio).compute_theta(parameters)

    def get_config(self):
        """The arguments that rebuild this object."""
        return {"aspect_ratio": self.aspect_ratio}
