import os
import types

import keras
import pytest

from train import mnist, platform
from train.experiment import main


@pytest.fixture
def no_accelerator(monkeypatch):
    monkeypatch.setattr(platform, "accelerators", list)


@pytest.fixture
def hidden(monkeypatch):
    calls = []
    monkeypatch.setattr(platform, "_hide_accelerators", lambda: calls.append(None))
    return calls


@pytest.mark.usefixtures("no_accelerator")
def test_a_gpu_is_asked_for_where_there_is_none(tmp_path, capsys):
    arguments = ["--device", "gpu", "--run-dir", str(tmp_path / "run")]
    assert main(mnist.make_experiment, arguments) == 2
    message = capsys.readouterr().err
    assert keras.config.backend() in message
    assert "sees no accelerator here" in message
    assert "this would run on: CPU" in message
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("no_accelerator")
@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_a_cpu_is_always_there(device, hidden):
    platform.choose_device(["--device", device])
    assert len(hidden) == (device == "cpu")


@pytest.mark.parametrize("device", ["gpu", "auto"])
def test_a_gpu_that_is_there_is_not_hidden(monkeypatch, device, hidden):
    monkeypatch.setattr(platform, "accelerators", lambda: ["one"])
    platform.choose_device(["--device", device])
    assert not hidden


def looks_at_devices():
    raise AssertionError("JAX would no longer listen.")


@pytest.mark.tensorflow
@pytest.mark.parametrize("option", ["--device", "--dev"])
def test_accelerators_are_hidden(option, monkeypatch):
    import tensorflow as tf

    hidden = []
    monkeypatch.setattr(platform, "accelerators", looks_at_devices)
    monkeypatch.setattr(
        tf.config, "set_visible_devices", lambda *given: hidden.append(given)
    )
    platform.choose_device([option, "cpu", "--seed", "1"])
    assert hidden == [([], "GPU")]


def test_accelerators_are_hidden_from_jax(monkeypatch):
    jax = pytest.importorskip("jax")
    set_to = {}
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    monkeypatch.setattr(platform, "accelerators", looks_at_devices)
    monkeypatch.setattr(jax.config, "update", set_to.__setitem__)
    platform.choose_device(["--device", "cpu"])
    assert set_to == {"jax_platforms": "cpu"}


def test_pytorch_says_how_to_hide_them(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    monkeypatch.setattr(platform, "accelerators", lambda: ["one"])
    with pytest.raises(ValueError, match="KERAS_TORCH_DEVICE"):
        platform.choose_device(["--device", "cpu"])


@pytest.mark.parametrize(
    ("device", "names"), [("cpu", []), ("cuda:0", ["A", "A"]), ("mps", ["mps"])]
)
def test_accelerators_of_pytorch_are_those_that_keras_uses(device, names, monkeypatch):
    torch = pytest.importorskip("torch")
    tensor = types.SimpleNamespace(device=torch.device(device))
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    monkeypatch.setattr(keras.ops, "zeros", lambda shape: tensor)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "A")
    assert platform.accelerators() == names


def test_unknown_device(tmp_path, capsys):
    arguments = ["--device", "abacus", "--run-dir", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as error:
        main(mnist.make_experiment, arguments)
    assert error.value.code == 2
    assert "invalid choice: 'abacus'" in capsys.readouterr().err


def test_cores_that_the_process_may_use(monkeypatch):
    bound = {0, 3}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: bound, raising=False)
    assert platform.usable_cores() == 2
    monkeypatch.setattr(platform, "accelerators", list)
    assert platform.device_name().startswith("CPU, 2 cores, ")
    bound.remove(3)
    assert platform.device_name().startswith("CPU, 1 core, ")


def test_cores_where_a_process_cannot_be_bound(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert platform.usable_cores() == 6
