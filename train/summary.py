"""What a run says of itself: the plan that it prints, the result that it writes."""

import time

import keras
import numpy as np

from keras_stn.models.transformers import transformers
from train import platform
from train.fingerprint import fingerprint
from train.options import recipe_name


def print_plan(experiment, config, model, directory, strategy, steps, epochs):
    """Says before a training what it will be.

    Args:
        experiment: A `train.experiment.Experiment`.
        config: What `train.options.read_config` returned.
        model: The model, not trained.
        directory: The `train.run_directory.RunDirectory`.
        strategy: What `train.strategy.make_strategy` returned.
        steps: How many there are in an epoch.
        epochs: How many there are.
    """
    names = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
    versions = platform.versions()
    backend = versions["backend"]
    localization = sum(layer.count_params() for layer in transformers(model))
    train, test = experiment.sizes
    multiplier = config["localization_lr_multiplier"]
    lines = {
        "keras-stn": f"{versions['keras_stn']}, Keras {versions['keras']} on "
        f"{names.get(backend, backend)} {versions[backend]}",
        "device": platform.device_name(),
        "strategy": str(strategy),
        "XLA": strategy.compiled_parts(),
        "data": f"{train:,} training and {test:,} test images. "
        f"{experiment.data.source}",
        "model": f"{model.name}, {model.count_params():,} parameters"
        + (f", {localization:,} of them to predict theta" if localization else ""),
        "training": f"{epochs} epochs of {steps} steps, batch {config['batch_size']}, "
        f"{config['optimizer']}, learning rate {config['learning_rate']:g} "
        f"({config['schedule']})"
        + (
            f", localisation x {multiplier:g}"
            if localization and multiplier != 1
            else ""
        ),
        "precision": keras.config.dtype_policy().name,
        "results": str(directory.path),
    }
    for name, text in lines.items():
        print(f"{name:<10}{text}")
    if not experiment.data.complete:
        print("NOTE      Not the full data set: errors cannot be compared to its own.")
    print(flush=True)


def describe_result(experiment, config, options, model, history, passes, strategy):
    """What goes into `result.json`.

    Args:
        experiment: A `train.experiment.Experiment`.
        config: What `train.options.read_config` returned.
        options: The parsed command line.
        model: The trained model.
        history: A dict for each epoch, with its `seconds`.
        passes: The errors of the test passes.
        strategy: What `train.strategy.make_strategy` returned.

    Returns:
        A dict that JSON can hold.
    """
    return {
        "name": experiment.name,
        "error": float(np.mean(passes)),
        "passes": passes,
        "seed": options.seed,
        "recipe": recipe_name(options),
        "config": {**config, **experiment.settings},
        "parameters": model.count_params(),
        "minutes": sum(row["seconds"] for row in history) / 60,
        "epochs": len(history),
        "data": experiment.data.source,
        "data_fingerprint": fingerprint(experiment.data),
        "is_full_data": experiment.data.complete,
        "images": dict(zip(("train", "test"), experiment.sizes, strict=True)),
        "device": platform.device_name(),
        "strategy": str(strategy),
        "xla": strategy.compiled_parts(),
        "versions": platform.versions(),
        "finished": time.strftime("%Y-%m-%d"),
    }


def print_result(result):
    """Says what came out.

    Args:
        result: What `describe_result` returned.
    """
    passes, draws = result["passes"], ""
    if len(passes) > 1:
        lowest, highest = min(passes), max(passes)
        draws = f" (mean of {len(passes)} fresh passes, {lowest:.2f} to {highest:.2f})"
    print(
        f"\nTest error {result['error']:.2f} %{draws}, {result['minutes']:.1f} minutes "
        "of training"
    )
    if not result["is_full_data"]:
        print(f"Not the full data set: {result['data']}")
