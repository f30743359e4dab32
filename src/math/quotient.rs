//! Quotients without a division.
//!
//! The unit that divides 16 `f32` or 8 `f64` is busy for as long as 20 or 32 other operations take.
//! An estimate of the reciprocal costs 5 or 7, and the step that makes a quotient a pair makes up
//! for what it lacks: a tenth of the time of the short kernels. Long ones have enough other work to
//! hide a division behind, and divide.

use super::double::{Double, fast_two_sum};
use super::real::Real;

/// About `1 / d`, for a normal `d` whose reciprocal is normal too; no larger, but for a rounding.
///
/// Error: relative 2^-19 (`f32`), 2^-40 (`f64`).
/// Edges: NaN gives NaN.
/// Method: a guess from the bits, 2^-4.3, and Newton's steps: 2^-9.6, 2^-20.1, each with a constant
/// so much above 2 that the errors it leaves lie on both sides of zero; the last one with 2.
/// Source: tools/coefficients/reciprocal.py has the constants.
#[inline(always)]
pub fn reciprocal_estimate<T: Real>(d: T) -> T {
    let step = |estimate: T, constant: f64| estimate * (-d).mul_add(estimate, T::literal(constant));
    let estimate = step(d.reciprocal_guess(), 2.0013084747262843);
    if T::DIGITS == 24 {
        return step(estimate, 2.0);
    }
    step(step(estimate, 2.0000008571740951), 2.0)
}

/// [`reciprocal_estimate`] with errors of either sign in float32, which are half as large: 2^-20.
#[inline(always)]
pub fn reciprocal_estimate_centred<T: Real>(d: T) -> T {
    if T::DIGITS == 53 {
        return reciprocal_estimate(d);
    }
    let step = |estimate: T, constant: f64| estimate * (-d).mul_add(estimate, T::literal(constant));
    step(step(d.reciprocal_guess(), 2.0013084747262843), 2.0000008571740951)
}

/// [`reciprocal_estimate`] with an error of 2^-24 in float32: the second step is one of third order.
#[inline(always)]
pub fn reciprocal_close<T: Real>(d: T) -> T {
    if T::DIGITS == 53 {
        return reciprocal_estimate(d);
    }
    let guess = d.reciprocal_guess();
    let estimate = guess * (-d).mul_add(guess, T::literal(2.0013084747262843));
    let error = (-d).mul_add(estimate, T::ONE);
    estimate.mul_add(error.mul_add(error, error), estimate)
}

/// `1 / d` as a normalised pair, for `d` as in [`reciprocal_estimate`].
///
/// Error: relative 2^-38 (`f32`), 2^-80 (`f64`).
#[inline(always)]
pub fn reciprocal_pair<T: Real>(d: Double<T>) -> Double<T> {
    let hi = reciprocal_estimate(d.hi);
    let remainder = (-hi).mul_add(d.lo, (-hi).mul_add(d.hi, T::ONE));
    fast_two_sum(hi, remainder * hi)
}

/// `n / d` as a normalised pair, for `d` as in [`reciprocal_estimate`].
///
/// Error: relative 2^-38 (`f32`), 2^-80 (`f64`).
#[inline(always)]
pub fn quotient<T: Real>(n: Double<T>, d: Double<T>) -> Double<T> {
    let reciprocal = reciprocal_estimate(d.hi);
    let hi = n.hi * reciprocal;
    // n - hi d: small beside n, its own rounding does not count.
    let remainder = (-hi).mul_add(d.hi, n.hi) + n.lo;
    let remainder = (-hi).mul_add(d.lo, remainder);
    fast_two_sum(hi, remainder * reciprocal)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every significand of `f32`, and as many of `f64`, at a few exponents.
    #[test]
    fn estimates_are_within_their_bounds() {
        let (mut single, mut double) = (0.0_f64, 0.0_f64);
        for step in 0..1_u32 << 23 {
            let d = f32::from_bits(0x3f80_0000 + step);
            single = single.max((f64::from(d) * f64::from(reciprocal_estimate(d)) - 1.0).abs());
            let d = 1.0 + (f64::from(step) + 0.3) / f64::from(1 << 23);
            double = double.max(d.mul_add(reciprocal_estimate(d), -1.0).abs());
        }
        assert!(single < 2.0_f64.powi(-19), "f32: 2^{}", single.log2());
        assert!(double < 2.0_f64.powi(-40), "f64: 2^{}", double.log2());
        for power in [2.0_f64.powi(-60), 2.0_f64.powi(60)] {
            let scaled = reciprocal_estimate(1.7 * power) * power;
            assert_eq!(scaled, reciprocal_estimate(1.7));
            let scaled = reciprocal_estimate(1.7 * power as f32) * power as f32;
            assert_eq!(scaled, reciprocal_estimate(1.7_f32));
        }
        assert!(reciprocal_estimate(f32::NAN).is_nan() && reciprocal_estimate(f64::NAN).is_nan());
    }
}
