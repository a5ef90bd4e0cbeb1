"""Trains and tests one of the paper's networks on transformed MNIST.

python -m train.mnist --variant stn_c1
"""

import sys
import warnings

import keras
import numpy as np

import keras_stn
from keras_stn.datasets import TransformedMNIST, load_mnist, mnist_task
from keras_stn.models.transformers import find_transformer
from keras_stn.ops.arguments import FILL_MODES
from keras_stn.plotting import image_rows
from train.alignment import alignment_rows
from train.experiment import Experiment, main
from train.options import (
    check_transformer_options,
    make_parser,
    positive_int,
    read_config,
    set_precision,
)
from train.selection import select

LOCALIZATIONS = ("cnn", "fcn", "cnn-m", "cnn-t", "cnn-s")

_OF_TRANSFORMER = ("localization", "transform", "fill_mode")
# With fewer digits to train on, such as the sample of 4,000, epochs are short.
_FEW = 30_000
# What is applied to the digits of alignment.png; degrees, pixels, factors.
_EXAMPLES = {
    "rotation": [-75, -25, 25, 75],
    "translation": [(-14, -10), (-10, 12), (12, -12), (14, 8)],
    "scale": [0.6, 1.0, 2.0, 3.5],
}
# The labels of those digits, our choice: some that a turn does not make another digit.
_EXAMPLE_LABELS = (2, 4, 7)


def make_experiment(arguments=None):
    """Reads the command line and prepares the experiment."""
    parser = _parser()
    options = parser.parse_args(arguments)
    check_transformer_options(options, parser, _OF_TRANSFORMER)
    config = read_config("mnist", options, tasks=sorted(_EXAMPLES))
    set_precision(options)

    def build_model():
        return keras_stn.models.mnist(
            options.variant,
            task=options.task,
            localization=options.localization,
            batch_norm=options.batch_norm,
            transform=options.transform,
            fill_mode=options.fill_mode,
        )

    # An unknown variant shall fail before the data are read.
    localization = _localization_of(build_model())
    whole = _load(options)
    digits = select(
        whole,
        config.get("train_images"),
        config.get("test_images"),
        options.validation_split,
    )
    task = mnist_task(options.task)
    settings = {
        "dataset": "mnist",
        "is_full_data": digits.complete,
        "task": options.task,
        "variant": options.variant,
        "localization": localization,
        "transform": options.transform,
        "fill_mode": options.fill_mode,
        "batch_norm": options.batch_norm,
        "mixed_precision": options.mixed_precision,
        "validation_split": options.validation_split,
        "seed": options.seed,
    }
    experiment = Experiment(
        name=_name(options, parser),
        settings=settings,
        data=digits,
        has_few_images=len(whole.x_train) < _FEW,
        build_model=build_model,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        error_percent=lambda logs: round(100 * (1 - logs["accuracy"]), 4),
        training_data=_training_data(digits, task, config["batch_size"], options.seed),
        test_data=_test_data(digits, task, options.seed),
        draw_alignment=lambda model: draw_alignment(model, digits, task),
    )
    return options, config, experiment


def _parser():
    parser = make_parser("mnist", "Train one of the paper's networks on MNIST.")
    parser.set_defaults(config="quick")
    parser.add_argument(
        "--task", choices=sorted(_EXAMPLES), default="rotation", help="the transforms"
    )
    parser.add_argument(
        "--localization",
        choices=LOCALIZATIONS,
        help="the localisation network; default: one that suits task and variant",
    )
    parser.add_argument(
        "--transform",
        choices=keras_stn.transforms.NAMES,
        default="affine",
        help="the family of transforms",
    )
    parser.add_argument(
        "--fill-mode",
        choices=FILL_MODES,
        default="nearest",
        help="the image beyond its edges",
    )
    parser.add_argument(
        "--batch-norm", action="store_true", help="normalise after each block"
    )
    parser.add_argument(
        "--test-passes", type=positive_int, default=10, help="fresh draws to test on"
    )
    return parser


def _load(options):
    with warnings.catch_warnings():
        # The plan and the results say it themselves, and more than once.
        warnings.filterwarnings("ignore", message="NOT ")
        return load_mnist(options.data_dir)


def _training_data(digits, task, batch_size, seed):
    """Makes the training data, given the index of the first epoch."""

    def make(first_epoch):
        return TransformedMNIST(
            digits.x_train,
            digits.y_train,
            task,
            batch_size=batch_size,
            seed=seed,
            split="train",
            shuffle=True,
            drop_remainder=True,
            first_pass=first_epoch,
        )

    return make


def _test_data(digits, task, seed):
    """Makes the test data, given the index of the first test pass."""

    def make(first_pass):
        return TransformedMNIST(
            digits.x_test,
            digits.y_test,
            task,
            batch_size=1000,  # Does not change what is measured.
            seed=seed,
            split="test",
            clutter_from=digits.x_train,
            first_pass=first_pass,
        )

    return make


def _localization_of(model):
    """Name of a network's localisation network, also where it is the default; or None.

    A result has to say it, as the default may change from one version to the next.
    """
    if model.name == "cnn":
        return None
    name = find_transformer(model).localization.name
    return name.removeprefix("localization_").replace("_", "-")


def _name(options, parser):
    """Names a run by its task, its network and what is not the default of that."""
    changed = [
        getattr(options, name)
        for name in _OF_TRANSFORMER
        if getattr(options, name) != parser.get_default(name)
    ]
    if options.batch_norm:
        changed.append("batch_norm")
    if options.mixed_precision != "none":
        changed.append(options.mixed_precision)
    parts = ["mnist", options.task, options.variant, *changed, f"seed{options.seed}"]
    return "-".join([*parts, *(["validation"] if options.validation_split else [])])


def draw_alignment(model, digits, task):
    """Draws transformed test digits above, and below what theta makes of the image.

    Args:
        model: One of the paper's networks.
        digits: What `load_mnist` returned.
        task: One of the tasks of `keras_stn.datasets`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    images, _ = example_images(digits, task)
    rows = alignment_rows(model, images)
    return image_rows({name: row * task.std + task.mean for name, row in rows.items()})


def example_images(digits, task):
    """Transforms the test digits that the pictures show.

    Args:
        digits: What `load_mnist` returned.
        task: One of the tasks of `keras_stn.datasets`.

    Returns:
        float32 array of shape `(images, height, width, 1)`, as the networks take them,
        and what was applied to each.
    """
    there = np.unique(digits.y_test)
    labels = [label for label in _EXAMPLE_LABELS if label in there]
    # Others, where these are not among what is tested on.
    labels = labels or there[: len(_EXAMPLE_LABELS)]
    first = [np.flatnonzero(digits.y_test == label)[0] for label in labels]
    applied = _EXAMPLES[task.name]
    applied, count = (
        np.tile(np.asarray(applied, "float32").T, len(first)).T,
        len(applied),
    )
    images = task.render(
        np.repeat(digits.x_test[first], count, axis=0),
        applied,
        np.random.default_rng(0),
        digits.x_train,
    )
    return images, applied


if __name__ == "__main__":
    sys.exit(main(make_experiment))
