"""What the tests share: the activations, how to call their forms, and how bits are compared."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import actgrad as ag

# Those that work element by element; tests/test_rows.py tests the functions of rows.
NAMES = [activation.name for activation in ag.activations("element-wise")]
FLOATS = ("float16", "float32", "float64")

# What a parameter without a default is given in tests.
REQUIRED = {"prelu": {"a": 0.25}, "threshold": {"threshold": 0.1, "value": -0.5}}

# Parameters at the ends of what the docstrings promise, or where a function changes its nature.
OTHER_PARAMETERS = [
    *((name, (slope,)) for name in ("leaky_relu", "prelu") for slope in (0.0, 1.0, 2.0, -0.5)),
    *((name, (alpha,)) for name in ("elu", "celu") for alpha in (0.1, 10.0)),
    ("elu", (-0.5,)),
    *((name, (beta,)) for name in ("softplus", "swish") for beta in (0.01, 50.0)),
    ("swish", (-0.5,)),
    *(("squareplus", (b,)) for b in (0.01, 100.0)),
    *((name, (0.0,)) for name in ("soft_shrink", "hard_shrink")),
    ("threshold", (0.0, 20.0)),
    ("hard_tanh", (0.0, 6.0)),
]


def bound(name: str) -> ag.Activation:
    """Return the activation with the parameters it requires fixed."""
    return ag.get(name).bind(**REQUIRED.get(name, {}))


def parameters(name: str) -> tuple[float, ...]:
    """Return the values of all parameters of a bound activation, in order."""
    return tuple(bound(name).parameters.values())


def assert_same_bits(got: Any, wanted: Any, context: object = "") -> None:
    """Fail unless two arrays have the same shape, dtype and bits; any NaN equals any NaN."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.dtype == wanted.dtype, context
    assert got.shape == wanted.shape, context
    bits = f"u{got.dtype.itemsize}"
    same = np.ascontiguousarray(got).view(bits) == np.ascontiguousarray(wanted).view(bits)
    same |= np.isnan(got) & np.isnan(wanted)
    assert same.all(), (context, np.argwhere(~same)[:3], got[~same][:3], wanted[~same][:3])


def run_python(code: str, **environment: str) -> str:
    """Run code in a fresh interpreter with this environment and return what it prints."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Give ag.set_num_threads and restore the number afterwards."""
    before = ag.get_num_threads()
    yield ag.set_num_threads
    ag.set_num_threads(before)
