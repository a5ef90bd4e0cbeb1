"""Theta over training."""

from keras_stn.plotting import theta_curves
from train.figures.picture import write_picture
from train.table import title_of


def theta_over_training(histories, path):
    """Draws what theta did in each epoch of some trainings.

    Args:
        histories: A dict from `(task, variant)` to the rows of the run's
            `history.json`. Those of plain CNNs are left out.
        path: Where the picture is written.

    Returns:
        A dict from the task to a dict from the variant to the statistics of theta after
        the last epoch.

    Raises:
        ValueError: If no history has statistics of theta.
    """
    histories = {key: rows for key, rows in histories.items() if key[1] != "cnn"}
    labels = {key: f"{title_of(key[1])}, {key[0]}" for key in histories}
    figure = theta_curves({labels[key]: rows for key, rows in histories.items()})
    write_picture(figure, path)
    numbers = {}
    for (task, variant), rows in histories.items():
        numbers.setdefault(task, {})[variant] = {
            name: round(value, 4)
            for name, value in (rows[-1] if rows else {}).items()
            if name.startswith("theta_")
        }
    return numbers
