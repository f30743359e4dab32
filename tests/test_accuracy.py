"""Every form of one argument of every activation against the oracle."""

import numpy as np
import pytest

import actgrad as ag
import oracle
from conftest import FLOATS, NAMES, OTHER_PARAMETERS, bound, parameters
from promises import CORRECTLY_ROUNDED, FORMS, PROMISED, PUBLIC

SAMPLES = {"float16": 1000, "float32": 2500, "float64": 2500}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_error_is_within_the_promise(name: str, form: str, dtype: str) -> None:
    x = oracle.sample(dtype, SAMPLES[dtype], 1, name, *parameters(name))
    got = getattr(bound(name), form)(x)
    error, where = oracle.worst(name, form, got, x, *parameters(name))
    allowed = PROMISED[name, form, dtype]
    assert error <= allowed, f"{name}.{form} at {where!r}: {error:.3f} ulp"


def test_every_promise_is_of_an_activation() -> None:
    assert {name for name, _, _ in PROMISED} == set(NAMES), "rows of accuracy/promises.tsv"


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("name", "values"), OTHER_PARAMETERS)
def test_other_parameters_keep_the_promise(
    name: str, values: tuple[float, ...], dtype: str
) -> None:
    x = oracle.sample(dtype, 400, 3, name, *values)
    for form in FORMS:
        got = getattr(ag.get(name), form)(x, *values)
        error, where = oracle.worst(name, form, got, x, *values)
        allowed = CORRECTLY_ROUNDED if dtype == "float16" else PUBLIC[form]
        assert error <= allowed, f"{name}.{form}(x, {values}) at {where!r}: {error:.3f} ulp"


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("name", "values"), OTHER_PARAMETERS)
def test_parameter_derivatives_at_other_parameters(
    name: str, values: tuple[float, ...], dtype: str
) -> None:
    for parameter in ag.get(name).parameters:
        form = f"parameter_derivative:{parameter}"
        x = oracle.sample(dtype, 400, 4, name, *values, form=form)
        got = ag.get(name).parameter_derivative(x, *values, parameter=parameter)
        error, where = oracle.worst(name, form, got, x, *values)
        allowed = CORRECTLY_ROUNDED if dtype == "float16" else PUBLIC["derivative"]
        assert error <= allowed, f"{name} {form} at {where!r}, {values}: {error:.3f} ulp"


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", [name for name in NAMES if ag.get(name).parameters])
def test_arrays_of_parameters_keep_the_promise(name: str, dtype: str) -> None:
    # A parameter of its own for every x, over the range the docstrings promise.
    random = np.random.default_rng(5)
    x = (random.uniform(-20, 20, 1500) * np.exp2(random.uniform(-8, 2, 1500))).astype(dtype)
    sizes = np.exp(random.uniform(np.log(0.01), np.log(50), (2, x.size))).astype(dtype)
    values = list(sizes[: len(ag.get(name).parameters)])
    if name == "hard_tanh":
        values[0] = -values[0]
    for form in FORMS:
        got = getattr(ag.get(name), form)(x, *values)
        error, where = oracle.worst(name, form, got, x, *values)
        allowed = CORRECTLY_ROUNDED if dtype == "float16" else PUBLIC[form]
        assert error <= allowed, f"{name}.{form} at {where!r}: {error:.3f} ulp"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [n for n in NAMES if "derivative_from_output" in vars(ag.get(n))])
def test_the_derivative_from_the_output_keeps_the_promise(name: str, dtype: str) -> None:
    form = "derivative_from_output"
    for values in [parameters(name), *(entry[1] for entry in OTHER_PARAMETERS if entry[0] == name)]:
        if oracle.FORMULAS[name].from_output_needs_positive and values[0] <= 0:
            continue
        y = oracle.sample(dtype, 400, 6, name, *values, form=form)
        got = getattr(ag.get(name), form)(y, *values)
        error, where = oracle.worst(name, form, got, y, *values)
        assert error <= PUBLIC["derivative"], f"{name}.{form} at {where!r}, {values}: {error:.3f}"


# Next to a zero of a derivative that lies between two numbers: beta x comes closer to it than any
# number does, and the derivative is right there, too.
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("beta", [0.01, 0.3, 3.3, 7.7, -3.3])
@pytest.mark.parametrize(
    ("form", "zero"),
    [
        ("derivative", -1.278464542761074),
        ("second_derivative", 2.399357280515468),
        ("second_derivative", -2.399357280515468),
    ],
)
def test_swish_next_to_its_interior_zeros(form: str, zero: float, beta: float, dtype: str) -> None:
    random = np.random.default_rng(7)
    away = np.exp2(random.uniform(-52, -4, 300)) * random.choice([-1, 1], 300)
    x = (zero / float(np.array(beta, dtype)) * (1 + away)).astype(dtype)
    error, where = oracle.worst("swish", form, getattr(ag.swish, form)(x, beta), x, beta)
    assert error <= PUBLIC[form], f"{error:.3f} ulp at {where!r}"


def test_celu_of_subnormal_numbers() -> None:
    # x / alpha is an ordinary number, and so are the derivatives.
    x = -np.exp2(np.random.default_rng(8).uniform(-1074, -900, 300))
    for alpha in (1e-200, 1e-250, 1e-290):
        for form in (*FORMS, "parameter_derivative"):
            got = getattr(ag.celu, form)(x, alpha)
            error, where = oracle.worst("celu", form, got, x, alpha)
            assert error <= PUBLIC.get(form, 1.0), f"{form} at {where!r}, {alpha}: {error:.3f}"
