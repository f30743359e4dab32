"""Every flat function is a NumPy ufunc in full: dtypes, out, where, overlap, errors, pickling."""

import pickle
import tracemalloc
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import actgrad as ag
from actgrad import _core, ufuncs
from conftest import assert_same_bits, run_python

ELEMENTWISE = [name for name in ufuncs.__all__ if getattr(ufuncs, name).signature is None]
UNARY = [name for name in ELEMENTWISE if getattr(ufuncs, name).nin == 1]


def operands(ufunc: np.ufunc, shape: Any, dtype: Any = np.float64, seed: int = 0) -> list[Any]:
    random = np.random.default_rng(seed)
    return [random.uniform(0.1, 0.9, shape).astype(dtype) for _ in range(ufunc.nin)]


def as_tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("name", ufuncs.__all__)
def test_is_a_ufunc_under_its_name(name: str) -> None:
    ufunc = getattr(ufuncs, name)
    assert isinstance(ufunc, np.ufunc)
    assert ufunc.__name__ == name
    assert pickle.loads(pickle.dumps(ufunc)) is ufunc


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_loops_go_from_narrow_to_wide(name: str) -> None:
    ufunc = getattr(ufuncs, name)
    builtin = [types for types in ufunc.types if set(types) <= set("efd->")]
    assert [types[0] for types in builtin] == ["e", "f", "d"]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_float_dtypes_are_kept(name: str, dtype: Any) -> None:
    ufunc = getattr(ufuncs, name)
    for result in as_tuple(ufunc(*operands(ufunc, 3, dtype))):
        assert result.dtype == dtype


@pytest.mark.parametrize("dtype", "?bBhHiIlLqQ")
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_integers_and_bools_compute_in_float64(name: str, dtype: str) -> None:
    ufunc = getattr(ufuncs, name)
    inputs = [np.ones(3, dtype)] * ufunc.nin
    results = as_tuple(ufunc(*inputs))
    wanted = as_tuple(ufunc(*(x.astype(np.float64) for x in inputs)))
    for result, exact in zip(results, wanted, strict=True):
        assert_same_bits(result, exact)


def test_promotion_follows_numpy() -> None:
    backward = ufuncs.sigmoid_backward
    for grad in "efd":
        for x in "efd":
            wanted = np.promote_types(grad, x)
            assert backward(np.ones(2, grad), np.ones(2, x)).dtype == wanted
    assert backward(np.ones(2, "f"), 1.0).dtype == np.float32  # a Python number is weak
    assert backward(np.ones(2, "b"), 1.0).dtype == np.float64
    assert backward(np.ones(2, "f"), np.ones(2, "h")).dtype == np.float32


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_out_and_where(name: str) -> None:
    ufunc = getattr(ufuncs, name)
    inputs = operands(ufunc, 1000)
    wanted = as_tuple(ufunc(*inputs))
    mask = np.random.default_rng(1).random(1000) < 0.5
    outs = tuple(np.full(1000, 7.0) for _ in wanted)
    returned = as_tuple(ufunc(*inputs, out=outs, where=mask))
    for out, got, exact in zip(outs, returned, wanted, strict=True):
        assert got is out
        assert_same_bits(out, np.where(mask, exact, 7.0))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_in_place(name: str) -> None:
    ufunc = getattr(ufuncs, name)
    for position in range(ufunc.nin):
        for size in (1, 100, 70_000):
            inputs = operands(ufunc, size)
            wanted = as_tuple(ufunc(*inputs))
            others = tuple(np.empty(size) for _ in wanted[1:])
            results = as_tuple(ufunc(*inputs, out=(inputs[position], *others)))
            for got, exact in zip(results, wanted, strict=True):
                assert_same_bits(got, exact, (position, size))


@pytest.mark.parametrize("shift", [-2, -1, 1, 2, 40])
@pytest.mark.parametrize("name", UNARY)
def test_overlapping_operands(name: str, shift: int) -> None:
    ufunc = getattr(ufuncs, name)
    if ufunc.nout > 1:
        return  # one output is enough to overlap; NumPy copies for more
    data = np.random.default_rng(0).uniform(0.1, 0.9, 5000)
    source = data[max(-shift, 0) : len(data) - max(shift, 0)]
    target = data[max(shift, 0) : len(data) - max(-shift, 0)]
    wanted = ufunc(source.copy())
    ufunc(source, out=target)
    assert_same_bits(target, wanted)


def test_accumulate_and_reduce_go_one_element_at_a_time() -> None:
    # sigmoid_backward(a, x) = a sigmoid'(x): accumulate feeds each result into the next element.
    x = np.random.default_rng(0).normal(size=500)
    slope = ag.sigmoid.derivative(x)
    product = [x[0]]
    for factor in slope[1:]:
        product.append(product[-1] * factor)
    assert_same_bits(ufuncs.sigmoid_backward.accumulate(x), np.array(product))
    assert_same_bits(ufuncs.sigmoid_backward.reduce(x), np.array(product[-1]))
    assert_same_bits(
        ufuncs.sigmoid_backward.outer(x, x[:7]), x[:, np.newaxis] * slope[np.newaxis, :7]
    )


def test_broadcasting() -> None:
    grad = np.random.default_rng(0).normal(size=(7, 1, 300))
    x = np.random.default_rng(1).normal(size=(5, 1))
    assert_same_bits(ag.tanh.backward(grad, x), grad * ag.tanh.derivative(x))


@pytest.mark.parametrize(
    "bad",
    [
        np.ones(2, complex),
        np.array(["a", "b"]),
        np.array([1.0, None]),
        None,
        "text",
        np.ones(2, np.longdouble),
        np.array(["2020-01-01"], "M8[D]"),
        np.array([(1.0,)], [("x", float)]),
    ],
    ids=["complex", "string", "object", "None", "str", "longdouble", "datetime", "structured"],
)
@pytest.mark.parametrize("form", ["value", "derivative", "backward"])
def test_other_types_are_refused_in_one_line(form: str, bad: Any) -> None:
    function = getattr(ag.sigmoid, form)
    out = np.full(2, 7.0)
    arguments = (np.ones(2), bad) if form == "backward" else (bad,)
    for keywords in ({}, {"out": out}):
        with pytest.raises(TypeError) as caught:
            function(*arguments, **keywords)
        assert isinstance(caught.value, ag.ActgradTypeError)
        message = str(caught.value)
        assert "\n" not in message
        assert "got dtype" in message
        assert "wanted real numbers" in message
        assert "convert with" in message
    assert (out == 7.0).all()


def test_shapes_that_do_not_broadcast_are_refused() -> None:
    out = np.full(3, 7.0)
    with pytest.raises(ValueError, match=r"\(3,\) \(4,\)"):
        ag.sigmoid.backward(np.ones(3), np.ones(4), out=out)
    with pytest.raises(ValueError, match="broadcast"):
        ag.sigmoid(np.ones(4), out=out)
    assert (out == 7.0).all()


def test_a_narrowing_out_is_refused_and_untouched() -> None:
    out = np.full(3, 7)
    with pytest.raises(TypeError, match="same_kind"):
        ag.sigmoid(np.ones(3), out=out)
    assert (out == 7).all()


def test_a_dtype_without_a_loop_is_refused_in_a_fresh_process() -> None:
    # The first error of a process, before NumPy's whole C API has been asked for.
    code = (
        "import numpy as np, actgrad as ag\n"
        "for function in (ag.sigmoid, ag.softmax):\n"
        "    try:\n"
        "        function(np.ones(3), dtype=complex)\n"
        "    except TypeError:\n"
        "        print('refused')\n"
    )
    assert run_python(code).split() == ["refused"] * 2


class _Wrapped:
    """An array-like with its own idea of ufuncs, as Dask and xarray have."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        return ufunc.__name__, method


def test_array_ufunc_is_honoured() -> None:
    assert ag.sigmoid(_Wrapped()) == ("sigmoid", "__call__")
    assert ag.sigmoid.derivative(_Wrapped()) == ("sigmoid_derivative", "__call__")


def test_zero_dimensions_and_empty_arrays() -> None:
    assert isinstance(ag.sigmoid(0.0), np.float64)
    assert ag.sigmoid(np.empty((0, 3))).shape == (0, 3)
    assert ag.sigmoid.backward(np.empty((2, 0)), np.empty((2, 0))).shape == (2, 0)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_memory_beyond_the_operands_is_small(threads: Callable[[int], None], dtype: str) -> None:
    x = np.ones(4_000_000, dtype)
    out = np.empty_like(x)
    for count in (1, 2):
        threads(count)
        tracemalloc.start()
        try:
            ag.sigmoid.backward(x, x, out=out)
            ag.sigmoid(x[::2], out=out[::2])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak <= 1 << 20


def test_internal_ufuncs_are_not_public() -> None:
    assert set(_core.ufuncs) - set(ufuncs.__all__) == {
        "derivatives",
        "rounded_derivatives",
        "round_decimal",
    }
