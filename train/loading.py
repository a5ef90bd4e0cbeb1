"""Reading the model of a run."""

import keras


def load_model(path):
    """Loads a model that a run has saved.

    Args:
        path: The file.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError: If it is not there or cannot be read.
    """
    try:
        return keras.saving.load_model(path)
    except Exception as error:
        # Keras raises many kinds for a file that is not what it should be.
        raise ValueError(
            f"{path} cannot be read: {error}. Delete it to start again from the "
            "beginning, or choose another --run-dir."
        ) from error
