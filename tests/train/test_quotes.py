import json
import re

import pytest

from train import quotes
from train.store import RESULT_FOLDER
from train.table import TABLE_FOLDER


@pytest.fixture
def stored(tmp_path):
    """One result of the cell `mnist-rotation-cnn`."""
    folder = tmp_path / "laptop"
    folder.mkdir()
    source = RESULT_FOLDER / "quick" / "mnist-rotation-cnn-seed0.json"
    result = {**json.loads(source.read_text()), "recipe": "laptop", "error": 1.5}
    (folder / "cnn.json").write_text(json.dumps(result))
    return tmp_path


def test_fills_in_tables_of_a_document(stored):
    text = "Before\n<!-- table: table1 laptop -->\nold\n<!-- end of table -->\nAfter\n"
    filled = quotes.quote_in_document(text, stored)
    assert filled.startswith("Before\n<!-- table: table1 laptop -->\n| task |")
    assert filled.endswith("<!-- end of table -->\nAfter\n")
    assert "| rotation | CNN | 1.71 | 1.50 | -0.21 | 1 | 208,586 |" in filled
    assert "old" not in filled
    assert quotes.quote_in_document(filled, stored) == filled


def test_fills_in_a_table_of_exports(stored):
    path = stored / "laptop" / "cnn.json"
    export = {"bytes": 1729610, "difference": 8.25e-7, "error": 2.7, "model_error": 2.8}
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "exports": {"onnx": export}})
    )
    text = "<!-- exports: laptop cnn -->\nold\n<!-- end of table -->\n"
    filled = quotes.quote_in_document(text, stored)
    assert "| `onnx` | 1.73 | 8e-07 | 2.70 % | 2.80 % |\n<!-- end" in filled
    assert "old" not in filled


def test_a_result_without_exports(stored):
    text = "<!-- exports: laptop cnn -->\nold\n<!-- end of table -->\n"
    with pytest.raises(ValueError, match=r"cnn.json has no exports"):
        quotes.quote_in_document(text, stored)


def test_fills_in_a_table_file(stored):
    text = (TABLE_FOLDER / "table1.toml").read_text()
    filled = quotes.quote_in_table("table1", text, stored)
    values = [line for line in filled.splitlines() if line.startswith("ours")]
    assert values == ['ours = "1.50"'] + 7 * ['ours = ""']
    before, after = (
        re.findall(r"^minutes_cpu = (\d+)$", one, re.MULTILINE)
        for one in (text, filled)
    )
    minutes = json.loads((stored / "laptop" / "cnn.json").read_text())["minutes"]
    assert after == [f"{minutes:.0f}", *before[1:]]


@pytest.mark.parametrize(
    "path", sorted(TABLE_FOLDER.glob("*.toml")), ids=lambda path: path.stem
)
def test_the_shipped_files_are_up_to_date(path):
    assert quotes.quote_in_table(path.stem, path.read_text()) == path.read_text()


@pytest.mark.parametrize("path", quotes.DOCUMENTS, ids=lambda path: path.parent.name)
def test_the_documents_are_up_to_date(path):
    text = path.read_text()
    assert "<!-- end of table -->" in text
    assert quotes.quote_in_document(text) == text


def test_command_line(tmp_path, monkeypatch, capsys):
    text = "<!-- table: table1 laptop -->\nold\n<!-- end of table -->\n"
    document, folder = tmp_path / "README.md", tmp_path / "tables"
    document.write_text(text)
    folder.mkdir()
    monkeypatch.setattr(quotes, "DOCUMENTS", [document])
    monkeypatch.setattr(quotes, "TABLE_FOLDER", folder)
    with pytest.raises(SystemExit):
        quotes.main(["--help"])
    assert document.read_text() == text
    assert "Write the results" in capsys.readouterr().out
    for word in ("written", "unchanged"):
        assert quotes.main([]) == 0
        assert f"README.md: {word}" in capsys.readouterr().out
    assert document.read_text() == quotes.quote_in_document(text)
