"""The paper's figure 2: what the transformers make of digits."""

from keras_stn.datasets import mnist_task
from keras_stn.plotting import image_rows
from train.alignment import align
from train.figures.picture import with_transformer, write_picture
from train.mnist import example_images
from train.table import title_of

_WORDS = {"rotation": "rotated", "translation": "translated", "scale": "scaled"}


def figure2(models, digits, path):
    """Draws transformed digits, and below what each model's theta makes of them.

    Also where a model warps a feature map, its theta is applied to the image, in the
    image's coordinates.

    Args:
        models: A dict from `(task, variant)` to a loaded model. Plain CNNs are left
            out.
        digits: What `keras_stn.datasets.load_mnist` returned.
        path: Where the picture is written.

    Returns:
        A dict from the task to what was applied and to the theta of each variant.

    Raises:
        ValueError: If no model has a transformer.
    """
    rows, numbers = {}, {}
    for name, variants in with_transformer(models).items():
        task = mnist_task(name)
        images, applied = example_images(digits, task)
        rows[_WORDS[name]] = images * task.std + task.mean
        numbers[name] = {"applied": applied.tolist(), "theta": {}}
        for variant, model in variants.items():
            aligned, theta = align(model, images)
            label = f"{_WORDS[name]},\n{title_of(variant)}"
            rows[label] = aligned * task.std + task.mean
            numbers[name]["theta"][variant] = theta.round(4).tolist()
    write_picture(image_rows(rows), path)
    return numbers
