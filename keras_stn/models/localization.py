"""The localisation networks of the authors' code, by name."""

import functools

import keras
from keras import layers

from keras_stn.models.normalization import batch_normalization
from keras_stn.ops.arguments import check_choice, check_width


def localization_builder(name):
    """The function that builds a localisation network for the shape that it reads.

    Args:
        name: As in `localization_network`.

    Returns:
        A function, as `splice` takes it.

    Raises:
        ValueError: At once, if the name is unknown.
    """
    check_choice("localization", name, tuple(_BUILDERS))
    return functools.partial(localization_network, name)


def localization_network(name, input_shape, width=1.0):
    """Builds a localisation network without its last Dense layer.

    `SpatialTransformer` adds the last layer itself, with as many units as its family of
    transforms has parameters.

    | name | layers | made for |
    |---|---|---|
    | `"cnn"` | halve, conv5 20, pool, conv5 20, dense 20 | 28x28 images |
    | `"fcn"` | dense 32 three times | small images and maps |
    | `"cnn-m"` | halve a 28x28 image, conv5 24, pool, dense 48 twice, with batch \
normalisation after each | 28x28 images and 10x10 maps |
    | `"cnn-t"` | conv5 20, pool, conv5 20, pool if the side exceeds 20, dense 20 \
| 60x60 images and 26x26 maps |
    | `"cnn-s"` | halve a 112x112 image, (conv5 20, pool) twice, dense 20 | 112x112 \
images and 52x52 maps |
    | `"svhn"` | conv5 32, pool, conv5 32, both with padding, dense 32 twice | 64x64 \
images and maps down to 2x2 |
    | `"svhn-small"` | dense 32 twice | the same |

    "Halve" averages 2x2 pixels, which is what bilinear resizing to half the side with
    half-pixel centres does. Each conv and dense is followed by a ReLU. Which network
    each row of the paper's Table 1 used is not published; the last two are those of
    the authors' SVHN experiments.

    Args:
        name: One of the names above.
        input_shape: Shape of what the network reads, `(height, width, channels)`, or
            `(channels, height, width)` if that is Keras' image data format.
        width: Multiplies the filters and units; rounded, at least 1. The paper's
            networks have 1.

    Returns:
        A functional `keras.Model`; its layers' names start with `localization`.

    Raises:
        ValueError: If the name is unknown, the width is not a positive number, or the
            input is of unknown size or too small for the network.

    Example:

    >>> from keras_stn.models import localization_network
    >>> localization_network("cnn", (28, 28, 1)).output_shape
    (None, 20)

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858)
    """
    check_choice("localization", name, tuple(_BUILDERS))
    check_width(width)
    if None in tuple(input_shape):
        raise ValueError(
            "The localisation networks end in Dense layers, so they need an input of a "
            f"known size. Received: input_shape={tuple(input_shape)}. Give the model "
            "an input of known size, or a network of your own that ends with a global "
            "pooling."
        )
    inputs = keras.Input(input_shape, name="localization_input")
    try:
        outputs = _BUILDERS[name](inputs, width)
    except ValueError as error:
        raise ValueError(
            f"The localisation network '{name}' does not fit an input of shape "
            f"{tuple(input_shape)}. Choose one that does: 'fcn' reads anything."
        ) from error
    return keras.Model(inputs, outputs, name=f"localization_{name.replace('-', '_')}")


def _side(x):
    return x.shape[2]  # The width or the height, in both data formats.


def _halve(x):
    return layers.AveragePooling2D(2, name="localization_halve")(x)


def _conv(x, filters, index, padding="valid"):
    filters = max(1, round(filters))
    name = f"localization_conv_{index}"
    return layers.Conv2D(filters, 5, padding=padding, activation="relu", name=name)(x)


def _pool(x, index):
    return layers.MaxPooling2D(2, name=f"localization_pool_{index}")(x)


def _flatten(x):
    return layers.Flatten(name="localization_flatten")(x)


def _dense(x, units, index):
    units = max(1, round(units))
    name = f"localization_dense_{index}"
    return layers.Dense(units, activation="relu", name=name)(x)


def _normalize(x, index):
    return batch_normalization(f"localization_norm_{index}")(x)


def _cnn(x, width):
    x = _conv(_halve(x), 20 * width, 1)
    x = _conv(_pool(x, 1), 20 * width, 2)
    return _dense(_flatten(x), 20 * width, 1)


def _fcn(x, width):
    x = _flatten(x)
    for index in (1, 2, 3):
        x = _dense(x, 32 * width, index)
    return x


def _cnn_m(x, width):
    if _side(x) == 28:
        x = _halve(x)
    x = _normalize(_conv(x, 24 * width, 1), 1)
    x = _flatten(_pool(x, 1))
    x = _normalize(_dense(x, 48 * width, 1), 2)
    return _normalize(_dense(x, 48 * width, 2), 3)


def _cnn_t(x, width):
    x = _pool(_conv(x, 20 * width, 1), 1)
    x = _conv(x, 20 * width, 2)
    if _side(x) > 20:
        x = _pool(x, 2)
    return _dense(_flatten(x), 20 * width, 1)


def _cnn_s(x, width):
    if _side(x) == 112:
        x = _halve(x)
    x = _pool(_conv(x, 20 * width, 1), 1)
    x = _pool(_conv(x, 20 * width, 2), 2)
    return _dense(_flatten(x), 20 * width, 1)


def _svhn(x, width):
    x = _conv(x, 32 * width, 1, padding="same")
    x = _conv(_pool(x, 1), 32 * width, 2, padding="same")
    return _svhn_small(x, width)


def _svhn_small(x, width):
    x = _dense(_flatten(x), 32 * width, 1)
    return _dense(x, 32 * width, 2)


_BUILDERS = {
    "cnn": _cnn,
    "fcn": _fcn,
    "cnn-m": _cnn_m,
    "cnn-t": _cnn_t,
    "cnn-s": _cnn_s,
    "svhn": _svhn,
    "svhn-small": _svhn_small,
}
