"""Calls on plain arrays, which do without NumPy: the same as calls that go NumPy's way."""

import gc
import inspect
import sys
import weakref
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import actgrad as ag
from conftest import FLOATS, assert_same_bits

DTYPES = [*FLOATS, ml_dtypes.bfloat16]
RANDOM = np.random.default_rng(21)


def numbers(dtype: Any, *shape: int) -> np.ndarray[Any, Any]:
    return RANDOM.normal(scale=3, size=shape).astype(dtype)


def unaligned(dtype: Any) -> np.ndarray[Any, Any]:
    x = numbers(dtype, 40)
    raw = np.empty(x.nbytes + 1, np.uint8)
    shifted = raw[1:].view(dtype) if x.itemsize > 1 else x
    shifted[:] = x
    return shifted


def swapped(dtype: Any) -> np.ndarray[Any, Any]:
    x = numbers(dtype, 40)
    return x.astype(x.dtype.newbyteorder()) if x.dtype.kind == "f" else x


def overlapping(dtype: Any) -> np.ndarray[Any, Any]:
    return np.lib.stride_tricks.as_strided(
        numbers(dtype, 20), (19, 2), (np.dtype(dtype).itemsize,) * 2
    )


# Whatever memory may look like.
LAYOUTS: dict[str, Callable[[Any], np.ndarray[Any, Any]]] = {
    "one": lambda dtype: numbers(dtype, 1),
    "few": lambda dtype: numbers(dtype, 7),
    "many": lambda dtype: numbers(dtype, 20_011),
    "rows": lambda dtype: numbers(dtype, 30, 5),
    "columns": lambda dtype: np.asfortranarray(numbers(dtype, 30, 5)),
    "cube in columns": lambda dtype: np.asfortranarray(numbers(dtype, 3, 4, 5)),
    "axes of one": lambda dtype: numbers(dtype, 1, 40, 1),
    "every second": lambda dtype: numbers(dtype, 80)[::2],
    "backwards": lambda dtype: numbers(dtype, 40)[::-1],
    "part of rows": lambda dtype: numbers(dtype, 30, 9)[:, 2:7],
    "repeated": lambda dtype: np.broadcast_to(numbers(dtype, 1), (40,)),
    "row repeated": lambda dtype: np.broadcast_to(numbers(dtype, 5), (30, 5)),
    "itself shifted": overlapping,
    "unaligned": unaligned,
    "swapped bytes": swapped,
    "empty": lambda dtype: numbers(dtype, 0),
    "empty rows": lambda dtype: numbers(dtype, 0, 3),
    "no axes": lambda dtype: numbers(dtype),
}
# A plain ufunc, one of two operands, one of two results, parameters, gates.
FUNCTIONS = {
    "relu": (ag.relu.value, 1),
    "tanh object": (ag.tanh, 1),
    "sigmoid_backward": (ag.sigmoid.backward, 2),
    "silu_value_and_derivative": (ag.silu.value_and_derivative, 1),
    "mish_double_backward": (ag.mish.double_backward, 3),
    "elu": (ag.elu, 1),
    "hard_tanh_backward": (ag.hard_tanh.backward, 2),
    "elu bound": (ag.elu.bind(alpha=0.3), 1),
    "swiglu": (ag.swiglu, 2),
    "glu_backward": (ag.glu.backward, 3),
}


def numpys_way(function: Any, *operands: Any, **keywords: Any) -> Any:
    """Call with a keyword that changes nothing, and that a direct call does not have."""
    return function(*operands, **keywords, casting="same_kind")


def assert_alike(got: Any, wanted: Any) -> None:
    """Compare bits, types, and the order in memory."""
    if not isinstance(wanted, tuple):
        got, wanted = (got,), (wanted,)
    assert type(got) is tuple
    for one, other in zip(got, wanted, strict=True):
        assert type(one) is type(other)
        assert_same_bits(one, other)
        if isinstance(one, np.ndarray):
            assert one.strides == other.strides
            assert one.flags.owndata
            assert one.flags.writeable


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_layout(name: str, layout: str, dtype: Any) -> None:
    function, count = FUNCTIONS[name]
    operands = [LAYOUTS[layout](dtype) for _ in range(count)]
    assert_alike(function(*operands), numpys_way(function, *operands))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("other", LAYOUTS)
def test_two_layouts(layout: str, other: str, dtype: Any) -> None:
    one, two = LAYOUTS[layout](dtype), LAYOUTS[other](dtype)
    try:
        wanted = numpys_way(ag.sigmoid.backward, one, two)
    except ValueError:
        with pytest.raises(ValueError, match="could not be broadcast"):
            ag.sigmoid.backward(one, two)
    else:
        assert_alike(ag.sigmoid.backward(one, two), wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("other", DTYPES)
def test_two_dtypes(dtype: Any, other: Any) -> None:
    one, two = numbers(dtype, 9), numbers(other, 9)
    for operands in [(one, two), (one, two[0]), (one[:1].reshape(()), two), (one, two.item(0))]:
        wanted = numpys_way(ag.sigmoid.backward, *operands)
        assert_alike(ag.sigmoid.backward(*operands), wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "value",
    [0.1, 1, 7, 2049, 2**53 + 1, 10**400, 1e-9, 1e-50, 65520.0, 1e39, True, np.float32(0.3)],
)
def test_numbers_beside_arrays(dtype: Any, value: Any) -> None:
    x = numbers(dtype, 50)
    calls: list[tuple[Any, tuple[Any, ...]]] = [
        (ag.sigmoid.backward, (value, x)),
        (ag.elu, (x, value)),
        (ag.ufuncs.elu, (x, value)),
    ]
    if type(value) is not int or value < 2**60:
        calls.append((ag.elu.bind(alpha=value), (x,)))
    for function, operands in calls:
        outcomes = []
        for call in (numpys_way, lambda f, *o: f(*o)):
            with np.errstate(over="ignore"):
                try:
                    outcomes.append(call(function, *operands))
                except (OverflowError, ag.errors.ActgradError, TypeError) as error:
                    outcomes.append(type(error))
        if isinstance(outcomes[0], type):
            assert outcomes[0] is outcomes[1]
        else:
            assert_alike(outcomes[1], outcomes[0])


@pytest.mark.parametrize("layout", ["many", "rows", "columns", "every second", "part of rows"])
def test_out(layout: str) -> None:
    x = LAYOUTS[layout]("float32")
    for model in (x, x.copy(order="C"), x.copy(order="F")):
        wanted = numpys_way(ag.mish, x)
        for out in (np.empty_like(model), (np.empty_like(model),)):
            result = ag.mish(x, out=out)
            assert result is (out[0] if isinstance(out, tuple) else out)
            assert_same_bits(result, wanted)
        given = np.empty_like(model)
        assert ag.mish.value(x, given) is given
        assert_same_bits(given, wanted)
    pair = np.empty_like(x), np.empty_like(x)
    results = ag.mish.value_and_derivative(x, out=pair)
    assert results[0] is pair[0]
    assert results[1] is pair[1]
    assert_alike(ag.mish.value_and_derivative(x), numpys_way(ag.mish.value_and_derivative, x))


def test_out_that_shares_memory() -> None:
    for start, stop, step in [(0, 50, 1), (3, 53, 1), (50, 100, 1), (49, None, -1), (0, 100, 2)]:
        memory, again = (np.linspace(-3, 3, 100) for _ in range(2))
        ag.tanh(memory[:50], out=memory[start:stop:step])
        numpys_way(ag.tanh, again[:50], out=again[start:stop:step])
        assert_same_bits(memory, again)
    memory, again = (np.linspace(-3, 3, 100) for _ in range(2))
    ag.silu.value_and_derivative(memory[:60], out=(memory[:60], memory[40:]))
    numpys_way(ag.silu.value_and_derivative, again[:60], out=(again[:60], again[40:]))
    assert_same_bits(memory, again)
    one = np.linspace(-3, 3, 10)
    ag.sigmoid.backward(one, one, out=one)
    assert_same_bits(one, ag.sigmoid.backward(*[np.linspace(-3, 3, 10)] * 2))


def test_what_is_wrong_is_said_by_numpy() -> None:
    x = np.linspace(-1, 1, 6)
    readonly = np.empty(6)
    readonly.flags.writeable = False
    wrong: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
        (ag.relu.value, (x,), {"out": readonly}),
        (ag.relu.value, (x,), {"out": np.empty(7)}),
        (ag.relu.value, (x,), {"out": (np.empty(6), np.empty(6))}),
        (ag.relu.value, (x, np.empty(6)), {"out": np.empty(6)}),
        (ag.relu.value, (), {}),
        (ag.relu.value, (x, x, x), {}),
        (ag.relu.value, (x,), {"outt": x}),
        (ag.sigmoid.backward, (x,), {}),
        (ag.sigmoid.backward, (x, x[:5]), {}),
    ]
    for function, operands, keywords in wrong:
        with pytest.raises((TypeError, ValueError)) as direct:
            function(*operands, **keywords)
        with pytest.raises((TypeError, ValueError)) as general:
            numpys_way(function, *operands, **keywords)
        assert direct.type is general.type
        assert str(direct.value) == str(general.value)
    assert_same_bits(x, np.linspace(-1, 1, 6))
    assert ag.relu.value(x, out=np.empty(6, np.float32), casting="same_kind").dtype == np.float32
    smaller = np.empty((2, 6))
    assert ag.relu(x, out=smaller) is smaller


def test_parameters_are_checked() -> None:
    x = np.linspace(-1, 1, 6)
    for operands, keywords in [((x, -1.0), {}), ((x,), {"beta": 0.0}), ((x,), {"beta": -2})]:
        with pytest.raises(ag.errors.ActgradValueError, match="wanted a positive number"):
            ag.softplus(*operands, **keywords)
    assert np.isnan(ag.softplus(x, np.nan)).all()
    with pytest.raises(ag.errors.ActgradTypeError, match="two values for beta"):
        ag.softplus(x, 1.0, beta=1.0)
    with pytest.raises(ag.errors.ActgradTypeError, match="at most 0"):
        ag.elu.bind(alpha=2.0)(x, 1.0)
    with pytest.raises(TypeError, match="alphabet"):
        ag.elu(x, alphabet=1.0)
    with pytest.raises(ag.errors.ActgradTypeError, match="got no a"):
        ag.prelu(x)
    backward = ag.elu.bind(alpha=-1.0).backward_from_output
    with pytest.raises(ag.errors.ActgradValueError, match="one-to-one only"):
        backward(x, x)


def test_no_reference_is_lost_or_kept() -> None:
    x, grad = np.linspace(-1, 1, 1000), np.ones(1000)
    out, pair = np.empty(1000), (np.empty(1000), np.empty(1000))
    objects = [x, grad, out, pair, *pair, 0.25]
    before = [sys.getrefcount(thing) for thing in objects]
    results = []
    for _ in range(50):
        results += [ag.relu(x), ag.relu(x, out=out), ag.elu.backward(grad, x, 0.25, out=out)]
        results += [ag.silu.value_and_derivative(x), *ag.silu.value_and_derivative(x, out=pair)]
        results += [ag.swiglu(x, grad), ag.swiglu(x, grad, out=out)]
    made = weakref.ref(results[0])
    del results
    assert made() is None
    assert [sys.getrefcount(thing) for thing in objects] == before


def test_bound_activations_are_freed() -> None:
    bound = ag.elu.bind(alpha=0.125)
    form, of_form = weakref.ref(bound), bound.backward.ufunc
    bound(np.ones(3))
    del bound
    gc.collect()
    assert form() is None
    assert of_form is ag.ufuncs.elu_backward


def test_an_object_can_be_called_in_every_way() -> None:
    x = np.linspace(-1, 1, 6)
    wanted = ag.elu(x, 0.5)
    assert_same_bits(ag.elu.__call__(x, alpha=0.5), wanted)
    assert_same_bits(type(ag.elu).__call__(ag.elu, x, 0.5), wanted)
    assert_same_bits(ag.elu(*[x], **{"alpha": 0.5}), wanted)
    assert_same_bits(next(map(ag.elu, [x], [0.5])), wanted)
    # A name that is not interned.
    assert_same_bits(ag.elu(x, **{"".join(["al", "pha"]): 0.5}), wanted)
    assert list(inspect.signature(ag.elu).parameters) == ["x", "parameters", "keywords"]
    assert isinstance(ag.elu, ag.Activation)
    assert type(ag.elu).__name__ == "Activation"
    with pytest.raises(TypeError, match="not complete"):
        type(ag.elu).__new__(type(ag.elu), {})(x)
