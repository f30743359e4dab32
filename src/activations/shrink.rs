//! Shrinkage: what remains of x after a threshold is taken off, or after small x are cut.

use super::unless_nan;
use crate::activation::{ALL_FORMS, Activation, Jet, Parameters};
use crate::math::Number;

/// `soft_shrink(x; l) = sign(x) max(|x| - l, 0)`, for `l >= 0`.
///
/// Error: value at most 0.5 ulp, the rest exact.
/// Edges: NaN in x or l gives NaN in every form; odd, zeros included; `f' = df/dl = 0` at +-l.
pub struct SoftShrink;

impl Activation for SoftShrink {
    const PARAMETERS: usize = 1;
    const DEFAULTS: Parameters<f64> = [0.5, 0.0];
    const LIGHT: &'static [&'static str] = ALL_FORMS;
    const NEVER_OPEN: &'static [&'static str] = ALL_FORMS;

    #[inline(always)]
    fn jet<T: Number>(x: T, [lambda, _]: Parameters<T>) -> Jet<T> {
        let outside = x.abs() > lambda;
        // A NaN fails the comparison, and the difference is NaN.
        let rest = T::select(x.abs() <= lambda, T::ZERO, x.abs() - lambda);
        let operands = [x, lambda];
        Jet {
            value: rest.copysign(x),
            derivative: unless_nan(T::select(outside, T::ONE, T::ZERO), operands),
            second_derivative: unless_nan(T::ZERO, operands),
        }
    }

    /// `-sign(x)` where `|x| > l`.
    #[inline(always)]
    fn parameter_derivatives<T: Number>(x: T, [lambda, _]: Parameters<T>) -> [T; 2] {
        let outside = x.abs() > lambda;
        let derivative = T::select(outside, T::ONE.copysign(-x), T::ZERO);
        [unless_nan(derivative, [x, lambda]), T::NAN]
    }

    /// `|x| - l` does not round to zero: `y` is not 0 exactly where `|x| > l`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, [lambda, _]: Parameters<T>) -> T {
        not_zero(y, lambda)
    }
}

/// `hard_shrink(x; l) = x` where `|x| > l`, else 0, for `l >= 0`.
///
/// Error: exact.
/// Edges: NaN in x or l gives NaN in every form; odd, zeros included; `f' = 0` at +-l, and
/// `df/dl = 0` also there, where f jumps.
pub struct HardShrink;

impl Activation for HardShrink {
    const PARAMETERS: usize = 1;
    const DEFAULTS: Parameters<f64> = [0.5, 0.0];
    const LIGHT: &'static [&'static str] = ALL_FORMS;
    const NEVER_OPEN: &'static [&'static str] = ALL_FORMS;

    #[inline(always)]
    fn jet<T: Number>(x: T, [lambda, _]: Parameters<T>) -> Jet<T> {
        let outside = x.abs() > lambda;
        let operands = [x, lambda];
        Jet {
            // x fails the comparison if it is NaN.
            value: unless_nan(T::select(x.abs() <= lambda, T::ZERO.copysign(x), x), [lambda]),
            derivative: unless_nan(T::select(outside, T::ONE, T::ZERO), operands),
            second_derivative: unless_nan(T::ZERO, operands),
        }
    }

    #[inline(always)]
    fn parameter_derivatives<T: Number>(x: T, [lambda, _]: Parameters<T>) -> [T; 2] {
        [unless_nan(T::ZERO, [x, lambda]), T::NAN]
    }

    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, [lambda, _]: Parameters<T>) -> T {
        not_zero(y, lambda)
    }
}

/// 1 where `y` is not 0, else 0; NaN for NaN.
#[inline(always)]
fn not_zero<T: Number>(y: T, lambda: T) -> T {
    unless_nan(T::select(y == T::ZERO, T::ZERO, T::ONE), [y, lambda])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_jet_at, assert_nan_stays, in_both_precisions};
    use super::*;

    const INFINITY: f64 = f64::INFINITY;

    in_both_precisions! {
        /// In x and in the parameter, on both branches.
        fn nan_stays<T>() {
            for x in [0.25, 1.0] {
                assert_nan_stays::<SoftShrink, T>(x, [0.5, 0.0]);
                assert_nan_stays::<HardShrink, T>(x, [0.5, 0.0]);
            }
        }

        fn kinks<T>() {
            for x in [-0.5, 0.5] {
                assert_jet_at::<SoftShrink, T>(x, [0.5, 0.0], [0.0 * x, 0.0, 0.0]);
                assert_jet_at::<HardShrink, T>(x, [0.5, 0.0], [0.0 * x, 0.0, 0.0]);
            }
        }

        fn limits<T>() {
            for x in [-INFINITY, INFINITY] {
                assert_jet_at::<SoftShrink, T>(x, [0.5, 0.0], [x, 1.0, 0.0]);
                assert_jet_at::<HardShrink, T>(x, [0.5, 0.0], [x, 1.0, 0.0]);
                assert_jet_at::<SoftShrink, T>(x, [INFINITY, 0.0], [0.0_f64.copysign(x), 0.0, 0.0]);
            }
        }

        /// Also where the difference is subnormal.
        fn what_remains_is_not_zero<T>() {
            let [x, lambda] = [T::MIN_POSITIVE, T::MIN_POSITIVE.next_toward_zero()];
            let y = SoftShrink::jet(x, [lambda, T::ZERO]).value;
            assert!(y > T::ZERO);
            assert!(SoftShrink::derivative_from_output(y, [lambda, T::ZERO]) == T::ONE);
        }
    }
}
