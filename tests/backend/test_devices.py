import keras
import pytest

from keras_stn.backend import on_cpu, runs_on_cpu


def kinds_of_devices():
    """What the backend could compute on, in small letters."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return {one.device_type.lower() for one in tf.config.list_logical_devices()}
    if backend == "jax":
        import jax

        return {one.platform for one in jax.devices()}
    import torch

    return {"gpu"} if torch.cuda.device_count() or torch.mps.device_count() else {"cpu"}


def test_runs_on_cpu():
    assert runs_on_cpu() == (kinds_of_devices() == {"cpu"})


def test_on_cpu_where_jax_has_none(monkeypatch):
    jax = pytest.importorskip("jax")

    def local_devices(backend):
        raise RuntimeError(f"Unknown backend {backend}")

    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    monkeypatch.setattr(jax, "local_devices", local_devices)
    with on_cpu():
        assert float(keras.ops.sum(keras.ops.ones((2, 3)))) == 6


def test_on_cpu():
    with on_cpu():
        tensor = keras.ops.ones((2, 3)) + 1
    device = str(getattr(tensor, "device", None))
    assert "cpu" in device.lower()
    assert float(keras.ops.sum(tensor)) == 12
