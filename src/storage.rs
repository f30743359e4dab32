//! Storage formats of array elements: read into a working precision, and rounded to once.
//!
//! float16 is converted by the CPU, bfloat16 by integer arithmetic that the compiler makes vector code
//! of. A result for them is computed in float32 where a kernel for that exists, by a loop that converts,
//! computes and rounds: its error leaves the rounding open for the few that lie next to a tie, which
//! [`settling`](crate::settling) computes again.

use half::{bf16, f16};

use crate::math::Number;
use crate::math::real::Real;
use crate::settling::{self, SETTLED_TOGETHER};
use crate::simd::{Instructions, MAX_INPUTS, MAX_OUTPUTS, Precise, joined_pairs, split_pairs};

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
pub(crate) trait Element<T: Copy>: Copy + 'static {
    /// The kernel reads and writes this type itself.
    const NATIVE: bool;
    const ZERO: Self;
    const ONE: Self;
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

    /// Whether a number might be [open](Self::is_open), as is quickly said; few are.
    #[inline(always)]
    fn may_be_open(_number: T, _margin: u32) -> bool {
        false
    }
    /// Whether the exact result might round to another number of this format than this one does, which
    /// is up to `margin` ulps off; in float64 only what is next to a tie is in question.
    #[inline(always)]
    fn is_open(_number: T, _margin: u32) -> bool {
        false
    }
    /// Whether a number is below 2^-100 in magnitude, and not zero.
    #[inline(always)]
    fn is_tiny(_number: T) -> bool {
        false
    }

    /// The results at a few points, computed in float64 and rounded once; for half formats.
    #[inline(always)]
    fn settled(
        _function: &Precise,
        _points: &[[Self; MAX_INPUTS]],
    ) -> [[Self; MAX_OUTPUTS]; SETTLED_TOGETHER] {
        [[Self::ZERO; MAX_OUTPUTS]; SETTLED_TOGETHER]
    }
    /// Moves results `k` in `T` that look like ties of this format to where the exact ones are.
    #[inline(always)]
    fn leave_ties(_: &Precise, _operands: [&[T]; MAX_INPUTS], _k: usize, _results: &mut [T]) {}

    /// The elements of a block, in any order that [`narrow_block`](Self::narrow_block) undoes.
    #[inline(always)]
    fn widen_block<I: Instructions, const N: usize>(block: [Self; N]) -> [T; N] {
        let mut widened = [block[0].widened(); N];
        for k in 0..N {
            widened[k] = block[k].widened();
        }
        widened
    }
    #[inline(always)]
    fn narrow_block<I: Instructions, const N: usize>(block: [T; N]) -> [Self; N] {
        let mut narrowed = [Self::ZERO; N];
        for k in 0..N {
            narrowed[k] = Self::narrowed(block[k]);
        }
        narrowed
    }
    /// The same where a tie may go to either side.
    #[inline(always)]
    fn narrow_block_without_ties<I: Instructions, const N: usize>(block: [T; N]) -> [Self; N] {
        Self::narrow_block::<I, N>(block)
    }
}

impl<T: Number> Element<T> for T {
    const NATIVE: bool = true;
    const ZERO: T = <T as Real>::ZERO;
    const ONE: T = <T as Real>::ONE;
    #[inline(always)]
    fn widened(self) -> T {
        self
    }
    #[inline(always)]
    fn narrowed(number: T) -> T {
        number
    }
    #[inline(always)]
    fn widen_block<I: Instructions, const N: usize>(block: [T; N]) -> [T; N] {
        block
    }
    #[inline(always)]
    fn narrow_block<I: Instructions, const N: usize>(block: [T; N]) -> [T; N] {
        block
    }
}

macro_rules! implement_native {
    ($($half:ident),*) => {$(
        /// For kernels that convert it themselves.
        impl Element<$half> for $half {
            const NATIVE: bool = true;
            const ZERO: $half = $half::ZERO;
            const ONE: $half = $half::ONE;
            #[inline(always)]
            fn widened(self) -> $half {
                self
            }
            #[inline(always)]
            fn narrowed(number: $half) -> $half {
                number
            }
        }
    )*};
}
implement_native!(f16, bf16);

impl Element<f64> for f32 {
    const NATIVE: bool = false;
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
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
pub(crate) trait Half: Element<f64> + Element<f32> + Element<Self> {}
impl Half for f16 {}
impl Half for bf16 {}

const SIGN: u32 = 1 << 31;

/// What is added to a number's bits, and which bits of the sum are then zero, for numbers that are up to
/// `margin` ulps, and for no more than twice as many, off one whose `bits` are zero.
#[inline(always)]
const fn around(margin: u32, bits: u32) -> (u32, u32) {
    let half_width = if margin == 0 { 0 } else { (margin + 1).next_power_of_two() };
    (half_width, bits & !(2 * half_width).saturating_sub(1))
}

impl Element<f32> for f16 {
    const NATIVE: bool = false;
    const ZERO: f16 = f16::ZERO;
    const ONE: f16 = f16::ONE;
    #[inline(always)]
    fn widened(self) -> f32 {
        self.to_f32()
    }
    #[inline(always)]
    fn narrowed(number: f32) -> f16 {
        f16::from_f32(number)
    }
    #[inline(always)]
    fn settled(
        function: &Precise,
        points: &[[f16; MAX_INPUTS]],
    ) -> [[f16; MAX_OUTPUTS]; SETTLED_TOGETHER] {
        settling::settled(function, points)
    }
    // A tie between normal numbers, a number of the format itself, or a tie between subnormal ones.
    #[inline(always)]
    fn may_be_open(number: f32, margin: u32) -> bool {
        let (above, zeros) = around(margin, 0xfff);
        number.to_bits().wrapping_add(above) & zeros == 0
    }
    #[inline(always)]
    fn is_open(number: f32, margin: u32) -> bool {
        let magnitude = number.to_bits() & !SIGN;
        // Adding the least normal number puts subnormals on the grid of those above it; an ulp of
        // theirs becomes one at most.
        let least = f32::from_bits((127 - 14) << 23);
        let moved = (f32::from_bits(magnitude) + least).to_bits();
        let aligned = if magnitude < least.to_bits() { moved } else { magnitude };
        let is_beside_tie = aligned.wrapping_sub(0x1000 - margin) & 0x1fff <= 2 * margin;
        // Whose ulps are smaller than those of the moved ones.
        is_beside_tie & <f16 as Element<f32>>::may_be_open(number, margin)
    }
    #[inline(always)]
    fn widen<I: Instructions>(from: &[f16], to: &mut [f32]) {
        I::widen(from, to);
    }
    #[inline(always)]
    fn narrow<I: Instructions>(from: &[f32], to: &mut [f16]) {
        I::narrow(from, to);
    }
    #[inline(always)]
    fn widen_block<I: Instructions, const N: usize>(block: [f16; N]) -> [f32; N] {
        let mut widened = [0.0; N];
        I::widen(&block, &mut widened);
        widened
    }
    #[inline(always)]
    fn narrow_block<I: Instructions, const N: usize>(block: [f32; N]) -> [f16; N] {
        let mut narrowed = [f16::ZERO; N];
        I::narrow(&block, &mut narrowed);
        narrowed
    }
}

impl Element<f64> for f16 {
    const NATIVE: bool = false;
    const ZERO: f16 = f16::ZERO;
    const ONE: f16 = f16::ONE;
    #[inline(always)]
    fn widened(self) -> f64 {
        self.to_f32().into()
    }
    #[inline(always)]
    fn narrowed(number: f64) -> f16 {
        f16::from_f32(round_to_odd(number))
    }
    #[inline(always)]
    fn leave_ties(
        function: &Precise,
        operands: [&[f64]; MAX_INPUTS],
        k: usize,
        results: &mut [f64],
    ) {
        settling::leave_ties::<f16>(function, operands, k, results);
    }
    #[inline(always)]
    fn is_open(number: f64, _: u32) -> bool {
        is_beside_tie(number, f16::MANTISSA_DIGITS, f16::MIN_POSITIVE.to_f64_const())
    }
    // One at a time they would be calls.
    #[inline(always)]
    fn widen<I: Instructions>(from: &[f16], to: &mut [f64]) {
        let (blocks, rest) = from.as_chunks::<BLOCK>();
        let (widened, last) = to.as_chunks_mut::<BLOCK>();
        for (from, to) in blocks.iter().zip(widened) {
            widen_to_double::<I>(from, to);
        }
        widen_to_double::<I>(rest, last);
    }
    #[inline(always)]
    fn narrow<I: Instructions>(from: &[f64], to: &mut [f16]) {
        let (blocks, rest) = from.as_chunks::<BLOCK>();
        let (narrowed, last) = to.as_chunks_mut::<BLOCK>();
        for (from, to) in blocks.iter().zip(narrowed) {
            narrow_from_double::<I>(from, to);
        }
        narrow_from_double::<I>(rest, last);
    }
}

/// Elements that go from one format to the other by way of float32 at a time.
const BLOCK: usize = 64;

/// Up to a block.
#[inline(always)]
fn widen_to_double<I: Instructions>(from: &[f16], to: &mut [f64]) {
    let mut single = [0.0_f32; BLOCK];
    let single = &mut single[..from.len()];
    I::widen(from, single);
    for (to, &from) in to.iter_mut().zip(&*single) {
        *to = from.into();
    }
}

/// Up to a block.
#[inline(always)]
fn narrow_from_double<I: Instructions>(from: &[f64], to: &mut [f16]) {
    let mut single = [0.0_f32; BLOCK];
    let single = &mut single[..from.len()];
    for (to, &from) in single.iter_mut().zip(from) {
        *to = round_to_odd(from);
    }
    I::narrow(single, to);
}

/// The bits of a number, the upper half those of the nearest bfloat16; a NaN is a quiet one.
#[inline(always)]
fn round_to_upper_half(number: f32) -> u32 {
    let bits = number.to_bits();
    // Half of the last place, less where it is a tie to the even number below, and so has no other bit
    // in the lower half.
    bits_or_quiet(number, (bits | bits >> 16 & 1).wrapping_add(0x7fff))
}

/// The bits that a number was rounded to, those of a quiet NaN for a NaN.
#[inline(always)]
fn bits_or_quiet(number: f32, rounded: u32) -> u32 {
    if number.is_nan() { number.to_bits() | 0x40 << 16 } else { rounded }
}

impl Element<f32> for bf16 {
    const NATIVE: bool = false;
    const ZERO: bf16 = bf16::ZERO;
    const ONE: bf16 = bf16::ONE;
    #[inline(always)]
    fn widened(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
    #[inline(always)]
    fn narrowed(number: f32) -> bf16 {
        bf16::from_bits((round_to_upper_half(number) >> 16) as u16)
    }
    #[inline(always)]
    fn settled(
        function: &Precise,
        points: &[[bf16; MAX_INPUTS]],
    ) -> [[bf16; MAX_OUTPUTS]; SETTLED_TOGETHER] {
        settling::settled(function, points)
    }
    #[inline(always)]
    fn may_be_open(number: f32, margin: u32) -> bool {
        let (above, zeros) = around(margin, 0xffff);
        number.to_bits().wrapping_add(0x8000 + above) & zeros == 0
    }
    #[inline(always)]
    fn is_open(number: f32, margin: u32) -> bool {
        number.to_bits().wrapping_sub(0x8000 - margin) & 0xffff <= 2 * margin
    }
    #[inline(always)]
    fn is_tiny(number: f32) -> bool {
        const LEAST: u32 = (127 - 100) << 23;
        (number.to_bits() & !SIGN).wrapping_sub(1) < LEAST - 1
    }
    // Two neighbours are the halves of 32 bits: each is widened in place, and the lower ones come
    // before the upper ones.
    #[inline(always)]
    fn widen_block<I: Instructions, const N: usize>(block: [bf16; N]) -> [f32; N] {
        let bits = split_pairs(block);
        let mut widened = [0.0; N];
        for k in 0..N {
            widened[k] = f32::from_bits(bits[k]);
        }
        widened
    }
    #[inline(always)]
    fn narrow_block<I: Instructions, const N: usize>(block: [f32; N]) -> [bf16; N] {
        let mut rounded = [0; N];
        for k in 0..N {
            rounded[k] = round_to_upper_half(block[k]);
        }
        joined_pairs(rounded)
    }
    #[inline(always)]
    fn narrow_block_without_ties<I: Instructions, const N: usize>(block: [f32; N]) -> [bf16; N] {
        let mut rounded = [0; N];
        for k in 0..N {
            rounded[k] = bits_or_quiet(block[k], block[k].to_bits().wrapping_add(0x8000));
        }
        joined_pairs(rounded)
    }
}

impl Element<f64> for bf16 {
    const NATIVE: bool = false;
    const ZERO: bf16 = bf16::ZERO;
    const ONE: bf16 = bf16::ONE;
    #[inline(always)]
    fn widened(self) -> f64 {
        <bf16 as Element<f32>>::widened(self).into()
    }
    #[inline(always)]
    fn narrowed(number: f64) -> bf16 {
        <bf16 as Element<f32>>::narrowed(round_to_odd(number))
    }
    #[inline(always)]
    fn leave_ties(
        function: &Precise,
        operands: [&[f64]; MAX_INPUTS],
        k: usize,
        results: &mut [f64],
    ) {
        settling::leave_ties::<bf16>(function, operands, k, results);
    }
    #[inline(always)]
    fn is_open(number: f64, _: u32) -> bool {
        is_beside_tie(number, bf16::MANTISSA_DIGITS, bf16::MIN_POSITIVE.to_f64_const())
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

/// Whether a float64 is within [`DOUBLE_MARGIN`] ulps of a tie of the format with so many digits.
#[inline(always)]
fn is_beside_tie(number: f64, digits: u32, least_normal: f64) -> bool {
    let magnitude = number.to_bits() & !(1 << 63);
    // On the grid of normal numbers: see above.
    let moved = (f64::from_bits(magnitude) + least_normal).to_bits();
    let aligned = if magnitude < least_normal.to_bits() { moved } else { magnitude };
    let last = 1 << (f64::MANTISSA_DIGITS - digits);
    let beside = aligned.wrapping_sub(last / 2 - DOUBLE_MARGIN) & (last - 1) <= 2 * DOUBLE_MARGIN;
    beside & (magnitude < f64::INFINITY.to_bits())
}

const DOUBLE_MARGIN: u64 = 4;

#[cfg(test)]
mod tests {
    use super::{Element, Half};
    use crate::simd::Always;
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
        let is_open = <H as Element<f32>>::is_open(number, 4);
        assert!(is_open || !inside || settled, "{number:e}");
        assert!(!is_open || <H as Element<f32>>::may_be_open(number, 4), "{number:e}");
    }

    /// What the `half` crate gives, one number at a time.
    trait Library {
        fn round(number: f32) -> u16;
        fn bits(self) -> u16;
        fn of(bits: u16) -> Self;
    }
    impl Library for f16 {
        fn round(number: f32) -> u16 {
            f16::from_f32(number).to_bits()
        }
        fn bits(self) -> u16 {
            self.to_bits()
        }
        fn of(bits: u16) -> Self {
            f16::from_bits(bits)
        }
    }
    impl Library for bf16 {
        fn round(number: f32) -> u16 {
            bf16::from_f32(number).to_bits()
        }
        fn bits(self) -> u16 {
            self.to_bits()
        }
        fn of(bits: u16) -> Self {
            bf16::from_bits(bits)
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

    const BLOCK: usize = 64;

    /// Numbers of the format, then others, through blocks and one at a time.
    fn check_blocks<H: Half + Library>(to_single: fn(u16) -> f32) {
        let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        for first in (0..=u16::MAX).step_by(BLOCK) {
            let block = core::array::from_fn(|k| H::of(first + k as u16));
            let widened: [f32; BLOCK] = H::widen_block::<Always, BLOCK>(block);
            let narrowed: [H; BLOCK] = H::narrow_block::<Always, BLOCK>(widened);
            for (from, to) in block.into_iter().zip(narrowed) {
                assert!(same(to_single(from.bits()), to_single(to.bits())), "{:#x}", from.bits());
            }
        }
        let numbers: Vec<f32> = neighbourhoods(to_single).filter(|x| !x.is_nan()).collect();
        for numbers in numbers.as_chunks::<BLOCK>().0 {
            // The order inside of a block is that of `widen_block`.
            let places = core::array::from_fn(|k| H::of(k as u16));
            let places: [f32; BLOCK] = H::widen_block::<Always, BLOCK>(places);
            let places =
                places.map(|place| usize::from(<H as Element<f32>>::narrowed(place).bits()));
            let narrowed: [H; BLOCK] = H::narrow_block::<Always, BLOCK>(*numbers);
            for (k, place) in places.into_iter().enumerate() {
                assert_eq!(narrowed[place].bits(), H::round(numbers[k]), "{:e}", numbers[k]);
            }
        }
    }

    #[test]
    fn blocks_are_converted_as_their_elements_are() {
        check_blocks::<f16>(|bits| f16::from_bits(bits).to_f32());
        check_blocks::<bf16>(|bits| bf16::from_bits(bits).to_f32());
    }

    #[test]
    fn float64_is_rounded_once() {
        // A tie, and what rounds to one in float32.
        let tie = 1.0 + f64::from(f16::EPSILON) / 2.0;
        let above = (tie.next_up(), 1.0 + f64::from(f16::EPSILON));
        for (from, rounded) in [(tie.next_down(), 1.0), (tie, 1.0), above] {
            let from = [from; BLOCK + 3];
            let mut to = [f16::ZERO; BLOCK + 3];
            <f16 as Element<f64>>::narrow::<Always>(&from, &mut to);
            assert_eq!(to.map(f64::from), [rounded; BLOCK + 3]);
            let mut back = [0.0; BLOCK + 3];
            <f16 as Element<f64>>::widen::<Always>(&to, &mut back);
            assert_eq!(back, [rounded; BLOCK + 3]);
        }
    }

    #[test]
    fn little_is_open() {
        let open = |settle: fn(f32, u32) -> bool| {
            (0..1 << 20).filter(|step| settle(1.0 + *step as f32 / (1 << 20) as f32, 4)).count()
        };
        assert!(open(<f16 as Element<f32>>::is_open) < 2 << 10);
        assert!(open(<bf16 as Element<f32>>::is_open) < 2 << 7);
    }
}
