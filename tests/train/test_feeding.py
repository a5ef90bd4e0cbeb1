import keras
import numpy as np

from keras_stn.datasets import HouseNumbers
from train.feeding import EndlessPasses, feed

OPTIONS = {"batch_size": 4, "shuffle": True, "drop_remainder": True}
IMAGES = np.arange(20, dtype="uint8")[:, None, None, None]


def house_numbers(first_pass):
    return HouseNumbers(
        IMAGES, np.zeros((20, 5), int), first_pass=first_pass, **OPTIONS
    )


def batches_of_passes(*passes):
    return [house_numbers(each)[index][0] for each in passes for index in range(5)]


def test_endless_passes_are_the_passes_one_after_another():
    data = house_numbers(3)
    endless = EndlessPasses(data)
    parts = [EndlessPasses(data, part, 2) for part in (0, 1)]
    expected = batches_of_passes(3, 4, 5)
    # Also backwards, and again.
    for index in [*range(15), *reversed(range(15))]:
        np.testing.assert_array_equal(endless[index][0], expected[index])
        halves = np.concatenate([part[index][0] for part in parts])
        np.testing.assert_array_equal(halves, expected[index])
    assert data.pass_index == 3


class BatchMeans(keras.callbacks.Callback):
    """The mean of the images of each batch, from a loss that is that mean."""

    def __init__(self):
        super().__init__()
        self.means = []

    def on_epoch_begin(self, epoch, logs=None):
        self.running = []

    def on_test_begin(self, logs=None):
        self.running = []

    def on_train_batch_end(self, batch, logs=None):
        # Logs are means of all batches of an epoch so far.
        self.running.append(float(logs["loss"]) * (len(self.running) + 1))
        self.means.append(float(np.diff([0, *self.running])[-1]))

    def on_test_batch_end(self, batch, logs=None):
        self.on_train_batch_end(batch, logs)


def test_fit_and_evaluate_see_pass_after_pass():
    """Each batch once and in order, whatever Keras reads to learn their shapes."""
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1, 1, 1)), layer])
    model.compile(
        keras.optimizers.SGD(0.0), lambda labels, outputs: keras.ops.mean(outputs)
    )
    expected = [float(np.mean(batch)) for batch in batches_of_passes(3, 4)]

    seen = BatchMeans()
    data, steps = feed(house_numbers(3))
    options = {"verbose": 0, "callbacks": [seen]}
    model.fit(data, steps_per_epoch=steps, epochs=2, shuffle=False, **options)
    np.testing.assert_allclose(seen.means, expected, rtol=0, atol=1e-5)
    seen.means.clear()
    data, steps = feed(house_numbers(4))
    model.evaluate(data, steps=steps, **options)
    np.testing.assert_allclose(seen.means, expected[5:], rtol=0, atol=1e-5)
