import json
import math

import pytest

from tests.train.imitated_result import result
from train.report import ours
from train.rows import collect
from train.table import make_cell


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


@pytest.mark.parametrize("damaged", ["3", "[]", '{"recipe": "laptop"}', "{"])
def test_damaged_results_stop_no_table(folders, table, damaged, capsys):
    runs, stored, add = folders
    add(result("rotation", "cnn", 0, 1.5), "runs")
    (runs / "laptop" / "damaged").mkdir(parents=True)
    (runs / "laptop" / "damaged" / "result.json").write_text(damaged)
    row, *_ = collect(table, "laptop", runs, stored)
    assert row.errors.tolist() == [1.5]
    is_named = "Left out" in capsys.readouterr().out
    assert is_named == damaged.startswith("{")


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


def test_results_on_fewer_images_are_left_out(folders, table):
    runs, stored, add = folders
    add(result("rotation", "cnn", 0, 1.3), "runs")
    add(result("rotation", "cnn", 1, 6.1, full=False), "runs")
    add(result("rotation", "stn_c1", 0, 5.0, full=False), "runs")
    rows = collect(table, "laptop", runs, stored)
    first = rows[0]
    assert first.errors.tolist() == [1.3]
    assert [one["seed"] for one in first.left_out] == [1]
    # Where there are no others they count.
    cells = {row.cell.name: row for row in rows}
    assert cells["mnist-rotation-stn_c1"].errors.tolist() == [5.0]
    assert cells["mnist-rotation-stn_c1"].left_out == []


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


def test_a_second_run_of_a_seed_is_named(folders, table, capsys):
    runs, stored, _ = folders

    def add(name, error, **options):
        path = runs / "laptop" / name / "result.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(result("rotation", "cnn", 0, error, **options)))

    def first_errors():
        return collect(table, "laptop", runs, stored)[0].errors.tolist()

    add("a-part", 9.9, full=False)
    assert first_errors() == [9.9]
    assert "Left out" not in capsys.readouterr().out
    # That on all data counts, and the one in the folder that the command names.
    add("an-old-one", 8.8)
    assert first_errors() == [8.8]
    add("mnist-rotation-cnn-seed0", 1.3)
    add("mnist-rotation-cnn-seed0-old", 7.7)
    capsys.readouterr()
    assert first_errors() == [1.3]
    printed = capsys.readouterr().out
    for name in ("a-part", "an-old-one", "mnist-rotation-cnn-seed0-old"):
        assert f"same network and seed: {runs / 'laptop' / name}" in printed
