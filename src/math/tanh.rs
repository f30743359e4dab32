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
    /// For [`tanh_by_pieces`], in float32: centres, values there, and `q`.
    const TANH_PIECES: [&'static [Self]; 7];
}

// tools/coefficients/tanh.sollya; relative error of x + x^3 q(x^2): 2^-32.5.
// tools/coefficients/lisht.sollya; relative error of z + t^2 q(t): 2^-27.6.
// tools/coefficients/tanh_table.sollya; error at most 0.15 ulp.
impl TanhConstants for f32 {
    const TANH_TAIL: &'static [f32] = &[-0.33333334, 0.13333422, -0.053971674, 0.021207865];
    const LISHT_TAIL: &'static [f32] = &[-0.122041054, 0.10172858, -0.03579543, -0.004064227];
    const TANH_PIECES: [&'static [f32]; 7] = [
        &[
            1.2477112, 1.7478333, 2.24469, 2.7401428, 3.4850464, 4.4813232, 5.506653, 6.4796143,
            7.9711914, 9.0, 9.0, 9.0, 0.0, 0.37973022, 0.62705994, 0.87675476,
        ],
        &[
            0.8476406, 0.94112843, 0.9777941, 0.9916983, 0.99812263, 0.9997438, 0.99996704,
            0.9999953, 0.99999976, 1.0, 1.0, 1.0, 1.0, 0.36247316, 0.55602443, 0.7047898,
        ],
        &[
            -0.23861557,
            -0.10754957,
            -0.042943418,
            -0.016397161,
            -0.0037441403,
            -0.0005121576,
            -6.592027e-05,
            -9.417432e-06,
            -4.7690565e-07,
            0.0,
            0.0,
            0.0,
            -1.0909207e-06,
            -0.314849,
            -0.38412216,
            -0.3547005,
        ],
        &[
            0.108433545,
            0.06312949,
            0.027350506,
            0.010749363,
            0.0024853935,
            0.00034106264,
            4.3915377e-05,
            6.2745653e-06,
            3.145681e-07,
            0.0,
            0.0,
            0.0,
            -0.33327046,
            -0.17540883,
            -0.016705152,
            0.082223564,
        ],
        &[
            -0.012356947,
            -0.023561677,
            -0.012428997,
            -0.005195104,
            -0.0012344444,
            -0.00017056076,
            -2.194387e-05,
            -3.1406437e-06,
            -1.582807e-07,
            0.0,
            0.0,
            0.0,
            -0.0011803498,
            0.16853753,
            0.13732594,
            0.06028046,
        ],
        &[
            -0.019819114,
            0.0034874273,
            0.004001307,
            0.0019453765,
            0.0005017636,
            7.042448e-05,
            9.102525e-06,
            1.2995459e-06,
            7.307854e-08,
            0.0,
            0.0,
            0.0,
            0.14306766,
            0.01667436,
            -0.054556247,
            -0.058079436,
        ],
        &[
            0.015067134,
            0.0020906723,
            -0.0007171467,
            -0.00054526795,
            -0.00015738736,
            -2.255196e-05,
            -3.0709166e-06,
            -4.1782894e-07,
            -2.3155716e-08,
            0.0,
            0.0,
            0.0,
            -0.036949057,
            -0.06938502,
            -0.023606336,
            0.013154648,
        ],
    ];
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
    const TANH_PIECES: [&'static [f64]; 7] = [&[]; 7];
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

/// Where [`tanh_by_pieces`] finds what it looks up: the piece of `1 + |x|`, four to each power of two.
#[inline(always)]
pub fn tanh_piece<T: Number>(x: T) -> T {
    (x.abs().at_most(T::literal(PIECES_END)) + T::ONE).upper_digits(2)
}

/// `tanh(x)`, rounded, in float32, given what [`tanh_piece`] finds in `TANH_PIECES`.
///
/// Edges: -1 and 1 at the infinities; NaN gives NaN; the sign of zero stays.
/// Method: `value + d (1 - value^2 + d q(d))` for `d = |x| - centre`, with centres where `value` is
/// tanh to 2^-8 ulp; in the first piece, whose value is 1 and centre 0, `x + x^2 q(x)`.
#[inline(always)]
pub fn tanh_by_pieces<T: Number>(x: T, entries: [T; 7]) -> T {
    let [centre, value, tail @ ..] = entries;
    let magnitude = x.abs().at_most(T::literal(PIECES_END));
    let distance = magnitude - centre;
    let slope = distance.mul_add(polynomial(distance, &tail), (-value).mul_add(value, T::ONE));
    // Just where 1 + |x|, rounded, is below 5/4.
    let is_first = magnitude < T::literal(0.25 - 5.960464477539063e-8);
    distance.mul_add(slope, T::select(is_first, magnitude, value)).copysign(x)
}

/// In the last piece but one, where tanh is 1.
const PIECES_END: f64 = 9.5;

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
