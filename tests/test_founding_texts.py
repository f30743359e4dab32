"""The numbers and runs of the texts this package grew from, at the precision they give."""

from typing import Any

import autograd  # type: ignore[import-untyped,unused-ignore]
import autograd.numpy as anp  # type: ignore[import-untyped,unused-ignore]
import mpmath  # type: ignore[import-untyped,unused-ignore]
import numpy as np
import pytest

import actgrad as ag
from actgrad.diagnostics import (
    approximation_error,
    compare_at,
    dead_units,
    flow_of_factors,
    gradient_flow,
)

# Numbers at a point


def test_the_derivative_of_sigmoid_at_3() -> None:
    assert round(float(ag.sigmoid.derivative(3.0)), 4) == 0.0452


def test_five_activations_at_minus_2() -> None:
    table = compare_at(-2.0)
    texts = {"sigmoid": 0.1192, "tanh": -0.9640, "relu": 0.0, "leaky_relu": -0.02, "gelu": -0.0455}
    for name, value in texts.items():
        assert round(table[name].value, 4) == value, name
        assert round(float(ag.get(name)(-2.0)), 4) == value, name


def test_gelu_at_one_and_a_half_exact_and_by_tanh() -> None:
    exact, by_tanh = float(ag.gelu(1.5)), float(ag.gelu_tanh(1.5))
    assert round(exact, 4) == 1.3998
    assert round(by_tanh, 4) == 1.3996
    with mpmath.workdps(40):
        x = mpmath.mpf(1.5)
        inner = mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)
        gap = x * mpmath.ncdf(x) - x / 2 * (1 + mpmath.tanh(inner))
    assert round(exact - by_tanh, 4) == 0.0002
    assert exact - by_tanh == pytest.approx(float(gap), abs=4e-16)
    # Over the whole line the gap is largest, 0.00047, near 2.7 on either side.
    error = approximation_error("gelu_tanh", "gelu")
    assert round(error.max_absolute, 5) == 0.00047
    assert round(abs(error.at), 1) == 2.7


def test_saturation_at_5_and_3() -> None:
    assert round(float(ag.sigmoid.derivative(5.0)), 4) == 0.0066
    assert round(float(ag.tanh.derivative(5.0)), 5) == 0.00018
    assert ag.relu.derivative(5.0) == 1.0
    assert round(float(ag.tanh.derivative(3.0)), 4) == 0.0099


# Identities


def test_the_derivative_of_tanh_is_four_times_that_of_sigmoid_at_twice_the_point() -> None:
    x = np.linspace(-300, 300, 10_001)
    np.testing.assert_allclose(
        ag.tanh.derivative(x), 4 * ag.sigmoid.derivative(2 * x), rtol=2**-51, atol=0
    )


def test_the_derivative_of_silu_is_sigma_plus_silu_times_one_minus_sigma() -> None:
    x = np.linspace(-30, 30, 10_001)
    s = ag.sigmoid(x)
    # ag.sigmoid(-x) is 1 - s without its rounding.
    wanted = s + ag.silu(x) * ag.sigmoid(-x)
    terms = s + np.abs(ag.silu(x)) * ag.sigmoid(-x)  # they cancel next to the zero at -1.28
    assert (np.abs(ag.silu.derivative(x) - wanted) <= 2**-50 * terms).all()


def test_the_derivative_of_leaky_relu_by_its_slope_is_x_below_0() -> None:
    x = np.linspace(-5, 5, 101)
    got = ag.leaky_relu.parameter_derivative(x)
    np.testing.assert_array_equal(got, np.where(x < 0, x, 0.0))
    assert ag.leaky_relu.parameter_derivative(-3.0, 0.2) == -3.0


# Networks


def test_a_dead_neuron() -> None:
    x = np.array([[1.0, 1.0], [2.0, 2.0]])
    weight, bias = np.array([[-2.0], [-3.0]]), np.array([1.0])
    z = ag.weighted_sum(x, weight, bias)
    assert z.tolist() == [[-4.0], [-9.0]]
    assert ag.relu(z).tolist() == [[0.0], [0.0]]
    assert ag.relu.derivative(z).tolist() == [[0.0], [0.0]]
    grad = ag.relu.backward(np.ones_like(z), z)
    assert [not one.any() for one in ag.dense_backward(grad, x, weight)] == [True] * 3
    found = dead_units(z, "relu")
    assert (found.dead.tolist(), found.fraction) == ([True], 1.0)
    assert found.advice is not None
    # A leaky one is not dead.
    assert ag.leaky_relu.derivative(z).tolist() == [[0.01], [0.01]]
    assert not dead_units(z, "leaky_relu").dead.any()


def test_a_chain_of_20_sigmoid_layers() -> None:
    # By the text's 0.045 a layer, and with the derivative as it is at 3.
    flow = flow_of_factors([0.045] * 20)
    assert f"{float(flow.product):.0e}" == "1e-27"
    assert round(flow.product.log10) == -27
    assert float(flow.product) == 1.1594453295761985e-27
    chain = gradient_flow([[3.0]] * 20, "sigmoid")
    exact = float(mpmath.mpf(float(ag.sigmoid.derivative(3.0))) ** 20)
    assert float(chain.product) == pytest.approx(exact, rel=1e-15)
    assert chain.lost_at == 15
    # Even where the derivative is largest, 1/4, little is left.
    assert float(gradient_flow([[0.0]] * 20, "sigmoid").product) == 0.25**20


def test_100_layers_with_40_percent_inactive() -> None:
    z = np.tile([1.0, 1.0, 1.0, -1.0, -1.0], (100, 4, 1))
    flow = gradient_flow(list(z), "relu")
    assert flow.mean.tolist() == [0.6] * 100
    assert f"{float(flow.product):.1e}" == "6.5e-23"
    assert float(flow.product) == 6.533186235000685e-23
    assert float(flow_of_factors([0.6] * 100).product) == float(flow.product)


# The notebook: three activations, every Jacobian and gradient against autograd

NOTEBOOK = ("relu", "sigmoid", "tanh")


def network() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.normal(size=(100, 8)), random.normal(size=(8, 4)), random.normal(size=4)


def peer(name: str) -> Any:
    """Return the activation written for autograd."""
    return {
        "relu": lambda z: anp.maximum(z, 0.0),
        "sigmoid": lambda z: 1 / (1 + anp.exp(-z)),
        "tanh": anp.tanh,
    }[name]


@pytest.mark.parametrize("name", NOTEBOOK)
def test_notebook_jacobians(name: str) -> None:
    f = peer(name)
    X, W, b = network()
    z = ag.weighted_sum(X, W, b)
    wanted = autograd.jacobian(f)(z)
    got = ag.get(name).full_jacobian(z)
    assert got.shape == wanted.shape == (100, 4, 100, 4)
    assert ag.mape(wanted, got) < 1e-13
    blocks = ag.get(name).jacobian(z)
    assert blocks.shape == (100, 4, 4)
    assert ag.mape(wanted[7, :, 7, :], blocks[7]) < 1e-13


@pytest.mark.parametrize("name", NOTEBOOK)
def test_notebook_gradients_from_the_cached_output(name: str) -> None:
    f, activation = peer(name), ag.get(name)
    X, W, b = network()
    y = activation(ag.weighted_sum(X, W, b))
    grad_z = activation.backward_from_output(2 * y, y)
    grad_x, grad_weight, grad_bias = ag.dense_backward(grad_z, X, W)

    def loss(x: Any, weight: Any, bias: Any) -> Any:
        return anp.sum(f(anp.dot(x, weight) + bias) ** 2)

    def loss_of_sum(z: Any) -> Any:
        return anp.sum(f(z) ** 2)

    wanted = {
        "pre-activations": (autograd.grad(loss_of_sum)(ag.weighted_sum(X, W, b)), grad_z),
        "bias": (autograd.grad(loss, 2)(X, W, b), grad_bias),
        "weight": (autograd.grad(loss, 1)(X, W, b), grad_weight),
        "input": (autograd.grad(loss, 0)(X, W, b), grad_x),
    }
    for what, (theirs, ours) in wanted.items():
        assert ours.shape == theirs.shape, what
        assert ag.mape(theirs, ours) < 1e-11, what  # percent


def test_the_jacobian_of_softmax() -> None:
    z = np.array([1.0, 2.0, -0.5, 0.3])
    S = ag.softmax(z)
    J = ag.softmax.jacobian(z)
    assert J.shape == (4, 4)
    for i in range(4):
        for k in range(4):
            wanted = S[i] * (1 - S[i]) if i == k else -S[i] * S[k]
            assert J[i, k] == pytest.approx(wanted, rel=1e-14)
    theirs = autograd.jacobian(lambda z: anp.exp(z) / anp.sum(anp.exp(z)))(z)
    assert ag.mape(theirs, J) < 1e-12
    np.testing.assert_allclose(J.sum(axis=0), 0.0, atol=1e-16)
