from types import SimpleNamespace

import numpy as np
import pytest

from train import trial_data

OPTIONS = SimpleNamespace(
    data_dir=None,
    task="rotation",
    validation_split=0.25,
    train_images=None,
    seed=3,
)


@pytest.fixture
def loaded(monkeypatch):
    """Data without a test set: to touch it raises."""
    labels = np.arange(40) % 10
    digits = np.broadcast_to(labels[:, None, None], (40, 28, 28)).astype("uint8")
    numbers = np.broadcast_to(labels[:, None, None, None], (40, 64, 64, 3))
    monkeypatch.setattr(
        trial_data,
        "load_mnist",
        lambda data_dir: SimpleNamespace(x_train=digits, y_train=labels),
    )
    monkeypatch.setattr(
        trial_data,
        "load_svhn",
        lambda data_dir: SimpleNamespace(
            x_train=numbers.astype("uint8"), y_train=np.repeat(labels[:, None], 5, 1)
        ),
    )


def options(**others):
    return SimpleNamespace(**{**vars(OPTIONS), **others})


@pytest.mark.parametrize("make", [trial_data.mnist_data, trial_data.svhn_data])
def test_two_parts_of_the_training_set(loaded, make):
    data = make(OPTIONS, {"batch_size": 8})
    rows = [*data.training_rows, *data.validation_rows]
    assert sorted(rows) == list(range(40))
    assert (len(data.validation_rows), data.steps) == (10, 3)
    assert [len(labels) for _, labels in data.training()] == [8, 8, 8]
    assert sum(len(labels) for _, labels in data.validation()) == 10
    again = make(OPTIONS, {"batch_size": 8})
    np.testing.assert_array_equal(again.training_rows, data.training_rows)
    other = make(options(seed=4), {"batch_size": 8})
    assert list(other.validation_rows) != list(data.validation_rows)


def test_every_trial_sees_the_same(loaded):
    data = trial_data.mnist_data(options(train_images=16), {"batch_size": 8})
    assert len(data.training_rows) == 16
    for make in (data.training, data.validation):
        first, second, later = make(), make(), make(1)
        np.testing.assert_array_equal(first[0][0], second[0][0])
        assert not np.array_equal(first[0][0], later[0][0])
        second.pass_index = 1
        np.testing.assert_array_equal(second[0][0], later[0][0])


def test_images_belong_to_their_labels(loaded):
    data = trial_data.svhn_data(OPTIONS, {"batch_size": 8})
    for images, labels in (data.training()[1], data.validation()[0]):
        pixels = np.round(images[:, 0, 0, 0] * 127.5 + 127.5)
        np.testing.assert_array_equal(pixels, labels[:, 0])


@pytest.mark.parametrize(
    "others", [{"validation_split": 0.001}, {"train_images": 7}, {"task": None}]
)
def test_rejects(loaded, others):
    make = trial_data.mnist_data if "task" not in others else trial_data.svhn_data
    others.setdefault("validation_split", 0.99 if "task" in others else 0.25)
    with pytest.raises(ValueError, match="Of 40 training images, --validation-split"):
        make(options(**others), {"batch_size": 8})


@pytest.mark.parametrize("make", [trial_data.mnist_data, trial_data.svhn_data])
def test_a_recipe_may_have_fewer_images(loaded, make):
    data = make(OPTIONS, {"batch_size": 8, "train_images": 20})
    rows = [*data.training_rows, *data.validation_rows]
    assert sorted(rows) == list(range(20))
