"""A line through points that err in both coordinates."""

import math
from typing import NamedTuple

import numpy as np

# Our choice: well above what sums in float64 are rounded by, 2e-16 of them.
_ROUNDING = 1e-12


class Line(NamedTuple):
    """`y = slope * x + intercept`.

    Attributes:
        slope: Infinite for a vertical line.
        intercept: NaN for a vertical line.
        deviation: Root of the mean squared distance of the points, at right angles to
            the line.
    """

    slope: float
    intercept: float
    deviation: float


def deming_fit(x, y):
    """Fits the line with the least squared distances at right angles to it.

    Deming's regression with errors of the same size in both coordinates, also called
    orthogonal: the direction in which the points vary most. Least squares in y alone
    would give too flat a line for what a transformer predicts from uncertain images.
    The authors' code draws it through the heat maps of the paper's figure 3.

    Args:
        x: Array of shape `(points,)`, such as the applied angles.
        y: The same, such as the predicted ones.

    Returns:
        A `Line`.

    Raises:
        ValueError: If the shapes are not as above, there are less than two points, a
            value is not finite, or the points vary equally in all directions, so that
            every line through their mean fits alike.

    Example:

    >>> from keras_stn.analysis import deming_fit
    >>> line = deming_fit([0, 1, 2, 3], [1, 3, 5, 7])
    >>> round(line.slope, 6), round(line.intercept, 6)
    (2.0, 1.0)

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), figure 3
    """
    points = [np.asarray(one, np.float64) for one in (x, y)]
    x, y = points
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise ValueError(
            "Expected `x` and `y` of the same shape (points,), at least two points. "
            f"Received: x.shape={x.shape}, y.shape={y.shape}"
        )
    if not np.all(np.isfinite(points)):
        raise ValueError(
            "Expected finite numbers. Received NaN or infinite values at the points "
            f"{np.flatnonzero(~np.all(np.isfinite(points), axis=0))[:5].tolist()}."
        )
    x_mean, y_mean = x.mean(), y.mean()
    x_variance, y_variance = np.mean((x - x_mean) ** 2), np.mean((y - y_mean) ** 2)
    covariance = np.mean((x - x_mean) * (y - y_mean))
    # Twice the angle of the direction, and how much more than across it they vary.
    difference = x_variance - y_variance
    contrast = math.hypot(difference, 2 * covariance)
    total = x_variance + y_variance
    if contrast <= _ROUNDING * total:
        raise ValueError(
            "Received points that vary equally in all directions, or not at all: they "
            "determine no line."
        )
    angle = 0.5 * math.atan2(2 * covariance, difference)
    # Not by the difference of `total` and `contrast`, which are nearly the same.
    across = math.cos(angle) * (y - y_mean) - math.sin(angle) * (x - x_mean)
    deviation = math.sqrt(np.mean(across**2))
    if abs(math.cos(angle)) < _ROUNDING:
        return Line(math.inf, math.nan, deviation)
    slope = math.tan(angle)
    return Line(slope, float(y_mean - slope * x_mean), deviation)
