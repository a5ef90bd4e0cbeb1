"""Equation (1) through the layers of a model."""

import textwrap

import numpy as np
from matplotlib.figure import Figure

from keras_stn.analysis import GapByDepth

# In small print, what fits above or below a panel.
_LETTERS = 20
# What is drawn of a `GapByDepth`, from above: field, label and line.
_CURVES = (
    ("feature_warp", "feature map warped back", {"color": "tab:red", "marker": "o"}),
    (
        "best_feature_warp",
        "feature map, best warp",
        {"color": "tab:orange", "marker": "s"},
    ),
    (
        "input_warp",
        "image warped back",
        {"color": "tab:blue", "marker": "^", "linestyle": "--"},
    ),
)


def gap_curves(gaps, amounts, xlabel, title=None):
    """Draws the alignment gap of each layer over the amount of the transform.

    A panel for each layer, from the image on, all with the same axes: the gap after the
    exact inverse has warped the feature map, after the best warp has, and the floor, at
    which the image is warped instead.

    Args:
        gaps: What `keras_stn.analysis.gap_by_depth` returned.
        amounts: Array of shape `(transforms,)`, what its thetas were made of.
        xlabel: What the amounts are, such as `"angle, degrees"`.
        title: Printed above.

    Returns:
        A `matplotlib.figure.Figure`; `figure.savefig(path)` writes it.

    Raises:
        ValueError: If the gaps are something else, or there are not as many amounts as
            transforms.

    Example:

    >>> import numpy as np
    >>> from keras_stn.analysis import GapByDepth
    >>> from keras_stn.plotting import gap_curves
    >>> gaps = GapByDepth(("conv", "pool"), np.ones((2, 3)), None, np.zeros((2, 3)))
    >>> figure = gap_curves(gaps, [30, 60, 90], "angle, degrees")
    >>> len(figure.axes)
    2

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), equation 1
    """
    if not isinstance(gaps, GapByDepth):
        raise ValueError(
            "`gaps` must be what `keras_stn.analysis.gap_by_depth` returns, a "
            f"`GapByDepth`. Received: {type(gaps).__name__}"
        )
    amounts = np.asarray(amounts, np.float64)
    if amounts.shape != np.shape(gaps.feature_warp)[1:]:
        raise ValueError(
            "Expected an amount for each transform. Received: amounts.shape="
            f"{amounts.shape} for {np.shape(gaps.feature_warp)[1]} transforms"
        )
    order = np.argsort(amounts)
    count = len(gaps.layers)
    figure = Figure(figsize=(1.0 + 1.7 * max(count, 2), 2.9), layout="constrained")
    axes = figure.subplots(1, count, squeeze=False, sharex=True, sharey=True)[0]
    for index, (axis, layer) in enumerate(zip(axes, gaps.layers, strict=True)):
        for field, label, style in _CURVES:
            values = getattr(gaps, field)
            if values is not None:
                axis.plot(
                    amounts[order],
                    np.asarray(values)[index][order],
                    label=label,
                    markersize=4,
                    **style,
                )
        # A warp that leaves nothing of the features has this gap.
        axis.axhline(1, color="gray", linewidth=0.6, linestyle=":")
        axis.set_title(_wrapped(layer), fontsize="small")
        axis.set_xlabel(_wrapped(xlabel), fontsize="small")
        axis.tick_params(labelsize="small")
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel("alignment gap")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=3 if count > 2 else 1,
        frameon=False,
        fontsize="small",
    )
    if title:
        figure.suptitle(title)
    return figure


def _wrapped(text):
    """A text, or the name of a layer, in lines that are no wider than a panel."""
    spaced = text.replace("_", "_ ").replace("/", "/ ")
    lines = textwrap.wrap(spaced, _LETTERS, break_long_words=True)
    return "\n".join(line.replace("_ ", "_").replace("/ ", "/") for line in lines)
