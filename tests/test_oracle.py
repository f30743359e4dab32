"""Tests of the oracle itself: it must be right before it may judge."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracle
from oracle import EXACT, FORMATS, FORMULAS, LIBRARIES, exact, forms, rounded, ulp_error

inf, nan = math.inf, math.nan

CATALOGUE = [
    *("identity", "sigmoid", "log_sigmoid", "tanh", "relu", "relu6", "relu_squared"),
    *(
        "leaky_relu",
        "prelu",
        "threshold",
        "elu",
        "selu",
        "celu",
        "softplus",
        "softsign",
    ),
    *("squareplus", "gelu", "gelu_tanh", "gelu_sigmoid", "silu", "swish", "mish"),
    *("hard_sigmoid", "hard_swish", "hard_tanh", "tanh_shrink", "soft_shrink"),
    *(
        "hard_shrink",
        "sparse_plus",
        "sparse_sigmoid",
        "lisht",
        "log_cosh",
        "exp",
        "erf",
    ),
    "logit",
]

# beside the defaults, parameters that tell x, a and a x apart
PARAMETERS: dict[str, tuple[float, ...]] = {
    "leaky_relu": (0.375,),
    "prelu": (0.25,),
    "threshold": (0.5, 20.0),
    "elu": (1.75,),
    "celu": (1.75,),
    "softplus": (2.5,),
    "squareplus": (1.5,),
    "swish": (1.75,),
    "hard_tanh": (-1.5, 2.5),
    "soft_shrink": (0.75,),
    "hard_shrink": (0.75,),
}

ALL_FORMS = [(name, form) for name in FORMULAS for form in forms(name)]
PARAMETER_FORMS = [
    (name, parameter) for name in FORMULAS for parameter in FORMULAS[name].parameters
]

# the float64 nearest to each zero of f' and f'' away from 0
INTERIOR_ZEROS = [
    ("silu", "derivative", -1.2784645427610737),
    ("gelu", "derivative", -0.7517915246935645),
    ("gelu_tanh", "derivative", -0.7524614220710163),
    ("gelu_sigmoid", "derivative", -0.751154255441289),
    ("mish", "derivative", -1.1924312145154952),
    ("silu", "second_derivative", -2.3993572805154675),
    ("silu", "second_derivative", 2.3993572805154675),
    ("gelu", "second_derivative", -math.sqrt(2)),
    ("gelu", "second_derivative", math.sqrt(2)),
    ("gelu_tanh", "second_derivative", -1.4185040087908283),
    ("gelu_tanh", "second_derivative", 1.4185040087908283),
    ("mish", "second_derivative", -2.256376396360793),
    ("mish", "second_derivative", 1.4905711794854284),
]


def relative_difference(a: Any, b: Any) -> Any:
    if a == b:
        return 0
    return EXACT.fabs((EXACT.convert(a) - EXACT.convert(b)) / EXACT.convert(b))


def at_precision(bits: int) -> Any:
    """Return the mathematics of mpmath, at a precision."""
    mathematics = LIBRARIES["mpmath"]
    mathematics.precision = bits
    return mathematics


def points(name: str, seed: int, count: int) -> list[float]:
    """Return floats, most in [-8, 8], or else in the domain, that are no kinks."""
    low, high = FORMULAS[name].domain
    low, high = (low, high) if math.isfinite(high - low) else (-8.0, 8.0)
    inside = np.random.default_rng(seed).uniform(low, high, count).tolist()
    return inside if high == 1 else [*inside, -25.25, 25.25]


# The formulas -----------------------------------------------------------------------


def test_every_activation_of_the_catalogue_has_a_formula() -> None:
    assert list(FORMULAS) == CATALOGUE


DEFINITIONS: dict[str, Any] = {
    "sigmoid": lambda m, x: 1 / (1 + m.exp(-x)),
    "log_sigmoid": lambda m, x: -m.log(1 + m.exp(-x)),
    "tanh": lambda m, x: (m.exp(x) - m.exp(-x)) / (m.exp(x) + m.exp(-x)),
    "relu_squared": lambda m, x: x**2 if x > 0 else m.mpf(0),
    "selu": lambda m, x: (
        m.mpf("1.0507009873554804934193349852946")
        * (x if x > 0 else m.mpf("1.6732632423543772848170429916717") * (m.exp(x) - 1))
    ),
    "celu": lambda m, x, a: max(x, 0) + a * (m.exp(min(x, 0) / a) - 1),
    "softplus": lambda m, x, b: m.log(1 + m.exp(b * x)) / b,
    "squareplus": lambda m, x, b: (x + m.sqrt(x**2 + b)) / 2,
    "gelu": lambda m, x: x * (1 + m.erf(x / m.sqrt(2))) / 2,
    "gelu_tanh": lambda m, x: (
        x / 2 * (1 + m.tanh(m.sqrt(2 / m.pi) * (x + m.mpf("0.044715") * x**3)))
    ),
    "gelu_sigmoid": lambda m, x: x / (1 + m.exp(-m.mpf("1.702") * x)),
    "silu": lambda m, x: x / (1 + m.exp(-x)),
    "swish": lambda m, x, b: x / (1 + m.exp(-b * x)),
    "mish": lambda m, x: x * m.tanh(m.log(1 + m.exp(x))),
    "tanh_shrink": lambda m, x: x - m.tanh(x),
    "soft_shrink": lambda m, x, t: m.sign(x) * max(abs(x) - t, 0),
    "log_cosh": lambda m, x: m.log(m.cosh(x)),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_value_is_the_definition(name: str) -> None:
    parameters = PARAMETERS.get(name, ())
    m = at_precision(4000).context
    wanted_bits = 100 if name == "selu" else 149  # selu's constants end after 31 digits
    for x in (*points(name, 1, 20), 1e-30, -1e-30, 30.0, -30.0):
        definition = DEFINITIONS[name](m, m.mpf(x), *map(m.mpf, parameters))
        got = exact(name, "value", x, *parameters)
        assert relative_difference(got, definition) < EXACT.mpf(2) ** -wanted_bits, x


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", FORMULAS)
def test_derivatives_are_derivatives_of_the_value(name: str, order: int) -> None:
    formula, parameters = FORMULAS[name], PARAMETERS.get(name, ())
    form = formula.derivative if order == 1 else formula.second_derivative
    for x in points(name, 2, 12):
        m = at_precision(200)
        numbers = [m.number(parameter) for parameter in parameters_of(name, parameters)]
        numerical = m.context.diff(
            lambda t, m=m, numbers=numbers: m.number(formula.value(m, t, *numbers)),
            m.number(x),
            order,
        )
        closed = form(m, m.number(x), *numbers)
        assert abs(numerical - closed) < 1e-40 * (1 + abs(closed)), x


@pytest.mark.parametrize(("name", "parameter"), PARAMETER_FORMS)
def test_parameter_derivatives_are_derivatives_of_the_value(name: str, parameter: str) -> None:
    formula, parameters = FORMULAS[name], PARAMETERS[name]
    index = list(formula.parameters).index(parameter)
    for x in points(name, 3, 12):
        m = at_precision(200)

        def value(p: Any, m: Any = m, x: float = x) -> Any:
            numbers = [m.number(q) for q in parameters]
            numbers[index] = p
            return m.number(formula.value(m, m.number(x), *numbers))

        numerical = m.context.diff(value, m.number(parameters[index]))
        closed = formula.parameters[parameter].derivative(
            m, m.number(x), *map(m.number, parameters)
        )
        assert abs(numerical - closed) < 1e-40 * (1 + abs(closed)), x


@pytest.mark.parametrize("name", [name for name in FORMULAS if FORMULAS[name].from_output])
def test_derivative_from_output_is_the_derivative(name: str) -> None:
    formula = FORMULAS[name]
    parameters = parameters_of(name, PARAMETERS.get(name, ()))
    for x in (*points(name, 4, 20), *oracle.kinks(name, *parameters)):
        m = at_precision(400)
        numbers = [m.number(parameter) for parameter in parameters]
        y = m.number(formula.value(m, m.number(x), *numbers))
        assert formula.from_output is not None
        from_output = formula.from_output(m, y, *numbers)
        closed = formula.derivative(m, m.number(x), *numbers)
        assert abs(from_output - closed) < 1e-80 * (1 + abs(closed)), x


def parameters_of(name: str, parameters: tuple[float, ...]) -> tuple[float, ...]:
    return parameters or tuple(
        parameter.default
        for parameter in FORMULAS[name].parameters.values()
        if parameter.default is not None
    )


# f'(kinks) and f''(kinks), in the order of the kinks
AT_KINKS: dict[str, tuple[list[float], list[float]]] = {
    "relu": ([0], [0]),
    "relu6": ([0, 0], [0, 0]),
    "relu_squared": ([0], [0]),
    "leaky_relu": ([1], [0]),
    "prelu": ([1], [0]),
    "threshold": ([0], [0]),
    "elu": ([1.75], [1.75]),
    "celu": ([1], [1 / 1.75]),
    "softsign": ([1], [0]),
    "hard_sigmoid": ([0, 0], [0, 0]),
    "hard_swish": ([0, 1], [0, 0]),
    "hard_tanh": ([0, 0], [0, 0]),
    "soft_shrink": ([0, 0], [0, 0]),
    "hard_shrink": ([0, 0], [0, 0]),
    "sparse_plus": ([0, 1], [0, 0]),
    "sparse_sigmoid": ([0, 0], [0, 0]),
    "logit": ([inf, inf], [-inf, inf]),
}


@pytest.mark.parametrize("name", AT_KINKS)
def test_kinks_follow_the_catalogue(name: str) -> None:
    parameters = PARAMETERS.get(name, ())
    kinks = oracle.kinks(name, *parameters)
    for form, wanted in zip(forms(name)[1:3], AT_KINKS[name], strict=True):
        assert [float(exact(name, form, k, *parameters)) for k in kinks] == wanted


def test_every_kink_is_in_the_table() -> None:
    with_kinks = {n for n in FORMULAS if oracle.kinks(n, *PARAMETERS.get(n, ()))}
    assert with_kinks == {*AT_KINKS, "selu"}


def test_selu_at_its_kink_has_the_left_derivative() -> None:
    m = at_precision(400)
    scale, alpha = oracle.selu_constants(m)
    for form in ("derivative", "second_derivative"):
        got = exact("selu", form, 0.0)
        assert relative_difference(got, scale * alpha) < EXACT.mpf(2) ** -150


@pytest.mark.parametrize("library", LIBRARIES)
def test_selu_constants_have_the_published_decimals(library: str) -> None:
    m = LIBRARIES[library]
    m.precision = 200
    published = "1.0507009873554804934193349852946", "1.6732632423543772848170429916717"
    for constant, decimals in zip(oracle.selu_constants(m), published, strict=True):
        assert abs(constant - m.number(10) ** -31 * int(decimals.replace(".", ""))) < 1e-31


# Exact values -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "form", "x", "decimals"),
    [
        (
            "sigmoid",
            "derivative",
            1.0,
            "0.19661193324148185253742473358590902562226728543",
        ),
        ("tanh", "value", 1.0, "0.76159415595576488811945828260479359041276859725794"),
        ("exp", "value", 1.0, "2.7182818284590452353602874713526624977572470937000"),
        ("erf", "value", 1.0, "0.84270079294971486934122063508260925929606699796630"),
        (
            "softplus",
            "value",
            0.0,
            "0.69314718055994530941723212145817656807550013436026",
        ),
        ("squareplus", "derivative", 0.0, "0.5"),
    ],
)
def test_known_decimals(name: str, form: str, x: float, decimals: str) -> None:
    assert relative_difference(exact(name, form, x), EXACT.mpf(decimals)) < 1e-46


@pytest.mark.parametrize(("name", "form"), ALL_FORMS)
def test_arb_and_mpmath_agree(name: str, form: str) -> None:
    pytest.importorskip("flint")
    parameters = PARAMETERS.get(name, ())
    random = np.random.default_rng(5)
    spaced = np.exp2(random.uniform(-1074, 1000, 6)) * random.choice([-1, 1], 6)
    middle = np.exp2(random.uniform(-30, 10, 8)) * random.choice([-1, 1], 8)
    for x in (*points(name, 6, 10), *middle, *spaced, *oracle.kinks(name, *parameters)):
        arb = exact(name, form, x, *parameters, library="arb")
        other = exact(name, form, x, *parameters, library="mpmath")
        if isinstance(other, float):
            assert repr(arb) == repr(other), x
        else:
            assert relative_difference(arb, other) < EXACT.mpf(2) ** -149, x


@pytest.mark.parametrize(("name", "form", "zero"), INTERIOR_ZEROS)
def test_values_next_to_interior_zeros(name: str, form: str, zero: float) -> None:
    below, above = math.nextafter(zero, -inf), math.nextafter(zero, inf)
    assert exact(name, form, below) * exact(name, form, above) < 0
    m = at_precision(1000)
    for x in (below, zero, above):
        wanted = getattr(FORMULAS[name], form)(m, m.number(x))
        assert relative_difference(exact(name, form, x), wanted) < EXACT.mpf(2) ** -149


@pytest.mark.parametrize("library", LIBRARIES)
def test_cancellation_at_tiny_arguments(library: str) -> None:
    x = 5e-324
    for name, form, wanted in [
        ("tanh_shrink", "value", EXACT.mpf(x) ** 3 / 3),
        ("log_cosh", "value", EXACT.mpf(x) ** 2 / 2),
        ("celu", "parameter_derivative:alpha", 0),
        ("sigmoid", "second_derivative", -EXACT.mpf(x) / 8),
    ]:
        got = exact(name, form, x, library=library)
        assert relative_difference(got, wanted) < EXACT.mpf(2) ** -150, name


@pytest.mark.parametrize("x", [-1e3, -1e9, -1e100, -1.7e308])
@pytest.mark.parametrize("name", ["sigmoid", "silu", "mish", "exp", "softplus"])
def test_tails_beyond_every_format_keep_all_bits(name: str, x: float) -> None:
    """Far to the left these are e^x or x e^x."""
    got = exact(name, "value", x)
    context = at_precision(2000).context
    wanted = context.exp(context.mpf(x)) * (x if name in ("silu", "mish") else 1)
    assert relative_difference(got, wanted) < EXACT.mpf(2) ** -149


def test_numbers_of_arguments_and_names_are_checked() -> None:
    with pytest.raises(KeyError):
        exact("swoosh", "value", 1.0)
    with pytest.raises(ValueError, match="no form 'gradient'"):
        exact("silu", "gradient", 1.0)
    with pytest.raises(TypeError, match="needs its parameter a"):
        exact("prelu", "value", 1.0)
    with pytest.raises(TypeError, match="takes 0 parameters, not 1"):
        exact("silu", "value", 1.0, 2.0)
    with pytest.raises(ValueError, match="inverse only for a positive parameter"):
        exact("elu", "derivative_from_output", 1.0, -1.0)
    with pytest.raises(ArithmeticError):
        exact("celu", "value", -1.0, 0.0)


def test_parameters_are_rounded_to_the_format_of_x() -> None:
    assert exact("leaky_relu", "derivative", -1.0) == 0.01
    assert exact("leaky_relu", "derivative", np.float32(-1)) == np.float32(0.01)
    assert exact("leaky_relu", "derivative", np.float32(-1), 0.3) == np.float32(0.3)
    assert exact("prelu", "derivative", -1.0, np.float16(0.3)) == np.float16(0.3)


def test_a_single_parameter_need_not_be_named() -> None:
    assert exact("swish", "parameter_derivative", 0.5) == exact(
        "swish", "parameter_derivative:beta", 0.5
    )


def test_the_precision_of_flint_is_left_alone() -> None:
    flint = pytest.importorskip("flint")
    before = flint.ctx.prec
    exact("gelu", "value", -1e300)
    assert flint.ctx.prec == before


# Special inputs ---------------------------------------------------------------------

# at -inf and inf: f, f', f''
LIMITS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "identity": ((-inf, 1.0, 0.0), (inf, 1.0, 0.0)),
    "sigmoid": ((0.0, 0.0, 0.0), (1.0, 0.0, -0.0)),
    "log_sigmoid": ((-inf, 1.0, -0.0), (-0.0, 0.0, -0.0)),
    "tanh": ((-1.0, 0.0, 0.0), (1.0, 0.0, -0.0)),
    "relu": ((0.0, 0.0, 0.0), (inf, 1.0, 0.0)),
    "relu6": ((0.0, 0.0, 0.0), (6.0, 0.0, 0.0)),
    "relu_squared": ((0.0, 0.0, 0.0), (inf, inf, 2.0)),
    "leaky_relu": ((-inf, 0.375, 0.0), (inf, 1.0, 0.0)),
    "prelu": ((-inf, 0.25, 0.0), (inf, 1.0, 0.0)),
    "threshold": ((20.0, 0.0, 0.0), (inf, 1.0, 0.0)),
    "elu": ((-1.75, 0.0, 0.0), (inf, 1.0, 0.0)),
    "celu": ((-1.75, 0.0, 0.0), (inf, 1.0, 0.0)),
    "softplus": ((0.0, 0.0, 0.0), (inf, 1.0, 0.0)),
    "softsign": ((-1.0, 0.0, 0.0), (1.0, 0.0, -0.0)),
    "squareplus": ((0.0, 0.0, 0.0), (inf, 1.0, 0.0)),
    "gelu": ((-0.0, -0.0, -0.0), (inf, 1.0, -0.0)),
    "gelu_tanh": ((-0.0, -0.0, -0.0), (inf, 1.0, -0.0)),
    "gelu_sigmoid": ((-0.0, -0.0, -0.0), (inf, 1.0, -0.0)),
    "silu": ((-0.0, -0.0, -0.0), (inf, 1.0, -0.0)),
    "swish": ((-0.0, -0.0, -0.0), (inf, 1.0, -0.0)),
    "mish": ((-0.0, -0.0, -0.0), (inf, 1.0, -0.0)),
    "hard_sigmoid": ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
    "hard_swish": ((0.0, 0.0, 0.0), (inf, 1.0, 0.0)),
    "hard_tanh": ((-1.5, 0.0, 0.0), (2.5, 0.0, 0.0)),
    "tanh_shrink": ((-inf, 1.0, -0.0), (inf, 1.0, 0.0)),
    "soft_shrink": ((-inf, 1.0, 0.0), (inf, 1.0, 0.0)),
    "hard_shrink": ((-inf, 1.0, 0.0), (inf, 1.0, 0.0)),
    "sparse_plus": ((0.0, 0.0, 0.0), (inf, 1.0, 0.0)),
    "sparse_sigmoid": ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
    "lisht": ((inf, -1.0, -0.0), (inf, 1.0, -0.0)),
    "log_cosh": ((inf, -1.0, 0.0), (inf, 1.0, 0.0)),
    "exp": ((0.0, 0.0, 0.0), (inf, inf, inf)),
    "erf": ((-1.0, 0.0, 0.0), (1.0, 0.0, -0.0)),
    "logit": ((nan, nan, nan), (nan, nan, nan)),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", LIMITS)
def test_limits_at_infinities(name: str, library: str) -> None:
    for x, limits in zip((-inf, inf), LIMITS[name], strict=True):
        for form, limit in zip(forms(name), limits, strict=False):
            got = exact(name, form, x, *PARAMETERS.get(name, ()), library=library)
            assert repr(got) == repr(limit), (form, x)


def test_every_activation_has_its_limits_in_the_table() -> None:
    assert {*LIMITS, "selu"} == set(FORMULAS)


def test_limits_with_extreme_parameters() -> None:
    for got, limit in [
        (exact("leaky_relu", "value", -inf, 5e-324), -inf),
        (exact("elu", "value", -inf, 5e-324), -5e-324),
        (exact("celu", "value", -inf, 1.7e308), -1.7e308),
        (exact("squareplus", "value", -inf, 1.7e308), 0.0),
        (exact("swish", "value", -inf, -2.0), -inf),
        (exact("swish", "value", -inf, 0.0), -inf),
        (exact("hard_tanh", "value", inf, -inf, inf), inf),
        (exact("relu_squared", "derivative_from_output", inf), inf),
    ]:
        assert repr(got) == repr(limit)


def test_limits_of_selu() -> None:
    scale, alpha = oracle.selu_constants(at_precision(500))
    assert exact("selu", "value", inf) == inf
    for got, limit in [
        (exact("selu", "value", -inf), -scale * alpha),
        (exact("selu", "derivative", inf), scale),
    ]:
        assert relative_difference(got, limit) < EXACT.mpf(2) ** -150


@pytest.mark.parametrize(
    ("name", "x", "limit"),
    [
        ("leaky_relu", -inf, -inf),
        ("leaky_relu", inf, 0.0),
        ("elu", -inf, -1.0),
        ("celu", -inf, -1.0),
        ("softplus", -inf, -0.0),
        ("softplus", inf, -0.0),
        ("squareplus", inf, 0.0),
        ("swish", inf, 0.0),
        ("swish", -inf, 0.0),
        ("soft_shrink", inf, -1.0),
        ("soft_shrink", -inf, 1.0),
    ],
)
def test_limits_of_parameter_derivatives(name: str, x: float, limit: float) -> None:
    assert repr(exact(name, "parameter_derivative", x)) == repr(limit)


@pytest.mark.parametrize(("name", "form"), ALL_FORMS)
def test_nan_propagates(name: str, form: str) -> None:
    parameters = parameters_of(name, PARAMETERS.get(name, ()))
    assert math.isnan(exact(name, form, nan, *parameters))
    for index in range(len(parameters)):
        with_nan = (*parameters[:index], nan, *parameters[index + 1 :])
        assert math.isnan(exact(name, form, 1.0, *with_nan))


def test_logit_outside_its_domain_is_nan() -> None:
    for form in forms("logit"):
        for p in (-5e-324, math.nextafter(1.0, 2.0), -1e300):
            assert math.isnan(exact("logit", form, p))
    assert exact("logit", "value", 0.0) == -inf
    assert exact("logit", "value", 1.0) == inf


@pytest.mark.parametrize(
    ("name", "at_minus_zero", "at_zero"),
    [
        ("identity", (-0.0,), (0.0,)),
        ("tanh", (-0.0,), (0.0,)),
        ("softsign", (-0.0,), (0.0,)),
        ("tanh_shrink", (-0.0,), (0.0,)),
        ("gelu", (-0.0,), (0.0,)),
        ("elu", (-0.0,), (0.0,)),
        ("erf", (-0.0,), (0.0,)),
        ("relu", (0.0, -0.0), (0.0,)),
        ("hard_shrink", (0.0, -0.0), (0.0, -0.0)),
        ("lisht", (0.0,), (0.0,)),
        ("log_cosh", (0.0,), (0.0,)),
        ("sigmoid", (), ()),
    ],
)
def test_signed_zero_of_the_value_at_zero(
    name: str, at_minus_zero: tuple[float, ...], at_zero: tuple[float, ...]
) -> None:
    for x, wanted in ((-0.0, at_minus_zero), (0.0, at_zero)):
        assert repr(oracle.signed_zero(name, "value", x)) == repr(wanted)
        if len(wanted) == 1:
            assert repr(exact(name, "value", x)) == repr(wanted[0])


def test_signed_zero_elsewhere() -> None:
    assert repr(oracle.signed_zero("silu", "value", -inf)) == "(-0.0,)"
    assert oracle.signed_zero("relu", "value", -inf) == (0.0, -0.0)
    assert oracle.signed_zero("tanh", "second_derivative", 0.0) == (0.0, -0.0)
    assert oracle.signed_zero("leaky_relu", "value", -0.0, -0.5) == (0.0, -0.0)
    assert oracle.signed_zero("silu", "value", -1e300) == ()


# Rounding ---------------------------------------------------------------------------


@given(st.floats(), st.sampled_from(["float16", "float32", "float64"]))
def test_rounded_is_a_cast_of_numpy(x: float, dtype: str) -> None:
    with np.errstate(all="ignore"):
        cast = np.float64(x).astype(dtype)
    for value in (x, Fraction(x)) if math.isfinite(x) and x else (x,):
        got = rounded(value, dtype)
        assert got.dtype == cast.dtype
        np.testing.assert_array_equal(got, cast)
        assert np.signbit(got) == np.signbit(cast)


@given(st.floats(width=32))
def test_rounded_to_bfloat16_is_a_cast_of_ml_dtypes(x: float) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    with np.errstate(all="ignore"):
        cast = np.float32(x).astype(ml_dtypes.bfloat16)
    got = rounded(x, "bfloat16")
    assert got.dtype == cast.dtype
    assert math.isnan(x) or got.view(np.uint16) == cast.view(np.uint16)


@given(st.fractions())
def test_rounded_fractions_are_those_of_python(fraction: Fraction) -> None:
    assert rounded(fraction, "float64") == float(fraction)


@pytest.mark.parametrize("name", FORMATS)
def test_rounded_at_the_ends_of_a_format(name: str) -> None:
    format_ = FORMATS[name]
    largest, smallest = Fraction(format_.largest), Fraction(format_.smallest)
    half_unit = Fraction(2) ** (format_.highest - format_.precision)
    sliver = Fraction(1, 2**2000)
    for value, wanted in [
        (largest, format_.largest),
        (largest + half_unit - sliver, format_.largest),
        (largest + half_unit, inf),
        (smallest / 2, 0.0),
        (smallest / 2 + sliver, format_.smallest),
        (smallest * 3 / 2, 2 * format_.smallest),
        (smallest * 5 / 2, 2 * format_.smallest),
        (EXACT.mpf(2) ** 10**20, inf),
        (EXACT.mpf(2) ** -(10**20), 0.0),
    ]:
        assert float(rounded(value, name)) == wanted
        assert repr(float(rounded(-value, name))) == repr(-wanted)


def test_rounded_without_ml_dtypes_gives_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, "ml_dtypes", None)
    got = rounded(Fraction(-3, 2), "bfloat16")
    assert isinstance(got, np.uint16)
    assert got == 0xBFC0
    assert ulp_error(got, Fraction(-3, 2), "bfloat16") == 0


def test_exact_values_round_right_next_to_halfway_points() -> None:
    """silu(x) is x/2 + x^2/4 ...: above a halfway point by far less than 150 bits show."""
    assert rounded(exact("silu", "value", 5e-324), "float64") == 5e-324
    assert rounded(exact("silu", "value", -5e-324), "float64") == 0
    x = np.float16(2050)  # x - tanh x is 2049 + 2 e^-4100
    assert rounded(exact("tanh_shrink", "value", x), "float16") == 2050
    x = np.float16(2052)
    assert rounded(exact("tanh_shrink", "value", x), "float16") == 2052


# Units in the last place ------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_ulp_error(name: str) -> None:
    format_ = FORMATS[name]
    unit = Fraction(2) ** (1 - format_.precision)
    smallest, largest = Fraction(format_.smallest), Fraction(format_.largest)
    top = Fraction(2) ** (format_.highest - format_.precision + 1)
    for got, value, error in [
        (1.0, 1 + unit / 4, 0.25),
        (1.0, 1 - unit / 4, 0.5),  # the unit of the binade below
        (2.0, 2 - unit / 4, 0.25),
        (-1.0, 1, 2 / unit),
        (0.0, smallest / 8, 0.125),
        (0.0, smallest**100, 0),
        (format_.smallest, 0, 1),
        (format_.smallest, -0.0, 1),
        (-0.0, 0, 0),
        (inf, largest * 2, 0),
        (inf, largest + top / 2, 0),
        (inf, largest + top / 4, 0.75),
        (inf, largest, 1),
        (format_.largest, largest + 3 * top, 3),
        (format_.largest, largest**2, inf),
        (inf, 1, inf),
        (-inf, largest, inf),
        (inf, inf, 0),
        (-inf, inf, inf),
        (1.0, inf, inf),
        (nan, nan, 0),
        (1.0, nan, inf),
        (nan, 1, inf),
        (nan, 0, inf),
        (inf, 0, inf),
    ]:
        assert ulp_error(got, value, name) == error, (got, value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_ulp_error_of_neighbours(x: float) -> None:
    neighbour = math.nextafter(x, inf)
    if math.isfinite(neighbour):
        assert ulp_error(neighbour, Fraction(x), "float64") in (0.5, 1, 2)


# Arrays -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize(
    ("name", "form"),
    [("gelu", "derivative"), ("leaky_relu", "value"), ("exp", "value")],
)
def test_worst_finds_the_one_bad_result(name: str, form: str, dtype: str) -> None:
    x = oracle.sample(dtype, 200, 1, name)
    good = oracle.expected(name, form, x)
    assert good.dtype == x.dtype
    error, _ = oracle.worst(name, form, good, x)
    assert error <= 0.5
    index = int(np.nanargmin(np.abs(x.astype(float) - 1.5)))
    bad = good.copy()
    bad.view(f"u{x.dtype.itemsize}")[index] += 2
    error, where = oracle.worst(name, form, bad, x)
    assert 1.5 <= error <= 2.5
    assert where == x[index]
    bad[index] = nan
    assert oracle.worst(name, form, bad, x)[0] == inf


def test_worst_broadcasts_parameters() -> None:
    x, slope = np.array([[-1.0], [-3.0], [2.0]]), np.array([0.1, 0.7])
    got = np.where(x >= 0, x, slope * x)
    assert oracle.worst("prelu", "value", got, x, slope)[0] <= 0.5
    np.testing.assert_array_equal(oracle.expected("prelu", "value", x, slope), got)


def test_worst_of_nothing() -> None:
    assert oracle.worst("exp", "value", np.empty(0), np.empty(0)) == (0.0, None)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", FORMULAS)
def test_sample_has_all_special_values(name: str, dtype: str) -> None:
    x = oracle.sample(dtype, 100, 1, name)
    format_ = FORMATS[dtype]
    values = x.astype(float)
    assert x.dtype.name == dtype
    assert len(np.unique(x.view(f"u{x.dtype.itemsize}"))) == len(x) > 100
    for special in (
        inf,
        format_.largest,
        format_.smallest_normal,
        format_.smallest,
        1.0,
    ):
        assert special in values
        assert -special in values
    assert np.isnan(values).any()
    assert {"0.0", "-0.0"} <= {repr(v) for v in values[values == 0].tolist()}
    if name not in ("prelu", "threshold"):
        for kink in oracle.kinks(name):
            near = np.abs(values - kink) < abs(kink) * 2.0 ** (2 - format_.precision)
            assert near.sum() >= 3 if kink else kink in values


@pytest.mark.parametrize(("name", "form", "zero"), INTERIOR_ZEROS)
def test_sample_is_dense_around_interior_zeros(name: str, form: str, zero: float) -> None:
    x = oracle.sample("float64", 10, 1, name)
    assert form in forms(name)
    for steps in range(-10, 11):
        neighbour = zero
        for _ in range(abs(steps)):
            neighbour = math.nextafter(neighbour, math.copysign(inf, steps))
        assert neighbour in x


def test_sample_repeats_by_its_seed() -> None:
    first, second = (oracle.sample("float32", 50, 7, "silu") for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert len(np.setdiff1d(first, oracle.sample("float32", 50, 8, "silu"))) > 40


def test_sample_of_outputs_is_in_the_range() -> None:
    y = oracle.sample("float32", 500, 1, "sigmoid", form="derivative_from_output")
    finite = y[~np.isnan(y)]
    assert finite.min() == 0
    assert finite.max() == 1


def test_borders_are_where_a_rounded_form_becomes_another_kind_of_number() -> None:
    def value(x: float) -> float:
        return float(rounded(exact("exp", "value", x), "float64"))

    found = oracle.borders("exp", "value", "float64")
    for below, above in [
        (-745.1332191019412, -745.1332191019411),
        (709.782712893384, inf),
    ]:
        index = found.index(below)
        assert found[index + 1] == min(above, math.nextafter(below, inf))
        assert math.nextafter(below, inf) == found[index + 1]
        assert value(below) != value(found[index + 1])


def test_mpmath_does_without_flint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, "LIBRARIES", {"mpmath": LIBRARIES["mpmath"]})
    x = np.linspace(-3, 3, 7)
    got = oracle.expected("silu", "derivative", x)
    assert oracle.worst("silu", "derivative", got, x)[0] <= 0.5
