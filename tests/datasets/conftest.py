import os
import warnings

import numpy as np
import pytest

from keras_stn.datasets import load_mnist, mnist_tensorflow_datasets


def synthetic_digits(count, seed=0):
    """Bright noise within MNIST's black margin."""
    digits = np.zeros((count, 28, 28), np.uint8)
    digits[:, 4:24, 4:24] = np.random.default_rng(seed).integers(
        0, 256, size=(count, 20, 20)
    )
    return digits


@pytest.fixture
def digits():
    return synthetic_digits(40)


@pytest.fixture
def labels():
    return np.arange(40, dtype=np.uint8) % 10


@pytest.fixture
def arrays():
    """The content of a small but proper mnist.npz."""
    return {
        "x_train": synthetic_digits(30, 1),
        "y_train": np.arange(30, dtype=np.uint8) % 10,
        "x_test": synthetic_digits(20, 2),
        "y_test": np.arange(20, dtype=np.uint8) % 10,
    }


@pytest.fixture
def mnist(tmp_path, arrays):
    """MNIST from KERAS_STN_DATA where that is set, else a small stand-in."""
    if os.environ.get("KERAS_STN_DATA"):
        return load_mnist()
    np.savez_compressed(tmp_path / "mnist.npz", **arrays)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_mnist(tmp_path)


@pytest.fixture
def isolated(tmp_path, monkeypatch):
    """No network, no data, and a home of its own."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "KERAS_STN_DATA"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tensorflow_datasets"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # The discard port: refused at once.
    monkeypatch.setattr(mnist_tensorflow_datasets, "PROBE_URL", "http://127.0.0.1:9/")
    return tmp_path
