"""How the pictures are written and named."""

from pathlib import Path

from train.run_directory import RunDirectory


def write_picture(figure, path):
    """Writes a picture whole or not at all, and its folder where it is missing.

    Args:
        figure: A `matplotlib.figure.Figure`.
        path: Where to; the suffix says in which format.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    RunDirectory(path.parent).write(path, lambda name: figure.savefig(name, dpi=150))


def with_transformer(models):
    """The models that have a spatial transformer, sorted by task and variant.

    Args:
        models: A dict from `(task, variant)` to a loaded model.

    Returns:
        A dict from the task to a dict from the variant to the model, in the paper's
        order.

    Raises:
        ValueError: If there is none.
    """
    found = {}
    for task in ("rotation", "translation", "scale"):
        variants = {
            variant: model
            for (of_task, variant), model in sorted(models.items())
            if of_task == task and variant != "cnn"
        }
        if variants:
            found[task] = variants
    if not found:
        raise ValueError(
            "Expected models with a spatial transformer, in a dict from (task, "
            f"variant) to the model. Received: {sorted(models)}"
        )
    return found
