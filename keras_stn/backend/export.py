"""Whether a model is being written to a file."""

import sys

# Modules that trace a model to write it to a file: `model.export` and
# `keras.export.ExportArchive`; TensorFlow and converters that are called directly.
_EXPORTERS = (
    "keras.src.export",
    "tensorflow.python.saved_model.save",
    "tensorflow.lite",
    "tf2onnx",
)


def is_exporting():
    """Whether TensorFlow is tracing a model in order to write it to a file.

    Keras says nowhere that it exports, and `model.export` shall work without a word to
    this package. So this looks who is calling. Only while a graph is traced, which is
    once: neither eager calls nor training steps pay for it.
    """
    import tensorflow as tf

    if tf.executing_eagerly():
        return False
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(_EXPORTERS):
            return True
        frame = frame.f_back
    return False
