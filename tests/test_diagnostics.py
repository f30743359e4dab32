"""Diagnostics: streams equal one array, NaN is counted, products neither underflow nor round."""

import dataclasses
import math
import pickle
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import ml_dtypes
import mpmath  # type: ignore[import-untyped,unused-ignore]
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special  # type: ignore[import-untyped,unused-ignore]

import actgrad as ag
from actgrad import diagnostics
from actgrad.diagnostics import (
    DeadUnits,
    GradientFlow,
    Saturation,
    approximation_error,
    check_derivative,
    compare_at,
    dead_units,
    flow_of_factors,
    gradient_flow,
    saturation,
)
from conftest import NAMES, bound, run_python


def pre_activations(samples: int = 500, units: int = 6, seed: int = 0) -> np.ndarray:
    """Return pre-activations of which unit 0 is dead and unit 1 is nearly so."""
    z = np.random.default_rng(seed).normal(size=(samples, units))
    z[:, 0] = -np.abs(z[:, 0])
    z[:, 1] -= 2.5
    return z


def batches(z: np.ndarray, *sizes: int) -> list[np.ndarray]:
    """Cut an array into batches of these sizes; the last takes the rest."""
    return np.split(z, np.cumsum(sizes))


def assert_same_results(one: Any, other: Any) -> None:
    """Fail unless two results are equal field by field, NaN equal to NaN."""
    assert type(one) is type(other)
    for field in dataclasses.fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        np.testing.assert_array_equal(left, right, err_msg=field.name)


# Dead units and saturation


def test_dead_units_are_those_without_any_gradient() -> None:
    z = pre_activations()
    found = dead_units(z, "relu")
    assert found.dead.tolist() == [True] + [False] * 5
    assert found.fraction == pytest.approx(1 / 6)
    assert found.samples == 500
    np.testing.assert_array_equal(found.inactive, np.mean(z <= 0, axis=0))
    assert not dead_units(z, "sigmoid").dead.any()
    assert not dead_units(z, ag.tanh).dead.any()


def test_dead_units_from_outputs_are_those_from_pre_activations() -> None:
    z = pre_activations()
    for name in NAMES:
        activation = bound(name)
        if "derivative_from_output" not in vars(activation):
            with pytest.raises(ag.ActgradValueError, match="give the pre-activations"):
                dead_units(z, activation, from_output=True)
            continue
        y = activation(z)
        assert_same_results(dead_units(y, activation, from_output=True), dead_units(z, activation))


def test_dead_units_with_a_tolerance() -> None:
    z = np.array([[30.0, 1.0], [-40.0, 30.0]])
    assert not dead_units(z, "sigmoid").dead.any()
    assert dead_units(z, "sigmoid", tolerance=1e-6).dead.tolist() == [True, False]
    # From the output 1 the tail cannot be told, as the documentation says.
    assert dead_units(ag.sigmoid(z * 2), "sigmoid", from_output=True).inactive[0] == 0.5


@pytest.mark.parametrize(("threshold", "advised"), [(0.1, True), (0.5, False), (0.3, True)])
def test_advice_is_given_above_the_threshold(threshold: float, advised: bool) -> None:
    z = np.where(np.arange(12) < 5, -1.0, 1.0) * np.ones((7, 1))
    found = dead_units(z, advice_threshold=threshold)
    assert found.fraction == 5 / 12
    assert (found.advice is not None) == advised
    if advised:
        assert found.advice in str(found)  # type: ignore[operator]
        assert "41.7% of the units are dead" in str(found)
    # Exactly at the threshold there is none yet.
    assert dead_units(z, advice_threshold=5 / 12).advice is None


def test_saturation_is_the_fraction_of_small_derivatives() -> None:
    z = np.array([[0.0, 5.0], [1.0, -9.0], [-3.0, 4.0]])
    found = saturation(z, "sigmoid", tolerance=0.02)
    assert found.per_unit.tolist() == [0.0, 1.0]
    assert found.fraction == 0.5
    slopes = ag.tanh.derivative(pre_activations())
    found = saturation(pre_activations(), "tanh", tolerance=0.3)
    np.testing.assert_array_equal(found.per_unit, np.mean(slopes < 0.3, axis=0))
    assert found.fraction == np.mean(slopes < 0.3)


@pytest.mark.parametrize("name", NAMES)
def test_saturation_of_any_activation(name: str) -> None:
    z = pre_activations()
    with np.errstate(invalid="ignore"):
        slopes = np.abs(bound(name).derivative(z))
    known = ~np.isnan(slopes)
    found = saturation(z, bound(name), tolerance=0.1)
    assert found.fraction == np.count_nonzero(slopes < 0.1) / np.count_nonzero(known)
    with np.errstate(invalid="ignore"):  # logit has no derivative for what is below 0
        per_unit = np.count_nonzero(slopes < 0.1, axis=0) / np.count_nonzero(known, axis=0)
    np.testing.assert_array_equal(found.per_unit, per_unit)


@pytest.mark.parametrize("name", [function.name for function in ag.activations("rows")])
@pytest.mark.parametrize(
    "call",
    [
        DeadUnits,
        Saturation,
        GradientFlow,
        lambda name: GradientFlow(["relu", name]),
        lambda name: dead_units([-1.0, 1.0], name),
        lambda name: saturation([-1.0, 1.0], ag.get(name)),
        lambda name: compare_at(1.0, ["relu", name]),
        lambda name: approximation_error(name, "relu"),
        ag.plotting.curves,
    ],
)
def test_a_function_of_rows_is_refused(call: Callable[[str], Any], name: str) -> None:
    wanted = rf"got actgrad\.{name}, which is not element-wise; wanted an activation such as"
    with pytest.raises(ag.ActgradValueError, match=wanted) as caught:
        call(name)
    assert "\n" not in str(caught.value)


def test_the_sign_of_a_derivative_does_not_matter() -> None:
    falling = ag.leaky_relu.bind(negative_slope=-0.5)
    assert saturation([-1.0, -2.0], falling, tolerance=0.1).fraction == 0.0
    assert not dead_units([-1.0, -2.0], falling).dead.any()


STREAMS: list[tuple[Callable[[], Any], Callable[[np.ndarray], Any]]] = [
    (lambda: DeadUnits("relu"), lambda z: dead_units(z, "relu")),
    (lambda: DeadUnits("tanh", tolerance=0.2), lambda z: dead_units(z, "tanh", tolerance=0.2)),
    (
        lambda: Saturation("sigmoid", tolerance=0.2),
        lambda z: saturation(z, "sigmoid", tolerance=0.2),
    ),
]


@pytest.mark.parametrize("which", range(len(STREAMS)))
@given(sizes=st.lists(st.integers(0, 200), max_size=6), holes=st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_a_stream_is_exactly_the_whole(which: int, sizes: list[int], holes: int) -> None:
    z = pre_activations()
    z.ravel()[::7][:holes] = np.nan
    stream, whole = STREAMS[which]
    counter = stream()
    for batch in batches(z, *sizes):
        assert counter.update(batch) is counter
    assert_same_results(counter.result(), whole(z))


def test_blocks_do_not_show() -> None:
    z = np.random.default_rng(0).normal(size=(70_000, 3))
    found = dead_units(z, "relu")
    np.testing.assert_array_equal(found.inactive, np.mean(z <= 0, axis=0))
    wide = np.random.default_rng(0).normal(size=(3, 70_000))
    np.testing.assert_array_equal(dead_units(wide).dead, (wide <= 0).all(axis=0))
    flow = gradient_flow([z, wide], "relu")
    assert flow.mean.tolist() == [np.mean(z > 0), np.mean(wide > 0)]


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_any_axis_of_units(axis: int) -> None:
    z = np.random.default_rng(0).normal(size=(4, 5, 6)) - 1.0
    for array in (z, np.asfortranarray(z), z[::-1, ::-1]):
        found = dead_units(array, axis=axis)
        others = tuple(i for i in range(3) if i != axis % 3)
        np.testing.assert_array_equal(found.dead, (array <= 0).all(axis=others))
        assert found.samples == 120 // z.shape[axis]
    with pytest.raises(np.exceptions.AxisError):
        dead_units(z, axis=3)


def test_one_axis_is_one_sample() -> None:
    found = dead_units([-1.0, 1.0])
    assert found.dead.tolist() == [True, False]
    assert found.samples == 1


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", ml_dtypes.bfloat16])
def test_units_of_any_dtype(dtype: Any) -> None:
    z = (3 * pre_activations()).astype(dtype)
    assert dead_units(z).dead.tolist() == (z <= 0).all(axis=0).tolist()
    slopes = ag.sigmoid.derivative(z)
    assert saturation(z, "sigmoid", tolerance=0.125).fraction == np.mean(slopes < 0.125)
    mean = gradient_flow([z], "sigmoid").mean[0]
    assert mean == pytest.approx(np.mean(slopes.astype(np.float64)), rel=1e-14)


def test_nan_is_counted_and_reported_and_in_no_fraction() -> None:
    z = np.array([[-1.0, 1.0, np.nan], [np.nan, np.nan, np.nan], [-1.0, -1.0, np.nan]])
    found = dead_units(z)
    assert found.nan.tolist() == [1, 1, 3]
    # Only NaN is not known to be dead; what is left of the first unit is.
    assert found.dead.tolist() == [True, False, False]
    assert found.inactive[:2].tolist() == [1.0, 0.5]
    assert math.isnan(found.inactive[2])
    assert found.fraction == 1 / 3
    assert "NaN: 5 of 9 entries, in 3 of 3 units" in str(found)

    found_saturation = saturation(z, "relu")
    assert found_saturation.nan.tolist() == [1, 1, 3]
    assert found_saturation.fraction == 3 / 4
    assert found_saturation.per_unit[:2].tolist() == [1.0, 0.5]
    assert "NaN: 5 of 9 entries" in str(found_saturation)
    assert "NaN" not in str(saturation(pre_activations(), "relu"))


def test_empty_batches_change_nothing() -> None:
    z = pre_activations()
    empty = np.empty((0, 6))
    assert_same_results(DeadUnits().update(empty).update(z).update(empty).result(), dead_units(z))
    nothing = dead_units(empty)
    assert nothing.samples == 0
    assert math.isnan(nothing.fraction)
    assert nothing.advice is None
    assert not nothing.dead.any()
    assert math.isnan(saturation(empty, "relu").fraction)
    assert math.isnan(dead_units(np.empty((3, 0))).fraction)
    assert str(nothing)


def test_no_batch_is_an_error() -> None:
    for counter in (DeadUnits(), Saturation("relu"), GradientFlow("relu")):
        with pytest.raises(ag.ActgradValueError, match="got no batch; call update first"):
            counter.result()


def test_a_bad_batch_leaves_the_counts_alone() -> None:
    z = pre_activations()
    for counter in (DeadUnits(), Saturation("relu")):
        counter.update(z)
        before = counter.result()
        with pytest.raises(ag.ActgradValueError, match=r"got a batch of 5 units, shape \(2, 5\)"):
            counter.update(np.ones((2, 5)))
        with pytest.raises(ag.ActgradTypeError, match="wanted real numbers"):
            counter.update(["a"])
        with pytest.raises(ag.ActgradValueError, match="got a scalar"):
            counter.update(1.0)
        assert_same_results(counter.result(), before)


def test_results_and_accumulators_share_no_memory() -> None:
    z = pre_activations()
    for counter, batch in (
        (DeadUnits(), z),
        (Saturation("relu"), z),
        (GradientFlow("relu"), [z, z]),
    ):
        before, again = counter.update(batch).result(), counter.result()  # type: ignore[arg-type]
        before.nan[:] = 99  # whatever a caller does to a result
        assert_same_results(counter.result(), again)
        counter.update([np.nan * z] * 2 if isinstance(batch, list) else np.nan * z)
        assert not again.nan.any()


def test_accumulators_can_be_pickled() -> None:
    z = pre_activations()
    for counter in (DeadUnits(), Saturation("tanh")):
        counter.update(z)
        copy = pickle.loads(pickle.dumps(counter))
        assert_same_results(copy.update(z).result(), counter.update(z).result())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: DeadUnits("rely"), KeyError, "did you mean relu"),
        (lambda: DeadUnits(3), TypeError, "wanted a name such as 'relu'"),  # type: ignore[arg-type]
        (lambda: DeadUnits("relu", tolerance=-1), ValueError, "tolerance=-1; wanted"),
        (lambda: DeadUnits("relu", tolerance=math.nan), ValueError, "tolerance=nan"),
        (lambda: DeadUnits("relu", advice_threshold=20), ValueError, "from 0 to 1"),
        (lambda: Saturation("relu", tolerance="a"), TypeError, "wanted a number"),  # type: ignore[arg-type]
        (lambda: GradientFlow("relu", lost_below=-1), ValueError, "lost_below=-1"),
        (lambda: GradientFlow("relu", lost_below=2, exploding_above=1), ValueError, "the second"),
        (lambda: GradientFlow("relu", gains=-1), ValueError, "not negative"),
        (lambda: GradientFlow(["relu"], gains=[1, 2]), ValueError, "one number, or 1"),
        (lambda: flow_of_factors([-0.5]), ValueError, "not negative"),
        (lambda: flow_of_factors([[0.5]]), ValueError, "one number for each layer"),
        (lambda: flow_of_factors(["a"]), TypeError, "wanted real numbers"),
        (lambda: compare_at("a"), TypeError, "wanted a number"),  # type: ignore[arg-type]
        (lambda: compare_at([1.0]), TypeError, "wanted a number"),  # type: ignore[arg-type]
        (lambda: approximation_error("tanh", "relu", 1, 1), ValueError, "wanted low < high"),
        (lambda: approximation_error("tanh", "relu", form="f"), ValueError, "wanted one of value"),
        (lambda: approximation_error("tanh", "relu", points=2), ValueError, "3 or more"),
        (lambda: approximation_error("tanh", 3), TypeError, "a function of an array"),  # type: ignore[arg-type]
        (
            lambda: approximation_error("tanh", np.tanh, form="derivative"),
            ValueError,
            "wanted form='value'",
        ),
        (lambda: check_derivative(3, np.exp), TypeError, "got f of type int"),  # type: ignore[arg-type]
        (lambda: check_derivative(np.exp, None), TypeError, "got df"),  # type: ignore[arg-type]
        (lambda: check_derivative(np.exp, np.exp, "a"), TypeError, "wanted real numbers"),
        (lambda: check_derivative(np.exp, np.exp, np.inf), ValueError, "wanted finite numbers"),
        (lambda: check_derivative(np.exp, np.exp, method="x"), ValueError, "wanted 'auto'"),  # type: ignore[arg-type]
        (lambda: check_derivative(np.exp, np.exp, rtol=-1), ValueError, "wanted 0 or more"),
    ],
)
def test_bad_settings_are_one_clear_line(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert isinstance(caught.value, ag.ActgradError)
    assert "\n" not in str(caught.value)


def test_an_activation_with_open_parameters_is_refused() -> None:
    with pytest.raises(ag.ActgradValueError, match=r"give actgrad\.prelu\.bind\(a=\.\.\.\)"):
        DeadUnits("prelu")
    assert not dead_units([-1.0], ag.prelu.bind(a=0.1)).dead.any()


# Gradient flow


def test_products_are_exact() -> None:
    for factor, count, text in ((0.045, 20, "1.16e-27"), (0.6, 100, "6.53e-23")):
        product = flow_of_factors([factor] * count).product
        assert float(product) == float(Fraction(factor) ** count)
        assert str(product) == text
        exact = mpmath.log10(mpmath.mpf(factor)) * count
        assert product.log10 == pytest.approx(float(exact), rel=1e-16)


def test_products_do_not_underflow_or_overflow() -> None:
    product = flow_of_factors([0.1] * 500).product
    assert float(product) == 0.0
    assert (product.exponent, product.log10, str(product)) == (-500, -500.0, "1.00e-500")
    assert product.mantissa == pytest.approx(1.0, rel=1e-12)
    product = flow_of_factors([1e300] * 100_000).product
    assert float(product) == math.inf
    assert product.log10 == 3e7
    assert float(flow_of_factors([1e-300, 1e-300, 1e300, 1e300]).product) == pytest.approx(1.0)


def test_a_product_of_zero_infinity_or_nothing() -> None:
    zero = flow_of_factors([0.5, 0.0, 0.5])
    assert [float(signal) for signal in zero.signals] == [0.0, 0.0, 0.5]
    assert zero.log10.tolist() == [-math.inf, -math.inf, math.log10(0.5)]
    assert zero.lost_at == 1
    assert (zero.product.mantissa, zero.product.exponent, str(zero.product)) == (0.0, 0, "0")
    assert flow_of_factors([math.inf]).exploding_at == 0
    assert math.isnan(float(flow_of_factors([0.0, math.inf]).product))
    assert float(flow_of_factors([]).product) == 1.0
    assert flow_of_factors([]).lost_at is None
    assert all(str(flow) for flow in (zero, flow_of_factors([]), flow_of_factors([math.inf])))


@given(st.lists(st.floats(0, 1e308), max_size=40))
@settings(max_examples=100, deadline=None)
def test_signals_are_the_products_from_the_back(factors: list[float]) -> None:
    flow = flow_of_factors(factors)
    for i, signal in enumerate(flow.signals):
        exact = math.prod(map(Fraction, factors[i:]), start=Fraction(1))
        if exact == 0:
            assert signal.decimal == 0
            continue
        error = abs(Fraction(signal.decimal) / exact - 1)
        assert error < Fraction(1, 10**47)
        assert 1.0 <= signal.mantissa <= 10.0
        assert signal.decimal == pytest.approx(
            Decimal(signal.mantissa).scaleb(signal.exponent), rel=Decimal("1e-15")
        )


def test_where_the_signal_is_lost_and_explodes() -> None:
    flow = flow_of_factors([0.1] * 10, lost_below=5e-4)
    # Layers 9, 8, 7 leave 1e-3; layer 6 is the first to leave less than 5e-4.
    assert flow.lost_at == 6
    assert flow.exploding_at is None
    assert "lost: less than 0.0005 is left at layer 6, 4 back from the output" in str(flow)
    flow = flow_of_factors([10.0] * 10, exploding_above=5e4)
    assert flow.exploding_at == 5
    assert flow.lost_at is None
    assert "exploding: more than 50000 is left at layer 5" in str(flow)
    both = flow_of_factors([1e-9, 1e9, 1e9, 1e-9])
    assert (both.lost_at, both.exploding_at) == (3, 1)
    assert flow_of_factors([0.5] * 3, lost_below=0.0).lost_at is None


def test_gains_multiply() -> None:
    flow = flow_of_factors([0.5, 0.5], gains=[2.0, 4.0])
    assert [float(signal) for signal in flow.signals] == [2.0, 2.0]
    flow = gradient_flow([[0.0]] * 20, "sigmoid", gains=4.0)
    assert float(flow.product) == 1.0
    assert flow.gains.tolist() == [4.0] * 20


def test_the_quadratic_mean_is_what_random_weights_leave() -> None:
    z = np.random.default_rng(0).normal(size=(100, 8))
    flow = gradient_flow([z, z], ["relu", "tanh"], quadratic=True)
    wanted = [np.sqrt(np.mean(ag.get(name).derivative(z) ** 2)) for name in ("relu", "tanh")]
    np.testing.assert_allclose(flow.mean, wanted, rtol=1e-14)
    # A gradient through relu and weights of variance 2/n keeps its size on average.
    random = np.random.default_rng(0)
    weight = random.normal(scale=np.sqrt(2 / 500), size=(500, 500))
    z = ag.weighted_sum(random.normal(size=(200, 500)), weight)
    grad = random.normal(size=z.shape)
    back = ag.dense_backward(ag.relu.backward(grad, z), z, weight)[0]
    ratio = np.sqrt(np.mean(back**2) / np.mean(grad**2))
    flow = gradient_flow([z], "relu", gains=np.sqrt(2.0), quadratic=True)
    assert float(flow.product) == pytest.approx(ratio, rel=0.01)


def test_gradient_flow_takes_the_mean_of_each_layer() -> None:
    random = np.random.default_rng(0)
    layers = [random.normal(size=(50, units)) for units in (3, 7, 1, 20)]
    names = ["sigmoid", "tanh", "relu", "tanh"]
    flow = gradient_flow(layers, names)
    means = [np.mean(np.abs(ag.get(n).derivative(z))) for n, z in zip(names, layers, strict=True)]
    np.testing.assert_allclose(flow.mean, means, rtol=1e-14)
    assert flow.layers == tuple(names)
    assert flow.entries.tolist() == [z.size for z in layers]
    assert float(flow.product) == pytest.approx(math.prod(means), rel=1e-14)
    assert (
        gradient_flow(layers, [ag.get(name) for name in names]).mean.tolist() == flow.mean.tolist()
    )
    assert all(name in str(flow) for name in names)


@given(sizes=st.lists(st.integers(0, 200), max_size=6), holes=st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_a_stream_of_flow_is_exactly_the_whole(sizes: list[int], holes: int) -> None:
    z = pre_activations()
    z.ravel()[::7][:holes] = np.nan
    layers = [z, z[:, :2] * 100]
    for quadratic in (False, True):
        stream = GradientFlow("tanh", quadratic=quadratic)
        for parts in zip(*(batches(layer, *sizes) for layer in layers), strict=True):
            stream.update(parts)
        assert_same_results(stream.result(), gradient_flow(layers, "tanh", quadratic=quadratic))


def test_a_long_stream_gathers_no_rounding_errors() -> None:
    stream = GradientFlow("sigmoid")
    x = 0.7
    for _ in range(3000):
        stream.update([[x]])
    assert stream.result().mean[0] == ag.sigmoid.derivative(x)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_mean_is_rounded_once(dtype: str) -> None:
    random = np.random.default_rng(0)
    z = (random.normal(size=(3, 70_000)) * np.array([[1.0], [30.0], [700.0]])).astype(dtype)
    for layer in (z, z[1], z[2, :500]):
        slopes = ag.sigmoid.derivative(layer).ravel().tolist()
        exact = sum(map(Fraction, slopes), start=Fraction(0)) / len(slopes)
        assert gradient_flow([layer], "sigmoid").mean[0] == float(exact)


def test_a_mean_neither_overflows_nor_underflows() -> None:
    with np.errstate(all="raise"):
        assert gradient_flow([[709.0] * 9], "exp").mean[0] == ag.exp(709.0)
        assert gradient_flow([[-744.0] * 9], "exp").mean[0] == ag.exp(-744.0)
        assert gradient_flow([[709.0]], "exp", quadratic=True).mean[0] == math.inf


def test_nan_in_a_layer_is_counted_and_reported() -> None:
    flow = gradient_flow([[1.0, np.nan, -1.0], [2.0, 2.0]], "relu")
    assert flow.nan.tolist() == [1, 0]
    assert flow.entries.tolist() == [3, 2]
    assert flow.mean.tolist() == [0.5, 1.0]
    assert "NaN: 1 of 3 entries of layer 0; they are in no mean" in str(flow)
    flow = gradient_flow([[1.0], [np.nan], [1.0]], "relu")
    assert math.isnan(flow.mean[1])
    assert [math.isnan(float(signal)) for signal in flow.signals] == [True, True, False]
    assert flow.lost_at is None
    assert "NaN: 1 of 1 entries of layer 1" in str(flow)


def test_empty_layers_and_batches() -> None:
    stream = GradientFlow("relu").update([np.empty((0, 3)), np.empty((0, 2))])
    assert np.isnan(stream.result().mean).all()
    stream.update([np.ones((2, 3)), -np.ones((2, 2))])
    assert stream.result().mean.tolist() == [1.0, 0.0]
    assert gradient_flow([], "relu").product.log10 == 0.0


def test_the_number_of_layers_is_fixed() -> None:
    for stream in (GradientFlow(["relu"] * 2), GradientFlow("relu", gains=[1.0, 1.0])):
        with pytest.raises(ag.ActgradValueError, match="of 3 layers; wanted those of 2"):
            stream.update([[1.0]] * 3)
    stream = GradientFlow("relu").update([[1.0]] * 2)
    before = stream.result()
    with pytest.raises(ag.ActgradValueError, match="of 1 layers; wanted those of 2"):
        stream.update([[1.0]])
    with pytest.raises(ag.ActgradTypeError, match="pre-activations of layer 1"):
        stream.update([[1.0], ["a"]])
    assert_same_results(stream.result(), before)


def test_an_infinite_derivative_is_no_error() -> None:
    flow = gradient_flow([[1000.0], [1000.0, 1.0]], "exp")
    assert flow.mean.tolist() == [math.inf, math.inf]
    assert flow.exploding_at == 1


# Comparison


def test_all_activations_at_a_point() -> None:
    table = compare_at(0.5)
    assert len(table) == len(NAMES)
    for row, name in zip(table, NAMES, strict=True):
        assert row.name.partition("(")[0] == name
        assert table[name] is row
        if "(" not in row.name:
            activation = ag.get(name)
            assert row.value == activation(0.5)
            assert row.derivative == activation.derivative(0.5)
            assert row.second_derivative == activation.second_derivative(0.5)
    assert all(row.name in str(table) for row in table)
    assert len(str(table).splitlines()) == len(NAMES) + 1
    with pytest.raises(KeyError):
        table["nothing"]


def test_chosen_activations_at_a_point() -> None:
    table = compare_at(-2, ["tanh", ag.relu])
    assert [row.name for row in table] == ["tanh", "relu"]
    assert [row.name for row in compare_at(-2, "tanh")] == ["tanh"]
    assert math.isnan(compare_at(math.nan, "tanh")["tanh"].value)
    assert compare_at(math.inf, "tanh")["tanh"].value == 1.0
    assert str(compare_at(0.0, []))


def test_the_error_of_an_approximation_is_found_between_the_points() -> None:
    # |x^2 - x| on [0, 1] is largest, 1/4, at 1/2: no point of a grid of six.
    error = approximation_error(np.square, lambda x: x, 0, 1, points=6)
    assert error.max_absolute == pytest.approx(0.25, rel=1e-12)
    assert error.at == pytest.approx(0.5, abs=1e-6)
    x = np.linspace(0, 1, 6)
    assert error.mean_absolute == pytest.approx(np.mean(np.abs(x * x - x)))
    assert error.root_mean_square == pytest.approx(np.sqrt(np.mean((x * x - x) ** 2)))
    assert error.nan == 0
    assert "square against" in str(error)


def test_nan_in_a_range_is_counted() -> None:
    error = approximation_error(np.sqrt, np.square, -1, 1, points=101)
    assert error.nan == 50
    assert math.isfinite(error.mean_absolute)
    assert "NaN: at 50 of 101 points" in str(error)
    error = approximation_error(np.sqrt, np.square, -2, -1)
    assert math.isnan(error.max_absolute)
    assert error.nan == error.points


@pytest.mark.parametrize("approximation", ["gelu_tanh", "gelu_sigmoid"])
def test_gelu_against_its_approximations(approximation: str) -> None:
    error = approximation_error(approximation, "gelu", -6, 6)
    with mpmath.workdps(30):
        c = mpmath.sqrt(2 / mpmath.pi)
        inner = {
            "gelu_tanh": lambda x: (
                x / 2 * (1 + mpmath.tanh(c * (x + mpmath.mpf("0.044715") * x**3)))
            ),
            "gelu_sigmoid": lambda x: x / (1 + mpmath.exp(-mpmath.mpf("1.702") * x)),
        }[approximation]

        def gap(x: Any) -> Any:
            return abs(inner(x) - x * mpmath.ncdf(x))

        assert error.max_absolute == pytest.approx(float(gap(mpmath.mpf(error.at))), rel=1e-9)
        beyond = max(float(gap(mpmath.mpf(x))) for x in np.linspace(-6, 6, 997))
        assert beyond <= error.max_absolute * (1 + 1e-9)
    assert approximation_error(approximation, "gelu", form="derivative").max_absolute > 0
    assert approximation_error("gelu", "gelu").max_absolute == 0.0


# A user's own derivative


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def textbook(x: Any) -> Any:
    return sigmoid(x) * (1 - sigmoid(x))


METHODS = ["mpmath", "complex"]


@pytest.mark.parametrize("method", METHODS)
def test_a_lost_tail_is_found_where_differences_see_nothing(method: Any) -> None:
    x = np.array([0.0, 40.0, 300.0])
    step = 1e-6
    differences = (sigmoid(x + step) - sigmoid(x - step)) / (2 * step)
    assert differences[1:].tolist() == textbook(x)[1:].tolist() == [0.0, 0.0]  # "no error"
    report = check_derivative(sigmoid, textbook, x, method=method)
    assert report.wrong.tolist() == [False, True, True]
    assert not report.ok
    assert report.ranges == ((40.0, 300.0),)
    np.testing.assert_allclose(report.exact, ag.sigmoid.derivative(x), rtol=1e-14)
    assert "for x from 40 to 300" in str(report)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("f", "df"),
    [
        (sigmoid, ag.sigmoid.derivative),
        (np.tanh, ag.tanh.derivative),
        (lambda x: np.maximum(x, 0), ag.relu.derivative),
        (lambda x: np.log1p(np.exp(x)), ag.sigmoid),
        (lambda x: np.clip(x, 0, 6), lambda x: np.where((x > 0) & (x < 6), 1.0, 0.0)),
        (np.cos, lambda x: -np.sin(x)),
        (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
        (np.log, lambda x: 1 / x),
        (lambda x: x**3, lambda x: 3 * x * x),
        (lambda x: x - 1, lambda x: 1.0),
    ],
    ids=["sigmoid", "tanh", "relu", "softplus", "relu6", "cos", "sqrt", "log", "cube", "line"],
)
def test_right_derivatives_pass(f: Any, df: Any, method: Any) -> None:
    report = check_derivative(f, df, method=method)
    assert report.ok, str(report)
    assert report.method == method
    assert len(report.x) + len(report.skipped) == 265
    assert len(report.x) > 100


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("f", "df"),
    [
        (np.tanh, lambda x: 1 - np.tanh(x) ** 2),  # no tail
        (np.tanh, lambda x: 1 + np.tanh(x) ** 2),  # a sign
        (np.exp, lambda x: np.exp(x) * (1 + 1e-7)),
        (np.cos, np.sin),
        (lambda x: x * sigmoid(x), lambda x: sigmoid(x) + x * sigmoid(x) * (1 + sigmoid(x))),
    ],
)
def test_wrong_derivatives_do_not_pass(f: Any, df: Any, method: Any) -> None:
    report = check_derivative(f, df, method=method)
    assert report.wrong.any()
    assert str(report).startswith("wrong at")


def test_high_precision_agrees_with_the_closed_form() -> None:
    report = check_derivative(sigmoid, ag.sigmoid.derivative)
    with mpmath.workprec(2500):
        for x, exact in zip(report.x.tolist(), report.exact.tolist(), strict=True):
            e = mpmath.exp(-abs(mpmath.mpf(x)))
            assert exact == pytest.approx(float(e / (1 + e) ** 2), rel=1e-15)
    assert report.ulps.max() <= 1.0


def test_every_activation_passes_against_its_formula_in_numpy() -> None:
    formulas: dict[str, Callable[[Any], Any]] = {
        "sigmoid": sigmoid,
        "tanh": np.tanh,
        "relu": lambda x: np.where(x > 0, x, 0),
        "silu": lambda x: x * sigmoid(x),
        "softplus": lambda x: np.log1p(np.exp(x)),
        "softsign": lambda x: x / (1 + np.abs(x)),
        "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
        "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
        "lisht": lambda x: x * np.tanh(x),
        "log_cosh": lambda x: np.log(np.cosh(x)),
        "leaky_relu": lambda x: np.maximum(x, 0) + 0.01 * np.minimum(x, 0),
    }
    for name, formula in formulas.items():
        report = check_derivative(formula, ag.get(name).derivative)
        assert report.ok, (name, str(report))
        assert report.ulps.max() <= 1.0, (name, str(report))


def test_any_value_between_the_sides_is_right_at_a_kink() -> None:
    def relu(x: Any) -> Any:
        return np.maximum(x, 0)

    for at_zero in (0.0, 0.5, 1.0):
        assert check_derivative(relu, lambda x, at=at_zero: np.where(x == 0, at, x > 0)).ok
    for at_zero in (-0.1, 1.1):
        report = check_derivative(relu, lambda x, at=at_zero: np.where(x == 0, at, x > 0))
        assert report.ranges == ((0.0, 0.0),)
    assert (
        check_derivative(relu, lambda x: x > 0, method="complex").skipped.tolist().count(0.0) == 1
    )


def test_functions_written_in_other_ways() -> None:
    def masked(x: Any) -> Any:
        y = np.zeros_like(x)
        y[x > 0] = x[x > 0] ** 2
        return y

    assert check_derivative(masked, lambda x: 2 * np.maximum(x, 0)).ok
    assert check_derivative(lambda x: 1 / (1 + mpmath.exp(-x)), ag.sigmoid.derivative).ok
    one_by_one = check_derivative(
        np.tanh, lambda x: 1 / math.cosh(x) ** 2, np.linspace(-300.0, 300.0, 13)
    )
    assert one_by_one.ok
    # math.cosh overflows beyond 710, which is df's fault.
    assert check_derivative(np.tanh, lambda x: 1 / math.cosh(x) ** 2, [1000.0]).nan == 1


def test_scipy_functions_are_known() -> None:
    x = np.concatenate([np.linspace(-6, 6, 25), [-30, -12, 12, 30]])
    for f, df in (
        (special.expit, ag.sigmoid.derivative),
        (special.log_expit, lambda x: ag.sigmoid(-x)),
        (special.erf, lambda x: 2 / np.sqrt(np.pi) * np.exp(-x * x)),
    ):
        assert check_derivative(f, df, x).ok
    assert check_derivative(lambda x: x * special.ndtr(x), special.ndtr, x).wrong.any()


def test_a_compiled_function_needs_a_reference() -> None:
    with pytest.raises(ag.ActgradTypeError, match="give reference="):
        check_derivative(ag.sigmoid, ag.sigmoid.derivative)
    with pytest.raises(ag.ActgradTypeError, match="give reference="):
        check_derivative(ag.sigmoid, ag.sigmoid.derivative, method="mpmath")
    with pytest.raises(ag.ActgradTypeError, match="give reference="):
        check_derivative(lambda x: math.tanh(x), ag.tanh.derivative)
    report = check_derivative(
        ag.sigmoid, ag.sigmoid.derivative, reference=lambda x: 1 / (1 + mpmath.exp(-x))
    )
    assert report.ok
    with pytest.raises(ag.ActgradValueError, match="a reference is for mpmath"):
        check_derivative(np.tanh, np.tanh, reference=mpmath.tanh, method="complex")


def test_the_dtype_of_the_points_is_the_one_checked() -> None:
    x = np.linspace(-100, 100, 101)
    for dtype, allowed in ((np.float16, 0.51), (np.float32, 1.0)):  # the promises
        report = check_derivative(sigmoid, ag.sigmoid.derivative, x.astype(dtype))
        assert report.ok
        assert report.got.dtype == report.x.dtype == dtype
        assert report.ulps.max() <= allowed
        assert check_derivative(sigmoid, textbook, x.astype(dtype)).wrong.any()
    assert check_derivative(np.exp, np.exp, [1, 2]).x.dtype == np.float64


@pytest.mark.parametrize("x", [5e-324, 1e-300, -1e300, 1e15, 744.0, -744.9, 745.5, 710.0])
def test_extreme_points(x: float) -> None:
    assert check_derivative(sigmoid, ag.sigmoid.derivative, x).ok
    assert check_derivative(np.tanh, ag.tanh.derivative, x).ok
    with np.errstate(over="ignore"):
        assert check_derivative(np.exp, np.exp, x).ok
        assert check_derivative(np.exp, lambda x: 2 * np.exp(x) + 1, x).ok == (x > 709.8)


def test_a_derivative_beyond_the_floats_is_infinite() -> None:
    assert check_derivative(np.exp, lambda x: np.full_like(x, np.inf), [1000.0]).ok
    for finite in (1.0, np.finfo(float).max):
        report = check_derivative(np.exp, lambda x, y=finite: np.full_like(x, y), [1000.0])
        assert report.wrong.tolist() == [True]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("power", [2, 3, 4])
def test_a_derivative_that_vanishes(power: int, method: Any) -> None:
    report = check_derivative(
        lambda x: x**power, lambda x: power * x ** (power - 1), [0.0], method=method
    )
    assert report.exact.tolist() == [0.0]
    assert report.ok


def test_what_has_no_derivative_is_skipped() -> None:
    report = check_derivative(np.sqrt, lambda x: 0.5 / np.sqrt(x), [-1.0, 0.0, 1.0])
    assert report.skipped.tolist() == [-1.0, 0.0]
    assert report.x.tolist() == [1.0]
    assert "2 skipped" in str(report)
    nothing = check_derivative(np.log, lambda x: 1 / x, [-1.0])
    assert not nothing.ok
    assert str(nothing)


def test_nan_from_a_derivative_is_wrong_and_counted() -> None:
    report = check_derivative(np.exp, lambda x: np.where(x > 1, np.nan, np.exp(x)), [0.0, 1.0, 2.0])
    assert report.wrong.tolist() == [False, False, True]
    assert report.nan == 1
    assert "NaN: df gave NaN at 1 points" in str(report)


def test_complex_steps_refuse_what_is_not_analytic() -> None:
    def softsign(x: Any) -> Any:
        return x / (1 + np.abs(x))

    def slope(x: Any) -> Any:
        return 1 / (1 + np.abs(x)) ** 2

    assert check_derivative(softsign, slope).ok
    for f in (softsign, lambda x: np.abs(x) * 1j, lambda x: np.real(x), lambda x: x[:1]):
        with pytest.raises(ag.ActgradValueError, match="not analytic"):
            check_derivative(f, slope, method="complex")


def test_tolerances() -> None:
    off = lambda x: np.exp(x) * (1 + 1e-6)  # noqa: E731
    assert not check_derivative(np.exp, off).ok
    assert check_derivative(np.exp, off, rtol=1e-5).ok
    assert check_derivative(np.exp, lambda x: np.exp(x) + 1e-3, [-5.0, 0.0], atol=1e-2).ok
    assert not check_derivative(np.exp, np.zeros_like, [1.0], atol=1e-2).ok


def test_a_derivative_of_another_shape_is_refused() -> None:
    with pytest.raises(ag.ActgradValueError, match=r"df gave shape \(3, 2\) for an array of shape"):
        check_derivative(np.exp, lambda x: np.ones((3, 2)), [1.0, 2.0])
    with pytest.raises(ag.ActgradTypeError, match="df gave dtype complex128"):
        check_derivative(np.exp, lambda x: x * 1j, [1.0, 2.0])


def test_the_callers_precision_is_left_alone() -> None:
    with mpmath.workprec(77):
        check_derivative(sigmoid, textbook)
        assert mpmath.mp.prec == 77


def test_without_mpmath_complex_steps_are_taken() -> None:
    code = (
        "import sys\n"
        "sys.modules['mpmath'] = None\n"
        "import numpy as np, actgrad as ag\n"
        "f = lambda x: 1 / (1 + np.exp(-x))\n"
        "check = ag.diagnostics.check_derivative\n"
        "print(check(f, ag.sigmoid.derivative, [1.0, 40.0]).method)\n"
        "try:\n"
        "    check(f, ag.sigmoid.derivative, [1.0], method='mpmath')\n"
        "except ImportError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    first, second = run_python(code).splitlines()
    assert first == "complex"
    assert second.startswith("ActgradImportError")
    assert "pip install 'actgrad[check]'" in second


def test_everything_public_is_documented_and_exported() -> None:
    for name in diagnostics.__all__:
        one = getattr(diagnostics, name)
        assert one.__doc__, name
        assert name in diagnostics.__doc__ or name[0].isupper(), name  # type: ignore[operator]
    assert sorted(diagnostics.__all__) == diagnostics.__all__
