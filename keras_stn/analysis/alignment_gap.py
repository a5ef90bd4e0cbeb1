"""The paper's equation (1) as a number: what warping a feature map leaves undone."""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_stn.analysis.feature_map import (
    FeatureMap,
    norm,
    norm_of_seen,
    warps_and_inverses,
)
from keras_stn.ops import affine_sample


class AlignmentGap(NamedTuple):
    """How far a transformed image's features are from those of the image.

    Attributes:
        feature_warp: float64 array of shape `(transforms,)`, after the features were
            warped back: 0 would be an aligned feature map, a map of
            zeros would have 1.
        input_warp: The same after the image was warped back instead: the floor that
            interpolation sets, and at the image's borders padding and fill.
    """

    feature_warp: Any
    input_warp: Any


def alignment_gap(
    model,
    layer,
    images,
    theta,
    stride=None,
    fill_mode="constant",
    batch_size=256,
    margin=0,
):
    """Measures whether warping a feature map undoes a transform of the image.

    With `T f` the images warped by theta and `F` the model up to a layer, for each
    theta

    ```
    feature_warp = || T^-1 F(T f) - F(f) || / || F(f) ||
    input_warp   = || F(T^-1 T f) - F(f) || / || F(f) ||
    ```

    over all images, channels and the places that stay within the frame both times. By
    equation (1) of the paper the first is not zero in general: the features of a turned
    image are not the turned features of the image, so no spatial warp aligns them. The
    second is what a transformer at the input has instead.

    Args:
        model: A functional or Sequential model from images to anything.
        layer: Its layer, or its name, whose output is the feature map, where it is
            first called; or the symbolic tensor itself. None is the image.
        images: Float array of shape `(batch, height, width, channels)`, in Keras' image
            data format; as the model wants them.
        theta: Array of shape `(transforms, 2, 3)`, the warps; none may be singular.
        stride: Pixels of the image from one place of the feature map to the next, a
            number or one `(vertical, horizontal)`, if the centres of both agree. By
            default both are found from the layers, so it is needed only where one of
            them is not known. A layer that is not known but keeps the size of the map
            is taken to keep its places.
        fill_mode: The images, and the feature map, beyond their edges.
        batch_size: Images that the model sees at once.
        margin: Pixels of the image: places nearer to an edge than that do not count.
            With 0 all do whose centre stays within the frame, also where padding or
            `fill_mode` reaches into what they see, so that borders enter both gaps.
            Half the side of the receptive field leaves out what borders do.

    Returns:
        An `AlignmentGap`.

    Raises:
        ValueError: If the layer has no feature map or more than one, it needs other
            inputs than the image, images or theta do not have the shape above, a warp
            cannot be undone, the stride is needed and missing, the margin is negative,
            a transform leaves no place of the feature map within the frame, or the
            features are zero there.

    Example:

    >>> import numpy as np
    >>> import keras_stn
    >>> from keras_stn.analysis import alignment_gap
    >>> model = keras_stn.models.mnist("cnn")
    >>> images = np.random.default_rng(0).random((4, 28, 28, 1)).astype("float32")
    >>> turn = [[[0, 1, 0], [-1, 0, 0]]]
    >>> gap = alignment_gap(model, "block_1_relu", images, turn)
    >>> bool(gap.feature_warp[0] > 0.1), bool(gap.input_warp[0] < 1e-5)
    (True, True)

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), equation 1
    """
    theta, inverses = warps_and_inverses(theta)
    images = np.asarray(images, np.float32)
    feature_map = FeatureMap(model, layer, images.shape, stride, batch_size, margin)

    def warp(inputs, matrix):
        matrix = np.broadcast_to(matrix, (len(inputs), 2, 3))
        warped = affine_sample(inputs, matrix, fill_mode=fill_mode)
        return ops.convert_to_numpy(warped)

    features = feature_map.encode(images)
    gaps = []
    for matrix, inverse in zip(theta, inverses, strict=True):
        seen = feature_map.seen(matrix, inverse)
        whole = norm_of_seen(features, seen, feature_map.name)
        transformed = warp(images, matrix)
        of_transformed = feature_map.encode(transformed)
        map_inverse = ops.convert_to_numpy(feature_map.to_map(inverse[None]))
        found = (
            warp(of_transformed, map_inverse),
            feature_map.encode(warp(transformed, inverse)),
        )
        gaps.append([norm(one - features, seen) / whole for one in found])
    return AlignmentGap(*np.array(gaps, np.float64).T)
