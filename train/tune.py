"""Searches for the transformer that suits one of the paper's classifiers.

python -m train.tune --dataset mnist --task rotation --max-trials 20
"""

import dataclasses
import importlib.metadata
import importlib.util
import json
import shutil
import sys
import warnings

import keras
import numpy as np

from train import experiment as experiments
from train import mnist, platform, svhn
from train.classifier import Classifier
from train.export import check_exportable, export
from train.failures import exit_status
from train.fingerprint import fingerprint
from train.loading import load_model
from train.optimizers import make_optimizer
from train.run_directory import RunDirectory
from train.trial_data import mnist_data, svhn_data
from train.trial_table import best_choices, format_table, trial_rows
from train.trials import TrialHyperModel
from train.tune_options import dataset_arguments, dimensions, parse
from train.tuners import TrialInterrupted, make_tuner, role

_SCRIPTS = {"mnist": mnist, "svhn": svhn}
_DATA = {"mnist": mnist_data, "svhn": svhn_data}


def main(arguments=None):
    """Runs a search and turns expected failures into plain messages.

    Args:
        arguments: Instead of the command line's.

    Returns:
        The exit status: 0, 1 if training diverged, 2 if something asked for cannot be
        done, 130 if interrupted.
    """

    def work():
        platform.choose_device(arguments)
        search(parse(arguments))

    return exit_status(
        work,
        "Repeat the command with --resume to go on; the trial that was running begins "
        "anew.",
    )


def search(options):
    """Searches, trains the best trial again and tests it, in a run directory.

    Args:
        options: What `train.tune_options.parse` returned.

    Returns:
        What was written to `result.json`, or None in a worker.
    """
    check_exportable(options.export, later="--resume")
    experiment, config = _experiment(options)
    directory = RunDirectory(
        options.run_dir or f"runs/{_name(options)}", read_only=role() == "worker"
    )
    try:
        return _search(options, experiment, config, directory)
    finally:
        directory.release()


def _search(options, experiment, config, directory):
    data = _data(options, config)
    epochs = config.get("sample_epochs" if experiment.has_few_images else "epochs")
    if epochs is None:
        raise ValueError(
            f"The config '{options.config}' sets 'iterations', which a search cannot "
            "divide among trials. Give --epochs."
        )
    hypermodel = TrialHyperModel(
        experiment,
        config,
        Classifier(experiment.build_model()),
        data,
        epochs,
        options.seed,
        dimensions(options),
    )
    identity = _identity(options, config, data, experiment)
    # It says what is wrong with the config, before anything is written.
    make_optimizer(config, data.steps * epochs, config["learning_rate"])
    if role() != "worker":
        if options.resume:
            directory.check_same(identity)
        else:
            directory.start(identity)
        _print_plan(options, experiment, data, epochs, directory)
    rows = _run_trials(options, hypermodel, epochs, directory, identity)
    return None if rows is None else _finish(options, hypermodel, rows, directory)


def _experiment(options, **others):
    arguments = dataset_arguments(
        options, **{"variant": "stn_c0", "seed": options.seed, **others}
    )
    _, config, experiment = _SCRIPTS[options.dataset].make_experiment(arguments)
    return experiment, config


def _data(options, config):
    with warnings.catch_warnings():
        # The plan says it.
        warnings.filterwarnings("ignore", message="NOT ")
        return _DATA[options.dataset](options, config)


def _name(options):
    task = [options.task] if options.task else []
    return "-".join(
        ["tune", options.dataset, *task, options.algorithm, f"seed{options.seed}"]
    )


def _identity(options, config, data, experiment):
    """What must be the same for a search to go on. Its length may change."""
    names = ("dataset", "task", "algorithm", "seed")
    # As they are settled: a default may depend on the machine.
    settled = ("width", "dropout", "mixed_precision")
    return {
        **{name: getattr(options, name) for name in names},
        **{name: experiment.settings.get(name) for name in settled},
        "backend": keras.config.backend(),
        "config": config,
        "data": fingerprint(experiment.data),
        "training_images": len(data.training_rows),
        "validation_images": len(data.validation_rows),
        # As it is read from JSON, where tuples are lists.
        "searched": json.loads(json.dumps(dimensions(options))),
    }


def _run_trials(options, hypermodel, epochs, directory, identity):
    """Runs or hands out the trials; returns their rows, or None in a worker."""
    tuner = make_tuner(
        options.algorithm,
        hypermodel,
        options.max_trials,
        epochs,
        options.seed,
        directory.path / "search",
    )
    if role() == "worker":
        tuner.oracle.get_space()  # Waits for the chief, who makes the directory.
        if directory.config.exists():
            directory.check_same(identity)
    if role() != "chief" or not _is_over(options, directory):
        try:
            tuner.search(epochs=epochs, callbacks=_callbacks(directory))
        except TrialInterrupted as error:
            raise error.__cause__ from None
        except RuntimeError as error:
            # What KerasTuner raises after three failures in a row.
            raise ValueError(f"The search was given up: {error}") from error
    if role() == "worker":
        print("No more trials. The chief trains and tests the best of them.")
        return None
    rows = trial_rows(tuner.oracle.trials.values(), hypermodel)
    table = format_table(rows)
    directory.write_json(directory.path / "trials.json", rows)
    directory.write(
        directory.path / "trials.txt",
        lambda path: path.write_text(table + "\n", encoding="utf-8"),
    )
    print(f"\n{table}\n", flush=True)
    return rows


def _is_over(options, directory):
    """Whether a chief, who cannot ask for trials himself, has no more to hand out."""
    path = directory.path / "trials.json"
    return path.exists() and len(directory.read_json(path, list)) >= options.max_trials


def _callbacks(directory):
    """KerasTuner gives each trial a log of its own and adds its hyperparameters."""
    is_there = importlib.util.find_spec("tensorboard") is not None
    if keras.config.backend() != "tensorflow" or not is_there:
        print("No TensorBoard log: that needs tensorboard, and TensorFlow as backend.")
        return []
    return [keras.callbacks.TensorBoard(str(directory.tensorboard), write_graph=False)]


def _finish(options, hypermodel, rows, directory):
    """Trains the best trial again and tests it; writes what came out."""
    choices = best_choices(rows)
    trial = rows[0]["trial"]
    print(f"Best      {_as_text(choices)} (trial {trial})")
    # By the trial, as another may be the best when a longer search goes on.
    finals = {
        seed: RunDirectory(directory.path / f"final-trial{trial}-seed{seed}")
        for seed in range(options.seed, options.seed + options.seeds)
    }
    results = []
    for seed, final in finals.items():
        # Before there is an experiment, as that sets Keras' dtype policy.
        keras.utils.clear_session()
        results.append(
            _train_again(*_final_run(options, hypermodel, choices, seed, final))
        )
    errors = [result["error"] for result in results]
    # The first seed's: to choose by the test error would be to tune on the test set.
    model = finals[options.seed].model
    directory.write(directory.model, lambda path: shutil.copyfile(model, path))
    result = {
        "name": directory.path.name,
        "error": float(np.mean(errors)),
        "errors": errors,
        "seeds": [result["seed"] for result in results],
        "trial": trial,
        "choices": choices,
        "validation_error": rows[0]["validation_error"],
        "trials": len(rows),
        "search_minutes": sum(row.get("seconds", 0) for row in rows) / 60,
        **{
            name: results[0][name]
            for name in ("data", "is_full_data", "images", "parameters", "device")
        },
        "versions": results[0]["versions"]
        | {"keras_tuner": importlib.metadata.version("keras-tuner")},
    }
    directory.write_json(directory.result, result)
    print(
        f"\nTest error {result['error']:.2f} % (seeds: {len(errors)}, from "
        f"{min(errors):.2f} to {max(errors):.2f}); validation error of the best of "
        f"{len(rows)} trials {result['validation_error']:.2f} %"
    )
    print(
        f"Written to {directory.path}: result.json, trials.json, trials.txt, "
        "model.keras (of the first seed)"
    )
    if options.export:
        final = finals[options.seed]
        experiment, *_ = _final_run(options, hypermodel, choices, options.seed, final)
        export(options.export, load_model(final.model), experiment, final)
    return result


def _final_run(options, hypermodel, choices, seed, directory):
    """Experiment, config and options of a training on the whole training set."""
    arguments = dataset_arguments(
        options,
        variant=choices["variant"],
        seed=seed,
        run_dir=directory.path,
        epochs=options.final_epochs or options.epochs,
        learning_rate=choices["learning_rate"],
        # Of a transformer; there may be none.
        localization_lr_multiplier=choices.get("localization_lr_multiplier"),
    )
    if directory.result.exists():
        if not (directory.config.exists() and directory.model.exists()):
            raise ValueError(
                f"{directory.path} holds the result of a training, but not its "
                f"{directory.config.name} and {directory.model.name}. Delete it to "
                "train again."
            )
        arguments.append("--test-only")
    elif directory.config.exists():
        arguments.append("--resume")
    run_options, config, experiment = _SCRIPTS[options.dataset].make_experiment(
        arguments
    )
    experiment = dataclasses.replace(
        experiment,
        name=f"{directory.path.parent.name}-{directory.path.name}",
        settings={**experiment.settings, **choices},
        build_model=lambda: hypermodel.network(choices),
    )
    return experiment, config, run_options


def _train_again(experiment, config, options):
    """Trains by the training scripts' own code, or tests what is trained."""
    if not options.test_only:
        print(
            f"\nTraining the best again on all training images, seed {options.seed}\n"
        )
    return experiments.run(experiment, config, options)


def _print_plan(options, experiment, data, epochs, directory):
    lines = {
        "search": f"{options.algorithm}, at most {options.max_trials} trials of up to "
        f"{epochs} epochs of {data.steps} steps",
        "device": platform.device_name(),
        "data": f"{len(data.training_rows):,} images to train on and "
        f"{len(data.validation_rows):,} others of the training set to validate on. "
        f"{experiment.data.source}",
        "results": str(directory.path),
    }
    for name, text in lines.items():
        print(f"{name:<10}{text}")
    if not experiment.data.complete:
        print("NOTE      Not the full data set: errors cannot be compared to its own.")
    if role() == "chief":
        print("NOTE      This is the chief: it waits for workers and runs no trial.")
    print(flush=True)


def _as_text(choices):
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in choices.items()
    )


if __name__ == "__main__":
    sys.exit(main())
