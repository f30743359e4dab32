"""Functions written for NumPy, computed to hundreds of digits.

`Real` is an mpmath number that NumPy's functions accept: ``np.exp(Real(1))`` is e to the working
precision. So a user's own f, made for arrays of floats, tells its value as exactly as need be, with
the constants in it taken as the floats they are.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from actgrad.errors import ActgradImportError, ActgradTypeError

try:
    import mpmath
except ImportError:
    raise ActgradImportError(
        "check_derivative: mpmath is not installed; install it with pip install 'actgrad[check]', "
        "or give method='complex'"
    ) from None

mp = mpmath.mp


def _expit(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def _log1p(x: Any) -> Any:
    return mp.log(1 + x)


def _ndtr(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _larger(x: Any, y: Any) -> Any:
    return x if mp.isnan(x) or x >= y else y


def _smaller(x: Any, y: Any) -> Any:
    return x if mp.isnan(x) or x <= y else y


# What NumPy and scipy.special call their ufuncs, in mpmath.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "absolute": abs,
    "fabs": abs,
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "power": lambda x, y: x**y,
    "float_power": lambda x, y: x**y,
    "negative": lambda x: -x,
    "positive": lambda x: +x,
    "reciprocal": lambda x: 1 / x,
    "square": lambda x: x * x,
    "sqrt": mp.sqrt,
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    "hypot": mp.hypot,
    "exp": mp.exp,
    "exp2": lambda x: mp.exp(x * mp.ln2),
    "expm1": lambda x: mp.exp(x) - 1,
    "log": mp.log,
    "log2": lambda x: mp.log(x) / mp.ln2,
    "log10": mp.log10,
    "log1p": _log1p,
    "logaddexp": lambda x, y: _larger(x, y) + _log1p(mp.exp(-abs(x - y))),
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "arcsin": mp.asin,
    "arccos": mp.acos,
    "arctan": mp.atan,
    "arctan2": mp.atan2,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "arcsinh": mp.asinh,
    "arccosh": mp.acosh,
    "arctanh": mp.atanh,
    "sign": mp.sign,
    "floor": mp.floor,
    "ceil": mp.ceil,
    "rint": mp.nint,
    "maximum": _larger,
    "minimum": _smaller,
    "fmax": _larger,
    "fmin": _smaller,
    "clip": lambda x, low, high: _smaller(_larger(x, low), high),
    "copysign": lambda x, y: -abs(x) if y < 0 else abs(x),
    "heaviside": lambda x, at_zero: at_zero if x == 0 else mp.mpf(int(x > 0)),
    "erf": mp.erf,
    "erfc": mp.erfc,
    "ndtr": _ndtr,
    "expit": _expit,
    "log_expit": lambda x: -_log1p(mp.exp(-x)),
    "logit": lambda x: mp.log(x / (1 - x)),
}
PREDICATES: dict[str, Callable[..., Any]] = {
    "less": lambda x, y: x < y,
    "less_equal": lambda x, y: x <= y,
    "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y,
    "equal": lambda x, y: x == y,
    "not_equal": lambda x, y: x != y,
    "isnan": mp.isnan,
    "isinf": mp.isinf,
    "isfinite": mp.isfinite,
    "signbit": lambda x: x < 0,
}


def number_of(value: Any) -> Any:
    """Return what a function gave, or an operand, as an mpmath number."""
    if isinstance(value, Real):
        return value.number
    if isinstance(value, np.ndarray) and value.size == 1:
        return number_of(value.item())
    if isinstance(value, np.generic):
        value = value.item()
    return mp.convert(value)


class Real:
    """A number of mpmath's that stands in for a float in functions written for NumPy."""

    __slots__ = ("number",)

    def __init__(self, number: Any) -> None:
        self.number = number

    @property
    def _mpf_(self) -> Any:
        # By this mpmath's own functions take it for a number of theirs.
        return self.number._mpf_

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        name = ufunc.__name__
        if method != "__call__" or keywords.get("out") is not None:
            return NotImplemented
        if any(isinstance(operand, np.ndarray) and operand.ndim for operand in inputs):
            # An array holds Real numbers as objects; NumPy then works element by element.
            return ufunc(*(np.asarray(operand, object) for operand in inputs))
        return apply(name, *inputs)

    def __getattr__(self, name: str) -> Any:
        # NumPy calls the method of a ufunc's name on the objects in an array.
        if name in FUNCTIONS or name in PREDICATES:
            return lambda *others: apply(name, self, *others)
        raise AttributeError(name)

    def __float__(self) -> float:
        raise ActgradTypeError(
            "check_derivative: f turns its argument into a float, which has only 16 digits; write "
            "it with NumPy's functions, or give reference=, f written with mpmath's"
        )

    def __bool__(self) -> bool:
        return bool(self.number)

    def __hash__(self) -> int:
        return hash(self.number)

    def __repr__(self) -> str:
        return f"Real({self.number})"


def apply(name: str, *operands: Any) -> Any:
    """Apply a function of NumPy's to Real numbers and floats."""
    if name in PREDICATES:
        return bool(PREDICATES[name](*map(number_of, operands)))
    if name not in FUNCTIONS:
        raise ActgradTypeError(
            f"check_derivative: f calls {name}, which is not known in high precision; give "
            "reference=, f written with mpmath's functions"
        )
    return Real(FUNCTIONS[name](*map(number_of, operands)))


def _operator(name: str, turned: bool) -> Callable[[Real, Any], Any]:
    def operate(self: Real, other: Any) -> Any:
        if isinstance(other, np.ndarray) and other.ndim:
            return NotImplemented
        return apply(name, other, self) if turned else apply(name, self, other)

    return operate


for _symbol, _name in {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "pow": "power",
}.items():
    setattr(Real, f"__{_symbol}__", _operator(_name, turned=False))
    setattr(Real, f"__r{_symbol}__", _operator(_name, turned=True))
for _symbol, _name in {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}.items():
    setattr(Real, f"__{_symbol}__", _operator(_name, turned=False))
for _symbol, _name in {"neg": "negative", "pos": "positive", "abs": "absolute"}.items():
    setattr(Real, f"__{_symbol}__", lambda self, name=_name: apply(name, self))


# A derivative below 2^-1080 is 0 in every float format: half of the smallest number is 2^-1075.
_DEEP = 1080
_HIGH = 1024  # what is above 2^1024 is infinite
_SHALLOW = 100
_ROUNDS = 8
_STEP = 40


def sides(function: Callable[[Any], Any], x: float) -> tuple[Any, Any] | None:
    """Return the derivatives of a function at x from the left and from the right.

    They are differences over steps so short, with digits so many, that the derivative 2^-1080 of a
    function of size 1 is seen; fewer digits are taken where they leave enough. Each round takes a
    shorter step and more digits; only what two rounds agree on counts. None if that never happens,
    or f is not real around x.
    """
    exponent = int(np.frexp(x)[1]) if x else 0
    scale = min(0, exponent)  # f changes over lengths of 2^scale and more
    size = 0  # of f: |f| < 2^size
    depth = _SHALLOW
    before = None
    for turn in range(1, _ROUNDS + 1):
        shift = _STEP * turn
        precision = 2 * shift - scale + max(0, exponent) + size + depth + 64
        with mp.workprec(precision):
            at, step = mp.mpf(x), mp.ldexp(1, scale - shift)
            values = [number_of(function(point)) for point in (at - step, at, at + step)]
            if not all(isinstance(value, mp.mpf) and mp.isfinite(value) for value in values):
                return None
            rises = values[1] - values[0], values[2] - values[1]
            left, right = rises[0] / step, rises[1] / step
            now = (left + right) / 2, right - left
            settled = None if before is None else _settled(before, now)
            magnitude = max([0, *(mp.mag(value) for value in values if value)])
            lost = magnitude - precision + 80  # a rise below 2^lost has few digits left
        reach = min(int(magnitude), _HIGH)
        if depth == _SHALLOW and any(not rise or mp.mag(rise) < lost for rise in rises):
            depth, before = _DEEP, None
        elif settled is not None and reach <= size:
            return (left, right) if settled == "kink" else (settled, settled)
        else:
            before = now
        size = max(size, reach)
    return None


def _settled(before: tuple[Any, Any], now: tuple[Any, Any]) -> Any:
    """Return the derivative two rounds agree on, or "kink", from the mean and gap of the sides."""
    mean, gap = now
    if abs(gap) <= mp.ldexp(abs(before[1]), -_STEP // 2):
        # The gap closes with the step: f is smooth. Its derivative is the mean, to the square of
        # the step, or 0 if the mean closes likewise.
        if abs(mean - before[0]) <= mp.ldexp(abs(mean), -60):
            return mean
        return mp.mpf(0) if abs(mean) <= mp.ldexp(abs(before[0]), -60) else None
    same = abs(gap - before[1]) <= mp.ldexp(abs(gap), -30)
    return "kink" if same else None


def derivative(
    function: Callable[[Any], Any], reference: Callable[[Any], Any] | None, x: float, got: float
) -> tuple[float, float] | None:
    """Return the derivative of a function at x, and the error of `got`; None if it has none.

    At a kink it is whatever lies between the one-sided derivatives, so the nearest to `got`.
    """
    if reference is not None:
        found = sides(reference, x)
    else:
        try:
            found = sides(lambda point: function(Real(point)), x)
        except (TypeError, IndexError, ValueError, AttributeError):
            # Written for arrays only, for example with masks.
            found = sides(lambda point: function(np.array([Real(point)], object)), x)
    if found is None:
        return None
    with mp.workprec(2000):
        if np.isnan(got):
            return float(found[0]), float("nan")
        given = mp.mpf(got)
        exact = min(max(given, min(found)), max(found))
        return float(exact), float(abs(given - exact))
