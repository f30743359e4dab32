//! From strided operands of any supported storage format to the kernels, and back.
//!
//! Contiguous operands in a kernel's own precision go straight to it. Everything else (strided,
//! widened, half-precision in float64) passes through a small buffer on the stack, a chunk at a time;
//! what half formats compute in float32 has kernels of its own, which take less time than the buffer.
//! Large calls are split over threads where the operands allow it.

use core::marker::PhantomData;
use core::mem::{MaybeUninit, size_of};
use core::ops::Range;
use core::ptr::{null, null_mut};

use half::{bf16, f16};

use crate::float_status::FloatStatus;
use crate::simd::{
    CACHE_LINE, ElementFunction, Input, Instructions, Kernel, Level, MAX_INPUTS, MAX_OUTPUTS,
    Precise, Stores, Task, prefetch_ahead,
};
use crate::storage::{Element, Storage};
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
    /// `None` where half formats are computed in float64 and rounded once: as `single`.
    pub half: Option<HalfKernels>,
    /// Whether no float64 result of half formats is a tie that the exact one is beside.
    pub never_open: bool,
    /// Whether moving the operands takes longer than computing with them.
    pub light: bool,
}

/// The loops over operands of half formats.
#[derive(Clone, Copy)]
pub struct HalfKernels {
    float16: Kernel<f16>,
    bfloat16: Kernel<bf16>,
}

impl HalfKernels {
    pub(crate) fn of<F: ElementFunction>(level: Level) -> HalfKernels {
        HalfKernels {
            float16: level.half_kernel::<F, f16>(),
            bfloat16: level.half_kernel::<F, bf16>(),
        }
    }
}

impl Kernels {
    /// A number for calls of this loop on this storage: see [`threads::split`].
    pub(crate) fn kind(&self, storage: Storage) -> usize {
        self.double as usize + storage as usize
    }

    fn precise(&self) -> Precise {
        let Kernels { inputs, outputs, argument, double: kernel, .. } = *self;
        Precise { kernel, inputs, outputs, argument }
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
        threads::split(kernels.kind(storage), count, GRAIN, || (), part);
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
            // Half formats: in float32 by loops of their own.
            (Storage::Float16, _, Some(half)) => {
                run::<f16, f16>(kernels, half.float16, inputs, outputs, start, length, stores)
            }
            (Storage::Bfloat16, _, Some(half)) => {
                run::<bf16, bf16>(kernels, half.bfloat16, inputs, outputs, start, length, stores)
            }
            (Storage::Float16, _, None) => {
                run::<f16, f64>(kernels, kernels.double, inputs, outputs, start, length, stores)
            }
            (Storage::Bfloat16, _, None) => {
                run::<bf16, f64>(kernels, kernels.double, inputs, outputs, start, length, stores)
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
        kernels.level.run(BufferedTask::<E, T> { kernels, kernel, inputs, outputs, range, stored });
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
    kernels: &'a Kernels,
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
        let function = self.kernels.precise();
        let operands = |length| {
            let mut operands = [[].as_slice(); MAX_INPUTS];
            for (operand, input) in operands.iter_mut().zip(&kernel_inputs).take(function.inputs) {
                let length = if input.repeated { 1 } else { length };
                // SAFETY: so many are loaded when this is asked.
                *operand = unsafe { core::slice::from_raw_parts(input.pointer, length) };
            }
            operands
        };
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
                for (k, (output, &buffer)) in self.outputs.iter().zip(&kernel_outputs).enumerate() {
                    if !self.kernels.never_open {
                        let results = core::slice::from_raw_parts_mut(buffer, length);
                        E::leave_ties(&function, operands(length), k, results);
                    }
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
        for (i, &element) in narrowed[..count].iter().enumerate() {
            *to.at(i).cast::<E>() = element;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kernels, Operand, compute};
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

    /// Bits of all kinds, and many that leave the rounding open: `x - tanh(x)` is a tie for odd x above
    /// 2048 (float16) or 256 (bfloat16) beside its neighbours.
    fn elements(seed: u32, count: usize) -> Vec<u16> {
        let mixed = (0..count as u32).map(|index| (index + seed).wrapping_mul(0x9e37_79b9));
        let element = |bits: u32| match bits % 3 {
            0 => (bits >> 16) as u16,
            1 => 0x6800 | (bits >> 16 & 0x83ff) as u16,
            _ => 0x3800 | (bits >> 16 & 0x87ff) as u16,
        };
        mixed.map(element).collect()
    }

    /// Where the elements of a call lie: their stride, and how far outputs are behind the first input.
    const PLACES: [(usize, Option<usize>); 5] =
        [(1, None), (1, Some(0)), (1, Some(1)), (3, None), (3, Some(0))];

    #[test]
    fn results_do_not_depend_on_where_elements_lie() {
        let forms = [
            ("exp", "value"),
            ("tanh_shrink", "value"),
            ("silu", "value_and_derivative"),
            ("gelu", "backward"),
            ("leaky_relu", "value"),
            ("sigmoid", "backward_from_output"),
            ("hard_swish", "backward"),
            ("mish", "second_derivative"),
        ];
        for level in Level::available() {
            for (name, form) in forms {
                let row = CATALOGUE.iter().find(|row| row.name == name).unwrap();
                let ufuncs = row.ufuncs(level);
                let kernels = ufuncs.iter().find(|ufunc| ufunc.form == form).unwrap().kernels;
                for storage in [Storage::Float16, Storage::Bfloat16] {
                    for count in [1, 2, 15, 63, 64, 65, 130, 512, 700] {
                        check_places(&kernels, storage, count, (name, form));
                    }
                }
            }
        }
    }

    fn check_places(kernels: &Kernels, storage: Storage, count: usize, name: (&str, &str)) {
        let inputs: Vec<Vec<u16>> =
            (0..kernels.inputs).map(|k| elements(7919 * k as u32, count)).collect();
        let mut wanted = vec![vec![0_u16; count]; kernels.outputs];
        for element in 0..count {
            let mut input: Vec<u16> = inputs.iter().map(|operand| operand[element]).collect();
            let mut output = vec![0_u16; kernels.outputs];
            let operands: Vec<Operand> = input
                .iter_mut()
                .chain(&mut output)
                .map(|number| Operand { pointer: (&raw mut *number).cast(), stride: 0 })
                .collect();
            // SAFETY: one element of each operand.
            unsafe { compute(kernels, storage, &operands, 1) };
            for (wanted, output) in wanted.iter_mut().zip(output) {
                wanted[element] = output;
            }
        }
        for (stride, behind) in PLACES {
            let spread = |numbers: &Vec<u16>| {
                let mut memory = vec![0_u16; stride * (count + 1)];
                for (place, &number) in memory[stride..].iter_mut().step_by(stride).zip(numbers) {
                    *place = number;
                }
                memory
            };
            let mut memory: Vec<Vec<u16>> = inputs.iter().map(spread).collect();
            memory.resize_with(kernels.inputs + kernels.outputs, || spread(&vec![0; count]));
            let mut places: Vec<*mut u16> = memory
                .iter_mut()
                .map(|numbers| numbers.as_mut_ptr().wrapping_add(stride))
                .collect();
            if let Some(behind) = behind {
                places[kernels.inputs] = places[0].wrapping_sub(stride * behind);
            }
            let operand =
                |&place: &*mut u16| Operand { pointer: place.cast(), stride: 2 * stride as isize };
            let operands: Vec<Operand> = places.iter().map(operand).collect();
            // SAFETY: as many elements of each operand.
            unsafe { compute(kernels, storage, &operands, count) };
            for (wanted, place) in wanted.iter().zip(&places[kernels.inputs..]) {
                for (element, &wanted) in wanted.iter().enumerate() {
                    // SAFETY: a result.
                    let got = unsafe { *place.add(stride * element) };
                    let stored = |bits| match storage {
                        Storage::Float16 => f16::from_bits(bits).to_f64(),
                        _ => bf16::from_bits(bits).to_f64(),
                    };
                    let same = got == wanted || stored(got).is_nan() && stored(wanted).is_nan();
                    assert!(same, "{name:?} {storage:?} {count} {stride} {behind:?}: {element}");
                }
            }
        }
    }

    struct Product;

    impl ElementFunction for Product {
        type Home = Self;
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
