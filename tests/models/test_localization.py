import pytest

from keras_stn.models import localization_network


def dense(inputs, outputs):
    return inputs * outputs + outputs


def conv(inputs, outputs):
    return 25 * inputs * outputs + outputs


# Counted by hand from the description of each network, without the last Dense layer.
@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [
        ("cnn", (28, 28, 1), conv(1, 20) + conv(20, 20) + dense(20, 20)),
        ("fcn", (28, 28, 1), dense(784, 32) + 2 * dense(32, 32)),
        ("fcn", (10, 10, 64), dense(6400, 32) + 2 * dense(32, 32)),
        (
            "cnn-m",
            (28, 28, 1),
            conv(1, 24) + dense(5 * 5 * 24, 48) + dense(48, 48) + 4 * (24 + 48 + 48),
        ),
        (
            "cnn-m",
            (10, 10, 64),
            conv(64, 24) + dense(3 * 3 * 24, 48) + dense(48, 48) + 4 * (24 + 48 + 48),
        ),
        ("cnn-t", (60, 60, 1), conv(1, 20) + conv(20, 20) + dense(12 * 12 * 20, 20)),
        ("cnn-t", (26, 26, 64), conv(64, 20) + conv(20, 20) + dense(7 * 7 * 20, 20)),
        ("cnn-s", (112, 112, 1), conv(1, 20) + conv(20, 20) + dense(11 * 11 * 20, 20)),
        ("cnn-s", (52, 52, 64), conv(64, 20) + conv(20, 20) + dense(10 * 10 * 20, 20)),
        (
            "svhn",
            (64, 64, 3),
            conv(3, 32) + conv(32, 32) + dense(32 * 32 * 32, 32) + dense(32, 32),
        ),
        (
            "svhn",
            (4, 4, 192),
            conv(192, 32) + conv(32, 32) + dense(2 * 2 * 32, 32) + dense(32, 32),
        ),
        ("svhn-small", (64, 64, 3), dense(64 * 64 * 3, 32) + dense(32, 32)),
        ("svhn-small", (4, 4, 192), dense(4 * 4 * 192, 32) + dense(32, 32)),
    ],
)
def test_parameters(name, shape, parameters):
    network = localization_network(name, shape)
    assert network.count_params() == parameters
    assert len(network.output_shape) == 2


def test_names_say_what_they_are():
    network = localization_network("cnn-m", (28, 28, 1))
    assert all(layer.name.startswith("localization") for layer in network.layers)


@pytest.mark.parametrize(
    "name", ["cnn", "fcn", "cnn-m", "cnn-t", "cnn-s", "svhn", "svhn-small"]
)
def test_width(name):
    whole = localization_network(name, (28, 28, 1))
    half = localization_network(name, (28, 28, 1), width=0.5)
    for layer, narrow in zip(whole.layers, half.layers, strict=True):
        assert type(layer) is type(narrow)
        if "conv" in layer.name or "dense" in layer.name:
            assert narrow.output.shape[-1] == layer.output.shape[-1] // 2
    tiny = localization_network(name, (28, 28, 1), width=0.001)
    assert tiny.output_shape == (None, 1)


@pytest.mark.parametrize("width", [0, -1, True, "1", float("nan"), float("inf")])
def test_width_is_a_positive_number(width):
    with pytest.raises(ValueError, match="`width`. Expected a positive number"):
        localization_network("fcn", (28, 28, 1), width=width)


def test_unknown_name():
    with pytest.raises(ValueError, match="Received: localization='resnet'"):
        localization_network("resnet", (28, 28, 1))


def test_too_small():
    with pytest.raises(
        ValueError, match=r"'cnn' does not fit an input of.*\(10, 10, 64\)"
    ):
        localization_network("cnn", (10, 10, 64))


def test_needs_a_known_size():
    with pytest.raises(ValueError, match=r"input_shape=\(None, None, 1\).*pooling"):
        localization_network("fcn", (None, None, 1))
