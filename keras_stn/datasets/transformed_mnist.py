"""Batches of transformed digits for `fit` and `evaluate`."""

import numpy as np

from keras_stn.datasets.digit_task import DIGIT_SIZE, DigitTask
from keras_stn.datasets.mnist_tasks import mnist_task
from keras_stn.datasets.pass_dataset import PassDataset


class TransformedMNIST(PassDataset):
    """MNIST digits, transformed afresh in every epoch and every test pass.

    Batches, passes and how `fit` should be called are as `PassDataset` says; a batch is
    the same on every backend to the rounding of the warp.

    Args:
        images: uint8 array of shape `(images, 28, 28)`.
        labels: Integer array of shape `(images,)`.
        task: `"rotation"`, `"translation"`, `"scale"` or a task object.
        batch_size: Images in a batch. 256 as in Jaderberg et al.
        clutter_from: uint8 array of shape `(images, 28, 28)`, the images that clutter
            is cut from. The authors' code takes the training images, for test
            data too. By default `images`.
        with_applied: Whether a batch is `(images, labels, applied)` instead of
            `(images, labels)`. For statistics: `fit` and `evaluate` would take the
            third for sample weights.
        **options: `seed`, `split`, `shuffle`, `drop_remainder`, `first_pass` and
            `prefetch` of `PassDataset`.

    Raises:
        ValueError: If an argument is not as above.

    Example:

    >>> import numpy as np
    >>> from keras_stn.datasets import TransformedMNIST
    >>> digits = np.zeros((10, 28, 28), "uint8")
    >>> data = TransformedMNIST(digits, np.arange(10), "translation", batch_size=4)
    >>> [images.shape for images, labels in data]
    [(4, 60, 60, 1), (4, 60, 60, 1), (2, 60, 60, 1)]
    >>> data.on_epoch_end()
    >>> data.pass_index
    1
    """

    def __init__(
        self,
        images,
        labels,
        task,
        batch_size=256,
        *,
        clutter_from=None,
        with_applied=False,
        **options,
    ):
        self.images = _check_images("images", images)
        self.labels = _check_labels(labels, len(self.images))
        self.task = task if isinstance(task, DigitTask) else mnist_task(task)
        self.clutter_from = (
            self.images
            if clutter_from is None
            else _check_images("clutter_from", clutter_from)
        )
        self.with_applied = with_applied
        super().__init__(len(self.images), batch_size, **options)

    def draw(self, rows, generator):
        """Draws transforms for digits and applies them.

        Args:
            rows: Integer array, which digits.
            generator: A `numpy.random.Generator`.

        Returns:
            Images, float32 of shape `(batch, size, size, 1)`; labels, int32 of shape
            `(batch,)`; and with `with_applied` what was applied to the images.
        """
        images, applied = self.task(self.images[rows], generator, self.clutter_from)
        batch = (images, self.labels[rows])
        return (*batch, applied) if self.with_applied else batch


def _check_labels(labels, count):
    labels = np.asarray(labels)
    is_good = labels.shape == (count,) and labels.dtype.kind in "iu"
    # Other images of this size may have more than ten classes.
    if not is_good or labels.min() < 0 or labels.max() > np.iinfo(np.int32).max:
        values = f", from {labels.min()} to {labels.max()}" if is_good else ""
        raise ValueError(
            f"`labels` must be integers from 0 on, of the shape ({count},), one for "
            f"each image. Received: dtype={labels.dtype}, shape={labels.shape}{values}"
        )
    return labels.astype(np.int32)


def _check_images(name, images):
    images = np.asarray(images)
    side = (DIGIT_SIZE, DIGIT_SIZE)
    if images.dtype != np.uint8 or images.shape[1:] != side or len(images) == 0:
        raise ValueError(
            f"`{name}` must be a uint8 array of shape (images, 28, 28), as "
            "`load_mnist()` gives them, of at least one image. "
            f"Received: dtype={images.dtype}, shape={images.shape}"
        )
    return images
