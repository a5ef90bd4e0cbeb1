"""Which localisation networks can read which map."""

import keras

from keras_stn.models.localization import localization_builder


def localization_builders(localization):
    """Returns a dict of functions that build localisation networks.

    Args:
        localization: A name of `localization_network`, a list of names, or a dict from
            names of one's own to such names or to functions of the shape and the width.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(localization, str):
        localization = [localization]
    if isinstance(localization, list | tuple):
        localization = {name: name for name in localization}
    if not isinstance(localization, dict) or not localization:
        raise ValueError(
            "Invalid value for `localization`. Expected a name that "
            "`keras_stn.models.localization_network` knows, a list of such names, or a "
            "dict from names to functions `build(input_shape, width)` that return a "
            f"Keras layer. Received: localization={localization!r}"
        )
    return {name: _builder(name, build) for name, build in localization.items()}


def fits(build, shape, width):
    """Whether a localisation network can read a map.

    Args:
        build: One of what `localization_builders` returned.
        shape: Of the map, without the batch.
        width: To try it with.

    Raises:
        ValueError: If the function does not return a Keras layer.
    """
    try:
        network = build(shape, width)
        if isinstance(network, keras.layers.Layer) and not network.built:
            network(keras.Input(shape))
    except ValueError:
        # From Keras or `localization_network`, for a map that is too small.
        return False
    if not isinstance(network, keras.layers.Layer):
        raise ValueError(
            "The function that builds a localisation network must return a Keras "
            f"layer. Received: {network!r}"
        )
    return True


def map_shapes(input_shape, blocks):
    """Returns the shapes of the image and of the map after each block.

    Args:
        input_shape: Of one image.
        blocks: A list of blocks, as `keras_stn.models.splice` takes them.
    """
    x = keras.Input(input_shape)
    shapes = [tuple(x.shape[1:])]
    for block in blocks:
        for layer in block if isinstance(block, list | tuple) else [block]:
            x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    return shapes


def _builder(name, build):
    if isinstance(build, str):
        return localization_builder(build)
    if not callable(build) or isinstance(build, keras.layers.Layer):
        raise ValueError(
            f"The localisation network '{name}' must be a function `build(input_shape, "
            "width)` that returns a new Keras layer, so that no two trials share "
            f"weights. Received: {build!r}"
        )
    return build
