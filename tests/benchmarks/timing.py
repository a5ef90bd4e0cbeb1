"""Times several ways of doing the same thing, side by side in one process."""

import statistics
import time


def time_alternately(sides, calls=70, block=10, warmup=3):
    """Times functions in alternating blocks of calls.

    A machine's speed drifts, so the sides take turns. They do so in blocks, the first
    calls of each untimed: changing sides after every call leaves the thread pools of
    both cold.

    Args:
        sides: Maps a name to a function without arguments that returns when its
            result is ready.
        calls: Least number of timed calls of each side.
        block: Timed calls before the next side's turn.
        warmup: Untimed calls at the start of a block.

    Returns:
        Maps each name to a dictionary with `median` and `spread` (half the distance
        between the quartiles), in milliseconds, and `calls`.
    """
    times = {name: [] for name in sides}
    while min(map(len, times.values())) < calls:
        for name, function in sides.items():
            for _ in range(warmup):
                function()
            for _ in range(block):
                start = time.perf_counter()
                function()
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: _summary(values) for name, values in times.items()}


def _summary(times):
    first, median, third = statistics.quantiles(times, n=4)
    return {
        "median": round(median, 4),
        "spread": round((third - first) / 2, 4),
        "calls": len(times),
    }
