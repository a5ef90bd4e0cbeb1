"""The feature map after a layer: how to compute it and how to warp it."""

import math

import keras
import numpy as np
from keras import ops

from keras_stn.analysis.layer_output import image_input, layer_output
from keras_stn.analysis.places_in_image import map_size, places_in_image
from keras_stn.ops import affine_sample, invert_theta
from keras_stn.ops.arguments import is_number, standardize_whole

# Of a pixel: where less of it has been within the frame all along, it does not count.
_SEEN = 0.999


class FeatureMap:
    """The feature map after a layer of a model, and its place in the image.

    A warp of the map that does what `theta` does to the image has another theta, unless
    both have the same frame: convolutions without padding see less than all of the
    image, and strides on images of even sides may see it off the centre.

    Args:
        model: A functional or Sequential model from images to anything.
        layer: Its layer, or its name, whose output is the feature map, where it is
            first called; or the symbolic tensor itself. None is the image.
        image_shape: Shape of the images, `(batch, height, width, channels)` in Keras'
            image data format.
        stride: Pixels of the image from one place of the map to the next, a number or
            one `(vertical, horizontal)`, if the centres of both agree. By default both
            are found from the layers.
        batch_size: Images that the model sees at once.
        margin: Pixels of the image: places nearer to an edge than that do not count.

    Attributes:
        name: Name of the layer, or `"image"`.

    Raises:
        ValueError: If the layer has no feature map, it is computed from more than the
            image, the images do not fit the model, it is not known where in the
            image its places lie, or the margin is negative.
    """

    def __init__(
        self, model, layer, image_shape, stride=None, batch_size=256, margin=0
    ):
        self.batch_size = standardize_whole("batch_size", batch_size, 1)
        tensor, self.name = layer_output(model, layer)
        source = image_input(model, tensor, image_shape)
        shape = tensor.shape
        if len(shape) != 4:
            raise ValueError(
                "Expected a layer whose output is a feature map of shape (batch, "
                f"height, width, channels). The output of '{self.name}' has the shape "
                f"{shape}."
            )
        is_image = tensor is source
        self._encoder = None if is_image else keras.Model(source, tensor)
        image_size = map_size(image_shape)
        size = image_size if is_image else map_size(shape)
        if None in size:
            # A model for images of any size: follow one of this size.
            raise ValueError(
                f"Expected a model whose images have a fixed size. That of the feature "
                f"map of '{self.name}' is {size}. Build the model with an `Input` of "
                f"the size of the images, {image_size}."
            )
        self.size = size
        sides, map_sides = np.array(image_size[::-1]), np.array(size[::-1])
        if stride is None:
            first, step = places_in_image([source], tensor)
        else:
            step = _step(stride)
            first = (sides - 1 - step * (map_sides - 1)) / 2
        # The frame of the map in normalised coordinates of the image.
        self._half = step * map_sides / sides
        self._middle = (2 * first + step * (map_sides - 1) + 1) / sides - 1
        self._is_counted = _away_from_edges(first, step, map_sides, sides, margin)

    def encode(self, images):
        """Computes the features: from and to NumPy arrays."""
        if self._encoder is None:
            return images
        return self._encoder.predict(images, batch_size=self.batch_size, verbose=0)

    def to_map(self, theta):
        """Turns warps of the image into those of the map.

        Args:
            theta: Tensor or array of shape `(batch, 2, 3)`.

        Returns:
            Tensor of that shape, which can be differentiated.
        """
        half, middle = self._half, self._middle
        return _change_frame(theta, half, middle)

    def to_image(self, theta):
        """Turns warps of the map into those of the image: undoes `to_map`."""
        return _change_frame(theta, 1 / self._half, -self._middle / self._half)

    def seen(self, theta, inverse):
        """Says which places stay within the frame when both warps are applied.

        Args:
            theta: Array of shape `(2, 3)`, a warp of the image.
            inverse: The warp that undoes it.

        Returns:
            float32 array of ones and zeros, of the shape of one feature map with one
            channel and a batch of one.

        Raises:
            ValueError: If no place does.
        """
        is_last = keras.config.image_data_format() == "channels_last"
        seen = counts = (
            self._is_counted[None, ..., None]
            if is_last
            else self._is_counted[None, None]
        )
        for one in (theta, inverse):
            warped = affine_sample(seen.astype(np.float32), self.to_map(one[None]))
            seen = counts & (ops.convert_to_numpy(warped) > _SEEN)
        if not seen.any():
            raise ValueError(
                "Received a transform after which no place of the feature map is left "
                f"within the frame: theta={theta.tolist()}. Take a smaller one, or a "
                "smaller margin."
            )
        return seen.astype(np.float32)


def warps_and_inverses(theta):
    """Checks warps for all images, and finds those that undo them.

    Returns:
        Two float32 arrays of shape `(transforms, 2, 3)`: the warps and their inverses.

    Raises:
        ValueError: If the shape is another or one is singular.
    """
    theta = np.asarray(ops.convert_to_numpy(theta), np.float32)
    if theta.ndim != 3 or theta.shape[1:] != (2, 3) or len(theta) == 0:
        raise ValueError(
            "`theta` must have the shape (transforms, 2, 3), one warp for all images "
            f"each. Received: theta.shape={theta.shape}"
        )
    inverses = ops.convert_to_numpy(invert_theta(theta))
    # That is what `invert_theta` says of a matrix that has no inverse.
    singular = np.flatnonzero(~inverses.any(axis=(1, 2)))
    if len(singular):
        raise ValueError(
            "Expected warps that can be undone. Received a theta that is singular, to "
            f"within rounding, or not finite: {theta[singular[0]].tolist()}"
        )
    return theta, inverses


def norm(features, seen):
    """The norm of features where they are seen, summed up in double precision.

    Args:
        features: Array of shape `(batch, height, width, channels)`, in Keras' image
            data format.
        seen: What `FeatureMap.seen` returned.

    Returns:
        A float.
    """
    # A single sum of millions of float32 would be wrong in the fourth digit.
    squares = (np.sum(np.square(one), dtype=np.float64) for one in features * seen)
    return math.sqrt(sum(squares))


def norm_of_seen(features, seen, name):
    """The norm of the features where they are seen.

    Raises:
        ValueError: If they are all zero there, so that no distance is relative to them.
    """
    found = norm(features, seen)
    if not found > 0:
        raise ValueError(
            f"The features of '{name}' are all zero, or not a number, at the places "
            "that stay within the frame, so nothing can be measured relative to them. "
            "Choose another layer, other images or smaller transforms."
        )
    return found


def _step(stride):
    """A stride as float64 array, x before y."""
    try:
        step = np.broadcast_to(np.array(stride, np.float64), (2,))[::-1]
        is_good = bool(np.all((step > 0) & np.isfinite(step)))
    except (TypeError, ValueError):
        is_good = False
    if not is_good or isinstance(stride, bool | str):
        raise ValueError(
            "`stride` must be a positive number of pixels, or one for each axis, "
            f"(vertical, horizontal). Received: stride={stride!r}"
        )
    return step


def _away_from_edges(first, step, map_sides, sides, margin):
    """Which places are so many pixels from the image's edges, `(height, width)`."""
    if not is_number(margin) or not 0 <= margin < math.inf:
        raise ValueError(
            "`margin` must be a number of pixels, at least 0. "
            f"Received: margin={margin!r}"
        )
    columns, rows = (
        (start + stride * np.arange(count) + 0.5, side)
        for start, stride, count, side in zip(
            first, step, map_sides, sides, strict=True
        )
    )
    if not margin:
        # Also those whose centre lies beyond an edge, as after padding.
        return np.ones((len(rows[0]), len(columns[0])), bool)
    column, row = (
        np.minimum(centre, side - centre) >= margin for centre, side in (columns, rows)
    )
    return row[:, None] & column


def _change_frame(theta, half, middle):
    """Theta for the frame whose edges lie at `middle - half` and `middle + half`.

    By float64 factors that are rounded once, so that an identity stays exact.
    """
    ratio = np.stack([[1, half[1] / half[0]], [half[0] / half[1], 1]])
    scale = np.stack([half[0], half[1]])
    theta = ops.convert_to_tensor(theta)

    def constant(values):
        return ops.convert_to_tensor(values, dtype=theta.dtype)

    linear, shift = theta[:, :, :2], theta[:, :, 2]
    # Where the middle of the frame is read from, relative to it.
    away = linear - ops.eye(2, dtype=theta.dtype)
    moved = ops.sum(away * constant(middle), axis=2)
    shift = (shift + moved) / constant(scale)
    return ops.concatenate([linear * constant(ratio), shift[:, :, None]], axis=2)
