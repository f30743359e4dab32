//! From strided operands of any supported storage format to the kernels, and back.
//!
//! Contiguous operands in a kernel's own precision go straight to it. Everything else (strided,
//! half-precision, widened) passes through a small buffer on the stack, a chunk at a time, so there
//! is one kernel for each function and precision. Large calls are split over threads where the
//! operands allow it.

use core::mem::{MaybeUninit, size_of};
use core::ptr::{null, null_mut};

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::float_status::FloatStatus;
use crate::math::Number;
use crate::simd::{Input, Kernel, MAX_INPUTS, MAX_OUTPUTS};
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
/// As [`compute`], for the elements `start .. start + length`.
unsafe fn compute_range(
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
                run::<f32, f32>(kernel, inputs, outputs, start, length)
            }
            (Storage::Float32, None) => {
                run::<f32, f64>(kernels.double, inputs, outputs, start, length)
            }
            (Storage::Float64, _) => {
                run::<f64, f64>(kernels.double, inputs, outputs, start, length)
            }
            (Storage::Float16, _) => {
                run::<f16, f64>(kernels.double, inputs, outputs, start, length)
            }
            (Storage::Bfloat16, _) => {
                run::<bf16, f64>(kernels.double, inputs, outputs, start, length)
            }
        }
    }
}

/// Elements in the block buffer: seven of them in float64 take half of a 32 KiB cache.
const CHUNK: usize = 256;

/// An element type as stored, computed with in the precision `T`.
trait Element<T: Number>: Copy + 'static {
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
    fn widen(from: &[f32], to: &mut [f64]) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = f64::from(from);
        }
    }
    fn narrow(from: &[f64], to: &mut [f32]) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = from as f32;
        }
    }
}

macro_rules! implement_half {
    ($half:ident) => {
        impl Element<f64> for $half {
            const NATIVE: bool = false;
            const ZERO: $half = $half::ZERO;
            fn widen(from: &[$half], to: &mut [f64]) {
                let mut single = [0.0_f32; CHUNK];
                let single = &mut single[..from.len()];
                from.convert_to_f32_slice(single);
                <f32 as Element<f64>>::widen(single, to);
            }
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

/// Runs a kernel of precision `T` over operands stored as `E`: directly where it can read and write
/// them itself, else through the buffer.
///
/// # Safety
/// As [`compute`], with `E` the storage, for the elements `start .. start + count`.
#[inline]
unsafe fn run<E: Element<T>, T: Number>(
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
        // SAFETY: passed on from the caller.
        unsafe { run_buffered::<E, T>(kernel, inputs, outputs, start, count) };
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
    // SAFETY: the operands are contiguous, or repeated, elements of T.
    unsafe { kernel(count, kernel_inputs.as_ptr(), kernel_outputs.as_ptr()) };
}

/// # Safety
/// As [`run`].
#[inline(never)]
unsafe fn run_buffered<E: Element<T>, T: Number>(
    kernel: Kernel<T>,
    inputs: &[Operand],
    outputs: &[Operand],
    start: usize,
    count: usize,
) {
    let mut buffers = [const { MaybeUninit::<[T; CHUNK]>::uninit() }; MAX_INPUTS + MAX_OUTPUTS];
    let mut kernel_inputs = [Input::<T> { pointer: null(), repeated: false }; MAX_INPUTS];
    let mut kernel_outputs = [null_mut::<T>(); MAX_OUTPUTS];
    let (input_buffers, output_buffers) = buffers.split_at_mut(MAX_INPUTS);
    for ((to, input), buffer) in kernel_inputs.iter_mut().zip(inputs).zip(&mut *input_buffers) {
        *to = Input { pointer: buffer.as_ptr().cast(), repeated: input.stride == 0 };
    }
    for (to, buffer) in kernel_outputs.iter_mut().zip(output_buffers) {
        *to = buffer.as_mut_ptr().cast();
    }
    let end = start + count;
    let mut start = start;
    while start < end {
        let length = (end - start).min(CHUNK);
        for (input, buffer) in inputs.iter().zip(&mut *input_buffers) {
            let needed = if input.stride == 0 { 1 } else { length };
            // SAFETY: `needed` elements of the operand are readable, and the buffer holds CHUNK.
            unsafe { load::<E, T>(input.advanced(start), buffer.as_mut_ptr().cast(), needed) };
        }
        // SAFETY: the buffers hold `length` elements each.
        unsafe { kernel(length, kernel_inputs.as_ptr(), kernel_outputs.as_ptr()) };
        for (output, buffer) in outputs.iter().zip(kernel_outputs) {
            // SAFETY: the kernel has written `length` elements to the buffer.
            unsafe { store::<E, T>(buffer, output.advanced(start), length) };
        }
        start += length;
    }
}

/// Copies up to `CHUNK` strided elements into a buffer.
///
/// # Safety
/// `count` elements of `E` are readable at `from`, and `count` of `T` writable at `to`.
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
        for (i, element) in narrowed[..count].iter().enumerate() {
            *to.at(i).cast::<E>() = *element;
        }
    }
}
