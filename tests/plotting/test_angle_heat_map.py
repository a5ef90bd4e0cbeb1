import numpy as np
import pytest

from keras_stn.analysis import deming_fit
from keras_stn.plotting import angle_heat_map, angle_heat_maps

GENERATOR = np.random.default_rng(0)
APPLIED = GENERATOR.uniform(-90, 90, 2000)


def test_counts_and_line():
    predicted = 0.8 * APPLIED - 7 + GENERATOR.normal(scale=5, size=2000)
    figure = angle_heat_map(APPLIED, predicted, title="STN-SL1")
    (axes,) = figure.axes
    (image,), (drawn,) = axes.get_images(), axes.get_lines()
    counts = image.get_array()
    assert counts.shape == (110, 110) and counts.sum() == 2000
    # Applied angles along x: rows of the picture are predicted ones.
    row, column = 55 + int(predicted[0] // 2), 55 + int(APPLIED[0] // 2)
    assert counts[row, column] >= 1
    line = deming_fit(APPLIED, predicted)
    x, y = drawn.get_data()
    np.testing.assert_allclose(y, line.slope * x + line.intercept)
    (label,) = [text.get_text() for text in axes.get_legend().get_texts()]
    assert label == f"y = {line.slope:.2f} x {line.intercept:+.1f}"
    assert axes.get_title() == "STN-SL1"


def test_angles_outside_the_picture():
    predicted = APPLIED.copy()
    predicted[:3] = 170
    (axes,) = angle_heat_map(APPLIED, predicted).axes
    assert axes.get_images()[0].get_array().sum() == 1997
    assert axes.get_ylim() == (-110, 110)


def test_a_vertical_line_is_not_drawn():
    (axes,) = angle_heat_map([3, 3, 3], [1, 2, 90]).axes
    assert not axes.get_lines()


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="same shape"):
        angle_heat_map([1, 2, 3], [1, 2])


def test_several_side_by_side():
    figure = angle_heat_maps({"a": (APPLIED, APPLIED), "b": (APPLIED, -APPLIED)})
    assert [axis.get_title() for axis in figure.axes] == ["a", "b"]
    labels = [axis.get_legend().get_texts()[0].get_text() for axis in figure.axes]
    assert labels[0].startswith("y = 1.00 x") and labels[1].startswith("y = -1.00 x")
    # A zero has no minus.
    assert not any("-0.0" in label for label in labels)
    with pytest.raises(ValueError, match="at least one. Received: {}"):
        angle_heat_maps({})
    for no_dict in ([(APPLIED, APPLIED)], None):
        with pytest.raises(ValueError, match="dict from titles.*Received: "):
            angle_heat_maps(no_dict)
