"""Puts a spatial transformer into any classifier."""

import keras
import numpy as np

from keras_stn.layers import SpatialTransformer
from keras_stn.models.variant import Variant


def splice(
    input_shape,
    blocks,
    head,
    variant,
    localization=None,
    downsample=1,
    name=None,
    **transformer_options,
):
    """Builds a variant of a classifier, with a spatial transformer at layer X.

    | variant | the localisation network reads | what is warped |
    |---|---|---|
    | `"cnn"` | | nothing |
    | `"stn_c0"` | the image | the image |
    | `"stn_c<X>"` | the map after block X | that map |
    | `"stn_sl<X>"` | the map after block X | the image; blocks 1 to X are shared |
    | `"stn_dl<X>"` | the map after its own copy of blocks 1 to X | the image |

    In `"stn_sl<X>"` the first X blocks run twice, on the untransformed image for the
    localisation network and on the warped image for the classifier. Their weights exist
    once, and gradients reach them by both paths; statistics of a BatchNormalization
    among them are updated by both. At X = 0 `stn_c0`, `stn_sl0` and
    `stn_dl0` are the same network. The copies of `"stn_dl<X>"` are drawn anew and
    learn, also those of frozen blocks.

    Args:
        input_shape: Shape of one image, `(height, width, channels)`, or `(channels,
            height, width)` with `data_format="channels_first"`.
        blocks: The classifier's body: a list of blocks, each a Keras layer, a model, or
            a list of layers. Two models that are built from the same layers share their
            weights.
        head: What follows the last block, in the same form.
        variant: The name of the variant, as above.
        localization: The localisation network, without its last Dense layer: a Keras
            layer or model, or a function that takes the shape of what it reads, without
            the batch, and returns one. Needed for all variants but `"cnn"`.
        downsample: The transformer's output has this many times fewer pixels along each
            side than its input.
        name: Name of the model. Defaults to the variant.
        **transformer_options: Further arguments of `SpatialTransformer`: `transform`,
            `fill_mode`, `output_size` and so on, but not `return_theta`.

    Returns:
        A functional `keras.Model`. The transformer is named `spatial_transformer`, and
        the copies of blocks that only the localisation uses have names that start with
        `localization`. A `Lambda`, which has no weights, is not copied.

    Raises:
        ValueError: If the variant is unknown, X exceeds the number of blocks, the
            localisation network is missing or does not fit what it reads, or another
            argument is not as above.

    Example:

    >>> from keras import layers
    >>> import keras_stn
    >>> model = keras_stn.models.splice(
    ...     input_shape=(32, 32, 3),
    ...     blocks=[
    ...         [layers.Conv2D(16, 3, activation="relu"), layers.MaxPooling2D(2)],
    ...         [layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2)],
    ...     ],
    ...     head=[layers.Flatten(), layers.Dense(10)],
    ...     variant="stn_sl1",
    ...     localization=layers.Dense(8, activation="relu"),
    ...     transform="similarity",
    ... )
    >>> model.count_params()
    23958

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), section 2
    """
    _check_options(downsample, transformer_options)
    if not isinstance(blocks, list | tuple):
        raise ValueError(
            "`blocks` must be a list of blocks, each a Keras layer, a model, or a list "
            f"of layers. Received: {blocks!r}. For a single block: `[block]`."
        )
    blocks = [_as_layers(block, f"blocks[{i}]") for i, block in enumerate(blocks)]
    head = _as_layers(head, "head")
    variant_name, variant = variant, Variant.parse(variant, max_depth=len(blocks))
    image = keras.Input(input_shape, name="image")

    def transformer(read):
        network = _localization_for(localization, tuple(read.shape[1:]), variant_name)
        options = {"name": "spatial_transformer", **transformer_options}
        warped = read if variant.kind == "c" else image
        if downsample != 1:
            options["output_size"] = _downsampled(warped, downsample, options)
        return SpatialTransformer(network, **options)

    if variant.kind == "cnn":
        x = _apply(blocks, image)
    elif variant.kind == "c":
        feature_map = _apply(blocks[: variant.depth], image)
        x = transformer(feature_map)(feature_map)
        x = _apply(blocks[variant.depth :], x)
    else:
        first_blocks = blocks[: variant.depth]
        if variant.kind == "dl":
            first_blocks = _fresh_copies(first_blocks)
        feature_map = _apply(first_blocks, image)
        layer = transformer(feature_map)
        x = layer(image if variant.reads_image else [image, feature_map])
        x = _apply(blocks, x)
    return keras.Model(image, _apply([head], x), name=name or variant_name)


def _as_layers(block, argument):
    """A block as a list of layers."""
    layers = list(block) if isinstance(block, list | tuple) else [block]
    for layer in layers:
        if not isinstance(layer, keras.layers.Layer):
            raise ValueError(
                f"`{argument}` must be a Keras layer, a model, or a list of layers. "
                f"Received: {layer!r} of type {type(layer).__name__}"
            )
    return layers


def _apply(blocks, x):
    for block in blocks:
        for layer in block:
            x = layer(x)
            if not isinstance(x, keras.KerasTensor):
                raise ValueError(
                    "Each layer of a block must return one tensor. Received: "
                    f"'{layer.name}', which returns a {type(x).__name__}"
                )
    return x


def _localization_for(localization, shape, variant_name):
    if callable(localization) and not isinstance(localization, keras.layers.Layer):
        localization = localization(shape)
    if not isinstance(localization, keras.layers.Layer):
        raise ValueError(
            f"The variant '{variant_name}' needs a localisation network: a Keras layer "
            "or model, or a function that takes the shape of what it reads, here "
            f"{shape}, and returns one. Received: localization={localization!r}"
        )
    return localization


def _check_options(downsample, transformer_options):
    is_integer = isinstance(downsample, int | np.integer)
    if not is_integer or isinstance(downsample, bool) or downsample < 1:
        raise ValueError(
            "Invalid value for `downsample`. Expected a positive integer. "
            f"Received: downsample={downsample!r}"
        )
    if transformer_options.get("return_theta"):
        raise ValueError(
            "The next block could not read what a transformer with `return_theta=True` "
            "returns. Leave it out: `keras_stn.models.pose(model)` maps images to "
            "theta."
        )
    # Also for the plain classifier, so that a mistake is not found later.
    SpatialTransformer(**{"name": "spatial_transformer", **transformer_options})


def _downsampled(warped, downsample, options):
    if options.get("output_size") is not None:
        raise ValueError(
            "`downsample` and `output_size` exclude each other. Received: "
            f"downsample={downsample}, output_size={options['output_size']}"
        )
    data_format = options.get("data_format") or keras.config.image_data_format()
    sides = warped.shape[1:3] if data_format == "channels_last" else warped.shape[2:4]
    if any(side is None or side < downsample for side in sides):
        raise ValueError(
            "`downsample` needs images of a known size, of at least as many pixels. "
            f"Received: downsample={downsample} for images or a feature map of size "
            f"{tuple(sides)}. Give sizes in `input_shape`, or give `output_size`."
        )
    return tuple(side // downsample for side in sides)


def _fresh_copies(blocks):
    # A layer that occurs twice shares its weights with itself; so does its copy. One
    # that is nested in two models is copied twice, and its copies share nothing.
    copies = {id(layer): _fresh_copy(layer) for block in blocks for layer in block}
    return [[copies[id(layer)] for layer in block] for block in blocks]


def _fresh_copy(layer):
    """A layer of the same kind with its own, separately initialised weights."""
    if isinstance(layer, keras.layers.Lambda):
        # It has none, and Keras does not rebuild Python code that it has to trust.
        return layer
    config = _with_other_seeds(layer.get_config())
    copy = type(layer).from_config({**config, "name": f"localization_{layer.name}"})
    # Frozen it would stay as it was drawn, whatever the original has learnt before.
    copy.trainable = True
    return copy


def _with_other_seeds(config):
    """The same config, where fixed seeds of initialisers and dropout are others.

    An initialiser with a fixed seed would give the copy the very same weights.
    """
    if isinstance(config, list | tuple):
        return type(config)(_with_other_seeds(item) for item in config)
    if not isinstance(config, dict):
        return config
    return {
        key: value + 1
        if key == "seed" and isinstance(value, int)
        else _with_other_seeds(value)
        for key, value in config.items()
    }
