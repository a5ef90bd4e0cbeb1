import itertools

import keras
import keras_tuner
import numpy as np
import pytest
from keras import layers

import keras_stn
from keras_stn.tuning import Range, SpatialTransformerHyperModel

TUNERS = {
    "random": (keras_tuner.RandomSearch, {"max_trials": 2}),
    "bayesian": (
        keras_tuner.BayesianOptimization,
        {"max_trials": 3, "num_initial_points": 2},
    ),
}


def random_hp(hypermodel, seed):
    """Hyperparameters as a random search draws them."""
    oracle = keras_tuner.oracles.RandomSearchOracle(objective="loss", seed=seed)
    hp = oracle.get_space()
    hypermodel.declare_hyperparameters(hp)
    oracle.update_space(hp)
    hp.values = oracle._random_values()
    return hp


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "name", ["random", pytest.param("bayesian", marks=pytest.mark.slow)]
)
def test_search(hypermodel, data, tmp_path, name):
    """The best model of a search saves, loads and says the same."""
    kind, options = TUNERS[name]
    tuner = kind(
        hypermodel(),
        objective="val_accuracy",
        directory=tmp_path,
        project_name="search",
        seed=3,
        **options,
    )
    tuner.search(**data, epochs=1, batch_size=8, verbose=0)
    trials = tuner.oracle.trials.values()
    assert len(trials) == options["max_trials"]
    assert {trial.status for trial in trials} == {"COMPLETED"}
    model = tuner.get_best_models()[0]
    choices = tuner.hypermodel.choices(tuner.get_best_hyperparameters()[0])
    assert model.name == choices["variant"]
    model.save(tmp_path / "best.keras")
    loaded = keras.saving.load_model(tmp_path / "best.keras")
    np.testing.assert_allclose(
        loaded.predict(data["x"], verbose=0), model.predict(data["x"], verbose=0), 1e-5
    )
    loaded.fit(data["x"], data["y"], verbose=0)


@pytest.mark.slow
def test_hyperband_continues_the_optimizer(hypermodel, data, tmp_path):
    """A trial of a later round begins with the state that it was saved with."""
    searched = hypermodel(
        variant="stn_sl", depth=0, localization="fcn", localization_lr_multiplier=0.1
    )
    tuner = keras_tuner.Hyperband(
        searched,
        objective="val_accuracy",
        max_epochs=2,
        factor=2,
        directory=tmp_path,
        seed=1,
    )
    tuner.search(**data, batch_size=8, verbose=0)
    trials = tuner.oracle.trials.values()
    assert {trial.status for trial in trials} == {"COMPLETED"}
    choices = searched.choices(tuner.get_best_hyperparameters()[0])
    assert tuner.get_best_models()[0].name == choices["variant"]
    later = next(
        trial for trial in trials if trial.hyperparameters.values["tuner/round"] == 1
    )
    model = tuner._build_hypermodel(later.hyperparameters)
    # Two steps an epoch, of which the first round had one.
    assert int(model.optimizer.iterations) == 2


def test_only_what_makes_a_difference_to_a_network_without_a_transformer(hypermodel):
    hp = random_hp(hypermodel(variant="cnn"), 1)
    assert set(hp.values) == {"variant", "learning_rate"}


def test_network_is_as_drawn(hypermodel):
    searched = hypermodel(variant=["stn_c", "stn_sl", "stn_dl", "cnn"])
    names = set()
    for seed in range(1, 40):
        hp = random_hp(searched, seed)
        choices = searched.choices(hp)
        names.add(choices["variant"])
        if seed > 6:
            continue
        model = searched.build(hp)
        assert model.name == choices["variant"]
        if choices["variant"] == "cnn":
            assert set(choices) == {"variant", "learning_rate"}
            continue
        transformer = model.get_layer("spatial_transformer")
        assert transformer.fill_mode == choices["fill_mode"]
        assert transformer.transform == keras_stn.transforms.get(choices["transform"])
        units = {"fcn": 32, "svhn": 32}[choices["localization"]]
        assert transformer.localization.output_shape == (
            None,
            round(units * choices["localization_width"]),
        )
        slow, fast = (
            float(optimizer.learning_rate) for optimizer in model.optimizer.optimizers
        )
        assert fast == pytest.approx(choices["learning_rate"])
        assert slow == pytest.approx(fast * choices["localization_lr_multiplier"])
    kinds = ("stn_c", "stn_sl", "stn_dl")
    deep = {f"{kind}{depth}" for kind, depth in itertools.product(kinds, (1, 2))}
    assert names == {"stn_c0", "cnn", *deep}


def test_all_fixed(hypermodel):
    searched = hypermodel(
        variant="stn_dl",
        depth=1,
        localization={"mine": lambda shape, width: layers.Dense(round(10 * width))},
        localization_width=0.5,
        transform="rigid",
        fill_mode="reflect",
        learning_rate=0.01,
        localization_lr_multiplier=1,
    )
    hp = keras_tuner.HyperParameters()
    model = searched.build(hp)
    assert searched.choices(hp) == {
        "variant": "stn_dl1",
        "localization": "mine",
        "localization_width": 0.5,
        "transform": "rigid",
        "fill_mode": "reflect",
        "localization_lr_multiplier": 1.0,
        "learning_rate": 0.01,
    }
    assert model.get_layer("spatial_transformer").localization.units == 5
    assert all(type(entry).__name__ == "Fixed" for entry in hp.space)


def test_own_choices(hypermodel):
    own = keras_stn.transforms.Rigid(aspect_ratio=2.0)
    searched = hypermodel(
        transform=["affine", own],
        learning_rate=[0.1, 0.2],
        localization_lr_multiplier=Range(0.5, 0.6),
        optimizer=lambda rate, hp: keras.optimizers.SGD(
            rate, momentum=hp.Float("momentum", 0.5, 0.9)
        ),
    )
    hp = random_hp(searched, 1)
    model = searched.build(hp)
    hp.values |= {"transform": repr(own), "momentum": 0.7}
    model = searched.build(hp)
    assert model.get_layer("spatial_transformer").transform == own
    momenta = {optimizer.momentum for optimizer in model.optimizer.optimizers}
    assert momenta == {0.7}
    assert hp.get("learning_rate") in (0.1, 0.2)
    assert 0.5 <= hp.get("localization_lr_multiplier") <= 0.6


def test_trials_share_nothing(hypermodel):
    metric = keras.metrics.SparseCategoricalAccuracy(name="right")
    searched = hypermodel(metrics=[metric])
    hp = keras_tuner.HyperParameters()
    first, second = searched.build(hp), searched.build(hp)
    assert not {id(v) for v in first.variables} & {id(v) for v in second.variables}


def test_sizes_that_do_not_fit_are_not_drawn(hypermodel):
    # A map of 5x5 halved is 2x2, too small for the block that follows.
    options = {"downsample": 4, "localization": "fcn"}
    with pytest.raises(ValueError, match="'stn_c.' cannot be built with"):
        hypermodel(**options, variant="stn_c", depth=[1])
    hp = keras_tuner.HyperParameters()
    searched = hypermodel(downsample=2, localization="fcn", variant="stn_sl", depth=0)
    model = searched.build(hp)
    assert model.get_layer("spatial_transformer").output.shape == (None, 6, 6, 1)


def test_channels_first(channels_first, hypermodel):
    searched = hypermodel(input_shape=(1, 12, 12))
    names = {searched.choices(random_hp(searched, s))["variant"] for s in range(1, 9)}
    assert len(names) > 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": [layers.Conv2D(4, 3)]}, "`blocks` must be a function"),
        ({"head": layers.Dense(3)}, "`head` must be a function"),
        ({"blocks": lambda: ["conv"]}, r"`blocks\[0\]` must be a Keras layer"),
        ({"variant": "stn_sl1"}, "Received: variant='stn_sl1'"),
        ({"fill_mode": "zeros"}, "Received: fill_mode='zeros'"),
        ({"transform": "shear"}, "Received: transform='shear'"),
        ({"learning_rate": -1}, "`learning_rate`. Expected positive"),
        ({"learning_rate": Range(2, 1)}, "to a larger one"),
        ({"depth": 3}, "must be from 0 to 2"),
        # It halves 12x12 and then wants twice 5x5 pixels.
        ({"localization": "cnn"}, "None of the localisation networks fits"),
    ],
)
def test_rejects(hypermodel, options, message):
    with pytest.raises(ValueError, match=message):
        hypermodel(**options)


def test_is_a_hypermodel():
    assert issubclass(SpatialTransformerHyperModel, keras_tuner.HyperModel)


def test_trials_have_the_policy_of_the_hypermodel(hypermodel, half_precision):
    made = hypermodel(variant="stn_c", depth=1)
    # As KerasTuner does before each trial.
    keras.backend.clear_session()
    assert keras.config.dtype_policy().name == "float32"
    model = made.build(keras_tuner.HyperParameters())
    assert model.dtype_policy.name == "mixed_bfloat16"
    transformer = model.get_layer("spatial_transformer")
    for layer in (transformer, transformer.localization, *model.layers[1:]):
        assert layer.compute_dtype == "bfloat16"
