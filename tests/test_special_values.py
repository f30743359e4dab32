"""Infinities, NaN, zeros and subnormals: the right limits, and not a word about them."""

import ctypes
import ctypes.util
import platform
import warnings

import numpy as np
import pytest

import oracle
from conftest import FLOATS, NAMES, bound, parameters

FORMS = ("value", "derivative", "second_derivative")


def special(dtype: str) -> np.ndarray:
    info = np.finfo(dtype)
    positive = [0.0, info.smallest_subnormal, info.tiny, info.eps, 1.0, info.max, np.inf]
    return np.array([*positive, *(-x for x in positive), np.nan], dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_every_form_is_silent(name: str, dtype: str) -> None:
    x = np.repeat(special(dtype), 20)
    activation = bound(name)
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        for form in (*FORMS, "value_and_derivative"):
            getattr(activation, form)(x)
        activation.backward(x, x[::-1])
        activation.double_backward(x, x[::-1], np.roll(x, 7))
        if "derivative_from_output" in vars(activation):
            activation.derivative_from_output(x)
            activation.backward_from_output(x, x[::-1])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_special_values_have_the_right_limits(name: str, form: str, dtype: str) -> None:
    x = special(dtype)
    got = getattr(bound(name), form)(x)
    for point, result in zip(x, got, strict=True):
        exact = oracle.exact(name, form, point, *parameters(name))
        wanted = oracle.rounded(exact, dtype)
        if np.isnan(wanted):
            assert np.isnan(result), (point, result)
        elif np.isinf(point) or np.isinf(wanted):
            assert result == wanted, (point, result, wanted)
        zeros = oracle.signed_zero(name, form, point, *parameters(name))
        if zeros:
            assert result == 0, (point, result)
            signs = [np.signbit(zero) for zero in zeros]
            assert np.signbit(result) in signs, (point, result, zeros)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_nan_propagates(name: str, dtype: str) -> None:
    activation = bound(name)
    nan, one = np.array([np.nan], dtype), np.array([1.0], dtype)
    for form in (*FORMS, "value_and_derivative"):
        assert np.isnan(getattr(activation, form)(nan)).all(), form
    assert np.isnan(activation.backward(one, nan)).all()
    assert np.isnan(activation.backward(nan, one)).all()
    assert np.isnan(activation.double_backward(one, one, nan)).all()


def test_nan_keeps_its_sign_bit_out_of_the_comparison_result() -> None:
    # A negative NaN must not be taken for a negative number.
    nan = -np.float32(np.nan)
    for name in NAMES:
        assert np.isnan(bound(name)(nan))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="sets the x86 control register")
def test_a_callers_flush_to_zero_changes_nothing() -> None:
    # Subnormal results are the ones a flushed register would lose. Python runs in that register
    # state for two calls only.
    x = np.array([-88.0, -95.0, -100.0], np.float32)
    wanted = bound("sigmoid")(x)
    assert (wanted < np.finfo(np.float32).tiny).any()
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    environment = ctypes.create_string_buffer(32)  # glibc's fenv_t; MXCSR is its last word
    assert libm.fegetenv(environment) == 0
    flushing = ctypes.create_string_buffer(environment.raw, 32)
    control = int.from_bytes(flushing.raw[28:32], "little") | 0x8040  # FTZ and DAZ
    flushing[28:32] = control.to_bytes(4, "little")
    libm.fesetenv(flushing)
    try:
        got = bound("sigmoid")(x)
    finally:
        libm.fesetenv(environment)
    assert got.tobytes() == wanted.tobytes()


def test_an_error_of_numpys_own_cast_is_not_swallowed() -> None:
    # float64 to float32 overflows in NumPy's cast, before our loop: the warning is NumPy's.
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        bound("relu")(np.array([1e300]), dtype=np.float32, casting="same_kind")
