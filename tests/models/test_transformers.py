import keras
import pytest
from keras import layers

from keras_stn import SpatialTransformer
from keras_stn.models.transformers import (
    find_transformer,
    transformers,
    what_is_warped,
)


def model_of(*names):
    x = image = keras.Input((6, 6, 1))
    for name in names:
        x = SpatialTransformer(layers.Flatten(), name=name)(x)
    return keras.Model(image, layers.Flatten()(x), name="outer")


def test_all_in_order():
    model = model_of("second", "first")
    assert [one.name for one in transformers(model)] == ["second", "first"]
    assert transformers(model_of()) == []


def test_the_one_that_is_meant():
    assert find_transformer(model_of("only")).name == "only"
    model = model_of("first", "second")
    second = model.get_layer("second")
    assert find_transformer(model, "second") is second
    assert find_transformer(model, second) is second


@pytest.mark.parametrize(
    ("names", "layer", "message"),
    [
        ((), None, r"'outer' with the transformers \[\], layer=None"),
        (("a", "b"), None, r"transformers \['a', 'b'\], layer=None"),
        (("a", "b"), "c", "layer='c'"),
    ],
)
def test_none_or_several(names, layer, message):
    with pytest.raises(ValueError, match=message):
        find_transformer(model_of(*names), layer)


def test_names_the_model_within_that_has_one():
    inner = keras.Sequential([keras.Input((6, 6, 1)), model_of("deep")], name="inner")
    image = keras.Input((6, 6, 1))
    model = keras.Model(image, inner(image))
    with pytest.raises(ValueError, match=r"within 'inner': give `model.get_layer\("):
        find_transformer(model)


def test_what_is_warped():
    image, features = keras.Input((6, 6, 1)), keras.Input((4,))
    alone = SpatialTransformer(layers.Flatten(), name="alone")
    reads = SpatialTransformer(layers.Dense(3), name="reads")
    first = alone(image)
    model = keras.Model([image, features], reads([first, features]))
    assert what_is_warped(model, alone) is image
    assert what_is_warped(model, reads) is first
