"""The founding function: the derivatives of sigmoid, tanh and ReLU at a point or over an array.

`actgrad.derivatives` itself is compiled, in src/python.rs: a float goes from there to its result
without NumPy. Everything else comes here.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from actgrad import _core
from actgrad.errors import ActgradTypeError, ActgradValueError

_NAMES = ("sigmoid", "tanh", "relu")
_DEFAULT_DECIMALS = (4, 2)
# Up to 10^15 the power, and the rounded digits of a number in [0, 1], are exact in float64.
_MOST_EXACT_DECIMALS = 15


def general(
    x: npt.ArrayLike, decimals: tuple[int, int] | None, out: tuple[Any, Any, Any] | None
) -> dict[str, Any]:
    """What `derivatives` is for everything but a single float."""
    if decimals is not None:
        decimals = _checked_decimals(decimals)
    if out is not None and not (isinstance(out, tuple | list) and len(out) == len(_NAMES)):
        raise ActgradValueError(
            "derivatives: out is not three arrays; give a tuple of them, for sigmoid, tanh, relu"
        )
    # A scalar is the float64 it denotes, whatever its type.
    scalar = isinstance(x, bool | int | float | np.bool_ | np.integer | np.floating)
    if scalar and not isinstance(x, np.longdouble):
        x = _float(x)
    keywords = {} if out is None else {"out": tuple(out)}
    if decimals is None:
        results = _core.ufuncs["derivatives"](x, **keywords)
    elif decimals == _DEFAULT_DECIMALS:
        results = _core.ufuncs["rounded_derivatives"](x, **keywords)
    else:
        results = _rounded(x, decimals, keywords)
    if out is None and (scalar or isinstance(x, np.generic)):
        results = tuple(float(result) for result in results)
    return dict(zip(_NAMES, results, strict=True))


def _float(x: Any) -> float:
    try:
        return float(x)
    except OverflowError:  # an int beyond float64: its derivatives are those of infinity
        return float("inf") if x > 0 else float("-inf")


def _checked_decimals(decimals: Any) -> tuple[int, int]:
    try:
        sigmoid, tanh = (number.__index__() for number in decimals)
    except (TypeError, ValueError, AttributeError):
        raise ActgradTypeError(
            f"derivatives: got decimals={decimals!r}; wanted two integers, for sigmoid and tanh, "
            "such as (4, 2), or None not to round"
        ) from None
    return sigmoid, tanh


def _rounded(
    x: npt.ArrayLike, decimals: tuple[int, int], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """Round the float64 derivatives, then store them as the caller's dtype, each step once."""
    exact = _core.ufuncs["derivatives"](x, dtype=np.float64)
    if keywords:
        results = keywords["out"]
    else:
        # The dtype the plain call has: that of x, or float64 for integers.
        dtype = _core.ufuncs["derivatives"].resolve_dtypes((np.asarray(x).dtype, *[None] * 3))[1]
        results = tuple(np.empty(np.shape(x), dtype) for _ in _NAMES)
    for derivative, digits, result in zip(exact, (*decimals, None), results, strict=True):
        rounded = derivative if digits is None else _round(derivative, digits)
        np.copyto(result, rounded, casting="same_kind")
    return tuple(results)


def _round(derivative: Any, digits: int) -> Any:
    if 0 <= digits <= _MOST_EXACT_DECIMALS:
        return _core.ufuncs["round_decimal"](derivative, 10.0**digits)
    return np.vectorize(round, otypes=[np.float64])(derivative, digits)
