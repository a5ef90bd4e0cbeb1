"""Optimisers and learning-rate schedules, from a config."""

import keras

from keras_stn.models import with_localization_rate

# Schedules that go down by a factor of 10 in so many parts.
_PARTS = {"thirds": 3, "fifths": 5}


def make_optimizers(config, total_steps, model):
    """Makes the optimiser of a run: with two rates, if the config says so.

    Args:
        config: What `train.options.read_config` returned.
        total_steps: Length of the whole training.
        model: What it is to train.

    Returns:
        A `keras.optimizers.Optimizer`. If the localisation network has a learning rate
        of its own, a `keras.optimizers.MultiOptimizer`.
    """
    return with_localization_rate(
        lambda rate: make_optimizer(config, total_steps, rate),
        model,
        config["learning_rate"],
        config["localization_lr_multiplier"],
    )


def make_optimizer(config, total_steps, learning_rate):
    """Makes the optimiser that a config describes, with a learning rate of its own.

    Args:
        config: What `train.options.read_config` returned.
        total_steps: Length of the whole training.
        learning_rate: Its peak, instead of the config's.

    Returns:
        A `keras.optimizers.Optimizer`.

    Raises:
        ValueError: If the config's optimiser is unknown.
    """
    rate = make_schedule(
        config["schedule"], learning_rate, total_steps, config["warmup"]
    )
    decay, momentum = config["weight_decay"], config["momentum"]
    if config["optimizer"] == "sgd" and decay:
        return PenalizedSGD(rate, momentum=momentum, penalty=decay)
    if config["optimizer"] == "sgd":
        return keras.optimizers.SGD(rate, momentum=momentum)
    if config["optimizer"] == "adam":
        # Beside the gradient: that is AdamW.
        return keras.optimizers.Adam(rate, beta_1=momentum, weight_decay=decay or None)
    raise ValueError(
        "The config's 'optimizer' must be 'adam' or 'sgd'. "
        f"Received: {config['optimizer']!r}"
    )


def make_schedule(name, learning_rate, total_steps, warmup):
    """Makes a learning-rate schedule.

    Args:
        name: `"constant"`; `"cosine"`, down to zero; or `"thirds"` or `"fifths"`,
            divided by 10 each third or fifth.
        learning_rate: Its peak.
        total_steps: Length of the whole training.
        warmup: With `"cosine"`, the fraction of it in which the rate first rises
            linearly, from a 25th of its peak (our choice).

    Returns:
        A float or a `LearningRateSchedule`.

    Raises:
        ValueError: If the name is unknown or the warm-up does not go with it.
    """
    if name not in ("constant", "cosine", *_PARTS):
        raise ValueError(
            "The config's 'schedule' must be 'constant', 'cosine', 'thirds' or "
            f"'fifths'. Received: {name!r}"
        )
    if not 0 <= warmup < 1 or (warmup and name != "cosine"):
        raise ValueError(
            "The config's 'warmup' must be from 0 to below 1, and 0 unless the "
            f"schedule is 'cosine'. Received: warmup={warmup}, schedule={name!r}"
        )
    schedules = keras.optimizers.schedules
    if name == "constant":
        return learning_rate
    if name in _PARTS:
        parts = range(_PARTS[name])
        # The last step of each part.
        ends = [total_steps * part // len(parts) - 1 for part in parts[1:]]
        boundaries = [max(0, end) for end in ends]
        values = [learning_rate / 10**part for part in parts]
        return schedules.PiecewiseConstantDecay(boundaries, values)
    if not warmup:
        return schedules.CosineDecay(learning_rate, total_steps)
    warmup_steps = round(warmup * total_steps)
    if warmup_steps >= total_steps:
        raise ValueError(
            f"The config's 'warmup' must leave steps to decay in. Received: {warmup} "
            f"of {total_steps} steps; make it smaller or train for longer"
        )
    return schedules.CosineDecay(
        learning_rate / 25,
        total_steps - warmup_steps,
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
    )


@keras.saving.register_keras_serializable(package="train")
class PenalizedSGD(keras.optimizers.SGD):
    """SGD with a penalty on the squares of the weights, as part of the gradient.

    Keras' own `weight_decay` is taken off the weights beside the gradient, so that
    momentum does not multiply it: with a momentum of 0.9 that is a tenth of what the
    same number means as a penalty, in papers of Jaderberg et al.'s time and in PyTorch.

    Args:
        *args: Arguments of `keras.optimizers.SGD`.
        penalty: What is added to the gradient for each unit of a weight.
        **kwargs: Arguments of `keras.optimizers.SGD`.
    """

    def __init__(self, *args, penalty=0.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.penalty = penalty

    def update_step(self, gradient, variable, learning_rate):
        """Adds the penalty's gradient and goes on as SGD."""
        penalty = keras.ops.cast(self.penalty, variable.dtype)
        gradient = keras.ops.cast(gradient, variable.dtype) + penalty * variable
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        """The arguments that rebuild this object."""
        return {**super().get_config(), "penalty": self.penalty}
