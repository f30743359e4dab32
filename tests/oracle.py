"""The oracle: what every element-wise activation is, to as many bits as asked.

The test-suite judges accuracy by this file alone. It shares no code with the kernels,
takes no finite differences and trusts no float library. Each activation is one entry of
`FORMULAS`: its definition, its first and second derivative and its parameter derivatives
in closed form. The same formula runs on two libraries:

``arb``
    python-flint's balls. A ball carries a proven bound of its own error, so an answer is
    known to be right, and the precision is raised until it is.
``mpmath``
    The fallback and the cross-check. It has no error bound; an answer counts once two
    precisions, one twice the other, agree.

Adding an activation is adding its entry. `exact` then gives its value at a float,
`rounded` and `ulp_error` relate that to a float format, and `worst`, `expected` and
`sample` do the same for whole arrays.

Conventions
-----------
An input is exactly the float given. A parameter is the value given, in the format of the
input: a Python number, like a default, is first rounded to that format, as NumPy does.

At a kink a derivative takes the value the catalogue states, which is always that of one
branch; the entry's comment says which. The second derivative is 0 at the kinks of a
piecewise linear function, and elsewhere that of the same branch as the first. A
parameter derivative belongs to the branch that gives the value.

At an infinity every form is its limit, with the sign of a zero that the function has on
its way there: ``silu(-inf)`` is -0.0. `signed_zero` says where the sign of a zero is
settled and where either will do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple, TypeAlias

import mpmath  # type: ignore[import-untyped,unused-ignore]
import numpy as np
from mpmath.libmp import from_man_exp  # type: ignore[import-untyped,unused-ignore]
from numpy.typing import ArrayLike, DTypeLike, NDArray


def _if_installed(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        return None


flint, ml_dtypes = _if_installed("flint"), _if_installed("ml_dtypes")

__all__ = [
    "FORMATS",
    "FORMULAS",
    "LIBRARIES",
    "Formula",
    "Parameter",
    "borders",
    "exact",
    "expected",
    "forms",
    "kinks",
    "rounded",
    "sample",
    "signed_zero",
    "ulp_error",
    "worst",
]

Number: TypeAlias = Any
"""What a formula computes with: an arb ball, an mpmath number or an int."""

Exact: TypeAlias = Any
"""An exact value: an ``mpf``, or a float where it is nan, an infinity or a zero."""

Function: TypeAlias = Callable[..., Number]
"""A formula of one form: ``(mathematics, x, *parameters) -> Number``."""

nan, inf = math.nan, math.inf


# The two number libraries -----------------------------------------------------------


class Arb:
    """The mathematics of formulas on python-flint's balls."""

    proven = True  # an enclosure's accuracy is a proven bound

    def __init__(self) -> None:
        ball = flint.arb
        self.number, self.pi = ball, ball.pi
        self.exp, self.expm1 = ball.exp, ball.expm1
        self.log, self.log1p = ball.log, ball.log1p
        self.erf, self.erfc, self.sqrt = ball.erf, ball.erfc, ball.sqrt
        self.sinh, self.tanh = ball.sinh, ball.tanh

    def erfc_of_root(self, x: Number) -> Number:
        """Return erfc(sqrt(x)) for an exact x."""
        if x < 1000:
            return x.sqrt().erfc()
        # erfc bounds the effect of an inexact sqrt(x) too roughly to be of use here
        return x.gamma_upper(self.number(1) / 2) / self.pi().sqrt()

    @property
    def precision(self) -> int:
        """Working precision in bits."""
        return int(flint.ctx.prec)

    @precision.setter
    def precision(self, bits: int) -> None:
        flint.ctx.prec = bits

    def enclosure(self, function: Function, arguments: list[Number]) -> Enclosure:
        """Evaluate a formula at the present precision."""
        ball = function(self, *arguments)
        if not isinstance(ball, flint.arb):
            return of_constant(ball)
        accuracy = ball.rel_accuracy_bits()
        if accuracy <= 0:
            return Enclosure(0, 0, 0)
        if not ball.is_finite():
            return of_constant(float(ball))
        mantissa, exponent = ball.mid().man_exp()
        return Enclosure(int(mantissa), int(exponent), None if ball.is_exact() else accuracy)


class Mpmath:
    """The mathematics of formulas on mpmath's numbers."""

    proven = False

    def __init__(self) -> None:
        context = self.context = mpmath.MPContext()
        self.number = context.convert
        self.expm1, self.log, self.log1p = context.expm1, context.log, context.log1p
        self.erf, self.erfc, self.sqrt = context.erf, context.erfc, context.sqrt
        self.sinh, self.tanh = context.sinh, context.tanh

    def pi(self) -> Number:
        """Return pi."""
        return +self.context.pi

    def exp(self, x: Number) -> Number:
        """Return e^x."""
        context, size = self.context, self.context.mag(x) if x else 0
        if size < 64:
            return context.exp(x)
        # mpmath takes e to an integer power here, for minutes
        with context.workprec(self.precision + size):
            power = context.floor(x / context.ln2)
            rest = x - power * context.ln2
        return context.ldexp(context.exp(rest), int(power))

    def erfc_of_root(self, x: Number) -> Number:
        """Return erfc(sqrt(x)) for an exact x."""
        if x < self.precision:
            return self.erfc(self.sqrt(x))
        # where mpmath's erfc fails for large x, and the asymptotic series is good enough
        term = total = self.number(1)
        for n in range(self.precision):
            term *= -(2 * n + 1) / (2 * x)
            total += term
            if self.context.mag(term) < -self.precision:
                break
        return self.exp(-x) / self.sqrt(self.pi() * x) * total

    @property
    def precision(self) -> int:
        """Working precision in bits."""
        return int(self.context.prec)

    @precision.setter
    def precision(self, bits: int) -> None:
        self.context.prec = bits

    def enclosure(self, function: Function, arguments: list[Number]) -> Enclosure:
        """Evaluate a formula at the present precision and at twice that."""
        bits = self.precision
        coarse = function(self, *arguments)
        if not hasattr(coarse, "_mpf_"):
            return of_constant(coarse)
        try:
            self.precision = 2 * bits
            fine = function(self, *arguments)
            difference = abs(fine - coarse)
        finally:
            self.precision = bits
        if not self.context.isfinite(fine):
            return of_constant(float(fine))
        sign, mantissa, exponent, length = fine._mpf_
        accuracy = 2 * bits - 20
        if difference:
            _, _, low, width = difference._mpf_
            accuracy = min(accuracy, exponent + length - low - width)
        accuracy = max(accuracy, 0) if mantissa else 0
        return Enclosure(-int(mantissa) if sign else int(mantissa), exponent, accuracy)


class Enclosure(NamedTuple):
    """The number ``mantissa * 2**exponent`` and what is known of its error.

    ``accuracy`` is the number of bits that are right, relative to the number itself, None
    if it is exact. ``special`` is set instead for a nan or an infinity.
    """

    mantissa: int
    exponent: int
    accuracy: int | None
    special: float | None = None


def of_constant(constant: float) -> Enclosure:
    """Return the enclosure of a number a formula gives without computing: 0, 1, nan, inf."""
    if isinstance(constant, int):
        return Enclosure(constant, 0, None)
    if math.isfinite(constant):
        raise TypeError(f"a formula must not give the float {constant!r}")
    return Enclosure(0, 0, None, constant)


LIBRARIES: dict[str, Any] = {"mpmath": Mpmath()}
"""The number libraries at hand; the first is used unless another is named."""

if flint is not None:
    LIBRARIES = {"arb": Arb(), **LIBRARIES}


# What formulas are made of ----------------------------------------------------------
# Each is an identity chosen so that nothing overflows and few leading bits cancel. That
# saves time only: bits that do cancel are made up for by precision.


def sigmoid(m: Any, x: Number) -> Number:
    """Return 1 / (1 + e^-x)."""
    if x >= 0:
        return 1 / (1 + m.exp(-x))
    e = m.exp(x)
    return e / (1 + e)


def sigmoid_slope(m: Any, x: Number) -> Number:
    """Return sigmoid'(x) = sigmoid(x) sigmoid(-x)."""
    e = m.exp(-abs(x))
    return e / (1 + e) ** 2


def softplus(m: Any, x: Number) -> Number:
    """Return log(1 + e^x)."""
    return max(x, 0) + m.log1p(m.exp(-abs(x)))


def sech_squared(m: Any, x: Number) -> Number:
    """Return tanh'(x) = 1 - tanh(x)^2."""
    return 4 * sigmoid_slope(m, 2 * x)


def normal_cdf(m: Any, x: Number) -> Number:
    """Return Phi(x) = erfc(-x / sqrt(2)) / 2."""
    tail = m.erfc_of_root(x * x / 2) / 2
    return tail if x < 0 else 1 - tail


def normal_pdf(m: Any, x: Number) -> Number:
    """Return phi(x) = Phi'(x)."""
    return m.exp(-x * x / 2) / m.sqrt(2 * m.pi())


def clip(x: Number, low: Number, high: Number) -> Number:
    """Return min(max(x, low), high)."""
    return min(max(x, low), high)


def sign(x: Number) -> int:
    """Return -1, 0 or 1."""
    return 1 if x > 0 else -1 if x < 0 else 0


# x sigmoid(v(x)), given v and its derivatives. With s = sigmoid(v) and s' = s (1 - s),
# 1 - 2 s is -tanh(v/2).


def gated(m: Any, x: Number, v: Number) -> Number:
    """Return x sigmoid(v)."""
    return x * sigmoid(m, v)


def gated_derivative(m: Any, x: Number, v: Number, v1: Number) -> Number:
    """Return s + x s' v'."""
    return sigmoid(m, v) + x * v1 * sigmoid_slope(m, v)


def gated_second(m: Any, x: Number, v: Number, v1: Number, v2: Number) -> Number:
    """Return s' (2 v' + x v'' - x v'^2 tanh(v/2))."""
    return sigmoid_slope(m, v) * (2 * v1 + x * v2 - x * v1**2 * m.tanh(v / 2))


def gelu_tanh_gate(m: Any, x: Number) -> tuple[Number, Number, Number]:
    """Return v = 2 sqrt(2/pi) (x + 0.044715 x^3), v' and v'': 1 + tanh(v/2) is 2 sigmoid(v)."""
    scale, cubic = 2 * m.sqrt(2 / m.pi()), m.number(44715) / 10**6
    return (
        scale * (x + cubic * x**3),
        scale * (1 + 3 * cubic * x**2),
        scale * 6 * cubic * x,
    )


def mish_gate(m: Any, x: Number) -> tuple[Number, Number, Number]:
    """Return T = tanh(softplus(x)), T' = (1 - T^2) s and T'' = T' (1 - s - 2 T s).

    With w = e^x, T is ((1 + w)^2 - 1) / ((1 + w)^2 + 1).
    """
    w = m.exp(-abs(x))
    if x < 0:
        above, below = w * (2 + w), 2 + 2 * w + w * w
        decay = (1 + w) / below
    else:  # the same, multiplied by e^-2x
        above, below = 1 + 2 * w, 1 + 2 * w + 2 * w * w
        decay = w * (1 + w) / below
    tanh = above / below
    slope = 4 * decay**2 * sigmoid(m, x)  # 1 - T^2 = (2 decay)^2
    return tanh, slope, slope * (sigmoid(m, -x) - 2 * tanh * sigmoid(m, x))


def mish_derivative(m: Any, x: Number) -> Number:
    """Return T + x T'."""
    t, t1, _ = mish_gate(m, x)
    return t + x * t1


def mish_second(m: Any, x: Number) -> Number:
    """Return 2 T' + x T''."""
    _, t1, t2 = mish_gate(m, x)
    return 2 * t1 + x * t2


@lru_cache(maxsize=64)
def _selu_constants(m: Any, precision: int) -> tuple[Number, Number]:
    del precision  # the key of the cache
    e, pi = m.exp(m.number(1)), m.pi()
    root_e = m.sqrt(e)
    erfc_1 = m.erfc(1 / m.sqrt(m.number(2)))
    erfc_2 = m.erfc(m.sqrt(m.number(2)))
    alpha = -m.sqrt(2 / pi) / (erfc_1 * root_e - 1)
    scale = (
        (1 - erfc_1 * root_e)
        * m.sqrt(2 * pi)
        / m.sqrt(2 * erfc_2 * e**2 + pi * erfc_1**2 * e - 2 * (2 + pi) * erfc_1 * root_e + pi + 2)
    )
    return scale, alpha


def selu_constants(m: Any) -> tuple[Number, Number]:
    """Return lambda and alpha: with them (mean, variance) = (0, 1) is a fixed point.

    Source: Klambauer et al., Self-Normalizing Neural Networks, 2017, equation 14.
    """
    return _selu_constants(m, m.precision)


def selu_branch(m: Any, x: Number, left: Function, right: Number) -> Number:
    """Return lambda right for x > 0, and lambda left(alpha) elsewhere."""
    scale, alpha = selu_constants(m)
    return scale * (right if x > 0 else left(alpha))


def selu_from_output(m: Any, y: Number) -> Number:
    """Return selu' from y = selu(x)."""
    scale, alpha = selu_constants(m)
    return scale if y > 0 else y + scale * alpha


def squareplus_root(m: Any, x: Number, b: Number) -> Number:
    """Return sqrt(x^2 + b)."""
    return m.sqrt(x * x + b)


def squareplus(m: Any, x: Number, b: Number) -> Number:
    """Return (x + sqrt(x^2 + b)) / 2, which is b / (2 (sqrt(x^2 + b) - x))."""
    root = squareplus_root(m, x, b)
    return (x + root) / 2 if x >= 0 else b / (root - x) / 2


def log_cosh(m: Any, x: Number) -> Number:
    """Return log cosh x, by cosh x = 1 + 2 sinh(x/2)^2 or e^|x| (1 + e^-2|x|) / 2."""
    if abs(x) < 1:
        return m.log1p(2 * m.sinh(x / 2) ** 2)
    return abs(x) + m.log1p(m.exp(-2 * abs(x))) - m.log(m.number(2))


def tanh_shrink(m: Any, x: Number) -> Number:
    """Return x - tanh x.

    Where tanh x is 1 - 2^-3000 it is taken to be that: x - tanh x keeps more than 3000
    right bits, and lies on the right side of x - 1, which may be halfway between floats.
    """
    return x - m.tanh(clip(x, m.number(-1100), m.number(1100)))


def in_unit_interval(at_zero: float, at_one: float, inside: Function) -> Function:
    """Return a function on (0, 1), with its limits at both ends, and nan outside."""

    def function(m: Any, p: Number) -> Number:
        if p == 0:
            return at_zero
        if p == 1:
            return at_one
        return inside(m, p) if 0 < p < 1 else nan

    return function


# The activations --------------------------------------------------------------------


class Parameter(NamedTuple):
    """A parameter of an activation.

    Attributes
    ----------
    derivative : callable
        df/dparameter.
    default : float, optional
        None if the caller must give it.
    example : float
        What `sample` takes where there is no default.
    """

    derivative: Function
    default: float | None = None
    example: float = 1.0


@dataclass(frozen=True)
class Formula:
    """One activation: every form of it, as an explicit formula.

    Attributes
    ----------
    value, derivative, second_derivative : callable
        f, f' and f'', called with the mathematics, x and the parameters.
    parameters : mapping of str to Parameter
        In the order in which they follow x.
    from_output : callable, optional
        f' as a function of y = f(x) and the parameters.
    from_output_needs_positive : bool
        f has an inverse, and so `from_output` a meaning, for a positive parameter only.
    kinks : callable
        The x at which a derivative jumps, given the parameters.
    domain : tuple of float
        Where f is not nan.
    """

    value: Function
    derivative: Function
    second_derivative: Function
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    from_output: Function | None = None
    from_output_needs_positive: bool = False
    kinks: Callable[..., tuple[float, ...]] = lambda *parameters: ()
    domain: tuple[float, float] = (-inf, inf)


FORMULAS: dict[str, Formula] = {
    "identity": Formula(
        value=lambda m, x: x,
        derivative=lambda m, x: 1,
        second_derivative=lambda m, x: 0,
        from_output=lambda m, y: 1,
    ),
    "sigmoid": Formula(
        value=sigmoid,
        derivative=sigmoid_slope,
        second_derivative=lambda m, x: -sigmoid_slope(m, x) * m.tanh(x / 2),
        from_output=lambda m, y: y * (1 - y),
    ),
    "log_sigmoid": Formula(
        value=lambda m, x: -softplus(m, -x),
        derivative=lambda m, x: sigmoid(m, -x),
        second_derivative=lambda m, x: -sigmoid_slope(m, x),
        from_output=lambda m, y: -m.expm1(y),
    ),
    "tanh": Formula(
        value=lambda m, x: m.tanh(x),
        derivative=sech_squared,
        second_derivative=lambda m, x: -2 * m.tanh(x) * sech_squared(m, x),
        from_output=lambda m, y: (1 - y) * (1 + y),
    ),
    # f'(0) = 0, of the left branch
    "relu": Formula(
        value=lambda m, x: max(x, 0),
        derivative=lambda m, x: 1 if x > 0 else 0,
        second_derivative=lambda m, x: 0,
        from_output=lambda m, y: 1 if y > 0 else 0,
        kinks=lambda: (0.0,),
    ),
    # f'(0) = f'(6) = 0, of the constant branches
    "relu6": Formula(
        value=lambda m, x: clip(x, 0, 6),
        derivative=lambda m, x: 1 if 0 < x < 6 else 0,
        second_derivative=lambda m, x: 0,
        from_output=lambda m, y: 1 if 0 < y < 6 else 0,
        kinks=lambda: (0.0, 6.0),
    ),
    # f''(0) = 0, of the left branch
    "relu_squared": Formula(
        value=lambda m, x: max(x, 0) ** 2,
        derivative=lambda m, x: 2 * max(x, 0),
        second_derivative=lambda m, x: 2 if x > 0 else 0,
        from_output=lambda m, y: 2 * m.sqrt(y) if y > 0 else 0,
        kinks=lambda: (0.0,),
    ),
    # f'(0) = 1, of the right branch; df/da = 0 at 0 of either
    "leaky_relu": Formula(
        value=lambda m, x, a: x if x >= 0 else a * x,
        derivative=lambda m, x, a: 1 if x >= 0 else a,
        second_derivative=lambda m, x, a: 0,
        parameters={"negative_slope": Parameter(lambda m, x, a: min(x, 0), 0.01)},
        from_output=lambda m, y, a: 1 if y >= 0 else a,
        from_output_needs_positive=True,
        kinks=lambda a: (0.0,),
    ),
    # as leaky_relu
    "prelu": Formula(
        value=lambda m, x, a: x if x >= 0 else a * x,
        derivative=lambda m, x, a: 1 if x >= 0 else a,
        second_derivative=lambda m, x, a: 0,
        parameters={"a": Parameter(lambda m, x, a: min(x, 0), example=0.25)},
        from_output=lambda m, y, a: 1 if y >= 0 else a,
        from_output_needs_positive=True,
        kinks=lambda a: (0.0,),
    ),
    # f'(t) = 0, of the left branch; df/dt = 0 there too, though f jumps
    "threshold": Formula(
        value=lambda m, x, t, v: x if x > t else v,
        derivative=lambda m, x, t, v: 1 if x > t else 0,
        second_derivative=lambda m, x, t, v: 0,
        parameters={
            "threshold": Parameter(lambda m, x, t, v: 0, example=0.1),
            "value": Parameter(lambda m, x, t, v: 0 if x > t else 1, example=20.0),
        },
        kinks=lambda t, v: (t,),
    ),
    # f'(0) = f''(0) = alpha and df/dalpha = 0, of the left branch
    "elu": Formula(
        value=lambda m, x, alpha: x if x > 0 else alpha * m.expm1(x),
        derivative=lambda m, x, alpha: 1 if x > 0 else alpha * m.exp(x),
        second_derivative=lambda m, x, alpha: 0 if x > 0 else alpha * m.exp(x),
        parameters={
            "alpha": Parameter(lambda m, x, alpha: 0 if x > 0 else m.expm1(x), 1.0),
        },
        from_output=lambda m, y, alpha: 1 if y > 0 else y + alpha,
        from_output_needs_positive=True,
        kinks=lambda alpha: (0.0,),
    ),
    # f'(0) = f''(0) = lambda alpha, of the left branch
    "selu": Formula(
        value=lambda m, x: selu_branch(m, x, lambda a: a * m.expm1(x), x),
        derivative=lambda m, x: selu_branch(m, x, lambda a: a * m.exp(x), 1),
        second_derivative=lambda m, x: selu_branch(m, x, lambda a: a * m.exp(x), 0),
        from_output=lambda m, y: selu_from_output(m, y),
        kinks=lambda: (0.0,),
    ),
    # f'(0) = 1 of both branches; f''(0) = 1/alpha and df/dalpha = 0, of the left
    "celu": Formula(
        value=lambda m, x, alpha: x if x > 0 else alpha * m.expm1(x / alpha),
        derivative=lambda m, x, alpha: 1 if x > 0 else m.exp(x / alpha),
        second_derivative=lambda m, x, alpha: 0 if x > 0 else m.exp(x / alpha) / alpha,
        parameters={
            "alpha": Parameter(
                lambda m, x, alpha: (
                    0 if x > 0 else m.expm1(x / alpha) - x / alpha * m.exp(x / alpha)
                ),
                1.0,
            ),
        },
        from_output=lambda m, y, alpha: 1 if y > 0 else 1 + y / alpha,
        from_output_needs_positive=True,
        kinks=lambda alpha: (0.0,),
    ),
    # with t = beta x: df/dbeta = (t sigmoid(t) - softplus(t)) / beta^2, even in t
    "softplus": Formula(
        value=lambda m, x, beta: softplus(m, beta * x) / beta,
        derivative=lambda m, x, beta: sigmoid(m, beta * x),
        second_derivative=lambda m, x, beta: beta * sigmoid_slope(m, beta * x),
        parameters={
            "beta": Parameter(
                lambda m, x, beta: (
                    -(abs(beta * x) * sigmoid(m, -abs(beta * x)) + softplus(m, -abs(beta * x)))
                    / beta**2
                ),
                1.0,
            ),
        },
        from_output=lambda m, y, beta: -m.expm1(-beta * y),
    ),
    # f''(0) = 0, between -2 and 2
    "softsign": Formula(
        value=lambda m, x: x / (1 + abs(x)),
        derivative=lambda m, x: 1 / (1 + abs(x)) ** 2,
        second_derivative=lambda m, x: -2 * sign(x) / (1 + abs(x)) ** 3,
        from_output=lambda m, y: (1 - abs(y)) ** 2,
        kinks=lambda: (0.0,),
    ),
    # f' = (1 + x / sqrt(x^2 + b)) / 2 = f / sqrt(x^2 + b), and sqrt(x^2 + b) is y + b/4y
    "squareplus": Formula(
        value=squareplus,
        derivative=lambda m, x, b: squareplus(m, x, b) / squareplus_root(m, x, b),
        second_derivative=lambda m, x, b: b / (2 * squareplus_root(m, x, b) ** 3),
        parameters={
            "b": Parameter(lambda m, x, b: 1 / (4 * squareplus_root(m, x, b)), 4.0),
        },
        from_output=lambda m, y, b: 4 * y**2 / (4 * y**2 + b),
        from_output_needs_positive=True,
    ),
    "gelu": Formula(
        value=lambda m, x: x * normal_cdf(m, x),
        derivative=lambda m, x: normal_cdf(m, x) + x * normal_pdf(m, x),
        second_derivative=lambda m, x: (2 - x * x) * normal_pdf(m, x),
    ),
    "gelu_tanh": Formula(
        value=lambda m, x: gated(m, x, *gelu_tanh_gate(m, x)[:1]),
        derivative=lambda m, x: gated_derivative(m, x, *gelu_tanh_gate(m, x)[:2]),
        second_derivative=lambda m, x: gated_second(m, x, *gelu_tanh_gate(m, x)),
    ),
    # 1.702 as the exact fraction
    "gelu_sigmoid": Formula(
        value=lambda m, x: gated(m, x, 851 * x / 500),
        derivative=lambda m, x: gated_derivative(m, x, 851 * x / 500, m.number(851) / 500),
        second_derivative=lambda m, x: gated_second(m, x, 851 * x / 500, m.number(851) / 500, 0),
    ),
    "silu": Formula(
        value=lambda m, x: gated(m, x, x),
        derivative=lambda m, x: gated_derivative(m, x, x, 1),
        second_derivative=lambda m, x: gated_second(m, x, x, 1, 0),
    ),
    "swish": Formula(
        value=lambda m, x, beta: gated(m, x, beta * x),
        derivative=lambda m, x, beta: gated_derivative(m, x, beta * x, beta),
        second_derivative=lambda m, x, beta: gated_second(m, x, beta * x, beta, 0),
        parameters={
            "beta": Parameter(lambda m, x, beta: x**2 * sigmoid_slope(m, beta * x), 1.0),
        },
    ),
    "mish": Formula(
        value=lambda m, x: x * mish_gate(m, x)[0],
        derivative=mish_derivative,
        second_derivative=mish_second,
    ),
    # f'(-3) = f'(3) = 0, of the constant branches
    "hard_sigmoid": Formula(
        value=lambda m, x: clip((x + 3) / 6, 0, 1),
        derivative=lambda m, x: m.number(1) / 6 if -3 < x < 3 else 0,
        second_derivative=lambda m, x: 0,
        from_output=lambda m, y: m.number(1) / 6 if 0 < y < 1 else 0,
        kinks=lambda: (-3.0, 3.0),
    ),
    # f'(-3) = 0, f'(3) = 1 and f''(-3) = f''(3) = 0, of the linear branches
    "hard_swish": Formula(
        value=lambda m, x: x * clip((x + 3) / 6, 0, 1),
        derivative=lambda m, x: 0 if x <= -3 else 1 if x >= 3 else (2 * x + 3) / 6,
        second_derivative=lambda m, x: m.number(1) / 3 if -3 < x < 3 else 0,
        kinks=lambda: (-3.0, 3.0),
    ),
    # f' = 0 at both ends, of the constant branches; so df/dend = 1 there
    "hard_tanh": Formula(
        value=lambda m, x, low, high: clip(x, low, high),
        derivative=lambda m, x, low, high: 1 if low < x < high else 0,
        second_derivative=lambda m, x, low, high: 0,
        parameters={
            "min_value": Parameter(lambda m, x, low, high: 1 if x <= low < high else 0, -1.0),
            "max_value": Parameter(lambda m, x, low, high: 1 if max(x, low) >= high else 0, 1.0),
        },
        from_output=lambda m, y, low, high: 1 if low < y < high else 0,
        kinks=lambda low, high: (low, high),
    ),
    "tanh_shrink": Formula(
        value=tanh_shrink,
        derivative=lambda m, x: m.tanh(x) ** 2,
        second_derivative=lambda m, x: 2 * m.tanh(x) * sech_squared(m, x),
    ),
    # f' = 0 and df/dlambd = 0 at both kinks, of the middle branch
    "soft_shrink": Formula(
        value=lambda m, x, lambd: sign(x) * max(abs(x) - lambd, 0),
        derivative=lambda m, x, lambd: 1 if abs(x) > lambd else 0,
        second_derivative=lambda m, x, lambd: 0,
        parameters={
            "lambd": Parameter(lambda m, x, lambd: -sign(x) if abs(x) > lambd else 0, 0.5),
        },
        from_output=lambda m, y, lambd: 1 if y != 0 else 0,
        kinks=lambda lambd: (-lambd, lambd),
    ),
    # f' = 0 at both kinks, of the middle branch; df/dlambd = 0 there too, though f jumps
    "hard_shrink": Formula(
        value=lambda m, x, lambd: x if abs(x) > lambd else 0,
        derivative=lambda m, x, lambd: 1 if abs(x) > lambd else 0,
        second_derivative=lambda m, x, lambd: 0,
        parameters={"lambd": Parameter(lambda m, x, lambd: 0, 0.5)},
        from_output=lambda m, y, lambd: 1 if y != 0 else 0,
        kinks=lambda lambd: (-lambd, lambd),
    ),
    # f'' = 1/2 on the open (-1, 1) and 0 elsewhere, so f''(-1) = f''(1) = 0
    "sparse_plus": Formula(
        value=lambda m, x: 0 if x <= -1 else x if x >= 1 else (x + 1) ** 2 / 4,
        derivative=lambda m, x: clip((x + 1) / 2, 0, 1),
        second_derivative=lambda m, x: m.number(1) / 2 if -1 < x < 1 else 0,
        from_output=lambda m, y: 0 if y <= 0 else 1 if y >= 1 else m.sqrt(y),
        kinks=lambda: (-1.0, 1.0),
    ),
    # f'(-1) = f'(1) = 0, of the constant branches
    "sparse_sigmoid": Formula(
        value=lambda m, x: clip((x + 1) / 2, 0, 1),
        derivative=lambda m, x: m.number(1) / 2 if -1 < x < 1 else 0,
        second_derivative=lambda m, x: 0,
        from_output=lambda m, y: m.number(1) / 2 if 0 < y < 1 else 0,
        kinks=lambda: (-1.0, 1.0),
    ),
    "lisht": Formula(
        value=lambda m, x: x * m.tanh(x),
        derivative=lambda m, x: m.tanh(x) + x * sech_squared(m, x),
        second_derivative=lambda m, x: 2 * sech_squared(m, x) * (1 - x * m.tanh(x)),
    ),
    "log_cosh": Formula(
        value=log_cosh,
        derivative=lambda m, x: m.tanh(x),
        second_derivative=sech_squared,
    ),
    "exp": Formula(
        value=lambda m, x: m.exp(x),
        derivative=lambda m, x: m.exp(x),
        second_derivative=lambda m, x: m.exp(x),
        from_output=lambda m, y: y,
    ),
    "erf": Formula(
        value=lambda m, x: m.erf(x),
        derivative=lambda m, x: 2 / m.sqrt(m.pi()) * m.exp(-x * x),
        second_derivative=lambda m, x: -4 * x / m.sqrt(m.pi()) * m.exp(-x * x),
    ),
    # the limits at 0 and at 1 are those from within (0, 1), whatever the sign of 0
    "logit": Formula(
        value=in_unit_interval(-inf, inf, lambda m, p: m.log(p / (1 - p))),
        derivative=in_unit_interval(inf, inf, lambda m, p: 1 / (p * (1 - p))),
        second_derivative=in_unit_interval(
            -inf, inf, lambda m, p: (2 * p - 1) / (p * (1 - p)) ** 2
        ),
        kinks=lambda: (0.0, 1.0),
        domain=(0.0, 1.0),
    ),
}


PARAMETER = "parameter_derivative:"


def forms(name: str) -> tuple[str, ...]:
    """Return the forms an activation has, as `exact` names them.

    Parameters
    ----------
    name : str
        A key of `FORMULAS`.

    Returns
    -------
    tuple of str
        ``"value"``, ``"derivative"``, ``"second_derivative"``, one
        ``"parameter_derivative:<parameter>"`` for each parameter, and
        ``"derivative_from_output"`` where the derivative is a function of the output.

    Examples
    --------
    >>> forms("swish")
    ('value', 'derivative', 'second_derivative', 'parameter_derivative:beta')
    """
    formula = FORMULAS[name]
    return (
        "value",
        "derivative",
        "second_derivative",
        *(PARAMETER + parameter for parameter in formula.parameters),
        *(("derivative_from_output",) if formula.from_output else ()),
    )


def _function(name: str, form: str) -> Function:
    formula = FORMULAS[name]
    if form not in forms(name):
        raise ValueError(f"{name} has no form {form!r}; it has {', '.join(forms(name))}")
    if form == "derivative_from_output":
        assert formula.from_output is not None
        return formula.from_output
    if form.startswith(PARAMETER):
        return formula.parameters[form.removeprefix(PARAMETER)].derivative
    function: Function = getattr(formula, form)
    return function


# Float formats ----------------------------------------------------------------------


class Format(NamedTuple):
    """A binary float format.

    Attributes
    ----------
    name : str
        NumPy's name of the dtype.
    precision : int
        Bits of the significand, the hidden one included.
    lowest : int
        Exponent of the smallest subnormal.
    highest : int
        Exponent of the binade of the largest number.
    """

    name: str
    precision: int
    lowest: int
    highest: int

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return math.ldexp(2.0 - 2.0 ** (1 - self.precision), self.highest)

    @property
    def smallest(self) -> float:
        """The smallest positive number, a subnormal."""
        return math.ldexp(1.0, self.lowest)

    @property
    def smallest_normal(self) -> float:
        """The smallest positive number of full precision."""
        return math.ldexp(1.0, self.lowest + self.precision - 1)


FORMATS: dict[str, Format] = {
    "float16": Format("float16", 11, -24, 15),
    "bfloat16": Format("bfloat16", 8, -133, 127),
    "float32": Format("float32", 24, -149, 127),
    "float64": Format("float64", 53, -1074, 1023),
}
"""The formats promises are made for, by the name of their dtype."""

FLOAT64 = FORMATS["float64"]


def _format(dtype: Any) -> Format:
    named = isinstance(dtype, str) and dtype in FORMATS
    name = dtype if named else np.dtype(dtype).name
    if name not in FORMATS:
        raise TypeError(f"no format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name]


def _format_of(x: Any) -> Format:
    """Return the format of a NumPy scalar or array, float64 for anything else."""
    return _format(x.dtype) if isinstance(x, np.generic | np.ndarray) else FLOAT64


def _dtype(form: Format) -> np.dtype[Any]:
    if form.name == "bfloat16" and ml_dtypes is None:
        raise TypeError("arrays of bfloat16 need ml_dtypes, which is not installed")
    return np.dtype(form.name)


Dyadic: TypeAlias = tuple[int, int]
"""The number ``mantissa * 2**exponent``, mantissa not 0."""


def _dyadic(value: Any) -> Dyadic | float:
    """Return a number as mantissa and exponent, or as a float if special or zero."""
    if hasattr(value, "_mpf_"):
        negative, mantissa, exponent, _ = value._mpf_
        if mantissa:
            return (-int(mantissa) if negative else int(mantissa)), int(exponent)
        return float(value)
    if isinstance(value, Fraction) and value.denominator & (value.denominator - 1):
        # 300 bits, the last of them set since bits follow: it rounds as the fraction does
        shift = 300 - value.numerator.bit_length() + value.denominator.bit_length()
        scaled = abs(value) * Fraction(2) ** shift
        mantissa = (scaled.numerator // scaled.denominator) | 1
        return (mantissa if value > 0 else -mantissa), -shift
    if not isinstance(value, int | Fraction):
        number = float(value)
        if not math.isfinite(number) or number == 0:
            return number
        value = Fraction(number)
    numerator, denominator = int(value.numerator), int(value.denominator)
    return (numerator, 1 - denominator.bit_length()) if numerator else 0.0


def _top(mantissa: int, exponent: int) -> int:
    """Return the exponent of the binade of a number."""
    return exponent + mantissa.bit_length() - 1


def _signed(magnitude: float, mantissa: int) -> float:
    return -magnitude if mantissa < 0 else magnitude


def _nearest(value: Dyadic | float, form: Format) -> float:
    """Round to the nearest number of a format, the even one of two."""
    if isinstance(value, float):
        return value
    mantissa, exponent = value
    top = _top(mantissa, exponent)
    if top > form.highest:
        return _signed(inf, mantissa)
    if top < form.lowest - 1:
        return _signed(0.0, mantissa)
    unit = max(top - form.precision + 1, form.lowest)
    shift = unit - exponent
    if shift <= 0:
        return math.ldexp(mantissa, exponent)
    count = abs(mantissa) >> shift
    rest = abs(mantissa) - (count << shift)
    half = 1 << (shift - 1)
    count += rest > half or (rest == half and count & 1)
    if count and _top(count, unit) > form.highest:
        return _signed(inf, mantissa)
    return _signed(math.ldexp(count, unit), mantissa)


def rounded(value: Exact | Fraction, dtype: DTypeLike | str) -> Any:
    """Round an exact value correctly: to nearest, ties to even.

    Subnormals are rounded once, to their own unit; what lies beyond the largest number by
    half a unit or more is an infinity.

    Parameters
    ----------
    value : mpf, float, int or Fraction
        The exact value. A float is taken as it is, the sign of a zero included.
    dtype : dtype_like
        float16, bfloat16 (also by that name), float32 or float64.

    Returns
    -------
    numpy scalar
        Of the dtype. Without ml_dtypes a bfloat16 is given as its bits, a ``uint16``.

    Examples
    --------
    >>> rounded(Fraction(1, 3), "float16")
    np.float16(0.3333)
    """
    form = _format(dtype)
    number = _nearest(_dyadic(value), form)
    if form.name == "bfloat16" and ml_dtypes is None:
        return np.uint16(int(np.float32(number).view(np.uint32)) >> 16)
    return _dtype(form).type(number)


def ulp_error(got: Any, exact_value: Exact | Fraction, dtype: DTypeLike | str) -> float:
    """Return the distance of a result from the exact value in units in the last place.

    The unit is that of the binade the exact value lies in, at least the smallest
    subnormal and at most the unit of the largest number.

    Parameters
    ----------
    got : float or numpy scalar
        The result to judge; as a ``uint16`` with the dtype bfloat16, its bits.
    exact_value : mpf, float, int or Fraction
        What `exact` gives.
    dtype : dtype_like
        The format of the result.

    Returns
    -------
    float
        0 for nan where nan is exact, and for an infinity where the exact value is that
        infinity or rounds to it. Infinite where only one of them is nan or only one is
        infinite; except that an infinity in place of a number of the last binade counts as
        the power of two after it. Signs of zeros do not matter here: see `signed_zero`.

    Examples
    --------
    >>> ulp_error(1.0, Fraction(1) + Fraction(1, 2**54), "float64")
    0.25
    """
    if isinstance(got, np.uint16):
        got = np.array(int(got) << 16, np.uint32).view(np.float32)
    return _ulp_error(float(got), _dyadic(exact_value), _format(dtype))


def _ulp_error(got: float, value: Dyadic | float, form: Format) -> float:
    if isinstance(value, float):
        if not math.isfinite(value) or not math.isfinite(got):
            same = got == value or (math.isnan(got) and math.isnan(value))
            return 0.0 if same else inf
        try:
            return math.ldexp(abs(got), -form.lowest)  # exactly zero
        except OverflowError:
            return inf
    if math.isnan(got):
        return inf
    mantissa, exponent = value
    top = _top(mantissa, exponent)
    if math.isinf(got):
        if (got > 0) != (mantissa > 0) or top < form.highest:
            return inf
        if math.isinf(_nearest(value, form)):
            return 0.0
        numerator, denominator = (1 if got > 0 else -1) << (form.highest + 1), 1
    elif top > form.highest + 1:
        return inf
    else:
        numerator, denominator = got.as_integer_ratio()
    unit = min(max(top, form.lowest + form.precision - 1), form.highest)
    unit -= form.precision - 1
    if top < unit - 128:
        mantissa, exponent = 0, unit
    low = min(exponent, 1 - denominator.bit_length())
    difference = abs(
        (numerator << (1 - denominator.bit_length() - low)) - (mantissa << (exponent - low))
    )
    spare = max(difference.bit_length() - 64, 0)
    try:
        return math.ldexp(difference >> spare, low + spare - unit)
    except OverflowError:
        return inf


# Exact values -----------------------------------------------------------------------

EXACT = mpmath.MPContext()
EXACT.prec = 400  # of what is computed from exact values; they themselves keep all bits

RIGHT_BITS = 150
FIRST_PRECISION = 192
LAST_PRECISION = FIRST_PRECISION << 6
FAR = 2600  # 2**FAR is as good as infinity: see `_limit`


def _halfway(enclosure: Enclosure, form: Format) -> bool:
    """Whether an inexact number cannot be told from one halfway between two floats."""
    mantissa, exponent = abs(enclosure.mantissa), enclosure.exponent
    assert enclosure.accuracy is not None
    unit = max(_top(mantissa, exponent) - form.precision, form.lowest - 1)
    shift = unit - exponent
    if shift <= 0:
        return shift == 0 and mantissa & 1 == 1
    if shift > mantissa.bit_length():
        return False  # less than half of the smallest number
    count = (mantissa + (1 << (shift - 1))) >> shift
    distance = abs(mantissa - (count << shift))
    # two bits more than the accuracy, which is itself rounded
    error_bits = mantissa.bit_length() - enclosure.accuracy + 2
    return count & 1 == 1 and (distance == 0 or distance.bit_length() <= error_bits)


def _solve(
    function: Function,
    arguments: tuple[Any, ...],
    library: str | None,
    form: Format = FLOAT64,
    right_bits: int = RIGHT_BITS,
) -> Dyadic | float:
    """Evaluate a formula with rising precision until the answer is settled.

    It is settled when `right_bits` are right and it is clear to which number of the format
    it rounds. A value indistinguishable from a halfway point at the last precision is
    taken to be that point.
    """
    m = next(iter(LIBRARIES.values())) if library is None else LIBRARIES[library]
    numbers = [m.number(argument) for argument in arguments]
    before = m.precision
    precision = FIRST_PRECISION
    while precision < right_bits + 40:
        precision *= 2
    try:
        while True:
            m.precision = precision
            enclosure: Enclosure = m.enclosure(function, numbers)
            mantissa, exponent, accuracy, special = enclosure
            last = 2 * precision > LAST_PRECISION
            if special is not None:
                return special
            if accuracy is None:
                return (mantissa, exponent) if mantissa else 0.0
            if accuracy >= right_bits and (last or not _halfway(enclosure, form)):
                return mantissa, exponent
            if last:
                if not m.proven and mantissa == 0:
                    return 0.0
                raise ArithmeticError(
                    f"no value at {', '.join(map(str, arguments))}: undefined there, or"
                    f" not settled at {precision} bits"
                )
            precision *= 2
    finally:
        m.precision = before


@lru_cache(maxsize=4096)
def _limit(
    name: str,
    form: str,
    sign_of_x: float,
    parameters: tuple[Any, ...],
    library: str | None,
) -> tuple[Dyadic | float, bool]:
    """Return the limit at an infinity, and whether a zero among them has a sign.

    A form that grows or falls without end does so at least as fast as sqrt(x) or 1/x, and
    parameters lie between 2^-1074 and 2^1024: so what is beyond 2^1200 or below 2^-1200 at
    2^2600 goes on to an infinity or to zero, and anything else there is its limit to more
    than 300 bits.
    """
    far = EXACT.ldexp(EXACT.mpf(math.copysign(1.0, sign_of_x)), FAR)
    value = _solve(_function(name, form), (far, *parameters), library, right_bits=340)
    if isinstance(value, float):
        return value, False
    mantissa, exponent = value
    top = _top(mantissa, exponent)
    if abs(top) > 1200:
        return _signed(inf if top > 0 else 0.0, mantissa), True
    shift = max(mantissa.bit_length() - 300, 0)
    if shift:  # 1 - 2^-2600 is 1
        mantissa, exponent = (mantissa + (1 << (shift - 1))) >> shift, exponent + shift
    return (mantissa, exponent), True


def _zero(name: str, form: str, x: float, parameters: tuple[Any, ...]) -> float | None:
    """Return the zero which f(x) = 0 must be, None if either will do."""
    formula = FORMULAS[name]
    if form != "value" or x != 0:
        return None

    def sign_beside(side: float) -> float:
        near = EXACT.ldexp(EXACT.mpf(side), -FAR)
        value = _solve(formula.value, (near, *parameters), None)
        return value if isinstance(value, float) else _signed(1.0, value[0])

    right, left = sign_beside(1.0), sign_beside(-1.0)
    here = left if math.copysign(1.0, x) < 0 else right
    if here == 0 or (left == right and 0 in formula.kinks(*parameters)):
        return None
    return math.copysign(0.0, here)


def _value(
    name: str,
    form: str,
    x: float,
    parameters: tuple[Any, ...],
    format_: Format,
    library: str | None,
) -> tuple[Dyadic | float, bool]:
    """Return a form at x, and whether the sign of a zero is more than a habit."""
    if math.isnan(x) or any(map(math.isnan, parameters)):
        return nan, False
    if (
        form == "derivative_from_output"
        and FORMULAS[name].from_output_needs_positive
        and parameters[0] <= 0
    ):
        raise ValueError(
            f"{name} has an inverse only for a positive parameter, not {parameters[0]}"
        )
    if math.isinf(x):
        return _limit(name, form, x, parameters, library)
    value = _solve(_function(name, form), (x, *parameters), library, format_)
    if isinstance(value, float) and value == 0:
        zero = _zero(name, form, x, parameters)
        return (0.0, False) if zero is None else (zero, True)
    return value, False


def _bind(name: str, parameters: tuple[Any, ...], format_: Format) -> tuple[Any, ...]:
    """Complete parameters by defaults; give Python's numbers the format of x."""
    wanted = FORMULAS[name].parameters
    if len(parameters) > len(wanted):
        raise TypeError(f"{name} takes {len(wanted)} parameters, not {len(parameters)}")
    bound = list(parameters)
    for parameter in list(wanted)[len(parameters) :]:
        default = wanted[parameter].default
        if default is None:
            raise TypeError(f"{name} needs its parameter {parameter}")
        bound.append(default)
    return tuple(
        _nearest(_dyadic(parameter), format_)
        if isinstance(parameter, int | float) and not isinstance(parameter, np.generic)
        else parameter
        for parameter in bound
    )


def _plain(x: Any) -> float:
    """Return a float of any format as a Python float, which holds it exactly."""
    return float(x)


def exact(name: str, form: str, x: Any, *parameters: Any, library: str | None = None) -> Exact:
    """Return a form of an activation at a float, to at least 150 right bits.

    The bits are relative to the value itself, wherever it is: next to a zero, in a tail
    that underflows every format, behind a cancellation. The value also rounds as the true
    one does to the format of `x`, even if it is next to a point halfway between floats.

    Parameters
    ----------
    name : str
        A key of `FORMULAS`.
    form : str
        One of `forms`. ``"parameter_derivative"`` alone will do for a single parameter.
    x : float or numpy scalar
        The input, or the output y for ``"derivative_from_output"``, where nothing is
        promised for a y that is not a value of the function.
    *parameters : float or numpy scalar, optional
        In the order of the catalogue. Those not given take their defaults. A Python number
        and a default are rounded to the format of `x`.
    library : {"arb", "mpmath"}, optional
        The number library; by default the first at hand.

    Returns
    -------
    mpf or float
        An ``mpf`` of a context of 400 bits. A float if it is nan, an infinity or a zero,
        and a float or an ``mpf`` for a finite limit at an infinity.

    Raises
    ------
    KeyError
        There is no such activation.
    ValueError
        It has no such form, or no inverse for the parameter given.
    TypeError
        A parameter is missing or there are too many.
    ArithmeticError
        The form has no value there, as celu with alpha = 0.

    Examples
    --------
    >>> print(EXACT.nstr(exact("sigmoid", "derivative", 1.0), 30))
    0.196611933241481852537424733586
    >>> exact("silu", "value", float("-inf"))
    -0.0
    """
    form = _full(name, form)
    format_ = _format_of(x)
    bound = tuple(map(_plain, _bind(name, parameters, format_)))
    value, _ = _value(name, form, _plain(x), bound, format_, library)
    if isinstance(value, float):
        return value
    number = EXACT.make_mpf(from_man_exp(*value))
    return float(number) if math.isinf(x) and float(number) == number else number


def _full(name: str, form: str) -> str:
    """Complete ``"parameter_derivative"`` where there is one parameter."""
    parameters = FORMULAS[name].parameters
    if form == PARAMETER.rstrip(":") and len(parameters) == 1:
        return PARAMETER + next(iter(parameters))
    _function(name, form)
    return form


def signed_zero(name: str, form: str, x: Any, *parameters: Any) -> tuple[float, ...]:
    """Return the zeros that are right where an exact value is zero.

    - At an infinity: the sign the function has on its way there. Either zero if the
      function is exactly zero there, as relu at -inf.
    - The value at x = +-0.0: the sign the function has beside 0 on the side of that zero:
      ``tanh(-0.0)`` is -0.0 and ``log_cosh(-0.0)`` is 0.0. Either zero if the function is
      exactly zero on that side, as ``relu(-0.0)``, or if it has a kink in 0 without
      changing sign, as leaky_relu with a negative slope.
    - Anywhere else, derivatives at 0 among it: either zero.

    Parameters
    ----------
    name, form, x, *parameters
        As for `exact`.

    Returns
    -------
    tuple of float
        ``(0.0,)``, ``(-0.0,)`` or ``(0.0, -0.0)``; empty if the exact value is not zero. A
        value that underflows is not zero: its sign is that of `rounded`.

    Examples
    --------
    >>> signed_zero("tanh", "value", -0.0)
    (-0.0,)
    >>> signed_zero("relu", "value", -0.0)
    (0.0, -0.0)
    >>> signed_zero("sigmoid", "derivative", 40.0)
    ()
    """
    format_ = _format_of(x)
    bound = tuple(map(_plain, _bind(name, parameters, format_)))
    value, settled = _value(name, _full(name, form), _plain(x), bound, format_, None)
    if value != 0.0:
        return ()
    assert isinstance(value, float)
    return (value,) if settled else (0.0, -0.0)


# Arrays -----------------------------------------------------------------------------


def _points(
    name: str, x: NDArray[Any], parameters: tuple[Any, ...], *others: NDArray[Any]
) -> Iterator[tuple[float, ...]]:
    """Broadcast, and yield the Python floats of each element: x, parameters, others."""
    bound = _bind(name, parameters, _format_of(x))
    arrays = np.broadcast_arrays(x, *bound, *others)
    with np.errstate(all="ignore"):  # a signalling nan
        columns = [array.ravel().astype(np.float64).tolist() for array in arrays]
    return zip(*columns, strict=True)


def expected(name: str, form: str, x_array: ArrayLike, *parameter_arrays: Any) -> NDArray[Any]:
    """Return the correctly rounded results.

    Parameters
    ----------
    name, form : str
        As for `exact`.
    x_array : array_like
        Inputs; their dtype is that of the result.
    *parameter_arrays : array_like, optional
        Broadcast against `x_array`.

    Returns
    -------
    ndarray
        Where either zero will do, it is 0.0.
    """
    x = np.asarray(x_array)
    format_ = _format_of(x)
    form = _full(name, form)
    shape = np.broadcast_shapes(x.shape, *map(np.shape, parameter_arrays))
    results = [
        _nearest(_value(name, form, point[0], point[1:], format_, None)[0], format_)
        for point in _points(name, x, parameter_arrays)
    ]
    return np.array(results, np.float64).astype(x.dtype).reshape(shape)


def worst(
    name: str,
    form: str,
    got_array: ArrayLike,
    x_array: ArrayLike,
    *parameter_arrays: Any,
) -> tuple[float, Any]:
    """Return the largest error of an array of results, and the input it occurs at.

    Parameters
    ----------
    name, form : str
        As for `exact`.
    got_array : array_like
        The results to judge; the unit in the last place is that of their dtype.
    x_array : array_like
        The inputs they are for.
    *parameter_arrays : array_like, optional
        Broadcast against `x_array`.

    Returns
    -------
    max_error : float
        As `ulp_error`; 0 for empty arrays.
    x_at_max : numpy scalar or None
        The first input of that error, in the dtype of `x_array`.
    """
    got, x = np.asarray(got_array), np.asarray(x_array)
    format_, format_of_x = _format_of(got), _format_of(x)
    form = _full(name, form)
    max_error, x_at_max = -1.0, None
    for point in _points(name, x, parameter_arrays, got):
        value, _ = _value(name, form, point[0], point[1:-1], format_of_x, None)
        error = _ulp_error(point[-1], value, format_)
        if error > max_error:
            max_error, x_at_max = error, x.dtype.type(point[0])
    return max(max_error, 0.0), x_at_max


def kinks(name: str, *parameters: Any) -> tuple[float, ...]:
    """Return the inputs at which a derivative of an activation jumps.

    Parameters
    ----------
    name : str
        A key of `FORMULAS`.
    *parameters : float, optional
        As for `exact`.

    Returns
    -------
    tuple of float
        The ends of the domain are among them.
    """
    return FORMULAS[name].kinks(*map(_plain, _bind(name, parameters, FLOAT64)))


# Test inputs ------------------------------------------------------------------------


def _ordinals(array: NDArray[Any]) -> NDArray[np.int64]:
    """Return the places of floats in the order of their format; +-0.0 are at 0."""
    bits = 8 * array.dtype.itemsize
    pattern = array.view(f"i{bits // 8}").astype(np.int64)
    magnitude = pattern & ((1 << (bits - 1)) - 1)
    return np.where(pattern < 0, -magnitude, magnitude)


def _from_ordinals(ordinals: NDArray[np.int64], dtype: np.dtype[Any]) -> NDArray[Any]:
    magnitude = np.abs(ordinals).astype(f"u{dtype.itemsize}")
    array = magnitude.view(dtype)
    return np.where(ordinals < 0, -array, array).astype(dtype)


def _neighbours(
    points: NDArray[Any], offsets: NDArray[np.int64], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Return the floats so many steps from each point, as far as they are finite."""
    limit = int(_ordinals(np.array([_format(dtype).largest]).astype(dtype))[0])
    ordinals = (_ordinals(points)[:, None] + offsets).ravel()
    return _from_ordinals(ordinals[np.abs(ordinals) <= limit], dtype)


def _grid(dtype: np.dtype[Any]) -> NDArray[np.int64]:
    """Ordinals close enough that no border of a form hides between two of them."""
    form = _format(dtype)
    steps = 128 if form.highest > 100 else 32
    powers = np.exp2(np.linspace(form.lowest, form.highest, steps))
    near = np.concatenate([np.arange(0.25, 20, 0.25), 1 - np.exp2(-np.arange(2.0, 9.0))])
    grid = np.concatenate([powers, near, [form.largest]])
    return np.unique(_ordinals(np.concatenate([-grid, [0.0], grid]).astype(dtype)))


@lru_cache(maxsize=512)
def _borders(
    name: str, form: str, dtype: np.dtype[Any], parameters: tuple[float, ...]
) -> tuple[float, ...]:
    format_ = _format(dtype)

    def kind(ordinal: int) -> tuple[Any, ...]:
        x = float(_from_ordinals(np.array([ordinal]), dtype)[0])
        value, _ = _value(name, form, x, parameters, format_, None)
        result = _nearest(value, format_)
        size = abs(result)
        return (
            math.isnan(result),
            result == 0,
            size >= format_.smallest_normal,
            math.isinf(result),
            math.copysign(1.0, result),
            size == 1,
            result == x,
        )

    found = []
    grid = _grid(dtype).tolist()
    kinds = [kind(ordinal) for ordinal in grid]
    for low, high, of_low, of_high in zip(grid, grid[1:], kinds, kinds[1:], strict=False):
        while of_low != of_high:
            inside, outside = low, high
            while outside - inside > 1:
                middle = (inside + outside) // 2
                if kind(middle) == of_low:
                    inside = middle
                else:
                    outside = middle
            found += [inside, outside]
            low, of_low = outside, kind(outside)
    return tuple(_from_ordinals(np.unique(found).astype(np.int64), dtype).astype(float))


def borders(name: str, form: str, dtype: DTypeLike | str, *parameters: Any) -> tuple[float, ...]:
    """Return the inputs between which a rounded form becomes another kind of number.

    They come in pairs of neighbours: where the form changes sign (its interior zeros),
    where it overflows, becomes subnormal or zero, reaches 1 or meets x itself.

    Parameters
    ----------
    name, form : str
        As for `exact`.
    dtype : dtype_like
        The format of input and result.
    *parameters : float, optional
        As for `exact`.

    Returns
    -------
    tuple of float
        In rising order.
    """
    format_ = _format(dtype)
    bound = tuple(map(_plain, _bind(name, parameters, format_)))
    return _borders(name, _full(name, form), _dtype(format_), bound)


def sample(
    dtype: DTypeLike | str,
    count: int,
    seed: int,
    name: str,
    *parameters: Any,
    form: str | None = None,
) -> NDArray[Any]:
    """Return inputs to test an activation with.

    Parameters
    ----------
    dtype : dtype_like
        float16, bfloat16, float32 or float64.
    count : int
        How many inputs to draw at random: half of them uniform in [-20, 20], or in the
        domain if that is finite; half log-spaced, of both signs, from the smallest
        subnormal to the largest number.
    seed : int
        Of the random numbers; the same seed gives the same inputs.
    name : str
        A key of `FORMULAS`.
    *parameters : float, optional
        As for `exact`; a required one may be left out here.
    form : str, optional
        The form to find the borders of; by default the value and both derivatives. With
        ``"derivative_from_output"`` the values at the inputs are returned instead, rounded.

    Returns
    -------
    ndarray
        One-dimensional, every float at most once. Beside the random inputs: +-0.0, +-inf,
        nan, the largest, the smallest normal and the smallest number of both signs, +-1,
        the kinks and the floats around them, and the floats around every interior zero,
        overflow and underflow, close by and at growing distances.
    """
    format_ = _format(dtype)
    kind = _dtype(format_)
    wanted = FORMULAS[name].parameters.values()
    filled = parameters + tuple(
        parameter.example if parameter.default is None else parameter.default
        for parameter in list(wanted)[len(parameters) :]
    )
    random = np.random.default_rng(seed)

    low, high = FORMULAS[name].domain
    low, high = (low, high) if math.isfinite(high - low) else (-20.0, 20.0)
    uniform = random.uniform(low, high, count - count // 2)
    exponents = random.uniform(format_.lowest, format_.highest + 1, count // 2)
    spaced = np.exp2(np.minimum(exponents, np.log2(format_.largest)))
    spaced = np.minimum(spaced, format_.largest) * random.choice([-1.0, 1.0], count // 2)

    special = np.array(
        [0.0, format_.smallest, format_.smallest_normal, 1.0, format_.largest, inf, nan]
    )
    special = np.concatenate([special, -special])

    found = form in (None, "derivative_from_output")
    edges = list(kinks(name, *filled))
    for which in ("value", "derivative", "second_derivative") if found else (form,):
        edges += borders(name, str(which), dtype, *filled)
    reach = np.concatenate([np.arange(12), 2 ** np.arange(4, format_.precision - 4)])
    around = _neighbours(
        np.array([e for e in edges if math.isfinite(e)]).astype(kind),
        np.concatenate([reach, -reach]),
        kind,
    )
    inputs = np.concatenate(
        [special.astype(kind), around, uniform.astype(kind), spaced.astype(kind)]
    )
    if form == "derivative_from_output":
        inputs = expected(name, "value", inputs, *filled)
    bits = np.unique(inputs.view(f"u{kind.itemsize}"))
    return bits.view(kind)
