import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tests.waiting import PATIENCE, wait_for
from train.matrix import Job, run_matrix


def job(folder, name, *arguments):
    arguments = ("tests.train.imitated_run", *map(str, arguments))
    return Job(name, arguments, folder / name, minutes=1.0)


def test_runs_all_and_skips_what_is_finished(tmp_path):
    jobs = [job(tmp_path, name, "--error", 2.5) for name in ("a", "b")]
    lines = []
    assert run_matrix(jobs[:1], show=lines.append) == []
    assert lines == ["a: begins", "a: 2.50 %, 0.0 min"]
    finished = jobs[0].directory.result.stat().st_mtime_ns
    lines.clear()
    assert run_matrix(jobs, show=lines.append) == []
    assert lines[0].startswith("1 of 2 runs are finished already. To run one again")
    assert jobs[0].directory.result.stat().st_mtime_ns == finished
    assert all(one.is_finished for one in jobs)


def test_goes_on_with_what_was_interrupted(tmp_path):
    one = job(tmp_path, "a", "--epochs", 4)
    one.directory.start({})
    one.directory.write_json(one.directory.plan, {"steps": 1, "epochs": 4})
    one.directory.write_json(one.directory.history, [{"epoch": 1}])
    assert one.fraction_done() == 0.25
    lines = []
    assert run_matrix([one], show=lines.append) == []
    assert lines[0] == "a: goes on"
    assert "resumed after 1" in one.log.read_text()


def test_a_damaged_folder_does_not_stop_the_others(tmp_path):
    bad, good = job(tmp_path, "bad", "--fail"), job(tmp_path, "good")
    bad.directory.start({})
    bad.directory.plan.write_text("")
    bad.directory.history.write_text("")
    assert bad.fraction_done() == 0
    assert run_matrix([bad, good], show=lambda line: None) == ["bad"]
    assert good.is_finished


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs POSIX signals")
def test_a_batch_system_ends_the_runs_too(tmp_path):
    slow = job(tmp_path, "slow", "--seconds", 60)

    def terminate(line):
        assert line == "slow: begins"
        signal.setitimer(signal.ITIMER_REAL, 2)

    before = signal.signal(
        signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM)
    )
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_matrix([slow], show=terminate)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert signal.getsignal(signal.SIGTERM) == handler
    running = subprocess.run(
        ["pgrep", "-f", str(slow.path)], check=False, capture_output=True
    )
    assert not running.stdout


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs POSIX signals")
def test_a_logout_does_not_end_what_nohup_began(tmp_path):
    """Neither the matrix nor the runs, which inherit what is ignored."""
    one = job(tmp_path, "slow", "--seconds", 3)
    states = []

    def hang_up(line):
        states.append(line)
        if line == "slow: begins":
            signal.setitimer(signal.ITIMER_REAL, 1)

    def hang_up_all(*_):
        os.kill(os.getpid(), signal.SIGHUP)
        for child in pathlib.Path(f"/proc/{os.getpid()}/task").glob("*/children"):
            for number in child.read_text().split():
                os.kill(int(number), signal.SIGHUP)
                states.append("hung up")

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    alarm = signal.signal(signal.SIGALRM, hang_up_all)
    try:
        assert run_matrix([one], show=hang_up) == []
    finally:
        signal.signal(signal.SIGHUP, before)
        signal.signal(signal.SIGALRM, alarm)
    assert one.is_finished
    assert states[1] == "hung up" or not pathlib.Path("/proc").exists()


def test_a_failure_is_shown_and_the_others_run_on(tmp_path):
    jobs = [job(tmp_path, "bad", "--fail"), job(tmp_path, "good")]
    lines = []
    assert run_matrix(jobs, show=lines.append) == ["bad"]
    text = "\n".join(lines)
    assert "bad FAILED, exit status 2" in text
    assert "Error: it broke" in text
    assert "step 3" in text and "step 1" not in text
    assert jobs[1].is_finished


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two cores that processes can be held to",
)
def test_runs_at_a_time_share_the_cores(tmp_path):
    jobs = [job(tmp_path, name, "--seconds", 0.5) for name in "abc"]
    assert run_matrix(jobs, workers=2, show=lambda line: None) == []
    cores = [json.loads(one.directory.result.read_text())["cores"] for one in jobs]
    assert not set(cores[0]) & set(cores[1])
    assert set(cores[0]) | set(cores[1]) == os.sched_getaffinity(0)


def test_an_interruption_ends_the_runs(tmp_path):
    """Ctrl-C in a terminal reaches the parent and its runs; here only the parent."""
    code = (
        # A shell lets what it starts in the background ignore Ctrl-C.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from pathlib import Path; from tests.train.test_matrix import job;"
        "from train.matrix import run_matrix;"
        f"one = job(Path({str(tmp_path)!r}), 'a', '--epochs', 1000, '--seconds', 0.2);"
        "run_matrix([one])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True
    )
    history = tmp_path / "a" / "history.json"
    wait_for(history.exists, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert "KeyboardInterrupt" in errors
    length = len(json.loads(history.read_text()))
    time.sleep(1)
    assert len(json.loads(history.read_text())) == length
