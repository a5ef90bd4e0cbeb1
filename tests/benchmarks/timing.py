"""Times several ways of doing the same thing, side by side in one process."""

import math
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
        between the quartiles), in milliseconds, `calls`, and `rounds`, the median of
        each block.
    """
    times = {name: [] for name in sides}
    for _ in range(math.ceil(calls / block)):
        for name, function in sides.items():
            for _ in range(warmup):
                function()
            times[name].append([])
            for _ in range(block):
                start = time.perf_counter()
                function()
                times[name][-1].append((time.perf_counter() - start) * 1e3)
    return {name: _summary(blocks) for name, blocks in times.items()}


def compare_rounds(side, other):
    """How many times longer the other side takes, round by round.

    What slows the machine for some seconds slows the blocks of both sides in a round,
    and so it hardly changes their ratio, while it may change the ratio of the medians
    of all calls by a third.

    Args:
        side: What `time_alternately` returns for a side.
        other: The same for another side.

    Returns:
        Median of the ratios of all rounds, and half the distance between the quartiles.
    """
    pairs = zip(side["rounds"], other["rounds"], strict=True)
    return _median_and_spread([theirs / ours for ours, theirs in pairs])


def _summary(blocks):
    times = [one for block in blocks for one in block]
    median, spread = _median_and_spread(times)
    return {
        "median": round(median, 4),
        "spread": round(spread, 4),
        "calls": len(times),
        "rounds": [round(statistics.median(block), 4) for block in blocks],
    }


def _median_and_spread(values):
    if len(values) == 1:
        return values[0], 0.0
    first, median, third = statistics.quantiles(values, n=4)
    return median, (third - first) / 2
