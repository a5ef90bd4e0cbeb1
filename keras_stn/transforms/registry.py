"""Finds a family by name, config or instance."""

import keras

from keras_stn.transforms.affine import Affine
from keras_stn.transforms.attention import Attention
from keras_stn.transforms.rigid import Rigid
from keras_stn.transforms.rotation import Rotation
from keras_stn.transforms.similarity import Similarity
from keras_stn.transforms.transform import Transform
from keras_stn.transforms.translation import Translation

_BY_NAME = {
    family.__name__.lower(): family
    for family in (Affine, Similarity, Rigid, Rotation, Translation, Attention)
}
# What `get` takes.
NAMES = tuple(_BY_NAME)


def get(identifier):
    """Returns a family of transforms.

    Args:
        identifier: A `Transform`; one of `NAMES`, `"affine"`, `"similarity"`,
            `"rigid"`, `"rotation"`, `"translation"`, `"attention"`; or what
            `keras.saving.serialize_keras_object` made of a `Transform`.

    Returns:
        A `Transform`.

    Raises:
        ValueError: If it is none of these, or a `Transform` that does not say how
            many parameters it takes.

    Example:

    >>> from keras_stn import transforms
    >>> transforms.get("rigid")
    Rigid(aspect_ratio=1.0)
    """
    if isinstance(identifier, str) and identifier in _BY_NAME:
        return _BY_NAME[identifier]()
    transform = identifier
    if isinstance(identifier, dict):
        transform = keras.saving.deserialize_keras_object(identifier)
    if not isinstance(transform, Transform):
        raise ValueError(
            f"Unknown family of transforms. Expected one of {sorted(_BY_NAME)} or an "
            "instance of `keras_stn.transforms.Transform`. "
            f"Received: transform={identifier!r}"
        )
    identity = transform.identity_parameters
    count = 0 if identity is None else len(identity)
    if not transform.num_parameters or count != transform.num_parameters:
        raise ValueError(
            f"{type(transform).__name__} must have a positive `num_parameters` and as "
            "many `identity_parameters`. Received: "
            f"num_parameters={transform.num_parameters}, "
            f"identity_parameters={identity!r}"
        )
    return transform
