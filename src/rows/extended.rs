//! Arithmetic with digits to spare: what the sums and quotients of a row are computed in.
//!
//! A row of a million elements, or one whose largest element outweighs the others by many powers
//! of ten, needs more than the precision of its elements. Rows of `f32` are computed in `f64`, rows
//! of `f64` in pairs; each result is rounded once. The functions are written once over [`Extended`].

use crate::math::Number;
use crate::math::double::{Double, fast_two_sum, polynomial, two_product, two_sum};
use crate::math::exp::{ExpConstants, exp_reduced, reduce};
use crate::math::real::Real;

/// An element type of rows, together with the arithmetic its rows are computed in.
pub trait RowNumber: Number {
    type Extended: Extended<Self>;

    /// A difference of a number below it and any other number is finite.
    const HUGE: f64;

    /// A number that counts something, as an integer.
    fn to_index(self) -> usize;
}

impl RowNumber for f32 {
    type Extended = f64;

    const HUGE: f64 = f64::from_bits((1023 + 100) << 52);

    fn to_index(self) -> usize {
        self as usize
    }
}

impl RowNumber for f64 {
    type Extended = Double<f64>;

    const HUGE: f64 = f64::from_bits((1023 + 960) << 52);

    fn to_index(self) -> usize {
        self as usize
    }
}

/// Numbers with at least 25 bits more than `T`, which can sum a row of `T`.
///
/// Exponentials carry the factor [`UNIT`](Self::UNIT), a power of two that keeps those of a long
/// row that barely reaches the subnormals away from underflow; quotients of them do not.
pub trait Extended<T>: Copy + 'static {
    /// Machine numbers in one of these.
    const PLANES: usize;
    const ZERO: Self;
    const NAN: Self;
    /// What [`exp`](Self::exp) gives for zero.
    const UNIT: Self;

    fn from_planes(planes: [f64; 2]) -> Self;
    fn to_planes(self) -> [f64; 2];
    fn of(number: T) -> Self;
    /// `a - b`, exactly or to all digits.
    fn difference(a: T, b: T) -> Self;
    /// `sign a - b` for a sign of 1 or -1, likewise.
    fn signed_difference(a: T, sign: T, b: T) -> Self;
    fn sum(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn product(self, other: Self) -> Self;
    /// `self + term * number`.
    fn plus_product(self, term: Self, number: T) -> Self;
    /// `number + self` as a sum of two elements: the nearest one, and the rest.
    fn added_to(self, number: T) -> [T; 2];
    /// The same, but the first is not above the sum, and the rest not negative.
    fn added_to_from_below(self, number: T) -> [T; 2];
    fn inverse(self) -> Self;
    /// `UNIT e^self` for `self <= 0`; or zero, or a number as small, where 2^40 of it do not reach
    /// half of the smallest subnormal.
    fn exp(self) -> Self;
    /// `e^self - 1` for `self <= 0`.
    fn exp_m1(self) -> Self;
    /// `ln(1 + self)` for `self >= 0`.
    fn ln_1p(self) -> Self;
    /// `self / UNIT`.
    fn without_unit(self) -> Self;
    /// `self`, with its machine numbers in order of magnitude.
    fn tidy(self) -> Self;
    /// The nearest element.
    fn nearest(self) -> T;
    /// The nearest element to `self * other`: one rounding, into the subnormals too.
    fn product_nearest(self, other: Self) -> T;
    /// `weight / UNIT * inverse` within a little more than half an ulp, for a rounded exponential and
    /// the inverse of a sum of them, also given rounded and what that leaves.
    fn share_of_rounded(weight: T, inverse: Self, rounded: [T; 4]) -> T;
    /// The nearest element to `self / UNIT * inverse * other`, for `self` an exponential and `inverse`
    /// about 1: one rounding, also where the share is subnormal before the product with `other`.
    fn share_product_nearest(self, inverse: Self, other: Self) -> T;
    fn is_finite(self) -> bool;
    fn select(condition: bool, yes: Self, no: Self) -> Self;

    #[inline(always)]
    fn opposite(self) -> Self {
        Self::ZERO.minus(self)
    }
}

// `(e^r - 1) / r` on |r| <= ln(2)/2 + 2^-20: tools/coefficients/rows.sollya; relative error of
// 1 + r q(r): 2^-33.0.
const EXP_QUOTIENT: &[f64] = &[
    0.9999999999910127,
    0.5000000047128518,
    0.166666668536885,
    0.041666352860073856,
    0.008333268579591817,
    0.0013941110936117771,
    0.00019915872075668557,
];

/// Exponentials stay at e^-700 below it, which is far under every `f32`.
const LOWEST: f64 = -700.0;

const MAGIC: f64 = 6_755_399_441_055_744.0;

/// For rows of `f32`.
///
/// Error: relative 2^-33 for `exp`, 2^-50 for `ln_1p` and a sum of a million.
impl Extended<f32> for f64 {
    const PLANES: usize = 1;
    const ZERO: f64 = 0.0;
    const NAN: f64 = f64::NAN;
    const UNIT: f64 = 1.0;

    #[inline(always)]
    fn from_planes(planes: [f64; 2]) -> f64 {
        planes[0]
    }
    #[inline(always)]
    fn to_planes(self) -> [f64; 2] {
        [self, 0.0]
    }
    #[inline(always)]
    fn of(number: f32) -> f64 {
        f64::from(number)
    }
    #[inline(always)]
    fn signed_difference(a: f32, sign: f32, b: f32) -> f64 {
        // One operation, on what comes from memory.
        f64::from(a).mul_add(f64::from(sign), -f64::from(b))
    }
    #[inline(always)]
    fn difference(a: f32, b: f32) -> f64 {
        f64::from(a) - f64::from(b)
    }
    #[inline(always)]
    fn sum(self, other: f64) -> f64 {
        self + other
    }
    #[inline(always)]
    fn minus(self, other: f64) -> f64 {
        self - other
    }
    #[inline(always)]
    fn product(self, other: f64) -> f64 {
        self * other
    }
    #[inline(always)]
    fn plus_product(self, term: f64, number: f32) -> f64 {
        term.mul_add(f64::from(number), self)
    }
    #[inline(always)]
    fn added_to(self, number: f32) -> [f32; 2] {
        let hi = (f64::from(number) + self) as f32;
        [hi, ((f64::from(number) - f64::from(hi)) + self) as f32]
    }
    #[inline(always)]
    fn added_to_from_below(self, number: f32) -> [f32; 2] {
        let [nearest, rest] = self.added_to(number);
        let hi = if rest < 0.0 { nearest.next_down() } else { nearest };
        [hi, ((f64::from(number) - f64::from(hi)) + self) as f32]
    }
    #[inline(always)]
    fn inverse(self) -> f64 {
        1.0 / self
    }
    #[inline(always)]
    fn exp(self) -> f64 {
        let x = self.at_least(LOWEST);
        // Adding 1.5 * 2^52 leaves the integer in the low bits of the sum.
        let shifted = x.mul_add(f64::LOG2_E, MAGIC);
        let r = (MAGIC - shifted).mul_add(core::f64::consts::LN_2, x);
        let near = polynomial(r, EXP_QUOTIENT).mul_add(r, 1.0);
        // near is about 1, and k >= -1010: the product by 2^k is an addition to the exponent. A NaN
        // from `f32` operands has zeros in its low bits, so it stays one.
        f64::from_bits(near.to_bits().wrapping_add(shifted.to_bits() << 52))
    }
    #[inline(always)]
    fn exp_m1(self) -> f64 {
        Extended::<f64>::exp_m1(Double::from(self)).round()
    }
    #[inline(always)]
    fn ln_1p(self) -> f64 {
        let sum = 1.0 + self;
        let (fraction, k) = sum.split_exponent();
        // u = (1 + self) 2^-k - 1: self itself where k = 0, and NaN, which has no exponent.
        let above = sum >= core::f64::consts::SQRT_2;
        let u = <f64 as Real>::select(above, fraction - 1.0, self);
        let z = u / (u + 2.0);
        let square = z * z;
        // ln(1 + u) = 2 atanh(z), z = u / (2 + u).
        let tail = (z * square).mul_add(polynomial(square, ATANH_TAIL), z + z);
        k.mul_add(core::f64::consts::LN_2, tail)
    }
    #[inline(always)]
    fn without_unit(self) -> f64 {
        self
    }
    #[inline(always)]
    fn tidy(self) -> f64 {
        self
    }
    #[inline(always)]
    fn nearest(self) -> f32 {
        self as f32
    }
    #[inline(always)]
    fn product_nearest(self, other: f64) -> f32 {
        (self * other) as f32
    }
    #[inline(always)]
    fn share_of_rounded(weight: f32, _: f64, [inverse, rest, ..]: [f32; 4]) -> f32 {
        weight.mul_add(inverse, weight * rest)
    }
    #[inline(always)]
    fn share_product_nearest(self, inverse: f64, other: f64) -> f32 {
        (self * inverse * other) as f32
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }
    #[inline(always)]
    fn select(condition: bool, yes: f64, no: f64) -> f64 {
        <f64 as Real>::select(condition, yes, no)
    }
}

/// `UNIT` of pairs, and its reciprocal.
const PAIR_BIAS: i32 = 120;
const PAIR_UNIT: f64 = f64::from_bits((1023 + PAIR_BIAS as u64) << 52);
const PAIR_UNBIAS: f64 = 1.0 / PAIR_UNIT;

/// Exponentials are zero below it: 2^40 of them are less than 2^-1075 together.
const PAIR_LOWEST: f64 = -773.0;

/// `2 (atanh(z) - z) / z^3` as a polynomial in `z^2`, for `|z| <= (sqrt(2) - 1)^2`:
/// tools/coefficients/rows.sollya; relative error of the logarithm: 2^-60.7.
const ATANH_TAIL: &[f64] = &[
    0.6666666666666666,
    0.40000000000005326,
    0.2857142856916836,
    0.22222222656633409,
    0.18181773614836597,
    0.15387220162943246,
    0.132465498143607,
    0.13288088999307612,
];

/// For rows of `f64`.
///
/// Error: relative 2^-57.5 for `exp`, 2^-57 for `ln_1p` and `exp_m1`, 2^-95 for a sum of a million.
impl Extended<f64> for Double<f64> {
    const PLANES: usize = 2;
    const ZERO: Self = Double { hi: 0.0, lo: 0.0 };
    const NAN: Self = Double { hi: f64::NAN, lo: f64::NAN };
    const UNIT: Self = Double { hi: PAIR_UNIT, lo: 0.0 };

    #[inline(always)]
    fn from_planes(planes: [f64; 2]) -> Self {
        Double { hi: planes[0], lo: planes[1] }
    }
    #[inline(always)]
    fn to_planes(self) -> [f64; 2] {
        [self.hi, self.lo]
    }
    #[inline(always)]
    fn of(number: f64) -> Self {
        Double::from(number)
    }
    #[inline(always)]
    fn signed_difference(a: f64, sign: f64, b: f64) -> Self {
        two_sum(a * sign, -b)
    }
    #[inline(always)]
    fn difference(a: f64, b: f64) -> Self {
        two_sum(a, -b)
    }
    #[inline(always)]
    fn sum(self, other: Self) -> Self {
        self.plus(other)
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self.plus(other.negate()).normalize()
    }
    #[inline(always)]
    fn product(self, other: Self) -> Self {
        self.multiply(other)
    }
    #[inline(always)]
    fn plus_product(self, term: Self, number: f64) -> Self {
        self.plus(term.times(number))
    }
    #[inline(always)]
    fn added_to(self, number: f64) -> [f64; 2] {
        let sum = two_sum(number, self.hi);
        let sum = fast_two_sum(sum.hi, sum.lo + self.lo);
        [sum.hi, sum.lo]
    }
    #[inline(always)]
    fn added_to_from_below(self, number: f64) -> [f64; 2] {
        let [nearest, rest] = self.added_to(number);
        let hi = if rest < 0.0 { nearest.next_down() } else { nearest };
        [hi, (nearest - hi) + rest]
    }
    #[inline(always)]
    fn inverse(self) -> Self {
        self.reciprocal()
    }
    #[inline(always)]
    fn exp(self) -> Self {
        let hi = self.hi.at_least(PAIR_LOWEST);
        let (k, power) = hi.times_rounded_with_power(f64::LOG2_E, PAIR_BIAS);
        let result = exp_reduced(reduce(hi, self.lo, k)).scale(power);
        // The tail of -inf - maximum is NaN; this takes it away. And zero is fast to multiply, where
        // a number that underflows is not.
        Double::select(self.hi < PAIR_LOWEST, Self::ZERO, result)
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        let whole = self.exp().without_unit().minus(Self::of(1.0));
        // q with e^r = 1 + r + r^2 q(r), where that loses nothing.
        let r = self.hi;
        let tail = (r * r).mul_add(polynomial(r, f64::EXP_TAIL), self.lo);
        Double::select(r < -0.25, whole, fast_two_sum(r, tail))
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        let sum = self.plus(Self::of(1.0)).normalize();
        let (fraction, k) = sum.hi.split_exponent();
        // 2^-k for k >= 0: the ratio is exact.
        let scale = fraction / sum.hi;
        // u = (1 + self) 2^-k - 1, exact in its first part; self itself where k = 0.
        let reduced = fast_two_sum(fraction - 1.0, sum.lo * scale);
        let u = Double::select(k == 0.0, self, reduced);
        let z = u.divide(u.plus(Self::of(2.0))).normalize();
        let square = z.hi * z.hi;
        // ln(1 + u) = 2 atanh(z), z = u / (2 + u).
        let tail = z.hi * square * polynomial(square, ATANH_TAIL);
        let fraction = fast_two_sum(z.hi + z.hi, z.lo.mul_add(2.0, tail));
        // Not k = 0: k ln 2 is the larger. k = 0: zero plus a pair.
        let whole = two_product(k, f64::LN2_HI);
        let whole = Double { hi: whole.hi, lo: k.mul_add(f64::LN2_LO, whole.lo) };
        // Where the square is nothing, the quotient would be rounded among the subnormals.
        Double::select(
            self.hi < f64::MIN_POSITIVE / f64::EPSILON,
            self,
            whole.plus(fraction).normalize(),
        )
    }
    #[inline(always)]
    fn without_unit(self) -> Self {
        self.scale(PAIR_UNBIAS)
    }
    #[inline(always)]
    fn tidy(self) -> Self {
        self.normalize()
    }
    #[inline(always)]
    fn nearest(self) -> f64 {
        self.round()
    }
    #[inline(always)]
    fn product_nearest(self, other: Self) -> f64 {
        self.multiply_round(other)
    }
    #[inline(always)]
    fn share_of_rounded(weight: f64, inverse: Self, _: [f64; 4]) -> f64 {
        // Without UNIT the products of the tails would be rounded among the subnormals too.
        Self::of(weight).multiply_round(inverse) * PAIR_UNBIAS
    }
    #[inline(always)]
    fn share_product_nearest(self, inverse: Self, other: Self) -> f64 {
        let share = self.multiply(inverse);
        // UNIT is taken away first, lest a large product overflow; but last where that loses bits.
        let small = share.hi < 1.0;
        let first = <f64 as Real>::select(small, 1.0, PAIR_UNBIAS);
        let last = <f64 as Real>::select(small, PAIR_UNBIAS, 1.0);
        share.scale(first).multiply_round(other) * last
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        (self.hi + self.lo).is_finite()
    }
    #[inline(always)]
    fn select(condition: bool, yes: Self, no: Self) -> Self {
        Double::select(condition, yes, no)
    }
}
