//! The working precisions: what a kernel may ask of `f32` and `f64`.
//!
//! Kernels are written once over [`Real`]. Everything here is branch-free and compiles to one or
//! two instructions, so that a loop over a kernel becomes vector code. No function may call out
//! of line, and no operation may depend on the instruction set: `mul_add` is fused everywhere.

use core::ops::{Add, Div, Mul, Neg, Sub};

use super::double::Double;

/// A working precision: `f32` or `f64`.
pub trait Real:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Send
    + Sync
    + 'static
{
    const ZERO: Self;
    const ONE: Self;
    const HALF: Self;
    const TWO: Self;
    const INFINITY: Self;
    const NAN: Self;
    /// The smallest positive normal number.
    const MIN_POSITIVE: Self;
    /// The largest finite number.
    const MAX: Self;
    /// The distance from 1 to the next larger number.
    const ULP: Self;
    /// A power of two: a product with its square does not overflow.
    const ROOT_SCALE: Self;
    /// Digits of the significand, the hidden bit included: 24 or 53.
    const DIGITS: u32;
    /// How many numbers 64 bytes are.
    const TABLE_LENGTH: usize = 64 / size_of::<Self>();

    /// The literal rounded to this precision.
    fn literal(value: f64) -> Self;
    /// The sum `hi + lo` of two `f64` as a pair of this precision.
    ///
    /// For `f32` the pair keeps 48 bits of `hi`; for `f64` it is the pair itself. This is how a
    /// real constant is written: one line, both precisions.
    fn pair(hi: f64, lo: f64) -> Double<Self>;
    /// `self * factor + addend` with one rounding.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    fn abs(self) -> Self;
    fn sqrt(self) -> Self;
    /// The magnitude of `self` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// `self` with the low half of its significand cleared, so that the square is exact.
    fn upper_half(self) -> Self;

    /// The nearest integer, ties to even, for `|self| < 2^(DIGITS - 2)`.
    fn round_to_integer(self) -> Self;
    /// Splits `self` into the nearest integer `k` (ties to even) and `2^(k + bias)`.
    ///
    /// `|self| < 2^50` (`f64`) or `2^21` (`f32`), and `k + bias` is a normal exponent.
    fn round_with_power(self, bias: i32) -> (Self, Self);
    /// Splits `self * factor` into the nearest integer `k` and `2^(k + bias)`, under the same
    /// conditions, with one rounding.
    fn times_rounded_with_power(self, factor: Self, bias: i32) -> (Self, Self);
    /// `self * factor` rounded to the nearest integer, which is in the lowest bits; for
    /// `|self * factor| < 2^(DIGITS - 2)`.
    fn times_shifted(self, factor: Self) -> Self;
    /// The integer in the lowest bits of what [`times_shifted`](Self::times_shifted) gives.
    fn unshifted(self) -> Self;
    /// `self` with that integer added to its bits where `TABLE_LENGTH` doubles the number.
    fn raised(self, shifted: Self) -> Self;
    /// The exponent and the first digits after the point, so many, as the lowest bits.
    fn upper_digits(self, digits: u32) -> Self;
    /// The lowest bits.
    fn low_bits(self) -> usize;
    /// For a positive normal number: its fraction `m` in `[threshold, 2 threshold)` and the
    /// exponent `k` with `self = m 2^k`, where `threshold` is about `sqrt(1/2)`.
    fn split_exponent(self) -> (Self, Self);
    /// The number one ulp nearer to zero; zero and NaN are not meaningful inputs.
    fn next_toward_zero(self) -> Self;
    /// `self + rest` rounded to odd: `self` where `rest` is zero or NaN, else that of the two numbers
    /// around the sum whose last bit is set; `rest` is less than an ulp.
    fn toward_odd(self, rest: Self) -> Self;

    /// `1 / self` to 2^-4.3, for a positive normal number with a normal reciprocal: see
    /// `math::quotient`.
    fn reciprocal_guess(self) -> Self;
    /// About `1 / sqrt(self)` for a positive normal number, finite for zero: see `math::root`.
    fn reciprocal_sqrt_guess(self) -> Self;

    fn is_nan(self) -> bool;
    /// `self`, or a NaN where the condition holds: every bit set, by an operation on bits, which is
    /// cheaper than a blend where there are no mask registers.
    fn nan_where(self, condition: bool) -> Self;

    /// `yes` where the condition holds, else `no`: a blend, both sides are evaluated.
    #[inline(always)]
    fn select(condition: bool, yes: Self, no: Self) -> Self {
        if condition { yes } else { no }
    }
    /// `self` or `low`, whichever is larger; a NaN in `self` stays.
    #[inline(always)]
    fn at_least(self, low: Self) -> Self {
        if self < low { low } else { self }
    }
    /// `self` or `high`, whichever is smaller; a NaN in `self` stays.
    #[inline(always)]
    fn at_most(self, high: Self) -> Self {
        if self > high { high } else { self }
    }
    #[inline(always)]
    fn reciprocal(self) -> Self {
        Self::ONE / self
    }
}

macro_rules! implement_real {
    ($float:ident, $bits:ident, $magic:expr, $bias:expr, $low_half:expr, $reciprocal_guess:expr,
     $root_guess:expr) => {
        impl Real for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const HALF: Self = 0.5;
            const TWO: Self = 2.0;
            const INFINITY: Self = $float::INFINITY;
            const NAN: Self = $float::NAN;
            const MIN_POSITIVE: Self = $float::MIN_POSITIVE;
            const MAX: Self = $float::MAX;
            const ULP: Self = $float::EPSILON;
            const ROOT_SCALE: Self =
                $float::from_bits((($bias / 2) as $bits) << ($float::MANTISSA_DIGITS - 1));
            const DIGITS: u32 = $float::MANTISSA_DIGITS;

            #[inline(always)]
            fn literal(value: f64) -> Self {
                value as $float
            }
            #[inline(always)]
            fn pair(hi: f64, lo: f64) -> Double<Self> {
                let head = hi as $float;
                Double { hi: head, lo: ((hi - head as f64) + lo) as $float }
            }
            #[inline(always)]
            fn mul_add(self, factor: Self, addend: Self) -> Self {
                self.mul_add(factor, addend)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                self.abs()
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                self.copysign(sign)
            }
            #[inline(always)]
            fn upper_half(self) -> Self {
                $float::from_bits(self.to_bits() & !$low_half)
            }
            #[inline(always)]
            fn round_to_integer(self) -> Self {
                (self + $magic) - $magic
            }
            #[inline(always)]
            fn round_with_power(self, bias: i32) -> (Self, Self) {
                self.times_rounded_with_power(1.0, bias)
            }
            #[inline(always)]
            fn times_rounded_with_power(self, factor: Self, bias: i32) -> (Self, Self) {
                // Adding 1.5 * 2^(DIGITS - 1) leaves the integer in the low bits of the sum; adding
                // the exponent's offset too, the exponent field of the power.
                let magic = $magic + ($bias + bias) as $float;
                let shifted = self.mul_add(factor, magic);
                let power = shifted.to_bits() << ($float::MANTISSA_DIGITS - 1);
                (shifted - magic, $float::from_bits(power))
            }
            #[inline(always)]
            fn raised(self, shifted: Self) -> Self {
                let places = $float::MANTISSA_DIGITS - 1 - Self::TABLE_LENGTH.ilog2();
                $float::from_bits(self.to_bits().wrapping_add(shifted.to_bits() << places))
            }
            #[inline(always)]
            fn times_shifted(self, factor: Self) -> Self {
                self.mul_add(factor, $magic)
            }
            #[inline(always)]
            fn unshifted(self) -> Self {
                self - $magic
            }
            #[inline(always)]
            fn upper_digits(self, digits: u32) -> Self {
                $float::from_bits(self.to_bits() >> ($float::MANTISSA_DIGITS - 1 - digits))
            }
            #[inline(always)]
            fn low_bits(self) -> usize {
                self.to_bits() as usize
            }
            #[inline(always)]
            fn split_exponent(self) -> (Self, Self) {
                // Above sqrt(1/2), the exponent field is k + BIAS and the rest that of the fraction.
                const SIGNIFICAND: u32 = $float::MANTISSA_DIGITS - 1;
                let start = core::$float::consts::FRAC_1_SQRT_2.to_bits();
                let bits = self.to_bits().wrapping_sub(start).wrapping_add($bias << SIGNIFICAND);
                let fraction = $float::from_bits((bits & ((1 << SIGNIFICAND) - 1)) + start);
                // In the low bits of a power of two an integer is added to it.
                let start = (1_u64 << SIGNIFICAND) as $float;
                let shifted = $float::from_bits((bits >> SIGNIFICAND) | start.to_bits());
                (fraction, shifted - (start + $bias as $float))
            }
            #[inline(always)]
            fn next_toward_zero(self) -> Self {
                $float::from_bits(self.to_bits().wrapping_sub(1))
            }
            #[inline(always)]
            fn toward_odd(self, rest: Self) -> Self {
                // Back toward zero where the signs differ.
                let differ = (self.to_bits() ^ rest.to_bits()) >> ($bits::BITS - 1);
                let odd = self.to_bits().wrapping_sub(differ) | 1;
                $float::from_bits(if rest.abs() > 0.0 { odd } else { self.to_bits() })
            }
            #[inline(always)]
            fn reciprocal_guess(self) -> Self {
                $float::from_bits(($reciprocal_guess as $bits).wrapping_sub(self.to_bits()))
            }
            #[inline(always)]
            fn reciprocal_sqrt_guess(self) -> Self {
                $float::from_bits(($root_guess as $bits).wrapping_sub(self.to_bits() >> 1))
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                self.is_nan()
            }
            #[inline(always)]
            fn nan_where(self, condition: bool) -> Self {
                $float::from_bits(self.to_bits() | if condition { !0 } else { 0 })
            }
        }
    };
}

// The low half: 12 bits of 24, 27 of 53.
implement_real!(f32, u32, 12_582_912.0_f32, 127, 0xfff_u32, 0x7ef3_11c3_u32, 0x5f1f_fff9_u32);
implement_real!(
    f64,
    u64,
    6_755_399_441_055_744.0_f64,
    1023,
    0x7ff_ffff_u64,
    0x7fde_6238_5024_84ba_u64,
    0x5fe3_ffff_2000_0000_u64
);
