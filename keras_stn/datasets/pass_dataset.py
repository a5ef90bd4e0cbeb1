"""Batches in passes: what all data sets for `fit` and `evaluate` share."""

import abc
import concurrent.futures
import operator
import threading

import keras
import numpy as np

from keras_stn.ops.arguments import standardize_whole

# Mixed into the seed, so that training and test data never see the same draws.
SPLITS = {"train": 0, "test": 1}


class PassDataset(keras.utils.PyDataset, abc.ABC):
    """Examples in batches, in an order and with draws that differ from pass to pass.

    A batch is a function of `seed`, `split`, the pass and the batch's index alone: it
    is the same on every backend, in whatever order threads draw it and however often it
    is read. A pass is one trip through the data. `fit` and `evaluate` end it
    themselves: once every batch has been read, `on_epoch_end()` goes on to the next
    one. Two epochs, or two calls of `evaluate`, on the same object therefore never see
    the same draw, and a training that is resumed before epoch `e` with `first_pass=e`
    sees what an uninterrupted one sees.

    - In `fit`, pass `shuffle=False` and use the argument `shuffle` here. Keras would
      shuffle the order of batches with a generator of its own, which a resumed
      training does not continue.
    - On TensorFlow, `as_tf_dataset` spares a wait after each epoch.
    - `evaluate(steps=...)` with fewer steps than there are batches does not complete
      the pass, so that the next call sees it again, unless what is left over are the
      few batches, up to ten or so, that are read ahead. Set `pass_index` before each
      such call to choose the pass.
    - Of one batch, on TensorFlow also of two, `fit` reads all when it looks at their
      shapes, so that training begins with the pass after the first, resumed or not;
      through `as_tf_dataset` with the first.
    - The attribute `workers` is Keras' own and stays 1: with more, Keras 3.15 hands
      batches left over from one epoch, or from building the model, to the next one.
      Batches are drawn ahead by `prefetch` instead.

    Args:
        count: Number of examples, at least 1.
        batch_size: Examples in a batch.
        seed: An integer, at least 0.
        split: `"train"` or `"test"`: draws of the two differ under one seed.
        shuffle: Whether each pass goes through the examples in a new random order.
        drop_remainder: Whether to leave out the last batch where it is smaller. Useful
            in training, where each new batch size is compiled anew; combine it with
            `shuffle`, so that it is not always the same examples that are left out.
        first_pass: The pass to begin with.
        prefetch: How many batches to draw ahead, in threads; 0 for none.

    Raises:
        ValueError: If an argument is not as above.

    Example:

    Noise, other noise in every pass:

    >>> import numpy as np
    >>> from keras_stn.datasets import PassDataset
    >>> class Noise(PassDataset):
    ...     def draw(self, rows, generator):
    ...         return generator.normal(size=(len(rows), 8, 8, 1)), rows % 2
    >>> data = Noise(count=6, batch_size=4)
    >>> [images.shape for images, _ in data]
    [(4, 8, 8, 1), (2, 8, 8, 1)]
    """

    def __init__(
        self,
        count,
        batch_size,
        seed=0,
        split="train",
        shuffle=False,
        drop_remainder=False,
        first_pass=0,
        prefetch=2,
    ):
        super().__init__(workers=1, use_multiprocessing=False)
        self.count = count = standardize_whole("count", count, 1)
        self.batch_size = standardize_whole("batch_size", batch_size, 1)
        self.seed = standardize_whole("seed", seed, 0)
        if split not in SPLITS:
            raise ValueError(f'`split` must be "train" or "test". Received: {split!r}')
        self.split = split
        self.shuffle = shuffle
        self.drop_remainder = drop_remainder
        if drop_remainder and count < self.batch_size:
            raise ValueError(
                f"`drop_remainder` leaves nothing of {count} images in "
                f"batches of {self.batch_size}. Use a smaller `batch_size`."
            )
        self.prefetch = standardize_whole("prefetch", prefetch, 0)
        self._lock = threading.Lock()
        self._pool = None
        self.pass_index = first_pass

    @abc.abstractmethod
    def draw(self, rows, generator):
        """Makes a batch; a pure function, called from several threads.

        Args:
            rows: Integer array, which examples.
            generator: A `numpy.random.Generator` for this batch alone.

        Returns:
            A tuple of arrays, each with one entry for each row.
        """

    @property
    def pass_index(self):
        """The pass that batches are now drawn for; can be set."""
        return self._pass_index

    @pass_index.setter
    def pass_index(self, value):
        value = standardize_whole("pass_index", value, 0)
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
            return self.count // self.batch_size
        return -(-self.count // self.batch_size)

    def __getitem__(self, index):
        """Draws a batch of the current pass.

        Args:
            index: Which one, from 0 to `len(self) - 1`.

        Returns:
            What `draw` makes.
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
        self._unread = set(self._unread)
        self._lock = threading.Lock()

    def _draw_ahead(self, index):
        """Starts the batches after this one, if the reader goes one by one."""
        in_sequence = index in (0, self._previous + 1)
        self._previous = index
        if not (self.prefetch and in_sequence):
            return
        if self._pool is None:
            self._pool = concurrent.futures.ThreadPoolExecutor(
                self.prefetch, thread_name_prefix=type(self).__name__
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
        start = index * self.batch_size
        count = min(self.batch_size, self.count - start)
        # The last, smaller batch is drawn in full and cut: each size of batch that a
        # warp meets is compiled, which takes longer than this.
        full = min(self.batch_size, self.count)
        rows = np.arange(start, start + full) % self.count
        if order is not None:
            rows = order[rows]
        batch = self.draw(rows, self._generator(pass_index, 1 + index))
        return tuple(array[:count] for array in batch)

    def _order(self, pass_index):
        """The order of the examples in a pass, None for the one they are given in."""
        if not self.shuffle:
            return None
        return self._generator(pass_index, 0).permutation(self.count)

    def _generator(self, pass_index, stream):
        key = (SPLITS[self.split], pass_index, stream)
        sequence = np.random.SeedSequence(self.seed, spawn_key=key)
        return np.random.Generator(np.random.Philox(sequence))
