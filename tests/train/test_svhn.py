import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from train import experiment
from train.callbacks import SaveProgress
from train.experiment import main
from train.svhn import make_experiment


@pytest.fixture
def small_run(numbers, tmp_path):
    """Arguments of a run that takes seconds."""
    return [
        *("--data-dir", str(numbers)),
        *("--run-dir", str(tmp_path / "run")),
        *("--width", "0.05"),
        *("--epochs", "2"),
        *("--batch-size", "20"),
    ]


def train(*arguments):
    """Runs the script in this process and returns its exit status."""
    return main(make_experiment, [str(argument) for argument in arguments])


@pytest.mark.slow
def test_dropout_goes_on_as_if_never_interrupted(small_run, tmp_path, monkeypatch):
    arguments = [*small_run, "--variant", "cnn", "--epochs", "2"]
    arguments += ["--dropout", "0.3"]
    whole = tmp_path / "whole"
    assert train(*arguments, "--run-dir", whole) == 0

    class Interrupted(SaveProgress):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(experiment, "SaveProgress", Interrupted)
        assert train(*arguments) == 130
    assert train(*arguments, "--resume") == 0
    run = tmp_path / "run"
    assert len(json.loads((run / "history.json").read_text())) == 2
    for resumed, expected in zip(
        *(
            keras.saving.load_model(folder / "model.keras").get_weights()
            for folder in (run, whole)
        ),
        strict=True,
    ):
        np.testing.assert_array_equal(resumed, expected)


@pytest.mark.slow
def test_other_numbers_are_another_run(small_run, tmp_path, capsys):
    assert train("--variant", "cnn", *small_run, "--epochs", "1") == 0
    result = (tmp_path / "run" / "result.json").read_text()
    content = dict(np.load(small_run[1]))
    other = tmp_path / "other.npz"
    np.savez(other, **{**content, "y_test": np.roll(content["y_test"], 1, axis=0)})
    arguments = [*small_run, "--variant", "cnn", "--epochs", "1", "--data-dir", other]
    for how in ("--resume", "--test-only"):
        assert train(*arguments, how) == 2
        assert "other options" in capsys.readouterr().err
    assert (tmp_path / "run" / "result.json").read_text() == result


def test_leaves_everything_in_the_run_directory(small_run, tmp_path, capsys):
    assert train("--variant", "stn_sl3", *small_run) == 0
    run_dir = tmp_path / "run"
    result = json.loads((run_dir / "result.json").read_text())
    assert len(result["passes"]) == 1
    assert result["images"] == {"train": 80, "test": 20}
    assert result["is_full_data"] is False
    assert result["config"]["width"] == 0.05
    assert (run_dir / "alignment.png").read_bytes()[:4] == b"\x89PNG"
    history = json.loads((run_dir / "history.json").read_text())
    # The sum of five cross-entropies, of 11 classes each.
    assert 3 * np.log(11) < history[0]["loss"] < 7 * np.log(11)
    assert 0 <= history[-1]["error %"] <= 100
    printed = capsys.readouterr().out
    assert "numbers.npz" in printed and "Not the full data set" in printed

    # The error is that of the saved model on the whole numbers.
    _, _, made = make_experiment(small_run)
    model = keras.saving.load_model(run_dir / "model.keras")
    images, labels = made.test_data(0)[0]
    digits = model.predict(images, verbose=0).argmax(-1)
    wrong = 100 * np.mean(np.any(digits != labels, axis=1))
    assert result["error"] == pytest.approx(wrong, abs=1e-3)

    (run_dir / "result.json").unlink()
    assert train("--variant", "stn_sl3", *small_run, "--test-only") == 0
    again = json.loads((run_dir / "result.json").read_text())
    assert again["passes"] == result["passes"]


@pytest.mark.slow
def test_resumes(small_run, tmp_path):
    assert train("--variant", "cnn", *small_run) == 0
    (tmp_path / "run" / "result.json").unlink()
    assert train("--variant", "cnn", *small_run, "--resume") == 0
    assert (tmp_path / "run" / "result.json").exists()


@pytest.mark.slow
@pytest.mark.tensorflow
def test_runs_on_jax_without_tensorflow(small_run, tmp_path, jax_alone):
    command = [sys.executable, "-m", "train.svhn", "--variant", "stn_sl3", *small_run]
    # XLA would spend four fifths of the time on optimising what then runs for seconds.
    environment = {**jax_alone, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    finished = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["versions"]["backend"] == "jax"
    assert (tmp_path / "run" / "alignment.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variant", "stn_c9"], "X must be from 0 to 8"),
        (
            ["--config", "nothing"],
            "Expected one of ['gpu', 'laptop', 'paper', 'smoke']",
        ),
        (["--data-dir", "/no/such/file.npz"], "/no/such/file.npz"),
        (["--batch-size", "81"], "at most the number of training images, 80"),
        (["--variant", "cnn", "--transform", "rotation"], "cnn has no transformer"),
        (
            ["--variant", "cnn", "--localization-lr-multiplier", "0.5"],
            "Received: --localization-lr-multiplier 0.5",
        ),
        (["--extra"], "Leave `extra` out"),
        (["--extra", "--validation-split", "0.1"], "all come from the extra half"),
    ],
)
def test_says_what_is_wrong(small_run, tmp_path, capsys, arguments, message):
    assert train(*small_run, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
