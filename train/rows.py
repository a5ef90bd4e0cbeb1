"""The results of a table's cells, from the runs there are."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from train.options import OVERRIDES
from train.store import RESULT_FOLDER

# What a result must hold to be sorted into a table.
_NEEDED = {"config", "error", "images", "is_full_data", "passes", "seed"}


class Row(NamedTuple):
    """One cell of a table with the results of its runs.

    Attributes:
        cell: A `train.table.Cell`.
        results: What `result.json` of its runs holds, a list in the order of the seeds.
        is_shipped: Whether they are those of `train/results`, for lack of runs here.
        left_out: Results of the cell on other data: a part, or a stand-in.
    """

    cell: object
    results: list
    is_shipped: bool = False
    left_out: list = []

    @property
    def errors(self):
        """Errors in per cent, one a seed."""
        return np.array([result["error"] for result in self.results])

    @property
    def mean(self):
        """The mean of the errors; NaN without results."""
        return float(self.errors.mean()) if self.results else float("nan")

    @property
    def standard_error(self):
        """That of the mean, from the differences between seeds; NaN for less than 2."""
        count = len(self.results)
        if count < 2:
            return float("nan")
        return float(self.errors.std(ddof=1) / np.sqrt(count))


def collect(table, budget, runs_dir=None, stored=RESULT_FOLDER, seeds=None):
    """Finds the results that a table is made of.

    Args:
        table: A `train.table.Table`.
        budget: Name of the budget.
        runs_dir: Folder of run directories; None for none.
        stored: Folder of results as `train.store` writes them; None for none. Of a cell
            that has runs in `runs_dir` they are left out: the two are not mixed.
        seeds: Only the first so many; None for all.

    Returns:
        A list of `Row`, one for each cell of the table.
    """
    shipped = _read(Path(stored).glob("*/*.json")) if stored is not None else {}
    here = {}
    if runs_dir is not None:
        here = _read((Path(runs_dir) / budget).glob("*/result.json"))
    rows = []
    for cell in table.cells:
        own, others = (
            _of_cell(cell, table.budgets[budget], results, seeds)
            for results in (here, shipped)
        )
        is_shipped = runs_dir is not None and not own and bool(others)
        results, left_out = _on_the_same_data(_by_seed(cell, own or others))
        rows.append(Row(cell, results, is_shipped, left_out))
    return rows


def _read(paths):
    """The results that can be read, by their paths; the others are named."""
    results = {}
    for path in sorted(paths):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            print(f"Left out, as it is not valid JSON: {path} ({error})")
            continue
        # Others are searches, or the numbers behind a figure.
        if not isinstance(content, dict) or "recipe" not in content:
            continue
        missing = _NEEDED - content.keys()
        if missing:
            print(f"Left out, as it lacks {', '.join(sorted(missing))}: {path}")
            continue
        results[path] = content
    return results


def _of_cell(cell, budget, results, seeds):
    """Those of a cell, by their paths."""
    return {
        path: result
        for path, result in results.items()
        if _is_of(cell, budget, result) and (seeds is None or result["seed"] < seeds)
    }


def _by_seed(cell, results):
    """One result for each seed: of several that on the most data, and by its name."""
    found = {}
    for path, result in results.items():
        found.setdefault(result["seed"], []).append((path, result))
    chosen = []
    for seed in sorted(found):
        name = f"{cell.name}-seed{seed}"
        path, result = max(
            found[seed],
            key=lambda one, name=name: (
                _amount(one[1]),
                name in (one[0].stem, one[0].parent.name),
            ),
        )
        chosen.append(result)
        for other, _ in found[seed]:
            if other != path:
                print(f"Left out, as {path} is of the same network and seed: {other}")
    return chosen


def _on_the_same_data(results):
    """Those on all of the data set, or on most of it, and the others."""
    most = max(map(_amount, results), default=None)
    return (
        [result for result in results if _amount(result) == most],
        [result for result in results if _amount(result) != most],
    )


def _amount(result):
    """How much data a result is on, to be compared."""
    images = result["images"]
    return result["is_full_data"], images["train"], images["test"]


def _is_of(cell, budget, result):
    """Whether a result is of a cell: of that network, trained by that recipe."""
    settings = {**cell.settings, **budget.settings, **cell.key}
    recipe = settings.pop("config")
    settings.pop("test_passes", None)
    if not OVERRIDES.isdisjoint(settings):
        recipe += "-changed"
    config = result["config"]
    return result["recipe"] == recipe and all(
        _is_same(config.get(name), value)
        for name, value in settings.items()
        # A run of an earlier version may not say all, and a CNN has no localisation.
        if name in cell.key or config.get(name) is not None
    )


def _is_same(value, text):
    """Whether an entry of a config is what a command line or a table says."""
    if isinstance(value, bool) or isinstance(text, bool) or value is None:
        return value == text
    return float(value) == float(text) if _is_number(value) else value == text


def _is_number(value):
    return isinstance(value, int | float)
