import itertools

import pytest

from tests.benchmarks import timing


@pytest.fixture
def clock(monkeypatch):
    """Functions that take as many seconds as they say, on a clock of their own."""
    now = 0.0
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now)

    def taking(seconds):
        seconds = iter(seconds)

        def function():
            nonlocal now
            now += next(seconds)

        return function

    return taking


def test_the_first_calls_of_a_turn_do_not_count(clock):
    side = clock(itertools.cycle([9, 1, 2, 3]))
    found = timing.time_alternately({"side": side}, calls=4, block=3, warmup=1)
    assert found["side"]["calls"] == 6
    assert found["side"]["median"] == 2000
    assert found["side"]["rounds"] == [2000, 2000]


def test_a_machine_that_slows_down_does_not_change_the_ratio(clock):
    speeds = [1, 1, 1, 4, 4, 9, 9]
    sides = {
        name: clock([factor * speed for speed in speeds for _ in range(2)])
        for name, factor in {"ours": 1, "theirs": 3}.items()
    }
    found = timing.time_alternately(sides, calls=14, block=2, warmup=0)
    ratio, spread = timing.compare_rounds(found["ours"], found["theirs"])
    assert ratio == pytest.approx(3)
    assert spread == pytest.approx(0, abs=1e-9)


def test_the_spread_of_a_ratio():
    ours, theirs = {"rounds": [1, 1, 2, 1]}, {"rounds": [1, 2, 6, 4]}
    ratio, spread = timing.compare_rounds(ours, theirs)
    assert ratio == 2.5
    # Quartiles of 1, 2, 3 and 4.
    assert spread == pytest.approx((3.75 - 1.25) / 2)


def test_a_single_round_has_no_spread():
    assert timing.compare_rounds({"rounds": [2]}, {"rounds": [3]}) == (1.5, 0)
