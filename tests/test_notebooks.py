"""The notebooks run, and what is kept of them is fit to be read."""

import re
from pathlib import Path

import nbformat
import pytest

from tests.notebooks import FOLDER, PATHS, execute

ROOT = Path(__file__).parent.parent
LARGEST = 700_000  # bytes
# Where the machines of those who run notebooks keep their files.
LOCAL = re.compile(
    r"(?<![\w.:/~-])/(?:home|root|tmp|work|var|usr|opt|mnt|srv|private|Users)/"
    r"|[A-Z]:\\\\?Users"
    r"|file://|localhost"
)
# GitHub shows these; it shows no widget and drops most of HTML.
SHOWN = {"text/plain", "text/markdown", "image/png"}


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def problems(path):
    """What is wrong with a kept notebook, a list of strings."""
    found = []
    counts = [cell.execution_count for cell in code_cells(path)]
    if counts != list(range(1, len(counts) + 1)):
        found.append(f"not executed once, in order: {counts}")
    for cell in code_cells(path):
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"error: {output.ename}")
            elif output.output_type != "stream":
                kinds = set(output.data) - SHOWN
                found += [f"output of kind {kind}" for kind in sorted(kinds)]
            elif output.name == "stderr":
                found.append(f"on stderr: {output.text[:80]}")
    text = path.read_text(encoding="utf-8")
    found += [f"local path: {match}" for match in LOCAL.findall(text)]
    if len(text.encode()) > LARGEST:
        found.append(f"{len(text.encode()):,} bytes")
    return found


def test_there_are_four():
    assert [path.name[:3] for path in PATHS] == ["01_", "02_", "03_", "04_"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_kept_outputs(path):
    nbformat.validate(read(path))
    assert problems(path) == []
    assert any("image/png" in (o.get("data") or {}) for o in outputs(path))


def outputs(path):
    return [output for cell in code_cells(path) for output in cell.outputs]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_links_to_files_work(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#]+)\)", cell.source):
                assert target.startswith("http") or (FOLDER / target).exists(), target


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (nbformat.v4.new_output("error", ename="KeyError"), "error: KeyError"),
        (
            nbformat.v4.new_output("stream", name="stderr", text="Warning"),
            "on stderr: Warning",
        ),
        (
            nbformat.v4.new_output("stream", text="saved to /home/me/model.keras"),
            "local path: /home/",
        ),
        (
            nbformat.v4.new_output("display_data", {"text/html": "<b>bar</b>"}),
            "output of kind text/html",
        ),
        (nbformat.v4.new_output("stream", text="x" * LARGEST), "bytes"),
    ],
)
def test_problems_are_found(tmp_path, output, problem):
    path = tmp_path / "notebook.ipynb"
    cell = nbformat.v4.new_code_cell("1", execution_count=1, outputs=[output])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    (found,) = problems(path)
    assert problem in found


def test_cells_out_of_order_are_found(tmp_path):
    path = tmp_path / "notebook.ipynb"
    cells = [nbformat.v4.new_code_cell("1", execution_count=n) for n in (2, 1)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    assert problems(path) == ["not executed once, in order: [2, 1]"]


@pytest.mark.stress
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_runs_from_start_to_end(path):
    """Warnings are allowed here: there may be no data and no network."""
    assert code_cells(path)
    notebook = execute(path)
    assert all(cell.execution_count for cell in notebook.cells if "outputs" in cell)
