"""Many runs, each once: skips what is finished, goes on with what was interrupted."""

import collections
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from train.run_directory import RunDirectory

# Seconds between two looks at the runs.
_POLL = 0.5
# Seconds that an interrupted run has to end by itself.
_PATIENCE = 20


class Job(NamedTuple):
    """One run of a training script.

    Attributes:
        name: For the screen, and the name of its folder.
        arguments: `("train.mnist", "--variant", "stn_c1", ...)`: the script and
            its arguments, without `--run-dir` and `--resume`.
        path: Its run directory.
        minutes: How long it is expected to take, relative to the others.
    """

    name: str
    arguments: tuple
    path: Path
    minutes: float

    @property
    def directory(self):
        """Its `RunDirectory`."""
        return RunDirectory(self.path)

    @property
    def is_finished(self):
        """Whether its result is there."""
        return self.directory.result.exists()

    @property
    def log(self):
        """Where its output goes: beside its folder."""
        return self.path.with_name(f"{self.path.name}.log")

    def fraction_done(self):
        """How much of the training is behind it, by finished epochs.

        Nothing where that cannot be read: the run itself says what is wrong.
        """
        directory = self.directory
        if directory.result.exists():
            return 1.0
        if not (directory.plan.exists() and directory.history.exists()):
            return 0.0
        try:
            epochs = directory.read_json(directory.plan)["epochs"]
            return min(1.0, len(directory.read_json(directory.history, list)) / epochs)
        except (ValueError, KeyError, TypeError):
            return 0.0

    def start(self, cores):
        """Starts it as a process that is held to some cores, where that is possible."""
        command = [sys.executable, "-m", *self.arguments, "--run-dir", str(self.path)]
        if self.directory.config.exists():
            command.append("--resume")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **_SHARED_DEVICE} if cores else None,
            )
        if cores:
            os.sched_setaffinity(process.pid, cores)
        return process


# Or the first of several runs on one accelerator would take all of its memory.
_SHARED_DEVICE = {
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


def run_matrix(jobs, workers=1, show=print):
    """Runs the jobs, so many at a time, under one progress bar.

    The bar counts the expected minutes of all jobs, so its estimate of the time left
    corrects itself by the speed of the machine. Each of several runs at a time has its
    own share of the cores.

    Args:
        jobs: A list of `Job`; those that are finished are skipped.
        workers: How many run at a time.
        show: Called with a line when a run has ended.

    Returns:
        The names of the runs that failed. The others were run all the same.

    Raises:
        KeyboardInterrupt: If interrupted or told to end; by then the runs have ended
            too.
    """
    waiting = collections.deque(job for job in jobs if not job.is_finished)
    skipped = len(jobs) - len(waiting)
    if skipped:
        show(
            f"{skipped} of {len(jobs)} runs are finished already. To run one again, "
            "also on other data, delete its folder."
        )
    if not waiting:
        return []
    shares = collections.deque(_shares_of_cores(workers))
    started_at = {job: job.fraction_done() for job in waiting}
    running, failed = {}, []

    def ended(job, process, cores):
        shares.append(cores)
        # Its result alone counts: another process may have finished it meanwhile.
        if job.is_finished:
            result = job.directory.read_json(job.directory.result)
            show(f"{job.name}: {result['error']:.2f} %, {result['minutes']:.1f} min")
        else:
            failed.append(job.name)
            show(f"{job.name} FAILED, exit status {process.returncode}:")
            show(_last_lines(job.log))

    bar = tqdm(
        total=sum(job.minutes * (1 - started_at[job]) for job in waiting),
        bar_format="{desc} {percentage:3.0f} %|{bar}| {elapsed}, {remaining} left",
        disable=None,  # Where nobody watches, lines are enough.
    )
    left = list(waiting)
    try:
        with bar, _interrupted_by_signals():
            while waiting or running:
                if waiting and shares and _have_begun(running):
                    job, cores = waiting.popleft(), shares.popleft()
                    show(f"{job.name}: {'goes on' if started_at[job] else 'begins'}")
                    running[job] = (job.start(cores), cores)
                time.sleep(_POLL)
                for job, (process, cores) in list(running.items()):
                    if process.poll() is not None:
                        del running[job]
                        ended(job, process, cores)
                done = sum(
                    job.minutes * (job.fraction_done() - started_at[job])
                    for job in left
                    if job in running or job not in waiting
                )
                bar.n = min(bar.total, done)
                bar.set_description_str(
                    f"{len(jobs) - len(waiting) - len(running)} of {len(jobs)} runs"
                )
                bar.refresh()
    finally:
        _end(process for process, _ in running.values())
    return failed


@contextlib.contextmanager
def _interrupted_by_signals():
    """Takes what a batch system ends programs by for Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_):
        raise KeyboardInterrupt

    names = ("SIGTERM", "SIGHUP")
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # What `nohup` has switched off stays so, here and in the runs.
    heard = [one for one in signals if signal.getsignal(one) is not signal.SIG_IGN]
    before = {one: signal.signal(one, interrupt) for one in heard}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _have_begun(running):
    """Whether all runs have their data, which are prepared once for all of them."""
    return all(job.directory.plan.exists() for job in running)


def _shares_of_cores(workers):
    if workers == 1 or not hasattr(os, "sched_getaffinity"):
        return [None] * workers
    cores = sorted(os.sched_getaffinity(0))
    if workers > len(cores):
        return [set(cores)] * workers
    return [set(cores[index::workers]) for index in range(workers)]


def _end(processes):
    """Ends what still runs, kindly at first."""
    processes = list(processes)
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + _PATIENCE
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last_lines(path, count=6):
    """The end of a log, as it would look on a screen."""
    text = path.read_bytes().decode(errors="replace")
    # A progress bar goes back to the start of its line.
    lines = [line.rstrip().rsplit("\r", 1)[-1].strip("\b") for line in text.split("\n")]
    shown = [f"    {line}" for line in lines if line.strip()][-count:]
    return "\n".join([*shown, f"    (all of it: {path})"])
