import numpy as np
import pytest

from keras_stn.analysis import GapByDepth
from keras_stn.plotting import gap_curves

GENERATOR = np.random.default_rng(0)
GAPS = GapByDepth(("conv", "pool"), *GENERATOR.random((3, 2, 4)))


def test_a_panel_for_each_layer():
    figure = gap_curves(GAPS, [30, 10, 40, 20], "angle", title="CNN")
    assert [axis.get_title() for axis in figure.axes] == ["conv", "pool"]
    for index, axis in enumerate(figure.axes):
        # The last is the gap of a warp that leaves nothing.
        for line, values in zip(axis.get_lines()[:3], GAPS[1:], strict=True):
            x, y = line.get_data()
            np.testing.assert_array_equal(x, [10, 20, 30, 40])
            np.testing.assert_array_equal(y, values[index][[1, 3, 0, 2]])


def test_without_a_search():
    figure = gap_curves(GAPS._replace(best_feature_warp=None), range(4), "angle")
    assert len(figure.axes[0].get_lines()) == 3


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"amounts.shape=\(3,\) for 4 transforms"):
        gap_curves(GAPS, [1, 2, 3], "angle")
