"""What the README claims is what one gets."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.benchmarks import tables

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = {
    f"{path.parent.name}/{path.stem}": json.loads(path.read_text())
    for path in sorted((ROOT / "train" / "results").glob("*/*.json"))
    if path.parent.name != "figures"
}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_python_example_runs():
    (code,) = blocks("python")
    names = {}
    exec(code, names)
    model = names["model"]
    images = np.zeros((2, 28, 28, 1), "float32")
    assert model.predict(images, verbose=0).shape == (2, 10)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    assert keras.models.clone_model(model).count_params() == model.count_params()


@pytest.mark.parametrize("name", ["train", "test"])
def test_each_command_is_one_line(name):
    match = re.search(
        rf"<!-- command: {name} -->\n```bash\n(.*?)```", README, re.DOTALL
    )
    assert len(match[1].strip().splitlines()) == 1


def test_results_table_is_that_of_the_stored_runs():
    rows = re.findall(
        r"^\| `(\w+)` \|([^|\n]+)\|([^|\n]+)\|([^|\n]+)\|", README, re.MULTILINE
    )
    shown = {
        variant: tuple(cell.strip() for cell in cells)
        for variant, *cells in rows
        if f"quick/mnist-rotation-{variant}-seed0" in RESULTS
    }
    stored = {
        result["config"]["variant"]: (
            f"{result['error']:.2f} %",
            f"{result['minutes']:.1f}",
            f"{result['parameters']:,}",
        )
        for name, result in RESULTS.items()
        if name.startswith("quick/mnist-rotation-")
        and not result["config"].get("validation_split")
    }
    assert shown == stored
    assert set(shown) >= {"cnn", "stn_c0", "stn_c1", "stn_sl1"}


@pytest.mark.parametrize(
    "table", [tables.sampler_table, tables.training_table, tables.memory_table]
)
def test_tables_of_speed_are_the_stored_ones(table):
    assert table() in README


@pytest.mark.parametrize("name", RESULTS)
def test_stored_results_are_whole(name):
    result = RESULTS[name]
    assert f"{result['recipe']}/{result['name']}" == name
    is_svhn = result["config"]["dataset"] == "svhn"
    assert len(result["passes"]) == (1 if is_svhn else 10)
    assert result["error"] == pytest.approx(np.mean(result["passes"]))
    # Of SVHN there are results on a part of the data, and of choices on held-out
    # digits; they must say so.
    if result["config"].get("validation_split"):
        assert "NOT on the test images" in result["data"]
    else:
        assert result["is_full_data"] or (is_svhn and "NOT the full" in result["data"])
    # Nothing of the machine that it ran on but its kind.
    assert " /" not in result["data"]


def test_links_to_files_work():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
