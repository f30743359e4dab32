//! What is left of x and what is made of x by its hyperbolic tangent.

use crate::activation::{Activation, Jet, Parameters};
use crate::math::Number;
use crate::math::double::{Double, fast_two_sum, polynomial};
use crate::math::gate::Gate;
use crate::math::hyperbolic::{tanh_remainder, tanh_split};

/// `tanh_shrink(x) = x - tanh(x)`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN gives NaN; -inf and inf at the infinities, with derivatives 1;
/// `tanh_shrink(-0.0) = -0.0`.
/// Method: [`tanh_remainder`]; with `t = tanh(x)` as a pair the derivatives are `t^2` and
/// `2 t tanh'(x)`.
pub struct TanhShrink;

impl Activation for TanhShrink {
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let magnitude = x.abs();
        let tanh = tanh_split(magnitude);
        Jet {
            value: tanh_remainder(magnitude).copysign(x),
            derivative: tanh.hi.mul_add(tanh.hi, tanh.lo * T::TWO.mul_add(tanh.hi, tanh.lo)),
            second_derivative: bend(magnitude, tanh).copysign(x),
        }
    }
}

/// `lisht(x) = x tanh(x)`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN gives NaN; inf at the infinities, with derivatives -1 and 1 and second derivatives
/// -0.0; `f'(-0.0) = -0.0`.
/// Method: with `t = tanh(x)` as a pair: derivative `t + x (1 - t^2)`; with `s = tanh'(x)` as a pair
/// too, second derivative `2 s (1 - x t)`. Next to the zeros of `1 - x t` at `+-z` a polynomial in
/// `|x| - z`.
pub struct Lisht;

impl Activation for Lisht {
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let magnitude = x.abs();
        let tanh = tanh_split(magnitude);

        // x tanh'(x) is nothing from there on.
        let limited = magnitude.at_most(T::GATE_OPEN);
        // x (1 - t^2) as a pair by the head of t: either the slope is exact, or it is at least 1/2.
        let slope = (-tanh.hi).mul_add(tanh.hi, T::ONE);
        let slope_lo = (-tanh.hi).mul_add(tanh.hi, T::ONE - slope);
        let part = limited * slope;
        let part_lo = limited.mul_add(slope_lo, limited.mul_add(slope, -part));
        // x (1 - t^2) <= t, since x <= sinh(x) cosh(x).
        let sum = fast_two_sum(tanh.hi, part);
        // (hi + lo) - x (hi + lo)^2 grows by lo (1 - x (2 hi + lo)).
        let by_tail = (-limited).mul_add(T::TWO.mul_add(tanh.hi, tanh.lo), T::ONE);
        let derivative = sum.hi + tanh.lo.mul_add(by_tail, sum.lo + part_lo);

        // What x multiplies vanishes long before the limit.
        let rest = one_minus_product(magnitude.at_most(T::literal(1024.0)), tanh);
        Jet {
            // tanh(64) is 1 to twice the working precision.
            value: T::select(magnitude < T::literal(64.0), tanh.times_round(magnitude), magnitude),
            derivative: derivative.copysign(x),
            second_derivative: bend(magnitude, rest),
        }
    }
}

/// `2 tanh'(x) number` for `x >= 0`, rounded once.
#[inline(always)]
fn bend<T: Number>(x: T, number: Double<T>) -> T {
    let distance = (-(T::TWO * x)).at_least(T::EXP_LOWEST);
    let (gate, _) = Gate::with_growth::<false>(Double::from(distance));
    // The product's scale is that of its result, which may be subnormal.
    let bend = number.scale(T::literal(8.0) / T::UNBIAS).multiply_round(gate.slope());
    bend * gate.power * T::UNBIAS
}

/// `1 - x t` for `x >= 0` and `t = tanh(x)`, relatively accurate.
#[inline(always)]
fn one_minus_product<T: Number>(x: T, t: Double<T>) -> Double<T> {
    let far = t.times(x).negate().plus(Double::from(T::ONE));
    // z tanh(z) = 1.
    let z = T::pair(1.1996786402577337, 9.232436427676682e-17);
    let rough = x - z.hi;
    // Near z the difference is exact, and 0 or above z.lo.
    let offset = fast_two_sum(rough, -z.lo);
    let tail = polynomial(offset.hi, T::LISHT_TAIL);
    let ratio = Double { hi: z.hi, lo: (offset.hi * offset.hi).mul_add(tail, z.lo) };
    Double::select(rough.abs() < T::literal(0.125), offset.multiply(ratio).negate(), far)
}

#[cfg(test)]
mod tests {
    use super::{Lisht, TanhShrink};
    use crate::activation::{Activation, Jet};
    use crate::activations::assert_jet;
    use crate::math::Number;

    fn limits<T: Number>() {
        let none = [T::ZERO; 2];
        let (inf, minus_inf) = (f64::INFINITY, f64::NEG_INFINITY);
        assert_jet(TanhShrink::jet(-T::INFINITY, none), [minus_inf, 1.0, -0.0]);
        assert_jet(TanhShrink::jet(T::INFINITY, none), [inf, 1.0, 0.0]);
        for zero in [-T::ZERO, T::ZERO] {
            let Jet { value, derivative, second_derivative } = TanhShrink::jet(zero, none);
            assert!(value == zero && T::ONE.copysign(value) == T::ONE.copysign(zero));
            assert!(derivative == T::ZERO && second_derivative == T::ZERO);
        }
        assert_jet(Lisht::jet(-T::INFINITY, none), [inf, -1.0, -0.0]);
        assert_jet(Lisht::jet(T::INFINITY, none), [inf, 1.0, -0.0]);
        assert_jet(Lisht::jet(-T::ZERO, none), [0.0, -0.0, 2.0]);
        assert!(TanhShrink::jet(-T::MAX, none).value == -T::MAX);
        assert!(Lisht::jet(-T::MAX, none).value == T::MAX);
    }

    #[test]
    fn reaches_its_limits() {
        limits::<f32>();
        limits::<f64>();
    }

    /// The smallest number doubles under a slope of 2.
    fn smallest<T: Number>() {
        let smallest = (1..T::DIGITS).fold(T::MIN_POSITIVE, |number, _| T::HALF * number);
        assert!(Lisht::jet(-smallest, [T::ZERO; 2]).derivative == -(smallest + smallest));
    }

    #[test]
    fn keeps_the_smallest_number() {
        smallest::<f32>();
        smallest::<f64>();
    }

    fn nan<T: Number>() {
        let none = [T::ZERO; 2];
        for jet in [TanhShrink::jet(T::NAN, none), Lisht::jet(T::NAN, none)] {
            let Jet { value, derivative, second_derivative } = jet;
            assert!(value.is_nan() && derivative.is_nan() && second_derivative.is_nan());
        }
    }

    #[test]
    fn propagates_nan() {
        nan::<f32>();
        nan::<f64>();
    }
}
