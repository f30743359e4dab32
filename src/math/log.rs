//! Logarithms as pairs, by `log((1+s)/(1-s)) = 2 atanh(s)`.

use super::double::{Double, polynomial};
use super::exp::{ExpConstants, Scaled};
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

// tools/coefficients/atanh.sollya; relative error of s + s^3 q(s^2): 2^-61.9.
impl LogConstants for f64 {
    const ATANH_TAIL: &'static [f64] = &[
        0.3333333333333333,
        0.20000000000001042,
        0.14285714285553253,
        0.11111111120945003,
        0.09090908887263888,
        0.0769230304198946,
        0.06667019593041504,
        0.05873740258254374,
        0.05375689734552679,
        0.03932611399833789,
        0.07497252625845356,
    ];
}

/// `log(a/b)` from `a - b` and `a + b`, for `1/2 <= a/b <= 2`.
///
/// Error: relative 2^-27.5 (`f32`), 2^-56.5 (`f64`) of the pair, whose tail is up to 2^-4 of it.
/// Edges: NaN gives NaN.
/// Method: `2 atanh(s)` with `s = (a-b)/(a+b)`, `|s| <= 1/3`.
#[inline(always)]
pub fn log_ratio<T: LogConstants>(difference: Double<T>, sum: Double<T>) -> Double<T> {
    let s = difference.divide(sum);
    let twice = s.scale(T::TWO);
    Double { hi: twice.hi, lo: twice.hi.mul_add(atanh_tail(s.hi), twice.lo) }
}

/// `log(1 + e) / divisor` in units of the power of `e`, for `0 < e <= 1` and `divisor > 0`.
///
/// Error: relative 2^-27.5 (`f32`), 2^-56.5 (`f64`) of the pair, whose tail is up to 2^-4 of it.
/// Edges: NaN gives NaN.
/// Method: `2 atanh(s)` with `s = e/(2+e)`, at most 1/3. What multiplies `2s` is near 1, so that
/// `2s = m/(1+e/2)`, `m` the mantissa of `e`, carries the power of `e` and the divisor.
#[inline(always)]
pub fn log1p_over<T>(e: Scaled<T>, divisor: Option<T>) -> Double<T>
where
    T: ExpConstants + LogConstants,
{
    let half_power = e.power * (T::HALF * T::UNBIAS);
    let denominator = e.mantissa.scale(half_power).plus_larger(T::ONE);
    let quotient = match divisor {
        None => e.mantissa.divide(denominator),
        Some(divisor) => e.mantissa.divide(denominator.times(divisor)),
    };
    let s = quotient.round() * half_power;
    let s = match divisor {
        None => s,
        Some(divisor) => s * divisor,
    };
    Double { hi: quotient.hi, lo: quotient.hi.mul_add(atanh_tail(s), quotient.lo) }
}

/// `atanh(s)/s - 1`, at most 0.04 for `|s| <= 1/3`: its rounding is 2^-4 of an ulp of the result.
#[inline(always)]
fn atanh_tail<T: LogConstants>(s: T) -> T {
    let square = s * s;
    square * polynomial(square, T::ATANH_TAIL)
}
