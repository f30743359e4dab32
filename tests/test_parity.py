"""The extension against the pure-Python reference: scalars, arrays, dtypes, special values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import actgrad as ag
from actgrad import reference
from conftest import NAMES, bound, parameters

FORMS = ("value", "derivative", "second_derivative")
# The reference is a few ulps off, and loses more next to interior zeros, as it says itself.
RELATIVE = 1e-13
ABSOLUTE = 1e-14


def agree(got: object, wanted: object) -> bool:
    return bool(np.allclose(got, wanted, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True))


def referenced(name: str, form: str, x: float) -> float:
    return float(getattr(reference.ACTIVATIONS[name], form)(x, *parameters(name)))


def test_every_activation_has_a_reference() -> None:
    assert set(NAMES) <= set(reference.ACTIVATIONS)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_scalars_and_arrays_agree_with_the_reference(name: str, form: str) -> None:
    specials = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1e-300, 1e300, -1e300]
    random = np.random.default_rng(6)
    x = np.concatenate([specials, random.uniform(-20, 20, 200), random.uniform(0, 1, 50)])
    function = getattr(bound(name), form)
    wanted = np.array([referenced(name, form, value) for value in x.tolist()])
    assert agree(function(x), wanted), x[~np.isclose(function(x), wanted, rtol=RELATIVE)]
    for value, exact in zip(x[:30].tolist(), wanted[:30], strict=True):
        assert agree(function(value), exact)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_narrow_dtypes_agree_with_the_reference(name: str, form: str, dtype: str) -> None:
    x = np.random.default_rng(7).uniform(-20, 20, 200).astype(dtype)
    got = getattr(bound(name), form)(x)
    fixed = [np.array(value, dtype).item() for value in parameters(name)]
    wanted = [getattr(reference.ACTIVATIONS[name], form)(value, *fixed) for value in x.tolist()]
    info = np.finfo(dtype)
    # A NumPy warning about the cast of the reference itself is not the subject.
    with np.errstate(all="ignore"):
        wanted = np.array(wanted).astype(dtype).astype(np.float64)
    assert np.array_equal(np.isnan(got), np.isnan(wanted))
    finite = np.isfinite(wanted)
    assert np.array_equal(got[~finite & ~np.isnan(got)], wanted[~finite & ~np.isnan(got)])
    got, wanted = got[finite], wanted[finite]
    error = np.abs(got.astype(np.float64) - wanted)
    # Two ulps, or the reference's own absolute error next to a zero.
    ulps = 2 * np.maximum(info.eps * np.abs(wanted), float(info.smallest_subnormal))
    assert (error <= ulps + ABSOLUTE).all()


@given(x=st.floats(width=64), grad=st.floats(-1e3, 1e3))
@settings(max_examples=200)
def test_backward_is_the_product(x: float, grad: float) -> None:
    for name in ("sigmoid", "tanh", "relu"):
        activation = ag.get(name)
        with np.errstate(all="ignore"):
            wanted = np.float64(grad) * activation.derivative(x)
        got = activation.backward(grad, x)
        assert got == wanted or (np.isnan(got) and np.isnan(wanted))
