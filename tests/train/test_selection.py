from typing import NamedTuple

import numpy as np
import pytest

from train.selection import select


class Data(NamedTuple):
    x_train: object
    y_train: object
    x_test: object
    y_test: object
    source: str = "All of it."
    complete: bool = True


class OnDisk:
    """Like `ImagesOnDisk`: a part of it is taken without reading it."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def part(self, rows):
        return OnDisk(self.rows[rows])


@pytest.fixture
def data():
    train, test = np.arange(100), np.arange(1000, 1020)
    return Data(train[:, None], train, test[:, None], test)


def test_all(data):
    assert select(data) is data
    assert select(data, train_images=100, test_images=500) is data


def test_the_first_images(data):
    part = select(data, train_images=10, test_images=5)
    assert part.y_train.tolist() == list(range(10))
    assert part.x_test[:, 0].tolist() == list(range(1000, 1005))
    assert not part.complete
    assert part.source == (
        "All of it. Trained on the first 10 of 100. Tested on the first 5 of 20."
    )


def test_holds_out_training_images(data):
    part = select(data, validation_split=0.2)
    assert part.y_train.tolist() == list(range(80))
    assert part.y_test.tolist() == list(range(80, 100))
    np.testing.assert_array_equal(part.x_test[:, 0], part.y_test)
    assert "NOT on the test images but on 20 of the training images" in part.source
    # Limits count what is left.
    both = select(data, train_images=90, test_images=15, validation_split=0.2)
    assert (len(both.x_train), len(both.x_test)) == (80, 15)


@pytest.mark.parametrize("is_sorted", [False, True])
def test_says_where_held_out_labels_are_not_trained_on(data, is_sorted):
    labels = np.arange(100) // 10 if is_sorted else np.arange(100) % 10
    source = select(data._replace(y_train=labels), validation_split=0.25).source
    assert ("NONE is left to train on of: 8, 9. " in source) == is_sorted
    assert ("shuffle" in source) == is_sorted


def test_images_on_disk_stay_there(data):
    data = data._replace(x_train=OnDisk(np.arange(100)))
    part = select(data, train_images=7, validation_split=0.5)
    assert part.x_train.rows.tolist() == list(range(7))
    assert part.x_test.rows.tolist() == list(range(50, 100))


@pytest.mark.parametrize("fraction", [1e-9, 0.9999])
def test_something_must_be_left(data, fraction):
    with pytest.raises(ValueError, match="--validation-split must leave images"):
        select(data, validation_split=fraction)
