"""The paper's figure 3: predicted against applied angles, and all poses in numbers."""

import numpy as np

from keras_stn.analysis import (
    deming_fit,
    image_theta,
    predicted_angle,
    predicted_scale,
    predicted_shift,
    spread,
)
from keras_stn.datasets import TransformedMNIST, mnist_task
from keras_stn.ops.arguments import standardize_whole
from keras_stn.plotting import angle_heat_maps
from train.figures.picture import with_transformer, write_picture
from train.table import title_of


def figure3(models, digits, path, passes=10, seed=0):
    """Draws the heat maps of the models for rotated digits; measures all models.

    Args:
        models: A dict from `(task, variant)` to a loaded model. Plain CNNs are left
            out.
        digits: What `keras_stn.datasets.load_mnist` returned.
        path: Where the picture is written.
        passes: Over the test digits, each on fresh draws. The paper's are 10.
        seed: Of the draws.

    Returns:
        A dict from the task to a dict from the variant to what `pose_statistics`
        returns.

    Raises:
        ValueError: If no model for rotated digits has a transformer, or `passes` is not
            a positive whole number.
    """
    models = with_transformer(models)
    if "rotation" not in models:
        raise ValueError(
            "Expected a model for the rotation task. Received those for: "
            f"{', '.join(models)}"
        )
    panels, numbers = {}, {}
    for task, variants in models.items():
        numbers[task] = {}
        for variant, model in variants.items():
            applied, theta, labels = predictions(model, digits, task, passes, seed)
            numbers[task][variant] = pose_statistics(applied, theta, labels, task)
            if task == "rotation":
                panels[title_of(variant)] = applied, predicted_angle(theta)
    write_picture(angle_heat_maps(panels), path)
    return numbers


def predictions(model, digits, task, passes, seed=0):
    """What is applied to test digits, and what a model predicts.

    Args:
        model: A model with a transformer.
        digits: What `keras_stn.datasets.load_mnist` returned.
        task: Name of the task.
        passes: Over the test digits, each on fresh draws.
        seed: Of the draws.

    Returns:
        Arrays: what was applied, theta as a warp of the image, and the labels.
    """
    passes = standardize_whole("passes", passes, 1)
    data = TransformedMNIST(
        digits.x_test,
        digits.y_test,
        task,
        batch_size=1000,  # Does not change what is measured.
        seed=seed,
        split="test",
        clutter_from=digits.x_train,
        with_applied=True,
    )
    found = []
    for _ in range(passes):
        for images, labels, applied in data:
            found.append((applied, image_theta(model, images), labels))
        data.on_epoch_end()
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))


def pose_statistics(applied, theta, labels, task):
    """Compares poses with what was applied, as the paper does.

    Args:
        applied: What the task applied: degrees, pixels or factors.
        theta: Array of shape `(images, 2, 3)`, warps of the images.
        labels: The true classes.
        task: Name of the task.

    Returns:
        A dict from each part of the pose, `angle_degrees`; `shift_x_pixels` and
        `shift_y_pixels`; or `scale_octaves`, to Deming's line of predicted over applied
        (`slope`, `intercept`, `deviation`), the `spread` of the final pose within
        classes, the `applied_spread` that it had without a transformer, and the numbers
        of `images` and of those `left_out`, whose warp mirrors and has no scale.
    """
    if task == "rotation":
        parts = {"angle_degrees": (applied, predicted_angle(theta))}
    elif task == "translation":
        predicted = predicted_shift(theta, mnist_task(task).size)
        parts = {
            f"shift_{axis}_pixels": (applied[:, index], predicted[:, index])
            for index, axis in enumerate("xy")
        }
    else:
        parts = {"scale_octaves": (np.log2(applied), predicted_scale(theta))}
    return {name: _compare(*pair, labels) for name, pair in parts.items()}


def _compare(applied, predicted, labels):
    applied = np.asarray(applied, np.float64)
    finite = np.isfinite(predicted)
    if finite.sum() < 2:
        return {"images": 0, "left_out": len(finite)}
    applied, predicted, labels = applied[finite], predicted[finite], labels[finite]
    numbers = {
        **deming_fit(applied, predicted)._asdict(),
        "spread": spread(applied - predicted, labels),
        "applied_spread": spread(applied, labels),
    }
    numbers = {name: round(float(value), 4) for name, value in numbers.items()}
    left_out = int(np.sum(~finite))
    return {**numbers, "images": int(finite.sum()), "left_out": left_out}
