"""Samples images at the points of a grid."""

import keras
from keras import ops

from keras_stn.backend import compiled
from keras_stn.ops.arguments import (
    check_fill,
    check_images,
    check_same_batch,
    coordinate_dtype,
    from_list,
    known_shape,
    standardize_data_format,
    standardize_flag,
)
from keras_stn.ops.coordinate_gradient import coordinate_gradient
from keras_stn.ops.coordinates import extent, to_pixels
from keras_stn.ops.image_gradient import image_gradient
from keras_stn.ops.interpolation import interpolate
from keras_stn.ops.sizes import inner_shape
from keras_stn.ops.warp import (
    differentiable_warp,
    from_channels_last,
    to_channels_last,
)


def grid_sample(
    images,
    grid,
    interpolation="bilinear",
    fill_mode="constant",
    fill_value=0.0,
    align_corners=False,
    data_format=None,
):
    """Samples images at the points of a sampling grid.

    The grid says for each output pixel where in the input it is sampled from, in the
    normalised coordinates of the warp convention stated in `keras_stn.ops`. Gradients
    reach the images and the grid. At whole pixels, where bilinear interpolation has a
    kink, the gradient to the grid is the right-hand one, towards larger x and y; where
    `"reflect"` and `"mirror"` show the image turned around, it is the left-hand one,
    and it is zero at the centre of the last column and row of `"mirror"`.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`, or `(batch,
            channels, height, width)` with `data_format="channels_first"`. Any float
            or integer dtype but uint64, of which JAX makes 32 bits before it comes
            here.
        grid: Tensor of shape `(batch, output_height, output_width, 2)`, x before y.
            Cast to float32 unless it is float64. Any value is allowed: a NaN
            coordinate reads `fill_value`, or the first row or column where there is
            none; an infinite one lies outside the image on its side (as NaN with
            `"reflect"` and `"mirror"`); neither passes a gradient on.
        interpolation: `"bilinear"`, or `"nearest"` (halves go to the even pixel; no
            gradient to the grid).
        fill_mode: The image beyond its edges, in Keras' words:
            - `"constant"`: `(k k k k | a b c d | k k k k)` with `k = fill_value`, into
                which the edge pixels fade over one pixel. PyTorch: `"zeros"`.
            - `"nearest"`: `(a a a a | a b c d | d d d d)`. PyTorch: `"border"`.
            - `"reflect"`: `(d c b a | a b c d | d c b a)`. PyTorch: `"reflection"`
                with `align_corners=False`.
            - `"mirror"`: `(e d c b | a b c d e | d c b a)`. PyTorch: `"reflection"`
                with `align_corners=True`.
        fill_value: A number, used when `fill_mode="constant"`.
        align_corners: Whether -1 and 1 are the centres of the outer pixels. By
            default they are the outer edges of the image (half-pixel centres).
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.

    Returns:
        Tensor of shape `(batch, output_height, output_width, channels)`, or
        `(batch, channels, output_height, output_width)`, in the dtype of `images`.
        Sums are formed in float32 or better. Integer images come back rounded;
        32-bit integers above 2**24 are exact with `"nearest"` only. Derivatives are
        for reverse mode, as those of `affine_sample`.

    Raises:
        ValueError: If a shape, a dtype or an option is not as above.

    Example:

    >>> import numpy as np
    >>> from keras_stn import ops
    >>> image = np.arange(4.0, dtype="float32").reshape(1, 2, 2, 1)
    >>> grid = np.zeros((1, 1, 1, 2), "float32")  # the centre of the image
    >>> np.array(ops.grid_sample(image, grid, data_format="channels_last")).item()
    1.5

    References:
        - [Jaderberg et al., 2015](https://arxiv.org/abs/1506.02025), equation 5
    """
    operation = GridSampleOperation(
        interpolation,
        fill_mode,
        fill_value,
        align_corners,
        # Not None: what a saved node reads must not depend on the session it is in.
        standardize_data_format(data_format),
    )
    if isinstance(grid, list | tuple):
        grid = from_list(grid)
    if isinstance(images, keras.KerasTensor) or isinstance(grid, keras.KerasTensor):
        return operation.symbolic_call(images, grid)
    return operation.call(images, grid)


@keras.saving.register_keras_serializable(package="keras_stn")
class GridSampleOperation(keras.Operation):
    """`grid_sample` as a node of a functional model."""

    def __init__(
        self,
        interpolation="bilinear",
        fill_mode="constant",
        fill_value=0.0,
        align_corners=False,
        data_format=None,
        *,
        name=None,
    ):
        super().__init__(name=name)
        check_fill(interpolation, fill_mode, fill_value)
        self.interpolation = interpolation
        self.fill_mode = fill_mode
        self.fill_value = float(fill_value)
        self.align_corners = standardize_flag("align_corners", align_corners)
        self.data_format = standardize_data_format(data_format)

    def call(self, images, grid):
        """Samples the images."""
        images = ops.convert_to_tensor(images)
        grid = ops.convert_to_tensor(grid)
        self._check(images, grid)
        return _warp(
            images,
            ops.cast(grid, coordinate_dtype(grid)),
            interpolation=self.interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            align_corners=self.align_corners,
            data_format=self.data_format,
        )

    def compute_output_spec(self, images, grid):
        """Infers shape and dtype of the samples."""
        self._check(images, grid)
        batch = images.shape[0] if grid.shape[0] is None else grid.shape[0]
        if self.data_format == "channels_first":
            shape = (batch, images.shape[1], *grid.shape[1:3])
        else:
            shape = (batch, *grid.shape[1:3], images.shape[3])
        return keras.KerasTensor(shape, dtype=images.dtype)

    def _check(self, images, grid):
        check_images(images)
        shape = known_shape(grid, "grid", "(batch, output_height, output_width, 2)")
        if len(shape) != 4 or shape[-1] != 2 or 0 in shape[1:]:
            raise ValueError(
                "Invalid shape of `grid`. Expected `(batch, output_height, "
                "output_width, 2)` with x before y in the last axis, of at least one "
                f"point. Received: grid.shape={shape}"
            )
        check_same_batch(images, grid, "grid")


_OPTIONS = (
    "interpolation",
    "fill_mode",
    "fill_value",
    "align_corners",
    "data_format",
)


@compiled(*_OPTIONS)
def _grid_sample(
    images, grid, *, interpolation, fill_mode, fill_value, align_corners, data_format
):
    images = to_channels_last(images, data_format)
    x, y = _pixel_coordinates(grid, images, align_corners)
    samples = interpolate(images, x, y, interpolation, fill_mode, fill_value)
    return from_channels_last(samples, data_format)


@compiled(*_OPTIONS)
def _image_gradient(
    images, grid, cotangent, *, fill_mode, align_corners, data_format, **_
):
    # Of the images only the shape.
    images = to_channels_last(images, data_format)
    cotangent = to_channels_last(cotangent, data_format)
    x, y = _pixel_coordinates(grid, images, align_corners)
    size = inner_shape(images)[:2]
    gradient = image_gradient(x, y, cotangent, size, fill_mode)
    return from_channels_last(gradient, data_format)


@compiled(*_OPTIONS)
def _grid_gradient(
    images,
    grid,
    cotangent,
    *,
    fill_mode,
    fill_value,
    align_corners,
    data_format,
    **_,
):
    images = to_channels_last(images, data_format)
    cotangent = to_channels_last(cotangent, data_format)
    x, y = _pixel_coordinates(grid, images, align_corners)
    gradient = coordinate_gradient(images, x, y, cotangent, fill_mode, fill_value)
    gradient = ops.stack([ops.real(gradient), ops.imag(gradient)], axis=-1)
    height, width, _ = inner_shape(images)
    half_extents = [
        ops.cast(extent(side, align_corners), grid.dtype) / 2
        for side in (width, height)
    ]
    return ops.cast(gradient, grid.dtype) * ops.stack(half_extents)


def _pixel_coordinates(grid, images, align_corners):
    height, width, _ = inner_shape(images)
    return (
        to_pixels(grid[..., 0], width, align_corners),
        to_pixels(grid[..., 1], height, align_corners),
    )


_warp = differentiable_warp(_grid_sample, _image_gradient, _grid_gradient)
