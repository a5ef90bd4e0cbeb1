"""The parts of an axis of an image that the gradient to the image is gathered for."""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_stn.ops.coordinates import centred_indices

# Our choice. The widest: so that the ends of 128 margins, as an image of 512 pixels has
# them, are exact in float32, which tells halves apart up to 2**23.
_NARROWEST, _WIDEST = 2, 2**16


class Cells(NamedTuple):
    """Parts of an axis of an image, and the weights of a sample for each.

    Places are in pixels from the centre of the axis. The cell of a pixel reaches to its
    neighbours, where its weight has fallen from 1 to 0. Where the outermost pixels are
    also what is seen beyond the edges, their weights do not fall to that side, and
    margins of wider cells with a weight of 1 follow. What is gathered for margins is
    then added to the outermost pixels by `fold`.

    Attributes:
        middle: Middles of the cells, a float tensor of shape `(cells,)`.
        half_width: Half the width of the widest cell.
        extent: Length of the axis with its margins.
        side: Number of pixels.
        margin: Number of cells beyond each edge.
        bounds: Where the cells begin and end; None without margins.
        falls: Where to the left and to the right of the middle weights have fallen, by
            1 in a pixel: at -1 or 0, and at 0 or 1; None without margins.
    """

    middle: Any
    half_width: Any
    extent: Any
    side: int
    margin: int = 0
    bounds: Any = None
    falls: Any = None

    @classmethod
    def of_pixels(cls, side, dtype):
        """One cell for each pixel."""
        return cls(centred_indices(side, dtype), 1.0, float(side), side)

    @classmethod
    def with_margins(cls, side, margin, farthest, dtype):
        """Cells of the pixels and of all that is seen beyond the edges.

        Args:
            side: Number of pixels.
            margin: Number of cells beyond each edge, as wide as they have to be.
            farthest: How far from the outermost pixels samples are, a float scalar,
                which may be infinite.
            dtype: Dtype of places.
        """
        width = ops.ceil((farthest - 1) / margin)
        is_covered = width <= _WIDEST
        width = ops.where(is_covered, width, float(_WIDEST))
        width = ops.where(width > _NARROWEST, width, float(_NARROWEST))

        def bounds(starts, counts):
            # Whole and half numbers, so exact: all samples are in one margin cell.
            start, count = (
                ops.convert_to_tensor(np.concatenate(part), dtype=dtype)
                for part in (starts, counts)
            )
            return start + count * width

        pixels = np.arange(side) - (side - 1) / 2
        outside = np.full(margin, (side + 1) / 2)
        outward, zeros = np.arange(margin), np.zeros(side)
        lower = bounds(
            (-outside, pixels - 1, outside), (-1 - outward[::-1], zeros, outward)
        )
        upper = bounds(
            (-outside, pixels + 1, outside), (-outward[::-1], zeros, 1 + outward)
        )
        number = np.arange(-margin, side + margin)
        falls = (
            -1.0 * ((number > 0) & (number < side)),
            1.0 * ((number >= 0) & (number < side - 1)),
        )
        return cls(
            (lower + upper) / 2,
            ops.where(is_covered, width / 2, float("inf")),
            side + 2 * (1 + margin * width),
            side,
            margin,
            # Without an end, so that rounding loses no sample.
            (
                ops.where(number == -margin, float("-inf"), lower),
                ops.where(number == side + margin - 1, float("inf"), upper),
            ),
            tuple(ops.convert_to_tensor(fall, dtype=dtype) for fall in falls),
        )

    @property
    def count(self):
        """Number of cells."""
        return self.side + 2 * self.margin

    def along(self, shape):
        """The same cells in tensors of another shape, that of an axis of places."""

        def reshape(tensors):
            return tensors and tuple(ops.reshape(one, shape) for one in tensors)

        return self._replace(
            middle=ops.reshape(self.middle, shape),
            bounds=reshape(self.bounds),
            falls=reshape(self.falls),
        )

    def weigh(self, places):
        """Weights of samples for the cells.

        Args:
            places: Float tensor of places of samples, along one axis of which the
                cells lie: see `along`.

        Returns:
            Tensor of the shape of `places`.
        """
        distance = places - self.middle
        if not self.margin:
            weight = 1 - ops.absolute(distance)
            return ops.where(weight > 0, weight, 0)
        (lower, upper), (left, right) = self.bounds, self.falls
        # Choices and not `ops.clip`: see `neighbours`.
        fallen = ops.where(distance > left, distance, left)
        fallen = ops.where(fallen < right, fallen, right)
        is_inside = ops.logical_and(places >= lower, places < upper)
        return ops.where(is_inside, 1 - ops.absolute(fallen), 0)

    def fold(self, sums, axis):
        """Adds what was gathered for the margins to the outermost pixels.

        Args:
            sums: Tensor with `count` cells along an axis.
            axis: That axis.

        Returns:
            Tensor with the `side` pixels along that axis.
        """
        if not self.margin:
            return sums
        if self.side == 1:
            return ops.sum(sums, axis=axis, keepdims=True)
        last = self.count - 1 - self.margin
        left, inner, right = ops.split(sums, [self.margin + 1, last], axis=axis)
        return ops.concatenate(
            [
                ops.sum(left, axis=axis, keepdims=True),
                inner,
                ops.sum(right, axis=axis, keepdims=True),
            ],
            axis=axis,
        )
