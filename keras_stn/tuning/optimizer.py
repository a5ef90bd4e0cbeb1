"""Optimisers with a learning rate of their own for what only theta depends on."""

import re

import keras

# What `keras_stn.models.splice` calls the transformer and the copies of blocks.
_LOCALIZATION_LAYERS = ("spatial_transformer", "localization")


def with_localization_rate(make_optimizer, model, learning_rate, multiplier):
    """Makes an optimiser for a model that `splice` built.

    Args:
        make_optimizer: A function from a learning rate to a Keras optimiser.
        model: The model, with all its variables.
        learning_rate: Of the classifier.
        multiplier: The localisation's learning rate, relative to that.

    Returns:
        A `keras.optimizers.Optimizer`; a `keras.optimizers.MultiOptimizer` if there are
        two learning rates.
    """
    paths = [
        variable.path
        for layer in model.layers
        if layer.name.startswith(_LOCALIZATION_LAYERS)
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


def _end(path):
    """The last two parts of a variable's path: its layer and its own name."""
    return "/".join(path.split("/")[-2:])
