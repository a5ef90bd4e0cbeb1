"""Executes the notebooks from start to end and keeps what they show.

python -m tests.notebooks            # all of them
python -m tests.notebooks 01 03      # those whose names start so
"""

import sys
from pathlib import Path

import nbclient
import nbformat

FOLDER = Path(__file__).parent.parent / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
# Seconds for one cell: a machine may be busy.
_PATIENCE = 1800


def execute(path):
    """Runs a notebook in a fresh process, in its own folder.

    Args:
        path: Its path.

    Returns:
        The notebook with its outputs, an `nbformat.NotebookNode`.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=_PATIENCE,
        resources={"metadata": {"path": str(path.parent)}},
        # So that nothing changes but the outputs.
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [x for x in cell.outputs if not _is_start_of_tensorflow(x)]
    return notebook


def _is_start_of_tensorflow(output):
    """Whether it is the log that TensorFlow 2.21 writes whatever one sets."""
    is_stderr = output.output_type == "stream" and output.name == "stderr"
    return is_stderr and "absl::InitializeLog()" in output.text


def main(arguments):
    """Executes and keeps the notebooks whose names start with an argument."""
    for path in PATHS:
        if not arguments or path.name.startswith(tuple(arguments)):
            nbformat.write(execute(path), path)
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
