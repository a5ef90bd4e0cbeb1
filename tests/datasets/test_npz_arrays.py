import numpy as np
import pytest

from keras_stn.datasets.npz_arrays import read_arrays


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "some.npz"
    np.savez(file, x=np.arange(12.0).reshape(3, 4), y=np.arange(3))
    return file


def test_reads_what_is_asked_for(path):
    y, x = read_arrays(path, ("y", "x"))
    np.testing.assert_array_equal(x, np.arange(12.0).reshape(3, 4))
    np.testing.assert_array_equal(y, [0, 1, 2])


def test_an_array_is_missing(path):
    with pytest.raises(ValueError, match=r"some\.npz.*no z"):
        read_arrays(path, ("x", "z"))


def test_something_else(path):
    path.write_text("no arrays")
    with pytest.raises(ValueError, match="something else of 9 bytes"):
        read_arrays(path, ("x",))


def test_no_flipped_byte_is_read_as_something_else(path):
    """Each byte in turn: an error that names the file, or the arrays as they were."""
    whole = bytearray(path.read_bytes())
    expected = read_arrays(path, ("x", "y"))
    refused = 0
    for position in range(len(whole)):
        for flip in (0x01, 0x80):
            damaged = whole.copy()
            damaged[position] ^= flip
            path.write_bytes(damaged)
            try:
                found = read_arrays(path, ("x", "y"))
            except ValueError as error:
                assert "some.npz" in str(error)
                refused += 1
            else:
                for one, other in zip(found, expected, strict=True):
                    np.testing.assert_array_equal(one, other)
    assert refused > len(whole)
