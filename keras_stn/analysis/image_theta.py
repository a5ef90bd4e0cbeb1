"""The transforms that a model predicts, as warps of its images."""

import numpy as np
from keras import ops

from keras_stn.analysis.feature_map import FeatureMap
from keras_stn.layers import SpatialTransformer
from keras_stn.models import pose
from keras_stn.models.calls import first_call


def image_theta(model, images, layer=None, stride=None, batch_size=256):
    """Predicts theta, also that of a feature map as a warp of the image.

    A transformer that warps a feature map has its theta in the coordinates of the map,
    whose frame is smaller than the image's where convolutions have no padding. For
    figures, and for shifts in pixels, it is needed in those of the image. The linear
    part is the same for square images and maps.

    Args:
        model: A functional model with a `SpatialTransformer`.
        images: Array of shape `(batch, height, width, channels)`, in Keras' image data
            format; as the model wants them.
        layer: The transformer, or its name, if the model has several.
        stride: As in `alignment_gap`: needed only where a layer is not known.
        batch_size: Images that the model sees at once.

    Returns:
        float32 array of shape `(batch, 2, 3)`.

    Raises:
        ValueError: If the model has no transformer, or several and `layer` is None, or
            it is not known where in the image the places of the map lie.

    Example:

    >>> import numpy as np
    >>> import keras_stn
    >>> model = keras_stn.models.mnist("stn_c1")
    >>> keras_stn.analysis.image_theta(model, np.zeros((2, 28, 28, 1))).shape
    (2, 2, 3)

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), figure 2
    """
    images = np.asarray(images)
    theta = pose(model, layer).predict(images, batch_size=batch_size, verbose=0)
    warped, _ = first_call(model, _transformer(model, layer))
    warped = warped[0] if isinstance(warped, list | tuple) else warped
    feature_map = FeatureMap(model, warped, images.shape, stride)
    return ops.convert_to_numpy(feature_map.to_image(theta))


def _transformer(model, layer):
    # `pose` has checked that there is one.
    return next(
        one
        for one in model.layers
        if isinstance(one, SpatialTransformer)
        and (layer is None or one is layer or one.name == layer)
    )
