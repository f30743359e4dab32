//! Exponential linear units, and the exponential itself.

use super::unless_nan;
use crate::activation::{Activation, FROM_OUTPUT, Jet, Parameters};
use crate::math::Number;
use crate::math::double::{Double, fast_two_sum};
use crate::math::exp::{Stepped, exp_step, exp_tables};
use crate::math::wide::{Wide, celu_slope};
use crate::simd::MAX_TABLES;

/// `exp(x) = e^x`, its own derivative.
///
/// Error: at most 0.6 ulp, 1 ulp in the subnormals.
/// Edges: NaN gives NaN; 0 at -inf; overflows to inf.
/// Method: in general [`Wide`]; where neither end is near, [`Stepped`].
pub struct Exp;

impl Activation for Exp {
    const LIGHT: &'static [&'static str] = FROM_OUTPUT;
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let exp = Wide::of_any(x).round();
        Jet { value: exp, derivative: exp, second_derivative: exp }
    }

    const HAS_ORDINARY: bool = true;

    #[inline(always)]
    fn is_ordinary<T: Number>(x: T, _: Parameters<T>) -> bool {
        x.abs() < -T::WIDE_SPLIT
    }

    const TABLES: usize = 2;

    #[inline(always)]
    fn tables<T: Number>() -> [&'static [T]; MAX_TABLES] {
        exp_tables()
    }

    #[inline(always)]
    fn key<T: Number>(x: T, _: Parameters<T>) -> T {
        exp_step(x)
    }

    #[inline(always)]
    fn tabled_jet<T: Number>(
        x: T,
        _: Parameters<T>,
        step: T,
        [power, power_lo, ..]: [T; MAX_TABLES],
    ) -> Jet<T> {
        let exp = Stepped::at(x, step, [power, power_lo]).round();
        Jet { value: exp, derivative: exp, second_derivative: exp }
    }

    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, _: Parameters<T>) -> T {
        T::select(y.is_nan(), y + y, y) // no plain copy, as in `Identity`
    }
}

/// `elu(x; alpha) = x` for `x > 0`, else `alpha (e^x - 1)`, for any alpha of either sign.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 1 ulp, for `|alpha|` up to
/// 2^99 (`f32`) or 2^964 (`f64`).
/// Edges: NaN in x or alpha gives NaN in every form; `-alpha` at -inf; `f(-0.0) = -0.0`;
/// `f'(0) = f''(0) = alpha`, of the left branch. From the output NaN unless `alpha > 0`: without an
/// inverse there is no answer.
pub struct Elu;

impl Activation for Elu {
    const LIGHT: &'static [&'static str] = FROM_OUTPUT;
    const PARAMETERS: usize = 1;
    const DEFAULTS: Parameters<f64> = [1.0, 0.0];

    #[inline(always)]
    fn jet<T: Number>(x: T, [alpha, _]: Parameters<T>) -> Jet<T> {
        let exp = Wide::of_decay(Double::from(x));
        let slope = exp.times(alpha);
        let right = x > T::ZERO;
        Jet {
            // The zeros are passed on with their signs.
            value: unless_nan(
                T::select(x >= T::ZERO, x, exp.minus_one().times_round(alpha)),
                [alpha],
            ),
            derivative: unless_nan(T::select(right, T::ONE, slope), [alpha]),
            second_derivative: unless_nan(T::select(right, T::ZERO, slope), [alpha]),
        }
    }

    /// `min(e^x - 1, 0)`.
    #[inline(always)]
    fn parameter_derivatives<T: Number>(x: T, [alpha, _]: Parameters<T>) -> [T; 2] {
        let left = Wide::of_decay(Double::from(x)).minus_one().round();
        [unless_nan(T::select(x >= T::ZERO, T::ZERO, left), [alpha]), T::NAN]
    }

    /// `y + alpha` for `y <= 0`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, [alpha, _]: Parameters<T>) -> T {
        let derivative = T::select(y > T::ZERO, T::ONE, y + alpha);
        T::select(alpha > T::ZERO, derivative, T::NAN)
    }
}

/// `lambda` and `lambda alpha` of SELU as pairs.
const LAMBDA: (f64, f64) = (1.0507009873554805, 3.987484766715415e-17);
const LAMBDA_ALPHA: (f64, f64) = (1.7580993408473768, 1.415351938008446e-17);

/// `selu(x) = lambda elu(x; alpha)`, with the constants that keep mean 0 and variance 1.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 1 ulp.
/// Edges: NaN gives NaN; `-lambda alpha` at -inf; `f(-0.0) = -0.0`; `f'(0) = f''(0) = lambda alpha`,
/// of the left branch.
/// Source: G. Klambauer et al., "Self-normalizing neural networks", 2017, equation 14.
pub struct Selu;

impl Activation for Selu {
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let lambda = T::pair(LAMBDA.0, LAMBDA.1);
        let lambda_alpha = T::pair(LAMBDA_ALPHA.0, LAMBDA_ALPHA.1);
        let exp = Wide::of_decay(Double::from(x));
        let slope = exp.times_pair(lambda_alpha);
        let left = exp.minus_one().multiply_round(lambda_alpha);
        // The tail of lambda may be negative: inf - inf is kept out, and a zero keeps its sign.
        let line = lambda.hi.mul_add(x, lambda.lo * x.at_most(T::MAX));
        let right = x > T::ZERO;
        Jet {
            value: T::select(right, line, left).copysign(x),
            derivative: T::select(right, lambda.hi, slope),
            second_derivative: T::select(right, T::ZERO, slope),
        }
    }

    /// `y + lambda alpha` for `y <= 0`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, _: Parameters<T>) -> T {
        let lambda_alpha = T::pair(LAMBDA_ALPHA.0, LAMBDA_ALPHA.1);
        let left = Double::from(y).plus(lambda_alpha).round();
        T::select(y > T::ZERO, T::literal(LAMBDA.0), left)
    }
}

/// `celu(x; alpha) = x` for `x > 0`, else `alpha (e^(x/alpha) - 1)`, for `alpha > 0`.
///
/// Error: value and derivatives at most 1 ulp, for `alpha` from 2^-99 to 2^99 (`f32`), from 2^-964
/// to 2^964 (`f64`).
/// Edges: NaN in x or alpha, or `alpha <= 0`, gives NaN in every form; `-alpha` at -inf;
/// `f(-0.0) = -0.0`; `f''(0) = 1/alpha`, of the left branch.
/// Method: `u = x/alpha` as a pair, since the exponential turns its error into a relative one. For
/// `alpha = 1` it is [`Elu`].
pub struct Celu;

impl Activation for Celu {
    const PARAMETERS: usize = 1;
    const DEFAULTS: Parameters<f64> = [1.0, 0.0];

    #[inline(always)]
    fn jet<T: Number>(x: T, [alpha, _]: Parameters<T>) -> Jet<T> {
        let u = celu_argument(x, alpha);
        let exp = Wide::of_decay(u);
        // Where u, maybe subnormal, is below 2^-(DIGITS + 3), alpha (e^u - 1) is x (1 + u/2).
        let tiny = u.hi > T::literal(if T::DIGITS == 24 { -7.5e-9 } else { -1.3e-17 });
        let value = T::select(tiny, x, exp.minus_one().times_round(alpha));
        let right = x > T::ZERO;
        let valid = alpha > T::ZERO;
        let derivative = T::select(right, T::ONE, exp.round());
        let bend = exp.times_pair(Double::from(alpha).reciprocal());
        let second_derivative = T::select(right, T::ZERO, bend);
        Jet {
            value: T::select(valid, value, T::NAN),
            derivative: T::select(valid, derivative, T::NAN),
            second_derivative: T::select(valid, second_derivative, T::NAN),
        }
    }

    #[inline(always)]
    fn jet_at_defaults<T: Number>(x: T) -> Jet<T> {
        Elu::jet(x, [T::ONE, T::ZERO])
    }

    /// `e^u (1 - u) - 1` for `x <= 0`.
    #[inline(always)]
    fn parameter_derivatives<T: Number>(x: T, [alpha, _]: Parameters<T>) -> [T; 2] {
        let u = celu_argument(x, alpha);
        let left = celu_slope(u, Wide::of_decay(u));
        let derivative = T::select(x >= T::ZERO, T::ZERO, left);
        [T::select(alpha > T::ZERO, derivative, T::NAN), T::NAN]
    }

    /// `(y + alpha) / alpha` for `y <= 0`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, [alpha, _]: Parameters<T>) -> T {
        let left = fast_two_sum(alpha, y).divide_round(Double::from(alpha));
        let derivative = T::select(y > T::ZERO, T::ONE, left);
        T::select(alpha > T::ZERO, derivative, T::NAN)
    }
}

/// `x / alpha` as a pair, held above where its exponential underflows.
#[inline(always)]
fn celu_argument<T: Number>(x: T, alpha: T) -> Double<T> {
    // The remainder of the division is 2^-DIGITS of x: a small x is lifted with alpha. Where that
    // is too large the quotient is 0 nevertheless.
    let power =
        |single: f64, double: f64| T::literal(if T::DIGITS == 24 { single } else { double });
    let small = x.abs() < power(TWO_TO_MINUS_96, TWO_TO_MINUS_900);
    let lift = T::select(small, power(TWO_TO_60, TWO_TO_200), T::ONE);
    let alpha = (alpha * lift).at_most(T::MAX);
    let u = Double::from(x * lift).divide(Double::from(alpha));
    // Also where the division overflows, and its remainder is not a number.
    Double::select(u.hi < T::WIDE_LOWEST, Double::from(T::WIDE_LOWEST), u)
}

const TWO_TO_MINUS_96: f64 = f64::from_bits((1023 - 96) << 52);
const TWO_TO_MINUS_900: f64 = f64::from_bits((1023 - 900) << 52);
const TWO_TO_60: f64 = f64::from_bits((1023 + 60) << 52);
const TWO_TO_200: f64 = f64::from_bits((1023 + 200) << 52);

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_jet_at, assert_nan_stays, in_both_precisions};
    use super::*;

    const INFINITY: f64 = f64::INFINITY;

    in_both_precisions! {
        /// In x and in the parameter, on both branches.
        fn nan_stays<T>() {
            assert_nan_stays::<Exp, T>(1.0, [0.0; 2]);
            assert_nan_stays::<Selu, T>(1.0, [0.0; 2]);
            for x in [-1.0, 1.0] {
                assert_nan_stays::<Elu, T>(x, [0.5, 0.0]);
                assert_nan_stays::<Celu, T>(x, [0.5, 0.0]);
            }
        }

        fn kinks<T>() {
            assert_jet_at::<Exp, T>(0.0, [0.0; 2], [1.0, 1.0, 1.0]);
            assert_jet_at::<Elu, T>(0.0, [0.5, 0.0], [0.0, 0.5, 0.5]);
            assert_jet_at::<Elu, T>(-0.0, [0.5, 0.0], [-0.0, 0.5, 0.5]);
            assert_jet_at::<Selu, T>(-0.0, [0.0; 2], [-0.0, LAMBDA_ALPHA.0, LAMBDA_ALPHA.0]);
            assert_jet_at::<Celu, T>(0.0, [0.5, 0.0], [0.0, 1.0, 2.0]);
            assert_jet_at::<Celu, T>(-0.0, [0.5, 0.0], [-0.0, 1.0, 2.0]);
        }

        fn limits<T>() {
            assert_jet_at::<Exp, T>(-INFINITY, [0.0; 2], [0.0, 0.0, 0.0]);
            assert_jet_at::<Exp, T>(INFINITY, [0.0; 2], [INFINITY, INFINITY, INFINITY]);
            for alpha in [0.5, -2.0, 1e28] {
                let zero = 0.0_f64.copysign(alpha);
                assert_jet_at::<Elu, T>(-INFINITY, [alpha, 0.0], [-alpha, zero, zero]);
                assert_jet_at::<Elu, T>(INFINITY, [alpha, 0.0], [INFINITY, 1.0, 0.0]);
            }
            assert_jet_at::<Selu, T>(-INFINITY, [0.0; 2], [-LAMBDA_ALPHA.0, 0.0, 0.0]);
            assert_jet_at::<Selu, T>(INFINITY, [0.0; 2], [INFINITY, LAMBDA.0, 0.0]);
            for alpha in [1e-3, 0.5, 1e28] {
                assert_jet_at::<Celu, T>(-INFINITY, [alpha, 0.0], [-alpha, 0.0, 0.0]);
                assert_jet_at::<Celu, T>(INFINITY, [alpha, 0.0], [INFINITY, 1.0, 0.0]);
            }
        }

        /// `alpha (e^(x/alpha) - 1)` rounds to x, also where `x/alpha` is subnormal.
        fn tiny_arguments_pass_celu<T>() {
            for x in [T::MIN_POSITIVE, T::MIN_POSITIVE.next_toward_zero()] {
                for alpha in [0.25, 1.0, 1000.0].map(T::literal) {
                    assert!(Celu::jet(-x, [alpha, T::ZERO]).value == -x);
                }
            }
        }

        /// Where the functions have no inverse, or celu no value.
        fn alpha_must_be_positive<T>() {
            for alpha in [T::ZERO, -T::ONE] {
                assert!(Elu::derivative_from_output(T::ONE, [alpha, T::ZERO]).is_nan());
                assert!(Celu::derivative_from_output(T::ONE, [alpha, T::ZERO]).is_nan());
                assert!(Celu::jet(T::ONE, [alpha, T::ZERO]).value.is_nan());
            }
        }
    }
}
