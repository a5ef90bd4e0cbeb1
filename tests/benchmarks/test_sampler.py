import json

import keras
import pytest


@pytest.fixture
def sampler(monkeypatch):
    pytest.importorskip("torch")
    if keras.config.backend() not in ("tensorflow", "jax"):
        pytest.skip("Keras on PyTorch is not compared with PyTorch.")
    from tests.benchmarks import sampler

    monkeypatch.setattr(sampler, "SHAPES", {"tiny": ((2, 6, 5, 2), (6, 5))})
    return sampler


@pytest.mark.stress
def test_compares_and_times(sampler, tmp_path, capsys):
    output = tmp_path / "sampler.json"
    arguments = ["--zooms", "1", "0.5", "--calls", "1", "--output", str(output)]
    sampler.main(arguments)
    results = json.loads(output.read_text())
    rows = results["rows"]
    # How long it takes beside a warp this small depends on what else runs there.
    assert results["milliseconds_of_a_call"] > 0
    assert [(row["zoom"], row["fill"]) for row in rows] == [
        (1, "constant"),
        (1, "nearest"),
        (0.5, "constant"),
        (0.5, "nearest"),
    ]
    for mode in ("forward", "theta", "both"):
        timing = rows[0]["modes"][mode]
        assert {"keras_stn", "four gathers"} <= set(timing["ratios"])
        assert set(rows[-1]["modes"][mode]["ratios"]) == {"keras_stn"}
        times = timing["milliseconds"]
        (ours,) = times["keras_stn"]["rounds"]
        (theirs,) = times[timing["best_of_pytorch"]]["rounds"]
        assert timing["ratios"]["keras_stn"] == pytest.approx(theirs / ours, abs=0.01)
        assert timing["spreads"].keys() == timing["ratios"].keys()
    assert "tiny, zoom 0.5, nearest: forward " in capsys.readouterr().out


@pytest.mark.stress
def test_what_computes_something_else_is_not_timed(sampler, monkeypatch):
    right = sampler.samplers.ours

    def wrong(case, mode):
        return right(case._replace(theta=case.theta * 0.9), mode)

    monkeypatch.setattr(sampler.samplers, "ours", wrong)
    with pytest.raises(AssertionError, match="The samples of 'keras_stn' differ"):
        sampler.main(["--zooms", "1", "--calls", "1"])


@pytest.mark.stress
def test_repeats(sampler, capsys):
    sampler.main(["--zooms", "1", "--repeats", "3"])
    assert capsys.readouterr().out.count("0 of 3 repeats differ in a bit") == 2
