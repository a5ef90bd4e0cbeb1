import itertools

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


def test_long_names_stay_within_their_panels():
    names = ("convnext_tiny_stage_0_block_2_identity", "conv4_block6_out", "pool")
    gaps = GapByDepth(names, *GENERATOR.random((3, 3, 4)))
    figure = gap_curves(gaps, range(4), "shift to the right, in pixels of the image")
    figure.draw_without_rendering()
    for texts in zip(
        *((axis.title, axis.xaxis.label) for axis in figure.axes), strict=True
    ):
        boxes = [text.get_window_extent() for text in texts]
        for left, right in itertools.pairwise(boxes):
            assert left.x1 < right.x0
        assert boxes[0].x0 > 0 and boxes[-1].x1 < figure.bbox.x1
    titles = [axis.get_title().replace("\n", "") for axis in figure.axes]
    assert titles == list(names)


def test_needs_what_gap_by_depth_gives():
    with pytest.raises(ValueError, match="Received: list"):
        gap_curves([1, 2], [1, 2], "angle")
