import sys
from pathlib import Path

import pytest

from keras_stn.datasets import sources


class Places:
    """What there is of a data set, and what was asked for."""

    def __init__(self, prepared=None, archives=False, network=True):
        self.prepared = prepared
        self.archives = archives
        self.network = network
        self.asked = []

    def sources(self):
        return sources.Sources(
            find_prepared=lambda directory: self.prepared,
            read_prepared=lambda prepared: f"arrays of {prepared}",
            has_archives=lambda folder: self.archives,
            check_archives=self.asked.append,
            read_archives=lambda folder: f"arrays of {folder}",
            prepare=lambda directory, archives: directory / "made",
            download=self.download,
        )

    def download(self, directory):
        self.asked.append("network")
        if not self.network:
            raise sources.DownloadFailed("no route")
        return directory / "fetched"


@pytest.fixture
def obstacle(monkeypatch):
    monkeypatch.setattr(sources, "obstacle_to_preparing", lambda: "not installed")


@pytest.fixture
def no_obstacle(monkeypatch):
    monkeypatch.setattr(sources, "obstacle_to_preparing", lambda: None)


def first_of(**there_is):
    places = Places(**there_is)
    return *sources.first_of(places.sources(), Path("data")), places.asked


@pytest.mark.usefixtures("no_obstacle")
@pytest.mark.parametrize("archives", [False, True])
def test_what_is_prepared_comes_first(archives):
    assert first_of(prepared="ready", archives=archives) == (
        "arrays of ready",
        "prepared by TensorFlow Datasets in ready",
        [],
    )


@pytest.mark.usefixtures("no_obstacle")
def test_archives_are_checked_and_prepared():
    folder = Path("data/downloads/manual")
    assert first_of(archives=True) == (
        f"arrays of {Path('data/made')}",
        f"from the official archives in {folder}, prepared by TensorFlow Datasets in "
        f"{Path('data/made')}",
        [folder],
    )


@pytest.mark.usefixtures("obstacle")
@pytest.mark.parametrize("prepared", [None, "ready"])
def test_archives_are_read_as_they_are(prepared):
    folder = Path("data/downloads/manual")
    assert first_of(archives=True, prepared=prepared) == (
        f"arrays of {folder}",
        f"from the official archives in {folder}",
        [folder],
    )


@pytest.mark.usefixtures("no_obstacle")
def test_the_network_comes_last():
    assert first_of() == (
        f"arrays of {Path('data/fetched')}",
        f"downloaded and prepared by TensorFlow Datasets in {Path('data/fetched')}",
        ["network"],
    )
    assert first_of(network=False) == (None, "no route", ["network"])


@pytest.mark.usefixtures("obstacle")
def test_nothing_is_downloaded_that_could_not_be_prepared():
    assert first_of() == (None, "not installed", [])
    assert first_of(prepared="ready") == (
        None,
        "ready cannot be read: not installed",
        [],
    )


@pytest.mark.usefixtures("no_obstacle")
def test_damaged_archives_are_not_passed_over():
    def check(folder):
        raise ValueError("damaged")

    places = Places(archives=True).sources()._replace(check_archives=check)
    with pytest.raises(ValueError, match="damaged"):
        sources.first_of(places, Path("data"))


def test_who_names_the_directory(monkeypatch):
    monkeypatch.delenv("KERAS_STN_DATA", raising=False)
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    default = Path("~/tensorflow_datasets").expanduser()
    assert sources.named_directory(None) == (default, None)
    monkeypatch.setenv("TFDS_DATA_DIR", "theirs")
    assert sources.named_directory(None) == (Path("theirs"), None)
    monkeypatch.setenv("KERAS_STN_DATA", "~/ours")
    path, named = sources.named_directory(None)
    assert path == Path("~/ours").expanduser()
    assert named == "The environment variable KERAS_STN_DATA"
    assert sources.named_directory("mine") == (Path("mine"), "`data_dir`")


def test_an_obstacle_names_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    assert "tensorflow_datasets" in sources.obstacle_to_preparing()
