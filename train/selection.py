"""Which images are trained and tested on, where not all of a data set."""

import numpy as np


def select(data, train_images=None, test_images=None, validation_split=0.0):
    """Takes a part of a data set.

    Args:
        data: What `keras_stn.datasets.load_mnist` or `load_svhn` returned.
        train_images: Train on the first so many; None for all.
        test_images: Test on the first so many; None for all.
        validation_split: Hold out this fraction of the training images, the last ones,
            and test on them instead of the test images: a recipe that is chosen by its
            error shall not have seen the test images.

    Returns:
        The same kind of tuple. Unless all is taken, its source says what was, and
        `complete` is False.

    Raises:
        ValueError: If nothing would be left to train or to test on.
    """
    notes = []
    if validation_split:
        data, note = _hold_out(data, validation_split)
        notes.append(note)
    for split, count in (("train", train_images), ("test", test_images)):
        images, labels = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
        if count is not None and count < len(images):
            first = slice(0, count)
            data = data._replace(
                **{f"x_{split}": part(images, first), f"y_{split}": labels[first]}
            )
            kind = "Trained" if split == "train" else "Tested"
            notes.append(f"{kind} on the first {count:,} of {len(images):,}.")
    if not notes:
        return data
    return data._replace(source=" ".join([data.source, *notes]), complete=False)


def _hold_out(data, fraction):
    total = len(data.x_train)
    held_out = round(fraction * total)
    if not 0 < held_out < total:
        raise ValueError(
            "--validation-split must leave images to train and to test on: a fraction "
            f"between 0 and 1. Received: {fraction} of {total:,} training images"
        )
    first, last = slice(0, total - held_out), slice(total - held_out, total)
    images, labels = data.x_train, data.y_train
    held = data._replace(
        x_train=part(images, first),
        y_train=labels[first],
        x_test=part(images, last),
        y_test=labels[last],
    )
    note = (
        f"Tested NOT on the test images but on {held_out:,} of the training images, "
        "which were held out."
    )
    unseen = np.setdiff1d(held.y_test, held.y_train)
    if unseen.size:
        note += (
            f" NONE is left to train on of: {', '.join(map(str, unseen))}. The last "
            "images are held out; shuffle data that are sorted by label."
        )
    return held, note


def part(images, rows):
    """Some of the images of a data set; those on disk stay there.

    Args:
        images: `x_train` or `x_test` of what `load_mnist` or `load_svhn` returned.
        rows: What NumPy takes for indices.

    Returns:
        The same kind of images.
    """
    return images[rows] if isinstance(images, np.ndarray) else images.part(rows)
