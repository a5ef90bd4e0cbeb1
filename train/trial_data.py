"""What trials are trained and judged on: parts of the training set alone."""

import numpy as np

from keras_stn.datasets import HouseNumbers, TransformedMNIST, load_mnist, load_svhn
from train.selection import part

# So that validation images are not transformed by the draws of training or test.
_VALIDATION_SEED = 1_000_003


class TrialData:
    """The training set in two parts, one to train on and one to validate on.

    Every trial sees the same images in the same order with the same draws, epoch for
    epoch. The test set is not in here.

    Args:
        images: The training set's.
        labels: The same.
        make_dataset: Makes a `keras_stn.datasets.PassDataset`, given images, labels and
            its options, and the images of the training part.
        validation_split: The fraction to validate on.
        train_images: At most so many to train on, or None for all the others.
        batch_size: Images a step.
        seed: Of the split and of all draws.

    Raises:
        ValueError: If a part would be empty.
    """

    def __init__(
        self,
        images,
        labels,
        make_dataset,
        validation_split,
        train_images,
        batch_size,
        seed,
    ):
        order = np.random.default_rng(seed).permutation(len(labels))
        count = round(validation_split * len(labels))
        self.validation_rows = order[:count]
        self.training_rows = order[count:][:train_images]
        self.batch_size = batch_size
        self._images, self._labels = images, labels
        self._make_dataset = make_dataset
        self._seed = seed
        if not count or len(self.training_rows) < batch_size:
            raise ValueError(
                f"Of {len(labels)} training images, --validation-split "
                f"{validation_split:g} leaves {count} to validate on and "
                f"{len(self.training_rows)} to train on, which must be at least one "
                f"and one batch of {batch_size}. Change it, --train-images or "
                "--batch-size."
            )

    @property
    def steps(self):
        """Training steps of an epoch."""
        return len(self.training_rows) // self.batch_size

    def training(self, first_epoch=0):
        """Makes the data that a trial is trained on."""
        return self._dataset(
            self.training_rows,
            batch_size=self.batch_size,
            seed=self._seed,
            shuffle=True,
            drop_remainder=True,
            first_pass=first_epoch,
        )

    def validation(self, first_epoch=0):
        """Makes the data that a trial is judged on."""
        return self._dataset(
            self.validation_rows,
            batch_size=min(200, len(self.validation_rows)),
            seed=self._seed + _VALIDATION_SEED,
            first_pass=first_epoch,
        )

    def _dataset(self, rows, **options):
        return self._make_dataset(
            part(self._images, rows), self._labels[rows], self.training_rows, **options
        )


def mnist_data(options, config):
    """Makes the `TrialData` of transformed MNIST.

    Args:
        options: What `train.tune_options.parse` returned.
        config: The recipe, whose `train_images` the trials have to do with too.
    """
    digits = load_mnist(options.data_dir)

    def make_dataset(images, labels, training_rows, **settings):
        return TransformedMNIST(
            np.asarray(images),
            labels,
            options.task,
            clutter_from=digits.x_train[training_rows],
            **settings,
        )

    return _trial_data(options, config, digits, make_dataset)


def svhn_data(options, config):
    """Makes the `TrialData` of house numbers; arguments as `mnist_data` has them."""
    numbers = load_svhn(options.data_dir)

    def make_dataset(images, labels, training_rows, **settings):
        del training_rows
        return HouseNumbers(images, labels, **settings)

    return _trial_data(options, config, numbers, make_dataset)


def _trial_data(options, config, loaded, make_dataset):
    images, labels = loaded.x_train, np.asarray(loaded.y_train)
    if "train_images" in config:
        first = slice(0, config["train_images"])
        images, labels = part(images, first), labels[first]
    return TrialData(
        images,
        labels,
        make_dataset,
        options.validation_split,
        options.train_images,
        config["batch_size"],
        options.seed,
    )
