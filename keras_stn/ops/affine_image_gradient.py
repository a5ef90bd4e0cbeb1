"""The gradient of affine warps to the images: a gather and not a scatter.

A pixel at `q` is read by the samples within one pixel of it, so by output pixels within
a parallelogram around the place that the inverse of the affine map takes `q` to. Its
gradient is a sum over a window around that parallelogram, weighted like the sample:

```
gradient(q) = sum over p of hat(x(p) - q_x) hat(y(p) - q_y) cotangent(p)
```

For a rotation the window is 3 x 3 output pixels whatever the angle. A map that
magnifies needs a larger one, which is gone through block by block. With the fill mode
`"nearest"` the outermost pixels are read from beyond the edges too: there sums are
formed for margins around the image (`Cells`) and added to them.
"""

import math

from keras import ops

from keras_stn.backend import runs_on_cpu
from keras_stn.ops.affine_window import AffineWindow
from keras_stn.ops.cells import Cells
from keras_stn.ops.coordinates import affine_coordinates, pixel_matrix
from keras_stn.ops.image_gradient import image_gradient

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
    matrix = pixel_matrix(theta, size, output_size, align_corners)
    columns, rows = (
        Cells.of_pixels(side, theta.dtype)
        if fill_mode == "constant"
        else Cells.with_margins(side, _farthest(axis, side, output_size), theta.dtype)
        for axis, side in zip(matrix, reversed(size), strict=True)
    )
    window = AffineWindow.around(matrix, cotangent, columns, rows)

    def gather():
        sums = columns.fold(rows.fold(_sum_over_windows(window), axis=1), axis=2)
        gradient = ops.reshape(sums, (-1, *size, ops.shape(cotangent)[3]))
        return ops.cast(gradient, cotangent.dtype)

    if not runs_on_cpu():
        return gather()
    cells_per_pixel = columns.count * rows.count / math.prod(size)
    work = cells_per_pixel * ops.cast(math.prod(window.blocks), "float32")
    return ops.cond(work <= _BLOCKS_OF_A_SCATTER, gather, scatter)


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


def _sum_over_windows(window):
    across, down = window.blocks

    def many_blocks():
        def add(index, total):
            block = (index % across, index // across)
            return index + 1, total + window.sum(block)

        return ops.while_loop(
            lambda index, total: index < across * down,
            add,
            (ops.convert_to_tensor(0, dtype="int32"), window.zeros()),
        )[1]

    if any(side < window.taps for side in window.output_size):
        return many_blocks()
    # What a loop carries is copied: most often there is nothing to carry.
    return ops.cond(across * down <= 1, window.sum, many_blocks)
