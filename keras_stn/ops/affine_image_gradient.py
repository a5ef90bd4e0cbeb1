"""The gradient of affine warps to the images: a gather and not a scatter.

A pixel at `q` is read by the samples within one pixel of it, so by output pixels within
a parallelogram around the place that the inverse of the affine map takes `q` to. Its
gradient is a sum over a window around that parallelogram, weighted like the sample:

```
gradient(q) = sum over p of hat(x(p) - q_x) hat(y(p) - q_y) cotangent(p)
```

For a rotation the window is 3 x 3 output pixels whatever the angle. A map that
magnifies needs a larger one, which is gone through block by block.
"""

import math
from typing import Any, NamedTuple

from keras import ops

from keras_stn.backend import runs_on_cpu
from keras_stn.ops.affine_window import AffineWindow
from keras_stn.ops.coordinates import affine_coordinates
from keras_stn.ops.image_gradient import image_gradient
from keras_stn.ops.interpolation import sum_dtype

# Our choice: in trials on two cores a scatter took as long as some 8 to 13 blocks.
_BLOCKS_OF_A_SCATTER = 9


def affine_image_gradient(theta, cotangent, size, fill_mode, align_corners):
    """Differentiates a bilinear `affine_sample` to the images.

    With the fill modes `"constant"` and `"nearest"` the sums are formed in the same
    order every time, on every device. The others scatter, as does what a CPU does
    faster that way: there that is deterministic too.

    Args:
        theta: Tensor of shape `(batch, 2, 3)`.
        cotangent: Derivative of the warped images, of shape `(batch, output_height,
            output_width, channels)`.
        size: `(height, width)` of the images.
        fill_mode: How the image is continued beyond its edges.
        align_corners: As in `affine_sample`.

    Returns:
        Tensor of shape `(batch, height, width, channels)` and the dtype of
        `cotangent`.
    """
    output_size = tuple(ops.shape(cotangent)[1:3])

    def scatter():
        x, y = affine_coordinates(theta, size, output_size, align_corners)
        return image_gradient(x, y, cotangent, size, fill_mode)

    is_known = all(isinstance(side, int) for side in (*size, *output_size))
    if fill_mode not in ("constant", "nearest") or not is_known:
        return scatter()
    window = AffineWindow.around(theta, cotangent, size, align_corners)

    def gather():
        shape = (-1, *size, ops.shape(cotangent)[3])
        gradient = ops.reshape(_inner_gradient(window), shape)
        if fill_mode == "nearest":
            gradient = _add_outer_gradient(gradient, window, theta, align_corners)
        return ops.cast(gradient, cotangent.dtype)

    if not runs_on_cpu():
        return gather()
    work = ops.cast(math.prod(window.blocks), "float32")
    if fill_mode == "nearest":
        # All four edges are gone through for each slab.
        share = 2 * sum(size) / math.prod(size)
        work = work * (1 + share * ops.cast(_Slabs.beyond(window).count, "float32"))
    return ops.cond(work <= _BLOCKS_OF_A_SCATTER, gather, scatter)


def _inner_gradient(window):
    """From samples within one pixel of a pixel along both axes."""

    def weigh(x, y, column, row):
        return _hat(x - column) * _hat(y - row)

    pixels = window.pixels()
    across, down = window.blocks

    def one_block():
        return window.sum(*pixels, weigh)

    def many_blocks():
        def add(index, total):
            block = (index % across, index // across)
            return index + 1, total + window.sum(*pixels, weigh, block)

        return ops.while_loop(
            lambda index, total: index < across * down,
            add,
            (ops.convert_to_tensor(0, dtype="int32"), window.zeros()),
        )[1]

    if any(side < window.taps for side in window.output_size):
        return many_blocks()
    # What a loop carries is copied: most often there is nothing to carry.
    return ops.cond(across * down <= 1, one_block, many_blocks)


class _Slabs(NamedTuple):
    """What is sampled beyond the edges, in slabs of two pixels parallel to an edge.

    A slab is as wide as a pixel's hat, so the windows around a row of pixels in its
    middle cover it.

    Attributes:
        count: Number of slabs beyond each edge, an int32 scalar.
        blocks: Number of blocks of their windows along columns and along rows.
        is_endless: Whether there is one slab without an end, whose window is all of
            the output, as that is less work.
    """

    count: Any
    blocks: tuple
    is_endless: Any

    @classmethod
    def beyond(cls, window):
        """Counts the slabs from the farthest samples of the batch."""
        distances = []
        height, width = window.output_size
        for (by_column, by_row, shift), side in zip(
            window.matrix, reversed(window.size), strict=True
        ):
            distance = (
                ops.absolute(by_column) * ((width - 1) / 2)
                + ops.absolute(by_row) * ((height - 1) / 2)
                + ops.absolute(shift)
                - (side - 1) / 2
            )
            # A comparison with NaN is false.
            distances.append(ops.max(ops.where(distance > 0, distance, 0)))
        farthest = ops.maximum(*distances)
        whole = window.blocks_of_the_output()
        limit = math.prod(whole) + 1
        # One more than needed where rounding decides.
        count = ops.where(farthest > 0, ops.floor(farthest / 2) + 1, 0)
        count = ops.cast(ops.where(count < limit, count, float(limit)), "int32")
        is_endless = count * math.prod(window.blocks) > math.prod(whole)
        blocks = tuple(
            ops.where(is_endless, all_of_them, some)
            for all_of_them, some in zip(whole, window.blocks, strict=True)
        )
        return cls(ops.where(is_endless, 1, count), blocks, is_endless)


def _add_outer_gradient(gradient, window, theta, align_corners):
    """Adds what samples beyond the edges give to the outermost pixels.

    Args:
        gradient: Tensor of shape `(batch, height, width, channels)`.
        window: The `AffineWindow`.
        theta: Tensor of shape `(batch, 2, 3)`.
        align_corners: As in `affine_sample`.

    Returns:
        Tensor of the same shape.
    """
    _, height, width, channels = ops.shape(gradient)
    columns, rows = window.pixels()
    slabs = _Slabs.beyond(window)
    across, down = slabs.blocks

    def add(index, beside, above):
        block = (index % across, (index // across) % down)
        begin = 2 * ops.cast(index // (across * down), columns.dtype)
        end = ops.where(slabs.is_endless, float("inf"), begin + 2)

        def beyond(place, pixel, side):
            # How far a sample is beyond the edge that the pixel is on.
            distance = ops.where(pixel < 0, -place, place) - (side - 1) / 2
            is_in_slab = ops.logical_and(distance > begin, distance <= end)
            return ops.where(is_in_slab, ops.minimum(distance, 1), 0)

        def both_sides(side):
            middle = (side - 1) / 2 + begin + 1
            return ops.stack([-middle, middle])

        return (
            index + 1,
            beside
            + window.sum(
                both_sides(width),
                rows,
                lambda x, y, column, row: beyond(x, column, width) * _hat(y - row),
                block,
                slabs.blocks,
            ),
            above
            + window.sum(
                columns,
                both_sides(height),
                lambda x, y, column, row: beyond(y, row, height) * _hat(x - column),
                block,
                slabs.blocks,
            ),
        )

    # Left and right edge, upper and lower edge.
    zeros = window.zeros()
    zeros = (
        ops.repeat(zeros[:, :, :1], 2, axis=2),
        ops.repeat(zeros[:, :1], 2, axis=1),
    )
    start = ops.convert_to_tensor(0, dtype="int32")
    _, beside, above = ops.while_loop(
        lambda index, *_: index < slabs.count * across * down, add, (start, *zeros)
    )
    beside = ops.reshape(beside, (-1, height, 2, channels))
    above = ops.reshape(above, (-1, 2, width, channels))
    corners = _corner_gradient(window, theta, align_corners)
    for i, column in enumerate((0, width - 1)):
        gradient = _add_at(gradient, beside[:, :, i : i + 1], 0, column)
    for j, row in enumerate((0, height - 1)):
        gradient = _add_at(gradient, above[:, j : j + 1], row, 0)
        for i, column in enumerate((0, width - 1)):
            corner = corners[:, j : j + 1, i : i + 1]
            gradient = _add_at(gradient, corner, row, column)
    return gradient


def _add_at(images, part, row, column):
    """Adds a part to images at a row and a column."""
    height, width = part.shape[1:3]
    there = images[:, row : row + height, column : column + width]
    return ops.slice_update(images, (0, row, column, 0), there + part)


def _corner_gradient(window, theta, align_corners):
    """What samples beyond an edge of either axis give to the corners.

    Returns:
        Tensor of shape `(batch, 2, 2, channels)`.
    """
    x, y = affine_coordinates(theta, window.size, window.output_size, align_corners)
    height, width = window.size
    x, y = (ops.reshape(axis, (ops.shape(axis)[0], -1)) for axis in (x, y))
    weights = ops.stack(
        [
            row_weight * column_weight
            for row_weight in (_ramp(-y), _ramp(y - (height - 1)))
            for column_weight in (_ramp(-x), _ramp(x - (width - 1)))
        ],
        axis=1,
    )
    cotangent = window.cotangent
    cotangent = ops.cast(cotangent, sum_dtype(cotangent, x))
    if len(cotangent.shape) == 2:
        cotangent = cotangent[:, :, None]
    sums = ops.matmul(ops.cast(weights, cotangent.dtype), cotangent)
    return ops.reshape(sums, (-1, 2, 2, ops.shape(cotangent)[2]))


def _hat(distance):
    """1 at zero, falling to 0 at one pixel away."""
    distance = ops.absolute(distance)
    return ops.where(distance < 1, 1 - distance, 0)


def _ramp(distance):
    """0 up to zero, rising to 1 at one pixel away."""
    return ops.where(distance > 0, ops.minimum(distance, 1), 0)
