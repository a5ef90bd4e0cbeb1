"""Exports the model of a run, and checks each export on real test images."""

import argparse
import importlib.util

import keras
import numpy as np

from train.export_formats import FORMATS, INPUT, OUTPUT, served

# Of the largest output. Our choice: rounding in single precision gives a third of it.
_TOLERANCE = 1e-5
# Beside those of the test data; our choice, no model is traced with this one.
_BATCH_SIZE = 7


def export_formats(text):
    """Parses the names of formats, separated by commas, for argparse."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    unknown = [name for name in names if name not in FORMATS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"expected some of {','.join(FORMATS)}, got {', '.join(map(repr, unknown))}"
        )
    return names


def check_exportable(names, later="--test-only"):
    """Checks that the formats can be written here, before hours are spent on training.

    Args:
        names: Keys of `FORMATS`.
        later: The option with which a finished run is exported.

    Raises:
        ValueError: If one cannot be written on this backend, or needs what is not
            installed.
    """
    backend = keras.config.backend()
    for name in names:
        modules = FORMATS[name].modules
        if backend not in modules:
            raise ValueError(
                f"--export {name} does not work on Keras' {backend} backend, only on "
                f"{', '.join(modules)}. Leave it out and export when the run is "
                "finished: repeat the command with KERAS_BACKEND=tensorflow in front, "
                f"and {later} --export {name}."
            )
        missing = [
            module
            for module in modules[backend]
            if importlib.util.find_spec(module) is None
        ]
        if missing:
            extra = "tensorflow" if missing == ["tensorflow"] else "export"
            raise ValueError(
                f"--export {name} needs {', '.join(missing)}, not installed here: "
                f'pip install -e ".[{extra}]"'
            )


def export(names, model, experiment, directory):
    """Exports a model to its run directory and checks what was written.

    Each export is run on the first test pass. It is kept only if, but for rounding, its
    outputs are those of the model; of a quantised one the error says what it is worth.

    Args:
        names: Keys of `FORMATS`.
        model: The trained model.
        experiment: An `Experiment`.
        directory: The `RunDirectory` of the run.

    Returns:
        What was added to `exports.json`.

    Raises:
        ValueError: If the outputs are not the same.
    """
    model = served(_in_single_precision(model))
    data = experiment.test_data(0)
    batches = [data[index] for index in range(len(data))]
    images = [np.asarray(batch[0], "float32") for batch in batches]
    labels = np.concatenate([np.asarray(batch[1]) for batch in batches])
    images.insert(0, images[0][:_BATCH_SIZE])
    expected = [_predict(model, batch) for batch in images]
    examples = np.asarray(experiment.training_data(0)[0][0], "float32")
    error = _error(experiment, np.concatenate(expected[1:]), labels)
    print(f"\nExports, on the first test pass; error of the model {error:.2f} %")
    earlier = (
        directory.read_json(directory.exports) if directory.exports.exists() else {}
    )
    report = {}
    for name in names:
        kind = FORMATS[name]
        outputs = []

        def save(path, name=name, kind=kind, outputs=outputs):
            kind.write(model, path, examples)
            run = kind.load(path)
            outputs.extend(map(run, images))
            if kind.is_exact:
                check_same(name, outputs, expected)

        path = directory.path / kind.file
        directory.write(path, save)
        report[name] = {
            "file": kind.file,
            "bytes": _size(path),
            "input": {INPUT: [None, *model.input_shape[1:]]},
            "output": {OUTPUT: [None, *expected[0].shape[1:]]},
            "difference": _difference(outputs, expected),
            "error": _error(experiment, np.concatenate(outputs[1:]), labels),
            "model_error": error,
        }
        # After each, so that one that fails leaves none of the others unsaid.
        directory.write_json(directory.exports, {**earlier, **report})
        print(
            f"{name:<16}{report[name]['bytes'] / 1e6:.2f} MB, error "
            f"{report[name]['error']:.2f} %, largest difference of outputs "
            f"{report[name]['difference']:.1e} of the largest: {path}",
            flush=True,
        )
    return report


def _in_single_precision(model):
    """The model, or a copy in float32 if it computes in half precision."""
    config = model.get_config()
    single = _without_half_precision(config)
    if single == config:
        return model
    copy = type(model).from_config(single)
    copy.set_weights(model.get_weights())
    return copy


def _without_half_precision(config):
    """The config of a model, at any depth of which mixed policies are float32."""
    if isinstance(config, list | tuple):
        return type(config)(map(_without_half_precision, config))
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        name = config["config"]["name"]
        if name in ("mixed_float16", "mixed_bfloat16"):
            return {**config, "config": {**config["config"], "name": "float32"}}
    return {name: _without_half_precision(value) for name, value in config.items()}


def _predict(model, images):
    outputs = model.predict_on_batch(images)
    return outputs[OUTPUT] if isinstance(outputs, dict) else outputs


def _difference(outputs, expected):
    """The largest difference of outputs, as a part of the largest output."""
    largest = np.max([1.0, *(np.abs(one).max() for one in expected)])
    differences = [
        np.abs(one - other).max() for one, other in zip(outputs, expected, strict=True)
    ]
    # NumPy's maximum is NaN where one of them is; Python's need not be.
    return float(np.max(differences) / largest)


def check_same(name, outputs, expected):
    """Raises if an exported model computes something else.

    Args:
        name: Of the format.
        outputs: List of arrays, what the exported model returned.
        expected: The same of the model itself.

    Raises:
        ValueError: If they differ by more than rounding, or are not numbers.
    """
    difference = _difference(outputs, expected)
    if not difference <= _TOLERANCE:
        raise ValueError(
            f"The model exported as {name} gives other outputs than the model itself: "
            f"they differ by {difference:.1e} of the largest. Expected at most "
            f"{_TOLERANCE:.0e}. Nothing is kept of it; the run itself is complete."
        )


def _error(experiment, outputs, labels):
    """The error of outputs, by the metrics of the experiment."""
    model = keras.Sequential(
        [keras.Input(outputs.shape[1:]), keras.layers.Activation("linear")]
    )
    model.compile(loss=experiment.loss, metrics=experiment.new_metrics())
    logs = model.evaluate(outputs, labels, verbose=0, return_dict=True)
    return experiment.error_percent(logs)


def _size(path):
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
