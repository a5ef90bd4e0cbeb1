"""Batch normalisation of the channels, wherever they are."""

import keras
from keras import layers


def batch_normalization(name):
    """Makes a layer that normalises each channel.

    Keras' own normalises the last axis by default, in both data formats.

    Args:
        name: Name of the layer.

    Returns:
        A `keras.layers.BatchNormalization` for `(batch, height, width, channels)`, or
        `(batch, channels, height, width)` if that is Keras' image data format, and for
        `(batch, units)` in either.
    """
    is_last = keras.config.image_data_format() == "channels_last"
    return layers.BatchNormalization(-1 if is_last else 1, name=name)
