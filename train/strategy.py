"""Training on several devices: `--strategy`.

- `none`: one device.
- `mirrored`: all devices of this machine. TensorFlow: `tf.distribute.MirroredStrategy`.
  JAX: `keras.distribution.DataParallel`.
- `multi-worker`: all devices of all machines that `TF_CONFIG` names; JAX alone,
  `keras.distribution.DataParallel` over the processes that
  `keras.distribution.initialize` connects. The first worker is the chief: its address
  is where the others meet, and it alone writes. Keras 3 cannot do this on TensorFlow.
- `auto`: `multi-worker` if TF_CONFIG names several workers, else `mirrored` if there
  are several GPUs, or several CPU devices that somebody has asked the backend for.

**Batch size.** That of the config and of `--batch-size` is the global one: a step sees
the same images on any number of devices, which must divide it. Each device computes an
equal part of it and the gradients are added up, so the loss curve is that of one device
but for rounding.

**Learning rate.** Nothing is scaled. Who enlarges the batch for more devices chooses
the learning rate to go with it.

**Sharding.** Variables are replicated, the batch is split by its first axis. Every
process draws the whole batch and keeps its rows, because a batch is a function of
seed, pass and index alone. The run directory must be one that all workers see: each
resumes from the checkpoint there.

**Not the same as on one device**: under TensorFlow's strategy batch normalisation has
the statistics of each device's part, and dropout draws for each device; on JAX neither
differs.

The model is tested on one device, as `--test-only` does.
"""

import contextlib

import keras

from train import platform, workers
from train.feeding import EndlessPasses, feed

STRATEGIES = ("auto", "none", "mirrored", "multi-worker")


class Strategy:
    """One device; what the others have in common.

    Attributes:
        devices: Names of the devices that share a batch.
        part: Which part of the batch this process feeds.
        parts: How many processes feed parts.
    """

    def __init__(self, devices=("one",), part=0, parts=1):
        self.devices = devices
        self.part = part
        self.parts = parts

    @property
    def is_distributed(self):
        """Whether the model lives on several devices."""
        return len(self.devices) > 1

    @property
    def is_chief(self):
        """Whether this process writes."""
        return self.part == 0

    def scope(self):
        """Where to build, compile and load the model."""
        return contextlib.nullcontext()

    def aside(self):
        """Where to build, run and save a model without the others, also within `fit`.

        Keras makes variables also while it saves.
        """
        return contextlib.nullcontext()

    def fit(self, model, data, **arguments):
        """`model.fit`, on all devices.

        Args:
            model: Made in `scope`.
            data: A `PassDataset` of global batches.
            **arguments: Those of `fit`.
        """
        if self.is_distributed:
            steps = len(data)
            data = EndlessPasses(data, self.part, self.parts)
        else:
            data, steps = feed(data)
            if not model.optimizer.built:
                # Otherwise TensorFlow traces the training step twice: once to make the
                # optimizer's variables, and once with them.
                model.optimizer.build(model.trainable_variables)
        model.fit(data, steps_per_epoch=steps, **arguments)

    def compiles_whole_step(self):
        """Whether XLA compiles the training step as a whole."""
        return platform.compiles_whole_step()

    def compiled_parts(self):
        """One line about what XLA compiles."""
        return platform.compiled_parts()

    def __str__(self):
        if not self.is_distributed:
            return "one device"
        others = f", worker {self.part} of {self.parts}" if self.parts > 1 else ""
        return f"{self.kind} on {len(self.devices)} devices{others}"


class TensorFlowMirrored(Strategy):
    """`tf.distribute.MirroredStrategy`."""

    kind = "MirroredStrategy"

    def __init__(self, devices):
        import tensorflow as tf

        super().__init__(devices)
        self._strategy = tf.distribute.MirroredStrategy(devices)

    def scope(self):
        """Where variables are mirrored."""
        return self._strategy.scope()

    def compiles_whole_step(self):
        """XLA cannot compile a step that runs on several devices here."""
        return False

    def compiled_parts(self):
        """One line about what XLA compiles."""
        return "the sampler, on each device; the rest runs as a TensorFlow graph"


class JaxDataParallel(Strategy):
    """`keras.distribution.DataParallel`, in one process or several."""

    kind = "DataParallel"

    def __init__(self, devices, part, parts):
        super().__init__(devices, part, parts)
        # Not sharded by Keras, which can do so to a `tf.data.Dataset` only.
        self._distribution = keras.distribution.DataParallel(
            devices=devices, auto_shard_dataset=False
        )

    def scope(self):
        """Where variables are replicated and batches are split."""
        return self._distribution.scope()

    @contextlib.contextmanager
    def aside(self):
        """Where neither happens."""
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)

    def fit(self, model, data, **arguments):
        """As of `Strategy`."""
        with self.scope():
            super().fit(model, data, **arguments)


class OnOneDevice(keras.callbacks.Callback):
    """Runs another callback at the ends of epochs, on a copy of the model.

    The copy lives on one device, takes batches of any size and needs no other process.

    Args:
        callback: It may look at the model and add to the logs.
        build_model: Makes a model of the same architecture.
        strategy: The `Strategy` that the model is trained by.
    """

    def __init__(self, callback, build_model, strategy):
        super().__init__()
        self._callback = callback
        self._build_model = build_model
        self._strategy = strategy

    def on_train_begin(self, logs=None):
        """Makes the copy."""
        with self._strategy.aside():
            self._copy = self._build_model()
            self._callback.set_model(self._copy)
            self._callback.on_train_begin(logs)

    def on_epoch_end(self, epoch, logs=None):
        """Brings the copy up to date and lets the callback look at it."""
        weights = self.model.get_weights()
        with self._strategy.aside():
            self._copy.set_weights(weights)
            self._callback.on_epoch_end(epoch, logs)


def make_strategy(name, batch_size):
    """Makes the strategy that `--strategy` asks for.

    Args:
        name: One of `STRATEGIES`.
        batch_size: The global batch size.

    Returns:
        A `Strategy`.

    Raises:
        ValueError: If it cannot be had here, or the devices do not divide the batch.
    """
    if name == "none":
        return Strategy()
    backend = keras.config.backend()
    devices, (part, parts) = platform.training_devices(), workers.part()
    if backend not in ("tensorflow", "jax"):
        if name == "auto":
            return Strategy()
        raise ValueError(
            f"--strategy {name} needs Keras' TensorFlow or JAX backend. Received: "
            f"{backend}. Set KERAS_BACKEND=tensorflow or jax, or use --strategy none."
        )
    if len(devices) == 1:
        if name == "auto":
            return Strategy()
        raise ValueError(
            f"--strategy {name} needs two devices or more. Found one: {devices[0]}. "
            "Use --strategy none, or auto."
        )
    if batch_size % len(devices):
        below = batch_size - batch_size % len(devices)
        sizes = [size for size in (below, below + len(devices)) if size]
        raise ValueError(
            f"The {len(devices)} devices must divide the batch. Received: "
            f"--batch-size {batch_size}. Use {' or '.join(map(str, sizes))}, or "
            "--strategy none for one device."
        )
    if backend == "tensorflow":
        return TensorFlowMirrored(devices)
    return JaxDataParallel(devices, part, parts)
