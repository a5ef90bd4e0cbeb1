import keras
import numpy as np
import pytest

from keras_stn.plotting import theta_curves

ROWS = [
    {"epoch": 1, "loss": 2.0, "theta_scale": 1.0, "theta_shift": 0.0},
    {"epoch": 2, "loss": 1.0, "theta_scale": 0.9, "theta_shift": 0.5},
]
COLUMNS = {"theta_scale": [1.0, 1.1, 1.2]}


def test_rows_and_columns():
    figure = theta_curves({"a": ROWS, "b": COLUMNS})
    scale, shift = figure.axes
    assert scale.get_title() == "scale, mean"
    first, second = scale.get_lines()
    np.testing.assert_array_equal(first.get_data(), [[1, 2], [1.0, 0.9]])
    np.testing.assert_array_equal(second.get_data(), [[1, 2, 3], [1.0, 1.1, 1.2]])
    # A history of an older version has fewer statistics.
    (only,) = shift.get_lines()
    assert only.get_color() == first.get_color() != second.get_color()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]


def test_leaves_out_what_never_changes():
    scale = [1.0, 1.0 + 1e-8]
    histories = {
        "one": {"theta_scale": scale, "theta_shift": [0.0, 0.0]},
        "other": {"theta_scale": scale, "theta_shift": [0.0, 0.1]},
    }
    figure = theta_curves(histories)
    assert [axes.get_title() for axes in figure.axes] == ["shift, mean length"]
    figure = theta_curves({"one": histories["one"]})
    assert len(figure.axes) == 2  # Rather than nothing.


@pytest.mark.parametrize("histories", [{}, {"a": []}, {"a": [{"loss": 1.0}]}])
def test_says_what_is_wrong(histories):
    with pytest.raises(ValueError, match="Expected histories"):
        theta_curves(histories)


def test_takes_what_fit_returned():
    history = keras.callbacks.History()
    history.history = {"theta_scale": [1.0, 0.5]}
    ((line,),) = [axis.get_lines() for axis in theta_curves({"a": history}).axes]
    np.testing.assert_array_equal(line.get_ydata(), [1.0, 0.5])


def test_goes_on_counting_where_training_went_on():
    history = keras.callbacks.History()
    history.history, history.epoch = {"theta_scale": [1.0, 0.5]}, [10, 11]
    ((line,),) = [axis.get_lines() for axis in theta_curves({"a": history}).axes]
    np.testing.assert_array_equal(line.get_xdata(), [11, 12])


@pytest.mark.parametrize("count", [1, 3])
def test_long_labels_stay_within_the_figure(count):
    names = ["theta_scale", "theta_shift", "theta_outside"][:count]
    rows = [dict.fromkeys(names, value) for value in (0.1, 0.2)]
    labels = [f"STN-SL1, rotation, seed {index}" for index in range(4)]
    figure = theta_curves(dict.fromkeys(labels, rows))
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
    assert box.y0 >= 0


@pytest.mark.parametrize("histories", [ROWS, COLUMNS, {"a": 3}, None])
def test_histories_without_labels(histories):
    with pytest.raises(ValueError, match="must be a dict from labels to histories"):
        theta_curves(histories)


@pytest.mark.parametrize("label", ["", None])
def test_a_single_curve_needs_no_label(label):
    figure = theta_curves({label: [{"theta_scale": 1.0}, {"theta_scale": 0.8}]})
    assert not figure.legends


def test_every_label_is_in_the_legend():
    """Also one that matplotlib would leave out."""
    rows = [{"theta_scale": 1.0}, {"theta_scale": 0.8}]
    figure = theta_curves({"_run": rows, 3: rows})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["_run", "3"]


def test_many_curves_can_be_told_apart():
    rows = [{"theta_scale": 1.0}, {"theta_scale": 0.8}]
    (axis,) = theta_curves(dict.fromkeys(map(str, range(20)), rows)).axes
    looks = {(line.get_color(), line.get_linestyle()) for line in axis.get_lines()}
    assert len(looks) == 20
