"""The output pixels that may have read a cell of the image, for affine maps."""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_stn.backend import zeros_beside
from keras_stn.ops.cells import Cells
from keras_stn.ops.coordinates import centre, rounded
from keras_stn.ops.interpolation import per_channel, read_pixels, sum_dtype
from keras_stn.ops.neighbours import flat_index
from keras_stn.ops.sizes import inner_shape

# Our choice. In trials on AVX2 cores an index that was stored first made sums of up to
# 8 channels 1.1 to 1.5 times as fast, and of 16 and more up to a tenth slower.
_INDEX_STORED_UP_TO = 8
# Up to so many pixels a quotient in float32 tells the row of an index.
_EXACT_ROWS = 2**21


class AffineWindow(NamedTuple):
    """For each cell of the image, a window of output pixels that may have read it.

    All are counted from the centre of their image. A window consists of blocks of
    `taps` by `taps` output pixels; there are as many as the widest window in the batch
    needs, and what a wider window than its own adds to a cell has a weight of zero.

    Attributes:
        columns: `Cells` along the horizontal axis of the images.
        rows: `Cells` along the vertical axis.
        output_size: `(height, width)` of the warped images.
        matrix: Takes output pixels to the image, two rows of tensors of shape
            `(batch, 1, 1)`.
        inverse: The linear part of the inverse.
        reach: How far the window reaches to each side of its centre, along columns
            and along rows.
        taps: Side of a block of the window in pixels.
        blocks: Number of blocks along columns and along rows, int32 scalars.
    """

    columns: Cells
    rows: Cells
    output_size: tuple
    matrix: list
    inverse: tuple
    reach: tuple
    taps: int
    blocks: tuple

    @classmethod
    def around(cls, matrix, output_size, columns, rows):
        """Finds the window of each image and the number of blocks that covers all."""
        (xx, xy, x_shift), (yx, yy, y_shift) = matrix
        determinant = xx * yy - xy * yx
        inverse = (
            (yy / determinant, -xy / determinant),
            (-yx / determinant, xx / determinant),
        )
        # So that rounding loses no output pixel on the rim of the window.
        epsilon = float(np.finfo(keras.backend.standardize_dtype(xx.dtype)).eps)
        spans = [
            cells.extent + ops.absolute(shift)
            for cells, shift in ((columns, x_shift), (rows, y_shift))
        ]
        reach = []
        for by_x, by_y in inverse:
            by_x, by_y = ops.absolute(by_x), ops.absolute(by_y)
            # Eight roundings at most lie between theta and a place; a thousandth of a
            # pixel more costs nothing.
            rounding = 8 * epsilon * (by_x * spans[0] + by_y * spans[1]) + 1e-3
            reach.append(by_x * columns.half_width + by_y * rows.half_width + rounding)
        taps = taps_of_block((rows.side, columns.side), output_size)
        blocks = []
        for distance, side in zip(reach, reversed(output_size), strict=True):
            count = ops.ceil(2 * distance)
            # Singular maps have no inverse: all of the output.
            count = ops.max(ops.where(count < side, count, float(side)), initial=0)
            # Half a pixel less, so that rounding of the quotient adds no block.
            blocks.append(ops.cast(ops.ceil((count - 0.5) / taps), "int32"))
        return cls(
            columns,
            rows,
            output_size,
            matrix,
            inverse,
            tuple(reach),
            taps,
            tuple(blocks),
        )

    def sum(self, cotangents, block=None):
        """Sums the weighted cotangents over one block of the window of each cell.

        Args:
            cotangents: Flat pixels of the derivative of the warped images.
            block: Index of the block along columns and along rows; None for the first
                one when the whole window is known to lie within the output.

        Returns:
            Tensor of shape `(batch, rows, columns)`, with a last axis of channels if
            the cotangents have one.
        """
        height, width = self.output_size
        columns, rows = self.columns.along((1, 1, -1)), self.rows.along((1, -1, 1))
        across, down = min(self.taps, width), min(self.taps, height)
        first_column, start_column = self._begin(0, columns, rows, block)
        first_row, start_row = self._begin(1, columns, rows, block)
        is_stored = block is None and self._stores_index(cotangents)
        base = flat_index(
            first_column,
            first_row,
            self.output_size,
            farthest=(down - 1) * width + across - 1,
            is_stored=is_stored,
        )
        if is_stored:
            # The loop that stores indices and the one that reads may round a place in
            # two ways, so would at times disagree on the pixel.
            whole = ops.cast(base, first_row.dtype)
            first_row = ops.floor((whole + 0.5) / width)
            first_column = whole - first_row * width
        by_column, by_row = self._places(first_column, first_row, across, down)
        if block is not None:
            # Nowhere, so without a weight, is what the block before has counted.
            by_column = [
                (ops.where(first_column + i >= start_column, x, float("inf")), y)
                for i, (x, y) in enumerate(by_column)
            ]
            by_row = [
                (x, ops.where(first_row + j >= start_row, y, float("inf")))
                for j, (x, y) in enumerate(by_row)
            ]
        total = 0
        for j, (x_of_row, y_of_row) in enumerate(by_row):
            for i, (x_of_column, y_of_column) in enumerate(by_column):
                weight = columns.weigh(x_of_column + x_of_row)
                weight = weight * rows.weigh(y_of_column + y_of_row)
                dtype_of_sum = sum_dtype(cotangents, weight)
                values = read_pixels(cotangents, base + (j * width + i))
                values = ops.cast(values, dtype_of_sum)
                weight = per_channel(ops.cast(weight, dtype_of_sum), cotangents)
                total = total + values * weight
        return total

    def _begin(self, axis, columns, rows, block):
        """Where a block is read from, and from where on it counts, along one axis.

        The two differ for a last block that would run over the output's end: it is
        moved back, onto pixels that the block before has counted.

        Returns:
            Two indices of output pixels, whole numbers as floats, of shape
            `(batch, rows, columns)`: the first that is read, the first that counts.
        """
        side = self.output_size[1 - axis]
        (xx, _, x_shift), (_, _, y_shift) = self.matrix
        dtype = xx.dtype
        by_x, by_y = self.inverse[axis]
        # What an image's cells share is computed once for each image.
        shift = by_x * x_shift + by_y * y_shift + self.reach[axis]
        start = by_x * columns.middle + by_y * rows.middle
        start = start + (centre(side, dtype) - shift)
        start = ops.floor(start) + 1
        # Moved so that all of the window lies within the output, if it fits.
        last = side - ops.cast(self.blocks[axis], dtype) * self.taps
        start = ops.where(start < last, start, last)
        start = ops.where(start > 0, start, 0)
        if block is None:
            return start, start
        start = start + ops.cast(block[axis] * self.taps, dtype)
        # As far back as all of the block lies within the output.
        farthest = side - min(self.taps, side)
        return ops.where(start < farthest, start, float(farthest)), start

    def _places(self, first_column, first_row, across, down):
        """Where a block's output pixels lie in the image: the shares of x and of y.

        Returns:
            A pair `(x, y)` for each column of the block and one for each row. Those of
            a pixel's column and row add up to its place, in pixels from the centre of
            the image.
        """
        height, width = self.output_size
        (xx, xy, x_shift), (yx, yy, y_shift) = self.matrix
        # Cells with bounds must agree on which one a sample is in.
        once = rounded if self.columns.margin else lambda product: product
        # From the tap's own place, so that all who meet it agree on x and y.
        near_column = first_column - centre(width, xx.dtype)
        near_row = first_row - centre(height, xx.dtype)
        by_column = [
            (once(xx * near), once(yx * near))
            for near in (near_column + i for i in range(across))
        ]
        by_row = [
            (once(xy * near) + x_shift, once(yy * near) + y_shift)
            for near in (near_row + j for j in range(down))
        ]
        return by_column, by_row

    def _stores_index(self, cotangents):
        channels = math.prod(inner_shape(cotangents)[1:])
        has_few = isinstance(channels, int) and channels <= _INDEX_STORED_UP_TO
        return has_few and math.prod(self.output_size) <= _EXACT_ROWS

    def zeros(self, cotangents):
        """A sum over no windows."""
        batch, *channels = ops.shape(cotangents)[0], *inner_shape(cotangents)[1:]
        shape = (batch, self.rows.count, self.columns.count, *channels)
        return zeros_beside(cotangents, shape, sum_dtype(cotangents, self.matrix[0][0]))


def taps_of_block(size, output_size):
    """Side of a block in output pixels."""
    # Fewer where the transformer makes images smaller, so has wider steps.
    return 2 if 2 * math.prod(output_size) <= math.prod(size) else 3
