"""One dimension of a search: a value, some choices, or a range."""

import math
from typing import NamedTuple

from keras_stn.ops.arguments import is_number


class Range(NamedTuple):
    """All numbers between two, drawn uniformly on a logarithmic scale.

    Attributes:
        minimum: The smallest, above 0.
        maximum: The largest, included.

    Raises:
        ValueError: By what takes the range, if the smallest is not above 0 and below
            the largest.

    Example:

    >>> from keras_stn.tuning import Range
    >>> Range(1e-4, 1e-2)
    Range(minimum=0.0001, maximum=0.01)
    """

    minimum: float
    maximum: float


def standardize_choices(name, value, kind, check=None):
    """Returns a `Range` or a tuple of choices, each of them once.

    Args:
        name: Of the dimension, for error messages.
        value: One choice, a list or tuple of them, or a `Range` of floats.
        kind: `str`, `int` or `float`, the type of a choice, or None for any.
        check: Called with each number; raises if it does not like it.

    Raises:
        ValueError: If a choice is not of its kind, or there is none.
    """
    if isinstance(value, Range):
        _check_range(name, value, kind)
        return value
    choices = value if isinstance(value, list | tuple) else (value,)
    if kind is float:
        choices = [float(c) if is_number(c) else c for c in choices]
    is_kind = all(
        kind is None or (isinstance(choice, kind) and not isinstance(choice, bool))
        for choice in choices
    )
    if not is_kind or not choices:
        or_range = " or a `keras_stn.tuning.Range`" if kind is float else ""
        expected = kind.__name__ if kind else "value"
        raise ValueError(
            f"Invalid value for `{name}`. Expected a {expected} to fix it, or a list "
            f"of some{or_range}. Received: {name}={value!r}"
        )
    for choice in choices if check else ():
        check(choice)
    return tuple(dict.fromkeys(choices))


def declare(hp, name, choices):
    """Makes a dimension known to KerasTuner; one choice alone is fixed.

    Args:
        hp: A `keras_tuner.HyperParameters`.
        name: Of the hyperparameter.
        choices: What `standardize_choices` returned. The first is the default.
    """
    if isinstance(choices, Range):
        hp.Float(name, choices.minimum, choices.maximum, sampling="log")
    elif len(choices) == 1:
        hp.Fixed(name, choices[0])
    else:
        hp.Choice(name, list(choices))


def check_positive(name, value):
    """Raises if a number is not positive and finite."""
    if not 0 < value < math.inf:
        raise ValueError(
            f"Invalid value for `{name}`. Expected positive numbers. Received: {value}"
        )


def _check_range(name, value, kind):
    numbers = all(is_number(end) for end in value)
    if kind is not float or not numbers or not 0 < value.minimum < value.maximum:
        raise ValueError(
            f"Invalid range for `{name}`. Only learning rates, their multiplier and "
            "the width take one, from a positive number to a larger one. "
            f"Received: {name}={value!r}"
        )
