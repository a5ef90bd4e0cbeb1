import keras
import numpy as np
import pytest

from keras_stn.metrics import WholeNumberAccuracy
from tests.compilation import compile_function

GENERATOR = np.random.default_rng(0)


def logits_for(labels, margin=3.0):
    """Noisy logits whose largest are those of the labels."""
    noise = GENERATOR.uniform(0, 1, (*labels.shape, 11))
    return (noise + margin * np.eye(11)[labels]).astype("float32")


def test_a_number_counts_only_with_all_digits():
    labels = GENERATOR.integers(0, 11, (200, 5))
    guessed = labels.copy()
    wrong = GENERATOR.random(labels.shape) < 0.1
    guessed[wrong] = (guessed[wrong] + 1) % 11
    expected = np.mean(~wrong.any(axis=1))
    assert 0.4 < expected < 0.8
    metric = WholeNumberAccuracy()
    # In batches of several sizes: a mean over numbers, not over batches.
    for part in (slice(0, 30), slice(30, 200)):
        metric.update_state(labels[part], logits_for(guessed[part]))
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)
    metric.reset_state()
    metric.update_state(labels, logits_for(labels))
    assert float(metric.result()) == 1


def test_in_a_model_that_is_saved(tmp_path):
    inputs = keras.Input((4,))
    outputs = keras.layers.Reshape((5, 11))(keras.layers.Dense(55)(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[WholeNumberAccuracy()],
    )
    images = GENERATOR.normal(size=(12, 4)).astype("float32")
    predicted = model.predict(images, verbose=0).argmax(-1)
    predicted[:3, 2] = (predicted[:3, 2] + 1) % 11
    logs = model.evaluate(images, predicted, verbose=0, return_dict=True)
    assert logs["whole_number_accuracy"] == pytest.approx(0.75)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    logs = again.evaluate(images, predicted, verbose=0, return_dict=True)
    assert logs["whole_number_accuracy"] == pytest.approx(0.75)


def test_config():
    metric = WholeNumberAccuracy(name="numbers", dtype="float16")
    again = WholeNumberAccuracy.from_config(metric.get_config())
    assert (again.name, again.dtype) == ("numbers", "float16")


@pytest.mark.parametrize(
    ("true_shape", "predicted_shape"),
    [
        ((6, 5, 5), (6, 5, 5)),
        ((6,), (6, 11)),
        ((6, 1), (6, 5, 11)),
        ((5,), (6, 5, 11)),
        ((6, 5), (6, 55)),
        ((6, 5), (1, 5, 11)),
    ],
)
def test_shapes_that_do_not_belong_together(true_shape, predicted_shape):
    with pytest.raises(ValueError, match="shape .batch, digits.*Received: "):
        WholeNumberAccuracy().update_state(
            np.zeros(true_shape, "int32"), np.zeros(predicted_shape, "float32")
        )


def test_predictions_that_are_no_numbers_are_wrong():
    metric = WholeNumberAccuracy()
    metric.update_state(np.zeros((4, 2), "int32"), np.full((4, 2, 3), np.nan))
    assert float(metric.result()) == 0.0


def test_compiles():
    labels = GENERATOR.integers(0, 11, (40, 5))
    guessed = labels.copy()
    guessed[:10, 0] = (guessed[:10, 0] + 1) % 11
    metric = WholeNumberAccuracy()
    state = [keras.ops.convert_to_numpy(one) for one in metric.variables]
    update = compile_function(
        lambda *tensors: metric.stateless_result(
            metric.stateless_update_state(list(tensors[2:]), *tensors[:2])
        )
    )
    found = update(labels, logits_for(guessed), *state)
    assert float(found) == pytest.approx(0.75)
