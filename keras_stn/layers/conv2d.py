"""Keras' convolution, for use behind a spatial transformer."""

import keras

from keras_stn.ops.convolution import add_bias, convolve_one_channel


@keras.saving.register_keras_serializable(package="keras_stn")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, with fast gradients for images of one channel on a CPU.

    Only a convolution of the images themselves differs, and only its gradients: that
    to the bias, and that to the images, which nobody needs unless something in front
    of the layer is trained, as a spatial transformer is. Everything else, and other
    shapes, strides and devices, are Keras' own. The weights are the same, so either
    loads those of the other. On JAX these gradients have no forward mode (`jax.jvp`).

    Args:
        *args: Arguments of `keras.layers.Conv2D`.
        **kwargs: Arguments of `keras.layers.Conv2D`.

    Call arguments:
        inputs: Images.

    Input shape:
        As `keras.layers.Conv2D`.

    Output shape:
        As `keras.layers.Conv2D`.

    Raises:
        ValueError: As `keras.layers.Conv2D`.

    Example:

    >>> import keras
    >>> import keras_stn
    >>> model = keras.Sequential(
    ...     [
    ...         keras.Input((28, 28, 1)),
    ...         keras_stn.SpatialTransformer(keras.layers.Flatten()),
    ...         keras_stn.layers.Conv2D(8, 9),
    ...     ]
    ... )
    >>> model.output_shape
    (None, 20, 20, 8)
    """

    def call(self, inputs):
        """Convolves the inputs, adds the bias and applies the activation."""
        if not (self.use_bias and self._is_covered(inputs)):
            return super().call(inputs)
        outputs = add_bias(self.convolution_op(inputs, self.kernel), self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def convolution_op(self, inputs, kernel):
        """Convolves the inputs with the kernel."""
        if not self._is_covered(inputs):
            return super().convolution_op(inputs, kernel)
        return convolve_one_channel(inputs, kernel, self.padding)

    def _is_covered(self, inputs):
        return (
            inputs.shape[-1] == 1
            and self.data_format == "channels_last"
            and self.groups == 1
            and self.padding in ("valid", "same")
            and set(self.strides) | set(self.dilation_rate) == {1}
            and None not in inputs.shape[1:]
        )
