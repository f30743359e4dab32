"""Every form of one argument of every activation against the oracle."""

import pytest

import oracle
from conftest import FLOATS, NAMES, bound, parameters
from promises import FORMS, PROMISED

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
