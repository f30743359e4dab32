//! Rectifiers: piecewise polynomials of degree one and two.

use super::unless_nan;
use crate::activation::{ALL_FORMS, Activation, Jet, Parameters};
use crate::math::Number;

/// `identity(x) = x`.
///
/// Error: exact.
/// Edges: NaN gives NaN in every form.
pub struct Identity;

impl Activation for Identity {
    const LIGHT: &'static [&'static str] = ALL_FORMS;
    const NEVER_OPEN: &'static [&'static str] = ALL_FORMS;

    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        Jet {
            // As a plain copy the compiler would take each block through the stack.
            value: T::select(x.is_nan(), x + x, x),
            derivative: unless_nan(T::ONE, [x]),
            second_derivative: unless_nan(T::ZERO, [x]),
        }
    }

    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, _: Parameters<T>) -> T {
        unless_nan(T::ONE, [y])
    }
}

/// `relu(x) = max(x, 0)`.
///
/// Error: exact.
/// Edges: NaN gives NaN in every form; `relu(-0.0) = 0.0`; `f'(0) = 0`.
pub struct Relu;

impl Activation for Relu {
    const LIGHT: &'static [&'static str] = ALL_FORMS;
    const NEVER_OPEN: &'static [&'static str] = ALL_FORMS;

    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        Jet {
            // A NaN fails the comparison and is passed on.
            value: T::select(x <= T::ZERO, T::ZERO, x),
            derivative: relu_derivative(x),
            second_derivative: unless_nan(T::ZERO, [x]),
        }
    }

    /// `y > 0` exactly where `x > 0`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, parameters: Parameters<T>) -> T {
        Self::jet(y, parameters).derivative
    }
}

/// 1 for `x > 0`, 0 for `x <= 0`, NaN for NaN.
#[inline(always)]
pub fn relu_derivative<T: Number>(x: T) -> T {
    unless_nan(T::select(x > T::ZERO, T::ONE, T::ZERO), [x])
}

/// `relu6(x) = min(max(x, 0), 6)`.
///
/// Error: exact.
/// Edges: NaN gives NaN in every form; `relu6(-0.0) = 0.0`; `f'(0) = f'(6) = 0`.
pub struct Relu6;

impl Activation for Relu6 {
    const LIGHT: &'static [&'static str] = ALL_FORMS;
    const NEVER_OPEN: &'static [&'static str] = ALL_FORMS;

    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let six = T::literal(6.0);
        let inside = x > T::ZERO && x < six;
        Jet {
            value: unless_nan(T::select(x > T::ZERO, x.at_most(six), T::ZERO), [x]),
            derivative: unless_nan(T::select(inside, T::ONE, T::ZERO), [x]),
            second_derivative: unless_nan(T::ZERO, [x]),
        }
    }

    /// `0 < y < 6` exactly where `0 < x < 6`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, parameters: Parameters<T>) -> T {
        Self::jet(y, parameters).derivative
    }
}

/// `relu_squared(x) = max(x, 0)^2`.
///
/// Error: value and derivative at most 0.5 ulp, second derivative exact.
/// Edges: NaN gives NaN in every form; overflows to inf; `f''(0) = 0`.
pub struct ReluSquared;

impl Activation for ReluSquared {
    const LIGHT: &'static [&'static str] = ALL_FORMS;
    const NEVER_OPEN: &'static [&'static str] =
        &["", "derivative", "value_and_derivative", "backward", "derivative_from_output"];

    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let positive = T::select(x <= T::ZERO, T::ZERO, x);
        let bend = T::select(x > T::ZERO, T::TWO, T::ZERO);
        Jet {
            value: positive * positive,
            derivative: positive + positive,
            second_derivative: unless_nan(bend, [x]),
        }
    }

    /// `2 sqrt(y)`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, _: Parameters<T>) -> T {
        T::TWO * T::select(y <= T::ZERO, T::ZERO, y).sqrt()
    }
}

/// `leaky_relu(x; a) = x` for `x >= 0`, else `a x`; also `prelu`.
///
/// Error: value at most 0.5 ulp, the rest exact.
/// Edges: NaN in x or a gives NaN in every form; `f(-0.0) = -0.0`; `f'(0) = 1`; with `a = 0` zero
/// even at -inf. From the output NaN unless `a > 0`: without an inverse there is no answer.
pub struct LeakyRelu;

impl Activation for LeakyRelu {
    const PARAMETERS: usize = 1;
    const DEFAULTS: Parameters<f64> = [0.01, 0.0];
    const LIGHT: &'static [&'static str] = ALL_FORMS;
    const NEVER_OPEN: &'static [&'static str] = ALL_FORMS;

    #[inline(always)]
    fn jet<T: Number>(x: T, [slope, _]: Parameters<T>) -> Jet<T> {
        let right = x >= T::ZERO;
        // The select keeps 0 * inf out.
        let left = T::select(slope == T::ZERO, T::ZERO, x) * slope;
        Jet {
            value: unless_nan(T::select(right, x, left), [x, slope]),
            derivative: unless_nan(T::select(right, T::ONE, slope), [x, slope]),
            second_derivative: unless_nan(T::ZERO, [x, slope]),
        }
    }

    /// `min(x, 0)`.
    #[inline(always)]
    fn parameter_derivatives<T: Number>(x: T, [slope, _]: Parameters<T>) -> [T; 2] {
        // A zero keeps its sign: a processor's minimum does not tell -0.0 < 0.0 as others do.
        [unless_nan(T::select(x <= T::ZERO, x, T::ZERO), [x, slope]), T::NAN]
    }

    /// y has the sign of x.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, [slope, _]: Parameters<T>) -> T {
        let derivative = T::select(y >= T::ZERO, T::ONE, slope);
        T::select(slope > T::ZERO, unless_nan(derivative, [y]), T::NAN)
    }
}

/// `threshold(x; t, v) = x` for `x > t`, else `v`.
///
/// Error: exact.
/// Edges: NaN in x, t or v gives NaN in every form; `f'(t) = 0`, and `df/dt = 0` also where f jumps.
pub struct Threshold;

impl Activation for Threshold {
    const PARAMETERS: usize = 2;
    const LIGHT: &'static [&'static str] = ALL_FORMS;
    const NEVER_OPEN: &'static [&'static str] = ALL_FORMS;

    #[inline(always)]
    fn jet<T: Number>(x: T, [threshold, value]: Parameters<T>) -> Jet<T> {
        let above = x > threshold;
        let operands = [x, threshold, value];
        Jet {
            value: unless_nan(T::select(above, x, value), operands),
            derivative: unless_nan(T::select(above, T::ONE, T::ZERO), operands),
            second_derivative: unless_nan(T::ZERO, operands),
        }
    }

    #[inline(always)]
    fn parameter_derivatives<T: Number>(x: T, [threshold, value]: Parameters<T>) -> [T; 2] {
        let operands = [x, threshold, value];
        let below = T::select(x > threshold, T::ZERO, T::ONE);
        [unless_nan(T::ZERO, operands), unless_nan(below, operands)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_jet_at, assert_nan_stays, in_both_precisions};
    use super::*;

    const INFINITY: f64 = f64::INFINITY;

    in_both_precisions! {
        /// In x and in every parameter, on both branches.
        fn nan_stays<T>() {
            assert_nan_stays::<Identity, T>(1.0, [0.0; 2]);
            assert_nan_stays::<Relu, T>(1.0, [0.0; 2]);
            assert_nan_stays::<Relu6, T>(1.0, [0.0; 2]);
            assert_nan_stays::<ReluSquared, T>(1.0, [0.0; 2]);
            for x in [-1.0, 1.0] {
                assert_nan_stays::<LeakyRelu, T>(x, [0.25, 0.0]);
                assert_nan_stays::<Threshold, T>(x, [0.0, 20.0]);
            }
        }

        fn kinks<T>() {
            assert_jet_at::<Relu, T>(0.0, [0.0; 2], [0.0, 0.0, 0.0]);
            assert_jet_at::<Relu6, T>(0.0, [0.0; 2], [0.0, 0.0, 0.0]);
            assert_jet_at::<Relu6, T>(6.0, [0.0; 2], [6.0, 0.0, 0.0]);
            assert_jet_at::<ReluSquared, T>(0.0, [0.0; 2], [0.0, 0.0, 0.0]);
            assert_jet_at::<LeakyRelu, T>(0.0, [0.25, 0.0], [0.0, 1.0, 0.0]);
            assert_jet_at::<LeakyRelu, T>(-0.0, [0.25, 0.0], [-0.0, 1.0, 0.0]);
            assert_jet_at::<Threshold, T>(0.5, [0.5, 20.0], [20.0, 0.0, 0.0]);
        }

        fn limits<T>() {
            assert_jet_at::<Relu6, T>(INFINITY, [0.0; 2], [6.0, 0.0, 0.0]);
            assert_jet_at::<ReluSquared, T>(INFINITY, [0.0; 2], [INFINITY, INFINITY, 2.0]);
            assert_jet_at::<LeakyRelu, T>(-INFINITY, [0.25, 0.0], [-INFINITY, 0.25, 0.0]);
            assert_jet_at::<LeakyRelu, T>(-INFINITY, [0.0, 0.0], [0.0, 0.0, 0.0]);
            assert_jet_at::<Threshold, T>(-INFINITY, [0.0, 20.0], [20.0, 0.0, 0.0]);
        }

        /// Where the function has no inverse.
        fn from_output_needs_a_positive_slope<T>() {
            for slope in [T::ZERO, -T::ONE] {
                assert!(LeakyRelu::derivative_from_output(T::ONE, [slope, T::ZERO]).is_nan());
            }
        }
    }
}
