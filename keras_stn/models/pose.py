"""The part of a model that says how it sees the pose of its input."""

import keras

from keras_stn.models.calls import first_call
from keras_stn.models.transformers import find_transformer


def pose(model, layer=None):
    """The model that maps images to the theta that `model` warps them by.

    It shares the weights of `model`, and computes no more than theta needs.

    Args:
        model: A functional model with a `SpatialTransformer`, for example one that
            `splice` built or one that was loaded from a file. If the model calls it
            several times, its first call is meant.
        layer: The transformer, or its name, if the model has several.

    Returns:
        A functional `keras.Model` from the inputs of `model` to theta, a tensor of
        shape `(batch, 2, 3)`.

    Raises:
        ValueError: If the model has no transformer, or several and `layer` is None, or
            if it is not functional.

    Example:

    >>> import numpy as np
    >>> import keras_stn
    >>> model = keras_stn.models.mnist("stn_c0")
    >>> images = np.zeros((1, 28, 28, 1), "float32")
    >>> keras_stn.models.pose(model).predict(images, verbose=0)
    array([[[1., 0., 0.],
            [0., 1., 0.]]], dtype=float32)
    """
    transformer = find_transformer(model, layer)
    try:
        model_inputs = _input_of(model)
        inputs, _ = first_call(model, transformer)
    except (AttributeError, ValueError) as error:
        raise ValueError(
            "Expected a functional or Sequential model that has been built, in which "
            "theta can be followed back to the input. Call a Sequential on images "
            "first, or begin it with `keras.Input`; a subclassed model cannot be "
            f"followed. Received: {model!r}"
        ) from error
    if transformer.localization is None:
        theta = keras.ops.reshape(inputs[1], (-1, 2, 3))
        theta = keras.ops.cast(theta, transformer.theta_dtype(theta))
    else:
        theta = transformer.localize(transformer.features_of(inputs))
    return keras.Model(model_inputs, theta, name=f"{model.name}_pose")


def _input_of(model):
    """The model's symbolic input, in the structure that the model is called on."""
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input
