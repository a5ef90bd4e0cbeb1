"""Keras' maximum pooling, faster to train on a CPU."""

import keras

from keras_stn.ops.pooling import max_pool


@keras.saving.register_keras_serializable(package="keras_stn")
class MaxPooling2D(keras.layers.MaxPooling2D):
    """`keras.layers.MaxPooling2D`, with a fast gradient on a CPU.

    Only the gradient of pooling without overlap and padding differs, and only in how it
    is computed; on JAX it has no forward mode (`jax.jvp`). Everything else, and other
    strides and devices, are Keras' own.

    Args:
        *args: Arguments of `keras.layers.MaxPooling2D`.
        **kwargs: Arguments of `keras.layers.MaxPooling2D`.

    Call arguments:
        inputs: Images or feature maps.

    Input shape:
        As `keras.layers.MaxPooling2D`.

    Output shape:
        As `keras.layers.MaxPooling2D`.

    Raises:
        ValueError: As `keras.layers.MaxPooling2D`.

    Example:

    >>> import numpy as np
    >>> import keras_stn
    >>> image = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> pool = keras_stn.layers.MaxPooling2D(2, data_format="channels_last")
    >>> np.array(pool(image))[0, ..., 0]
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    """

    def call(self, inputs):
        """Pools the inputs."""
        is_covered = (
            tuple(self.strides) == tuple(self.pool_size)
            and self.padding == "valid"
            and self.data_format == "channels_last"
            and None not in inputs.shape[1:]
        )
        return max_pool(inputs, self.pool_size) if is_covered else super().call(inputs)
