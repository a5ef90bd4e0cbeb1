"""What the README, and those of the folders, claim is what one gets."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.benchmarks import tables

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    ROOT / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "tests/README.md",
        "train/README.md",
        "tests/benchmarks/README.md",
    )
]
RESULTS = {
    f"{path.parent.name}/{path.stem}": json.loads(path.read_text())
    for path in sorted((ROOT / "train" / "results").glob("*/*.json"))
    if path.parent.name != "figures"
}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_python_examples_run(tmp_path):
    """One after the other, as they build on each other."""
    examples = blocks("python")
    names = {}
    images = np.zeros((2, 28, 28, 1), "float32")
    for code in examples:
        exec(code, names)
        model = names["model"]
        assert model.predict(images, verbose=0).shape == (2, 10)
    first = examples[0]
    assert len([line for line in first.splitlines() if line.strip()]) <= 10
    assert keras.models.clone_model(model).count_params() == model.count_params()
    # The last one gives the localisation network a learning rate of its own.
    model.fit(images, np.zeros(2), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.fit(images, np.zeros(2), verbose=0)
    for one in (model, loaded):
        slow, fast = sorted(
            one.optimizer.optimizers,
            key=lambda optimizer: float(optimizer.learning_rate),
        )
        assert float(slow.learning_rate) == pytest.approx(1e-4)
        assert float(fast.learning_rate) == pytest.approx(1e-3)
        (transformer,) = [
            layer for layer in one.layers if layer.name.startswith("spatial_tr")
        ]
        weights = {id(weight) for weight in transformer.trainable_variables}
        assert {id(weight) for weight in slow._trainable_variables} == weights


@pytest.mark.parametrize("name", ["train", "test"])
def test_each_command_is_one_line(name):
    match = re.search(
        rf"<!-- command: {name} -->\n```bash\n(.*?)```", README, re.DOTALL
    )
    assert len(match[1].strip().splitlines()) == 1


def test_results_table_is_that_of_the_stored_runs():
    document = (ROOT / "train" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `(\w+)` \|([^|\n]+)\|([^|\n]+)\|([^|\n]+)\|", document, re.MULTILINE
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
    "table",
    [
        tables.sampler_table,
        tables.one_core_table,
        tables.jax_table,
        tables.kept_table,
        tables.jax_kept_table,
        tables.avx2_table,
        tables.training_table,
        tables.memory_table,
    ],
)
def test_tables_of_speed_are_the_stored_ones(table):
    assert any(table() in path.read_text(encoding="utf-8") for path in DOCUMENTS)


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


def anchors(path):
    """The headings of a document as GitHub makes links of them."""
    text = path.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)
def test_links_to_files_and_headings_work(path):
    for link in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        target, _, heading = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), link
        assert not heading or heading in anchors(found), link
