"""Keeps the results of finished runs in the repository.

    python -m train.store runs/mnist-rotation-stn_c1-seed0 ...

The documents' tables are of the results that are stored here.
"""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

from train.failures import exit_status
from train.run_directory import RunDirectory

RESULT_FOLDER = Path(__file__).parent / "results"


def store(run_dir, folder=RESULT_FOLDER, replace=False):
    """Copies result and picture of a run, without the paths of the machine.

    What `--export` found out is added to the result. Pictures of real house numbers
    stay behind: SVHN may not be passed on freely.

    Args:
        run_dir: The folder of a finished run.
        folder: Where to: into a folder of it for each recipe.
        replace: Whether to replace the result of another experiment.

    Returns:
        The path of the stored result.

    Raises:
        ValueError: If the run is not finished, it is a search, or another experiment
            is stored by that name.
    """
    directory = RunDirectory(run_dir)
    if not directory.result.exists():
        raise ValueError(f"{run_dir} holds no finished run: result.json is missing.")
    result = directory.read_json(directory.result)
    if "recipe" not in result:
        raise ValueError(
            f"{run_dir} holds no training but a search. Store the trainings in it: "
            f"{run_dir}/final-trial{result.get('trial', '…')}-seed0 and so on."
        )
    result["data"] = without_paths(result["data"])
    if directory.exports.exists():
        result["exports"] = directory.read_json(directory.exports)
    folder = folder / result["recipe"]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['name']}.json"
    if path.exists() and not replace:
        _check_same(path, result)
    target = RunDirectory(folder)
    if result["config"]["dataset"] != "svhn":
        target.write(
            path.with_suffix(".png"),
            lambda name: shutil.copyfile(directory.alignment, name),
        )
    # Last, so that no result is without its picture.
    target.write_json(path, result)
    return path


def _check_same(path, result):
    """Raises if what is stored there is of another experiment."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    differences = [
        f"{name}: {stored[part][name]!r} there, {result[part][name]!r} now"
        for part in ("config", "images")
        for name in sorted(stored.get(part, {}).keys() & result.get(part, {}).keys())
        if stored[part][name] != result[part][name]
    ]
    if ("iterations" in stored["config"]) != ("iterations" in result["config"]):
        differences.append("'iterations' in place of 'epochs' in only one of them")
    if "exports" in stored and "exports" not in result:
        differences.append("exports there, none now: repeat --export")
    backends = [one.get("versions", {}).get("backend") for one in (stored, result)]
    if backends[0] != backends[1]:
        differences.append(f"backend: {backends[0]!r} there, {backends[1]!r} now")
    passes = len(stored["passes"]), len(result["passes"])
    if passes[0] != passes[1]:
        differences.append(f"test passes: {passes[0]} there, {passes[1]} now")
    # Older results are without the fingerprint; their sentences say less.
    for name in ("data_fingerprint", "data"):
        if name in stored and name in result:
            if stored[name] != result[name]:
                differences.append(
                    f"{name}: {stored[name]!r} there, {result[name]!r} now, which is "
                    "other data or the same in another order"
                )
            break
    if differences:
        raise ValueError(
            f"{path.name} is stored already, of another experiment. "
            f"{'; '.join(differences)}. Replace it by --replace."
        )


def without_paths(text):
    """Shortens the paths in a text to their last two parts, which say enough."""
    return re.sub(r"/\S*?([^/\s]+/[^/\s]+)(?=\s|$)", r"\1", text)


def main(arguments=None):
    """Stores the runs that the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m train.store",
        description="Keep the results of finished runs in train/results.",
    )
    parser.add_argument("run_dir", nargs="+", help="the folder of a finished run")
    parser.add_argument(
        "--replace", action="store_true", help="also results of other experiments"
    )
    options = parser.parse_args(arguments)

    def work():
        status = 0
        for run_dir in options.run_dir:
            try:
                print(store(run_dir, replace=options.replace))
            except (ValueError, OSError) as error:
                # It does not keep the others from being stored.
                print(f"\nError: {error}", file=sys.stderr)
                status = 2
        return status

    return exit_status(work, "Repeat the command to store the rest.")


if __name__ == "__main__":
    sys.exit(main())
