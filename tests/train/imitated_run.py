"""Does to a run directory what a training script does, without training.

python -m tests.train.imitated_run --epochs 3 --error 2.5 --run-dir <folder>
"""

import argparse
import os
import sys
import time

from train.run_directory import RunDirectory


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run-dir", required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--error", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fail", action="store_true")
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    directory = RunDirectory(options.run_dir)
    if not options.resume:
        directory.start({"seed": options.seed})
    directory.write_json(directory.plan, {"steps": 1, "epochs": options.epochs})
    history = []
    if directory.history.exists():
        history = directory.read_json(directory.history, list)
    print("resumed" if options.resume else "started", "after", len(history))
    for epoch in range(len(history), options.epochs):
        time.sleep(options.seconds)
        if options.fail:
            print("step 1\rstep 2\rstep 3")
            print("Error: it broke", file=sys.stderr)
            return 2
        history.append({"epoch": epoch + 1})
        directory.write_json(directory.history, history)
    result = {"error": options.error, "minutes": 0.0, "seed": options.seed}
    if hasattr(os, "sched_getaffinity"):
        result["cores"] = sorted(os.sched_getaffinity(0))
    directory.write_json(directory.result, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
