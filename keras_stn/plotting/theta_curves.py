"""What a transformer does while it is trained."""

import numpy as np
from matplotlib.figure import Figure

# What `ThetaMonitor` adds to the history, and what a panel says of it.
_PANELS = (
    ("theta_angle_spread", "angle, spread in degrees"),
    ("theta_angle", "angle, mean in degrees"),
    ("theta_scale", "scale, mean"),
    ("theta_scale_spread", "scale, spread"),
    ("theta_shift", "shift, mean length"),
    ("theta_shift_spread", "shift, spread"),
    ("theta_outside", "read outside the image"),
)
# Our choice: statistics are of the order of one, in float32.
_ROUNDING = 1e-6
# Curves differ in colour, and from the eleventh on in style too.
_COLORS = 10
_STYLES = ("-", "--", ":", "-.")
# Of a small legend: its line with the space around it, and a letter.
_LINE_INCHES = 0.6
_LETTER_INCHES = 0.075


def theta_curves(histories, title=None):
    """Draws what `ThetaMonitor` has seen of some trainings, epoch by epoch.

    Args:
        histories: A dict from the label of each curve to its history: the rows of a
            run's `history.json`, a list of dicts, or what `fit` returned, or its
            `history`, a dict of lists.
        title: Printed above.

    Returns:
        A `matplotlib.figure.Figure`; `figure.savefig(path)` writes it. It has a panel
        for each statistic that at least one history has and that is not always the
        same.

    Raises:
        ValueError: If there is no history or none has a statistic of theta.

    Example:

    >>> from keras_stn.plotting import theta_curves
    >>> rows = [{"epoch": 1, "theta_scale": 1.0}, {"epoch": 2, "theta_scale": 0.8}]
    >>> figure = theta_curves({"STN-C1": rows})
    >>> [axes.get_title() for axes in figure.axes]
    ['scale, mean']
    """
    if not isinstance(histories, dict) or not all(map(_is_history, histories.values())):
        raise ValueError(
            "`histories` must be a dict from labels to histories. Received: "
            f"{type(histories).__name__}. For a single one: `{{'': history}}`."
        )
    histories = {label: _columns(history) for label, history in histories.items()}
    panels = [
        (name, text)
        for name, text in _PANELS
        if any(name in columns for columns in histories.values())
    ]
    if not panels:
        raise ValueError(
            "Expected histories of trainings with `keras_stn.callbacks.ThetaMonitor`, "
            f"which have {', '.join(name for name, _ in _PANELS)}. Received: "
            f"{ {label: sorted(columns) for label, columns in histories.items()} }"
        )
    # What a family of transforms leaves alone would be a panel of a flat line.
    varying = [panel for panel in panels if _varies(panel[0], histories)]
    panels = varying or panels
    across = min(len(panels), 4)
    down = -(-len(panels) // across)
    figure = Figure(
        figsize=(2.2 * across + 0.4, 1.9 * down + 0.6), layout="constrained"
    )
    axes = figure.subplots(down, across, squeeze=False, sharex=True).ravel()
    lines = {}
    for axis, (name, text) in zip(axes, panels, strict=False):
        for index, (label, columns) in enumerate(histories.items()):
            if name in columns:
                values = columns[name]
                epochs = columns.get("epoch", np.arange(1, len(values) + 1))
                again, color = divmod(index, _COLORS)
                style = _STYLES[again % len(_STYLES)]
                (lines[label],) = axis.plot(
                    epochs, values, style, marker=".", color=f"C{color}"
                )
        axis.set_title(text, fontsize="small")
        axis.tick_params(labelsize="small", labelbottom=True)
        axis.set_xlabel("epoch", fontsize="small")
        axis.xaxis.get_major_locator().set_params(integer=True)
    for axis in axes[len(panels) :]:
        axis.remove()
    lines = {label: line for label, line in lines.items() if label not in ("", None)}
    if lines:
        _add_legend(figure, lines)
    if title:
        figure.suptitle(title)
    return figure


def _add_legend(figure, lines):
    # So many columns that the longest label has room in each.
    inches = _LINE_INCHES + _LETTER_INCHES * max(len(str(label)) for label in lines)
    legend = figure.legend(
        lines.values(),
        map(str, range(len(lines))),
        loc="outside lower center",
        ncols=max(1, min(4, int(figure.get_figwidth() / inches))),
        frameon=False,
        fontsize="small",
    )
    # Only now, as matplotlib leaves out those that begin with an underscore.
    for text, label in zip(legend.get_texts(), lines, strict=True):
        text.set_text(str(label))


def _varies(name, histories):
    """Whether a statistic has two values that differ by more than rounding."""
    values = [columns[name] for columns in histories.values() if name in columns]
    values = np.concatenate(values)
    # A comparison with NaN is false.
    return len(values) < 2 or not np.ptp(values) <= _ROUNDING


def _is_history(history):
    rows = getattr(history, "history", history)
    is_list = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    return is_list or isinstance(rows, dict)


def _columns(history):
    """A history as a dict of lists, with what every row has."""
    if hasattr(history, "history"):
        # What `fit` returned; it counts from zero, and of the last `fit` only.
        columns = history.history
        epochs = [epoch + 1 for epoch in getattr(history, "epoch", ())]
        is_whole = all(len(values) == len(epochs) for values in columns.values())
        return {**({"epoch": epochs} if is_whole else {}), **columns}
    if isinstance(history, dict):
        return history
    names = set.intersection(*(set(row) for row in history)) if history else ()
    return {name: [row[name] for row in history] for name in names}
