import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from train.run_directory import RunDirectory


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path / "run")


def test_start_and_check(directory):
    directory.start({"epochs": 3, "seed": 0})
    directory.check_same({"seed": 0, "epochs": 3})
    with pytest.raises(
        ValueError, match="epochs: 3 there, 4 now.*or delete .*run to begin"
    ):
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
    assert names == {"config.json", "result.json", "run.lock"}


@pytest.mark.parametrize("text", ["{", "[]", "null", '"text"'])
def test_unreadable_json(text, directory):
    directory.start({})
    directory.config.write_text(text)
    with pytest.raises(ValueError, match=r"config.json is damaged.*another --run-dir"):
        directory.check_same({})


@pytest.mark.parametrize("text", ["[1", "{}", "null"])
def test_json_that_is_no_list(text, directory):
    directory.start({})
    directory.history.write_text(text)
    with pytest.raises(ValueError, match=r"history.json is damaged"):
        directory.read_json(directory.history, list)


def test_one_run_at_a_time(directory):
    directory.start({"seed": 0})
    for other in (RunDirectory(directory.path), RunDirectory(str(directory.path))):
        with pytest.raises(ValueError, match="is in use by another run"):
            other.check_same({"seed": 0})
    directory.release()
    RunDirectory(directory.path).check_same({"seed": 0})


def test_the_end_of_a_process_lets_others_in(directory):
    """And what it had begun to write is removed."""
    code = (
        "import os, sys; from train.run_directory import RunDirectory;"
        "run = RunDirectory(sys.argv[1]); run.start({});"
        "run.write(run.result, lambda path: (path.touch(), os.kill(os.getpid(), 9)))"
    )
    subprocess.run([sys.executable, "-c", code, directory.path], check=False)
    assert len(list(directory.path.glob("unfinished_*_result.json"))) == 1
    (directory.path / "unfinished_1_export").mkdir()
    directory.check_same({})
    assert not list(directory.path.glob("unfinished_*"))


def test_no_room_for_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        RunDirectory(tmp_path / "file" / "run").start({})


@pytest.fixture
def read_only_folder():
    """A folder that nobody may write to, while this process has no privileges."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        if user == 0:
            os.seteuid(65534)  # "nobody", as permissions do not bind the superuser.
        yield Path(folder)
        os.seteuid(user)
        os.chmod(folder, 0o755)


def test_a_folder_that_is_read_only(read_only_folder):
    with pytest.raises(PermissionError, match="choose another --run-dir") as error:
        RunDirectory(read_only_folder / "run").start({})
    assert str(read_only_folder) in str(error.value)
    assert not any(read_only_folder.iterdir())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_disk_full(directory):
    """The system itself says that there is no space left."""
    directory.start({})

    def save(path):
        path.symlink_to("/dev/full")
        path.write_text("a result")

    with pytest.raises(OSError) as error:
        directory.write(directory.result, save)
    assert error.value.errno == errno.ENOSPC
    assert {path.name for path in directory.path.iterdir()} == {
        "config.json",
        "run.lock",
    }


def test_an_entry_that_may_differ(directory):
    directory.start({"seed": 0, "KERAS_BACKEND": "jax"})
    now = {"seed": 0, "KERAS_BACKEND": "torch"}
    with pytest.raises(ValueError, match="KERAS_BACKEND: 'jax' there, 'torch' now"):
        directory.check_same(now)
    directory.check_same(now, but_for=("KERAS_BACKEND",))
    with pytest.raises(ValueError, match="seed: 0 there, 1 now"):
        directory.check_same({**now, "seed": 1}, but_for=("KERAS_BACKEND",))


def test_a_file_that_is_missing(directory):
    with pytest.raises(ValueError, match="history.json is missing.*--run-dir"):
        directory.read_json(directory.history)


@pytest.mark.parametrize("name", ["checkpoint", "history", "model", "result"])
def test_remains_of_another_run_are_not_gone_on_with(directory, name):
    directory.path.mkdir()
    path = getattr(directory, name)
    path.write_text("")
    with pytest.raises(ValueError, match=f"holds {path.name} of a run whose config"):
        directory.start({"seed": 0})
    assert not directory.config.exists()
    path.unlink()
    directory.start({"seed": 0})
