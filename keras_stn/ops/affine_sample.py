"""Warps images by affine transforms, grid and sampling in one."""

import keras
from keras import ops

from keras_stn.backend import compiled
from keras_stn.ops.affine_image_gradient import affine_image_gradient
from keras_stn.ops.arguments import (
    check_fill,
    check_images,
    check_same_batch,
    check_theta_shape,
    from_list,
    standardize_data_format,
    standardize_flag,
    standardize_size,
    standardize_theta,
)
from keras_stn.ops.coordinate_gradient import coordinate_gradient
from keras_stn.ops.coordinates import affine_contraction, affine_coordinates
from keras_stn.ops.interpolation import interpolate
from keras_stn.ops.sizes import inner_shape
from keras_stn.ops.warp import (
    differentiable_warp,
    from_channels_last,
    to_channels_last,
)


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
    never stores the grid and whose coordinates are exact for flips and quarter turns,
    and for shifts by whole pixels to the rounding of theta. The warp convention is
    stated in `keras_stn.ops`. Gradients reach the images and `theta`; see `grid_sample`
    for what they are at whole pixels.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`, or `(batch,
            channels, height, width)` with `data_format="channels_first"`. Any float
            or integer dtype but uint64, of which JAX makes 32 bits before it comes
            here. A pixel that is NaN or infinite makes NaN of the samples around it, up
            to those on its eight neighbours and also under the identity; on an edge,
            also of those that lie beyond it.
        theta: Tensor of shape `(batch, 2, 3)` or `(batch, 6)`. Cast to float32 unless
            it is float64. NaN and infinite values give what they give in
            `grid_sample`; whether a gradient reaches the images where theta is no
            number depends on the backend, the device and the number of channels.
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
        Derivatives are for reverse mode, also twice: `tf.GradientTape` and no
        `tf.autodiff.ForwardAccumulator`, `jax.grad` and no `jax.jvp`, which raise an
        error or may do so.

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
        size,
        interpolation,
        fill_mode,
        fill_value,
        align_corners,
        # Not None: what a saved node reads must not depend on the session it is in.
        standardize_data_format(data_format),
    )
    if isinstance(theta, list | tuple):
        theta = from_list(theta)
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
        self.align_corners = standardize_flag("align_corners", align_corners)
        self.data_format = standardize_data_format(data_format)

    def call(self, images, theta):
        """Warps the images."""
        images = ops.convert_to_tensor(images)
        check_images(images)
        theta = standardize_theta(theta)
        check_same_batch(images, theta, "theta")
        return _warp(
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


_OPTIONS = (
    "size",
    "interpolation",
    "fill_mode",
    "fill_value",
    "align_corners",
    "data_format",
)


@compiled(*_OPTIONS)
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
    images = to_channels_last(images, data_format)
    input_size = inner_shape(images)[:2]
    x, y = affine_coordinates(theta, input_size, size or input_size, align_corners)
    samples = interpolate(images, x, y, interpolation, fill_mode, fill_value)
    return from_channels_last(samples, data_format)


def _image_gradient(
    images, theta, cotangent, *, fill_mode, align_corners, data_format, **_
):
    return affine_image_gradient(
        images,
        theta,
        cotangent,
        fill_mode=fill_mode,
        align_corners=align_corners,
        data_format=data_format,
    )


@compiled(*_OPTIONS)
def _theta_gradient(
    images,
    theta,
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
    input_size, output_size = inner_shape(images)[:2], inner_shape(cotangent)[:2]
    x, y = affine_coordinates(theta, input_size, output_size, align_corners)
    gradient = coordinate_gradient(images, x, y, cotangent, fill_mode, fill_value)
    return affine_contraction(gradient, theta, input_size, output_size, align_corners)


_warp = differentiable_warp(_affine_sample, _image_gradient, _theta_gradient)
