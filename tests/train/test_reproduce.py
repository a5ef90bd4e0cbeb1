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
    assert reproduce.main(arguments) == 2
    error = capsys.readouterr().err
    assert "Received: 'rotation'" in error
    assert "svhn-stn_sl8" in error
    assert planned == []
