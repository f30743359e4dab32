//! What is left of x and what is made of x by its hyperbolic tangent.

use crate::activation::{Activation, Jet, Parameters};
use crate::activations::sigmoid::{Logistic, Tanh};
use crate::math::Number;
use crate::math::double::{Double, fast_two_sum, polynomial, two_product};
use crate::math::exp::exp_decay;
use crate::math::quotient::quotient;
use crate::math::tanh::tanh_pair;

/// `tanh_shrink(x) = x - tanh(x)`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN gives NaN; -inf and inf at the infinities, with derivatives 1;
/// `tanh_shrink(-0.0) = -0.0`.
/// Method: `|x| - 1 + 2e/(1+e)` with `e = exp(-2|x|)`; below 5/4, where that cancels, `x^3/w(x^2)`
/// with a polynomial `w`. The derivatives are `tanh^2` and `-tanh''`.
pub struct TanhShrink;

impl Activation for TanhShrink {
    #[inline(always)]
    fn jet<T: Number>(x: T, parameters: Parameters<T>) -> Jet<T> {
        let tanh = tanh_pair(x);
        Jet {
            value: tanh_shrink(x),
            // (hi + lo)^2, where lo is not small enough to drop its square.
            derivative: tanh.hi.mul_add(tanh.hi, tanh.lo * (tanh.hi + tanh.hi + tanh.lo)),
            second_derivative: -Tanh::jet(x, parameters).second_derivative,
        }
    }
}

#[inline(always)]
fn tanh_shrink<T: Number>(x: T) -> T {
    let magnitude = x.abs();
    let square = two_product(magnitude, magnitude);
    let six_fifths = T::pair(1.2, 4.440892098500626e-17);
    // 3 + 6/5 x^2 as a pair; what follows is below 2^-6 of it.
    let weight = square.multiply(six_fifths).plus_larger(T::literal(3.0));
    let tail = polynomial(square.hi, T::TANH_SHRINK_TAIL);
    let rest = (square.hi * square.hi).mul_add(tail, weight.lo);
    let weight = fast_two_sum(weight.hi, rest);

    let e = exp_decay(Double::from(-(T::TWO * magnitude))).to_double();
    let near = magnitude < T::literal(1.25);
    let numerator = Double::select(near, square.times(magnitude), e.scale(T::TWO));
    let quotient = quotient(numerator, Double::select(near, weight, e.plus_larger(T::ONE)));
    // |x| - 1 is exact, or what is added to it too small to count. It is at least 1/4, the
    // quotient then less.
    let whole = T::select(near, T::ZERO, magnitude - T::ONE);
    let sum = fast_two_sum(whole, quotient.hi);
    let result = sum.hi + (sum.lo + quotient.lo);
    // At infinity sum.lo is NaN.
    T::select(magnitude < T::INFINITY, result, magnitude).copysign(x)
}

/// `lisht(x) = x tanh(x)`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN gives NaN; inf at the infinities, with derivatives -1 and 1 and second derivatives
/// -0.0; `f'(-0.0) = -0.0`.
/// Method: with `t = tanh(x)` and `s = tanh'(x)` as pairs: derivative `t + x s`, second derivative
/// `2 s (1 - x t)`. Next to the zeros of `1 - x t` at `+-z` a polynomial in `|x| - z`.
pub struct Lisht;

impl Activation for Lisht {
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let magnitude = x.abs();
        let tanh = tanh_pair(magnitude);
        let Logistic { decay, slope, .. } = Logistic::at(Double::from(-(T::TWO * magnitude)));
        let power = decay.power * T::UNBIAS;
        // What x multiplies vanishes long before the limit.
        let limited = magnitude.at_most(T::literal(1024.0));

        let product = tanh.hi.mul_add(magnitude, tanh.lo * magnitude);
        let four = T::TWO + T::TWO;
        // x s <= t, since x <= sinh(x) cosh(x).
        let slope_part = slope.scale(four * power).times(limited);
        let derivative = tanh.plus_smaller(slope_part).round();
        // Eight times the slope before the product: it may be subnormal.
        let bend = one_minus_product(limited, tanh).multiply_round(slope.scale(four + four));
        Jet {
            // tanh(64) is 1 to twice the working precision.
            value: T::select(magnitude < T::literal(64.0), product, magnitude),
            derivative: derivative.copysign(x),
            second_derivative: bend * decay.power * T::UNBIAS,
        }
    }
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
