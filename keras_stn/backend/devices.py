"""What a backend computes on."""

import contextlib

import keras


def runs_on_cpu():
    """Whether the backend computes on a CPU, for lack of an accelerator."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        devices = tf.config.list_logical_devices()
        return all(device.device_type == "CPU" for device in devices)
    if backend == "jax":
        import jax

        return jax.default_backend() == "cpu"
    if backend == "torch":
        import torch

        return not torch.accelerator.is_available()
    return True


def on_cpu():
    """A scope in which tensors live on a CPU of this process.

    On JAX `keras.device("cpu")` means the first CPU of all processes that are
    connected, which need not be one of this process. Where `JAX_PLATFORMS` leaves out
    the CPU there is none, and what is computed is computed elsewhere.
    """
    if keras.config.backend() == "jax":
        import jax

        try:
            device = jax.local_devices(backend="cpu")[0]
        except RuntimeError:
            return contextlib.nullcontext()
        return jax.default_device(device)
    return keras.device("cpu")
