"""How differently a transformer leaves images that show the same."""

import numpy as np


def spread(final, labels):
    """The spread of a final pose within classes.

    A transformer aligns well if all images of a class end in the same pose, whichever
    that is. So what counts is the distance from the mean of the image's own class:

    ```
    sqrt(sum over images of (final - mean of its class)^2 / images)
    ```

    For `RotationTask` the final pose is the applied angle minus `predicted_angle`.

    Args:
        final: Array of shape `(images,)`, the pose that is left after the transformer,
            in any unit.
        labels: Integer array of shape `(images,)`, the true classes.

    Returns:
        A float in the unit of `final`.

    Raises:
        ValueError: If the shapes differ or there is no image.

    Example:

    >>> from keras_stn.analysis import spread
    >>> spread([1, 3, 50, 50], [0, 0, 7, 7])
    0.7071067811865476
    """
    final, labels = np.asarray(final, np.float64), np.asarray(labels)
    if final.ndim != 1 or final.shape != labels.shape or len(final) == 0:
        raise ValueError(
            "Expected `final` and `labels` of the same shape (images,), at least one "
            f"image. Received: {final.shape} and {labels.shape}"
        )
    _, classes = np.unique(labels, return_inverse=True)
    means = np.bincount(classes, final) / np.bincount(classes)
    return float(np.sqrt(np.mean((final - means[classes]) ** 2)))
