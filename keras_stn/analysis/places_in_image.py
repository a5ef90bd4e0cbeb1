"""Where in the image the places of a feature map lie."""

from typing import NamedTuple

import keras
import numpy as np

from keras_stn.layers import SpatialTransformer
from keras_stn.models.calls import call_of

# Whose places are known from their windows: these and what is derived from them.
_WINDOWS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
)
# What may move places without changing the size, by the names of Keras' operations.
_MOVES = ("Flip", "Permute", "Roll", "Rot90", "Transpose")


class Places(NamedTuple):
    """Places of a feature map, in pixels of the image; x before y.

    Attributes:
        first: float64 array of shape `(2,)`, the centre of the first place, counted
            from the centre of the first pixel.
        step: The same from one place to the next.
    """

    first: np.ndarray
    step: np.ndarray


def places_in_image(inputs, output):
    """Follows convolutions and pools from the image to a feature map.

    What a place sees is taken to lie around the centre of its receptive field. So this
    knows of strides, and of padding that differs on both sides of an image: with
    `padding="same"` and a stride of 2 TensorFlow pads even sides below and at the right
    only. A layer that is not known and keeps the size of the map is taken to keep
    its places.

    Args:
        inputs: Symbolic tensors of a functional model.
        output: A symbolic tensor that was computed from them, a feature map.

    Returns:
        `Places`.

    Raises:
        ValueError: If on the way a layer changes the size of the map in a way that is
            not known here, or has another data format than Keras.
    """
    places = Places(np.zeros(2), np.ones(2))
    for operation, size, new_size in _path(inputs, output)[0]:
        places = _after(places, operation, size, new_size)
    return places


def map_size(shape):
    """`(height, width)` of images or maps, in Keras' image data format."""
    is_last = keras.config.image_data_format() == "channels_last"
    return tuple(shape[1:3] if is_last else shape[2:4])


def check_data_format(layer):
    """Raises if a layer has another data format than Keras, in which sizes are read."""
    own, general = getattr(layer, "data_format", None), keras.config.image_data_format()
    if own not in (None, general):
        raise ValueError(
            f"The layer '{layer.name}' has data_format='{own}', and Keras' image data "
            f"format is '{general}', in which the sizes of maps are read here. Make it "
            f"the same: `keras.config.set_image_data_format('{own}')`."
        )


def _path(inputs, output):
    """The way from the image to a feature map.

    Returns:
        The operations from the image on, with the sizes of the maps around each, and
        which of the inputs is the image.
    """
    ends = {id(tensor): index for index, tensor in enumerate(inputs)}
    path, tensor = [], output
    while id(tensor) not in ends:
        operation, _, index, sources = call_of(tensor)
        if not sources:
            raise ValueError(
                "Expected a feature map that is computed from the model's inputs. "
                f"Received one that comes from '{operation.name}'."
            )
        if getattr(operation, "outputs", None) and getattr(operation, "inputs", None):
            # A model within the model.
            inner = operation.outputs[index]
            way, image = _path(operation.inputs, inner)
            path, tensor = way + path, sources[image]
            continue
        # Of several maps, as in a sum, one that is not spread over the others.
        maps = [one for one in sources if len(one.shape) == 4] or sources
        alike = [one for one in maps if one.shape[1:] == tensor.shape[1:]]
        warps = isinstance(operation, SpatialTransformer)
        source = maps[0] if warps else (alike or maps)[0]
        path.insert(0, (operation, map_size(source.shape), map_size(tensor.shape)))
        tensor = source
    return path, ends[id(tensor)]


def _after(places, operation, size, new_size):
    check_data_format(operation)
    first, step = places
    size, new_size = np.array(size[::-1]), np.array(new_size[::-1])
    if getattr(operation, "align_corners", False) and np.all(new_size > 1):
        # From the first pixel to the last.
        return Places(first, step * (size - 1) / (new_size - 1))
    keeps_aspect = any(
        getattr(operation, f"{how}_to_aspect_ratio", False) for how in ("crop", "pad")
    )
    is_resized = isinstance(operation, SpatialTransformer | keras.layers.Resizing)
    if is_resized and not keeps_aspect:
        # From frame to frame, as at the identity.
        factor = size / new_size
        return Places(first + step * (factor - 1) / 2, step * factor)
    if isinstance(operation, keras.layers.UpSampling2D):
        factor = 1 / np.array(operation.size[::-1])
        return Places(first + step * (factor - 1) / 2, step * factor)
    if isinstance(operation, keras.layers.ZeroPadding2D | keras.layers.Cropping2D):
        is_padding = isinstance(operation, keras.layers.ZeroPadding2D)
        rows, columns = operation.padding if is_padding else operation.cropping
        before = np.array([columns[0], rows[0]])
        return Places(first + step * (-before if is_padding else before), step)
    if isinstance(operation, _WINDOWS):
        window = getattr(operation, "kernel_size", getattr(operation, "pool_size", ()))
        window = np.array(window[::-1])
        strides = np.array(operation.strides[::-1])
        dilation = np.array(getattr(operation, "dilation_rate", (1, 1))[::-1])
        reach = dilation * (window - 1)
        before = 0
        if operation.padding == "same":
            padding = np.maximum((new_size - 1) * strides + reach + 1 - size, 0)
            before = padding // 2
        return Places(first + step * (reach / 2 - before), step * strides)
    if np.any(size != new_size) or type(operation).__name__ in _MOVES:
        raise ValueError(
            f"It is not known where the layer '{operation.name}', a "
            f"{type(operation).__name__}, takes the places of its output from. Give "
            "`stride`: how many pixels of the image lie from one place of the feature "
            "map to the next."
        )
    return places
