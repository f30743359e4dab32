"""`derivatives`: the founding examples, and exact decimal rounding on arrays."""

import decimal
import fractions
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import actgrad as ag
from actgrad import reference
from conftest import assert_same_bits

KEYS = ["sigmoid", "tanh", "relu"]


@pytest.mark.parametrize(
    ("x", "wanted"),
    [
        (0.0, {"sigmoid": 0.25, "tanh": 1.0, "relu": 0.0}),
        (1.0, {"sigmoid": 0.1966, "tanh": 0.42, "relu": 1.0}),
        (-1.0, {"sigmoid": 0.1966, "tanh": 0.42, "relu": 0.0}),
    ],
)
def test_founding_examples(x: float, wanted: dict[str, float]) -> None:
    assert ag.derivatives(x) == wanted
    assert list(ag.derivatives(x)) == KEYS
    assert reference.derivatives(x) == wanted


@pytest.mark.parametrize(
    "x", [1, 1.0, True, np.float64(1), np.float32(1), np.float16(1), np.int8(1), np.bool_(True)]
)
def test_scalars_of_any_type_give_python_floats(x: Any) -> None:
    result = ag.derivatives(x)
    assert result == {"sigmoid": 0.1966, "tanh": 0.42, "relu": 1.0}
    assert [type(value) for value in result.values()] == [float] * 3


def test_special_values() -> None:
    assert ag.derivatives(math.inf) == {"sigmoid": 0.0, "tanh": 0.0, "relu": 1.0}
    assert ag.derivatives(-math.inf) == {"sigmoid": 0.0, "tanh": 0.0, "relu": 0.0}
    assert ag.derivatives(10**400) == {"sigmoid": 0.0, "tanh": 0.0, "relu": 1.0}
    assert all(math.isnan(value) for value in ag.derivatives(math.nan).values())


@given(st.floats(allow_nan=False))
def test_scalars_agree_with_the_reference(x: float) -> None:
    assert ag.derivatives(x) == reference.derivatives(x)


def sample() -> np.ndarray:
    random = np.random.default_rng(0)
    return np.concatenate([random.uniform(-20, 20, 4000), random.normal(size=4000), [0.0, -0.0]])


@pytest.mark.parametrize("decimals", [(4, 2), (0, 0), (1, 3), (7, 15), (15, 7), (16, 20), (-1, -3)])
def test_arrays_round_as_python_does(decimals: tuple[int, int]) -> None:
    x = sample()
    exact = ag.derivatives(x, decimals=None)
    rounded = ag.derivatives(x, decimals=decimals)
    for name, digits in zip(("sigmoid", "tanh"), decimals, strict=True):
        wanted = [round(value, digits) for value in exact[name].tolist()]
        assert_same_bits(rounded[name], np.array(wanted), name)
    assert_same_bits(rounded["relu"], exact["relu"])


@pytest.mark.parametrize("x", [0.3, -7.25, 1e-300, 5e-324, 1e308])
def test_scalars_and_arrays_agree(x: float) -> None:
    for decimals in ((4, 2), (9, 9), (18, 1), None):
        array = ag.derivatives([x], decimals)
        assert {name: values[0] for name, values in array.items()} == ag.derivatives(x, decimals)


def test_rounding_is_exact_next_to_ties() -> None:
    # Doubles around k + 1/2 units of the fourth decimal, where scaling by 10^4 would mislead.
    round_decimal = ag.ufuncs.round_decimal  # type: ignore[attr-defined]
    units = np.arange(0, 2500)
    near = (units + 0.5) / 1e4
    values = np.concatenate([near, np.nextafter(near, 0), np.nextafter(near, 1)])
    got = round_decimal(values, 1e4)
    wanted = []
    for value in values.tolist():
        exact = decimal.Decimal(value).quantize(
            decimal.Decimal("1e-4"), rounding=decimal.ROUND_HALF_EVEN
        )
        wanted.append(float(exact))
        assert float(exact) == round(value, 4)
    assert_same_bits(got, np.array(wanted))
    naive = np.round(values, 4)
    assert (naive != got).any()  # what numpy.round gives does differ here


def test_exact_ties_go_to_even() -> None:
    round_decimal = ag.ufuncs.round_decimal  # type: ignore[attr-defined]
    for value, digits in ((0.5, 0), (0.125, 2), (0.375, 2), (0.0625, 3), (0.1875, 3), (1.0, 0)):
        assert round_decimal(value, 10.0**digits) == round(value, digits)
        tie = fractions.Fraction(value) * 10**digits % 1
        assert tie in (0, fractions.Fraction(1, 2))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes_and_shapes(dtype: str) -> None:
    x = sample().astype(dtype).reshape(2, -1)
    result = ag.derivatives(x)
    assert list(result) == KEYS
    for name, values in result.items():
        assert values.dtype == dtype
        assert values.shape == x.shape
        wanted = [ag.derivatives(float(value))[name] for value in x.ravel()]
        assert_same_bits(values, np.array(wanted).astype(dtype).reshape(x.shape), name)


def test_integers_give_float64() -> None:
    for decimals in ((4, 2), (5, 5), None):
        result = ag.derivatives(np.array([-1, 0, 1], np.int8), decimals)
        assert [values.dtype for values in result.values()] == [np.float64] * 3


def test_out_takes_three_arrays() -> None:
    x = sample()
    for decimals in ((4, 2), (5, 1), None):
        out = tuple(np.empty_like(x) for _ in range(3))
        result = ag.derivatives(x, decimals, out=out)
        assert all(result[name] is array for name, array in zip(KEYS, out, strict=True))
        for name, values in ag.derivatives(x, decimals).items():
            assert_same_bits(result[name], values)


def test_sigmoid_and_tanh_share_one_pass_without_losing_accuracy() -> None:
    x = sample()
    fused = ag.derivatives(x, decimals=None)
    for name in KEYS:
        separate = ag.get(name).derivative(x)
        assert np.allclose(fused[name], separate, rtol=2**-52, atol=0)


@pytest.mark.parametrize("bad", ["1.0", None, 1j, np.array(["a"]), [1.0, None], np.longdouble(1)])
def test_bad_input_is_one_clear_type_error(bad: Any) -> None:
    with pytest.raises(ag.ActgradTypeError, match=r"got dtype .* wanted real numbers"):
        ag.derivatives(bad)


@pytest.mark.parametrize("bad", [4, (4,), (4, 2, 1), (4.0, 2), "42", ("a", "b")])
def test_bad_decimals_are_one_clear_type_error(bad: Any) -> None:
    with pytest.raises(TypeError, match="wanted two integers"):
        ag.derivatives(1.0, bad)
    with pytest.raises(TypeError, match="wanted two integers"):
        ag.derivatives([1.0], bad)


@pytest.mark.parametrize("bad", [np.empty(3), (np.empty(3),), (np.empty(3),) * 2])
def test_bad_out_is_one_clear_error(bad: Any) -> None:
    with pytest.raises(ValueError, match="out is not three arrays"):
        ag.derivatives(np.ones(3), out=bad)
