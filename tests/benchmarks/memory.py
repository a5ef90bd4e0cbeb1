"""Compares the peak memory of the sampler and its gradients with PyTorch's.

    python -m tests.benchmarks.memory [--shapes 64x64x3 ...] [--output memory.json]

For each shape and side a process of its own warps and differentiates to theta and to
the images, as `tests.benchmarks.sampler` does. It prints by how many MiB the peak of
its resident memory grows with a batch of the benchmark's size: half the difference
between three of them and one, each above what the process holds before the first call.
That is results and intermediates, and leaves out images, libraries and compilers. Linux
only; four minutes.
"""

import argparse
import functools
import gc
import os
import re
import subprocess
import sys
from pathlib import Path

import torch

from tests.benchmarks import report, samplers
from tests.benchmarks.sampler import SHAPES

SIDES = {
    "keras_stn": samplers.ours,
    "pytorch contiguous": functools.partial(
        samplers.pytorch, memory_format=torch.contiguous_format
    ),
    "pytorch channels_last": functools.partial(
        samplers.pytorch, memory_format=torch.channels_last
    ),
}
CALLS = 3


def main():
    options = _parse()
    if options.child:
        print(_peak(*options.child))
        return
    rows = []
    for shape in options.shapes:
        peaks = {side: _growth(shape, side) for side in SIDES}
        rows.append({"shape": shape, "mebibytes": peaks})
        print(shape, peaks, flush=True)
    if options.output:
        report.write_json(options.output, {"benchmark": "memory", "rows": rows})


def _growth(shape, side):
    one, three = (_peak_of_a_process(shape, side, batches) for batches in (1, 3))
    return round((three - one) / 2, 1)


def _peak_of_a_process(shape, side, batches):
    child = ["--child", shape, side, str(batches)]
    result = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.memory", *child],
        capture_output=True,
        check=True,
        text=True,
        # What is freed goes back to the system at once, or old peaks would hide new.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"},
    )
    return float(result.stdout.split()[-1])


def _peak(shape, side, batches):
    """MiB above what the process holds before the first call."""
    (batch, *image_shape), size = SHAPES[shape]
    case = samplers.Case.draw(
        (int(batches) * batch, *image_shape), size, 1.0, "constant"
    )
    found = SIDES[side](case, "both")
    # TensorFlow has copied it; PyTorch may share its memory.
    del case
    gc.collect()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # Resets the peak.
    for _ in range(CALLS):
        found.run()
    return _status("VmHWM") - before


def _status(name):
    """MiB."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(rf"^{name}:\s*(\d+)", text, re.MULTILINE)[1]) / 1024


def _parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--output", help="a JSON file for the results")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
