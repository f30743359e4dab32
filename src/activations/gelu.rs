//! GELU.

use crate::activation::{Activation, Jet, Parameters};
use crate::math::Number;
use crate::math::double::{Double, fast_two_sum, polynomial, two_sum};
use crate::math::gate::Factor;
use crate::math::mills::{Gauss, gauss, gauss_plain, gauss_reach};

/// `gelu(x) = x Phi(x)`, with the normal distribution function `Phi`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN gives NaN; -0.0 and x at the infinities, with derivatives -0.0 and 1;
/// `gelu(-0.0) = -0.0`.
/// Method: with `t = |x|` and Mills's ratio `R` the value is `-t phi(t) R(t)` at `-t` and that plus
/// `t` at `t`; the derivative is `phi(t) (R(t) - t)` at `-t` and 1 less that at `t`. Its zero is
/// that of `R(t) - t`, which is divided out, so that the distance from it is exact. `R` and what is
/// left of `R(t) - t` are polynomials in `t / (t + constant)`. The second derivative is
/// `2 phi(t) (1 - t^2/2)`. The value in float32 is [`ordinary_value`] for x that is not large.
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

    const HAS_ORDINARY: bool = true;
    const ORDINARY_FORMS: &'static [&'static str] = &["", "value_and_derivative"];

    #[inline(always)]
    fn is_ordinary<T: Number>(x: T, _: Parameters<T>) -> bool {
        (T::DIGITS == 24) & (x.abs() < T::literal(FLAT_LARGEST))
    }

    #[inline(always)]
    fn ordinary_jet<T: Number>(x: T, parameters: Parameters<T>) -> Jet<T> {
        Jet { value: ordinary_value(x), ..Self::jet(x, parameters) }
    }

    #[inline(always)]
    fn jet_times<T: Number>(factor: Factor<T>, x: T) -> Jet<T> {
        let t = x.abs().at_most(T::GAUSS_FAR);
        let (gauss, reach) = gauss_reach(t);
        let lift = T::UNBIAS.reciprocal();
        let zero = Double { hi: -T::ZERO, lo: -T::ZERO };
        let far = t > T::GAUSS_ASYMPTOTIC;
        let [far_tail, far_slope] = asymptotic(t, &gauss);

        let below = Double::select(far, far_tail, tail_pair(t, &gauss).times(t));
        let below = Double::select(x == -T::INFINITY, zero, below);
        // Lifted so far that a small one keeps its tail.
        let above = value_pair(x, t, &gauss, T::UNBIAS);
        let is_below = x < T::literal(-0.5);
        let number = Double::select(is_below, below, above);
        let power = T::select(is_below, gauss.power, T::ONE);
        let value = reach.only(is_below).product(factor, number, power);

        let negative = x < T::ZERO;
        let left = Double::select(far, far_slope, slope_pair(t, &gauss));
        let left = Double::select(x == -T::INFINITY, zero, left);
        let number = Double::select(negative, left, derivative_pair(x, t, &gauss, T::UNBIAS));
        let power = T::select(negative, gauss.power, lift);
        let derivative = reach.only(negative).product(factor, number, power);

        let bend = density(&gauss).multiply(gauss.exponent.plus_larger(T::ONE));
        let bend = Double::select(x.abs() == T::INFINITY, zero, bend);
        Jet {
            value: T::select(x > T::GATE_OPEN, factor.times(x), value),
            derivative,
            second_derivative: reach.product(factor, bend, gauss.power),
        }
    }

    const HAS_PLAIN: bool = true;

    #[inline(always)]
    fn is_plain<T: Number>(factor: T, x: T) -> bool {
        (x >= T::GAUSS_PLAIN) & ((factor * (x * T::UNBIAS.reciprocal())).abs() <= T::MAX)
    }

    #[inline(always)]
    fn plain_value<T: Number>(factor: T, x: T) -> T {
        let t = x.abs().at_most(-T::GAUSS_PLAIN);
        plain_product(factor, x, value_pair(x, t, &gauss_plain(t), T::ONE))
    }

    #[inline(always)]
    fn plain_products<T: Number>([a, b]: [T; 2], x: T) -> [T; 2] {
        let t = x.abs().at_most(-T::GAUSS_PLAIN);
        let (gauss, lift) = (gauss_plain(t), T::UNBIAS.reciprocal());
        let slope = derivative_pair(x, t, &gauss, T::ONE).times_round_signed(b * lift) * T::UNBIAS;
        [plain_product(a, x, value_pair(x, t, &gauss, T::ONE)), slope]
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

/// `x Phi(x)`, rounded, in float32 for `|x| < FLAT_LARGEST`.
///
/// Method: `2 Phi(-t) = e^{-t (a t + b) + t q}`, with a product exact to a pair and `|t q| < 0.14`; what
/// is left of the exponent by the powers of two is not rounded before it is added to 1.
#[inline(always)]
fn ordinary_value<T: Number>(x: T) -> T {
    let t = x.abs();
    // b has few digits: the difference of it and the slope is exact.
    let [a, b] = FLAT_EXPONENT.map(T::literal);
    let slope = t.mul_add(a, b);
    let slope_lo = t.mul_add(a, b - slope);
    let exponent = t * slope;
    let exponent_lo = t.mul_add(slope_lo, t.mul_add(slope, -exponent));
    let middle = T::literal(FLAT_MIDDLE);
    let distance = t - middle;
    // What the difference dropped changes q by as much times its slope, which is about this near 1.
    let dropped = t - (distance + middle);
    let q = polynomial(distance, &FLAT.map(T::literal));
    let q = dropped.mul_add(T::literal(0.055), q);
    let (k, power) = t.mul_add(-q, exponent).times_rounded_with_power(-T::LOG2_E, -1);
    // The exponent is k ln 2 + r + d, with r exact, and Phi(-t) = power (head + rest).
    let r = (-k).mul_add(T::LN2_HI, -exponent);
    let d = t.mul_add(q, (-k).mul_add(T::LN2_LO, -exponent_lo));
    let u = r + d;
    let head = T::ONE + u;
    let rest = (u * u).mul_add(polynomial(u, T::EXP_TAIL), r - (head - T::ONE) + d);
    // max(x, 0) - t power (head + rest), with what the rounding of the first sum drops. Its zeros and
    // the order of its differences keep the sign of zero.
    let base = x.at_least(-T::ZERO);
    let scaled = t * power;
    let sum = (-scaled).mul_add(head, base);
    let dropped = scaled.mul_add(head, sum - base);
    sum - scaled.mul_add(rest, dropped)
}

/// Up to where the constants below serve.
const FLAT_LARGEST: f64 = 7.25;
/// `a` and `b` with `log(2 Phi(-t)) = -t (a t + b) + t q(t - FLAT_MIDDLE)`.
const FLAT_EXPONENT: [f64; 2] = [117.0 / 256.0, 39.0 / 64.0];
const FLAT_MIDDLE: f64 = 4.5;
// tools/coefficients/gelu_flat.sollya; the error of t q: 2^-28.2.
const FLAT: [f64; 14] = [
    0.021732835,
    -0.0007547619,
    -0.0050682123,
    0.00061532704,
    -7.285928e-05,
    8.207494e-06,
    -8.5649083e-07,
    7.74095e-08,
    -4.4250705e-09,
    5.0681345e-11,
    -1.588284e-11,
    -2.2821469e-11,
    7.5562456e-12,
    -1.8287916e-13,
];

/// `-Phi(-t)`, without the power, as a pair for products.
#[inline(always)]
fn tail_pair<T: Number>(t: T, gauss: &Gauss<T>) -> Double<T> {
    let Double { hi: head, lo: tail } = gauss.mantissa;
    // -(t + 9/8) exactly.
    let offset = T::literal(-1.125);
    let divisor = offset - t;
    let divisor_lo = offset - divisor - t;
    // -e^{-t^2/2} / (t + 9/8)
    let reciprocal = divisor.reciprocal();
    let hi = head * reciprocal;
    let remainder = (-hi).mul_add(divisor, head) + tail;
    let lo = (-hi).mul_add(divisor_lo, remainder) * reciprocal;
    multiply_any(Double { hi, lo }, T::LEVEL.at(t))
}

/// `number ratio` as a normalised pair, where the tail of the ratio is up to half of its head.
#[inline(always)]
fn multiply_any<T: Number>(number: Double<T>, ratio: Double<T>) -> Double<T> {
    let rest = number.hi.mul_add(ratio.lo, number.lo * ratio.round());
    let hi = number.hi.mul_add(ratio.hi, rest);
    Double { hi, lo: number.hi.mul_add(ratio.hi, -hi) + rest }
}

/// `x Phi(x) / UNBIAS` as a pair, where `scale` times the power is not too small for its tail.
#[inline(always)]
fn value_pair<T: Number>(x: T, t: T, gauss: &Gauss<T>, scale: T) -> Double<T> {
    let lift = T::UNBIAS.reciprocal();
    let base = (x * lift).at_least(T::ZERO);
    // The base is 0, or at least twice the other.
    add_scaled(base, tail_pair(t, gauss), t * lift * (gauss.power * scale))
}

/// `base + number factor` as a pair, for a base that is 0 or not the smaller one.
#[inline(always)]
fn add_scaled<T: Number>(base: T, number: Double<T>, factor: T) -> Double<T> {
    let hi = number.hi.mul_add(factor, base);
    let lo = number.hi.mul_add(factor, base - hi);
    Double { hi, lo: number.lo.mul_add(factor, lo) }
}

/// The factor times [`value_pair`], for a finite product that has the sign of `factor x`.
#[inline(always)]
fn plain_product<T: Number>(factor: T, x: T, lifted: Double<T>) -> T {
    let sign = factor * (x * T::UNBIAS.reciprocal());
    (lifted.times_round(factor) * T::UNBIAS).copysign(sign)
}

/// What `t` times [`tail_pair`] and [`slope_pair`] tend to: with `t R(t) = 1 - 1/t^2 + 3/t^4 - ...`
/// they are `-phi(t) t R(t)` and `-phi(t) (t - R(t))`.
#[inline(always)]
fn asymptotic<T: Number>(t: T, gauss: &Gauss<T>) -> [Double<T>; 2] {
    let density = density(gauss).scale(-T::HALF);
    let reciprocal = t.reciprocal();
    let square = reciprocal * reciprocal;
    let series = [-1.0, 3.0, -15.0, 105.0, -945.0, 10_395.0, -135_135.0].map(T::literal);
    let rest = square * polynomial(square, &series);
    let ratio = fast_two_sum(T::ONE, rest);
    let distance = fast_two_sum(t, -rest.mul_add(reciprocal, reciprocal));
    [density.multiply(ratio), density.multiply(distance)]
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

/// `phi(t) (R(t) - t)`, without the power, as a pair for products.
#[inline(always)]
fn slope_pair<T: Number>(t: T, gauss: &Gauss<T>) -> Double<T> {
    let Double { hi: head, lo: tail } = gauss.mantissa;
    // (z - t)/2 with R(z) = z; next to z there is nothing but its tail.
    let zero = T::pair(0.7517915246935645, -1.4956759177009883e-17).scale(T::HALF);
    let distance = two_sum(zero.hi, -(t * T::HALF));
    let distance = fast_two_sum(distance.hi, distance.lo + zero.lo);
    // (z - t)/2 e^{-t^2/2}
    let hi = distance.hi * head;
    let lo = distance.hi.mul_add(tail, distance.hi.mul_add(head, -hi));
    let lo = distance.lo.mul_add(head, lo);
    multiply_any(Double { hi, lo }, T::SLOPE.at(t))
}

/// The derivative as a pair, where `scale` times the power is not too small for its tail.
#[inline(always)]
fn derivative_pair<T: Number>(x: T, t: T, gauss: &Gauss<T>, scale: T) -> Double<T> {
    let negative = x < T::ZERO;
    let power = T::select(negative, scale, -scale) * gauss.power;
    add_scaled(T::select(negative, T::ZERO, T::ONE), slope_pair(t, gauss), power)
}

#[cfg(test)]
mod tests {
    use super::{Gelu, ordinary_value};
    use crate::activations::testing::{assert_jet_at, assert_nan_stays, in_both_precisions};
    use crate::math::Number;

    #[test]
    fn ordinary_zeros_keep_their_sign() {
        let smallest = f32::from_bits(1);
        for (x, value) in
            [(0.0, 0.0), (-0.0, -0.0), (-smallest, -0.0), (-2.0 * smallest, -smallest)]
        {
            assert_eq!(ordinary_value::<f32>(x).to_bits(), f32::to_bits(value));
        }
    }

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
