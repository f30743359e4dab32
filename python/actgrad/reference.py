"""The activation functions one number at a time, in pure Python on the standard `math` module.

This file is a specification and a text to learn from. The package computes the same functions
on arrays, in Rust; here each is written so that the formula can be read. It imports nothing of
the rest of the package, and needs no NumPy.

How to read it
--------------
Every activation ``f`` has its functions in a row: ``f(x)`` is the value, ``f_derivative(x)`` the
first derivative, ``f_second_derivative(x)`` the second and, where the input can be recovered from
the output y = f(x), ``f_derivative_from_output(y)``. All take and return a ``float``. Further
parameters follow ``x`` in the same order in every form, and are described at the value.
`ACTIVATIONS` lists all of them by name. The gated units, of a value and a gate, are in `GATED`.
Functions of a row, such as `softmax`, take a list of numbers; they are at the end, and in
`ROW_FUNCTIONS`. `derivatives` answers the commonest question at once.

What holds everywhere
---------------------
- NaN gives NaN, and +-infinity gives the true limit: ``silu(-math.inf)`` is ``-0.0``.
- Nothing raises `OverflowError`; a result too large for a float is infinite.
- At a kink, where the left and the right slope differ, the docstring says which value is taken.
- A derivative "from the output" evaluates its formula; it does not check that y is an output.
  Where the sigmoid and its relatives saturate, y has been rounded to its limit and the derivative
  cannot be recovered from it: use the form that takes x.

How the formulas are chosen
---------------------------
The textbook formula sigma'(x) = s (1 - s) is right on paper, but in floating point s rounds to 1
from x = 37 on and the derivative becomes 0, while the true value, about e^-x, is an ordinary
number up to x = 708. Four habits avoid that, and most lines below are one of them:

1. Write everything in e = exp(-|x|), which is small and precise exactly where the function
   saturates: sigma'(x) = e / (1 + e)^2.
2. Never subtract nearly equal numbers if another form exists: ``log1p``, ``expm1``, ``erfc``, or
   the conjugate, as in `squareplus`.
3. Multiply x e^-|x| as h x h with h = exp(-|x|/2): e underflows before the product does.
4. Where an exponent such as x^2/2 is not a float, split it into an exact part and a small rest;
   a rounded exponent of 700 would cost the last 9 bits of the result.

How exact it is
---------------
With default parameters the results are within 10 units in the last place (ULP) of the true
value, most of them within 4, given a good ``math`` library; except in these places:

- Next to an interior zero, where two terms cancel. There the error is a few ULP of the terms, not
  of their difference. First derivative: silu and swish -1.2785, gelu -0.7518, gelu_tanh -0.7525,
  gelu_sigmoid -0.7512, mish -1.1924. Second derivative: silu and swish +-2.3994, gelu +-sqrt(2),
  gelu_tanh +-1.4185, gelu_sigmoid +-1.4097, mish -2.2564 and 1.4906, lisht +-1.1997.
- With a parameter that scales x (``beta``; ``alpha`` of `celu`) and is not a power of two, the
  exponent t = beta x is rounded, which costs up to |t| further ULP where the result is like e^t.

Examples
--------
>>> derivatives(1.0)
{'sigmoid': 0.1966, 'tanh': 0.42, 'relu': 1.0}
>>> gelu = ACTIVATIONS["gelu"]
>>> gelu.value(0.0), gelu.derivative(0.0)
(0.0, 0.5)
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Row: TypeAlias = list[float]

SQRT_HALF = 0.7071067811865475244  # sqrt(1/2)
SQRT_HALF_PI = 1.253314137315500251  # sqrt(pi/2)
INV_SQRT_2PI = 0.3989422804014326779  # 1/sqrt(2 pi), the height of the normal density
TWO_INV_SQRT_PI = 1.128379167095512574  # 2/sqrt(pi)
LN_2 = 0.6931471805599453094
LARGEST_EXPONENT = 709.782712893384  # exp of the next float overflows

# SELU: chosen by its authors so that mean 0 and variance 1 are a fixed point.
SELU_LAMBDA = 1.050700987355480493419
# lambda alpha, with alpha = 1.67326324235437728481704, as a float and what it leaves out.
SELU_LAMBDA_ALPHA, SELU_LAMBDA_ALPHA_LOW = 1.758099340847376859940, 1.415351938008445783980e-17

# gelu_tanh: sqrt(2/pi) and 0.044715 sqrt(2/pi), each also as a short fraction plus a rest.
TANH_C, TANH_C_HIGH, TANH_C_LOW = 0.7978845608028653559, 836643 / 2**20, -3.802982088628701078801e-7
TANH_D, TANH_D_HIGH, TANH_D_LOW = 0.0356774081363001244, 37410 / 2**20, 4.519595423118881693761e-7


def _exp(x: float) -> float:
    """Return e^x, infinite where `math.exp` raises OverflowError."""
    return math.inf if x > LARGEST_EXPONENT else math.exp(x)


def _expm1(x: float) -> float:
    """Return e^x - 1, infinite where `math.expm1` raises OverflowError."""
    return math.inf if x > LARGEST_EXPONENT else math.expm1(x)


def _scaled(factor: float, x: float) -> float:
    """Return factor x, with 0 times infinity taken as 0: the limit for a fixed factor of 0."""
    if factor == 0.0 and math.isinf(x):
        return math.copysign(factor, math.copysign(1.0, factor) * x)
    return factor * x


def _require_positive(name: str, value: float, what: str) -> None:
    """Raise ValueError if the derivative cannot be told from the output."""
    if not value > 0.0:
        raise ValueError(
            f"{what} from its output needs {name} > 0, got {value}: "
            "otherwise different inputs give the same output; use the form that takes x"
        )


def _nonzero(name: str, value: float, what: str) -> float:
    """Return value, or raise ValueError if it is 0."""
    if value == 0.0:
        raise ValueError(f"{what} divides by {name}, so {name} must not be 0")
    return value


def _exp_minus_square(x: float, factor: float) -> float:
    """Return exp(-factor x^2), where factor is a power of two.

    With x rounded to a multiple of 1/16, its square is exact, and
    x^2 = rounded^2 + (x - rounded) (x + rounded) leaves only a small rest to round.
    """
    if not 1.0 <= abs(x) <= 64.0:
        return math.exp(-factor * x * x)
    rounded = round(x * 16.0) / 16.0
    rest = (x - rounded) * (x + rounded)
    return math.exp(-factor * rounded * rounded) * math.exp(-factor * rest)


def _mills_ratio(t: float) -> float:
    """Return Mills' ratio R(t) = Phi(-t) / phi(t) for t >= 1, which lies just below 1/t.

    R is sqrt(pi/2) exp(z^2) erfc(z) with z = t / sqrt(2). Both factors change fast with z, but R
    changes slowly: taken at the same rounded z they share its error, and it cancels. Where erfc
    is close to underflow, Laplace's continued fraction R(t) = 1/(t + 1/(t + 2/(t + 3/...)))
    needs only a few levels.
    """
    if t > 25.0:
        tail = t
        for level in (7, 6, 5, 4, 3, 2, 1):
            tail = t + level / tail
        return 1.0 / tail
    z = t * SQRT_HALF
    return SQRT_HALF_PI * math.erfc(z) / _exp_minus_square(z, 1.0)


# The three functions below serve f(x) = x sigma(w(x)), where w is odd and increasing: silu,
# gelu_sigmoid, gelu_tanh. half is exp(-|w|/2), so e = half^2 = exp(-|w|). A half of 0 means that
# f is its asymptote, x or 0, in every form.


def _gated(x: float, w: float, half: float) -> float:
    """Return x sigma(w)."""
    if half == 0.0:
        return x if w > 0.0 else math.copysign(0.0, x)
    e = half * half
    if w >= 0.0:
        return x / (1.0 + e)
    return half * (x / (1.0 + e)) * half


def _gated_derivative(w: float, slope: float, half: float) -> float:
    """Return sigma(w) + slope sigma'(w), where slope = x w'(x) has the sign of w."""
    if half == 0.0:
        return 1.0 if w > 0.0 else -0.0
    e = half * half
    if w >= 0.0:
        return (1.0 + e + slope * e) / ((1.0 + e) * (1.0 + e))
    return half * ((1.0 + e + slope) / ((1.0 + e) * (1.0 + e))) * half


def _gated_second_derivative(factor: float, half: float) -> float:
    """Return factor sigma'(w); with factor = 2 w' + x w'' - x w'^2 tanh(w/2) it is f''."""
    if half == 0.0:
        return -0.0
    e = half * half
    return half * (factor / ((1.0 + e) * (1.0 + e))) * half


def identity(x: float) -> float:
    """Return x.

    Examples
    --------
    >>> identity(-2.5)
    -2.5
    """
    return x


def identity_derivative(x: float) -> float:
    """Return 1.

    Examples
    --------
    >>> identity_derivative(-2.5)
    1.0
    """
    return x if math.isnan(x) else 1.0


def identity_second_derivative(x: float) -> float:
    """Return 0.

    Examples
    --------
    >>> identity_second_derivative(-2.5)
    0.0
    """
    return x if math.isnan(x) else 0.0


def identity_derivative_from_output(y: float) -> float:
    """Return 1.

    Examples
    --------
    >>> identity_derivative_from_output(-2.5)
    1.0
    """
    return identity_derivative(y)


def sigmoid(x: float) -> float:
    """Return the logistic function sigma(x) = 1 / (1 + e^-x).

    For x < 0 it is computed as e^x / (1 + e^x), which neither overflows nor loses the tail.

    Examples
    --------
    >>> sigmoid(0.0)
    0.5
    >>> sigmoid(-800.0)
    0.0
    """
    e = math.exp(-abs(x))
    return e / (1.0 + e) if x < 0.0 else 1.0 / (1.0 + e)


def sigmoid_derivative(x: float) -> float:
    """Return sigma(x) sigma(-x) = e / (1 + e)^2 with e = exp(-|x|).

    Examples
    --------
    >>> sigmoid_derivative(0.0)
    0.25
    >>> f"{sigmoid_derivative(100.0):.6e}"
    '3.720076e-44'
    >>> sigmoid(100.0) * (1.0 - sigmoid(100.0))  # the textbook formula
    0.0
    """
    e = math.exp(-abs(x))
    return e / ((1.0 + e) * (1.0 + e))


def sigmoid_second_derivative(x: float) -> float:
    """Return sigma'(x) (1 - 2 sigma(x)) = -sigma'(x) tanh(x/2).

    Examples
    --------
    >>> round(sigmoid_second_derivative(1.0), 6)
    -0.090858
    """
    return -sigmoid_derivative(x) * math.tanh(0.5 * x)


def sigmoid_derivative_from_output(y: float) -> float:
    """Return y (1 - y). Exact algebra, but y near 1 has already lost the tail.

    Examples
    --------
    >>> sigmoid_derivative_from_output(0.25)
    0.1875
    """
    return y * (1.0 - y)


def log_sigmoid(x: float) -> float:
    """Return log sigma(x) = -log(1 + e^-x) = min(x, 0) - log1p(exp(-|x|)).

    Examples
    --------
    >>> round(log_sigmoid(0.0), 6)
    -0.693147
    >>> log_sigmoid(-1000.0)
    -1000.0
    """
    correction = math.log1p(math.exp(-abs(x)))
    return x - correction if x < 0.0 else -correction


def log_sigmoid_derivative(x: float) -> float:
    """Return sigma(-x).

    Examples
    --------
    >>> log_sigmoid_derivative(0.0)
    0.5
    """
    return sigmoid(-x)


def log_sigmoid_second_derivative(x: float) -> float:
    """Return -sigma'(x).

    Examples
    --------
    >>> log_sigmoid_second_derivative(0.0)
    -0.25
    """
    return -sigmoid_derivative(x)


def log_sigmoid_derivative_from_output(y: float) -> float:
    """Return 1 - e^y = -expm1(y).

    Examples
    --------
    >>> round(log_sigmoid_derivative_from_output(log_sigmoid(0.0)), 6)
    0.5
    """
    return -_expm1(y)


def tanh(x: float) -> float:
    """Return the hyperbolic tangent.

    Examples
    --------
    >>> round(tanh(1.0), 6)
    0.761594
    """
    return math.tanh(x)


def tanh_derivative(x: float) -> float:
    """Return 1 - tanh(x)^2 = 4 e / (1 + e)^2 with e = exp(-2 |x|).

    Examples
    --------
    >>> tanh_derivative(0.0)
    1.0
    >>> f"{tanh_derivative(50.0):.6e}"
    '1.488030e-43'
    """
    e = math.exp(-2.0 * abs(x))
    return 4.0 * e / ((1.0 + e) * (1.0 + e))


def tanh_second_derivative(x: float) -> float:
    """Return -2 tanh(x) tanh'(x).

    Examples
    --------
    >>> round(tanh_second_derivative(1.0), 6)
    -0.6397
    """
    return -2.0 * math.tanh(x) * tanh_derivative(x)


def tanh_derivative_from_output(y: float) -> float:
    """Return (1 - y) (1 + y). Exact algebra, but y near +-1 has already lost the tail.

    Examples
    --------
    >>> tanh_derivative_from_output(0.5)
    0.75
    """
    return (1.0 - y) * (1.0 + y)


def relu(x: float) -> float:
    """Return the rectified linear unit max(x, 0).

    Notes
    -----
    Kink at 0: f'(0) = 0 is taken, the slope on the left.

    Examples
    --------
    >>> relu(-2.0), relu(3.0)
    (0.0, 3.0)
    """
    return 0.0 if x <= 0.0 else x


def relu_derivative(x: float) -> float:
    """Return 1 for x > 0, else 0; f'(0) = 0.

    Examples
    --------
    >>> relu_derivative(-2.0), relu_derivative(0.0), relu_derivative(3.0)
    (0.0, 0.0, 1.0)
    """
    if math.isnan(x):
        return x
    return 1.0 if x > 0.0 else 0.0


def relu_second_derivative(x: float) -> float:
    """Return 0, also at the kink.

    Examples
    --------
    >>> relu_second_derivative(3.0)
    0.0
    """
    return x if math.isnan(x) else 0.0


def relu_derivative_from_output(y: float) -> float:
    """Return 1 for y > 0, else 0.

    Examples
    --------
    >>> relu_derivative_from_output(3.0)
    1.0
    """
    return relu_derivative(y)


def relu6(x: float) -> float:
    """Return min(max(x, 0), 6).

    Notes
    -----
    Kinks at 0 and 6: f'(0) = f'(6) = 0 is taken, the slope outside.

    Examples
    --------
    >>> relu6(-2.0), relu6(3.0), relu6(8.0)
    (0.0, 3.0, 6.0)
    """
    if x <= 0.0:
        return 0.0
    return 6.0 if x >= 6.0 else x


def relu6_derivative(x: float) -> float:
    """Return 1 for 0 < x < 6, else 0.

    Examples
    --------
    >>> relu6_derivative(3.0), relu6_derivative(6.0)
    (1.0, 0.0)
    """
    if math.isnan(x):
        return x
    return 1.0 if 0.0 < x < 6.0 else 0.0


def relu6_second_derivative(x: float) -> float:
    """Return 0, also at the kinks.

    Examples
    --------
    >>> relu6_second_derivative(3.0)
    0.0
    """
    return x if math.isnan(x) else 0.0


def relu6_derivative_from_output(y: float) -> float:
    """Return 1 for 0 < y < 6, else 0.

    Examples
    --------
    >>> relu6_derivative_from_output(3.0)
    1.0
    """
    return relu6_derivative(y)


def relu_squared(x: float) -> float:
    """Return max(x, 0)^2.

    Notes
    -----
    The first derivative is continuous; the second jumps at 0, where f''(0) = 0 is taken.

    Examples
    --------
    >>> relu_squared(-2.0), relu_squared(3.0)
    (0.0, 9.0)
    """
    return 0.0 if x <= 0.0 else x * x


def relu_squared_derivative(x: float) -> float:
    """Return 2 max(x, 0).

    Examples
    --------
    >>> relu_squared_derivative(3.0)
    6.0
    """
    return 0.0 if x <= 0.0 else 2.0 * x


def relu_squared_second_derivative(x: float) -> float:
    """Return 2 for x > 0, else 0.

    Examples
    --------
    >>> relu_squared_second_derivative(3.0)
    2.0
    """
    return 2.0 * relu_derivative(x)


def relu_squared_derivative_from_output(y: float) -> float:
    """Return 2 sqrt(y).

    Examples
    --------
    >>> relu_squared_derivative_from_output(9.0)
    6.0
    """
    return 0.0 if y <= 0.0 else 2.0 * math.sqrt(y)


def leaky_relu(x: float, negative_slope: float = 0.01) -> float:
    """Return x for x >= 0, else negative_slope x.

    Parameters
    ----------
    x : float
    negative_slope : float, default 0.01
        The slope on the left of 0.

    Notes
    -----
    Kink at 0: f'(0) = 1 is taken, the slope on the right.

    Examples
    --------
    >>> leaky_relu(-2.0), leaky_relu(3.0)
    (-0.02, 3.0)
    """
    return x if x >= 0.0 else _scaled(negative_slope, x)


def leaky_relu_derivative(x: float, negative_slope: float = 0.01) -> float:
    """Return 1 for x >= 0, else negative_slope.

    Examples
    --------
    >>> leaky_relu_derivative(-2.0), leaky_relu_derivative(0.0)
    (0.01, 1.0)
    """
    if math.isnan(x):
        return x
    return 1.0 if x >= 0.0 else negative_slope


def leaky_relu_second_derivative(x: float, negative_slope: float = 0.01) -> float:
    """Return 0, also at the kink.

    Examples
    --------
    >>> leaky_relu_second_derivative(-2.0)
    0.0
    """
    return x if math.isnan(x) else 0.0


def leaky_relu_derivative_from_output(y: float, negative_slope: float = 0.01) -> float:
    """Return 1 for y >= 0, else negative_slope.

    Raises
    ------
    ValueError
        If ``negative_slope`` is not positive.

    Examples
    --------
    >>> leaky_relu_derivative_from_output(-0.02)
    0.01
    """
    _require_positive("negative_slope", negative_slope, "leaky_relu'")
    return leaky_relu_derivative(y, negative_slope)


def prelu(x: float, a: float) -> float:
    """Return x for x >= 0, else a x: `leaky_relu` with a slope that is learned.

    Parameters
    ----------
    x : float
    a : float
        The slope on the left of 0.

    Notes
    -----
    Kink at 0: f'(0) = 1 is taken, the slope on the right.

    Examples
    --------
    >>> prelu(-2.0, 0.25)
    -0.5
    """
    return leaky_relu(x, a)


def prelu_derivative(x: float, a: float) -> float:
    """Return 1 for x >= 0, else a.

    Examples
    --------
    >>> prelu_derivative(-2.0, 0.25)
    0.25
    """
    return leaky_relu_derivative(x, a)


def prelu_second_derivative(x: float, a: float) -> float:
    """Return 0, also at the kink.

    Examples
    --------
    >>> prelu_second_derivative(-2.0, 0.25)
    0.0
    """
    return leaky_relu_second_derivative(x, a)


def prelu_derivative_from_output(y: float, a: float) -> float:
    """Return 1 for y >= 0, else a.

    Raises
    ------
    ValueError
        If ``a`` is not positive.

    Examples
    --------
    >>> prelu_derivative_from_output(-0.5, 0.25)
    0.25
    """
    _require_positive("a", a, "prelu'")
    return leaky_relu_derivative(y, a)


def threshold(x: float, threshold: float, value: float) -> float:
    """Return x for x > threshold, else value.

    Parameters
    ----------
    x : float
    threshold : float
        Where the identity begins.
    value : float
        What stands for every x at or below it.

    Notes
    -----
    At the threshold f' = 0 is taken, as on the left.

    Examples
    --------
    >>> threshold(2.0, 1.0, -5.0), threshold(1.0, 1.0, -5.0)
    (2.0, -5.0)
    """
    if math.isnan(x):
        return x
    return x if x > threshold else value


def threshold_derivative(x: float, threshold: float, value: float) -> float:
    """Return 1 for x > threshold, else 0.

    Examples
    --------
    >>> threshold_derivative(2.0, 1.0, -5.0), threshold_derivative(1.0, 1.0, -5.0)
    (1.0, 0.0)
    """
    if math.isnan(x):
        return x
    return 1.0 if x > threshold else 0.0


def threshold_second_derivative(x: float, threshold: float, value: float) -> float:
    """Return 0, also at the threshold.

    Examples
    --------
    >>> threshold_second_derivative(2.0, 1.0, -5.0)
    0.0
    """
    return x if math.isnan(x) else 0.0


def elu(x: float, alpha: float = 1.0) -> float:
    """Return x for x > 0, else alpha (e^x - 1).

    Parameters
    ----------
    x : float
    alpha : float, default 1
        The function falls to -alpha on the left.

    Notes
    -----
    At 0, a kink unless alpha = 1, f'(0) = f''(0) = alpha is taken, as on the left.

    Examples
    --------
    >>> elu(2.0), round(elu(-1.0), 6)
    (2.0, -0.632121)
    """
    return x if x > 0.0 else alpha * math.expm1(x)


def elu_derivative(x: float, alpha: float = 1.0) -> float:
    """Return 1 for x > 0, else alpha e^x.

    Examples
    --------
    >>> elu_derivative(2.0), elu_derivative(0.0, 0.5)
    (1.0, 0.5)
    """
    return 1.0 if x > 0.0 else alpha * math.exp(x)


def elu_second_derivative(x: float, alpha: float = 1.0) -> float:
    """Return 0 for x > 0, else alpha e^x.

    Examples
    --------
    >>> elu_second_derivative(2.0), elu_second_derivative(0.0, 0.5)
    (0.0, 0.5)
    """
    return 0.0 if x > 0.0 else alpha * math.exp(x)


def elu_derivative_from_output(y: float, alpha: float = 1.0) -> float:
    """Return 1 for y > 0, else y + alpha. Exact algebra, but y near -alpha has lost the tail.

    Raises
    ------
    ValueError
        If ``alpha`` is not positive.

    Examples
    --------
    >>> elu_derivative_from_output(-0.75)
    0.25
    """
    _require_positive("alpha", alpha, "elu'")
    return 1.0 if y > 0.0 else y + alpha


def selu(x: float) -> float:
    """Return lambda x for x > 0, else lambda alpha (e^x - 1), with the constants of SELU's authors.

    lambda = 1.05070098735548049342 and alpha = 1.67326324235437728482.

    Notes
    -----
    Kink at 0: f'(0) = f''(0) = lambda alpha is taken, as on the left.

    Examples
    --------
    >>> round(selu(1.0), 6), round(selu(-1.0), 6)
    (1.050701, -1.111331)
    """
    return SELU_LAMBDA * x if x > 0.0 else SELU_LAMBDA_ALPHA * math.expm1(x)


def selu_derivative(x: float) -> float:
    """Return lambda for x > 0, else lambda alpha e^x.

    Examples
    --------
    >>> round(selu_derivative(1.0), 6), round(selu_derivative(0.0), 6)
    (1.050701, 1.758099)
    """
    return SELU_LAMBDA if x > 0.0 else SELU_LAMBDA_ALPHA * math.exp(x)


def selu_second_derivative(x: float) -> float:
    """Return 0 for x > 0, else lambda alpha e^x.

    Examples
    --------
    >>> selu_second_derivative(1.0), round(selu_second_derivative(0.0), 6)
    (0.0, 1.758099)
    """
    return 0.0 if x > 0.0 else SELU_LAMBDA_ALPHA * math.exp(x)


def selu_derivative_from_output(y: float) -> float:
    """Return lambda for y > 0, else y + lambda alpha.

    Exact algebra, but y near -lambda alpha has already lost the tail.

    Examples
    --------
    >>> round(selu_derivative_from_output(-0.5), 6)
    1.258099
    """
    return SELU_LAMBDA if y > 0.0 else (y + SELU_LAMBDA_ALPHA) + SELU_LAMBDA_ALPHA_LOW


def celu(x: float, alpha: float = 1.0) -> float:
    """Return max(0, x) + alpha (exp(min(x, 0) / alpha) - 1).

    Parameters
    ----------
    x : float
    alpha : float, default 1
        Not 0. The function falls to -alpha on the left, with slope 1 at 0.

    Notes
    -----
    The first derivative is continuous; the second jumps at 0, where f''(0) = 1/alpha is taken,
    as on the left.

    Examples
    --------
    >>> celu(2.0), round(celu(-1.0, 2.0), 6)
    (2.0, -0.786939)
    """
    return x if x > 0.0 else alpha * _expm1(x / _nonzero("alpha", alpha, "celu"))


def celu_derivative(x: float, alpha: float = 1.0) -> float:
    """Return 1 for x > 0, else exp(x / alpha).

    Examples
    --------
    >>> celu_derivative(2.0), round(celu_derivative(-1.0, 2.0), 6)
    (1.0, 0.606531)
    """
    return 1.0 if x > 0.0 else _exp(x / _nonzero("alpha", alpha, "celu"))


def celu_second_derivative(x: float, alpha: float = 1.0) -> float:
    """Return 0 for x > 0, else exp(x / alpha) / alpha.

    Examples
    --------
    >>> celu_second_derivative(2.0), round(celu_second_derivative(-1.0, 2.0), 6)
    (0.0, 0.303265)
    """
    return 0.0 if x > 0.0 else _exp(x / _nonzero("alpha", alpha, "celu")) / alpha


def celu_derivative_from_output(y: float, alpha: float = 1.0) -> float:
    """Return 1 for y > 0, else (y + alpha) / alpha.

    Exact algebra, but y near -alpha has already lost the tail.

    Raises
    ------
    ValueError
        If ``alpha`` is not positive.

    Examples
    --------
    >>> celu_derivative_from_output(-0.5, 2.0)
    0.75
    """
    _require_positive("alpha", alpha, "celu'")
    return 1.0 if y > 0.0 else (y + alpha) / alpha


def softplus(x: float, beta: float = 1.0) -> float:
    """Return log(1 + e^(beta x)) / beta, for every x (no switch to x above a threshold).

    Parameters
    ----------
    x : float
    beta : float, default 1
        Not 0. The larger, the closer to relu.

    Examples
    --------
    >>> round(softplus(0.0), 6), round(softplus(1.0), 6)
    (0.693147, 1.313262)
    >>> f"{softplus(-100.0):.6e}"
    '3.720076e-44'
    """
    t = _nonzero("beta", beta, "softplus") * x
    correction = math.log1p(math.exp(-abs(t))) / beta
    return x + correction if t > 0.0 else correction


def softplus_derivative(x: float, beta: float = 1.0) -> float:
    """Return sigma(beta x).

    Examples
    --------
    >>> softplus_derivative(0.0)
    0.5
    """
    return sigmoid(_nonzero("beta", beta, "softplus") * x)


def softplus_second_derivative(x: float, beta: float = 1.0) -> float:
    """Return beta sigma'(beta x).

    Examples
    --------
    >>> softplus_second_derivative(0.0, 2.0)
    0.5
    """
    return beta * sigmoid_derivative(_nonzero("beta", beta, "softplus") * x)


def softplus_derivative_from_output(y: float, beta: float = 1.0) -> float:
    """Return 1 - e^(-beta y) = -expm1(-beta y).

    Examples
    --------
    >>> round(softplus_derivative_from_output(softplus(0.0)), 6)
    0.5
    """
    return -_expm1(-_nonzero("beta", beta, "softplus") * y)


def softsign(x: float) -> float:
    """Return x / (1 + |x|).

    Notes
    -----
    The second derivative jumps at 0 from 2 to -2; f''(0) = 0 is taken.

    Examples
    --------
    >>> softsign(1.0), softsign(-3.0), softsign(math.inf)
    (0.5, -0.75, 1.0)
    """
    if math.isinf(x):
        return math.copysign(1.0, x)
    return x / (1.0 + abs(x))


def softsign_derivative(x: float) -> float:
    """Return 1 / (1 + |x|)^2.

    Examples
    --------
    >>> softsign_derivative(0.0), softsign_derivative(1.0)
    (1.0, 0.25)
    """
    q = 1.0 / (1.0 + abs(x))
    return q * q


def softsign_second_derivative(x: float) -> float:
    """Return -2 sign(x) / (1 + |x|)^3.

    Examples
    --------
    >>> softsign_second_derivative(1.0), softsign_second_derivative(0.0)
    (-0.25, 0.0)
    """
    if x == 0.0:
        return 0.0
    q = 1.0 / (1.0 + abs(x))
    return math.copysign(2.0 * q * q * q, -x)


def softsign_derivative_from_output(y: float) -> float:
    """Return (1 - |y|)^2. Exact algebra, but y near +-1 has already lost the tail.

    Examples
    --------
    >>> softsign_derivative_from_output(0.5)
    0.25
    """
    return (1.0 - abs(y)) * (1.0 - abs(y))


def squareplus(x: float, b: float = 4.0) -> float:
    """Return (x + sqrt(x^2 + b)) / 2.

    Parameters
    ----------
    x : float
    b : float, default 4
        Not negative. With b = 0 it is relu.

    Notes
    -----
    For x < 0 the sum cancels, and the conjugate (b/2) / (sqrt(x^2 + b) - x) does not.

    Examples
    --------
    >>> squareplus(0.0), squareplus(1.5), squareplus(-1.5)
    (1.0, 2.0, 0.5)
    """
    root = math.hypot(x, _sqrt_b(b))
    if x >= 0.0:
        return 0.5 * x + 0.5 * root
    return 0.25 * b / (0.5 * root - 0.5 * x)


def squareplus_derivative(x: float, b: float = 4.0) -> float:
    """Return (1 + x / r) / 2 with r = sqrt(x^2 + b), for x < 0 as (b/2) / (r (r - x)).

    Examples
    --------
    >>> squareplus_derivative(0.0), squareplus_derivative(1.5), squareplus_derivative(-1.5)
    (0.5, 0.8, 0.2)
    """
    root = math.hypot(x, _sqrt_b(b))
    if math.isinf(x):
        return 1.0 if x > 0.0 else 0.0
    if root == 0.0:
        return 0.0  # b = 0 is relu, whose f'(0) is 0
    if x >= 0.0:
        return 0.5 + 0.5 * (x / root)
    return 0.25 * b / root / (0.5 * root - 0.5 * x)


def squareplus_second_derivative(x: float, b: float = 4.0) -> float:
    """Return (b/2) / r^3 with r = sqrt(x^2 + b).

    Examples
    --------
    >>> squareplus_second_derivative(0.0), squareplus_second_derivative(1.5)
    (0.25, 0.128)
    """
    root = math.hypot(x, _sqrt_b(b))
    return 0.0 if root == 0.0 else 0.5 * b / root / root / root


def squareplus_derivative_from_output(y: float, b: float = 4.0) -> float:
    """Return y^2 / (y^2 + b/4).

    Raises
    ------
    ValueError
        If ``b`` is not positive.

    Examples
    --------
    >>> squareplus_derivative_from_output(2.0), squareplus_derivative_from_output(0.5)
    (0.8, 0.2)
    """
    _require_positive("b", b, "squareplus'")
    middle = 0.5 * math.sqrt(b)
    if y > middle:
        return 1.0 / (1.0 + (middle / y) * (middle / y))
    square = (y / middle) * (y / middle)
    return square / (1.0 + square)


def _sqrt_b(b: float) -> float:
    """Return sqrt(b), or raise ValueError if b is negative."""
    if b < 0.0:
        raise ValueError(f"squareplus takes sqrt(x^2 + b), so b must not be negative, got {b}")
    return math.sqrt(b)


def gelu(x: float) -> float:
    """Return x Phi(x), where Phi is the normal distribution function, (x/2) erfc(-x / sqrt(2)).

    In the left tail erfc would magnify the rounding of its argument. There the value is
    x phi(x) R(-x), with the normal density phi and Mills' ratio R.

    Examples
    --------
    >>> round(gelu(1.0), 6), round(gelu(-1.0), 6)
    (0.841345, -0.158655)
    >>> f"{gelu(-10.0):.6e}"
    '-7.619853e-23'
    """
    if x < -40.0:
        return -0.0
    if x < -1.0:
        half = _exp_minus_square(x, 0.25)
        return half * (INV_SQRT_2PI * x * _mills_ratio(-x)) * half
    return 0.5 * x * math.erfc(-x * SQRT_HALF)


def gelu_derivative(x: float) -> float:
    """Return Phi(x) + x phi(x), in the left tail as phi(t) (R(t) - t) with t = -x.

    Zero near -0.751792.

    Examples
    --------
    >>> gelu_derivative(0.0), round(gelu_derivative(1.0), 6)
    (0.5, 1.083315)
    """
    if abs(x) > 40.0:
        return 1.0 if x > 0.0 else -0.0
    if x < -1.0:
        half = _exp_minus_square(x, 0.25)
        return half * (INV_SQRT_2PI * (_mills_ratio(-x) + x)) * half
    return 0.5 * math.erfc(-x * SQRT_HALF) + INV_SQRT_2PI * x * math.exp(-0.5 * x * x)


def gelu_second_derivative(x: float) -> float:
    """Return phi(x) (2 - x^2).

    Zero at +-sqrt(2).

    Examples
    --------
    >>> round(gelu_second_derivative(0.0), 6), round(gelu_second_derivative(2.0), 6)
    (0.797885, -0.107982)
    """
    if abs(x) > 40.0:
        return -0.0
    half = _exp_minus_square(x, 0.25)
    return half * (INV_SQRT_2PI * (2.0 - x * x)) * half


# (x/2) (1 + tanh u) = x sigma(w) with w = 2 u = 2 (C x + D x^3), C = sqrt(2/pi), D = 0.044715 C.


def gelu_tanh(x: float) -> float:
    """Return (x/2) (1 + tanh(u)) = x sigma(2 u) with u = sqrt(2/pi) (x + 0.044715 x^3).

    Examples
    --------
    >>> round(gelu_tanh(1.0), 6), round(gelu_tanh(-1.0), 6)
    (0.841192, -0.158808)
    """
    return _gated(x, x, _gelu_tanh_half(abs(x)))


def gelu_tanh_derivative(x: float) -> float:
    """Return sigma(w) + x w' sigma'(w) with w = 2 u.

    Zero near -0.752461.

    Examples
    --------
    >>> gelu_tanh_derivative(0.0), round(gelu_tanh_derivative(1.0), 6)
    (0.5, 1.082964)
    """
    slope = 2.0 * x * (TANH_C + 3.0 * TANH_D * x * x)
    return _gated_derivative(x, slope, _gelu_tanh_half(abs(x)))


def gelu_tanh_second_derivative(x: float) -> float:
    """Return sigma'(w) (2 w' + x w'' - x w'^2 tanh(w/2)) with w = 2 u.

    Zero near +-1.418504.

    Examples
    --------
    >>> round(gelu_tanh_second_derivative(0.0), 6), round(gelu_tanh_second_derivative(2.0), 6)
    (0.797885, -0.107875)
    """
    u = x * (TANH_C + TANH_D * x * x)
    w1 = 2.0 * (TANH_C + 3.0 * TANH_D * x * x)
    w2 = 12.0 * TANH_D * x
    factor = 2.0 * w1 + x * w2 - x * w1 * w1 * math.tanh(u)
    return _gated_second_derivative(factor, _gelu_tanh_half(abs(x)))


def _gelu_tanh_half(t: float) -> float:
    """Return exp(-u(t)) for t >= 0.

    Multiples of 1/64 up to 30, and their cubes, have so few bits that their products with the
    short fractions TANH_C_HIGH and TANH_D_HIGH are exact. What they leave out is small.
    """
    if not 1.0 <= t <= 30.0:
        return math.exp(-t * (TANH_C + TANH_D * t * t))
    rounded = round(t * 64.0) / 64.0
    cube = rounded * rounded * rounded
    exact = TANH_C_HIGH * rounded + TANH_D_HIGH * cube
    rest = TANH_C_LOW * rounded + TANH_D_LOW * cube
    rest += (t - rounded) * (TANH_C + TANH_D * (t * t + t * rounded + rounded * rounded))
    return math.exp(-exact) * math.exp(-rest)


def gelu_sigmoid(x: float) -> float:
    """Return x sigma(1.702 x).

    Examples
    --------
    >>> round(gelu_sigmoid(1.0), 6), round(gelu_sigmoid(-1.0), 6)
    (0.845796, -0.154204)
    """
    return _gated(x, x, _gelu_sigmoid_half(abs(x)))


def gelu_sigmoid_derivative(x: float) -> float:
    """Return sigma(w) + w sigma'(w) with w = 1.702 x.

    Zero near -0.751154.

    Examples
    --------
    >>> gelu_sigmoid_derivative(0.0), round(gelu_sigmoid_derivative(1.0), 6)
    (0.5, 1.06778)
    """
    return _gated_derivative(x, 1.702 * x, _gelu_sigmoid_half(abs(x)))


def gelu_sigmoid_second_derivative(x: float) -> float:
    """Return 1.702 sigma'(w) (2 - w tanh(w/2)) with w = 1.702 x.

    Zero near +-1.409729.

    Examples
    --------
    >>> gelu_sigmoid_second_derivative(0.0), round(gelu_sigmoid_second_derivative(2.0), 6)
    (0.851, -0.062796)
    """
    factor = 1.702 * (2.0 - 1.702 * x * math.tanh(0.851 * x))
    return _gated_second_derivative(factor, _gelu_sigmoid_half(abs(x)))


def _gelu_sigmoid_half(t: float) -> float:
    """Return exp(-0.851 t) for t >= 0.

    0.851 = 0.8515625 - 0.0005625; the first has seven bits, so that its product with a multiple
    of 1/16 is exact.
    """
    if not 1.0 <= t <= 1000.0:
        return math.exp(-0.851 * t)
    rounded = round(t * 16.0) / 16.0
    rest = 0.851 * (t - rounded) - 0.0005625 * rounded
    return math.exp(-0.8515625 * rounded) * math.exp(-rest)


def silu(x: float) -> float:
    """Return x sigma(x).

    Examples
    --------
    >>> round(silu(1.0), 6), round(silu(-1.0), 6)
    (0.731059, -0.268941)
    >>> silu(-math.inf)
    -0.0
    """
    return _gated(x, x, math.exp(-0.5 * abs(x)))


def silu_derivative(x: float) -> float:
    """Return sigma(x) + x sigma'(x), for x < 0 as e (1 + e + x) / (1 + e)^2 with e = e^x.

    Zero near -1.278465.

    Examples
    --------
    >>> silu_derivative(0.0), round(silu_derivative(1.0), 6)
    (0.5, 0.927671)
    """
    return _gated_derivative(x, x, math.exp(-0.5 * abs(x)))


def silu_second_derivative(x: float) -> float:
    """Return sigma'(x) (2 - x tanh(x/2)).

    Zero near +-2.399357.

    Examples
    --------
    >>> silu_second_derivative(0.0), round(silu_second_derivative(3.0), 6)
    (0.5, -0.032321)
    """
    return _gated_second_derivative(2.0 - x * math.tanh(0.5 * x), math.exp(-0.5 * abs(x)))


def swish(x: float, beta: float = 1.0) -> float:
    """Return x sigma(beta x).

    Parameters
    ----------
    x : float
    beta : float, default 1
        With beta = 1 it is silu, with beta = 0 x/2, and for large beta close to relu.

    Examples
    --------
    >>> round(swish(1.0, 2.0), 6), swish(3.0, 0.0)
    (0.880797, 1.5)
    """
    t = _scaled(beta, x)
    return _gated(x, t, math.exp(-0.5 * abs(t)))


def swish_derivative(x: float, beta: float = 1.0) -> float:
    """Return silu'(beta x).

    Examples
    --------
    >>> swish_derivative(0.0, 2.0), round(swish_derivative(0.5, 2.0), 6)
    (0.5, 0.927671)
    """
    return silu_derivative(_scaled(beta, x))


def swish_second_derivative(x: float, beta: float = 1.0) -> float:
    """Return beta silu''(beta x).

    Examples
    --------
    >>> swish_second_derivative(0.0, 2.0)
    1.0
    """
    return beta * silu_second_derivative(_scaled(beta, x))


# With e = e^x, tanh(log(1 + e)) = e (e + 2) / d with d = e (e + 2) + 2. For x >= 0 the same is
# written in q = e^-x, and d = (1 + 2 q + 2 q^2) / q^2.


def mish(x: float) -> float:
    """Return x tanh(log(1 + e^x)).

    Examples
    --------
    >>> round(mish(1.0), 6), round(mish(-1.0), 6)
    (0.865098, -0.303401)
    """
    if x < -800.0:
        return -0.0
    if x < 0.0:
        half = math.exp(0.5 * x)
        e = half * half
        return half * (x * (e + 2.0) / (e * (e + 2.0) + 2.0)) * half
    q = math.exp(-x)
    return x * ((1.0 + 2.0 * q) / (1.0 + 2.0 * q + 2.0 * q * q))


def mish_derivative(x: float) -> float:
    """Return e ((e + 2) d + 4 x (1 + e)) / d^2 with e = e^x and d = e (e + 2) + 2.

    Zero near -1.192431.

    Examples
    --------
    >>> mish_derivative(0.0), round(mish_derivative(1.0), 6)
    (0.6, 1.049036)
    """
    if abs(x) > 800.0:
        return 1.0 if x > 0.0 else -0.0
    if x < 0.0:
        half = math.exp(0.5 * x)
        e = half * half
        d = e * (e + 2.0) + 2.0
        return half * (4.0 * (0.25 * (e + 2.0) * d + x * (1.0 + e)) / (d * d)) * half
    q = math.exp(-x)
    d = 1.0 + 2.0 * q + 2.0 * q * q
    return ((1.0 + 2.0 * q) * d + 4.0 * x * q * q * (1.0 + q)) / (d * d)


def mish_second_derivative(x: float) -> float:
    """Return 4 e (2 (1 + e) d + x (2 + 2 e - 3 e^2 - 2 e^3)) / d^3.

    Here e = e^x and d = e (e + 2) + 2. Zero near -2.256376 and 1.490571.

    Examples
    --------
    >>> round(mish_second_derivative(0.0), 6), round(mish_second_derivative(3.0), 6)
    (0.64, -0.030266)
    """
    if abs(x) > 800.0:
        return -0.0
    if x < 0.0:
        half = math.exp(0.5 * x)
        e = half * half
        d = e * (e + 2.0) + 2.0
        bracket = (1.0 + e) * d + x * (1.0 + e * (1.0 - e * (1.5 + e)))
        return half * (8.0 * bracket / (d * d * d)) * half
    q = math.exp(-x)
    d = 1.0 + 2.0 * q + 2.0 * q * q
    bracket = (1.0 + q) * d - x * (1.0 + q * (1.5 - q * (1.0 + q)))
    return q * (8.0 * bracket / (d * d * d)) * q


def hard_sigmoid(x: float) -> float:
    """Return x/6 + 1/2 clipped to the interval from 0 to 1.

    Notes
    -----
    Kinks at -3 and 3: f'(-3) = f'(3) = 0 is taken, the slope outside.

    Examples
    --------
    >>> hard_sigmoid(-4.0), hard_sigmoid(0.0), hard_sigmoid(4.0)
    (0.0, 0.5, 1.0)
    """
    if x <= -3.0:
        return 0.0
    return 1.0 if x >= 3.0 else (x + 3.0) / 6.0


def hard_sigmoid_derivative(x: float) -> float:
    """Return 1/6 for -3 < x < 3, else 0.

    Examples
    --------
    >>> round(hard_sigmoid_derivative(0.0), 6), hard_sigmoid_derivative(3.0)
    (0.166667, 0.0)
    """
    if math.isnan(x):
        return x
    return 1.0 / 6.0 if -3.0 < x < 3.0 else 0.0


def hard_sigmoid_second_derivative(x: float) -> float:
    """Return 0, also at the kinks.

    Examples
    --------
    >>> hard_sigmoid_second_derivative(0.0)
    0.0
    """
    return x if math.isnan(x) else 0.0


def hard_sigmoid_derivative_from_output(y: float) -> float:
    """Return 1/6 for 0 < y < 1, else 0.

    Examples
    --------
    >>> round(hard_sigmoid_derivative_from_output(0.5), 6)
    0.166667
    """
    if math.isnan(y):
        return y
    return 1.0 / 6.0 if 0.0 < y < 1.0 else 0.0


def hard_swish(x: float) -> float:
    """Return x hard_sigmoid(x).

    Notes
    -----
    Kinks at -3 and 3: f'(-3) = 0 and f'(3) = 1 is taken, the slope outside; f'' = 0 at both.

    Examples
    --------
    >>> hard_swish(-4.0), hard_swish(1.5), hard_swish(4.0)
    (-0.0, 1.125, 4.0)
    """
    if x <= -3.0:
        return -0.0
    return x if x >= 3.0 else x * (x + 3.0) / 6.0


def hard_swish_derivative(x: float) -> float:
    """Return 0 up to -3, x/3 + 1/2 between, 1 from 3 on.

    Examples
    --------
    >>> hard_swish_derivative(-3.0), hard_swish_derivative(1.5), hard_swish_derivative(3.0)
    (0.0, 1.0, 1.0)
    """
    if x <= -3.0:
        return 0.0
    return 1.0 if x >= 3.0 else (2.0 * x + 3.0) / 6.0


def hard_swish_second_derivative(x: float) -> float:
    """Return 1/3 for -3 < x < 3, else 0.

    Examples
    --------
    >>> round(hard_swish_second_derivative(0.0), 6), hard_swish_second_derivative(3.0)
    (0.333333, 0.0)
    """
    if math.isnan(x):
        return x
    return 1.0 / 3.0 if -3.0 < x < 3.0 else 0.0


def hard_tanh(x: float, min_value: float = -1.0, max_value: float = 1.0) -> float:
    """Return x clipped to the interval from min_value to max_value.

    Parameters
    ----------
    x : float
    min_value : float, default -1
    max_value : float, default 1
        Greater than ``min_value``.

    Notes
    -----
    Kinks at both ends: f' = 0 is taken, the slope outside.

    Examples
    --------
    >>> hard_tanh(-4.0), hard_tanh(0.5), hard_tanh(4.0)
    (-1.0, 0.5, 1.0)
    """
    _require_interval(min_value, max_value)
    if x <= min_value:
        return min_value
    return max_value if x >= max_value else x


def hard_tanh_derivative(x: float, min_value: float = -1.0, max_value: float = 1.0) -> float:
    """Return 1 for min_value < x < max_value, else 0.

    Examples
    --------
    >>> hard_tanh_derivative(0.5), hard_tanh_derivative(1.0)
    (1.0, 0.0)
    """
    _require_interval(min_value, max_value)
    if math.isnan(x):
        return x
    return 1.0 if min_value < x < max_value else 0.0


def hard_tanh_second_derivative(x: float, min_value: float = -1.0, max_value: float = 1.0) -> float:
    """Return 0, also at the kinks.

    Examples
    --------
    >>> hard_tanh_second_derivative(0.5)
    0.0
    """
    _require_interval(min_value, max_value)
    return x if math.isnan(x) else 0.0


def hard_tanh_derivative_from_output(
    y: float, min_value: float = -1.0, max_value: float = 1.0
) -> float:
    """Return 1 for min_value < y < max_value, else 0.

    Examples
    --------
    >>> hard_tanh_derivative_from_output(0.5)
    1.0
    """
    return hard_tanh_derivative(y, min_value, max_value)


def _require_interval(min_value: float, max_value: float) -> None:
    """Raise ValueError unless min_value < max_value."""
    if min_value >= max_value:
        raise ValueError(f"hard_tanh needs min_value < max_value, got {min_value} and {max_value}")


# The Taylor coefficients 2 k / (2 k + 1)! of x cosh x - sinh x, for x^3, x^5, ..., x^19.
SHRINK_SERIES = tuple(2 * k / math.factorial(2 * k + 1) for k in range(1, 10))


def tanh_shrink(x: float) -> float:
    """Return x - tanh(x), for |x| < 1 as (x cosh x - sinh x) / cosh x.

    The difference cancels next to 0, where it is x^3/3. The numerator of the quotient has a
    Taylor series of positive terms that converges fast.

    Examples
    --------
    >>> round(tanh_shrink(2.0), 6)
    1.035972
    >>> f"{tanh_shrink(1e-6):.6e}"
    '3.333333e-19'
    """
    if abs(x) < 1.0:
        square = x * x
        series = 0.0
        for coefficient in reversed(SHRINK_SERIES):
            series = series * square + coefficient
        return x * square * series / math.cosh(x)
    return x - math.tanh(x)


def tanh_shrink_derivative(x: float) -> float:
    """Return tanh(x)^2.

    Examples
    --------
    >>> round(tanh_shrink_derivative(1.0), 6)
    0.580026
    """
    return math.tanh(x) * math.tanh(x)


def tanh_shrink_second_derivative(x: float) -> float:
    """Return 2 tanh(x) tanh'(x).

    Examples
    --------
    >>> round(tanh_shrink_second_derivative(1.0), 6)
    0.6397
    """
    return 2.0 * math.tanh(x) * tanh_derivative(x)


def soft_shrink(x: float, lambd: float = 0.5) -> float:
    """Return x moved towards 0 by lambd, and 0 for |x| <= lambd.

    Parameters
    ----------
    x : float
    lambd : float, default 0.5
        Not negative.

    Notes
    -----
    Kinks at -lambd and lambd: f' = 0 is taken, the slope between. The zero is +0.

    Examples
    --------
    >>> soft_shrink(-2.0), soft_shrink(0.25), soft_shrink(2.0)
    (-1.5, 0.0, 1.5)
    """
    _require_width("soft_shrink", lambd)
    if abs(x) <= lambd:
        return 0.0
    return x - lambd if x > 0.0 else x + lambd


def soft_shrink_derivative(x: float, lambd: float = 0.5) -> float:
    """Return 1 for |x| > lambd, else 0.

    Examples
    --------
    >>> soft_shrink_derivative(0.5), soft_shrink_derivative(-2.0)
    (0.0, 1.0)
    """
    _require_width("soft_shrink", lambd)
    if math.isnan(x):
        return x
    return 1.0 if abs(x) > lambd else 0.0


def soft_shrink_second_derivative(x: float, lambd: float = 0.5) -> float:
    """Return 0, also at the kinks.

    Examples
    --------
    >>> soft_shrink_second_derivative(2.0)
    0.0
    """
    _require_width("soft_shrink", lambd)
    return x if math.isnan(x) else 0.0


def soft_shrink_derivative_from_output(y: float, lambd: float = 0.5) -> float:
    """Return 1 for y != 0, else 0.

    Examples
    --------
    >>> soft_shrink_derivative_from_output(0.0), soft_shrink_derivative_from_output(1.5)
    (0.0, 1.0)
    """
    _require_width("soft_shrink", lambd)
    if math.isnan(y):
        return y
    return 0.0 if y == 0.0 else 1.0


def hard_shrink(x: float, lambd: float = 0.5) -> float:
    """Return x for |x| > lambd, else 0.

    Parameters
    ----------
    x : float
    lambd : float, default 0.5
        Not negative.

    Notes
    -----
    At -lambd and lambd f' = 0 is taken, as between. The zero is +0.

    Examples
    --------
    >>> hard_shrink(-2.0), hard_shrink(0.5), hard_shrink(2.0)
    (-2.0, 0.0, 2.0)
    """
    _require_width("hard_shrink", lambd)
    return 0.0 if abs(x) <= lambd else x


def hard_shrink_derivative(x: float, lambd: float = 0.5) -> float:
    """Return 1 for |x| > lambd, else 0.

    Examples
    --------
    >>> hard_shrink_derivative(0.5), hard_shrink_derivative(-2.0)
    (0.0, 1.0)
    """
    _require_width("hard_shrink", lambd)
    if math.isnan(x):
        return x
    return 1.0 if abs(x) > lambd else 0.0


def hard_shrink_second_derivative(x: float, lambd: float = 0.5) -> float:
    """Return 0, also at the jumps.

    Examples
    --------
    >>> hard_shrink_second_derivative(2.0)
    0.0
    """
    _require_width("hard_shrink", lambd)
    return x if math.isnan(x) else 0.0


def hard_shrink_derivative_from_output(y: float, lambd: float = 0.5) -> float:
    """Return 1 for y != 0, else 0.

    Examples
    --------
    >>> hard_shrink_derivative_from_output(0.0), hard_shrink_derivative_from_output(2.0)
    (0.0, 1.0)
    """
    _require_width("hard_shrink", lambd)
    if math.isnan(y):
        return y
    return 0.0 if y == 0.0 else 1.0


def _require_width(name: str, lambd: float) -> None:
    """Raise ValueError if lambd is negative."""
    if lambd < 0.0:
        raise ValueError(f"{name} needs lambd >= 0, got {lambd}")


def sparse_plus(x: float) -> float:
    """Return 0 up to -1, (x + 1)^2 / 4 between, x from 1 on.

    Notes
    -----
    The first derivative is continuous; the second jumps at -1 and 1, where f'' = 0 is taken.

    Examples
    --------
    >>> sparse_plus(-2.0), sparse_plus(0.0), sparse_plus(2.0)
    (0.0, 0.25, 2.0)
    """
    if x <= -1.0:
        return 0.0
    return x if x >= 1.0 else 0.25 * (x + 1.0) * (x + 1.0)


def sparse_plus_derivative(x: float) -> float:
    """Return (x + 1) / 2 clipped to the interval from 0 to 1.

    Examples
    --------
    >>> sparse_plus_derivative(-2.0), sparse_plus_derivative(0.0), sparse_plus_derivative(2.0)
    (0.0, 0.5, 1.0)
    """
    return sparse_sigmoid(x)


def sparse_plus_second_derivative(x: float) -> float:
    """Return 1/2 for -1 < x < 1, else 0.

    Examples
    --------
    >>> sparse_plus_second_derivative(0.0), sparse_plus_second_derivative(1.0)
    (0.5, 0.0)
    """
    return sparse_sigmoid_derivative(x)


def sparse_plus_derivative_from_output(y: float) -> float:
    """Return sqrt(y) for 0 < y < 1, 0 below, 1 above.

    Examples
    --------
    >>> sparse_plus_derivative_from_output(0.25), sparse_plus_derivative_from_output(2.0)
    (0.5, 1.0)
    """
    if y <= 0.0:
        return 0.0
    return 1.0 if y >= 1.0 else math.sqrt(y)


def sparse_sigmoid(x: float) -> float:
    """Return (x + 1) / 2 clipped to the interval from 0 to 1.

    Notes
    -----
    Kinks at -1 and 1: f' = 0 is taken, the slope outside.

    Examples
    --------
    >>> sparse_sigmoid(-2.0), sparse_sigmoid(0.0), sparse_sigmoid(2.0)
    (0.0, 0.5, 1.0)
    """
    if x <= -1.0:
        return 0.0
    return 1.0 if x >= 1.0 else 0.5 * (x + 1.0)


def sparse_sigmoid_derivative(x: float) -> float:
    """Return 1/2 for -1 < x < 1, else 0.

    Examples
    --------
    >>> sparse_sigmoid_derivative(0.0), sparse_sigmoid_derivative(1.0)
    (0.5, 0.0)
    """
    if math.isnan(x):
        return x
    return 0.5 if -1.0 < x < 1.0 else 0.0


def sparse_sigmoid_second_derivative(x: float) -> float:
    """Return 0, also at the kinks.

    Examples
    --------
    >>> sparse_sigmoid_second_derivative(0.0)
    0.0
    """
    return x if math.isnan(x) else 0.0


def sparse_sigmoid_derivative_from_output(y: float) -> float:
    """Return 1/2 for 0 < y < 1, else 0.

    Examples
    --------
    >>> sparse_sigmoid_derivative_from_output(0.75)
    0.5
    """
    if math.isnan(y):
        return y
    return 0.5 if 0.0 < y < 1.0 else 0.0


def lisht(x: float) -> float:
    """Return x tanh(x).

    Examples
    --------
    >>> round(lisht(1.0), 6)
    0.761594
    """
    return x * math.tanh(x)


def lisht_derivative(x: float) -> float:
    """Return tanh(x) + x tanh'(x).

    Examples
    --------
    >>> round(lisht_derivative(1.0), 6)
    1.181568
    """
    if math.isinf(x):
        return math.copysign(1.0, x)
    return math.tanh(x) + x * tanh_derivative(x)


def lisht_second_derivative(x: float) -> float:
    """Return 2 tanh'(x) (1 - x tanh(x)).

    Zero near +-1.199679.

    Examples
    --------
    >>> lisht_second_derivative(0.0), round(lisht_second_derivative(2.0), 6)
    (2.0, -0.131136)
    """
    if abs(x) > 800.0:
        return -0.0
    half = math.exp(-abs(x))
    e = half * half
    return half * (8.0 * (1.0 - x * math.tanh(x)) / ((1.0 + e) * (1.0 + e))) * half


def log_cosh(x: float) -> float:
    """Return log(cosh(x)), near 0 as log1p(2 sinh(x/2)^2), else |x| + log1p(exp(-2|x|)) - log 2.

    Examples
    --------
    >>> round(log_cosh(1.0), 6), log_cosh(1e-9)
    (0.433781, 5e-19)
    >>> round(log_cosh(1000.0), 6)
    999.306853
    """
    if abs(x) < 2.0:
        s = math.sinh(0.5 * x)
        return math.log1p(2.0 * s * s)
    return abs(x) + (math.log1p(math.exp(-2.0 * abs(x))) - LN_2)


def log_cosh_derivative(x: float) -> float:
    """Return tanh(x).

    Examples
    --------
    >>> round(log_cosh_derivative(1.0), 6)
    0.761594
    """
    return math.tanh(x)


def log_cosh_second_derivative(x: float) -> float:
    """Return tanh'(x).

    Examples
    --------
    >>> log_cosh_second_derivative(0.0)
    1.0
    """
    return tanh_derivative(x)


def exp(x: float) -> float:
    """Return e^x, infinite where it is larger than any float.

    Examples
    --------
    >>> exp(0.0), exp(1000.0)
    (1.0, inf)
    """
    return _exp(x)


def exp_derivative(x: float) -> float:
    """Return e^x.

    Examples
    --------
    >>> exp_derivative(0.0)
    1.0
    """
    return _exp(x)


def exp_second_derivative(x: float) -> float:
    """Return e^x.

    Examples
    --------
    >>> exp_second_derivative(0.0)
    1.0
    """
    return _exp(x)


def exp_derivative_from_output(y: float) -> float:
    """Return y.

    Examples
    --------
    >>> exp_derivative_from_output(2.5)
    2.5
    """
    return y


def erf(x: float) -> float:
    """Return the error function, the integral of 2/sqrt(pi) exp(-t^2) from 0 to x.

    Examples
    --------
    >>> round(erf(1.0), 6)
    0.842701
    """
    return math.erf(x)


def erf_derivative(x: float) -> float:
    """Return 2/sqrt(pi) exp(-x^2).

    Examples
    --------
    >>> round(erf_derivative(0.0), 6), round(erf_derivative(1.0), 6)
    (1.128379, 0.415107)
    """
    half = _exp_minus_square(x, 0.5)
    return half * TWO_INV_SQRT_PI * half


def erf_second_derivative(x: float) -> float:
    """Return -2 x erf'(x).

    Examples
    --------
    >>> round(erf_second_derivative(1.0), 6)
    -0.830215
    """
    if abs(x) > 40.0:
        return math.copysign(0.0, -x)
    half = _exp_minus_square(x, 0.5)
    return half * (-2.0 * TWO_INV_SQRT_PI * x) * half


def logit(x: float) -> float:
    """Return log(x / (1 - x)), the inverse of the sigmoid.

    -infinity at 0, infinity at 1, NaN outside. In the middle half it is 2 atanh(2 x - 1), in which
    2 x - 1 is exact, so that nothing is lost next to the zero at 1/2.

    Examples
    --------
    >>> logit(0.5), round(logit(0.75), 6), logit(0.0), logit(1.5)
    (0.0, 1.098612, -inf, nan)
    """
    if not 0.0 <= x <= 1.0:
        return math.nan
    if x == 0.0:
        return -math.inf
    if x == 1.0:
        return math.inf
    if 0.25 <= x <= 0.75:
        return 2.0 * math.atanh(2.0 * x - 1.0)
    return math.log(x / (1.0 - x))


def logit_derivative(x: float) -> float:
    """Return 1 / (x (1 - x)), infinite at 0 and 1, NaN outside.

    Examples
    --------
    >>> logit_derivative(0.5), logit_derivative(1.0), logit_derivative(1.5)
    (4.0, inf, nan)
    """
    if not 0.0 <= x <= 1.0:
        return math.nan
    if x in (0.0, 1.0):
        return math.inf
    return 1.0 / (x * (1.0 - x))


def logit_second_derivative(x: float) -> float:
    """Return (2 x - 1) / (x (1 - x))^2, -infinity at 0, infinity at 1, NaN outside.

    Examples
    --------
    >>> logit_second_derivative(0.5), logit_second_derivative(0.0)
    (0.0, -inf)
    """
    if not 0.0 <= x <= 1.0:
        return math.nan
    if x in (0.0, 1.0):
        return math.copysign(math.inf, x - 0.5)
    product = x * (1.0 - x)
    return (2.0 * x - 1.0) / product / product


@dataclass(frozen=True, eq=False)
class Reference:
    """One activation: its forms as functions of floats, and its parameters.

    Attributes
    ----------
    name : str
        The name in the catalogue, and the key in `ACTIVATIONS`.
    value, derivative, second_derivative : callable
        f, f' and f'' as functions of x and the parameters.
    derivative_from_output : callable or None
        f' as a function of y = f(x) and the parameters; None where y does not determine it.
    parameters : mapping of str to float or None
        The names of the parameters in order with their defaults; None where it must be given.

    Examples
    --------
    >>> ACTIVATIONS["leaky_relu"].parameters
    {'negative_slope': 0.01}
    >>> ACTIVATIONS["leaky_relu"].derivative(-1.0, negative_slope=0.2)
    0.2
    >>> ACTIVATIONS["gelu"].derivative_from_output is None
    True
    """

    name: str
    value: Callable[..., float]
    derivative: Callable[..., float]
    second_derivative: Callable[..., float]
    derivative_from_output: Callable[..., float] | None = None
    parameters: Mapping[str, float | None] = field(default_factory=dict)

    def backward(self, grad: float, x: float, *args: float, **kwargs: float) -> float:
        """Return grad f'(x): the gradient with respect to x, given that of f(x).

        Examples
        --------
        >>> ACTIVATIONS["sigmoid"].backward(2.0, 0.0)
        0.5
        """
        return grad * self.derivative(x, *args, **kwargs)


_TABLE = (
    Reference(
        "identity",
        identity,
        identity_derivative,
        identity_second_derivative,
        identity_derivative_from_output,
    ),
    Reference(
        "sigmoid",
        sigmoid,
        sigmoid_derivative,
        sigmoid_second_derivative,
        sigmoid_derivative_from_output,
    ),
    Reference(
        "log_sigmoid",
        log_sigmoid,
        log_sigmoid_derivative,
        log_sigmoid_second_derivative,
        log_sigmoid_derivative_from_output,
    ),
    Reference(
        "tanh",
        tanh,
        tanh_derivative,
        tanh_second_derivative,
        tanh_derivative_from_output,
    ),
    Reference(
        "relu",
        relu,
        relu_derivative,
        relu_second_derivative,
        relu_derivative_from_output,
    ),
    Reference(
        "relu6",
        relu6,
        relu6_derivative,
        relu6_second_derivative,
        relu6_derivative_from_output,
    ),
    Reference(
        "relu_squared",
        relu_squared,
        relu_squared_derivative,
        relu_squared_second_derivative,
        relu_squared_derivative_from_output,
    ),
    Reference(
        "leaky_relu",
        leaky_relu,
        leaky_relu_derivative,
        leaky_relu_second_derivative,
        leaky_relu_derivative_from_output,
        {"negative_slope": 0.01},
    ),
    Reference(
        "prelu",
        prelu,
        prelu_derivative,
        prelu_second_derivative,
        prelu_derivative_from_output,
        {"a": None},
    ),
    Reference(
        "threshold",
        threshold,
        threshold_derivative,
        threshold_second_derivative,
        None,
        {"threshold": None, "value": None},
    ),
    Reference(
        "elu",
        elu,
        elu_derivative,
        elu_second_derivative,
        elu_derivative_from_output,
        {"alpha": 1.0},
    ),
    Reference(
        "selu",
        selu,
        selu_derivative,
        selu_second_derivative,
        selu_derivative_from_output,
    ),
    Reference(
        "celu",
        celu,
        celu_derivative,
        celu_second_derivative,
        celu_derivative_from_output,
        {"alpha": 1.0},
    ),
    Reference(
        "softplus",
        softplus,
        softplus_derivative,
        softplus_second_derivative,
        softplus_derivative_from_output,
        {"beta": 1.0},
    ),
    Reference(
        "softsign",
        softsign,
        softsign_derivative,
        softsign_second_derivative,
        softsign_derivative_from_output,
    ),
    Reference(
        "squareplus",
        squareplus,
        squareplus_derivative,
        squareplus_second_derivative,
        squareplus_derivative_from_output,
        {"b": 4.0},
    ),
    Reference("gelu", gelu, gelu_derivative, gelu_second_derivative),
    Reference("gelu_tanh", gelu_tanh, gelu_tanh_derivative, gelu_tanh_second_derivative),
    Reference(
        "gelu_sigmoid", gelu_sigmoid, gelu_sigmoid_derivative, gelu_sigmoid_second_derivative
    ),
    Reference("silu", silu, silu_derivative, silu_second_derivative),
    Reference("swish", swish, swish_derivative, swish_second_derivative, parameters={"beta": 1.0}),
    Reference("mish", mish, mish_derivative, mish_second_derivative),
    Reference(
        "hard_sigmoid",
        hard_sigmoid,
        hard_sigmoid_derivative,
        hard_sigmoid_second_derivative,
        hard_sigmoid_derivative_from_output,
    ),
    Reference("hard_swish", hard_swish, hard_swish_derivative, hard_swish_second_derivative),
    Reference(
        "hard_tanh",
        hard_tanh,
        hard_tanh_derivative,
        hard_tanh_second_derivative,
        hard_tanh_derivative_from_output,
        {"min_value": -1.0, "max_value": 1.0},
    ),
    Reference("tanh_shrink", tanh_shrink, tanh_shrink_derivative, tanh_shrink_second_derivative),
    Reference(
        "soft_shrink",
        soft_shrink,
        soft_shrink_derivative,
        soft_shrink_second_derivative,
        soft_shrink_derivative_from_output,
        {"lambd": 0.5},
    ),
    Reference(
        "hard_shrink",
        hard_shrink,
        hard_shrink_derivative,
        hard_shrink_second_derivative,
        hard_shrink_derivative_from_output,
        {"lambd": 0.5},
    ),
    Reference(
        "sparse_plus",
        sparse_plus,
        sparse_plus_derivative,
        sparse_plus_second_derivative,
        sparse_plus_derivative_from_output,
    ),
    Reference(
        "sparse_sigmoid",
        sparse_sigmoid,
        sparse_sigmoid_derivative,
        sparse_sigmoid_second_derivative,
        sparse_sigmoid_derivative_from_output,
    ),
    Reference("lisht", lisht, lisht_derivative, lisht_second_derivative),
    Reference("log_cosh", log_cosh, log_cosh_derivative, log_cosh_second_derivative),
    Reference("exp", exp, exp_derivative, exp_second_derivative, exp_derivative_from_output),
    Reference("erf", erf, erf_derivative, erf_second_derivative),
    Reference("logit", logit, logit_derivative, logit_second_derivative),
)

ACTIVATIONS: dict[str, Reference] = {row.name: row for row in _TABLE}


# Gated linear units -----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class GatedReference:
    """A gated linear unit f(v, g) = v h(g): a value times an activation of a gate.

    A factor of 0 times an infinite one is NaN, as in every product of floats.

    Attributes
    ----------
    name : str
        The name in the catalogue, and the key in `GATED`.
    activation : Reference
        h.

    Examples
    --------
    >>> glu = GATED["glu"]
    >>> glu.value(4.0, 0.0), glu.derivative(4.0, 0.0), glu.backward(2.0, 4.0, 0.0)
    (2.0, (0.5, 1.0), (1.0, 2.0))
    """

    name: str
    activation: Reference

    def value(self, value: float, gate: float) -> float:
        """Return v h(g).

        Examples
        --------
        >>> GATED["reglu"].value(2.0, 3.0)
        6.0
        """
        return value * self.activation.value(gate)

    def derivative(self, value: float, gate: float) -> tuple[float, float]:
        """Return the derivatives by v and by g: h(g) and v h'(g).

        Examples
        --------
        >>> GATED["reglu"].derivative(2.0, 3.0)
        (3.0, 2.0)
        """
        return self.activation.value(gate), value * self.activation.derivative(gate)

    def second_derivative(self, value: float, gate: float) -> tuple[float, float, float]:
        """Return those by v twice, by v and g, and by g twice: 0, h'(g) and v h''(g).

        Examples
        --------
        >>> GATED["reglu"].second_derivative(2.0, 3.0)
        (0.0, 1.0, 0.0)
        """
        return (
            math.nan if math.isnan(value) or math.isnan(gate) else 0.0,
            self.activation.derivative(gate),
            value * self.activation.second_derivative(gate),
        )

    def backward(self, grad: float, value: float, gate: float) -> tuple[float, float]:
        """Return the gradients by v and by g, given that of f: grad h(g) and grad v h'(g).

        Examples
        --------
        >>> GATED["reglu"].backward(10.0, 2.0, 3.0)
        (30.0, 20.0)
        """
        by_value, by_gate = self.derivative(value, gate)
        return grad * by_value, grad * by_gate

    def double_backward(
        self, gg_value: float, gg_gate: float, grad: float, value: float, gate: float
    ) -> tuple[float, float, float]:
        """Return the gradients of gg_value grad h(g) + gg_gate grad v h'(g) by grad, v and g.

        Examples
        --------
        >>> GATED["reglu"].double_backward(1.0, 1.0, 10.0, 2.0, 3.0)
        (5.0, 10.0, 10.0)
        """
        by_value, by_gate = self.derivative(value, gate)
        _, mixed, bend = self.second_derivative(value, gate)
        return (
            gg_value * by_value + gg_gate * by_gate,
            gg_gate * grad * mixed,
            grad * (gg_value * mixed + gg_gate * bend),
        )


GATED: dict[str, GatedReference] = {
    name: GatedReference(name, ACTIVATIONS[activation])
    for name, activation in {
        "glu": "sigmoid",
        "swiglu": "silu",
        "geglu": "gelu",
        "reglu": "relu",
    }.items()
}


# Functions of a row -----------------------------------------------------------------


def _shares(row: Row) -> tuple[list[float], list[float], float]:
    """Return S_k = e^(x_k - m) / sum, 1 - S_k and log sum, m being the largest x.

    The largest element, e^0 = 1, is left out of the sum of the others: so neither its 1 - S_k nor
    the logarithm of the sum is a difference of nearly equal numbers.
    """
    top = max(row, default=-math.inf)
    if not math.isfinite(top) or any(math.isnan(x) for x in row):
        return [math.nan] * len(row), [math.nan] * len(row), math.nan
    weights = [math.exp(x - top) for x in row]
    first = weights.index(1.0)
    others = math.fsum(w for k, w in enumerate(weights) if k != first)
    total = 1.0 + others
    shares = [w / total for w in weights]
    rests = [others / total if k == first else 1.0 - s for k, s in enumerate(shares)]
    return shares, rests, math.log1p(others)


def _weighted_mean(shares: Row, values: Row) -> float:
    return math.fsum(s * v for s, v in zip(shares, values, strict=True))


def _centred(shares: Row, values: Row) -> list[float]:
    """Return the values less their mean, weighted by the shares.

    Taken relative to the value of the largest share, which then adds nothing to the mean: a share
    of nearly 1 does not cancel.
    """
    if not shares:
        return []
    reference = values[shares.index(max(shares))]
    relative = [v - reference for v in values]
    mean = _weighted_mean(shares, relative)
    return [v - mean for v in relative]


def softmax(row: Row) -> list[float]:
    """Return e^x_k / sum_j e^x_j for each x_k of the row.

    -infinity counts for nothing and gives 0. A row with NaN or infinity, or of -infinity only,
    gives NaN.

    Examples
    --------
    >>> softmax([0.0, 0.0, -math.inf])
    [0.5, 0.5, 0.0]
    """
    return _shares(row)[0]


def softmax_jacobian(row: Row) -> list[list[float]]:
    """Return the derivatives of softmax(row)[i] with respect to row[k], as J[i][k].

    S_k (1 - S_k) on the diagonal, -S_i S_k off it.

    Examples
    --------
    >>> softmax_jacobian([0.0, 0.0])
    [[0.25, -0.25], [-0.25, 0.25]]
    """
    shares, rests, _ = _shares(row)
    return [
        [s * rests[k] if i == k else -s * t for k, t in enumerate(shares)]
        for i, s in enumerate(shares)
    ]


def softmax_backward(grad: Row, row: Row) -> list[float]:
    """Return S_k (grad_k - sum_j S_j grad_j): the gradient at the row, given that of softmax.

    Examples
    --------
    >>> softmax_backward([1.0, 0.0], [0.0, 0.0])
    [0.25, -0.25]
    """
    shares = _shares(row)[0]
    return [s * g for s, g in zip(shares, _centred(shares, grad), strict=True)]


def softmax_double_backward(gg: Row, grad: Row, row: Row) -> tuple[list[float], list[float]]:
    """Return the gradients of sum_k gg_k softmax_backward(grad, row)_k at grad and at the row.

    Examples
    --------
    >>> softmax_double_backward([1.0, 0.0], [1.0, 0.0], [0.0, 0.0])
    ([0.25, -0.25], [0.0, 0.0])
    """
    shares = _shares(row)[0]
    centred = _centred(shares, gg), _centred(shares, grad)
    products = [a * g for a, g in zip(*centred, strict=True)]
    covariance = _weighted_mean(shares, products)
    bend = [s * (p - covariance) for s, p in zip(shares, products, strict=True)]
    return softmax_backward(gg, row), bend


def log_softmax(row: Row) -> list[float]:
    """Return x_k - log sum_j e^x_j for each x_k of the row; special numbers as in `softmax`.

    Examples
    --------
    >>> log_softmax([0.0, -1000.0])
    [0.0, -1000.0]
    """
    logarithm = _shares(row)[2]
    top = max(row, default=0.0)
    return [(x - top) - logarithm for x in row]


def log_softmax_jacobian(row: Row) -> list[list[float]]:
    """Return the derivatives of log_softmax(row)[i] with respect to row[k], as J[i][k].

    1 - S_k on the diagonal, -S_k off it.

    Examples
    --------
    >>> log_softmax_jacobian([0.0, 0.0])
    [[0.5, -0.5], [-0.5, 0.5]]
    """
    shares, rests, _ = _shares(row)
    count = range(len(shares))
    return [[rests[k] if i == k else -shares[k] for k in count] for i in count]


def log_softmax_backward(grad: Row, row: Row) -> list[float]:
    """Return grad_k - S_k sum_j grad_j, written as grad_k (1 - S_k) - S_k sum_(j != k) grad_j.

    Examples
    --------
    >>> log_softmax_backward([1.0, 0.0], [0.0, 0.0])
    [0.5, -0.5]
    """
    shares, rests, _ = _shares(row)
    return [
        grad[k] * rests[k] - s * math.fsum(g for j, g in enumerate(grad) if j != k)
        for k, s in enumerate(shares)
    ]


def log_softmax_double_backward(gg: Row, grad: Row, row: Row) -> tuple[list[float], list[float]]:
    """Return the gradients of sum_k gg_k log_softmax_backward(grad, row)_k at grad and at the row.

    Examples
    --------
    >>> log_softmax_double_backward([1.0, 0.0], [1.0, 0.0], [0.0, 0.0])
    ([0.5, -0.5], [-0.25, 0.25])
    """
    shares = _shares(row)[0]
    centred, total = _centred(shares, gg), math.fsum(grad)
    return centred, [-s * a * total for s, a in zip(shares, centred, strict=True)]


def softmin(row: Row) -> list[float]:
    """Return softmax(-row).

    Examples
    --------
    >>> softmin([0.0, math.inf])
    [1.0, 0.0]
    """
    return softmax([-x for x in row])


def softmin_jacobian(row: Row) -> list[list[float]]:
    """Return the derivatives of softmin(row)[i] with respect to row[k], as J[i][k].

    Examples
    --------
    >>> softmin_jacobian([0.0, 0.0])
    [[-0.25, 0.25], [0.25, -0.25]]
    """
    return [[-entry for entry in line] for line in softmax_jacobian([-x for x in row])]


def softmin_backward(grad: Row, row: Row) -> list[float]:
    """Return -softmax_backward(grad, -row).

    Examples
    --------
    >>> softmin_backward([1.0, 0.0], [0.0, 0.0])
    [-0.25, 0.25]
    """
    return [-value for value in softmax_backward(grad, [-x for x in row])]


def softmin_double_backward(gg: Row, grad: Row, row: Row) -> tuple[list[float], list[float]]:
    """Return the gradients of sum_k gg_k softmin_backward(grad, row)_k at grad and at the row.

    Examples
    --------
    >>> softmin_double_backward([1.0, 0.0], [1.0, 0.0], [0.0, 0.0])
    ([-0.25, 0.25], [0.0, 0.0])
    """
    of_grad, of_row = softmax_double_backward(gg, grad, [-x for x in row])
    return [-value for value in of_grad], of_row


def logsumexp(row: Row) -> float:
    """Return log sum_j e^x_j: -infinity for a row of -infinity only, or without elements.

    Examples
    --------
    >>> logsumexp([1000.0, -math.inf]), logsumexp([])
    (1000.0, -inf)
    """
    top = max(row, default=-math.inf)
    if any(math.isnan(x) for x in row):
        return math.nan
    return top + _shares(row)[2] if math.isfinite(top) else top


def logsumexp_backward(grad: float, row: Row) -> list[float]:
    """Return grad softmax(row).

    Examples
    --------
    >>> logsumexp_backward(2.0, [0.0, 0.0])
    [1.0, 1.0]
    """
    return [grad * s for s in softmax(row)]


@dataclass(frozen=True, eq=False)
class RowReference:
    """One function of a row: its forms as functions of lists of floats.

    Attributes
    ----------
    name : str
        The name in the catalogue, and the key in `ROW_FUNCTIONS`.
    value, backward : callable
        f(row), and the gradient at the row as ``backward(grad, row)``.
    jacobian, double_backward : callable or None
        J[i][k]; the gradients of ``sum(gg * backward(grad, row))``. None for `logsumexp`.

    Examples
    --------
    >>> ROW_FUNCTIONS["softmax"].value([0.0, 0.0])
    [0.5, 0.5]
    """

    name: str
    value: Callable[..., Any]
    backward: Callable[..., list[float]]
    jacobian: Callable[..., list[list[float]]] | None = None
    double_backward: Callable[..., tuple[list[float], list[float]]] | None = None


ROW_FUNCTIONS: dict[str, RowReference] = {
    row.name: row
    for row in (
        RowReference(
            "softmax", softmax, softmax_backward, softmax_jacobian, softmax_double_backward
        ),
        RowReference(
            "log_softmax",
            log_softmax,
            log_softmax_backward,
            log_softmax_jacobian,
            log_softmax_double_backward,
        ),
        RowReference(
            "softmin", softmin, softmin_backward, softmin_jacobian, softmin_double_backward
        ),
        RowReference("logsumexp", logsumexp, logsumexp_backward),
    )
}


def derivatives(x: float, decimals: tuple[int, int] | None = (4, 2)) -> dict[str, float]:
    """Return the derivatives of sigmoid, tanh and relu at x.

    Parameters
    ----------
    x : float
    decimals : tuple of two int, or None, default (4, 2)
        The decimals to which Python's `round` rounds sigmoid' and tanh'; None for no rounding.

    Returns
    -------
    dict of str to float
        The keys are ``'sigmoid'``, ``'tanh'`` and ``'relu'``, in this order. relu'(0) is 0. NaN
        gives NaN in all three.

    Examples
    --------
    >>> derivatives(0.0)
    {'sigmoid': 0.25, 'tanh': 1.0, 'relu': 0.0}
    >>> derivatives(1.0)
    {'sigmoid': 0.1966, 'tanh': 0.42, 'relu': 1.0}
    >>> derivatives(-1.0)
    {'sigmoid': 0.1966, 'tanh': 0.42, 'relu': 0.0}
    """
    s = sigmoid_derivative(x)
    t = tanh_derivative(x)
    if decimals is not None:
        s = round(s, decimals[0])
        t = round(t, decimals[1])
    return {"sigmoid": s, "tanh": t, "relu": relu_derivative(x)}
