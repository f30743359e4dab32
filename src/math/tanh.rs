//! The hyperbolic tangent as a pair.

use super::Number;
use super::double::{Double, polynomial, polynomial_by_pairs};
use super::exp::exp_decay;
use super::quotient::{quotient, reciprocal_estimate};
use super::real::Real;

/// Constants of the hyperbolic tangent, one set for each working precision.
pub trait TanhConstants: Real {
    /// `q` with `tanh(x) = x + x^3 q(x^2)` on `|x| <= 1/4`.
    const TANH_TAIL: &'static [Self];
    /// `q` with `1 - x tanh(x) = -t (z + t^2 q(t))` for `x = z + t`, `|t| <= 1/8`, where
    /// `z tanh(z) = 1`.
    const LISHT_TAIL: &'static [Self];
}

// tools/coefficients/tanh.sollya; relative error of x + x^3 q(x^2): 2^-32.5.
// tools/coefficients/lisht.sollya; relative error of z + t^2 q(t): 2^-27.6.
impl TanhConstants for f32 {
    const TANH_TAIL: &'static [f32] = &[-0.33333334, 0.13333422, -0.053971674, 0.021207865];
    const LISHT_TAIL: &'static [f32] = &[-0.122041054, 0.10172858, -0.03579543, -0.004064227];
}

// tools/coefficients/tanh.sollya; relative error of x + x^3 q(x^2): 2^-64.5.
// tools/coefficients/lisht.sollya; relative error of z + t^2 q(t): 2^-59.0.
impl TanhConstants for f64 {
    const TANH_TAIL: &'static [f64] = &[
        -0.3333333333333333,
        0.13333333333332006,
        -0.0539682539654476,
        0.021869488267271395,
        -0.008863221761995476,
        0.0035917251369351707,
        -0.0014490607586882351,
        0.0005287186085783021,
    ];
    const LISHT_TAIL: &'static [f64] = &[
        -0.12204069355225626,
        0.10172782064873252,
        -0.03597961477514819,
        -0.003918229640045332,
        0.01177239418587933,
        -0.006246262109150609,
        0.0008186714899179907,
        0.0010973662709001077,
        -0.0008808447779099846,
        0.00025663510807084596,
    ];
}

/// `tanh(x)`.
///
/// Error: relative 2^-28 (`f32`), 2^-56.5 (`f64`) of the pair.
/// Edges: -1 and 1 at the infinities; NaN gives NaN.
/// Method: `(1-e)/(1+e)` with `e = exp(-2|x|)`; below 1/4, where that cancels, an odd polynomial.
#[inline(always)]
pub fn tanh_pair<T: Number>(x: T) -> Double<T> {
    let magnitude = x.abs();
    let e = exp_decay(Double::from(-(T::TWO * magnitude))).to_double();
    // e < 0.61 above 1/4: the difference keeps the accuracy of the pair.
    let far = quotient(e.negate().plus_larger(T::ONE), e.plus_larger(T::ONE));
    let square = x * x;
    let near =
        Double { hi: magnitude, lo: magnitude * (square * polynomial(square, T::TANH_TAIL)) };
    let pair = Double::select(magnitude < T::literal(0.25), near, far);
    pair.scale(T::ONE.copysign(x))
}

/// `tanh(x)`, rounded: in half the operations of [`tanh_pair`].
///
/// Edges: -1 and 1 at the infinities; NaN gives NaN; the sign of zero stays.
#[inline(always)]
pub fn tanh_round<T: Number>(x: T) -> T {
    // A second polynomial is the shorter way where it is short itself.
    if T::DIGITS == 24 { by_polynomials(x) } else { by_quotient(x) }
}

/// [`tanh_round`] in float32.
///
/// Method: below a border `x + x^3 q(x^2)`, from there on `1 - e q(e)` with `e = exp(-2|x|)`, where the
/// second term, at most 0.26, need be right to a fraction of an ulp of 1 only.
#[inline(always)]
fn by_polynomials<T: Number>(x: T) -> T {
    let magnitude = x.abs().at_most(T::literal(16.0));
    let (k, power) = magnitude.times_rounded_with_power(-T::TWO * T::LOG2_E, 0);
    let u = (-k).mul_add(T::LN2_HI, -T::TWO * magnitude);
    let tail = polynomial(u, &EXP.map(T::literal));
    let e = u.mul_add(u.mul_add(tail, T::ONE), T::ONE) * power;
    let far = (-e).mul_add(polynomial(e, &FAR.map(T::literal)), T::ONE);
    let square = x * x;
    let near = (square * polynomial(square, &NEAR.map(T::literal))).mul_add(x, x);
    // Near zero the sum would lose the sign of zero.
    T::select(magnitude < T::literal(BORDER), near, far).copysign(x)
}

// tools/coefficients/tanh_round.sollya; errors: of x + x^3 q(x^2), relative, 2^-28.5; of 1 - e q(e)
// 2^-31.7; of 1 + u + u^2 q(u), relative to e^u, 2^-28.2.
const BORDER: f64 = 61.0 / 64.0;
const NEAR: [f64; 7] =
    [-0.3333331, 0.13332692, -0.053905983, 0.021576358, -0.00810018, 0.002430694, -0.0004006749];
const FAR: [f64; 6] = [1.9999999, -1.9999849, 1.9993434, -1.9866468, 1.8590567, -1.2268115];
const EXP: [f64; 5] = [0.4999999, 0.16666521, 0.041668963, 0.008368669, 0.001378246];

/// [`tanh_round`] in float64.
///
/// Error: before rounding, relative 2^-54.1.
/// Method: `(e^r - R) / (e^r + R)` with `e^(2|x|) = e^r / R` and `r = 2v`, both sums exact to the pair:
/// for `R = 1` the numerator is `e^r - 1 = r + ...`, relatively accurate. For `R = 1/2` its parts
/// cancel most where r is least; in float64 R therefore changes a little late.
/// `1 - 2R/e^r` where R vanishes beside 1.
#[inline(always)]
fn by_quotient<T: Number>(x: T) -> T {
    let magnitude = x.abs().at_most(-T::HALF * T::EXP_LOWEST);
    // e^(2|x|) = e^(2v) / R, but for the rounding of ln 2, which u has too.
    let lift = T::UNBIAS.reciprocal();
    let late = T::literal(LATE) - magnitude;
    let (k, power) = late.times_rounded_with_power(T::TWO * T::LOG2_E, T::EXP_BIAS);
    let v = k.mul_add(T::HALF * T::LN2_HI, magnitude);
    let u = k.mul_add(T::HALF * T::LN2_LO, v);
    let square = u * u;
    let tail = polynomial_by_pairs(u, square, &GATE.map(T::literal), lift);
    let rest = square.mul_add(tail, k * (T::LN2_LO * lift));
    // start + r, both times 2^EXP_BIAS; start is 0 or larger than r.
    let plus = |start: T| {
        let hi = v.mul_add(T::TWO * lift, start);
        Double { hi, lo: v.mul_add(T::TWO * lift, start - hi) + rest }
    };
    let numerator = plus(lift - power);
    let denominator = plus(lift + power);
    let inverse = reciprocal_estimate(denominator.round());
    // The tails are as large as a quarter of the heads: the quotient is that of the sums.
    let quotient = numerator.round() * inverse;
    let remainder = (-quotient).mul_add(denominator.hi, numerator.hi) + numerator.lo;
    let remainder = (-quotient).mul_add(denominator.lo, remainder);
    let near = remainder.mul_add(inverse, quotient);
    let far = (-(T::TWO * power)).mul_add(inverse, T::ONE);
    T::select(power < T::ULP * lift, far, near).copysign(x)
}

/// How much later than half-way the power of two changes.
const LATE: f64 = 0.025;
/// `q` with `e^(2v) - 1 = 2v + v^2 q(v)` for `|v - LATE| <= ln(2)/4 + 2^-21`.
// tools/coefficients/tanh_gate.sollya; error relative to e^(2v) - 1: 2^-61.2. With a coefficient less
// the largest error of tanh is 1.076 ulp, with LATE = 0 too 1.163.
const GATE: [f64; 11] = [
    2.0,
    1.3333333333333333,
    0.6666666666666806,
    0.2666666666666854,
    0.08888888888428596,
    0.02539682539994935,
    0.006349206862737236,
    0.001410933811383662,
    0.0002821631006184732,
    5.1370183573460914e-05,
    8.951775930021644e-06,
];
