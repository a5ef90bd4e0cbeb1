import json
import re

from tests.benchmarks import report


def test_results_say_where_they_are_from(tmp_path, monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "17")
    path = tmp_path / "results.json"
    report.write_json(path, {"rows": [1]})
    written = json.loads(path.read_text())
    assert written["rows"] == [1]
    assert written["machine"]["allocator"]["MALLOC_TRIM_THRESHOLD_"] == "17"
    assert written["commit"] is None or re.fullmatch(
        "[0-9a-f]{12}(-dirty)?", written["commit"]
    )


def test_of_memory_nothing_need_be_said(monkeypatch):
    monkeypatch.setattr(report.os, "environ", {})
    assert report.machine()["allocator"] is None


def test_without_git_the_commit_is_not_known(monkeypatch):
    def missing(*arguments, **options):
        raise FileNotFoundError("git")

    monkeypatch.setattr(report.subprocess, "run", missing)
    assert report.commit() is None
