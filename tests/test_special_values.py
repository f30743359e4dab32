"""Infinities, NaN, zeros and subnormals: the right limits, and not a word about them."""

import ctypes
import ctypes.util
import math
import platform
import warnings
from typing import Any

import numpy as np
import pytest

import actgrad as ag
import oracle
from conftest import FLOATS, NAMES, OTHER_PARAMETERS, assert_same_bits, bound, parameters
from promises import CORRECTLY_ROUNDED, PUBLIC

FORMS = ("value", "derivative", "second_derivative")
EVERY_PARAMETER = [*((name, parameters(name)) for name in NAMES), *OTHER_PARAMETERS]


def special(dtype: str, kinks: tuple[float, ...] = ()) -> np.ndarray:
    """Return the ends of a format, some numbers between, and kinks with their neighbours."""
    info = np.finfo(dtype)
    subnormals = [info.smallest_subnormal, 3 * info.smallest_subnormal, info.tiny / 2]
    positive = [0.0, *subnormals, info.tiny, info.eps, 1.0, 20.0, info.max, np.inf]
    at = np.array(kinks, dtype)
    beside = [np.nextafter(at, np.array(end, dtype)) for end in (-np.inf, np.inf)]
    return np.concatenate(
        [np.array([*positive, *(-x for x in positive), np.nan], dtype), at, -at, *beside]
    )


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


def assert_right(name: str, form: str, got: np.ndarray, x: np.ndarray, values: Any) -> None:
    """Compare with the oracle: limits, NaN, the signs of zeros, and the error of the rest."""
    allowed = PUBLIC["second_derivative" if form == "second_derivative" else "value"]
    if got.dtype == np.float16:
        allowed = CORRECTLY_ROUNDED
    for point, result in zip(x, got, strict=True):
        exact = oracle.exact(name, form, point, *values)
        error = oracle.ulp_error(result, exact, got.dtype)
        assert error <= allowed, (form, point, result, error)
        zeros = oracle.signed_zero(name, form, point, *values)
        signs = [np.signbit(zero) for zero in zeros]
        assert not zeros or np.signbit(result) in signs, (form, point, result, zeros)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("name", "values"), EVERY_PARAMETER)
def test_special_values_of_every_form(name: str, values: tuple[float, ...], dtype: str) -> None:
    activation = ag.get(name)
    x = special(dtype, oracle.kinks(name, *values))
    one = np.ones_like(x)
    with np.errstate(all="raise"):
        for form in FORMS:
            assert_right(name, form, getattr(activation, form)(x, *values), x, values)
        value, derivative = activation.value_and_derivative(x, *values)
        assert_same_bits(value, activation(x, *values))
        assert_same_bits(derivative, activation.derivative(x, *values))
        assert_same_bits(activation.backward(one, x, *values), derivative)
        first, second = activation.double_backward(one, one, x, *values)
        assert_right(name, "derivative", first, x, values)
        assert_same_bits(second, activation.second_derivative(x, *values))
        for parameter in activation.parameters:
            form = f"parameter_derivative:{parameter}"
            got = activation.parameter_derivative(x, *values, parameter=parameter)
            assert_right(name, form, got, x, values)
        formula = oracle.FORMULAS[name]
        if formula.from_output and not (formula.from_output_needs_positive and values[0] <= 0):
            got = activation.derivative_from_output(value, *values)
            assert_right(name, "derivative_from_output", got, value, values)
            assert_same_bits(activation.backward_from_output(one, value, *values), got)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["silu", "gelu", "gelu_tanh", "mish", "hard_swish", "swish"])
def test_gated_units_end_at_zero(name: str, dtype: str) -> None:
    # The product of -inf and a gate that has closed; PyTorch gives NaN.
    x = np.array([-np.inf, np.inf], dtype)
    value = ag.get(name)(x)
    assert value.tolist() == [0.0, np.inf]
    if name != "hard_swish":  # its zero is no limit
        assert np.signbit(value[0])
    assert ag.get(name).derivative(x).tolist() == [0.0, 1.0]
    assert ag.get(name).second_derivative(x).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("dtype", FLOATS)
def test_softsign_ends_at_one(dtype: str) -> None:
    # Infinity over infinity; PyTorch, JAX and TensorFlow give NaN.
    x = np.array([-np.inf, np.inf], dtype)
    assert ag.softsign(x).tolist() == [-1.0, 1.0]
    assert ag.softsign.derivative(x).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gelu_tanh_survives_the_cube_of_its_argument(dtype: str) -> None:
    x = np.array([-1e20, 1e20], dtype)
    assert ag.gelu_tanh.derivative(x).tolist() == [0.0, 1.0]
    assert ag.gelu_tanh.second_derivative(x).tolist() == [0.0, 0.0]
    assert ag.gelu_tanh(x).tolist() == [0.0, x[1]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_derivative_of_mish_is_negative_far_left(dtype: str) -> None:
    # x e^x and less: PyTorch's is positive near -90.
    x = np.linspace(-95, -85, 101).astype(dtype)
    derivative = ag.mish.derivative(x)
    assert (derivative < 0).all()
    error, _ = oracle.worst("mish", "derivative", derivative, x)
    assert error <= PUBLIC["derivative"]


def test_softplus_is_not_cut_to_a_line() -> None:
    # log(1 + e^x) - x is 1.9e-9 at 20.1, half a million ulps; PyTorch leaves it away from 20 on.
    assert ag.softplus(20.1) > 20.1
    assert np.isclose(ag.softplus(20.1) - 20.1, math.exp(-20.1), rtol=1e-5)
    x = np.linspace(20, 37, 200)
    assert (ag.softplus(x) > x)[x < 32].all()
    error, _ = oracle.worst("softplus", "value", ag.softplus(x), x)
    assert error <= PUBLIC["value"]


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
