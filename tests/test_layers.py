"""Dense layers: what they compute, in which dtype and shape, and what they refuse."""

import math
from collections.abc import Sequence
from typing import Any

import autograd  # type: ignore[import-untyped,unused-ignore]
import autograd.numpy as anp  # type: ignore[import-untyped,unused-ignore]
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import actgrad as ag
from conftest import assert_same_bits


def layer(
    batch: tuple[int, ...] = (100,), inputs: int = 8, units: int = 4, dtype: Any = np.float64
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return grad, x, weight and bias."""
    random = np.random.default_rng(0)
    shapes = (*batch, units), (*batch, inputs), (inputs, units), (units,)
    return tuple(random.normal(size=shape).astype(dtype) for shape in shapes)  # type: ignore[return-value]


def gradients_by_definition(
    grad: np.ndarray, x: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return the three gradients summed in long double, entry by entry."""
    g, a, w = (array.astype(np.longdouble) for array in (grad, x, weight))
    batch = tuple(range(g.ndim - 1))
    return (
        (g[..., np.newaxis, :] * w).sum(axis=-1),
        (a[..., np.newaxis] * g[..., np.newaxis, :]).sum(axis=batch),
        g.sum(axis=batch),
    )


def assert_sums_agree(
    got: Sequence[Any], wanted: Sequence[Any], operands: Sequence[Any], ulps: float
) -> None:
    """Fail unless sums of products agree to some ulps of the sum of their terms' sizes.

    That is what a sum in another order may differ by, whatever cancels in it.
    """
    sizes = gradients_by_definition(*(np.abs(operand) for operand in operands))
    for name, one, other, size in zip(("x", "weight", "bias"), got, wanted, sizes, strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert one.shape == other.shape, name
        error = np.abs(one.astype(np.longdouble) - other)
        assert (error <= ulps * np.finfo(one.dtype).eps * size).all(), name


def test_weighted_sum_is_the_product_plus_the_bias() -> None:
    _, x, weight, bias = layer()
    assert np.allclose(ag.weighted_sum(x, weight, bias), x @ weight + bias, rtol=1e-14)
    assert_same_bits(ag.weighted_sum(x, weight), x @ weight)
    assert ag.weighted_sum([1.0, 2.0], [[3.0], [4.0]], [0.5]) == [11.5]


@pytest.mark.parametrize("batch", [(), (1,), (7,), (3, 5), (2, 3, 4), (2, 1, 3, 1)])
def test_any_leading_axes(batch: tuple[int, ...]) -> None:
    grad, x, weight, bias = layer(batch)
    z = ag.weighted_sum(x, weight, bias)
    assert z.shape == (*batch, 4)
    assert np.allclose(z, np.einsum("...n,nm->...m", x, weight) + bias)
    got = ag.dense_backward(grad, x, weight)
    assert [np.shape(one) for one in got] == [x.shape, weight.shape, bias.shape]
    assert_sums_agree(got, gradients_by_definition(grad, x, weight), (grad, x, weight), 4)


def test_one_unit_needs_no_axis() -> None:
    x, weight = np.array([[1.0, 1.0], [2.0, 2.0]]), np.array([-2.0, -3.0])
    assert ag.weighted_sum(x, weight, 1.0).tolist() == [-4.0, -9.0]
    assert ag.weighted_sum(x[0], weight, 1.0) == -4.0
    grad_x, grad_weight, grad_bias = ag.dense_backward([1.0, 10.0], x, weight)
    assert grad_x.tolist() == [[-2.0, -3.0], [-20.0, -30.0]]
    assert grad_weight.tolist() == [21.0, 21.0]
    assert grad_bias == 11.0
    assert np.shape(grad_bias) == ()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [1, 100, 1999])
@pytest.mark.parametrize("units", [1, 3, 100, 513])
def test_gradients_are_exact_to_the_last_few_ulps(dtype: Any, batch: int, units: int) -> None:
    grad, x, weight, _ = layer((batch,), 5, units, dtype)
    got = ag.dense_backward(grad, x, weight)
    assert all(one.dtype == dtype for one in got)
    # A sum of n terms of one size errs by some eps sqrt(n); the terms' sizes are summed as well.
    assert_sums_agree(got, gradients_by_definition(grad, x, weight), (grad, x, weight), 4)


def test_gradients_agree_with_autograd() -> None:
    for dtype in (np.float32, np.float64):
        grad, x, weight, bias = layer((64,), dtype=dtype)

        def loss(x: Any, weight: Any, bias: Any, grad: Any = grad) -> Any:
            return anp.sum((anp.dot(x, weight) + bias) * grad)

        wanted = [autograd.grad(loss, i)(x, weight, bias) for i in range(3)]
        assert_sums_agree(ag.dense_backward(grad, x, weight), wanted, (grad, x, weight), 4)


def test_gradients_agree_with_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is compared with where it is installed")
    for dtype in (np.float32, np.float64):
        grad, x, weight, bias = layer((64,), dtype=dtype)
        leaves = [torch.tensor(array, requires_grad=True) for array in (x, weight, bias)]
        z = leaves[0] @ leaves[1] + leaves[2]
        z.backward(torch.tensor(grad))
        wanted = [leaf.grad.numpy() for leaf in leaves]
        assert_sums_agree(ag.dense_backward(grad, x, weight), wanted, (grad, x, weight), 4)
        ours = ag.weighted_sum(x, weight, bias)
        size = np.abs(x) @ np.abs(weight) + np.abs(bias)
        assert (np.abs(ours - z.detach().numpy()) <= 4 * np.finfo(dtype).eps * size).all()


@pytest.mark.parametrize("shape", [(0, 8, 4), (5, 0, 4), (5, 8, 0), (0, 0, 0)])
def test_empty_axes_work(shape: tuple[int, int, int]) -> None:
    batch, inputs, units = shape
    grad, x, weight, bias = layer((batch,), inputs, units)
    assert ag.weighted_sum(x, weight, bias).shape == (batch, units)
    grad_x, grad_weight, grad_bias = ag.dense_backward(grad, x, weight)
    assert grad_x.shape == (batch, inputs)
    assert grad_weight.shape == (inputs, units)
    assert grad_bias.shape == (units,)
    if batch == 0:
        assert not grad_weight.any()
        assert not grad_bias.any()


@pytest.mark.parametrize(
    ("dtypes", "wanted"),
    [
        ((np.float32, np.float32, np.float32), np.float32),
        ((np.float32, np.float64, np.float32), np.float64),
        ((np.float16, np.float16, np.float16), np.float16),
        ((np.float16, np.float32, np.float16), np.float32),
        ((np.int64, np.int8, np.uint8), np.float64),
        ((bool, bool, bool), np.float64),
        ((np.float32, np.uint8, np.float32), np.float32),
        ((">f4", ">f4", "<f4"), np.float32),
        ((ml_dtypes.bfloat16,) * 3, ml_dtypes.bfloat16),
    ],
)
def test_dtypes_promote_as_in_numpy(dtypes: tuple[Any, Any, Any], wanted: Any) -> None:
    grad, x, weight, bias = layer((5,))
    grad, x, weight = (
        (3 * array).astype(dtype) for array, dtype in zip((grad, x, weight), dtypes, strict=True)
    )
    results = ag.dense_backward(grad, x, weight)
    assert [one.dtype for one in results] == [np.dtype(wanted)] * 3
    assert ag.weighted_sum(x, weight, bias.astype(dtypes[0])).dtype == np.dtype(wanted)


def test_halves_are_rounded_once() -> None:
    # In float16 1 + 2^-11 is 1 again, and so would be the sum, term by term.
    x = np.array([[1.0] + [2.0**-11] * 4], np.float16)
    weight = np.ones((5, 1), np.float16)
    assert ag.weighted_sum(x, weight)[0, 0] == 1.0 + 2.0**-9
    assert ag.dense_backward(x.T, x.T, np.ones((1, 1), np.float16))[2][0] == 1.0 + 2.0**-9
    # Rounded before the bias is added, 2049 would be 2048.
    assert ag.weighted_sum(np.float16([[2048, 1]]), np.float16([[1], [1]]), np.float16([1])) == 2050


@pytest.mark.parametrize("units", [1, 4, 10, 300, 600])
def test_the_bias_gradient_loses_no_more_than_a_plain_sum(units: int) -> None:
    grad = np.random.default_rng(0).random((20_000, units)).astype(np.float32)
    exact = grad.sum(axis=0, dtype=np.float64)
    plain = np.abs(grad.sum(axis=0) - exact).max()
    x, weight = np.ones((20_000, 1), np.float32), np.ones((1, units), np.float32)
    assert np.abs(ag.dense_backward(grad, x, weight)[2] - exact).max() <= plain


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("batch", [(), (20,), (2, 10)])
def test_out_is_filled_and_returned(dtype: Any, batch: tuple[int, ...]) -> None:
    grad, x, weight, bias = layer(batch, dtype=dtype)
    z = np.empty((*batch, 4), dtype)
    assert ag.weighted_sum(x, weight, bias, out=z) is z
    assert_same_bits(z, ag.weighted_sum(x, weight, bias))
    wanted = ag.dense_backward(grad, x, weight)
    outs = tuple(np.empty_like(one) for one in wanted)
    results = ag.dense_backward(grad, x, weight, out=outs)
    for result, out, exact in zip(results, outs, wanted, strict=True):
        assert result is out
        assert_same_bits(out, exact)
    one = np.empty_like(wanted[1])
    assert ag.dense_backward(grad, x, weight, out=(None, one, None))[1] is one


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape", [(5, 1, 1), (5, 3, 1), (2000, 2, 1), (2000, 1, 3), (1, 9, 9), (100, 64, 64)]
)
def test_out_changes_no_bit(shape: tuple[int, int, int], dtype: Any) -> None:
    batch, inputs, units = shape
    operands = layer((batch,), inputs, units, dtype)[:3]
    wanted = ag.dense_backward(*operands)
    outs = tuple(np.empty_like(one) for one in wanted)
    for out, exact in zip(ag.dense_backward(*operands, out=outs), wanted, strict=True):
        assert_same_bits(out, exact)


def test_out_may_be_strided_or_of_another_float_dtype() -> None:
    grad, x, weight, bias = layer((6, 5))
    wanted = (ag.weighted_sum(x, weight, bias), *ag.dense_backward(grad, x, weight))
    for dtype in (np.float64, np.float32):
        outs = [np.zeros((*one.shape, 2), dtype)[..., 0] for one in wanted]
        ag.weighted_sum(x, weight, bias, out=outs[0])
        ag.dense_backward(grad, x, weight, out=tuple(outs[1:]))
        for out, exact in zip(outs, wanted, strict=True):
            assert_same_bits(out, exact.astype(dtype))
    # Axes in another order: not to be seen as a matrix without a copy.
    outs = [np.zeros(one.shape[::-1]).transpose() for one in wanted]
    ag.weighted_sum(x, weight, bias, out=outs[0])
    ag.dense_backward(grad, x, weight, out=tuple(outs[1:]))
    for out, exact in zip(outs, wanted, strict=True):
        assert_same_bits(out, exact)


def test_out_may_overlap_the_operands() -> None:
    grad, x, weight, bias = layer((4,), 4, 4)
    wanted = ag.weighted_sum(x, weight, bias)
    gradients = ag.dense_backward(grad, x, weight)
    for which in range(2):
        operands = [x.copy(), weight.copy()]
        ag.weighted_sum(*operands, bias, out=operands[which])
        assert_same_bits(operands[which], wanted)
    memory = np.zeros((4, 4))
    memory[1] = bias
    ag.weighted_sum(x, weight, memory[1], out=memory)
    assert_same_bits(memory, wanted)
    for order in ((0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)):
        operands = [grad.copy(), x.copy(), weight.copy()]
        ag.dense_backward(*operands, out=(operands[order[0]], operands[order[1]], None))
        assert_same_bits(operands[order[0]], gradients[0])
        assert_same_bits(operands[order[1]], gradients[1])


@given(data=st.data(), dtype=st.sampled_from(["float32", "float64"]))
@settings(max_examples=100, deadline=None)
def test_any_view_gives_what_its_copy_gives(data: st.DataObject, dtype: str) -> None:
    batch = data.draw(st.lists(st.integers(0, 5), max_size=2).map(tuple))
    operands = list(layer(batch, 3, 4, dtype)[:3])
    for i, operand in enumerate(operands):
        wide = np.zeros([2 * size for size in operand.shape], dtype)
        view = wide[
            tuple(slice(None, None, data.draw(st.sampled_from([2, -2]))) for _ in wide.shape)
        ]
        view[...] = operand
        operands[i] = view
    wanted = gradients_by_definition(*operands)
    assert_sums_agree(ag.dense_backward(*operands), wanted, operands, 4)


def test_nan_and_infinity_pass_through_quietly() -> None:
    x = np.array([[np.nan, 1.0], [np.inf, 1.0], [1e308, 1.0]])
    with np.errstate(all="raise"):
        z = ag.weighted_sum(x, np.array([[10.0, 0.0], [1.0, 1.0]]), np.array([0.0, 0.0]))
        halves = ag.weighted_sum(np.float16([[60000, 60000]]), np.float16([[1], [1]]))
        big = np.array([[1e308], [-1e308], [np.inf]])
        for out in (None, (np.empty((3, 1)), np.empty((1, 1)), np.empty(1))):
            gradients = ag.dense_backward(big, big, np.array([[100.0]]), out=out)
            assert gradients[0].ravel().tolist() == [math.inf, -math.inf, math.inf]
            assert gradients[1] == gradients[2] == math.inf
        zero = ag.dense_backward(np.array([[0.0]]), np.array([[np.inf]]), np.array([[np.inf]]))
    assert np.isnan(z[0]).all()
    assert z[1, 0] == z[2, 0] == math.inf
    assert np.isnan(zero[:2]).all()
    assert halves == math.inf


BAD_SHAPES = [
    ((100, 4), (100, 7), (8, 4), "x has 7 features but weight 8 rows"),
    ((100, 8), (100, 4), (8, 4), "transpose weight"),
    ((100, 5), (100, 8), (8, 4), r"here grad has to be \(100, 4\)"),
    ((99, 4), (100, 8), (8, 4), r"here grad has to be \(100, 4\)"),
    ((100, 1, 4), (100, 8), (8, 4), r"here grad has to be \(100, 4\)"),
    ((4,), (100, 8), (8, 4), r"here grad has to be \(100, 4\)"),
    ((100, 4), (100, 8), (1, 8, 4), "weight has 3 axes"),
    ((100, 4), (100, 8), (), "weight has 0 axes"),
    ((4,), (), (8, 4), "x is a scalar"),
]


@pytest.mark.parametrize(("grad", "x", "weight", "advice"), BAD_SHAPES)
def test_bad_shapes_are_one_line_that_names_them(
    grad: tuple[int, ...], x: tuple[int, ...], weight: tuple[int, ...], advice: str
) -> None:
    outs = tuple(np.full(2, 7.0) for _ in range(3))
    with pytest.raises(ag.ActgradValueError, match=advice) as caught:
        ag.dense_backward(np.ones(grad), np.ones(x), np.ones(weight), out=outs)
    message = str(caught.value)
    assert "\n" not in message
    assert all(str(shape) in message for shape in (grad, x, weight))
    assert all((out == 7.0).all() for out in outs)


@pytest.mark.parametrize(
    ("x", "weight", "bias", "advice"),
    [
        ((100, 7), (8, 4), (4,), "x has 7 features but weight 8 rows"),
        ((100, 4), (8, 4), (4,), "transpose weight"),
        ((100, 8), (8, 4), (8,), r"here bias has to be \(4,\)"),
        ((100, 8), (8, 4), (1, 4), r"here bias has to be \(4,\)"),
        ((100, 8), (8,), (1,), r"here bias has to be \(\)"),
        ((), (8, 4), (4,), "x is a scalar"),
    ],
)
def test_bad_shapes_of_a_weighted_sum(
    x: tuple[int, ...], weight: tuple[int, ...], bias: tuple[int, ...], advice: str
) -> None:
    out = np.full((100, 4), 7.0)
    with pytest.raises(ag.ActgradValueError, match=advice) as caught:
        ag.weighted_sum(np.ones(x), np.ones(weight), np.ones(bias), out=out)
    assert "\n" not in str(caught.value)
    assert all(str(shape) in str(caught.value) for shape in (x, weight, bias))
    assert (out == 7.0).all()


@pytest.mark.parametrize(
    "bad", ["a", None, 1j, np.longdouble(1), np.array(["a"]), [1.0, None], np.array([1], "M8[s]")]
)
def test_bad_operands_are_one_clear_type_error(bad: Any) -> None:
    out = np.full((2, 2), 7.0)
    x = np.ones((2, 2))
    for call in (
        lambda: ag.weighted_sum(bad, x, out=out),
        lambda: ag.weighted_sum(x, bad, out=out),
        lambda: ag.dense_backward(bad, x, x, out=(out, None, None)),
        lambda: ag.dense_backward(x, x, bad, out=(out, None, None)),
        lambda: ag.mape(bad, x),
    ):
        with pytest.raises(ag.ActgradTypeError, match="wanted real numbers") as caught:
            call()
        assert "\n" not in str(caught.value)
    assert (out == 7.0).all()


def test_other_bad_operands() -> None:
    x = np.ones((2, 2))
    with pytest.raises(ag.ActgradValueError, match="rows of different lengths"):
        ag.weighted_sum([[1.0], [1.0, 2.0]], x)
    with pytest.raises(ag.ActgradTypeError, match="have no common dtype"):
        ag.weighted_sum(x.astype(np.float16), x.astype(ml_dtypes.bfloat16))


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.empty((2, 3)), ValueError, r"got out of shape \(2, 3\); wanted \(2, 2\)"),
        (np.empty((2, 2), int), TypeError, "got out of dtype int64"),
        ([[1.0, 2.0], [3.0, 4.0]], TypeError, "got out of type list"),
    ],
)
def test_bad_out_is_one_clear_error(out: Any, error: type[Exception], message: str) -> None:
    x = np.ones((2, 2))
    with pytest.raises(error, match=message) as caught:
        ag.weighted_sum(x, x, out=out)
    assert isinstance(caught.value, ag.ActgradError)
    with pytest.raises(error, match=message.replace("out", r"out\[0\]")):
        ag.dense_backward(x, x, x, out=(out, None, None))


def test_a_bad_out_leaves_the_others_untouched() -> None:
    x = np.ones((2, 2))
    good, locked = np.full((2, 2), 7.0), np.zeros(2)
    locked.flags.writeable = False
    with pytest.raises(ag.ActgradValueError, match=r"out\[2\] that is read-only"):
        ag.dense_backward(x, x, x, out=(good, None, locked))
    with pytest.raises(ag.ActgradValueError, match="overlap each other"):
        ag.dense_backward(x, x, x, out=(good, good, None))
    for out in (good, (good,), (good, good)):
        with pytest.raises(ag.ActgradValueError, match="out is not three arrays"):
            ag.dense_backward(x, x, x, out=out)  # type: ignore[arg-type]
    assert (good == 7.0).all()


def test_mape_is_a_percentage() -> None:
    assert ag.mape([1.0, 2.0, -4.0], [1.1, 2.0, -3.0]) == pytest.approx(100 * (0.1 + 0.25) / 3)
    assert ag.mape([[2.0]], [[3.0]]) == 50.0
    assert ag.mape(np.float32([2.0]), [3]) == 50.0


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        (0.0, 0.0, 0.0),
        (0.0, -0.0, 0.0),
        (0.0, 1e-300, math.inf),
        (math.inf, math.inf, 0.0),
        (math.inf, 1.0, math.inf),
        (math.inf, -math.inf, math.inf),
        (1.0, math.inf, math.inf),
        (1e308, -1e308, 200.0),
        (5e-324, 1e-323, 100.0),
        (-5e-324, 0.0, 100.0),
        (1e-300, 1e300, math.inf),
    ],
)
def test_mape_at_the_ends(a: float, b: float, wanted: float) -> None:
    with np.errstate(all="raise"):
        assert ag.mape(a, b) == wanted
        assert ag.mape([1.0, a], [1.0, b]) == wanted / 2


def test_mape_is_nan_where_there_is_one_or_nothing() -> None:
    assert math.isnan(ag.mape([1.0, np.nan], [1.0, 2.0]))
    assert math.isnan(ag.mape([1.0, 2.0], [np.nan, 2.0]))
    assert math.isnan(ag.mape([math.inf], [math.nan]))
    assert math.isnan(ag.mape([math.nan], [math.nan]))
    assert math.isnan(ag.mape([], []))
    with pytest.raises(ag.ActgradValueError, match=r"got shapes \(2,\) and \(1, 2\)"):
        ag.mape([1.0, 2.0], [[1.0, 2.0]])
