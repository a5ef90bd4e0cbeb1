"""The spatial transformers of a model."""

import keras

from keras_stn.layers import SpatialTransformer
from keras_stn.models.calls import first_call


def transformers(model):
    """The `SpatialTransformer` layers that a model has itself, in its order."""
    return [layer for layer in model.layers if isinstance(layer, SpatialTransformer)]


def find_transformer(model, layer=None):
    """Finds the transformer of a model, or one of several.

    Args:
        model: A Keras model.
        layer: The transformer, or its name, if the model has several.

    Returns:
        A `SpatialTransformer`.

    Raises:
        ValueError: If the model has no transformer, not that one, or several and
            `layer` is None.
    """
    found = transformers(model)
    if layer is not None:
        found = [one for one in found if one is layer or one.name == layer]
    if len(found) != 1:
        names = [one.name for one in transformers(model)]
        holders = [one.name for one in model.layers if _holds_transformer(one)]
        raise ValueError(
            "Expected a model with one SpatialTransformer among its layers, or `layer` "
            f"to name one of several. Received: model '{model.name}' with the "
            f"transformers {names}, layer={layer!r}."
            + "".join(
                f" There is one within '{name}': give `model.get_layer('{name}')` "
                "in place of the model (`ThetaMonitor` takes it as `within`)."
                for name in holders
            )
        )
    return found[0]


def what_is_warped(model, transformer):
    """The symbolic tensor that a model's transformer warps, where it is first called.

    Args:
        model: A functional or Sequential model that has been built.
        transformer: One of its `SpatialTransformer` layers.

    Returns:
        A `keras.KerasTensor` of shape `(batch, height, width, channels)`, or as the
        transformer's data format has it.
    """
    inputs, _ = first_call(model, transformer)
    return inputs[0] if isinstance(inputs, list | tuple) else inputs


def _holds_transformer(layer):
    """Whether a layer is a model with a transformer among its own layers."""
    return isinstance(layer, keras.Model) and (
        bool(transformers(layer)) or any(map(_holds_transformer, layer.layers))
    )
