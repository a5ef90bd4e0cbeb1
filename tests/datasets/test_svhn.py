import sys

import numpy as np
import pytest

from keras_stn.datasets import (
    load_svhn,
    svhn,
    svhn_archives,
    svhn_tensorflow_datasets,
)
from tests.datasets.svhn_layout import make_official, number_arrays, save_npz

pytestmark = pytest.mark.filterwarnings("ignore:NOT")


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    # The discard port: refused at once.
    monkeypatch.setattr(svhn_tensorflow_datasets, "PROBE_URL", "http://127.0.0.1:9/")


@pytest.fixture
def data(isolated):
    directory = isolated / "data"
    directory.mkdir()
    return directory


@pytest.fixture
def official(isolated, monkeypatch):
    """A data directory with small archives that count as official."""
    make_official(isolated / "data", monkeypatch)
    monkeypatch.setattr(svhn, "TRAIN_NUMBERS", {False: 12, True: 19})
    return isolated / "data"


@pytest.fixture
def no_tensorflow_datasets(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)


@pytest.fixture
def renderer(monkeypatch):
    """Renders quickly, as the real one takes a while for 5,000 numbers."""

    def render_numbers(count, seed):
        images = np.full((count, 64, 64, 3), seed, np.uint8)
        return images, np.tile(np.uint8([1, 2, 10, 10, 10]), (count, 1))

    monkeypatch.setattr(svhn, "render_numbers", render_numbers)


def test_npz_by_its_path(data, monkeypatch):
    content = number_arrays(channels=1)
    path = save_npz(data / "own.npz", content)
    with pytest.warns(UserWarning, match="NOT the full SVHN"):
        loaded = load_svhn(path)
    for name, expected in content.items():
        array = getattr(loaded, name)
        np.testing.assert_array_equal(array, np.broadcast_to(expected, array.shape))
    assert loaded.x_train.shape == (6, 64, 64, 3)
    assert "6 training and 4 test numbers instead of 33,401 and 13,068" in loaded.source
    assert str(path) in loaded.source
    assert not loaded.complete
    monkeypatch.setenv("KERAS_STN_DATA", str(path))
    assert load_svhn().source == loaded.source


def test_npz_in_a_directory(data):
    save_npz(data / "svhn_numbers64_grey.npz", number_arrays())
    assert "svhn_numbers64_grey.npz" in load_svhn(str(data)).source
    save_npz(data / "svhn_numbers64_color.npz", number_arrays(channels=3))
    with pytest.raises(ValueError, match="Name the one to use"):
        load_svhn(data)
    assert "64_color.npz" in load_svhn(data / "svhn_numbers64_color.npz").source


def test_npz_of_full_size_is_complete(data, monkeypatch):
    monkeypatch.setattr(svhn, "TRAIN_NUMBERS", {False: 6, True: 8})
    test = svhn_archives.ARCHIVES["test"]._replace(numbers=4)
    monkeypatch.setitem(svhn_archives.ARCHIVES, "test", test)
    for train, test, complete in ((6, 4, 1), (8, 4, 1), (7, 4, 0), (6, 3, 0)):
        path = save_npz(
            data / "svhn_numbers.npz", number_arrays(train=train, test=test)
        )
        assert load_svhn(path).complete == bool(complete)


def test_extra_is_not_for_array_files(data):
    path = save_npz(data / "own.npz", number_arrays())
    with pytest.raises(ValueError, match="an array file is read as it is.*own.npz"):
        load_svhn(path, extra=True)


def test_official_counts():
    # Annotations of the official files; the literature trains on 235,754 with `extra`.
    assert svhn.TRAIN_NUMBERS == {False: 33_402 - 1, True: 235_754}


def test_argument_before_environment_before_default(isolated, monkeypatch):
    names = ("default", "environment", "argument")
    default, environment, argument = (isolated / name for name in names)
    for directory in (default, environment, argument):
        directory.mkdir()
        save_npz(directory / "svhn_numbers.npz", number_arrays())
    monkeypatch.setenv("TFDS_DATA_DIR", str(default))
    assert str(default) in load_svhn().source
    monkeypatch.setenv("KERAS_STN_DATA", str(environment))
    assert str(environment) in load_svhn().source
    assert str(argument) in load_svhn(argument).source


@pytest.mark.parametrize("name", ["nowhere", "nowhere.npz", "text.txt"])
def test_directory_that_does_not_exist(isolated, monkeypatch, name):
    (isolated / "text.txt").touch()
    with pytest.raises(FileNotFoundError, match=rf"`data_dir`.*Received: .*{name}"):
        load_svhn(isolated / name)
    monkeypatch.setenv("KERAS_STN_DATA", str(isolated / name))
    with pytest.raises(FileNotFoundError, match=rf"KERAS_STN_DATA.*{name}"):
        load_svhn()


@pytest.mark.parametrize("extra", [False, True])
def test_archives_by_tensorflow_datasets(official, extra):
    pytest.importorskip("tensorflow_datasets")
    first = load_svhn(official, extra=extra)
    assert first.complete
    assert first.x_train.shape == (19 if extra else 12, 64, 64, 3)
    assert first.x_test[np.array([2, 0])].shape == (2, 64, 64, 3)
    assert first.source.startswith("SVHN, ")
    assert "official archives" in first.source
    assert "left out: more than 5 digits (1)" in first.source

    # From now on without the archives, and in the same order.
    for split in ("train", "test", "extra"):
        (official / "downloads" / "manual" / f"{split}.tar.gz").unlink()
    second = load_svhn(official, extra=extra)
    np.testing.assert_array_equal(second.x_train[:], first.x_train[:])
    np.testing.assert_array_equal(second.y_test, first.y_test)
    assert "SVHN, " in second.source
    assert "left out: more than 5 digits (1)" in second.source


def test_archives_without_tensorflow_datasets(official, no_tensorflow_datasets):
    loaded = load_svhn(official, extra=True)
    expected, _ = svhn_archives.read(
        official / "downloads" / "manual", ["train", "test", "extra"]
    )
    for array, other in zip(loaded, expected, strict=False):
        np.testing.assert_array_equal(array, other)
    assert loaded.complete
    assert "official archives" in loaded.source


@pytest.mark.parametrize("damage", ["truncated", "missing"])
@pytest.mark.parametrize("split", ["train", "test", "extra"])
def test_damaged_archives(official, split, damage):
    path = official / "downloads" / "manual" / f"{split}.tar.gz"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.unlink()
    before = sorted(official.parent.rglob("*"))
    with pytest.raises(ValueError, match=rf"{split}\.tar\.gz") as caught:
        load_svhn(official, extra=True)
    assert "Expected" in str(caught.value)
    assert sorted(official.parent.rglob("*")) == before


@pytest.mark.filterwarnings("default:NOT SVHN")
def test_fallback_is_announced(data, renderer, capsys):
    with pytest.warns(UserWarning, match="NOT SVHN.*rendered"):
        loaded = load_svhn(data)
    assert "NOT SVHN" in capsys.readouterr().out
    assert "could not be downloaded" in loaded.source
    assert not loaded.complete
    assert loaded.x_train.shape == (4000, 64, 64, 3)
    assert loaded.x_test.shape == (1000, 64, 64, 3)
    # Of another seed, so that no test number was trained on.
    assert (loaded.x_train[0, 0, 0, 0], loaded.x_test[0, 0, 0, 0]) == (0, 1)


def test_prepared_data_without_tensorflow_datasets_say_why(
    official, renderer, monkeypatch
):
    pytest.importorskip("tensorflow_datasets")
    load_svhn(official)
    for split in ("train", "test"):
        (official / "downloads" / "manual" / f"{split}.tar.gz").unlink()
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    assert (
        "svhn_numbers/without_extra/1.0.0 cannot be read" in load_svhn(official).source
    )


def test_rendered_numbers_fit(data, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(svhn, "RENDERED_TRAIN", 6)
    monkeypatch.setattr(svhn, "RENDERED_TEST", 3)
    loaded = load_svhn(data)
    assert loaded.x_train.shape == (6, 64, 64, 3)
    assert loaded.y_test.shape == (3, 5)
    for array in loaded[:4]:
        assert array.dtype == np.uint8
    assert loaded.y_train.max() <= 10
