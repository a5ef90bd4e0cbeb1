"""The gradient of bilinear samples to the images, for any coordinates."""

from keras import ops

from keras_stn.backend import automatic_derivative
from keras_stn.ops.interpolation import interpolate, sum_dtype


def image_gradient(x, y, cotangent, size, fill_mode):
    """Differentiates what `interpolate` reads bilinearly to the images.

    Adds each sample's share to four pixels, wherever they are: a scatter, which XLA
    does one by one on a CPU and in no fixed order on an accelerator. For affine
    transforms `affine_image_gradient` knows better.

    Args:
        x: Float tensor of shape `(batch, output_height, output_width)`.
        y: The same for the vertical axis.
        cotangent: Derivative of the samples, of shape `(batch, output_height,
            output_width, channels)`.
        size: `(height, width)` of the images.
        fill_mode: How the image is continued beyond its edges.

    Returns:
        Tensor of shape `(batch, height, width, channels)` and the dtype of
        `cotangent`.
    """
    batch, _, _, channels = ops.shape(cotangent)
    # Samples are linear in the images: any images will do, and none is computed.
    dtype = sum_dtype(cotangent, x)
    images = ops.zeros((batch, *size, channels), dtype=dtype)
    gradient = automatic_derivative(
        lambda images: interpolate(images, x, y, "bilinear", fill_mode, 0.0),
        images,
        ops.cast(cotangent, dtype),
    )
    return ops.cast(gradient, cotangent.dtype)
