"""The paper's figure 3: predicted against applied angles."""

import numpy as np
from matplotlib.figure import Figure

from keras_stn.analysis import deming_fit

# As in the authors' code: bins of two degrees from -110 to 110.
_LIMIT = 110
_BINS = 110


def angle_heat_map(applied, predicted, title=None):
    """Draws how often which angle was predicted for which applied one.

    A transformer that sees how an image is turned gives a line of slope 1; one that
    does not, a flat band. The fitted line and its equation are drawn too.

    Args:
        applied: Array of shape `(images,)`, degrees, as `RotationTask` applies them.
        predicted: The same for what `keras_stn.analysis.predicted_angle` gives.
            Angles beyond 110 degrees are fitted but lie outside the picture.
        title: Printed above.

    Returns:
        A `matplotlib.figure.Figure`; `figure.savefig(path)` writes it.

    Raises:
        ValueError: If `deming_fit` cannot fit a line to the points.

    Example:

    >>> import numpy as np
    >>> from keras_stn.plotting import angle_heat_map
    >>> applied = np.random.uniform(-90, 90, 1000)
    >>> figure = angle_heat_map(applied, 0.9 * applied + np.random.normal(size=1000))
    >>> len(figure.axes)
    1

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), figure 3
    """
    return angle_heat_maps({title: (applied, predicted)})


def angle_heat_maps(panels):
    """Draws several heat maps side by side, as the paper's figure 3 has them.

    Args:
        panels: A dict from the title of each to its applied and predicted angles, a
            pair of arrays as `angle_heat_map` takes them.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If there is no panel, or `deming_fit` cannot fit a line to one.

    Example:

    >>> import numpy as np
    >>> from keras_stn.plotting import angle_heat_maps
    >>> applied = np.random.uniform(-90, 90, 1000)
    >>> guessed = np.random.normal(size=1000)
    >>> figure = angle_heat_maps(
    ...     {"STN-C1": (applied, guessed), "STN-SL1": (applied, applied + guessed)}
    ... )
    >>> len(figure.axes)
    2
    """
    if not isinstance(panels, dict) or not panels:
        raise ValueError(
            "`panels` must be a dict from titles to pairs of arrays, applied and "
            f"predicted angles, with at least one. Received: {panels!r:.200}"
        )
    figure = Figure(figsize=(3.4 * len(panels), 3.4), layout="compressed")
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (title, (applied, predicted)) in zip(grid, panels.items(), strict=True):
        _draw(axes, applied, predicted)
        if title:
            axes.set_title(title)
    grid[0].set_ylabel("predicted angle, degrees")
    return figure


def _draw(axes, applied, predicted):
    applied, predicted = np.asarray(applied), np.asarray(predicted)
    line = deming_fit(applied, predicted)
    counts, *_ = np.histogram2d(predicted, applied, _BINS, [[-_LIMIT, _LIMIT]] * 2)
    axes.imshow(
        counts,
        cmap="gray_r",
        origin="lower",
        extent=(-_LIMIT, _LIMIT, -_LIMIT, _LIMIT),
        interpolation="nearest",
    )
    # The line goes no farther than what was applied; a steep one leaves the picture.
    ends = np.array([np.min(applied), np.max(applied)])
    if np.isfinite(line.slope):
        axes.plot(
            ends,
            line.slope * ends + line.intercept,
            color="tab:red",
            linewidth=1,
            label=f"y = {line.slope:z.2f} x {line.intercept:+z.1f}",
        )
        axes.legend(loc="upper left", frameon=False, fontsize="small")
    axes.set_xlim(-_LIMIT, _LIMIT)
    axes.set_ylim(-_LIMIT, _LIMIT)
    ticks = [-90, -45, 0, 45, 90]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.set_xlabel("applied angle, degrees")
