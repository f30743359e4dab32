"""Every form of one argument of every activation against the oracle."""

import pytest

import oracle
from conftest import FLOATS, NAMES, bound, parameters
from promises import CORRECTLY_ROUNDED, PROMISED

SAMPLES = {"float16": 1000, "float32": 2500, "float64": 2500}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("form", PROMISED)
@pytest.mark.parametrize("name", NAMES)
def test_error_is_within_the_promise(name: str, form: str, dtype: str) -> None:
    x = oracle.sample(dtype, SAMPLES[dtype], 1, name, *parameters(name))
    got = getattr(bound(name), form)(x)
    error, where = oracle.worst(name, form, got, x, *parameters(name))
    allowed = CORRECTLY_ROUNDED if dtype == "float16" else PROMISED[form]
    assert error <= allowed, f"{name}.{form} at {where!r}: {error:.3f} ulp"
