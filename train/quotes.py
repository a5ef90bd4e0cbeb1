"""Writes our results to where they are quoted, from `train/results`.

    python -m train.quotes

That is the README's tables, between `<!-- table: <name> <budget> -->`, or `<!--
exports: <budget> <run> -->`, and `<!-- end of table -->`, and `ours` of each cell in
`train/tables`.
"""

import json
import re
from pathlib import Path

from train.report import as_markdown, collect, ours
from train.store import RESULT_FOLDER
from train.table import TABLE_FOLDER, read_table

README = Path(__file__).parent.parent / "README.md"
_TABLE = re.compile(
    r"(<!-- table: (\w+) (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL
)
_EXPORTS = re.compile(
    r"(<!-- exports: (\w+) (\S+) -->\n).*?(<!-- end of table -->)", re.DOTALL
)
_CELL = re.compile(r'(?<=\nours = ")[^"]*(?=")')


def quote_in_readme(text, stored=RESULT_FOLDER):
    """Fills in the tables of a README.

    Args:
        text: The README.
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
        exports = json.loads(path.read_text(encoding="utf-8"))["exports"]
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
    """Fills in `ours` in the text of `train/tables/<name>.toml`."""
    rows = iter(collect(read_table(name), "laptop", stored=stored))
    return _CELL.sub(lambda match: ours(next(rows)), text)


def main():
    """Rewrites the files that quote results."""
    README.write_text(quote_in_readme(README.read_text("utf-8")), "utf-8")
    for path in TABLE_FOLDER.glob("*.toml"):
        path.write_text(quote_in_table(path.stem, path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
