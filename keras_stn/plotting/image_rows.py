"""Rows of images one above the other."""

import keras
import numpy as np
from matplotlib.figure import Figure

# Our choice: colours farther outside [0, 1] are meant otherwise, as normalised images.
_OVERSHOOT = 0.05


def image_rows(rows, titles=None, inches=0.9):
    """Draws rows of images, such as digits above and aligned digits below.

    Args:
        rows: A dict from the label of each row to its images, an array of shape
            `(count, height, width)`, `(count, height, width, 1)` or
            `(count, height, width, 3)`. Grey images are drawn with their own range
            from black to white, flat ones with that from 0 to 1. Colours go from 0 to
            1, or to the largest of an unsigned integer dtype, 255 for uint8. The rows
            may differ in height and width but not in count.
        titles: A string for each column.
        inches: Width of a column on paper; if all images are taller than wide, height
            of the row that is the least so.

    Returns:
        A `matplotlib.figure.Figure`; `figure.savefig(path)` writes it.

    Raises:
        ValueError: If there is nothing to draw, the rows differ in count, or colours
            are outside their range.

    Example:

    >>> import numpy as np
    >>> from keras_stn.plotting import image_rows
    >>> digits = np.random.rand(5, 28, 28)
    >>> figure = image_rows({"input": digits, "aligned": digits})
    >>> len(figure.axes)
    10
    """
    if not isinstance(rows, dict):
        raise ValueError(
            "`rows` must be a dict from labels to arrays of images. "
            f"Received: {type(rows).__name__}. For a single row: `{{'': images}}`."
        )
    rows = {label: as_images(label, images) for label, images in rows.items()}
    counts = {len(images) for images in rows.values()}
    if len(counts) != 1 or counts == {0}:
        raise ValueError(
            "`rows` must map labels to equally many images, at least one. Received "
            f"rows of {[len(images) for images in rows.values()]} images."
        )
    (count,) = counts
    if titles is not None and len(titles) != count:
        raise ValueError(
            f"`titles` must name each of the {count} columns. Received {len(titles)}."
        )
    label_inches = 1.1
    tallness = [images.shape[1] / images.shape[2] for images in rows.values()]
    column = inches / max(1, min(tallness))
    figure = Figure(
        figsize=(label_inches + count * column, column * sum(tallness) + 0.3 * inches),
        layout="compressed",
    )
    axes = figure.subplots(len(rows), count, squeeze=False, height_ratios=tallness)
    for row_axes, (label, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(row_axes, images, strict=True):
            show_image(axis, image)
            axis.set_xticks([])
            axis.set_yticks([])
        row_axes[0].set_ylabel(label, rotation=0, ha="right", va="center")
    for axis, title in zip(axes[0], () if titles is None else titles, strict=False):
        axis.set_title(title, fontsize="small")
    return figure


def show_image(axis, image):
    """Draws one of the images that `as_images` returns."""
    values = image[np.isfinite(image)]
    lowest, highest = values.min(initial=np.inf), values.max(initial=-np.inf)
    if not lowest < highest:
        # Of a flat image matplotlib would make black, whatever its value.
        lowest, highest = min(lowest, 0), max(highest, 1)
    axis.imshow(image, cmap="gray", vmin=lowest, vmax=highest, interpolation="nearest")


def as_images(label, images):
    """Checks images and brings them to what matplotlib draws.

    Args:
        label: How an error calls them.
        images: Array of shape `(count, height, width)`, with a last axis of 1 or 3
            channels or none.

    Returns:
        float32 array of shape `(count, height, width)` or `(count, height, width, 3)`.
        The latter is clipped to [0, 1].
    """
    if keras.ops.is_tensor(images):
        # Also one that PyTorch keeps a gradient for, or in bfloat16.
        images = keras.ops.convert_to_numpy(images)
    images = np.asarray(images)
    is_unsigned = np.issubdtype(images.dtype, np.unsignedinteger)
    largest = np.iinfo(images.dtype).max if is_unsigned else 1
    images = images.astype("float32") / np.float32(largest)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim != 3 and not (images.ndim == 4 and images.shape[-1] == 3):
        raise ValueError(
            f"'{label}' must have shape `(count, height, width)`, with a last "
            "axis of 1 or 3 channels if there is a fourth. "
            f"Received: shape={images.shape}"
        )
    if images.ndim == 4:
        finite = images[np.isfinite(images)]
        least, most = finite.min(initial=0), finite.max(initial=0)
        if least < -_OVERSHOOT or most > 1 + _OVERSHOOT:
            raise ValueError(
                f"'{label}' must have colours from 0 to 1, or an unsigned integer "
                f"dtype. Received values from {least:.4g} to {most:.4g}. Divide by "
                "255, or undo what the images were normalised by."
            )
        images = np.clip(images, 0, 1)
    return images
