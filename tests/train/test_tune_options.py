import pytest

from keras_stn.tuning import Range
from train.tune_options import dataset_arguments, dimensions, parse


def test_defaults():
    options = parse([])
    assert (options.dataset, options.task) == ("mnist", "rotation")
    assert dimensions(options) == {
        "localization": ("cnn", "fcn", "cnn-m", "cnn-t", "cnn-s"),
        "fill_mode": ("nearest", "constant"),
    }
    assert parse(["--dataset", "svhn"]).task is None


def test_dimensions():
    options = parse(
        "--variant stn_sl cnn --depth 1 2 --learning-rate 1e-4:1e-2 "
        "--fill-mode reflect --localization-lr-multiplier 0.1 1 "
        "--localization fcn".split()
    )
    assert dimensions(options) == {
        "variant": ["stn_sl", "cnn"],
        "depth": [1, 2],
        "learning_rate": Range(1e-4, 1e-2),
        "fill_mode": ["reflect"],
        "localization_lr_multiplier": [0.1, 1.0],
        "localization": ["fcn"],
    }


def test_forwards_what_is_given():
    options = parse(["--task", "scale", "--epochs", "2"])
    arguments = dataset_arguments(options, seed=5)
    assert arguments == ["--epochs", "2", "--task", "scale", "--seed", "5"]
    options = parse(["--dataset", "svhn", "--width", "0.1"])
    assert dataset_arguments(options) == ["--width", "0.1"]


def test_rejects_options_of_the_other_data_set():
    with pytest.raises(ValueError, match="--width is an option of --dataset svhn"):
        parse(["--width", "0.5"])
    with pytest.raises(ValueError, match="--test-passes is an option of --dataset mn"):
        parse(["--dataset", "svhn", "--test-passes", "3"])
    with pytest.raises(ValueError, match="--task is an option of --dataset mnist"):
        parse(["--dataset", "svhn", "--task", "scale"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--learning-rate", "1:2:3"],
        ["--learning-rate", "-1"],
        ["--validation-split", "1"],
        ["--max-trials", "0"],
        ["--variant", "stn_sl1"],
        ["--algorithm", "grid"],
    ],
)
def test_rejects(arguments, capsys):
    with pytest.raises(SystemExit):
        parse(arguments)
    assert arguments[0] in capsys.readouterr().err


def test_all_seeds_must_be_seeds():
    assert parse(["--seed", str(2**32 - 2), "--seeds", "2"]).seeds == 2
    with pytest.raises(ValueError, match="Received: --seed 4294967295 --seeds 2"):
        parse(["--seed", str(2**32 - 1), "--seeds", "2"])
