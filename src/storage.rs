//! Storage formats of array elements: read into a working precision, and rounded to once.
//!
//! float16 is converted by the CPU, bfloat16 by integer arithmetic that the compiler makes vector code
//! of. A result for them is computed in float32 where a kernel for that exists: its error
//! leaves the rounding open for the few that lie next to a tie, and [`Settling`] says which.

use half::{bf16, f16};

use crate::math::Number;
use crate::math::real::Real;
use crate::simd::Instructions;

/// A storage format of array elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    Float16,
    Bfloat16,
    Float32,
    Float64,
}

impl Storage {
    pub const ALL: [Storage; 4] =
        [Storage::Float16, Storage::Bfloat16, Storage::Float32, Storage::Float64];

    pub fn item_size(self) -> usize {
        match self {
            Storage::Float16 | Storage::Bfloat16 => 2,
            Storage::Float32 => 4,
            Storage::Float64 => 8,
        }
    }
}

/// An element type as stored, computed with in the precision `T`.
pub(crate) trait Element<T: Number>: Copy + 'static {
    /// The kernel reads and writes this type itself.
    const NATIVE: bool;
    const ZERO: Self;
    fn widened(self) -> T;
    /// Rounded once, to nearest, ties to even.
    fn narrowed(number: T) -> Self;

    #[inline(always)]
    fn widen<I: Instructions>(from: &[Self], to: &mut [T]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = from.widened();
        }
    }
    #[inline(always)]
    fn narrow<I: Instructions>(from: &[T], to: &mut [Self]) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = Self::narrowed(from);
        }
    }
}

impl<T: Number> Element<T> for T {
    const NATIVE: bool = true;
    const ZERO: T = <T as Real>::ZERO;
    #[inline(always)]
    fn widened(self) -> T {
        self
    }
    #[inline(always)]
    fn narrowed(number: T) -> T {
        number
    }
}

impl Element<f64> for f32 {
    const NATIVE: bool = false;
    const ZERO: f32 = 0.0;
    #[inline(always)]
    fn widened(self) -> f64 {
        self.into()
    }
    #[inline(always)]
    fn narrowed(number: f64) -> f32 {
        number as f32
    }
}

/// A 16-bit format.
pub(crate) trait Half: Element<f64> + Element<f32> + PartialEq {
    /// Bits of a normal number's fraction.
    const FRACTION: u32;
    const LEAST_NORMAL: f64;
    /// How many ulps this number lies above a point `margin` ulps below the last tie under it: up to
    /// twice the margin where numbers as near as that might round to another.
    fn above_tie(number: f32, margin: u32) -> u32;
}

const SIGN: u32 = 1 << 31;
const INFINITY: u32 = f32::INFINITY.to_bits();

impl Half for f16 {
    const FRACTION: u32 = f16::MANTISSA_DIGITS - 1;
    const LEAST_NORMAL: f64 = f16::MIN_POSITIVE.to_f64_const();

    #[inline(always)]
    fn above_tie(number: f32, margin: u32) -> u32 {
        let magnitude = number.to_bits() & !SIGN;
        // Adding the least normal number puts subnormals on the grid of those above it; an ulp of
        // theirs becomes one at most.
        let least = f32::from_bits((127 - 14) << 23);
        let moved = (f32::from_bits(magnitude) + least).to_bits();
        let aligned = if magnitude < least.to_bits() { moved } else { magnitude };
        aligned.wrapping_sub(0x1000 - margin) & 0x1fff
    }
}

impl Half for bf16 {
    const FRACTION: u32 = bf16::MANTISSA_DIGITS - 1;
    const LEAST_NORMAL: f64 = bf16::MIN_POSITIVE.to_f64_const();

    #[inline(always)]
    fn above_tie(number: f32, margin: u32) -> u32 {
        number.to_bits().wrapping_sub(0x8000 - margin) & 0xffff
    }
}

impl Element<f32> for f16 {
    const NATIVE: bool = false;
    const ZERO: f16 = f16::ZERO;
    #[inline(always)]
    fn widened(self) -> f32 {
        self.to_f32()
    }
    #[inline(always)]
    fn narrowed(number: f32) -> f16 {
        f16::from_f32(number)
    }
    #[inline(always)]
    fn widen<I: Instructions>(from: &[f16], to: &mut [f32]) {
        I::widen(from, to);
    }
    #[inline(always)]
    fn narrow<I: Instructions>(from: &[f32], to: &mut [f16]) {
        I::narrow(from, to);
    }
}

impl Element<f64> for f16 {
    const NATIVE: bool = false;
    const ZERO: f16 = f16::ZERO;
    #[inline(always)]
    fn widened(self) -> f64 {
        self.to_f32().into()
    }
    #[inline(always)]
    fn narrowed(number: f64) -> f16 {
        f16::from_f32(round_to_odd(number))
    }
}

impl Element<f32> for bf16 {
    const NATIVE: bool = false;
    const ZERO: bf16 = bf16::ZERO;
    #[inline(always)]
    fn widened(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
    #[inline(always)]
    fn narrowed(number: f32) -> bf16 {
        let bits = number.to_bits();
        // Half of the last place, less where it is a tie to the even number below.
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
        let nan = bits >> 16 | 0x40;
        bf16::from_bits(if number.is_nan() { nan } else { rounded } as u16)
    }
}

impl Element<f64> for bf16 {
    const NATIVE: bool = false;
    const ZERO: bf16 = bf16::ZERO;
    #[inline(always)]
    fn widened(self) -> f64 {
        <bf16 as Element<f32>>::widened(self).into()
    }
    #[inline(always)]
    fn narrowed(number: f64) -> bf16 {
        <bf16 as Element<f32>>::narrowed(round_to_odd(number))
    }
}

/// `value` as a float32, an inexact one with its last bit set: rounding that to a half format gives
/// what rounding `value` itself would.
///
/// Source: S. Boldo, G. Melquiond, "When double rounding is odd", 2005.
#[inline(always)]
fn round_to_odd(value: f64) -> f32 {
    let nearest = value as f32;
    let back = f64::from(nearest);
    let bits = nearest.to_bits();
    // Toward zero, then the last bit set. An infinity of a finite value steps back to the largest.
    let truncated = bits - u32::from(back.abs() > value.abs());
    f32::from_bits(truncated | u32::from(back != value && !value.is_nan()))
}

/// A precision in which results for a half format are computed, with an error that is known.
pub(crate) trait Settling: Number {
    fn to_f64(self) -> f64;
    /// Whether the exact result might round to another number of the format than this one does, which
    /// is up to `margin` ulps off if it is a float32.
    fn is_open<H: Half>(self, margin: u32) -> bool;
    /// Whether any of the numbers is open; sometimes also where none is.
    fn any_open<H: Half>(numbers: &[Self], margin: u32) -> bool;
}

/// In float64 only a result next to a tie is in question.
const DOUBLE_MARGIN: u64 = 4;

impl Settling for f32 {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self.into()
    }

    #[inline(always)]
    fn is_open<H: Half>(self, margin: u32) -> bool {
        let magnitude = self.to_bits() & !SIGN;
        H::above_tie(self, margin) <= 2 * margin && magnitude < INFINITY
    }

    #[inline(always)]
    fn any_open<H: Half>(numbers: &[f32], margin: u32) -> bool {
        let nearest = numbers.iter().map(|&number| H::above_tie(number, margin)).min();
        nearest.is_some_and(|nearest| nearest <= 2 * margin)
    }
}

impl Settling for f64 {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn is_open<H: Half>(self, _: u32) -> bool {
        let magnitude = self.to_bits() & !(1 << 63);
        let margin = DOUBLE_MARGIN;
        // On the grid of normal numbers: see above.
        let moved = (f64::from_bits(magnitude) + H::LEAST_NORMAL).to_bits();
        let aligned = if magnitude < H::LEAST_NORMAL.to_bits() { moved } else { magnitude };
        let last = 1 << (f64::MANTISSA_DIGITS - 1 - H::FRACTION);
        let beside_tie = aligned.wrapping_sub(last / 2 - margin) & (last - 1) <= 2 * margin;
        beside_tie & (magnitude < f64::INFINITY.to_bits())
    }

    #[inline(always)]
    fn any_open<H: Half>(numbers: &[f64], margin: u32) -> bool {
        numbers.iter().fold(false, |any, number| any | number.is_open::<H>(margin))
    }
}

#[cfg(test)]
mod tests {
    use super::{Element, Half, Settling};
    use half::{bf16, f16};

    /// Numbers around every number of the format and every tie between two, and some others.
    fn neighbourhoods(to_single: fn(u16) -> f32) -> impl Iterator<Item = f32> {
        (0..=u16::MAX).flat_map(move |bits| {
            let number = to_single(bits);
            let next = to_single(bits ^ 1);
            let tie = number + (next - number) * 0.5;
            [number, tie].into_iter().flat_map(|center| {
                (-9..=9).map(move |ulps: i32| {
                    f32::from_bits(center.to_bits().wrapping_add_signed(ulps))
                })
            })
        })
    }

    fn check<H: Half + Library>(number: f32) {
        let rounded = <H as Element<f32>>::narrowed(number).bits();
        let wanted = H::round(number);
        assert_eq!(rounded, wanted, "{number:e}");
        let beside =
            |ulps: i32| H::round(f32::from_bits(number.to_bits().wrapping_add_signed(ulps)));
        let size = number.abs().to_bits();
        let inside = (4..f32::INFINITY.to_bits() - 4).contains(&size);
        let settled = [beside(-4), beside(4)] == [wanted; 2];
        assert!(<f32 as Settling>::is_open::<H>(number, 4) || !inside || settled, "{number:e}");
    }

    /// What the `half` crate gives, one number at a time.
    trait Library {
        fn round(number: f32) -> u16;
        fn bits(self) -> u16;
    }
    impl Library for f16 {
        fn round(number: f32) -> u16 {
            f16::from_f32(number).to_bits()
        }
        fn bits(self) -> u16 {
            self.to_bits()
        }
    }
    impl Library for bf16 {
        fn round(number: f32) -> u16 {
            bf16::from_f32(number).to_bits()
        }
        fn bits(self) -> u16 {
            self.to_bits()
        }
    }

    #[test]
    fn every_number_is_read_as_it_is() {
        for bits in 0..=u16::MAX {
            let (single, brain) = (f16::from_bits(bits), bf16::from_bits(bits));
            let read: f32 = single.widened();
            assert!(
                read.to_bits() == single.to_f32().to_bits() || read.is_nan() && single.is_nan()
            );
            let read: f32 = brain.widened();
            assert!(read.to_bits() == brain.to_f32().to_bits() || read.is_nan() && brain.is_nan());
        }
    }

    #[test]
    fn rounding_is_to_nearest_and_what_is_beside_a_tie_is_open() {
        for number in neighbourhoods(|bits| f16::from_bits(bits).to_f32()) {
            check::<f16>(number);
        }
        for number in neighbourhoods(|bits| bf16::from_bits(bits).to_f32()) {
            check::<bf16>(number);
        }
        let nan: bf16 = Element::narrowed(f32::NAN);
        assert!(nan.is_nan());
    }

    #[test]
    fn little_is_open() {
        let open = |settle: fn(f32, u32) -> bool| {
            (0..1 << 20).filter(|step| settle(1.0 + *step as f32 / (1 << 20) as f32, 4)).count()
        };
        assert!(open(<f32 as Settling>::is_open::<f16>) < 2 << 10);
        assert!(open(<f32 as Settling>::is_open::<bf16>) < 2 << 7);
    }
}
