"""The paper's SVHN networks."""

import keras
from keras import layers

from keras_stn.models.localization import localization_builder
from keras_stn.models.splice import splice
from keras_stn.ops.arguments import check_width, is_number

# Jaderberg et al.'s classifier, which the paper takes over: the filters of its blocks,
# the blocks that halve the map, the units of its dense layers.
_FILTERS = (48, 64, 128, 160, 192, 192, 192, 192)
_BLOCKS_WITH_POOL = (1, 3, 5, 7)
_UNITS = (3072, 3072, 3072)
# Our choice, as the paper names none: with Keras' own, made for layers without ReLU,
# the signal fades over so many of them and training takes long to begin.
_INITIALIZER = "he_normal"

_SIDE = 64
# A number has at most five digits; each is one of ten, or blank.
_DIGITS = 5
_CLASSES = 11


def svhn(
    variant,
    width=1.0,
    dropout=0.5,
    localization=None,
    transform="affine",
    fill_mode="constant",
    align_corners=False,
    name=None,
):
    """Builds one of the paper's networks for whole house numbers (SVHN).

    The classifier is eight blocks, so X is from 0 to 8, and three dense layers of 3072
    units. A block is a convolution 5x5 with padding, a pool in blocks 1, 3, 5 and 7, a
    ReLU, and dropout in all but the first; the dense layers have ReLU and dropout too.
    The map is 64x64x3 at X = 0, 16x16x128 at X = 3, 8x8x192 at X = 6 and 4x4x192 at
    X = 8. Where the paper is silent, what is
    called the paper's here is from the authors' published code.

    The five digits are read by five linear heads of 11 logits: ten digits and blank.
    They are one tensor, from one Dense layer of 55 units, which has the weights of five
    of 11 side by side, so one loss and one array of labels, of shape `(batch, 5)`, do
    for all. `SparseCategoricalCrossentropy` is then the mean over the five digits; the
    paper's loss is their sum: `model.compile(..., loss_weights=5.0)`.

    Args:
        variant: `"cnn"`, `"stn_c<X>"`, `"stn_sl<X>"` or `"stn_dl<X>"`; see `splice`.
        width: Multiplies the classifier's filters and dense units, for small machines;
            rounded, at least 1. The paper's is 1. The localisation network and the
            heads stay as they are.
        dropout: Rate of the dropout after each block but the first and after each dense
            layer. The paper's is 0.5; a narrow network wants less.
        localization: Name of a localisation network, see `localization_network`, or
            anything that `splice` takes. Default: the paper's, `"svhn"`, on the image
            and on every map. The paper's small one is `"svhn-small"`.
        transform: The family of transforms. The paper's is `"affine"`.
        fill_mode: The image beyond its edges. The paper's is `"constant"`, zeros.
        align_corners: Corner convention of the transformer. The paper's is not known;
            half-pixel centres are our choice.
        name: Name of the model. Defaults to the variant.

    Returns:
        A functional `keras.Model` from images of shape `(batch, 64, 64, 3)`, or
        `(batch, 3, 64, 64)` if that is Keras' image data format, to logits of shape
        `(batch, 5, 11)`.

    Raises:
        ValueError: If the variant or the localisation network is unknown, or the width
            is not a positive number, or the dropout not a rate.

    Example:

    >>> import keras_stn
    >>> model = keras_stn.models.svhn("stn_sl3", width=0.1)
    >>> model.output_shape
    (None, 5, 11)
    >>> model.get_layer("spatial_transformer").output.shape
    (None, 64, 64, 3)

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), Table 2
        - [Jaderberg et al., 2015](https://arxiv.org/abs/1506.02025), section 4.2
    """
    check_width(width)
    _check_dropout(dropout)
    if localization is None:
        localization = "svhn"
    if isinstance(localization, str):
        localization = localization_builder(localization)
    is_channels_last = keras.config.image_data_format() == "channels_last"
    return splice(
        (_SIDE, _SIDE, 3) if is_channels_last else (3, _SIDE, _SIDE),
        blocks=[
            _block(index, _scaled(filters, width), dropout)
            for index, filters in enumerate(_FILTERS, start=1)
        ],
        head=_head(width, dropout),
        variant=variant,
        localization=localization,
        name=name,
        transform=transform,
        fill_mode=fill_mode,
        align_corners=align_corners,
    )


def _block(index, filters, dropout):
    block = [
        layers.Conv2D(
            filters,
            5,
            padding="same",
            kernel_initializer=_INITIALIZER,
            name=f"block_{index}_conv",
        )
    ]
    # The ReLU after the pool does not change the result, and has less to do there.
    if index in _BLOCKS_WITH_POOL:
        block.append(layers.MaxPooling2D(2, name=f"block_{index}_pool"))
    block.append(layers.ReLU(name=f"block_{index}_relu"))
    if index > 1:
        block.append(layers.Dropout(dropout, name=f"block_{index}_dropout"))
    return block


def _head(width, dropout):
    head = [layers.Flatten(name="flatten")]
    for index, units in enumerate(_UNITS, start=1):
        units = _scaled(units, width)
        head += [
            layers.Dense(
                units,
                activation="relu",
                kernel_initializer=_INITIALIZER,
                name=f"dense_{index}",
            ),
            layers.Dropout(dropout, name=f"dense_{index}_dropout"),
        ]
    # Under mixed precision too: three digits would not tell near classes apart.
    precision = keras.config.dtype_policy().variable_dtype
    return [
        *head,
        layers.Dense(_DIGITS * _CLASSES, dtype=precision, name="heads"),
        layers.Reshape((_DIGITS, _CLASSES), dtype=precision, name="logits"),
    ]


def _scaled(count, width):
    return max(1, round(count * width))


def _check_dropout(dropout):
    if not is_number(dropout) or not 0 <= dropout < 1:
        raise ValueError(
            "Invalid value for `dropout`. Expected a rate from 0 to below 1; the "
            f"paper's is 0.5. Received: dropout={dropout!r}"
        )
