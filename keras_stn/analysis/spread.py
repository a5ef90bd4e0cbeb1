"""How differently a transformer leaves images that show the same."""

import numpy as np


def spread(final, labels, period=None):
    """The spread of a final pose within classes.

    A transformer aligns well if all images of a class end in the same pose, whichever
    that is. So what counts is the distance from the mean of the image's own class:

    ```
    sqrt(sum over images of (final - mean of its class)^2 / images)
    ```

    For `RotationTask` the final pose is the applied angle minus `predicted_angle`. The
    authors' code takes angles for numbers on a line, as is done here without a period;
    where a class ends near half a turn, so that some of its angles are near 180 degrees
    and some near -180, only `period=360` sees that they are the same.

    Args:
        final: Array of shape `(images,)`, the pose that is left after the transformer,
            in any unit.
        labels: Integer array of shape `(images,)`, the true classes.
        period: What brings a pose back to itself, in the unit of `final`: 360 for
            angles in degrees. Means are then directions, and distances go the shorter
            way round.

    Returns:
        A float in the unit of `final`.

    Raises:
        ValueError: If the shapes differ, there is no image, a pose is not finite, the
            labels are not integers, or the period is not a positive number.

    Example:

    >>> from keras_stn.analysis import spread
    >>> spread([1, 3, 50, 50], [0, 0, 7, 7])
    0.7071067811865476
    >>> round(spread([179, -179], [0, 0], period=360), 6)
    1.0
    """
    final, labels = np.asarray(final, np.float64), np.asarray(labels)
    if final.ndim != 1 or final.shape != labels.shape or len(final) == 0:
        raise ValueError(
            "Expected `final` and `labels` of the same shape (images,), at least one "
            f"image. Received: {final.shape} and {labels.shape}"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            "Expected `labels` to be the classes as integers, after the poses. "
            f"Received: labels.dtype={labels.dtype}"
        )
    if not np.all(np.isfinite(final)):
        raise ValueError(
            f"Expected finite poses. Received {np.sum(~np.isfinite(final))} of "
            f"{len(final)} that are NaN or infinite: leave these images out."
        )
    if period is not None and not 0 < period < np.inf:
        raise ValueError(
            "Expected `period` to be a positive number, 360 for degrees, or None. "
            f"Received: period={period!r}"
        )
    _, classes = np.unique(labels, return_inverse=True)
    if period is None:
        means = np.bincount(classes, final) / np.bincount(classes)
        distance = final - means[classes]
    else:
        direction = np.exp(2j * np.pi / period * final)
        means = np.bincount(classes, direction.real) + 1j * np.bincount(
            classes, direction.imag
        )
        distance = np.angle(direction * means.conj()[classes]) * period / (2 * np.pi)
    return float(np.sqrt(np.mean(distance**2)))
