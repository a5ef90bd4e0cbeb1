import json

from tests.train.imitated_result import result
from train.report import as_json, as_markdown, as_text
from train.rows import collect
from train.table import read_table


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


def test_says_where_data_differ(folders, table):
    runs, stored, add = folders
    add(result("rotation", "cnn", 0, 1.3), "runs")
    add(result("rotation", "cnn", 1, 6.1, full=False), "runs")
    add(result("rotation", "stn_c1", 0, 5.0, full=False), "runs")
    notes = as_json(table, collect(table, "laptop", runs, stored))["notes"]
    assert (
        "Left out of rotation CNN, as the other seeds had more: seed 1, of 4,000 "
        "training and 1,000 test images." in notes
    )
    assert (
        "On rotation not all have the same number of training images: 60,000 (CNN), "
        "4,000 (STN-C1)." in notes
    )


def test_says_where_data_of_the_same_size_differ(folders, table):
    runs, stored, add = folders
    for seed, fingerprint in enumerate(["a", "b", None]):
        run = result("rotation", "cnn", seed, 1.3)
        if fingerprint:
            run |= {"data_fingerprint": fingerprint, "data": f"From {fingerprint}.npz."}
        add(run, "runs")
    notes = as_json(table, collect(table, "laptop", runs, stored))["notes"]
    assert (
        "Not all of the same data, or not in the same order: rotation CNN (From "
        "a.npz); rotation CNN (From b.npz)." in notes
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


def test_says_where_test_passes_differ(folders, table):
    runs, stored, add = folders
    add(result("rotation", "cnn", 0, 1.3), "runs")
    add(result("rotation", "cnn", 1, 1.4) | {"passes": [1.4]}, "runs")
    notes = as_json(table, collect(table, "laptop", runs, stored))["notes"]
    expected = (
        "On rotation not all have the same number of test passes: 10 (CNN), 1 (CNN)."
    )
    assert expected in notes
