//! The inverse of the logistic function.

use crate::activation::{Activation, Jet, Parameters};
use crate::math::Number;
use crate::math::double::{Double, fast_two_sum, polynomial};
use crate::math::quotient::reciprocal_estimate_centred;
use crate::math::real::Real;

/// Constants of logit, one set for each working precision.
pub trait LogitConstants: Real {
    /// `q` with `log((1 + s) / (1 - s)) = y + y^3 q(y^2)`, `y = 2s`, for `|s| <= 1/3`.
    const LOGIT_TAIL: &'static [Self];
    /// `ln 2`, the first number with so few digits that its multiples are exact.
    const LOGIT_LN2: Double<Self>;
}

// tools/coefficients/logit.sollya; relative error of y + y^3 q(y^2): 2^-31.6.
impl LogitConstants for f32 {
    const LOGIT_TAIL: &'static [f32] =
        &[0.083333336, 0.012499857, 0.002234204, 0.0004226574, 0.00011471607];
    const LOGIT_LN2: Double<f32> = Double { hi: 0.69314575, lo: 1.4286068e-06 };
}

// tools/coefficients/logit.sollya; relative error of y + y^3 q(y^2): 2^-57.5.
impl LogitConstants for f64 {
    const LOGIT_TAIL: &'static [f64] = &[
        0.08333333333333333,
        0.012500000000003963,
        0.0022321428568239337,
        0.00043402778719244043,
        8.877827058711064e-05,
        1.878120613409071e-05,
        4.0631694772017815e-06,
        9.155971296973039e-07,
        1.6785480476136088e-07,
        7.708750583312077e-08,
    ];
    const LOGIT_LN2: Double<f64> = Double { hi: 0.6931471805598903, lo: 5.497923018708371e-14 };
}

/// `logit(x) = log(x / (1 - x))`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN outside `[0, 1]`; -inf at 0 and inf at 1, with derivative inf and second derivative
/// -inf and inf.
/// Method: with `q = min(x, 1-x)`, exact, and `c = 1 - q`, the value is `log(q/c)` up to its sign:
/// `k log 2 + log(a/c)` with `q = a 2^k`, where `k = 0` if `q` is above 1/3, and
/// `log(a/c) = 2 atanh((a-c)/(a+c))`. With c an exact pair, the derivatives are `1/(qc)` and, up to
/// its sign, `-(1-2q)/(qc)^2`. Ordinary are the normal numbers between the ends.
pub struct Logit;

impl Activation for Logit {
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let upper = x > T::HALF;
        let q = T::select(upper, T::ONE - x, x);
        let c = fast_two_sum(T::ONE, -q);
        let value = log_odds::<T, false>(q);

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

    const HAS_ORDINARY: bool = true;

    #[inline(always)]
    fn is_ordinary<T: Number>(x: T, _: Parameters<T>) -> bool {
        (x >= T::MIN_POSITIVE) & (x < T::ONE)
    }

    #[inline(always)]
    fn ordinary_jet<T: Number>(x: T, parameters: Parameters<T>) -> Jet<T> {
        let q = x.at_most(T::ONE - x);
        let c = fast_two_sum(T::ONE, -q);
        Jet {
            value: log_odds::<T, true>(q).copysign(x - T::HALF),
            derivative: c.times(q).reciprocal().round(),
            second_derivative: Self::jet(x, parameters).second_derivative,
        }
    }
}

/// `log(q/c)` for `0 < q <= 1/2`, `c = 1 - q`; `NORMAL` q only, if so.
#[inline(always)]
fn log_odds<T: Number, const NORMAL: bool>(q: T) -> T {
    let lifted = !NORMAL & (q < T::MIN_POSITIVE);
    let normal = T::select(lifted, q * T::UNBIAS.reciprocal(), q);
    let (a, exponent) = normal.split_exponent();
    let k = exponent - T::select(lifted, T::literal(T::EXP_BIAS as f64), T::ZERO);

    // y = 2 (a-c) / (a+c) = (m+q) / (1-u), with m = a - 1 exact and u = (q-m) / 2, for a/c in [0.7, 2].
    // What y lacks comes from the remainder of the division, whose terms hardly round: y has half of
    // the digits.
    let m = a - T::ONE;
    let u = (-T::HALF).mul_add(m, T::HALF * q);
    let inverse = reciprocal_estimate_centred(T::ONE - u);
    let y = ((m + q) * inverse).upper_half();
    let lo = y.mul_add(u, (m - y) + q) * inverse;
    // Above 1/3 k is 0 and y = 2 (q-c), exact.
    let near = q > T::literal(1.0 / 3.0);
    let y = T::select(near, (T::TWO + T::TWO).mul_add(q, -T::TWO), y);
    let lo = T::select(near, T::ZERO, lo);
    let k = T::select(near, T::ZERO, k);

    let all = y + lo;
    let square = all * all;
    let tail = polynomial(square, T::LOGIT_TAIL);
    // k <= -2 or k = 0: the first term outweighs the second, or is 0.
    let hi = k.mul_add(T::LOGIT_LN2.hi, y);
    let dropped = y + k.mul_add(T::LOGIT_LN2.hi, -hi);
    let rest = k.mul_add(T::LOGIT_LN2.lo, lo) + dropped;
    hi + (square * all).mul_add(tail, rest)
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
