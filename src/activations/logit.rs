//! The inverse of the logistic function.

use crate::activation::{Activation, Jet, Parameters};
use crate::math::Number;
use crate::math::double::{Double, fast_two_sum, two_product, two_sum};
use crate::math::log::log_ratio;

/// `logit(x) = log(x / (1 - x))`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN outside `[0, 1]`; -inf at 0 and inf at 1, with derivative inf and second derivative
/// -inf and inf.
/// Method: with `q = min(x, 1-x)`, exact, and `c = 1 - q`, an exact pair, the value is `log(q/c)` up
/// to its sign: `k log 2 + log(a/c)` with `q = a 2^k`, where `k = 0` if `q` is above 1/3. The
/// derivatives are `1/(qc)` and, up to its sign, `-(1-2q)/(qc)^2`.
pub struct Logit;

impl Activation for Logit {
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let upper = x > T::HALF;
        let q = T::select(upper, T::ONE - x, x);
        let c = fast_two_sum(T::ONE, -q);
        let value = log_odds(q, c);

        let reciprocal = c.times(q).reciprocal();
        let slope = finite(reciprocal.round(), reciprocal.hi);
        let square = reciprocal.square();
        let bend = square.multiply_round(fast_two_sum(T::ONE, -(q + q)));
        let bend = finite(bend, square.hi);

        let sign = T::select(upper, -T::ONE, T::ONE);
        Jet {
            value: sign * at_ends(q, value, -T::INFINITY),
            derivative: at_ends(q, slope, T::INFINITY),
            second_derivative: -sign * at_ends(q, bend, T::INFINITY),
        }
    }
}

/// `log(q/c)` for `0 < q <= 1/2`, `c = 1 - q`.
#[inline(always)]
fn log_odds<T: Number>(q: T, c: Double<T>) -> T {
    let lifted = q < T::MIN_POSITIVE;
    let normal = T::select(lifted, q * T::UNBIAS.reciprocal(), q);
    let (fraction, exponent) = normal.split_exponent();
    let exponent = exponent - T::select(lifted, T::literal(T::EXP_BIAS as f64), T::ZERO);
    let near = q > T::literal(1.0 / 3.0);
    let a = T::select(near, q, fraction);
    let k = T::select(near, T::ZERO, exponent);

    // a/c is in [0.7, 2], or in [1/2, 1] where k = 0: the difference from c.hi is exact, and is
    // 0 or not below c.lo.
    let difference = fast_two_sum(a - c.hi, -c.lo);
    let sum = two_sum(a, c.hi);
    let log = log_ratio(difference, Double { hi: sum.hi, lo: sum.lo + c.lo });
    // k <= -2 or k = 0: the first term outweighs the second, or is 0.
    let whole = two_product(k, T::LN2_HI);
    let sum = fast_two_sum(whole.hi, log.hi);
    sum.hi + k.mul_add(T::LN2_LO, whole.lo + (sum.lo + log.lo))
}

/// `result`, or `hi` where that is infinite and so `result` NaN.
#[inline(always)]
fn finite<T: Number>(result: T, hi: T) -> T {
    T::select(hi.abs() < T::INFINITY, result, hi)
}

/// `result` for `q > 0`, `at_zero` for `q = 0`, else NaN.
#[inline(always)]
fn at_ends<T: Number>(q: T, result: T, at_zero: T) -> T {
    T::select(q > T::ZERO, result, T::select(q == T::ZERO, at_zero, T::NAN))
}

#[cfg(test)]
mod tests {
    use super::Logit;
    use crate::activation::{Activation, Jet};
    use crate::math::Number;

    fn ends<T: Number>() {
        for (x, sign) in [(T::ZERO, -T::ONE), (-T::ZERO, -T::ONE), (T::ONE, T::ONE)] {
            let jet = Logit::jet(x, [T::ZERO; 2]);
            assert!(jet.value == sign * T::INFINITY);
            assert!(jet.derivative == T::INFINITY);
            assert!(jet.second_derivative == sign * T::INFINITY);
        }
        let jet = Logit::jet(T::HALF, [T::ZERO; 2]);
        assert!(jet.value == T::ZERO && jet.second_derivative == T::ZERO);
        assert!(jet.derivative == T::literal(4.0));
    }

    #[test]
    fn is_infinite_at_the_ends_and_flat_in_the_middle() {
        ends::<f32>();
        ends::<f64>();
    }

    fn outside<T: Number>() {
        let above = T::ONE / T::ONE.next_toward_zero();
        let below = -T::ZERO - T::MIN_POSITIVE.next_toward_zero();
        for x in [T::NAN, below, -T::ONE, above, T::TWO, T::INFINITY, -T::INFINITY] {
            let Jet { value, derivative, second_derivative } = Logit::jet(x, [T::ZERO; 2]);
            assert!(value.is_nan() && derivative.is_nan() && second_derivative.is_nan());
        }
    }

    #[test]
    fn is_nan_outside_its_domain() {
        outside::<f32>();
        outside::<f64>();
    }
}
