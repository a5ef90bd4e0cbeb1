import keras
import numpy as np
import pytest
from keras import layers

import keras_stn
from keras_stn.models import with_localization_rate


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


@pytest.mark.parametrize("variant", ["stn_c0", "stn_c1", "stn_sl1", "stn_dl1"])
def test_finds_the_localisation_and_nothing_else(variant):
    """The layers shared in SL keep the base rate; the copies of DL do not."""
    model = keras_stn.models.mnist(variant)
    optimizer = with_localization_rate(keras.optimizers.SGD, model, 0.5, 0.1)
    optimizer.build(model.trainable_variables)
    rates = rates_of(model, optimizer)
    slow = {path for path, rate in rates.items() if np.isclose(rate, 0.05)}
    classifier = {w.path for w in keras_stn.models.mnist("cnn").weights}
    assert slow == set(rates) - classifier
    assert slow


def test_a_model_of_ones_own():
    """A transformer in a model within the model; theta by layers of a given name."""
    inner_image = keras.Input((8, 8, 1))
    x = keras_stn.SpatialTransformer(layers.Flatten(name="flat"))(inner_image)
    inner = keras.Model(inner_image, layers.Dense(2, name="inner_dense")(x))
    image = keras.Input((8, 8, 1))
    theta = keras.Sequential(
        [layers.Flatten(), layers.Dense(6, name="six")], name="localization_of_mine"
    )(image)
    x = keras_stn.SpatialTransformer()([image, theta])
    model = keras.Model(image, layers.Dense(3, name="last")(inner(x)))
    optimizer = with_localization_rate(keras.optimizers.SGD, model, 0.5, 0.1)
    optimizer.build(model.trainable_variables)
    fast = [
        path.split("/")[-2]
        for path, rate in rates_of(model, optimizer).items()
        if np.isclose(rate, 0.5)
    ]
    assert sorted(set(fast)) == ["inner_dense", "last"]
    assert len(model.trainable_variables) == len(fast) + 4


def test_only_the_transformer_is_slow_to_learn():
    model = small_model("stn_c1")
    optimizer = with_localization_rate(keras.optimizers.SGD, model, 0.5, 1e-6)
    model.compile(optimizer, "mse")
    before = {w.path: w.numpy().copy() for w in model.trainable_variables}
    images = np.random.default_rng(0).random((4, 8, 8, 1), "float32")
    model.train_on_batch(images, np.ones((4, 3), "float32"))
    moved = {
        w.path: np.abs(w.numpy() - before[w.path]).max()
        for w in model.trainable_variables
    }
    theta = [moved[path] for path in moved if path.startswith("spatial_transformer")]
    assert 0 < max(theta) < 1e-4
    assert moved["last/bias"] > 1e-3


def test_a_model_without_variables():
    model = keras.Sequential(
        [keras_stn.SpatialTransformer(layers.Flatten()), layers.Flatten()]
    )
    with pytest.raises(ValueError, match="no variables yet. Build the model"):
        with_localization_rate(keras.optimizers.SGD, model, 0.5, 0.1)
