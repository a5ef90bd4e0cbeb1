"""One run: train, resume, test, report. What all training scripts share."""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import keras

from keras_stn.callbacks import ThetaMonitor
from keras_stn.models.transformers import transformers
from train import platform, workers
from train.callbacks import (
    EpochSeeds,
    ErrorAndSpeed,
    SaveProgress,
    StopOnNaN,
    epoch_of,
)
from train.export import check_exportable, export
from train.failures import exit_status
from train.feeding import feed
from train.fingerprint import fingerprint
from train.loading import load_checkpoint, load_model
from train.optimizers import make_optimizers
from train.run_directory import RunDirectory
from train.strategy import OnOneDevice, make_strategy
from train.summary import describe_result, print_plan, print_result

# The entry of a run's config that is named as what sets it.
_BACKEND = "KERAS_BACKEND"
# What a later test of a model leaves as it is in the result.
_AS_IT_WAS_TRAINED = ("recipe", "device", "strategy", "xla", "versions", "finished")


@dataclasses.dataclass
class Experiment:
    """What a training script knows of its data set.

    Attributes:
        name: Name of the run, also that of its folder.
        settings: All that identifies the run beside the config, for `config.json`.
        data: What `select` returned: all the images that training and tests are of.
        has_few_images: Whether the config's `sample_epochs` is the length, for lack of
            the data set.
        build_model: Makes the model, not compiled.
        loss: A Keras loss.
        metrics: Keras metrics that Keras can save.
        error_percent: Turns the logs of `fit` and `evaluate` into the error.
        training_data: Makes the training data, given the index of the first epoch.
        test_data: Makes the test data, given the index of the first test pass.
        draw_alignment: Makes the figure of inputs and aligned inputs, given the model.
        loss_weight: What the loss is multiplied by.
    """

    name: str
    settings: dict
    data: Any
    has_few_images: bool
    build_model: Callable[[], keras.Model]
    loss: Any
    metrics: list
    error_percent: Callable[[dict], float]
    training_data: Callable[[int], keras.utils.PyDataset]
    test_data: Callable[[int], keras.utils.PyDataset]
    draw_alignment: Callable[[keras.Model], Any]
    loss_weight: float = 1.0

    @property
    def sizes(self):
        """Number of training and of test images."""
        return len(self.data.x_train), len(self.data.x_test)

    def new_metrics(self):
        """The metrics anew: without a state, their variables made here and now.

        Made only when they are first called, TensorFlow would trace the step twice.
        """
        return [type(one).from_config(one.get_config()) for one in self.metrics]


def main(make_experiment, arguments=None):
    """Runs a training script and turns expected failures into plain messages.

    Args:
        make_experiment: Takes the command-line arguments and returns the options, the
            config and an `Experiment`.
        arguments: Instead of the command line's.

    Returns:
        The exit status: 0, 1 if training diverged, 2 if something asked for cannot be
        done, 130 if interrupted.
    """

    def work():
        workers.join(arguments)
        platform.choose_device(arguments)
        options, config, experiment = make_experiment(arguments)
        run(experiment, config, options)

    with workers.failing_together() as leave:
        return leave(
            exit_status(
                work,
                "Repeat the command with --resume to go on after the last finished "
                "epoch.",
            )
        )


def run(experiment, config, options):
    """Trains and tests one model, in its run directory.

    Args:
        experiment: An `Experiment`.
        config: What `train.options.read_config` returned.
        options: What the parser of `train.options.make_parser` returned.

    Returns:
        What was written to `result.json`; None in a worker that is not the chief.
    """
    check_exportable(options.export)
    strategy = make_strategy(options.strategy, config["batch_size"])
    directory = RunDirectory(
        options.run_dir or f"runs/{experiment.name}", read_only=not strategy.is_chief
    )
    try:
        return _run(experiment, config, options, directory, strategy)
    finally:
        directory.release()


def _run(experiment, config, options, directory, strategy):
    identity = {**config, **experiment.settings, "data": fingerprint(experiment.data)}
    # A checkpoint's optimiser is of one backend, and so is what a result says.
    identity[_BACKEND] = keras.config.backend()
    if options.test_only:
        model, history = _trained(directory, experiment)
        has_trained = False
        directory.check_same(identity, but_for=(_BACKEND,))
        print(f"Testing {directory.model}\nData      {experiment.data.source}")
    else:
        keras.utils.set_random_seed(options.seed)
        steps, epochs = _length(experiment, config)
        # Before anything is written: what is wrong with the config shall leave nothing.
        model = _compiled(experiment, config, strategy, steps * epochs)
        if options.resume:
            directory.check_same(identity)
        else:
            directory.start(identity)
        directory.write_json(directory.plan, {"steps": steps, "epochs": epochs})
        print_plan(experiment, config, model, directory, strategy, steps, epochs)
        model, history, has_trained = _train(
            experiment, config, model, directory, strategy, epochs
        )
        if strategy.is_distributed:
            model = None  # It is tested on one device.
    workers.part_ways()
    if not strategy.is_chief:
        return None
    model = model or _loaded(directory, experiment)
    model.jit_compile = platform.compiles_whole_step()
    passes = _test(experiment, model, options.test_passes)
    result = describe_result(
        experiment, config, options, model, history, passes, strategy
    )
    figure = experiment.draw_alignment(model)
    directory.write(directory.alignment, lambda path: figure.savefig(path, dpi=150))
    result = _keep(result, directory, has_trained)
    if options.export:
        export(options.export, model, experiment, directory)
    return result


def _compiled(experiment, config, strategy, steps):
    """The model, ready to be trained for so many steps."""
    with strategy.scope():
        model = experiment.build_model()
        model.compile(
            make_optimizers(config, steps, model),
            experiment.loss,
            loss_weights=experiment.loss_weight,
            metrics=experiment.new_metrics(),
            jit_compile=strategy.compiles_whole_step(),
        )
    return model


def _keep(result, directory, has_trained):
    """Prints a result and writes it, unless an earlier test had more passes.

    Returns:
        The result that is there then, which says where the model was trained.
    """
    earlier = {}
    if not has_trained and directory.result.exists():
        earlier = directory.read_json(directory.result)
        result |= {
            name: earlier[name] for name in _AS_IT_WAS_TRAINED if name in earlier
        }
    print_result(result)
    if len(earlier.get("passes", [])) > len(result["passes"]):
        print(f"{directory.result} stays: it has {len(earlier['passes'])} test passes.")
        return earlier
    # Last, as it says that the run is finished.
    directory.write_json(directory.result, result)
    written = ["result.json", "alignment.png", *["model.keras"] * has_trained]
    print(f"Written to {directory.path}: {', '.join(written)}")
    return result


def _length(experiment, config):
    """Steps an epoch and epochs."""
    steps = experiment.sizes[0] // config["batch_size"]
    if steps == 0:
        raise ValueError(
            f"--batch-size must be at most the number of training images, "
            f"{experiment.sizes[0]}. Received: {config['batch_size']}"
        )
    if "iterations" in config:
        return steps, -(-config["iterations"] // steps)
    return steps, config["sample_epochs" if experiment.has_few_images else "epochs"]


def _train(experiment, config, model, directory, strategy, epochs):
    """Trains from the start or from the checkpoint.

    Returns:
        The model, its history, and whether there was anything left to train.
    """
    first_epoch, history = 0, []
    if directory.checkpoint.exists():
        with strategy.scope():
            model = load_checkpoint(directory.checkpoint)
        # Not that of the device on which it was begun.
        model.jit_compile = strategy.compiles_whole_step()
        first_epoch = epoch_of(directory.checkpoint)
        history = _history(directory, first_epoch)
        print(f"Resumed after epoch {first_epoch} of {epochs}.")
    data = experiment.training_data(first_epoch)
    if first_epoch < epochs:
        strategy.fit(
            model,
            data,
            shuffle=False,  # The data are shuffled by their own seed.
            # A bar for a terminal, a line an epoch for a file.
            verbose=1 if sys.stdout.isatty() else 2,
            initial_epoch=first_epoch,
            epochs=epochs,
            callbacks=_callbacks(
                experiment, config, model, directory, strategy, history
            ),
        )
    directory.write(directory.model, model.save)
    return model, history, first_epoch < epochs


def _history(directory, epochs):
    """The rows of so many epochs. It may be ahead of the checkpoint, not behind."""
    rows = directory.read_json(directory.history, list)[:epochs]
    if len(rows) < epochs:
        raise ValueError(
            f"{directory.history} has {len(rows)} epochs and "
            f"{directory.checkpoint.name} is from after epoch {epochs}. Delete "
            f"{directory.path} to begin anew, or choose another --run-dir."
        )
    return rows


def _callbacks(experiment, config, model, directory, strategy, history):
    callbacks = [
        EpochSeeds(experiment.settings["seed"]),
        StopOnNaN(),
        ErrorAndSpeed(config["batch_size"], experiment.error_percent),
    ]
    if transformers(model):
        # The same images in each epoch, so that the curve is the network's.
        images = experiment.test_data(0)[0][0]
        monitor = ThetaMonitor(images)
        if strategy.is_distributed:
            monitor = OnOneDevice(monitor, experiment.build_model, strategy)
        callbacks.append(monitor)
    callbacks.append(SaveProgress(directory, history, strategy.aside))
    if not strategy.is_chief:
        return callbacks
    tensorboard = _tensorboard(directory)
    return [*callbacks, tensorboard] if tensorboard else callbacks


def _tensorboard(directory):
    try:
        import tensorboard  # noqa: F401
        import tensorflow  # noqa: F401
    except ImportError:
        print("No TensorBoard log: that needs tensorboard and tensorflow installed.")
        return None
    return keras.callbacks.TensorBoard(directory.tensorboard, write_graph=False)


def _trained(directory, experiment):
    if not directory.config.exists():
        raise ValueError(
            f"{directory.path} holds no run to test. Leave --test-only out to train "
            "one, or choose another --run-dir."
        )
    if not directory.model.exists():
        raise ValueError(
            f"{directory.path} holds no finished run: {directory.model.name} is "
            "missing. Finish it with --resume, or choose another --run-dir."
        )
    return _loaded(directory, experiment), directory.read_json(directory.history, list)


def _loaded(directory, experiment):
    """The trained model, ready to be tested."""
    model = load_model(directory.model)
    model.compile(
        loss=experiment.loss,
        loss_weights=experiment.loss_weight,
        metrics=experiment.new_metrics(),
    )
    return model


def _test(experiment, model, count):
    """The errors of several test passes, each on fresh draws."""
    passes = []
    for index in range(count):
        data, steps = feed(experiment.test_data(index))
        logs = model.evaluate(data, steps=steps, verbose=0, return_dict=True)
        passes.append(experiment.error_percent(logs))
        print(f"test pass {index + 1}/{count}: error {passes[-1]:.2f} %", flush=True)
    return passes
