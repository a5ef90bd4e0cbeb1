import numpy as np
import pytest

from keras_stn.datasets import svhn_boxes
from tests.datasets.svhn_layout import digit_struct, random_number


@pytest.fixture
def path(tmp_path):
    return tmp_path / "digitStruct.mat"


def test_labels_and_boxes_of_one_digit_and_of_several(path):
    numbers = [
        random_number(3, [10])._replace(digits=[(10, 1.5, 2, 30, 40)]),
        random_number(7, [1, 2])._replace(
            digits=[(1, 5, 6, 10, 20), (2, 16, -7, 10, 20)]
        ),
    ]
    digit_struct(path, numbers)
    assert list(svhn_boxes.read_boxes(path)) == [
        (3, [(10, (1.5, 2, 31.5, 42))]),
        (7, [(1, (5, 6, 15, 26)), (2, (16, -7, 26, 13))]),
    ]


@pytest.mark.parametrize("content", [b"", b"digitStruct" * 100])
def test_something_else(path, content):
    path.write_bytes(content)
    with pytest.raises(svhn_boxes.DAMAGED):
        list(svhn_boxes.read_boxes(path))


@pytest.mark.parametrize(
    ("digit", "message"),
    [((11, 1, 2, 3, 4), "label 11"), ((1, np.inf, 2, 3, 4), "inf")],
)
def test_labels_and_boxes_that_make_no_sense(path, digit, message):
    digit_struct(path, [random_number(1, [1])._replace(digits=[digit])])
    with pytest.raises(ValueError, match=message):
        list(svhn_boxes.read_boxes(path))
