//! Results for half formats rounded to odd: of the two numbers around one that is inexact, that whose
//! last bit is set.
//!
//! Rounding such a float32 to a format of at most 22 bits gives what rounding the exact result would:
//! it is a tie between two numbers of the format only where that is one. Polynomials of low degree
//! have many such ties; here each comes with its error, of which the sign is exact.
//!
//! Operands are numbers of a half format, and nothing underflows: results are 0, or above 2^-100 in
//! magnitude. From outputs y the results are right for all that the function has, and for most others:
//! the others may give a neighbour of the nearest number, as float32 does.
//!
//! Source: S. Boldo, G. Melquiond, "When double rounding is odd", 2005.

use super::Number;
use super::double::{Double, fast_two_sum, two_sum};

/// `sum` rounded to odd; its `lo` is less than an ulp of `hi`.
#[inline(always)]
fn round<T: Number>(sum: Double<T>) -> T {
    sum.hi.toward_odd(sum.lo)
}

/// `number C` for a power of two over 3, rounded once. It is a tie, of at most 12 bits, only where the
/// number is 3 times as many bits. None is that was rounded to odd; nor is it as near as that to one.
#[inline(always)]
fn times_third<T: Number>(number: T, third: f64) -> T {
    // Both parts are positive, so a zero keeps its sign.
    let upper = f64::from_bits(third.to_bits() & !0x1fff_ffff);
    number.mul_add(T::literal(upper), number * T::literal(third - upper))
}

/// `y (1 - y)`
#[inline(always)]
pub fn logistic_slope<T: Number>(y: T) -> T {
    round(two_sum(y, -(y * y)))
}

/// `factor y (1 - y)`
#[inline(always)]
pub fn times_logistic_slope<T: Number>(factor: T, y: T) -> T {
    // How small y is does not matter below 2^-30, where its product with the factor is, but for its
    // sign, what decides: it must not vanish.
    let visible = y.abs().at_least(T::literal(1.0 / (1 << 30) as f64)).copysign(y);
    let hi = T::ONE - visible;
    round(Double { hi, lo: (T::ONE - hi) - visible }.times(factor * y))
}

/// `factor (1 - y^2)`
#[inline(always)]
pub fn times_tanh_slope<T: Number>(factor: T, y: T) -> T {
    let square = y * y;
    let hi = T::ONE - square;
    round(Double { hi, lo: (T::ONE - hi) - square }.times(factor))
}

/// `x (x + 3) / 6` for `|x| < 3`
#[inline(always)]
pub fn hard_swish_bow<T: Number>(x: T) -> T {
    let line = T::literal(3.0) * x;
    let hi = x.mul_add(x, line);
    // The difference is exact: of numbers of which none is more than twice the other, or of few bits.
    let lo = x.mul_add(x, line - hi);
    times_third(round(Double { hi, lo }), 1.0 / 6.0).copysign(x)
}

/// `factor (2x + 3) / 6` for `-3 < x < 3`, `factor 0` for `x <= -3`
#[inline(always)]
pub fn times_hard_swish_line<T: Number>(factor: T, x: T) -> T {
    // An eighth of 2x + 3, so that nothing overflows. Where x/4 is the larger one, the sum is exact.
    let (least, slope) = (T::literal(0.375), T::literal(0.25));
    let hi = slope.mul_add(x, least);
    let lo = slope.mul_add(x, least - hi);
    let below = x <= -T::literal(3.0);
    let line = Double::select(below, Double::from(T::ZERO), Double { hi, lo });
    times_third(round(line.times(factor)), 4.0 / 3.0)
}

/// `(x + 1)^2 / 4` for `|x| < 1`
#[inline(always)]
pub fn sparse_plus_bow<T: Number>(x: T) -> T {
    // Exact but for an x so small that the result is next to 1/4, which is no tie. So is the difference
    // below, as for `hard_swish_bow`.
    let line = T::TWO.mul_add(x, T::ONE);
    let hi = x.mul_add(x, line);
    round(Double { hi, lo: x.mul_add(x, line - hi) }) * T::literal(0.25)
}

/// `factor (x + 1) / 2` for `-1 < x < 1`, `factor 0` for `x <= -1`
#[inline(always)]
pub fn times_sparse_plus_line<T: Number>(factor: T, x: T) -> T {
    let line = fast_two_sum(T::ONE, x);
    let line = Double::select(x <= -T::ONE, Double::from(T::ZERO), line);
    round(line.times(T::HALF * factor))
}
