"""The tasks by name."""

from keras_stn.datasets.rotation_task import RotationTask
from keras_stn.datasets.scale_task import ScaleTask
from keras_stn.datasets.translation_task import TranslationTask

TASKS = {task.name: task for task in (RotationTask, TranslationTask, ScaleTask)}


def mnist_task(name):
    """Gives the task of this name.

    Args:
        name: `"rotation"`, `"translation"` or `"scale"`.

    Returns:
        A `RotationTask`, `TranslationTask` or `ScaleTask`.

    Raises:
        ValueError: If there is no such task.

    Example:

    >>> from keras_stn.datasets import mnist_task
    >>> mnist_task("translation").size
    60
    """
    if name not in TASKS:
        raise ValueError(
            "`name` must be one of "
            + ", ".join(f'"{known}"' for known in TASKS)
            + f". Received: {name!r}"
        )
    return TASKS[name]()
