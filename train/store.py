"""Keeps the results of finished runs in the repository.

    python -m train.store runs/mnist-rotation-stn_c1-seed0 ...

The README's tables are of the results that are stored here.
"""

import json
import re
import shutil
import sys
from pathlib import Path

from train.run_directory import RunDirectory

RESULT_FOLDER = Path(__file__).parent / "results"


def store(run_dir, folder=RESULT_FOLDER):
    """Copies result and picture of a run, without the paths of the machine.

    What `--export` found out is added to the result. Pictures of real house numbers
    stay behind: SVHN may not be passed on freely.

    Args:
        run_dir: The folder of a finished run.
        folder: Where to: into a folder of it for each recipe.

    Returns:
        The path of the stored result.

    Raises:
        ValueError: If the run is not finished.
    """
    directory = RunDirectory(run_dir)
    if not directory.result.exists():
        raise ValueError(f"{run_dir} holds no finished run: result.json is missing.")
    result = directory.read_json(directory.result)
    result["data"] = without_paths(result["data"])
    if directory.exports.exists():
        result["exports"] = directory.read_json(directory.exports)
    folder = folder / result["recipe"]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['name']}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if result["config"]["dataset"] != "svhn":
        shutil.copyfile(directory.alignment, path.with_suffix(".png"))
    return path


def without_paths(text):
    """Shortens the paths in a text to their last two parts, which say enough."""
    return re.sub(r"/\S*?([^/\s]+/[^/\s]+)(?=\s|$)", r"\1", text)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(store(argument))
