import keras
import numpy as np
from keras import layers

import keras_stn
from keras_stn.tuning.optimizer import with_localization_rate


def small_model(variant="stn_dl1"):
    # Layers of any name, of which one is built before the transformer sees it.
    localization = keras.Sequential([keras.Input((6, 6, 2)), layers.Flatten()])
    localization.add(layers.Dense(4, name="mine"))
    return keras_stn.models.splice(
        (8, 8, 1),
        blocks=[layers.Conv2D(2, 3, name="first")],
        head=[layers.Flatten(), layers.Dense(3, name="last")],
        variant=variant,
        localization=localization,
    )


def rates_of(model, optimizer):
    """The learning rate of each variable, by its path."""
    return {
        variable.path: float(
            optimizer.optimizers[
                optimizer._var_to_optimizer_idx[optimizer._var_key(variable)]
            ].learning_rate
        )
        for variable in model.trainable_variables
    }


def test_two_rates():
    model = small_model()
    optimizer = with_localization_rate(keras.optimizers.SGD, model, 0.5, 0.1)
    optimizer.build(model.trainable_variables)
    rates = rates_of(model, optimizer)
    slow = {path for path, rate in rates.items() if np.isclose(rate, 0.05)}
    fast = {path for path, rate in rates.items() if np.isclose(rate, 0.5)}
    assert slow | fast == set(rates)
    assert {path.split("/")[0] for path in fast} == {"first", "last"}
    assert any("mine" in path for path in slow)
    assert any("localization_first" in path for path in slow)


def test_two_rates_after_saving_and_loading(tmp_path):
    """Of a loaded model the localisation network's variables have other paths."""
    model = small_model()
    model.compile(with_localization_rate(keras.optimizers.Adam, model, 0.5, 0.1), "mse")
    images, targets = np.ones((2, 8, 8, 1), "float32"), np.zeros((2, 3), "float32")
    model.train_on_batch(images, targets)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.train_on_batch(images, targets)
    rates = [list(rates_of(one, one.optimizer).values()) for one in (model, loaded)]
    np.testing.assert_allclose(*rates)
    assert len(set(rates[1])) == 2


def test_variables_of_one_name_are_told_apart():
    localization = keras.Sequential([layers.Flatten(), layers.Dense(4, name="last")])
    model = keras_stn.models.splice(
        (8, 8, 1),
        blocks=[layers.Conv2D(2, 3, name="first")],
        head=[layers.Flatten(), layers.Dense(3, name="last")],
        variant="stn_c1",
        localization=localization,
    )
    optimizer = with_localization_rate(keras.optimizers.SGD, model, 0.5, 0.1)
    optimizer.build(model.trainable_variables)
    rates = rates_of(model, optimizer)
    fast = {path for path, rate in rates.items() if np.isclose(rate, 0.5)}
    assert fast == {"first/kernel", "first/bias", "last/kernel", "last/bias"}


def test_one_rate_is_one_optimizer():
    for model, multiplier in ((small_model(), 1.0), (small_model("cnn"), 0.1)):
        optimizer = with_localization_rate(keras.optimizers.SGD, model, 0.5, multiplier)
        assert isinstance(optimizer, keras.optimizers.SGD)
        assert np.isclose(float(optimizer.learning_rate), 0.5)
