import keras

from keras_stn.backend import runs_on_cpu


def test_runs_on_cpu():
    device = {
        "tensorflow": lambda: __import__("tensorflow").config.list_logical_devices(),
        "jax": lambda: __import__("jax").devices(),
        "torch": lambda: ["gpu"] * __import__("torch").cuda.device_count(),
    }[keras.config.backend()]()
    names = {
        getattr(one, "device_type", getattr(one, "platform", one)) for one in device
    }
    assert runs_on_cpu() == (not any(name.lower() == "gpu" for name in names))
