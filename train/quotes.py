"""Writes our results to where they are quoted, from `train/results`.

    python -m train.quotes

That is the tables of `README.md` and `train/README.md`, between `<!-- table: <name>
<budget> -->`, or `<!-- exports: <budget> <run> -->`, and `<!-- end of table -->`, and
`ours` and `minutes_cpu` of each cell in `train/tables`.
"""

import argparse
import json
import re
import sys
from pathlib import Path

from train.failures import exit_status
from train.report import as_markdown, ours
from train.rows import collect
from train.run_directory import RunDirectory
from train.store import RESULT_FOLDER
from train.table import TABLE_FOLDER, read_table

_TRAIN = Path(__file__).parent
DOCUMENTS = (_TRAIN.parent / "README.md", _TRAIN / "README.md")
_TABLE = re.compile(
    r"(<!-- table: (\w+) (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL
)
_EXPORTS = re.compile(
    r"(<!-- exports: (\w+) (\S+) -->\n).*?(<!-- end of table -->)", re.DOTALL
)
_OURS = re.compile(r'(?<=\nours = ")[^"]*(?=")')
_MINUTES = re.compile(r"(?<=\nminutes_cpu = )\S+")


def quote_in_document(text, stored=RESULT_FOLDER):
    """Fills in the tables of a document.

    Args:
        text: The document.
        stored: Folder of results as `train.store` writes them.

    Returns:
        The text with its tables made anew.
    """

    def fill(match):
        table = read_table(match[2])
        rows = collect(table, match[3], stored=stored)
        return f"{match[1]}{as_markdown(table, rows)}{match[4]}"

    def fill_exports(match):
        path = stored / match[2] / f"{match[3]}.json"
        exports = json.loads(path.read_text(encoding="utf-8")).get("exports")
        if exports is None:
            raise ValueError(
                f"{path} has no exports to make a table of. Export the run and store "
                "it again."
            )
        return f"{match[1]}{_exports_as_markdown(exports)}{match[4]}"

    return _EXPORTS.sub(fill_exports, _TABLE.sub(fill, text))


def _exports_as_markdown(exports):
    """A table of what `train.export.export` returned."""
    lines = [
        "| format | MB | largest difference | error | error of the model |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {export['bytes'] / 1e6:.2f} | {export['difference']:.0e} | "
        f"{export['error']:.2f} % | {export['model_error']:.2f} % |"
        for name, export in exports.items()
    ]
    return "\n".join([*lines, ""])


def quote_in_table(name, text, stored=RESULT_FOLDER):
    """Fills in what was measured in the text of `train/tables/<name>.toml`.

    Args:
        name: Name of the table.
        text: The file.
        stored: Folder of results as `train.store` writes them.

    Returns:
        The text with `ours` of each cell made anew, and `minutes_cpu` of those that
        have been run.
    """
    rows = collect(read_table(name), "laptop", stored=stored)
    errors, minutes = iter(rows), iter(rows)
    text = _OURS.sub(lambda _: ours(next(errors)), text)
    return _MINUTES.sub(lambda match: _minutes(next(minutes)) or match[0], text)


def _minutes(row):
    """Mean minutes of the runs behind a row; empty if there are none."""
    found = [result["minutes"] for result in row.results]
    return f"{sum(found) / len(found):.0f}" if found else ""


def main(arguments=None):
    """Rewrites the files that quote results; returns the exit status."""
    argparse.ArgumentParser(
        prog="python -m train.quotes",
        description="Write the results in train/results into the tables of README.md "
        "and train/README.md and into train/tables.",
    ).parse_args(arguments)

    def work():
        for path in DOCUMENTS:
            _rewrite(path, quote_in_document)
        for path in sorted(TABLE_FOLDER.glob("*.toml")):
            _rewrite(path, lambda text, name=path.stem: quote_in_table(name, text))

    return exit_status(work, "Repeat the command to write the rest.")


def _rewrite(path, quote):
    """Changes a file where that changes anything, and says so."""
    before = path.read_text("utf-8")
    after = quote(before)
    if after != before:
        RunDirectory(path.parent).write(
            path, lambda name: name.write_text(after, "utf-8")
        )
    print(f"{path}: {'unchanged' if after == before else 'written'}")


if __name__ == "__main__":
    sys.exit(main())
