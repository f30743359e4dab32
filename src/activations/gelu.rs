//! GELU.

use crate::activation::{Activation, Jet, Parameters};
use crate::math::Number;
use crate::math::double::{Double, two_product, two_sum};
use crate::math::gate::Factor;
use crate::math::mills::{Gauss, gauss, gauss_reach};

/// `gelu(x) = x Phi(x)`, with the normal distribution function `Phi`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN gives NaN; -0.0 and x at the infinities, with derivatives -0.0 and 1;
/// `gelu(-0.0) = -0.0`.
/// Method: with `t = |x|` and Mills's ratio `R` the value is `-t phi(t) R(t)` at `-t` and that plus
/// `t` at `t`; the derivative is `phi(t) (R(t) - t)` at `-t` and 1 less that at `t`. Its zero is
/// that of `R(t) - t`, which is divided out, so that the distance from it is exact. `R` and what is
/// left of `R(t) - t` are polynomials in `t / (t + constant)`. The second derivative is
/// `2 phi(t) (1 - t^2/2)`.
/// Source: D. Hendrycks, K. Gimpel, "Gaussian error linear units", 2016.
pub struct Gelu;

impl Activation for Gelu {
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let t = x.abs().at_most(T::GAUSS_LARGEST);
        let gauss = gauss(t);
        let bend = density(&gauss).multiply_round(gauss.exponent.plus_larger(T::ONE));
        Jet {
            value: value(x, t, &gauss),
            derivative: derivative(x, t, &gauss),
            second_derivative: bend * gauss.power * T::UNBIAS,
        }
    }

    #[inline(always)]
    fn jet_times<T: Number>(factor: Factor<T>, x: T) -> Jet<T> {
        let t = x.abs().at_most(T::GAUSS_FAR);
        let (gauss, reach) = gauss_reach(t);
        let zero = Double { hi: -T::ZERO, lo: -T::ZERO };
        let times = |number: Double<T>, closed: bool| {
            reach.product(factor, Double::select(closed, zero, number), gauss.power)
        };
        // The tail and the slope have the factor UNBIAS.
        let lift = T::UNBIAS.reciprocal();
        let pair = |[a, b, rest]: [T; 3]| {
            let product = two_product(a * lift, b);
            Double { hi: product.hi, lo: rest.mul_add(lift, product.lo) }
        };
        let below = times(pair(tail(t, &gauss)), x == -T::INFINITY);
        let left = times(pair(slope(t, &gauss)), x == -T::INFINITY);
        let bend = density(&gauss).multiply(gauss.exponent.plus_larger(T::ONE));
        // The value near 0 is x/2, which a subnormal x cannot be halved for.
        let half = factor.scale(T::HALF).times(x);
        let above = T::select(t < T::HALF * T::ULP, half, factor.times(value(x, t, &gauss)));
        Jet {
            value: T::select(x < T::literal(-0.5), below, above),
            derivative: T::select(x < T::ZERO, left, factor.times(derivative(x, t, &gauss))),
            second_derivative: times(bend, x.abs() == T::INFINITY),
        }
    }
}

/// `2 phi(t)`, without its power.
#[inline(always)]
fn density<T: Number>(gauss: &Gauss<T>) -> Double<T> {
    // sqrt(2/pi)
    let factor = T::pair(0.7978845608028654, -4.98465440455546e-17);
    gauss.mantissa.multiply(factor)
}

/// `-t Phi(-t)` is `hi level + rest`, times the power: the three, `hi` and `rest` times `UNBIAS`.
#[inline(always)]
fn tail<T: Number>(t: T, gauss: &Gauss<T>) -> [T; 3] {
    let Double { hi: head, lo: tail } = gauss.mantissa;
    // -(t + 9/8) / UNBIAS exactly: the results have the factor UNBIAS from here.
    let bias = T::UNBIAS.reciprocal();
    let offset = T::literal(-1.125) * bias;
    let divisor = t.mul_add(-bias, offset);
    let divisor_lo = t.mul_add(-bias, offset - divisor);
    // -t e^{-t^2/2} / (t + 9/8)
    let dividend = t * head;
    let dividend_lo = t.mul_add(tail, t.mul_add(head, -dividend));
    let reciprocal = divisor.reciprocal();
    let hi = dividend * reciprocal;
    let remainder = (-hi).mul_add(divisor, dividend) + dividend_lo;
    let lo = (-hi).mul_add(divisor_lo, remainder) * reciprocal;
    let level = T::LEVEL.at(t);
    [hi, level.hi, hi.mul_add(level.lo, lo * level.round())]
}

#[inline(always)]
fn value<T: Number>(x: T, t: T, gauss: &Gauss<T>) -> T {
    let [hi, level, rest] = tail(t, gauss);
    // Near 0, where the power is 1, x/2 + (t/2 + tail), and max(x, 0) + tail elsewhere.
    let near = (x - T::literal(0.2)).abs() < T::literal(0.3);
    let half = T::HALF * x;
    let sum = hi.mul_add(level, T::select(near, t * (T::HALF * T::UNBIAS), rest));
    let sum = T::select(near, sum + rest, sum);
    let base = T::select(near, half, x.at_least(T::ZERO));
    // Below ULP/2 the value is x/2 to half an ulp, and t UNBIAS may underflow.
    T::select(t < T::HALF * T::ULP, half, sum.mul_add(gauss.power, base))
}

/// `phi(t) (R(t) - t)` is `hi level + rest`, times the power, as in [`tail`].
#[inline(always)]
fn slope<T: Number>(t: T, gauss: &Gauss<T>) -> [T; 3] {
    let Double { hi: head, lo: tail } = gauss.mantissa;
    // (z - t)/2 with R(z) = z, times UNBIAS
    let scale = T::HALF * T::UNBIAS;
    let zero = T::pair(0.7517915246935645, -1.4956759177009883e-17).scale(scale);
    let distance = two_sum(zero.hi, -(t * scale));
    let distance_lo = distance.lo + zero.lo;
    // (z - t)/2 e^{-t^2/2}
    let hi = distance.hi * head;
    let lo = distance.hi.mul_add(tail, distance.hi.mul_add(head, -hi));
    let lo = distance_lo.mul_add(head, lo);
    let slope = T::SLOPE.at(t);
    [hi, slope.hi, hi.mul_add(slope.lo, lo * slope.round())]
}

#[inline(always)]
fn derivative<T: Number>(x: T, t: T, gauss: &Gauss<T>) -> T {
    let [hi, level, rest] = slope(t, gauss);
    let left = hi.mul_add(level, rest);
    let negative = x < T::ZERO;
    let power = T::select(negative, gauss.power, -gauss.power);
    left.mul_add(power, T::select(negative, T::ZERO, T::ONE))
}

#[cfg(test)]
mod tests {
    use super::Gelu;
    use crate::activations::testing::{assert_jet_at, assert_nan_stays, in_both_precisions};
    use crate::math::Number;

    in_both_precisions! {
        fn limits_are_exact<T>() {
            let infinity = f64::INFINITY;
            assert_jet_at::<Gelu, T>(infinity, [0.0; 2], [infinity, 1.0, -0.0]);
            assert_jet_at::<Gelu, T>(-infinity, [0.0; 2], [-0.0, -0.0, -0.0]);
            assert_jet_at::<Gelu, T>(1e30, [0.0; 2], [1e30, 1.0, -0.0]);
            assert_jet_at::<Gelu, T>(-1e30, [0.0; 2], [-0.0, -0.0, -0.0]);
        }

        /// At 0 the value keeps the sign, and the second derivative is `sqrt(2/pi)`.
        fn zero_keeps_its_sign<T>() {
            let bend = (2.0 / core::f64::consts::PI).sqrt();
            assert_jet_at::<Gelu, T>(0.0, [0.0; 2], [0.0, 0.5, bend]);
            assert_jet_at::<Gelu, T>(-0.0, [0.0; 2], [-0.0, 0.5, bend]);
        }

        fn nan_stays<T>() {
            assert_nan_stays::<Gelu, T>(1.0, [0.0; 2]);
        }
    }
}
