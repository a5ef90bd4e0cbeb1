from types import SimpleNamespace

import pytest

from train.trial_table import best_choices, format_table, trial_rows

HYPERMODEL = SimpleNamespace(
    objective="val_accuracy",
    metric="accuracy",
    error_percent=lambda logs: round(100 * (1 - logs["accuracy"]), 4),
    choices=lambda hp: {
        name: value for name, value in hp.values.items() if "/" not in name
    },
)


def trial(name, accuracy=None, message=None, **values):
    measured = {
        "val_accuracy": accuracy,
        "epochs": 3.0,
        "parameters": 1234.0,
        "seconds": 90.0,
    }
    return SimpleNamespace(
        trial_id=name,
        status="FAILED" if accuracy is None else "COMPLETED",
        message=message,
        hyperparameters=SimpleNamespace(values=values),
        metrics=SimpleNamespace(get_best_value=measured.get),
    )


TRIALS = [
    trial("0", 0.75, variant="cnn", learning_rate=0.00123456),
    trial("1", None, "Traceback\nTrainingDiverged: nan\n", variant="stn_c0"),
    trial("2", 0.9, variant="stn_sl1", localization="fcn", **{"tuner/trial_id": "0"}),
]


def test_rows():
    rows = trial_rows(TRIALS, HYPERMODEL)
    assert [row["trial"] for row in rows] == ["2", "0", "1"]
    assert [row.get("validation_error") for row in rows] == [10, 25, None]
    assert rows[0]["continues"] == "0"
    assert rows[2]["message"] == "TrainingDiverged: nan"
    assert rows[0]["parameters"] == 1234
    assert best_choices(rows) == {"variant": "stn_sl1", "localization": "fcn"}


def test_table():
    lines = format_table(trial_rows(TRIALS, HYPERMODEL)).splitlines()
    assert lines[0].split() == (
        "trial from error % epochs minutes parameters variant localization "
        "learning_rate".split()
    )
    assert lines[1].split() == "2 0 10.00 3 1.50 1,234 stn_sl1 fcn -".split()
    assert "0.00123" in lines[2]
    assert lines[3].split()[:3] == ["1", "failed", "stn_c0"]


def test_none_completed():
    rows = trial_rows(TRIALS[1:2], HYPERMODEL)
    with pytest.raises(
        ValueError, match=r"None of 1 trials was.*TrainingDiverged: nan"
    ):
        best_choices(rows)
    with pytest.raises(ValueError, match="None of 0 trials"):
        best_choices([])
