"""Rules of the whole test suite."""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest

# In seconds since 1970: `.ci/run` must end in time on slow machines too.
LATEST_START = float(os.environ.get("KERAS_STN_LATEST_TEST_START", "inf"))

# The tests of the other backends run pytest inside pytest, once.
collect_ignore = (
    ["test_other_backends.py"] if os.environ.get("KERAS_STN_INNER_PYTEST") else []
)


def pytest_configure(config):
    """Silences what Keras' PyTorch backend says about NumPy 2."""
    config.addinivalue_line(
        "filterwarnings", "ignore:__array__ implementation:DeprecationWarning"
    )


def pytest_collection_modifyitems(config, items):
    """Long tests first, so that no process is left alone with one in the end.

    Leaves out what needs TensorFlow where Keras runs on something else.
    """
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    if keras.config.backend() == "tensorflow":
        return
    left_out = [item for item in items if item.get_closest_marker("tensorflow")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_runtest_setup(item):
    """Leaves out what would begin too late, where there is a time for that."""
    if time.time() > LATEST_START:
        pytest.skip("not run: no time is left on this machine")


@pytest.fixture
def channels_first():
    """Sets Keras' image data format for one test."""
    yield from _image_data_format("channels_first")


@pytest.fixture
def channels_last():
    """The same, for what follows that format and is tested in one."""
    yield from _image_data_format("channels_last")


def _image_data_format(data_format):
    before = keras.config.image_data_format()
    keras.config.set_image_data_format(data_format)
    yield
    keras.config.set_image_data_format(before)


@pytest.fixture
def half_precision():
    """Sets a dtype policy of mixed precision for one test."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)
