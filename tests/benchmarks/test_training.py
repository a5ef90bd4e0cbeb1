import json
import re

import keras
import pytest


@pytest.fixture
def training():
    pytest.importorskip("torch")
    if keras.config.backend() not in ("tensorflow", "jax"):
        pytest.skip("Keras on PyTorch is not compared with PyTorch.")
    from tests.benchmarks import training

    return training


@pytest.mark.stress
@pytest.mark.parametrize(
    ("network", "variants"),
    [
        ("mnist", ["cnn", "stn_c0", "stn_sl1"]),
        ("mnist-translation", ["stn_c0", "stn_c1", "stn_sl1"]),
        ("svhn", ["stn_c3"]),
    ],
)
def test_both_sides_compute_the_same(training, network, variants, tmp_path, capsys):
    output = tmp_path / "training.json"
    status = training.main(
        [
            *("--networks", network, "--variants", *variants),
            *("--batch", "4", "--svhn-width", "0.1", "--calls", "1"),
            *("--skip-compiled", "--output", str(output)),
        ]
    )
    assert status == 0
    results = json.loads(output.read_text())
    assert {"date", "machine", "load"} < set(results)
    assert [row["variant"] for row in results["networks"]] == variants
    printed = capsys.readouterr().out.splitlines()
    for row in results["networks"]:
        assert row["loss_difference"] < 1e-3
        settings = {"keras_stn", "eager, contiguous", "eager, channels last"}
        assert set(row["milliseconds"]) == settings
        # One round, so that all medians are of the same calls.
        ratio = row["keras_stn"] / row["pytorch"]
        assert row["ratio"] == pytest.approx(ratio, rel=0.01)
        assert row["ratio_spread"] == 0
        (line,) = [x for x in printed if x.split()[:2] == [network, row["variant"]]]
        assert line.endswith(row["pytorch_best"])


@pytest.mark.stress
def test_what_computes_something_else_is_not_timed(training, monkeypatch, capsys):
    right_step = training.pytorch_step

    def wrong_step(network, *arguments):
        network.padding_mode = "zeros"
        return right_step(network, *arguments)

    monkeypatch.setattr(training, "pytorch_step", wrong_step)
    arguments = ["--networks", "mnist", "--variants", "stn_c1", "--batch", "4"]
    assert training.main([*arguments, "--calls", "1"]) == 1
    assert "stn_c1   not timed: the losses differ by" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variants", "stn_c9"], "mnist: .*X must be from 0 to 2"),
        (["--variants", "stn_dl1"], "'stn_dl1' is not among the networks in PyTorch"),
    ],
)
def test_rejects_variants_that_are_not_there(training, arguments, message, capsys):
    with pytest.raises(SystemExit):
        training.main(arguments)
    assert re.search(message, capsys.readouterr().err)
