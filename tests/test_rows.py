"""The row functions: accuracy, edges, and the same bits wherever a row lies."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import oracle
from actgrad import _core
from conftest import assert_same_bits, run_python

FLOATS = ("float32", "float64")
U = _core.ufuncs
NAMES = [name for name, ufunc in U.items() if ufunc.signature is not None]
ELEMENTWISE = [name for name in NAMES if "jacobian" not in name and name != "logsumexp"]

LIBRARY = next(iter(oracle.LIBRARIES.values()))

# Lengths about the borders of the code: blocks of 16, rows computed 16 at once, runs of 1024.
LENGTHS = (1, 2, 3, 10, 15, 16, 17, 33, 63, 64, 65, 100, 255, 1000, 1024, 1025, 2050)


@pytest.fixture(autouse=True)
def precision() -> Iterator[None]:
    """Compute exact values with bits to spare for what cancels in them."""
    before = LIBRARY.precision
    LIBRARY.precision = 320
    yield
    LIBRARY.precision = before


class Dyadic:
    """A number of the library, as the oracle takes exact values."""

    def __init__(self, number: Any) -> None:
        if hasattr(number, "_mpf_"):
            self._mpf_ = number._mpf_
        else:
            mantissa, exponent = map(int, number.mid().man_exp())
            # The exponent of e^-1e26 has 88 bits; any number that far below will do.
            exponent = max(exponent, -9000)
            self._mpf_ = (int(mantissa < 0), abs(mantissa), exponent, mantissa.bit_length())

    def __float__(self) -> float:
        return 0.0  # asked for of zeros only


ZERO = LIBRARY.number(0)


class Row:
    """The exact softmax of a row, and what follows from it without cancellation."""

    def __init__(self, x: Any) -> None:
        self.x = [float(value) for value in x]
        self.maximum = max(self.x)
        self.largest = self.x.index(self.maximum)
        weights = [self._exp(value) for value in self.x]
        self.others = sum((w for k, w in enumerate(weights) if k != self.largest), ZERO)
        self.total = self.others + 1
        self.softmax = [weight / self.total for weight in weights]
        self.log_sum = LIBRARY.log1p(self.others)

    def _exp(self, value: float) -> Any:
        if value == -math.inf:
            return ZERO
        return LIBRARY.exp(LIBRARY.number(value) - LIBRARY.number(self.maximum))

    def rest(self, k: int) -> Any:
        """Return 1 - S_k."""
        return self.others / self.total if k == self.largest else 1 - self.softmax[k]

    def log_softmax(self, k: int) -> Any:
        """Return log S_k."""
        if self.x[k] == -math.inf:
            return -math.inf
        return LIBRARY.number(self.x[k]) - LIBRARY.number(self.maximum) - self.log_sum

    def log_sum_exp(self) -> Any:
        """Return the logarithm of the sum."""
        return LIBRARY.number(self.maximum) + self.log_sum

    def mean(self, values: list[Any]) -> Any:
        """Return the mean with the weights S."""
        return sum((s * v for s, v in zip(self.softmax, values, strict=True)), ZERO)

    def centred(self, values: list[Any]) -> list[Any]:
        """Return each value less the mean."""
        relative = [value - values[self.largest] for value in values]
        mean = self.mean(relative)
        return [value - mean for value in relative]


def numbers(values: Any) -> list[Any]:
    return [LIBRARY.number(float(value)) for value in values]


def error(got: Any, wanted: Any) -> float:
    """Return the error of one result in ulp."""
    return oracle.ulp_error(got, wanted if isinstance(wanted, float) else Dyadic(wanted), got.dtype)


def relative_error(got: Any, wanted: Any, scale: Any) -> float:
    """Return the error of one result in ulp of a number as large as the terms it is made of."""
    info = np.finfo(got.dtype)
    unit = abs(scale) * float(info.eps)
    if unit < float(info.smallest_subnormal):
        unit = LIBRARY.number(float(info.smallest_subnormal))
    return float(abs(LIBRARY.number(float(got)) - wanted) / unit)


def kinds(length: int, dtype: str, seed: int = 0) -> Iterator[tuple[str, Any]]:
    """Give rows of every character."""
    random = np.random.default_rng([seed, length])
    place = random.integers(length)
    tail = (-112, -85) if dtype == "float32" else (-755, -700)
    rows = {
        "normal": random.normal(size=length) * 3,
        "wide": random.uniform(-100, 100, length),
        "huge": random.uniform(-1e4, 1e4, length),
        "masked": np.where(random.random(length) < 0.4, -np.inf, random.uniform(-1e4, 1e4, length)),
        "equal": np.full(length, random.normal() * 10),
        "saturated": random.uniform(-30, -20, length),
        "tails": random.uniform(*tail, length),
        "close": 1000 + random.normal(size=length) * 1e-3,
        "negative": -np.exp(random.uniform(-30, 30, length)),
        "any": np.exp(random.uniform(-60, 60, length)) * random.choice([-1, 1], length),
    }
    rows["masked"][place] = random.uniform(-1e4, 1e4)
    rows["saturated"][place] = random.uniform(0, 20)
    rows["tails"][place] = 0.0
    for kind, row in rows.items():
        yield kind, row.astype(dtype)


# Accuracy -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("length", LENGTHS)
def test_values_are_within_their_bounds(length: int, dtype: str) -> None:
    for kind, x in kinds(length, dtype):
        row = Row(x)
        softmax, log_softmax = U["softmax"](x), U["log_softmax"](x)
        for k in range(length):
            assert error(softmax[k], row.softmax[k]) <= 1.5, (kind, k)
            assert error(log_softmax[k], row.log_softmax(k)) <= 1, (kind, k)
        if row.maximum >= 0:
            assert error(U["logsumexp"](x), row.log_sum_exp()) <= 1, kind
        assert_same_bits(U["softmin"](-x), softmax)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("length", [2, 9, 100, 5000])
def test_logsumexp_near_zero_errs_by_little_of_the_maximum(length: int, dtype: str) -> None:
    random = np.random.default_rng(length)
    bound = 2.0 ** (-32 if dtype == "float32" else -56)
    for shift in random.uniform(-1e-3, 1e-3, 20):
        x = np.full(length, -math.log(length) + shift).astype(dtype)
        got, exact = U["logsumexp"](x), Row(x).log_sum_exp()
        allowed = bound * abs(float(x[0])) + abs(exact) * float(np.finfo(dtype).eps)
        assert abs(LIBRARY.number(float(got)) - exact) <= allowed, shift


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ["normal", "huge", "masked"])
@pytest.mark.parametrize("length", [65_537, 300_001, 1_000_000])
def test_long_rows_are_within_their_bounds(length: int, kind: str, dtype: str) -> None:
    # Few different values: the exact sum is a few products.
    random = np.random.default_rng(length)
    values = random.normal(size=40) * 4 if kind == "normal" else random.uniform(-1e4, 1e4, 40)
    values = np.unique(values.astype(dtype))
    if kind == "masked":
        values[:20] = -np.inf
    x = random.choice(values, length)
    values, places, counts = np.unique(x, return_index=True, return_counts=True)
    row = Row(values)
    weights = [share * row.total for share in row.softmax]
    total = sum((int(n) * w for n, w in zip(counts, weights, strict=True)), ZERO)
    # The largest element is 1 of the total: the logarithm without cancellation.
    log_total = LIBRARY.log1p(total - 1)
    softmax, log_softmax = U["softmax"](x), U["log_softmax"](x)
    for value, weight, k in zip(values, weights, places, strict=True):
        where = x == value
        assert_same_bits(softmax[where], np.full_like(softmax[where], softmax[k]))
        assert_same_bits(log_softmax[where], np.full_like(softmax[where], log_softmax[k]))
        assert error(softmax[k], weight / total) <= 1.5
        exact = LIBRARY.number(float(value)) - LIBRARY.number(row.maximum) - log_total
        assert error(log_softmax[k], -np.inf if value == -np.inf else exact) <= 1
    exact = LIBRARY.number(row.maximum) + log_total
    assert error(U["logsumexp"](x), exact) <= 1
    assert abs(math.fsum(softmax.tolist()) - 1) <= 2 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", FLOATS)
def test_many_small_terms_are_not_lost(dtype: str) -> None:
    # Each is below half of the smallest subnormal, their sum is not.
    lowest = -104.2 if dtype == "float32" else -745.4
    x = np.full(1 << 16, lowest, dtype)
    x[77] = 0.0
    exact = LIBRARY.log1p((len(x) - 1) * LIBRARY.exp(LIBRARY.number(float(x[0]))))
    assert error(U["logsumexp"](x), exact) <= 1
    assert error(U["log_softmax"](x)[77], -exact) <= 1
    assert not U["softmax"](x)[:77].any()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("length", LENGTHS)
def test_softmax_rows_sum_to_one(length: int, dtype: str) -> None:
    for kind, x in kinds(length, dtype, seed=1):
        for name in ("softmax", "softmin"):
            total = math.fsum(U[name](x).tolist())
            if name == "softmax" or kind != "masked":
                assert abs(total - 1) <= 2 * np.finfo(dtype).eps, (kind, name)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("length", [1, 2, 5, 17, 40])
def test_jacobian_entries_are_within_one_ulp(length: int, dtype: str) -> None:
    for kind, x in kinds(length, dtype, seed=2):
        row = Row(x)
        softmax, log_softmax = U["softmax_jacobian"](x), U["log_softmax_jacobian"](x)
        for i in range(length):
            for k in range(length):
                if i == k:
                    rest = row.rest(k)
                    wanted = row.softmax[k] * rest, rest
                else:
                    wanted = -row.softmax[i] * row.softmax[k], -row.softmax[k]
                assert error(softmax[i, k], wanted[0]) <= 1, (kind, i, k)
                assert error(log_softmax[i, k], wanted[1]) <= 1, (kind, i, k)
        assert np.array_equal(U["softmin_jacobian"](-x), -softmax)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_large_jacobian_is_made_of_the_same_products(dtype: str) -> None:
    x = np.random.default_rng(3).normal(size=1500).astype(dtype)
    jacobian = U["softmax_jacobian"](x)
    row = Row(x)
    for i, k in [(0, 0), (0, 1499), (1023, 1024), (1024, 1023), (1499, 0), (1200, 1200)]:
        wanted = row.softmax[i] * (row.rest(i) if i == k else -row.softmax[k])
        assert error(jacobian[i, k], wanted) <= 1, (i, k)
    assert_same_bits(jacobian, np.ascontiguousarray(jacobian.T))


def gradients(length: int, dtype: str) -> Iterator[tuple[str, Any]]:
    random = np.random.default_rng(length)
    one_hot = np.zeros(length)
    one_hot[random.integers(length)] = -1.0
    yield "normal", random.normal(size=length).astype(dtype)
    yield "positive", random.uniform(0.5, 1.5, length).astype(dtype)
    yield "one-hot", one_hot.astype(dtype)
    yield "constant", np.full(length, 1.37, dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("length", [2, 7, 33, 64, 65])
def test_gradients_err_by_one_ulp_of_their_terms(length: int, dtype: str) -> None:
    for kind, x in kinds(length, dtype, seed=4):
        row = Row(x)
        for character, grad in gradients(length, dtype):
            g = numbers(grad)
            total = sum(g, ZERO)
            size = sum((abs(value) for value in g), ZERO)
            got = U["softmax_backward"](grad, x)
            got_log = U["log_softmax_backward"](grad, x)
            for k, centred in enumerate(row.centred(g)):
                where = kind, character, k
                spread = row.mean([abs(g[k] - value) for value in g])
                wanted = row.softmax[k] * centred
                assert relative_error(got[k], wanted, row.softmax[k] * spread) <= 1, where
                wanted = g[k] * row.rest(k) - row.softmax[k] * (total - g[k])
                scale = abs(g[k]) * row.rest(k) + row.softmax[k] * (size - abs(g[k]))
                assert relative_error(got_log[k], wanted, scale) <= 1, where
            assert_same_bits(U["softmin_backward"](grad, -x), -got)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("gap", [5.0, 20.0, 50.0, 85.0])
def test_a_saturated_row_keeps_the_tail_of_its_gradients(gap: float, dtype: str) -> None:
    x, grad = np.array([0, -gap], dtype), np.array([1, 0], dtype)
    row = Row(x)
    tail = row.softmax[0] * row.softmax[1]
    y, log_y = U["softmax"](x), U["log_softmax"](x)
    for name, operand in [("softmax_backward", x), ("softmax_backward_from_output", y)]:
        got = U[name](grad, operand)
        assert error(got[0], tail) <= 2
        assert error(got[1], -tail) <= 2
    assert error(U["log_softmax_backward"](grad, x)[0], row.softmax[1]) <= 1
    assert error(U["log_softmax_backward_from_output"](grad, log_y)[0], row.softmax[1]) <= 2


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("length", [2, 33, 100, 1100])
def test_gradients_from_the_output_are_exact_in_the_output(length: int, dtype: str) -> None:
    x = (np.random.default_rng(length).normal(size=length) * 3).astype(dtype)
    grad = np.random.default_rng(length + 1).normal(size=length).astype(dtype)
    g = numbers(grad)
    y, log_y = U["softmax"](x), U["log_softmax"](x)
    exact, exact_log = numbers(y), numbers(log_y)
    largest = int(np.argmax(y))
    h = [value - g[largest] for value in g]
    mean = sum((a * b for a, b in zip(exact, h, strict=True)), ZERO)
    size = sum((a * abs(b) for a, b in zip(exact, h, strict=True)), ZERO)
    got = U["softmax_backward_from_output"](grad, y)
    got_log = U["log_softmax_backward_from_output"](grad, log_y)
    total = sum(g, ZERO)
    absolute = sum((abs(value) for value in g), ZERO)
    for k in range(length):
        scale = exact[k] * (abs(h[k]) + size)
        assert relative_error(got[k], exact[k] * (h[k] - mean), scale) <= 1
        share = LIBRARY.exp(exact_log[k])
        wanted = g[k] - share * total
        assert relative_error(got_log[k], wanted, abs(g[k]) + share * absolute) <= 1
    assert_same_bits(U["softmin_backward_from_output"](grad, y), -got)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("length", LENGTHS)
def test_equal_gradients_cancel_from_the_output(length: int, dtype: str) -> None:
    for kind, x in kinds(length, dtype, seed=5):
        grad = np.full_like(x, 1.37)
        assert not U["softmax_backward_from_output"](grad, U["softmax"](x)).any(), kind


def test_huge_gradients_do_not_overflow_from_the_output() -> None:
    grad, y = np.float32([3e38, -3e38, 0]), np.float32([0.0625, 0.875, 0.0625])
    mean = -0.8125 * 3e38
    wanted = y * (grad.astype("float64") - mean)
    got = U["softmax_backward_from_output"](grad, y)
    assert np.allclose(got, wanted, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("length", [2, 7, 33, 65])
def test_double_backward_is_the_gradient_of_the_gradient(length: int, dtype: str) -> None:
    for kind, x in kinds(length, dtype, seed=5):
        if kind in ("tails", "any", "negative"):
            continue
        row = Row(x)
        random = np.random.default_rng(length)
        gg, grad = (random.normal(size=length).astype(dtype) for _ in range(2))
        a, g = numbers(gg), numbers(grad)
        total = sum(g, ZERO)
        centred = row.centred(a)
        products = [p * q for p, q in zip(centred, row.centred(g), strict=True)]
        covariance = row.mean(products)
        of_grad, of_x = U["softmax_double_backward"](gg, grad, x)
        assert_same_bits(of_grad, U["softmax_backward"](gg, x))
        log_of_grad, log_of_x = U["log_softmax_double_backward"](gg, grad, x)
        mirrored = U["softmin_double_backward"](gg, grad, -x)
        assert_same_bits(mirrored[0], -of_grad)
        assert_same_bits(mirrored[1], of_x)
        for k in range(length):
            wanted = row.softmax[k] * (products[k] - covariance)
            assert relative_error(of_x[k], wanted, row.softmax[k] * 16) <= 1, (kind, k)
            spread = row.mean([abs(a[k] - value) for value in a])
            assert relative_error(log_of_grad[k], centred[k], spread) <= 1, (kind, k)
            wanted = -total * row.softmax[k] * centred[k]
            assert relative_error(log_of_x[k], wanted, row.softmax[k] * 16 * length) <= 1, (kind, k)


@pytest.mark.parametrize("length", [1, 10, 70, 1000])
def test_half_precision_is_rounded_once(length: int) -> None:
    random = np.random.default_rng(length)
    x, grad = ((random.normal(size=length) * 4).astype("float16") for _ in range(2))
    row = Row(x)
    softmax, log_softmax = U["softmax"](x), U["log_softmax"](x)
    backward, centred = U["softmax_backward"](grad, x), row.centred(numbers(grad))
    assert softmax.dtype == log_softmax.dtype == backward.dtype == np.float16
    for k in range(length):
        assert error(softmax[k], row.softmax[k]) <= 0.501
        assert error(log_softmax[k], row.log_softmax(k)) <= 0.501
        assert error(backward[k], row.softmax[k] * centred[k]) <= 0.501
    assert error(U["logsumexp"](x), row.log_sum_exp()) <= 0.501


def test_bfloat16_has_loops() -> None:
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    x = np.random.default_rng(0).normal(size=(3, 40)).astype(bfloat16)
    for name in NAMES:
        operands = [
            x[:, 0] if "()," in U[name].signature and not k else x for k in range(U[name].nin)
        ]
        results = U[name](*operands)
        singles = U[name](*(operand.astype(np.float32) for operand in operands))
        pairs = [r if isinstance(r, tuple) else (r,) for r in (results, singles)]
        for got, wanted in zip(*pairs, strict=True):
            assert got.dtype == bfloat16
            assert np.array_equal(got, wanted.astype(bfloat16)), name


# Edges --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", *FLOATS])
@pytest.mark.parametrize("length", [2, 20, 100, 3000])
def test_edges_of_a_row(length: int, dtype: str) -> None:
    x = np.random.default_rng(length).normal(size=length).astype(dtype)
    grad = np.ones_like(x)
    masked = x.copy()
    masked[1::3] = -np.inf
    with np.errstate(all="raise"):
        softmax, log_softmax = U["softmax"](masked), U["log_softmax"](masked)
        assert not softmax[1::3].any()
        assert np.all(log_softmax[1::3] == -np.inf)
        assert np.isfinite(U["logsumexp"](masked))
        assert not U["softmax_backward"](grad, masked)[1::3].any()
        assert np.array_equal(U["log_softmax_backward"](grad, masked)[1::3], grad[1::3])
        for special in (np.nan, np.inf):
            spoiled = x.copy()
            spoiled[-1] = special
            for name in ("softmax", "log_softmax"):
                assert np.isnan(U[name](spoiled)).all(), (name, special)
                assert np.isnan(U[name + "_backward"](grad, spoiled)).all(), (name, special)
            assert np.isnan(U["logsumexp_backward"](grad[0], spoiled)).all()
        empty = np.full_like(x, -np.inf)
        assert np.isnan(U["softmax"](empty)).all()
        assert np.isnan(U["log_softmax"](empty)).all()
        assert U["logsumexp"](empty) == -np.inf
        assert U["logsumexp"](np.append(x, np.inf).astype(dtype)) == np.inf
        assert np.isnan(U["logsumexp"](np.append(x, [np.inf, np.nan]).astype(dtype)))
        assert np.isnan(U["softmax_backward"](np.full_like(x, np.nan), x)).all()
        if length <= 100:
            assert np.isnan(U["softmax_jacobian"](empty)).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_largest_numbers_do_not_overflow(dtype: str) -> None:
    largest = np.finfo(dtype).max
    x = np.array([largest, -largest, largest, 0], dtype)
    assert np.array_equal(U["softmax"](x), [0.5, 0, 0.5, 0])
    assert np.array_equal(U["logsumexp"](x), largest)
    assert np.array_equal(U["softmax"](np.array([-largest, -np.inf], dtype)), [1, 0])
    with np.errstate(all="raise"):
        assert U["log_softmax"](x)[1] == -np.inf


@pytest.mark.parametrize("dtype", ["float16", *FLOATS])
def test_rows_of_no_and_one_element(dtype: str) -> None:
    none, one = np.empty((3, 0), dtype), np.array([[-2.5], [0.0], [-0.0], [1e4]], dtype)
    for name in NAMES:
        signature = U[name].signature
        scalar = "()," in signature
        operands = [none[:, :1].sum(-1) if scalar and not k else none for k in range(U[name].nin)]
        results = U[name](*operands)
        for result in results if isinstance(results, tuple) else (results,):
            if name == "logsumexp":
                assert np.array_equal(result, [-np.inf] * 3)
            else:
                assert result.size == 0
    assert np.array_equal(U["softmax"](one), np.ones_like(one))
    assert np.array_equal(U["log_softmax"](one), np.zeros_like(one))
    assert np.array_equal(U["logsumexp"](one), one[:, 0])
    assert np.array_equal(U["softmax_backward"](one, one), np.zeros_like(one))
    assert np.array_equal(U["log_softmax_backward"](one, one), np.zeros_like(one))
    assert np.array_equal(U["softmax_jacobian"](one), np.zeros((4, 1, 1)))


def test_integers_and_bools_compute_in_float64() -> None:
    x = np.arange(6).reshape(2, 3)
    for given in (x, x.astype(np.int8), x.tolist()):
        assert_same_bits(U["softmax"](given), U["softmax"](x.astype(float)))
    assert U["logsumexp"](x > 2).dtype == np.float64
    assert U["softmax_jacobian"](x.astype(np.uint8)).dtype == np.float64


@pytest.mark.parametrize("dtype", ["complex128", "longdouble", "S3", "O"])
def test_other_types_are_refused_in_one_line(dtype: str) -> None:
    for name in ("softmax", "logsumexp", "softmax_jacobian"):
        wanted = f"^{name}: got dtype .*; wanted real numbers"
        with pytest.raises(TypeError, match=wanted) as caught:
            U[name](np.ones((2, 3), dtype))
        assert "\n" not in str(caught.value)


# The same bits ------------------------------------------------------------------------


def operands(name: str, shape: tuple[int, ...], dtype: str, seed: int = 0) -> list[Any]:
    """Return random operands of a flat ufunc for rows along the last axis."""
    random = np.random.default_rng([seed, *shape])
    arrays = [random.normal(size=shape) * 4 for _ in range(U[name].nin)]
    if "()," in U[name].signature:
        arrays[0] = arrays[0][..., 0] if shape[-1] else np.zeros(shape[:-1])
    if "from_output" in name:
        softmax = name.startswith(("softmax", "softmin"))
        arrays[-1] = U["softmax" if softmax else "log_softmax"](arrays[-1])
    return [array.astype(dtype) for array in arrays]


def call(name: str, arrays: list[Any], **keywords: Any) -> tuple[Any, ...]:
    results = U[name](*arrays, **keywords)
    return results if isinstance(results, tuple) else (results,)


def rows_alone(name: str, arrays: list[Any]) -> tuple[Any, ...]:
    """Compute each row in a call of its own."""
    rows = [call(name, [array[i] for array in arrays]) for i in range(len(arrays[-1]))]
    return tuple(np.stack(results) for results in zip(*rows, strict=True))


@pytest.mark.parametrize("dtype", ["float16", *FLOATS])
@pytest.mark.parametrize("length", [1, 3, 16, 47, 64, 65, 200, 1024, 1100, 2100])
@pytest.mark.parametrize("name", [*ELEMENTWISE, "logsumexp"])
def test_a_row_has_the_same_bits_in_any_layout(name: str, length: int, dtype: str) -> None:
    arrays = operands(name, (19, length), dtype)
    wanted = rows_alone(name, arrays)

    def check(results: tuple[Any, ...], context: str) -> None:
        for got, want in zip(results, wanted, strict=True):
            assert_same_bits(got, want, context)

    check(call(name, arrays), "contiguous")
    check(call(name, [np.asfortranarray(array) for array in arrays]), "side by side")
    strided = [np.repeat(array, 3, -1)[..., ::3] for array in arrays]
    check(call(name, strided if "()," not in U[name].signature else arrays), "strided")
    mixed = [np.asfortranarray(a) if k % 2 else a for k, a in enumerate(arrays)]
    check(call(name, mixed), "mixed")
    results = call(name, [array[::-1] for array in arrays])
    check(tuple(result[::-1] for result in results), "reversed")
    if "()," not in U[name].signature:
        backwards = [np.ascontiguousarray(array[:, ::-1])[:, ::-1] for array in arrays]
        check(call(name, backwards), "backwards")
        results = call(name, [np.moveaxis(array, -1, 0) for array in arrays], axis=0)
        if name != "logsumexp":
            results = tuple(np.moveaxis(result, 0, -1) for result in results)
        check(results, "axis 0")
        out = tuple(np.empty((length, 19), dtype).T for _ in wanted)
        if name != "logsumexp":
            check(call(name, arrays, out=out), "out side by side")


@pytest.mark.parametrize("dtype", ["float16", *FLOATS])
@pytest.mark.parametrize("length", [1, 5, 64, 65, 1030])
@pytest.mark.parametrize("name", ["softmax_jacobian", "log_softmax_jacobian", "softmin_jacobian"])
def test_a_jacobian_has_the_same_bits_in_any_layout(name: str, length: int, dtype: str) -> None:
    count = 3 if length < 1000 else 1
    x = operands(name, (count, length), dtype)[0]
    wanted = U[name](x)
    assert wanted.shape == (count, length, length)
    assert_same_bits(np.stack([U[name](row) for row in x]), wanted)
    assert_same_bits(U[name](np.repeat(x, 2, -1)[:, ::2]), wanted)
    out = np.empty((length, length, count), dtype)
    U[name](x.T, axes=[0, (1, 0)], out=out)
    assert_same_bits(np.ascontiguousarray(out.transpose(2, 1, 0)), wanted)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", [*ELEMENTWISE, "logsumexp"])
def test_threads_change_no_bit(name: str, dtype: str, threads: Callable[[int], None]) -> None:
    for shape in [(5000, 37), (300, 500), (3, 200_001), (1, 400_000)]:
        arrays = operands(name, shape, dtype)
        side_by_side = [np.asfortranarray(array) for array in arrays]
        threads(1)
        wanted = call(name, arrays)
        threads(3)
        for results in (call(name, arrays), call(name, side_by_side)):
            for got, want in zip(results, wanted, strict=True):
                assert_same_bits(got, want, (shape, name))


@pytest.mark.parametrize("name", ["softmax_jacobian", "log_softmax_jacobian"])
def test_threads_change_no_bit_of_a_jacobian(name: str, threads: Callable[[int], None]) -> None:
    for shape in [(4000, 9), (1, 2100)]:
        x = operands(name, shape, "float32")[0]
        threads(1)
        wanted = U[name](x)
        threads(3)
        assert_same_bits(U[name](x), wanted)


def test_long_rows_side_by_side_are_as_long_rows() -> None:
    # More than a segment of runs, and more weights than are kept.
    x = operands("softmax", (7, 140_001), "float32")[0]
    wanted = rows_alone("softmax", [x])[0]
    assert_same_bits(U["softmax"](x), wanted)
    assert_same_bits(U["softmax"](np.ascontiguousarray(x.T), axis=0).T, wanted)


DIGEST = """
import hashlib, numpy as np
import actgrad._core as core
for name, ufunc in core.ufuncs.items():
    if ufunc.signature is None:
        continue
    for dtype in ("float16", "float32", "float64"):
        digest = hashlib.sha256()
        for length in (1, 2, 7, 16, 33, 65, 200, 1030):
            random = np.random.default_rng(length)
            arrays = [random.normal(size=(17, length)) * 5 for _ in range(ufunc.nin)]
            arrays[-1][3, -1], arrays[-1][5, 0], arrays[-1][6, 0] = np.inf, np.nan, -np.inf
            if length > 100 and "n,n" in ufunc.signature:
                arrays = [array[:2] for array in arrays]
            if "()," in ufunc.signature:
                arrays[0] = arrays[0][..., 0]
            results = ufunc(*(array.astype(dtype) for array in arrays))
            for result in results if ufunc.nout > 1 else [results]:
                result = np.where(np.isnan(result), np.array(np.nan, dtype), result)
                digest.update(np.ascontiguousarray(result).tobytes())
        print(name, dtype, digest.hexdigest())
"""


def test_every_instruction_set_gives_the_same_bits() -> None:
    digests = {
        level: run_python(DIGEST, ACTGRAD_SIMD=level) for level in _core.available_simd_levels()
    }
    wanted = digests["portable"].splitlines()
    assert len(wanted) == 3 * len(NAMES)
    for level, text in digests.items():
        pairs = zip(text.splitlines(), wanted, strict=True)
        assert [line for line, other in pairs if line != other] == [], level


# In place, and broadcasting -----------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", *FLOATS])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("length", [5, 60, 70, 1500, 3000])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_output_may_be_any_input(name: str, length: int, order: Any, dtype: str) -> None:
    arrays = operands(name, (21, length), dtype)
    wanted = call(name, arrays)
    places = [k for k in range(len(arrays)) if arrays[k].ndim == 2]
    for place in places:
        fresh = [np.array(array, order=order) for array in arrays]
        out = [fresh[place]] + [np.empty_like(fresh[place]) for _ in wanted[1:]]
        call(name, fresh, out=tuple(out))
        for got, want in zip(out, wanted, strict=True):
            assert_same_bits(got, want, (place, name))
    if len(wanted) == 2:
        fresh = [np.array(array, order=order) for array in arrays]
        call(name, fresh, out=(fresh[1], fresh[0]))
        assert_same_bits(fresh[1], wanted[0])
        assert_same_bits(fresh[0], wanted[1])


def test_a_gradient_broadcasts_against_rows() -> None:
    x = operands("softmax", (4, 6, 90), "float32")[0]
    grad = x[0, 0]
    wanted = U["softmax_backward"](np.broadcast_to(grad, x.shape).copy(), x)
    assert_same_bits(U["softmax_backward"](grad, x), wanted)
    constant = np.broadcast_to(np.float32(2), x.shape)
    backward = U["log_softmax_backward"]
    assert_same_bits(backward(constant, x), backward(constant.copy(), x))
    scalars = x[:, :1, 0]
    wanted = U["logsumexp_backward"](np.broadcast_to(scalars, (4, 6)).copy(), x)
    assert_same_bits(U["logsumexp_backward"](scalars, x), wanted)
    swapped = np.moveaxis(x, 1, 2)
    assert_same_bits(np.moveaxis(U["softmax"](swapped, axis=1), 1, 2).copy(), U["softmax"](x))
