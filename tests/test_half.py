"""float16 and bfloat16: every form of one argument is correctly rounded, on all 65,536 inputs."""

import ml_dtypes
import numpy as np
import pytest

import actgrad as ag
import oracle
from actgrad import _core
from conftest import NAMES, assert_same_bits, bound, parameters

EVERY = np.arange(1 << 16, dtype=np.uint16)


def assert_rounded(got: np.ndarray, wanted: np.ndarray, x: np.ndarray) -> None:
    """Compare results; NaN equals NaN."""
    # Where either zero will do, the oracle gives 0.0; their signs are a matter of other tests.
    same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    wrong = np.flatnonzero(~same)
    assert not wrong.size, (wrong.size, x[wrong[:3]], got[wrong[:3]], wanted[wrong[:3]])


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("form", ["value", "derivative", "second_derivative"])
@pytest.mark.parametrize("name", NAMES)
def test_every_input_is_correctly_rounded(name: str, form: str, dtype: type) -> None:
    x = EVERY.view(dtype)
    got = getattr(bound(name), form)(x)
    assert got.dtype == dtype
    assert_rounded(got, oracle.expected(name, form, x, *parameters(name)), x)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_the_pair_is_the_two_forms(name: str, dtype: type) -> None:
    x = EVERY.view(dtype)
    value, derivative = bound(name).value_and_derivative(x)
    assert_same_bits(value, bound(name)(x))
    assert_same_bits(derivative, bound(name).derivative(x))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize(
    ("name", "parameter"), [(name, key) for name in NAMES for key in ag.get(name).parameters]
)
def test_parameter_derivatives_are_correctly_rounded(
    name: str, parameter: str, dtype: type
) -> None:
    x = EVERY.view(dtype)
    got = bound(name).parameter_derivative(x, parameter=parameter)
    assert got.dtype == dtype
    assert_rounded(
        got, oracle.expected(name, f"parameter_derivative:{parameter}", x, *parameters(name)), x
    )


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize(
    "name", [name for name in NAMES if "derivative_from_output" in vars(ag.get(name))]
)
def test_the_derivative_from_the_output_is_correctly_rounded(name: str, dtype: type) -> None:
    # Of every output there is: nothing is promised for a y that is not a value of the function.
    y = np.unique(bound(name)(EVERY.view(dtype)).view(np.uint16)).view(dtype)
    got = bound(name).derivative_from_output(y)
    assert got.dtype == dtype
    assert_rounded(got, oracle.expected(name, "derivative_from_output", y, *parameters(name)), y)


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
