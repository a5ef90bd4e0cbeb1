import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parents[1]
OTHERS = [
    backend
    for backend in ("jax", "torch")
    if importlib.util.find_spec(backend) and backend != keras.config.backend()
]


@pytest.mark.stress
@pytest.mark.parametrize("backend", OTHERS)
def test_suite_passes(backend):
    """Everything that does not need TensorFlow passes on the other backends too."""
    names = (
        "backend",
        "ops",
        "transforms",
        "layers",
        "models",
        "analysis",
        "callbacks",
        "tuning",
    )
    directories = [f"tests/{name}" for name in names]
    result = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-m", "not tensorflow and not slow and not stress"),
            *directories,
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            # `tests/conftest.py` leaves this file out where it is set.
            "KERAS_STN_INNER_PYTEST": "1",
            # All of it, once it has begun.
            "KERAS_STN_LATEST_TEST_START": "inf",
            # Most of the time goes into compiling.
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        },
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-1000:]
