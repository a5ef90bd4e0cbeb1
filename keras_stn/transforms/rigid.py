"""Rotation and shift."""

from keras import ops

from keras_stn.ops.arguments import standardize_positive
from keras_stn.transforms.similarity import Similarity
from keras_stn.transforms.transform import Transform, register


@register
class Rigid(Transform):
    """Rotation and shift: `(angle, shift_x, shift_y)`.

    Args:
        aspect_ratio: Width over height of the image, as in `Similarity`.

    Raises:
        ValueError: If `aspect_ratio` is not a positive number.

    Example:

    >>> import numpy as np
    >>> from keras_stn import transforms
    >>> np.array(transforms.Rigid()([[np.pi / 2, 0.5, 0.0]])).round(3) + 0.0
    array([[[ 0. , -1. ,  0.5],
            [ 1. ,  0. ,  0. ]]], dtype=float32)
    """

    num_parameters = 3
    identity_parameters = (0.0, 0.0, 0.0)

    def __init__(self, aspect_ratio=1.0):
        self.aspect_ratio = standardize_positive("aspect_ratio", aspect_ratio)

    def compute_theta(self, parameters):
        """Computes the similarity of scale one."""
        angle, shift = parameters[:, :1], parameters[:, 1:]
        parameters = ops.concatenate([angle, ops.ones_like(angle), shift], axis=1)
        return Similarity(self.aspect_ratio).compute_theta(parameters)

    def get_config(self):
        """The arguments that rebuild this object."""
        return {"aspect_ratio": self.aspect_ratio}
