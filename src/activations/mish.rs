//! Mish.

use crate::activation::{Activation, Jet, Parameters};
use crate::math::Number;
use crate::math::double::{Double, fast_two_sum, polynomial, two_product, two_sum};
use crate::math::exp::exp_decay;
use crate::math::real::Real;

/// Constants of mish, one set for each working precision: the polynomials `q` with
/// `f(z + t) = t (c + t q(t))` on `|t| <= 1/16`, where `f(z) = 0`.
pub trait MishConstants: Real {
    /// At the zero of [`slope`].
    const SLOPE_NEAR: &'static [Self];
    /// At the negative zero of [`bend`].
    const BEND_NEAR_LEFT: &'static [Self];
    /// At its positive zero.
    const BEND_NEAR_RIGHT: &'static [Self];
}

// tools/coefficients/mish.py; relative errors: 2^-28.7, 2^-31.0, 2^-28.3.
impl MishConstants for f32 {
    const SLOPE_NEAR: &'static [f32] = &[0.5658018, 0.32154557, 0.13952465, 0.05215642];
    const BEND_NEAR_LEFT: &'static [f32] = &[0.31657007, 0.154928, 0.05728464, 0.017292766];
    const BEND_NEAR_RIGHT: &'static [f32] = &[2.049601, -1.1912887, 0.52973944, -0.19642799];
}

// tools/coefficients/mish.py; relative errors: 2^-62.3, 2^-60.2, 2^-62.0.
impl MishConstants for f64 {
    const SLOPE_NEAR: &'static [f64] = &[
        0.5658018583798033,
        0.3215455729943362,
        0.13945462225577315,
        0.052133709653717754,
        0.017920633852214336,
        0.005811322920579666,
        0.0017843806545339085,
        0.0005170747648469164,
        0.00014066904428426376,
    ];
    const BEND_NEAR_LEFT: &'static [f64] = &[
        0.31657007554821387,
        0.15492800012554492,
        0.05726735154837677,
        0.017289024691397623,
        0.004424962260375392,
        0.0009578234933246584,
        0.00016228199440535937,
        1.339499521588601e-05,
    ];
    const BEND_NEAR_RIGHT: &'static [f64] = &[
        2.0496012841971516,
        -1.1912887279257538,
        0.529493031575627,
        -0.19635917187411933,
        0.06306647976862613,
        -0.017613587893101867,
        0.004167107619647177,
        -0.0007675317808528615,
        7.423863378843798e-05,
    ];
}

/// `mish(x) = x tanh(log(1 + e^x))`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN gives NaN; -0.0 and inf at the infinities, with derivatives -0.0 and 1;
/// `mish(-0.0) = -0.0`.
/// Method: `tanh(log(1 + e))` is rational in `e = exp(x)`. With `b = exp(x)` for `x <= 0` and
/// `2 exp(-x)` for `x > 0`, all forms have powers of `D = 1 + b + b^2/2` below: the value is
/// `x b (1 + b/2) / D` and `x (1 + b) / D`. The numerators of the derivatives cancel near their
/// zeros, and are polynomials in the exact distance there.
/// Source: D. Misra, "Mish: a self regularized non-monotonic activation function", 2019.
pub struct Mish;

impl Activation for Mish {
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        // Past the limits the exponential is 0 beside everything else.
        let bounded = x.at_least(T::EXP_LOWEST).at_most(-T::EXP_LOWEST);
        let right = x > T::ZERO;
        let decay = exp_decay(Double::from(-bounded.abs()));
        let b = decay.to_double().scale(T::select(right, T::TWO, T::ONE));
        let square = b.square();
        // b^2/2 <= 2 is no larger than 1 + b.
        let denominator = b.plus_larger(T::ONE).normalize().plus_smaller(square.scale(T::HALF));
        let denominator = denominator.normalize();
        // For x <= 0 every form has the factor e, its power applied last.
        let power = T::select(right, T::UNBIAS.reciprocal(), decay.power);
        let factor = Double::select(right, Double::from(T::ONE), decay.mantissa);

        let numerator = b.scale(T::select(right, T::ONE, T::HALF)).plus_larger(T::ONE);
        let gate = numerator.normalize().divide(denominator);
        let value = gate.multiply(factor).times(bounded).round() * power * T::UNBIAS;

        let slope = slope(bounded, b, square, right);
        let derivative = slope.multiply(factor).divide_round(denominator.square());

        let bend = bend(bounded, b, square, right);
        // b^2/D^3 for x > 0: the power of the exponential counts twice.
        let four = T::TWO + T::TWO;
        let factor = Double::select(right, decay.mantissa.square().scale(four), decay.mantissa);
        let cube = denominator.square().multiply(denominator);
        let bend = bend.multiply(factor.divide(cube)).round();
        let bend = bend * T::select(right, decay.power * T::UNBIAS, T::ONE);
        Jet {
            // Beyond 40, 1 - tanh(log(1 + e^x)) < 2^-100.
            value: T::select(x > T::literal(40.0), x, value).copysign(x),
            derivative: derivative * power * T::UNBIAS,
            second_derivative: bend * decay.power * T::UNBIAS,
        }
    }
}

/// The numerator of the derivative over `D^2`: for `x <= 0`
/// `1 + x + (3/2 + x) b + (1 + b/4) b^2`, else `1 + 2 b + (3/2 + x + (1 + x) b/2) b^2`.
#[inline(always)]
fn slope<T: Number>(x: T, b: Double<T>, square: Double<T>, right: bool) -> Double<T> {
    let one_and_x = two_sum(T::ONE, x);
    let three_halves_and_x = two_sum(T::literal(1.5), x);
    let constant = Double::select(right, Double::from(T::ONE), one_and_x);
    let linear = Double::select(right, Double::from(T::TWO), three_halves_and_x);
    let quarter = T::HALF * T::HALF;
    let left_quadratic = b.scale(quarter).plus_larger(T::ONE).normalize();
    let right_quadratic = three_halves_and_x.plus(one_and_x.multiply(b.scale(T::HALF)));
    let quadratic = Double::select(right, right_quadratic, left_quadratic).normalize();
    let sum = linear.multiply(b).plus(quadratic.multiply(square));
    let far = constant.plus(sum).normalize();
    let zero = T::pair(-1.1924312145154952, -4.8484829848031044e-17);
    let steepness = T::pair(1.6019910200225136, 7.035958031596407e-17);
    near_zero(x, zero, steepness, T::SLOPE_NEAR, far)
}

/// The numerator of the second derivative over `D^3`: for `x <= 0`, without the factor `b`,
/// `2 + x + (4 + x) b + (3 - 3/2 x) b^2 + (1 - x) b^3`, else, without `b^2`,
/// `2 - 2 x + (3 - 3/2 x) b + (2 + x/2) b^2 + (1/2 + x/4) b^3`.
#[inline(always)]
fn bend<T: Number>(x: T, b: Double<T>, square: Double<T>, right: bool) -> Double<T> {
    let choose = |left: (f64, f64), other: (f64, f64)| {
        let constant = T::select(right, T::literal(other.0), T::literal(left.0));
        let slope = T::select(right, T::literal(other.1), T::literal(left.1));
        let product = two_product(slope, x);
        let sum = two_sum(constant, product.hi);
        Double { hi: sum.hi, lo: sum.lo + product.lo }
    };
    let constant = choose((2.0, 1.0), (2.0, -2.0));
    let linear = choose((4.0, 1.0), (3.0, -1.5));
    let quadratic = choose((3.0, -1.5), (2.0, 0.5));
    let cubic = choose((1.0, -1.0), (0.5, 0.25));
    let high = quadratic.plus(cubic.multiply(b)).normalize().multiply(square);
    let far = constant.plus(linear.multiply(b).plus(high)).normalize();
    let left_zero = T::pair(-2.256376396360793, -1.0703174875019247e-16);
    let left_steepness = T::pair(1.4210131658085476, -8.470417613077529e-17);
    let far = near_zero(x, left_zero, left_steepness, T::BEND_NEAR_LEFT, far);
    let right_zero = T::pair(1.4905711794854284, 7.126036715834263e-17);
    let right_steepness = T::pair(-4.249232708977586, 3.852175449950726e-16);
    near_zero(x, right_zero, right_steepness, T::BEND_NEAR_RIGHT, far)
}

/// `t (c + t q(t))` within 1/16 of a zero, `t` the exact distance, else `far`.
#[inline(always)]
fn near_zero<T: Real>(
    x: T,
    zero: Double<T>,
    steepness: Double<T>,
    tail: &[T],
    far: Double<T>,
) -> Double<T> {
    let distance = x - zero.hi;
    let t = fast_two_sum(distance, -zero.lo);
    let product = two_product(t.hi, steepness.hi);
    let rest = t.hi.mul_add(polynomial(t.hi, tail), steepness.lo);
    let lo = t.hi.mul_add(rest, t.lo.mul_add(steepness.hi, product.lo));
    let near = fast_two_sum(product.hi, lo);
    Double::select(distance.abs() < T::literal(0.0625), near, far)
}
