"""The command line of a search."""

import argparse

from keras_stn.ops.arguments import FILL_MODES
from keras_stn.tuning import Range
from train import mnist, svhn
from train.options import add_export, fraction, positive_float, positive_int, seed
from train.platform import DEVICES
from train.tuners import ALGORITHMS

# What is forwarded to the data set's own script if it is given.
_FORWARDED = (
    "config",
    "epochs",
    "batch_size",
    "data_dir",
    "mixed_precision",
)
_OF_DATASET = {"mnist": ("task", "test_passes"), "svhn": ("width", "dropout")}
# The dimensions of the search and their defaults where not the hypermodel's: the fill
# mode of the data set's networks first.
_DIMENSIONS = {
    "variant": None,
    "depth": None,
    "localization": {"mnist": mnist.LOCALIZATIONS, "svhn": svhn.LOCALIZATIONS},
    "localization_width": None,
    "transform": None,
    "fill_mode": {"mnist": ("nearest", "constant"), "svhn": ("constant", "nearest")},
    "learning_rate": None,
    "localization_lr_multiplier": None,
}


def parse(arguments=None):
    """Reads the command line of a search.

    Args:
        arguments: Instead of the command line's.

    Returns:
        An `argparse.Namespace`.
    """
    options = _parser().parse_args(arguments)
    if options.dataset == "mnist" and options.task is None:
        options.task = "rotation"
    if options.seed + options.seeds > 2**32:
        raise ValueError(
            "The best trial is trained with --seeds seeds from --seed on; they must be "
            f"below 2**32. Received: --seed {options.seed} --seeds {options.seeds}"
        )
    for dataset, names in _OF_DATASET.items():
        for name in names:
            if dataset != options.dataset and getattr(options, name) is not None:
                raise ValueError(
                    f"--{name.replace('_', '-')} is an option of --dataset {dataset}, "
                    f"not of {options.dataset}. Leave it out."
                )
    return options


def dataset_arguments(options, **others):
    """The arguments that the data set's own script takes for the same.

    Args:
        options: What `parse` returned.
        **others: Options of that script, such as `seed`. None is left out.

    Returns:
        A list of strings.
    """
    names = (*_FORWARDED, *_OF_DATASET[options.dataset])
    values = {name: getattr(options, name) for name in names} | others
    return [
        text
        for name, value in values.items()
        if value is not None
        for text in (f"--{name.replace('_', '-')}", str(value))
    ]


def dimensions(options):
    """The arguments of the hypermodel: what is not its default."""
    given = {}
    for name, defaults in _DIMENSIONS.items():
        value = getattr(options, name)
        if value is not None:
            ranges = [choice for choice in value if isinstance(choice, Range)]
            given[name] = ranges[0] if ranges and len(value) == 1 else value
        elif defaults is not None:
            given[name] = defaults[options.dataset]
    return given


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m train.tune",
        description="Search for the transformer that suits a classifier. The trials "
        "are judged on a part of the training set; the best is trained again on all of "
        "it, and only then tested.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--dataset", choices=sorted(_OF_DATASET), default="mnist", help="the data")
    add("--task", choices=["rotation", "scale", "translation"], help="of mnist")
    add("--width", type=positive_float, help="of svhn's classifier")
    add("--dropout", type=float, help="of svhn's classifier")
    add(
        "--device",
        choices=DEVICES,
        default="auto",
        help="gpu: fail where there is none; cpu: leave it alone; auto: what there is",
    )
    add("--seed", type=seed, default=0, help="of the search, the weights and all draws")
    add("--data-dir", help="folder with the data; also: KERAS_STN_DATA")
    add("--run-dir", help="folder for the results; default: runs/<what is run>")
    add("--resume", action="store_true", help="go on with an interrupted search")
    add(
        "--mixed-precision",
        choices=["none", "float16", "bfloat16"],
        help="compute in half precision; grids stay in single",
    )
    add = parser.add_argument_group("the search").add_argument
    add("--algorithm", choices=ALGORITHMS, default="hyperband", help="KerasTuner's")
    add("--max-trials", type=positive_int, default=20, help="when to stop")
    add("--config", help="recipe for the rest; default: that of the data set's script")
    add(
        "--epochs",
        type=positive_int,
        help="of a trial, of the longest with hyperband; default: the config's",
    )
    add("--batch-size", type=positive_int, help="images a step")
    add("--train-images", type=positive_int, help="at most so many for a trial")
    add(
        "--validation-split",
        type=fraction,
        default=0.1,
        help="part of the training set that trials are judged on",
    )
    add = parser.add_argument_group("the best trial, trained again").add_argument
    add("--seeds", type=positive_int, default=3, help="how many times")
    add("--final-epochs", type=positive_int, help="default: as many as a trial's")
    add("--test-passes", type=positive_int, help="of mnist: fresh draws to test on")
    add_export(add, "the first seed's")
    add = parser.add_argument_group(
        "what is searched: one value is fixed, of several one is chosen; rates and "
        "widths also within a range, as 1e-4:1e-2"
    ).add_argument
    variants = ["stn_c", "stn_sl", "stn_dl", "cnn"]
    add("--variant", nargs="+", choices=variants, help="without the X")
    add("--depth", nargs="+", type=int, help="X")
    add("--localization", nargs="+", help="the localisation network")
    add(
        "--localization-width", nargs="+", type=_number_or_range, help="times its units"
    )
    add("--transform", nargs="+", help="the family of transforms")
    add("--fill-mode", nargs="+", choices=FILL_MODES, help="beyond the edges")
    add("--learning-rate", nargs="+", type=_number_or_range, help="its peak")
    add(
        "--localization-lr-multiplier",
        nargs="+",
        type=_number_or_range,
        help="relative to it",
    )
    return parser


def _number_or_range(text):
    """A number, or two with a colon between them for a range."""
    ends = [positive_float(end) for end in text.split(":")]
    if len(ends) > 2:
        raise argparse.ArgumentTypeError(f"expected a number or two, got {text!r}")
    return Range(*ends) if len(ends) == 2 else ends[0]
