"""Products of two families."""

import keras

from keras_stn.ops import compose_theta
from keras_stn.transforms.registry import get
from keras_stn.transforms.transform import Transform, register


@register
class Composed(Transform):
    """The products of two families, `first @ second`.

    Its parameters are those of the first family and then those of the second. An image
    is warped by the first and the result by the second, interpolated once: the new
    matrix stands on the right, as in `keras_stn.ops.compose_theta`.

    Args:
        first: A `Transform`, its name or its config.
        second: The same.

    Raises:
        ValueError: If one is not a family, nor the name or config of one.

    Example:

    >>> import numpy as np
    >>> from keras_stn import transforms
    >>> shift_then_turn = transforms.Translation() @ transforms.Rotation()
    >>> shift_then_turn.num_parameters
    3
    >>> np.array(shift_then_turn([[0.5, 0.0, np.pi / 2]])).round(3) + 0.0
    array([[[ 0. , -1. ,  0.5],
            [ 1. ,  0. ,  0. ]]], dtype=float32)
    """

    def __init__(self, first, second):
        self.first = get(first)
        self.second = get(second)
        self.num_parameters = self.first.num_parameters + self.second.num_parameters
        self.identity_parameters = (
            *self.first.identity_parameters,
            *self.second.identity_parameters,
        )

    def compute_theta(self, parameters):
        """Multiplies the two matrices."""
        split = self.first.num_parameters
        return compose_theta(
            self.first(parameters[:, :split]),
            self.second(parameters[:, split:]),
        )

    def get_config(self):
        """The arguments that rebuild this object."""
        return {
            "first": keras.saving.serialize_keras_object(self.first),
            "second": keras.saving.serialize_keras_object(self.second),
        }

    def __repr__(self):
        second = repr(self.second)
        if isinstance(self.second, Composed):
            second = f"({second})"
        return f"{self.first!r} @ {second}"
