import pytest

from train.report import ours
from train.reproduce import TABLES
from train.rows import collect
from train.table import BUDGETS, read_table, title_of


@pytest.mark.parametrize("name", TABLES)
def test_shipped_tables(name):
    table = read_table(name)
    assert set(table.budgets) == set(BUDGETS)
    assert len({cell.name for cell in table.cells}) == len(table.cells)
    for order in table.orders:
        known = {
            cell.key["variant"]
            for cell in table.cells
            if order.where.items() <= cell.key.items()
        }
        assert set(order.variants) <= known


def test_numbers_of_the_paper():
    paper = {cell.name: cell.paper for cell in read_table("table1").cells}
    assert paper == {
        "mnist-rotation-cnn": 1.71,
        "mnist-rotation-stn_c0": 1.08,
        "mnist-rotation-stn_c1": 1.32,
        "mnist-rotation-stn_sl1": 0.98,
        "mnist-translation-cnn": 1.72,
        "mnist-translation-stn_c0": 1.08,
        "mnist-translation-stn_c1": 1.15,
        "mnist-translation-stn_sl1": 1.10,
    }
    paper = {cell.name: cell.paper for cell in read_table("table2").cells}
    assert paper == {
        "svhn-cnn": None,
        "svhn-stn_c0": 3.81,
        "svhn-stn_c3": 3.70,
        "svhn-stn_sl3": 3.54,
        "svhn-stn_c6": 3.91,
        "svhn-stn_sl6": 3.29,
        "svhn-stn_c8": 4.00,
        "svhn-stn_sl8": 3.27,
    }


@pytest.mark.parametrize("name", TABLES)
def test_our_numbers_are_those_of_the_stored_runs(name):
    table = read_table(name)
    for row in collect(table, "laptop"):
        assert row.cell.ours == ours(row), row.cell.name


def test_a_cell_is_what_its_command_says():
    cell = read_table("table1").cells[0]
    assert cell.script == "train.mnist"
    assert cell.arguments == ["--task", "rotation", "--variant", "cnn"]
    assert cell.key == {"dataset": "mnist", "task": "rotation", "variant": "cnn"}


def test_a_choice_differs_from_the_first_of_its_network_in_one_thing():
    cells = read_table("choices").cells
    for cell in cells:
        first = next(one for one in cells if one.key["variant"] == cell.key["variant"])
        changed = [name for name in cell.key if cell.key[name] != first.key[name]]
        assert len(changed) == (cell is not first), cell.name
        assert cell.key["validation_split"] == "0.15"


@pytest.mark.parametrize(
    ("variant", "name"),
    [("cnn", "CNN"), ("stn_c0", "STN-C0"), ("stn_sl8", "STN-SL8")],
)
def test_names_of_networks(variant, name):
    assert title_of(variant) == name
