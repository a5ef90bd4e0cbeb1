"""What happens during training beside training."""

import contextlib
import math
import time
import zipfile

import keras
import numpy as np

# Beside Keras' own files in a checkpoint, which is a zip file: the last epoch's number.
_EPOCH = "train_epoch.txt"


class TrainingDiverged(RuntimeError):
    """The loss is no longer a number."""


class ErrorAndSpeed(keras.callbacks.Callback):
    """Shows the error in per cent and the images per second in the progress bar.

    Args:
        batch_size: Images a step.
        error_percent: Turns the logs of `model.fit` into the error in per cent.
    """

    def __init__(self, batch_size, error_percent):
        super().__init__()
        self.batch_size = batch_size
        self.error_percent = error_percent

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self._start = time.perf_counter()
        self._steps = 0

    def on_train_batch_end(self, batch, logs=None):
        """Adds to what the progress bar shows."""
        self._steps = batch + 1
        self._add(logs)

    def on_epoch_end(self, epoch, logs=None):
        """Adds to what the history keeps."""
        self._add(logs)
        logs["seconds"] = time.perf_counter() - self._start

    def _add(self, logs):
        logs["error %"] = self.error_percent(logs)
        for name in [name for name in logs if "accuracy" in name]:
            del logs[name]
        seconds = time.perf_counter() - self._start
        logs["images/s"] = self._steps * self.batch_size / seconds


class StopOnNaN(keras.callbacks.Callback):
    """Ends a run whose loss is no longer a number, and says what may have happened."""

    def on_epoch_begin(self, epoch, logs=None):
        """Remembers the epoch for the message."""
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the loss."""
        loss = logs["loss"]
        if not math.isfinite(loss):
            kept = "The last checkpoint, from before this epoch, is kept. "
            raise TrainingDiverged(
                f"The loss became {loss} in epoch {self._epoch + 1}, step {batch + 1}. "
                f"{kept if self._epoch else ''}Most often the learning rate is too "
                "high: try --learning-rate with a third of it, or "
                "--localization-lr-multiplier 0.1 if only the transformer breaks away, "
                "and another --run-dir; with --mixed-precision float16 try bfloat16."
            )


class EpochSeeds(keras.callbacks.Callback):
    """Makes what is drawn in an epoch, by dropout, a function of seed and epoch alone.

    A `.keras` file does not keep the state of random generators, so a run that is
    resumed would go on with other draws than one that was never interrupted.

    Args:
        seed: Of the run.
    """

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        """Remembers the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        """Seeds all generators of the model, and those of the backend.

        Not before the first step, as PyTorch draws when a pass over the data begins,
        which is before or after the beginning of an epoch.
        """
        if self._epoch is None:
            return
        epoch, self._epoch = self._epoch, None
        words = np.random.SeedSequence([self.seed, epoch]).generate_state(1)
        # The masks of dropout on PyTorch are drawn by its global generator.
        keras.utils.set_random_seed(int(words[0]))
        generators = {
            id(generator): generator
            for layer in self.model._flatten_layers()
            for generator in layer._seed_generators
        }
        for index, generator in enumerate(generators.values()):
            words = np.random.SeedSequence([self.seed, epoch, index]).generate_state(1)
            # A seed and how often it has been used.
            generator.state.assign([int(words[0]) % 2**31, 0])


class SaveProgress(keras.callbacks.Callback):
    """Writes history and checkpoint after each epoch, so that a run can be resumed.

    Args:
        directory: A `RunDirectory`.
        history: Rows of the epochs before this call of `fit`, a list that is extended.
        aside: Makes the context to save the model in, `Strategy.aside`.
    """

    def __init__(self, directory, history, aside=contextlib.nullcontext):
        super().__init__()
        self.directory = directory
        self.history = history
        self.aside = aside

    def on_epoch_end(self, epoch, logs=None):
        """Writes both, the history first: it may be ahead of the checkpoint."""
        row = {name: float(value) for name, value in logs.items()}
        self.history.append({"epoch": epoch + 1, **row})
        self.directory.write_json(self.directory.history, self.history)

        def save(path):
            self.model.save(path)
            # In the same file, as the two must not be of different epochs. The
            # optimiser's steps do not tell: half precision may leave some out.
            with zipfile.ZipFile(path, "a") as file:
                file.writestr(_EPOCH, str(epoch + 1))

        with self.aside():
            self.directory.write(self.directory.checkpoint, save)


def epoch_of(checkpoint):
    """The number of epochs behind a checkpoint that `SaveProgress` wrote.

    Raises:
        ValueError: If the file is another one.
    """
    try:
        with zipfile.ZipFile(checkpoint) as file:
            return int(file.read(_EPOCH))
    except (KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{checkpoint} does not say after which epoch it was written: {error}. "
            "Delete it to start again from the beginning, or choose another --run-dir."
        ) from error
