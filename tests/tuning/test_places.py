import keras_tuner
import pytest

from keras_stn.tuning.places import Places

SHAPES = [(28, 28, 1), (10, 10, 8), (4, 4, 8), (1, 1, 8), (32,)]
# Names with the smallest map that they can read.
SMALLEST = {"any": 1, "small": 4, "large": 20}


def places(variant=("stn_c", "stn_sl"), depth=None, shapes=SHAPES, names=SMALLEST):
    return Places(
        shapes,
        variant,
        depth,
        lambda shape: [name for name in names if shape[0] >= SMALLEST[name]],
    )


def draws(found, count=300):
    """What a random search draws."""
    oracle = keras_tuner.oracles.RandomSearchOracle(objective="loss", seed=1)
    hp = oracle.get_space()
    found.declare(hp)
    oracle.update_space(hp)
    drawn = []
    for _ in range(count):
        hp.values = oracle._random_values()
        drawn.append(found.chosen(hp))
        known = {"variant", "depth"}
        assert sum(name not in known for name in hp.values) in (0, 1)
    return drawn


def test_draws_all_that_is_valid_and_nothing_else():
    drawn = {(choice["variant"], choice["localization"]) for choice in draws(places())}
    expected = {("stn_c0", name) for name in SMALLEST}
    for kind in ("stn_c", "stn_sl"):
        expected |= {
            *((f"{kind}{depth}", "any") for depth in (1, 2, 3)),
            *((f"{kind}{depth}", "small") for depth in (1, 2)),
        }
    assert drawn == expected


def test_cnn_only_where_asked():
    drawn = draws(places(["stn_dl", "cnn"], depth=[1]))
    assert {choice["variant"] for choice in drawn} == {"stn_dl1", "cnn"}
    assert all(("localization" in c) == (c["variant"] != "cnn") for c in drawn)
    assert {c["variant"] for c in draws(places("cnn"), 3)} == {"cnn"}


def test_one_dimension_where_the_same_networks_fit():
    hp = keras_tuner.HyperParameters()
    places(names=["any"]).declare(hp)
    assert [entry.name for entry in hp.space] == ["variant", "depth", "localization"]
    hp = keras_tuner.HyperParameters()
    places().declare(hp)
    names = [entry.name for entry in hp.space]
    assert len(names) == len(set(names))
    assert names[2:] == ["localization_x0", "localization_x1_2", "localization_x3"]


def test_fixed():
    hp = keras_tuner.HyperParameters()
    found = places("stn_sl", 1, names=["any"])
    found.declare(hp)
    assert found.chosen(hp) == {"variant": "stn_sl1", "localization": "any"}
    assert found.variants == {"stn_sl1": "any"}
    assert all(type(entry).__name__ == "Fixed" for entry in hp.space)


def test_variants():
    found = places(["stn_c", "cnn"], [0, 1, 2])
    assert list(found.variants) == ["cnn", "stn_c0", "stn_c1", "stn_c2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "stn_x"}, "Received: variant='stn_x'"),
        ({"variant": []}, "Expected a str"),
        ({"depth": 5}, "must be from 0 to 4. Received: depth=5"),
        ({"depth": [0, -1]}, "must be from 0 to 4"),
        ({"depth": 4}, "At depth 4 there is nothing to warp"),
        ({"depth": 1, "names": ["large"]}, "none of the localisation networks fits"),
        ({"shapes": [(2, 2, 1)], "names": ["large"]}, "the shapes are"),
    ],
)
def test_rejects(options, message):
    with pytest.raises(ValueError, match=message):
        places(**options)
