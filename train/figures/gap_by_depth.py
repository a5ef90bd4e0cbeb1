"""Equation (1) through the layers of a trained network."""

import numpy as np

from keras_stn import analysis, transforms
from keras_stn.datasets import mnist_task
from keras_stn.plotting import gap_curves
from train.figures.picture import write_picture

# Our choice of amounts. Degrees clockwise, pixels to the right, and factors.
_AMOUNTS = {
    "rotation": (15.0, 30.0, 45.0, 60.0, 75.0, 90.0),
    "translation": (1.0, 2.0, 3.0, 4.0, 6.0),
    "scale": (0.6, 0.7, 0.85, 1.2, 1.4, 1.7),
}
_LABELS = {
    "rotation": "angle, degrees",
    "translation": "shift, pixels",
    "scale": "scale",
}


def gap_by_depth(
    models,
    digits,
    path,
    transform="rotation",
    key=("rotation", "cnn"),
    images=32,
    **options,
):
    """Draws the alignment gap of a network's layers over the amount of a transform.

    Args:
        models: A dict from `(task, variant)` to a loaded model.
        digits: What `keras_stn.datasets.load_mnist` returned.
        path: Where the picture is written.
        transform: What is applied to upright test digits: `"rotation"`,
            `"translation"` or `"scale"`.
        key: Which of the models.
        images: How many test digits.
        **options: `layers`, `search`, `family` and `steps` of
            `keras_stn.analysis.gap_by_depth`.

    Returns:
        A dict: the amounts, the number of images, and for each layer the gaps.

    Raises:
        ValueError: If the transform or the model is not there.
    """
    if transform not in _AMOUNTS:
        raise ValueError(
            f"`transform` must be one of {sorted(_AMOUNTS)}. Received: {transform!r}"
        )
    if key not in models:
        raise ValueError(
            f"Expected the model {key} among the models. Received: {sorted(models)}"
        )
    task = mnist_task(key[0])
    chosen = digits.x_test[:images]
    neutral = {"rotation": 0.0, "translation": (0.0, 0.0), "scale": 1.0}[task.name]
    neutral = np.array([neutral] * len(chosen), np.float32)
    upright = task.render(chosen, neutral, np.random.default_rng(0), digits.x_train)
    amounts = np.array(_AMOUNTS[transform], np.float32)
    gaps = analysis.gap_by_depth(
        models[key],
        upright,
        _theta(transform, amounts, task.size),
        # Black outside, as what is beyond the digits.
        fill_mode="nearest",
        **options,
    )
    write_picture(gap_curves(gaps, amounts, _LABELS[transform]), path)
    fields = {name: getattr(gaps, name) for name in gaps._fields[1:]}
    return {
        "model": list(key),
        "transform": transform,
        "amounts": [round(float(amount), 4) for amount in amounts],
        "images": len(upright),
        "gaps": {
            layer: {
                name: values[index].round(4).tolist()
                for name, values in fields.items()
                if values is not None
            }
            for index, layer in enumerate(gaps.layers)
        },
    }


def _theta(transform, amounts, size):
    """Warps that do to an image what the tasks do, by chosen amounts."""
    zero = np.zeros_like(amounts)
    if transform == "rotation":
        return transforms.Rotation()(-np.deg2rad(amounts)[:, None])
    if transform == "translation":
        return transforms.Translation()(np.stack([-2 / size * amounts, zero], axis=1))
    return transforms.Attention()(np.stack([1 / amounts, zero, zero], axis=1))
