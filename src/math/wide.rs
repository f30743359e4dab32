//! The exponential over its whole range, up to overflow, and times a factor of any size.
//!
//! [`exp_decay`](super::exp::exp_decay) serves kernels that end near 1. Here the power of two is
//! kept in two factors, both normal numbers, so that it neither overflows at the upper end nor
//! takes a large factor in front of it along; and one reduction gives both `e^x` and `e^x - 1`.

use super::double::{Double, fast_two_sum, polynomial, two_sum};
use super::exp::{ExpConstants, exp_reduced, reduce};
use super::expm1::expm1_reduced;
use super::real::Real;

/// Constants of the wide exponential, one set for each working precision.
pub trait WideConstants: Real {
    /// Above it `exp` overflows.
    const WIDE_HIGHEST: Self;
    /// Below it `2^k` is split into `2^(k + WIDE_LIFT)`, at most 1, and `WIDE_UNLIFT`; above it even
    /// `2^(k - 2)` is normal.
    const WIDE_SPLIT: Self;
    /// Below it `exp` is taken to be this small: `2^(k + WIDE_LIFT)` is still normal.
    const WIDE_LOWEST: Self;
    const WIDE_LIFT: i32;
    const WIDE_UNLIFT: Self;
    /// `q` with `e^u (1 - u) - 1 = -u^2 (1/2 + u/3 + u^2 q(u))` on `-3/4 <= u <= 0`.
    const CELU_TAIL: &'static [Self];
}

// CELU_TAIL: tools/coefficients/celu.sollya; relative error 2^-31.6.
impl WideConstants for f32 {
    const WIDE_HIGHEST: f32 = 89.0;
    const WIDE_SPLIT: f32 = -86.0;
    const WIDE_LOWEST: f32 = -173.0;
    const WIDE_LIFT: i32 = 124;
    const WIDE_UNLIFT: f32 = 1.0 / (1u128 << 124) as f32;
    const CELU_TAIL: &'static [f32] =
        &[0.125, 0.03333332, 0.0069442075, 0.001189048, 0.00016977322, 1.7219874e-05];
}

// CELU_TAIL: tools/coefficients/celu.sollya; relative error 2^-61.5.
impl WideConstants for f64 {
    const WIDE_HIGHEST: f64 = 710.0;
    const WIDE_SPLIT: f64 = -706.3;
    const WIDE_LOWEST: f64 = -1414.0;
    const WIDE_LIFT: i32 = 1019;
    const WIDE_UNLIFT: f64 = f64::from_bits((1023 - 1019) << 52);
    const CELU_TAIL: &'static [f64] = &[
        0.125,
        0.0333333333333333,
        0.00694444444444216,
        0.0011904761904247346,
        0.0001736111105365713,
        2.2045851688800543e-05,
        2.4801440436218323e-06,
        2.5048361453625935e-07,
        2.290288649125867e-08,
        1.863771948843062e-09,
        1.1138726809267812e-10,
    ];
}

/// `e^x`, reduced: `x = k ln 2 + r`, and `2^k = power * rest`.
///
/// Edges: far below underflow `e^x` stays at 2^-250 (`f32`) or 2^-2040 (`f64`), which no factor
/// below 2^99 or 2^964 brings back; NaN gives NaN.
#[derive(Clone, Copy)]
pub struct Wide<T> {
    r: Double<T>,
    power: T,
    rest: T,
}

impl<T: ExpConstants + WideConstants> Wide<T> {
    /// For any x: `rest` is at least 2 where `e^x` might overflow.
    #[inline(always)]
    pub fn of_any(x: T) -> Self {
        Wide::reduced(Double::from(x.at_most(T::WIDE_HIGHEST)), 1, T::TWO)
    }

    /// For `x <= 0`, and meaningless above: `rest` is at most 1.
    #[inline(always)]
    pub fn of_decay(x: Double<T>) -> Self {
        Wide::reduced(x, 0, T::ONE)
    }

    #[inline(always)]
    fn reduced(x: Double<T>, headroom: i32, whole: T) -> Self {
        let split = x.hi < T::WIDE_SPLIT;
        let hi = x.hi.at_least(T::WIDE_LOWEST);
        let bias = if split { T::WIDE_LIFT } else { -headroom };
        let (k, power) = hi.times_rounded_with_power(T::LOG2_E, bias);
        let rest = T::select(split, T::WIDE_UNLIFT, whole);
        Wide { r: reduce(hi, x.lo, k), power, rest }
    }

    /// `factor e^x` rounded once, or twice where it is subnormal.
    ///
    /// Error: relative 2^-28.5 (`f32`), 2^-57.5 (`f64`) before rounding.
    #[inline(always)]
    pub fn times(self, factor: T) -> T {
        exp_reduced(self.r).times_round(factor) * self.power * self.rest
    }

    /// `factor e^x` rounded once, or twice where it is subnormal.
    #[inline(always)]
    pub fn times_pair(self, factor: Double<T>) -> T {
        exp_reduced(self.r).multiply_round(factor) * self.power * self.rest
    }

    /// `e^x` rounded once, or twice where it is subnormal.
    #[inline(always)]
    pub fn round(self) -> T {
        exp_reduced(self.r).round() * self.power * self.rest
    }

    /// `e^x` as a pair; its tail is lost where it is subnormal.
    #[inline(always)]
    pub fn to_double(self) -> Double<T> {
        exp_reduced(self.r).scale(self.power * self.rest)
    }

    /// `e^x - 1` for `x <= 0`, as a pair whose `lo` is up to 1/30 of `hi`.
    ///
    /// Error: relative 2^-27.5 (`f32`), 2^-57 (`f64`).
    /// Edges: -1 for -inf; zero for zero, without its sign; NaN gives NaN.
    /// Method: `(2^k - 1) + 2^k (e^r - 1)`: the first term is 0, or twice the second at least.
    #[inline(always)]
    pub fn minus_one(self) -> Double<T> {
        let reduced = expm1_reduced(self.r);
        let power = self.power * self.rest;
        let whole = fast_two_sum(-T::ONE, power);
        let sum = fast_two_sum(whole.hi, power * reduced.hi);
        Double { hi: sum.hi, lo: power.mul_add(reduced.lo, sum.lo + whole.lo) }
    }
}

/// `e^u (1 - u) - 1 = (e^u - 1) - u e^u` for the pair `u <= 0`, given `e^u`.
///
/// Error: relative 2^-54.5 (`f64`) before rounding; float32 has no use for it.
/// Edges: -1 for large negative u; zero for zero; NaN gives NaN.
/// Method: a polynomial where the terms cancel, above -3/4.
#[inline(always)]
pub fn celu_slope<T: ExpConstants + WideConstants>(u: Double<T>, exp: Wide<T>) -> T {
    // u q(u) moves by u.lo u.hi / 4 with u.lo, nearly.
    let square = u.hi * u.hi;
    let moved = u.lo * (u.hi * T::literal(0.25));
    let rest = square.mul_add(polynomial(u.hi, T::CELU_TAIL), moved);
    let third = u.multiply(T::pair(THIRD.0, THIRD.1));
    // |u/3 + u^2 q| < 0.2, and |u^2 q| < 0.06: its rounding is 2^-3 of an ulp of the sum.
    let half = third.plus_larger(T::HALF);
    let near = u.multiply(Double { hi: half.hi, lo: half.lo + rest }.normalize());
    // Lifted, so that the product is rounded before it is subnormal.
    let (lift, unlift) = (T::literal(LIFT), T::literal(1.0 / LIFT));
    let near = -near.scale(lift).multiply_round(u.scale(lift)) * unlift * unlift;

    let one_less = two_sum(T::ONE, -u.hi);
    let one_less = Double { hi: one_less.hi, lo: one_less.lo - u.lo };
    let product = exp.to_double().multiply(one_less);
    // The product is below 0.83.
    let far = product.plus_larger(-T::ONE).round();
    T::select(u.hi > T::literal(-0.75), near, far)
}

const LIFT: f64 = (1u64 << 60) as f64;

/// `1/3` as a pair.
const THIRD: (f64, f64) = (1.0 / 3.0, 1.850371707708594e-17);
