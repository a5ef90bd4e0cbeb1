"""Optimisers with a learning rate of their own for what only theta depends on."""

import re

import keras

from keras_stn.layers import SpatialTransformer

# What `splice` calls the copies of blocks that only the localisation network reads.
_NAME = "localization"


def with_localization_rate(make_optimizer, model, learning_rate, multiplier):
    """Makes an optimiser that trains transformers at a rate of their own.

    A transformer that learns too fast leaves the image before the classifier has learnt
    anything; Jaderberg et al. took a tenth of the classifier's rate on house numbers.
    What a transformer shares with the classifier, as the first blocks of STN-SLX, keeps
    the classifier's rate. Layers whose names begin with "localization" count as the
    transformer's: `splice` names copies of blocks so, and you can name so what computes
    theta for a transformer that is called on `[images, theta]`.

    Args:
        make_optimizer: A function from a learning rate to a Keras optimiser, such as
            `keras.optimizers.Adam`.
        model: A model that has been built. Transformers are looked for among its layers
            and those of models within it, not inside other layers of your own.
        learning_rate: Of the classifier: a number, or whatever else `make_optimizer`
            takes that can be multiplied.
        multiplier: The rate of each `SpatialTransformer`, with its localisation
            network, relative to that.

    Returns:
        A `keras.optimizers.MultiOptimizer`, which is saved and loaded with the model;
        what `make_optimizer` returns if the multiplier is 1 or the model has no
        transformer.

    Raises:
        ValueError: If a transformer has no variables yet.

    Example:

    >>> import keras
    >>> import keras_stn
    >>> model = keras_stn.models.mnist("stn_c0")
    >>> optimizer = keras_stn.models.with_localization_rate(
    ...     keras.optimizers.Adam, model, learning_rate=1e-3, multiplier=0.1
    ... )
    >>> model.compile(optimizer, "sparse_categorical_crossentropy")

    References:
        - [Jaderberg et al., 2015](https://arxiv.org/abs/1506.02025),
            the experiments on house numbers
    """
    paths = [
        variable.path
        for layer in _localization_layers(model)
        for variable in layer.trainable_variables
    ]
    if multiplier == 1 or not paths:
        return make_optimizer(learning_rate)
    optimizers = keras.optimizers.OptimizerMap(make_optimizer(learning_rate))
    # The layers of a user's localisation network have any name. Of their paths only
    # layer and variable, as the rest is another one in a model that has been loaded.
    others = {
        _end(variable.path)
        for variable in model.trainable_variables
        if variable.path not in paths
    }
    patterns = [
        re.escape(path) if _end(path) in others else f"(.*/)?{re.escape(_end(path))}"
        for path in paths
    ]
    optimizers["|".join(patterns)] = make_optimizer(learning_rate * multiplier)
    return keras.optimizers.MultiOptimizer(optimizers)


def _localization_layers(model):
    """Transformers and copies of blocks, also those of models within the model."""
    found = []
    for layer in model.layers:
        is_transformer = isinstance(layer, SpatialTransformer)
        if is_transformer and not layer.built:
            raise ValueError(
                f"The transformer '{layer.name}' has no variables yet. Build the model "
                f"'{model.name}' first, for example by calling it on a batch."
            )
        if is_transformer or layer.name.startswith(_NAME):
            found.append(layer)
        elif isinstance(layer, keras.Model):
            found += _localization_layers(layer)
    return found


def _end(path):
    """The last two parts of a variable's path: its layer and its own name."""
    return "/".join(path.split("/")[-2:])
