import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from keras_stn.analysis import deming_fit


def cloud(slope, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.uniform(-90, 90, 300)
    errors = generator.normal(scale=8, size=(2, 300))
    return x + errors[0], slope * x + 4 + errors[1]


@pytest.mark.parametrize("slope", [1.0, 0.03, -0.7, 30.0])
def test_no_other_line_is_nearer(slope):
    x, y = cloud(slope)

    def across(angle):
        return np.cos(angle) * y - np.sin(angle) * x

    # At each angle the best line goes through the mean of the points.
    found = minimize_scalar(
        lambda angle: np.var(across(angle)),
        bounds=(-math.pi / 2, math.pi / 2),
        method="bounded",
        options={"xatol": 1e-10},
    )
    angle, offset = found.x, np.mean(across(found.x))
    line = deming_fit(x, y)
    assert line.slope == pytest.approx(math.tan(angle), rel=1e-4)
    assert line.intercept == pytest.approx(offset / math.cos(angle), rel=1e-3, abs=1e-3)
    assert line.deviation == pytest.approx(math.sqrt(found.fun), rel=1e-6)


def test_turns_with_the_points():
    """A least-squares fit of y does not: exchanged axes give the inverse slope."""
    x, y = cloud(0.8)
    line, exchanged = deming_fit(x, y), deming_fit(y, x)
    assert exchanged.slope == pytest.approx(1 / line.slope)
    assert exchanged.deviation == pytest.approx(line.deviation)


def test_vertical_line():
    line = deming_fit([2, 2, 2], [1, 5, 7])
    assert line.slope == math.inf and math.isnan(line.intercept)
    assert line.deviation == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1, 2], [1, 2, 3], r"x.shape=\(2,\), y.shape=\(3,\)"),
        ([1], [1], "at least two points"),
        ([[1, 2]], [[1, 2]], "points,"),
        ([1, np.nan, 3], [1, 2, 3], r"at the points \[1\]"),
        ([1, 1, 1], [2, 2, 2], "determine no line"),
        ([1, -1, 0, 0], [0, 0, 1, -1], "determine no line"),
    ],
)
def test_says_what_is_wrong(x, y, message):
    with pytest.raises(ValueError, match=message):
        deming_fit(x, y)


def test_a_deviation_that_is_small_beside_the_line():
    generator = np.random.default_rng(0)
    x = generator.uniform(-90, 90, 2000)
    noise = 1e-7 * generator.normal(size=2000)
    line = deming_fit(x, 2 * x + 1 + noise)
    assert line.deviation == pytest.approx(noise.std() / np.sqrt(5), rel=0.01)
