"""A check of batch sizes that are only known with the data."""

import keras

from keras_stn.backend.plain_operations import needs_plain_operations


def assert_same_batch(first, second, message):
    """Has TensorFlow raise `InvalidArgumentError` if the data differ in batch size.

    The other backends know all sizes while they trace. Not in a model that is written
    to a file: other formats have no such operation.

    Args:
        first: A tensor.
        second: A tensor.
        message: What the error says before the two batch sizes.
    """
    if keras.config.backend() != "tensorflow" or needs_plain_operations():
        return
    import tensorflow as tf

    sizes = tf.shape(first)[0], tf.shape(second)[0]
    # In a `tf.function` it runs although nothing depends on it.
    tf.debugging.Assert(tf.equal(*sizes), [message, *sizes])
