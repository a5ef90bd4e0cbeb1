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


def test_two_rates():
    model = small_model()
    optimizer = with_localization_rate(keras.optimizers.SGD, model, 0.5, 0.1)
    optimizer.build(model.trainable_variables)
    rates = {
        variable.path: float(
            optimizer.optimizers[
                optimizer._var_to_optimizer_idx[optimizer._var_key(variable)]
            ].learning_rate
        )
        for variable in model.trainable_variables
    }
    slow = {path for path, rate in rates.items() if np.isclose(rate, 0.05)}
    fast = {path for path, rate in rates.items() if np.isclose(rate, 0.5)}
    assert slow | fast == set(rates)
    assert {path.split("/")[0] for path in fast} == {"first", "last"}
    assert any("mine" in path for path in slow)
    assert any("localization_first" in path for path in slow)


def test_one_rate_is_one_optimizer():
    for model, multiplier in ((small_model(), 1.0), (small_model("cnn"), 0.1)):
        optimizer = with_localization_rate(keras.optimizers.SGD, model, 0.5, multiplier)
        assert isinstance(optimizer, keras.optimizers.SGD)
        assert np.isclose(float(optimizer.learning_rate), 0.5)
