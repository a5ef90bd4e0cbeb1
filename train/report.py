"""The paper's errors beside ours, as text, Markdown and JSON."""

import itertools

import numpy as np

from train.options import CONFIG_ENTRIES
from train.store import without_paths
from train.table import title_of

# What is named beside the entries of a recipe where it is not the same for all.
_OF_RESULTS = {
    "number of training images": lambda result: f"{result['images']['train']:,}",
    "number of test passes": lambda result: len(result["passes"]),
}
# Columns of words, to be aligned on the left.
_WORDS = ("task", "network", "choice")


def as_text(table, rows):
    """The table for the screen, with its notes."""
    names = _headings(table)
    lines = [_cells_of(row, rows, names) for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *lines, strict=True)]

    def line(cells):
        aligned = [
            cell.ljust(width) if name in _WORDS else cell.rjust(width)
            for name, cell, width in zip(names, cells, widths, strict=True)
        ]
        return "  ".join(aligned).rstrip()

    shown = [line(names), *map(line, lines)]
    return "\n".join([table.title, "", *shown, "", *notes(table, rows)]) + "\n"


def as_markdown(table, rows):
    """The table for a document, with its notes."""
    names = _headings(table)
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    lines += ["| " + " | ".join(_cells_of(row, rows, names)) + " |" for row in rows]
    return "\n".join([*lines, "", *[f"- {note}" for note in notes(table, rows)]]) + "\n"


def as_json(table, rows):
    """The table as data."""
    return {
        "title": table.title,
        "rows": [
            {
                **row.cell.key,
                "paper": row.cell.paper,
                "ours": _number(row.mean),
                "standard_error": _number(row.standard_error),
                "errors": {result["seed"]: result["error"] for result in row.results},
                "is_shipped": row.is_shipped,
            }
            for row in rows
        ],
        "notes": notes(table, rows),
    }


def ours(row):
    """Mean and standard error in one string, such as `1.32 ± 0.02`."""
    if not row.results:
        return ""
    if len(row.results) == 1:
        return f"{row.mean:.2f}"
    return f"{row.mean:.2f} ± {row.standard_error:.2f}"


def notes(table, rows):
    """What has to be said below the table, a list of sentences."""
    results = [result for row in rows for result in row.results]
    if not results:
        return ["No results yet."]
    lines = [
        "Mean and standard error over seeds; with one seed there is no standard error.",
        "Run on: "
        + "; ".join(
            sorted(
                {
                    f"{result['device']}, {result['versions']['backend']} "
                    f"{result['versions'][result['versions']['backend']]}, "
                    f"{result['epochs']} epochs"
                    for result in results
                }
            )
        )
        + ". Minutes are those of one run's training.",
    ]
    lines += sorted(
        {without_paths(one["data"]) for one in results if not one["is_full_data"]}
    )
    lines += [
        f"Left out of {_name_of(row)}, as the other seeds had more: seed "
        f"{one['seed']}, of {one['images']['train']:,} training and "
        f"{one['images']['test']:,} test images."
        for row in rows
        for one in row.left_out
    ]
    lines += _mixed_recipes(rows) + _mixed_data(rows)
    shipped = [_name_of(row) for row in rows if row.is_shipped]
    if shipped:
        lines.append(f"From train/results, not run here: {', '.join(shipped)}.")
    return lines + [line for order in table.orders for line in _verdict(order, rows)]


def _name_of(row):
    task, network = row.cell.key.get("task"), title_of(row.cell.key["variant"])
    words = [*([task] if task else []), network]
    return " ".join([*words, *([row.cell.choice] if row.cell.choice else [])])


def _mixed_recipes(rows):
    """Says where networks or seeds of a task were not trained in the same way."""
    lines = []
    for task in dict.fromkeys(row.cell.key.get("task") for row in rows):
        for entry in (*CONFIG_ENTRIES, *_OF_RESULTS):
            networks = {}
            for row in rows:
                if row.cell.key.get("task") == task:
                    for result in row.results:
                        network = title_of(row.cell.key["variant"])
                        value = result["config"].get(entry)
                        if entry in _OF_RESULTS:
                            value = _OF_RESULTS[entry](result)
                        values = networks.setdefault(value, [])
                        values += [network] if network not in values else []
            if len(networks) > 1:
                where = f"On {task} not" if task else "Not"
                groups = ", ".join(
                    f"{value} ({', '.join(names)})" for value, names in networks.items()
                )
                lines.append(f"{where} all have the same {entry}: {groups}.")
    return lines


def _mixed_data(rows):
    """Says where results are of different data; older ones do not know theirs."""
    networks = {}
    for row in rows:
        for result in row.results:
            if "data_fingerprint" in result:
                names = networks.setdefault(result["data_fingerprint"], {})
                names[_name_of(row)] = without_paths(result["data"])
    if len(networks) < 2:
        return []
    groups = "; ".join(
        f"{', '.join(names)} ({next(iter(names.values())).rstrip('.')})"
        for names in networks.values()
    )
    return [f"Not all of the same data, or not in the same order: {groups}."]


def _headings(table):
    first = table.cells[0]
    results = ("ours", "difference", "seeds", "parameters", "minutes")
    if first.choice is not None:
        return ("network", "choice", *results)
    return (*(["task"] if "task" in first.key else []), "network", "paper", *results)


def _cells_of(row, rows, names):
    cell, results = row.cell, row.results
    reference = cell.paper
    if cell.choice is not None:
        reference = _first_of_network(row, rows)
    difference = "" if reference is None else f"{row.mean - reference:+z.2f}"
    cells = {
        "task": cell.key.get("task"),
        "network": title_of(cell.key["variant"]),
        "choice": cell.choice,
        "paper": "" if cell.paper is None else f"{cell.paper:.2f}",
        "ours": ours(row),
        "difference": difference if results else "",
        "seeds": str(len(results)),
        "parameters": f"{results[0]['parameters']:,}" if results else "",
        "minutes": f"{np.mean([r['minutes'] for r in results]):.1f}" if results else "",
    }
    return [cells[name] for name in names]


def _first_of_network(row, rows):
    """The error that other choices for the same network are compared with."""
    variant = row.cell.key["variant"]
    first = next(other for other in rows if other.cell.key["variant"] == variant)
    return None if first is row or not first.results else first.mean


def _verdict(order, rows):
    """Says whether an order of the paper's shows in our means."""
    chosen = {
        row.cell.key["variant"]: row
        for row in rows
        if order.where.items() <= row.cell.key.items()
    }
    chain = [chosen[variant] for variant in order.variants]
    where = "".join(f" on {value}" for value in order.where.values())
    text = " > ".join(title_of(variant) for variant in order.variants) + where
    if not all(row.results for row in chain):
        return [f"The paper's order {text}: not all of it has been run."]
    steps = [
        (
            higher.mean - lower.mean,
            np.hypot(higher.standard_error, lower.standard_error),
        )
        for higher, lower in itertools.pairwise(chain)
    ]
    shows = sum(step > 0 for step, _ in steps)
    verdict = f"{shows} of {len(steps)} steps have the paper's sign"
    if np.all(np.isfinite([error for _, error in steps])):
        clear = sum(step > 2 * error for step, error in steps)
        verdict += f", {clear} by more than two standard errors"
    return [f"The paper's order {text}: {verdict}."]


def _number(value):
    return None if np.isnan(value) else round(value, 4)
