"""Batches of transformed digits for `fit` and `evaluate`."""

import concurrent.futures
import operator
import threading

import keras
import numpy as np

from keras_stn.datasets.digit_task import DIGIT_SIZE, DigitTask
from keras_stn.datasets.mnist_tasks import mnist_task

# Mixed into the seed, so that training and test data never see the same draws.
SPLITS = {"train": 0, "test": 1}


class TransformedMNIST(keras.utils.PyDataset):
    """MNIST digits, transformed afresh in every epoch and every test pass.

    A batch is a function of `seed`, `split`, the pass and the batch's index alone: it
    is the same on every backend (to the rounding of the warp), in whatever order
    threads draw it and however often it is read. A pass is one trip through the data.
    `fit` and `evaluate` end it themselves: once every batch has been read,
    `on_epoch_end()` goes on to the next one. Two epochs, or two calls of `evaluate`, on
    the same object therefore never see the same draw, and a training that is resumed
    before epoch `e` with `first_pass=e` sees what an uninterrupted one sees.

    - In `fit`, pass `shuffle=False` and use the argument `shuffle` here. Keras would
      shuffle the order of batches with a generator of its own, which a resumed
      training does not continue.
    - `evaluate(steps=...)` with fewer steps than there are batches does not complete
      the pass, so that the next call sees it again; add one to `pass_index` for others.
    - The attribute `workers` is Keras' own and stays 1: with more, Keras 3.15 hands
      batches left over from one epoch, or from building the model, to the next one.
      Batches are drawn ahead by `prefetch` instead.

    Args:
        images: uint8 array of shape `(images, 28, 28)`.
        labels: Integer array of shape `(images,)`.
        task: `"rotation"`, `"translation"`, `"scale"` or a task object.
        batch_size: Images in a batch. 256 as in Jaderberg et al.
        seed: An integer, at least 0.
        split: `"train"` or `"test"`: draws of the two differ under one seed.
        shuffle: Whether each pass goes through the images in a new random order.
        drop_remainder: Whether to leave out the last batch where it is smaller. Useful
            in training, where each new batch size is compiled anew; combine it with
            `shuffle`, so that it is not always the same images that are left out.
        clutter_from: uint8 array of shape `(images, 28, 28)`, the images that clutter
            is cut from. The paper uses the training images, for test data too. By
            default `images`.
        first_pass: The pass to begin with.
        with_applied: Whether a batch is `(images, labels, applied)` instead of
            `(images, labels)`. For statistics: `fit` and `evaluate` would take the
            third for sample weights.
        prefetch: How many batches to draw ahead, in threads; 0 for none.

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
        seed=0,
        split="train",
        shuffle=False,
        drop_remainder=False,
        clutter_from=None,
        first_pass=0,
        with_applied=False,
        prefetch=2,
    ):
        super().__init__(workers=1, use_multiprocessing=False)
        self.images = _check_images("images", images)
        self.labels = np.asarray(labels)
        if self.labels.shape != (len(self.images),):
            raise ValueError(
                f"`labels` must have the shape ({len(self.images)},), one for each "
                f"image. Received: shape={self.labels.shape}"
            )
        self.labels = self.labels.astype(np.int32)
        self.task = task if isinstance(task, DigitTask) else mnist_task(task)
        self.batch_size = _check_integer("batch_size", batch_size, 1)
        self.seed = _check_integer("seed", seed, 0)
        if split not in SPLITS:
            raise ValueError(f'`split` must be "train" or "test". Received: {split!r}')
        self.split = split
        self.shuffle = shuffle
        self.drop_remainder = drop_remainder
        if drop_remainder and len(self.images) < self.batch_size:
            raise ValueError(
                f"`drop_remainder` leaves nothing of {len(self.images)} images in "
                f"batches of {self.batch_size}. Use a smaller `batch_size`."
            )
        self.clutter_from = (
            self.images
            if clutter_from is None
            else _check_images("clutter_from", clutter_from)
        )
        self.with_applied = with_applied
        self.prefetch = _check_integer("prefetch", prefetch, 0)
        self._lock = threading.Lock()
        self._pool = None
        self.pass_index = first_pass

    @property
    def pass_index(self):
        """The pass that batches are now drawn for; can be set."""
        return self._pass_index

    @pass_index.setter
    def pass_index(self, value):
        value = _check_integer("pass_index", value, 0)
        order = self._order(value)
        with self._lock:
            self._pass_index = value
            self._current_order = order
            # Not a count: Keras reads the first batches more often than once.
            self._unread = set(range(len(self)))
            self._previous = -1
            self._ahead = {}

    def __len__(self):
        if self.drop_remainder:
            return len(self.images) // self.batch_size
        return -(-len(self.images) // self.batch_size)

    def __getitem__(self, index):
        """Draws a batch of the current pass.

        Args:
            index: Which one, from 0 to `len(self) - 1`.

        Returns:
            Images, float32 of shape `(batch, size, size, 1)`; labels, int32 of shape
            `(batch,)`; and with `with_applied` what was applied to the images.
        """
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        index %= len(self)
        with self._lock:
            key = (self._pass_index, self._current_order, index)
            self._unread.discard(index)
            drawn = self._ahead.pop(index, None)
            self._draw_ahead(index)
        return self._draw(*key) if drawn is None else drawn.result()

    def on_epoch_end(self):
        """Goes on to the next pass if every batch of this one has been read.

        Keras calls this also before the first epoch and after it has read a batch or
        two to learn their shapes, which is why it does not always count.
        """
        with self._lock:
            complete = not self._unread
        if complete:
            self.pass_index += 1

    def __getstate__(self):
        state = self.__dict__ | {"_pool": None, "_ahead": {}}
        del state["_lock"]
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def _draw_ahead(self, index):
        """Starts the batches after this one, if the reader goes one by one."""
        in_sequence = index in (0, self._previous + 1)
        self._previous = index
        if not (self.prefetch and in_sequence):
            return
        if self._pool is None:
            self._pool = concurrent.futures.ThreadPoolExecutor(
                self.prefetch, thread_name_prefix="TransformedMNIST"
            )
        wanted = range(index + 1, min(index + 1 + self.prefetch, len(self)))
        ahead = {k: v for k, v in self._ahead.items() if k in wanted}
        for later in wanted:
            if later not in ahead:
                ahead[later] = self._pool.submit(
                    self._draw, self._pass_index, self._current_order, later
                )
        self._ahead = ahead

    def _draw(self, pass_index, order, index):
        """Draws a batch; a pure function, called from several threads."""
        start = index * self.batch_size
        count = min(self.batch_size, len(self.images) - start)
        # The last, smaller batch is drawn in full and cut: each size of batch that the
        # warp meets is compiled, which takes longer than this.
        full = min(self.batch_size, len(self.images))
        rows = np.arange(start, start + full) % len(self.images)
        if order is not None:
            rows = order[rows]
        images, applied = self.task(
            self.images[rows],
            self._generator(pass_index, 1 + index),
            self.clutter_from,
        )
        batch = (images[:count], self.labels[rows[:count]])
        return (*batch, applied[:count]) if self.with_applied else batch

    def _order(self, pass_index):
        """The order of the images in a pass, None for the one they are given in."""
        if not self.shuffle:
            return None
        return self._generator(pass_index, 0).permutation(len(self.images))

    def _generator(self, pass_index, stream):
        key = (SPLITS[self.split], pass_index, stream)
        sequence = np.random.SeedSequence(self.seed, spawn_key=key)
        return np.random.Generator(np.random.Philox(sequence))


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


def _check_integer(name, value, least):
    try:
        integer = operator.index(value)
    except TypeError:
        integer = least - 1
    if integer < least:
        raise ValueError(
            f"`{name}` must be a whole number, at least {least}. Received: {value!r}"
        )
    return integer
