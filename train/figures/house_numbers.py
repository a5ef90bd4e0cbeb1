"""House numbers before and after alignment, network by network."""

import numpy as np

from keras_stn.datasets import HouseNumbers, render_numbers
from keras_stn.plotting import image_rows
from train.alignment import align
from train.figures.picture import write_picture
from train.table import title_of

# Numbers to choose from, and how many of each length are shown. Our choice.
_RENDERED, _OF_A_LENGTH = 60, 3
_LENGTHS = (1, 2, 3, 4)
_BLANK = 10


def house_numbers(models, path):
    """Draws numbers, and below what each model's theta makes of them.

    The numbers are rendered ones: those of SVHN may not be passed on freely. Also where
    a model warps a feature map, its theta is applied to the image, in the image's
    coordinates.

    Args:
        models: A dict from `("svhn", variant)` to a loaded model. Plain CNNs are left
            out.
        path: Where the picture is written.

    Returns:
        A dict from the variant to its theta for each of the numbers.
    """
    images = _examples()
    rows, numbers = {"rendered": images}, {}
    for (_, variant), model in sorted(models.items(), key=lambda item: item[0]):
        if variant == "cnn":
            continue
        rows[title_of(variant)], theta = align(model, images)
        numbers[variant] = theta.round(4).tolist()
    shown = {name: (row * 0.5 + 0.5).clip(0, 1) for name, row in rows.items()}
    write_picture(image_rows(shown), path)
    return numbers


def _examples():
    """The first rendered numbers of each length, as the networks take them."""
    images, labels = render_numbers(_RENDERED, seed=1)
    lengths = np.sum(labels != _BLANK, axis=1)
    first = [np.flatnonzero(lengths == length)[:_OF_A_LENGTH] for length in _LENGTHS]
    rows = np.concatenate(first)
    data = HouseNumbers(images, labels, batch_size=len(rows))
    return data.draw(rows, None)[0]
