"""The gradient of affine warps to the images: a gather and not a scatter.

A pixel at `q` is read by the samples within one pixel of it, so by output pixels within
a parallelogram around the place that the inverse of the affine map takes `q` to. Its
gradient is a sum over a window around that parallelogram, weighted like the sample:

```
gradient(q) = sum over p of hat(x(p) - q_x) hat(y(p) - q_y) cotangent(p)
```

For a rotation the window is 3 x 3 output pixels whatever the angle. A map that
magnifies needs a larger one, which is gone through block by block. With the fill mode
`"nearest"` the outermost pixels are read from beyond the edges too: where samples lie
there, sums are formed for margins around the image (`Cells`) and added to them.
"""

import functools
import math

from keras import ops

from keras_stn.backend import runs_on_cpu
from keras_stn.ops.affine_window import AffineWindow
from keras_stn.ops.cells import Cells
from keras_stn.ops.coordinates import affine_coordinates, pixel_matrix
from keras_stn.ops.image_gradient import image_gradient

# Our choice: in trials on two cores a scatter took as long as some 8 to 13 blocks.
_BLOCKS_OF_A_SCATTER = 9
# Our choice: a margin of an eighth of the side in cells two pixels wide is as far as an
# image reaches that turns within its frame, (sqrt(2) - 1) / 2 of the side; of a quarter
# in cells four pixels wide, one that is shrunk by 2 as well.
_MARGINS = (8, 4)


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
    matrix = pixel_matrix(theta, size, output_size, align_corners)
    work, ways = [], []
    for columns, rows, in_one_block, is_complete in _gathers(
        matrix, size, output_size, fill_mode
    ):
        window = AffineWindow.around(matrix, cotangent, columns, rows)
        if in_one_block and any(side < window.taps for side in output_size):
            continue
        work.append(_work(window, in_one_block, is_complete))
        ways.append(functools.partial(_gather, window, in_one_block, cotangent))
    if runs_on_cpu():
        work.append(float(_BLOCKS_OF_A_SCATTER))
        ways.append(scatter)
    return ops.switch(ops.cast(ops.argmin(ops.stack(work)), "int32"), ways)


def _gathers(matrix, size, output_size, fill_mode):
    """The gathers to choose from.

    All on this list costs time to compile, so it has only what wins clearly somewhere.

    Yields:
        `Cells` along columns and rows; whether it is a gather for windows of one block;
        and whether no sample lies outside all cells, a boolean or a boolean scalar.
    """
    dtype, sides = matrix[0][0].dtype, tuple(reversed(size))
    pixels = [Cells.of_pixels(side, dtype) for side in sides]
    if fill_mode == "constant":
        yield *pixels, True, True
        yield *pixels, False, True
        return
    farthest = [
        _farthest(axis, side, output_size)
        for axis, side in zip(matrix, sides, strict=True)
    ]
    yield *pixels, False, ops.maximum(*farthest) <= 0
    for part in _MARGINS:
        yield *_with_margins(sides, part, farthest), True, True
    if not runs_on_cpu():
        yield *_with_margins(sides, _MARGINS[0], farthest), False, True


def _with_margins(sides, part, farthest):
    """Cells along columns and rows with a margin of a part of each side."""
    return [
        Cells.with_margins(side, max(1, (side + part // 2) // part), far, far.dtype)
        for side, far in zip(sides, farthest, strict=True)
    ]


def _farthest(axis, side, output_size):
    """How far beyond the outermost pixels of an axis there are samples in a batch."""
    by_column, by_row, shift = axis
    height, width = output_size
    distance = (
        ops.absolute(by_column) * ((width - 1) / 2)
        + ops.absolute(by_row) * ((height - 1) / 2)
        + ops.absolute(shift)
        - (side - 1) / 2
    )
    # A comparison with NaN is false.
    return ops.max(ops.where(distance > 0, distance, 0))


def _work(window, in_one_block, is_complete):
    """The work of a gather in blocks for each pixel; infinite where it does not do."""
    columns, rows = window.columns, window.rows
    blocks = math.prod(window.blocks)
    if in_one_block:
        is_complete = ops.logical_and(is_complete, blocks <= 1)
    cells_per_pixel = columns.count * rows.count / (columns.side * rows.side)
    work = ops.cast(blocks, "float32") * cells_per_pixel
    return ops.where(is_complete, work, float("inf"))


def _gather(window, in_one_block, cotangent):
    columns, rows = window.columns, window.rows
    if not in_one_block:
        sums = _sum_over_blocks(window)
    elif columns.margin:
        # A choice, so that XLA does not fuse the sums into each use that `fold` makes.
        sums = ops.cond(window.blocks[0] <= 1, window.sum, window.zeros)
    else:
        sums = window.sum()  # Without a loop, as what a loop carries is copied.
    sums = columns.fold(rows.fold(sums, axis=1), axis=2)
    channels = ops.shape(cotangent)[3]
    gradient = ops.reshape(sums, (-1, rows.side, columns.side, channels))
    return ops.cast(gradient, cotangent.dtype)


def _sum_over_blocks(window):
    across, down = window.blocks

    def add(index, total):
        block = (index % across, index // across)
        return index + 1, total + window.sum(block)

    return ops.while_loop(
        lambda index, total: index < across * down,
        add,
        (ops.convert_to_tensor(0, dtype="int32"), window.zeros()),
    )[1]
