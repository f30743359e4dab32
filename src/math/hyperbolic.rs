//! What a function made of tanh needs to do without a division: a polynomial near zero, and one of
//! `e = exp(-2|x|)` far from it.

use super::double::polynomial_by_pairs;
use super::gate::GateConstants;

/// Constants of the hyperbolic functions, one set for each working precision.
pub trait HyperbolicConstants: GateConstants {
    /// `q` with `log(cosh(x)) = x^2/2 + x^4 q(x^2)` on `|x| <= 0.9`.
    const LOG_COSH_NEAR: &'static [Self];
    /// `q` with `log(1 + e) = e + e^2 q(e)` for `0 <= e <= exp(-1.8)`.
    const LOG_COSH_FAR: &'static [Self];
}

// tools/coefficients/hyperbolic.sollya; the relative error of what is near, and the absolute one of
// what is far: 2^-29.9, 2^-28.0.
impl HyperbolicConstants for f32 {
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

// The same: 2^-58.3, 2^-57.1.
impl HyperbolicConstants for f64 {
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
