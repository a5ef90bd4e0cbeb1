import pickle

import numpy as np
import pytest

from keras_stn.datasets.pass_dataset import PassDataset


class Rows(PassDataset):
    """Batches of row numbers and of random numbers."""

    def draw(self, rows, generator):
        return rows, generator.random(len(rows))


def rows_of_a_pass(data):
    return np.concatenate([data[index][0] for index in range(len(data))])


def test_goes_through_all_rows_in_order():
    data = Rows(10, batch_size=4)
    assert [len(rows) for rows, _ in data] == [4, 4, 2]
    np.testing.assert_array_equal(rows_of_a_pass(data), np.arange(10))


def test_shuffles_each_pass_anew():
    data = Rows(50, batch_size=8, shuffle=True)
    first = rows_of_a_pass(data)
    data.on_epoch_end()
    second = rows_of_a_pass(data)
    for rows in (first, second):
        np.testing.assert_array_equal(np.sort(rows), np.arange(50))
    assert np.mean(first == second) < 0.3
    assert np.mean(first == np.arange(50)) < 0.3


def test_a_batch_is_the_same_however_it_is_read():
    options = {"batch_size": 4, "seed": 3, "shuffle": True}
    expected = [Rows(14, **options, prefetch=0)[index] for index in range(4)]
    data = Rows(14, **options)
    for index in (3, 0, 1, 2, 2, 0, 3):
        for found, reference in zip(data[index], expected[index], strict=True):
            np.testing.assert_array_equal(found, reference)
    later = Rows(14, **options, first_pass=2)
    for _ in range(2):
        rows_of_a_pass(data)
        data.on_epoch_end()
    np.testing.assert_array_equal(data[1][1], later[1][1])


def test_a_pass_ends_when_all_was_read():
    data = Rows(8, batch_size=4)
    data[0]
    data.on_epoch_end()
    assert data.pass_index == 0
    data[1]
    data.on_epoch_end()
    assert data.pass_index == 1


def test_splits_and_seeds_differ():
    drawn = [
        Rows(4, batch_size=4, seed=seed, split=split)[0][1]
        for seed in (0, 1)
        for split in ("train", "test")
    ]
    assert len({array.tobytes() for array in drawn}) == 4


def test_drops_the_remainder():
    assert len(Rows(10, batch_size=4, drop_remainder=True)) == 2
    with pytest.raises(ValueError, match="leaves nothing of 3 images"):
        Rows(3, batch_size=4, drop_remainder=True)


def test_pickles():
    data = Rows(10, batch_size=4, shuffle=True)
    data[0]
    again = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(again[1][1], data[1][1])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"batch_size": 0}, "`batch_size`.*at least 1. Received: batch_size=0"),
        ({"batch_size": 2.5}, "`batch_size`.*Received: batch_size=2.5"),
        ({"batch_size": 2, "seed": -1}, "`seed`.*Received: seed=-1"),
        ({"batch_size": 2, "split": "val"}, "`split`.*Received: 'val'"),
        ({"batch_size": 2, "first_pass": -1}, "`pass_index`.*Received: pass_index=-1"),
        ({"batch_size": 2, "prefetch": None}, "`prefetch`.*Received: prefetch=None"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        Rows(10, **options)
    with pytest.raises(IndexError):
        Rows(10, batch_size=4)[3]


@pytest.mark.parametrize("count", [0, -3, 6.0])
def test_counts_whole_examples(count):
    with pytest.raises(ValueError, match=f"`count`.*Received: count={count}"):
        Rows(count, batch_size=4)
