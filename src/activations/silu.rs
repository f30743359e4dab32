//! Linear units behind a logistic gate: `x sigma(beta x)`.
//!
//! With `S(y) = y sigma(y)` they are `S(beta x) / beta`, so their derivatives are `S'(beta x)` and
//! `beta S''(beta x)`. Two symmetries leave `t = |y|` to be looked at: `S'(t) = 1 - S'(-t)`, and
//! `S''` is even.

use crate::activation::{Activation, Jet, Parameters};
use crate::math::Number;
use crate::math::double::{Double, fast_two_sum, polynomial_by_pairs, two_product, two_sum};
use crate::math::exp::{Stepped, exp_step, exp_tables};
use crate::math::gate::{
    Factor, Gate, Reach, is_plain_product, plain_times_sigma, sigma, times_sigma,
};
use crate::math::real::Real;
use crate::simd::MAX_TABLES;

/// Constants of the family, one set for each working precision.
pub trait SiluConstants: Real {
    /// Below `ln(2) (DIGITS - 1/2)`, and `e^-x` is below 3/4 of an ulp of 1 from here on.
    const SILU_LINEAR: Self;
    /// `z = a b + c + d` with `S(z) = 1`, where `c` is below 1/30 of an ulp and `d` of one of `c`: for
    /// `|n| <= 1/16` the number `a b - (z - n)` is exact.
    const SILU_ZERO: [Self; 4];
    /// `q` with `1 - S(z - n) = n + n^2 q(n)` on `|n| <= 1/16`.
    const SILU_NEAR: &'static [Self];
    /// `q` with `2 - (z - n) tanh((z - n)/2) = n z/2 + n^3 q(n)` on `|n| <= 1/16`, where `S''(z) = 0`.
    const SILU_BEND_NEAR: &'static [Self];
}

// tools/coefficients/silu.sollya; relative errors: 2^-26.3 and 2^-26.0.
impl SiluConstants for f32 {
    const SILU_LINEAR: f32 = 16.28;
    const SILU_ZERO: [f32; 4] = [0.060879264, 21.0, -1.8034118e-09, -1.5523607e-18];
    const SILU_NEAR: &'static [f32] = &[-0.10890586, -0.048874013, -0.0047125667];
    const SILU_BEND_NEAR: &'static [f32] = &[-0.030514564, -0.012715499];
}

// tools/coefficients/silu.sollya; relative errors: 2^-60.7 and 2^-55.5.
impl SiluConstants for f64 {
    const SILU_LINEAR: f64 = 36.38;
    const SILU_ZERO: [f64; 4] =
        [0.4261548475870246, 3.0, -1.5523606315812798e-18, 5.5906787354193e-35];
    const SILU_NEAR: &'static [f64] = &[
        -0.10890585285990005,
        -0.04888293233231567,
        -0.0047187035558957785,
        0.003044531044747417,
        0.0011010981173995348,
        -1.80897172873422e-05,
        -9.978410561540105e-05,
        -2.0607788672620556e-05,
    ];
    const SILU_BEND_NEAR: &'static [f64] = &[
        -0.030510173388058153,
        -0.012715977581115754,
        -0.0022487259508180493,
        0.00012244471515496035,
        0.00018396236948527823,
        4.8782170995113e-05,
    ];
}

/// `silu(x) = x sigma(x)`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN gives NaN; -0.0 and x at the infinities, with derivatives -0.0 and 1;
/// `silu(-0.0) = -0.0`.
/// Method: a gate at x for the value, and [`S`] for the derivatives, whose exponential comes from a table
/// where nothing underflows.
pub struct Silu;

impl Activation for Silu {
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let bounded = x.at_least(T::EXP_LOWEST);
        let value = times_sigma::<T, false>(bounded, Double::from(bounded));
        let s = S::at::<false>(Double::from(x.abs().at_most(-T::EXP_LOWEST)));
        Jet {
            // e^-x is below 3/4 of an ulp here.
            value: T::select(x > T::SILU_LINEAR, x, value),
            derivative: s.derivative(x),
            second_derivative: s.second_derivative(T::ONE),
        }
    }

    const HAS_ORDINARY: bool = true;
    const ORDINARY_FORMS: &'static [&'static str] =
        &["derivative", "second_derivative", "value_and_derivative", "backward", "double_backward"];

    /// Nothing underflows.
    #[inline(always)]
    fn is_ordinary<T: Number>(x: T, _: Parameters<T>) -> bool {
        x.abs() < T::literal(if T::DIGITS == 24 { 64.0 } else { 600.0 })
    }

    const TABLES: usize = 2;

    #[inline(always)]
    fn tables<T: Number>() -> [&'static [T]; MAX_TABLES] {
        exp_tables()
    }

    #[inline(always)]
    fn key<T: Number>(x: T, _: Parameters<T>) -> T {
        exp_step(x.abs())
    }

    #[inline(always)]
    fn tabled_jet<T: Number>(
        x: T,
        parameters: Parameters<T>,
        step: T,
        [power, power_lo, ..]: [T; MAX_TABLES],
    ) -> Jet<T> {
        let t = x.abs();
        let gate = Gate::stepped(Stepped::at(t, step, [power, power_lo]));
        let s = S::of::<false>(gate, Double::from(t));
        Jet {
            value: Self::jet(x, parameters).value,
            derivative: s.derivative(x),
            second_derivative: s.second_derivative(T::ONE),
        }
    }

    #[inline(always)]
    fn jet_times<T: Number>(factor: Factor<T>, x: T) -> Jet<T> {
        let lowest = T::EXP_LOWEST - T::GATE_SHIFT.hi;
        let lift = T::UNBIAS.reciprocal();
        let zero = Double { hi: -T::ZERO, lo: -T::ZERO };
        let bounded = x.at_least(lowest).at_most(T::GATE_OPEN);
        let reach = Reach::of(Double::from(bounded));
        let (part, power) = sigma(reach.v);
        // A small x is lifted so that its product keeps its tail; the power is near 1 there.
        let small = x.abs() < T::ONE;
        let lifted = bounded * T::select(small, lift, T::ONE);
        let power = power * T::select(small, T::UNBIAS, T::ONE);
        let part = Double::select(x == -T::INFINITY, zero, part.times(lifted));
        let value = reach.product(factor, part, power);

        let reach = Reach::of(Double::from(-x.abs()));
        let s = S::of::<false>(Gate::at::<true>(reach.v), Double::from(x.abs().at_most(-lowest)));
        // Divided by the power, the left slope and the bend have the factor UNBIAS.
        let left = s.gate.times_pair(s.bracket());
        let right = left.scale(-s.gate.power).plus_larger(T::ONE);
        let left = Double::select(x == -T::INFINITY, zero, left.scale(lift));
        let positive = x >= T::ZERO;
        let slope = Double::select(positive, right, left);
        let power = T::select(positive, lift, s.gate.power);
        let bend = s.bend_bracket().multiply(s.gate.slope()).scale(lift);
        let bend = Double::select(x.abs() == T::INFINITY, zero, bend);
        Jet {
            value: T::select(x > T::GATE_OPEN, factor.times(x), value),
            derivative: reach.only(!positive).product(factor, slope, power),
            second_derivative: reach.product(factor, bend, s.gate.power),
        }
    }

    const HAS_PLAIN: bool = true;

    #[inline(always)]
    fn is_plain<T: Number>(factor: T, x: T) -> bool {
        is_plain_product(factor, x)
    }

    #[inline(always)]
    fn plain_value<T: Number>(factor: T, x: T) -> T {
        plain_times_sigma(two_product(factor * T::UNBIAS.reciprocal(), x), x)
    }

    #[inline(always)]
    fn plain_products<T: Number>(factors: [T; 2], x: T) -> [T; 2] {
        let [a, b] = factors.map(|factor| factor * T::UNBIAS.reciprocal());
        let positive = x >= T::ZERO;
        let t = x.abs();
        let s = S::of::<false>(Gate::plain(-t), Double::from(t));
        let (sigma, power) = s.gate.sigma(positive);
        let product = two_product(a, x);
        // For zeros.
        let value = sigma.multiply_round(product).copysign(product.hi) * (power * T::UNBIAS);
        let left = s.gate.times_any(s.bracket());
        // 1 - S'(-t), exact but for the tail: S'(-t) lies between -0.1 and 0.5.
        let hi = (-left.hi).mul_add(s.gate.power, T::ONE);
        let lo = (-left.hi).mul_add(s.gate.power, T::ONE - hi);
        let right = Double { hi, lo: (-left.lo).mul_add(s.gate.power, lo) };
        let slope = Double::select(positive, right, left).times_round_signed(b);
        [value, slope * (power * T::UNBIAS)]
    }
}

/// `gelu_sigmoid(x) = x sigma(1.702 x)`, the sigmoid approximation of GELU.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: as [`Silu`].
/// Method: as [`Silu`], at `1.702 x`, a pair with the exact 1.702.
/// Source: D. Hendrycks, K. Gimpel, "Gaussian error linear units", 2016.
pub struct GeluSigmoid;

impl Activation for GeluSigmoid {
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let beta = T::pair(1.702, 4.263256414560601e-17);
        // 0.5875 < 1/1.702.
        let lowest = T::literal(0.5875) * T::EXP_LOWEST;
        let bounded = x.at_least(lowest);
        let y = beta.times(bounded);
        let value = times_sigma::<T, true>(bounded, y);
        let s = S::at::<true>(beta.times(x.abs().at_most(-lowest)));
        Jet {
            value: T::select(y.hi > T::GATE_OPEN, x, value),
            derivative: s.derivative(x),
            second_derivative: s.second_derivative(beta.hi),
        }
    }
}

/// `swish(x) = x sigma(beta x)`.
///
/// Error: for `0.01 <= |beta| <= 50`, value and derivative at most 1 ulp, second derivative at
/// most 2 ulp.
/// Edges: NaN in x or beta gives NaN; `x/2` for `beta = 0`; at the infinities as [`Silu`] for
/// `beta > 0`, mirrored for `beta < 0`.
/// Method: as [`Silu`], at `beta x`, a pair; `swish(x, -beta) = -swish(-x, beta)`. For `beta = 1` it
/// is [`Silu`], where x is not large.
/// Source: P. Ramachandran, B. Zoph, Q. V. Le, "Searching for activation functions", 2017.
pub struct Swish;

impl Activation for Swish {
    const PARAMETERS: usize = 1;
    const DEFAULTS: Parameters<f64> = [1.0, 0.0];

    #[inline(always)]
    fn jet<T: Number>(x: T, [beta, _]: Parameters<T>) -> Jet<T> {
        let mirror = T::ONE.copysign(beta);
        let x = x * mirror;
        let beta = beta.abs();
        let (magnitude, t) = scaled(x, beta);
        let sign = T::ONE.copysign(x);
        let y = t.scale(sign);
        let bounded = T::select(y.hi > T::EXP_LOWEST, magnitude, T::ZERO) * sign;
        let value = times_sigma::<T, true>(bounded, y);
        let value = T::select(y.hi > T::GATE_OPEN, x, value);
        let s = S::at::<true>(t);
        Jet {
            value: T::select(beta == T::ZERO, T::HALF * x, value) * mirror,
            derivative: s.derivative(x),
            second_derivative: s.second_derivative(beta) * mirror,
        }
    }

    const HAS_ORDINARY: bool = true;

    #[inline(always)]
    fn is_ordinary<T: Number>(x: T, [beta, _]: Parameters<T>) -> bool {
        (beta == T::ONE) & Silu::is_ordinary(x, [beta; 2])
    }

    const TABLES: usize = Silu::TABLES;

    #[inline(always)]
    fn tables<T: Number>() -> [&'static [T]; MAX_TABLES] {
        Silu::tables()
    }

    #[inline(always)]
    fn key<T: Number>(x: T, parameters: Parameters<T>) -> T {
        Silu::key(x, parameters)
    }

    #[inline(always)]
    fn tabled_jet<T: Number>(
        x: T,
        parameters: Parameters<T>,
        key: T,
        entries: [T; MAX_TABLES],
    ) -> Jet<T> {
        Silu::tabled_jet(x, parameters, key, entries)
    }

    /// `df/dbeta = x^2 sigma'(beta x)`.
    #[inline(always)]
    fn parameter_derivatives<T: Number>(x: T, [beta, _]: Parameters<T>) -> [T; 2] {
        let (magnitude, t) = scaled(x, beta.abs());
        let gate = Gate::at::<true>(t.negate());
        let power = T::select(t.hi < -T::EXP_LOWEST, gate.power, T::ZERO);
        // x^2 alone may overflow: the slope is made to meet one factor first.
        let product = gate.slope().times(magnitude);
        let last = magnitude * power;
        [product.hi.mul_add(last, product.lo * last), T::NAN]
    }
}

/// `|x|`, at most the largest number, and `beta |x|` as a pair with `hi` at most `-EXP_LOWEST`.
#[inline(always)]
fn scaled<T: Number>(x: T, beta: T) -> (T, Double<T>) {
    let magnitude = x.abs().at_most(T::MAX);
    let product = two_product(beta, magnitude);
    let hi = product.hi.at_most(-T::EXP_LOWEST);
    (magnitude, Double { hi, lo: T::select(hi < -T::EXP_LOWEST, product.lo, T::ZERO) })
}

/// `S(y) = y sigma(y)`: its derivatives, from `t = |y|`.
///
/// Method: `S'(-t) = sigma(-t) (1 - S(t))`, the bracket as a pair; `S''(t) = sigma'(t)
/// (2 - t tanh(t/2))`, that bracket being `2 (1 - S(t)) + t`. Within 1/16 of their zeros the
/// brackets are polynomials in the exact distance.
struct S<T> {
    /// At -t.
    gate: Gate<T>,
    t: Double<T>,
    /// `1 - S(t)`, not made for the vicinity of its zero.
    shortfall: Double<T>,
    pair: bool,
}

impl<T: Number> S<T> {
    /// Without `PAIR`, at `t.hi` alone.
    #[inline(always)]
    fn at<const PAIR: bool>(t: Double<T>) -> Self {
        Self::of::<PAIR>(Gate::at::<PAIR>(t.negate()), t)
    }

    /// The same, given the gate at -t.
    #[inline(always)]
    fn of<const PAIR: bool>(gate: Gate<T>, t: Double<T>) -> Self {
        S { gate, t, shortfall: gate.shortfall::<PAIR>(t), pair: PAIR }
    }

    /// `1 - S(t)`.
    #[inline(always)]
    fn bracket(&self) -> Double<T> {
        let [a, b, c, rest] = T::SILU_ZERO;
        let n = a.mul_add(b, -self.t.hi);
        let near = if self.pair {
            // beta x may be much closer to the zero than any number is.
            let exact = two_sum(n, -self.t.lo);
            let near = two_sum(exact.hi, c);
            Double { hi: near.hi, lo: near.lo + (exact.lo + rest) }
        } else {
            Double { hi: n, lo: c }
        };
        let n = near.hi;
        let square = n * n;
        let lo = square.mul_add(polynomial_by_pairs(n, square, T::SILU_NEAR, T::ONE), near.lo);
        let near = Double { hi: near.hi, lo };
        let is_near = square < T::literal(1.0 / 256.0);
        Double::select(is_near, near, self.shortfall)
    }

    /// `S'(y)`, where `y` has the sign of `x`.
    #[inline(always)]
    fn derivative(&self, x: T) -> T {
        let left = self.gate.times(self.bracket());
        let right = (-left).mul_add(self.gate.power, T::ONE);
        T::select(x >= T::ZERO, right, left * self.gate.power)
    }

    /// `2 - t tanh(t/2)`.
    #[inline(always)]
    fn bend_bracket(&self) -> Double<T> {
        let far = Double {
            hi: T::TWO.mul_add(self.shortfall.hi, self.t.hi),
            lo: T::TWO.mul_add(self.shortfall.lo, self.t.lo),
        };
        let zero = T::pair(2.3993572805154675, 1.8464872855353363e-16);
        let n = if self.pair {
            // As in `bracket`; 2^-109 is missing from the pair.
            let low = two_sum(zero.lo, -self.t.lo);
            let n = two_sum(zero.hi - self.t.hi, low.hi);
            Double { hi: n.hi, lo: n.lo + (low.lo + T::literal(1.0808311685947344e-33)) }
        } else {
            fast_two_sum(zero.hi - self.t.hi, zero.lo - self.t.lo)
        };
        let square = n.hi * n.hi;
        // The bracket's slope at its zero z is -z/2.
        let tail = polynomial_by_pairs(n.hi, square, T::SILU_BEND_NEAR, T::ONE);
        let rest = square.mul_add(tail, T::HALF * zero.lo);
        let near = n.multiply(Double { hi: T::HALF * zero.hi, lo: rest });
        Double::select(square < T::literal(1.0 / 256.0), near, far)
    }

    /// `factor S''(y)`.
    #[inline(always)]
    fn second_derivative(&self, factor: T) -> T {
        let bend = self.bend_bracket();
        let bend = bend.multiply_round(self.gate.slope().times(factor));
        bend * self.gate.power
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activations::assert_jet;

    fn jet<A: Activation, T: Number>(x: f64, beta: f64) -> Jet<T> {
        A::jet(T::literal(x), [T::literal(beta), T::ZERO])
    }

    fn check<T: Number>() {
        let infinity = f64::INFINITY;
        for x in [0.0, -0.0] {
            let ordinary = Silu::ordinary_jet::<T>(T::literal(x), [T::ZERO; 2]);
            assert_jet(ordinary, [x, 0.5, 0.5]);
        }
        assert_jet(jet::<Silu, T>(infinity, 0.0), [infinity, 1.0, -0.0]);
        assert_jet(jet::<Silu, T>(-infinity, 0.0), [-0.0, -0.0, -0.0]);
        assert_jet(jet::<Silu, T>(0.0, 0.0), [0.0, 0.5, 0.5]);
        assert_jet(jet::<Silu, T>(-0.0, 0.0), [-0.0, 0.5, 0.5]);
        assert_jet(jet::<GeluSigmoid, T>(infinity, 0.0), [infinity, 1.0, -0.0]);
        assert_jet(jet::<GeluSigmoid, T>(-infinity, 0.0), [-0.0, -0.0, -0.0]);
        assert_jet(jet::<Swish, T>(infinity, 2.0), [infinity, 1.0, -0.0]);
        assert_jet(jet::<Swish, T>(-infinity, 2.0), [-0.0, -0.0, -0.0]);
        assert_jet(jet::<Swish, T>(-infinity, -2.0), [-infinity, 1.0, 0.0]);
        assert_jet(jet::<Swish, T>(infinity, -2.0), [0.0, -0.0, 0.0]);
        assert_jet(jet::<Swish, T>(-infinity, 0.0), [-infinity, 0.5, 0.0]);
        assert_jet(jet::<Swish, T>(3.0, 0.0), [1.5, 0.5, 0.0]);
        for jet in [
            jet::<Silu, T>(f64::NAN, 0.0),
            jet::<GeluSigmoid, T>(f64::NAN, 0.0),
            jet::<Swish, T>(f64::NAN, 1.0),
            jet::<Swish, T>(1.0, f64::NAN),
        ] {
            assert!(jet.value.is_nan() && jet.derivative.is_nan());
            assert!(jet.second_derivative.is_nan());
        }
        let by_beta = |x: f64, beta: f64| {
            Swish::parameter_derivatives(T::literal(x), [T::literal(beta), T::ZERO])[0]
        };
        assert!(by_beta(3.0, 0.0) == T::literal(2.25));
        assert!(by_beta(infinity, 1.0) == T::ZERO && by_beta(-infinity, -1.0) == T::ZERO);
        assert!(by_beta(f64::NAN, 1.0).is_nan() && by_beta(1.0, f64::NAN).is_nan());
    }

    #[test]
    fn limits_zeros_and_nan() {
        check::<f32>();
        check::<f64>();
    }
}
