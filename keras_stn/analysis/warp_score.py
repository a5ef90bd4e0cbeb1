"""How well warps align one feature map with another, and which warps count."""

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
# Numbers of feature maps that are warped at once.
_AT_ONCE = 2**23


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
        rows_at_once: How many warps should be scored at once.
    """

    def __init__(self, score, source, target, seen, inverse):
        self._score = score
        self._source, self._target, self._seen = source, target * seen, seen
        self.rows_at_once = max(1, _AT_ONCE // target[0].size)
        squares = np.square(self._target.astype(np.float64))
        self.target_norm = squares.sum(axis=(1, 2, 3))
        # Of an image without features any warp is the best; 1 only avoids a NaN.
        self._scale = np.where(self.target_norm > 0, self.target_norm, 1)
        self._least = np.zeros(len(target))
        inverses = np.broadcast_to(inverse, (len(target), 2, 3))
        _, self.inverse_distance, contrast, _ = self.measure(
            inverses, np.arange(len(target))
        ).T
        self._least = _CONTRAST**2 * contrast

    def rows(self, index):
        """What scores of warps of these images are computed from.

        Args:
            index: Integer array of shape `(rows,)`, the image that each warp is of.

        Returns:
            A tuple of tensors.
        """
        scale, least = self._scale[index], np.maximum(self._least[index], 1e-12)
        arrays = (self._source[index], self._target[index], self._seen, scale, least)
        return tuple(ops.convert_to_tensor(one, dtype="float32") for one in arrays)

    def measure(self, theta, index):
        """Scores warps.

        Args:
            theta: Array of shape `(rows, 2, 3)`.
            index: Integer array of shape `(rows,)`, the image that each is of.

        Returns:
            float64 array of shape `(rows, 4)`, the scores.
        """
        found = []
        for start in range(0, len(index), self.rows_at_once):
            part = slice(start, start + self.rows_at_once)
            rows = self.rows(index[part])
            scores = self._score(ops.convert_to_tensor(theta[part]), *rows)
            found.append(ops.convert_to_numpy(scores).astype(np.float64))
        return np.concatenate(found)

    def counts(self, scores, index):
        """Says which warps count: those that do not move the features out of view.

        Args:
            scores: What `measure` returned.
            index: Integer array of shape `(rows,)`, the image that each is of.

        Returns:
            Boolean array of shape `(rows,)`.
        """
        _, _, contrast, within = scores.T
        # With room for rounding, as the least may be zero.
        enough = contrast >= self._least[index] * (1 - 1e-6)
        return (within >= _WITHIN) & enough


def scoring(feature_map, fill_mode):
    """Makes the function that scores warps of a feature map.

    Args:
        feature_map: A `FeatureMap`.
        fill_mode: The features beyond the edges of the map.

    Returns:
        A function of thetas, a tensor of shape `(rows, 2, 3)` of warps of the image,
        and what `WarpScore.rows` returned. It returns a tensor of shape `(rows, 4)`:
        what to descend on, the squared distance, the squared variation of the warped
        features around their mean, and the part of the places that is read from within
        the frame. It can be differentiated.
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
