"""The paper's MNIST networks."""

import keras
from keras import layers

from keras_stn.layers import Conv2D, MaxPooling2D
from keras_stn.models.localization import localization_builder
from keras_stn.models.normalization import batch_normalization
from keras_stn.models.splice import splice
from keras_stn.models.variant import Variant
from keras_stn.ops.arguments import check_choice

# Side of the images of each task in pixels, and by how much a transformer reduces it.
_SIDES = {"rotation": 28, "translation": 60, "scale": 112}
_DOWNSAMPLE = {"rotation": 1, "translation": 2, "scale": 1}


def mnist(
    variant,
    task="rotation",
    localization=None,
    batch_norm=False,
    transform="affine",
    fill_mode="nearest",
    align_corners=False,
    name=None,
):
    """Builds one of the paper's networks for MNIST.

    The classifier is conv 9x9 64, pool, ReLU, conv 7x7 64, pool, ReLU, dense 10: two
    blocks, so X is 0, 1 or 2. On the translation task the transformer halves the side
    of what it warps. Where the paper is silent, what is
    called the paper's here is from the authors' published code.

    Args:
        variant: `"cnn"`, `"stn_c<X>"`, `"stn_sl<X>"` or `"stn_dl<X>"`; see `splice`.
        task: `"rotation"` (28x28 images), `"translation"` (60x60) or `"scale"`
            (112x112).
        localization: Name of a localisation network, see `localization_network`, or
            anything that `splice` takes. Default, our choice as the paper does not say
            which it used: on the image and on the first feature map `"cnn-m"` for
            rotation, `"cnn-t"` for translation and `"cnn-s"` for scale; on the second
            map, which is too small for these, `"fcn"`. On rotation it was chosen on
            held-out digits: `python -m train.reproduce choices`.
        batch_norm: Whether to normalise after each of the classifier's blocks.
        transform: The family of transforms. The paper's is `"affine"`.
        fill_mode: The image beyond its edges. The paper's is `"nearest"`, the border.
        align_corners: Corner convention of the transformer. The paper's is not known;
            half-pixel centres are our choice.
        name: Name of the model. Defaults to the variant.

    Returns:
        A functional `keras.Model` from normalised images of shape `(batch, side, side,
        1)`, or `(batch, 1, side, side)` if Keras' image data format is
        `"channels_first"`, to logits of shape `(batch, 10)`.

    Raises:
        ValueError: If the variant, the task or the localisation network is unknown.

    Example:

    >>> import keras_stn
    >>> keras_stn.models.mnist("cnn").count_params()
    208586
    >>> keras_stn.models.mnist("stn_c0", localization="cnn").count_params()
    219672

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), Table 1
    """
    check_choice("task", task, tuple(_SIDES))
    depth = Variant.parse(variant, max_depth=2).depth
    if localization is None:
        localization = _default_localization(task, depth)
    if isinstance(localization, str):
        localization = localization_builder(localization)
    side = _SIDES[task]
    # Under mixed precision too: three digits would not tell near classes apart.
    precision = keras.config.dtype_policy().variable_dtype
    is_channels_last = keras.config.image_data_format() == "channels_last"
    return splice(
        (side, side, 1) if is_channels_last else (1, side, side),
        blocks=[_block(1, 9, batch_norm), _block(2, 7, batch_norm)],
        head=[
            layers.Flatten(name="flatten"),
            layers.Dense(10, dtype=precision, name="logits"),
        ],
        variant=variant,
        localization=localization,
        downsample=_DOWNSAMPLE[task],
        name=name,
        transform=transform,
        fill_mode=fill_mode,
        align_corners=align_corners,
    )


def _block(index, kernel_size, batch_norm):
    # The ReLU after the pool, as in the paper; the order does not change the result.
    block = [
        Conv2D(64, kernel_size, name=f"block_{index}_conv"),
        MaxPooling2D(2, name=f"block_{index}_pool"),
        layers.ReLU(name=f"block_{index}_relu"),
    ]
    if batch_norm:
        block.append(batch_normalization(f"block_{index}_norm"))
    return block


def _default_localization(task, depth):
    if depth == 2:
        return "fcn"
    return {"rotation": "cnn-m", "translation": "cnn-t", "scale": "cnn-s"}[task]
