import functools
import http.server
import os
import pathlib
import threading

import numpy as np
import pytest

from keras_stn.datasets import (
    preparation,
    sources,
    svhn_archives,
    svhn_tensorflow_datasets,
)
from tests.datasets.svhn_layout import make_official

tfds = pytest.importorskip("tensorflow_datasets")


@pytest.fixture
def directory(isolated, monkeypatch):
    """A data directory with small archives that count as official."""
    directory = isolated / "data"
    make_official(directory, monkeypatch)
    return directory


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """What is prepared from such archives, with `extra`, and the same in memory."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        directory = tmp_path_factory.mktemp("data")
        manual = make_official(directory, monkeypatch)
        path = svhn_tensorflow_datasets.prepare(directory, manual, extra=True)
        arrays, _ = svhn_archives.read(manual, ["train", "test", "extra"])
    return path, arrays


@pytest.fixture
def server(directory, monkeypatch):
    """A server that sends the archives, and what it sends them from."""
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler,
        directory=directory / "downloads" / "manual",
    )
    monkeypatch.setattr(handler.func, "log_message", lambda *arguments: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(svhn_tensorflow_datasets, "URL", url)
        monkeypatch.setattr(svhn_tensorflow_datasets, "PROBE_URL", url + "train.tar.gz")
        yield directory / "downloads" / "manual"
        server.shutdown()
        thread.join()


def by_content(images, labels):
    return sorted(zip(map(bytes, images), map(bytes, labels), strict=True))


def files_below(directory):
    return sorted(path for path in directory.rglob("*") if path.is_file())


def assert_same(arrays, others):
    for half in (slice(0, 2), slice(2, 4)):
        images, labels = arrays[half]
        assert by_content(images[:], labels) == by_content(*others[half])


@pytest.mark.parametrize("extra", [False, True])
def test_what_is_prepared_is_what_the_archives_hold(prepared, extra):
    path, (x_train, y_train, x_test, y_test) = prepared
    arrays, skipped = svhn_tensorflow_datasets.read(path, extra)
    count = 19 if extra else 12
    assert_same(arrays, (x_train[:count], y_train[:count], x_test, y_test))
    assert skipped == {"more than 5 digits": 1}


def test_tensorflow_datasets_reads_it_too(prepared):
    builder = tfds.builder_from_directory(prepared[0])
    assert {
        name: split.num_examples for name, split in builder.info.splits.items()
    } == {
        "train": 12,
        "test": 5,
        "extra": 7,
    }
    example = builder.as_data_source(split="test")[0]
    assert example["image"].shape == (64, 64, 3)
    assert example["image"].dtype == example["label"].dtype == np.uint8
    assert bytes(example["image"]) in map(bytes, prepared[1][2])


def test_order_is_always_the_same(directory, prepared):
    other = svhn_tensorflow_datasets.prepare(
        directory, directory / "downloads" / "manual"
    )
    first, _ = svhn_tensorflow_datasets.read(prepared[0])
    second, _ = svhn_tensorflow_datasets.read(other)
    np.testing.assert_array_equal(first[0][:], second[0][:])
    np.testing.assert_array_equal(first[3], second[3])


@pytest.mark.parametrize(
    "index",
    [
        3,
        -1,
        np.int64(2),
        slice(None),
        slice(2, 9, 3),
        slice(5, 5),
        [4, 1, 1],
        np.array([[0, 1], [-1, 5]]),
        np.array([], int),
        np.arange(12) % 2 == 0,
    ],
    ids=str,
)
def test_images_on_disk_are_indexed_like_an_array(prepared, monkeypatch, index):
    images = svhn_tensorflow_datasets.read(prepared[0])[0][0]
    array = np.asarray(images)
    assert (array.shape, array.dtype) == (images.shape, images.dtype)
    assert len(images) == len(array) == 12
    assert array.ndim == images.ndim
    monkeypatch.setattr(svhn_tensorflow_datasets, "CHUNK", 2)
    np.testing.assert_array_equal(images[index], array[index])


def test_images_on_disk_know_their_end(prepared):
    images = svhn_tensorflow_datasets.read(prepared[0])[0][0]
    for index in (12, -13, [0, 12]):
        with pytest.raises(IndexError):
            images[index]
    with pytest.raises(ValueError, match="a copy"):
        np.asarray(images, copy=False)
    assert np.asarray(images, np.float32).dtype == np.float32


def test_find_prepared(prepared, isolated):
    root = prepared[0].parents[2]
    # With `extra` it serves for both.
    assert svhn_tensorflow_datasets.find_prepared(root) == prepared[0]
    assert svhn_tensorflow_datasets.find_prepared(root, extra=True) == prepared[0]
    (isolated / "svhn_numbers" / "without_extra").mkdir(parents=True)
    assert svhn_tensorflow_datasets.find_prepared(isolated) is None
    (isolated / "svhn_numbers" / "without_extra" / "1.0.0").mkdir()
    with pytest.raises(ValueError, match=r"without dataset_info\.json"):
        svhn_tensorflow_datasets.find_prepared(isolated)


def test_failed_preparation_leaves_nothing_behind(directory, monkeypatch):
    before = files_below(directory.parent)

    def failing(path, skipped):
        yield 1, np.zeros((64, 64, 3), np.uint8), np.zeros(5, np.uint8)
        raise OSError("the disk is full")

    monkeypatch.setattr(svhn_archives, "read_numbers", failing)
    with pytest.raises(OSError, match="the disk is full"):
        svhn_tensorflow_datasets.prepare(directory, directory / "downloads" / "manual")
    assert files_below(directory.parent) == before
    assert not list(directory.glob(preparation.UNFINISHED + "*"))


def test_preparation_that_still_writes_is_not_abandoned(isolated):
    paths = [isolated / (preparation.UNFINISHED + name) for name in ("old", "new")]
    for path in paths:
        (path / "downloads").mkdir(parents=True)
        (path / "downloads" / "train.tar.gz").touch()
        os.utime(path, (0, 0))
    os.utime(paths[0] / "downloads" / "train.tar.gz", (0, 0))
    assert preparation.find_prepared(isolated, pathlib.Path("none")) is None
    assert [path.exists() for path in paths] == [False, True]


@pytest.mark.parametrize("file", ["train", "test"])
def test_damaged_preparation(directory, file):
    path = svhn_tensorflow_datasets.prepare(directory, directory / "downloads/manual")
    (record,) = path.glob(f"*{file}.array_record*")
    record.write_bytes(record.read_bytes()[: record.stat().st_size // 2])
    with pytest.raises(ValueError, match="is damaged.*unreadable files") as caught:
        svhn_tensorflow_datasets.read(path)
    assert str(path) in str(caught.value)


def test_download(server, directory, prepared):
    path = svhn_tensorflow_datasets.download(directory)
    assert path == directory / "svhn_numbers" / "without_extra" / "1.0.0"
    assert {entry.name for entry in directory.iterdir()} == {
        "downloads",
        "svhn_numbers",
    }
    assert {entry.name for entry in (directory / "downloads").iterdir()} == {"manual"}
    arrays, _ = svhn_tensorflow_datasets.read(path)
    expected = prepared[1]
    assert_same(arrays, (expected[0][:12], expected[1][:12], *expected[2:]))


def test_download_of_something_else(server, directory):
    test = server / "test.tar.gz"
    test.write_bytes(test.read_bytes()[:-1] + b"x")
    with pytest.raises(sources.DownloadFailed, match="checksum"):
        svhn_tensorflow_datasets.download(directory)
    assert {entry.name for entry in directory.iterdir()} == {"downloads"}


def test_download_without_the_server(server, directory):
    (server / "train.tar.gz").unlink()
    with pytest.raises(sources.DownloadFailed, match="be reached"):
        svhn_tensorflow_datasets.download(directory)


def test_download_that_breaks_off(server, directory):
    (server / "test.tar.gz").unlink()
    with pytest.raises(sources.DownloadFailed, match="download failed"):
        svhn_tensorflow_datasets.download(directory)
