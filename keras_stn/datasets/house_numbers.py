"""Batches of house numbers for `fit` and `evaluate`."""

import numpy as np

from keras_stn.datasets.pass_dataset import PassDataset
from keras_stn.datasets.svhn_archives import BLANK

# Our choice, as the paper names none: pixels from -1 to 1, with grey at 0, which is
# also what the transformer fills in beyond the edges.
_MIDDLE, _HALF_RANGE = 127.5, 127.5


class HouseNumbers(PassDataset):
    """Whole house numbers, as `load_svhn` gives them, normalised to [-1, 1].

    Batches, passes and how `fit` should be called are as `PassDataset` says. Images may
    be an array or anything that is indexed by an array of integers, such as a data set
    on disk: only those of a batch are read.

    Args:
        images: uint8 of shape `(images, height, width, channels)`.
        labels: Integers of shape `(images, digits)`, the paper's of five: the digits
            from 0 to 9, then 10 for blank.
        batch_size: Images in a batch. 128 as in Jaderberg et al.
        **options: `seed`, `split`, `shuffle`, `drop_remainder`, `first_pass` and
            `prefetch` of `PassDataset`.

    Raises:
        ValueError: If an argument is not as above.

    Example:

    >>> import numpy as np
    >>> from keras_stn.datasets import HouseNumbers
    >>> images = np.zeros((10, 64, 64, 3), "uint8")
    >>> data = HouseNumbers(images, np.full((10, 5), 10), batch_size=4)
    >>> [images.shape for images, labels in data]
    [(4, 64, 64, 3), (4, 64, 64, 3), (2, 64, 64, 3)]
    """

    def __init__(self, images, labels, batch_size=128, **options):
        if isinstance(images, list | tuple):
            images = np.asarray(images)
        if len(images.shape) != 4 or images.dtype != np.uint8 or len(images) == 0:
            raise ValueError(
                "`images` must be uint8 of shape (images, height, width, channels), of "
                "at least one image. "
                f"Received: dtype={images.dtype}, shape={tuple(images.shape)}"
            )
        self.images = images
        self.labels = _check_labels(labels, len(images))
        super().__init__(len(images), batch_size, **options)

    def draw(self, rows, generator):
        """Reads and normalises house numbers; nothing is drawn.

        Args:
            rows: Integer array, which numbers.
            generator: Not used.

        Returns:
            Images, float32 of shape `(batch, height, width, channels)`, and labels,
            int32 of shape `(batch, digits)`.
        """
        del generator
        if isinstance(self.images, np.ndarray):
            images = self.images[rows]
        else:
            # On disk, as h5py wants them: in their order and each once.
            unique, place = np.unique(rows, return_inverse=True)
            images = np.asarray(self.images[unique])[place]
        images = np.asarray(images, np.float32)
        return (images - _MIDDLE) / _HALF_RANGE, self.labels[rows]


def _check_labels(labels, count):
    labels = np.asarray(labels)
    is_good = labels.ndim == 2 and len(labels) == count and labels.dtype.kind in "iu"
    if not is_good or labels.min(initial=0) < 0 or labels.max(initial=0) > BLANK:
        values = f", from {labels.min()} to {labels.max()}" if is_good else ""
        raise ValueError(
            f"`labels` must be integers from 0 to 9, or {BLANK} for blank, of the "
            f"shape ({count}, digits), one row for each image. "
            f"Received: dtype={labels.dtype}, shape={labels.shape}{values}"
        )
    return labels.astype(np.int32)
