//! Logarithms of sums of exponentials: softplus, and what is made of it.

use crate::activation::{Activation, Jet, Parameters};
use crate::activations::sigmoid::{Logistic, Tanh};
use crate::math::Number;
use crate::math::double::{Double, fast_two_sum, polynomial, two_product, two_sum};
use crate::math::exp::exp_decay;
use crate::math::expm1::expm1_pair;
use crate::math::log::log1p_over;

/// `softplus(x) = log(1 + e^(beta x)) / beta`, for `beta > 0`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp, for `beta` from
/// 2^-32 to 2^32.
/// Edges: NaN gives NaN; 0 and inf at the infinities, with derivatives 0 and 1.
/// Method: `max(x, 0) + log(1+e)/beta` with `e = exp(-|beta x|)`, `beta x` an exact pair; the
/// derivatives are those of the logistic function at `beta x`, the second `beta` times; with
/// respect to `beta`: `-(log(1+e) + |beta x| e/(1+e)) / beta^2`, whose terms do not cancel.
pub struct Softplus;

impl Activation for Softplus {
    const PARAMETERS: usize = 1;

    #[inline(always)]
    fn jet<T: Number>(x: T, [beta, _]: Parameters<T>) -> Jet<T> {
        let t = magnitude_of_product(x, beta);
        let logistic = Logistic::at(t);
        let Logistic { decay, slope, .. } = logistic;
        Jet {
            value: ramp_plus(x, log1p_over(decay, Some(beta)), decay.power),
            derivative: logistic.sigmoid(x < T::ZERO),
            second_derivative: slope.times(beta).round() * T::UNBIAS * decay.power,
        }
    }

    #[inline(always)]
    fn parameter_derivatives<T: Number>(x: T, [beta, _]: Parameters<T>) -> [T; 2] {
        let t = magnitude_of_product(x, beta);
        let Logistic { decay, quotient, .. } = Logistic::at(t);
        let first = log1p_over(decay, None);
        let second = t.multiply(decay.mantissa.multiply(quotient));
        let sum = first.plus(second).divide_round(two_product(beta, beta));
        [-(sum * T::UNBIAS * decay.power), T::ZERO]
    }

    /// `1 - e^(-beta y)`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, [beta, _]: Parameters<T>) -> T {
        -expm1_pair(magnitude_of_product(y, beta).negate()).round()
    }
}

/// `log_sigmoid(x) = -log(1 + e^-x)`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN gives NaN; -inf and -0.0 at the infinities, with derivatives 1 and 0.
/// Method: `-softplus(-x)`.
pub struct LogSigmoid;

impl Activation for LogSigmoid {
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let logistic = Logistic::at(Double::from(x.abs()));
        let Logistic { decay, slope, .. } = logistic;
        Jet {
            value: -ramp_plus(-x, log1p_over(decay, None), decay.power),
            derivative: logistic.sigmoid(x > T::ZERO),
            second_derivative: -(slope.round() * decay.power * T::UNBIAS),
        }
    }

    /// `1 - e^y`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, _: Parameters<T>) -> T {
        -expm1_pair(Double::from(-y.abs())).round()
    }
}

/// `log_cosh(x) = log(cosh(x))`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN gives NaN; inf at the infinities, with derivatives -1 and 1.
/// Method: `|x| - log 2 + log(1+e)` with `e = exp(-2|x|)`; below 1/2, where that cancels, an even
/// polynomial. The derivatives are `tanh` and `tanh'`.
pub struct LogCosh;

impl Activation for LogCosh {
    #[inline(always)]
    fn jet<T: Number>(x: T, parameters: Parameters<T>) -> Jet<T> {
        let magnitude = x.abs();
        let e = exp_decay(Double::from(-(T::TWO * magnitude)));
        let log = log1p_over(e, None).scale(e.power * T::UNBIAS);
        // log(1+e) < 1/3 above 1/2, and the sum below stays positive: both are in order.
        let offset = fast_two_sum(-T::LN2_HI, log.hi);
        let sum = fast_two_sum(magnitude, offset.hi);
        let rest = sum.lo + (offset.lo + (log.lo - T::LN2_LO));
        // At infinity rest is NaN.
        let far = T::select(magnitude < T::INFINITY, sum.hi + rest, sum.hi);

        // Half of x comes first: x^2 may be subnormal.
        let leading = two_product(magnitude, T::HALF * magnitude);
        let square = magnitude * magnitude;
        let quartic = (square * square) * polynomial(square, T::LOG_COSH_TAIL);
        let near = leading.hi + (leading.lo + quartic);

        let tanh = Tanh::jet(x, parameters);
        Jet {
            value: T::select(magnitude < T::HALF, near, far),
            derivative: tanh.value,
            second_derivative: tanh.derivative,
        }
    }
}

/// `|x| factor` as a pair, for `factor > 0`; where that is past `EXP_LOWEST`, about its negative.
#[inline(always)]
fn magnitude_of_product<T: Number>(x: T, factor: T) -> Double<T> {
    let magnitude = x.abs();
    let hi = (magnitude * factor).at_most(-T::EXP_LOWEST);
    // Past the limit the difference may be anything up to infinity.
    let lo = magnitude.mul_add(factor, -hi).at_most(T::literal(0.000_244_140_625));
    Double { hi, lo }
}

/// `max(x, 0) + log power UNBIAS`, rounded once, for a positive `log`.
#[inline(always)]
fn ramp_plus<T: Number>(x: T, log: Double<T>, power: T) -> T {
    // UNBIAS first: log is 1/beta times a number near 1, and may be large.
    let left = log.round() * T::UNBIAS * power;
    let log = log.scale(power * T::UNBIAS);
    let sum = two_sum(x, log.hi);
    // At infinity sum.lo is NaN.
    let right = T::select(x < T::INFINITY, sum.hi + (sum.lo + log.lo), sum.hi);
    T::select(x < T::ZERO, left, right)
}
