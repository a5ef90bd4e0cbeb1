import pytest

from train.options import (
    config_names,
    fraction,
    make_parser,
    positive_float,
    read_config,
    recipe_name,
)

VALID = """
epochs = 2
sample_epochs = 3
batch_size = 4
optimizer = "adam"
momentum = 0.9
weight_decay = 0.0
learning_rate = 1
schedule = "cosine"
warmup = 0.0
localization_lr_multiplier = 1.0
"""


TASKS = ["rotation", "translation"]


def read(*arguments, task="rotation"):
    options = make_parser("mnist", "").parse_args(arguments)
    options.task = task
    return read_config("mnist", options, tasks=TASKS)


@pytest.mark.parametrize(
    "dataset, name",
    [
        (dataset, name)
        for dataset in ("mnist", "svhn")
        for name in config_names(dataset)
    ],
)
def test_shipped_configs_are_valid(dataset, name):
    options = make_parser(dataset, "").parse_args(["--config", name])
    tasks = ["rotation", "translation", "scale"] if dataset == "mnist" else []
    for task in [*tasks, None]:
        options.task = task
        config = read_config(dataset, options, tasks)
        assert config["batch_size"] > 0
        assert ("epochs" in config) != ("iterations" in config)


def test_paper_schedule():
    config = read("--config", "paper")
    assert config["iterations"] == 150_000
    assert (config["optimizer"], config["schedule"]) == ("sgd", "thirds")


def test_command_line_overrides_the_config():
    config = read("--config", "paper", "--epochs", "5", "--learning-rate", "0.5")
    assert (config["epochs"], config["sample_epochs"]) == (5, 5)
    assert "iterations" not in config
    assert config["learning_rate"] == 0.5


def test_name_of_the_recipe():
    def name(*arguments):
        return recipe_name(make_parser("mnist", "").parse_args(arguments))

    assert name("--config", "paper", "--seed", "3") == "paper"
    assert name("--config", "paper", "--epochs", "3") == "paper-changed"
    assert name("--config", "/some/where/mine.toml") == "mine"


def test_a_config_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(VALID)
    assert read("--config", str(path))["epochs"] == 2
    path.write_text(VALID + "train_images = 5")
    assert read("--config", str(path))["train_images"] == 5
    assert read("--config", str(path), "--train-images", "7")["train_images"] == 7


def test_entries_of_a_task(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(VALID + "[translation]\nlearning_rate = 0.5\nepochs = 7")
    of_all, of_one = (read("--config", str(path), task=task) for task in TASKS)
    assert (of_all["learning_rate"], of_one["learning_rate"]) == (1, 0.5)
    assert of_one == {**of_all, "learning_rate": 0.5, "epochs": 7}
    arguments = ("--config", str(path), "--learning-rate", "0.1")
    assert read(*arguments, task="translation")["learning_rate"] == 0.1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = ", "is not valid TOML"),
        (VALID + "batch = 1", r"Unknown: \['batch'\]"),
        (VALID.replace("warmup = 0.0", ""), r"Missing: \['warmup'\]"),
        (VALID + "iterations = 9", r"Unknown: \['epochs', 'sample_epochs'\]"),
        (VALID.replace('"adam"', "1"), "'optimizer' to a str. Received: 1"),
        (VALID.replace("epochs = 2", "epochs = true"), "'epochs' to a int"),
        (VALID + "[scale]\nwarmup = 0.5", r"'translation'\].*'scale' with \['warmup'"),
        (VALID + "[rotation]\niterations = 5", "'rotation' with"),
        (VALID + "[rotation]\nwarmup = 'no'", "Received: 'no'"),
    ],
)
def test_rejects_broken_configs(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read("--config", str(path))


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "many"])
def test_positive_float_rejects(text):
    with pytest.raises(Exception, match="expected a positive number"):
        positive_float(text)


@pytest.mark.parametrize("text", ["1", "-0.1", "nan", "half"])
def test_fraction_rejects(text):
    with pytest.raises(Exception, match="expected a number from 0 to below 1"):
        fraction(text)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("batch_size", 0),
        ("batch_size", -5),
        ("epochs", 0),
        ("sample_epochs", -1),
        ("learning_rate", 0.0),
        ("learning_rate", "nan"),
        ("learning_rate", "inf"),
        ("momentum", 2.0),
        ("weight_decay", -1.0),
        ("warmup", 1.0),
        ("localization_lr_multiplier", 0.0),
        ("train_images", -300),
        ("test_images", 0),
    ],
)
def test_rejects_numbers_out_of_range(tmp_path, entry, value):
    path = tmp_path / "mine.toml"
    lines = [line for line in VALID.splitlines() if not line.startswith(f"{entry} ")]
    path.write_text("\n".join([*lines, f"{entry} = {value}"]))
    message = f"'{entry}' to a .*number.*Received: {value}"
    with pytest.raises(ValueError, match=message):
        read("--config", str(path))


@pytest.mark.parametrize("text", ["-1", "4294967296", "1.5", "many"])
def test_seeds_that_are_none(text, capsys):
    with pytest.raises(SystemExit):
        make_parser("mnist", "").parse_args(["--seed", text])
    assert f"--seed: expected a whole number from 0 to 2**32 - 1, got '{text}'" in (
        capsys.readouterr().err
    )


def test_no_validation_in_any_spelling():
    for text in ("0", "0.0", "0.00"):
        options = make_parser("mnist", "").parse_args(["--validation-split", text])
        assert options.validation_split == 0


def test_a_recipe_of_ones_own_has_a_name_of_its_own():
    parser = make_parser("mnist", "")

    def name(*arguments):
        return recipe_name(parser.parse_args(arguments))

    assert name("--config", "laptop") == "laptop"
    assert name("--config", "laptop", "--epochs", "3") == "laptop-changed"
    assert name("--config", "/some/where/laptop.toml") == "laptop-own"
    assert name("--config", "mine.toml", "--epochs", "3") == "mine-changed"
