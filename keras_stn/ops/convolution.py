"""A convolution of images of one channel, with fast gradients on a CPU."""

from keras import ops

from keras_stn.backend import (
    automatic_derivative,
    compiled,
    runs_on_cpu,
    with_derivatives,
)
from keras_stn.ops.interpolation import sum_dtype
from keras_stn.ops.sizes import inner_shape


def convolve_one_channel(images, kernel, padding="valid"):
    """Convolves images of one channel, as `keras.ops.conv` does.

    The gradient to the images, which a spatial transformer in front of the first
    convolution needs, is one matrix product and shifted sums. Libraries for CPUs treat
    it as a convolution with a single filter, in which most of their vectors stay empty.

    Args:
        images: Float tensor of shape `(batch, height, width, 1)`.
        kernel: Float tensor of shape `(kernel_height, kernel_width, 1, filters)`.
        padding: `"valid"` or `"same"`.

    Returns:
        Tensor of shape `(batch, output_height, output_width, filters)`.
    """

    def convolve(images, kernel):
        return ops.conv(images, kernel, 1, padding, data_format="channels_last")

    def to_images(images, kernel, cotangent):
        return _gradient_to_images(images, kernel, cotangent, padding)

    def to_kernel(images, kernel, cotangent):
        return automatic_derivative(
            lambda kernel: convolve(images, kernel), kernel, cotangent
        )

    if not runs_on_cpu():
        return convolve(images, kernel)
    return with_derivatives(convolve, to_images, to_kernel)(images, kernel)


def add_bias(features, bias):
    """Adds one number to each channel, with a derivative of its own on a CPU.

    TensorFlow makes one operation of the gradients of a convolution to its kernel and
    its bias. For images of one channel that takes oneDNN more than twice as long as
    both by themselves, so here the gradient to the bias is a sum, which is left alone.

    Args:
        features: Float tensor of shape `(batch, height, width, channels)`.
        bias: Float tensor of shape `(channels,)`.

    Returns:
        Tensor of the shape and dtype of `features`.
    """
    if not runs_on_cpu():
        return ops.add(features, bias)
    add = with_derivatives(
        lambda features, bias: ops.add(features, ops.reshape(bias, (1, 1, 1, -1))),
        lambda features, bias, cotangent: cotangent,
        lambda features, bias, cotangent: _sum_of_places(cotangent),
    )
    return add(features, bias)


def _sum_of_places(cotangent):
    # In half precision a sum of thousands would lose most of its terms. In trials
    # TensorFlow took up to five times longer for such a sum than for a product with
    # ones, where channels leave its vectors empty; one an image also rounds less.
    dtype = sum_dtype(cotangent)
    height, width, channels = inner_shape(cotangent)
    places = height * width
    columns = ops.reshape(ops.cast(cotangent, dtype), (-1, places, channels))
    total = ops.sum(ops.matmul(ops.ones((1, places), dtype), columns), (0, 1))
    return ops.cast(total, cotangent.dtype)


def _gradient_to_images(images, kernel, cotangent, padding):
    kernel_height, kernel_width, _, filters = kernel.shape
    height, width, _ = inner_shape(cotangent)
    # What each output pixel gives to each pixel under the kernel. The columns of the
    # kernel come before its rows, as they are summed first.
    dtype = sum_dtype(cotangent)
    factors = ops.reshape(ops.transpose(kernel, (3, 1, 0, 2)), (filters, -1))
    shares = ops.matmul(
        ops.reshape(ops.cast(cotangent, dtype), (-1, filters)), ops.cast(factors, dtype)
    )
    shares = ops.reshape(shares, (-1, height, width, kernel_width, kernel_height))
    gradient = ops.cast(_sum_shifted(shares), images.dtype)
    if padding == "same":
        top, left = (kernel_height - 1) // 2, (kernel_width - 1) // 2
        gradient = gradient[:, top : top + height, left : left + width]
    return gradient


@compiled()
def _sum_shifted(shares):
    """Adds the shares of all output pixels at the places that they belong to.

    Args:
        shares: Tensor of shape `(batch, height, width, kernel_width, kernel_height)`.

    Returns:
        Tensor of shape `(batch, height + kernel_height - 1, width + kernel_width - 1,
        1)`.
    """
    kernel_width, kernel_height = shares.shape[3:]
    columns = rows = 0
    for shift in range(kernel_width):
        around = (shift, kernel_width - 1 - shift)
        columns = columns + ops.pad(
            shares[:, :, :, shift], ((0, 0), (0, 0), around, (0, 0))
        )
    for shift in range(kernel_height):
        around = (shift, kernel_height - 1 - shift)
        rows = rows + ops.pad(columns[..., shift], ((0, 0), around, (0, 0)))
    return ops.expand_dims(rows, -1)
