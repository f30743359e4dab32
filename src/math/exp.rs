//! The exponential as a pair, times a power of two kept apart.
//!
//! Every kernel with an exponential in it starts here. The power of two stays separate so that
//! a kernel can finish its arithmetic near 1 and scale once: results reach the subnormals with
//! a single rounding, and nothing underflows on the way.

use super::Number;
use super::double::{Double, fast_two_sum, polynomial, polynomial_by_pairs};
use super::real::Real;
use crate::simd::MAX_TABLES;

/// Constants of the exponential, one set for each working precision.
pub trait ExpConstants: Real {
    /// `1 / ln 2`.
    const LOG2_E: Self;
    /// `ln 2 = LN2_HI + LN2_LO`, each the nearest number.
    const LN2_HI: Self;
    const LN2_LO: Self;
    /// `q` with `exp(r) = 1 + r + r^2 q(r)` on `|r| <= ln(2)/2 + 2^-20`.
    const EXP_TAIL: &'static [Self];
    /// `TABLE_LENGTH / ln 2`.
    const EXP_STEPS: Self;
    /// `2^(j / TABLE_LENGTH)`, with `j` subtracted from the bits where [`Real::raised`] adds it.
    const EXP_POWERS: &'static [Self];
    /// What they lack, relatively.
    const EXP_POWERS_LO: &'static [Self];
    /// `q` with `exp(r) = 1 + r + r^2 q(r)` for `|r|` up to half a step.
    const EXP_STEP_TAIL: &'static [Self];
    /// Below it `exp` is 0 even in the subnormals, and so is its product with up to 2^35 (`f32`) or
    /// 2^136 (`f64`).
    const EXP_LOWEST: Self;
    /// Powers are kept as `2^(k + EXP_BIAS)`, which is normal for every `k` down to
    /// `EXP_LOWEST`; [`UNBIAS`](Self::UNBIAS) `= 2^-EXP_BIAS` takes it back.
    const EXP_BIAS: i32;
    const UNBIAS: Self;
}

// EXP_TAIL: tools/coefficients/exp.sollya; relative error of 1 + r + r^2 q(r): 2^-31.6.
// The others: tools/coefficients/exp_table.sollya; error of 1 + r + r^2 q(r): 2^-29.2.
impl ExpConstants for f32 {
    const LOG2_E: f32 = core::f32::consts::LOG2_E;
    const LN2_HI: f32 = core::f32::consts::LN_2;
    const LN2_LO: f32 = (core::f64::consts::LN_2 - core::f32::consts::LN_2 as f64) as f32;
    const EXP_TAIL: &'static [f32] =
        &[0.5, 0.16666667, 0.04166651, 0.008333177, 0.0013930502, 0.00019972329];
    const EXP_STEPS: f32 = 23.08312;
    const EXP_POWERS: &'static [f32] = &[
        1.0, 0.99088687, 0.9827539, 0.9756443, 0.96960354, 0.9646789, 0.9609198, 0.9583778,
        0.95710677, 0.9571631, 0.9586054, 0.96149516, 0.9658964, 0.9718761, 0.97950405, 0.9888533,
    ];
    const EXP_POWERS_LO: &'static [f32] = &[
        0.0,
        4.628547e-08,
        -1.19921575e-08,
        4.7297824e-08,
        3.193418e-08,
        3.6210572e-08,
        -3.099072e-08,
        -7.475213e-09,
        1.7114271e-08,
        -3.0476834e-08,
        5.233334e-09,
        6.1075918e-09,
        -1.4719605e-08,
        -5.258795e-09,
        -6.1282597e-09,
        5.1406093e-09,
    ];
    const EXP_STEP_TAIL: &'static [f32] = &[0.5000162, 0.16667059];
    const EXP_LOWEST: f32 = -127.0;
    const EXP_BIAS: i32 = 60;
    const UNBIAS: f32 = 1.0 / (1u64 << 60) as f32;
}

// EXP_TAIL: tools/coefficients/exp.sollya; relative error of 1 + r + r^2 q(r): 2^-61.9.
// The others: tools/coefficients/exp_table.sollya; error of 1 + r + r^2 q(r): 2^-58.2.
impl ExpConstants for f64 {
    const LOG2_E: f64 = core::f64::consts::LOG2_E;
    const LN2_HI: f64 = core::f64::consts::LN_2;
    const LN2_LO: f64 = LN2_LO;
    const EXP_TAIL: &'static [f64] = &[
        0.5,
        0.1666666666666667,
        0.04166666666666668,
        0.008333333333325896,
        0.0013888888888876985,
        0.00019841269875410617,
        2.4801587342422164e-05,
        2.7557254823865368e-06,
        2.7557257005698655e-07,
        2.510541135511907e-08,
        2.0920349971431765e-09,
    ];
    const EXP_STEPS: f64 = 11.541560327111707;
    const EXP_POWERS: &'static [f64] = &[
        1.0,
        0.9827538663326288,
        0.9696035575013605,
        0.9609197773255048,
        0.9571067811865476,
        0.9586054127039704,
        0.9658964152537145,
        0.9795040432046712,
    ];
    const EXP_POWERS_LO: &'static [f64] = &[
        0.0,
        -2.7939114859515733e-17,
        3.3484623336251524e-17,
        1.9572585293112036e-17,
        -6.835808657661922e-17,
        5.1548301170786783e-17,
        4.875160526227062e-17,
        1.790126907604513e-17,
    ];
    const EXP_STEP_TAIL: &'static [f64] = &[
        0.5000000000000302,
        0.16666666666667412,
        0.04166666656910362,
        0.008333333316428741,
        0.0013889784445064225,
        0.00019842476135809126,
    ];
    const EXP_LOWEST: f64 = -840.0;
    const EXP_BIAS: i32 = 200;
    const UNBIAS: f64 = f64::from_bits((1023 - 200) << 52);
}

/// `ln 2 - LN_2`; mpmath: `mpf(log(2)) - float(log(2))` at 200 bits.
const LN2_LO: f64 = 2.3190468138462996e-17;

/// `mantissa * power * UNBIAS`, with `mantissa` in about `[0.7, 1.42]`.
#[derive(Clone, Copy)]
pub struct Scaled<T> {
    pub mantissa: Double<T>,
    /// `2^(k + EXP_BIAS)`.
    pub power: T,
}

impl<T: ExpConstants> Scaled<T> {
    /// The number itself; its tail is lost where it is subnormal.
    #[inline(always)]
    pub fn to_double(self) -> Double<T> {
        self.mantissa.scale(self.power * T::UNBIAS)
    }
}

/// `e^x` for `x <= 0`.
///
/// Error: relative 2^-28.5 (`f32`), 2^-57.5 (`f64`) of the pair, which is normalised.
/// Edges: -inf and everything below `EXP_LOWEST` give about 2^-183 (`f32`) or 2^-1211 (`f64`), which
/// rounds to zero; NaN gives NaN.
/// Method: `x = k ln 2 + r + d`, `e^(r + d) = (1 + r + r^2 q(r)) (1 + d)`, with `r` and the sum
/// `1 + r` exact.
#[inline(always)]
pub fn exp_decay<T: ExpConstants>(x: Double<T>) -> Scaled<T> {
    let hi = x.hi.at_least(T::EXP_LOWEST);
    let (k, power) = hi.times_rounded_with_power(T::LOG2_E, T::EXP_BIAS);
    Scaled { mantissa: exp_reduced(reduce(hi, x.lo, k)), power }
}

/// `hi + lo - k ln 2` as `r + d`: `r` exact and at most a little above `ln(2)/2`, `d` below 2^-21
/// (`f32`) or 2^-45 (`f64`).
#[inline(always)]
pub fn reduce<T: ExpConstants>(hi: T, lo: T, k: T) -> Double<T> {
    // Where k is not 0, hi and k LN2_HI are multiples of 2^-25 (2^-54): their difference, below
    // 1/2, has no more than 24 (53) bits.
    Double { hi: (-k).mul_add(T::LN2_HI, hi), lo: (-k).mul_add(T::LN2_LO, lo) }
}

/// `e^(r.hi + r.lo)` as a normalised pair, for what [`reduce`] gives.
#[inline(always)]
pub fn exp_reduced<T: ExpConstants>(r: Double<T>) -> Double<T> {
    let tail = polynomial(r.hi, T::EXP_TAIL);
    let hi = T::ONE + r.hi;
    let dropped = r.hi - (hi - T::ONE);
    // |rest| < 0.07: its rounding is 2^-4 of an ulp of the result.
    let rest = (r.hi * r.hi).mul_add(tail, dropped);
    let sum = fast_two_sum(hi, rest);
    Double { hi: sum.hi, lo: r.lo.mul_add(sum.hi, sum.lo) }
}

/// The tables of [`Stepped::at`]: powers, and what they lack.
#[inline(always)]
pub fn exp_tables<T: Number>() -> [&'static [T]; MAX_TABLES] {
    [T::EXP_POWERS, T::EXP_POWERS_LO, &[], &[], &[], &[], &[]]
}

/// Where [`Stepped`] finds what it looks up.
#[inline(always)]
pub fn exp_step<T: ExpConstants>(x: T) -> T {
    x.times_shifted(T::EXP_STEPS)
}

/// `e^x = power (1 + growth)` where it and its power of two are normal, given [`exp_step`] and for it
/// `EXP_POWERS` and `EXP_POWERS_LO`.
#[derive(Clone, Copy)]
pub struct Stepped<T> {
    /// A power of two times one of `EXP_POWERS`.
    pub power: T,
    /// At most 2^-5.4 (`f32`) or 2^-4.4 (`f64`) in magnitude.
    pub growth: T,
}

impl<T: ExpConstants> Stepped<T> {
    /// Error: of `1 + growth`, 2^-28.5 (`f32`), 2^-57 (`f64`).
    /// Edges: NaN gives NaN.
    /// Method: `x = n s + r` with a step `s = ln(2) / TABLE_LENGTH`, `e^x = 2^(n / TABLE_LENGTH) e^r`.
    #[inline(always)]
    pub fn at(x: T, step: T, [power, power_lo]: [T; 2]) -> Self {
        let inverse = T::literal(1.0 / T::TABLE_LENGTH as f64);
        let (n, step_lo) = (step.unshifted(), T::LN2_LO * inverse);
        // Exact but for what rounding takes from an r as small as the growth.
        let r = (-n).mul_add(T::LN2_HI * inverse, x);
        let growth = if T::DIGITS == 24 {
            let r = (-n).mul_add(step_lo, r);
            r.mul_add(polynomial(r, T::EXP_STEP_TAIL).mul_add(r, T::ONE), power_lo)
        } else {
            // An operation more, a rounding less, and a shorter chain.
            let r = r + (-n).mul_add(step_lo, power_lo);
            let square = r * r;
            square.mul_add(polynomial_by_pairs(r, square, T::EXP_STEP_TAIL, T::ONE), r)
        };
        Stepped { power: power.raised(step), growth }
    }

    /// `e^x`, rounded.
    #[inline(always)]
    pub fn round(self) -> T {
        self.power.mul_add(self.growth, self.power)
    }
}
