"""The gated units: errors against the oracle, forms, halves, special values, bits, bad input."""

import copy
import itertools
import math
import pickle
import tracemalloc
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import actgrad as ag
import oracle
from actgrad import reference, ufuncs
from conftest import FLOATS, assert_same_bits

UNITS = ag.activations("gated")
NAMES = [unit.name for unit in UNITS]
ACTIVATION = {unit.name: unit.activation for unit in UNITS}
PAIRED = ("value", "derivative", "second_derivative", "value_and_derivative")

# Where the products of h with the largest numbers become zero, and beyond.
REACH = {"float32": 215.0, "float64": 1540.0, "float16": 40.0, "bfloat16": 215.0}
GAUSS_REACH = {"float32": 20.5, "float64": 55.3, "float16": 10.0, "bfloat16": 20.5}
# In ulps, as the docstrings have it; the product grad v is rounded, which may count double.
PROMISED = {"glu": 1.0, "swiglu": 1.0, "geglu": 1.0, "reglu": 0.5}


def as_tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def operands(name: str, dtype: Any, count: int, seed: int = 0) -> Any:
    """Return grad, value and gate: of every size, gates where h is steep, small or near a zero."""
    random = np.random.default_rng(seed)
    info = ml_dtypes.finfo(dtype)
    lowest, highest = math.log2(info.smallest_subnormal), info.maxexp - 0.01
    kind = np.dtype(dtype).name
    reach = (GAUSS_REACH if name == "geglu" else REACH)[kind]

    def sizes(size: int, low: float = lowest) -> Any:
        return np.exp2(random.uniform(low, highest, size)) * random.choice([-1, 1], size)

    points = oracle.sample(dtype, 10, seed, ACTIVATION[name]).astype(np.float64)
    points = points[np.isfinite(points)]
    points = points[points > -reach]
    gates = [random.uniform(-20 if name != "geglu" else -reach, 20, count)]
    gates += [random.uniform(-reach, 20, count), np.maximum(sizes(count // 2), -reach), points]
    gate = np.concatenate(gates).astype(dtype)
    count = gate.size
    value = np.where(random.random(count) < 0.5, random.normal(scale=3, size=count), sizes(count))
    value = np.where(random.random(count) < 0.2, sizes(count, highest - 30), value).astype(dtype)
    grad = np.where(random.random(count) < 0.6, random.normal(size=count), sizes(count))
    return grad.astype(dtype), value, gate


@lru_cache(maxsize=1 << 18)
def exact(name: str, form: str, gate: Any) -> Any:
    return oracle.exact(ACTIVATION[name], form, gate)


def product(*factors: Any) -> Any:
    result = oracle.EXACT.mpf(1)
    for factor in factors:
        result = result * oracle.EXACT.mpf(factor)
    return result


def check(got: Any, wanted: Callable[[int], Any], allowed: float, dtype: Any, *inputs: Any) -> None:
    errors = [oracle.ulp_error(result, wanted(i), dtype) for i, result in enumerate(got)]
    worst = int(np.argmax(errors))
    assert errors[worst] <= allowed, (errors[worst], [array[worst] for array in inputs])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_error_is_within_the_promise(name: str, dtype: str) -> None:
    unit = ag.get(name)
    grad, value, gate = operands(name, dtype, 700)
    v, u = [float(x) for x in value], [float(x) for x in grad]
    h = [[exact(name, form, g) for g in gate] for form in PAIRED[:3]]
    products = [lambda i, k=k: product(v[i], h[k][i]) for k in range(3)]
    allowed = PROMISED[name]
    check(unit(value, gate), products[0], allowed, dtype, value, gate)
    by_value, by_gate = unit.derivative(value, gate)
    check(by_value, lambda i: h[0][i], 1.0, dtype, gate)
    check(by_gate, products[1], allowed, dtype, value, gate)
    twice, mixed, bend = unit.second_derivative(value, gate)
    assert not twice.any()
    check(mixed, lambda i: h[1][i], 1.0, dtype, gate)
    check(bend, products[2], allowed, dtype, value, gate)
    by_value, by_gate = unit.backward(grad, value, gate)
    inputs = (grad, value, gate)
    check(by_value, lambda i: product(u[i], h[0][i]), allowed, dtype, *inputs)
    # Beyond the reach of one factor a gate is shut for two.
    with np.errstate(over="ignore"):
        beyond = np.isinf(grad * value) & (np.abs(gate) > {"float32": 205, "float64": 1520}[dtype])
    by_gate[beyond] = 0

    def wanted(i: int) -> Any:
        return 0.0 if beyond[i] else product(u[i], v[i], h[1][i])

    check(by_gate, wanted, allowed + 1, dtype, *inputs)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_half_formats_are_rounded_from_float64(name: str, dtype: Any) -> None:
    unit = ag.get(name)
    _, value, gate = operands(name, dtype, 700, seed=1)
    kind = np.dtype(dtype).name
    for form in PAIRED[:3]:
        got = as_tuple(getattr(unit, form)(value, gate))[-1]
        h = [exact(name, form, g) for g in gate]
        check(got, lambda i, h=h: product(float(value[i]), h[i]), 0.5 + 1e-12, kind, value, gate)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_ties_that_float64_cannot_tell_go_the_right_way(name: str, dtype: Any) -> None:
    # Gates far out and near zero, where h is almost a line. Its product with a factor is almost a
    # tie then, if both have half of the bits.
    random = np.random.default_rng(7)
    bits = (ml_dtypes.finfo(dtype).nmant + 3) // 2
    value, grad, gate = random.integers(1 << (bits - 1), 1 << bits, (3, 1200)).astype(float)
    gate[:600] = gate[:600] % 13 / 2 + (6 if name == "geglu" else 36)
    gate[600:] *= 2.0 ** random.integers(-20, -15, 600)
    value, grad, gate = value.astype(dtype), grad.astype(dtype), gate.astype(dtype)
    unit = ag.get(name)
    by_gate = unit.backward(grad, value, gate)[1]
    for i, (u, v, g) in enumerate(zip(grad.tolist(), value.tolist(), gate, strict=True)):
        wanted = product(v, exact(name, "value", g))
        assert unit(value[i], g) == oracle.rounded(wanted, dtype), (v, g)
        wanted = product(u, v, exact(name, "derivative", g))
        assert by_gate[i] == oracle.rounded(wanted, dtype), (u, v, g)


def test_a_shut_gate_passes_a_large_value() -> None:
    # h is below the smallest number; its product with the value is not.
    single = np.float32(1e38)
    assert ag.glu(single, np.float32(-110)) == np.float32(ag.glu(float(single), -110.0))
    exact_value = product(1e308, oracle.exact("sigmoid", "value", -1000.0))
    assert oracle.ulp_error(ag.glu(1e308, -1000.0), exact_value, "float64") <= 1
    assert ag.reglu.backward(1e308, 1e308, -1.0) == (0.0, 0.0)
    assert ag.glu.backward(1e200, 1e200, -460.0)[1] == pytest.approx(1e200 * math.exp(-460) * 1e200)


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_agrees(name: str) -> None:
    unit, plain = ag.get(name), reference.GATED[name]
    random = np.random.default_rng(2)
    for gg_value, gg_gate, grad, value, gate in random.normal(scale=3, size=(200, 5)).tolist():
        pairs = [(getattr(unit, form)(value, gate), getattr(plain, form)) for form in PAIRED[:3]]
        for got, form in pairs:
            assert np.allclose(got, form(value, gate), rtol=1e-12, atol=1e-14)
        got = unit.backward(grad, value, gate)
        assert np.allclose(got, plain.backward(grad, value, gate), rtol=1e-12, atol=1e-14)
        inputs = (gg_value, gg_gate, grad, value, gate)
        got = unit.double_backward(*inputs)
        assert np.allclose(got, plain.double_backward(*inputs), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_value_and_derivative_agree_with_the_separate_forms(name: str) -> None:
    unit, (_, value, gate) = ag.get(name), operands(name, "float32", 300)
    both = unit.value_and_derivative(value, gate)
    for got, wanted in zip(both, (unit(value, gate), *unit.derivative(value, gate)), strict=True):
        assert_same_bits(got, wanted)


def test_the_gated_units_come_after_the_functions_of_x() -> None:
    before = ag.activations("element-wise")
    assert ag.activations()[: len(before) + len(UNITS)] == (*before, *UNITS)
    assert NAMES == ["glu", "swiglu", "geglu", "reglu"]


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_knows_itself(name: str) -> None:
    unit = ag.get(name)
    assert isinstance(unit, ag.GatedActivation)
    assert unit is getattr(ag, name)
    assert (unit.name, unit.kind, dict(unit.parameters)) == (name, "gated", {})
    assert unit.range == "(-inf, inf)"
    assert repr(unit) == f"actgrad.{name}"
    card = unit._repr_html_()
    assert unit.formula in card
    assert card.count("<polyline") == 2
    assert repr(unit.backward) == f"<form '{name}_backward' of actgrad.{name}>"
    assert unit.backward.__doc__ == getattr(ufuncs, f"{name}_backward").__doc__
    assert unit.value.ufunc is getattr(ufuncs, name)
    with pytest.raises(AttributeError, match="frozen"):
        unit.name = "other"
    with pytest.raises(AttributeError, match="not functions of its output; use derivative with"):
        _ = unit.derivative_from_output  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="no attribute 'jacobien'"):
        _ = unit.jacobien  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_pickling_and_copying(name: str) -> None:
    unit = ag.get(name)
    assert pickle.loads(pickle.dumps(unit)) is unit
    assert pickle.loads(pickle.dumps(unit.backward)) is unit.backward
    assert copy.deepcopy({"f": unit})["f"] is unit


def split(array: Any, axis: int) -> list[Any]:
    return np.split(array, 2, axis)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ml_dtypes.bfloat16])
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("name", NAMES)
def test_halves_give_what_two_arrays_give(name: str, axis: int, dtype: Any) -> None:
    unit = ag.get(name)
    x, gg = np.random.default_rng(3).normal(scale=3, size=(2, 6, 4, 10)).astype(dtype)
    value, gate = (np.ascontiguousarray(half) for half in split(x, axis))
    grad = np.random.default_rng(4).normal(size=value.shape).astype(dtype)
    for form in PAIRED:
        function = getattr(unit, form)
        results = zip(
            as_tuple(function(x, axis=axis)), as_tuple(function(value, gate)), strict=True
        )
        for got, wanted in results:
            assert got.dtype == dtype
            assert_same_bits(got, wanted)
    wanted = np.concatenate(unit.backward(grad, value, gate), axis)
    assert_same_bits(unit.backward(grad, x, axis=axis), wanted)
    out = np.empty_like(x)
    assert unit.backward(grad, x, axis=axis, out=out) is out
    assert_same_bits(out, wanted)
    assert unit.backward(grad, x, axis=axis, out=x) is x  # in place
    assert_same_bits(x, wanted)

    x = np.concatenate([value, gate], axis)
    by_grad, *by_both = unit.double_backward(*split(gg, axis), grad, value, gate)
    results = unit.double_backward(gg, grad, x, axis=axis)
    assert_same_bits(results[0], by_grad)
    assert_same_bits(results[1], np.concatenate(by_both, axis))
    outs = np.empty_like(by_grad), np.empty_like(x)
    returned = unit.double_backward(gg, grad, x, axis=axis, out=outs)
    assert all(a is b for a, b in zip(returned, outs, strict=True))
    assert_same_bits(outs[1], results[1])


@given(
    shape=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    steps=st.lists(st.sampled_from([1, 2, -1, -3]), min_size=4, max_size=4),
    data=st.data(),
    name=st.sampled_from(NAMES),
    dtype=st.sampled_from(FLOATS),
)
@settings(max_examples=150, deadline=None)
def test_halves_of_any_view(
    shape: list[int], steps: list[int], data: st.DataObject, name: str, dtype: str
) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    shape[axis] *= 2
    order = data.draw(st.permutations(range(len(shape))))
    sizes = [shape[k] * abs(steps[k]) for k in order]
    base = np.random.default_rng(5).normal(scale=4, size=sizes).astype(dtype)
    view = base.transpose(np.argsort(order))
    x = view[tuple(slice(None, None, step) for step in steps[: len(shape)])]
    assert x.shape == tuple(shape)
    value, gate = (np.ascontiguousarray(half) for half in split(x, axis))
    unit = ag.get(name)
    assert_same_bits(unit(x, axis=axis), unit(value, gate))
    wanted = np.concatenate(unit.backward(value, value, gate), axis)
    assert_same_bits(unit.backward(value, x, axis=axis), wanted)
    unit.backward(value, x, axis=axis, out=x)
    assert_same_bits(x, wanted)


@pytest.mark.parametrize("name", NAMES)
def test_broadcasting_and_keywords(name: str) -> None:
    unit = ag.get(name)
    value, gate = np.ones((5, 1), np.float32), np.linspace(-3, 3, 7, dtype=np.float32)
    assert_same_bits(unit(value, gate), unit(*np.broadcast_arrays(value, gate)))
    x = np.random.default_rng(6).normal(size=(4, 6))
    wanted = unit.backward(np.ones((4, 3)), x)
    assert_same_bits(unit.backward(1.0, x), wanted)
    assert_same_bits(unit.backward(np.ones(3), x), wanted)
    single = x.astype(np.float32)
    assert unit.backward(1.0, single).dtype == np.float32
    assert unit.backward(np.float64(1.0), single).dtype == np.float64
    got = unit.backward(1.0, x, dtype=np.float32, casting="same_kind")
    assert_same_bits(got, unit.backward(np.float32(1.0), single))
    mask = np.array([True, False, True])
    out = np.full((4, 6), 7.0)
    unit.backward(1.0, x, out=out, where=mask)
    assert_same_bits(out, np.where(np.tile(mask, 2), wanted, 7.0))


@pytest.mark.parametrize("name", NAMES)
def test_integers_and_lists_compute_in_float64(name: str) -> None:
    unit = ag.get(name)
    assert_same_bits(unit([1, 2, 3, 4]), unit(np.array([1.0, 2.0]), np.array([3.0, 4.0])))
    assert unit(np.ones(4, np.int8)).dtype == np.float64
    assert unit.backward(1, [True, False]).dtype == np.float64
    assert isinstance(unit(1.0, 2.0), np.float64)
    assert unit(np.empty((3, 0))).shape == (3, 0)
    assert unit.backward(np.empty((0, 2)), np.empty((0, 4))).shape == (0, 4)


SPECIAL = [0.0, -0.0, 1e-300, 1.0, -2.0, 1e300, -1e300, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_products_of_special_values_are_those_of_floats(name: str, dtype: str) -> None:
    unit, h = ag.get(name), ag.get(ACTIVATION[name])
    with np.errstate(all="ignore"):
        points = np.array(SPECIAL).astype(dtype)
    value, gate = (half.ravel() for half in np.meshgrid(points, points))
    with np.errstate(all="raise"):
        product, (by_value, by_gate) = unit(value, gate), unit.derivative(value, gate)
        twice, mixed, bend = unit.second_derivative(value, gate)
        unit.backward(value[::-1], value, gate)
        unit.double_backward(gate, gate[::-1], value[::-1], value, gate)
    nan = np.isnan(value) | np.isnan(gate)
    assert np.isnan(twice[nan]).all()
    assert not twice[~nan].any()
    for got, form in ((product, h.value), (by_gate, h.derivative), (bend, h.second_derivative)):
        # An infinite value meets h before it is rounded: not 0 where h underflows.
        with np.errstate(all="ignore"):
            wanted = value * form(gate)
        hidden = np.isinf(value) & np.isfinite(gate) & (form(gate) == 0)
        hidden &= oracle_is_not_zero(name, form.__name__, gate)
        assert np.isinf(got[hidden]).all()
        assert np.array_equal(np.isnan(got[~hidden]), np.isnan(wanted[~hidden]))
        special = ~hidden & (np.isinf(wanted) | (wanted == 0)) & ~np.isnan(wanted)
        assert np.array_equal(got[special], wanted[special])
        # The sign of what underflows, and of h'' at its zero, is not promised.
        special &= (value == 0) | np.isinf(gate) | np.isinf(wanted)
        special &= (gate != 0) | (form is not h.second_derivative)
        assert np.array_equal(np.signbit(got[special]), np.signbit(wanted[special]))
    assert_same_bits(by_value, h(gate))
    assert np.allclose(mixed, h.derivative(gate), rtol=np.finfo(dtype).eps, equal_nan=True)


def oracle_is_not_zero(name: str, ufunc: str, gate: Any) -> Any:
    form = next(f for f in ("second_derivative", "derivative", "value") if f in ufunc + "value")
    finite = [g if np.isfinite(g) else type(g)(0) for g in gate]
    return np.array([exact(name, form, g) != 0 for g in finite])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_position_stride_and_threads_do_not_matter(
    name: str, dtype: str, threads: Callable[[int], None]
) -> None:
    unit = ag.get(name)
    x = np.random.default_rng(7).normal(scale=4, size=(600, 1200)).astype(dtype)
    grad = np.ones((600, 600), dtype)
    threads(1)
    value, backward = unit(x), unit.backward(grad, x)
    for count in (2, 3):
        threads(count)
        assert_same_bits(unit(x), value)
        assert_same_bits(unit.backward(grad, x), backward)
        assert_same_bits(unit(np.asfortranarray(x)), value)
    v, g = x[0, :300].copy(), x[0, 600:900].copy()
    for start, step in itertools.product((0, 1, 5), (1, 2, -3)):
        part = slice(start, None, step) if step > 0 else slice(None, start, step)
        assert_same_bits(unit(v[part], g[part]), value[0, :300][part])


def test_memory_beyond_the_result_is_small() -> None:
    x, grad = np.ones((1000, 2000), np.float32), np.ones((1000, 1000), np.float32)
    out = np.empty_like(x)
    tracemalloc.start()
    try:
        ag.swiglu.backward(grad, x, out=out)
        ag.swiglu(x, out=grad)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 1 << 19


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "message"),
    [
        (
            (np.ones((2, 3)),),
            {},
            ValueError,
            r"got shape \(2, 3\), of odd length along axis -1",
        ),
        (
            (np.ones((3, 2)),),
            {"axis": 0},
            ValueError,
            r"odd length along axis 0; wanted an even",
        ),
        ((np.ones(4),), {"axis": 1}, np.exceptions.AxisError, r"glu: axis 1 is out of bounds"),
        ((np.ones(4),), {"axis": -2}, np.exceptions.AxisError, r"wanted an axis from -1 to 0"),
        ((np.ones(4),), {"axis": 0.5}, TypeError, r"glu: got axis=0.5; wanted an integer"),
        ((2.0,), {}, np.exceptions.AxisError, r"glu: got a number, which has no halves"),
        (([[1.0], [1.0, 2.0]],), {}, ValueError, r"glu: got rows of different lengths"),
        ((np.ones(2), np.ones(3)), {}, ValueError, r"could not be broadcast.*\(2,\) \(3,\)"),
        ((np.ones(2), np.ones(2)), {"axis": 0}, TypeError, r"glu: got axis=0 beside a value and"),
        ((), {}, TypeError, r"glu: got 0 operands; wanted 2, the last of them a value and a gate"),
        ((np.ones(4, complex),), {}, TypeError, r"glu: got dtype complex128; wanted real numbers"),
        ((None,), {}, TypeError, r"glu: got dtype object; wanted real numbers"),
        (("text",), {}, TypeError, r"glu: got dtype <U4; wanted real numbers"),
        ((np.ones(2), None), {}, TypeError, r"glu: got dtype object; wanted real numbers"),
        ((np.ones(4, np.longdouble),), {}, TypeError, r"wanted real numbers"),
    ],
)
def test_bad_input_gets_one_line(
    arguments: Any, keywords: Any, error: type[Exception], message: str
) -> None:
    out = np.full(2, 7.0)
    for extra in ({}, {"out": out}):
        with pytest.raises(error, match=message) as caught:
            ag.glu(*arguments, **keywords, **extra)
        assert "\n" not in str(caught.value)
        if "broadcast" not in message:
            assert isinstance(caught.value, ag.ActgradError)
    assert (out == 7.0).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.ones(2), np.ones(3)), ValueError, "glu_backward: got shape"),
        (
            (np.ones(3), np.ones(4)),
            ValueError,
            r"grad of shape \(3,\) for halves of shape \(2,\)",
        ),
        ((np.ones((5, 2)), np.ones(4)), ValueError, r"wanted a shape that broadcasts to theirs"),
        ((np.ones(2, complex), np.ones(4)), TypeError, "got dtype complex128; wanted real"),
        ((np.ones(2), 1.0), ValueError, "got a number, which has no halves"),
        ((np.ones(2),), TypeError, "got 1 operands; wanted 3, the last of them a value and a gate"),
    ],
)
def test_bad_input_to_backward_gets_one_line(
    arguments: Any, error: type[Exception], message: str
) -> None:
    out = np.full(4, 7.0)
    for extra in ({}, {"out": out}):
        with pytest.raises(error, match=message) as caught:
            ag.glu.backward(*arguments, **extra)
        assert isinstance(caught.value, ag.ActgradError)
        assert "\n" not in str(caught.value)
    assert (out == 7.0).all()


def test_a_wrong_out_is_refused() -> None:
    x, grad = np.ones(4), np.ones(2)
    message = r"glu_backward: got out of shape \(2,\); wanted an array of shape \(4,\)"
    with pytest.raises(ag.ActgradValueError, match=message):
        ag.glu.backward(grad, x, out=np.empty(2))
    with pytest.raises(ag.ActgradValueError, match=r"wanted an array of shape \(4,\)"):
        ag.glu.backward(grad, x, out=(np.empty(2), np.empty(2)))
    integers = np.full(4, 7)
    with pytest.raises(TypeError, match="same_kind"):
        ag.glu.backward(grad, x, out=integers)
    assert (integers == 7).all()
    message = r"glu_double_backward: got gg of shape \(2,\) for an array of shape \(4,\)"
    with pytest.raises(ag.ActgradValueError, match=message):
        ag.glu.double_backward(np.ones(2), grad, x)
