//! From strided operands of any supported storage format to the kernels, and back.
//!
//! Contiguous operands in a kernel's own precision go straight to it. Everything else (strided,
//! half-precision, widened) passes through a small buffer on the stack, a chunk at a time, so there
//! is one kernel for each function and precision. Large calls are split over threads where the
//! operands allow it.

use core::marker::PhantomData;
use core::mem::{MaybeUninit, size_of};
use core::ops::Range;
use core::ptr::{null, null_mut};

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::float_status::FloatStatus;
use crate::math::Number;
use crate::simd::{Input, Kernel, Level, MAX_INPUTS, MAX_OUTPUTS, Task};
use crate::threads;

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

/// The loops of one function at the chosen instruction set.
#[derive(Clone, Copy)]
pub struct Kernels {
    pub inputs: usize,
    pub outputs: usize,
    /// The operand the results are not linear in, but for parameters.
    pub argument: usize,
    /// The instruction set the loops are compiled for.
    pub level: Level,
    /// `None` where float32 operands are computed in float64 and rounded once.
    pub single: Option<Kernel<f32>>,
    pub double: Kernel<f64>,
    /// Elements one thread works through in about the time starting a thread takes.
    pub grain: usize,
}

/// A strided operand.
#[derive(Clone, Copy, Debug)]
pub struct Operand {
    pub pointer: *mut u8,
    /// Bytes from one element to the next; 0 repeats the first.
    pub stride: isize,
}

impl Operand {
    fn at(self, index: usize) -> *mut u8 {
        self.pointer.wrapping_offset(self.stride * index as isize)
    }

    fn advanced(self, index: usize) -> Operand {
        Operand { pointer: self.at(index), ..self }
    }

    /// The first and one past the last address of `count` elements.
    fn span(self, count: usize, item_size: usize) -> (usize, usize) {
        let (first, last) = (self.pointer as usize, self.at(count - 1) as usize);
        (first.min(last), first.max(last) + item_size)
    }
}

/// How the elements of a call may be grouped without changing what it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grouping {
    /// Any order: every output is apart from every input, or is one.
    Independent,
    /// Chunks in order: an output trails an input, so each chunk must be read before it is written.
    Ordered,
    /// One element at a time: an element's input may be another element's output.
    Single,
}

fn grouping(inputs: &[Operand], outputs: &[Operand], count: usize, item_size: usize) -> Grouping {
    let mut result = Grouping::Independent;
    for output in outputs {
        let (start, end) = output.span(count, item_size);
        for input in inputs {
            let same = input.pointer == output.pointer && input.stride == output.stride;
            if same && input.stride != 0 {
                continue;
            }
            let (input_start, input_end) = input.span(count, item_size);
            if end <= input_start || input_end <= start {
                continue;
            }
            let trails = input.stride == output.stride
                && input.stride > 0
                && (output.pointer as usize) < input.pointer as usize;
            if !trails {
                return Grouping::Single;
            }
            result = Grouping::Ordered;
        }
    }
    result
}

/// Operands that may cross to another thread: [`compute`] hands each thread its own elements.
struct Shared<T>(T);
// SAFETY: the pointers inside are used on elements no other thread touches (`Independent`).
unsafe impl<T> Sync for Shared<T> {}

/// Computes `count` elements.
///
/// The caller's floating-point status is the same after the call, and its rounding and
/// flush-to-zero settings have no influence.
///
/// # Safety
/// `operands` holds the inputs, then the outputs, of `kernels`, each with `count` elements of
/// `storage` at its stride, aligned to the item size; no other thread writes them during the call.
pub unsafe fn compute(kernels: &Kernels, storage: Storage, operands: &[Operand], count: usize) {
    if count == 0 {
        return;
    }
    let _status = FloatStatus::isolate();
    let (inputs, outputs) = operands.split_at(kernels.inputs);
    let grouping = grouping(inputs, outputs, count, storage.item_size());
    let threads = match grouping {
        Grouping::Independent => threads::count_for(count / kernels.grain),
        _ => 1,
    };
    if threads > 1 {
        let shared = Shared((inputs, outputs));
        threads::split(count, threads, kernels.grain, |start, length| {
            let Shared((inputs, outputs)) = &shared;
            // SAFETY: passed on from the caller, for elements start .. start + length only.
            unsafe { compute_range(kernels, storage, inputs, outputs, start, length) };
        });
    } else {
        let step = if grouping == Grouping::Single { 1 } else { count };
        let mut start = 0;
        while start < count {
            // SAFETY: passed on from the caller.
            unsafe { compute_range(kernels, storage, inputs, outputs, start, step) };
            start += step;
        }
    }
}

/// # Safety
/// As [`compute`], for the elements `start .. start + length`, in an isolated floating-point status
/// and with every output apart from the inputs, or one of them.
pub(crate) unsafe fn compute_range(
    kernels: &Kernels,
    storage: Storage,
    inputs: &[Operand],
    outputs: &[Operand],
    start: usize,
    length: usize,
) {
    // SAFETY: passed on from the caller; each arm pairs a storage with its buffer type.
    unsafe {
        match (storage, kernels.single) {
            (Storage::Float32, Some(kernel)) => {
                run::<f32, f32>(kernels, kernel, inputs, outputs, start, length)
            }
            (Storage::Float32, None) => {
                run::<f32, f64>(kernels, kernels.double, inputs, outputs, start, length)
            }
            (Storage::Float64, _) => {
                run::<f64, f64>(kernels, kernels.double, inputs, outputs, start, length)
            }
            // Half formats: in float32 where a kernel for it exists, and again in float64 where
            // that leaves the rounding open.
            (Storage::Float16, _) => {
                run_half::<f16>(kernels, inputs, outputs, start..start + length)
            }
            (Storage::Bfloat16, _) => {
                run_half::<bf16>(kernels, inputs, outputs, start..start + length)
            }
        }
    }
}

/// Elements in the block buffer: seven of them in float64 take half of a 32 KiB cache.
const CHUNK: usize = 256;

/// An element type as stored, computed with in the precision `T`.
pub(crate) trait Element<T: Number>: Copy + 'static {
    /// The kernel reads and writes this type itself.
    const NATIVE: bool;
    const ZERO: Self;
    fn widen(from: &[Self], to: &mut [T]);
    /// Rounds each number once, to nearest, ties to even.
    fn narrow(from: &[T], to: &mut [Self]);
}

impl<T: Number> Element<T> for T {
    const NATIVE: bool = true;
    const ZERO: T = <T as crate::math::real::Real>::ZERO;
    fn widen(from: &[T], to: &mut [T]) {
        to.copy_from_slice(from);
    }
    fn narrow(from: &[T], to: &mut [T]) {
        to.copy_from_slice(from);
    }
}

impl Element<f64> for f32 {
    const NATIVE: bool = false;
    const ZERO: f32 = 0.0;
    #[inline(always)]
    fn widen(from: &[f32], to: &mut [f64]) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = f64::from(from);
        }
    }
    #[inline(always)]
    fn narrow(from: &[f64], to: &mut [f32]) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = from as f32;
        }
    }
}

/// A 16-bit format.
trait Half: Element<f64> + Element<f32> {
    const ZERO: Self;
    fn to_bits(self) -> u16;
}

macro_rules! implement_half {
    ($half:ident) => {
        impl Half for $half {
            const ZERO: $half = $half::ZERO;
            #[inline(always)]
            fn to_bits(self) -> u16 {
                self.to_bits()
            }
        }
        impl Element<f32> for $half {
            const NATIVE: bool = false;
            const ZERO: $half = $half::ZERO;
            #[inline(always)]
            fn widen(from: &[$half], to: &mut [f32]) {
                from.convert_to_f32_slice(to);
            }
            #[inline(always)]
            fn narrow(from: &[f32], to: &mut [$half]) {
                to.convert_from_f32_slice(from);
            }
        }
        impl Element<f64> for $half {
            const NATIVE: bool = false;
            const ZERO: $half = $half::ZERO;
            #[inline(always)]
            fn widen(from: &[$half], to: &mut [f64]) {
                let mut single = [0.0_f32; CHUNK];
                let single = &mut single[..from.len()];
                from.convert_to_f32_slice(single);
                <f32 as Element<f64>>::widen(single, to);
            }
            #[inline(always)]
            fn narrow(from: &[f64], to: &mut [$half]) {
                let mut single = [0.0_f32; CHUNK];
                let single = &mut single[..from.len()];
                for (to, &from) in single.iter_mut().zip(from) {
                    *to = round_to_odd(from);
                }
                to.convert_from_f32_slice(single);
            }
        }
    };
}
implement_half!(f16);
implement_half!(bf16);

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

/// Bytes that stores should not cross the border of: one that does takes two turns.
const CACHE_LINE: usize = 64;

/// Elements from which a call of its own for those before the first border pays: it is a padded
/// block, and aligned stores save up to a seventh of the time of the cheapest kernels.
const ALIGNED_FROM: usize = 4096;

/// Runs a kernel of precision `T` over operands stored as `E`: directly where it can read and write
/// them itself, else through the buffer.
///
/// # Safety
/// As [`compute`], with `E` the storage, for the elements `start .. start + count`.
#[inline]
unsafe fn run<E: Element<T>, T: Number>(
    kernels: &Kernels,
    kernel: Kernel<T>,
    inputs: &[Operand],
    outputs: &[Operand],
    start: usize,
    count: usize,
) {
    let size = size_of::<E>() as isize;
    let contiguous = |operand: &Operand| operand.stride == size || count == 1;
    let direct = E::NATIVE
        && outputs.iter().all(contiguous)
        && inputs.iter().all(|input| contiguous(input) || input.stride == 0);
    if !direct {
        let range = start..start + count;
        let stored = PhantomData;
        kernels.level.run(BufferedTask::<E, T> { kernel, inputs, outputs, range, stored });
        return;
    }
    let mut kernel_inputs = [Input::<T> { pointer: null(), repeated: false }; MAX_INPUTS];
    let mut kernel_outputs = [null_mut::<T>(); MAX_OUTPUTS];
    for (to, from) in kernel_inputs.iter_mut().zip(inputs) {
        *to = Input { pointer: from.at(start).cast(), repeated: from.stride == 0 };
    }
    for (to, from) in kernel_outputs.iter_mut().zip(outputs) {
        *to = from.at(start).cast();
    }
    let head = if count < ALIGNED_FROM { 0 } else { kernel_outputs[0].align_offset(CACHE_LINE) };
    let head = head.min(count);
    // SAFETY: the operands are contiguous, or repeated, elements of T; `head` of them come first.
    unsafe {
        if head > 0 {
            kernel(head, kernel_inputs.as_ptr(), kernel_outputs.as_ptr());
            for input in kernel_inputs.iter_mut().filter(|input| !input.repeated) {
                input.pointer = input.pointer.wrapping_add(head);
            }
            for output in &mut kernel_outputs {
                *output = output.wrapping_add(head);
            }
        }
        kernel(count - head, kernel_inputs.as_ptr(), kernel_outputs.as_ptr());
    }
}

/// A call whose operands pass through the buffer. Made only where [`run`]'s contract holds.
struct BufferedTask<'a, E, T> {
    kernel: Kernel<T>,
    inputs: &'a [Operand],
    outputs: &'a [Operand],
    range: Range<usize>,
    stored: PhantomData<E>,
}

impl<E: Element<T>, T: Number> Task for BufferedTask<'_, E, T> {
    #[inline(always)]
    fn run(self) {
        let mut buffers = Buffers::<T>::new();
        let (kernel_inputs, kernel_outputs) = buffers.operands(self.inputs);
        let mut start = self.range.start;
        while start < self.range.end {
            let length = (self.range.end - start).min(CHUNK);
            // SAFETY: `length` elements of every operand are accessible, one where it is repeated,
            // and the buffers hold CHUNK.
            unsafe {
                for (input, buffer) in self.inputs.iter().zip(&kernel_inputs) {
                    let needed = if buffer.repeated { 1 } else { length };
                    load::<E, T>(input.advanced(start), buffer.pointer.cast_mut(), needed);
                }
                (self.kernel)(length, kernel_inputs.as_ptr(), kernel_outputs.as_ptr());
                for (output, &buffer) in self.outputs.iter().zip(&kernel_outputs) {
                    store::<E, T>(buffer, output.advanced(start), length);
                }
            }
            start += length;
        }
    }
}

/// Memory for a chunk of every operand, not initialised.
struct Buffers<T>([MaybeUninit<[T; CHUNK]>; MAX_INPUTS + MAX_OUTPUTS]);

impl<T: Number> Buffers<T> {
    #[inline(always)]
    fn new() -> Self {
        Buffers([const { MaybeUninit::uninit() }; MAX_INPUTS + MAX_OUTPUTS])
    }

    /// The buffers as the operands of a kernel, repeated where the inputs are.
    #[inline(always)]
    fn operands(&mut self, inputs: &[Operand]) -> ([Input<T>; MAX_INPUTS], [*mut T; MAX_OUTPUTS]) {
        let mut pointers = self.0.each_mut().map(|buffer| buffer.as_mut_ptr().cast::<T>());
        let mut kernel_inputs = [Input::<T> { pointer: null(), repeated: false }; MAX_INPUTS];
        for (k, input) in kernel_inputs.iter_mut().enumerate() {
            let repeated = inputs.get(k).is_some_and(|operand| operand.stride == 0);
            *input = Input { pointer: pointers[k], repeated };
        }
        pointers.rotate_left(MAX_INPUTS);
        let mut kernel_outputs = [null_mut(); MAX_OUTPUTS];
        kernel_outputs.copy_from_slice(&pointers[..MAX_OUTPUTS]);
        (kernel_inputs, kernel_outputs)
    }
}

/// Computes a range of half-precision elements.
///
/// # Safety
/// As [`compute_range`], with `H` the storage.
unsafe fn run_half<H: Half>(
    kernels: &Kernels,
    inputs: &[Operand],
    outputs: &[Operand],
    range: Range<usize>,
) {
    let (double, argument, half) = (kernels.double, kernels.argument, PhantomData::<H>);
    match kernels.single {
        Some(kernel) => {
            kernels.level.run(HalfTask { kernel, double, argument, inputs, outputs, range, half });
        }
        None => {
            let kernel = double;
            kernels.level.run(HalfTask { kernel, double, argument, inputs, outputs, range, half });
        }
    }
}

/// A call on half-precision operands, computed in the precision `T` and, where that leaves the
/// rounding open, in float64. Made only where [`run_half`]'s contract holds.
struct HalfTask<'a, H, T> {
    kernel: Kernel<T>,
    double: Kernel<f64>,
    argument: usize,
    inputs: &'a [Operand],
    outputs: &'a [Operand],
    range: Range<usize>,
    half: PhantomData<H>,
}

impl<H: Half + Element<T>, T: Settling> Task for HalfTask<'_, H, T> {
    #[inline(always)]
    fn run(self) {
        let mut buffers = Buffers::<T>::new();
        let (kernel_inputs, kernel_outputs) = buffers.operands(self.inputs);
        let mut start = self.range.start;
        while start < self.range.end {
            let length = (self.range.end - start).min(CHUNK);
            // SAFETY: `length` elements of every operand are accessible, one where it is repeated,
            // and the buffers hold CHUNK; the kernel has written its outputs when they are read.
            unsafe {
                for (input, buffer) in self.inputs.iter().zip(&kernel_inputs) {
                    let needed = if buffer.repeated { 1 } else { length };
                    load::<H, T>(input.advanced(start), buffer.pointer.cast_mut(), needed);
                }
                (self.kernel)(length, kernel_inputs.as_ptr(), kernel_outputs.as_ptr());
                let mut rounded = [[<H as Half>::ZERO; CHUNK]; MAX_OUTPUTS];
                let mut open = [false; CHUNK];
                let mut any_open = false;
                for (k, rounded) in rounded.iter_mut().enumerate().take(self.outputs.len()) {
                    let values = core::slice::from_raw_parts(kernel_outputs[k], length);
                    any_open |= round_where_settled(values, rounded, &mut open);
                }
                if any_open {
                    self.settle(&kernel_inputs, &open[..length], &mut rounded);
                }
                for (output, rounded) in self.outputs.iter().zip(&rounded) {
                    scatter(&rounded[..length], output.advanced(start));
                }
            }
            start += length;
        }
    }
}

impl<H: Half, T: Settling> HalfTask<'_, H, T> {
    /// Computes the open elements of a chunk in float64.
    ///
    /// # Safety
    /// The inputs hold an element for each of `open`, or one where they are repeated.
    #[cold]
    unsafe fn settle(
        &self,
        inputs: &[Input<T>; MAX_INPUTS],
        open: &[bool],
        rounded: &mut [[H; CHUNK]; MAX_OUTPUTS],
    ) {
        for lane in (0..open.len()).filter(|&lane| open[lane]) {
            let mut point = [0.0; MAX_INPUTS];
            for (operand, input) in point.iter_mut().zip(&inputs[..self.inputs.len()]) {
                let lane = if input.repeated { 0 } else { lane };
                // SAFETY: as the caller vouches.
                *operand = unsafe { *input.pointer.add(lane) }.to_f64();
            }
            let results = self.at(&point);
            for (k, rounded) in rounded.iter_mut().enumerate().take(self.outputs.len()) {
                let result = self.off_the_tie(&point, k, results[k]);
                <H as Element<f64>>::narrow(&[result], &mut rounded[lane..=lane]);
            }
        }
    }

    /// The results in float64 at one point.
    fn at(&self, point: &[f64; MAX_INPUTS]) -> [f64; MAX_OUTPUTS] {
        let mut results = [0.0; MAX_OUTPUTS];
        let inputs = point.each_ref().map(|operand| Input { pointer: operand, repeated: true });
        let outputs = results.each_mut().map(|result| result as *mut f64);
        // SAFETY: one element of each operand.
        unsafe { (self.double)(1, inputs.as_ptr(), outputs.as_ptr()) };
        results
    }

    /// A result half-way between two numbers of the format, moved to the side the exact one is on.
    ///
    /// Near zero a function is `c x^p (1 + a x^q ...)`, and far out a line or a constant, with a
    /// deviation that float64 cannot show: `silu(x) = x/2 + x^2/4` lies above the tie at `x/2`, and
    /// `x - tanh(x)` above the one at `x - 1`. Nearer to 1 the deviation has the same sign and can be
    /// seen. Other operands are factors, and a product scales exactly.
    fn off_the_tie(&self, point: &[f64; MAX_INPUTS], k: usize, result: f64) -> f64 {
        const NEAR: f64 = 1.0 / 256.0;
        const FAR: f64 = 4.0;
        let x = point[self.argument].abs();
        let between = (NEAR..FAR).contains(&x);
        if <f64 as Settling>::settles::<H>(result) || between || x == 0.0 || x.is_infinite() {
            return result;
        }
        // Near zero a constant may have a visible slope, and its ties are exact then.
        let mut further = *point;
        further[self.argument] *= if x < NEAR { 0.5 } else { 2.0 };
        let constant = self.at(&further)[k] == result;
        // Where deviations show: those like e^-x up to 32, those like e^(-x^2 / 2) up to 8.
        let targets: &[f64] = if x < NEAR { &[NEAR] } else { &[16.0, 32.0, 8.0] };
        for target in targets {
            // A power of two that takes x to the upper half of what is below the target.
            let scale = f64::from_bits((target / x).to_bits() & f64::INFINITY.to_bits());
            let mut moved = *point;
            moved[self.argument] *= scale;
            let seen = self.at(&moved)[k];
            // From 4 on x - tanh(x) deviates by less than 2^-12, a line of another slope by more than
            // 2^-9; and the float64 itself is an ulp off.
            let (other, least, most) = if x < NEAR {
                (result * scale * scale, 0.0, 1.0 / 16.0)
            } else {
                let line = moved[self.argument] + (result - point[self.argument]);
                (line, 2.0 * f64::EPSILON, 1.0 / 8192.0)
            };
            // The product comes first: where it is exact, so is the tie.
            let product = result * scale;
            for expected in [product, if constant { result } else { product }, other] {
                let (deviation, size) = (seen - expected, expected.abs());
                if deviation.abs() < size * most {
                    if deviation.abs() <= size * least {
                        break;
                    }
                    return if deviation > 0.0 { result.next_up() } else { result.next_down() };
                }
            }
        }
        result
    }
}

/// A precision in which results for a half format are computed, with an error that is known.
trait Settling: Number {
    /// A kernel's result, or its product with a gradient, is at most this many ulps off.
    const MARGIN: Self::Bits;
    type Bits;
    fn to_f64(self) -> f64;
    /// The numbers `MARGIN` ulps nearer to zero and farther from it; a zero is exact.
    fn neighbours(self) -> (Self, Self);

    /// Whether everything within the margin rounds alike.
    fn settles<H: Half + Element<Self>>(self) -> bool {
        let (low, high) = self.neighbours();
        let mut rounded = [<H as Half>::ZERO; 2];
        <H as Element<Self>>::narrow(&[low, high], &mut rounded);
        rounded[0].to_bits() == rounded[1].to_bits()
    }
}

macro_rules! implement_settling {
    ($float:ident, $bits:ident, $margin:literal) => {
        impl Settling for $float {
            type Bits = $bits;
            const MARGIN: $bits = $margin;
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self.into()
            }
            #[inline(always)]
            fn neighbours(self) -> (Self, Self) {
                const SIGN: $bits = 1 << ($bits::BITS - 1);
                const INFINITY: $bits = $float::INFINITY.to_bits();
                let (sign, magnitude) = (self.to_bits() & SIGN, self.to_bits() & !SIGN);
                let farther = (magnitude + Self::MARGIN).min(INFINITY);
                let farther = if magnitude == 0 { 0 } else { farther };
                let nearer = magnitude.saturating_sub(Self::MARGIN);
                ($float::from_bits(sign | nearer), $float::from_bits(sign | farther))
            }
        }
    };
}
// Twice what the promises allow for a product: 1 ulp of the factor, which the product may double,
// and its own rounding. In float64 only a result next to a tie is in question.
implement_settling!(f32, u32, 4);
implement_settling!(f64, u64, 4);

/// Rounds results to a half format; marks those whose error leaves the rounding open, and says
/// whether there are any.
#[inline(always)]
fn round_where_settled<H: Half + Element<T>, T: Settling>(
    values: &[T],
    rounded: &mut [H; CHUNK],
    open: &mut [bool; CHUNK],
) -> bool {
    let (mut low, mut high) = ([T::ZERO; CHUNK], [T::ZERO; CHUNK]);
    for ((value, low), high) in values.iter().zip(&mut low).zip(&mut high) {
        (*low, *high) = value.neighbours();
    }
    let mut other = [<H as Half>::ZERO; CHUNK];
    <H as Element<T>>::narrow(&low[..values.len()], &mut rounded[..values.len()]);
    <H as Element<T>>::narrow(&high[..values.len()], &mut other[..values.len()]);
    let mut any = false;
    for ((a, b), open) in rounded.iter().zip(&other).zip(open).take(values.len()) {
        let differs = a.to_bits() != b.to_bits();
        *open |= differs;
        any |= differs;
    }
    any
}

/// Copies up to `CHUNK` strided elements into a buffer.
///
/// # Safety
/// `count` elements of `E` are readable at `from`, and `count` of `T` writable at `to`.
#[inline(always)]
unsafe fn load<E: Element<T>, T: Number>(from: Operand, to: *mut T, count: usize) {
    // SAFETY: as the caller vouches; the stored elements are gathered before they are converted.
    unsafe {
        // The buffer is initialised before it is a slice.
        to.write_bytes(0, count);
        let to = core::slice::from_raw_parts_mut(to, count);
        if from.stride == size_of::<E>() as isize {
            E::widen(core::slice::from_raw_parts(from.pointer.cast(), count), to);
            return;
        }
        let mut gathered = [E::ZERO; CHUNK];
        for (i, element) in gathered[..count].iter_mut().enumerate() {
            *element = *from.at(i).cast::<E>();
        }
        E::widen(&gathered[..count], to);
    }
}

/// Copies up to `CHUNK` elements from a buffer to a strided operand.
///
/// # Safety
/// `count` elements of `T` are readable at `from`, and `count` of `E` writable at `to`.
#[inline(always)]
unsafe fn store<E: Element<T>, T: Number>(from: *const T, to: Operand, count: usize) {
    // SAFETY: as the caller vouches.
    unsafe {
        let from = core::slice::from_raw_parts(from, count);
        if to.stride == size_of::<E>() as isize {
            E::narrow(from, core::slice::from_raw_parts_mut(to.pointer.cast(), count));
            return;
        }
        let mut narrowed = [E::ZERO; CHUNK];
        E::narrow(from, &mut narrowed[..count]);
        scatter(&narrowed[..count], to);
    }
}

/// Copies elements to a strided operand.
///
/// # Safety
/// An element of `E` is writable at `to` for each of `from`.
#[inline(always)]
unsafe fn scatter<E: Copy>(from: &[E], to: Operand) {
    for (i, &element) in from.iter().enumerate() {
        // SAFETY: as the caller vouches.
        unsafe { *to.at(i).cast::<E>() = element };
    }
}

#[cfg(test)]
mod tests {
    use super::{Operand, Storage, compute};
    use crate::catalogue::kernels;
    use crate::math::Number;
    use crate::simd::{ElementFunction, Level, MAX_INPUTS, MAX_OUTPUTS};
    use half::bf16;

    struct Product;

    impl ElementFunction for Product {
        const INPUTS: usize = 2;
        const OUTPUTS: usize = 1;
        #[inline(always)]
        fn apply<T: Number>(inputs: [T; MAX_INPUTS]) -> [T; MAX_OUTPUTS] {
            [inputs[0] * inputs[1], T::ZERO, T::ZERO]
        }
    }

    /// Products of 8 bits by 8 have 16: float64 holds them, and a tie between two bfloat16 is one.
    #[test]
    fn an_exact_tie_goes_to_the_even_number() {
        let kernels = kernels::<Product>(Level::best(), true);
        for slope in (0..256_u16).map(|step| bf16::from_bits(0x3f00 + step)) {
            for x in (0..0x1000_u16).map(|step| bf16::from_bits(0x3800 + step)) {
                let (mut x, mut slope, mut result) = (x, slope, bf16::ZERO);
                let operands = [&mut x, &mut slope, &mut result]
                    .map(|number| Operand { pointer: (number as *mut bf16).cast(), stride: 0 });
                // SAFETY: one element of each operand.
                unsafe { compute(&kernels, Storage::Bfloat16, &operands, 1) };
                let expected = bf16::from_f64(x.to_f64() * slope.to_f64());
                assert_eq!(result, expected, "{x} times {slope}");
            }
        }
    }
}
