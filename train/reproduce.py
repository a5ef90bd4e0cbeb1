"""The paper's tables and figures, by one command.

python -m train.reproduce table1
"""

import argparse
import sys
from pathlib import Path

from train.failures import exit_status
from train.matrix import Job, run_matrix
from train.options import positive_int
from train.report import as_json, as_markdown, as_text
from train.rows import collect
from train.run_directory import RunDirectory
from train.table import BUDGETS, read_table

PAPER_TABLES = ("table1", "table2")
TABLES = (*PAPER_TABLES, "choices")
_WITH_TRANSFORMER = [
    f"mnist-{task}-{variant}"
    for task in ("rotation", "translation")
    for variant in ("stn_c1", "stn_sl1")
]
# The cells of the tables of whose networks a figure shows the first seed.
FIGURES = {
    "figure1": [],
    "figure2": _WITH_TRANSFORMER,
    "figure3": _WITH_TRANSFORMER,
    "gap_by_depth": ["mnist-rotation-cnn"],
    "theta_over_training": _WITH_TRANSFORMER,
    "house_numbers": [
        f"svhn-stn_{kind}" for kind in ("c0", "c3", "c6", "c8", "sl3", "sl6", "sl8")
    ],
}


def make_parser():
    """Makes the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train.reproduce",
        description="Reproduce the paper's tables and figures. What has been run is "
        "not run again; what was interrupted goes on.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        epilog=f"what: {', '.join([*TABLES, *FIGURES])} or all, which is all of the "
        "paper. On a CPU, --jobs with the number of cores does the most in the same "
        "time.",
    )
    add = parser.add_argument
    add("what", nargs="+", choices=[*TABLES, *FIGURES, "all"], metavar="what")
    add(
        "--budget",
        choices=BUDGETS,
        default="laptop",
        help="smoke: about a minute a run, to see that all works; laptop: minutes to "
        "hours a run on a CPU; paper: the whole schedule, for an accelerator",
    )
    add("--seeds", type=positive_int, help="of each cell; default: the budget's")
    add(
        "--only",
        help="of the tables, run the cells with this in their name alone: rotation; "
        "figures run what they show all the same",
    )
    add("--jobs", type=positive_int, default=1, help="runs at a time")
    add("--report-only", action="store_true", help="run nothing")
    add("--data-dir", help="folder with the data; also: KERAS_STN_DATA")
    add("--svhn-data-dir", help="the same for house numbers, if they are elsewhere")
    add("--runs-dir", default="runs", help="folder for runs, tables and figures")
    return parser


def main(arguments=None):
    """Runs the script.

    Args:
        arguments: Instead of the command line's.

    Returns:
        The exit status: 0, 1 if a run, a table or a figure failed, 2 if something
        asked for cannot be done, 130 if interrupted.
    """
    options = make_parser().parse_args(arguments)
    wanted = [*PAPER_TABLES, *FIGURES] if "all" in options.what else options.what

    def work():
        if Path(options.runs_dir).is_file():
            raise ValueError(
                f"--runs-dir must be a folder. Received a file: {options.runs_dir}"
            )
        _check_only(options.only, [what for what in wanted if what in TABLES])
        failed = []
        if not options.report_only:
            jobs = {job.name: job for what in wanted for job in _jobs(what, options)}
            failed = run_matrix(list(jobs.values()), options.jobs)
        for what in wanted:
            try:
                (_report if what in TABLES else _draw)(what, options)
            except (ValueError, OSError) as error:
                # The others may do.
                print(f"\n{what} was not made: {error}", file=sys.stderr)
                failed.append(what)
        if failed:
            print(f"\nFailed: {', '.join(failed)}", file=sys.stderr)
        return 1 if failed else 0

    return exit_status(work, "Repeat the command to go on.")


def _check_only(only, tables):
    """Raises if `--only` chooses no cell of the tables that are wanted."""
    if only is None:
        return
    names = [cell.name for table in tables for cell in read_table(table).cells]
    if not any(only in name for name in names):
        cells = ", ".join(names) or "none, as no table is asked for"
        raise ValueError(
            "--only must be a part of the name of a cell of the tables. Expected one "
            f"of: {cells}. Received: {only!r}"
        )


def _jobs(what, options):
    """The runs that a table or a figure needs."""
    if what in FIGURES:
        return list(_jobs_of_figure(what, options).values())
    table = read_table(what)
    seeds = range(options.seeds or table.budgets[options.budget].seeds)
    cells = [cell for cell in table.cells if (options.only or "") in cell.name]
    # All cells with one seed before the next seed: a whole table early.
    return [_job(table, cell, seed, options) for seed in seeds for cell in cells]


def _jobs_of_figure(name, options):
    """A dict from task (or data set) and variant to the run."""
    jobs = {}
    for table in map(read_table, PAPER_TABLES):
        for cell in table.cells:
            if cell.name in FIGURES[name]:
                jobs[cell.task_and_variant] = _job(table, cell, 0, options)
    return jobs


def _job(table, cell, seed, options):
    budget = table.budgets[options.budget]
    arguments = [cell.script, *cell.arguments, *budget.arguments, "--seed", str(seed)]
    data_dir = options.data_dir
    if cell.script == "train.svhn" and options.svhn_data_dir:
        data_dir = options.svhn_data_dir
    if data_dir:
        arguments += ["--data-dir", data_dir]
    name = f"{cell.name}-seed{seed}"
    path = _folder(options).path / name
    return Job(name, tuple(arguments), path, cell.minutes * budget.time)


def _folder(options):
    return RunDirectory(Path(options.runs_dir) / options.budget)


def _report(name, options):
    """Prints a table and writes it as text, Markdown and JSON."""
    table = read_table(name)
    rows = collect(table, options.budget, options.runs_dir, seeds=options.seeds)
    text = as_text(table, rows)
    print(f"\n{text}")
    folder = _folder(options)
    folder.path.mkdir(parents=True, exist_ok=True)
    for suffix, content in ((".txt", text), (".md", as_markdown(table, rows))):
        path = folder.path / f"{name}{suffix}"
        folder.write(path, lambda to, content=content: to.write_text(content, "utf-8"))
    folder.write_json(folder.path / f"{name}.json", as_json(table, rows))
    print(f"Written to {folder.path}: {name}.txt, {name}.md, {name}.json")


def _draw(name, options):
    """Draws a figure from the trained networks; writes the numbers behind it too."""
    jobs = _jobs_of_figure(name, options)
    missing = [job.name for job in jobs.values() if not _has_what_it_shows(name, job)]
    if missing:
        notice = (
            f"{name} lacks runs that are not finished, or whose files are missing: "
            f"{', '.join(missing)}."
        )
        if len(missing) == len(jobs):
            cure = " Repeat the command without --report-only."
            raise ValueError(notice + (cure if options.report_only else ""))
        print(notice)
        jobs = {key: job for key, job in jobs.items() if _has_what_it_shows(name, job)}
    folder = _folder(options)
    path = folder.path / f"{name}.png"
    numbers = _draw_from(name, jobs, path, options)
    folder.write_json(path.with_suffix(".json"), numbers)
    print(f"Written to {folder.path}: {path.name}, {path.stem}.json")


def _has_what_it_shows(name, job):
    """Whether the run behind a part of a figure is finished and has its file still."""
    directory = job.directory
    is_curve = name == "theta_over_training"
    file = directory.history if is_curve else directory.model
    return job.is_finished and file.exists()


def _draw_from(name, jobs, path, options):
    # Here, as a table is made without them.
    from keras_stn.datasets import load_mnist
    from train import figures
    from train.loading import load_model

    draw = getattr(figures, name)
    if name == "figure1":
        return draw(path)
    if name == "theta_over_training":
        return draw(
            {
                key: job.directory.read_json(job.directory.history, list)
                for key, job in jobs.items()
            },
            path,
        )
    models = {key: load_model(job.directory.model) for key, job in jobs.items()}
    if name == "house_numbers":
        return draw(models, path)
    few = {"figure3": {"passes": 1}, "gap_by_depth": {"images": 8, "steps": 10}}
    effort = few.get(name, {}) if options.budget == "smoke" else {}
    return draw(models, load_mnist(options.data_dir), path, **effort)


if __name__ == "__main__":
    sys.exit(main())
