//! Instruction sets: which there are, which one runs, and the loops compiled for each.
//!
//! A kernel is a scalar function over [`Number`]. [`Level::kernel`] instantiates the one loop below
//! inside a function that enables the level's instructions, where the compiler turns a block of
//! elements into vector code. Nothing else in the crate depends on the instruction set.
//!
//! Contract: every level computes the same bits. Kernels use operations that round identically
//! everywhere, `mul_add` is always fused, and no operation is contracted or reordered. The last,
//! short block is padded and goes through the same code as a whole one.

#[cfg(target_arch = "aarch64")]
use core::arch::aarch64::{
    vaddq_u8, vandq_u8, vdupq_n_s8, vdupq_n_u8, vld1q_u8, vld1q_u8_x4, vqtbl1q_u8, vqtbl4q_u8,
    vshlq_u8, vst1q_u8,
};
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::{
    __m128i, __m256, __m256d, __m256i, __m512, __m512d, __m512i, _MM_FROUND_TO_NEAREST_INT,
    _MM_HINT_T0, _mm_prefetch, _mm_sfence, _mm256_add_epi32, _mm256_and_ps, _mm256_blendv_pd,
    _mm256_castps_pd, _mm256_castsi256_pd, _mm256_castsi256_ps, _mm256_cvtph_ps, _mm256_cvtps_ph,
    _mm256_or_si256, _mm256_permutevar8x32_ps, _mm256_shuffle_epi32, _mm256_slli_epi32,
    _mm256_slli_epi64, _mm256_srai_epi32, _mm256_stream_ps, _mm256_xor_ps, _mm512_cvtph_ps,
    _mm512_cvtps_ph, _mm512_permutexvar_pd, _mm512_permutexvar_ps, _mm512_stream_ps,
};
use core::mem::MaybeUninit;
#[cfg(target_arch = "x86_64")]
use core::mem::transmute;
use core::ptr::{null, null_mut};
use core::str::FromStr;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::math::Number;
use crate::settling::SETTLED_TOGETHER;
use crate::storage::{Element, Half};

/// The most operands a kernel reads: two gradients, x, two parameters.
pub const MAX_INPUTS: usize = 5;
/// The most results a kernel writes.
pub const MAX_OUTPUTS: usize = 3;
/// The most tables a kernel looks up in.
pub const MAX_TABLES: usize = 7;

/// An element-wise function, written once for both working precisions.
pub trait ElementFunction: 'static {
    /// A type of the module that the loops are compiled with; see [`Loops`].
    type Home: 'static;
    const INPUTS: usize;
    const OUTPUTS: usize;
    /// The operand the results are not linear in, but for parameters.
    const ARGUMENT: usize = 0;
    /// Whether moving the operands takes longer than computing with them. AVX-512 then gains nothing
    /// and loses where an operand is not aligned: each of its vectors crosses two cache lines, and
    /// only every second one of AVX2's.
    const LIGHT: bool = false;
    /// Whether the float32 results for operands of a half format, rounded to it, are right as they are,
    /// those of [`apply_odd`](Self::apply_odd) where it is another function: nothing looks for others.
    const NEVER_OPEN: bool = false;
    /// Whether [`apply_odd`](Self::apply_odd) is another function than `apply`.
    const ODD: bool = false;
    /// How many ulps a float32 result is off at most, rounded down: where no tie between two numbers
    /// of a half format is as near, the exact result rounds to the same. A product is off by what a
    /// factor is, an ulp that the product may double, and its own rounding.
    const MARGIN: u32 = 2;
    /// Whether there are elements at which [`ordinary`](Self::ordinary) gives the results.
    const HAS_ORDINARY: bool = false;
    /// The results at one element; places beyond `INPUTS` and `OUTPUTS` are not read.
    fn apply<T: Number>(inputs: [T; MAX_INPUTS]) -> [T; MAX_OUTPUTS];

    /// Float32 results for operands of a half format that round to it as the exact ones do, where those
    /// are 0 or above 2^-100 in magnitude; see [`math::odd`](crate::math::odd).
    #[inline(always)]
    fn apply_odd<T: Number>(inputs: [T; MAX_INPUTS]) -> [T; MAX_OUTPUTS] {
        Self::apply(inputs)
    }

    /// Whether the results at this element are those of [`ordinary`](Self::ordinary), not of `apply`.
    #[inline(always)]
    fn is_ordinary<T: Number>(_inputs: [T; MAX_INPUTS]) -> bool {
        false
    }

    /// The results where nothing is out of the ordinary, sooner than `apply` has them.
    #[inline(always)]
    fn ordinary<T: Number>(inputs: [T; MAX_INPUTS]) -> [T; MAX_OUTPUTS] {
        Self::apply(inputs)
    }

    /// How many numbers are looked up for an ordinary element, in as many tables: its results are then
    /// those of [`tabled`](Self::tabled).
    const TABLES: usize = 0;

    /// The tables, of `T::TABLE_LENGTH` numbers.
    #[inline(always)]
    fn tables<T: Number>() -> [&'static [T]; MAX_TABLES] {
        [&[]; MAX_TABLES]
    }

    /// A number whose lowest bits are the place in the tables.
    #[inline(always)]
    fn key<T: Number>(inputs: [T; MAX_INPUTS]) -> T {
        inputs[Self::ARGUMENT]
    }

    /// The results at an ordinary element, given the key and what the tables have for it.
    #[inline(always)]
    fn tabled<T: Number>(
        inputs: [T; MAX_INPUTS],
        _key: T,
        _entries: [T; MAX_TABLES],
    ) -> [T; MAX_OUTPUTS] {
        Self::ordinary(inputs)
    }
}

/// One operand of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Input<T> {
    pub pointer: *const T,
    /// One element stands for all: the kernel reads `pointer` only.
    pub repeated: bool,
}

/// How results are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stores {
    /// Into the caches, which read each line from memory before it is written.
    Cached,
    /// Into memory, past the caches: for more than they hold. Outputs begin at a border of cache lines.
    PastCaches,
}

/// Computes `count` consecutive elements of every output from the inputs.
///
/// # Safety
/// The CPU has the level's instructions. `inputs` holds the function's `INPUTS` operands, each with
/// `count` readable elements (one, where repeated), `outputs` its `OUTPUTS` pointers to `count`
/// writable elements, aligned as `stores` asks for. An output may be an input, or start before it; it
/// must not start inside.
pub type Kernel<T> =
    unsafe fn(count: usize, inputs: *const Input<T>, outputs: *const *mut T, stores: Stores);

/// An instruction set with loops of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What the compiler may use everywhere on this architecture.
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Level {
    /// Every level of this architecture, the slowest first.
    pub const ALL: &'static [Level] = &[
        Level::Portable,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2,
        #[cfg(target_arch = "x86_64")]
        Level::Avx512,
        #[cfg(target_arch = "aarch64")]
        Level::Neon,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Level::Neon => "neon",
        }
    }

    /// Whether this CPU has the level's instructions.
    pub fn is_available(self) -> bool {
        match self {
            Level::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            // NEON is part of every AArch64 CPU.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => true,
        }
    }

    /// The levels this CPU can run, the slowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Level> {
        Level::ALL.iter().copied().filter(|level| level.is_available())
    }

    /// The fastest level this CPU can run.
    pub fn best() -> Level {
        Level::available().next_back().unwrap_or(Level::Portable)
    }

    /// The loop of `F` in the precision `T` compiled for this level.
    pub fn kernel<F: ElementFunction, T: Number>(self) -> Kernel<T> {
        match self {
            Level::Portable => <F::Home as Loops>::portable::<F, T>,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => <F::Home as Loops>::avx2::<F, T>,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if F::LIGHT => <F::Home as Loops>::avx2::<F, T>,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => <F::Home as Loops>::avx512::<F, T>,
            #[cfg(target_arch = "aarch64")]
            Level::Neon => <F::Home as Loops>::neon::<F, T>,
        }
    }
}

impl Level {
    /// The loop of `F` over operands of a half format: converted, computed in float32 and rounded in
    /// registers.
    pub(crate) fn half_kernel<F: ElementFunction, H: Half>(self) -> Kernel<H> {
        match self {
            Level::Portable => <F::Home as Loops>::portable_half::<F, H>,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => <F::Home as Loops>::avx2_half::<F, H>,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => <F::Home as Loops>::avx512_half::<F, H>,
            #[cfg(target_arch = "aarch64")]
            Level::Neon => <F::Home as Loops>::neon_half::<F, H>,
        }
    }

    /// The same function for one element at a time: quick to call, slow for arrays.
    pub fn scalar_kernel<F: ElementFunction, T: Number>(self) -> Kernel<T> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 | Level::Avx512 => <F::Home as Loops>::scalar_fma::<F, T>,
            _ => <F::Home as Loops>::portable::<F, T>,
        }
    }
}

/// A function in float64, for a few points.
pub(crate) struct Precise {
    pub kernel: Kernel<f64>,
    pub inputs: usize,
    pub outputs: usize,
    pub argument: usize,
}

impl Precise {
    fn of<F: ElementFunction>(level: Level) -> Precise {
        let kernel = level.kernel::<F, f64>();
        Precise { kernel, inputs: F::INPUTS, outputs: F::OUTPUTS, argument: F::ARGUMENT }
    }

    /// The results at the first `count` points, `points` holding their operands.
    pub fn results<const N: usize>(
        &self,
        points: &[[f64; N]; MAX_INPUTS],
        count: usize,
    ) -> [[f64; N]; MAX_OUTPUTS] {
        assert!(count <= N);
        let mut results = [[0.0; N]; MAX_OUTPUTS];
        let inputs =
            points.each_ref().map(|operand| Input { pointer: operand.as_ptr(), repeated: false });
        let outputs = results.each_mut().map(|result| result.as_mut_ptr());
        // SAFETY: `count` elements of each operand; the level runs the loop that asks.
        unsafe { (self.kernel)(count, inputs.as_ptr(), outputs.as_ptr(), Stores::Cached) };
        results
    }
}

/// Work to be compiled for each instruction set: the loops around the kernels.
///
/// `run` is `#[inline(always)]`, and so is what it calls, or it is compiled for none.
pub trait Task {
    fn run<I: Instructions>(self);
}

/// What an instruction set has for a task beyond what the compiler finds by itself.
///
/// The slices have the same length.
pub trait Instructions {
    /// The level whose loops use them.
    const LEVEL: Level;

    #[inline(always)]
    fn widen(from: &[f16], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }
    /// Rounds to nearest, ties to even.
    #[inline(always)]
    fn narrow(from: &[f32], to: &mut [f16]) {
        to.convert_from_f32_slice(from);
    }

    /// Writes a block to memory, past the caches, where there is an instruction for it. Nobody else may
    /// read it before [`finish_stores`](Self::finish_stores).
    ///
    /// # Safety
    /// The target is writable, and begins and ends at a border of cache lines.
    #[inline(always)]
    unsafe fn store_past_caches<B>(target: *mut B, block: B) {
        // SAFETY: as the caller vouches.
        unsafe { target.write_unaligned(block) };
    }
    #[inline(always)]
    fn finish_stores() {}

    /// The numbers of a table, `T::TABLE_LENGTH` long, at the places in the lowest bits of the keys.
    #[inline(always)]
    fn look_up<T: Number, const N: usize>(table: &'static [T], keys: &[T; N]) -> [T; N] {
        keys.map(|key| table[key.low_bits() % T::TABLE_LENGTH])
    }
}

/// Those that are there always.
pub struct Always;
impl Instructions for Always {
    const LEVEL: Level = Level::Portable;
}

/// NEON, which needs no extra feature: the compiler finds the rest by itself.
#[cfg(target_arch = "aarch64")]
struct Neon;

#[cfg(target_arch = "aarch64")]
impl Instructions for Neon {
    const LEVEL: Level = Level::Neon;

    #[inline(always)]
    fn look_up<T: Number, const N: usize>(table: &'static [T], keys: &[T; N]) -> [T; N] {
        let size = size_of::<T>();
        if !size_of::<[T; N]>().is_multiple_of(16) {
            return Always::look_up(table, keys);
        }
        assert!(table.len() == T::TABLE_LENGTH);
        // For each byte of 16: the first one of its number, and which one of that it is.
        let mut first = [0_u8; 16];
        let mut which = [0_u8; 16];
        for byte in 0..16 {
            first[byte] = (byte - byte % size) as u8;
            which[byte] = (byte % size) as u8;
        }
        let mut found = [T::ZERO; N];
        // SAFETY: the table has 64 bytes, and keys and results are vectors of 16.
        unsafe {
            let table = vld1q_u8_x4(table.as_ptr().cast());
            let (first, which) = (vld1q_u8(first.as_ptr()), vld1q_u8(which.as_ptr()));
            let mask = vdupq_n_u8((T::TABLE_LENGTH - 1) as u8);
            let shift = vdupq_n_s8(size.ilog2() as i8);
            for vector in 0..size_of::<[T; N]>() / 16 {
                let key = vld1q_u8(keys.as_ptr().cast::<u8>().add(16 * vector));
                let place = vandq_u8(vqtbl1q_u8(key, first), mask);
                let byte = vaddq_u8(vshlq_u8(place, shift), which);
                vst1q_u8(found.as_mut_ptr().cast::<u8>().add(16 * vector), vqtbl4q_u8(table, byte));
            }
        }
        found
    }
}

/// The conversions of AVX-512 and of F16C, in line: the `half` crate has F16C's behind calls, eight
/// elements each, which take longer than a kernel.
#[cfg(target_arch = "x86_64")]
macro_rules! implement_instructions {
    ($name:ident, $lanes:literal, $half:ty, $widen:ident, $single:ty, $narrow:ident, $store:ident,
     $look_up:ident) => {
        struct $name;

        impl Instructions for $name {
            const LEVEL: Level = Level::$name;

            #[inline(always)]
            fn widen(from: &[f16], to: &mut [f32]) {
                let convert = |block: [f16; $lanes]| -> [f32; $lanes] {
                    // SAFETY: only the task compiled for this instruction set is given it; arrays of
                    // bits and vectors are the same.
                    unsafe { transmute($widen(transmute::<[f16; $lanes], $half>(block))) }
                };
                in_blocks(from, to, f16::ZERO, convert);
            }
            #[inline(always)]
            fn narrow(from: &[f32], to: &mut [f16]) {
                let convert = |block: [f32; $lanes]| -> [f16; $lanes] {
                    // SAFETY: as above.
                    unsafe {
                        let block = transmute::<[f32; $lanes], $single>(block);
                        transmute($narrow::<_MM_FROUND_TO_NEAREST_INT>(block))
                    }
                };
                in_blocks(from, to, 0.0, convert);
            }

            #[inline(always)]
            unsafe fn store_past_caches<B>(target: *mut B, block: B) {
                let vectors = size_of::<B>() / size_of::<$single>();
                let (from, to) = ((&raw const block).cast::<$single>(), target.cast::<$single>());
                // SAFETY: as the caller vouches; a block of whole cache lines is whole vectors.
                unsafe {
                    for vector in 0..vectors {
                        let value = from.add(vector).read_unaligned();
                        $store(to.add(vector).cast(), value);
                    }
                }
            }
            #[inline(always)]
            fn finish_stores() {
                // SAFETY: orders stores, and has no other effect.
                unsafe { _mm_sfence() };
            }

            #[inline(always)]
            fn look_up<T: Number, const N: usize>(table: &'static [T], keys: &[T; N]) -> [T; N] {
                let lanes = size_of::<$single>() / size_of::<T>();
                if N % lanes != 0 {
                    return Always::look_up(table, keys);
                }
                assert!(table.len() == T::TABLE_LENGTH);
                let mut found = [T::ZERO; N];
                for vector in 0..N / lanes {
                    // SAFETY: as above; vectors of `lanes` numbers, and 64 bytes of the table.
                    unsafe {
                        let key = keys.as_ptr().cast::<$single>().add(vector).read_unaligned();
                        let entry = $look_up::<T>(table.as_ptr().cast(), key);
                        found.as_mut_ptr().cast::<$single>().add(vector).write_unaligned(entry);
                    }
                }
                found
            }
        }
    };
}

/// The numbers at the places in the lowest bits of the keys, of 64 bytes of a table.
///
/// # Safety
/// The CPU has AVX-512, and the table is readable.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn look_up_512<T: Number>(table: *const __m512, keys: __m512) -> __m512 {
    // SAFETY: as the caller vouches; vectors of the same bits.
    unsafe {
        let table = table.read_unaligned();
        if T::TABLE_LENGTH == 16 {
            _mm512_permutexvar_ps(transmute::<__m512, __m512i>(keys), table)
        } else {
            let table = transmute::<__m512, __m512d>(table);
            let entries = _mm512_permutexvar_pd(transmute::<__m512, __m512i>(keys), table);
            transmute::<__m512d, __m512>(entries)
        }
    }
}

/// The same with AVX2: both halves of the table are asked.
///
/// # Safety
/// The CPU has AVX2, and 64 bytes of the table are readable.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn look_up_256<T: Number>(table: *const __m256, keys: __m256) -> __m256 {
    // SAFETY: as the caller vouches; vectors of the same bits.
    unsafe {
        let halves = [table.read_unaligned(), table.add(1).read_unaligned()];
        let keys = transmute::<__m256, __m256i>(keys);
        if T::TABLE_LENGTH == 16 {
            let [lower, upper] = halves;
            let lower_or_upper = _mm256_xor_ps(lower, upper);
            let low = _mm256_permutevar8x32_ps(lower, keys);
            let change = _mm256_permutevar8x32_ps(lower_or_upper, keys);
            let is_upper = _mm256_srai_epi32::<31>(_mm256_slli_epi32::<28>(keys));
            return _mm256_xor_ps(low, _mm256_and_ps(change, _mm256_castsi256_ps(is_upper)));
        }
        // The places 2k and 2k + 1 of the four pairs of single numbers that a half is; what is above
        // the lowest bits is ignored.
        let places = _mm256_shuffle_epi32::<0b10_10_00_00>(keys);
        let second = transmute::<[u32; 8], __m256i>([0, 1, 0, 1, 0, 1, 0, 1]);
        let pairs = _mm256_or_si256(_mm256_add_epi32(places, places), second);
        let [low, high] =
            halves.map(|half| _mm256_castps_pd(_mm256_permutevar8x32_ps(half, pairs)));
        let upper = _mm256_castsi256_pd(_mm256_slli_epi64::<61>(keys));
        transmute::<__m256d, __m256>(_mm256_blendv_pd(low, high, upper))
    }
}
#[cfg(target_arch = "x86_64")]
implement_instructions!(
    Avx2,
    8,
    __m128i,
    _mm256_cvtph_ps,
    __m256,
    _mm256_cvtps_ph,
    _mm256_stream_ps,
    look_up_256
);
#[cfg(target_arch = "x86_64")]
implement_instructions!(
    Avx512,
    16,
    __m256i,
    _mm512_cvtph_ps,
    __m512,
    _mm512_cvtps_ph,
    _mm512_stream_ps,
    look_up_512
);

/// The bits of bfloat16s as the upper halves of 32 bits: those at even places, then those at odd ones.
#[inline(always)]
pub(crate) fn split_pairs<const N: usize>(block: [bf16; N]) -> [u32; N] {
    const { assert!(N.is_multiple_of(2)) };
    let pairs = (&raw const block).cast::<u32>();
    let mut split = [0; N];
    for k in 0..N / 2 {
        // SAFETY: a pair of the block.
        let pair = unsafe { pairs.add(k).read_unaligned() };
        split[k] = pair << 16;
        split[N / 2 + k] = pair & 0xffff_0000;
    }
    split
}

/// The upper halves put together again.
#[inline(always)]
pub(crate) fn joined_pairs<const N: usize>(split: [u32; N]) -> [bf16; N] {
    const { assert!(N.is_multiple_of(2)) };
    let mut block = [bf16::ZERO; N];
    let pairs = (&raw mut block).cast::<u32>();
    for k in 0..N / 2 {
        let pair = split[k] >> 16 | split[N / 2 + k] & 0xffff_0000;
        // SAFETY: a pair of the block.
        unsafe { pairs.add(k).write_unaligned(pair) };
    }
    block
}

/// Converts blocks, and what is left after them in one that is filled up.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn in_blocks<A: Copy, B: Copy, const LANES: usize>(
    from: &[A],
    to: &mut [B],
    filling: A,
    convert: impl Fn([A; LANES]) -> [B; LANES],
) {
    let (blocks, rest) = from.as_chunks::<LANES>();
    let (converted, last) = to.as_chunks_mut::<LANES>();
    // By index: the compiler does not always see through a zip.
    for k in 0..blocks.len().min(converted.len()) {
        converted[k] = convert(blocks[k]);
    }
    if !rest.is_empty() {
        let mut block = [filling; LANES];
        block[..rest.len()].copy_from_slice(rest);
        last.copy_from_slice(&convert(block)[..rest.len()]);
    }
}

impl Level {
    /// Does the work with the level's instructions.
    #[inline]
    pub fn run(self, task: impl Task) {
        debug_assert!(self.is_available());
        match self {
            // SAFETY: a level is chosen only where the CPU has its instructions.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { task_avx2(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { task_avx512(task) },
            _ => task.run::<Always>(),
        }
    }
}

/// # Safety
/// The CPU has the instructions of [`Level::Avx2`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn task_avx2(task: impl Task) {
    task.run::<Avx2>();
}

/// # Safety
/// The CPU has the instructions of [`Level::Avx512`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]
unsafe fn task_avx512(task: impl Task) {
    task.run::<Avx512>();
}

impl FromStr for Level {
    type Err = String;

    fn from_str(name: &str) -> Result<Level, String> {
        let listed = |levels: &mut dyn Iterator<Item = Level>| {
            levels.map(Level::name).collect::<Vec<_>>().join(", ")
        };
        match Level::ALL.iter().copied().find(|level| level.name() == name) {
            None => Err(format!(
                "{name:?} is not an instruction set of this architecture; choose from {}",
                listed(&mut Level::ALL.iter().copied())
            )),
            Some(level) if !level.is_available() => Err(format!(
                "this CPU does not have {name}; choose from {}",
                listed(&mut Level::available())
            )),
            Some(level) => Ok(level),
        }
    }
}

// Elements in a block: enough vectors in flight to hide latencies, few enough for the registers.
// `.cargo/config.toml` has the compiler interleave up to four vectors.
#[cfg(target_arch = "x86_64")]
const AVX512_SINGLE_BLOCK: usize = 64;
#[cfg(target_arch = "x86_64")]
const AVX512_DOUBLE_BLOCK: usize = 32;
#[cfg(target_arch = "x86_64")]
const AVX2_BLOCK: usize = 16;
#[cfg(target_arch = "x86_64")]
const AVX2_LIGHT_BLOCK: usize = 32;

/// Bytes that stores should not cross the border of: one that does takes two turns.
pub(crate) const CACHE_LINE: usize = 64;

/// How far ahead of where a loop is its operands' cache lines are fetched, in bytes. What a processor
/// does by itself ends at each page of 4096 bytes and is late for short kernels: out of the second
/// cache this saves a sixth of the time of the lightest with two inputs, out of the third and the
/// memory a tenth to a third of that of kernels up to the length of silu's gradient. Results are
/// fetched too, since their lines are read before they are written.
const AHEAD: usize = 2048;

/// The same for the inputs of calls whose results go past the caches: they come from memory, which takes
/// longer. Relu's derivative goes from 0.7 of the speed of a copy to the whole, that of tanh from 0.63
/// to 0.75 (10^7 elements, two cores).
const FAR_AHEAD: usize = 8192;

/// Fetches the cache lines `ahead` of as many bytes.
#[inline(always)]
fn prefetch_block<T>(place: *const T, bytes: usize, ahead: usize) {
    for line in (0..bytes).step_by(CACHE_LINE) {
        prefetch(place.wrapping_byte_add(ahead + line));
    }
}

/// Fetches the cache lines ahead of as many bytes.
#[inline(always)]
pub(crate) fn prefetch_ahead<T>(place: *const T, bytes: usize) {
    prefetch_block(place, bytes, AHEAD);
}

/// Has a cache line fetched; the address need not be one.
#[inline(always)]
pub fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 CPU has SSE, and a prefetch reads nothing.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
const PORTABLE_BLOCK: usize = 8;

/// Whether the portable loops have fused operations of their own. On x86-64 each is a call, beside which
/// the loop takes no time, and all of a block are much code.
const FUSED_IN_LINE: bool = cfg!(not(target_arch = "x86_64"));
const BLOCK_OF_CALLS: usize = 2;

// Elements of half formats in a block.
#[cfg(target_arch = "x86_64")]
const AVX512_HALF_BLOCK: usize = 64;
#[cfg(target_arch = "x86_64")]
const AVX2_HALF_BLOCK: usize = 32;
const PORTABLE_HALF_BLOCK: usize = 16;

/// The loops of every function, compiled for each level.
///
/// They are methods of a type of the function's module, though nothing in them is, because the compiler
/// makes one unit of all that it instantiates for types of one module, and translates units in parallel.
trait Loops {
    /// # Safety
    /// As [`Kernel`].
    unsafe fn portable<F: ElementFunction, T: Number>(
        count: usize,
        inputs: *const Input<T>,
        outputs: *const *mut T,
        stores: Stores,
    ) {
        // SAFETY: passed on from the caller.
        unsafe {
            if F::LIGHT || FUSED_IN_LINE {
                run::<F, T, T, Always, PORTABLE_BLOCK>(count, inputs, outputs, stores)
            } else {
                run::<F, T, T, Always, BLOCK_OF_CALLS>(count, inputs, outputs, stores)
            }
        }
    }

    /// # Safety
    /// As [`Kernel`].
    #[cfg(target_arch = "aarch64")]
    unsafe fn neon<F: ElementFunction, T: Number>(
        count: usize,
        inputs: *const Input<T>,
        outputs: *const *mut T,
        stores: Stores,
    ) {
        // SAFETY: passed on from the caller.
        unsafe { run::<F, T, T, Neon, PORTABLE_BLOCK>(count, inputs, outputs, stores) }
    }

    /// # Safety
    /// As [`Kernel`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<F: ElementFunction, T: Number>(
        count: usize,
        inputs: *const Input<T>,
        outputs: *const *mut T,
        stores: Stores,
    ) {
        // SAFETY: passed on from the caller.
        unsafe {
            if F::LIGHT {
                run::<F, T, T, Avx2, AVX2_LIGHT_BLOCK>(count, inputs, outputs, stores)
            } else {
                run::<F, T, T, Avx2, AVX2_BLOCK>(count, inputs, outputs, stores)
            }
        }
    }

    /// # Safety
    /// As [`Kernel`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
    unsafe fn avx512<F: ElementFunction, T: Number>(
        count: usize,
        inputs: *const Input<T>,
        outputs: *const *mut T,
        stores: Stores,
    ) {
        // SAFETY: passed on from the caller.
        unsafe {
            if size_of::<T>() == size_of::<f32>() {
                run::<F, T, T, Avx512, AVX512_SINGLE_BLOCK>(count, inputs, outputs, stores)
            } else {
                run::<F, T, T, Avx512, AVX512_DOUBLE_BLOCK>(count, inputs, outputs, stores)
            }
        }
    }

    /// # Safety
    /// As [`Kernel`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn scalar_fma<F: ElementFunction, T: Number>(
        count: usize,
        inputs: *const Input<T>,
        outputs: *const *mut T,
        stores: Stores,
    ) {
        // SAFETY: passed on from the caller.
        unsafe { run::<F, T, T, Always, 1>(count, inputs, outputs, stores) }
    }

    /// # Safety
    /// As [`Kernel`].
    unsafe fn portable_half<F: ElementFunction, H: Half>(
        count: usize,
        inputs: *const Input<H>,
        outputs: *const *mut H,
        stores: Stores,
    ) {
        // SAFETY: passed on from the caller.
        unsafe {
            if F::LIGHT || FUSED_IN_LINE {
                run::<F, H, f32, Always, PORTABLE_HALF_BLOCK>(count, inputs, outputs, stores)
            } else {
                run::<F, H, f32, Always, BLOCK_OF_CALLS>(count, inputs, outputs, stores)
            }
        }
    }

    /// # Safety
    /// As [`Kernel`].
    #[cfg(target_arch = "aarch64")]
    unsafe fn neon_half<F: ElementFunction, H: Half>(
        count: usize,
        inputs: *const Input<H>,
        outputs: *const *mut H,
        stores: Stores,
    ) {
        // SAFETY: passed on from the caller.
        unsafe { run::<F, H, f32, Neon, PORTABLE_HALF_BLOCK>(count, inputs, outputs, stores) }
    }

    /// # Safety
    /// As [`Kernel`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn avx2_half<F: ElementFunction, H: Half>(
        count: usize,
        inputs: *const Input<H>,
        outputs: *const *mut H,
        stores: Stores,
    ) {
        // SAFETY: passed on from the caller.
        unsafe { run::<F, H, f32, Avx2, AVX2_HALF_BLOCK>(count, inputs, outputs, stores) }
    }

    /// # Safety
    /// As [`Kernel`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]
    unsafe fn avx512_half<F: ElementFunction, H: Half>(
        count: usize,
        inputs: *const Input<H>,
        outputs: *const *mut H,
        stores: Stores,
    ) {
        // SAFETY: passed on from the caller.
        unsafe { run::<F, H, f32, Avx512, AVX512_HALF_BLOCK>(count, inputs, outputs, stores) }
    }
}

impl<H: 'static> Loops for H {}

/// Elements of a call whose rounding float32 leaves open. They are computed in float64 when there are
/// enough for a kernel, and at the end.
struct OpenElements<E> {
    count: usize,
    elements: [MaybeUninit<OpenElement<E>>; SETTLED_TOGETHER + MOST_IN_A_BLOCK],
}

/// What is computed again: the operands, since the results may take their place, and where the results
/// are.
#[derive(Clone, Copy)]
struct OpenElement<E> {
    operands: [E; MAX_INPUTS],
    places: [*mut E; MAX_OUTPUTS],
}

const MOST_IN_A_BLOCK: usize = 64;

impl<E: Copy> OpenElements<E> {
    #[inline(always)]
    fn new() -> Self {
        let elements = [const { MaybeUninit::uninit() }; SETTLED_TOGETHER + MOST_IN_A_BLOCK];
        OpenElements { count: 0, elements }
    }

    /// Notes the marked elements of a block, those whose mark is not 0.
    ///
    /// # Safety
    /// The pointers are to a block of each of the function's operands and results; the results of what
    /// was noted before are written, and no operand further on in the call is in their places.
    #[cold]
    #[inline(never)]
    unsafe fn note<T: Copy>(
        &mut self,
        function: &Precise,
        marks: &[E],
        operands: &[*const E; MAX_INPUTS],
        results: &[*mut E; MAX_OUTPUTS],
    ) where
        E: Element<T>,
    {
        debug_assert!(size_of::<E>() == size_of::<u16>() && marks.len() <= MOST_IN_A_BLOCK);
        if self.count > SETTLED_TOGETHER {
            // SAFETY: passed on.
            unsafe { self.settle::<T>(function) };
        }
        // SAFETY: only loops over half formats come here.
        let marks =
            unsafe { core::slice::from_raw_parts(marks.as_ptr().cast::<u16>(), marks.len()) };
        // Few are: four at a time are looked at.
        for (group, marks) in marks.chunks(4).enumerate() {
            if marks.iter().fold(0, |any, mark| any | mark) == 0 {
                continue;
            }
            let marked = (0..marks.len()).filter(|&lane| marks[lane] != 0);
            for lane in marked.map(|lane| 4 * group + lane) {
                let mut element = OpenElement {
                    operands: [E::ONE; MAX_INPUTS],
                    places: [null_mut(); MAX_OUTPUTS],
                };
                for (to, from) in element.operands.iter_mut().zip(operands).take(function.inputs) {
                    // SAFETY: an element of the block.
                    *to = unsafe { *from.add(lane) };
                }
                for (to, from) in element.places.iter_mut().zip(results).take(function.outputs) {
                    *to = from.wrapping_add(lane);
                }
                self.elements[self.count].write(element);
                self.count += 1;
            }
        }
    }

    /// Computes the noted elements in float64 and writes them over what is there.
    ///
    /// # Safety
    /// As [`note`](Self::note).
    #[cold]
    #[inline(never)]
    unsafe fn settle<T: Copy>(&mut self, function: &Precise)
    where
        E: Element<T>,
    {
        for batch in self.elements[..self.count].chunks(SETTLED_TOGETHER) {
            let mut points = [[E::ONE; MAX_INPUTS]; SETTLED_TOGETHER];
            for (point, element) in points.iter_mut().zip(batch) {
                // SAFETY: noted.
                *point = unsafe { element.assume_init() }.operands;
            }
            let results = E::settled(function, &points[..batch.len()]);
            for (element, results) in batch.iter().zip(results) {
                // SAFETY: noted, and the place of an output.
                let places = unsafe { element.assume_init() }.places;
                for (place, result) in places.into_iter().zip(results).take(function.outputs) {
                    // SAFETY: as above.
                    unsafe { *place = result };
                }
            }
        }
        self.count = 0;
    }
}

/// The loop: reads a block of every input, computes it, writes a block of every output.
///
/// Blocks are copied to local arrays first, so the compiler need not ask whether operands overlap,
/// and an output that is an input, or lies before one, is right. The last block, when the count is
/// no multiple, ends at the end and overlaps the one before: it is read first, while no output is
/// written, and written last. Fewer elements than a block go through a padded copy.
///
/// # Safety
/// As [`Kernel`].
#[inline(always)]
unsafe fn run<F: ElementFunction, E: Element<T>, T: Number, I: Instructions, const BLOCK: usize>(
    count: usize,
    inputs: *const Input<E>,
    outputs: *const *mut E,
    stores: Stores,
) {
    if count == 0 {
        return;
    }
    // SAFETY: passed on from the caller, like what is read here.
    unsafe {
        let repeated = |k: usize| (*inputs.add(k)).repeated;
        if F::INPUTS > F::ARGUMENT + 1 && (F::ARGUMENT + 1..F::INPUTS).all(repeated) {
            run_blocks::<F, E, T, I, BLOCK, true>(count, inputs, outputs, stores);
        } else {
            run_blocks::<F, E, T, I, BLOCK, false>(count, inputs, outputs, stores);
        }
    }
}

/// What a function looks up for a block: the compiler does not find the instructions for it.
#[inline(always)]
fn look_up_all<F: ElementFunction, T: Number, I: Instructions, const BLOCK: usize>(
    keys: &[T; BLOCK],
) -> [[T; BLOCK]; MAX_TABLES] {
    let mut entries = [[T::ZERO; BLOCK]; MAX_TABLES];
    for (entries, table) in entries.iter_mut().zip(F::tables::<T>()).take(F::TABLES) {
        *entries = I::look_up(table, keys);
    }
    entries
}

/// The results at an ordinary element, given what was looked up.
#[inline(always)]
fn ordinary_at<F: ElementFunction, T: Number, const BLOCK: usize>(
    point: [T; MAX_INPUTS],
    lane: usize,
    keys: &[T; BLOCK],
    entries: &[[T; BLOCK]; MAX_TABLES],
) -> [T; MAX_OUTPUTS] {
    if F::TABLES == 0 {
        return F::ordinary(point);
    }
    let mut found = [T::ZERO; MAX_TABLES];
    for (found, entries) in found.iter_mut().zip(entries).take(F::TABLES) {
        *found = entries[lane];
    }
    F::tabled(point, keys[lane], found)
}

/// [`run`]; with `FIXED` every parameter is one number, which stays in a register.
///
/// # Safety
/// As [`Kernel`], with at least one element, and parameters as `FIXED` says.
#[inline(always)]
unsafe fn run_blocks<
    F: ElementFunction,
    E: Element<T>,
    T: Number,
    I: Instructions,
    const BLOCK: usize,
    const FIXED: bool,
>(
    count: usize,
    inputs: *const Input<E>,
    outputs: *const *mut E,
    stores: Stores,
) {
    let is_fixed = |k: usize| FIXED && k > F::ARGUMENT;
    let mut fixed = [T::ZERO; MAX_INPUTS];
    let mut filled = [const { MaybeUninit::<[E; BLOCK]>::uninit() }; MAX_INPUTS];
    let mut padded_outputs = [const { MaybeUninit::<[E; BLOCK]>::uninit() }; MAX_OUTPUTS];
    let mut sources = [null::<E>(); MAX_INPUTS];
    // What of an offset counts for an operand: nothing, where one element stands for all.
    let mut moving = [0_usize; MAX_INPUTS];
    let mut targets = [null_mut(); MAX_OUTPUTS];
    // SAFETY: the caller vouches for INPUTS operands and OUTPUTS results of `count` elements.
    unsafe {
        for k in 0..F::INPUTS {
            let Input { pointer, repeated } = *inputs.add(k);
            if is_fixed(k) {
                fixed[k] = (*pointer).widened();
                // Half formats have it among the operands of what is settled.
                if E::NATIVE {
                    continue;
                }
            }
            sources[k] = pointer;
            moving[k] = if repeated { 0 } else { usize::MAX };
            if repeated {
                sources[k] = filled[k].write([*pointer; BLOCK]).as_ptr();
            } else if count < BLOCK {
                let padded = filled[k].write([E::ONE; BLOCK]).as_mut_ptr();
                pointer.copy_to_nonoverlapping(padded, count);
                sources[k] = padded;
            }
        }
        for k in 0..F::OUTPUTS {
            targets[k] = if count < BLOCK {
                padded_outputs[k].as_mut_ptr().cast::<E>()
            } else {
                *outputs.add(k)
            };
        }
    }

    let length = count.max(BLOCK);
    let overlapping = !length.is_multiple_of(BLOCK);
    let mut last = [const { MaybeUninit::<[E; BLOCK]>::uninit() }; MAX_OUTPUTS];
    // The overlapping block comes first, and its results wait in `last`; the others follow in order.
    let (mut offset, mut next) = if overlapping { (length - BLOCK, 0) } else { (0, BLOCK) };
    let mut now = targets;
    // A block that goes elsewhere first is cached.
    let mut past_caches = stores == Stores::PastCaches && count >= BLOCK && !overlapping;
    if overlapping {
        for k in 0..F::OUTPUTS {
            now[k] = last[k].as_mut_ptr().cast::<E>().wrapping_sub(offset);
        }
    }
    // A number and no jump: the compiler would make a second loop, and scalar code of some.
    let ahead = if stores == Stores::PastCaches { FAR_AHEAD } else { AHEAD };
    let settles = !E::NATIVE && !F::NEVER_OPEN;
    let precise = Precise::of::<F>(I::LEVEL);
    let mut noted = OpenElements::new();
    loop {
        let mut operands = [[T::ZERO; BLOCK]; MAX_INPUTS];
        for k in 0..F::INPUTS {
            if is_fixed(k) {
                continue;
            }
            let source = sources[k].wrapping_add(offset & moving[k]);
            prefetch_block(source, size_of::<[E; BLOCK]>(), ahead);
            // SAFETY: `offset + BLOCK <= length`, and sources hold `length` elements, or a block.
            let block = unsafe { source.cast::<[E; BLOCK]>().read_unaligned() };
            operands[k] = E::widen_block::<I, BLOCK>(block);
        }

        let point = |lane: usize| {
            let mut point = [T::ZERO; MAX_INPUTS];
            for k in 0..F::INPUTS {
                point[k] = if is_fixed(k) { fixed[k] } else { operands[k][lane] };
            }
            point
        };
        let mut results = [[T::ZERO; BLOCK]; MAX_OUTPUTS];
        let mut put = |lane: usize, values: [T; MAX_OUTPUTS]| {
            for k in 0..F::OUTPUTS {
                results[k][lane] = values[k];
            }
        };
        let mut keys = [T::ZERO; BLOCK];
        let (mut all_ordinary, mut any_ordinary) = (F::HAS_ORDINARY, false);
        if F::HAS_ORDINARY {
            for (lane, key) in keys.iter_mut().enumerate() {
                let is_ordinary = F::is_ordinary(point(lane));
                all_ordinary &= is_ordinary;
                any_ordinary |= is_ordinary;
                if F::TABLES > 0 {
                    *key = F::key(point(lane));
                }
            }
        }
        if all_ordinary {
            let entries = look_up_all::<F, T, I, BLOCK>(&keys);
            for lane in 0..BLOCK {
                put(lane, ordinary_at::<F, T, BLOCK>(point(lane), lane, &keys, &entries));
            }
        } else if !E::NATIVE && F::INPUTS == F::ARGUMENT + 1 {
            // Rounded to a half format, the results are the same either way; not so for parameters
            // that nothing is promised of.
            for lane in 0..BLOCK {
                put(lane, F::apply_odd(point(lane)));
            }
        } else if !any_ordinary {
            for lane in 0..BLOCK {
                put(lane, F::apply(point(lane)));
            }
        } else {
            // Which lanes share a block must not matter: each is asked by itself.
            let entries = look_up_all::<F, T, I, BLOCK>(&keys);
            for lane in 0..BLOCK {
                let mut values = F::apply(point(lane));
                if F::HAS_ORDINARY {
                    let is_ordinary = F::is_ordinary(point(lane));
                    let ordinary = ordinary_at::<F, T, BLOCK>(point(lane), lane, &keys, &entries);
                    for k in 0..F::OUTPUTS {
                        values[k] = T::select(is_ordinary, ordinary[k], values[k]);
                    }
                }
                put(lane, values);
            }
        }

        let mut rounded = [[E::ZERO; BLOCK]; MAX_OUTPUTS];
        for k in 0..F::OUTPUTS {
            rounded[k] = if settles && !F::ODD {
                E::narrow_block_without_ties::<I, BLOCK>(results[k])
            } else {
                E::narrow_block::<I, BLOCK>(results[k])
            };
        }
        if settles {
            let mut any_open = false;
            for results in &results[..F::OUTPUTS] {
                for &result in results {
                    any_open |=
                        if F::ODD { E::is_tiny(result) } else { E::may_be_open(result, F::MARGIN) };
                }
            }
            if any_open {
                any_open = false;
                let mut marks = [T::ZERO; BLOCK];
                for results in &results[..F::OUTPUTS] {
                    for (mark, &result) in marks.iter_mut().zip(results) {
                        let is_open =
                            if F::ODD { E::is_tiny(result) } else { E::is_open(result, F::MARGIN) };
                        *mark = T::select(is_open, T::ONE, *mark);
                        any_open |= is_open;
                    }
                }
                if any_open {
                    let marks = E::narrow_block::<I, BLOCK>(marks);
                    let mut operands = sources;
                    for (source, moving) in operands.iter_mut().zip(moving) {
                        *source = source.wrapping_add(offset & moving);
                    }
                    let places = now.map(|target| target.wrapping_add(offset));
                    // SAFETY: a block of each operand, and of each result, which is written next.
                    unsafe { noted.note::<T>(&precise, &marks, &operands, &places) };
                }
            }
        }

        for k in 0..F::OUTPUTS {
            let target = now[k].wrapping_add(offset).cast::<[E; BLOCK]>();
            // SAFETY: as for the operands; targets hold `length` elements.
            unsafe {
                if past_caches {
                    I::store_past_caches(target, rounded[k]);
                } else {
                    prefetch_ahead(target, size_of::<[E; BLOCK]>());
                    target.write_unaligned(rounded[k]);
                }
            }
        }
        now = targets;
        past_caches = stores == Stores::PastCaches;
        if next > length - BLOCK {
            break;
        }
        offset = next;
        next += BLOCK;
    }

    if settles && noted.count > 0 {
        // SAFETY: all that is noted is written.
        unsafe { noted.settle::<T>(&precise) };
    }
    for k in 0..F::OUTPUTS {
        // SAFETY: as above; `last` is written where there is an overlapping block, and the padded
        // results where there is less than a block.
        unsafe {
            if overlapping {
                let target = targets[k].add(length - BLOCK);
                target.cast::<[E; BLOCK]>().write_unaligned(last[k].assume_init());
            }
            if count < BLOCK {
                targets[k].copy_to_nonoverlapping(*outputs.add(k), count);
            }
        }
    }
    if stores == Stores::PastCaches {
        I::finish_stores();
    }
}
