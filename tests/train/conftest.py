import json
import os

import numpy as np
import pytest

from train.table import read_table


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A folder with an mnist.npz of few digits that are easy to tell apart."""
    generator = np.random.default_rng(0)
    prototypes = np.zeros((10, 28, 28))
    prototypes[:, 7:21, 7:21] = generator.random((10, 14, 14)) > 0.6

    def draw(count):
        labels = np.arange(count, dtype="uint8") % 10
        noise = generator.normal(scale=0.1, size=(count, 28, 28))
        return (255 * np.clip(prototypes[labels] + noise, 0, 1)).astype("uint8"), labels

    (x_train, y_train), (x_test, y_test) = draw(200), draw(50)
    folder = tmp_path_factory.mktemp("data")
    np.savez(
        folder / "mnist.npz",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
    )
    return folder


@pytest.fixture(scope="session")
def numbers(tmp_path_factory):
    """An array file of few numbers that are easy to tell apart."""
    generator = np.random.default_rng(0)
    prototypes = generator.random((4, 64, 64, 3))
    digits = np.array([[1, 10], [2, 10], [1, 2], [2, 1]])
    digits = np.pad(digits, ((0, 0), (0, 3)), constant_values=10)

    def draw(count):
        kinds = np.arange(count) % 4
        noise = generator.normal(scale=0.05, size=(count, 64, 64, 3))
        images = (255 * (prototypes[kinds] + noise).clip(0, 1)).astype("uint8")
        return images, digits[kinds].astype("uint8")

    (x_train, y_train), (x_test, y_test) = draw(80), draw(20)
    path = tmp_path_factory.mktemp("data") / "numbers.npz"
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return path


@pytest.fixture
def small_run(data_dir, tmp_path):
    """Arguments of a run that takes seconds."""
    return [
        *("--data-dir", str(data_dir)),
        *("--run-dir", str(tmp_path / "run")),
        *("--epochs", "3"),
        *("--batch-size", "50"),
        *("--test-passes", "2"),
    ]


@pytest.fixture
def jax_alone(tmp_path):
    """Environment of a process that runs on JAX and cannot import TensorFlow."""
    pytest.importorskip("jax")
    blocker = tmp_path / "blocked" / "tensorflow"
    blocker.mkdir(parents=True)
    (blocker / "__init__.py").write_text("raise ImportError('no tensorflow here')")
    path = os.pathsep.join([str(blocker.parent), os.getcwd()])
    return {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": path}


@pytest.fixture
def table():
    """The paper's Table 1."""
    return read_table("table1")


@pytest.fixture
def folders(tmp_path):
    """A folder of runs and one of stored results, and a function that adds to them."""
    runs, stored = tmp_path / "runs", tmp_path / "stored"

    def add(content, to):
        name = "-".join(map(str, content["config"].values()))
        folder = (runs if to == "runs" else stored) / content["recipe"]
        path = (
            folder / name / "result.json" if to == "runs" else folder / f"{name}.json"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    return runs, stored, add
