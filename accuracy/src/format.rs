//! The float formats: how their bits read, and how a real number rounds to them.
//!
//! A number of any of them is kept as the `f64` of the same value. An ulp is the distance between
//! neighbours in the binade of the exact value; below the normal numbers it stays that of the
//! subnormals, above the largest number that of the last binade.

use actgrad::storage::Storage;

use crate::ball::Ball;
use crate::pair::Pair;
use crate::screen::Screen;

/// An element as it is stored in an array.
pub trait Bits: Copy + Default + Send + Sync + 'static {
    fn from_pattern(pattern: u64) -> Self;
    fn pattern(self) -> u64;
}

macro_rules! implement_bits {
    ($($integer:ty)*) => {$(
        impl Bits for $integer {
            fn from_pattern(pattern: u64) -> Self {
                pattern as $integer
            }
            fn pattern(self) -> u64 {
                u64::from(self)
            }
        }
    )*};
}
implement_bits!(u16 u32 u64);

/// A binary float format.
pub trait Format: Copy + Send + Sync + 'static {
    type Bits: Bits;
    /// The reference that decides almost every result of this format.
    type Number: Screen;

    const NAME: &'static str;
    const STORAGE: Storage;
    /// Bits of an element.
    const WIDTH: u32;
    /// Bits of the significand, the hidden one included.
    const DIGITS: i32;
    /// Exponents of the binades of the smallest normal and of the largest number.
    const LEAST_EXPONENT: i32;
    const GREATEST_EXPONENT: i32;
}

macro_rules! formats {
    ($($name:ident $label:literal $storage:ident $bits:ty, $number:ty,
       $width:literal bits, $digits:literal digits, 2^$least:literal ..= 2^$greatest:literal;)*) => {$(
        #[derive(Clone, Copy, Debug)]
        pub struct $name;
        impl Format for $name {
            type Bits = $bits;
            type Number = $number;
            const NAME: &'static str = $label;
            const STORAGE: Storage = Storage::$storage;
            const WIDTH: u32 = $width;
            const DIGITS: i32 = $digits;
            const LEAST_EXPONENT: i32 = $least;
            const GREATEST_EXPONENT: i32 = $greatest;
        }
    )*};
}

formats! {
    Float16 "float16" Float16 u16, Ball<f64>, 16 bits, 11 digits, 2^-14 ..= 2^15;
    Bfloat16 "bfloat16" Bfloat16 u16, Ball<f64>, 16 bits, 8 digits, 2^-126 ..= 2^127;
    Float32 "float32" Float32 u32, Ball<f64>, 32 bits, 24 digits, 2^-126 ..= 2^127;
    Float64 "float64" Float64 u64, Ball<Pair>, 64 bits, 53 digits, 2^-1022 ..= 2^1023;
}

/// `2^exponent`, subnormal if need be.
pub const fn power_of_two(exponent: i32) -> f64 {
    if exponent >= -1022 {
        f64::from_bits(((exponent + 1023) as u64) << 52)
    } else {
        f64::from_bits(1 << (exponent + 1074))
    }
}

pub fn largest<F: Format>() -> f64 {
    (2.0 - power_of_two(1 - F::DIGITS)) * power_of_two(F::GREATEST_EXPONENT)
}

/// The number with these bits.
pub fn decode<F: Format>(bits: F::Bits) -> f64 {
    let pattern = bits.pattern();
    if F::WIDTH == 64 {
        return f64::from_bits(pattern);
    }
    if F::WIDTH == 32 {
        return f64::from(f32::from_bits(pattern as u32));
    }
    let fraction_bits = F::DIGITS - 1;
    let sign = if pattern >> (F::WIDTH - 1) == 1 { -1.0 } else { 1.0 };
    let fraction = (pattern & ((1 << fraction_bits) - 1)) as f64;
    let magnitude = pattern & ((1 << (F::WIDTH - 1)) - 1);
    let exponent = (magnitude >> fraction_bits) as i32 + F::LEAST_EXPONENT - 1;
    let value = if exponent > F::GREATEST_EXPONENT {
        if fraction == 0.0 { f64::INFINITY } else { f64::NAN }
    } else if exponent < F::LEAST_EXPONENT {
        fraction * power_of_two(F::LEAST_EXPONENT - fraction_bits)
    } else {
        power_of_two(exponent) + fraction * power_of_two(exponent - fraction_bits)
    };
    sign * value
}

/// The bits of a number of the format.
pub fn encode<F: Format>(value: f64) -> F::Bits {
    let steps = ordinal::<F>(value.abs()) as u64;
    let sign = u64::from(value.is_sign_negative()) << (F::WIDTH - 1);
    F::Bits::from_pattern(sign | steps)
}

/// Numbers the format's numbers in their order, infinities included: zeros are 0, the smallest
/// positive one is 1.
pub fn ordinal<F: Format>(value: f64) -> i64 {
    let magnitude = value.abs();
    if F::WIDTH == 64 {
        let steps = magnitude.to_bits() as i64;
        return if value < 0.0 { -steps } else { steps };
    }
    let steps = if magnitude.is_infinite() {
        i64::from(F::GREATEST_EXPONENT - F::LEAST_EXPONENT + 2) << (F::DIGITS - 1)
    } else {
        let exponent = exponent_of::<F>(magnitude);
        // In its binade, counted in ulps: 2^(DIGITS - 1) + fraction, or the fraction alone.
        let units = (magnitude * power_of_two(-exponent) * power_of_two(F::DIGITS - 1)) as i64;
        (i64::from(exponent - F::LEAST_EXPONENT) << (F::DIGITS - 1)) + units
    };
    if value < 0.0 { -steps } else { steps }
}

/// The number with this place in the order, at most an infinity.
pub fn from_ordinal<F: Format>(ordinal: i64) -> f64 {
    let steps = ordinal.unsigned_abs().min(self::ordinal::<F>(f64::INFINITY) as u64);
    let value = decode::<F>(F::Bits::from_pattern(steps));
    if ordinal < 0 { -value } else { value }
}

/// The exponent of the binade whose ulp counts for a finite number.
fn exponent_of<F: Format>(value: f64) -> i32 {
    let exponent = ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    exponent.clamp(F::LEAST_EXPONENT, F::GREATEST_EXPONENT)
}

/// The ulp that counts for a finite number.
#[inline(always)]
pub fn ulp<F: Format>(value: f64) -> f64 {
    const EXPONENT: u64 = 0x7ff << 52;
    let (least, greatest) = (power_of_two(F::LEAST_EXPONENT), power_of_two(F::GREATEST_EXPONENT));
    let binade = f64::from_bits(value.abs().to_bits() & EXPONENT).clamp(least, greatest);
    binade * power_of_two(1 - F::DIGITS)
}

/// A real number rounded to the format: to nearest, ties to even.
#[inline(always)]
pub fn nearest<F: Format>(value: f64) -> f64 {
    if F::WIDTH == 64 {
        return value;
    }
    if F::WIDTH == 32 {
        return f64::from(value as f32);
    }
    // Adding 1.5 2^52 ulps leaves room for whole ulps only.
    let anchor = ulp::<F>(value) * (1.5 * power_of_two(52));
    let rounded = (value + anchor) - anchor;
    if rounded.abs() > largest::<F>() { f64::INFINITY.copysign(value) } else { rounded }
}

/// The exponent of the ulp that counts in the binade with this exponent.
pub fn unit_exponent<F: Format>(binade: i32) -> i32 {
    binade.clamp(F::LEAST_EXPONENT, F::GREATEST_EXPONENT) - (F::DIGITS - 1)
}
