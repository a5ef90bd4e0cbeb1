import pytest

from train.run_directory import RunDirectory


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path / "run")


def test_start_and_check(directory):
    directory.start({"epochs": 3, "seed": 0})
    directory.check_same({"seed": 0, "epochs": 3})
    with pytest.raises(ValueError, match="epochs: 3 there, 4 now"):
        directory.check_same({"seed": 0, "epochs": 4})
    with pytest.raises(ValueError, match="already holds a run.*--resume"):
        directory.start({"epochs": 3, "seed": 0})


def test_nothing_to_resume(directory):
    with pytest.raises(ValueError, match="holds no run"):
        directory.check_same({})


def test_a_failed_write_leaves_the_old_file_and_no_other(directory):
    directory.start({})
    directory.write_json(directory.result, {"error": 1})

    def fail(path):
        path.write_text("half of it")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        directory.write(directory.result, fail)
    assert directory.read_json(directory.result) == {"error": 1}
    names = {path.name for path in directory.path.iterdir()}
    assert names == {"config.json", "result.json"}


def test_unreadable_json(directory):
    directory.start({})
    directory.config.write_text("{")
    with pytest.raises(ValueError, match=r"config.json is not valid JSON"):
        directory.check_same({})
