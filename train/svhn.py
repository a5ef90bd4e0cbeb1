"""Trains and tests one of the paper's networks on whole house numbers.

python -m train.svhn --variant stn_sl3
"""

import sys
import warnings

import keras
import numpy as np

import keras_stn
from keras_stn.datasets import HouseNumbers, load_svhn
from keras_stn.metrics import WholeNumberAccuracy
from keras_stn.plotting import image_rows
from train import platform
from train.alignment import alignment_rows
from train.experiment import Experiment, main
from train.options import (
    check_transformer_options,
    make_parser,
    positive_float,
    read_config,
    set_precision,
)
from train.selection import select

LOCALIZATIONS = ("svhn", "svhn-small")
_OF_TRANSFORMER = ("localization", "transform")
# Five cross-entropies are added up; Keras takes their mean.
_DIGITS = 5
# The numbers of alignment.png: so many of each length that there is.
_EXAMPLES_OF_A_LENGTH = 3
# Does not change what is measured.
_TEST_BATCH = 200


def make_experiment(arguments=None):
    """Reads the command line and prepares the experiment."""
    parser = _parser()
    options = parser.parse_args(arguments)
    check_transformer_options(options, parser, _OF_TRANSFORMER)
    if options.extra and options.validation_split:
        raise ValueError(
            "--validation-split holds out the last training images, and with --extra "
            "those all come from the extra half, which is easier than the test "
            "images. Choose a recipe without --extra."
        )
    config = read_config("svhn", options)
    set_precision(options)

    def build_model():
        return keras_stn.models.svhn(
            options.variant,
            width=options.width,
            dropout=options.dropout,
            localization=options.localization,
            transform=options.transform,
        )

    build_model()  # An unknown variant shall fail before the data are read.
    whole = _load(options)
    numbers = select(
        whole,
        config.get("train_images"),
        config.get("test_images"),
        options.validation_split,
    )
    settings = {
        "dataset": "svhn",
        "is_full_data": numbers.complete,
        "extra": options.extra,
        "variant": options.variant,
        "width": options.width,
        "dropout": options.dropout,
        "localization": None if options.variant == "cnn" else options.localization,
        "transform": options.transform,
        "mixed_precision": options.mixed_precision,
        "validation_split": options.validation_split,
        "seed": options.seed,
    }
    experiment = Experiment(
        name=_name(options, parser),
        settings=settings,
        data=numbers,
        has_few_images=not whole.complete,
        build_model=build_model,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        loss_weight=float(_DIGITS),
        metrics=[WholeNumberAccuracy()],
        error_percent=lambda logs: round(100 * (1 - logs["whole_number_accuracy"]), 4),
        training_data=_training_data(numbers, config["batch_size"], options.seed),
        test_data=_test_data(numbers),
        draw_alignment=lambda model: draw_alignment(model, numbers),
    )
    return options, config, experiment


def _parser():
    parser = make_parser("svhn", "Train one of the paper's networks on house numbers.")
    has_accelerator = bool(platform.accelerators())
    parser.set_defaults(
        config="gpu" if has_accelerator else "laptop",
        variant="stn_sl3",
        # Not an option: the test images are what they are, nothing is drawn.
        test_passes=1,
        mixed_precision="bfloat16" if has_accelerator else "none",
    )
    parser.add_argument(
        "--width",
        type=positive_float,
        # Our choice for a CPU: some 200 images a second on two cores.
        default=1.0 if has_accelerator else 0.25,
        help="of the classifier, relative to the paper's",
    )
    parser.add_argument(
        "--dropout",
        type=float,
        # Our choice for a narrow network: with 0.5 it learns nothing in five epochs.
        default=0.5 if has_accelerator else 0.1,
        help="its rate; the paper's is 0.5",
    )
    parser.add_argument(
        "--localization",
        choices=LOCALIZATIONS,
        default="svhn",
        help="the localisation network",
    )
    parser.add_argument(
        "--transform",
        choices=keras_stn.transforms.NAMES,
        default="affine",
        help="the family of transforms",
    )
    parser.add_argument(
        "--extra", action="store_true", help="train on the official extra half too"
    )
    return parser


def _load(options):
    with warnings.catch_warnings():
        # The plan and the results say it themselves, and more than once.
        warnings.filterwarnings("ignore", message="NOT ")
        return load_svhn(options.data_dir, extra=options.extra)


def _training_data(numbers, batch_size, seed):
    """Makes the training data, given the index of the first epoch."""

    def make(first_epoch):
        return HouseNumbers(
            numbers.x_train,
            numbers.y_train,
            batch_size=batch_size,
            seed=seed,
            shuffle=True,
            drop_remainder=True,
            first_pass=first_epoch,
        )

    return make


def _test_data(numbers):
    """Makes the test data, given the index of the first test pass."""

    def make(first_pass):
        return HouseNumbers(
            numbers.x_test,
            numbers.y_test,
            batch_size=_TEST_BATCH,
            split="test",
            first_pass=first_pass,
        )

    return make


def _name(options, parser):
    """Names a run by its network and what is not the default of that."""
    changed = [
        getattr(options, name)
        for name in (*_OF_TRANSFORMER, "mixed_precision")
        if getattr(options, name) != parser.get_default(name)
    ]
    if options.dropout != parser.get_default("dropout"):
        changed.append(f"dropout{options.dropout:g}")
    if options.extra:
        changed.append("extra")
    parts = ["svhn", options.variant, f"width{options.width:g}", *changed]
    parts.append(f"seed{options.seed}")
    return "-".join([*parts, *(["validation"] if options.validation_split else [])])


def draw_alignment(model, numbers):
    """Draws test numbers above, and below what theta makes of the image.

    Args:
        model: One of the paper's networks.
        numbers: What `load_svhn` returned.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    blank = 10
    lengths = np.sum(np.asarray(numbers.y_test) != blank, axis=1)
    examples = np.concatenate(
        [
            np.flatnonzero(lengths == length)[:_EXAMPLES_OF_A_LENGTH]
            for length in np.unique(lengths)
        ]
    )
    data = HouseNumbers(numbers.x_test, numbers.y_test, batch_size=len(examples))
    images, _ = data.draw(examples, None)
    rows = alignment_rows(model, images)
    return image_rows(
        {name: (row * 0.5 + 0.5).clip(0, 1) for name, row in rows.items()}
    )


if __name__ == "__main__":
    sys.exit(main(make_experiment))
