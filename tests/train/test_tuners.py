import time

import keras_tuner
import pytest

from train import tuners

VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")


@pytest.fixture
def environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_role(environment):
    assert tuners.role() == "alone"
    for name in VARIABLES:
        environment.setenv(name, "1")
    assert tuners.role() == "worker"
    environment.setenv("KERASTUNER_TUNER_ID", "the-chief")
    assert tuners.role() == "chief"
    environment.delenv("KERASTUNER_ORACLE_PORT")
    with pytest.raises(
        ValueError, match="Received: KERASTUNER_TUNER_ID, KERASTUNER_OR"
    ):
        tuners.role()


class Nothing(keras_tuner.HyperModel):
    """A search without a network."""

    objective = "score"
    seen = None

    def build(self, hp):
        raise AssertionError("nothing to build")

    def declare_hyperparameters(self, hp):
        hp.Float("x", 0, 1)


@pytest.fixture
def nothing(monkeypatch):
    """A tuner's trials return a number at once."""

    def run_trial(self, trial, **kwargs):
        epochs = trial.hyperparameters.values.get("tuner/epochs", kwargs.get("epochs"))
        return {"score": trial.hyperparameters.get("x") * epochs}

    monkeypatch.setattr(keras_tuner.Tuner, "run_trial", run_trial)
    monkeypatch.setattr(
        keras_tuner.Tuner, "_activate_all_conditions", lambda self: None
    )
    return Nothing()


@pytest.mark.parametrize("algorithm", tuners.ALGORITHMS)
def test_stops_and_goes_on(environment, nothing, tmp_path, algorithm):
    """Also Hyperband, which has no limit of its own; more trials may be added."""

    def search(count):
        tuner = tuners.make_tuner(algorithm, nothing, count, 4, 0, tmp_path / "search")
        tuner.search(epochs=4, verbose=0)
        return {
            name: trial.hyperparameters.values
            for name, trial in tuner.oracle.trials.items()
        }

    first = search(5)
    assert len(first) == 5
    longer = search(12)
    assert len(longer) == 12
    assert {name.lstrip("0") for name in longer} >= {name.lstrip("0") for name in first}


def test_seed_0_is_a_seed(environment, nothing, tmp_path):
    drawn = []
    for name in ("first", "second"):
        tuner = tuners.make_tuner("random", nothing, 2, 1, 0, tmp_path / name)
        tuner.search(epochs=1, verbose=0)
        trials = tuner.oracle.trials.values()
        drawn.append([trial.hyperparameters.values for trial in trials])
    assert drawn[0] == drawn[1]


def test_waits_before_it_asks_again(environment, nothing, tmp_path, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    tuner = tuners.make_tuner("random", nothing, 2, 1, 0, tmp_path / "search")
    tuner.pre_create_trial()
    assert slept == []
    tuner.pre_create_trial()
    assert slept == [1]
    tuner.on_trial_begin(None)
    tuner.pre_create_trial()
    assert slept == [1]


def test_a_damaged_search(environment, nothing, tmp_path):
    folder = tmp_path / "search"
    tuner = tuners.make_tuner("random", nothing, 2, 1, 0, folder)
    tuner.search(epochs=1, verbose=0)
    (folder / "oracle.json").write_text('{"half')
    with pytest.raises(ValueError, match="cannot be taken up: .*another --run-dir"):
        tuners.make_tuner("random", nothing, 2, 1, 0, folder)


@pytest.mark.parametrize("text", ["[]", "null"])
def test_a_search_whose_state_is_something_else(environment, nothing, tmp_path, text):
    folder = tmp_path / "search"
    tuners.make_tuner("random", nothing, 2, 1, 0, folder).search(epochs=1, verbose=0)
    (folder / "oracle.json").write_text(text)
    with pytest.raises(ValueError, match="cannot be taken up: "):
        tuners.make_tuner("random", nothing, 2, 1, 0, folder)


def test_the_largest_seed(environment, nothing, tmp_path):
    folder = tmp_path / "search"
    tuner = tuners.make_tuner("bayesian", nothing, 1, 1, 2**32 - 1, folder)
    tuner.search(epochs=1, verbose=0)
    assert len(tuner.oracle.trials) == 1


def test_files_are_written_whole(environment, nothing, tmp_path, monkeypatch):
    """A process that dies while it writes leaves the file that was there."""
    folder = tmp_path / "search"
    tuner = tuners.make_tuner("random", nothing, 2, 1, 0, folder)
    tuner.search(epochs=1, verbose=0)
    before = (folder / "oracle.json").read_bytes()

    def die(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", die)
    tuner.oracle.max_trials = 3
    with pytest.raises(KeyboardInterrupt):
        tuner.search(epochs=1, verbose=0)
    monkeypatch.undo()
    assert (folder / "oracle.json").read_bytes() == before
    again = tuners.make_tuner("random", nothing, 2, 1, 0, folder)
    assert len(again.oracle.trials) == 2


def test_a_trial_that_the_search_did_not_know_yet(environment, nothing, tmp_path):
    folder = tmp_path / "search"
    tuner = tuners.make_tuner("random", nothing, 2, 1, 0, folder)
    tuner.search(epochs=1, verbose=0)
    trial = (folder / "trial_1" / "trial.json").read_text()
    (folder / "trial_2").mkdir()
    (folder / "trial_2" / "trial.json").write_text(
        trial.replace('"COMPLETED"', '"RUNNING"').replace(
            '"trial_id": "1"', '"trial_id": "2"'
        )
    )
    again = tuners.make_tuner("random", nothing, 4, 1, 0, folder)
    assert len(again.oracle.trials) == 2
    again.search(epochs=1, verbose=0)
    assert {t.status for t in again.oracle.trials.values()} == {"COMPLETED"}
    assert len(again.oracle.trials) == 4
