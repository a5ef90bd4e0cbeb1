"""How well warps align one feature map with another, and which warps count."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_stn.ops import affine_grid, affine_sample

# Our choice. Of the places that count, how many must be read from within the frame: a
# turn by 45 degrees keeps 0.83 of it.
_WITHIN = 0.75
# How much of the features' variation under the exact inverse must be left, as a
# standard deviation, and what a lack of it costs the descent.
_CONTRAST = 0.9
_PRICE = 2.0
# What sums in float32 may be rounded by, and what is put in the place of zero.
_ROUNDING, _NEVER_ZERO = 1e-6, 1e-12
# Our choice, 32 MiB: numbers of feature maps that are warped at once.
_AT_ONCE = 2**23


class Scores(NamedTuple):
    """How good warps are; each field is an array of shape `(warps,)`.

    Attributes:
        loss: What to descend on.
        distance: The squared distance of the warped features from the target.
        contrast: The squared variation of the warped features around their mean.
        within: The part of the places that is read from within the frame.
    """

    loss: np.ndarray
    distance: np.ndarray
    contrast: np.ndarray
    within: np.ndarray


class WarpScore:
    """Scores warps of the features of transformed images.

    Args:
        score: What `scoring` returned.
        source: float32 array, the features to be warped: those of transformed images.
        target: The same of the images themselves.
        seen: What `FeatureMap.seen` returned: the places that count.
        inverse: Array of shape `(2, 3)`, the warp that undoes the transform.

    Attributes:
        target_norm: float64 array of shape `(images,)`, the squared norm of the target
            at the places that count.
        inverse_distance: The same of the difference that the exact inverse leaves.
        warps_at_once: How many warps should be scored at once.
    """

    def __init__(self, score, source, target, seen, inverse):
        self._score = score
        self._source, self._target, self._seen = source, target * seen, seen
        self.warps_at_once = max(1, _AT_ONCE // target[0].size)
        squares = np.square(self._target.astype(np.float64))
        self.target_norm = squares.sum(axis=(1, 2, 3))
        # Of an image without features any warp is the best; 1 only avoids a NaN.
        self._scale = np.where(self.target_norm > 0, self.target_norm, 1)
        self._least = np.zeros(len(target))
        inverses = np.broadcast_to(inverse, (len(target), 2, 3))
        scores = self.measure(inverses, np.arange(len(target)))
        self.inverse_distance = scores.distance
        self._least = _CONTRAST**2 * scores.contrast

    def inputs_for(self, index):
        """What scores of warps of these images are computed from.

        Args:
            index: Integer array of shape `(warps,)`, the image that each warp is of.

        Returns:
            A tuple of tensors.
        """
        scale, least = self._scale[index], np.maximum(self._least[index], _NEVER_ZERO)
        arrays = (self._source[index], self._target[index], self._seen, scale, least)
        return tuple(ops.convert_to_tensor(one, dtype="float32") for one in arrays)

    def measure(self, theta, index):
        """Scores warps.

        Args:
            theta: Array of shape `(warps, 2, 3)`.
            index: Integer array of shape `(warps,)`, the image that each is of.

        Returns:
            `Scores` of float64.
        """
        found = []
        for start in range(0, len(index), self.warps_at_once):
            part = slice(start, start + self.warps_at_once)
            inputs = self.inputs_for(index[part])
            scores = self._score(ops.convert_to_tensor(theta[part]), *inputs)
            found.append(ops.convert_to_numpy(scores).astype(np.float64))
        return Scores(*np.concatenate(found).T)

    def is_admissible(self, scores, index):
        """Says which warps count: those that do not move the features out of view.

        Args:
            scores: What `measure` returned.
            index: Integer array of shape `(warps,)`, the image that each is of.

        Returns:
            Boolean array of shape `(warps,)`.
        """
        # With room for rounding, as the least may be zero.
        enough = scores.contrast >= self._least[index] * (1 - _ROUNDING)
        return (scores.within >= _WITHIN) & enough


def scoring(feature_map, fill_mode):
    """Makes the function that scores warps of a feature map.

    Args:
        feature_map: A `FeatureMap`.
        fill_mode: The features beyond the edges of the map.

    Returns:
        A function of thetas, a tensor of shape `(warps, 2, 3)` of warps of the image,
        and what `WarpScore.inputs_for` returned. It returns a tensor of shape `(warps,
        4)`, whose columns are the fields of `Scores`. It can be differentiated.
    """
    is_last = keras.config.image_data_format() == "channels_last"
    sides = (1, 2) if is_last else (2, 3)
    everything = (1, 2, 3)

    def score(theta, source, target, seen, scale, least):
        matrix = feature_map.to_map(theta)
        warped = affine_sample(source, matrix, fill_mode=fill_mode) * seen
        distance = ops.sum(ops.square(warped - target), axis=everything)
        mean = ops.sum(warped, axis=sides, keepdims=True) / ops.sum(seen)
        contrast = ops.sum(ops.square((warped - mean) * seen), axis=everything)
        lack = ops.relu(1 - contrast / least)
        grid = affine_grid(matrix, feature_map.size)
        is_inside = ops.all(ops.absolute(grid) <= 1, axis=-1)
        places = ops.reshape(seen, (1, *feature_map.size))
        within = ops.cast(is_inside, "float32") * places
        within = ops.sum(within, axis=(1, 2)) / ops.sum(seen)
        loss = distance / scale + _PRICE * lack
        return ops.stack([loss, distance, contrast, within], axis=1)

    return score
