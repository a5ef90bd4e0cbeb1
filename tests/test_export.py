"""Models with layers of this package, written by `model.export` and run elsewhere."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_stn
from keras_stn import transforms

pytestmark = pytest.mark.tensorflow

FORMATS = {
    "tf_saved_model": ("model", ()),
    "onnx": ("model.onnx", ("tf2onnx", "onnxruntime")),
    "litert": ("model.tflite", ("ai_edge_litert",)),
}


@pytest.fixture(autouse=True)
def in_one_format(channels_last):
    """Models follow Keras' image data format; these are in one."""


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def exported(model, kind, folder):
    """Exports a model and returns a function that runs what was written."""
    name, modules = FORMATS[kind]
    for module in modules:
        pytest.importorskip(module)
    path = folder / name
    # Keras wants a model to have been called before it makes ONNX of it.
    model({one.name: np.zeros((3, *one.shape[1:]), "float32") for one in model.inputs})
    model.export(path, format=kind, verbose=False)
    if kind == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path)
        names = [output.name for output in session.get_outputs()]
        return lambda inputs: dict(zip(names, session.run(None, inputs), strict=True))
    if kind == "litert":
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(str(path)).get_signature_runner("serving_default")
        return lambda inputs: runner(**inputs)
    import tensorflow as tf

    loaded = tf.saved_model.load(path)

    def run(inputs):
        inputs = {name: tf.constant(value) for name, value in inputs.items()}
        outputs = loaded.signatures["serving_default"](**inputs)
        return {name: output.numpy() for name, output in outputs.items()}

    return run


def check_same(model, run, inputs, rows=slice(None)):
    """Compares outputs; they are of the size of 1."""
    expected = model(inputs)
    outputs = run(inputs)
    assert set(outputs) == set(expected)
    for name, output in outputs.items():
        other = np.asarray(expected[name])
        assert output.shape == other.shape
        np.testing.assert_allclose(output[rows], other[rows], atol=1e-5, err_msg=name)


def model_of_samplers():
    """All ways to sample, each an output."""
    images = keras.Input((7, 6, 2), name="images")
    theta = keras.Input((2, 3), name="theta")
    outputs = {}
    for fill_mode in ("constant", "nearest", "reflect", "mirror"):
        for interpolation in ("bilinear", "nearest"):
            outputs[f"{fill_mode}_{interpolation}"] = keras_stn.SpatialTransformer(
                output_size=(5, 8),
                fill_mode=fill_mode,
                interpolation=interpolation,
                fill_value=0.5,
                align_corners=fill_mode == "mirror",
            )([images, theta])
    grid = keras_stn.AffineGrid((4, 5))(theta)
    outputs["grid"] = keras_stn.BilinearSampler(fill_mode="nearest")([images, grid])
    outputs["channels_first"] = keras_stn.SpatialTransformer(
        data_format="channels_first"
    )([keras.ops.transpose(images, (0, 3, 1, 2)), theta])
    return keras.Model({"images": images, "theta": theta}, outputs)


def draw(generator, count):
    images = generator.normal(size=(count, 7, 6, 2)).astype("float32")
    theta = np.eye(2, 3) + 0.4 * generator.normal(size=(count, 2, 3))
    return {"images": images, "theta": theta.astype("float32")}


@pytest.mark.parametrize(
    "kind",
    [
        "tf_saved_model",
        pytest.param("onnx", marks=pytest.mark.slow),
        pytest.param("litert", marks=pytest.mark.slow),
    ],
)
def test_samplers(kind, tmp_path, generator):
    """Also with a theta that is of no use, which spoils no other image."""
    model = model_of_samplers()
    run = exported(model, kind, tmp_path)
    # Of one size, as each is compiled.
    inputs = draw(generator, 3)
    check_same(model, run, inputs)
    for value in (np.nan, np.inf):
        inputs["theta"][1, 0, 0] = value
        # tf2onnx makes products of choices, so there NaN stays NaN.
        rows = [0, 2] if kind == "onnx" else slice(None)
        check_same(model, run, inputs, rows)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_families(kind, tmp_path, generator):
    images = keras.Input((9, 9, 1), name="images")
    families = {name: name for name in transforms.NAMES}
    families["composed"] = transforms.get("rotation") @ transforms.get("translation")
    outputs = {
        name: keras_stn.SpatialTransformer(keras.layers.Flatten(), transform=family)(
            images
        )
        for name, family in families.items()
    }
    model = keras.Model({"images": images}, outputs)
    for weight in model.weights:
        weight.assign(0.05 * generator.normal(size=weight.shape))
    run = exported(model, kind, tmp_path)
    batch = generator.normal(size=(3, 9, 9, 1)).astype("float32")
    moved = [
        np.abs(np.asarray(one) - batch).max()
        for one in model({"images": batch}).values()
    ]
    assert min(moved) > 0.05
    check_same(model, run, {"images": batch})


def compiles(function):
    """Whether any operation of a concrete function is compiled by XLA."""
    graphs = [function.graph.as_graph_def()]
    nodes = [node for graph in graphs for node in graph.node]
    nodes += [
        node for graph in graphs for f in graph.library.function for node in f.node_def
    ]
    return any(node.attr["_XlaMustCompile"].b for node in nodes)


def test_only_an_export_gets_plain_operations(tmp_path):
    import tensorflow as tf

    model = model_of_samplers()
    signature = {
        "images": tf.TensorSpec((None, 7, 6, 2)),
        "theta": tf.TensorSpec((None, 2, 3)),
    }
    step = tf.function(model, autograph=False)
    assert compiles(step.get_concrete_function(signature))
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    assert not compiles(loaded.signatures["serving_default"])
    # Nor does it change what is traced afterwards.
    again = tf.function(model, autograph=False)
    assert compiles(again.get_concrete_function(signature))


def test_saving_by_tensorflow_alone_is_an_export_too(tmp_path):
    import tensorflow as tf

    model = model_of_samplers()
    tf.saved_model.save(model, tmp_path / "model")
    loaded = tf.saved_model.load(tmp_path / "model")
    assert not compiles(loaded.signatures["serving_default"])


def test_a_saved_model_can_be_differentiated(tmp_path, generator):
    import tensorflow as tf

    images, theta = keras.Input((7, 6, 2)), keras.Input((2, 3))
    model = keras.Model(
        [images, theta], keras_stn.SpatialTransformer()([images, theta])
    )
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    inputs = [tf.constant(value) for value in draw(generator, 3).values()]
    gradients = []
    for function in (model, loaded.serve):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(function(inputs) ** 2)
        gradients.append(tape.gradient(loss, inputs))
    for ours, automatic in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, automatic, atol=1e-3)
        assert np.abs(ours).max() > 1


@pytest.mark.slow
def test_a_saved_model_needs_neither_keras_stn_nor_keras(tmp_path, generator):
    model = model_of_samplers()
    model.export(tmp_path / "model", verbose=False)
    inputs = draw(generator, 3)
    np.savez(tmp_path / "inputs.npz", **inputs)
    script = """
import sys
sys.modules["keras_stn"] = sys.modules["keras"] = None
import numpy as np, tensorflow as tf
serve = tf.saved_model.load("model").signatures["serving_default"]
inputs = {name: tf.constant(value) for name, value in np.load("inputs.npz").items()}
np.savez("outputs.npz", **serve(**inputs))
"""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True
    )
    outputs = np.load(tmp_path / "outputs.npz")
    expected = model(inputs)
    assert set(outputs) == set(expected)
    for name, output in outputs.items():
        np.testing.assert_allclose(output, np.asarray(expected[name]), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_poses_and_products(kind, tmp_path, generator):
    """Constants of a functional model are arrays; a tensor cannot be exported."""
    images = keras.Input((9, 9, 1), name="images")
    theta = keras.Input((2, 3), name="theta")
    outputs = {}
    for name in ("affine", "rigid"):
        layer = keras_stn.SpatialTransformer(keras.layers.Flatten(), transform=name)
        model = keras.Model(images, layer(images))
        for weight in layer.trainable_weights:
            weight.assign(0.1 * generator.normal(size=weight.shape))
        outputs[name] = keras_stn.models.pose(model)(images)
    half = np.array([[[0.5, 0, 0.1], [0, 0.5, 0]]], "float32")
    outputs["product"] = keras_stn.ops.compose_theta(half, theta)
    outputs["to_pixels"] = keras_stn.ops.theta_to_pixels(theta, (4, 6)) / 6
    outputs["from_pixels"] = keras_stn.ops.theta_from_pixels(theta, (4, 6)) / 6
    model = keras.Model({"images": images, "theta": theta}, outputs)
    run = exported(model, kind, tmp_path)
    inputs = {
        "images": generator.normal(size=(3, 9, 9, 1)).astype("float32"),
        "theta": generator.normal(size=(3, 2, 3)).astype("float32"),
    }
    check_same(model, run, inputs)
