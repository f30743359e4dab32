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
    segment_length,
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

    /// Whether it lies in memory block by block.
    fn is_in_blocks<E: Element<T>, T: RowNumber>(&self, by_rows: bool) -> bool {
        let step = if by_rows { self.row_stride } else { self.stride };
        E::NATIVE && step == size_of::<T>() as isize
    }
}

/// The most operands of a call.
pub const MAX_ROW_OPERANDS: usize = 1 + MAX_OPERANDS + MAX_RESULTS;

/// Up to this length 16 rows are computed at once, whatever their strides.
const SHORT: usize = CHUNK;
/// Rows that lie side by side in an operand are computed at once from this many up.
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
/// Bytes of a slab.
const SLAB: usize = 1 << 18;

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
    inputs_in_blocks: [bool; MAX_OPERANDS],
    outputs_in_blocks: [bool; MAX_RESULTS],
    rows: usize,
    length: usize,
    /// Whether a block is one element of 16 rows.
    by_rows: bool,
    /// Blocks of a row, or of 16; in a run; in a segment.
    blocks: usize,
    run_blocks: usize,
    segment_blocks: usize,
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
    /// Those of a run, then the sums of a segment and of the row.
    accumulators: MaybeUninit<[Accumulator; LANES + 2]>,
    kept: MaybeUninit<[Plane; 2 * CHUNK]>,
    more: Vec<Plane>,
    slab: Vec<T>,
    in_slab: Option<Slab>,
}

/// What a slab holds: operands of some groups of rows, one after the other.
#[derive(Clone, Copy)]
struct Slab {
    /// The first row.
    first: usize,
    /// Elements of one operand, and of one group of it.
    operand: usize,
    group: usize,
}

impl Slab {
    /// Where a block of an operand is.
    fn place(&self, slot: usize, rows: Rows, block: usize) -> usize {
        slot * self.operand + (rows.first - self.first) / LANES * self.group + block * LANES
    }
}

impl<T> Workspace<T> {
    fn new() -> Workspace<T> {
        Workspace {
            tiles: [const { MaybeUninit::uninit() }; MAX_OPERANDS + MAX_RESULTS],
            accumulators: MaybeUninit::uninit(),
            kept: MaybeUninit::uninit(),
            more: Vec::new(),
            slab: Vec::new(),
            in_slab: None,
        }
    }

    fn accumulator(&mut self, index: usize) -> *mut Accumulator {
        self.accumulators.as_mut_ptr().cast::<Accumulator>().wrapping_add(index)
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

/// Places of the totals among the accumulators of a workspace.
const SEGMENT_SUM: usize = LANES;
const ROW_SUM: usize = LANES + 1;

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
        let side_by_side = |operand: &RowOperand| {
            operand.row_stride != 0 && operand.row_stride.abs() < operand.stride.abs()
        };
        let side_by_side = inputs.iter().chain(&outputs).any(side_by_side);
        let by_rows = length <= SHORT || rows >= SIDE_BY_SIDE && side_by_side;
        let by_rows = by_rows && jacobian.is_none();
        let elements = if by_rows { 1 } else { LANES };
        Job {
            shape,
            kernels,
            jacobian,
            scalar: scalar.first().copied().unwrap_or(RowOperand::NONE),
            inputs,
            outputs,
            inputs_in_blocks: inputs.map(|operand| operand.is_in_blocks::<E, T>(by_rows)),
            outputs_in_blocks: outputs.map(|operand| operand.is_in_blocks::<E, T>(by_rows)),
            rows,
            length,
            by_rows,
            blocks: length.div_ceil(elements),
            run_blocks: RUN / elements,
            segment_blocks: segment_length(length) / elements,
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
                let lanes = if self.by_rows { LANES } else { 1 };
                let together = lanes * self.groups_in_slab().max(1);
                let units = self.rows.div_ceil(together);
                self.split(units, together * self.length, |job, workspace, first, count| {
                    let mut group = Group::new();
                    for unit in first..first + count {
                        let first = unit * together;
                        let last = job.rows.min(first + together);
                        job.fill_slab(workspace, first, last);
                        for first in (first..last).step_by(lanes) {
                            let rows = Rows { first, count: lanes.min(last - first) };
                            job.run_rows(workspace, &mut group, rows);
                        }
                        job.empty_slab(workspace, first, last);
                    }
                });
            }
        }
    }

    /// How many groups of 16 rows are computed in memory of their own; 0 to do without.
    ///
    /// A group of rows that lie side by side has one cache line in every so many kilobytes, and each
    /// step would fetch them again. Copied for a few groups at once, lines come and go in order.
    fn groups_in_slab(&self) -> usize {
        let group = self.slots() * self.length * LANES * size_of::<T>();
        if self.by_rows && self.blocks > CHUNK { (SLAB / group).min(4) } else { 0 }
    }

    /// Operands in a slab: the inputs, x last, and results that lie side by side.
    fn slots(&self) -> usize {
        self.shape.gradients + 1 + if self.results_in_slab() { self.shape.results } else { 0 }
    }

    fn results_in_slab(&self) -> bool {
        let size = size_of::<E>() as isize;
        self.outputs[..self.shape.results].iter().all(|output| output.row_stride == size)
    }

    /// Copies the inputs of rows `first` up to `last` to the slab, if that is to be used.
    unsafe fn fill_slab(&self, workspace: &mut Workspace<T>, first: usize, last: usize) {
        workspace.in_slab = None;
        let groups = self.groups_in_slab();
        let slab =
            Slab { first, operand: groups * self.length * LANES, group: self.length * LANES };
        let elements = self.slots() * slab.operand;
        let missing = workspace.slab.capacity() < elements;
        if groups == 0 || missing && workspace.slab.try_reserve_exact(elements).is_err() {
            return;
        }
        workspace.in_slab = Some(slab);
        let start = workspace.slab.as_mut_ptr();
        self.each_chunk(first, last, |rows, chunk, next| {
            for slot in 0..=self.shape.gradients {
                let index = if slot == self.shape.gradients { MAX_GRADIENTS } else { slot };
                // SAFETY: see above; the slab has room for all groups of all operands.
                unsafe {
                    let to = start.add(slab.place(slot, rows, chunk));
                    self.read_tile(&self.inputs[index], rows, chunk, next, to);
                }
            }
        });
    }

    /// Writes results from the slab, if they are there.
    unsafe fn empty_slab(&self, workspace: &mut Workspace<T>, first: usize, last: usize) {
        let Some(slab) = workspace.in_slab.filter(|_| self.results_in_slab()) else { return };
        let start = workspace.slab.as_mut_ptr();
        self.each_chunk(first, last, |rows, chunk, next| {
            for k in 0..self.shape.results {
                let slot = self.shape.gradients + 1 + k;
                // SAFETY: see above; the results were written to the slab.
                unsafe {
                    let from = start.add(slab.place(slot, rows, chunk));
                    self.write_tile(&self.outputs[k], rows, chunk, next, from);
                }
            }
        });
    }

    /// Calls `act(rows, chunk, next)` for each chunk of each group of rows, chunk by chunk.
    fn each_chunk(&self, first: usize, last: usize, act: impl Fn(Rows, usize, usize)) {
        for chunk in (0..self.blocks).step_by(CHUNK) {
            for first in (first..last).step_by(LANES) {
                let rows = Rows { first, count: LANES.min(last - first) };
                act(rows, chunk, self.blocks.min(chunk + CHUNK));
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

    /// The extent of blocks `start` up to `end`.
    fn extent(&self, start: usize, end: usize) -> Extent {
        let last = if self.by_rows { LANES } else { LANES.min(self.length - (end - 1) * LANES) };
        Extent { blocks: end - start, last }
    }

    /// Whether these rows fill the lanes of their blocks.
    fn fills_blocks(&self, rows: Rows) -> bool {
        !self.by_rows || rows.count == LANES
    }

    /// Block `start` and those after it of an operand that lies in blocks.
    fn in_place(&self, operand: &RowOperand, rows: Rows, start: usize) -> Blocks<T> {
        let stride =
            if self.by_rows { operand.stride / size_of::<T>() as isize } else { LANES as isize };
        let element = if self.by_rows { start } else { start * LANES };
        Blocks { pointer: operand.at(rows.first, element).cast(), stride }
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
        if let Some(slab) = workspace.in_slab {
            let slot = index.min(self.shape.gradients);
            let place = slab.place(slot, rows, start);
            let pointer = workspace.slab.as_mut_ptr().wrapping_add(place);
            return Blocks { pointer, stride: LANES as isize };
        }
        let operand = &self.inputs[index];
        if self.inputs_in_blocks[index] && self.fills_blocks(rows) {
            return self.in_place(operand, rows, start);
        }
        let pointer = workspace.tile(index);
        // SAFETY: see above; a tile has room for a chunk.
        unsafe { self.read_tile(operand, rows, start, end, pointer) };
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

    /// One row, or up to 16; the group is scratch.
    unsafe fn run_rows(&self, workspace: &mut Workspace<T>, group: &mut Group<T>, rows: Rows) {
        let blocks = self.blocks;
        group.maximum = [-T::INFINITY; LANES];
        // SAFETY: see above.
        unsafe {
            if blocks <= CHUNK {
                self.run_chunk(workspace, group, rows);
                return;
            }
            self.maximum(workspace, rows, 0, blocks, &mut group.maximum);
            self.spread_maximum(group);
            let largest = self.find(workspace, rows, group);
            self.refer(rows, largest, group);
            let kept = match self.shape.weighted {
                true => workspace.keep(self.kernels.planes * blocks),
                false => core::ptr::null_mut(),
            };
            let total = self.sums(workspace, rows, group, kept);
            self.finish(total, group);
            if self.shape.results > 0 && group.has_valid(rows.count) {
                self.results(workspace, rows, 0, blocks, group, kept);
            }
            self.complete(workspace, rows, group, largest);
        }
    }

    /// [`run_rows`](Self::run_rows) for rows of no more than a chunk: all steps in one.
    unsafe fn run_chunk(&self, workspace: &mut Workspace<T>, group: &mut Group<T>, rows: Rows) {
        let extent = self.extent(0, self.blocks);
        let whole = if self.by_rows { self.kernels.whole_of_rows } else { self.kernels.whole };
        // SAFETY: see above; a chunk is one run at most, and there is room for its weights.
        unsafe {
            let operands = self.all_inputs(workspace, rows, 0, self.blocks);
            let outputs = self.outputs(workspace, rows, 0);
            if self.shape.scalar_gradient {
                self.refer(rows, [0; LANES], group);
            }
            let kept = workspace.kept.as_mut_ptr().cast::<Plane>();
            whole(extent, &operands, group, kept, workspace.accumulator(0), &outputs);
            if self.shape.results == 0 {
                for lane in 0..rows.count {
                    self.write(&self.outputs[0], rows.first + lane, 0, group.value[lane]);
                }
            }
            self.deliver(workspace, rows, 0, self.blocks);
        }
    }

    /// A long row, each step split over threads.
    unsafe fn run_long(&self, row: usize) {
        let rows = Rows { first: row, count: 1 };
        let blocks = self.blocks;
        let segment_blocks = self.segment_blocks;
        let segments = blocks.div_ceil(segment_blocks);
        let range = |segment: usize, count: usize| {
            (segment * segment_blocks, blocks.min((segment + count) * segment_blocks))
        };
        let elements = segment_blocks * LANES;
        let mut group = Group::<T>::new();
        let mut parts = Vec::<Accumulator>::new();
        if parts.try_reserve_exact(segments).is_err() {
            // SAFETY: see above.
            unsafe { self.run_rows(&mut Workspace::new(), &mut group, rows) };
            return;
        }
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
            self.spread_maximum(&mut group);
            let largest = self.find(&mut Workspace::new(), rows, &group);
            self.refer(rows, largest, &mut group);

            let places = Shared(parts.as_mut_ptr());
            self.split(segments, elements, |job, workspace, first, count| {
                let Shared(places) = &places;
                for segment in first..first + count {
                    let (start, end) = range(segment, 1);
                    let kept = core::ptr::null_mut();
                    let part = job.segment_sums(workspace, rows, start, end, &group, kept);
                    places.add(segment).copy_from_nonoverlapping(part, 1);
                }
            });
            let total = parts.as_mut_ptr();
            for segment in 1..segments {
                (self.kernels.add)(total, total.add(segment));
            }
            self.finish(total, &mut group);
            if self.shape.results > 0 && group.valid[0] {
                self.split(segments, elements, |job, workspace, first, count| {
                    let (start, end) = range(first, count);
                    let kept = core::ptr::null_mut();
                    job.results(workspace, rows, start, end, &group, kept);
                });
            }
            self.complete(&mut Workspace::new(), rows, &group, largest);
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

    /// For one row, makes the maximum that of all lanes.
    fn spread_maximum(&self, group: &mut Group<T>) {
        if self.by_rows {
            return;
        }
        let mut maximum = group.maximum;
        for half in [8, 4, 2, 1] {
            for lane in 0..half {
                let (a, b) = (maximum[lane], maximum[lane + half]);
                maximum[lane] = T::select(b > a, b, a);
            }
        }
        group.maximum = [maximum[0]; LANES];
    }

    fn needs_largest(&self) -> bool {
        self.shape.references > 0 || self.shape.patched
    }

    /// Where each row's first largest element is, if that is needed; 0 where there is none.
    unsafe fn find(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        group: &Group<T>,
    ) -> Lanes<usize> {
        let mut largest = [usize::MAX; LANES];
        let mut chunk = 0;
        while chunk < self.blocks && self.needs_largest() && largest.contains(&usize::MAX) {
            let next = self.blocks.min(chunk + CHUNK);
            // SAFETY: see above.
            unsafe {
                let x = self.input(workspace, MAX_GRADIENTS, rows, chunk, next);
                self.find_in(self.extent(chunk, next), x, chunk, &group.maximum, &mut largest);
            }
            chunk = next;
        }
        largest.map(|index| if index == usize::MAX { 0 } else { index })
    }

    /// Where the first largest elements are, for rows that have none before block `start`.
    unsafe fn find_in(
        &self,
        extent: Extent,
        x: Blocks<T>,
        start: usize,
        maximum: &Lanes<T>,
        largest: &mut Lanes<usize>,
    ) {
        let mut found = [-T::ONE; LANES];
        // SAFETY: see above.
        unsafe { (self.kernels.find)(extent, x, maximum, &mut found) };
        for lane in 0..LANES {
            if found[lane] >= T::ZERO && largest[lane] == usize::MAX {
                let block = start + found[lane].to_index();
                largest[lane] = if self.by_rows { block } else { block * LANES + lane };
            }
        }
        if !self.by_rows {
            *largest = [largest.iter().copied().fold(usize::MAX, usize::min); LANES];
        }
    }

    /// Reads the gradients that all elements refer to.
    unsafe fn refer(&self, rows: Rows, largest: Lanes<usize>, group: &mut Group<T>) {
        if self.shape.references == 0 && !self.shape.scalar_gradient {
            return;
        }
        for lane in 0..if self.by_rows { LANES } else { 1 } {
            let row = rows.first + lane.min(rows.count - 1);
            // SAFETY: see above; the elements are of the rows.
            unsafe {
                for k in 0..self.shape.references {
                    group.reference[k][lane] = self.read(&self.inputs[k], row, largest[lane]);
                }
                if self.shape.scalar_gradient {
                    group.reference[0][lane] = self.read(&self.scalar, row, 0);
                }
            }
        }
        if !self.by_rows {
            group.reference = group.reference.map(|reference| [reference[0]; LANES]);
        }
    }

    /// The sums over a segment, or the part of one there is.
    unsafe fn segment_sums(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        start: usize,
        end: usize,
        group: &Group<T>,
        kept: *mut Plane,
    ) -> *const Accumulator {
        let accumulators = workspace.accumulator(0);
        let mut total = workspace.accumulator(SEGMENT_SUM);
        let mut run = start;
        while run < end {
            let run_end = end.min(run + self.run_blocks);
            let mut chunk = run;
            // SAFETY: see above; there is room for the weights of all blocks, and 16 accumulators.
            unsafe {
                while chunk < run_end {
                    let next = run_end.min(chunk + CHUNK);
                    let operands = self.all_inputs(workspace, rows, chunk, next);
                    let extent = self.extent(chunk, next);
                    let kept = self.kept_from(kept, chunk);
                    self.run_sums(extent, &operands, group, kept, accumulators, chunk == run);
                    chunk = next;
                }
                self.fold(accumulators, run_end - run);
                total = self.add(total, accumulators, run == start, run_end == end);
            }
            run = run_end;
        }
        total
    }

    /// Adds the terms of some blocks of a run to its accumulators.
    unsafe fn run_sums(
        &self,
        extent: Extent,
        operands: &[Blocks<T>; MAX_OPERANDS],
        group: &Group<T>,
        kept: *mut Plane,
        accumulators: *mut Accumulator,
        fresh: bool,
    ) {
        let sums = if self.by_rows { self.kernels.sums_of_rows } else { self.kernels.sums };
        // SAFETY: see above.
        unsafe { sums(extent, operands, group, kept, accumulators, fresh) };
    }

    /// The sum of a run, left in its first accumulator.
    unsafe fn fold(&self, accumulators: *mut Accumulator, blocks: usize) {
        // SAFETY: see above.
        unsafe {
            if self.by_rows {
                (self.kernels.fold)(accumulators, LANES.min(blocks));
            } else {
                (self.kernels.fold_lanes)(accumulators);
            }
        }
    }

    /// The weights kept from a block on.
    fn kept_from(&self, kept: *mut Plane, block: usize) -> *mut Plane {
        if kept.is_null() { kept } else { kept.wrapping_add(self.kernels.planes * block) }
    }

    /// The sums over the rows.
    unsafe fn sums(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        group: &Group<T>,
        kept: *mut Plane,
    ) -> *const Accumulator {
        let mut total = workspace.accumulator(ROW_SUM);
        let mut start = 0;
        while start < self.blocks {
            let end = self.blocks.min(start + self.segment_blocks);
            // SAFETY: see above.
            unsafe {
                let part = self.segment_sums(workspace, rows, start, end, group, kept);
                total = self.add(total, part.cast_mut(), start == 0, end == self.blocks);
            }
            start = end;
        }
        total
    }

    /// `total += part`, where the first part is the total so far; the total, or the only part.
    unsafe fn add(
        &self,
        total: *mut Accumulator,
        part: *mut Accumulator,
        first: bool,
        last: bool,
    ) -> *mut Accumulator {
        // SAFETY: see above.
        unsafe {
            match (first, last) {
                (true, true) => return part,
                (true, false) => total.copy_from_nonoverlapping(part, 1),
                _ => (self.kernels.add)(total, part),
            }
        }
        total
    }

    /// The constants of the group.
    unsafe fn finish(&self, total: *const Accumulator, group: &mut Group<T>) {
        let finish = if self.by_rows { self.kernels.finish_rows } else { self.kernels.finish };
        // SAFETY: see above.
        unsafe { finish(total, group) };
    }

    /// The results of some blocks.
    unsafe fn results(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        start: usize,
        end: usize,
        group: &Group<T>,
        kept: *mut Plane,
    ) {
        let mut chunk = start;
        while chunk < end {
            let next = end.min(chunk + CHUNK);
            let extent = self.extent(chunk, next);
            let kept = self.kept_from(kept, chunk);
            // SAFETY: see above.
            unsafe {
                let operands = self.all_inputs(workspace, rows, chunk, next);
                self.results_of(workspace, rows, chunk, &operands, extent, group, kept);
            }
            chunk = next;
        }
    }

    /// The results of a chunk of blocks from `start`, given its operands and weights.
    #[allow(clippy::too_many_arguments)]
    unsafe fn results_of(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        start: usize,
        operands: &[Blocks<T>; MAX_OPERANDS],
        extent: Extent,
        group: &Group<T>,
        kept: *const Plane,
    ) {
        let outputs = self.outputs(workspace, rows, start);
        // SAFETY: see above.
        unsafe {
            (self.kernels.results)(extent, operands, group, kept, &outputs);
            self.deliver(workspace, rows, start, start + extent.blocks);
        }
    }

    /// Where the results of blocks from `start` on are to be written by a kernel.
    fn outputs(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        start: usize,
    ) -> [Blocks<T>; MAX_RESULTS] {
        let in_slab = workspace.in_slab.filter(|_| self.results_in_slab());
        let mut outputs = [Blocks::NONE; MAX_RESULTS];
        for k in 0..self.shape.results {
            outputs[k] = if let Some(slab) = in_slab {
                let place = slab.place(self.shape.gradients + 1 + k, rows, start);
                let pointer = workspace.slab.as_mut_ptr().wrapping_add(place);
                Blocks { pointer, stride: LANES as isize }
            } else if self.outputs_in_blocks[k] && self.fills_blocks(rows) {
                self.in_place(&self.outputs[k], rows, start)
            } else {
                let pointer = workspace.tile(MAX_OPERANDS + k);
                Blocks { pointer, stride: LANES as isize }
            };
        }
        outputs
    }

    /// Writes results that are in tiles to where they belong.
    unsafe fn deliver(&self, workspace: &mut Workspace<T>, rows: Rows, start: usize, end: usize) {
        for k in 0..self.shape.results {
            let in_slab = workspace.in_slab.is_some() && self.results_in_slab();
            let in_place = self.outputs_in_blocks[k] && self.fills_blocks(rows);
            if !(in_slab || in_place) {
                // SAFETY: see above.
                unsafe {
                    let tile = workspace.tile(MAX_OPERANDS + k);
                    self.write_tile(&self.outputs[k], rows, start, end, tile);
                }
            }
        }
    }

    /// The results apart from the rest: of reductions, at the largest elements, and rows of NaN.
    unsafe fn complete(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        group: &Group<T>,
        largest: Lanes<usize>,
    ) {
        let in_slab = workspace.in_slab.filter(|_| self.results_in_slab());
        let start = workspace.slab.as_mut_ptr();
        let put = |k: usize, lane: usize, element: usize, number: T| {
            // SAFETY: see above.
            unsafe {
                match in_slab {
                    None => self.write(&self.outputs[k], rows.first + lane, element, number),
                    Some(slab) => {
                        let slot = self.shape.gradients + 1 + k;
                        *start.add(slab.place(slot, rows, element) + lane) = number;
                    }
                }
            }
        };
        for lane in 0..rows.count {
            if self.shape.results == 0 {
                // SAFETY: see above.
                unsafe { self.write(&self.outputs[0], rows.first + lane, 0, group.value[lane]) };
            } else if !group.valid[lane] {
                for k in 0..self.shape.results {
                    for element in 0..self.length {
                        put(k, lane, element, T::NAN);
                    }
                }
            } else if self.shape.patched {
                put(0, lane, largest[lane], group.value[lane]);
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
            } else if operand.row_stride == size_of::<E>() as isize && rows.count == LANES {
                for block in start..end {
                    let from = operand.at(rows.first, block).cast::<E>();
                    to.add((block - start) * LANES).copy_from_nonoverlapping(from, LANES);
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
                    if operand.row_stride == size_of::<E>() as isize && rows.count == LANES {
                        let to = operand.at(rows.first, block).cast::<E>();
                        to.copy_from_nonoverlapping(from, LANES);
                        continue;
                    }
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
        let parts = self.blocks.div_ceil(CHUNK);
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
        let blocks = self.blocks;
        let rows = Rows { first: row, count: 1 };
        let mut group = Group::<T>::new();
        // The matrix as rows of its own.
        let whole = self.outputs[0];
        let matrix = RowOperand {
            pointer: whole.at(row, 0),
            row_stride: whole.stride,
            stride: whole.column_stride,
            column_stride: 0,
        };
        let in_blocks = matrix.is_in_blocks::<E, T>(false);
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
            self.maximum(workspace, rows, 0, blocks, &mut group.maximum);
            self.spread_maximum(&mut group);
            let total = self.sums(workspace, rows, &group, core::ptr::null_mut());
            self.finish(total, &mut group);
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
                    if in_blocks {
                        let entries = self.in_place(&matrix, line, chunk);
                        (kernels.entries)(extent, share, columns, entries);
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
