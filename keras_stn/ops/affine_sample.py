"""Warps images by affine transforms, grid and sampling in one."""

import keras
from keras import ops

from keras_stn.backend import compiled
from keras_stn.ops.arguments import (
    check_fill,
    check_images,
    check_same_batch,
    check_theta_shape,
    standardize_data_format,
    standardize_size,
    standardize_theta,
)
from keras_stn.ops.coordinates import centred_indices, extent
from keras_stn.ops.interpolation import interpolate


def affine_sample(
    images,
    theta,
    size=None,
    interpolation="bilinear",
    fill_mode="constant",
    fill_value=0.0,
    align_corners=False,
    data_format=None,
):
    """Warps images by affine transforms.

    The same as `grid_sample(images, affine_grid(theta, size))`, in one function that
    never stores the grid and whose coordinates are exact for flips, quarter turns and
    whole-pixel shifts. The warp convention is stated in `keras_stn.ops`. Gradients
    reach the images and `theta`; see `grid_sample` for what they are at whole pixels.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`, or `(batch,
            channels, height, width)` with `data_format="channels_first"`. Any float
            or integer dtype.
        theta: Tensor of shape `(batch, 2, 3)` or `(batch, 6)`. Cast to float32 unless
            it is float64. NaN and infinite values give what they give in
            `grid_sample`.
        size: `(height, width)` of the output in pixels, one integer for both, or None
            for the size of the input.
        interpolation: `"bilinear"` or `"nearest"`, as in `grid_sample`.
        fill_mode: `"constant"`, `"nearest"`, `"reflect"` or `"mirror"`, as in
            `grid_sample`.
        fill_value: A number, used when `fill_mode="constant"`.
        align_corners: Whether -1 and 1 are the centres of the outer pixels. By
            default they are the outer edges of the image (half-pixel centres).
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.

    Returns:
        Tensor of shape `(batch, output_height, output_width, channels)`, or
        `(batch, channels, output_height, output_width)`, in the dtype of `images`.

    Raises:
        ValueError: If a shape, a dtype or an option is not as above.

    Example:

    >>> import numpy as np
    >>> from keras_stn import ops
    >>> image = np.arange(4.0, dtype="float32").reshape(1, 2, 2, 1)
    >>> flip = np.array([[[-1, 0, 0], [0, 1, 0]]], "float32")
    >>> np.array(ops.affine_sample(image, flip, data_format="channels_last"))[0, ..., 0]
    array([[1., 0.],
           [3., 2.]], dtype=float32)

    References:
        - [Jaderberg et al., 2015](https://arxiv.org/abs/1506.02025), equations 1 and 5
    """
    operation = AffineSampleOperation(
        size, interpolation, fill_mode, fill_value, align_corners, data_format
    )
    if isinstance(images, keras.KerasTensor) or isinstance(theta, keras.KerasTensor):
        return operation.symbolic_call(images, theta)
    return operation.call(images, theta)


@keras.saving.register_keras_serializable(package="keras_stn")
class AffineSampleOperation(keras.Operation):
    """`affine_sample` as a node of a functional model."""

    def __init__(
        self,
        size=None,
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
        self.size = None if size is None else standardize_size(size)
        self.interpolation = interpolation
        self.fill_mode = fill_mode
        self.fill_value = float(fill_value)
        self.align_corners = bool(align_corners)
        self.data_format = standardize_data_format(data_format)

    def call(self, images, theta):
        """Warps the images."""
        images = ops.convert_to_tensor(images)
        check_images(images)
        theta = standardize_theta(theta)
        check_same_batch(images, theta, "theta")
        return _affine_sample(
            images,
            theta,
            size=self.size,
            interpolation=self.interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            align_corners=self.align_corners,
            data_format=self.data_format,
        )

    def compute_output_spec(self, images, theta):
        """Infers shape and dtype of the warped images."""
        check_images(images)
        check_theta_shape(theta.shape)
        check_same_batch(images, theta, "theta")
        batch = images.shape[0] if theta.shape[0] is None else theta.shape[0]
        if self.data_format == "channels_first":
            channels, *size = images.shape[1:]
            shape = (batch, channels, *(self.size or size))
        else:
            *size, channels = images.shape[1:]
            shape = (batch, *(self.size or size), channels)
        return keras.KerasTensor(shape, dtype=images.dtype)


@compiled(
    "size", "interpolation", "fill_mode", "fill_value", "align_corners", "data_format"
)
def _affine_sample(
    images,
    theta,
    *,
    size,
    interpolation,
    fill_mode,
    fill_value,
    align_corners,
    data_format,
):
    if data_format == "channels_first":
        images = ops.transpose(images, (0, 2, 3, 1))
    input_size = ops.shape(images)[1:3]
    x, y = _pixel_coordinates(theta, input_size, size or input_size, align_corners)
    samples = interpolate(images, x, y, interpolation, fill_mode, fill_value)
    if data_format == "channels_first":
        samples = ops.transpose(samples, (0, 3, 1, 2))
    return samples


def _pixel_coordinates(theta, input_size, output_size, align_corners):
    """Where each output pixel is sampled from, in pixels of the input.

    Counted from the centres of both images, so that an identity is exact in floating
    point: whole and half numbers are multiplied by one.

    Args:
        theta: Tensor of shape `(batch, 2, 3)`.
        input_size: `(height, width)` of the input.
        output_size: `(height, width)` of the output.
        align_corners: As in `affine_sample`.

    Returns:
        x and y, each of shape `(batch, output_height, output_width)`.
    """

    def cast(number):
        return ops.cast(number, theta.dtype)

    output_height, output_width = output_size
    column = centred_indices(output_width, theta.dtype)[None, :]
    row = centred_indices(output_height, theta.dtype)[:, None]
    column_extent = ops.maximum(cast(extent(output_width, align_corners)), 1)
    row_extent = ops.maximum(cast(extent(output_height, align_corners)), 1)

    def along(axis, side):
        input_extent = cast(extent(side, align_corners))
        by_column, by_row, shift = (theta[:, axis, k, None, None] for k in range(3))
        return (
            by_column * (input_extent / column_extent) * column
            + by_row * (input_extent / row_extent) * row
            + (shift * (input_extent / 2) + cast(side - 1) / 2)
        )

    input_height, input_width = input_size
    return along(0, input_width), along(1, input_height)
