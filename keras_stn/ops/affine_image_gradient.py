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
from typing import NamedTuple

from keras import ops

from keras_stn.backend import compiled, compiled_in_parts, runs_on_cpu
from keras_stn.ops.affine_window import AffineWindow, taps_of_block
from keras_stn.ops.cells import Cells
from keras_stn.ops.coordinates import affine_coordinates, pixel_matrix
from keras_stn.ops.image_gradient import SQUARES_UP_TO, image_gradient
from keras_stn.ops.interpolation import flat_pixels
from keras_stn.ops.sizes import inner_shape
from keras_stn.ops.warp import from_channels_last, to_channels_last

# Our choice. In trials on two AVX2 cores a scatter took as long as 2 to 7 blocks; with
# 48 channels and more, where it reads and writes more than caches hold, as 20 to 30.
_BLOCKS_OF_A_SCATTER, _BLOCKS_WITH_MANY_CHANNELS, _SCATTER_IS_SLOW_FROM = 5.0, 20.0, 48
# Our choice, for a pixel, and more for each channel and for each sample of a pixel. In
# trials on two AVX-512 cores a scatter of one channel took as long as 1 block, of three
# or four as 1.3 to 1.6, of eight as 2; and a block with margins as 2 without. Of what
# takes as long the block is preferred: a scatter takes more memory.
_BLOCKS_OF_FEW_CHANNELS, _BLOCKS_OF_A_CHANNEL, _BLOCKS_OF_A_SAMPLE = 0.85, 0.1, 0.3
# Our choice: a margin of an eighth of the side in cells two pixels wide is as far as an
# image reaches that turns within its frame, (sqrt(2) - 1) / 2 of the side; of a quarter
# in cells four pixels wide, one that is shrunk by 2 as well.
_MARGINS = (8, 4)


class _Gather(NamedTuple):
    """One way to form the gradient.

    Attributes:
        margins: Number of cells beyond each edge, along columns and along rows.
        in_one_block: Whether it is for windows of one block only.
    """

    margins: tuple = (0, 0)
    in_one_block: bool = True


@compiled_in_parts("fill_mode", "align_corners", "data_format")
def affine_image_gradient(
    images, theta, cotangent, *, fill_mode, align_corners, data_format
):
    """Differentiates a bilinear `affine_sample` to the images.

    With the fill modes `"constant"` and `"nearest"` the sums are formed in the same
    order every time, on every device. The others scatter, as does what a CPU does
    faster that way: on a CPU a scatter is deterministic too. An accelerator never
    scatters with these two modes: one matrix of the batch that magnifies much, is
    singular or holds NaN makes the windows of all images large, up to all of the
    output.

    Args:
        images: The images, of which only the shape matters.
        theta: Tensor of shape `(batch, 2, 3)`.
        cotangent: Derivative of the warped images, of shape `(batch, output_height,
            output_width, channels)`, or as `data_format` has it.
        fill_mode: How the image is continued beyond its edges.
        align_corners: As in `affine_sample`.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Tensor of the shape of `images` and the dtype of `cotangent`.
    """
    tensors = (images, theta, cotangent)
    options = {
        "fill_mode": fill_mode,
        "align_corners": align_corners,
        "data_format": data_format,
    }
    size, output_size = _sizes(images, cotangent, data_format)
    is_known = all(isinstance(side, int) for side in (*size, *output_size))
    if fill_mode not in ("constant", "nearest") or not is_known:
        return _scatter(*tensors, **options)
    gathers = _gathers(size, output_size, fill_mode)
    ways = [
        functools.partial(_gather, *tensors, gather=gather, **options)
        for gather in gathers
    ]
    may_scatter = runs_on_cpu()
    if may_scatter:
        ways.append(functools.partial(_scatter, *tensors, **options))
    way = _choose(*tensors, gathers=gathers, may_scatter=may_scatter, **options)
    return _switch(way, ways)


def _switch(way, ways):
    """Goes one of some ways.

    Not by `ops.switch`: where the caller's loop is compiled with XLA, as a recurrent
    network's, TensorFlow 2.21 looks for a constant to switch by, and the process ends.
    """
    *others, last = ways
    for index, other in reversed(list(enumerate(others))):
        last = functools.partial(ops.cond, way <= index, other, last)
    return last()


def _sizes(images, cotangent, data_format):
    """`(height, width)` of the images and of the warped images."""
    first = 1 if data_format == "channels_first" else 0
    return [inner_shape(one)[first : first + 2] for one in (images, cotangent)]


def _gathers(size, output_size, fill_mode):
    """The gathers to choose from.

    Each of them costs time to compile, so there is only what wins clearly somewhere.
    """
    sides = tuple(reversed(size))
    margins = [
        tuple(max(1, (side + part // 2) // part) for side in sides) for part in _MARGINS
    ]
    if fill_mode == "constant":
        found = [_Gather(), _Gather(in_one_block=False)]
    else:
        found = [_Gather(in_one_block=False), *map(_Gather, margins)]
        if not runs_on_cpu():
            found.append(_Gather(margins[0], in_one_block=False))
    if any(side < taps_of_block(size, output_size) for side in output_size):
        found = [gather for gather in found if not gather.in_one_block]
    return tuple(dict.fromkeys(found))  # The margins of a small image are the same.


@compiled("gathers", "may_scatter", "fill_mode", "align_corners", "data_format")
def _choose(
    images,
    theta,
    cotangent,
    *,
    gathers,
    may_scatter,
    fill_mode,
    align_corners,
    data_format,
):
    """Number of the way with the least work: a gather, or after them the scatter."""
    size, output_size = _sizes(images, cotangent, data_format)
    matrix = pixel_matrix(theta, size, output_size, align_corners)
    farthest = _farthest(matrix, size, output_size)
    work = []
    for gather in gathers:
        cells = _cells(gather, size, farthest)
        window = AffineWindow.around(matrix, output_size, *cells)
        is_complete = (
            any(gather.margins)
            or fill_mode == "constant"
            or ops.maximum(*farthest) <= 0
        )
        work.append(_work(window, gather.in_one_block, is_complete))
    if may_scatter:
        channels = images.shape[1 if data_format == "channels_first" else 3]
        work.append(_work_of_scatter(channels, size, output_size))
    return ops.cast(ops.argmin(ops.stack(work)), "int32")


@compiled("gather", "fill_mode", "align_corners", "data_format")
def _gather(images, theta, cotangent, *, gather, align_corners, data_format, **_):
    size, output_size = _sizes(images, cotangent, data_format)
    cotangent = to_channels_last(cotangent, data_format)
    matrix = pixel_matrix(theta, size, output_size, align_corners)
    columns, rows = _cells(gather, size, _farthest(matrix, size, output_size))
    window = AffineWindow.around(matrix, output_size, columns, rows)
    cotangents = flat_pixels(cotangent)
    if not gather.in_one_block:
        sums = _sum_over_blocks(window, cotangents)
    elif columns.margin:
        # A choice, so that XLA does not fuse the sums into each use that `fold` makes.
        sums = ops.cond(
            window.blocks[0] <= 1,
            lambda: window.sum(cotangents),
            lambda: window.zeros(cotangents),
        )
    else:
        # Without a loop, as what a loop carries is copied.
        sums = window.sum(cotangents)
    sums = columns.fold(rows.fold(sums, axis=1), axis=2)
    gradient = ops.reshape(sums, (-1, *size, inner_shape(cotangent)[2]))
    return from_channels_last(ops.cast(gradient, cotangent.dtype), data_format)


@compiled("fill_mode", "align_corners", "data_format")
def _scatter(images, theta, cotangent, *, fill_mode, align_corners, data_format):
    size, output_size = _sizes(images, cotangent, data_format)
    cotangent = to_channels_last(cotangent, data_format)
    x, y = affine_coordinates(theta, size, output_size, align_corners)
    gradient = image_gradient(x, y, cotangent, size, fill_mode)
    return from_channels_last(gradient, data_format)


def _cells(gather, size, farthest):
    """Cells along columns and rows."""
    return [
        Cells.with_margins(side, margin, far, far.dtype)
        if margin
        else Cells.of_pixels(side, far.dtype)
        for side, margin, far in zip(
            reversed(size), gather.margins, farthest, strict=True
        )
    ]


def _farthest(matrix, size, output_size):
    """How far beyond the outermost pixels there are samples, along x and along y."""
    return [
        _farthest_along(axis, side, output_size)
        for axis, side in zip(matrix, reversed(size), strict=True)
    ]


def _farthest_along(axis, side, output_size):
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
    return ops.max(ops.where(distance > 0, distance, 0), initial=0)


def _work(window, in_one_block, is_complete):
    """The work of a gather in blocks for each pixel; infinite where it does not do."""
    columns, rows = window.columns, window.rows
    blocks = math.prod(window.blocks)
    if in_one_block:
        is_complete = ops.logical_and(is_complete, blocks <= 1)
    cells_per_pixel = columns.count * rows.count / (columns.side * rows.side)
    work = ops.cast(blocks, "float32") * cells_per_pixel
    return ops.where(is_complete, work, float("inf"))


def _work_of_scatter(channels, size, output_size):
    """The work of the scatter in blocks of a gather for each pixel."""
    if not isinstance(channels, int):
        return _BLOCKS_OF_A_SCATTER
    if channels <= SQUARES_UP_TO:
        samples = math.prod(output_size) / math.prod(size)
        of_pixel = _BLOCKS_OF_FEW_CHANNELS + channels * _BLOCKS_OF_A_CHANNEL
        return of_pixel + samples * _BLOCKS_OF_A_SAMPLE
    if channels >= _SCATTER_IS_SLOW_FROM:
        return _BLOCKS_WITH_MANY_CHANNELS
    return _BLOCKS_OF_A_SCATTER


def _sum_over_blocks(window, cotangents):
    across, down = window.blocks

    def add(index, total):
        block = (index % across, index // across)
        return index + 1, total + window.sum(cotangents, block)

    return ops.while_loop(
        lambda index, total: index < across * down,
        add,
        (ops.convert_to_tensor(0, dtype="int32"), window.zeros(cotangents)),
    )[1]
