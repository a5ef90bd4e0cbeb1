import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from train import export_formats
from train.experiment import main
from train.export import check_exportable, check_same
from train.export_formats import FORMATS
from train.mnist import make_experiment


def train(*arguments):
    """Runs the script in this process and returns its exit status."""
    return main(make_experiment, [str(argument) for argument in arguments])


def report(run_dir):
    return json.loads((run_dir / "exports.json").read_text())


@pytest.mark.slow
@pytest.mark.tensorflow
def test_every_format_of_a_run(small_run, tmp_path):
    for modules in FORMATS["onnx"].modules, FORMATS["litert"].modules:
        for module in modules["tensorflow"]:
            pytest.importorskip(module)
    from ai_edge_litert.interpreter import Interpreter

    run_dir = tmp_path / "run"
    arguments = ["--variant", "stn_sl1", *small_run]
    assert train(*arguments, "--export", "onnx") == 0
    assert (run_dir / "model.onnx").exists()
    assert set(report(run_dir)) == {"onnx"}
    # Later, and over those that are there.
    assert train(*arguments, "--test-only", "--export", ",".join(FORMATS)) == 0
    entries = report(run_dir)
    assert list(entries) == ["onnx", *(name for name in FORMATS if name != "onnx")]
    assert not list(run_dir.glob("unfinished*"))
    for name, entry in entries.items():
        assert (run_dir / entry["file"]).exists()
        assert entry["model_error"] < 90
        if FORMATS[name].is_exact:
            assert entry["difference"] < 1e-5
            assert entry["error"] == entry["model_error"]
        else:
            assert entry["error"] <= entry["model_error"] + 5
            assert 1e-5 < entry["difference"] < 0.3
        assert entry["input"] == {"images": [None, 28, 28, 1]}
        assert entry["output"] == {"logits": [None, 10]}
    assert entries["litert-float16"]["bytes"] < 0.6 * entries["litert"]["bytes"]
    assert entries["litert-int8"]["bytes"] < 0.4 * entries["litert"]["bytes"]
    # The convolutions are in int8, what is read by the warp is not.
    interpreter = Interpreter(str(run_dir / "model-int8.tflite"))
    dtypes = {
        part: {
            np.dtype(tensor["dtype"]).name
            for tensor in interpreter.get_tensor_details()
            if part in tensor["name"].split(";")[0]
        }
        for part in ("block_2_conv", "GatherV2", "Floor")
    }
    assert "int8" in dtypes["block_2_conv"]
    assert dtypes["GatherV2"] <= {"float32", "int32"}
    assert dtypes["Floor"] == {"float32"}


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_server_needs_nothing_of_ours(small_run, tmp_path):
    arguments = ["--variant", "stn_c0", *small_run, "--epochs", "1"]
    assert train(*arguments, "--export", "savedmodel") == 0
    images = np.random.default_rng(0).normal(size=(5, 28, 28, 1)).astype("float32")
    np.save(tmp_path / "images.npy", images)
    script = """
import sys
sys.modules["keras_stn"] = sys.modules["keras"] = None
import numpy as np, tensorflow as tf
serve = tf.saved_model.load("run/savedmodel/1").signatures["serving_default"]
np.savez("outputs.npz", **serve(images=tf.constant(np.load("images.npy"))))
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    outputs = dict(np.load(tmp_path / "outputs.npz"))
    model = keras.saving.load_model(tmp_path / "run" / "model.keras")
    np.testing.assert_allclose(
        outputs.pop("logits"), model.predict(images, verbose=0), atol=1e-5
    )
    assert not outputs


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_model_in_half_precision_is_exported_in_single(small_run, tmp_path):
    before = keras.config.dtype_policy()
    arguments = ["--variant", "stn_c0", *small_run, "--epochs", "1"]
    try:
        assert (
            train(
                *arguments,
                *("--mixed-precision", "bfloat16"),
                *("--export", "savedmodel"),
            )
            == 0
        )
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)
    assert report(tmp_path / "run")["savedmodel"]["difference"] < 1e-5


@pytest.mark.tensorflow
def test_an_export_that_is_not_the_model_is_not_kept(
    small_run, tmp_path, monkeypatch, capsys
):
    right = FORMATS["savedmodel"]

    def load(path):
        run = right.load(path)
        return lambda images: run(images) + 0.01 * (len(images) == 7)

    wrong = right._replace(load=load, file="wrong")
    monkeypatch.setitem(export_formats.FORMATS, "wrong", wrong)
    arguments = ["--variant", "cnn", *small_run, "--epochs", "1"]
    assert train(*arguments, "--export", "wrong") == 2
    assert "gives other outputs than the model itself" in capsys.readouterr().err
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert "result.json" in names
    assert not {name for name in names if "wrong" in name or "exports" in name}
    # What was exported before it is kept, and said.
    assert train(*arguments, "--test-only", "--export", "savedmodel,wrong") == 2
    assert set(report(tmp_path / "run")) == {"savedmodel"}
    assert not (tmp_path / "run" / "wrong").exists()


@pytest.mark.tensorflow
def test_says_what_is_not_installed_before_training(
    small_run, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    assert train(*small_run, "--export", "savedmodel,onnx") == 2
    printed = capsys.readouterr().err
    assert "--export onnx needs tf2onnx" in printed
    assert 'pip install -e ".[export]"' in printed
    assert not (tmp_path / "run").exists()


def test_says_which_backend_can(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="litert does not work on Keras' jax backend"):
        check_exportable(["litert"])
    with pytest.raises(ValueError, match="KERAS_BACKEND=tensorflow.*--test-only"):
        check_exportable(["onnx"])


def test_says_which_formats_there_are(small_run, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train(*small_run, "--export", "onnx,pdf")
    printed = capsys.readouterr().err
    assert "got 'pdf'" in printed
    assert "savedmodel,onnx,litert" in printed
    assert not (tmp_path / "run").exists()


def test_outputs_that_are_no_numbers_are_seen():
    """In any batch, not in the first alone."""
    expected = [np.ones((2, 3))] * 3
    outputs = [np.ones((2, 3)), np.full((2, 3), np.nan), np.ones((2, 3))]
    with pytest.raises(ValueError, match="exported as onnx gives other outputs"):
        check_same("onnx", outputs, expected)
    check_same("onnx", expected, expected)
