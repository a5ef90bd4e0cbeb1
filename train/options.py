"""The command line that the training scripts share, and the configs behind it."""

import argparse
import sys
import tomllib
from pathlib import Path

import keras

from train.export import export_formats
from train.export_formats import FORMATS
from train.platform import DEVICES
from train.strategy import STRATEGIES

CONFIG_FOLDER = Path(__file__).parent / "configs"

# What a config file sets, and the type of each entry.
CONFIG_ENTRIES = {
    "epochs": int,
    "sample_epochs": int,  # Where only a small sample of the data set is at hand.
    "iterations": int,
    "batch_size": int,
    "optimizer": str,
    "momentum": float,
    "weight_decay": float,
    "learning_rate": float,
    "schedule": str,
    "warmup": float,
    "localization_lr_multiplier": float,
}
# What it may set beside them: the first images alone, for a quick trial of everything.
OPTIONAL_ENTRIES = {"train_images": int, "test_images": int}

# What an entry that is a number must be, in words and as a test; NaN passes none.
_COUNT = ("a whole number from 1 on", lambda value: value >= 1)
_POSITIVE = ("a finite number above 0", lambda x: 0 < x <= sys.float_info.max)
_FRACTION = ("a number from 0 to below 1", lambda value: 0 <= value < 1)
_RANGES = {
    "learning_rate": _POSITIVE,
    "localization_lr_multiplier": _POSITIVE,
    "momentum": _FRACTION,
    "warmup": _FRACTION,
    "weight_decay": (
        "a finite number from 0 on",
        lambda x: 0 <= x <= sys.float_info.max,
    ),
}

# Entries that the command line may set instead.
OVERRIDES = frozenset(
    {
        "epochs",
        "batch_size",
        "learning_rate",
        "localization_lr_multiplier",
        "train_images",
    }
)


def make_parser(dataset, description):
    """Makes the parser of the options that do not depend on the data set.

    Args:
        dataset: Prefix of the names of its config files.
        description: What `--help` says first.

    Returns:
        An `argparse.ArgumentParser`.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m train.{dataset}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--variant", default="stn_sl1", help="the network")
    parser.add_argument(
        "--config",
        default="laptop",
        help=f"recipe: {', '.join(config_names(dataset))}, or the path of a .toml file",
    )
    overrides = parser.add_argument_group("instead of what the config says")
    add = overrides.add_argument
    add("--epochs", type=positive_int, help="passes over the training images")
    add("--batch-size", type=positive_int, help="images a step")
    add("--learning-rate", type=positive_float, help="its peak")
    add(
        "--localization-lr-multiplier",
        type=positive_float,
        help="learning rate of the localisation network relative to the rest",
    )
    add("--train-images", type=positive_int, help="train on the first so many")
    add = parser.add_argument
    add(
        "--validation-split",
        type=fraction,
        default=0.0,
        metavar="FRACTION",
        help="hold out so much of the training images, the last of them, and test on "
        "that instead of the test images, to choose a recipe; images of your own must "
        "not be sorted by label for that",
    )
    add(
        "--strategy",
        choices=STRATEGIES,
        default="auto",
        help="devices that share each step. mirrored: all of this machine; "
        "multi-worker: of all machines in TF_CONFIG, on JAX; auto: what there is. The "
        "batch size is the sum over the devices, which must divide it; the learning "
        "rate stays as it is",
    )
    add(
        "--device",
        choices=DEVICES,
        default="auto",
        help="gpu: fail where there is none; cpu: leave it alone; auto: what there is",
    )
    add("--seed", type=seed, default=0, help="of the weights and of all draws")
    add("--data-dir", help="folder with the data; also: KERAS_STN_DATA")
    add("--run-dir", help="folder for the results; default: runs/<what is run>")
    add("--resume", action="store_true", help="go on with an interrupted run")
    add("--test-only", action="store_true", help="test the model of a finished run")
    add(
        "--mixed-precision",
        choices=["none", "float16", "bfloat16"],
        default="none",
        help="compute in half precision; grids stay in single",
    )
    add_export(add)
    return parser


def add_export(add, model="the trained model"):
    """Adds `--export` to a parser or a group, given its `add_argument`."""
    add(
        "--export",
        type=export_formats,
        default=[],
        metavar="FORMATS",
        help=f"also write {model} as {','.join(FORMATS)} (any of them)",
    )


def read_config(dataset, options, tasks=()):
    """Reads the config and lets the command line override it.

    Args:
        dataset: Prefix of the names of its config files.
        options: What the parser of `make_parser` returned.
        tasks: Names of the tasks, if the data set has several. A config may have a
            table of such a name with the entries that differ for that task.

    Returns:
        A dict with an entry for each key of the config.

    Raises:
        ValueError: If there is no such config or it is not valid.
    """
    path = Path(options.config)
    if path.suffix != ".toml":
        path = CONFIG_FOLDER / f"{dataset}_{options.config}.toml"
    if not path.is_file():
        raise ValueError(
            f"No config '{options.config}'. Expected one of {config_names(dataset)} or "
            "the path of a .toml file."
        )
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"The config {path} is not valid TOML: {error}") from error
    config = _merge_task(config, tasks, getattr(options, "task", None), path)
    for name in OVERRIDES:
        value = getattr(options, name)
        if value is not None:
            config[name] = value
            if name == "epochs":
                config.pop("iterations", None)
                config["sample_epochs"] = value
    _check_config(config, path)
    return config


def check_transformer_options(options, parser, names):
    """Checks that a network without a transformer is given none of its options.

    Args:
        options: What the parser returned.
        parser: The parser, which knows their defaults.
        names: The names of the options, beside `localization_lr_multiplier`.

    Raises:
        ValueError: If the variant is `"cnn"` and one of them is not its default.
    """
    given = [
        f"--{name.replace('_', '-')} {getattr(options, name)}"
        for name in (*names, "localization_lr_multiplier")
        if getattr(options, name) != parser.get_default(name)
    ]
    if options.variant == "cnn" and given:
        raise ValueError(
            "--variant cnn has no transformer, so nothing to choose for one. Leave it "
            f"out, or name another variant. Received: {', '.join(given)}"
        )


def recipe_name(options):
    """The name of the config, if the command line changes nothing of it.

    Args:
        options: What the parser of `make_parser` returned.

    Returns:
        A string such as `"laptop"`, or `"laptop-changed"`. A file of one's own has
        never the name of one that comes with the scripts: `"laptop-own"`.
    """
    is_changed = any(getattr(options, name) is not None for name in OVERRIDES)
    name = Path(options.config).stem
    if Path(options.config).suffix == ".toml":
        shipped = {path.stem.split("_", 1)[1] for path in CONFIG_FOLDER.glob("*.toml")}
        name += "-own" if name in shipped else ""
    return name + ("-changed" if is_changed else "")


def set_precision(options):
    """Sets Keras' dtype policy to what `--mixed-precision` asks for."""
    if options.mixed_precision != "none":
        keras.config.set_dtype_policy(f"mixed_{options.mixed_precision}")


def config_names(dataset):
    """The names of the configs that come with a data set's script."""
    return sorted(
        path.stem.removeprefix(f"{dataset}_")
        for path in CONFIG_FOLDER.glob(f"{dataset}_*.toml")
    )


def positive_int(text):
    """Parses a positive integer for argparse."""
    return _positive(int, text)


def positive_float(text):
    """Parses a positive number for argparse."""
    return _positive(float, text)


def seed(text):
    """Parses the seed of a random generator for argparse."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(
            f"expected a whole number from 0 to 2**32 - 1, got {text!r}"
        )
    return value


def fraction(text):
    """Parses a number from 0 to below 1 for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(
            f"expected a number from 0 to below 1, got {text!r}"
        )
    return value


def _positive(kind, text):
    try:
        value = kind(text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text!r}")
    return value


def _merge_task(config, tasks, task, path):
    """Replaces entries by those of the task's table, if the config has one."""
    tables = {name: value for name, value in config.items() if isinstance(value, dict)}
    merged = {name: value for name, value in config.items() if name not in tables}
    for name, table in tables.items():
        if name not in tasks or not set(table) <= set(merged):
            raise ValueError(
                f"The config {path} may have a table for each of the tasks "
                f"{list(tasks)}, with entries that it also sets for all of them. "
                f"Received: a table '{name}' with {sorted(table)}."
            )
    return {**merged, **tables.get(task, {})}


def _check_config(config, path):
    """Raises if an entry is unknown, missing or of the wrong type."""
    length = {"iterations"} if "iterations" in config else {"epochs", "sample_epochs"}
    expected = set(CONFIG_ENTRIES) - {"epochs", "sample_epochs", "iterations"} | length
    unknown = set(config) - expected - set(OPTIONAL_ENTRIES)
    missing = expected - set(config)
    if unknown or missing:
        raise ValueError(
            f"The config {path} must set {sorted(expected)}; instead of 'epochs' and "
            "'sample_epochs' it may set 'iterations', and besides only "
            f"{sorted(OPTIONAL_ENTRIES)}. "
            f"Unknown: {sorted(unknown)}. Missing: {sorted(missing)}."
        )
    for name, value in config.items():
        kind = {**CONFIG_ENTRIES, **OPTIONAL_ENTRIES}[name]
        allowed = (int, float) if kind is float else kind
        if isinstance(value, bool) or not isinstance(value, allowed):
            raise ValueError(
                f"The config {path} must set '{name}' to a {kind.__name__}. "
                f"Received: {value!r}"
            )
        expected, is_good = _RANGES.get(name, _COUNT)
        if kind is not str and not is_good(value):
            raise ValueError(
                f"The config {path} must set '{name}' to {expected}. "
                f"Received: {value!r}"
            )
