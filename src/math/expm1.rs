//! `e^x - 1` as a pair.

use super::double::{Double, fast_two_sum, polynomial, two_product};
use super::exp::{ExpConstants, reduce};

/// `e^x - 1` for `x <= 0`.
///
/// Error: relative 2^-27.5 (`f32`), 2^-57 (`f64`) of the normalised pair.
/// Edges: -1 for -inf; zero for zero, without its sign; NaN gives NaN.
/// Method: `x = k ln 2 + r`, `u = e^r - 1 = r + r^2/2 + r^3 c(r)` with the first two terms exact,
/// and `(2^k - 1) + 2^k u`, where the first term is 0 or outweighs the second twice.
#[inline(always)]
pub fn expm1_pair<T: ExpConstants>(x: Double<T>) -> Double<T> {
    let hi = x.hi.at_least(T::EXP_LOWEST);
    let (k, power) = hi.times_rounded_with_power(T::LOG2_E, T::EXP_BIAS);
    let reduced = expm1_reduced(reduce(hi, x.lo, k));
    let power = power * T::UNBIAS;
    let whole = fast_two_sum(-T::ONE, power);
    let sum = fast_two_sum(whole.hi, power * reduced.hi);
    fast_two_sum(sum.hi, power.mul_add(reduced.lo, sum.lo + whole.lo))
}

/// `e^(r.hi + r.lo) - 1` as a pair, for what [`reduce`] gives.
#[inline(always)]
pub fn expm1_reduced<T: ExpConstants>(r: Double<T>) -> Double<T> {
    let square = two_product(r.hi, r.hi);
    let leading = fast_two_sum(r.hi, T::HALF * square.hi);
    // EXP_TAIL begins with 1/2.
    let cubic = polynomial(r.hi, &T::EXP_TAIL[1..]);
    // d/dr e^r = e^r, about 1 + r + r^2/2: so often counts the part r.lo.
    let dropped = T::HALF.mul_add(square.lo, leading.lo);
    let dropped = r.lo.mul_add(T::ONE + leading.hi, dropped);
    // |r^3 c(r)| < 0.02 |e^r - 1|: its rounding is 2^-5 of an ulp of the result.
    Double { hi: leading.hi, lo: (square.hi * r.hi).mul_add(cubic, dropped) }
}
