"""Waits for what other processes do."""

import time

# In seconds, for anything that takes a quiet machine less than a minute: some machines
# are twenty times slower, and import TensorFlow for minutes.
PATIENCE = 1200


def wait_for(condition, *processes):
    """Returns when `condition()` holds; fails if one of `processes` ends before."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert all(process.poll() is None for process in processes), "one has ended"
        assert time.monotonic() < deadline
        time.sleep(0.01)
