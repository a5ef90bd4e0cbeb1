"""What the run runs on."""

import argparse
import importlib.metadata
import os
import platform

import keras

import keras_stn

DEVICES = ("auto", "cpu", "gpu")

_HOW_TO_GET_A_GPU = {
    "tensorflow": 'pip install -e ".[gpu,train]"',
    "jax": 'pip install "jax[cuda12]"',
    "torch": "a PyTorch that is built for CUDA",
}


def choose_device(arguments=None):
    """Makes the backend compute on what `--device` asks for.

    A backend wants that before anything is computed, and defaults depend on it, so
    before the command line is read in full.

    Args:
        arguments: The command line, of which only `--device` is looked at; None for
            that of the process.

    Raises:
        ValueError: If there is no such device.
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--device", default="auto")
    device = parser.parse_known_args(arguments)[0].device
    if device == "gpu" and not accelerators():
        backend = keras.config.backend()
        how = _HOW_TO_GET_A_GPU.get(backend, "another backend")
        raise ValueError(
            f"--device gpu: {backend} {importlib.metadata.version(backend)} sees no "
            f"accelerator here. It needs a driver (does nvidia-smi list the GPU?) and "
            f"{how}. Without --device gpu this would run on: {device_name()}."
        )
    if device == "cpu":
        _hide_accelerators()


def _hide_accelerators():
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")
    elif backend == "jax":
        import jax

        # Before the devices are looked at: afterwards JAX does not listen.
        jax.config.update("jax_platforms", "cpu")
    elif accelerators():
        raise ValueError(
            f"--device cpu: {backend} has chosen its device already. Set the "
            "environment variable KERAS_TORCH_DEVICE to cpu instead."
        )


def accelerators():
    """Names of the accelerators that the backend sees."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        devices = tf.config.get_visible_devices()
        return [
            tf.config.experimental.get_device_details(device).get(
                "device_name", device.name
            )
            for device in devices
            if device.device_type in ("GPU", "TPU")
        ]
    if backend == "jax":
        import jax

        return [d.device_kind for d in jax.devices() if d.platform != "cpu"]
    if backend == "torch":
        import torch

        # Where Keras puts tensors, which `KERAS_TORCH_DEVICE` may have decided.
        kind = keras.ops.zeros(()).device.type
        if kind == "cuda":
            count = torch.cuda.device_count()
            return [torch.cuda.get_device_name(index) for index in range(count)]
        return [] if kind == "cpu" else [kind]
    return []


def training_devices():
    """Names of the devices that can share a step: accelerators if there are any."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        listed = tf.config.list_logical_devices
        return [device.name for device in listed("GPU") or listed("CPU")]
    if backend == "jax":
        return keras.distribution.list_devices()
    return ["one"]


def device_name():
    """One line about the device."""
    found = accelerators()
    if found:
        return ", ".join(found)
    cores = usable_cores()
    return f"CPU, {cores} {'core' if cores == 1 else 'cores'}, {platform.machine()}"


def usable_cores():
    """Number of cores that this process may use: fewer if it was bound to some."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def compiles_whole_step():
    """Whether the training step is compiled with XLA as a whole.

    On a CPU, TensorFlow's own convolutions are about twice as fast as XLA's, so there
    only the sampler is compiled.
    """
    backend = keras.config.backend()
    return backend == "jax" or (backend == "tensorflow" and bool(accelerators()))


def compiled_parts():
    """One line about what XLA compiles."""
    if compiles_whole_step():
        return "the whole training step"
    if keras.config.backend() == "tensorflow":
        return "the sampler; the rest of the step runs as a TensorFlow graph"
    return "nothing: this backend has no XLA"


def versions():
    """The versions that matter for a result."""
    backend = keras.config.backend()
    return {
        "keras_stn": keras_stn.__version__,
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": backend,
        backend: importlib.metadata.version(backend),
        "numpy": importlib.metadata.version("numpy"),
    }
