"""All affine transforms."""

from keras import ops

from keras_stn.transforms.transform import Transform, register


@register
class Affine(Transform):
    """All affine transforms: the six entries of theta, row by row.

    What the authors' code of the paper uses throughout. Nothing keeps the matrix
    regular; if training drives the grid out of the image, prefer a smaller family or a
    smaller learning rate for the localisation network:
    `keras_stn.models.with_localization_rate`.

    Example:

    >>> from keras_stn import transforms
    >>> transforms.Affine()([[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]]).shape == (1, 2, 3)
    True

    References:
        - [Jaderberg et al., 2015](https://arxiv.org/abs/1506.02025), equation 1
    """

    num_parameters = 6
    identity_parameters = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

    def compute_theta(self, parameters):
        """Reshapes the parameters."""
        return ops.reshape(parameters, (-1, 2, 3))
