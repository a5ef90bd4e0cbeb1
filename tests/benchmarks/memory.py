"""Compares the peak memory of the sampler and its gradients with PyTorch's.

    python -m tests.benchmarks.memory [--shapes 64x64x3 ...] [--output memory.json]

For each shape and side a process of its own warps and differentiates to theta and to
the images, as `tests.benchmarks.sampler` does, and prints by how many MiB its resident
memory peaks above what it holds before the first call. Linux only; two minutes.
"""

import argparse
import gc
import re
import subprocess
import sys
from pathlib import Path

from tests.benchmarks import report, samplers
from tests.benchmarks.sampler import SHAPES

SIDES = ("keras_stn", "pytorch contiguous", "pytorch channels_last")
CALLS = 5


def main():
    options = _parse()
    if options.child:
        print(_peak(*options.child))
        return
    rows = []
    for shape in options.shapes:
        peaks = {side: _peak_of_a_process(shape, side) for side in SIDES}
        rows.append({"shape": shape, "mebibytes": peaks})
        print(shape, peaks, flush=True)
    if options.output:
        report.write_json(options.output, {"benchmark": "memory", "rows": rows})


def _peak_of_a_process(shape, side):
    result = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.memory", "--child", shape, side],
        capture_output=True,
        check=True,
        text=True,
    )
    return float(result.stdout.split()[-1])


def _peak(shape, side):
    """MiB above what the process holds after a call on a small batch."""
    (batch, *image_shape), size = SHAPES[shape]
    for count in (1, batch):
        # The small batch loads all code and starts all threads. Compiling for the
        # large one is counted, as it is part of what its user pays.
        case = samplers.Case.draw((count, *image_shape), size, 1.0, "constant")
        found = samplers.sides(case, "both")[side]
        if count == 1:
            found.run()
    gc.collect()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # Resets the peak.
    for _ in range(CALLS):
        found.run()
    return round((_status("VmHWM") - before) / 1024, 1)


def _status(name):
    """KiB."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(rf"^{name}:\s*(\d+)", text, re.MULTILINE)[1])


def _parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--output", help="a JSON file for the results")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
