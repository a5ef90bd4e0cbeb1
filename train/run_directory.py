"""The folder of one run: what is in it and how it is written."""

import json
import os
import shutil
from pathlib import Path

import filelock

# How the names of files begin that are not whole yet.
_UNFINISHED = "unfinished_"
# What JSON calls them.
_JSON_NAMES = {dict: "object", list: "array"}


class RunDirectory:
    """The folder of one run.

    Each file is written under another name and then renamed, so a run that is killed at
    any moment leaves whole files only. `start` and `check_same` keep other runs out of
    the folder until `release`, or until the process ends, however it does.

    Args:
        path: The folder; it need not exist.
        read_only: Whether another process does the writing. Then whatever would write
            does nothing, and nobody is kept out.
    """

    def __init__(self, path, read_only=False):
        self.read_only = read_only
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.plan = self.path / "plan.json"
        self.history = self.path / "history.json"
        self.checkpoint = self.path / "checkpoint.keras"
        self.model = self.path / "model.keras"
        self.result = self.path / "result.json"
        self.exports = self.path / "exports.json"
        self.alignment = self.path / "alignment.png"
        self.tensorboard = self.path / "tensorboard"
        self._lock = filelock.FileLock(self.path / "run.lock", timeout=0)

    def start(self, config):
        """Begins a new run.

        Raises:
            ValueError: If the folder already holds one, or another run is using it.
            OSError: If nothing can be written there.
        """
        if self.read_only:
            return
        if self.config.exists():
            raise ValueError(
                f"{self.path} already holds a run. Go on with it by --resume, or "
                "choose another --run-dir."
            )
        left = (self.checkpoint, self.history, self.model, self.result)
        names = ", ".join(path.name for path in left if path.exists())
        if names:
            raise ValueError(
                f"{self.path} holds {names} of a run whose {self.config.name} is "
                "missing. Delete them, or choose another --run-dir."
            )
        self._keep_others_out()
        self.write_json(self.config, config)

    def check_same(self, config, but_for=()):
        """Checks that the run here was begun with the same config.

        Args:
            config: A dict.
            but_for: Names of entries that may differ.

        Raises:
            ValueError: If there is no run, another one, or one that is going on.
        """
        if not self.config.exists():
            raise ValueError(
                f"{self.path} holds no run to go on with. Leave --resume out to start "
                "one."
            )
        self._keep_others_out()
        stored = self.read_json(self.config)
        names = sorted((stored.keys() | config.keys()) - set(but_for))
        differences = [
            f"{name}: {stored.get(name)!r} there, {config.get(name)!r} now"
            for name in names
            if stored.get(name) != config.get(name)
        ]
        if differences:
            raise ValueError(
                f"{self.path} holds a run with other options; two experiments shall "
                f"not be mixed. {'; '.join(differences)}. Repeat its options, choose "
                f"another --run-dir, or delete {self.path} to begin anew."
            )

    def release(self):
        """Lets other runs in."""
        self._lock.release()

    def _keep_others_out(self):
        if self.read_only:
            return
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(
                f"{self.path} is a file. Choose another --run-dir: a folder, or one "
                "that is not there yet."
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except filelock.Timeout:
            raise ValueError(
                f"{self.path} is in use by another run. Wait for its end, or choose "
                "another --run-dir."
            ) from None
        except OSError as error:
            raise OSError(
                error.errno,
                f"{error.strerror}; make it writable or choose another --run-dir",
                str(error.filename or self.path),
            ) from error
        # What a run that was killed had begun to write.
        for path in self.path.glob(f"{_UNFINISHED}*"):
            _remove(path)

    def write(self, path, save):
        """Writes a file or a folder whole or not at all.

        Args:
            path: Where it belongs.
            save: Called with the path to write to; it has the same suffix.
        """
        if self.read_only:
            return
        unfinished = path.with_name(f"{_UNFINISHED}{os.getpid()}_{path.name}")
        former = path.with_name(f"{_UNFINISHED}{os.getpid()}_former_{path.name}")
        try:
            save(unfinished)
            if path.is_dir():
                # Unlike a file, a folder takes no other's place while that is there.
                os.replace(path, former)
            if unfinished.is_file():
                # Or a power cut may leave an empty file by that name.
                with open(unfinished, "rb+") as file:
                    os.fsync(file)
            os.replace(unfinished, path)
        finally:
            _remove(unfinished)
            _remove(former)

    def write_json(self, path, content):
        """Writes a JSON file whole or not at all."""
        text = json.dumps(content, indent=2) + "\n"
        self.write(path, lambda name: name.write_text(text, encoding="utf-8"))

    def read_json(self, path, kind=dict):
        """Reads a JSON file.

        Args:
            path: The file.
            kind: What it should hold: `dict` or `list`.

        Raises:
            ValueError: If it is not there, not valid JSON or holds something else.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(content, kind):
                raise ValueError(f"it holds no {_JSON_NAMES[kind]}: {content!r:.80}")
            return content
        except FileNotFoundError:
            raise ValueError(
                f"{path} is missing. The run cannot be continued; choose another "
                "--run-dir."
            ) from None
        except ValueError as error:
            raise ValueError(
                f"{path} is damaged: {error}. The run cannot be continued; "
                "choose another --run-dir."
            ) from error


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
