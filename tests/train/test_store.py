import json

import pytest

from train.store import main, store


def make_run(folder, data, dataset="mnist"):
    folder.mkdir()
    result = {
        "name": f"{dataset}-rotation-cnn-seed0",
        "error": 2.5,
        "passes": [2.5],
        "recipe": "quick",
        "data": data,
        "config": {"dataset": dataset},
    }
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "alignment.png").write_bytes(b"picture")
    return folder


@pytest.mark.parametrize(
    ("data", "stored"),
    [
        ("MNIST, from /home/me/data/mnist.npz.", "MNIST, from data/mnist.npz."),
        (
            "files in /a/downloads/manual, prepared in /b/c/mnist/3.0.1.",
            "files in downloads/manual, prepared in mnist/3.0.1.",
        ),
        ("MNIST, downloaded.", "MNIST, downloaded."),
    ],
)
def test_stores_without_paths(tmp_path, data, stored):
    path = store(make_run(tmp_path / "run", data), tmp_path / "results")
    assert path == tmp_path / "results" / "quick" / "mnist-rotation-cnn-seed0.json"
    assert json.loads(path.read_text())["data"] == stored
    assert path.with_suffix(".png").read_bytes() == b"picture"


def test_leaves_pictures_of_house_numbers(tmp_path):
    path = store(make_run(tmp_path / "run", "SVHN", "svhn"), tmp_path / "results")
    assert path.exists()
    assert not path.with_suffix(".png").exists()


def test_keeps_what_exports_showed(tmp_path):
    run = make_run(tmp_path / "run", "MNIST, downloaded.")
    exports = {"onnx": {"bytes": 1, "difference": 0.0, "error": 1.0, "model_error": 1}}
    (run / "exports.json").write_text(json.dumps(exports))
    path = store(run, tmp_path / "results")
    assert json.loads(path.read_text())["exports"] == exports


def test_another_experiment_is_not_replaced(tmp_path, capsys):
    first = make_run(tmp_path / "first", "MNIST, downloaded.")
    second = make_run(tmp_path / "second", "MNIST, downloaded.")
    for run, width in ((first, 1.0), (second, 0.5)):
        result = json.loads((run / "result.json").read_text())
        result["config"]["width"] = width
        (run / "result.json").write_text(json.dumps(result))
    path = store(first, tmp_path / "results")
    assert store(first, tmp_path / "results") == path  # The same again.
    before = path.read_text()
    with pytest.raises(ValueError, match="width: 1.0 there, 0.5 now.*--replace"):
        store(second, tmp_path / "results")
    assert path.read_text() == before
    store(second, tmp_path / "results", replace=True)
    assert json.loads(path.read_text())["config"]["width"] == 0.5


@pytest.mark.parametrize("entry", ["data_fingerprint", "data"])
def test_other_data_do_not_replace(entry, tmp_path):
    run = make_run(tmp_path / "run", "MNIST, downloaded.")
    result = json.loads((run / "result.json").read_text())
    for now in ("first", "second"):
        (run / "result.json").write_text(json.dumps({**result, entry: now}))
        if now == "first":
            store(run, tmp_path / "results")
    with pytest.raises(ValueError, match=f"{entry}: 'first' there, 'second' now"):
        store(run, tmp_path / "results")


def test_a_run_that_cannot_be_stored_does_not_keep_others_from_it(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("train.store.store", lambda run_dir, replace: _store(run_dir))

    def _store(run_dir):
        return store(run_dir, tmp_path / "results")

    run = make_run(tmp_path / "run", "MNIST, downloaded.")
    assert main([str(tmp_path / "nothing"), str(run)]) == 2
    assert "nothing holds no finished run" in capsys.readouterr().err
    assert [path.suffix for path in (tmp_path / "results").rglob("*-seed0.json")]


def test_another_backend_does_not_replace(tmp_path):
    run = make_run(tmp_path / "run", "MNIST, downloaded.")
    result = json.loads((run / "result.json").read_text())
    result["versions"] = {"backend": "tensorflow"}
    (run / "result.json").write_text(json.dumps(result))
    store(run, tmp_path / "results")
    result["versions"] = {"backend": "jax"}
    (run / "result.json").write_text(json.dumps(result))
    with pytest.raises(ValueError, match="backend: 'tensorflow' there, 'jax' now"):
        store(run, tmp_path / "results")


def test_fewer_test_passes_do_not_replace_more(tmp_path):
    run = make_run(tmp_path / "run", "MNIST, downloaded.")
    store(run, tmp_path / "results")
    result = json.loads((run / "result.json").read_text())
    result["passes"] = [*result["passes"], 1.0]
    (run / "result.json").write_text(json.dumps(result))
    count = len(result["passes"])
    with pytest.raises(
        ValueError, match=f"test passes: {count - 1} there, {count} now"
    ):
        store(run, tmp_path / "results")


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ({"config": {"dataset": "mnist", "iterations": 9}}, "'iterations' in place of"),
        ({"exports": {"onnx": {}}}, "exports there, none now"),
    ],
)
def test_another_length_or_less_does_not_replace(first, message, tmp_path):
    run = make_run(tmp_path / "run", "MNIST, downloaded.")
    result = json.loads((run / "result.json").read_text())
    result["config"]["epochs"] = 2
    (run / "result.json").write_text(json.dumps(result | first))
    path = store(run, tmp_path / "results")
    (run / "result.json").write_text(json.dumps(result))
    with pytest.raises(ValueError, match=message):
        store(run, tmp_path / "results")
    store(run, tmp_path / "results", replace=True)
    assert json.loads(path.read_text()) == result


def test_unfinished_run(tmp_path):
    with pytest.raises(ValueError, match="holds no finished run"):
        store(tmp_path, tmp_path / "results")


def test_command_line(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "holds no finished run" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([])
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "folder of a finished run" in capsys.readouterr().out


def test_a_search_is_no_training(tmp_path):
    content = '{"data": "MNIST", "name": "search", "trial": "07"}'
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(ValueError, match="but a search.*final-trial07-seed0"):
        store(tmp_path, tmp_path / "results")


def test_no_result_is_stored_without_its_picture(tmp_path):
    run_dir = make_run(tmp_path / "run", "MNIST, downloaded.")
    (run_dir / "alignment.png").unlink()
    with pytest.raises(FileNotFoundError, match="alignment.png"):
        store(run_dir, tmp_path / "results")
    assert not list((tmp_path / "results").rglob("*.*"))
