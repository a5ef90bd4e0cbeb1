import keras
import numpy as np
import pytest

import keras_stn
from train.optimizers import make_optimizer, make_optimizers, make_schedule

CONFIG = {
    "optimizer": "adam",
    "momentum": 0.8,
    "weight_decay": 0.0,
    "learning_rate": 0.1,
    "schedule": "cosine",
    "warmup": 0.0,
    "localization_lr_multiplier": 1.0,
}


def rate(schedule, step):
    return float(schedule(step))


def test_cosine_ends_at_zero():
    schedule = make_schedule("cosine", 0.1, 100, 0)
    assert rate(schedule, 0) == pytest.approx(0.1)
    assert rate(schedule, 50) == pytest.approx(0.05)
    assert rate(schedule, 100) == pytest.approx(0, abs=1e-8)


def test_warmup_reaches_the_peak():
    schedule = make_schedule("cosine", 0.1, 100, 0.2)
    assert rate(schedule, 0) == pytest.approx(0.004)
    assert rate(schedule, 20) == pytest.approx(0.1)
    assert rate(schedule, 100) == pytest.approx(0, abs=1e-8)


def test_a_warmup_leaves_steps_to_decay_in():
    with pytest.raises(ValueError, match="'warmup' must leave.*0.99 of 4 steps"):
        make_schedule("cosine", 0.1, 4, 0.99)


def test_fifths_divide_by_ten():
    schedule = make_schedule("fifths", 0.01, 400_000, 0)
    steps = (0, 79_999, 80_000, 160_000, 240_000, 320_000, 399_999)
    rates = [rate(schedule, step) for step in steps]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-6])


def test_weight_decay_of_sgd_goes_through_the_momentum(tmp_path):
    config = {**CONFIG, "optimizer": "sgd", "schedule": "constant", "momentum": 0.9}
    weight, other = keras.Variable([2.0, -4.0]), keras.Variable([2.0, -4.0])
    optimizer = make_optimizer({**config, "weight_decay": 0.05}, 100, 0.1)
    restored = type(optimizer).from_config(optimizer.get_config())
    expected, velocity = np.array([2.0, -4.0]), np.zeros(2)
    for _ in range(20):
        optimizer.apply([keras.ops.ones(2)], [weight])
        restored.apply([keras.ops.ones(2)], [other])
        velocity = 0.9 * velocity - 0.1 * (1 + 0.05 * expected)
        expected = expected + velocity
    for one in (weight, other):
        found = keras.ops.convert_to_numpy(one)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_weight_decay_takes_off_the_weights():
    for name in ("sgd", "adam"):
        config = {
            **CONFIG,
            "optimizer": name,
            "schedule": "constant",
            "weight_decay": 0.5,
        }
        weight = keras.Variable([2.0, -4.0])
        optimizer = make_optimizer(config, 10, 0.1)
        optimizer.apply([keras.ops.zeros(2)], [weight])
        # Less its share of 0.1 * 0.5; there is no gradient.
        found = keras.ops.convert_to_numpy(weight)
        assert found == pytest.approx([1.9, -3.8], abs=1e-5)


def test_thirds_divide_by_ten():
    schedule = make_schedule("thirds", 0.01, 150_000, 0)
    rates = [rate(schedule, step) for step in (0, 49_999, 50_000, 100_000, 149_999)]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-3, 1e-4, 1e-4])


def test_thirds_of_a_few_steps():
    schedule = make_schedule("thirds", 1.0, 9, 0)
    rates = [rate(schedule, step) for step in range(9)]
    assert rates == pytest.approx(3 * [1.0] + 3 * [0.1] + 3 * [0.01])


@pytest.mark.parametrize(
    ("name", "warmup", "message"),
    [("linear", 0, "Received: 'linear'"), ("thirds", 0.1, "warmup=0.1")],
)
def test_rejects_schedules(name, warmup, message):
    with pytest.raises(ValueError, match=message):
        make_schedule(name, 0.1, 10, warmup)


def test_momentum_goes_to_either_optimizer():
    assert make_optimizer(CONFIG, 10, 0.1).beta_1 == 0.8
    assert make_optimizer({**CONFIG, "optimizer": "sgd"}, 10, 0.1).momentum == 0.8


def test_rejects_unknown_optimizer():
    with pytest.raises(ValueError, match="Received: 'rmsprop'"):
        make_optimizer({**CONFIG, "optimizer": "rmsprop"}, 10, 0.1)


def test_multiplier_makes_two_optimizers():
    """Each with the config's schedule, and its own peak."""
    config = {**CONFIG, "localization_lr_multiplier": 0.1}
    model = keras_stn.models.mnist("stn_c0")
    optimizer = make_optimizers(config, 10, model)
    assert isinstance(optimizer, keras.optimizers.MultiOptimizer)
    peaks = [one._learning_rate.initial_learning_rate for one in optimizer.optimizers]
    assert sorted(peaks) == pytest.approx([0.01, 0.1])
    assert isinstance(make_optimizers(CONFIG, 10, model), keras.optimizers.Adam)
    classifier = keras_stn.models.mnist("cnn")
    assert isinstance(make_optimizers(config, 10, classifier), keras.optimizers.Adam)
