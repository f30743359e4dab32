//! `log(cosh(x))`, `x - tanh(x)` and `tanh(x)` as a pair.

use super::Number;
use super::double::{Double, polynomial, polynomial_by_pairs, two_product};
use super::gate::GateConstants;
use super::quotient::reciprocal_estimate_centred;

/// Constants of the hyperbolic functions, one set for each working precision.
pub trait HyperbolicConstants: GateConstants {
    /// `q` with `log(cosh(x)) = x^2/2 + x^4 q(x^2)` on `|x| <= 0.9`.
    const LOG_COSH_NEAR: &'static [Self];
    /// `q` with `log(1 + e) = e + e^2 q(e)` for `0 <= e <= exp(-1.8)`.
    const LOG_COSH_FAR: &'static [Self];
    /// `q` with `tanh(v) = v + v^3 q(v^2)` for `|v| <= ln(2)/4 + 2^-12`.
    const TANH_NEAR: &'static [Self];
    /// `q` with `v - tanh(v) = v^3 (1/3 + v^2 q(v^2))` for `|v| <= ln(2)/4 + 0.0716`.
    const SHRINK_NEAR: &'static [Self];
    /// 1 less or more a number from there on, with half of the digits, is exact.
    const TANH_SMALL: Self;
    /// Half of what such a number below 1 has for its last digit.
    const SHRINK_UPWARD: Self;
}

// tools/coefficients/hyperbolic.sollya; the relative error of what is near, and the absolute one of
// what is far: 2^-29.9, 2^-28.0; the relative errors of tanh(v) and v - tanh(v): 2^-30.7, 2^-26.5.
impl HyperbolicConstants for f32 {
    const LOG_COSH_NEAR: &'static [f32] = &[
        -0.083333336,
        0.022222279,
        -0.006746159,
        0.0021845524,
        -0.00072259945,
        0.00021566129,
        -3.9707043e-05,
    ];
    const LOG_COSH_FAR: &'static [f32] =
        &[-0.49999997, 0.33332565, -0.24963234, 0.19360714, -0.11918141];
    const TANH_NEAR: &'static [f32] = &[-0.3333333, 0.1333222, -0.052989714];
    const SHRINK_NEAR: &'static [f32] = &[-0.13333328, 0.053951517, -0.021104254];
    const TANH_SMALL: f32 = 1.0 / 2048.0;
    const SHRINK_UPWARD: f32 = 1.0 / 8192.0;
}

// The same: 2^-58.3, 2^-57.1; 2^-65.4, 2^-56.1.
impl HyperbolicConstants for f64 {
    const LOG_COSH_NEAR: &'static [f64] = &[
        -0.08333333333333333,
        0.022222222222220967,
        -0.00674603174594578,
        0.0021869488510713095,
        -0.0007386029200343879,
        0.00025658017419144584,
        -9.098707346429713e-05,
        3.276789736845081e-05,
        -1.1920774441532482e-05,
        4.325169525866843e-06,
        -1.5070140837993205e-06,
        4.614422101235214e-07,
        -1.050084914957926e-07,
        1.2596560573605438e-08,
    ];
    const LOG_COSH_FAR: &'static [f64] = &[
        -0.49999999999999994,
        0.33333333333326837,
        -0.24999999998491249,
        0.1999999985896352,
        -0.16666659819470617,
        0.14285518754503285,
        -0.12496490784172824,
        0.11070229102851552,
        -0.09688675747042237,
        0.07568402653350875,
        -0.037750645938655084,
    ];
    const TANH_NEAR: &'static [f64] = &[
        -0.3333333333333333,
        0.13333333333331254,
        -0.053968253961392626,
        0.021869487525624853,
        -0.008863158351905265,
        0.003588941616711692,
        -0.0013880992453103784,
    ];
    const SHRINK_NEAR: &'static [f64] = &[
        -0.13333333333333328,
        0.0539682539681447,
        -0.02186948850585544,
        0.008863232424006787,
        -0.003591976940858128,
        0.0014520569719111542,
        -0.0005428570642016895,
    ];
    const TANH_SMALL: f64 = 1.0 / 33_554_432.0;
    const SHRINK_UPWARD: f64 = 1.0 / 134_217_728.0;
}

/// `log(cosh(x))`, rounded.
///
/// Edges: inf at the infinities; NaN gives NaN.
/// Method: `|x| - log 2 + log(1+e)` with `e = exp(-2|x|)` and a polynomial for the logarithm; below
/// 0.9, where that cancels, an even polynomial.
#[inline(always)]
pub fn log_cosh<T: Number>(x: T) -> T {
    let magnitude = x.abs();
    // e = power + power growth; from GATE_OPEN on it is nothing.
    let bounded = magnitude.at_most(T::GATE_OPEN);
    let twice = bounded + bounded;
    let (k, power) = twice.times_rounded_with_power(-T::LOG2_E, 0);
    let r = (-k).mul_add(T::LN2_HI, -twice);
    let u = (-k).mul_add(T::LN2_LO, r);
    let tail = polynomial_by_pairs(u, u * u, T::GATE_TAIL, T::ONE);
    let growth = u * u.mul_add(tail, T::ONE);
    let e = power.mul_add(growth, power);
    // The power of two in e is taken to log 2: exact, or by far too small to count.
    let offset = power - T::LN2_HI;
    let hi = magnitude + offset;
    let dropped = (magnitude - hi) + offset;
    // It is NaN at infinity, else less than 1.
    let dropped = T::select(dropped < T::ONE, dropped, T::ONE);
    let rest = (e * e) * polynomial_by_pairs(e, e * e, T::LOG_COSH_FAR, T::ONE);
    let far = hi + (dropped + (power.mul_add(growth, rest) - T::LN2_LO));

    // Half of x comes first: x^2 may be subnormal.
    let leading = two_product(T::HALF * magnitude, magnitude);
    // x^2 q(x^2), rounded once but for what is small.
    let square = magnitude * magnitude;
    let fourth = square * square;
    let rest = fourth * polynomial_by_pairs(square, fourth, &T::LOG_COSH_NEAR[1..], T::ONE);
    let ratio = square.mul_add(T::LOG_COSH_NEAR[0], rest);
    let four = T::TWO + T::TWO;
    // With y = x^2/2, 2y + 4y ratio is the sum: so often counts the tail of y.
    let tail = leading.lo * four.mul_add(ratio, T::ONE);
    let near = leading.hi + square.mul_add(ratio, tail);
    T::select(magnitude < T::literal(0.9), near, far)
}

/// `tanh(x)` as a pair for `x >= 0`. The square of `hi` is exact, or what it lacks is nothing beside
/// 1. The tail is up to 2^-10 (`f32`) or 2^-24 (`f64`) of the head.
///
/// Error: relative 2^-27.5 (`f32`), 2^-57 (`f64`); for large x absolute 2^-31.5 and 2^-65.
/// Edges: for inf the pair is that of a large x; NaN gives NaN.
/// Method: `x = n ln(2)/2 + v` and [`Addition`].
#[inline(always)]
pub fn tanh_split<T: Number>(x: T) -> Double<T> {
    let bounded = x.at_most(T::GATE_OPEN);
    let (k, power) = bounded.times_rounded_with_power(-T::TWO * T::LOG2_E, 0);
    let v = k.mul_add(T::HALF * T::LN2_HI, bounded);
    let square = v * v;
    let near = polynomial(square, T::TANH_NEAR);
    let rest = (square * v).mul_add(near, k * (T::HALF * T::LN2_LO));
    let Addition { low: _, high: _, inverse, hi } = Addition::of(v + rest, power, T::ZERO);
    // The numerator less hi times the denominator is first + t second. They are exact but for what
    // is negligible: hi is short, and not small.
    let (complement, part) = (T::ONE - hi, power.mul_add(hi, power));
    let (first, second) = (complement - part, complement + part);
    let remainder = rest.mul_add(second, v.mul_add(second, first));
    let tanh = Double { hi, lo: remainder * inverse };
    // Where x is small, v is x.
    Double::select(x < T::TANH_SMALL, Double { hi: x, lo: rest }, tanh)
}

/// `x - tanh(x)` for `x >= 0`, rounded.
///
/// Error: before rounding, relative 2^-25.1 (`f32`), 2^-54.1 (`f64`).
/// Edges: inf gives inf; NaN gives NaN.
/// Method: as [`tanh_split`], with `n = 0` up to 0.243, where the result is `v - tanh(v)`.
#[inline(always)]
pub fn tanh_remainder<T: Number>(x: T) -> T {
    let bounded = x.at_most(T::GATE_OPEN);
    let (k, power) = (T::literal(0.07) - bounded).times_rounded_with_power(T::TWO * T::LOG2_E, 0);
    let v = k.mul_add(T::HALF * T::LN2_HI, bounded);
    let square = two_product(v, v);
    // Lifted: the result may be subnormal, and is rounded to that once.
    let cube = square.times(v * T::UNBIAS.reciprocal());
    let third = T::pair(0.3333333333333333, 1.850371707708594e-17);
    let rest = cube.hi * square.hi.mul_add(polynomial(square.hi, T::SHRINK_NEAR), third.lo);
    let near = cube.hi.mul_add(third.hi, cube.lo.mul_add(third.hi, rest)) * T::UNBIAS;

    let rest = k.mul_add(T::HALF * T::LN2_LO, -near);
    // Half a unit of hi: it is 1 where tanh(x) is, and the difference from a large x is rounded once.
    let Addition { low, high, inverse, hi } = Addition::of(v + rest, power, T::SHRINK_UPWARD);
    let (first, second) = ((-hi).mul_add(high, low), (-hi).mul_add(low, high));
    let lo = rest.mul_add(second, v.mul_add(second, first)) * inverse;
    // x - hi is exact, or lo nothing beside it.
    T::select(power == T::ONE, near, (x - hi) - lo)
}

/// `tanh(x) = (1 - R + (1 + R) t) / (1 + R + (1 - R) t)` with `R = 2^-n` and
/// `t = tanh(x - n ln(2)/2)`: the addition theorem, `tanh(n ln(2)/2)` being `(1 - R) / (1 + R)`.
struct Addition<T> {
    /// `1 - R` and `1 + R`.
    low: T,
    high: T,
    /// About the reciprocal of the denominator.
    inverse: T,
    /// About the quotient, with half of the digits.
    hi: T,
}

impl<T: Number> Addition<T> {
    /// `more` is added to the quotient before its lower half is cut off.
    #[inline(always)]
    fn of(t: T, power: T, more: T) -> Self {
        let (low, high) = (T::ONE - power, T::ONE + power);
        let inverse = reciprocal_estimate_centred(low.mul_add(t, high));
        let hi = high.mul_add(t, low).mul_add(inverse, more).upper_half();
        Addition { low, high, inverse, hi }
    }
}
