//! The square root and its reciprocal as pairs, without a division.

use super::double::{Double, fast_two_sum};
use super::real::Real;

/// `sqrt(h)` and `1 / sqrt(h)`.
#[derive(Clone, Copy)]
pub struct Root<T> {
    pub root: Double<T>,
    pub reciprocal: Double<T>,
}

/// The square root of a positive normal number `h.hi + h.lo` and its reciprocal.
///
/// Error: relative 2^-35 (`f32`), 2^-75 (`f64`) of the normalised pairs.
/// Edges: the root of zero is zero, its reciprocal some finite number; NaN gives NaN.
/// Method: a guess from the bits, 2^-4; a step with tuned constants, 2^-10.5; Newton's steps,
/// 2^-20 (`f32`), 2^-38 (`f64`); one more from the exact remainders gives the pairs.
/// Source: C. J. Walczyk, L. V. Moroz, J. L. Cieslinski, "Improving the accuracy of the fast
/// inverse square root by modifying Newton-Raphson corrections", 2021; J. Kadlec, 2010.
#[inline(always)]
pub fn root_pair<T: Real>(h: Double<T>) -> Root<T> {
    let guess = h.hi.reciprocal_sqrt_guess();
    let tuned = (-(h.hi * guess)).mul_add(guess, T::literal(2.38924456));
    let mut reciprocal = (guess * T::literal(0.703952253)) * tuned;
    let steps = if T::DIGITS == 24 { 1 } else { 2 };
    for _ in 0..steps {
        let error = (-(h.hi * reciprocal)).mul_add(reciprocal, T::ONE);
        reciprocal = (T::HALF * reciprocal).mul_add(error, reciprocal);
    }
    let near = h.hi * reciprocal;
    // h - near^2: small beside h, its own rounding does not count.
    let remainder = (-near).mul_add(near, h.hi) + h.lo;
    let root = fast_two_sum(near, (T::HALF * reciprocal) * remainder);
    // 1 - root * reciprocal
    let error = (-reciprocal).mul_add(root.lo, (-reciprocal).mul_add(root.hi, T::ONE));
    Root { root, reciprocal: fast_two_sum(reciprocal, reciprocal * error) }
}

/// About `1 / sqrt(h)`, for a positive normal number.
///
/// Error: relative 2^-20 (`f32`), 2^-31 (`f64`).
/// Edges: NaN gives NaN.
/// Method: as [`root_pair`] to 2^-10.5, then a step of third order.
#[inline(always)]
pub fn reciprocal_root_estimate<T: Real>(h: T) -> T {
    let guess = h.reciprocal_sqrt_guess();
    let tuned = (-(h * guess)).mul_add(guess, T::literal(2.38924456));
    let estimate = (guess * T::literal(0.703952253)) * tuned;
    let error = (-(h * estimate)).mul_add(estimate, T::ONE);
    // (1 - error)^(-1/2) = 1 + error/2 + 3/8 error^2 + ...
    let factor = error.mul_add(T::literal(0.375), T::HALF);
    estimate.mul_add(error * factor, estimate)
}
