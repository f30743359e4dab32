"""The gradient of a parameter: exact sums over the axes it was broadcast along."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import actgrad as ag
import oracle
from conftest import FLOATS, NAMES, assert_same_bits, parameters

EVERY = [(name, key) for name in NAMES for key in ag.get(name).parameters]


def exact_sum(
    name: str, parameter: str, grad: np.ndarray, x: np.ndarray, values: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact gradients, and the sums of the terms' magnitudes, as Fractions."""
    index = list(ag.get(name).parameters).index(parameter)
    operands = np.broadcast_arrays(grad, x, *values)
    shape = np.shape(values[index])
    kept = (1,) * (operands[0].ndim - len(shape)) + shape
    sums = np.full(kept, Fraction(0), object)
    sizes = np.full(kept, Fraction(0), object)
    for place in np.ndindex(operands[0].shape):
        g, point, *given = (operand[place] for operand in operands)
        slope = oracle.exact(name, f"parameter_derivative:{parameter}", point, *given)
        if isinstance(slope, float):
            term = Fraction(slope)
        else:
            sign, mantissa, exponent, _ = slope._mpf_
            term = (-1) ** sign * int(mantissa) * Fraction(2) ** exponent
        term *= Fraction(float(g))
        to = tuple(0 if size == 1 else i for i, size in zip(place, kept, strict=True))
        sums[to] += term
        sizes[to] += abs(term)
    return sums.reshape(shape), sizes.reshape(shape)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(), (6,), (5, 1), (1, 1, 1), (2, 1, 6), (2, 5, 6)], ids=str)
@pytest.mark.parametrize(("name", "parameter"), EVERY)
def test_the_gradient_has_the_shape_of_the_parameter(
    name: str, parameter: str, shape: tuple[int, ...], dtype: str
) -> None:
    random = np.random.default_rng(10)
    x = random.normal(scale=2, size=(2, 5, 6)).astype(dtype)
    grad = random.normal(size=(5, 6)).astype(dtype)  # broadcasts against x
    index = list(ag.get(name).parameters).index(parameter)
    values = [np.array(value, dtype) for value in parameters(name)]
    values[index] = (values[index] + random.uniform(0, 0.25, size=shape)).astype(dtype)
    got = ag.get(name).parameter_gradient(grad, x, *values, parameter=parameter)
    assert np.shape(got) == shape
    assert got.dtype == dtype
    wanted, size = exact_sum(name, parameter, grad, x, values)
    for one, exact, magnitude in zip(np.ravel(got), wanted.ravel(), size.ravel(), strict=True):
        # The rounding of the result, and that of the float64 terms before it.
        allowed = abs(exact) * Fraction(float(np.finfo(dtype).eps) / 2)
        allowed = max(allowed, Fraction(float(np.finfo(dtype).smallest_subnormal)) / 2)
        assert abs(Fraction(float(one)) - exact) <= allowed + magnitude * Fraction(2) ** -50


@pytest.mark.parametrize("start", [0.1, 1e-3])
def test_ten_million_terms_lose_nothing(start: float) -> None:
    count = 10_000_000
    x = np.full(count, -start, np.float32)
    x[::3] = -1.0
    grad = np.full(count, 0.7, np.float32)
    exact = math.fsum(grad[k] * np.float64(x[k]) * n for k, n in ((0, 3_333_334), (1, 6_666_666)))
    got = ag.prelu.parameter_gradient(grad, x, 0.25)
    assert got.dtype == np.float32
    assert abs(float(got) - exact) <= 0.5001 * float(np.spacing(np.float32(abs(exact))))
    # What a float32 accumulator would give is far off, so this is no empty promise.
    naive = np.cumsum(grad * x, dtype=np.float32)[-1]
    assert abs(float(naive) - exact) > 100 * float(np.spacing(np.float32(abs(exact))))
    wide = ag.prelu.parameter_gradient(grad.astype(float), x.astype(float), 0.25)
    assert abs(float(wide) - exact) <= 1e-13 * abs(exact)


def test_cancelling_terms_are_summed_as_fsum_does() -> None:
    random = np.random.default_rng(11)
    x = -np.exp(random.normal(scale=3, size=200_000)).astype(np.float32)
    grad = random.normal(size=x.size).astype(np.float32)
    terms = grad.astype(float) * x
    got = ag.prelu.parameter_gradient(grad, x, 0.25)
    exact = math.fsum(terms)
    assert abs(float(got) - exact) <= (
        0.5 * float(np.spacing(np.float32(abs(exact)))) + 1e-14 * np.abs(terms).sum()
    )


@pytest.mark.parametrize("layout", ["C", "F", "strided", "reversed"])
def test_one_slope_for_each_channel(layout: str) -> None:
    random = np.random.default_rng(12)
    x = random.normal(size=(8, 16, 20, 20)).astype(np.float32)
    grad = random.normal(size=x.shape).astype(np.float32)
    slopes = random.uniform(0.1, 0.4, size=(16, 1, 1)).astype(np.float32)
    arranged: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "C": np.ascontiguousarray,
        "F": np.asfortranarray,
        "strided": lambda a: np.repeat(a, 2, axis=2)[:, :, ::2],
        "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    }
    got = ag.prelu.parameter_gradient(arranged[layout](grad), arranged[layout](x), slopes)
    wanted = (grad.astype(float) * np.minimum(x.astype(float), 0)).sum(axis=(0, 2, 3))
    assert got.shape == slopes.shape
    assert np.allclose(got.ravel(), wanted, rtol=1e-7, atol=0)
    # The same numbers give the same bits, wherever they are in memory; float32 would hide it, and
    # so may a number of elements that is one of NumPy's blocks of a sum.
    for shape in [x.shape, (7, 11, 13, 1), (30, 3, 5, 20)]:
        wide = random.normal(size=(2, *shape))
        arrays = [arranged[layout](array) for array in wide]
        for slope in (0.25, np.full(shape[-1], 0.25)):
            assert_same_bits(
                ag.prelu.parameter_gradient(*arrays, slope),
                ag.prelu.parameter_gradient(*wide, slope),
                (shape, slope),
            )


@pytest.mark.parametrize("shape", [(), (16, 1, 1), (100,), (8, 16, 20, 100)], ids=str)
def test_the_number_of_threads_does_not_matter(
    threads: Callable[[int], None], shape: tuple[int, ...]
) -> None:
    random = np.random.default_rng(13)
    x, grad = random.normal(size=(2, 8, 16, 20, 100))
    beta = random.uniform(0.5, 2, size=shape)
    threads(1)
    wanted = ag.swish.parameter_gradient(grad, x, beta)
    for count in (2, 3, 8):
        threads(count)
        assert_same_bits(ag.swish.parameter_gradient(grad, x, beta), wanted, count)


@pytest.mark.parametrize("name", ["elu", "celu", "swish", "softplus"])
def test_numbers_are_parameters_of_the_operands_dtype(name: str) -> None:
    random = np.random.default_rng(14)
    for dtype in (*FLOATS, ml_dtypes.bfloat16):
        x, grad = random.normal(size=(2, 300)).astype(dtype)
        got = ag.get(name).parameter_gradient(grad, x, 0.3)
        assert got.dtype == dtype
        assert got.shape == ()
        wanted = ag.get(name).parameter_gradient(grad, x, np.array(0.3, dtype))
        assert got.tobytes() == wanted.tobytes()


def test_defaults_keywords_and_bound_parameters() -> None:
    x, grad = np.random.default_rng(15).normal(size=(2, 50))
    wanted = ag.softplus.parameter_gradient(grad, x, 1.0)
    assert_same_bits(ag.softplus.parameter_gradient(grad, x), wanted)
    assert_same_bits(ag.softplus.parameter_gradient(grad, x, beta=1.0), wanted)
    assert_same_bits(ag.softplus.bind(beta=1.0).parameter_gradient(grad, x), wanted)
    assert_same_bits(ag.softplus.parameter_gradient(grad.tolist(), x.tolist()), wanted)
    ends = {
        key: ag.hard_tanh.parameter_gradient(grad, x, -0.5, 0.25, parameter=key)
        for key in ("min_value", "max_value")
    }
    assert math.isclose(ends["min_value"], math.fsum(grad[x <= -0.5]))
    assert math.isclose(ends["max_value"], math.fsum(grad[x >= 0.25]))
    with pytest.raises(TypeError, match="choose one of min_value, max_value"):
        ag.hard_tanh.parameter_gradient(grad, x)


def test_mixed_dtypes_give_the_dtype_of_the_other_forms() -> None:
    x = np.array([-1.0, -2.0], np.float32)
    assert ag.prelu.parameter_gradient(x, x, np.float32(0.5)).dtype == np.float32
    assert ag.prelu.parameter_gradient(x.astype(float), x, 0.5).dtype == np.float64
    assert ag.prelu.parameter_gradient(x, x, np.array([0.5, 0.5])).dtype == np.float64
    assert ag.prelu.parameter_gradient([1, 1], [-1, -2], 0.5) == -3.0
    assert ag.prelu.parameter_gradient(1.0, -2.0, 0.5) == -2.0


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)], ids=str)
def test_a_sum_of_nothing_is_zero(shape: tuple[int, ...]) -> None:
    x = np.empty(shape, np.float32)
    assert_same_bits(ag.prelu.parameter_gradient(x, x, 0.25), np.float32(0))
    slopes = np.ones(shape[-1:], np.float32)
    assert_same_bits(ag.prelu.parameter_gradient(x, x, slopes), np.zeros_like(slopes))
    assert ag.prelu.parameter_gradient(np.ones(1), np.ones(1), np.empty((0, 1))).shape == (0, 1)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("name", "parameter"), EVERY)
def test_nan_and_infinities_are_quiet(name: str, parameter: str, dtype: str) -> None:
    values = [np.array(value, dtype) for value in parameters(name)]
    good = np.array([[-0.5, 0.25, 0.75], [-1.5, 2.0, 0.25]], dtype)

    def gradient(grad: Any, x: Any, given: list[np.ndarray]) -> Any:
        with np.errstate(all="raise"):
            return ag.get(name).parameter_gradient(grad, x, *given, parameter=parameter)

    index = list(ag.get(name).parameters).index(parameter)
    rows = list(values)
    rows[index] = np.full((2, 1), values[index])
    for place in range(2 + len(values)):
        operands = [good, good, *rows]
        operands[place] = operands[place].copy() if operands[place].ndim else rows[index].copy()
        if place >= 2 and place - 2 != index:
            operands[place] = np.full((2, 1), values[place - 2])
        operands[place][0, -1] = np.nan
        got = gradient(operands[0], operands[1], operands[2:])
        assert np.isnan(got).ravel().tolist() == [True, False], place
    extreme = np.array([np.inf, -np.inf, np.finfo(dtype).max, -np.finfo(dtype).max], dtype)
    gradient(extreme, extreme[::-1], values)
    gradient(np.finfo(dtype).max.repeat(4), extreme, values)
    assert gradient(np.zeros(4, dtype), np.full(4, -0.5, dtype), values) == 0


def test_a_sum_beyond_the_dtype_is_infinite() -> None:
    x = np.full(3, -np.finfo(np.float32).max)
    with np.errstate(all="raise"):
        assert ag.prelu.parameter_gradient(np.ones(3, np.float32), x, 0.25) == -np.inf
