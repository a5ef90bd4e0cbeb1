"""Programs here have no examples to run, and most need PyTorch, which is optional."""

from pathlib import Path

collect_ignore = [
    path.name
    for path in Path(__file__).parent.glob("[!_]*.py")
    if not path.name.startswith("test_")
]
