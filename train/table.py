"""The paper's tables, and one of choices, as data: which runs they are made of."""

import shlex
import tomllib
from pathlib import Path
from typing import NamedTuple

TABLE_FOLDER = Path(__file__).parent / "tables"
BUDGETS = ("smoke", "laptop", "paper")


class Cell(NamedTuple):
    """One network on one task.

    Attributes:
        script: The training script, `"train.mnist"` or `"train.svhn"`.
        arguments: Its arguments, without recipe and seed.
        key: What tells its results from those of other cells, a part of their config.
        settings: What else the config of its results holds: the scripts' defaults, on
            which the command is silent.
        minutes: Expected minutes of one run on one CPU core with the budget "laptop".
        paper: The paper's error in per cent, or None.
        ours: What the table's file says of our error.
        choice: What is different from the first cell of the same network; None in the
            paper's tables.
    """

    script: str
    arguments: list
    key: dict
    settings: dict
    minutes: float
    paper: float | None
    ours: str
    choice: str | None = None

    @property
    def name(self):
        """A name for folders and the screen, such as `mnist-rotation-stn_c1`."""
        return "-".join(
            name if value is True else value for name, value in self.key.items()
        )

    @property
    def task_and_variant(self):
        """The task, or the data set that has only one, and the variant."""
        task = self.key.get("task", self.key["dataset"])
        return task, self.key["variant"]


class Budget(NamedTuple):
    """How much is spent on a table.

    Attributes:
        arguments: What is added to the arguments of each cell: the recipe.
        seeds: Number of seeds unless another is asked for.
        time: Minutes relative to those of the cells.
    """

    arguments: list
    seeds: int
    time: float

    @property
    def settings(self):
        """The arguments as a dict."""
        return parse_arguments(self.arguments)


class Order(NamedTuple):
    """An order of errors that the paper reports.

    Attributes:
        where: The part of their config that the cells have in common.
        variants: From the highest error down.
    """

    where: dict
    variants: list


class Table(NamedTuple):
    """One of the paper's tables, or that of choices.

    Attributes:
        name: `"table1"`, `"table2"` or `"choices"`.
        title: What it shows.
        cells: A list of `Cell`.
        budgets: A dict from names to `Budget`.
        orders: A list of `Order`.
    """

    name: str
    title: str
    cells: list
    budgets: dict
    orders: list


def read_table(name, folder=TABLE_FOLDER):
    """Reads `train/tables/<name>.toml`.

    Args:
        name: `"table1"`, `"table2"` or `"choices"`.
        folder: Where the file is.

    Returns:
        A `Table`.
    """
    content = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
    budgets = {
        budget: Budget(shlex.split(one["arguments"]), one["seeds"], one["time"])
        for budget, one in content["budgets"].items()
    }
    orders = [
        Order(order["where"], order["variants"]) for order in content.get("orders", [])
    ]
    cells = [make_cell(cell, content["settings"]) for cell in content["cells"]]
    return Table(name, content["title"], cells, budgets, orders)


def title_of(variant):
    """A variant as the paper writes it: "STN-SL1" for `stn_sl1`."""
    return variant.upper().replace("_", "-")


def parse_arguments(arguments):
    """Options of a command line as a dict: names to texts, or to True for a flag."""
    found = {}
    for argument in arguments:
        if argument.startswith("--"):
            name = argument.removeprefix("--").replace("-", "_")
            found[name] = True
        else:
            found[name] = argument
    return found


def make_cell(content, settings):
    """Makes a `Cell` of what a table's file says of it.

    Args:
        content: The entries of `[[cells]]`.
        settings: Those of `[settings]`; a dict among them has a value for each task.
    """
    _, _, script, *arguments = shlex.split(content["command"])
    key = {"dataset": script.removeprefix("train."), **parse_arguments(arguments)}
    # Some depend on the task.
    settings = {
        name: value[key["task"]] if isinstance(value, dict) else value
        for name, value in settings.items()
    }
    return Cell(
        script,
        arguments,
        key,
        settings,
        content["minutes_cpu"],
        content.get("paper"),
        content["ours"],
        content.get("choice"),
    )
