"""Bilinear sampling as a layer."""

import keras

from keras_stn import ops
from keras_stn.ops.arguments import (
    check_fill,
    is_shape,
    shapes_of,
    standardize_data_format,
    standardize_flag,
)


@keras.saving.register_keras_serializable(package="keras_stn")
class BilinearSampler(keras.layers.Layer):
    """Samples images at the points of a grid, bilinearly.

    `keras_stn.ops.grid_sample` as a layer. The grid may come from `AffineGrid` or
    from anywhere else, such as a dense displacement field.

    Args:
        fill_mode: The image beyond its edges: `"constant"` (PyTorch: `"zeros"`),
            `"nearest"` (PyTorch: `"border"`), `"reflect"` or `"mirror"`; see
            `keras_stn.ops.grid_sample`.
        fill_value: A number, used when `fill_mode="constant"`.
        align_corners: Whether -1 and 1 are the centres of the outer pixels. By
            default they are the outer edges of the image (half-pixel centres).
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Call arguments:
        inputs: `[images, grid]`.

    Input shape:
        - images: `(batch, height, width, channels)`, or `(batch, channels, height,
            width)` with `data_format="channels_first"`.
        - grid: `(batch, output_height, output_width, 2)`, x before y.

    Output shape:
        `(batch, output_height, output_width, channels)`, or `(batch, channels,
        output_height, output_width)`, in the layer's compute dtype. The grid is not
        cast to half precision.

    Raises:
        ValueError: If an option or a shape is not as above.

    Example:

    >>> import numpy as np
    >>> import keras_stn
    >>> images = np.random.rand(2, 8, 8, 3)
    >>> grid = keras_stn.ops.affine_grid(keras_stn.ops.identity_theta(2), (4, 4))
    >>> sampler = keras_stn.layers.BilinearSampler(data_format="channels_last")
    >>> sampler([images, grid]).shape == (2, 4, 4, 3)
    True

    References:
        - [Jaderberg et al., 2015](https://arxiv.org/abs/1506.02025), equation 5
    """

    def __init__(
        self,
        fill_mode="constant",
        fill_value=0.0,
        align_corners=False,
        data_format=None,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        check_fill("bilinear", fill_mode, fill_value)
        self.fill_mode = fill_mode
        self.fill_value = float(fill_value)
        self.align_corners = standardize_flag("align_corners", align_corners)
        self.data_format = standardize_data_format(data_format)

    def call(self, inputs):
        """Samples the images."""
        images, grid = _check_pair(inputs)
        images = keras.ops.cast(images, self.compute_dtype)
        return self._sample(images, grid)

    def compute_output_shape(self, input_shape):
        """The size of the grid with the channels of the images."""
        images, grid = map(keras.KerasTensor, _check_pair(input_shape))
        return self._sample(images, grid).shape

    def get_config(self):
        """The arguments that rebuild this layer."""
        config = {
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "align_corners": self.align_corners,
            "data_format": self.data_format,
        }
        return {**super().get_config(), **config}

    def _sample(self, images, grid):
        return ops.grid_sample(
            images,
            grid,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            align_corners=self.align_corners,
            data_format=self.data_format,
        )


def _check_pair(inputs):
    is_pair = isinstance(inputs, list | tuple) and len(inputs) == 2
    if not is_pair or is_shape(inputs):
        raise ValueError(
            "A `BilinearSampler` is called on `[images, grid]`. "
            f"Received inputs of shapes {shapes_of(inputs)}."
        )
    return inputs
