"""Isotropic scale and shift."""

from keras import ops

from keras_stn.transforms.transform import Transform, register, stack_theta


@register
class Attention(Transform):
    """Scale and shift `(scale, shift_x, shift_y)`: crops, moves and zooms.

    A scale below 1 looks at a part of the image and so magnifies it; the shift is the
    centre of that part in normalised coordinates.

    Example:

    >>> import numpy as np
    >>> from keras_stn import transforms
    >>> np.array(transforms.Attention()([[0.5, 0.25, 0.0]]))
    array([[[0.5 , 0.  , 0.25],
            [0.  , 0.5 , 0.  ]]], dtype=float32)

    References:
        - [Jaderberg et al., 2015](https://arxiv.org/abs/1506.02025), equation 2
    """

    num_parameters = 3
    identity_parameters = (1.0, 0.0, 0.0)

    def compute_theta(self, parameters):
        """Puts the scale on the diagonal."""
        scale, shift_x, shift_y = ops.unstack(parameters, 3, axis=1)
        zero = ops.zeros_like(scale)
        return stack_theta([[scale, zero, shift_x], [zero, scale, shift_y]])
