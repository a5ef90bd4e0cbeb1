"""KerasTuner's searches, alone or by several processes, on one machine or more.

Several processes run the same command, each with KerasTuner's three variables in its
environment. The one whose id contains "chief" hands out the trials and in the end
trains the best; the others run them:

    export KERASTUNER_ORACLE_IP=<the chief's address> KERASTUNER_ORACLE_PORT=8000
    KERASTUNER_TUNER_ID=chief python -m train.tune --run-dir <a folder that all share>
    KERASTUNER_TUNER_ID=worker0 python -m train.tune ...   # the same options
    KERASTUNER_TUNER_ID=worker1 python -m train.tune ...

- The folder must be shared: a Hyperband worker goes on with another's weights.
- The protocol is neither encrypted nor protected by a password: in a trusted network
  only.
- A worker that died is started again with the same id, and gets its trial again. Until
  then the chief waits for it, as KerasTuner has no limit for that.
- If the chief died, end the workers too, and start all again, the chief with
  `--resume`: the trials that were running begin anew.
- The chief needs up to 20 seconds to see that all workers are done.
"""

import json
import os
import shutil
import time

import keras_tuner
from keras_tuner.src import utils as keras_tuner_utils

# KerasTuner's own limit; see `make_tuner`.
_MAX_FAILURES = 3
_VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")


class TrialInterrupted(keras_tuner.errors.FatalError):
    """Ends a search without ending the trial, which begins anew when it goes on."""


class _Patient:
    """A tuner that waits a second before it asks again.

    Where Hyperband has nothing to do for a worker until another has finished,
    KerasTuner 1.4.8 asks again at once, and a worker that waits takes a whole core.
    """

    _began = True

    def pre_create_trial(self):
        """Waits if the last question brought no trial."""
        if not self._began:
            time.sleep(1)
        self._began = False
        super().pre_create_trial()

    def on_trial_begin(self, trial):
        """Notes that there is one."""
        self._began = True
        super().on_trial_begin(trial)


class _RandomSearch(_Patient, keras_tuner.RandomSearch):
    pass


class _BayesianOptimization(_Patient, keras_tuner.BayesianOptimization):
    pass


class _Hyperband(_Patient, keras_tuner.Hyperband):
    pass


ALGORITHMS = ("random", "bayesian", "hyperband")


def role():
    """Returns `"alone"`, `"chief"` or `"worker"`, by the environment.

    Raises:
        ValueError: If only some of KerasTuner's variables are set.
    """
    found = [name for name in _VARIABLES if os.environ.get(name)]
    if not found:
        return "alone"
    if len(found) < len(_VARIABLES):
        raise ValueError(
            f"A search by several processes needs {', '.join(_VARIABLES)} in the "
            f"environment, a search by one none of them. Received: {', '.join(found)}"
        )
    return "chief" if "chief" in os.environ[_VARIABLES[0]] else "worker"


def make_tuner(algorithm, hypermodel, max_trials, epochs, seed, directory):
    """Makes a tuner, or takes up the search that a directory holds.

    Args:
        algorithm: One of `ALGORITHMS`.
        hypermodel: A `train.trials.TrialHyperModel`.
        max_trials: When to stop. Hyperband, which has no such limit, goes through its
            brackets again and again until then.
        epochs: Of a trial; of the longest with Hyperband.
        seed: Of what is drawn.
        directory: For the trials.

    Raises:
        ValueError: If what the directory holds is not a search.
    """
    keras_tuner_utils.save_json = _save_whole
    several = role() != "alone"
    options = {
        "objective": keras_tuner.Objective(hypermodel.objective, "max"),
        # KerasTuner takes 0 for no seed; NumPy's end at 2**32 - 1.
        "seed": min(seed + 1, 2**32 - 1),
        "directory": directory.parent,
        "project_name": directory.name,
        "overwrite": False,
        # When it gives up, KerasTuner 1.4.8 raises while it holds the oracle's lock: a
        # chief would wait for that lock for ever.
        "max_consecutive_failed_trials": max_trials + 1 if several else _MAX_FAILURES,
    }
    is_taken_up = (directory / "oracle.json").exists()
    try:
        if role() != "worker":
            _forget_unknown_trials(directory)
        if algorithm == "random":
            return _RandomSearch(hypermodel, max_trials=max_trials, **options)
        if algorithm == "bayesian":
            # Our choice. KerasTuner's default, three for each dimension, is more trials
            # than most searches have.
            first = max(3, max_trials // 3)
            return _BayesianOptimization(
                hypermodel, max_trials=max_trials, num_initial_points=first, **options
            )
        tuner = _Hyperband(
            hypermodel, max_epochs=epochs, hyperband_iterations=None, **options
        )
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        if not is_taken_up:
            raise
        raise ValueError(
            f"The search in {directory} cannot be taken up: {error}. Choose another "
            "--run-dir to begin a new one."
        ) from error
    if role() != "worker":
        tuner.oracle.max_trials = max_trials
    return tuner


def _save_whole(path, content):
    """Writes a JSON file whole or not at all, in the place of KerasTuner's writer.

    KerasTuner 1.4.8 empties the file first. A search that was killed just then, as its
    state is written before and after every trial, could not be taken up again.
    """
    text = json.dumps(content)
    unfinished = f"{path}.unfinished_{os.getpid()}"
    with open(unfinished, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(unfinished, path)
    return text


def _forget_unknown_trials(directory):
    """Removes what was written of a trial before the search knew of it.

    KerasTuner 1.4.8 writes the trial first. One that was killed in between would count
    as a trial, but never be run; without it, it is drawn again.
    """
    state = directory / "oracle.json"
    if not state.exists():
        return
    known = json.loads(state.read_text(encoding="utf-8"))["start_order"]
    for folder in directory.glob("trial_*"):
        if folder.name.removeprefix("trial_") not in known:
            shutil.rmtree(folder)
