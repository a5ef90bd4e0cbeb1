import pytest

from train import reproduce


@pytest.fixture
def planned(monkeypatch):
    """The jobs that the command would run, a list that fills."""
    jobs = []

    def plan(wanted, workers):
        jobs.extend(wanted)
        return []

    monkeypatch.setattr(reproduce, "run_matrix", plan)
    return jobs


def test_only_the_cells_with_this_in_their_name(planned, tmp_path, capsys):
    arguments = ["table1", "--only", "rotation-stn_c", "--seeds", "2"]
    assert reproduce.main([*arguments, "--runs-dir", str(tmp_path)]) == 0
    assert [job.name for job in planned] == [
        f"mnist-rotation-{variant}-seed{seed}"
        for seed in (0, 1)
        for variant in ("stn_c0", "stn_c1")
    ]
    # The report is of the whole table.
    assert "translation" in capsys.readouterr().out


def test_all_cells(planned, tmp_path):
    arguments = ["table1", "--budget", "smoke", "--runs-dir", str(tmp_path)]
    assert reproduce.main(arguments) == 0
    assert len(planned) == 8


def test_a_name_that_no_cell_has(planned, tmp_path, capsys):
    arguments = ["table2", "--only", "rotation", "--runs-dir", str(tmp_path)]
    for others in ([], ["--report-only"]):
        assert reproduce.main([*arguments, *others]) == 2
        error = capsys.readouterr().err
        assert "Received: 'rotation'" in error
        assert "svhn-stn_sl8" in error
    assert reproduce.main(["figure3", *arguments[1:]]) == 2
    assert "none, as no table is asked for" in capsys.readouterr().err
    assert planned == []


def test_cells_of_one_table_of_several(planned, tmp_path, capsys):
    arguments = ["table1", "table2", "--only", "rotation-cnn", "--seeds", "1"]
    assert reproduce.main([*arguments, "--runs-dir", str(tmp_path)]) == 0
    assert [job.name for job in planned] == ["mnist-rotation-cnn-seed0"]


def test_runs_of_the_figures(planned, tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "_draw", lambda name, options: None)
    for name, count in (("figure1", 0), ("figure2", 4), ("house_numbers", 7)):
        planned.clear()
        assert reproduce.main([name, "--runs-dir", str(tmp_path)]) == 0
        assert len(planned) == count
        assert {job.name.removesuffix("-seed0") for job in planned} == set(
            reproduce.FIGURES[name]
        )


def test_figure1_needs_no_run(tmp_path):
    assert reproduce.main(["figure1", "--runs-dir", str(tmp_path)]) == 0
    assert {path.name for path in (tmp_path / "laptop").iterdir()} == {
        "figure1.json",
        "figure1.png",
    }


def test_a_figure_without_its_runs(tmp_path, capsys):
    arguments = ["figure3", "figure1", "--report-only", "--runs-dir", str(tmp_path)]
    assert reproduce.main(arguments) == 1
    # That stops no other.
    assert (tmp_path / "laptop" / "figure1.png").exists()
    error = capsys.readouterr().err
    assert "Failed: figure3" in error
    assert "mnist-rotation-stn_c1-seed0" in error
    assert "without --report-only" in error


def test_a_file_in_place_of_the_folder_of_runs(tmp_path, capsys):
    path = tmp_path / "afile"
    path.write_text("mine")
    assert reproduce.main(["table1", "--report-only", "--runs-dir", str(path)]) == 2
    assert "--runs-dir must be a folder" in capsys.readouterr().err


def finished_run(folder, name, model):
    """The folder of a run, as far as a figure needs it."""
    path = folder / "laptop" / f"{name}-seed0"
    path.mkdir(parents=True)
    (path / "result.json").write_text("{}")
    if model is not None:
        (path / "model.keras").write_text(model)


def test_a_model_that_cannot_be_read_stops_no_other_figure(tmp_path, capsys):
    finished_run(tmp_path, "svhn-stn_c0", "no model")
    arguments = ["house_numbers", "figure1", "--report-only"]
    assert reproduce.main([*arguments, "--runs-dir", str(tmp_path)]) == 1
    assert (tmp_path / "laptop" / "figure1.png").exists()
    error = capsys.readouterr().err
    assert "house_numbers was not made" in error
    assert "model.keras cannot be read" in error


def test_a_figure_without_one_of_its_models(tmp_path, capsys, monkeypatch):
    finished_run(tmp_path, "svhn-stn_c0", "a model")
    finished_run(tmp_path, "svhn-stn_c3", None)
    drawn = []
    monkeypatch.setattr(
        reproduce,
        "_draw_from",
        lambda name, jobs, path, options: drawn.extend(jobs) or {},
    )
    arguments = ["house_numbers", "--report-only", "--runs-dir", str(tmp_path)]
    assert reproduce.main(arguments) == 0
    assert drawn == [("svhn", "stn_c0")]
    printed = capsys.readouterr().out
    assert "whose files are missing" in printed
    assert "svhn-stn_c3-seed0" in printed
