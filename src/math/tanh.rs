//! The hyperbolic tangent as a pair.

use super::Number;
use super::double::{Double, polynomial};
use super::exp::exp_decay;
use super::real::Real;

/// Constants of the hyperbolic tangent, one set for each working precision.
pub trait TanhConstants: Real {
    /// `q` with `tanh(x) = x + x^3 q(x^2)` on `|x| <= 1/4`.
    const TANH_TAIL: &'static [Self];
}

// tools/coefficients/tanh.sollya; relative error of x + x^3 q(x^2): 2^-32.5.
impl TanhConstants for f32 {
    const TANH_TAIL: &'static [f32] = &[-0.33333334, 0.13333422, -0.053971674, 0.021207865];
}

// tools/coefficients/tanh.sollya; relative error of x + x^3 q(x^2): 2^-64.5.
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
    let far = e.negate().plus_larger(T::ONE).divide(e.plus_larger(T::ONE));
    let square = x * x;
    let near =
        Double { hi: magnitude, lo: magnitude * (square * polynomial(square, T::TANH_TAIL)) };
    let pair = Double::select(magnitude < T::literal(0.25), near, far);
    pair.scale(T::ONE.copysign(x))
}
