"""Whether TensorFlow traces for somebody who only understands plain operations."""

import sys

# Modules that trace a function and rewrite what they find. To write it to a file:
# `model.export` and `keras.export.ExportArchive`; TensorFlow and converters that are
# called directly. Operation by operation for all elements at once: `vectorized_map`
# and `batch_jacobian`, which drop derivatives of a function's own without a word.
_REWRITERS = (
    "keras.src.export",
    "tensorflow.python.saved_model.save",
    "tensorflow.lite",
    "tf2onnx",
    "tensorflow.python.ops.parallel_for",
)


def needs_plain_operations():
    """Whether what TensorFlow is tracing will be rewritten, as in an export.

    Keras says nowhere that it exports, and `model.export` shall work without a word to
    this package. So this looks who is calling. Only while a graph is traced, which is
    once: neither eager calls nor training steps pay for it.
    """
    import tensorflow as tf

    if tf.executing_eagerly():
        return False
    frame = sys._getframe()
    while frame is not None:
        module = frame.f_globals.get("__name__") or ""
        if module.startswith(_REWRITERS):
            return True
        frame = frame.f_back
    return False
