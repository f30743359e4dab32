//! From strided operands of any supported storage format to the kernels, and back.
//!
//! Contiguous operands in a kernel's own precision go straight to it. Everything else (strided,
//! half-precision, widened) passes through a small buffer on the stack, a chunk at a time, so there
//! is one kernel for each function and precision; half formats have kernels of their own for the
//! functions whose float32 results round right, which take less time than the buffer. Large calls are
//! split over threads where the operands allow it.

use core::marker::PhantomData;
use core::mem::{MaybeUninit, size_of};
use core::ops::Range;
use core::ptr::{null, null_mut};

use half::{bf16, f16};

use crate::float_status::FloatStatus;
use crate::simd::{
    CACHE_LINE, ElementFunction, Input, Instructions, Kernel, Level, MAX_INPUTS, MAX_OUTPUTS,
    Stores, Task, prefetch_ahead,
};
use crate::storage::{Element, Half, Settling, Storage};
use crate::threads;

/// A quarter of the fewest elements that are split over threads.
pub const GRAIN: usize = 1 << 11;

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
    /// For half formats, where float32 results round right.
    pub half: Option<HalfKernels>,
    /// How float32 results become half formats: see [`ElementFunction`](crate::simd::ElementFunction).
    pub never_open: bool,
    pub margin: u32,
    /// Whether moving the operands takes longer than computing with them.
    pub light: bool,
}

/// The loops over operands of half formats.
#[derive(Clone, Copy)]
pub struct HalfKernels {
    float16: Kernel<f16>,
    bfloat16: Kernel<bf16>,
    /// Whether bfloat16 results may be wrong where an operand is tiny: see
    /// [`apply_odd`](crate::simd::ElementFunction::apply_odd).
    bounded: bool,
}

impl HalfKernels {
    pub(crate) fn of<F: ElementFunction>(level: Level) -> HalfKernels {
        HalfKernels {
            float16: level.half_kernel::<F, f16>(),
            bfloat16: level.half_kernel::<F, bf16>(),
            bounded: !F::NEVER_OPEN,
        }
    }
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
    pub(crate) fn span(self, count: usize, item_size: usize) -> (usize, usize) {
        let (first, last) = (self.pointer as usize, self.at(count - 1) as usize);
        (first.min(last), first.max(last) + item_size)
    }
}

/// How the elements of a call may be grouped without changing what it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// Any order: every output is apart from every input, or is one.
    Independent,
    /// Chunks in order: an output trails an input, so each chunk must be read before it is written.
    Ordered,
    /// One element at a time: an element's input may be another element's output.
    Single,
}

/// How the elements of a call with these operands may be grouped.
pub(crate) fn grouping(
    inputs: &[Operand],
    outputs: &[Operand],
    count: usize,
    item_size: usize,
) -> Grouping {
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
    if grouping == Grouping::Independent {
        let in_place = outputs.iter().any(|o| inputs.iter().any(|i| i.pointer == o.pointer));
        let large = outputs.len() * count * storage.item_size() >= LARGE;
        let stores = if large && !in_place { Stores::PastCaches } else { Stores::Cached };
        let shared = Shared((inputs, outputs));
        let part = |(): &mut (), start, length| {
            let Shared((inputs, outputs)) = &shared;
            // SAFETY: passed on from the caller, for elements start .. start + length only.
            unsafe { compute_range(kernels, storage, inputs, outputs, start, length, stores) };
        };
        let kernel = kernels.double as usize + storage as usize;
        threads::split(kernel, count, GRAIN, || (), part);
    } else {
        let step = if grouping == Grouping::Single { 1 } else { count };
        let mut start = 0;
        while start < count {
            // SAFETY: passed on from the caller.
            unsafe {
                compute_range(kernels, storage, inputs, outputs, start, step, Stores::Cached)
            };
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
    stores: Stores,
) {
    // SAFETY: passed on from the caller; each arm pairs a storage with its buffer type.
    unsafe {
        match (storage, kernels.single, kernels.half) {
            (Storage::Float32, Some(kernel), _) => {
                run::<f32, f32>(kernels, kernel, inputs, outputs, start, length, stores)
            }
            (Storage::Float32, None, _) => {
                run::<f32, f64>(kernels, kernels.double, inputs, outputs, start, length, stores)
            }
            (Storage::Float64, ..) => {
                run::<f64, f64>(kernels, kernels.double, inputs, outputs, start, length, stores)
            }
            // Half formats: by loops of their own, where float32 results round right.
            (Storage::Float16, _, Some(half)) => {
                run::<f16, f16>(kernels, half.float16, inputs, outputs, start, length, stores)
            }
            (Storage::Bfloat16, _, Some(half)) if !half.bounded => {
                run::<bf16, bf16>(kernels, half.bfloat16, inputs, outputs, start, length, stores)
            }
            (Storage::Bfloat16, Some(_), Some(half)) => {
                let range = start..start + length;
                kernels.level.run(BoundedTask {
                    kernels,
                    kernel: half.bfloat16,
                    inputs,
                    outputs,
                    range,
                })
            }
            // In float32 where a kernel for it exists, and again in float64 where that leaves the
            // rounding open.
            (Storage::Float16, ..) => {
                run_half::<f16>(kernels, inputs, outputs, start..start + length)
            }
            (Storage::Bfloat16, ..) => {
                run_half::<bf16>(kernels, inputs, outputs, start..start + length)
            }
        }
    }
}

/// Elements in the block buffer: seven of them in float64 fit into a 32 KiB cache. A kernel's start
/// and end take as long as 20 to 50 elements.
const CHUNK: usize = 512;

/// Elements from which a call of its own for those before the first border pays: it is a padded
/// block, and aligned stores save up to a fourth of the time of the cheapest kernels.
const ALIGNED_FROM: usize = 4096;
const LIGHT_ALIGNED_FROM: usize = 1024;

/// Bytes of results from which they go past the caches: a line that is cached is read from memory before
/// it is written, so that 12 bytes are moved for 8. Below, the caches of many a machine still hold what
/// the next call reads.
const LARGE: usize = 1 << 25;

/// Runs a kernel of precision `T` over operands stored as `E`: directly where it can read and write
/// them itself, else through the buffer.
///
/// # Safety
/// As [`compute`], with `E` the storage, for the elements `start .. start + count`.
#[inline]
unsafe fn run<E: Element<T>, T: Element<T>>(
    kernels: &Kernels,
    kernel: Kernel<T>,
    inputs: &[Operand],
    outputs: &[Operand],
    start: usize,
    count: usize,
    stores: Stores,
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
    let aligned_from = if kernels.light { LIGHT_ALIGNED_FROM } else { ALIGNED_FROM };
    let head = if count < aligned_from { 0 } else { kernel_outputs[0].align_offset(CACHE_LINE) };
    let head = head.min(count);
    // SAFETY: the operands are contiguous, or repeated, elements of T; `head` of them come first.
    unsafe {
        if head > 0 {
            kernel(head, kernel_inputs.as_ptr(), kernel_outputs.as_ptr(), Stores::Cached);
            for input in kernel_inputs.iter_mut().filter(|input| !input.repeated) {
                input.pointer = input.pointer.wrapping_add(head);
            }
            for output in &mut kernel_outputs {
                *output = output.wrapping_add(head);
            }
        }
        let count = count - head;
        let aligned = |output: &*mut T| output.addr().is_multiple_of(CACHE_LINE);
        let aligned = kernel_outputs[..outputs.len()].iter().all(aligned);
        let stores = if aligned { stores } else { Stores::Cached };
        kernel(count, kernel_inputs.as_ptr(), kernel_outputs.as_ptr(), stores);
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

impl<E: Element<T>, T: Copy> Task for BufferedTask<'_, E, T> {
    #[inline(always)]
    fn run<I: Instructions>(self) {
        let mut buffers = Buffers::<T>::new();
        let (kernel_inputs, kernel_outputs) = buffers.operands(self.inputs, self.range.len());
        let mut start = self.range.start;
        while start < self.range.end {
            let length = (self.range.end - start).min(CHUNK);
            // SAFETY: `length` elements of every operand are accessible, one where it is repeated,
            // and the buffers hold CHUNK.
            unsafe {
                for (input, buffer) in self.inputs.iter().zip(&kernel_inputs) {
                    // What is repeated needs to be there once.
                    if !buffer.repeated {
                        load::<I, E, T>(input.advanced(start), buffer.pointer.cast_mut(), length);
                    } else if start == self.range.start {
                        load::<I, E, T>(*input, buffer.pointer.cast_mut(), 1);
                    }
                }
                let (inputs, outputs) = (kernel_inputs.as_ptr(), kernel_outputs.as_ptr());
                (self.kernel)(length, inputs, outputs, Stores::Cached);
                for (output, &buffer) in self.outputs.iter().zip(&kernel_outputs) {
                    store::<I, E, T>(buffer, output.advanced(start), length);
                }
            }
            start += length;
        }
    }
}

/// Memory for a chunk of every operand; initialised for the inputs there are, as far as it is used.
struct Buffers<T>([MaybeUninit<[T; CHUNK]>; MAX_INPUTS + MAX_OUTPUTS]);

impl<T: Copy> Buffers<T> {
    #[inline(always)]
    fn new() -> Self {
        Buffers([const { MaybeUninit::uninit() }; MAX_INPUTS + MAX_OUTPUTS])
    }

    /// The buffers as the operands of a kernel, repeated where the inputs are.
    #[inline(always)]
    fn operands(
        &mut self,
        inputs: &[Operand],
        count: usize,
    ) -> ([Input<T>; MAX_INPUTS], [*mut T; MAX_OUTPUTS]) {
        let mut pointers = self.0.each_mut().map(|buffer| buffer.as_mut_ptr().cast::<T>());
        let mut kernel_inputs = [Input::<T> { pointer: null(), repeated: false }; MAX_INPUTS];
        for (k, input) in kernel_inputs.iter_mut().enumerate() {
            let repeated = inputs.get(k).is_some_and(|operand| operand.stride == 0);
            *input = Input { pointer: pointers[k], repeated };
            if k < inputs.len() {
                // SAFETY: the buffer holds CHUNK elements.
                unsafe { pointers[k].write_bytes(0, count.min(CHUNK)) };
            }
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
    let half = PhantomData::<H>;
    match kernels.single {
        Some(kernel) => {
            kernels.level.run(HalfTask { kernels, kernel, inputs, outputs, range, half })
        }
        None => {
            let kernel = kernels.double;
            kernels.level.run(HalfTask { kernels, kernel, inputs, outputs, range, half });
        }
    }
}

/// A call on half-precision operands, computed in the precision `T` and, where that leaves the
/// rounding open, in float64. Made only where [`run_half`]'s contract holds.
struct HalfTask<'a, H, T> {
    kernels: &'a Kernels,
    kernel: Kernel<T>,
    inputs: &'a [Operand],
    outputs: &'a [Operand],
    range: Range<usize>,
    half: PhantomData<H>,
}

/// A call on bfloat16 operands whose results are right unless an operand is tiny. Made only where
/// [`run`]'s contract holds, with `kernels.single`.
struct BoundedTask<'a> {
    kernels: &'a Kernels,
    kernel: Kernel<bf16>,
    inputs: &'a [Operand],
    outputs: &'a [Operand],
    range: Range<usize>,
}

/// Elements that are looked at before they are computed, still in the first cache.
const BOUNDED_CHUNK: usize = 2048;

/// Whether any number is below 2^-45 in magnitude, and not zero. Where none is, the products with one
/// factor more that is not below 2^-9 are above 2^-100.
#[inline(always)]
fn any_tiny<'a>(numbers: impl Iterator<Item = &'a bf16>) -> bool {
    const LEAST: u16 = (127 - 45) << 7;
    let mut least = u16::MAX;
    for number in numbers {
        least = least.min((number.to_bits() & 0x7fff).wrapping_sub(1));
    }
    least < LEAST - 1
}

impl Task for BoundedTask<'_> {
    #[inline(always)]
    fn run<I: Instructions>(self) {
        let BoundedTask { kernels, kernel, inputs, outputs, range } = self;
        for start in range.clone().step_by(BOUNDED_CHUNK) {
            let length = (range.end - start).min(BOUNDED_CHUNK);
            let has_tiny = |input: &Operand| {
                let operand = input.advanced(start);
                // SAFETY: `length` elements are readable, one where it is repeated.
                unsafe {
                    if operand.stride == size_of::<bf16>() as isize {
                        let numbers: *const bf16 = operand.pointer.cast();
                        any_tiny(core::slice::from_raw_parts(numbers, length).iter())
                    } else {
                        any_tiny((0..length).map(|k| &*operand.at(k).cast()))
                    }
                }
            };
            // SAFETY: as for the whole range; no output is written before the inputs are read.
            unsafe {
                match kernels.single {
                    Some(kernel) if inputs.iter().any(has_tiny) => {
                        let range = start..start + length;
                        let half = PhantomData::<bf16>;
                        HalfTask { kernels, kernel, inputs, outputs, range, half }.run::<I>();
                    }
                    _ => run::<bf16, bf16>(
                        kernels,
                        kernel,
                        inputs,
                        outputs,
                        start,
                        length,
                        Stores::Cached,
                    ),
                }
            }
        }
    }
}

/// Elements that are settled at once: a kernel takes as long for one.
const BATCH: usize = 32;

/// Elements of a chunk whose rounding is open from which the whole chunk is computed in float64.
const MANY: u32 = CHUNK as u32 / 8;

/// Elements whose rounding is open.
struct OpenElements {
    count: usize,
    places: [usize; BATCH],
    inputs: [[f64; BATCH]; MAX_INPUTS],
}

impl<H: Half + Element<T>, T: Settling> Task for HalfTask<'_, H, T> {
    #[inline(always)]
    fn run<I: Instructions>(self) {
        let mut open =
            OpenElements { count: 0, places: [0; BATCH], inputs: [[1.0; BATCH]; MAX_INPUTS] };
        let mut buffers = Buffers::<T>::new();
        let (kernel_inputs, kernel_outputs) = buffers.operands(self.inputs, self.range.len());
        let mut start = self.range.start;
        while start < self.range.end {
            let length = (self.range.end - start).min(CHUNK);
            // SAFETY: `length` elements of every operand are accessible, one where it is repeated,
            // and the buffers hold CHUNK; the kernel has written its outputs when they are read.
            unsafe {
                for (input, buffer) in self.inputs.iter().zip(&kernel_inputs) {
                    // What is repeated needs to be there once.
                    if !buffer.repeated {
                        load::<I, H, T>(input.advanced(start), buffer.pointer.cast_mut(), length);
                    } else if start == self.range.start {
                        load::<I, H, T>(*input, buffer.pointer.cast_mut(), 1);
                    }
                }
                let (inputs, outputs) = (kernel_inputs.as_ptr(), kernel_outputs.as_ptr());
                (self.kernel)(length, inputs, outputs, Stores::Cached);
                for (output, &buffer) in self.outputs.iter().zip(&kernel_outputs) {
                    store::<I, H, T>(buffer, output.advanced(start), length);
                }
                if !self.kernels.never_open && self.any_open(&kernel_outputs, length) {
                    self.look_again::<I>(&mut open, &kernel_inputs, &kernel_outputs, start, length);
                }
            }
            start += length;
        }
        // SAFETY: the elements are of this call.
        unsafe { self.settle(&mut open) };
    }
}

impl<H: Half, T: Settling> HalfTask<'_, H, T> {
    /// The results of a chunk.
    ///
    /// # Safety
    /// The kernel has written `length` elements of each.
    #[inline(always)]
    unsafe fn values<'b>(
        &self,
        outputs: &'b [*mut T; MAX_OUTPUTS],
        length: usize,
    ) -> impl Iterator<Item = &'b [T]> {
        // SAFETY: as the caller vouches.
        let slice = move |&output: &*mut T| unsafe { core::slice::from_raw_parts(output, length) };
        outputs[..self.outputs.len()].iter().map(slice)
    }

    /// Whether the rounding of any result of a chunk is open.
    ///
    /// # Safety
    /// As [`values`](Self::values).
    #[inline(always)]
    unsafe fn any_open(&self, outputs: &[*mut T; MAX_OUTPUTS], length: usize) -> bool {
        // SAFETY: passed on.
        let mut results = unsafe { self.values(outputs, length) };
        results.any(|values| T::any_open::<H>(values, self.kernels.margin))
    }

    /// Notes the open elements of a chunk that begins at `start`, or settles them if they are many.
    ///
    /// # Safety
    /// As [`values`](Self::values); the inputs hold as many elements, or one where they are repeated.
    #[inline(always)]
    unsafe fn look_again<I: Instructions>(
        &self,
        open: &mut OpenElements,
        inputs: &[Input<T>; MAX_INPUTS],
        outputs: &[*mut T; MAX_OUTPUTS],
        start: usize,
        length: usize,
    ) {
        let mut marks = [0_u8; CHUNK];
        // SAFETY: passed on.
        for values in unsafe { self.values(outputs, length) } {
            for (value, mark) in values.iter().zip(&mut marks) {
                *mark |= u8::from(value.is_open::<H>(self.kernels.margin));
            }
        }
        let marked = marks.iter().map(|&mark| u32::from(mark)).sum::<u32>();
        if marked > MANY {
            // SAFETY: passed on.
            unsafe { self.compute_in_double::<I>(inputs, start, length) };
            return;
        }
        for lane in set(&marks) {
            if open.count == BATCH {
                // SAFETY: passed on.
                unsafe { self.settle(open) };
            }
            open.places[open.count] = start + lane;
            for (operand, input) in open.inputs.iter_mut().zip(&inputs[..self.inputs.len()]) {
                let lane = if input.repeated { 0 } else { lane };
                // SAFETY: as the caller vouches.
                operand[open.count] = unsafe { *input.pointer.add(lane) }.to_f64();
            }
            open.count += 1;
        }
    }

    /// Computes a chunk in float64.
    ///
    /// # Safety
    /// As [`look_again`](Self::look_again).
    #[inline(always)]
    unsafe fn compute_in_double<I: Instructions>(
        &self,
        inputs: &[Input<T>; MAX_INPUTS],
        start: usize,
        length: usize,
    ) {
        let mut buffers = Buffers::<f64>::new();
        let (double_inputs, double_outputs) = buffers.operands(self.inputs, length);
        // SAFETY: as the caller vouches; the buffers hold CHUNK.
        unsafe {
            for (from, to) in inputs.iter().zip(&double_inputs).take(self.inputs.len()) {
                let needed = if to.repeated { 1 } else { length };
                let from = core::slice::from_raw_parts(from.pointer, needed);
                let to = core::slice::from_raw_parts_mut(to.pointer.cast_mut(), needed);
                for (to, from) in to.iter_mut().zip(from) {
                    *to = from.to_f64();
                }
            }
            let (inputs, outputs) = (double_inputs.as_ptr(), double_outputs.as_ptr());
            (self.kernels.double)(length, inputs, outputs, Stores::Cached);
            for (k, (output, &buffer)) in self.outputs.iter().zip(&double_outputs).enumerate() {
                store::<I, H, f64>(buffer, output.advanced(start), length);
                let results = core::slice::from_raw_parts(buffer, length);
                let argument = &double_inputs[self.kernels.argument];
                let mut marks = [0_u8; CHUNK];
                for (lane, (result, mark)) in results.iter().zip(&mut marks).enumerate() {
                    let x = *argument.pointer.add(if argument.repeated { 0 } else { lane });
                    *mark = u8::from(result.is_open::<H>(0) & !shows_deviations(x));
                }
                for lane in set(&marks) {
                    let at = |input: &Input<f64>| {
                        if input.repeated { *input.pointer } else { *input.pointer.add(lane) }
                    };
                    let mut point = [1.0; MAX_INPUTS];
                    for (operand, input) in
                        point.iter_mut().zip(&double_inputs[..self.inputs.len()])
                    {
                        *operand = at(input);
                    }
                    let result = self.off_the_tie(&point, k, results[lane]);
                    let rounded = <H as Element<f64>>::narrowed(result);
                    *output.at(start + lane).cast::<H>() = rounded;
                }
            }
        }
    }

    /// Computes the open elements in float64 and writes them over what is there.
    ///
    /// That comes after inputs further on are read, and does them no harm: an output that shares
    /// memory with an input is the same, or lies before it, so nothing reads these places again.
    ///
    /// # Safety
    /// The elements are of this call.
    #[inline(never)]
    unsafe fn settle(&self, open: &mut OpenElements) {
        let mut results = [[0.0; BATCH]; MAX_OUTPUTS];
        let inputs = open
            .inputs
            .each_ref()
            .map(|operand| Input { pointer: operand.as_ptr(), repeated: false });
        let outputs = results.each_mut().map(|result| result.as_mut_ptr());
        // SAFETY: BATCH elements of each operand.
        unsafe {
            (self.kernels.double)(open.count, inputs.as_ptr(), outputs.as_ptr(), Stores::Cached)
        };
        for (element, &place) in open.places.iter().enumerate().take(open.count) {
            let point = open.inputs.each_ref().map(|operand| operand[element]);
            for (k, (output, results)) in self.outputs.iter().zip(&results).enumerate() {
                let result = self.off_the_tie(&point, k, results[element]);
                let rounded = <H as Element<f64>>::narrowed(result);
                // SAFETY: an element of this call.
                unsafe { *output.at(place).cast::<H>() = rounded };
            }
        }
        open.count = 0;
    }

    /// The results in float64 at one point.
    fn at(&self, point: &[f64; MAX_INPUTS]) -> [f64; MAX_OUTPUTS] {
        let mut results = [0.0; MAX_OUTPUTS];
        let inputs = point.each_ref().map(|operand| Input { pointer: operand, repeated: true });
        let outputs = results.each_mut().map(|result| result as *mut f64);
        // SAFETY: one element of each operand.
        unsafe { (self.kernels.double)(1, inputs.as_ptr(), outputs.as_ptr(), Stores::Cached) };
        results
    }

    /// A result half-way between two numbers of the format, moved to the side the exact one is on.
    ///
    /// Near zero a function is `c x^p (1 + a x^q ...)`, and far out a line or a constant, with a
    /// deviation that float64 cannot show: `silu(x) = x/2 + x^2/4` lies above the tie at `x/2`, and
    /// `x - tanh(x)` above the one at `x - 1`. Nearer to 1 the deviation has the same sign and can be
    /// seen. Other operands are factors, and a product scales exactly.
    fn off_the_tie(&self, point: &[f64; MAX_INPUTS], k: usize, result: f64) -> f64 {
        let x = point[self.kernels.argument].abs();
        if !result.is_open::<H>(0) || shows_deviations(x) || x == 0.0 || x.is_infinite() {
            return result;
        }
        // Near zero a constant may have a visible slope, and its ties are exact then.
        let mut further = *point;
        further[self.kernels.argument] *= if x < NEAR { 0.5 } else { 2.0 };
        let constant = self.at(&further)[k] == result;
        // Where deviations show: those like e^-x up to 32, those like e^(-x^2 / 2) up to 8.
        let targets: &[f64] = if x < NEAR { &[NEAR] } else { &[16.0, 32.0, 8.0] };
        for target in targets {
            // A power of two that takes x to the upper half of what is below the target.
            let scale = f64::from_bits((target / x).to_bits() & f64::INFINITY.to_bits());
            let mut moved = *point;
            moved[self.kernels.argument] *= scale;
            let seen = self.at(&moved)[k];
            // From 4 on x - tanh(x) deviates by less than 2^-12, a line of another slope by more than
            // 2^-9; and the float64 itself is an ulp off.
            let (other, least, most) = if x < NEAR {
                (result * scale * scale, 0.0, 1.0 / 16.0)
            } else {
                let line = moved[self.kernels.argument] + (result - point[self.kernels.argument]);
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

/// Below this a function of x may be so close to a power of x that float64 shows no difference.
const NEAR: f64 = 1.0 / 256.0;
/// From here on it may be as close to a line.
const FAR: f64 = 4.0;

/// Whether x is where float64 shows on which side of a tie a function is.
#[inline(always)]
fn shows_deviations(x: f64) -> bool {
    (x.abs() >= NEAR) & (x.abs() < FAR)
}

/// The places of the marks that are not 0. Few are: eight at a time are looked at.
#[inline(always)]
fn set(marks: &[u8; CHUNK]) -> impl Iterator<Item = usize> {
    let words = marks.as_chunks::<8>().0.iter().enumerate();
    let marked = words.filter(|(_, word)| u64::from_ne_bytes(**word) != 0);
    marked.flat_map(|(place, _)| 8 * place..8 * place + 8).filter(|&lane| marks[lane] != 0)
}

/// Copies up to `CHUNK` strided elements into a buffer.
///
/// # Safety
/// `count` elements of `E` are readable at `from`, and `to` holds `count` of `T`, initialised.
#[inline(always)]
unsafe fn load<I: Instructions, E: Element<T>, T: Copy>(from: Operand, to: *mut T, count: usize) {
    // SAFETY: as the caller vouches; the stored elements are gathered before they are converted.
    unsafe {
        let to = core::slice::from_raw_parts_mut(to, count);
        if from.stride == size_of::<E>() as isize {
            prefetch_ahead(from.pointer, count * size_of::<E>());
            E::widen::<I>(core::slice::from_raw_parts(from.pointer.cast(), count), to);
            return;
        }
        let mut gathered = [E::ZERO; CHUNK];
        for (i, element) in gathered[..count].iter_mut().enumerate() {
            *element = *from.at(i).cast::<E>();
        }
        E::widen::<I>(&gathered[..count], to);
    }
}

/// Copies up to `CHUNK` elements from a buffer to a strided operand.
///
/// # Safety
/// `count` elements of `T` are readable at `from`, and `count` of `E` writable at `to`.
#[inline(always)]
unsafe fn store<I: Instructions, E: Element<T>, T: Copy>(
    from: *const T,
    to: Operand,
    count: usize,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        let from = core::slice::from_raw_parts(from, count);
        if to.stride == size_of::<E>() as isize {
            prefetch_ahead(to.pointer, count * size_of::<E>());
            E::narrow::<I>(from, core::slice::from_raw_parts_mut(to.pointer.cast(), count));
            return;
        }
        let mut narrowed = [E::ZERO; CHUNK];
        E::narrow::<I>(from, &mut narrowed[..count]);
        scatter(&narrowed[..count], to);
    }
}

/// Copies elements to a strided operand.
///
/// # Safety
/// An element of `E` is writable at `to` for each of `from`.
#[inline(always)]
unsafe fn scatter<E: Copy>(from: &[E], to: Operand) {
    if to.stride == size_of::<E>() as isize {
        // SAFETY: as the caller vouches.
        unsafe { to.pointer.cast::<E>().copy_from_nonoverlapping(from.as_ptr(), from.len()) };
        return;
    }
    for (i, &element) in from.iter().enumerate() {
        // SAFETY: as the caller vouches.
        unsafe { *to.at(i).cast::<E>() = element };
    }
}

#[cfg(test)]
mod tests {
    use super::{Operand, compute};
    use crate::catalogue::{CATALOGUE, kernels};
    use crate::math::Number;
    use crate::simd::{ElementFunction, Level, MAX_INPUTS, MAX_OUTPUTS};
    use crate::storage::{Element, Storage};
    use half::{bf16, f16};

    /// The results of a form for some gradients and all x of a domain, where the derivative is an
    /// exact float64 over `divisor`.
    fn check_backward(
        [row, form]: [&str; 2],
        domain: [f64; 2],
        divisor: f64,
        numerator: fn(f64) -> f64,
    ) {
        let row = CATALOGUE.iter().find(|candidate| candidate.name == row).unwrap();
        for level in Level::available() {
            let ufuncs = row.ufuncs(level);
            let kernels = ufuncs.iter().find(|ufunc| ufunc.form == form).unwrap().kernels;
            let mut points: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
            points.retain(|x| (domain[0]..=domain[1]).contains(&x.to_f64()));
            for gradient in (0..200_u16).map(|step| f16::from_bits(317 * step)) {
                let mut gradient = if gradient.is_finite() { gradient } else { f16::ONE };
                let mut results = vec![f16::ZERO; points.len()];
                let operands = [
                    Operand { pointer: (&raw mut gradient).cast(), stride: 0 },
                    Operand { pointer: points.as_mut_ptr().cast(), stride: 2 },
                    Operand { pointer: results.as_mut_ptr().cast(), stride: 2 },
                ];
                // SAFETY: as many elements of each operand, or one that is repeated.
                unsafe { compute(&kernels, Storage::Float16, &operands, points.len()) };
                for (&x, &result) in points.iter().zip(&results) {
                    let product = gradient.to_f64() * numerator(x.to_f64()) / divisor;
                    let expected = <f16 as Element<f64>>::narrowed(product);
                    assert_eq!(result, expected, "{}: {gradient}, {x}", ufuncs[0].name);
                }
            }
        }
    }

    #[test]
    fn products_of_few_bits_are_rounded_once() {
        check_backward(["hard_swish", "backward"], [-8.0, 8.0], 6.0, |x| match x {
            ..=-3.0 => 0.0,
            3.0.. => 6.0,
            _ => 2.0 * x + 3.0,
        });
        check_backward(["sparse_plus", "backward"], [-8.0, 8.0], 2.0, |x| {
            (x + 1.0).clamp(0.0, 2.0)
        });
        check_backward(["hard_sigmoid", "backward"], [-8.0, 8.0], 6.0, |x| {
            if x.abs() < 3.0 { 1.0 } else { 0.0 }
        });
        check_backward(["sigmoid", "backward_from_output"], [0.0, 1.0], 1.0, |y| y * (1.0 - y));
        check_backward(["tanh", "backward_from_output"], [-1.0, 1.0], 1.0, |y| 1.0 - y * y);
    }

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
