"""The sampling grid of a transformer, drawn over what it samples."""

import keras
import numpy as np
from matplotlib.figure import Figure

from keras_stn.ops.arguments import standardize_theta, standardize_whole
from keras_stn.plotting.image_rows import as_images, show_image

# Of a side: how far a grid that leaves the image is followed.
_MARGIN = 0.5


def sampling_grid(images, theta, warped=None, lines=5, titles=None, inches=1.2):
    """Draws images with the frame and the grid lines of their output over them.

    The frame is what the transformer reads, from edge to edge of its output; the thick
    side is the output's upper one, and the cross the middle. The warp convention is
    stated in `keras_stn.ops`.

    Args:
        images: Array of shape `(count, height, width)`, `(count, height, width, 1)` or
            `(count, height, width, 3)`.
        theta: Array of shape `(count, 2, 3)` or `(count, 6)`.
        warped: The transformer's output, in the form of the images, of any height and
            width: drawn below.
        lines: Lines each way, at least 2: those at the edges are the frame.
        titles: A string for each column.
        inches: Side of one image on paper.

    Returns:
        A `matplotlib.figure.Figure`; `figure.savefig(path)` writes it.

    Raises:
        ValueError: If the shapes are not as above or the counts differ.

    Example:

    >>> import numpy as np
    >>> from keras_stn.plotting import sampling_grid
    >>> turn = [[[0.8, -0.6, 0], [0.6, 0.8, 0]]] * 3
    >>> figure = sampling_grid(np.random.rand(3, 28, 28), turn)
    >>> len(figure.axes)
    3
    """
    images = as_images("images", images)
    theta = np.asarray(keras.ops.convert_to_numpy(standardize_theta(theta)))
    below = None if warped is None else as_images("warped", warped)
    counts = {len(one) for one in (images, theta, below, titles) if one is not None}
    if len(counts) != 1 or counts == {0}:
        raise ValueError(
            "Expected as many images, thetas, warped images and titles, at least one. "
            f"Received: {len(images)} images, {len(theta)} thetas"
            + ("" if below is None else f", {len(below)} warped images")
            + ("" if titles is None else f", {len(titles)} titles")
        )
    lines = standardize_whole("lines", lines, 2)
    count, size = len(images), np.array([images.shape[2], images.shape[1]])
    # From an edge of the frame to the other: a straight line stays one.
    position = np.linspace(-1, 1, lines)
    ends = [[[-1, one], [1, one]] for one in position]
    ends += [[[one, -1], [one, 1]] for one in position]
    ends = np.array([*ends, [[-1, -1], [1, -1]], [[0, 0], [0, 0]]])
    pixels = (
        np.einsum("nij,lej->nlei", theta[:, :, :2], ends) + theta[:, None, None, :, 2]
    )
    pixels = (pixels + 1) * size / 2 - 0.5
    lowest, highest = _limits(pixels, size)

    height = (highest - lowest)[1] / (highest - lowest)[0]
    rows = 1 if below is None else 2
    figure = Figure(
        figsize=(count * inches + 0.2, inches * (height + rows - 1) + 0.3),
        layout="compressed",
    )
    grid = figure.subplots(rows, count, squeeze=False)
    for axis, image, segments in zip(grid[0], images, pixels, strict=True):
        show_image(axis, image)
        *inner, upper, middle = segments
        for index, (start, end) in enumerate(inner):
            is_frame = index % lines in (0, lines - 1)
            axis.plot(
                *np.stack([start, end], axis=1),
                color="tab:orange",
                linewidth=1.2 if is_frame else 0.4,
            )
        axis.plot(*upper.T, color="tab:red", linewidth=2.5)
        axis.plot(*middle[:1].T, marker="+", color="tab:red", markersize=5)
        axis.set_xlim(lowest[0], highest[0])
        axis.set_ylim(highest[1], lowest[1])
    for axis, image in zip(
        grid[rows - 1], [] if below is None else below, strict=False
    ):
        show_image(axis, image)
    for axis in grid.ravel():
        axis.set_xticks([])
        axis.set_yticks([])
    for axis, title in zip(grid[0], () if titles is None else titles, strict=False):
        axis.set_title(title, fontsize="small")
    return figure


def _limits(pixels, size):
    """What is drawn of the plane: the images, and of the grids what is near."""
    ends = np.where(np.isfinite(pixels), pixels, 0).reshape(-1, 2)
    lowest = np.minimum(ends.min(axis=0) - 1, -0.5)
    highest = np.maximum(ends.max(axis=0) + 1, size - 0.5)
    margin = _MARGIN * size
    return np.maximum(lowest, -0.5 - margin), np.minimum(highest, size - 0.5 + margin)
