"""The paper's tables and figures, by one command.

python -m train.reproduce table1
"""

import argparse
import sys
from pathlib import Path

from train.matrix import Job, run_matrix
from train.options import positive_int
from train.report import as_json, as_markdown, as_text, collect
from train.run_directory import RunDirectory
from train.table import BUDGETS, read_table

TABLES = ("table1", "table2")
FIGURES = ("figure1", "figure2", "figure3")
# The cells of table 1 whose networks a figure shows, seed 0 of each.
_SHOWN = {
    "figure1": [],
    "figure2": [
        (task, variant)
        for task in ("rotation", "translation")
        for variant in ("stn_c1", "stn_sl1")
    ],
    "figure3": [("rotation", "stn_c1"), ("rotation", "stn_sl1")],
}


def make_parser():
    """Makes the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train.reproduce",
        description="Reproduce the paper's tables and figures. What has been run is "
        "not run again; what was interrupted goes on.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("what", nargs="+", choices=[*TABLES, *FIGURES, "all"], metavar="what")
    add(
        "--budget",
        choices=BUDGETS,
        default="laptop",
        help="smoke: seconds a run, to see that all works; laptop: minutes a run on a "
        "CPU; paper: the whole schedule, for an accelerator",
    )
    add("--seeds", type=positive_int, help="of each cell; default: the budget's")
    add("--jobs", type=positive_int, default=1, help="runs at a time")
    add("--report-only", action="store_true", help="run nothing")
    add("--data-dir", help="folder with the data; also: KERAS_STN_DATA")
    add("--svhn-data-dir", help="the same for house numbers, if they are elsewhere")
    add("--runs-dir", default="runs", help="folder for runs, tables and figures")
    parser.epilog = (
        f"what: {', '.join(TABLES)}, {', '.join(FIGURES)} or all. On a CPU, --jobs "
        "with the number of cores does the most in the same time."
    )
    return parser


def main(arguments=None):
    """Runs the script; returns the exit status."""
    options = make_parser().parse_args(arguments)
    wanted = [*TABLES, *FIGURES] if "all" in options.what else options.what
    jobs = {}
    for what in wanted:
        for job in _jobs(what, options):
            jobs[job.name] = job
    failed = []
    if not options.report_only:
        try:
            failed = run_matrix(list(jobs.values()), options.jobs)
        except KeyboardInterrupt:
            print("\nInterrupted. Repeat the command to go on.", file=sys.stderr)
            return 130
    try:
        for what in wanted:
            (_report if what in TABLES else _draw)(what, options)
    except (ValueError, OSError) as error:
        print(f"\nError: {error}", file=sys.stderr)
        return 2
    if failed:
        print(f"\n{len(failed)} runs failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _jobs(what, options):
    """The runs that a table or a figure needs."""
    table = read_table(what if what in TABLES else "table1")
    budget = table.budgets[options.budget]
    cells, seeds = table.cells, range(options.seeds or budget.seeds)
    if what in FIGURES:
        cells = [
            cell
            for cell in cells
            if (cell.key["task"], cell.key["variant"]) in _SHOWN[what]
        ]
        seeds = range(1)
    # All cells with one seed before the next seed: a whole table early.
    return [_job(cell, budget, seed, options) for seed in seeds for cell in cells]


def _job(cell, budget, seed, options):
    arguments = [cell.script, *cell.arguments, *budget.arguments, "--seed", str(seed)]
    data_dir = options.data_dir
    if cell.script == "train.svhn" and options.svhn_data_dir:
        data_dir = options.svhn_data_dir
    if data_dir:
        arguments += ["--data-dir", data_dir]
    name = f"{cell.name}-seed{seed}"
    path = Path(options.runs_dir) / options.budget / name
    return Job(name, tuple(arguments), path, cell.minutes * budget.time)


def _report(name, options):
    """Prints a table and writes it as text, Markdown and JSON."""
    table = read_table(name)
    rows = collect(table, options.budget, options.runs_dir, seeds=options.seeds)
    text = as_text(table, rows)
    print(f"\n{text}")
    folder = RunDirectory(Path(options.runs_dir) / options.budget)
    folder.path.mkdir(parents=True, exist_ok=True)
    for suffix, content in ((".txt", text), (".md", as_markdown(table, rows))):
        path = folder.path / f"{name}{suffix}"
        folder.write(path, lambda to, content=content: to.write_text(content, "utf-8"))
    folder.write_json(folder.path / f"{name}.json", as_json(table, rows))
    print(f"Written to {folder.path}: {name}.txt, {name}.md, {name}.json")


def _draw(name, options):
    """Draws a figure from the trained models."""
    raise NotImplementedError(name)


if __name__ == "__main__":
    sys.exit(main())
