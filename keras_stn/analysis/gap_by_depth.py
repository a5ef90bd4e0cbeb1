"""Equation (1) through the layers of a model."""

from typing import Any, NamedTuple

import keras
import numpy as np

from keras_stn import transforms
from keras_stn.analysis.alignment_gap import alignment_gap
from keras_stn.analysis.best_feature_warp import best_feature_warp
from keras_stn.analysis.layer_output import name_of
from keras_stn.analysis.places_in_image import map_size
from keras_stn.models.calls import first_call, inputs_of

# Places along a side that a map must have, so that a turn leaves some in the frame.
_SIDE = 6
# Layers that compute no features of their own.
_NO_FEATURES = (
    keras.layers.InputLayer,
    keras.layers.ZeroPadding2D,
    keras.layers.Cropping2D,
)


class GapByDepth(NamedTuple):
    """The alignment gaps of several layers.

    Attributes:
        layers: Names of the layers, from the image on.
        feature_warp: float64 array of shape `(layers, transforms)`, the gap after the
            exact inverse has warped the feature map.
        best_feature_warp: The same after the best warp of each image; None if it was
            not searched.
        input_warp: The same after the inverse has warped the image: the floor.
    """

    layers: tuple
    feature_warp: Any
    best_feature_warp: Any
    input_warp: Any


def gap_by_depth(
    model,
    images,
    theta,
    layers=None,
    search=True,
    family="affine",
    fill_mode="constant",
    stride=None,
    steps=60,
    batch_size=256,
    margin=0,
):
    """Measures the alignment gap at several depths of a model.

    Args:
        model: A functional or Sequential model from images to anything.
        images: Float array of shape `(batch, height, width, channels)`, in Keras' image
            data format; as the model wants them.
        theta: Array of shape `(transforms, 2, 3)`, the warps of the images; a family
            makes them of amounts, as below.
        layers: A list of layers, as `alignment_gap` takes them, or one. By default
            those that `feature_layers` finds: the last one of each size of map.
        search: Whether to search for the best warp too. It takes most of the time.
        family: The family that is searched.
        fill_mode: The images, and the feature maps, beyond their edges.
        stride: As in `alignment_gap`: needed only where a layer is not known.
        steps: Steps of the search from each start, as in `best_feature_warp`.
        batch_size: Images that the model sees at once.
        margin: As in `alignment_gap`: pixels along the edges that do not count.

    Returns:
        A `GapByDepth`.

    Raises:
        ValueError: As `alignment_gap` and `best_feature_warp`.

    Example:

    >>> import numpy as np
    >>> import keras_stn
    >>> from keras_stn.analysis import gap_by_depth
    >>> model = keras_stn.models.mnist("cnn")
    >>> images = np.random.default_rng(0).random((2, 28, 28, 1)).astype("float32")
    >>> turns = keras_stn.transforms.Rotation()(np.deg2rad([[45.0], [90.0]]))
    >>> gaps = gap_by_depth(model, images, turns, search=False)
    >>> gaps.layers
    ('block_1_conv', 'block_1_relu')
    >>> gaps.feature_warp.shape
    (2, 2)

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), equation 1
    """
    family = transforms.get(family)
    if layers is None:
        layers = feature_layers(model)
    elif isinstance(layers, str | keras.layers.Layer | keras.KerasTensor):
        layers = [layers]
    if not layers:
        raise ValueError(
            "Expected at least one layer with a feature map. The model "
            f"'{model.name}' has none of a known size, of at least {_SIDE} by {_SIDE} "
            "places, that `feature_layers` finds. Build it with an `Input` of the size "
            "of the images, or name layers."
        )
    shared = {
        "fill_mode": fill_mode,
        "stride": stride,
        "batch_size": batch_size,
        "margin": margin,
    }
    gaps = [alignment_gap(model, layer, images, theta, **shared) for layer in layers]
    best = None
    if search:
        options = {"family": family, "steps": steps, **shared}
        best = [
            best_feature_warp(model, layer, images, theta, **options).gap
            for layer in layers
        ]
    return GapByDepth(
        tuple(name_of(layer) for layer in layers),
        np.stack([gap.feature_warp for gap in gaps]),
        None if best is None else np.stack(best),
        np.stack([gap.input_warp for gap in gaps]),
    )


def feature_layers(model):
    """Names the last layer of each size of feature map.

    Args:
        model: A functional or Sequential model that has been built.

    Returns:
        A list of names, from the image on. Maps with a side of less than six places are
        left out: no place of theirs stays within the frame when the image is turned;
        and maps that need more than one input of the model.

    Raises:
        ValueError: If the model is another one.

    Example:

    >>> import keras_stn
    >>> from keras_stn.analysis import feature_layers
    >>> feature_layers(keras_stn.models.svhn("cnn", width=0.1))[:2]
    ['block_1_conv', 'block_3_conv']
    """
    last = {}
    for layer in model.layers:
        if isinstance(layer, _NO_FEATURES):
            continue
        _, output = first_call(model, layer)
        shape = getattr(output, "shape", ())  # A list of outputs has none.
        is_map = len(shape) == 4 and None not in shape[1:]
        if is_map and len(inputs_of(model, output)) > 1:
            continue  # Of the image and something else.
        if is_map and min(map_size(shape)) >= _SIDE:
            last.pop(map_size(shape), None)
            last[map_size(shape)] = layer.name
    return list(last.values())
