//! From strided rows of any storage format to the kernels, and back.
//!
//! Rows go to the kernels 16 elements at a time, or 16 rows at a time where rows are short or lie
//! side by side in memory; the results are the same bits. Operands in a kernel's own element type
//! and in order go straight to it; others pass through a small buffer, a chunk at a time. Nothing
//! as large as an operand is allocated: weights are kept for one row, or for 16, up to a bound, and
//! computed a second time beyond it.
//!
//! A row is read to its end before its results are written, and its results are written a chunk
//! after that chunk was read for the last time: an output may be an input.

use core::mem::{MaybeUninit, size_of};
use std::sync::Mutex;

use half::{bf16, f16};

use super::extended::RowNumber;
use super::functions::{MAX_GRADIENTS, MAX_OPERANDS, MAX_RESULTS};
use super::kernels::{
    Accumulator, Blocks, Extent, Group, JacobianKernels, LANES, Lanes, Plane, RUN, RowKernels,
    SEGMENTS, SUM_PLANES, segment_length,
};
use crate::float_status::FloatStatus;
use crate::operands::{Element, Storage};
use crate::threads;

/// What a row function reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Elementwise gradients before x.
    pub gradients: usize,
    /// Whether one gradient for each row comes first.
    pub scalar_gradient: bool,
    pub results: usize,
    pub weighted: bool,
    pub references: usize,
    pub patched: bool,
    pub jacobian: bool,
}

impl Shape {
    pub fn inputs(&self) -> usize {
        usize::from(self.scalar_gradient) + self.gradients + 1
    }

    pub fn outputs(&self) -> usize {
        self.results.max(1)
    }
}

/// The loops of one row function for both element types.
#[derive(Clone, Copy)]
pub struct Loops {
    pub shape: Shape,
    pub single: RowKernels<f32>,
    pub double: RowKernels<f64>,
    /// Where `shape.jacobian`.
    pub jacobian: Option<(JacobianKernels<f32>, JacobianKernels<f64>)>,
}

/// An operand of rows.
#[derive(Clone, Copy, Debug)]
pub struct RowOperand {
    pub pointer: *mut u8,
    /// Bytes from one row to the next.
    pub row_stride: isize,
    /// Bytes from one element of a row to the next; for a matrix, from one of its rows to the next.
    pub stride: isize,
    /// Bytes from one element of a matrix's row to the next.
    pub column_stride: isize,
}

impl RowOperand {
    pub const NONE: RowOperand =
        RowOperand { pointer: core::ptr::null_mut(), row_stride: 0, stride: 0, column_stride: 0 };

    fn at(&self, row: usize, element: usize) -> *mut u8 {
        let offset = self.row_stride * row as isize + self.stride * element as isize;
        self.pointer.wrapping_offset(offset)
    }
}

/// The most operands of a call.
pub const MAX_ROW_OPERANDS: usize = 1 + MAX_OPERANDS + MAX_RESULTS;

/// Below this length 16 rows are computed at once, whatever their strides.
const SHORT: usize = 48;
/// Rows that lie side by side are computed at once from this many up.
const SIDE_BY_SIDE: usize = 6;
/// Blocks in a chunk.
const CHUNK: usize = RUN / LANES;
/// Elements in a chunk.
const CHUNK_ELEMENTS: usize = CHUNK * LANES;
/// Elements one thread works through in about the time starting a thread takes.
const GRAIN: usize = 1 << 15;
/// A row from this length up may be split over threads itself.
const LONG: usize = 1 << 17;
/// The most weights kept: planes of 128 bytes, 512 KiB.
const KEPT_PLANES: usize = 1 << 12;

/// Operands that may cross to another thread: each thread works on rows, or parts of one, of its own.
struct Shared<T>(T);
// SAFETY: the pointers inside are used on elements no other thread writes.
unsafe impl<T> Sync for Shared<T> {}

/// Computes `rows` rows of `length` elements.
///
/// The caller's floating-point status is the same after the call, and its rounding and
/// flush-to-zero settings have no influence.
///
/// # Safety
/// `operands` holds the inputs, then the outputs, of `loops`, each with its rows of `storage`
/// elements at its strides, aligned to the item size; no other thread writes them during the call.
/// An output is an input, with the same strides, or apart from it.
pub unsafe fn compute(
    loops: &Loops,
    storage: Storage,
    operands: &[RowOperand],
    rows: usize,
    length: usize,
) {
    if rows == 0 {
        return;
    }
    let _status = FloatStatus::isolate();
    let single = loops.jacobian.as_ref().map(|(single, _)| single);
    let double = loops.jacobian.as_ref().map(|(_, double)| double);
    // SAFETY: passed on from the caller; each arm pairs a storage with its element types.
    unsafe {
        match storage {
            Storage::Float16 => {
                Job::<f16, f32>::new(loops, &loops.single, single, operands, rows, length).run();
            }
            Storage::Bfloat16 => {
                Job::<bf16, f32>::new(loops, &loops.single, single, operands, rows, length).run();
            }
            Storage::Float32 => {
                Job::<f32, f32>::new(loops, &loops.single, single, operands, rows, length).run();
            }
            Storage::Float64 => {
                Job::<f64, f64>::new(loops, &loops.double, double, operands, rows, length).run();
            }
        }
    }
}

/// One call: what to compute and where.
struct Job<'a, E, T> {
    shape: Shape,
    kernels: &'a RowKernels<T>,
    jacobian: Option<&'a JacobianKernels<T>>,
    scalar: RowOperand,
    /// The gradients in their places, then x.
    inputs: [RowOperand; MAX_OPERANDS],
    outputs: [RowOperand; MAX_RESULTS],
    rows: usize,
    length: usize,
    /// Whether a block is one element of 16 rows.
    by_rows: bool,
    storage: core::marker::PhantomData<E>,
}

/// Rows that are computed together: one, or up to 16.
#[derive(Clone, Copy)]
struct Rows {
    first: usize,
    count: usize,
}

/// The scratch memory of one thread: some 80 KiB on its stack.
struct Workspace<T> {
    tiles: [MaybeUninit<[T; CHUNK_ELEMENTS]>; MAX_OPERANDS + MAX_RESULTS],
    accumulators: MaybeUninit<[Accumulator; LANES]>,
    kept: MaybeUninit<[Plane; 2 * CHUNK]>,
    more: Vec<Plane>,
    /// Whether the tiles hold the whole rows.
    resident: bool,
}

impl<T> Workspace<T> {
    fn new() -> Workspace<T> {
        Workspace {
            tiles: [const { MaybeUninit::uninit() }; MAX_OPERANDS + MAX_RESULTS],
            accumulators: MaybeUninit::uninit(),
            kept: MaybeUninit::uninit(),
            more: Vec::new(),
            resident: false,
        }
    }

    fn tile(&mut self, index: usize) -> *mut T {
        self.tiles[index].as_mut_ptr().cast()
    }

    /// Room for this many planes, or null where that is more than the bound, or memory is short.
    fn keep(&mut self, planes: usize) -> *mut Plane {
        if planes <= 2 * CHUNK {
            return self.kept.as_mut_ptr().cast();
        }
        let missing = planes.saturating_sub(self.more.capacity());
        if planes > KEPT_PLANES || missing > 0 && self.more.try_reserve_exact(planes).is_err() {
            return core::ptr::null_mut();
        }
        self.more.as_mut_ptr()
    }
}

const ZERO_ACCUMULATOR: Accumulator = [Plane::ZERO; SUM_PLANES];

impl<'a, E: Element<T>, T: RowNumber> Job<'a, E, T> {
    fn new(
        loops: &Loops,
        kernels: &'a RowKernels<T>,
        jacobian: Option<&'a JacobianKernels<T>>,
        operands: &[RowOperand],
        rows: usize,
        length: usize,
    ) -> Job<'a, E, T> {
        let shape = loops.shape;
        let (given, results) = operands.split_at(shape.inputs());
        let (scalar, given) = given.split_at(usize::from(shape.scalar_gradient));
        let mut inputs = [RowOperand::NONE; MAX_OPERANDS];
        inputs[..shape.gradients].copy_from_slice(&given[..shape.gradients]);
        inputs[MAX_GRADIENTS] = given[shape.gradients];
        let mut outputs = [RowOperand::NONE; MAX_RESULTS];
        outputs[..results.len()].copy_from_slice(results);
        let x = inputs[MAX_GRADIENTS];
        let side_by_side = x.row_stride != 0 && x.row_stride.abs() < x.stride.abs();
        let by_rows = length < SHORT || rows >= SIDE_BY_SIDE && side_by_side;
        Job {
            shape,
            kernels,
            jacobian,
            scalar: scalar.first().copied().unwrap_or(RowOperand::NONE),
            inputs,
            outputs,
            rows,
            length,
            by_rows: by_rows && jacobian.is_none(),
            storage: core::marker::PhantomData,
        }
    }

    /// # Safety
    /// As [`compute`], like all of these.
    unsafe fn run(&self) {
        // SAFETY: passed on from the caller, like all of these.
        unsafe {
            if self.length == 0 {
                self.run_empty();
            } else if self.jacobian.is_some() {
                self.run_jacobians();
            } else if self.length >= LONG && self.rows < 2 * threads::limit() && !self.by_rows {
                for row in 0..self.rows {
                    self.run_long(row);
                }
            } else {
                let together = if self.by_rows { LANES } else { 1 };
                let groups = self.rows.div_ceil(together);
                self.split(groups, together * self.length, |job, workspace, first, count| {
                    for group in first..first + count {
                        let first = group * together;
                        let rows = Rows { first, count: together.min(job.rows - first) };
                        job.run_rows(workspace, rows);
                    }
                });
            }
        }
    }

    /// Does `units` units of work of `elements` elements each, on as many threads as are worth it.
    unsafe fn split(
        &self,
        units: usize,
        elements: usize,
        work: impl Fn(&Self, &mut Workspace<T>, usize, usize) + Sync,
    ) {
        let threads = threads::count_for(units.saturating_mul(elements) / GRAIN).min(units);
        if threads < 2 {
            work(self, &mut Workspace::new(), 0, units);
            return;
        }
        let chunk = (units / (8 * threads)).max(GRAIN / 2 / elements.max(1)).max(1);
        let shared = Shared((self, work));
        threads::split_in_chunks(units, threads, chunk, |first, count| {
            let Shared((job, work)) = &shared;
            work(job, &mut Workspace::new(), first, count);
        });
    }

    /// Rows without elements: only a reduction has something to write, the logarithm of zero.
    unsafe fn run_empty(&self) {
        if self.shape.results == 0 && !self.shape.jacobian {
            for row in 0..self.rows {
                // SAFETY: see above.
                unsafe { self.write(&self.outputs[0], row, 0, -T::INFINITY) };
            }
        }
    }

    /// Blocks of a row, or of 16.
    fn blocks(&self) -> usize {
        if self.by_rows { self.length } else { self.length.div_ceil(LANES) }
    }

    /// Blocks in a run.
    fn run_blocks(&self) -> usize {
        if self.by_rows { RUN } else { RUN / LANES }
    }

    /// The extent of blocks `start` up to `end`.
    fn extent(&self, start: usize, end: usize) -> Extent {
        let last = if self.by_rows { LANES } else { LANES.min(self.length - (end - 1) * LANES) };
        Extent { blocks: end - start, last }
    }

    /// The blocks of an operand as they lie in memory, where a kernel can work on them.
    fn direct(&self, operand: &RowOperand, rows: Rows) -> Option<Blocks<T>> {
        let size = size_of::<T>() as isize;
        let pointer = operand.at(rows.first, 0).cast();
        if !E::NATIVE {
            None
        } else if self.by_rows {
            let whole = operand.row_stride == size && rows.count == LANES;
            whole.then_some(Blocks { pointer, stride: operand.stride / size })
        } else {
            (operand.stride == size || self.length == 1)
                .then_some(Blocks { pointer, stride: LANES as isize })
        }
    }

    /// Blocks `start` up to `end` of an input: in place, or read into its tile.
    unsafe fn input(
        &self,
        workspace: &mut Workspace<T>,
        index: usize,
        rows: Rows,
        start: usize,
        end: usize,
    ) -> Blocks<T> {
        let operand = &self.inputs[index];
        if let Some(Blocks { pointer, stride }) = self.direct(operand, rows) {
            return Blocks { pointer: pointer.wrapping_offset(stride * start as isize), stride };
        }
        let pointer = workspace.tile(index);
        if !workspace.resident {
            // SAFETY: see above; a tile has room for a chunk.
            unsafe { self.read_tile(operand, rows, start, end, pointer) };
        }
        Blocks { pointer, stride: LANES as isize }
    }

    /// Blocks `start` up to `end` of all inputs.
    unsafe fn all_inputs(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        start: usize,
        end: usize,
    ) -> [Blocks<T>; MAX_OPERANDS] {
        let mut blocks = [Blocks::NONE; MAX_OPERANDS];
        for index in (0..self.shape.gradients).chain([MAX_GRADIENTS]) {
            // SAFETY: see above.
            blocks[index] = unsafe { self.input(workspace, index, rows, start, end) };
        }
        blocks
    }

    /// One row, or up to 16.
    unsafe fn run_rows(&self, workspace: &mut Workspace<T>, rows: Rows) {
        let blocks = self.blocks();
        workspace.resident = false;
        let mut group = Group::<T>::new();
        // SAFETY: see above.
        unsafe {
            if blocks <= CHUNK {
                self.all_inputs(workspace, rows, 0, blocks);
                workspace.resident = true;
            }
            self.maximum(workspace, rows, 0, blocks, &mut group.maximum);
            let largest = self.prepare(workspace, rows, &mut group);
            let kept = match self.shape.weighted {
                true => workspace.keep(self.kernels.planes * blocks),
                false => core::ptr::null_mut(),
            };
            let mut total = ZERO_ACCUMULATOR;
            let segment = segment_length(self.length) / RUN * self.run_blocks();
            let mut start = 0;
            while start < blocks {
                let end = blocks.min(start + segment);
                let part = self.sums(workspace, rows, start, end, &group, kept);
                self.add(&mut total, part, start == 0);
                start = end;
            }
            (self.kernels.finish)(&total, &mut group);
            if self.shape.results == 0 {
                for lane in 0..rows.count {
                    self.write(&self.outputs[0], rows.first + lane, 0, group.value[lane]);
                }
                return;
            }
            let invalid = group.valid[..rows.count].iter().filter(|valid| !**valid).count();
            if invalid < rows.count {
                self.results(workspace, rows, 0, blocks, &group, kept);
            }
            self.complete(rows, &group, largest);
        }
    }

    /// A long row, each step split over threads.
    unsafe fn run_long(&self, row: usize) {
        let rows = Rows { first: row, count: 1 };
        let blocks = self.blocks();
        let segment_blocks = segment_length(self.length) / RUN * self.run_blocks();
        let segments = blocks.div_ceil(segment_blocks);
        let range = |segment: usize, count: usize| {
            (segment * segment_blocks, blocks.min((segment + count) * segment_blocks))
        };
        let elements = segment_blocks * LANES;
        let mut group = Group::<T>::new();
        // SAFETY: see above; each thread writes results of its own segments.
        unsafe {
            let maximum = Mutex::new(group.maximum);
            self.split(segments, elements, |job, workspace, first, count| {
                let (start, end) = range(first, count);
                let mut highest = [-T::INFINITY; LANES];
                job.maximum(workspace, rows, start, end, &mut highest);
                if let Ok(mut maximum) = maximum.lock() {
                    for lane in 0..LANES {
                        maximum[lane] = if highest[lane] > maximum[lane] {
                            highest[lane]
                        } else {
                            maximum[lane]
                        };
                    }
                }
            });
            group.maximum = maximum.into_inner().unwrap_or([T::NAN; LANES]);
            let largest = self.prepare(&mut Workspace::new(), rows, &mut group);

            let parts = Mutex::new([[0.0; SUM_PLANES]; SEGMENTS]);
            self.split(segments, elements, |job, workspace, first, count| {
                for segment in first..first + count {
                    let (start, end) = range(segment, 1);
                    let kept = core::ptr::null_mut();
                    let part = job.sums(workspace, rows, start, end, &group, kept);
                    if let Ok(mut parts) = parts.lock() {
                        parts[segment] = part.map(|plane| plane.0[0]);
                    }
                }
            });
            let mut total = ZERO_ACCUMULATOR;
            let parts = parts.into_inner().unwrap_or([[f64::NAN; SUM_PLANES]; SEGMENTS]);
            for (segment, part) in parts[..segments].iter().enumerate() {
                self.add(&mut total, part.map(|number| Plane([number; LANES])), segment == 0);
            }
            (self.kernels.finish)(&total, &mut group);
            if self.shape.results == 0 {
                self.write(&self.outputs[0], row, 0, group.value[0]);
                return;
            }
            if group.valid[0] {
                self.split(segments, elements, |job, workspace, first, count| {
                    let (start, end) = range(first, count);
                    let kept = core::ptr::null_mut();
                    job.results(workspace, rows, start, end, &group, kept);
                });
            }
            self.complete(rows, &group, largest);
        }
    }

    /// The maximum of x in each lane over some blocks.
    unsafe fn maximum(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        start: usize,
        end: usize,
        maximum: &mut Lanes<T>,
    ) {
        let mut chunk = start;
        while chunk < end {
            let next = end.min(chunk + CHUNK);
            // SAFETY: see above.
            unsafe {
                let x = self.input(workspace, MAX_GRADIENTS, rows, chunk, next);
                (self.kernels.maximum)(self.extent(chunk, next), x, maximum);
            }
            chunk = next;
        }
    }

    /// What the terms need besides the maxima; returns where each row's first largest element is.
    unsafe fn prepare(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        group: &mut Group<T>,
    ) -> Lanes<usize> {
        if !self.by_rows {
            let highest = group.maximum.iter().copied();
            let highest = highest.fold(-T::INFINITY, |a, b| if b > a { b } else { a });
            group.maximum = [highest; LANES];
        }
        let mut largest = [0; LANES];
        // SAFETY: see above; the elements read are of the rows.
        unsafe {
            if self.shape.references > 0 || self.shape.patched {
                largest = self.find(workspace, rows, group);
            }
            for lane in 0..LANES {
                let row = rows.first + if self.by_rows { lane.min(rows.count - 1) } else { 0 };
                for k in 0..self.shape.references {
                    group.reference[k][lane] = self.read(&self.inputs[k], row, largest[lane]);
                }
                if self.shape.scalar_gradient {
                    group.reference[0][lane] = self.read(&self.scalar, row, 0);
                }
            }
        }
        largest
    }

    /// Where each row's first largest element is; 0 where there is none.
    unsafe fn find(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        group: &Group<T>,
    ) -> Lanes<usize> {
        let blocks = self.blocks();
        let mut largest = [usize::MAX; LANES];
        let mut chunk = 0;
        while chunk < blocks {
            let next = blocks.min(chunk + CHUNK);
            let mut found = [-T::ONE; LANES];
            // SAFETY: see above.
            unsafe {
                let x = self.input(workspace, MAX_GRADIENTS, rows, chunk, next);
                (self.kernels.find)(self.extent(chunk, next), x, &group.maximum, &mut found);
            }
            for lane in 0..LANES {
                if found[lane] >= T::ZERO && largest[lane] == usize::MAX {
                    let block = chunk + found[lane].to_index();
                    largest[lane] = if self.by_rows { block } else { block * LANES + lane };
                }
            }
            if !self.by_rows {
                let first = largest.iter().copied().min().unwrap_or(usize::MAX);
                largest = [first; LANES];
            }
            if !largest.contains(&usize::MAX) {
                break;
            }
            chunk = next;
        }
        largest.map(|index| if index == usize::MAX { 0 } else { index })
    }

    /// The sums over some blocks, whole runs but the last.
    unsafe fn sums(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        start: usize,
        end: usize,
        group: &Group<T>,
        kept: *mut Plane,
    ) -> Accumulator {
        let mut total = ZERO_ACCUMULATOR;
        let accumulators = workspace.accumulators.as_mut_ptr().cast::<Accumulator>();
        let mut run = start;
        while run < end {
            let run_end = end.min(run + self.run_blocks());
            let used = if self.by_rows { LANES.min(run_end - run) } else { 1 };
            // SAFETY: see above; there is room for the weights of all blocks, and 16 accumulators.
            let part = unsafe {
                for index in 0..used {
                    accumulators.add(index).write(ZERO_ACCUMULATOR);
                }
                let sums = if self.by_rows { self.kernels.sums_of_rows } else { self.kernels.sums };
                let mut chunk = run;
                while chunk < run_end {
                    let next = run_end.min(chunk + CHUNK);
                    let operands = self.all_inputs(workspace, rows, chunk, next);
                    let kept = match kept.is_null() {
                        true => kept,
                        false => kept.add(self.kernels.planes * chunk),
                    };
                    sums(self.extent(chunk, next), &operands, group, kept, accumulators);
                    chunk = next;
                }
                if self.by_rows {
                    (self.kernels.fold)(accumulators, used);
                } else {
                    (self.kernels.fold_lanes)(&mut *accumulators);
                }
                accumulators.read()
            };
            // SAFETY: see above.
            unsafe { self.add(&mut total, part, run == start) };
            run = run_end;
        }
        total
    }

    /// `total += part`; the first part is the total so far.
    unsafe fn add(&self, total: &mut Accumulator, part: Accumulator, first: bool) {
        if first {
            *total = part;
        } else {
            // SAFETY: see above.
            unsafe { (self.kernels.add)(total, &part) };
        }
    }

    /// The results of some blocks.
    unsafe fn results(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        start: usize,
        end: usize,
        group: &Group<T>,
        kept: *const Plane,
    ) {
        let mut chunk = start;
        while chunk < end {
            let next = end.min(chunk + CHUNK);
            // SAFETY: see above.
            unsafe {
                let operands = self.all_inputs(workspace, rows, chunk, next);
                let mut outputs = [Blocks::NONE; MAX_RESULTS];
                for k in 0..self.shape.results {
                    outputs[k] = match self.direct(&self.outputs[k], rows) {
                        Some(Blocks { pointer, stride }) => {
                            Blocks { pointer: pointer.offset(stride * chunk as isize), stride }
                        }
                        None => {
                            let pointer = workspace.tile(MAX_OPERANDS + k);
                            Blocks { pointer, stride: LANES as isize }
                        }
                    };
                }
                let kept = match kept.is_null() {
                    true => kept,
                    false => kept.add(self.kernels.planes * chunk),
                };
                let extent = self.extent(chunk, next);
                (self.kernels.results)(extent, &operands, group, kept, &outputs);
                for k in 0..self.shape.results {
                    if self.direct(&self.outputs[k], rows).is_none() {
                        let tile = outputs[k].pointer;
                        self.write_tile(&self.outputs[k], rows, chunk, next, tile);
                    }
                }
            }
            chunk = next;
        }
    }

    /// The results apart from the rest: at the largest elements, and rows of NaN.
    unsafe fn complete(&self, rows: Rows, group: &Group<T>, largest: Lanes<usize>) {
        for lane in 0..rows.count {
            let row = rows.first + lane;
            // SAFETY: see above.
            unsafe {
                if !group.valid[lane] {
                    for output in &self.outputs[..self.shape.results] {
                        for element in 0..self.length {
                            self.write(output, row, element, T::NAN);
                        }
                    }
                } else if self.shape.patched {
                    self.write(&self.outputs[0], row, largest[lane], group.value[lane]);
                }
            }
        }
    }

    unsafe fn read(&self, operand: &RowOperand, row: usize, element: usize) -> T {
        let mut number = [T::ZERO];
        // SAFETY: see above.
        E::widen(&[unsafe { *operand.at(row, element).cast::<E>() }], &mut number);
        number[0]
    }

    unsafe fn write(&self, operand: &RowOperand, row: usize, element: usize, number: T) {
        let mut stored = [E::ZERO];
        E::narrow(&[number], &mut stored);
        // SAFETY: see above.
        unsafe { *operand.at(row, element).cast::<E>() = stored[0] };
    }

    /// Reads blocks `start` up to `end` of an operand into a tile.
    unsafe fn read_tile(
        &self,
        operand: &RowOperand,
        rows: Rows,
        start: usize,
        end: usize,
        tile: *mut T,
    ) {
        let count = self.tile_elements(start, end);
        let mut stored = MaybeUninit::<[E; CHUNK_ELEMENTS]>::uninit();
        // SAFETY: see above. All `count` elements are gathered before they are converted.
        unsafe {
            let to = if E::NATIVE { tile.cast() } else { stored.as_mut_ptr().cast::<E>() };
            if !self.by_rows {
                let from = operand.at(rows.first, start * LANES);
                for i in 0..count {
                    *to.add(i) = *from.wrapping_offset(operand.stride * i as isize).cast();
                }
            } else if operand.row_stride.abs() < operand.stride.abs() {
                for block in start..end {
                    let to = to.add((block - start) * LANES);
                    for lane in 0..LANES {
                        // Lanes without a row repeat the last.
                        let row = rows.first + lane.min(rows.count - 1);
                        *to.add(lane) = *operand.at(row, block).cast();
                    }
                }
            } else {
                for lane in 0..LANES {
                    let from = operand.at(rows.first + lane.min(rows.count - 1), start);
                    for i in 0..end - start {
                        let from = from.wrapping_offset(operand.stride * i as isize);
                        *to.add(i * LANES + lane) = *from.cast();
                    }
                }
            }
            if !E::NATIVE {
                let tile = core::slice::from_raw_parts_mut(tile, count);
                tile.fill(T::ZERO);
                E::widen(core::slice::from_raw_parts(to, count), tile);
            }
        }
    }

    /// Writes blocks `start` up to `end` of an operand from a tile.
    unsafe fn write_tile(
        &self,
        operand: &RowOperand,
        rows: Rows,
        start: usize,
        end: usize,
        tile: *mut T,
    ) {
        let count = self.tile_elements(start, end);
        let mut stored = MaybeUninit::<[E; CHUNK_ELEMENTS]>::uninit();
        // SAFETY: see above. All `count` elements are converted before they are scattered.
        unsafe {
            let from = if E::NATIVE {
                tile.cast()
            } else {
                let stored = stored.as_mut_ptr().cast::<E>();
                for i in 0..count {
                    stored.add(i).write(E::ZERO);
                }
                let to = core::slice::from_raw_parts_mut(stored, count);
                E::narrow(core::slice::from_raw_parts(tile, count), to);
                stored
            };
            if !self.by_rows {
                let to = operand.at(rows.first, start * LANES);
                for i in 0..count {
                    *to.wrapping_offset(operand.stride * i as isize).cast() = *from.add(i);
                }
            } else if operand.row_stride.abs() < operand.stride.abs() {
                for block in start..end {
                    let from = from.add((block - start) * LANES);
                    for lane in 0..rows.count {
                        *operand.at(rows.first + lane, block).cast() = *from.add(lane);
                    }
                }
            } else {
                for lane in 0..rows.count {
                    let to = operand.at(rows.first + lane, start);
                    for i in 0..end - start {
                        let to = to.wrapping_offset(operand.stride * i as isize);
                        *to.cast() = *from.add(i * LANES + lane);
                    }
                }
            }
        }
    }

    /// Elements in a tile of blocks `start` up to `end`.
    fn tile_elements(&self, start: usize, end: usize) -> usize {
        let all = (end - start) * LANES;
        if self.by_rows { all } else { all.min(self.length - start * LANES) }
    }

    /// All Jacobians, a unit of work for each chunk of rows of each.
    unsafe fn run_jacobians(&self) {
        let parts = self.blocks().div_ceil(CHUNK);
        let elements = self.length.min(CHUNK_ELEMENTS) * self.length;
        // SAFETY: see above; each unit writes rows of its own.
        unsafe {
            self.split(self.rows * parts, elements, |job, workspace, first, count| {
                for unit in first..first + count {
                    job.run_jacobian(workspace, unit / parts, unit % parts * CHUNK);
                }
            });
        }
    }

    /// The rows of one Jacobian that belong to the chunk of blocks from `first`.
    unsafe fn run_jacobian(&self, workspace: &mut Workspace<T>, row: usize, first: usize) {
        let Some(kernels) = self.jacobian else { return };
        let blocks = self.blocks();
        let rows = Rows { first: row, count: 1 };
        workspace.resident = false;
        let mut group = Group::<T>::new();
        // The matrix as rows of its own.
        let whole = self.outputs[0];
        let matrix = RowOperand {
            pointer: whole.at(row, 0),
            row_stride: whole.stride,
            stride: whole.column_stride,
            column_stride: 0,
        };
        let last = blocks.min(first + CHUNK);
        let elements = first * LANES..self.length.min(last * LANES);
        let mut others = MaybeUninit::<[Plane; 2 * CHUNK]>::uninit();
        let others = others.as_mut_ptr().cast::<Plane>();
        let shares = workspace.kept.as_mut_ptr().cast::<Plane>();
        let tile = |pointer| Blocks { pointer, stride: LANES as isize };
        let diagonal = tile(workspace.tile(MAX_OPERANDS));
        let unused = tile(workspace.tile(MAX_OPERANDS + 1));
        let buffer = tile(workspace.tile(0));
        // SAFETY: see above; both arrays have room for a chunk.
        unsafe {
            if blocks <= CHUNK {
                self.all_inputs(workspace, rows, 0, blocks);
                workspace.resident = true;
            }
            self.maximum(workspace, rows, 0, blocks, &mut group.maximum);
            self.prepare(workspace, rows, &mut group);
            let mut total = ZERO_ACCUMULATOR;
            let segment = segment_length(self.length) / RUN * self.run_blocks();
            let mut start = 0;
            while start < blocks {
                let end = blocks.min(start + segment);
                let null = core::ptr::null_mut();
                let part = self.sums(workspace, rows, start, end, &group, null);
                self.add(&mut total, part, start == 0);
                start = end;
            }
            (self.kernels.finish)(&total, &mut group);
            if !group.valid[0] {
                for i in elements {
                    for k in 0..self.length {
                        self.write(&matrix, i, k, T::NAN);
                    }
                }
                return;
            }
            let x = self.input(workspace, MAX_GRADIENTS, rows, first, last);
            (kernels.diagonal)(self.extent(first, last), x, &group, shares, diagonal);
            for chunk in (0..blocks).step_by(CHUNK) {
                let next = blocks.min(chunk + CHUNK);
                let extent = self.extent(chunk, next);
                let mut columns = shares;
                if chunk != first {
                    columns = others;
                    let x = self.input(workspace, MAX_GRADIENTS, rows, chunk, next);
                    (kernels.diagonal)(extent, x, &group, columns, unused);
                }
                for i in elements.clone() {
                    let place = i - first * LANES;
                    let share = shares.add(place / LANES * self.kernels.planes);
                    let tail = share.add(self.kernels.planes - 1);
                    let share = [share, tail].map(|plane| (*plane).0[place % LANES]);
                    let line = Rows { first: i, count: 1 };
                    if let Some(Blocks { pointer, stride }) = self.direct(&matrix, line) {
                        let pointer = pointer.offset(stride * chunk as isize);
                        (kernels.entries)(extent, share, columns, Blocks { pointer, stride });
                    } else {
                        (kernels.entries)(extent, share, columns, buffer);
                        self.write_tile(&matrix, line, chunk, next, buffer.pointer);
                    }
                }
            }
            for i in elements {
                self.write(&matrix, i, i, *diagonal.pointer.add(i - first * LANES));
            }
        }
    }
}
