r"""Coefficients of mish next to the zeros of its derivatives.

With e = exp(x) and w = e^2/2 + e + 1:

    mish'  = e slope / w^2,  slope = 1 + x + e (3/2 + x) + e^2 (1 + e/4)
    mish'' = e bend / w^3,   bend = 2 + x + e (4 + x) + e^2 (3 - 3/2 x) + e^3 (1 - x)

Prints for each zero z, as a pair: the slope c at z, as a pair, and q with f(z + t) = t (c + t q(t))
on |t| <= 1/16, interpolated at Chebyshev points, which is within a bit of the minimax.

Run: python tools/coefficients/mish.py (needs mpmath)
"""

import numpy as np
from mpmath import chebyfit, diff, exp, findroot, log, mp, mpf

mp.prec = 300
REACH = mpf(1) / 16


def slope(x: mpf) -> mpf:
    """Return mish' without the factor e / w^2."""
    e = exp(x)
    return 1 + x + e * (mpf(3) / 2 + x) + e**2 * (1 + e / 4)


def bend(x: mpf) -> mpf:
    """Return mish'' without the factor e / w^3."""
    e = exp(x)
    return 2 + x + e * (4 + x) + e**2 * (3 - 3 * x / 2) + e**3 * (1 - x)


def bend_right(x: mpf) -> mpf:
    """Return bend for x > 0, with 2 exp(-3 x) as its factor."""
    return 2 * bend(x) * exp(-3 * x)


def pair(value: mpf) -> tuple[float, float]:
    """Return a number as the sum of two float64."""
    high = float(value)
    return high, float(value - high)


def report(title, function, guess, terms, precision) -> None:
    """Print the coefficients of one zero."""
    zero = findroot(function, mpf(guess))
    high, low = pair(zero)
    zero = mpf(high) + low
    steepness = diff(function, zero)

    def wanted(t: mpf) -> mpf:
        t = t if abs(t) > mpf(2) ** -60 else mpf(2) ** -60
        return ((function(zero + t) - function(zero)) / t - steepness) / t

    exact = chebyfit(wanted, [-REACH, REACH], terms)[::-1]
    coefficients = [precision(float(c)) for c in exact]
    worst = max(
        abs(t * (sum(mpf(float(c)) * t**k for k, c in enumerate(coefficients)) - wanted(t)))
        for t in (REACH * (mpf(k) / 200 - 1) for k in range(401))
    )
    print(f"{title}: zero {high!r} {low!r}, slope {pair(steepness)}")
    print(f"  q = {[str(c) for c in coefficients]}".replace("'", ""))
    print(f"  relative error: 2^{float(log(worst / abs(steepness), 2)):.1f}")


for label, of_f32, of_f64, start, function in (
    ("slope", 4, 9, -1.19, slope),
    ("bend", 4, 8, -2.25, bend),
    ("bend_right", 4, 9, 1.49, bend_right),
):
    report(f"f32 {label}", function, start, of_f32, np.float32)
    report(f"f64 {label}", function, start, of_f64, np.float64)
