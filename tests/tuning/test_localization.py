import pytest
from keras import layers

from keras_stn.tuning.localization import fits, localization_builders, map_shapes


def test_builders():
    def own(shape, width):
        return layers.Dense(round(8 * width))

    builders = localization_builders({"mine": own, "theirs": "fcn"})
    assert builders["mine"]((4, 4, 1), 0.5).units == 4
    assert builders["theirs"]((4, 4, 1), 0.5).output_shape == (None, 16)
    assert list(localization_builders("cnn")) == ["cnn"]
    assert list(localization_builders(["cnn", "fcn"])) == ["cnn", "fcn"]


@pytest.mark.parametrize(
    ("localization", "message"),
    [
        ("resnet", "Received: localization='resnet'"),
        ([], "a list of such names"),
        (3, "Received: localization=3"),
        ({"mine": layers.Dense(3)}, "no two trials share weights"),
    ],
)
def test_rejects(localization, message):
    with pytest.raises(ValueError, match=message):
        localization_builders(localization)


def test_fits():
    builders = localization_builders(["cnn", "fcn"])
    assert fits(builders["cnn"], (28, 28, 1), 1.0)
    assert not fits(builders["cnn"], (10, 10, 64), 1.0)
    assert fits(builders["fcn"], (10, 10, 64), 0.1)
    assert not fits(lambda shape, width: layers.Conv2D(2, 5), (3, 3, 1), 1.0)
    with pytest.raises(ValueError, match="must return a Keras layer. Received: None"):
        fits(lambda shape, width: None, (3, 3, 1), 1.0)


def test_map_shapes():
    blocks = [layers.Conv2D(4, 3), [layers.MaxPooling2D(2), layers.Flatten()]]
    assert map_shapes((10, 10, 1), blocks) == [(10, 10, 1), (8, 8, 4), (64,)]
