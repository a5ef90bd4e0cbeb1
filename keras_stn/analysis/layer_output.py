"""Which tensor of a model is meant, and which image it is computed from."""

import keras

from keras_stn.models.calls import call_of, ends, first_call, inputs_of


def layer_output(model, layer):
    """Finds the symbolic output of a layer that is given in one of several forms.

    Args:
        model: A functional or Sequential model that has been built.
        layer: Its layer, or its name, where it is first called; the symbolic tensor
            itself; or None for the image.

    Returns:
        The symbolic tensor, and its name.

    Raises:
        ValueError: If it is none of these, or the layer has several outputs.
    """
    if layer is None:
        inputs, _ = ends(model)
        images = [one for one in inputs if len(one.shape) == 4]
        return (images or inputs)[0], "image"
    if isinstance(layer, keras.KerasTensor):
        return layer, name_of(layer)
    if not isinstance(layer, str | keras.layers.Layer):
        raise ValueError(
            "Expected a layer of the model, its name, a symbolic tensor, or None for "
            f"the image. Received: {layer!r}"
        )
    layer = model.get_layer(layer) if isinstance(layer, str) else layer
    _, output = first_call(model, layer)
    if not isinstance(output, keras.KerasTensor):
        raise ValueError(
            f"Expected a layer with one output. Received: '{layer.name}', which has "
            f"{len(output)}. Give one of them instead of the layer: "
            f"`model.get_layer('{layer.name}').output[...]`."
        )
    return output, layer.name


def name_of(layer):
    """The name of what `layer_output` takes."""
    if layer is None:
        return "image"
    if isinstance(layer, keras.KerasTensor):
        return call_of(layer).operation.name
    return layer if isinstance(layer, str) else layer.name


def image_input(model, tensor, image_shape):
    """Finds the input of a model that a feature map is computed from.

    Args:
        model: A functional or Sequential model that has been built.
        tensor: The symbolic feature map.
        image_shape: Shape of the images that the model shall be given.

    Returns:
        The symbolic input.

    Raises:
        ValueError: If it needs several inputs, or the images do not fit.
    """
    inputs, _ = ends(model)
    found = [inputs[index] for index in inputs_of(model, tensor)]
    if len(found) != 1:
        raise ValueError(
            "Expected a feature map that is computed from the image alone. Received "
            f"one that needs {len(found)} inputs: {[one.name for one in found]}"
        )
    (source,) = found
    expected = tuple(source.shape)
    fits = len(image_shape) == len(expected) and all(
        side in (None, received)
        for side, received in zip(expected[1:], image_shape[1:], strict=True)
    )
    if not fits or not image_shape[0]:
        raise ValueError(
            f"Expected at least one image, in an array of the shape {expected} that "
            f"the model '{model.name}' takes. Received: images.shape="
            f"{tuple(image_shape)}. A single image needs a batch axis: `images[None]`."
        )
    return source
