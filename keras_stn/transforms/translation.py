"""Shifts."""

from keras import ops

from keras_stn.transforms.transform import Transform, register, stack_theta


@register
class Translation(Transform):
    """Shifts `(shift_x, shift_y)` in normalised coordinates: 2 is a whole side.

    A positive shift moves the sampling grid to the right and down, so it moves the
    image to the left and up.

    Example:

    >>> import numpy as np
    >>> from keras_stn import transforms
    >>> np.array(transforms.Translation()([[0.5, -0.25]]))
    array([[[ 1.  ,  0.  ,  0.5 ],
            [ 0.  ,  1.  , -0.25]]], dtype=float32)
    """

    num_parameters = 2
    identity_parameters = (0.0, 0.0)

    def compute_theta(self, parameters):
        """Puts the shift into the last column."""
        shift_x, shift_y = ops.unstack(parameters, 2, axis=1)
        zero, one = ops.zeros_like(shift_x), ops.ones_like(shift_x)
        return stack_theta([[one, zero, shift_x], [zero, one, shift_y]])
