//! Logarithms as pairs, by `log((1+s)/(1-s)) = 2 atanh(s)`.

use super::double::{Double, fast_two_sum, polynomial};
use super::quotient::reciprocal_estimate_centred;
use super::real::Real;

/// Constants of the logarithms, one set for each working precision.
pub trait LogConstants: Real {
    /// `q` with `atanh(s) = s + s^3 q(s^2)` on `|s| <= 1/3`.
    const ATANH_TAIL: &'static [Self];
}

// tools/coefficients/atanh.sollya; relative error of s + s^3 q(s^2): 2^-31.6.
impl LogConstants for f32 {
    const ATANH_TAIL: &'static [f32] = &[0.33333334, 0.1999977, 0.1429898, 0.10818908, 0.117521614];
}

// tools/coefficients/atanh.sollya; relative error of s + s^3 q(s^2): 2^-57.5.
impl LogConstants for f64 {
    const ATANH_TAIL: &'static [f64] = &[
        0.3333333333333333,
        0.20000000000006388,
        0.14285714283658388,
        0.11111111353711534,
        0.09090894826183649,
        0.07692784367430713,
        0.06657058238469861,
        0.06000826860826245,
        0.043983189124574024,
        0.08087236142814072,
    ];
}

/// `log(1 + R/g) / R`, for `0 < R/g <= 1`, a power of two R and a normal `g`.
///
/// Error: relative 2^-27.5 (`f32`), 2^-56.5 (`f64`) of the pair, whose tail is up to 2^-4 of it.
/// Edges: NaN gives NaN.
/// Method: `2 atanh(s)` with `s = R/(2g+R)`, at most 1/3, and `2s/R = 1/(g+R/2)`.
#[inline(always)]
pub fn log1p_over_power<T: LogConstants>(power: T, g: Double<T>) -> Double<T> {
    let half = T::HALF * power;
    let denominator = fast_two_sum(g.hi, half);
    // The reciprocal as hi + lo, which is 2^-20 (2^-40) of hi.
    let hi = reciprocal_estimate_centred(denominator.hi);
    let remainder = (-hi).mul_add(denominator.hi, T::ONE);
    let lo = (-hi).mul_add(denominator.lo + g.lo, remainder) * hi;
    let reciprocal = hi + lo;
    Double { hi, lo: reciprocal.mul_add(atanh_tail(reciprocal * half), lo) }
}

/// `atanh(s)/s - 1`, at most 0.04 for `|s| <= 1/3`: its rounding is 2^-4 of an ulp of the result.
#[inline(always)]
fn atanh_tail<T: LogConstants>(s: T) -> T {
    let square = s * s;
    square * polynomial(square, T::ATANH_TAIL)
}
