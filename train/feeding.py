"""How data reach `fit` and `evaluate`."""

import copy
import threading

import keras

from keras_stn.datasets import as_tf_dataset


def feed(data):
    """Makes of a data set what the backend takes without waiting for it.

    Args:
        data: A `PassDataset`; the pass that it is in is the first.

    Returns:
        What to give to `fit` or `evaluate`, and how many steps of it make an epoch.
    """
    endless = EndlessPasses(data)
    if keras.config.backend() == "tensorflow":
        return as_tf_dataset(endless), len(data)
    return endless, len(data)


class EndlessPasses(keras.utils.PyDataset):
    """Batch after batch of pass after pass, a function of the batch's index alone.

    Keras reads batches that it throws away before the first epoch, and may read ahead
    of an epoch's end; data that count what has been read, as `PassDataset` does, would
    then go on to the next pass too early.

    Args:
        data: A `PassDataset`; the pass that it is in is the first.
        part: Which part of each batch to give.
        parts: Into how many equal parts batches are split.
    """

    def __init__(self, data, part=0, parts=1):
        super().__init__(workers=1, use_multiprocessing=False)
        self._data = data
        self._first_pass = data.pass_index
        self._part, self._parts = part, parts
        self._passes = {}
        self._lock = threading.Lock()

    @property
    def num_batches(self):
        """None: there is no end."""
        return None

    def __getitem__(self, index):
        """Draws a batch, counted from the beginning of the first pass.

        Args:
            index: From 0.

        Returns:
            A tuple of arrays.
        """
        later, index = divmod(index, len(self._data))
        batch = self._pass(self._first_pass + later)[index]
        size = len(batch[0]) // self._parts
        rows = slice(self._part * size, (self._part + 1) * size)
        return tuple(array[rows] for array in batch)

    def _pass(self, pass_index):
        with self._lock:
            if pass_index not in self._passes:
                data = copy.copy(self._data)
                data.pass_index = pass_index
                # Two iterators may be an epoch apart at most.
                kept = {pass_index - 1, pass_index + 1} & set(self._passes)
                self._passes = {k: self._passes[k] for k in kept} | {pass_index: data}
            return self._passes[pass_index]
