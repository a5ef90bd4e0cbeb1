"""One trial of a search: the model that was drawn, trained and validated."""

import time

import keras

from keras_stn.tuning import SpatialTransformerHyperModel
from train import platform
from train.callbacks import StopOnNaN
from train.feeding import feed
from train.optimizers import make_optimizer
from train.tuners import TrialInterrupted


class TrialHyperModel(SpatialTransformerHyperModel):
    """Trains each model of a search by a config, on the same data.

    Args:
        experiment: A `train.experiment.Experiment`, for loss and metrics.
        config: What `train.options.read_config` returned.
        classifier: A `train.classifier.Classifier`.
        data: A `train.trial_data.TrialData`.
        epochs: Of a trial, unless Hyperband says otherwise.
        seed: Of the weights.
        dimensions: Arguments of `SpatialTransformerHyperModel` that are not its
            defaults.
    """

    def __init__(self, experiment, config, classifier, data, epochs, seed, dimensions):
        self.config = config
        self.data = data
        self.epochs = epochs
        self.seed = seed
        super().__init__(
            classifier.input_shape,
            classifier.blocks,
            classifier.head,
            experiment.loss,
            experiment.metrics,
            optimizer=self._optimizer,
            compile_options={
                "loss_weights": experiment.loss_weight,
                "jit_compile": platform.compiles_whole_step(),
            },
            downsample=classifier.downsample,
            **dimensions,
        )
        self.metric = experiment.metrics[0].name
        self.error_percent = experiment.error_percent

    @property
    def objective(self):
        """What a search maximises."""
        return f"val_{self.metric}"

    def build(self, hp):
        """Builds the model of a trial; all begin with the same seed."""
        keras.utils.set_random_seed(self.seed)
        return super().build(hp)

    def fit(
        self, hp, model, callbacks=(), epochs=None, initial_epoch=0, verbose="auto"
    ):
        """Trains a model and validates it after each epoch.

        Returns:
            A dict of what its best epoch measured, the number of its parameters, and
            the epochs and seconds that it was trained for.

        Raises:
            TrialInterrupted: If something cannot be read or written; the
                trial is not over then.
        """
        del hp
        start = time.perf_counter()
        epochs = epochs or self.epochs
        training, steps = feed(self.data.training(initial_epoch))
        validation, validation_steps = feed(self.data.validation(initial_epoch))
        try:
            history = model.fit(
                training,
                steps_per_epoch=steps,
                validation_data=validation,
                validation_steps=validation_steps,
                shuffle=False,  # The data are shuffled by their own seed.
                initial_epoch=initial_epoch,
                epochs=epochs,
                callbacks=[StopOnNaN(), *callbacks],
                verbose=verbose,
            ).history
        except OSError as error:
            # A full disk, say, which is not the trial's fault: it begins anew when the
            # search goes on, instead of counting as one that failed.
            raise TrialInterrupted(str(error)) from error
        values = history[self.objective]
        best = values.index(max(values))
        return {
            **{name: float(values[best]) for name, values in history.items()},
            "parameters": model.count_params(),
            "epochs": epochs,
            "seconds": time.perf_counter() - start,
        }

    def _optimizer(self, learning_rate, hp):
        """By the config; Hyperband's trials have schedules of their own length."""
        epochs = hp.values.get("tuner/epochs", self.epochs)
        return make_optimizer(self.config, self.data.steps * epochs, learning_rate)
