//! What functions made of tanh have in common: polynomials near zero, and polynomials of
//! `e = exp(-2|x|)` far from it, so that none needs a division.

use super::double::polynomial_by_pairs;
use super::gate::GateConstants;

/// Constants of the hyperbolic functions, one set for each working precision.
pub trait HyperbolicConstants: GateConstants {
    /// `q` with `(x tanh(x))' = 2 x + x^3 q(x^2)` on `|x| <= 0.6`.
    const LISHT_NEAR: &'static [Self];
    /// `1/(1 + e)` for `0 <= e <= exp(-1.2)`.
    const LISHT_FAR: &'static [Self];
    /// `q` with `log(cosh(x)) = x^2/2 + x^4 q(x^2)` on `|x| <= 0.9`.
    const LOG_COSH_NEAR: &'static [Self];
    /// `q` with `log(1 + e) = e + e^2 q(e)` for `0 <= e <= exp(-1.8)`.
    const LOG_COSH_FAR: &'static [Self];
}

// tools/coefficients/hyperbolic.sollya; relative errors of what is near, absolute ones of what is far,
// in this order: 2^-27.8, 2^-28.3, 2^-29.9, 2^-28.0.
impl HyperbolicConstants for f32 {
    const LISHT_NEAR: &'static [f32] =
        &[-1.3333334, 0.8000001, -0.43169466, 0.2177824, -0.10031958, 0.03225789];
    const LISHT_FAR: &'static [f32] =
        &[1.0, -0.99999774, 0.99984896, -0.996603, 0.9641232, -0.80014867, 0.39360014];
    const LOG_COSH_NEAR: &'static [f32] = &[
        -0.083333336,
        0.022222279,
        -0.006746159,
        0.0021845524,
        -0.00072259945,
        0.00021566129,
        -3.9707043e-05,
    ];
    const LOG_COSH_FAR: &'static [f32] =
        &[-0.49999997, 0.33332565, -0.24963234, 0.19360714, -0.11918141];
}

// The same;
// in this order: 2^-61.3, 2^-55.8, 2^-58.3, 2^-57.1.
impl HyperbolicConstants for f64 {
    const LISHT_NEAR: &'static [f64] = &[
        -1.3333333333333333,
        0.7999999999999776,
        -0.4317460317440171,
        0.21869488527681505,
        -0.10635882434352152,
        0.05028976250655286,
        -0.023293053408293806,
        0.010618474984729846,
        -0.004772967876672793,
        0.0020999680068334785,
        -0.0008677795491827717,
        0.00029551944304427965,
        -5.874604453686738e-05,
    ];
    const LISHT_FAR: &'static [f64] = &[
        1.0,
        -0.9999999999999543,
        0.999999999987922,
        -0.9999999988770912,
        0.9999999471712241,
        -0.9999985275371465,
        0.9999734910638686,
        -0.9996754072905276,
        0.9972114551176099,
        -0.9829036555826137,
        0.9247271466050937,
        -0.7625486893880831,
        0.4672807402803357,
        -0.15106299850797258,
    ];
    const LOG_COSH_NEAR: &'static [f64] = &[
        -0.08333333333333333,
        0.022222222222220967,
        -0.00674603174594578,
        0.0021869488510713095,
        -0.0007386029200343879,
        0.00025658017419144584,
        -9.098707346429713e-05,
        3.276789736845081e-05,
        -1.1920774441532482e-05,
        4.325169525866843e-06,
        -1.5070140837993205e-06,
        4.614422101235214e-07,
        -1.050084914957926e-07,
        1.2596560573605438e-08,
    ];
    const LOG_COSH_FAR: &'static [f64] = &[
        -0.49999999999999994,
        0.33333333333326837,
        -0.24999999998491249,
        0.1999999985896352,
        -0.16666659819470617,
        0.14285518754503285,
        -0.12496490784172824,
        0.11070229102851552,
        -0.09688675747042237,
        0.07568402653350875,
        -0.037750645938655084,
    ];
}

/// `x` and what is made of `|x|`.
#[derive(Clone, Copy)]
pub struct Hyperbolic<T> {
    pub magnitude: T,
    /// `2|x|`, at most `2 GATE_OPEN`: what is multiplied by the exponential is nothing from there on.
    pub twice: T,
    /// `exp(-twice) = power + power growth`, the power one of two.
    pub decay: T,
    pub power: T,
    pub growth: T,
    /// `x^2`, rounded.
    pub square: T,
}

impl<T: HyperbolicConstants> Hyperbolic<T> {
    /// Error: of the exponential, relative 2^-23.6 (`f32`), 2^-52.6 (`f64`).
    /// Edges: NaN gives NaN.
    #[inline(always)]
    pub fn at(x: T) -> Self {
        let magnitude = x.abs();
        let bounded = magnitude.at_most(T::GATE_OPEN);
        let twice = bounded + bounded;
        let (k, power) = twice.times_rounded_with_power(-T::LOG2_E, 0);
        let r = (-k).mul_add(T::LN2_HI, -twice);
        let u = (-k).mul_add(T::LN2_LO, r);
        let tail = polynomial_by_pairs(u, u * u, T::GATE_TAIL, T::ONE);
        let growth = u * u.mul_add(tail, T::ONE);
        let decay = power.mul_add(growth, power);
        Hyperbolic { magnitude, twice, decay, power, growth, square: magnitude * magnitude }
    }

    /// The polynomial of `x^2`.
    #[inline(always)]
    pub fn near(&self, coefficients: &[T]) -> T {
        polynomial_by_pairs(self.square, self.square * self.square, coefficients, T::ONE)
    }

    /// `x^2` times that, rounded once but for what is small.
    #[inline(always)]
    pub fn near_times_square(&self, coefficients: &[T]) -> T {
        let rest = (self.square * self.square) * self.near(&coefficients[1..]);
        self.square.mul_add(coefficients[0], rest)
    }

    /// The polynomial of the exponential.
    #[inline(always)]
    pub fn far(&self, coefficients: &[T]) -> T {
        polynomial_by_pairs(self.decay, self.decay * self.decay, coefficients, T::ONE)
    }
}
