"""Parameters: every way to give them, their ranges, `bind`, and df/dp."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import actgrad as ag
import oracle
from actgrad import _core
from conftest import FLOATS, NAMES, assert_same_bits, bound, parameters

PARAMETRISED = [name for name in NAMES if ag.get(name).parameters]
WITH_DEFAULTS = [name for name in PARAMETRISED if None not in ag.get(name).parameters.values()]
# Forms, and how many operands come before the parameters.
OPERANDS = {
    "value": 1,
    "derivative": 1,
    "second_derivative": 1,
    "value_and_derivative": 1,
    "backward": 2,
    "double_backward": 3,
    "derivative_from_output": 1,
    "backward_from_output": 2,
}
ONE_TO_ONE_IF_POSITIVE = ["leaky_relu", "prelu", "elu", "celu", "squareplus"]


def offered(name: str) -> list[str]:
    return [form for form in OPERANDS if form in vars(ag.get(name))]


def operands_of(form: str, dtype: Any, shape: tuple[int, ...] = (70,)) -> list[np.ndarray]:
    random = np.random.default_rng(8)
    return [random.normal(scale=3, size=shape).astype(dtype) for _ in range(OPERANDS[form])]


def assert_results(got: Any, wanted: Any, context: object = "") -> None:
    """Compare the bits of one result or of each of two."""
    if not isinstance(wanted, tuple):
        got, wanted = (got,), (wanted,)
    for one, other in zip(got, wanted, strict=True):
        assert_same_bits(one, other, context)


@pytest.mark.parametrize("dtype", [*FLOATS, ml_dtypes.bfloat16])
@pytest.mark.parametrize(
    ("name", "form"), [(name, form) for name in PARAMETRISED for form in offered(name)]
)
def test_every_way_of_giving_parameters_is_the_same(name: str, form: str, dtype: Any) -> None:
    activation, values = ag.get(name), parameters(name)
    named = dict(zip(activation.parameters, values, strict=True))
    arrays = [np.array(value, dtype) for value in values]
    last = dict(list(named.items())[-1:])
    x = operands_of(form, dtype)
    function = getattr(activation, form)
    wanted = _core.ufuncs[name if form == "value" else f"{name}_{form}"](*x, *arrays)
    outputs = wanted if isinstance(wanted, tuple) else (wanted,)
    assert all(output.dtype == x[0].dtype for output in outputs)

    def out() -> tuple[np.ndarray, ...]:
        return tuple(map(np.empty_like, outputs))

    ways: dict[str, Callable[[], Any]] = {
        "by position": lambda: function(*x, *values),
        "by keyword": lambda: function(*x, **named),
        "one by keyword": lambda: function(*x, *values[:-1], **last),
        "bound": lambda: getattr(activation.bind(**named), form)(*x),
        "one bound": lambda: getattr(activation.bind(**last), form)(*x, *values[:-1]),
        "arrays": lambda: function(*x, *arrays),
        "full arrays": lambda: function(*x, *(np.full(70, array) for array in arrays)),
        "scalars": lambda: function(*x, *(array[()] for array in arrays)),
        "out": lambda: function(*x, *values, out=out()),
        "out, keywords": lambda: function(*x, **named, out=out()),
        "where": lambda: function(*x, **named, where=np.True_, out=out()),
    }
    if name in WITH_DEFAULTS:
        ways["by default"] = lambda: function(*x)
        ways["default, out"] = lambda: function(*x, out=out())
    for way, call in ways.items():
        assert_results(call(), wanted, way)


@pytest.mark.parametrize("name", PARAMETRISED)
def test_sequences_and_numbers_are_operands(name: str) -> None:
    for form in offered(name):
        x = operands_of(form, "float64", (5,))
        function = getattr(bound(name), form)
        wanted = function(*x)
        assert_results(function(*(operand.tolist() for operand in x)), wanted, form)
        numbers = function(*(float(operand[2]) for operand in x))
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        numbers = numbers if isinstance(numbers, tuple) else (numbers,)
        assert_results(numbers, tuple(result[2] for result in wanted), form)


def test_integers_compute_in_float64() -> None:
    assert_same_bits(ag.elu(np.arange(-3, 3)), ag.elu(np.arange(-3.0, 3)))
    assert ag.elu(np.arange(3, dtype=np.int8), 2).dtype == np.float64
    assert_same_bits(ag.elu(np.arange(-3.0, 3), 2), ag.elu(np.arange(-3.0, 3), 2.0))


def test_a_number_takes_the_dtype_the_operands_promote_to() -> None:
    x = np.array([-1.0, -3.0], np.float32)
    wide = np.array([1.0, 1.0])
    assert_same_bits(ag.leaky_relu.backward(wide, x), np.array([0.01, 0.01]))
    assert_same_bits(ag.leaky_relu.backward(x, wide[::-1] - 2), x.astype(float) * 0.01)
    assert ag.leaky_relu(x, np.float64(0.01)).dtype == np.float64
    assert ag.leaky_relu(x, dtype=np.float64).dtype == np.float64
    assert_same_bits(ag.leaky_relu(x, dtype=np.float64), x.astype(float) * 0.01)


def test_arrays_of_parameters_broadcast() -> None:
    x = np.random.default_rng(9).normal(size=(4, 3, 5))
    slopes = np.array([0.0, 0.5, -2.0])[:, np.newaxis]
    got = ag.prelu(x, slopes)
    for channel in range(3):
        assert_same_bits(got[:, channel], ag.prelu(x[:, channel], slopes[channel, 0]))
    assert ag.prelu(1.0, slopes).shape == (3, 1)
    assert_same_bits(ag.prelu(x, slopes.tolist()), got)
    with pytest.raises(ValueError, match="could not be broadcast"):
        ag.prelu(x, np.ones(4))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", PARAMETRISED)
def test_nan_in_an_array_of_parameters_is_nan_there_only(name: str, dtype: str) -> None:
    values = [np.full(3, value, dtype) for value in parameters(name)]
    for place in range(len(values)):
        given = [value.copy() for value in values]
        given[place][1] = np.nan
        for form in offered(name):
            x = [np.full(3, -0.75, dtype)] * OPERANDS[form]
            results = getattr(ag.get(name), form)(*x, *given)
            wanted = getattr(ag.get(name), form)(*x, *values)
            for result, right in zip(
                results if isinstance(results, tuple) else [results],
                wanted if isinstance(wanted, tuple) else [wanted],
                strict=True,
            ):
                assert np.isnan(result[1]), (form, place)
                assert_same_bits(result[[0, 2]], right[[0, 2]], (form, place))
        for parameter in ag.get(name).parameters:
            result = ag.get(name).parameter_derivative(x[0], *given, parameter=parameter)
            assert np.isnan(result).tolist() == [False, True, False]


# Errors -----------------------------------------------------------------------------

X = np.linspace(-2, 2, 5)
WRONG: list[tuple[str, type[Exception], str]] = [
    ("ag.leaky_relu(X, 0.1, 0.2)", TypeError, "got 2 parameters; wanted at most 1"),
    ("ag.leaky_relu(X, 0.1, negative_slope=0.2)", TypeError, "got two values for negative_slope"),
    ("ag.leaky_relu()", TypeError, "leaky_relu: got 0 operands; wanted 1"),
    ("ag.leaky_relu.backward(X)", TypeError, "leaky_relu_backward: got 1 operands; wanted 2"),
    ("ag.prelu(X)", TypeError, "prelu: got no a; give it after x or as a="),
    ("ag.threshold(X, 0.5)", TypeError, "threshold: got no value;"),
    ("ag.threshold(X, value=0.5)", TypeError, "threshold: got no threshold;"),
    ("ag.elu(X, None)", TypeError, "elu: got no alpha"),
    ("ag.elu(X, alpha='1')", TypeError, "elu: got dtype <U1; wanted real numbers"),
    ("ag.celu(X, alpha='1')", TypeError, "celu: got dtype <U1; wanted real numbers"),
    ("ag.celu(X, 1j)", TypeError, "celu: got dtype complex128; wanted real numbers"),
    ("ag.celu(X.astype(complex))", TypeError, "celu: got dtype complex128; wanted real numbers"),
    ("ag.elu(X, slope=1.0)", TypeError, "slope"),
    ("ag.celu(X, 0.0)", ValueError, "celu: got alpha=0.0; wanted a positive number"),
    ("ag.celu(X, 0)", ValueError, "celu: got alpha=0; wanted a positive number"),
    ("ag.celu.derivative(X, alpha=-1.0)", ValueError, "celu_derivative: got alpha=-1.0; wanted"),
    ("ag.celu(X, np.float32(-1))", ValueError, "celu: got alpha=np.float32"),
    ("ag.celu(X, X)", ValueError, "celu: got alpha=an array with minimum -2.0; wanted a positive"),
    ("ag.celu(X, [1.0, 0.0, 1, 1, 1])", ValueError, "an array with minimum 0.0; wanted a positive"),
    ("ag.softplus(X, beta=0.0)", ValueError, "softplus: got beta=0.0; wanted a positive number"),
    ("ag.squareplus(X, -1.0)", ValueError, "squareplus: got b=-1.0; wanted a number from 0 up"),
    ("ag.soft_shrink(X, -0.5)", ValueError, "soft_shrink: got lambd=-0.5; wanted a number from"),
    ("ag.hard_shrink(X, lambd=-1)", ValueError, "hard_shrink: got lambd=-1; wanted a number from"),
    ("ag.celu.bind(alpha=0)", ValueError, "celu.bind: got alpha=0; wanted a positive number"),
    ("ag.celu.bind(alpha='1')", TypeError, "celu.bind: got alpha of dtype <U1; wanted real"),
    ("ag.celu.bind(alpha=None)", TypeError, "celu.bind: got alpha of dtype object; wanted real"),
    ("ag.celu.bind(beta=1.0)", TypeError, "celu.bind: got beta; celu has the parameters: alpha"),
    ("ag.relu.bind(beta=1.0)", TypeError, "relu.bind: got beta; relu has the parameters: none"),
    ("ag.leaky_relu.bind(negative_slope=1)(X, 0.2)", TypeError, "got 1 parameters; wanted at most"),
    ("ag.relu.parameter_derivative(X)", TypeError, "parameter_derivative: relu has no parameters"),
    ("ag.relu.parameter_gradient(X, X)", TypeError, "parameter_gradient: relu has no parameters"),
    ("ag.hard_tanh.parameter_derivative(X)", TypeError, "choose one of min_value, max_value"),
    ("ag.elu.parameter_derivative(X, parameter='a')", ValueError, "'a'; wanted one of alpha"),
    ("ag.elu.parameter_derivative(X, parameter='')", ValueError, "''; wanted one of alpha"),
    ("ag.elu.parameter_gradient(X, X, out=X)", TypeError, "parameter_gradient: got out="),
    ("ag.elu.parameter_gradient(X, np.ones(4))", ValueError, "shape mismatch"),
    ("ag.elu.parameter_gradient('1', X)", TypeError, "elu_backward: got dtype <U1; wanted real"),
    ("ag.elu.parameter_gradient(X, None)", TypeError, "elu_backward: got dtype object; wanted"),
    ("ag.celu.parameter_gradient(X, X, 0.0)", ValueError, "got alpha=0.0; wanted a positive"),
    ("ag.prelu.parameter_gradient(X, X)", TypeError, "prelu_parameter_derivative_a: got no a"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG, ids=[entry[0] for entry in WRONG])
def test_what_is_wrong_is_said_in_one_line(call: str, error: type[Exception], message: str) -> None:
    before = X.copy()
    with pytest.raises(error) as caught:
        eval(call)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert_same_bits(X, before)


@pytest.mark.parametrize("value", [0.0, -0.5, np.array([0.5, -0.5]), 0])
@pytest.mark.parametrize("form", ["derivative_from_output", "backward_from_output"])
@pytest.mark.parametrize("name", ONE_TO_ONE_IF_POSITIVE)
def test_without_an_inverse_the_output_forms_are_refused(name: str, form: str, value: Any) -> None:
    y = np.array([0.5, 0.25])
    out = np.array([7.0, 7.0])
    (parameter,) = ag.get(name).parameters
    message = f"{name}_{form}: got {parameter}=.*(> 0|positive|from 0 up)"
    call = getattr(ag.get(name), form)
    operands = [y] * OPERANDS[form]
    with pytest.raises(ag.ActgradValueError, match=message):
        call(*operands, value, out=out)
    with pytest.raises(ag.ActgradValueError, match=message):
        call(*operands, **{parameter: value})
    if name == "leaky_relu":  # any slope may be fixed, and is refused where it has no inverse
        with pytest.raises(ag.ActgradValueError, match=message):
            getattr(ag.leaky_relu.bind(negative_slope=value), form)(*operands)
    assert out.tolist() == [7.0, 7.0]


@pytest.mark.parametrize("name", sorted(set(PARAMETRISED) - set(ONE_TO_ONE_IF_POSITIVE)))
def test_the_list_of_functions_without_inverse_is_whole(name: str) -> None:
    (row,) = (row for row in _core.catalogue if row["name"] == name)
    assert not row["from_output"].endswith("positive")


def test_own_errors_are_actgrad_errors() -> None:
    with pytest.raises(ag.ActgradTypeError):
        ag.prelu(X)
    with pytest.raises(ag.ActgradValueError):
        ag.celu(X, -1.0)


# bind -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PARAMETRISED)
def test_bound_activations_are_values(name: str) -> None:
    activation = ag.get(name)
    key, value = next(iter(activation.parameters)), 0.75
    fixed = activation.bind(**{key: value})
    assert fixed == activation.bind(**{key: value})
    assert hash(fixed) == hash(activation.bind(**{key: value}))
    assert fixed != activation
    assert fixed != activation.bind(**{key: 0.5})
    assert fixed.name == name
    assert fixed.parameters[key] == value
    assert repr(fixed) == f"actgrad.{name}.bind({key}=0.75)"
    assert f"{key}=0.75" in repr(fixed.derivative)
    assert repr(activation.derivative) == f"<form '{name}_derivative' of actgrad.{name}>"
    with pytest.raises(AttributeError, match="frozen"):
        fixed.name = "other"
    for copied in (pickle.loads(pickle.dumps(fixed)), copy.deepcopy(fixed)):
        assert copied == fixed
        assert copied.parameters[key] == value
    # Bound again: the last value holds.
    assert fixed.bind(**{key: 0.5}) == activation.bind(**{key: 0.5})


@pytest.mark.parametrize("name", PARAMETRISED)
def test_forms_pickle(name: str) -> None:
    fixed = bound(name)
    for form in offered(name):
        function = getattr(fixed, form)
        restored = pickle.loads(pickle.dumps(function))
        assert restored.__name__ == function.__name__
        x = operands_of(form, "float32")
        assert_results(restored(*x), function(*x), form)


@pytest.mark.parametrize("name", PARAMETRISED)
def test_forms_have_the_docstring_of_their_ufunc(name: str) -> None:
    derivative = ag.get(name).derivative
    assert derivative.__doc__ == getattr(ag.ufuncs, f"{name}_derivative").__doc__
    assert derivative.__name__ == f"{name}_derivative"


def test_one_of_two_parameters_may_stay_open() -> None:
    floor = ag.threshold.bind(value=-0.5)
    assert_same_bits(floor(X, 0.5), ag.threshold(X, 0.5, -0.5))
    assert_same_bits(floor(X, threshold=0.5), ag.threshold(X, 0.5, -0.5))
    assert floor.parameters == {"threshold": None, "value": -0.5}
    with pytest.raises(TypeError, match="got no threshold"):
        floor(X)


def test_bound_arrays_are_compared_by_value_and_do_not_change() -> None:
    slopes = np.array([0.1, 0.2])
    fixed = ag.prelu.bind(a=slopes)
    assert fixed == ag.prelu.bind(a=slopes.tolist())
    slopes[0] = 9.0
    assert fixed(np.array([-1.0, -1.0])).tolist() == [-0.1, -0.2]
    assert fixed != ag.prelu.bind(a=slopes)
    assert pickle.loads(pickle.dumps(fixed)) == fixed
    with pytest.raises(ValueError, match="read-only"):
        fixed.parameters["a"][0] = 3.0  # type: ignore[index]


def test_bound_forms_take_the_dtype_of_the_operands() -> None:
    fixed = ag.leaky_relu.bind(negative_slope=0.1)
    for dtype in FLOATS:
        x = np.array([-1.0], dtype)
        assert_same_bits(fixed(x), -np.array([0.1], dtype))
    strong = ag.leaky_relu.bind(negative_slope=np.float64(0.1))
    assert strong(np.array([-1.0], np.float32)).dtype == np.float64
    huge = ag.leaky_relu.bind(negative_slope=2)
    assert_same_bits(huge(np.array([-1.0], np.float32)), np.array([-2.0], np.float32))


def test_jacobians_take_parameters() -> None:
    for jacobian in (ag.elu.jacobian, ag.elu.full_jacobian):
        wanted = np.diag(ag.elu.derivative(X, 0.5))
        assert_same_bits(jacobian(X, 0.5), wanted)
        assert_same_bits(jacobian(X, alpha=0.5), wanted)
        assert_same_bits(getattr(ag.elu.bind(alpha=0.5), jacobian.__name__)(X), wanted)


# parameter_derivative ---------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("name", "parameter"), [(name, key) for name in PARAMETRISED for key in ag.get(name).parameters]
)
def test_parameter_derivative_is_accurate(name: str, parameter: str, dtype: str) -> None:
    form = f"parameter_derivative:{parameter}"
    values = parameters(name)
    x = oracle.sample(dtype, 300, 2, name, *values, form=form)
    with np.errstate(all="raise"):
        got = ag.get(name).parameter_derivative(x, *values, parameter=parameter)
    assert got.dtype == dtype
    error, where = oracle.worst(name, form, got, x, *values)
    assert error <= (0.5 if dtype == "float16" else 1.0), (where, error)


def test_parameter_derivative_follows_the_ufunc_conventions() -> None:
    x = np.linspace(-3, 3, 6, dtype=np.float32).reshape(2, 3)
    wanted = ag.elu.parameter_derivative(x, 0.5)
    assert wanted.dtype == np.float32
    out = np.empty_like(x)
    assert ag.elu.parameter_derivative(x, alpha=0.5, out=out) is out
    assert_same_bits(out, wanted)
    assert_same_bits(ag.elu.bind(alpha=0.5).parameter_derivative(x), wanted)
    assert_same_bits(ag.elu.parameter_derivative(x, np.full((4, 1, 3), 0.5, np.float32))[3], wanted)
    assert ag.elu.parameter_derivative(x, dtype=np.float64).dtype == np.float64
    where = np.array([True, False, True])
    zeroed = ag.elu.parameter_derivative(x, where=where, out=np.zeros_like(x))
    assert_same_bits(zeroed[:, where], wanted[:, where])
    assert not zeroed[:, 1].any()
    assert ag.elu.parameter_derivative(-1.0) == np.expm1(-1.0)
    assert ag.elu.parameter_derivative(np.empty((0, 3))).shape == (0, 3)


def test_the_two_parameters_of_one_activation_are_told_apart() -> None:
    def ends(parameter: str) -> list[float]:
        return ag.hard_tanh.parameter_derivative(X, -1.5, 0.5, parameter=parameter).tolist()

    assert ends("min_value") == [1, 0, 0, 0, 0]
    assert ends("max_value") == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("flat", _core.ufuncs_at_defaults)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_defaults_left_out_give_the_bits_of_defaults_given(flat: str, dtype: str) -> None:
    activation = max(
        (
            a
            for a in ag.activations("element-wise")
            if flat == a.name or flat.startswith(f"{a.name}_")
        ),
        key=lambda a: len(a.name),
    )
    defaults = [np.dtype(dtype).type(value) for value in activation.parameters.values()]
    random = np.random.default_rng(3)
    everywhere = random.integers(0, 256, 80_000, dtype=np.uint8).view(dtype)
    x = np.concatenate([everywhere, random.normal(0, 3, 20_000).astype(dtype)])
    operands = [random.normal(size=x.size).astype(dtype)] * (flat.endswith("_backward")) + [x]
    without = _core.ufuncs_at_defaults[flat](*operands)
    given = _core.ufuncs[flat](*operands, *defaults)
    assert_same_bits(without, given, flat)


def test_only_plain_arrays_reach_the_ufunc_without_parameters() -> None:
    seen = []

    class Asking(np.ndarray):
        def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
            seen.append(ufunc)
            return None

    ag.leaky_relu(np.ones(3).view(Asking))
    ag.leaky_relu(np.ones(3), out=np.ones(3).view(Asking))
    assert seen == [ag.ufuncs.leaky_relu] * 2
