"""The row functions as objects: axes, shapes, errors, memory, Jacobians, other libraries."""

import copy
import pickle
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import actgrad as ag
from actgrad import reference, ufuncs
from conftest import assert_same_bits

ROWS = ag.activations("rows")
NAMES = [activation.name for activation in ROWS]
SHARES = ["softmax", "log_softmax", "softmin"]  # those with a result for each element


def normal(*shape: int, seed: int = 0, dtype: str = "float64") -> Any:
    return (np.random.default_rng(seed).normal(size=shape) * 3).astype(dtype)


def test_the_row_functions_come_after_the_others() -> None:
    everything = ag.activations()
    assert everything == (*ag.activations("element-wise"), *ag.activations("gated"), *ROWS)
    assert NAMES == ["softmax", "log_softmax", "softmin", "logsumexp"]
    wanted = "got kind='gates'; wanted one of 'element-wise', 'gated', 'rows'"
    with pytest.raises(ValueError, match=wanted):
        ag.activations("gates")  # type: ignore[call-overload]


@pytest.mark.parametrize("name", NAMES)
def test_a_row_function_knows_itself(name: str) -> None:
    function = ag.get(name)
    assert isinstance(function, ag.RowActivation)
    assert function is getattr(ag, name)
    assert (function.name, function.kind, function.kinks) == (name, "rows", "")
    assert function.formula
    assert function.range
    assert not function.parameters
    assert repr(function) == f"actgrad.{name}"
    assert function.formula in function._repr_html_()
    assert repr(function.backward) == f"<form '{name}_backward' of actgrad.{name}>"
    assert function.backward.__doc__ == getattr(ufuncs, f"{name}_backward").__doc__
    with pytest.raises(AttributeError, match="frozen"):
        function.name = "other"
    with pytest.raises(AttributeError, match="use backward or jacobian"):
        _ = function.derivative  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_pickling_and_copying(name: str) -> None:
    function = ag.get(name)
    assert pickle.loads(pickle.dumps(function)) is function
    assert pickle.loads(pickle.dumps(function.backward)) is function.backward
    assert copy.deepcopy({"f": function})["f"] is function


@pytest.mark.parametrize("axis", [0, 1, 2, -3])
@pytest.mark.parametrize("name", NAMES)
def test_axis_chooses_the_rows(name: str, axis: int) -> None:
    function, z, grad = ag.get(name), normal(3, 4, 5), normal(3, 4, 5, seed=1)
    last = np.moveaxis(z, axis, -1)
    value = function(z, axis=axis)
    if name == "logsumexp":
        assert_same_bits(value, function(last))
        assert_same_bits(function(z, axis=axis, keepdims=True), np.expand_dims(value, axis))
        wanted = np.moveaxis(function.backward(value, last), -1, axis)
        assert_same_bits(function.backward(value, z, axis=axis), wanted)
        kept = np.expand_dims(value, axis)
        assert_same_bits(function.backward(kept, z, axis=axis, keepdims=True), wanted)
        assert_same_bits(function.jacobian(z, axis=axis), function.backward(1.0, last))
        return
    assert_same_bits(value, np.moveaxis(function(last), -1, axis))
    wanted = np.moveaxis(function.backward(np.moveaxis(grad, axis, -1), last), -1, axis)
    assert_same_bits(function.backward(grad, z, axis=axis), wanted)
    assert_same_bits(function.jacobian(z, axis=axis), function.jacobian(last))
    from_output = function.backward_from_output(grad, value, axis=axis)
    np.testing.assert_allclose(from_output, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_out_and_dtype(name: str, dtype: str) -> None:
    function, z = ag.get(name), normal(4, 6, dtype="float32")
    value = function(z, dtype=dtype, casting="same_kind")
    assert value.dtype == dtype
    out = np.empty_like(value)
    assert function(z.astype(dtype), out=out) is out
    jacobian = function.jacobian(z.astype(dtype))
    out = np.empty_like(jacobian)
    assert function.jacobian(z.astype(dtype), out=out) is out
    assert_same_bits(out, jacobian)
    inplace = z.copy()
    if name != "logsumexp":
        function(inplace, out=inplace)
        assert_same_bits(inplace, function(z))


def test_integers_and_lists_compute_in_float64() -> None:
    assert_same_bits(ag.softmax([[1, 2], [3, 4]]), ag.softmax(np.array([[1.0, 2.0], [3.0, 4.0]])))
    assert ag.logsumexp(np.ones((2, 3), np.int8)).dtype == np.float64
    assert ag.softmax.jacobian([True, False]).dtype == np.float64
    assert ag.softmax.full_jacobian([[1, 2]]).dtype == np.float64


def test_bfloat16_is_kept() -> None:
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    z = normal(3, 5).astype(bfloat16)
    for function in ROWS:
        assert function(z).dtype == bfloat16
        assert function.jacobian(z).dtype == bfloat16
        assert function.full_jacobian(z).dtype == bfloat16


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("name", NAMES)
def test_full_jacobian_is_the_jacobian_of_the_whole_array(name: str, axis: int) -> None:
    function, z = ag.get(name), normal(2, 3, 4)
    value, full = function(z, axis=axis), function.full_jacobian(z, axis=axis)
    assert full.shape == value.shape + z.shape
    step = 2.0**-20
    for place in np.ndindex(z.shape):
        shifted = z.copy()
        shifted[place] += step
        slope = (function(shifted, axis=axis) - value) / step
        np.testing.assert_allclose(full[(..., *place)], slope, atol=1e-5)


def test_jacobian_entries_of_different_rows_are_zero() -> None:
    full = ag.softmax.full_jacobian(normal(5, 3))
    for i in range(5):
        assert_same_bits(full[i, :, i, :], ag.softmax.jacobian(normal(5, 3)[i]))
        assert not np.delete(full[i], i, axis=1).any()


# Against the reference ----------------------------------------------------------------

SPECIAL_ROWS = [
    [],
    [2.5],
    [-0.0, 0.0],
    [1.0, 2.0, 4.0],
    [0.0, -np.inf, 3.0],
    [-np.inf, -np.inf],
    [np.inf, 1.0],
    [-np.inf, np.inf, 0.0],
    [1.0, np.nan],
    [1e4, -1e4, 9999.0],
    [-800.0, 0.0, -30.0],
    normal(40).tolist(),
]


@pytest.mark.parametrize("row", SPECIAL_ROWS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_rows_agree_with_the_reference(name: str, row: list[float]) -> None:
    function, exact = ag.get(name), reference.ROW_FUNCTIONS[name]

    def agree(got: Any, wanted: Any) -> None:
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-15)

    with np.errstate(all="raise"):
        agree(function(row), exact.value(row))
        gg, grad = normal(2, len(row), seed=3).tolist()
        if name == "logsumexp":
            agree(function.backward(1.5, row), exact.backward(1.5, row))
            return
        agree(function.backward(grad, row), exact.backward(grad, row))
        assert exact.jacobian is not None
        assert exact.double_backward is not None
        agree(function.jacobian(row), np.reshape(exact.jacobian(row), (len(row), len(row))))
        got = function.double_backward(gg, grad, row)
        for result, wanted in zip(got, exact.double_backward(gg, grad, row), strict=True):
            agree(result, wanted)


# Bad input ----------------------------------------------------------------------------

BAD = {
    "a number": (1.0, {}, ag.ActgradAxisError, "got a number, which has no axis"),
    "axis": (
        np.ones((2, 3)),
        {"axis": 2},
        ag.ActgradAxisError,
        r"axis 2 is out of bounds .*-2 to 1",
    ),
    "negative axis": (np.ones(3), {"axis": -2}, ag.ActgradAxisError, "axis -2 is out of bounds"),
    "no axis": (np.ones(3), {"axis": None}, ag.ActgradTypeError, r"got axis=None; .*x\.ravel"),
    "half an axis": (np.ones(3), {"axis": 0.5}, ag.ActgradTypeError, "got axis=0.5; wanted an int"),
    "None": (None, {}, ag.ActgradTypeError, "got dtype object; wanted real numbers"),
    "text": ("text", {}, ag.ActgradTypeError, "got dtype <U4; wanted real numbers"),
    "complex": (np.ones(3, complex), {}, ag.ActgradTypeError, "got dtype complex128; wanted real"),
    "longdouble": (np.ones(3, np.longdouble), {}, ag.ActgradTypeError, "wanted real numbers"),
    "ragged": ([[1.0], [1.0, 2.0]], {}, ag.ActgradValueError, "got rows of different lengths"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("name", NAMES)
def test_bad_input_gets_one_clear_line(name: str, case: str) -> None:
    z, keywords, error, wanted = BAD[case]
    function = ag.get(name)
    backward = (lambda *a, **k: function.backward(1.0, *a, **k)) if name == "logsumexp" else None
    calls: list[Callable[..., Any]] = [function, function.jacobian, function.full_jacobian]
    for call in [*calls, backward or (lambda *a, **k: function.backward(*a, *a, **k))]:
        with pytest.raises(error, match=wanted) as caught:
            call(z, **keywords)
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith(name)
        assert isinstance(caught.value, ag.ActgradError)
        if error is ag.ActgradAxisError:
            assert isinstance(caught.value, np.exceptions.AxisError)
    out = np.full(3, 7.0)
    with pytest.raises((TypeError, ValueError)):
        function(z, out=out, **keywords)
    assert (out == 7.0).all()


def test_rows_of_different_lengths_are_refused() -> None:
    out = np.full((2, 3), 7.0)
    with pytest.raises(
        ValueError, match=r"got shapes \(2, 3\), \(2, 4\), whose rows along axis -1"
    ):
        ag.softmax.backward(np.ones((2, 3)), np.ones((2, 4)), out=out)
    with pytest.raises(ValueError, match="broadcast"):
        ag.softmax.backward(np.ones((3, 3)), np.ones((2, 3)), out=out)
    assert (out == 7.0).all()


def test_a_wrong_number_of_operands_is_refused() -> None:
    with pytest.raises(
        TypeError, match="softmax: got 2 operands; wanted 1; axis, out and dtype are"
    ):
        ag.softmax(np.ones((2, 3)), 0)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="softmax_backward: got 1 operands; wanted 2"):
        ag.softmax.backward(np.ones((2, 3)))


def test_diagnostics_refuse_a_function_of_rows() -> None:
    for activation in ("softmax", ag.softmax):
        with pytest.raises(ValueError, match=r"got actgrad\.softmax, which is not element-wise"):
            ag.diagnostics.compare_at(1.0, activation)  # type: ignore[arg-type]


# Memory -------------------------------------------------------------------------------


def peak(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_beyond_the_result_is_small() -> None:
    z = normal(2000, 300, dtype="float32")
    grad, out = z[::-1].copy(), np.empty_like(z)
    for axis in (0, 1):
        assert peak(lambda axis=axis: ag.softmax(z, axis=axis, out=out)) < 1 << 16
        assert (
            peak(lambda axis=axis: ag.log_softmax.backward(grad, z, axis=axis, out=out)) < 1 << 16
        )
    assert peak(lambda: ag.softmax.jacobian(z[:40])) < 40 * 300 * 300 * 4 + (1 << 16)
    assert peak(lambda: ag.softmax.full_jacobian(z[:10])) < 3000 * 3000 * 4 + (1 << 17)


def test_memory_that_numpy_does_not_count_is_small() -> None:
    resource = pytest.importorskip("resource")
    z = normal(1, 6_000_000, dtype="float64")
    out = np.empty_like(z)
    out[:] = 0.0
    ag.softmax(z[:, :100_000])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ag.softmax(z, out=out)
    ag.softmax.backward(z, z, out=out)
    ag.softmax(z.reshape(3000, 2000), axis=0, out=out.reshape(3000, 2000))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 << 10  # KiB


# Other libraries ----------------------------------------------------------------------


class Wrapped:
    """An array-like with its own idea of ufuncs, as Dask and xarray have."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        return ufunc.__name__, keywords["axis"]


def test_array_ufunc_is_honoured() -> None:
    assert ag.softmax(Wrapped()) == ("softmax", -1)  # type: ignore[arg-type]
    assert ag.softmax.backward(Wrapped(), Wrapped(), axis=0) == ("softmax_backward", 0)
