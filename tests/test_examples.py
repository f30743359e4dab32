"""The examples run as they stand and show what they claim."""

import importlib.util
import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import actgrad as ag
from actgrad.diagnostics import gradient_flow

EXAMPLES = Path(__file__).parent.parent / "examples"


def load(name: str) -> ModuleType:
    """Import an example."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where its dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


digits = load("digits")
fading = load("fading_signal")


@pytest.mark.parametrize(
    "name", ["relu", "gelu", "tanh", "sigmoid", "silu", "mish", "leaky_relu", "softsign", "elu"]
)
def test_digits_are_learnt_on_a_short_schedule(name: str) -> None:
    epochs = list(digits.run(ag.get(name), epochs=12, progress=False))
    assert len(epochs) == 12
    assert epochs[-1].accuracy >= 0.95
    assert epochs[-1].loss < 0.15 < epochs[0].loss
    assert name in epochs[-1].flow.layers


def test_digits_from_the_command_line() -> None:
    finished = subprocess.run(
        [sys.executable, EXAMPLES / "digits.py", "--epochs", "10"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert "actgrad.gelu in layers of 128 and 64 units" in lines
    assert sum(line.split()[:1] == [str(n)] for n in range(1, 11) for line in lines) == 10
    assert float(lines[-1].removeprefix("test accuracy ")) >= 0.95
    assert "/10 [" in finished.stderr  # the progress bar


def test_digits_takes_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    status = digits.main(
        ["--activation", "prelu", "--set", "a=0.1", "--epochs", "2", "--no-progress"]
    )
    assert status == 0
    assert "prelu.bind(a=0.1)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--activation", "gellu"], "did you mean gelu"),
        (["--activation", "prelu"], "prelu.bind(a=...)"),
        (["--activation", "softmax"], "softmax, which is not element-wise"),
        (["--activation", "softmax", "--set", "axis=0"], "softmax, which is not element-wise"),
        (["--batch", "0"], "got 0; wanted 1 or more"),
        (["--activation", "relu", "--set", "slope=1"], "relu has the parameters: none"),
        (["--activation", "elu", "--set", "alpha"], "wanted NAME=VALUE"),
    ],
)
def test_digits_refuses_what_it_cannot_use(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        digits.main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_digits_says_when_the_loss_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    with np.errstate(all="ignore"):
        status = digits.main(
            ["--activation", "exp", "--rate", "50", "--epochs", "3", "--no-progress"]
        )
    assert status == 1
    printed = capsys.readouterr().out
    assert "the loss is no longer finite" in printed
    assert "NaN" in printed


def test_the_diagnostics_of_digits_see_dead_units() -> None:
    # A rate far too high kills units of relu, not of gelu.
    dead = {}
    for name in ("relu", "gelu"):
        last = list(digits.run(ag.get(name), epochs=4, rate=0.1, progress=False))[-1]
        dead[name] = max(result.fraction for result in last.dead)
    assert dead["relu"] > 0.3
    assert dead["gelu"] < 0.1


def test_the_signal_fades_as_predicted() -> None:
    sizes, flows = {}, {}
    for name in fading.ACTIVATIONS:
        sizes[name], flows[name] = fading.fade(ag.get(name), 50)
        assert sizes[name].shape == (50,)
        # What f' and the weights predict is measured, to a factor of two a ten layers.
        predicted = flows[name].log10
        assert np.abs(np.log10(sizes[name]) - predicted).max() < 1.5
    assert sizes["sigmoid"][0] < 1e-25
    assert sizes["relu"][0] < 1e-6 < sizes["tanh"][0]
    assert flows["sigmoid"].lost_at is not None
    assert flows["sigmoid"].lost_at > 35
    assert flows["tanh"].lost_at is None
    # With the weights He drew for it, relu keeps its gradient.
    kept, _ = fading.fade(ag.relu, 50, rule="he")
    assert 0.1 < kept[0] < 10


def test_the_fading_signal_is_plotted(tmp_path: Path) -> None:
    file = tmp_path / "fade.png"
    finished = subprocess.run(
        [sys.executable, EXAMPLES / "fading_signal.py", "--plot", file],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    for name in fading.ACTIVATIONS:
        assert any(line.startswith(f"{name} ") for line in lines)
    assert lines[-1] == f"wrote {file}"
    assert file.stat().st_size > 10_000


def test_the_fading_signal_refuses_what_it_cannot_use(capsys: pytest.CaptureFixture[str]) -> None:
    for name, message in (("gellu", "did you mean gelu"), ("prelu", "prelu.bind(a=...)")):
        with pytest.raises(SystemExit) as caught:
            fading.main(["--activations", name])
        assert caught.value.code == 2
        assert message in capsys.readouterr().err


def test_a_network_of_digits_has_the_gradient_of_its_loss() -> None:
    # The whole chain, against differences in float64.
    random = np.random.default_rng(0)
    network = digits.Network([5, 4, 3, 10], ag.tanh, random)
    for parameter in (*network.weights, *network.biases):
        parameter.value = parameter.value.astype(np.float64)
    x, wanted = random.normal(size=(6, 5)), random.integers(0, 10, 6)
    seen = {}
    for kind in ("weights", "biases"):
        for layer, parameter in enumerate(getattr(network, kind)):
            parameter.update = lambda grad, rate, key=(kind, layer): seen.__setitem__(key, grad)
    network.train(x, wanted, 0.0)

    def loss() -> float:
        z = network.forward(x)[1][-1]
        return -float(np.mean(ag.log_softmax(z)[np.arange(6), wanted]))

    for (kind, layer), grad in seen.items():
        value = getattr(network, kind)[layer].value
        for index in [(0,) * value.ndim, tuple(size - 1 for size in value.shape)]:
            step, kept = 1e-6, value[index]
            value[index] = kept + step
            above = loss()
            value[index] = kept - step
            below = loss()
            value[index] = kept
            assert math.isclose(grad[index], (above - below) / (2 * step), rel_tol=1e-6)
    assert len(seen) == 6
    assert gradient_flow(network.forward(x)[1][:-1], ag.tanh).lost_at is None
