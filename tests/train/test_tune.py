import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.waiting import PATIENCE, wait_for
from train.options import CONFIG_FOLDER
from train.trial_table import trial_rows
from train.trials import TrialHyperModel
from train.tune import main


@pytest.fixture
def small_search(data_dir, tmp_path):
    """Arguments of a search that takes seconds, with one epoch a trial."""
    return [
        *("--data-dir", str(data_dir)),
        *("--run-dir", str(tmp_path / "run")),
        *("--algorithm", "random"),
        *("--max-trials", "2"),
        *("--epochs", "1"),
        *("--batch-size", "50"),
        *("--train-images", "100"),
        *("--validation-split", "0.2"),
        *("--seeds", "2"),
        *("--test-passes", "1"),
        *("--localization", "fcn"),
    ]


def read(path):
    return json.loads(path.read_text())


def test_leaves_everything_in_the_run_directory(small_search, tmp_path, capsys):
    assert main(small_search) == 0
    run_dir = tmp_path / "run"
    names = {path.name for path in run_dir.iterdir()}
    rows = read(run_dir / "trials.json")
    best = rows[0]["trial"]
    expected = {
        f"final-trial{best}-seed0",
        f"final-trial{best}-seed1",
        "config.json",
        "model.keras",
        "result.json",
        "run.lock",
        "search",
        "trials.json",
        "trials.txt",
    }
    assert expected <= names <= expected | {"tensorboard"}
    assert [row["status"] for row in rows] == ["COMPLETED"] * 2
    assert rows[0]["validation_error"] <= rows[1]["validation_error"]
    result = read(run_dir / "result.json")
    assert (result["trial"], result["choices"]) == (best, rows[0]["choices"])
    assert result["error"] == pytest.approx(np.mean(result["errors"]))
    assert result["seeds"] == [0, 1]
    for seed, error in zip(result["seeds"], result["errors"], strict=True):
        final = read(run_dir / f"final-trial{best}-seed{seed}" / "result.json")
        assert final["error"] == error
        # All training images, not the part that trials had.
        assert final["images"] == {"train": 200, "test": 50}
        assert final["config"]["learning_rate"] == result["choices"]["learning_rate"]
    model = keras.saving.load_model(run_dir / "model.keras")
    assert model.name == result["choices"]["variant"]
    assert model.count_params() == rows[0]["parameters"] == result["parameters"]
    table = (run_dir / "trials.txt").read_text()
    printed = capsys.readouterr().out
    assert table in printed
    for part in ("100 images to train on and 40 others", "Running Trial #2"):
        assert part in printed
    assert f"Test error {result['error']:.2f} %" in printed

    # It is not run over, and goes on only as it was begun.
    assert main(small_search) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert main([*small_search, "--resume", "--train-images", "50"]) == 2
    assert "training_images: 100 there, 50 now" in capsys.readouterr().err


@pytest.mark.stress
def test_a_search_can_be_made_longer(small_search, tmp_path, monkeypatch):
    """And another trial can be the best of it then, which is trained again as well."""
    path = tmp_path / "run" / "trials.json"
    assert main([*small_search, "--seeds", "1"]) == 0
    rows = read(path)

    def former_best_last(*arguments):
        best = rows[0]["trial"]
        return sorted(trial_rows(*arguments), key=lambda row: row["trial"] == best)

    monkeypatch.setattr("train.tune.trial_rows", former_best_last)
    assert main([*small_search, "--seeds", "1", "--resume", "--max-trials", "3"]) == 0
    longer = {row["trial"]: row for row in read(path)}
    assert len(longer) == 3
    for row in rows:
        assert longer[row["trial"]] == row
    result = read(tmp_path / "run" / "result.json")
    assert result["trial"] != rows[0]["trial"]
    assert result["choices"] == longer[result["trial"]]["choices"]
    model = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert model.name == result["choices"]["variant"]


@pytest.mark.slow
def test_house_numbers(numbers, tmp_path):
    """With a transformer on the second map: of eight, the localisation reads any."""
    arguments = [
        *("--dataset", "svhn", "--width", "0.05", "--data-dir", str(numbers)),
        *("--run-dir", str(tmp_path / "run")),
        *("--algorithm", "bayesian", "--max-trials", "1", "--epochs", "1"),
        *("--batch-size", "20", "--validation-split", "0.25", "--seeds", "1"),
        *("--variant", "stn_sl", "--depth", "2", "--localization", "svhn-small"),
    ]
    assert main(arguments) == 0
    result = read(tmp_path / "run" / "result.json")
    assert result["choices"]["variant"] == "stn_sl2"
    assert result["images"] == {"train": 80, "test": 20}
    assert 0 <= result["validation_error"] <= 100


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="needs tensorboard"
)
def test_tensorboard_knows_the_hyperparameters(small_search, tmp_path):
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    arguments = ["--max-trials", "1", "--seeds", "1"]
    assert main([*small_search, *arguments]) == 0
    folder = tmp_path / "run" / "tensorboard" / "0" / "execution0"
    events = event_accumulator.EventAccumulator(str(folder))
    events.Reload()
    content = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    data = plugin_data_pb2.HParamsPluginData.FromString(content)
    names = set(data.session_start_info.hparams)
    assert {"variant", "learning_rate", "transform", "localization"} <= names


@pytest.mark.slow
@pytest.mark.tensorflow
def test_exports_the_network_that_it_keeps(small_search, tmp_path, capsys):
    arguments = [*small_search, "--max-trials", "1", "--resume", "--export"]
    assert main([*arguments[:-2]]) == 0
    result = read(tmp_path / "run" / "result.json")
    capsys.readouterr()
    assert main([*arguments, "savedmodel"]) == 0
    # Nothing is trained again for it.
    assert "Epoch 1/1" not in capsys.readouterr().out
    assert read(tmp_path / "run" / "result.json") == result
    first, second = (
        tmp_path / "run" / f"final-trial{result['trial']}-seed{seed}" for seed in (0, 1)
    )
    assert read(first / "exports.json")["savedmodel"]["error"] == result["errors"][0]
    assert (first / "savedmodel" / "1" / "saved_model.pb").exists()
    assert not (second / "exports.json").exists()


@pytest.mark.slow
@pytest.mark.tensorflow
def test_exports_in_single_precision(small_search, tmp_path):
    import tensorflow as tf

    arguments = ["--max-trials", "1", "--seeds", "1", "--variant", "stn_sl"]
    arguments += ["--depth", "1", "--mixed-precision", "bfloat16"]
    before = keras.config.dtype_policy()
    try:
        assert main([*small_search, *arguments, "--export", "savedmodel"]) == 0
    finally:
        keras.config.set_dtype_policy(before)
    trial = read(tmp_path / "run" / "result.json")["trial"]
    final = tmp_path / "run" / f"final-trial{trial}-seed0"
    served = tf.saved_model.load(final / "savedmodel" / "1")
    graph = served.signatures["serving_default"].graph.as_graph_def()
    assert "DT_FLOAT" in str(graph)
    assert "DT_BFLOAT16" not in str(graph)


@pytest.mark.slow
def test_a_search_of_networks_without_a_transformer(small_search, tmp_path):
    arguments = ["--variant", "cnn", "--max-trials", "1", "--seeds", "1"]
    assert main([*small_search, *arguments, "--depth", "0"]) == 0
    result = read(tmp_path / "run" / "result.json")
    assert result["choices"].keys() == {"variant", "learning_rate"}
    assert result["choices"]["variant"] == "cnn"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rates", "message"),
    [
        # KerasTuner ends a search by the third failure in a row.
        (["1e30", "2e30", "3e30", "4e30"], "The search was given up"),
        # There is but one network to try.
        (["1e30"], "None of 1 trials was completed"),
    ],
)
def test_a_search_that_always_diverges(rates, message, small_search, tmp_path, capsys):
    arguments = ["--variant", "cnn", "--depth", "0", "--max-trials", "5"]
    assert main([*small_search, *arguments, "--learning-rate", *rates]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "The loss became" in printed
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--validation-split", "0.001"], "leaves 0 to validate on"),
        (["--train-images", "10"], "one batch of 50"),
        (["--data-dir", "/no/such/folder"], "/no/such/folder"),
        (["--depth", "3"], "must be from 0 to 2"),
        (["--localization", "resnet"], "localization='resnet'"),
        (
            ["--config", "nothing"],
            "Expected one of ['laptop', 'paper', 'quick', 'smoke']",
        ),
        (["--width", "0.5"], "--width is an option of --dataset svhn"),
        (["--resume"], "holds no run to go on with"),
    ],
)
def test_says_what_is_wrong(small_search, tmp_path, capsys, arguments, message):
    assert main([*small_search, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_mistake_in_a_config_leaves_nothing(small_search, tmp_path, capsys):
    config = tmp_path / "mine.toml"
    text = (CONFIG_FOLDER / "mnist_quick.toml").read_text()
    config.write_text(text.replace('schedule = "cosine"', 'schedule = "foo"'))
    assert main([*small_search, "--config", str(config)]) == 2
    assert "Received: 'foo'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_search_does_not_go_on_elsewhere(small_search, tmp_path, capsys, monkeypatch):
    """The backend and what is settled by the machine belong to a search."""
    arguments = [*small_search, "--max-trials", "1", "--seeds", "1", "--depth", "0"]
    arguments += ["--variant", "cnn"]
    assert main(arguments) == 0
    before = read(tmp_path / "run" / "result.json")
    # A finished one can be tested again, and keeps the longer test.
    assert main([*arguments, "--resume", "--test-passes", "2"]) == 0
    longer = read(tmp_path / "run" / "result.json")
    final = tmp_path / "run" / f"final-trial{before['trial']}-seed0"
    assert len(read(final / "result.json")["passes"]) == 2
    assert main([*arguments, "--resume"]) == 0
    assert read(tmp_path / "run" / "result.json") == longer
    (final / "model.keras").unlink()
    assert main([*arguments, "--resume"]) == 2
    assert "Delete it to train again" in capsys.readouterr().err
    there = keras.config.backend()
    monkeypatch.setattr("train.tune.keras.config.backend", lambda: "numpy")
    assert main([*arguments, "--resume"]) == 2
    assert f"backend: {there!r} there, 'numpy' now" in capsys.readouterr().err


@pytest.mark.slow
def test_the_best_is_trained_in_the_precision_of_its_trial(
    small_search, tmp_path, monkeypatch
):
    policies = []
    network = TrialHyperModel.network

    def noting(self, choices):
        model = network(self, choices)
        policies.append({layer.dtype_policy.name for layer in model.layers})
        return model

    monkeypatch.setattr(TrialHyperModel, "network", noting)
    arguments = ["--max-trials", "1", "--seeds", "1", "--variant", "stn_sl"]
    arguments += ["--depth", "1", "--mixed-precision", "bfloat16"]
    before = keras.config.dtype_policy()
    try:
        assert main([*small_search, *arguments]) == 0
    finally:
        keras.config.set_dtype_policy(before)
    assert len(policies) >= 2
    assert all(one == policies[0] for one in policies)
    assert "mixed_bfloat16" in policies[0]


@pytest.mark.slow
def test_a_full_disk_uses_up_no_trial(small_search, tmp_path, capsys, monkeypatch):
    arguments = [*small_search, "--seeds", "1", "--variant", "cnn", "--depth", "0"]

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save_weights", full)
        assert main(arguments) == 2
    printed = capsys.readouterr().err
    assert "No space left on device" in printed
    assert "given up" not in printed
    assert main([*arguments, "--resume"]) == 0
    rows = read(tmp_path / "run" / "trials.json")
    assert [row["status"] for row in rows] == ["COMPLETED"] * 2


def test_needs_epochs(small_search, tmp_path, capsys):
    position = small_search.index("--epochs")
    del small_search[position : position + 2]
    assert main([*small_search, "--config", "paper"]) == 2
    assert "Give --epochs" in capsys.readouterr().err


def command(*arguments):
    return [sys.executable, "-m", "train.tune", *arguments]


def statuses(folder):
    """The trials on disk and how they stand; a file may be in the middle of writing."""
    found = {}
    for path in folder.glob("trial_*/trial.json"):
        with contextlib.suppress(ValueError):
            found[path.parent.name] = read(path)["status"]
    return found


def without_times(path):
    return [{**row, "seconds": None} for row in read(path)]


@pytest.mark.stress
@pytest.mark.parametrize("algorithm", ["random", "hyperband"])
def test_a_killed_search_goes_on_to_the_same_trials(small_search, tmp_path, algorithm):
    """Killed by the system in its third trial; what it had is kept, not run again."""
    arguments = [*small_search, "--algorithm", algorithm, "--max-trials", "5"]
    arguments += ["--epochs", "3", "--seeds", "1"]
    whole = tmp_path / "whole"
    finished = subprocess.run(command(*arguments, "--run-dir", whole), check=False)
    assert finished.returncode == 0

    process = subprocess.Popen(command(*arguments))
    folder = tmp_path / "run" / "search"
    wait_for(lambda: list(statuses(folder).values()).count("COMPLETED") == 2, process)
    wait_for(lambda: len(statuses(folder)) == 3, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/*.h5")}
    kept = [name for name, status in statuses(folder).items() if status == "COMPLETED"]
    assert not (tmp_path / "run" / "trials.json").exists()

    resumed = subprocess.run(
        command(*arguments, "--resume"), capture_output=True, text=True, check=False
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "Reloading Tuner" in resumed.stdout
    assert resumed.stdout.count("Running Trial") == 5 - len(kept)
    for path, changed in before.items():
        if path.parent.name in kept:
            assert path.stat().st_mtime_ns == changed
    expected = without_times(whole / "trials.json")
    assert without_times(tmp_path / "run" / "trials.json") == expected


@pytest.mark.stress
def test_one_chief_and_two_workers(small_search, tmp_path):
    """On loopback; the second worker is killed, and started again under its name."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [*small_search, "--max-trials", "6", "--epochs", "2", "--seeds", "1"]
    arguments += ["--algorithm", "hyperband"]

    def start(name):
        environment = {
            **os.environ,
            "KERASTUNER_TUNER_ID": name,
            "KERASTUNER_ORACLE_IP": "127.0.0.1",
            "KERASTUNER_ORACLE_PORT": str(port),
        }
        with (tmp_path / f"{name}.log").open("a") as log:
            return subprocess.Popen(
                command(*arguments),
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(name):
        return (tmp_path / f"{name}.log").read_text()

    processes = {name: start(name) for name in ("chief", "worker0", "worker1")}
    try:
        # KerasTuner prints the trials of all in the chief.
        wait_for(lambda: "Epoch 1/" in log("worker1"), processes["worker1"])
        processes["worker1"].kill()
        processes["worker1"].wait()
        processes["worker1"] = start("worker1")
        for name in ("worker0", "worker1", "chief"):
            assert processes[name].wait(timeout=PATIENCE) == 0, log(name)
    finally:
        for process in processes.values():
            process.kill()
    rows = read(tmp_path / "run" / "trials.json")
    assert [row["status"] for row in rows] == ["COMPLETED"] * 6
    assert (tmp_path / "run" / "result.json").exists()
    assert "This is the chief" in log("chief")
    assert "Epoch" not in log("chief").split("Training the best again")[0]
    for name in ("worker0", "worker1"):
        assert "Epoch" in log(name)
        assert "No more trials" in log(name)
        assert "Test error" not in log(name)
