//! Algebraic activations: softsign and squareplus.

use crate::activation::{Activation, Jet, Parameters};
use crate::math::Number;
use crate::math::double::{Double, fast_two_sum, two_product, two_sum};
use crate::math::quotient::{reciprocal_close, reciprocal_estimate};
use crate::math::root::{Root, reciprocal_root_estimate, root_pair};

/// `softsign(x) = x / (1 + |x|)`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 1 ulp.
/// Edges: NaN gives NaN; -1 and 1 at the infinities, with derivatives 0; `f(-0.0) = -0.0`;
/// `f''(0) = 0`, between its limits 2 and -2.
/// Method: `1 + |x|` exact, its reciprocal as a pair, scaled so that no power of it underflows.
pub struct Softsign;

impl Activation for Softsign {
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        // What is lost at infinity is below an ulp.
        let magnitude = x.abs().at_most(T::MAX);
        let below = two_sum(T::ONE, magnitude);
        let (lift, unlift) = (T::literal(LIFT), T::literal(1.0 / LIFT));
        let quotient = below.reciprocal().scale(lift);
        let bend = quotient.square().multiply_round(quotient);
        let twice = T::select(x == T::ZERO, T::ZERO, T::TWO.copysign(-x));
        Jet {
            value: Double::from(magnitude).divide_round(below).copysign(x),
            derivative: quotient.multiply_round(quotient) * (unlift * unlift),
            second_derivative: bend * (twice * (unlift * unlift * unlift)),
        }
    }

    /// `(1 - |y|)^2`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, _: Parameters<T>) -> T {
        let root = fast_two_sum(T::ONE, -y.abs());
        root.multiply_round(root)
    }
}

/// 2^40: the cube is finite, and the square of every reciprocal that counts is normal.
const LIFT: f64 = (1u64 << 40) as f64;

/// `squareplus(x; b) = (x + sqrt(x^2 + b)) / 2`, for a finite `b >= 0`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN in x or b, or `b < 0`, gives NaN in every form; 0 and inf at the infinities, with
/// derivatives 0 and 1; `b = 0` is relu with `f'(0) = 1/2` and `f''(0) = 0`. From the output NaN
/// unless `b > 0`.
/// Method: with `r = sqrt(x^2 + b)` and `d = r + |x|`, `f` is `d/2` or `b/(2d)`, and `f'` is
/// `(1 + x/r)/2` or `b/(2 d r)`; `f'' = b/(2 r^3)`. x and r are scaled by a power of two such that
/// `x^2 + b` neither overflows nor underflows. For `b = 4` and x that is not large a [`Hyperbola`].
pub struct Squareplus;

impl Activation for Squareplus {
    const PARAMETERS: usize = 1;
    const DEFAULTS: Parameters<f64> = [4.0, 0.0];

    #[inline(always)]
    fn jet<T: Number>(x: T, [b, _]: Parameters<T>) -> Jet<T> {
        let scaled = Scaled::of(x.abs().at_most(T::MAX), b);
        let Scaled { magnitude, sum, scale, unscale } = scaled;
        let Root { root, reciprocal } = root_pair(sum);
        let distance = root.plus_smaller(Double::from(magnitude));
        let inverse = distance.reciprocal();
        let left = x < T::ZERO;
        let far = x.abs() == T::INFINITY;

        // 2^60 b/d, then (b/d)/r: the lift keeps both from the subnormals until the last factor.
        // No product of b underflows before it is lifted, or overflows.
        let lift = T::literal(TWO_TO_60);
        let large = scale < T::ONE;
        let lifted = b * T::select(large, lift * scale, scale) * T::select(large, T::ONE, lift);
        let unlift = T::literal(0.5 / TWO_TO_60);
        let value = T::select(left, inverse.times_round(lifted), distance.round());
        let value = value * T::select(left, unlift, T::HALF * unscale);
        let slope = inverse.times(lifted).scale(scale).multiply_round(reciprocal) * unlift;
        let cosine = reciprocal.times(magnitude);
        let near = T::HALF * cosine.plus_larger(T::ONE).round();
        let derivative = T::select(left, slope, near);

        // 2^60 b/r, b/r^2, b/r^3.
        let bend = reciprocal.times(lifted).scale(scale).multiply(reciprocal).scale(scale);
        let second_derivative = bend.multiply_round(reciprocal) * unlift;

        let positive = x > T::ZERO;
        let valid = |result| T::select(b >= T::ZERO, result, T::NAN);
        Jet {
            value: valid(T::select(far, T::select(positive, x, T::ZERO), value)),
            derivative: valid(T::select(far, T::select(positive, T::ONE, T::ZERO), derivative)),
            second_derivative: valid(second_derivative),
        }
    }

    const HAS_ORDINARY: bool = true;

    #[inline(always)]
    fn is_ordinary<T: Number>(x: T, [b, _]: Parameters<T>) -> bool {
        (b == T::literal(4.0))
            & (x.abs() < T::literal(if T::DIGITS == 24 { 8192.0 } else { 134_217_728.0 }))
    }

    #[inline(always)]
    fn ordinary_jet<T: Number>(x: T, parameters: Parameters<T>) -> Jet<T> {
        let hyperbola = Hyperbola::at(x);
        Jet {
            value: hyperbola.value(x),
            derivative: hyperbola.derivative(x),
            second_derivative: Self::jet(x, parameters).second_derivative,
        }
    }

    /// `1 / (4 sqrt(x^2 + b))`.
    #[inline(always)]
    fn parameter_derivatives<T: Number>(x: T, [b, _]: Parameters<T>) -> [T; 2] {
        let scaled = Scaled::of(x.abs().at_most(T::MAX), b);
        let quarter = T::literal(0.25) * scaled.scale;
        let derivative = root_pair(scaled.sum).reciprocal.round() * quarter;
        let derivative = T::select(x.abs() == T::INFINITY, T::ZERO, derivative);
        [T::select(b >= T::ZERO, derivative, T::NAN), T::NAN]
    }

    /// `y^2 / (y^2 + b/4)`, since `x = y - b/(4y)`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, [b, _]: Parameters<T>) -> T {
        let Scaled { magnitude, sum, .. } = Scaled::of((T::TWO * y).at_most(T::MAX), b);
        let inverse = sum.reciprocal().times(magnitude).scale(T::literal(TWO_TO_60));
        let derivative = inverse.times_round(magnitude) * T::literal(1.0 / TWO_TO_60);
        T::select(b > T::ZERO, derivative, T::NAN)
    }
}

/// What the value and the derivative of `squareplus(x; 4)` share.
struct Hyperbola<T> {
    /// `|x|` and `|x|/2`.
    magnitude: T,
    half: T,
    /// `x^2 + 4` rounded.
    square: T,
    /// About `r = sqrt(x^2 + 4)`: to 2^-24 (`f32`), 2^-30 (`f64`).
    root: T,
    /// About `1/r`: to 2^-9 or 2^-30.
    slope: T,
}

impl<T: Number> Hyperbola<T> {
    #[inline(always)]
    fn at(x: T) -> Self {
        let magnitude = x.abs();
        let square = x.mul_add(x, T::literal(4.0));
        // In float32 the unit that takes roots is as fast as what else there is to do.
        let (root, slope) = if T::DIGITS == 24 {
            let root = square.sqrt();
            let guess = root.reciprocal_guess();
            (root, guess * (-root).mul_add(guess, T::literal(2.0013084747262843)))
        } else {
            let reciprocal = reciprocal_root_estimate(square);
            (square * reciprocal, reciprocal)
        };
        Hyperbola { magnitude, half: T::HALF * magnitude, square, root, slope }
    }

    /// The value, rounded.
    ///
    /// Error: before rounding, relative 2^-25.9 (`f32`), 2^-54.9 (`f64`).
    /// Method: `w = 2/(r + |x|)` is the value at `-|x|`, and less than that at `|x|` by just `|x|`. What
    /// an estimate `v` of the value lacks is `-F/r`, where `F = v (v - x) - 1`.
    #[inline(always)]
    fn value(&self, x: T) -> T {
        let base = x.at_least(T::ZERO);
        let v = reciprocal_close(self.root.mul_add(T::HALF, self.half)) + base;
        // v - x is v where x < 0, and what is left of F has no term that is large beside v^2.
        let rest = (base - x).mul_add(v, -T::ONE);
        let f = v.mul_add(v - base, rest);
        (-self.slope).mul_add(f, v)
    }

    /// The derivative, rounded.
    ///
    /// Error: before rounding, relative 2^-25.9 (`f32`), 2^-54.9 (`f64`).
    /// Method: `2/q` with `q = r (r + |x|)` at `-|x|`, and 1 less that at `|x|`.
    #[inline(always)]
    fn derivative(&self, x: T) -> T {
        let Hyperbola { magnitude, half, square, root, slope } = *self;
        // x^2 + 4 - square
        let dropped = x.mul_add(x, T::literal(4.0) - square);
        // 2 (r - root)
        let root_rest = slope * ((-root).mul_add(root, square) + dropped);
        // q = sum + rest
        let sum = magnitude.mul_add(root, square);
        let rest = half.mul_add(root_rest, dropped) + magnitude.mul_add(root, square - sum);
        let inverse = reciprocal_estimate(sum);
        let residual = (-inverse).mul_add(rest, (-inverse).mul_add(sum, T::ONE));
        let inverse = T::TWO * inverse;
        let left = inverse.mul_add(residual, inverse);
        T::select(x < T::ZERO, left, T::ONE - left)
    }
}

const TWO_TO_60: f64 = (1u64 << 60) as f64;

/// `x^2 + b` for `x >= 0`, with x scaled to where nothing overflows and nothing that counts underflows.
struct Scaled<T> {
    /// `scale * x`.
    magnitude: T,
    /// `scale^2 (x^2 + b)`.
    sum: Double<T>,
    /// A power of two, and its reciprocal.
    scale: T,
    unscale: T,
}

impl<T: Number> Scaled<T> {
    #[inline(always)]
    fn of(x: T, b: T) -> Self {
        let constant =
            |single: f64, double: f64| T::literal(if T::DIGITS == 24 { single } else { double });
        let high = constant(power_of_two(60), power_of_two(508));
        let low = constant(power_of_two(-55), power_of_two(-503));
        let low_square = constant(power_of_two(-110), power_of_two(-1006));
        // x^2 <= 2^122 or 2^1018 below, x^2 + b >= 2^-98 or 2^-748 above, unless both are zero.
        let down = constant(power_of_two(-67), power_of_two(-515));
        let up = constant(power_of_two(100), power_of_two(700));

        let large = x > high || b > high;
        let small = x < low && b < low_square;
        let pick = |large_one: T, small_one: T| {
            T::select(large, large_one, T::select(small, small_one, T::ONE))
        };
        let scale = pick(down, up);
        let unscale = pick(down.reciprocal(), up.reciprocal());
        let magnitude = x * scale;
        let square = two_product(magnitude, magnitude);
        let sum = two_sum(square.hi, b * scale * scale);
        Scaled { magnitude, sum: Double { hi: sum.hi, lo: sum.lo + square.lo }, scale, unscale }
    }
}

/// `2^exponent`, for a normal exponent.
const fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((1023 + exponent) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_jet_at, assert_nan_stays, in_both_precisions};
    use super::*;

    const INFINITY: f64 = f64::INFINITY;

    in_both_precisions! {
        /// In x and in the parameter.
        fn nan_stays<T>() {
            assert_nan_stays::<Softsign, T>(1.0, [0.0; 2]);
            for x in [-1.0, 1.0] {
                assert_nan_stays::<Squareplus, T>(x, [4.0, 0.0]);
            }
        }

        fn zeros<T>() {
            assert_jet_at::<Softsign, T>(0.0, [0.0; 2], [0.0, 1.0, 0.0]);
            assert_jet_at::<Softsign, T>(-0.0, [0.0; 2], [-0.0, 1.0, 0.0]);
            assert_jet_at::<Squareplus, T>(0.0, [4.0, 0.0], [1.0, 0.5, 0.25]);
        }

        fn limits<T>() {
            assert_jet_at::<Softsign, T>(-INFINITY, [0.0; 2], [-1.0, 0.0, 0.0]);
            assert_jet_at::<Softsign, T>(INFINITY, [0.0; 2], [1.0, 0.0, -0.0]);
            for b in [1e-30, 4.0, 1e30] {
                assert_jet_at::<Squareplus, T>(-INFINITY, [b, 0.0], [0.0, 0.0, 0.0]);
                assert_jet_at::<Squareplus, T>(INFINITY, [b, 0.0], [INFINITY, 1.0, 0.0]);
            }
        }

        /// Without its bow squareplus is relu, down to the smallest subnormal.
        fn squareplus_of_no_width_is_relu<T>() {
            assert_jet_at::<Squareplus, T>(0.0, [0.0; 2], [0.0, 0.5, 0.0]);
            let mut x = T::MAX;
            while x > T::ZERO {
                let right = Squareplus::jet(x, [T::ZERO; 2]);
                assert!(right.value == x && right.derivative == T::ONE);
                let left = Squareplus::jet(-x, [T::ZERO; 2]);
                assert!(left.value == T::ZERO && left.derivative == T::ZERO);
                assert!(right.second_derivative == T::ZERO);
                x = x * T::literal(0.375);
            }
        }

        fn b_must_not_be_negative<T>() {
            let b = [-T::ONE, T::ZERO];
            assert!(Squareplus::jet(T::TWO, b).value.is_nan());
            assert!(Squareplus::derivative_from_output(T::TWO, b).is_nan());
        }
    }
}
