"""What a benchmark writes: its results, and the machine that they are from."""

import datetime
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from pathlib import Path

import keras

from train.platform import accelerators, usable_cores

PACKAGES = ("keras", "tensorflow", "jax", "torch")


def machine():
    """Describes the machine and what runs on it, without naming the machine.

    Returns:
        A dictionary with `processor`, `instructions` (the widest vectors: `"avx512"`,
        `"avx2"`, or the architecture), `cores` (those that the process may use),
        `accelerator` (None if Keras' backend sees none), `backend`, `allocator` (what
        the environment tells the C library of how to keep memory; None if nothing),
        and `versions` of the packages that are installed.
    """
    return {
        "processor": _processor(),
        "instructions": _instructions(),
        "cores": usable_cores(),
        "accelerator": ", ".join(accelerators()) or None,
        "backend": keras.config.backend(),
        "allocator": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith("MALLOC_")
        }
        or None,
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def commit():
    """The checkout's commit, with `-dirty` if files are changed; None if not known."""
    # Without tags, which would take the place of the hash.
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        found = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True
        )
    except OSError:
        return None  # There is no git.
    return found.stdout.strip() or None


def load():
    """Mean number of busy processes in the last minute; None where it is not known."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def write_json(path, results):
    """Writes a dictionary of results to a file, with date, commit and machine."""
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    results = {"date": date, "commit": commit(), "machine": machine(), **results}
    Path(path).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _processor():
    model = re.search(r"^model name\s*: (.*)$", _cpuinfo(), re.MULTILINE)
    return model[1] if model else platform.processor() or platform.machine()


def _instructions():
    flags = _cpuinfo().split()
    for flag, name in (("avx512f", "avx512"), ("avx2", "avx2")):
        if flag in flags:
            return name
    return platform.machine()


def _cpuinfo():
    path = Path("/proc/cpuinfo")  # Linux only.
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
