"""What a family of transforms is."""

import inspect

import keras
from keras import ops

from keras_stn.ops.arguments import is_float


class Transform:
    """A family of affine transforms, described by a few parameters.

    A `SpatialTransformer` predicts the parameters; the family turns them into theta.
    To write one of your own, set two attributes, implement one method, and register
    the class if models with it are to be saved; arguments of the constructor go into
    `get_config`. It has no variables: what is learnt belongs into the localisation
    network. Two families combine with `@`: see `Composed`.

    Attributes:
        num_parameters: How many numbers describe one transform.
        identity_parameters: Where a transformer starts, a tuple of `num_parameters`
            floats: those of the identity, unless the family shall start elsewhere, at
            half the size say.

    Call arguments:
        parameters: Tensor of shape `(batch, num_parameters)`. Whole numbers become
            Keras' default float.

    Input shape:
        `(batch, num_parameters)`.

    Output shape:
        `(batch, 2, 3)`: theta, in the dtype of the parameters; of a product of two
        families in float32 at least.

    Raises:
        ValueError: When called, if the parameters or what `compute_theta` returns have
            another shape.

    Example:

    A rotation that can never exceed a quarter turn:

    >>> import keras
    >>> import numpy as np
    >>> from keras_stn import transforms
    >>> @keras.saving.register_keras_serializable(package="my_package")
    ... class BoundedRotation(transforms.Transform):
    ...     num_parameters = 1
    ...     identity_parameters = (0.0,)
    ...
    ...     def compute_theta(self, parameters):
    ...         angle = np.pi / 2 * keras.ops.tanh(parameters)
    ...         return transforms.Rotation().compute_theta(angle)
    >>> theta = BoundedRotation()([[1000.0]])
    >>> np.array(theta).round(3) + 0.0
    array([[[ 0., -1.,  0.],
            [ 1.,  0.,  0.]]], dtype=float32)
    """

    num_parameters = None
    identity_parameters = None

    def compute_theta(self, parameters):
        """Maps parameters to theta: the method that a family implements.

        Args:
            parameters: Float tensor of shape `(batch, num_parameters)`.

        Returns:
            Tensor of shape `(batch, 2, 3)` or `(batch, 6)`, in the warp convention of
            `keras_stn.ops`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `compute_theta(parameters)`, which "
            "returns a tensor of shape `(batch, 2, 3)`."
        )

    def __call__(self, parameters):
        """Checks the parameters and maps them to theta: see the class."""
        parameters = ops.convert_to_tensor(parameters)
        shape = tuple(parameters.shape)
        if len(shape) != 2 or shape[1] != self.num_parameters:
            raise ValueError(
                f"{type(self).__name__} takes parameters of shape `(batch, "
                f"{self.num_parameters})`. Received: parameters.shape={shape}"
            )
        if not is_float(parameters):
            parameters = ops.cast(parameters, keras.config.floatx())
        theta = self.compute_theta(parameters)
        if theta is None:
            raise ValueError(
                f"`compute_theta` of {type(self).__name__} must return theta of shape "
                "`(batch, 2, 3)`. Received: None. Its `return` may be missing."
            )
        theta = ops.convert_to_tensor(theta)
        if tuple(theta.shape[1:]) not in ((2, 3), (6,)):
            raise ValueError(
                f"`compute_theta` of {type(self).__name__} must return theta of shape "
                f"`(batch, 2, 3)`. Received: {tuple(theta.shape)} for parameters of "
                f"shape {shape}"
            )
        return ops.reshape(theta, (-1, 2, 3))

    def __matmul__(self, other):
        """`first @ second`: the family of all products, see `Composed`."""
        # Imported here because `Composed` is itself a `Transform`.
        from keras_stn.transforms.composed import Composed

        if not isinstance(other, Transform):
            return NotImplemented
        return Composed(self, other)

    def get_config(self):
        """The arguments that rebuild this object.

        Raises:
            NotImplementedError: If the family takes arguments and does not say which.
        """
        if inspect.signature(type(self)).parameters:
            name = type(self).__name__
            raise NotImplementedError(
                f"{name} takes arguments, so it must implement `get_config()`, which "
                "returns them as a dict: without them a saved transformer would come "
                f"back with the defaults of {name}."
            )
        return {}

    @classmethod
    def from_config(cls, config):
        """Rebuilds the object that `get_config` described."""
        return cls(**config)

    def __eq__(self, other):
        """Two families are equal if class and config are."""
        if self is other or type(self) is not type(other):
            return self is other
        return self.get_config() == other.get_config()

    def __hash__(self):
        return hash(type(self))

    def __repr__(self):
        try:
            config = self.get_config()
        except NotImplementedError:
            # An error message shall not fail for it.
            return f"{type(self).__name__}(...)"
        arguments = ", ".join(f"{k}={v!r}" for k, v in config.items())
        return f"{type(self).__name__}({arguments})"


def stack_theta(rows):
    """Stacks two rows of three tensors of shape `(batch,)` to `(batch, 2, 3)`."""
    return ops.stack([ops.stack(row, axis=1) for row in rows], axis=1)


def register(transform_class):
    """Registers a family of this package for serialisation."""
    return keras.saving.register_keras_serializable(package="keras_stn")(
        transform_class
    )
