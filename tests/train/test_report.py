import json
import math

import pytest

from train.report import as_json, as_markdown, as_text, collect, ours
from train.table import make_cell, read_table


def result(task, variant, seed, error, recipe="laptop", full=True, **config):
    return {
        "error": error,
        "seed": seed,
        "recipe": recipe,
        "config": {
            "dataset": "mnist",
            "task": task,
            "variant": variant,
            "seed": seed,
            **config,
        },
        "parameters": 1234,
        "minutes": 3.25,
        "epochs": 24,
        "data": "MNIST." if full else "NOT the full MNIST, from /home/me/data/x.npz.",
        "is_full_data": full,
        "device": "CPU, 2 cores",
        "versions": {"backend": "tensorflow", "tensorflow": "2.21.0"},
    }


@pytest.fixture
def folders(tmp_path):
    """A folder of runs and one of stored results, and a function that adds to them."""
    runs, stored = tmp_path / "runs", tmp_path / "stored"

    def add(content, to):
        name = "-".join(map(str, content["config"].values()))
        folder = (runs if to == "runs" else stored) / content["recipe"]
        path = (
            folder / name / "result.json" if to == "runs" else folder / f"{name}.json"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    return runs, stored, add


@pytest.fixture
def table():
    return read_table("table1")


def test_collects_seeds_of_a_recipe(folders, table):
    runs, stored, add = folders
    add(result("rotation", "cnn", 0, 1.5), "runs")
    add(result("rotation", "cnn", 1, 1.7), "runs")
    add(result("rotation", "cnn", 2, 9.9, recipe="quick"), "runs")
    add(result("rotation", "cnn", 3, 9.9), "stored")
    add(result("rotation", "stn_c1", 0, 1.2), "stored")
    add(result("rotation", "stn_c1", 0, 1.3), "runs")
    rows = {row.cell.name: row for row in collect(table, "laptop", runs, stored)}
    cnn = rows["mnist-rotation-cnn"]
    assert cnn.mean == pytest.approx(1.6)
    # The standard deviation of two numbers is their distance over the root of 2.
    assert cnn.standard_error == pytest.approx(0.2 / math.sqrt(2) / math.sqrt(2))
    assert ours(cnn) == "1.60 ± 0.10"
    assert ours(rows["mnist-translation-cnn"]) == ""
    (only, *_) = collect(table, "laptop", runs, stored, seeds=1)
    assert only.errors.tolist() == [1.5]
    # The runs at hand count, and stored ones are not mixed with them.
    assert ours(rows["mnist-rotation-stn_c1"]) == "1.30"
    assert not rows["mnist-rotation-stn_c1"].is_shipped


def test_says_what_was_not_run_here(folders, table):
    runs, stored, add = folders
    add(result("rotation", "cnn", 0, 1.5), "stored")
    add(result("rotation", "stn_c1", 0, 1.3), "runs")
    rows = collect(table, "laptop", runs, stored)
    text = as_text(table, rows)
    assert "From train/results, not run here: rotation CNN." in text
    assert [row["is_shipped"] for row in as_json(table, rows)["rows"]][:3] == [
        True,
        False,
        False,
    ]
    # All of it is, where nobody asked for runs.
    assert "not run here" not in as_text(table, collect(table, "laptop", None, stored))


@pytest.mark.parametrize(
    "other",
    [
        {"localization": "fcn"},
        {"transform": "rotation"},
        {"fill_mode": "constant"},
        {"batch_norm": True},
        {"mixed_precision": "float16"},
        {"validation_split": 0.15},
    ],
)
def test_other_networks_are_left_out(folders, table, other):
    runs, stored, add = folders
    usual = {
        "localization": "cnn-m",
        "transform": "affine",
        "fill_mode": "nearest",
        "batch_norm": False,
        "mixed_precision": "none",
        "validation_split": 0.0,
    }
    add(result("rotation", "stn_c0", 0, 0.8, **usual), "runs")
    add(result("rotation", "stn_c0", 1, 9.9, **{**usual, **other}), "runs")
    rows = {row.cell.name: row for row in collect(table, "laptop", runs, stored)}
    assert rows["mnist-rotation-stn_c0"].errors.tolist() == [0.8]


def test_a_cell_may_change_the_recipe_and_have_flags(folders, table):
    _, stored, add = folders
    content = {
        "command": "python -m train.mnist --task rotation --variant cnn --batch-norm "
        "--learning-rate 5e-4",
        "minutes_cpu": 1,
        "ours": "",
    }
    cell = make_cell(content, {"fill_mode": "nearest"})
    assert cell.name == "mnist-rotation-cnn-batch_norm-5e-4"
    table = table._replace(cells=[cell], orders=[])
    for seed, rate in ((0, 0.0005), (1, 0.002)):
        changed = {"learning_rate": rate, "batch_norm": True}
        recipe = "laptop-changed"
        add(result("rotation", "cnn", seed, 1.5, recipe, **changed), "stored")
    (row,) = collect(table, "laptop", None, stored)
    assert [one["seed"] for one in row.results] == [0]


def test_damaged_results_are_named(folders, table, capsys):
    runs, stored, add = folders
    add(result("rotation", "cnn", 0, 1.5), "runs")
    broken = runs / "laptop" / "broken" / "result.json"
    broken.parent.mkdir()
    broken.write_text("")
    assert collect(table, "laptop", runs, stored)[0].errors.tolist() == [1.5]
    assert str(broken) in capsys.readouterr().out


def test_text_markdown_and_json(folders, table):
    runs, stored, add = folders
    errors = {"cnn": 1.9, "stn_c1": 1.4, "stn_c0": 1.1, "stn_sl1": 1.2}
    for variant, error in errors.items():
        for seed in (0, 1):
            add(result("rotation", variant, seed, error + seed * 0.02), "runs")
    add(result("translation", "cnn", 0, 2.0, full=False), "runs")
    rows = collect(table, "laptop", runs, stored)
    text = as_text(table, rows)
    assert "rotation     CNN       1.71  1.91 ± 0.01       +0.20      2" in text
    assert "2 of 3 steps have the paper's sign, 2 by more than two standard" in text
    assert "translation: not all of it has been run." in text
    assert "NOT the full MNIST, from data/x.npz." in text
    markdown = as_markdown(table, rows)
    assert "| rotation | STN-SL1 | 0.98 | 1.21 ± 0.01 | +0.23 | 2 |" in markdown
    content = as_json(table, rows)
    assert json.loads(json.dumps(content)) == json.loads(
        json.dumps(content, allow_nan=False)
    )
    first = content["rows"][0]
    assert first["errors"] == {0: 1.9, 1: 1.92}
    assert (first["paper"], first["ours"]) == (1.71, 1.91)
    assert content["rows"][-1]["ours"] is None


def test_says_where_recipes_differ(folders, table):
    runs, stored, add = folders
    for task, variant, seed, rate in (
        ("rotation", "cnn", 0, 0.002),
        ("translation", "cnn", 0, 0.001),
        ("translation", "cnn", 1, 0.002),
        ("translation", "stn_c0", 0, 0.001),
    ):
        run = result(task, variant, seed, 1.0)
        run["config"]["learning_rate"] = rate
        add(run, "runs")
    (line,) = [
        line
        for line in as_json(table, collect(table, "laptop", runs, stored))["notes"]
        if "same" in line
    ]
    assert line == (
        "On translation not all have the same learning_rate: 0.001 (CNN, STN-C0), "
        "0.002 (CNN)."
    )


def test_choices_are_compared_with_the_first_of_their_network(folders):
    runs, stored, add = folders
    table = read_table("choices")
    base = {"localization": "cnn-m", "fill_mode": "nearest", "transform": "affine"}
    for fill_mode, split, error in (
        ("nearest", 0.15, 1.5),
        ("constant", 0.15, 1.75),
        ("nearest", 0.0, 9.9),  # On test digits: another thing.
    ):
        run = result("rotation", "stn_sl1", 0, error, recipe="quick")
        run["config"] |= {**base, "fill_mode": fill_mode, "validation_split": split}
        add(run, "stored")
    text = as_text(table, collect(table, "laptop", runs, stored))
    assert "network  choice                    ours  difference  seeds" in text
    assert "STN-SL1  as in Table 1             1.50                  1" in text
    assert "STN-SL1  zeros beyond the edges    1.75       +0.25      1" in text


def test_nothing_run_yet(folders, table):
    runs, stored, _ = folders
    rows = collect(table, "paper", runs, stored)
    assert "No results yet." in as_text(table, rows)
    assert as_json(table, rows)["rows"][0]["errors"] == {}
