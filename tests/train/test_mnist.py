import json
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_stn.datasets import load_mnist, mnist_task
from tests.waiting import wait_for
from train import experiment as experiments
from train import platform
from train.experiment import main
from train.loading import load_checkpoint, load_model
from train.mnist import example_images, make_experiment
from train.options import CONFIG_FOLDER


def train(*arguments):
    """Runs the script in this process and returns its exit status."""
    return main(make_experiment, [str(argument) for argument in arguments])


def weights(run_dir):
    model = keras.saving.load_model(run_dir / "model.keras")
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


def test_leaves_everything_in_the_run_directory(small_run, tmp_path, capsys):
    assert train("--variant", "stn_c1", *small_run) == 0
    run_dir = tmp_path / "run"
    names = {path.name for path in run_dir.iterdir()}
    expected = {
        "alignment.png",
        "checkpoint.keras",
        "config.json",
        "history.json",
        "model.keras",
        "plan.json",
        "result.json",
        "run.lock",
    }
    assert expected <= names <= expected | {"tensorboard"}
    result = json.loads((run_dir / "result.json").read_text())
    assert len(result["passes"]) == 2
    assert result["error"] == pytest.approx(np.mean(result["passes"]))
    assert result["is_full_data"] is False
    assert result["images"] == {"train": 200, "test": 50}
    assert result["config"]["localization"] == "cnn-m"  # The default, by its name.
    assert result["versions"]["keras"] == keras.__version__
    history = json.loads((run_dir / "history.json").read_text())
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert history[-1]["loss"] < history[0]["loss"]
    assert 0 <= history[-1]["theta_outside"] < 0.5
    assert (run_dir / "alignment.png").read_bytes()[:4] == b"\x89PNG"
    printed = capsys.readouterr().out
    for part in ("260,552 parameters", "200 training", "mnist.npz", "images/s"):
        assert part in printed
    assert f"Test error {result['error']:.2f} %" in printed
    assert "Not the full data set" in printed


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([], "mnist-rotation-stn_sl1-seed0"),
        (
            ["--fill-mode", "constant", "--seed", "2"],
            "mnist-rotation-stn_sl1-constant-seed2",
        ),
        (
            ["--localization", "fcn", "--batch-norm", "--validation-split", "0.5"],
            "mnist-rotation-stn_sl1-fcn-batch_norm-seed0-validation",
        ),
    ],
)
def test_the_name_says_what_is_not_the_default(data_dir, arguments, name):
    _, _, experiment = make_experiment(["--data-dir", str(data_dir), *arguments])
    assert experiment.name == name
    model = experiment.build_model()
    expected = "constant" if "constant" in name else "nearest"
    assert model.get_layer("spatial_transformer").fill_mode == expected


@pytest.mark.parametrize("few", [100, 10_000])
def test_only_few_digits_make_short_epochs(few, data_dir, monkeypatch):
    monkeypatch.setattr("train.mnist._FEW", few)
    _, _, experiment = make_experiment(["--data-dir", str(data_dir)])
    assert 100 < len(experiment.data.x_train) < 10_000
    assert experiment.has_few_images == (few == 10_000)


def test_holds_out_training_images(small_run, tmp_path, capsys):
    arguments = ["--variant", "cnn", *small_run, "--validation-split", "0.25"]
    assert train(*arguments, "--train-images", "100") == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["images"] == {"train": 100, "test": 50}
    assert result["recipe"] == "quick-changed"
    assert result["name"].endswith("-validation")
    assert "NOT on the test images but on 50" in capsys.readouterr().out


def test_test_only_repeats_the_error(small_run, tmp_path, capsys):
    assert train("--variant", "cnn", *small_run) == 0
    path = tmp_path / "run" / "result.json"
    first = json.loads(path.read_text())
    path.unlink()
    assert train("--variant", "cnn", *small_run, "--test-only") == 0
    second = json.loads(path.read_text())
    assert second["passes"] == first["passes"]
    assert second["minutes"] == first["minutes"]
    assert second["name"] == first["name"]
    path.write_text(
        json.dumps({**second, "device": "another", "recipe": "own", "error": 99.0})
    )
    assert train("--variant", "cnn", *small_run, "--test-only") == 0
    third = json.loads(path.read_text())
    assert third["device"] == "another"  # Where it was trained,
    assert third["recipe"] == "own"  # and by what.
    assert third["error"] == first["error"]
    # Fewer passes would be a worse result.
    arguments = ["--variant", "cnn", *small_run, "--test-only", "--test-passes", "1"]
    capsys.readouterr()
    assert train(*arguments) == 0
    assert "result.json stays: it has 2 test passes" in capsys.readouterr().out
    assert json.loads(path.read_text()) == third
    assert train("--variant", "stn_c0", *small_run, "--test-only") == 2
    assert "'cnn' there, 'stn_c0' now" in capsys.readouterr().err


@pytest.mark.parametrize("labels", [[0, 4], [0, 1, 3, 5]])
def test_a_picture_of_the_digits_that_there_are(data_dir, labels):
    _, _, experiment = make_experiment(
        ["--data-dir", str(data_dir), "--variant", "cnn"]
    )
    digits = load_mnist(data_dir)
    kept = np.isin(digits.y_test, labels)
    digits = digits._replace(x_test=digits.x_test[kept], y_test=digits.y_test[kept])
    images, applied = example_images(digits, mnist_task("rotation"))
    shown = 1 if labels == [0, 4] else 3
    assert len(images) == len(applied) == 4 * shown
    assert experiment.draw_alignment(experiment.build_model()).axes


def test_test_passes_are_fresh_draws(data_dir):
    _, _, experiment = make_experiment(["--data-dir", str(data_dir)])
    data = experiment.test_data(0)
    first = np.array(data[0][0])
    data.on_epoch_end()
    assert np.abs(np.array(data[0][0]) - first).max() > 0.1


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_killed_run_resumes_to_the_same_weights(small_run, tmp_path):
    """Killed by the system in the middle, and bit for bit the same in the end."""
    arguments = ["--variant", "stn_sl1", *small_run, "--epochs", "6"]
    # Two optimisers, whose states must both be restored.
    arguments += ["--localization-lr-multiplier", "0.3"]
    command = [sys.executable, "-m", "train.mnist", *arguments]
    whole = tmp_path / "whole"
    assert subprocess.run([*command, "--run-dir", whole], check=False).returncode == 0

    process = subprocess.Popen(command)
    checkpoint = tmp_path / "run" / "checkpoint.keras"
    wait_for(checkpoint.exists, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run" / "result.json").exists()

    assert subprocess.run([*command, "--resume"], check=False).returncode == 0
    for resumed, expected in zip(
        weights(tmp_path / "run"), weights(whole), strict=True
    ):
        np.testing.assert_array_equal(resumed, expected)
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_own_learning_rate_for_the_localisation(small_run, tmp_path):
    """It survives saving and loading, and it is the localisation's alone."""
    arguments = [*small_run, "--epochs", "1", "--localization-lr-multiplier", "1e-6"]
    assert train("--variant", "stn_c0", *arguments) == 0
    _, _, experiment = make_experiment(["--variant", "stn_c0", *arguments])
    keras.utils.set_random_seed(0)
    initial = experiment.build_model()
    trained = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert isinstance(trained.optimizer, keras.optimizers.MultiOptimizer)
    for before, after in zip(
        initial.trainable_weights, trained.trainable_weights, strict=True
    ):
        moved = np.abs(
            keras.ops.convert_to_numpy(after) - keras.ops.convert_to_numpy(before)
        ).max()
        is_localization = "localization" in before.path or "theta" in before.path
        assert moved < 1e-7 if is_localization else moved > 1e-5, before.path


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_mixed_precision(small_run, tmp_path, precision):
    before = keras.config.dtype_policy()
    try:
        arguments = [*small_run, "--epochs", "1", "--mixed-precision", precision]
        assert train("--variant", "stn_sl1", *arguments) == 0
        model = keras.saving.load_model(tmp_path / "run" / "model.keras")
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("spatial_transformer").compute_dtype == precision


def test_nan_stops_the_run_and_says_why(small_run, tmp_path, capsys):
    status = train("--variant", "stn_c0", *small_run, "--learning-rate", "1e30")
    assert status == 1
    printed = capsys.readouterr().err
    assert "The loss became" in printed
    assert "learning rate is too high" in printed
    was_kept = (tmp_path / "run" / "checkpoint.keras").exists()
    assert ("checkpoint, from before this epoch, is kept" in printed) == was_kept
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variant", "stn_x"], "Unknown variant"),
        (["--variant", "stn_c3"], "X must be from 0 to 2"),
        (
            ["--config", "nothing"],
            "Expected one of ['laptop', 'paper', 'quick', 'smoke']",
        ),
        (["--data-dir", "/no/such/folder"], "/no/such/folder"),
        (["--batch-size", "1000"], "at most the number of training images, 200"),
        (["--resume"], "holds no run to go on with"),
        (["--test-only"], "holds no run to test. Leave --test-only out"),
        (["--localization", "cnn"], "does not fit an input"),
        (
            ["--variant", "cnn", "--localization", "fcn", "--fill-mode", "constant"],
            "Received: --localization fcn, --fill-mode constant",
        ),
    ],
)
def test_says_what_is_wrong(small_run, tmp_path, capsys, arguments, message):
    assert train(*small_run, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_does_not_overwrite_a_run(small_run, tmp_path, capsys):
    arguments = ["--variant", "cnn", *small_run, "--epochs", "1"]
    assert train(*arguments) == 0
    assert train(*arguments) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert train(*arguments, "--resume", "--seed", "1") == 2
    assert "seed: 0 there, 1 now" in capsys.readouterr().err
    (tmp_path / "run" / "model.keras").unlink()
    assert train(*arguments, "--test-only") == 2
    assert "holds no finished run" in capsys.readouterr().err
    for no_epochs, message in (("[]", "has 0 epochs"), ("{}", "it holds no array")):
        (tmp_path / "run" / "history.json").write_text(no_epochs)
        assert train(*arguments, "--resume") == 2
        assert message in capsys.readouterr().err
    (tmp_path / "run" / "checkpoint.keras").write_bytes(b"broken")
    assert train(*arguments, "--resume") == 2
    assert "checkpoint.keras cannot be read" in capsys.readouterr().err


def test_a_run_of_another_backend_is_tested_and_not_gone_on_with(
    small_run, tmp_path, capsys
):
    arguments = ["--variant", "cnn", *small_run, "--epochs", "1"]
    assert train(*arguments) == 0
    path = tmp_path / "run" / "config.json"
    stored = json.loads(path.read_text())
    now = stored["KERAS_BACKEND"]
    path.write_text(json.dumps({**stored, "KERAS_BACKEND": "another"}))
    assert train(*arguments, "--resume") == 2
    message = f"KERAS_BACKEND: 'another' there, '{now}' now"
    assert message in capsys.readouterr().err
    assert train(*arguments, "--test-only") == 0
    assert "result.json, alignment.png\n" in capsys.readouterr().out


def test_a_model_is_loaded_without_its_optimizer(tmp_path):
    class Optimizer(keras.optimizers.SGD):
        """One that cannot be found again, as one of a backend that is not here."""

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(Optimizer(), "mse")
    model.save(tmp_path / "model.keras")
    images = np.ones((3, 2), "float32")
    np.testing.assert_array_equal(
        load_model(tmp_path / "model.keras").predict(images, verbose=0),
        model.predict(images, verbose=0),
    )
    with pytest.raises(ValueError, match="cannot be read: .*--run-dir"):
        load_checkpoint(tmp_path / "model.keras")


@pytest.mark.slow
@pytest.mark.tensorflow
def test_runs_on_jax_without_tensorflow(small_run, tmp_path, jax_alone):
    command = [sys.executable, "-m", "train.mnist", "--variant", "stn_sl1", *small_run]
    finished = subprocess.run(
        command, env=jax_alone, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["versions"]["backend"] == "jax"
    assert (tmp_path / "run" / "alignment.png").exists()


def test_a_mistake_in_the_config_leaves_nothing(small_run, tmp_path, capsys):
    config = CONFIG_FOLDER / "mnist_smoke.toml"
    path = tmp_path / "mine.toml"
    for right, wrong, message in (
        ('optimizer = "adam"', 'optimizer = "foo"', "'adam' or 'sgd'. Received: 'foo'"),
        ('schedule = "cosine"', 'schedule = "foo"', "'fifths'. Received: 'foo'"),
    ):
        text = config.read_text()
        assert right in text
        path.write_text(text.replace(right, wrong))
        arguments = ("--variant", "cnn", *small_run, "--config", path)
        assert train(*arguments) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


def test_a_file_in_place_of_the_folder(small_run, tmp_path, capsys):
    (tmp_path / "run").write_text("mine")
    assert train("--variant", "cnn", *small_run) == 2
    assert "run is a file. Choose another --run-dir" in capsys.readouterr().err
    assert (tmp_path / "run").read_text() == "mine"


def test_resuming_a_finished_run_leaves_where_it_was_trained(small_run, tmp_path):
    arguments = ["--variant", "cnn", *small_run]
    assert train(*arguments) == 0
    path = tmp_path / "run" / "result.json"
    trained = {**json.loads(path.read_text()), "device": "another"}
    path.write_text(json.dumps(trained))
    assert train(*arguments, "--resume", "--test-passes", "1") == 0
    assert json.loads(path.read_text()) == trained
    assert train(*arguments, "--resume") == 0
    again = json.loads(path.read_text())
    assert (again["device"], again["finished"]) == ("another", trained["finished"])


def test_goes_on_with_the_compilation_of_this_device(small_run, monkeypatch):
    arguments = ["--variant", "cnn", *small_run, "--epochs", "1"]
    assert train(*arguments) == 0
    loaded = []
    for load in (load_checkpoint, load_model):

        def kept(path, load=load):
            loaded.append(load(path))
            return loaded[-1]

        monkeypatch.setattr(experiments, load.__name__, kept)
    compiles = not platform.compiles_whole_step()
    monkeypatch.setattr(platform, "compiles_whole_step", lambda: compiles)
    assert train(*arguments, "--resume") == 0
    assert train(*arguments, "--test-only") == 0
    assert [one.jit_compile for one in loaded] == [compiles] * 2
