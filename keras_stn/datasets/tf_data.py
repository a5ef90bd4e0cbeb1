"""A data set of batches as a `tf.data.Dataset` that does not wait."""

import copy
import itertools

import keras


def as_tf_dataset(data):
    """Feeds a data set of this package to TensorFlow without a wait after each epoch.

    Keras feeds a `PyDataset` through a `tf.data` pipeline that tunes itself. When an
    epoch has ended TensorFlow 2.21 waits for the thread that tunes, which wakes up
    after 10 ms, 20 ms, 40 ms and so on, at most a minute: so an epoch can take up to
    twice as long as its steps. Here nothing is tuned, as there is nothing to tune: the
    data sets draw their batches ahead by themselves. The batches are the same.

    Args:
        data: A `TransformedMNIST` or `HouseNumbers`, or any `keras.utils.PyDataset`
            whose batches are tuples of arrays and need no workers. Each iteration, so
            each epoch, begins with its `on_epoch_end()`, which goes on to the next
            pass if one has been completed; an endless one starts from its first batch.

    Returns:
        A `tf.data.Dataset`. In `fit`, pass `shuffle=False`.

    Raises:
        ImportError: If TensorFlow is not installed.
        ValueError: If `data` is not a `PyDataset`, or its batches are something else.

    Example:

    >>> import numpy as np
    >>> from keras_stn.datasets import TransformedMNIST, as_tf_dataset, mnist_task
    >>> digits, labels = np.zeros((8, 28, 28), "uint8"), np.arange(8)
    >>> data = TransformedMNIST(digits, labels, mnist_task("rotation"), batch_size=4)
    >>> dataset = as_tf_dataset(data)
    >>> dataset.element_spec[0].shape, len(dataset)
    (TensorShape([None, 28, 28, 1]), 2)
    """
    import tensorflow as tf

    if not isinstance(data, keras.utils.PyDataset):
        raise ValueError(
            "`data` must be a data set of batches, such as TransformedMNIST or another "
            f"keras.utils.PyDataset. Received: {type(data).__name__}"
        )
    count = data.num_batches
    first = copy.copy(data)[0]
    if not isinstance(first, tuple) or not all(
        hasattr(array, "shape") and hasattr(array, "dtype") for array in first
    ):
        kinds = first if isinstance(first, list | tuple) else [first]
        raise ValueError(
            "The batches of `data` must be tuples of arrays, such as `(images, "
            f"labels)`. Received: a {type(first).__name__} of "
            f"{[type(one).__name__ for one in kinds]}"
        )

    def batches():
        if count is None:
            yield from (data[index] for index in itertools.count())
        # Not after the last batch: Keras does not come back for what is not there.
        data.on_epoch_end()
        yield from (data[index] for index in range(count))

    signature = tuple(
        tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in first
    )
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    length = tf.data.INFINITE_CARDINALITY if count is None else count
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(length))
    options = tf.data.Options()
    options.autotune.enabled = False
    # One batch, so that copying it to TensorFlow's memory does not take a step's time.
    return dataset.prefetch(1).with_options(options)
