//! The tanh approximation of GELU: `x sigma(v)` with a cubic `v`.

use crate::activation::{Activation, Jet, Parameters};
use crate::math::Number;
use crate::math::double::{Double, fast_two_sum, polynomial_by_pairs, two_product, two_sum};
use crate::math::gate::{Gate, times_sigma};
use crate::math::real::Real;

/// Constants of gelu_tanh, one set for each working precision.
pub trait GeluTanhConstants: Real {
    /// For `|x|` up to here `|v| <= -EXP_LOWEST`, and there the gate is shut or open.
    const GELU_TANH_LARGEST: Self;
    /// `2 sqrt(2/pi)`; the first number is a multiple of 2^-19 (`f32`) or 2^-46 (`f64`).
    const GELU_TANH_LINEAR: Double<Self>;
    /// `q` with `1 - x v' sigma(v) = s n + n^2 q(n)` at `x = z - n`, `|n| <= 1/16`.
    const GELU_TANH_NEAR: &'static [Self];
    /// `q` with `2 v' + x v'' - x v'^2 tanh(v/2) = u n + n^2 q(n)` at `x = y - n`, `|n| <= 1/16`.
    const GELU_TANH_BEND_NEAR: &'static [Self];
}

// tools/coefficients/gelu_tanh.sollya; relative errors: 2^-31.6 and 2^-35.8.
impl GeluTanhConstants for f32 {
    const GELU_TANH_LARGEST: f32 = 11.5;
    const GELU_TANH_LINEAR: Double<f32> = Double { hi: 1.5957699, lo: -7.605964e-07 };
    const GELU_TANH_NEAR: &'static [f32] = &[-0.8163185, 0.061605144, 0.0023204659, 0.010199939];
    const GELU_TANH_BEND_NEAR: &'static [f32] =
        &[-3.71976, 1.3059118, -0.34162828, 0.06273298, -0.008837541];
}

// tools/coefficients/gelu_tanh.sollya; relative errors: 2^-64.4 and 2^-62.0.
impl GeluTanhConstants for f64 {
    const GELU_TANH_LARGEST: f64 = 22.4;
    const GELU_TANH_LINEAR: Double<f64> =
        Double { hi: 1.595769121605727, lo: 3.675065195634423e-15 };
    const GELU_TANH_NEAR: &'static [f64] = &[
        -0.8163184971863922,
        0.06160513613987108,
        0.002321084733158495,
        0.010205476998175126,
        -0.0017409967294668932,
        -0.0008417388446830495,
        0.00036961859521015075,
        7.215370239321782e-05,
        -6.946536123903229e-05,
        -1.3299465391847412e-05,
    ];
    const GELU_TANH_BEND_NEAR: &'static [f64] = &[
        -3.7197599343733283,
        1.3059117568349383,
        -0.3416351718909559,
        0.06275316694557201,
        -0.007428919466872982,
        -0.003878479788626685,
        0.0006018389867570733,
        0.00036645035488238833,
        -0.0002483900439757972,
        -2.9402734807352986e-05,
        0.021055576220595684,
    ];
}

/// `gelu_tanh(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN gives NaN; -0.0 and x at the infinities, with derivatives -0.0 and 1;
/// `gelu_tanh(-0.0) = -0.0`.
/// Method: it is `x sigma(v)` with `v = 2 sqrt(2/pi) (x + 0.044715 x^3)`, a pair: a gate at v for
/// the value. With `w = x v'` the derivative is `sigma(-v) (1 - w sigma(v))` at -x and 1 less that
/// at x, and the second derivative `sigma'(v) (v' (2 (1 - w sigma(v)) + w) + x v'')`. Within 1/16
/// of their zeros the brackets are polynomials in the exact distance.
/// Source: D. Hendrycks, K. Gimpel, "Gaussian error linear units", 2016.
pub struct GeluTanh;

impl Activation for GeluTanh {
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let largest = T::GELU_TANH_LARGEST;
        // 2 sqrt(2/pi) 0.044715, and three times that: v = k x + c x^3, v' = k + 3 c x^2.
        let c = T::pair(0.07135481627260025, -6.175149918155315e-19);
        let thrice = T::pair(0.21406444881780073, 1.2025242832367862e-17);
        let bounded = x.at_least(-largest).at_most(largest);
        let v = plus_linear(c, bounded).times(bounded);
        let value = times_sigma::<T, true>(bounded, v);

        let t = x.abs().at_most(largest);
        let incline = plus_linear(thrice, t);
        let w = incline.times(t);
        let depth = plus_linear(c, t).times(t).normalize();
        let gate = Gate::at::<true>(depth.negate());
        let far = gate.shortfall::<true>(w);

        let zero = T::pair(0.7524614220710163, -3.635560509207687e-17);
        let slope = T::pair(1.9045991238220834, -1.063859170532767e-16);
        let factor = near_zero(zero, slope, T::GELU_TANH_NEAR, t, far);
        let left = gate.times(factor);
        let right = (-left).mul_add(gate.power, T::ONE);

        // v' (2 (1 - w sigma) + w) + x v'', and x v'' = 2 (v' - k).
        let bracket = two_sum(T::TWO * far.hi, w.hi);
        let bracket = Double { hi: bracket.hi, lo: bracket.lo + T::TWO.mul_add(far.lo, w.lo) };
        let linear = T::GELU_TANH_LINEAR;
        let cubic = Double { hi: incline.hi - linear.hi, lo: incline.lo - linear.lo };
        let far = incline.multiply(bracket).plus(cubic.scale(T::TWO));
        let zero = T::pair(1.4185040087908283, 8.089265124388305e-17);
        let slope = T::pair(5.682499154616816, -3.463634471194165e-16);
        let bend = near_zero(zero, slope, T::GELU_TANH_BEND_NEAR, t, far);
        Jet {
            value: T::select(v.hi > T::GATE_OPEN, x, value),
            derivative: T::select(x >= T::ZERO, right, left * gate.power),
            second_derivative: bend.multiply_round(gate.slope()) * gate.power,
        }
    }
}

/// `2 sqrt(2/pi) + c x^2` as a pair, with `lo` below 2^-19 (`f32`) or 2^-46 (`f64`).
#[inline(always)]
fn plus_linear<T: Number>(c: Double<T>, x: T) -> Double<T> {
    let linear = T::GELU_TANH_LINEAR;
    let square = two_product(x, x);
    let hi = c.hi.mul_add(square.hi, linear.hi);
    // hi - linear.hi is exact, as the latter is a multiple of the ulp of hi.
    let lo = c.hi.mul_add(square.hi, -(hi - linear.hi));
    let rest = c.hi.mul_add(square.lo, c.lo.mul_add(square.hi, linear.lo));
    Double { hi, lo: lo + rest }
}

/// `slope n + n^2 q(n)` at `t = zero - n` for `|n| < 1/16`, else `far`.
#[inline(always)]
fn near_zero<T: Number>(
    zero: Double<T>,
    slope: Double<T>,
    tail: &[T],
    t: T,
    far: Double<T>,
) -> Double<T> {
    let n = fast_two_sum(zero.hi - t, zero.lo);
    let square = n.hi * n.hi;
    let rest = n.hi.mul_add(polynomial_by_pairs(n.hi, square, tail, T::ONE), slope.lo);
    let near = n.multiply(Double { hi: slope.hi, lo: rest });
    Double::select(square < T::literal(1.0 / 256.0), near, far)
}

#[cfg(test)]
mod tests {
    use super::GeluTanh;
    use crate::activation::{Activation, Jet};
    use crate::activations::assert_jet;
    use crate::math::Number;

    fn jet<T: Number>(x: f64) -> Jet<T> {
        GeluTanh::jet(T::literal(x), [T::ZERO; 2])
    }

    fn check<T: Number>() {
        let infinity = f64::INFINITY;
        assert_jet(jet::<T>(infinity), [infinity, 1.0, -0.0]);
        assert_jet(jet::<T>(-infinity), [-0.0, -0.0, -0.0]);
        assert_jet(jet::<T>(1e30), [1e30, 1.0, -0.0]);
        assert_jet(jet::<T>(-1e30), [-0.0, -0.0, -0.0]);
        let Jet { value, derivative, second_derivative } = jet::<T>(f64::NAN);
        assert!(value.is_nan() && derivative.is_nan() && second_derivative.is_nan());
        let zero = jet::<T>(-0.0);
        assert!(zero.value == T::ZERO && T::ONE.copysign(zero.value) == -T::ONE);
        assert!(zero.derivative == T::HALF);
    }

    #[test]
    fn limits_zeros_and_nan() {
        check::<f32>();
        check::<f64>();
    }
}
