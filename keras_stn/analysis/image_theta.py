"""The transforms that a model predicts, as warps of its images."""

import keras
import numpy as np

from keras_stn import ops
from keras_stn.analysis.feature_map import FeatureMap
from keras_stn.analysis.places_in_image import check_data_format
from keras_stn.models import pose
from keras_stn.models.calls import inputs_of
from keras_stn.models.transformers import find_transformer, what_is_warped


def image_theta(model, images, layer=None, stride=None, batch_size=256):
    """Predicts theta, also that of a feature map as a warp of the image.

    A transformer that warps a feature map has its theta in the coordinates of the map,
    whose frame is smaller than the image's where convolutions have no padding. For
    figures, and for shifts in pixels, it is needed in those of the image. The linear
    part is the same for square images and maps. That of a transformer with
    `align_corners=True` is given for half-pixel centres too, as everything here is.

    Args:
        model: A functional model with a `SpatialTransformer`. If the model calls it
            several times, its first call is meant.
        images: Array of shape `(batch, height, width, channels)`, in Keras' image data
            format; as the model wants them. If the model has several inputs, all of
            them, in the list or the dict that it takes.
        layer: The transformer, or its name, if the model has several.
        stride: As in `alignment_gap`: needed only where a layer is not known.
        batch_size: Images that the model sees at once.

    Returns:
        float32 array of shape `(batch, 2, 3)`.

    Raises:
        ValueError: If the model has no transformer, or several and `layer` is None, its
            inputs are not all there, or it is not known where in the image the places
            of the map lie.

    Example:

    >>> import numpy as np
    >>> import keras_stn
    >>> model = keras_stn.models.mnist("stn_c1")
    >>> keras_stn.analysis.image_theta(model, np.zeros((2, 28, 28, 1))).shape
    (2, 2, 3)

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), figure 2
    """
    predictor = pose(model, layer)
    transformer = find_transformer(model, layer)
    check_data_format(transformer)
    warped = what_is_warped(model, transformer)
    if len(model.inputs) == 1 and not isinstance(images, dict):
        images = np.asarray(images)
    first, *_ = inputs_of(model, warped)
    shape = np.shape(_input(model, images, first))
    feature_map = FeatureMap(model, warped, shape, stride, batch_size)
    theta = predictor.predict(images, batch_size=batch_size, verbose=0)
    if transformer.align_corners:
        sizes = feature_map.size, transformer.output_size
        in_pixels = ops.theta_to_pixels(theta, *sizes, align_corners=True)
        theta = ops.theta_from_pixels(in_pixels, *sizes)
    return keras.ops.convert_to_numpy(feature_map.to_image(theta))


def _input(model, inputs, index):
    """What the model is given for one of its inputs: the image among several."""
    names = [one.name for one in model.inputs]
    found = keras.tree.flatten(inputs)
    if isinstance(inputs, dict) and set(names) <= set(inputs):
        # Flattened they are in the order of their names, which need not be the model's.
        found = [inputs[name] for name in names]
    if len(found) != len(names):
        raise ValueError(
            f"Expected all inputs of the model '{model.name}': {', '.join(names)}. "
            f"Received {sorted(inputs) if isinstance(inputs, dict) else len(found)}."
        )
    return found[index]
