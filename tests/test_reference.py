"""The pure-Python reference, judged by the oracle."""

from __future__ import annotations

import doctest
import inspect
import math
import random
import sys

import pytest

import oracle
from actgrad import reference
from actgrad.reference import ACTIVATIONS, derivatives

FORMS = ("value", "derivative", "second_derivative", "derivative_from_output")

# The largest errors allowed, in ULP of the exact result, at the default parameters, in the order
# of FORMS. Errors of the platform's `math` are included.
ULPS = {
    "identity": (0, 0, 0, 0),
    "sigmoid": (2, 4, 5, 2),
    "log_sigmoid": (2, 3, 4, 2),
    "tanh": (3, 4, 6, 2),
    "relu": (0, 0, 0, 0),
    "relu6": (0, 0, 0, 0),
    "relu_squared": (1, 0, 0, 1),
    "leaky_relu": (1, 0, 0, 0),
    "prelu": (1, 0, 0, 0),
    "threshold": (0, 0, 0),
    "elu": (2, 1, 1, 1),
    "selu": (3, 2, 2, 1),
    "celu": (2, 1, 1, 1),
    "softplus": (2, 3, 4, 2),
    "softsign": (2, 4, 6, 3),
    "squareplus": (3, 4, 5, 3),
    "gelu": (9, 8, 8),
    "gelu_tanh": (8, 8, 10),
    "gelu_sigmoid": (8, 8, 10),
    "silu": (5, 8, 8),
    "swish": (5, 8, 8),
    "mish": (6, 8, 10),
    "hard_sigmoid": (2, 1, 0, 1),
    "hard_swish": (2, 2, 1),
    "hard_tanh": (0, 0, 0, 0),
    "tanh_shrink": (4, 5, 6),
    "soft_shrink": (1, 0, 0, 0),
    "hard_shrink": (0, 0, 0, 0),
    "sparse_plus": (2, 1, 0, 1),
    "sparse_sigmoid": (1, 0, 0, 0),
    "lisht": (3, 4, 8),
    "log_cosh": (5, 3, 4),
    "exp": (1, 1, 1, 0),
    "erf": (1, 6, 7),
    "logit": (2, 2, 4),
}

# Where two terms cancel. Within 1 of such a place an error of some 2^-52 is also allowed: the
# terms are between 1/8 and 1.
INTERIOR_ZEROS = {
    ("silu", "derivative"): (-1.278464542761074,),
    ("swish", "derivative"): (-1.278464542761074,),
    ("gelu", "derivative"): (-0.7517915246935645,),
    ("gelu_tanh", "derivative"): (-0.7524614220710163,),
    ("gelu_sigmoid", "derivative"): (-0.751154255441289,),
    ("mish", "derivative"): (-1.192431214515495,),
    ("silu", "second_derivative"): (-2.399357280515468, 2.399357280515468),
    ("swish", "second_derivative"): (-2.399357280515468, 2.399357280515468),
    ("gelu", "second_derivative"): (-math.sqrt(2.0), math.sqrt(2.0)),
    ("gelu_tanh", "second_derivative"): (-1.418504008790828, 1.418504008790828),
    ("gelu_sigmoid", "second_derivative"): (-1.409728007, 1.409728007),
    ("mish", "second_derivative"): (-2.256376396360793, 1.490571179485428),
    ("lisht", "second_derivative"): (-1.199678640257734, 1.199678640257734),
}
NEAR_ZERO = 4 * 2.0**-52

# Parameters without a default, and others to try.
REQUIRED = {"prelu": (0.25,), "threshold": (0.5, -2.0)}
OTHER_PARAMETERS = [
    ("leaky_relu", (0.2,)),
    ("leaky_relu", (-0.5,)),
    ("leaky_relu", (0.0,)),
    ("prelu", (3.0,)),
    ("threshold", (-1.0, 20.0)),
    ("elu", (0.3,)),
    ("celu", (0.7,)),
    ("celu", (4.0,)),
    ("softplus", (0.3,)),
    ("softplus", (20.0,)),
    ("swish", (0.3,)),
    ("swish", (1.702,)),
    ("swish", (0.0,)),
    ("swish", (-1.5,)),
    ("squareplus", (0.01,)),
    ("squareplus", (100.0,)),
    ("hard_tanh", (-2.0, 0.5)),
    ("soft_shrink", (1.5,)),
    ("hard_shrink", (0.0,)),
]

EXTREMES = [
    magnitude * sign
    for magnitude in (
        5e-324,
        1e-310,
        2.0**-1022,
        1e-200,
        1e20,
        1e160,
        1e300,
        1e308,
        sys.float_info.max,
    )
    for sign in (1.0, -1.0)
]


def grid(name: str) -> list[float]:
    """Return numbers on every scale, dense where the functions bend."""
    rng = random.Random(name)
    if name == "logit":
        points = [k / 64 for k in range(-2, 67)]
        points += [rng.uniform(0.0, 1.0) for _ in range(200)]
        points += [2.0 ** rng.uniform(-1074.0, 0.0) for _ in range(60)]
        return points + [1.0 - 2.0 ** rng.uniform(-53.0, 0.0) for _ in range(60)]
    points = [k / 8 for k in range(-80, 81)]
    for width in (4.0, 40.0, 760.0):
        points += [rng.uniform(-width, width) for _ in range(150)]
    for sign in (1.0, -1.0):
        points += [sign * 2.0 ** rng.uniform(-60.0, 30.0) for _ in range(30)]
    return points + EXTREMES


def cases() -> list[tuple[str, str]]:
    """Return each activation with each of its forms."""
    return [
        (name, form)
        for name, row in ACTIVATIONS.items()
        for form in FORMS
        if getattr(row, form) is not None
    ]


def parameters_of(name: str) -> tuple[float, ...]:
    """Return parameters to call an activation with: none where all have defaults."""
    return REQUIRED.get(name, ())


def inputs(name: str, form: str, parameters: tuple[float, ...]) -> list[float]:
    """Return the numbers to call a form with: outputs of f for the form that takes them."""
    if form != "derivative_from_output":
        return grid(name)
    value = ACTIVATIONS[name].value
    return [value(x, *parameters) for x in grid(name)]


def assert_close(
    name: str, form: str, x: float, parameters: tuple[float, ...], ulps: float
) -> None:
    """Assert that a form is right at x, to a number of ULP or next to an interior zero."""
    got = getattr(ACTIVATIONS[name], form)(x, *parameters)
    true = oracle.exact(name, form, x, *parameters)
    assert type(got) is float
    error = oracle.ulp_error(got, true, "float64")
    if error <= ulps:
        return
    zeros = INTERIOR_ZEROS.get((name, form), ())
    assert any(abs(x - zero) < 1.0 for zero in zeros), f"f({x!r}): {error} ULP, got {got!r}"
    assert abs(got - true) <= NEAR_ZERO, f"f({x!r}): off by {float(got - true)}, got {got!r}"


def test_every_row_of_the_oracle_is_here_in_its_order() -> None:
    assert list(ACTIVATIONS) == list(oracle.FORMULAS)
    assert list(ULPS) == list(ACTIVATIONS)
    for name, row in ACTIVATIONS.items():
        formula = oracle.FORMULAS[name]
        assert (row.derivative_from_output is None) == (formula.from_output is None), name
        defaults = {key: parameter.default for key, parameter in formula.parameters.items()}
        assert row.parameters == defaults, name


@pytest.mark.parametrize(("name", "form"), cases())
def test_the_table_agrees_with_the_functions(name: str, form: str) -> None:
    row = ACTIVATIONS[name]
    function = getattr(row, form)
    assert row.name == name
    assert function is getattr(reference, name if form == "value" else f"{name}_{form}")
    first, *others = inspect.signature(function).parameters.values()
    assert first.name == ("y" if form == "derivative_from_output" else "x")
    defaults = {p.name: None if p.default is p.empty else p.default for p in others}
    assert defaults == row.parameters


@pytest.mark.parametrize(("name", "form"), cases())
def test_error_in_ulp(name: str, form: str) -> None:
    parameters = parameters_of(name)
    ulps = ULPS[name][FORMS.index(form)]
    for x in inputs(name, form, parameters):
        assert_close(name, form, x, parameters, ulps)


@pytest.mark.parametrize(("name", "form"), list(INTERIOR_ZEROS), ids="-".join)
def test_error_next_to_interior_zeros(name: str, form: str) -> None:
    ulps = ULPS[name][FORMS.index(form)]
    for zero in INTERIOR_ZEROS[name, form]:
        for exponent in range(-53, 0):
            for side in (-1.0, 1.0):
                assert_close(name, form, zero + side * 2.0**exponent, (), ulps)


def other_cases() -> list[tuple[str, str, tuple[float, ...]]]:
    """Return each form that is offered for each of OTHER_PARAMETERS."""
    return [
        (name, form, parameters)
        for name, parameters in OTHER_PARAMETERS
        for form in FORMS
        if getattr(ACTIVATIONS[name], form) is not None
        and (
            form != "derivative_from_output"
            or parameters[0] > 0.0
            or not oracle.FORMULAS[name].from_output_needs_positive
        )
    ]


@pytest.mark.parametrize(("name", "form", "parameters"), other_cases())
def test_error_with_other_parameters(name: str, form: str, parameters: tuple[float, ...]) -> None:
    function = getattr(ACTIVATIONS[name], form)
    for x in inputs(name, form, parameters):
        t = 0.0  # the rounded exponent, if there is one
        if name in ("softplus", "swish"):
            t = parameters[0] * x
        elif name == "celu":
            t = x / parameters[0]
        got = function(x, *parameters)
        true = oracle.exact(name, form, x, *parameters)
        error = oracle.ulp_error(got, true, "float64")
        if error > 10.0 + min(abs(t), 760.0):
            zeros = INTERIOR_ZEROS.get((name, form), ())
            assert any(abs(t - zero) < 1.0 for zero in zeros), (x, error)
            assert abs(got - true) <= 2.0 * NEAR_ZERO, (x, error)


@pytest.mark.parametrize(("name", "form"), cases())
def test_nan_propagates(name: str, form: str) -> None:
    assert math.isnan(getattr(ACTIVATIONS[name], form)(math.nan, *parameters_of(name)))


@pytest.mark.parametrize("x", [math.inf, -math.inf])
@pytest.mark.parametrize(
    ("name", "form"), [case for case in cases() if case[1] != "derivative_from_output"]
)
def test_limits_at_infinity(name: str, form: str, x: float) -> None:
    parameters = parameters_of(name)
    got = getattr(ACTIVATIONS[name], form)(x, *parameters)
    true = float(oracle.exact(name, form, x, *parameters))
    assert oracle.ulp_error(got, true, "float64") <= 1.0
    if got == 0.0:
        zeros = oracle.signed_zero(name, form, x, *parameters)
        assert math.copysign(1.0, got) in [math.copysign(1.0, zero) for zero in zeros]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_value_keeps_the_sign_of_zero(name: str) -> None:
    parameters = parameters_of(name)
    for x in (0.0, -0.0):
        got = ACTIVATIONS[name].value(x, *parameters)
        zeros = oracle.signed_zero(name, "value", x, *parameters)
        assert (got == 0.0) == bool(zeros)
        if zeros:
            assert math.copysign(1.0, got) in [math.copysign(1.0, zero) for zero in zeros]


def kinks(name: str) -> tuple[float, ...]:
    """Return where a derivative jumps."""
    defaults = [value for value in ACTIVATIONS[name].parameters.values() if value is not None]
    return oracle.FORMULAS[name].kinks(*(parameters_of(name) or defaults))


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if kinks(name)])
@pytest.mark.parametrize("form", FORMS[:3])
def test_conventions_at_kinks(name: str, form: str) -> None:
    ulps = ULPS[name][FORMS.index(form)]
    for kink in kinks(name):
        for x in (kink, math.nextafter(kink, -math.inf), math.nextafter(kink, math.inf)):
            assert_close(name, form, x, parameters_of(name), ulps)


@pytest.mark.parametrize(("name", "form"), cases())
def test_no_exception_out_of_range(name: str, form: str) -> None:
    for x in (*EXTREMES, math.inf, -math.inf, 0.0, -0.0, 710.0, -710.0, 750.0, 2.0, -2.0):
        assert type(getattr(ACTIVATIONS[name], form)(x, *parameters_of(name))) is float


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_backward_is_the_product(name: str) -> None:
    row = ACTIVATIONS[name]
    parameters = parameters_of(name)
    assert row.backward(-3.0, 0.25, *parameters) == -3.0 * row.derivative(0.25, *parameters)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("leaky_relu", (0.0,)),
        ("prelu", (-1.0,)),
        ("elu", (0.0,)),
        ("celu", (-1.0,)),
        ("squareplus", (0.0,)),
    ],
)
def test_output_that_does_not_determine_the_input(name: str, parameters: tuple[float]) -> None:
    function = ACTIVATIONS[name].derivative_from_output
    assert function is not None
    with pytest.raises(ValueError, match=f"{name}' from its output needs .* > 0, got "):
        function(1.0, *parameters)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("name", "parameters", "x"),
    [
        ("celu", (0.0,), -1.0),
        ("softplus", (0.0,), 1.0),
        ("squareplus", (-1.0,), 1.0),
        ("hard_tanh", (1.0, 1.0), 1.0),
        ("soft_shrink", (-0.5,), 1.0),
        ("hard_shrink", (-0.5,), 1.0),
    ],
)
def test_parameter_out_of_range(
    name: str, parameters: tuple[float, ...], x: float, form: str
) -> None:
    with pytest.raises(ValueError, match=name):
        getattr(ACTIVATIONS[name], form)(x, *parameters)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (0.0, {"sigmoid": 0.25, "tanh": 1.0, "relu": 0.0}),
        (1.0, {"sigmoid": 0.1966, "tanh": 0.42, "relu": 1.0}),
        (-1.0, {"sigmoid": 0.1966, "tanh": 0.42, "relu": 0.0}),
        (math.inf, {"sigmoid": 0.0, "tanh": 0.0, "relu": 1.0}),
        (-math.inf, {"sigmoid": 0.0, "tanh": 0.0, "relu": 0.0}),
        (1e308, {"sigmoid": 0.0, "tanh": 0.0, "relu": 1.0}),
        (-1e308, {"sigmoid": 0.0, "tanh": 0.0, "relu": 0.0}),
    ],
)
def test_derivatives(x: float, expected: dict[str, float]) -> None:
    assert list(derivatives(x).items()) == list(expected.items())


def test_derivatives_of_nan() -> None:
    for decimals in ((4, 2), None):
        results = derivatives(math.nan, decimals)
        assert list(results) == ["sigmoid", "tanh", "relu"]
        assert all(map(math.isnan, results.values()))


def test_derivatives_to_other_decimals() -> None:
    assert derivatives(1.0, (0, 6)) == {"sigmoid": 0.0, "tanh": 0.419974, "relu": 1.0}
    assert derivatives(-100.0, decimals=None) == {
        "sigmoid": reference.sigmoid_derivative(-100.0),
        "tanh": reference.tanh_derivative(-100.0),
        "relu": 0.0,
    }
    assert derivatives(-100.0, decimals=None)["tanh"] > 0.0


def test_the_module_stands_alone() -> None:
    imported = {value.__name__ for value in vars(reference).values() if inspect.ismodule(value)}
    assert imported == {"math"}


def test_examples() -> None:
    result = doctest.testmod(reference)
    assert result.attempted > 100
    assert result.failed == 0
