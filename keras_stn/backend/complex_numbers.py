"""Complex numbers, and products of their matrices."""

import keras
from keras import ops


def as_complex(real, imaginary):
    """Makes complex numbers of two float tensors of the same shape and dtype.

    `keras.ops.view_as_complex` wants them interleaved in memory, which XLA then does,
    and rounds them to single precision on PyTorch.
    """
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.complex(real, imaginary)
    if backend == "jax":
        import jax

        return jax.lax.complex(real, imaginary)
    if backend == "torch":
        import torch

        return torch.complex(real, imaginary)
    return ops.view_as_complex(ops.stack([real, imaginary], axis=-1))


def matmul(first, second):
    """The product of matrices, also of complex ones in double precision.

    On TensorFlow and PyTorch `keras.ops.matmul` rounds those to single precision.
    """
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.matmul(first, second)
    if backend == "torch":
        import torch

        return torch.matmul(first, second)
    return ops.matmul(first, second)
