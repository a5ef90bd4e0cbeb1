"""Reading the model of a run."""

import keras

import keras_stn  # noqa: F401 - So that Keras finds its layers.


def load_model(path):
    """Loads the model of a finished run, on any backend.

    Without its optimiser, which is one of the backend that trained it.

    Args:
        path: The file.

    Returns:
        A `keras.Model` that is not compiled.

    Raises:
        ValueError: If it is not there or cannot be read.
    """
    return _load(path, compile=False)


def load_checkpoint(path):
    """Loads what a run left after an epoch, to be trained on.

    Args:
        path: The file, written on the same backend.

    Returns:
        A `keras.Model`, compiled with the optimiser that trained it.

    Raises:
        ValueError: If it is not there or cannot be read.
    """
    return _load(path, compile=True)


def _load(path, **options):
    try:
        return keras.saving.load_model(path, **options)
    except Exception as error:
        # Keras raises many kinds for a file that is not what it should be.
        raise ValueError(
            f"{path} cannot be read: {error}. If it is damaged, delete it to start "
            "again from the beginning; or choose another --run-dir."
        ) from error
