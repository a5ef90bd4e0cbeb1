"""Imports point inwards only, and nothing private crosses a file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# What each part of the package may import from.
ALLOWED = {
    "version": set(),
    "backend": set(),
    "ops": {"backend"},
    "transforms": {"ops"},
    "layers": {"ops", "transforms"},
    "models": {"ops", "transforms", "layers"},
    "datasets": {"backend", "ops"},
    "metrics": set(),
    "analysis": {"backend", "ops", "transforms", "layers", "models"},
    "callbacks": {"ops", "transforms", "layers", "models"},
    "plotting": {"ops", "transforms", "layers", "models", "analysis"},
    "tuning": {"ops", "transforms", "layers", "models"},
}
FILES = sorted((ROOT / "keras_stn").rglob("*.py")) + sorted(
    (ROOT / "train").rglob("*.py")
)


def imports(path):
    """Yields (module, name) of each import in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from ((node.module, alias.name) for alias in node.names)


def part_of(module, name):
    """The part of keras_stn that an import is from, if it is of keras_stn."""
    names = [*module.split("."), *([name] if name else [])]
    return names[1] if names[0] == "keras_stn" and len(names) > 1 else None


def test_the_parts_are_all_there():
    parts = {
        path.relative_to(ROOT / "keras_stn").parts[0].removesuffix(".py")
        for path in FILES
        if path.is_relative_to(ROOT / "keras_stn")
    }
    assert parts == {*ALLOWED, "__init__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports(path):
    of_package = path.is_relative_to(ROOT / "keras_stn")
    for module, name in imports(path):
        assert not (name or "").startswith("_") or name == "__version__", name
        assert not any(part.startswith("_") for part in module.split("."))
        if of_package:
            assert module.split(".")[0] not in {"train", "tests"}
            own = path.relative_to(ROOT / "keras_stn").parts[0].removesuffix(".py")
            part = part_of(module, name)
            if own != "__init__" and part is not None:
                assert part in ALLOWED[own] | {own}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_backends_are_named_in_one_place_of_the_package(path):
    roots = {module.split(".")[0] for module, _ in imports(path)}
    may = {"train/platform.py", "train/experiment.py"}
    may |= {"train/strategy.py", "train/workers.py", "train/export_formats.py"}
    # TensorFlow Datasets decides by itself whether it finds TensorFlow.
    may |= {"keras_stn/datasets/mnist_tensorflow_datasets.py"}
    may |= {"keras_stn/datasets/sources.py"}
    # For TensorFlow by its name, whatever the backend.
    may |= {"keras_stn/datasets/tf_data.py"}
    relative = path.relative_to(ROOT)
    if str(relative) not in may and relative.parts[:2] != ("keras_stn", "backend"):
        assert not roots & {"tensorflow", "jax", "torch"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_keras_tuner_is_needed_for_searches_only(path):
    may = {"keras_stn/tuning/hypermodel.py", "train/tuners.py"}
    if str(path.relative_to(ROOT)) not in may:
        assert "keras_tuner" not in {
            module.split(".")[0] for module, _ in imports(path)
        }
