import zipfile

import numpy as np
import pytest

from keras_stn.datasets.svhn_npz import KEYS, find_npz, read_npz
from tests.datasets.svhn_layout import number_arrays, save_npz


@pytest.mark.parametrize("channels", [1, 3])
def test_read(tmp_path, channels):
    content = number_arrays(channels)
    path = save_npz(tmp_path / "own.npz", content | {"index_train": np.arange(6)})
    arrays = read_npz(path)
    for (name, expected), array in zip(content.items(), arrays, strict=True):
        assert array.dtype == np.uint8
        if name.startswith("x"):
            assert array.shape == (len(expected), 64, 64, 3)
        np.testing.assert_array_equal(array, np.broadcast_to(expected, array.shape))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("y_test", None, "Received: no y_test"),
        ("x_train", np.zeros((6, 64, 64), np.uint8), r"x_train.*\(6, 64, 64\)"),
        ("x_train", np.zeros((6, 32, 32, 3), np.uint8), r"x_train.*\(6, 32, 32, 3\)"),
        ("x_test", np.zeros((4, 64, 64, 2), np.uint8), r"x_test.*\(4, 64, 64, 2\)"),
        ("x_test", np.zeros((4, 64, 64, 1), np.float32), "x_test.*float32"),
        ("x_test", np.zeros((0, 64, 64, 1), np.uint8), r"x_test.*\(0, 64"),
        ("y_train", np.zeros((5, 5), np.uint8), r"y_train.*\(6, 5\).*\(5, 5\)"),
        ("y_train", np.zeros(6, np.uint8), r"y_train.*\(6,\)"),
        ("y_train", np.zeros((6, 5), np.float32), "y_train.*float32"),
        ("y_train", np.full((6, 5), 11), "y_train.*values from 11 to 11"),
        ("y_train", np.full((6, 5), -1), "values from -1"),
        ("y_train", np.full((6, 5), 10), r"at least one digit.*row 0"),
        ("y_train", np.array([[1, 2, 3, 4, 5]] * 5 + [[1, 10, 2, 10, 10]]), "row 5"),
        ("y_train", np.array([[None] * 5] * 6), "unreadable"),
    ],
)
def test_wrong_content(tmp_path, name, value, message):
    content = number_arrays()
    if value is None:
        del content[name]
    else:
        content[name] = value
    path = save_npz(tmp_path / "own.npz", content)
    with pytest.raises(ValueError, match=message) as caught:
        read_npz(path)
    assert str(path) in str(caught.value)
    assert "Expected" in str(caught.value)


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_truncated(tmp_path, keep):
    path = save_npz(tmp_path / "own.npz", number_arrays())
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    with pytest.raises(ValueError, match=r"own\.npz is damaged"):
        read_npz(path)


def test_flipped_bits(tmp_path):
    path = save_npz(tmp_path / "own.npz", number_arrays())
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"own\.npz is damaged"):
        read_npz(path)


def test_find(tmp_path):
    assert find_npz(tmp_path) is None
    (tmp_path / "mnist.npz").touch()
    (tmp_path / "svhn_numbers").mkdir()
    assert find_npz(tmp_path) is None
    (tmp_path / "svhn_numbers64_grey.npz").touch()
    assert find_npz(tmp_path).name == "svhn_numbers64_grey.npz"
    (tmp_path / "svhn_numbers64_color.npz").touch()
    with pytest.raises(ValueError, match="color.npz, svhn_numbers64_grey") as caught:
        find_npz(tmp_path)
    assert "Name the one to use" in str(caught.value)
    (tmp_path / "svhn_numbers.npz").touch()
    assert find_npz(tmp_path).name == "svhn_numbers.npz"


def test_entries_that_are_no_arrays(tmp_path):
    path = tmp_path / "numbers.npz"
    with zipfile.ZipFile(path, "w") as file:
        for key in KEYS:
            file.writestr(key, b"hello")
    with pytest.raises(ValueError, match="entries that are not arrays"):
        read_npz(path)
