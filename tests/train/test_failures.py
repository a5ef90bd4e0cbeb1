import pytest

from train.callbacks import TrainingDiverged
from train.failures import exit_status


def fail(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), 130, "Interrupted. Go on."),
        (TrainingDiverged("The loss became nan"), 1, "Stopped: The loss became nan"),
        (ValueError("no such thing"), 2, "Error: no such thing"),
        (OSError("disk full"), 2, "Error: disk full"),
    ],
)
def test_says_what_happened(capsys, error, status, message):
    assert exit_status(fail(error), "Go on.") == status
    printed = capsys.readouterr()
    assert printed.err.strip() == message
    assert printed.out == ""


def test_what_nobody_expects_is_not_hidden():
    with pytest.raises(KeyError):
        exit_status(fail(KeyError("bug")), "Go on.")


@pytest.mark.parametrize(("result", "status"), [(None, 0), (0, 0), (1, 1)])
def test_status_of_the_work(result, status):
    assert exit_status(lambda: result, "Go on.") == status
