"""The formats that a model can be exported to: how each is written and run.

The conversion itself is Keras' `model.export`, in all of them.
"""

import tempfile
import warnings
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

INPUT, OUTPUT = "images", "logits"

# What the quantiser may turn into int8. Everything else stays in float, as the warp has
# to: in eight bits a pixel of a 28 x 28 image has an index in steps of three.
_INT8_OPERATIONS = {
    "AVERAGE_POOL_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "MAX_POOL_2D",
    "RELU",
}


class Format(NamedTuple):
    """A format.

    Attributes:
        file: Name of the file or folder in the run directory.
        modules: What must be installed, for each Keras backend that can write it.
        write: Takes a model with one input, where to and some training images.
        load: Takes what `write` wrote, returns a function from images to outputs, both
            NumPy arrays, that takes any batch size.
        is_exact: Whether outputs are those of the model but for rounding.
    """

    file: str
    modules: dict
    write: Callable
    load: Callable
    is_exact: bool = True


def served(model):
    """The model with the names by which a server calls its input and output."""
    images = keras.Input(model.input_shape[1:], name=INPUT, dtype=model.input.dtype)
    logits = model(images)
    # PyTorch's exporter numbers outputs, and takes no dict of them.
    is_named = keras.config.backend() != "torch"
    return keras.Model(images, {OUTPUT: logits} if is_named else logits)


def _write_savedmodel(model, path, images):
    # TensorFlow Serving looks for versions, folders named by a number.
    model.export(path / "1", verbose=False)


def _load_savedmodel(path):
    import tensorflow as tf

    loaded = tf.saved_model.load(path / "1")

    def run(images):
        # Through `loaded`, which holds the weights.
        signature = loaded.signatures["serving_default"]
        return signature(**{INPUT: tf.convert_to_tensor(images)})[OUTPUT].numpy()

    return run


def _write_onnx(model, path, images):
    with warnings.catch_warnings():
        # Of what Keras does to let tf2onnx work with NumPy 2.
        warnings.simplefilter("ignore", FutureWarning)
        model.export(path, format="onnx", verbose=False)


def _load_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {INPUT: images})[0]


def _write_litert(model, path, images, **options):
    model.export(path, format="litert", verbose=False, **options)


def _write_litert_float16(model, path, images):
    import tensorflow as tf

    specification = {"supported_types": [tf.float16]}
    _write_litert_dynamic(model, path, images, target_spec=specification)


def _write_litert_dynamic(model, path, images, **options):
    import tensorflow as tf

    _write_litert(
        model, path, images, optimizations=[tf.lite.Optimize.DEFAULT], **options
    )


def _write_litert_int8(model, path, images):
    import tensorflow as tf
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    def examples():
        for image in images:
            yield [image[None]]

    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = examples
        in_float = {name for name in vars(BuiltinOperator) if name.isupper()}
        with warnings.catch_warnings():
            # It brings up an interpreter that TensorFlow calls deprecated.
            warnings.simplefilter("ignore", UserWarning)
            # Keras' exporter cannot say which operations to leave alone; this can.
            debugger = tf.lite.experimental.QuantizationDebugger(
                converter=converter,
                debug_dataset=examples,
                debug_options=tf.lite.experimental.QuantizationDebugOptions(
                    denylisted_ops=sorted(in_float - _INT8_OPERATIONS)
                ),
            )
        path.write_bytes(debugger.get_nondebug_quantized_model())


def _load_litert(path):
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path)).get_signature_runner("serving_default")
    # A copy, as the runner's array is overwritten by the next call.
    return lambda images: np.array(run(**{INPUT: images})[OUTPUT])


_LITERT = {"tensorflow": ("ai_edge_litert",)}

FORMATS = {
    "savedmodel": Format(
        "savedmodel",
        {"tensorflow": (), "jax": ("tensorflow",)},
        _write_savedmodel,
        _load_savedmodel,
    ),
    "onnx": Format(
        "model.onnx",
        {
            "tensorflow": ("tf2onnx", "onnx", "onnxruntime"),
            "torch": ("onnx", "onnxruntime"),
        },
        _write_onnx,
        _load_onnx,
    ),
    "litert": Format("model.tflite", _LITERT, _write_litert, _load_litert),
    "litert-float16": Format(
        "model-float16.tflite",
        _LITERT,
        _write_litert_float16,
        _load_litert,
        is_exact=False,
    ),
    "litert-dynamic": Format(
        "model-dynamic.tflite",
        _LITERT,
        _write_litert_dynamic,
        _load_litert,
        is_exact=False,
    ),
    "litert-int8": Format(
        "model-int8.tflite",
        _LITERT,
        _write_litert_int8,
        _load_litert,
        is_exact=False,
    ),
}
