"""The paper's equation (1) as a number: what warping a feature map leaves undone."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_stn.ops import affine_sample, invert_theta

# Of a pixel: where less of it has been within the frame all along, it does not count.
_SEEN = 0.999


class AlignmentGap(NamedTuple):
    """How far a transformed image's features are from those of the image.

    Attributes:
        feature_warp: float64 array of shape `(transforms,)`, after the features were
            warped back: 0 would be an aligned feature map, 1 is as far as nothing.
        input_warp: The same after the image was warped back instead: the floor that
            interpolation sets.
    """

    feature_warp: Any
    input_warp: Any


def alignment_gap(
    model, layer, images, theta, stride=None, fill_mode="constant", batch_size=256
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
        layer: Its layer, or its name, whose output is the feature map.
        images: Float array of shape `(batch, height, width, channels)`, in Keras' image
            data format; as the model wants them.
        theta: Array of shape `(transforms, 2, 3)`, the warps; none may be singular.
        stride: Pixels of the image from one place of the feature map to the next: the
            product of the strides of convolutions and pools. Needed where theta shifts
            and where the feature map has another ratio of sides than the image; the
            centres of both are taken to agree, as they do for padding on both sides
            alike or none.
        fill_mode: The images, and the feature map, beyond their edges.
        batch_size: Images that the model sees at once.

    Returns:
        An `AlignmentGap`.

    Raises:
        ValueError: If the layer has no feature map, theta does not have the shape
            above, the stride is needed and missing, or a transform leaves no place of
            the feature map within the frame.

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
    theta = np.asarray(theta, np.float32)
    if theta.ndim != 3 or theta.shape[1:] != (2, 3) or len(theta) == 0:
        raise ValueError(
            "`theta` must have the shape (transforms, 2, 3), one warp for all images "
            f"each. Received: theta.shape={theta.shape}"
        )
    layer = model.get_layer(layer) if isinstance(layer, str) else layer
    encoder = keras.Model(model.inputs, layer.output)
    shape = encoder.output_shape
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise ValueError(
            "Expected a layer whose output is a feature map of shape (batch, height, "
            f"width, channels). The output of '{layer.name}' has the shape {shape}."
        )
    images = np.asarray(images, np.float32)
    to_map = _to_map(_size(images.shape), _size(shape), theta, stride)

    def encode(inputs):
        return encoder.predict(inputs, batch_size=batch_size, verbose=0)

    def warp(inputs, matrix):
        matrix = np.broadcast_to(matrix, (len(inputs), 2, 3))
        warped = affine_sample(inputs, matrix, fill_mode=fill_mode)
        return ops.convert_to_numpy(warped)

    features = encode(images)
    gaps = []
    for matrix, inverse in zip(theta, _inverse(theta), strict=True):
        seen = _seen(to_map(matrix), to_map(inverse), features.shape)
        if not seen.any():
            raise ValueError(
                "Received a transform after which no place of the feature map is left "
                f"within the frame: theta={matrix.tolist()}. Take a smaller one."
            )
        transformed = warp(images, matrix)
        norm = np.linalg.norm(features * seen)
        gaps.append(
            [
                np.linalg.norm((found - features) * seen) / norm
                for found in (
                    warp(encode(transformed), to_map(inverse)),
                    encode(warp(transformed, inverse)),
                )
            ]
        )
    return AlignmentGap(*np.array(gaps, np.float64).T)


def _size(shape):
    is_last = keras.config.image_data_format() == "channels_last"
    return tuple(shape[1:3] if is_last else shape[2:4])


def _to_map(image_size, map_size, theta, stride):
    """Returns what takes a theta for images to that for the feature map."""
    (height, width), (map_height, map_width) = image_size, map_size
    has_same_ratio = height * map_width == width * map_height
    if stride is None and (np.any(theta[:, :, 2]) or not has_same_ratio):
        raise ValueError(
            "`stride` is needed where theta shifts, and where image and feature map "
            f"differ in their ratio of sides. Received: stride=None for {image_size} "
            f"and {map_size}. Give the product of the strides up to the layer."
        )
    # Where the frame of the map ends, in coordinates of the image.
    end = np.array([map_width / width, map_height / height]) * (stride or 1)

    def to_map(matrix):
        linear = matrix[:, :2] * end[None, :] / end[:, None]
        return np.column_stack([linear, matrix[:, 2] / end]).astype(np.float32)

    return to_map


def _inverse(theta):
    determinant = np.linalg.det(theta[:, :, :2].astype(np.float64))
    singular = np.flatnonzero(np.abs(determinant) < 1e-12)
    if len(singular):
        raise ValueError(
            "Expected warps that can be undone. Received a singular theta: "
            f"{theta[singular[0]].tolist()}"
        )
    return ops.convert_to_numpy(invert_theta(theta))


def _seen(matrix, inverse, shape):
    """Weights of 1 for the places that are within the frame both times."""
    is_last = keras.config.image_data_format() == "channels_last"
    size = (1, *_size(shape), 1) if is_last else (1, 1, *_size(shape))
    seen = np.ones(size, np.float32)
    for one in (matrix, inverse):
        seen = (ops.convert_to_numpy(affine_sample(seen, one[None])) > _SEEN) * 1.0
        seen = seen.astype(np.float32)
    return seen
