"""float16 and bfloat16: every form of one argument is correctly rounded, on all 65,536 inputs."""

import ml_dtypes
import numpy as np
import pytest

import oracle
from actgrad import _core
from conftest import NAMES, bound, parameters

EVERY = np.arange(1 << 16, dtype=np.uint16)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("form", ["value", "derivative", "second_derivative"])
@pytest.mark.parametrize("name", NAMES)
def test_every_input_is_correctly_rounded(name: str, form: str, dtype: type) -> None:
    x = EVERY.view(dtype)
    got = getattr(bound(name), form)(x)
    assert got.dtype == dtype
    wanted = oracle.expected(name, form, x, *parameters(name))
    # Where either zero will do, the oracle gives 0.0; their signs are a matter of other tests.
    same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    wrong = np.flatnonzero(~same)
    assert not wrong.size, (wrong.size, x[wrong[:3]], got[wrong[:3]], wanted[wrong[:3]])


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
def test_a_product_is_rounded_once(dtype: type) -> None:
    # grad f'(x) in a half format: the product of the exact factors, rounded once. Beside ties the
    # float32 path alone would round some of these wrong.
    random = np.random.default_rng(0)
    x, grad = random.normal(scale=2, size=(2, 40_000)).astype(dtype)
    for name in ("sigmoid", "tanh", "relu"):
        got = bound(name).backward(grad, x)
        exact = bound(name).derivative(x.astype(np.float64)) * grad.astype(np.float64)
        wanted = np.array([oracle.rounded(value, dtype) for value in exact.tolist()], dtype)
        assert np.array_equal(got, wanted)


def test_bfloat16_with_a_python_number_is_as_numpy_promotes() -> None:
    x = np.ones(3, ml_dtypes.bfloat16)
    assert _core.ufuncs["sigmoid_backward"](x, 2.0).dtype == np.add(x, 2.0).dtype
