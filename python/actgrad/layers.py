"""Dense layers on NumPy's BLAS: the weighted sum, its gradients, and a measure to compare them by.

They do what the bare products do, once per call and without loops over the leading axes, and say in
one line what is wrong with shapes and dtypes before any work.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from actgrad.errors import ActgradTypeError, ActgradValueError

_BLAS = (np.dtype(np.float32), np.dtype(np.float64))
# Below so many entries the cost of a call counts: dot's is less than matmul's, einsum's less than
# that of reduce for more than a few rows. For more entries matmul and reduce are faster.
_SMALL = 4096
_FEW = 64
# NumPy sums rows only as fast as they are wide; narrower ones are summed several at a time.
_WIDE = 1024


def weighted_sum(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    *,
    out: npt.NDArray[Any] | None = None,
) -> Any:
    r"""Pre-activations of a dense layer.

    .. math:: z = x W + b

    Parameters
    ----------
    x : array_like, shape (..., n)
        Inputs, with any leading batch axes, or none.
    weight : array_like, shape (n, m) or (n,)
        The weights of m units, a column each; or those of one unit.
    bias : array_like, shape (m,) or (), optional
        One number for each unit; without it nothing is added.
    out : ndarray, shape (..., m), optional
        Where to store the result. It may be one of the operands.

    Returns
    -------
    ndarray or scalar
        Of shape (..., m), without the last axis if `weight` has one axis only. The dtype is
        the one NumPy promotes the operands to; bools and integers compute in float64. float16 and
        bfloat16 are multiplied and summed in float32 and rounded once.

    Raises
    ------
    ActgradTypeError
        If an operand is not real numbers, or `out` cannot hold the result.
    ActgradValueError
        If the shapes do not fit.

    See Also
    --------
    dense_backward : The gradients.

    Notes
    -----
    Leading axes are taken together, so that BLAS multiplies two matrices once, however many axes
    there are. NaN and infinities pass through as in NumPy, but never raise or warn.

    Examples
    --------
    >>> import actgrad as ag
    >>> ag.weighted_sum([[1.0, 1.0], [2.0, 2.0]], [-2.0, -3.0], 1.0)
    array([-4., -9.])
    >>> ag.weighted_sum([1.0, 2.0], [[1.0, 0.0, 2.0], [0.0, 1.0, 2.0]], [0.5, 0.5, 0.5])
    array([1.5, 2.5, 6.5])
    """
    function = "weighted_sum"
    x_, weight_ = real_array(function, "x", x), real_array(function, "weight", weight)
    bias_ = None if bias is None else real_array(function, "bias", bias)
    shape = (*x_.shape[:-1], *weight_.shape[1:])
    if not (
        x_.ndim >= 1
        and 1 <= weight_.ndim <= 2
        and x_.shape[-1] == weight_.shape[0]
        and (bias_ is None or bias_.shape == weight_.shape[1:])
    ):
        raise _do_not_fit(
            function,
            {"x": x_, "weight": weight_} | ({} if bias_ is None else {"bias": bias_}),
            "x (..., n), weight (n, m), bias (m,), or weight (n,), bias ()",
            _advice(x_, weight_) or f"; here bias has to be {weight_.shape[1:]}",
        )
    operands = [x_, weight_] if bias_ is None else [x_, weight_, bias_]
    kind = _kind(function, operands)
    if out is not None:
        _check_out(function, "out", out, shape, kind.result)

    plan = _Plan(x_, weight_, kind)
    target = None if out is None else _direct(out, (plan.rows, plan.m), kind)
    if bias_ is not None and out is not None and np.may_share_memory(out, bias_):
        target = None  # the product would overwrite the bias; x and weight NumPy takes care of
    with np.errstate(all="ignore"):
        z = np.matmul(plan.x, plan.weight, out=target)
        if bias_ is not None:
            np.add(z, bias_.astype(kind.working, copy=False).reshape(-1), out=z)
        return _deliver(z, shape, kind, out, stored=target is not None)


def dense_backward(
    grad: npt.ArrayLike,
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    *,
    out: Sequence[npt.NDArray[Any] | None] | None = None,
) -> tuple[Any, Any, Any]:
    r"""Gradients of a dense layer with respect to its input, its weights and its bias.

    .. math:: \frac{\partial L}{\partial x} = g W^T, \qquad
              \frac{\partial L}{\partial W} = x^T g, \qquad
              \frac{\partial L}{\partial b} = \sum_{\text{batch}} g

    Parameters
    ----------
    grad : array_like, shape (..., m)
        The gradient g with respect to the weighted sum, for example ``relu.backward(grad_y, z)``.
    x : array_like, shape (..., n)
        The inputs the layer had; the same leading axes.
    weight : array_like, shape (n, m) or (n,)
        The weights; of one unit if there is one axis, and then `grad` has no last axis either.
    out : tuple of three ndarrays or None, optional
        Where to store the three gradients. They may be operands, but not overlap each other.

    Returns
    -------
    grad_x : ndarray, shape (..., n)
    grad_weight : ndarray, of the shape of `weight`
        Summed over all leading axes.
    grad_bias : ndarray, shape (m,), or scalar
        Summed over all leading axes.

    Raises
    ------
    ActgradTypeError
        If an operand is not real numbers, or an array of `out` cannot hold its result.
    ActgradValueError
        If the shapes do not fit, or `out` is not three arrays.

    See Also
    --------
    weighted_sum : What these are the gradients of.

    Notes
    -----
    The dtype is the one NumPy promotes the operands to; bools and integers compute in float64.
    float16 and bfloat16 are multiplied and summed in float32 and rounded once. An empty batch
    gives an empty grad_x and zeros. NaN and infinities pass through, but never raise or warn.

    Examples
    --------
    >>> import actgrad as ag
    >>> x, weight = [[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]]
    >>> grad_x, grad_weight, grad_bias = ag.dense_backward([[1.0, 0.0], [0.0, 1.0]], x, weight)
    >>> grad_weight
    array([[1., 3.],
           [2., 4.]])
    >>> grad_bias
    array([1., 1.])
    """
    function = "dense_backward"
    if out is None and _are_matrices(grad, x, weight):
        return _gradients(grad, x, weight)
    grad_, x_, weight_ = (
        real_array(function, "grad", grad),
        real_array(function, "x", x),
        real_array(function, "weight", weight),
    )
    if not (
        x_.ndim >= 1
        and 1 <= weight_.ndim <= 2
        and x_.shape[-1] == weight_.shape[0]
        and grad_.shape == x_.shape[:-1] + weight_.shape[1:]
    ):
        raise _do_not_fit(
            function,
            {"grad": grad_, "x": x_, "weight": weight_},
            "grad (..., m), x (..., n), weight (n, m), or grad (...), weight (n,)",
            _advice(x_, weight_) or f"; here grad has to be {x_.shape[:-1] + weight_.shape[1:]}",
        )
    kind = _kind(function, (grad_, x_, weight_))
    shapes = x_.shape, weight_.shape, weight_.shape[1:]
    outs = (None, None, None) if out is None else _checked_outs(out, shapes, kind)

    plan = _Plan(x_, weight_, kind)
    g = grad_.astype(kind.working, copy=False).reshape(plan.rows, plan.m)
    targets: list[npt.NDArray[Any] | None] = [None, None, None]
    if out is not None and not _overlap(outs, (grad_, x_, weight_)):
        plain = (plan.rows, plan.n), (plan.n, plan.m), (plan.m,)
        targets = [
            None if array is None else _direct(array, shape, kind)
            for array, shape in zip(outs, plain, strict=True)
        ]
    with np.errstate(all="ignore"):
        multiply: Any = np.dot if plan.x.size < _SMALL > plan.weight.size else np.matmul
        grad_x = multiply(g, plan.weight.T, out=targets[0])
        grad_weight = multiply(plan.x.T, g, out=targets[1])
        grad_bias = _sum_of_rows(g, targets[2])
        return (
            _deliver(grad_x, shapes[0], kind, outs[0], targets[0] is not None),
            _deliver(grad_weight, shapes[1], kind, outs[1], targets[1] is not None),
            _deliver(grad_bias, shapes[2], kind, outs[2], targets[2] is not None),
        )


def mape(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    r"""Mean absolute percentage error of b against a.

    .. math:: \frac{100}{N} \sum_{i} \frac{|a_i - b_i|}{|a_i|}

    Equal entries count as 0 also where a is 0 or infinite, so Jacobians with many zeros can be
    compared; where a is 0 or infinite and b differs the result is infinite.

    Parameters
    ----------
    a : array_like
        The values taken as right.
    b : array_like
        The values to compare, of the same shape: nothing is broadcast.

    Returns
    -------
    float
        In percent. NaN if either array has a NaN, and for empty arrays.

    Raises
    ------
    ActgradTypeError
        If an array is not real numbers.
    ActgradValueError
        If the shapes differ.

    Examples
    --------
    >>> import actgrad as ag
    >>> ag.mape([1.0, 2.0, 0.0], [1.0, 2.5, 0.0])
    8.333333333333332
    """
    right, other = real_array("mape", "a", a), real_array("mape", "b", b)
    if right.shape != other.shape:
        raise ActgradValueError(
            f"mape: got shapes {right.shape} and {other.shape}; wanted two arrays of one shape; "
            "reshape or broadcast one of them first"
        )
    if right.size == 0:
        return math.nan
    with np.errstate(all="ignore"):
        right, other = (array.astype(np.float64).ravel() for array in (right, other))
        # Scaled so that a is in [1/2, 1): then a - b overflows only if (a - b) / a does.
        mantissa, exponent = np.frexp(right)
        error = np.abs(mantissa - np.ldexp(other, -exponent)) / np.abs(mantissa)
        error[np.isinf(right) & ~np.isnan(other)] = math.inf
        error[right == other] = 0.0
        return float(100.0 * np.mean(error))


@np.errstate(all="ignore")  # as a decorator half the cost of a with statement
def _gradients(grad: Any, x: Any, weight: Any) -> tuple[Any, Any, Any]:
    """Return the gradients of the usual case, for which a small call has no time to lose."""
    if x.size < _SMALL > weight.size:
        return grad.dot(weight.T), x.T.dot(grad), _sum_of_rows(grad, None)
    return grad @ weight.T, x.T @ grad, _sum_of_rows(grad, None)


class _Kind(NamedTuple):
    """The dtype of the results, and the one BLAS computes in."""

    result: np.dtype[Any]
    working: np.dtype[Any]


class _Plan:
    """The operands as matrices in the working dtype."""

    __slots__ = ("m", "n", "rows", "weight", "x")

    def __init__(self, x: npt.NDArray[Any], weight: npt.NDArray[Any], kind: _Kind) -> None:
        self.n = x.shape[-1]
        self.m = weight.shape[1] if weight.ndim == 2 else 1
        # Not -1, which NumPy cannot tell where another axis is 0.
        self.rows = math.prod(x.shape[:-1])
        self.x = x.astype(kind.working, copy=False).reshape(self.rows, self.n)
        self.weight = weight.astype(kind.working, copy=False).reshape(self.n, self.m)


def real_array(function: str, name: str, operand: Any) -> npt.NDArray[Any]:
    """Return an operand as an array, or raise ActgradTypeError if it is not real numbers."""
    try:
        array = np.asarray(operand)
    except ValueError:
        raise ActgradValueError(
            f"{function}: got {name} with rows of different lengths; wanted an array or nested "
            "lists of one shape"
        ) from None
    dtype = array.dtype
    if dtype in _BLAS or dtype.char in "?bBhHiIlLqQefd" or dtype.name == "bfloat16":
        return array if dtype.isnative else array.astype(dtype.newbyteorder("="))
    raise ActgradTypeError(
        f"{function}: got {name} of dtype {dtype}; wanted real numbers (float16, bfloat16, "
        "float32, float64, integers or bool); convert with astype"
    )


def _are_matrices(grad: Any, x: Any, weight: Any) -> bool:
    """Return whether BLAS takes the operands of dense_backward as they are."""
    if not type(x) is type(grad) is type(weight) is np.ndarray:
        return False
    dtype, batch, inputs = x.dtype, x.shape, weight.shape
    return (
        weight.dtype is dtype  # not ==: this is quick, and what it misses is only slower
        and grad.dtype is dtype
        and dtype in _BLAS
        and len(batch) == len(inputs) == 2
        and batch[1] == inputs[0]
        and grad.shape == (batch[0], inputs[1])
    )


def _ready(dtype: np.dtype[Any], *operands: npt.NDArray[Any]) -> bool:
    """Return whether BLAS takes operands as they are: all of one dtype that it knows."""
    for operand in operands:
        if operand.dtype != dtype:
            return False
    return dtype in _BLAS


def _kind(function: str, operands: Sequence[npt.NDArray[Any]]) -> _Kind:
    first = operands[0].dtype
    if _ready(first, *operands[1:]):
        return _Kind(first, first)
    try:
        result = np.result_type(*(operand.dtype for operand in operands))
    except TypeError:  # float16 with bfloat16
        found = ", ".join(str(operand.dtype) for operand in operands)
        raise ActgradTypeError(
            f"{function}: got dtypes {found}, which have no common dtype; convert with astype"
        ) from None
    if result.kind in "biu":
        result = np.dtype(np.float64)
    return _Kind(result, result if result in _BLAS else np.dtype(np.float32))


def _do_not_fit(
    function: str, operands: dict[str, npt.NDArray[Any]], wanted: str, advice: str
) -> ActgradValueError:
    got = ", ".join(f"{name} {operand.shape}" for name, operand in operands.items())
    return ActgradValueError(f"{function}: got {got}; wanted {wanted}{advice}")


def _advice(x: npt.NDArray[Any], weight: npt.NDArray[Any]) -> str:
    """Say what is wrong with x and weight; empty if nothing is."""
    if x.ndim < 1:
        return "; x is a scalar: give its features an axis"
    if not 1 <= weight.ndim <= 2:
        return f"; weight has {weight.ndim} axes"
    if x.shape[-1] == weight.shape[0]:
        return ""
    turned = weight.ndim == 2 and x.shape[-1] == weight.shape[1]
    return (
        f"; x has {x.shape[-1]} features but weight {weight.shape[0]} rows"
        f"{': transpose weight' if turned else ''}"
    )


def _check_out(
    function: str, name: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    """Raise unless a result of a shape and dtype can be stored in `out`."""
    if not isinstance(out, np.ndarray):
        raise ActgradTypeError(
            f"{function}: got {name} of type {type(out).__name__}; wanted an ndarray of shape "
            f"{shape} and dtype {dtype}"
        )
    if out.shape != shape:
        raise ActgradValueError(f"{function}: got {name} of shape {out.shape}; wanted {shape}")
    if not np.can_cast(dtype, out.dtype, "same_kind"):
        raise ActgradTypeError(
            f"{function}: got {name} of dtype {out.dtype}; wanted {dtype}, or another float dtype"
        )
    if not out.flags.writeable:
        raise ActgradValueError(f"{function}: got {name} that is read-only; give a writeable array")


def _checked_outs(
    out: Any, shapes: tuple[tuple[int, ...], ...], kind: _Kind
) -> tuple[npt.NDArray[Any] | None, ...]:
    if not isinstance(out, tuple | list) or len(out) != len(shapes):
        raise ActgradValueError(
            "dense_backward: out is not three arrays; give a tuple of them, for grad_x, "
            "grad_weight, grad_bias, with None where a new array is wanted"
        )
    for index, (array, shape) in enumerate(zip(out, shapes, strict=True)):
        if array is not None:
            _check_out("dense_backward", f"out[{index}]", array, shape, kind.result)
    given = [array for array in out if array is not None]
    if any(
        np.may_share_memory(one, other)
        for index, one in enumerate(given)
        for other in given[:index]
    ):
        raise ActgradValueError(
            "dense_backward: got arrays in out that overlap each other; give separate arrays"
        )
    return tuple(out)


def _overlap(outs: Sequence[npt.NDArray[Any] | None], operands: Sequence[npt.NDArray[Any]]) -> bool:
    return any(
        out is not None and np.may_share_memory(out, operand)
        for out in outs
        for operand in operands
    )


def _direct(out: npt.NDArray[Any], shape: tuple[int, ...], kind: _Kind) -> npt.NDArray[Any] | None:
    """Return `out` in the shape of a product to write there, or None if it has to be copied."""
    if out.dtype == kind.working and out.flags.c_contiguous:
        return out.reshape(shape)
    return None


def _deliver(
    result: npt.NDArray[Any],
    shape: tuple[int, ...],
    kind: _Kind,
    out: npt.NDArray[Any] | None,
    stored: bool,
) -> Any:
    """Return a result in its shape and dtype, in `out` if there is one."""
    if out is None:
        return result.astype(kind.result, copy=False).reshape(shape)[()]
    if not stored:
        np.copyto(out, result.reshape(shape), casting="same_kind")
    return out


def _sum_of_rows(g: npt.NDArray[Any], out: npt.NDArray[Any] | None) -> Any:
    """Return the sum over axis 0, always in the same order.

    A narrow matrix is read as a wider one of several rows side by side. That is up to twenty times
    as fast, and, as each lane sums fewer terms, loses fewer digits.
    """
    rows, width = g.shape
    if rows * width < _SMALL:
        if rows >= _FEW and width > 1:
            return np.einsum("ij->j", g, out=out)  # the same sums
        return np.add.reduce(g, axis=0, out=out)
    if 2 * width > _WIDE or not g.flags.c_contiguous:
        return np.add.reduce(g, axis=0, out=out)
    together = _WIDE // width
    whole = rows - rows % together
    lanes = np.add.reduce(g[:whole].reshape(-1, together * width), axis=0)
    total = np.add.reduce(lanes.reshape(together, width), axis=0, out=out)
    if whole < rows:
        np.add(total, np.add.reduce(g[whole:], axis=0), out=total)
    return total
