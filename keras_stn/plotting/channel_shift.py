"""The paper's figure 1: a warp moves features to another place, not another channel."""

import numpy as np
from matplotlib.figure import Figure

# Our choice: the longer side of a map on paper.
_INCHES = 1.5


def channel_shift(images, features, channels, labels=None):
    """Draws images, and beside each the channels of its feature map.

    The paper's figure 1 has three rows: an image, the transformed one, and the feature
    map of the latter after the inverse warp. The ring in each row marks where, and in
    which channel, the first row has its strongest response: there the last row
    should have it too.

    Args:
        images: Array of shape `(rows, height, width)`, or a list of such images, in
            which None leaves a place empty.
        features: Array of shape `(rows, map_height, map_width, channels)`, finite and
            somewhere positive. All maps are drawn from zero to their common largest
            value.
        channels: Names of the channels.
        labels: A string for each row.

    Returns:
        A `matplotlib.figure.Figure`; `figure.savefig(path)` writes it.

    Raises:
        ValueError: If the shapes are not as above, the numbers of rows, channels and
            their names differ, or the first row has no response.

    Example:

    >>> import numpy as np
    >>> from keras_stn.plotting import channel_shift
    >>> features = np.random.rand(3, 9, 9, 2)
    >>> figure = channel_shift([np.eye(9), np.eye(9), None], features, ["W", "M"])
    >>> len(figure.axes)
    9

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), figure 1
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 4 or features.shape[-1] != len(channels) or not features.size:
        raise ValueError(
            "`features` must have the shape (rows, height, width, channels), with a "
            f"name for each channel. Received: features.shape={features.shape}, "
            f"channels={list(channels)}"
        )
    if not np.all(np.isfinite(features)) or not features.max() > 0:
        raise ValueError(
            "Expected features that are finite and somewhere positive, as after a "
            f"ReLU. Received values from {features.min()} to {features.max()}."
        )
    labels = [""] * len(features) if labels is None else labels
    if len(images) != len(features) or len(labels) != len(features):
        raise ValueError(
            f"Expected an image and a label for each of the {len(features)} feature "
            f"maps. Received {len(images)} images and {len(labels)} labels."
        )
    if not features[0].max() > 0:
        raise ValueError(
            "The first row's features are nowhere positive, so there is no strongest "
            "response to mark. Begin with an image that has one."
        )
    images = [None if image is None else np.squeeze(image) for image in images]
    if not all(image is None or image.ndim == 2 for image in images):
        raise ValueError(
            "`images` must have the shape (height, width) each, or be None. Received: "
            f"{[None if image is None else image.shape for image in images]}"
        )
    largest = features.max()
    row, column, channel = np.unravel_index(features[0].argmax(), features.shape[1:])
    tallness = features.shape[1] / features.shape[2]
    width, height = _INCHES * min(1, 1 / tallness), _INCHES * min(1, tallness)
    figure = Figure(
        figsize=(1.2 + width * (len(channels) + 1), height * len(features) + 0.3),
        layout="compressed",
    )
    grid = figure.subplots(len(features), len(channels) + 1, squeeze=False)
    rows = zip(grid, images, features, labels, strict=True)
    for axes, image, maps, label in rows:
        axes[0].set_ylabel(label, rotation=0, ha="right", va="center")
        if image is None:
            axes[0].spines[:].set_visible(False)
        else:
            axes[0].imshow(image, cmap="gray", interpolation="nearest")
        for index, axis in enumerate(axes[1:]):
            axis.imshow(
                maps[..., index],
                cmap="inferno",
                vmin=0,
                vmax=largest,
                interpolation="nearest",
            )
            if index == channel:
                axis.plot(
                    column,
                    row,
                    marker="o",
                    markersize=14,
                    markerfacecolor="none",
                    markeredgecolor="tab:cyan",
                )
        for axis in axes:
            axis.set_xticks([])
            axis.set_yticks([])
            # Where there is no image, as high as the maps.
            axis.set_box_aspect(tallness)
    for axis, title in zip(grid[0], ["image", *channels], strict=True):
        axis.set_title(title, fontsize="medium")
    return figure
