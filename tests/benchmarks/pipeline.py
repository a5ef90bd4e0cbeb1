"""Measures whether a training step waits for `keras_stn.datasets.TransformedMNIST`.

    python -m tests.benchmarks.pipeline [--task rotation] [--batch-size 256]

prints, for each task: images/s of the pipeline alone; images/s of the paper's
classifier trained on one fixed batch and trained on the pipeline, both by `fit`; the
time of the pipeline as a share of that of the step; and the ratio of the two training
times, which is 1 where the step waits for nothing. Training on the fixed batch and on
the pipeline take turns, and medians are given. On a CPU the pipeline also takes cores
from the step: a ratio above 1, up to 1 and the share, is its computing time there and
not a wait. About two minutes for all tasks on two idle cores.

On TensorFlow it also prints how long a training of a few epochs takes in Keras' own
way, by a `tf.data` pipeline that tunes itself, over what it takes by `as_tf_dataset`.
"""

import argparse
import statistics
import time

import keras
import numpy as np

from keras_stn.datasets import TransformedMNIST, as_tf_dataset, mnist_task

# With their batch sizes: smaller where a step of 256 takes many seconds on a CPU.
TASKS = {"rotation": 256, "translation": 64, "scale": 32}
# Seconds for the turns of one task.
BUDGET = 12.0
LEAST_TURNS = 3
# For the wait at the end of an epoch: which depends on the length of the epoch, so here
# it is some seconds.
EPOCHS = 4
SECONDS_AN_EPOCH = 3.0


class FixedBatch(keras.utils.PyDataset):
    """The same batch again and again, at no cost."""

    def __init__(self, batch, steps):
        super().__init__()
        self.batch = batch
        self.steps = steps

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        return self.batch


class EpochTime(keras.callbacks.Callback):
    """Seconds from the beginning of an epoch to its end."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.start


def paper_classifier(size):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((size, size, 1)),
            layers.Conv2D(64, 9),
            layers.MaxPooling2D(2),
            layers.ReLU(),
            layers.Conv2D(64, 7),
            layers.MaxPooling2D(2),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    model.compile(
        keras.optimizers.SGD(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def pipeline_data(task, batch_size, steps, prefetch):
    # What is on the images does not matter to their speed.
    generator = np.random.default_rng(0)
    digits = generator.integers(0, 256, (batch_size * steps, 28, 28), np.uint8)
    labels = generator.integers(0, 10, len(digits))
    return TransformedMNIST(
        digits, labels, task, batch_size, shuffle=True, prefetch=prefetch
    )


def pipeline_alone(task, batch_size, prefetch, steps=20):
    """Images/s of drawing, median of five passes."""
    data = pipeline_data(task, batch_size, steps, prefetch)
    data[0]
    rates = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in data:
            pass
        rates.append(batch_size * steps / (time.perf_counter() - start))
    return statistics.median(rates)


def fit_seconds(model, data):
    clock = EpochTime()
    model.fit(data, epochs=1, shuffle=False, verbose=0, callbacks=[clock])
    return clock.seconds


def fixed_and_fed(task, batch_size, prefetch):
    """Images/s of training on one batch and on the pipeline, and times' ratio."""
    model = paper_classifier(task.size)
    batch = pipeline_data(task, batch_size, 1, prefetch=0)[0]
    fit_seconds(model, FixedBatch(batch, 1))
    step = fit_seconds(model, FixedBatch(batch, 2)) / 2
    steps = int(np.clip(1 / step, 2, 200))
    fixed_data = FixedBatch(batch, steps)
    fed_data = pipeline_data(task, batch_size, steps, prefetch)
    fed_data[0]
    fixed, fed = [], []
    start = time.perf_counter()
    while len(fed) < LEAST_TURNS or time.perf_counter() - start < BUDGET:
        fixed.append(fit_seconds(model, fixed_data))
        fed.append(fit_seconds(model, fed_data))
    ratio = statistics.median(b / a for a, b in zip(fixed, fed, strict=True))
    images = batch_size * steps
    return (
        images / statistics.median(fixed),
        images / statistics.median(fed),
        ratio,
        len(fed),
        steps,
    )


def tuned_over_untuned(task, batch_size, prefetch, rate):
    """Time of a training in Keras' own way over that by `as_tf_dataset`."""
    model = paper_classifier(task.size)
    steps = max(2, round(SECONDS_AN_EPOCH * rate / batch_size))
    data = pipeline_data(task, batch_size, steps, prefetch)
    fit_seconds(model, data)
    times = []
    for fed in (data, as_tf_dataset(data)):
        start = time.perf_counter()
        model.fit(fed, epochs=EPOCHS, shuffle=False, verbose=0)
        times.append(time.perf_counter() - start)
    return times[0] / times[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS, help="by default all three")
    parser.add_argument("--batch-size", type=int, help=f"by default {TASKS}")
    parser.add_argument("--prefetch", type=int, default=2)
    arguments = parser.parse_args()
    print(f"backend {keras.config.backend()}, images/s, prefetch {arguments.prefetch}")
    for name in (arguments.task,) if arguments.task else TASKS:
        batch_size = arguments.batch_size or TASKS[name]
        task = mnist_task(name)
        alone = pipeline_alone(task, batch_size, arguments.prefetch)
        fixed, fed, ratio, turns, steps = fixed_and_fed(
            task, batch_size, arguments.prefetch
        )
        print(
            f"{name}: pipeline alone {alone:,.0f}; trained on one fixed batch of "
            f"{batch_size} {fixed:,.0f}; trained on the pipeline "
            f"{fed:,.0f}; share {fixed / alone:.1%}; time ratio "
            f"{ratio:.3f} (median of {turns} x {steps} steps)",
            flush=True,
        )
        if keras.config.backend() == "tensorflow":
            wait = tuned_over_untuned(task, batch_size, arguments.prefetch, fed)
            print(
                f"{name}: {EPOCHS} epochs of {SECONDS_AN_EPOCH:.0f} s in Keras' own "
                f"way take {wait:.2f} times as long as by as_tf_dataset",
                flush=True,
            )


if __name__ == "__main__":
    main()
