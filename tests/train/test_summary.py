import json
import re
import types

import keras
import numpy as np
import pytest

from keras_stn.datasets import MNIST
from keras_stn.models import mnist
from train import platform
from train.fingerprint import fingerprint
from train.options import OVERRIDES
from train.strategy import make_strategy
from train.summary import describe_result, print_plan, print_result


@pytest.fixture
def experiment():
    return types.SimpleNamespace(
        name="a-run",
        settings={"variant": "stn_c1"},
        data=MNIST(
            *(np.zeros((2, 28, 28), "uint8"), np.arange(2)) * 2, "Some digits.", False
        ),
        sizes=(12_000, 1_000),
    )


@pytest.fixture
def strategy():
    return make_strategy("none", 50)


CONFIG = {
    "batch_size": 50,
    "optimizer": "adam",
    "learning_rate": 0.002,
    "schedule": "cosine",
    "localization_lr_multiplier": 0.3,
}


def test_the_plan_says_what_will_be_trained(experiment, strategy, capsys):
    model = mnist("stn_c1")
    directory = types.SimpleNamespace(path="runs/a-run")
    print_plan(experiment, CONFIG, model, directory, strategy, 240, 7)
    plan = capsys.readouterr().out
    assert keras.__version__ in plan and keras.backend.backend() in plan.lower()
    assert "data      12,000 training and 1,000 test images. Some digits." in plan
    assert f"model     stn_c1, {model.count_params():,} parameters" in plan
    (localization,) = re.findall(r"([\d,]+) of them to predict theta", plan)
    assert 0 < int(localization.replace(",", "")) < model.count_params()
    assert (
        "training  7 epochs of 240 steps, batch 50, adam, learning rate 0.002 (cosine),"
        " localisation x 0.3" in plan
    )
    assert "results   runs/a-run" in plan
    assert "NOTE      Not the full data set" in plan


def test_the_plan_is_silent_on_what_there_is_not(experiment, strategy, capsys):
    experiment.data = experiment.data._replace(complete=True)
    # The default of a recipe, which a network without a transformer has no use for.
    config = {**CONFIG, "localization_lr_multiplier": 0.1}
    directory = types.SimpleNamespace(path="runs/a-run")
    print_plan(experiment, config, mnist("cnn"), directory, strategy, 240, 7)
    plan = capsys.readouterr().out
    assert "theta" not in plan and "localisation" not in plan and "NOTE" not in plan


def test_the_result_is_json_and_sums_up_the_run(experiment, strategy):
    model = mnist("cnn")
    options = types.SimpleNamespace(seed=3, config="quick", **dict.fromkeys(OVERRIDES))
    history = [{"seconds": 30.0}, {"seconds": 60.0}]
    result = describe_result(
        experiment, CONFIG, options, model, history, [1.0, 2.0], strategy
    )
    assert result == json.loads(json.dumps(result))
    assert (result["error"], result["passes"]) == (1.5, [1.0, 2.0])
    assert result["data_fingerprint"] == fingerprint(experiment.data)
    assert (result["minutes"], result["epochs"], result["seed"]) == (1.5, 2, 3)
    assert result["recipe"] == "quick"
    assert result["config"] == {**CONFIG, "variant": "stn_c1"}
    assert result["images"] == {"train": 12_000, "test": 1_000}
    assert result["parameters"] == model.count_params()
    assert result["versions"] == platform.versions()
    assert result["is_full_data"] is False


def test_says_what_came_out(capsys):
    result = {
        "error": 1.5,
        "passes": [1.25, 1.75],
        "minutes": 2.04,
        "is_full_data": True,
        "data": "Some digits.",
    }
    print_result(result)
    assert capsys.readouterr().out == (
        "\nTest error 1.50 % (mean of 2 fresh passes, 1.25 to 1.75), 2.0 minutes of "
        "training\n"
    )
    # Nothing is drawn for one pass over house numbers.
    print_result({**result, "passes": [1.5], "is_full_data": False})
    assert capsys.readouterr().out == (
        "\nTest error 1.50 %, 2.0 minutes of training\n"
        "Not the full data set: Some digits.\n"
    )
