"""A run that is killed again and again ends with the weights of one that is not.

Takes some minutes, so it is left out unless asked for: pytest -m stress
"""

import functools
import json
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from tests.waiting import wait_for
from train.loading import load_model

KILLS = 20
EPOCHS = 40


def has_begun(plan, process, started):
    """Whether the run that was just started trains, or has nothing left to do."""
    is_new = plan.exists() and plan.stat().st_mtime > started
    return is_new or process.poll() is not None


@pytest.mark.stress
@pytest.mark.tensorflow
def test_killed_twenty_times(small_run, tmp_path):
    """At random moments of training and saving, by the system."""
    command = [sys.executable, "-m", "train.mnist", "--variant", "stn_c1", *small_run]
    command += ["--epochs", str(EPOCHS), "--localization-lr-multiplier", "0.3"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    plan = killed / "plan.json"
    subprocess.run([*command, "--run-dir", whole], check=True, capture_output=True)

    moments = random.Random(0)
    kills, while_saving = 0, 0
    while not (killed / "result.json").exists():
        arguments = [*command, "--run-dir", killed]
        if (killed / "config.json").exists():
            arguments.append("--resume")
        started = time.time()
        process = subprocess.Popen(
            arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        if kills < KILLS:
            wait_for(functools.partial(has_begun, plan, process, started))
            # Each time some two epochs, with everything that is saved after them.
            time.sleep(moments.uniform(0.0, 4.0))
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
            while_saving += bool(list(killed.glob("unfinished_*")))
        else:
            _, errors = process.communicate()
            assert process.returncode == 0, errors
    assert kills == KILLS
    print(f"killed {kills} times, {while_saving} of them while a file was written")

    models = [load_model(path / "model.keras") for path in (whole, killed)]
    for expected, found in zip(*(model.weights for model in models), strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(found), keras.ops.convert_to_numpy(expected)
        )
    results = [
        json.loads((path / "result.json").read_text()) for path in (whole, killed)
    ]
    assert results[0]["passes"] == results[1]["passes"]
    history = json.loads((killed / "history.json").read_text())
    assert [row["epoch"] for row in history] == list(range(1, EPOCHS + 1))
    # What a kill has left half-written is gone too.
    assert not list(killed.glob("unfinished_*"))
