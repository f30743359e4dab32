//! Logarithms of sums of exponentials: softplus, and what is made of it.

use crate::activation::{Activation, Jet, Parameters};
use crate::activations::sigmoid::Tanh;
use crate::math::Number;
use crate::math::double::{Double, fast_two_sum, two_product};
use crate::math::expm1::expm1_pair;
use crate::math::gate::Gate;
use crate::math::hyperbolic::log_cosh;
use crate::math::log::log1p_over_power;
use crate::simd::MAX_TABLES;

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
    const DEFAULTS: Parameters<f64> = [1.0, 0.0];

    #[inline(always)]
    fn jet<T: Number>(x: T, [beta, _]: Parameters<T>) -> Jet<T> {
        let (gate, growth) = Gate::with_growth::<true>(negative_product(x, beta));
        let log = log1p_over_power(gate.power, growth).divide(Double::from(beta));
        Jet {
            value: ramp_plus(x, log, gate.power),
            derivative: gate.sigma_round(x >= T::ZERO),
            second_derivative: gate.slope().times(beta).round() * gate.power,
        }
    }

    #[inline(always)]
    fn jet_at_defaults<T: Number>(x: T) -> Jet<T> {
        let distance = (-x.abs()).at_least(T::EXP_LOWEST);
        let (gate, growth) = Gate::with_growth::<false>(Double::from(distance));
        Jet {
            value: ramp_plus(x, log1p_over_power(gate.power, growth), gate.power),
            derivative: gate.sigma_round(x >= T::ZERO),
            second_derivative: gate.slope().round() * gate.power,
        }
    }

    #[inline(always)]
    fn parameter_derivatives<T: Number>(x: T, [beta, _]: Parameters<T>) -> [T; 2] {
        let t = negative_product(x, beta);
        let (gate, growth) = Gate::with_growth::<true>(t);
        let first = log1p_over_power(gate.power, growth);
        let second = t.multiply(gate.sigma(false).0);
        let sum = second.plus(first.negate()).divide_round(two_product(beta, beta));
        [sum * gate.power, T::ZERO]
    }

    /// `1 - e^(-beta y)`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, [beta, _]: Parameters<T>) -> T {
        -expm1_pair(negative_product(y, beta)).round()
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
        let Jet { value, derivative, second_derivative } = Softplus::jet_at_defaults(-x);
        Jet { value: -value, derivative, second_derivative: -second_derivative }
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
/// Method: [`log_cosh`]; the derivatives are `tanh` and `tanh'`.
pub struct LogCosh;

impl Activation for LogCosh {
    #[inline(always)]
    fn jet<T: Number>(x: T, parameters: Parameters<T>) -> Jet<T> {
        let tanh = Tanh::jet(x, parameters);
        Jet { value: log_cosh(x), derivative: tanh.value, second_derivative: tanh.derivative }
    }

    const HAS_ORDINARY: bool = true;
    const ORDINARY_FORMS: &'static [&'static str] =
        &["derivative", "value_and_derivative", "backward"];
    const TABLES: usize = Tanh::TABLES;

    #[inline(always)]
    fn is_ordinary<T: Number>(x: T, parameters: Parameters<T>) -> bool {
        Tanh::is_ordinary(x, parameters)
    }

    #[inline(always)]
    fn tables<T: Number>() -> [&'static [T]; MAX_TABLES] {
        Tanh::tables()
    }

    #[inline(always)]
    fn key<T: Number>(x: T, parameters: Parameters<T>) -> T {
        Tanh::key(x, parameters)
    }

    #[inline(always)]
    fn tabled_jet<T: Number>(
        x: T,
        parameters: Parameters<T>,
        key: T,
        entries: [T; MAX_TABLES],
    ) -> Jet<T> {
        let tanh = Tanh::tabled_jet(x, parameters, key, entries);
        Jet { derivative: tanh.value, ..Self::jet(x, parameters) }
    }
}

/// `-|x| factor` as a pair, for `factor > 0`; past `EXP_LOWEST` about that.
#[inline(always)]
fn negative_product<T: Number>(x: T, factor: T) -> Double<T> {
    let x = -x.abs();
    let hi = (x * factor).at_least(T::EXP_LOWEST);
    // Past the limit the difference may be anything down to -inf.
    let lo = x.mul_add(factor, -hi).at_least(T::literal(-0.000_244_140_625));
    Double { hi, lo }
}

/// `max(x, 0) + log power`, rounded once, for a positive `log`.
#[inline(always)]
fn ramp_plus<T: Number>(x: T, log: Double<T>, power: T) -> T {
    let left = log.round() * power;
    let log = log.scale(power);
    let sum = fast_two_sum(log.hi.at_least(x), log.hi.at_most(x));
    // At infinity sum.lo is NaN.
    let right = T::select(x < T::INFINITY, sum.hi + (sum.lo + log.lo), sum.hi);
    T::select(x < T::ZERO, left, right)
}

#[cfg(test)]
mod tests {
    use super::{LogCosh, LogSigmoid, Softplus};
    use crate::activation::{Activation, Jet};
    use crate::activations::assert_jet;
    use crate::math::Number;

    fn limits<T: Number>() {
        let beta = [T::TWO, T::ZERO];
        let (inf, none) = (T::INFINITY, [T::ZERO; 2]);
        assert_jet(Softplus::jet(-inf, beta), [0.0, 0.0, 0.0]);
        assert_jet(Softplus::jet(inf, beta), [f64::INFINITY, 1.0, 0.0]);
        assert_jet(LogSigmoid::jet(-inf, none), [f64::NEG_INFINITY, 1.0, -0.0]);
        assert_jet(LogSigmoid::jet(inf, none), [-0.0, 0.0, -0.0]);
        assert_jet(LogCosh::jet(-inf, none), [f64::INFINITY, -1.0, 0.0]);
        assert_jet(LogCosh::jet(inf, none), [f64::INFINITY, 1.0, 0.0]);
        assert_jet(LogCosh::jet(-T::ZERO, none), [0.0, -0.0, 1.0]);
        for x in [-inf, inf] {
            assert!(Softplus::parameter_derivatives(x, beta)[0] == T::ZERO);
        }
        assert!(Softplus::derivative_from_output(inf, beta) == T::ONE);
        assert!(Softplus::derivative_from_output(T::ZERO, beta) == T::ZERO);
        assert!(LogSigmoid::derivative_from_output(-inf, none) == T::ONE);
        assert!(LogSigmoid::derivative_from_output(-T::ZERO, none) == T::ZERO);
    }

    #[test]
    fn reaches_its_limits() {
        limits::<f32>();
        limits::<f64>();
    }

    /// No intermediate product overflows where the result does not.
    fn huge<T: Number>() {
        let beta = [T::literal(50.0), T::ZERO];
        assert_jet(Softplus::jet(-T::MAX, beta), [0.0, 0.0, 0.0]);
        assert!(Softplus::jet(T::MAX, beta).value == T::MAX);
        assert!(Softplus::parameter_derivatives(T::MAX, beta)[0] == T::ZERO);
        assert!(LogSigmoid::jet(-T::MAX, beta).value == -T::MAX);
        assert!(LogCosh::jet(-T::MAX, beta).value == T::MAX);
    }

    #[test]
    fn stays_finite_at_huge_arguments() {
        huge::<f32>();
        huge::<f64>();
    }

    fn nan<T: Number>() {
        let (one, none) = ([T::ONE; 2], [T::ZERO; 2]);
        let jets = [
            Softplus::jet(T::NAN, one),
            Softplus::jet(T::ONE, [T::NAN; 2]),
            Softplus::jet(T::INFINITY, [T::NAN; 2]),
            Softplus::jet(-T::INFINITY, [T::NAN; 2]),
            LogSigmoid::jet(T::NAN, none),
            LogCosh::jet(T::NAN, none),
        ];
        for Jet { value, derivative, second_derivative } in jets {
            assert!(value.is_nan() && derivative.is_nan() && second_derivative.is_nan());
        }
        assert!(Softplus::parameter_derivatives(T::NAN, one)[0].is_nan());
        assert!(Softplus::parameter_derivatives(T::ONE, [T::NAN; 2])[0].is_nan());
        assert!(Softplus::derivative_from_output(T::NAN, one).is_nan());
        assert!(Softplus::derivative_from_output(T::ONE, [T::NAN; 2]).is_nan());
        assert!(LogSigmoid::derivative_from_output(T::NAN, none).is_nan());
    }

    #[test]
    fn propagates_nan() {
        nan::<f32>();
        nan::<f64>();
    }
}
