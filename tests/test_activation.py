"""Activations as objects: attributes, frozenness, names, pickling, Jacobians."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import actgrad as ag
from conftest import NAMES, bound


def test_parameterless_forms_are_ufuncs() -> None:
    for activation in ag.activations("element-wise"):
        if not activation.parameters:
            assert activation.derivative is getattr(ag.ufuncs, f"{activation.name}_derivative")
            assert isinstance(activation.value, np.ufunc)


@pytest.mark.parametrize("name", NAMES)
def test_an_activation_knows_itself(name: str) -> None:
    activation = ag.get(name)
    assert activation.name == name
    assert getattr(ag, name) is activation
    assert name in ag.__all__
    assert repr(activation) == f"actgrad.{name}"
    assert activation.formula
    assert activation.range
    assert all(ag.get(alias) is activation for alias in activation.aliases)


@pytest.mark.parametrize("name", NAMES)
def test_an_activation_is_frozen(name: str) -> None:
    activation = ag.get(name)
    with pytest.raises(AttributeError, match="frozen"):
        activation.name = "other"
    with pytest.raises(AttributeError, match="frozen"):
        del activation.name


@pytest.mark.parametrize("name", NAMES)
def test_pickling_and_copying(name: str) -> None:
    activation = ag.get(name)
    assert pickle.loads(pickle.dumps(activation)) is activation
    assert copy.copy(activation) is activation
    assert copy.deepcopy({"f": activation})["f"] is activation
    fixed = bound(name)
    assert pickle.loads(pickle.dumps(fixed)) == fixed


@pytest.mark.parametrize("name", NAMES)
def test_notebook_card_shows_formula_and_curves(name: str) -> None:
    text = bound(name)._repr_html_()
    assert ag.get(name).formula in text
    assert text.count("<polyline") == 2
    assert "nan" not in text.split("points", 1)[1]


def test_unknown_names_are_refused_with_near_matches() -> None:
    with pytest.raises(KeyError, match="did you mean sigmoid") as caught:
        ag.get("sigmoyd")
    assert isinstance(caught.value, ag.ActgradError)
    with pytest.raises(KeyError, match=r"see actgrad\.activations"):
        ag.get("zzzzzz")


def test_names_ignore_case_and_hyphens() -> None:
    assert ag.get("Logistic") is ag.sigmoid
    assert ag.get(" TANH ") is ag.tanh


def test_all_names_exist_and_are_sorted() -> None:
    assert sorted(ag.__all__, key=lambda name: (name.startswith("_"), name))
    assert all(hasattr(ag, name) for name in ag.__all__)
    assert len(set(ag.__all__)) == len(ag.__all__)


def test_value_and_derivative_agree_with_the_separate_forms() -> None:
    x = np.random.default_rng(0).normal(scale=4, size=1000)
    for name in NAMES:
        activation = bound(name)
        value, derivative = activation.value_and_derivative(x)
        assert np.array_equal(value, activation(x), equal_nan=True)
        assert np.array_equal(derivative, activation.derivative(x), equal_nan=True)


def test_double_backward_is_the_pair_of_products() -> None:
    random = np.random.default_rng(0)
    gg, grad, x = random.normal(size=(3, 1000))
    for name in NAMES:
        activation = bound(name)
        first, second = activation.double_backward(gg, grad, x)
        assert np.array_equal(first, gg * activation.derivative(x), equal_nan=True)
        assert np.allclose(
            second, gg * grad * activation.second_derivative(x), rtol=1e-15, equal_nan=True
        )


def test_jacobian_shapes() -> None:
    z = np.random.default_rng(0).normal(size=(100, 4))
    for name in NAMES:
        activation = bound(name)
        assert activation.full_jacobian(z).shape == (100, 4, 100, 4)
        assert activation.jacobian(z).shape == (100, 4, 4)
        assert activation.jacobian(z, axis=0).shape == (4, 100, 100)
    assert ag.tanh.full_jacobian(0.5).shape == ()


@pytest.mark.parametrize(("z", "axis"), [(np.ones((2, 2)), 2), (np.ones((2, 2)), -3), (1.0, -1)])
def test_an_axis_out_of_bounds_is_refused(z: Any, axis: int) -> None:
    with pytest.raises(np.exceptions.AxisError, match="out of bounds"):
        ag.tanh.jacobian(z, axis=axis)


def test_from_output_agrees_with_from_input() -> None:
    x = np.random.default_rng(0).normal(size=1000)
    for name in NAMES:
        activation = bound(name)
        if "derivative_from_output" not in vars(activation):
            with pytest.raises(AttributeError, match="not a function of its output"):
                _ = activation.derivative_from_output
            continue
        y = activation(x)
        got = activation.derivative_from_output(y)
        assert np.allclose(got, activation.derivative(x), rtol=1e-9, atol=1e-12)
        assert np.allclose(activation.backward_from_output(x, y), x * got, rtol=1e-15)
