//! From strided rows of any storage format to the kernels, and back.
//!
//! Rows go to the kernels in groups: a few rows one after the other, or 16 across where rows are very
//! short or lie side by side in memory; the results are the same bits. Operands in a kernel's own
//! element type and in order go straight to it; others pass through a small buffer, a chunk at a
//! time. Nothing
//! as large as an operand is allocated: weights are kept in the place of the results, or up to a
//! bound for one row, or for 16; else they are computed a second time.
//!
//! A row is read to its end before its results are written, and its results are written a chunk
//! after that chunk was read for the last time: an output may be an input. Only a function without
//! gradients keeps weights in its result, and it does not read x again.

use core::mem::{MaybeUninit, size_of};
use std::sync::Mutex;

use half::{bf16, f16};

use super::extended::{Extended, RowNumber};
use super::functions::{MAX_GRADIENTS, MAX_OPERANDS, MAX_RESULTS, MAX_SUMS};
use super::kernels::{
    Accumulator, Blocks, Group, JacobianKernels, Kept, LANES, Lanes, Layout, Part, Passes, Plane,
    RUN, RowKernels, SUM_PLANES, segment_length,
};
use crate::float_status::FloatStatus;
use crate::simd::{Always, prefetch};
use crate::storage::{Element, Storage};
use crate::threads;

/// What a row function reads and writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Elementwise gradients before x.
    pub gradients: usize,
    /// Whether one gradient for each row comes first.
    pub scalar_gradient: bool,
    pub results: usize,
    pub layout: Layout,
    pub weighted: bool,
    pub keeps_in_result: bool,
    pub needs_maximum: bool,
    pub refers: bool,
    pub outweighs: f64,
    pub padding: f64,
    pub jacobian: bool,
    /// Whether x and the results that are odd change their sign.
    pub mirrored: bool,
    pub odd: [bool; MAX_RESULTS],
    pub of_output: bool,
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

/// Up to this length 16 rows are computed across, whatever their strides.
const SHORT: usize = 24;
/// Rows that lie side by side in an operand are computed at once from this many up.
const SIDE_BY_SIDE: usize = 6;
/// Blocks in a chunk.
const CHUNK: usize = RUN / LANES;
/// Elements in a chunk.
const CHUNK_ELEMENTS: usize = CHUNK * LANES;
/// Elements of a group of rows that come one after the other, padded.
const GROUP_ELEMENTS: usize = 2 * CHUNK_ELEMENTS;
/// Bytes of each operand of such a group where little is computed, so that it stays in the first cache.
const GROUP_BYTES: usize = 1 << 13;
/// The fewest elements a thread takes at a time.
const GRAIN: usize = 1 << 11;
/// A row from this length up may be split over threads itself.
const LONG: usize = 1 << 17;
/// Bytes of a row up to which the next is fetched meanwhile.
const AHEAD: usize = 1 << 19;
/// The most weights kept: planes of 128 bytes, 512 KiB.
const KEPT_PLANES: usize = 1 << 12;
/// Bytes of a slab.
const SLAB: usize = 1 << 21;

/// The parts that have blocks.
fn used<T: RowNumber>(parts: &Parts<T>) -> &[Part<T>] {
    if parts[0].blocks == 0 { &parts[1..] } else { &parts[..1 + usize::from(parts[1].blocks > 0)] }
}

/// Raises each maximum to another.
fn raise<T: RowNumber>(maximum: &mut Lanes<T>, other: &Lanes<T>) {
    for lane in 0..LANES {
        maximum[lane] = T::select(other[lane] > maximum[lane], other[lane], maximum[lane]);
    }
}

/// Copies fewer than 16 elements, in parts of fixed size: a call would cost more than the rest.
///
/// # Safety
/// `count` elements are readable at `from` and writable at `to`, apart from each other.
#[inline(always)]
unsafe fn copy_short<T: Copy>(from: *const T, to: *mut T, count: usize) {
    // SAFETY: passed on from the caller: the parts make up `count`.
    unsafe {
        let mut done = 0;
        if count & 8 != 0 {
            to.copy_from_nonoverlapping(from, 8);
            done = 8;
        }
        if count & 4 != 0 {
            to.add(done).copy_from_nonoverlapping(from.add(done), 4);
            done += 4;
        }
        if count & 2 != 0 {
            to.add(done).copy_from_nonoverlapping(from.add(done), 2);
            done += 2;
        }
        if count & 1 != 0 {
            *to.add(done) = *from.add(done);
        }
    }
}

/// Four rows as columns.
#[inline(always)]
fn transposed<T: Copy>(square: [[T; 4]; 4]) -> [[T; 4]; 4] {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{
            __m128, __m128d, _mm_movehl_ps, _mm_movelh_ps, _mm_unpackhi_pd, _mm_unpackhi_ps,
            _mm_unpacklo_pd, _mm_unpacklo_ps,
        };
        use core::mem::transmute_copy;
        if size_of::<T>() == 4 {
            // SAFETY: 16 numbers of 4 bytes either way, of which any bits are one.
            return unsafe {
                let [a, b, c, d]: [__m128; 4] = transmute_copy(&square);
                let (first, second) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
                let (third, fourth) = (_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d));
                transmute_copy(&[
                    _mm_movelh_ps(first, second),
                    _mm_movehl_ps(second, first),
                    _mm_movelh_ps(third, fourth),
                    _mm_movehl_ps(fourth, third),
                ])
            };
        }
        if size_of::<T>() == 8 {
            // SAFETY: 16 numbers of 8 bytes either way, of which any bits are one.
            return unsafe {
                let [a, b, c, d]: [[__m128d; 2]; 4] = transmute_copy(&square);
                let [first, second] = [0, 1].map(|half| {
                    let (ab, cd) = ((a[half], b[half]), (c[half], d[half]));
                    [
                        [_mm_unpacklo_pd(ab.0, ab.1), _mm_unpacklo_pd(cd.0, cd.1)],
                        [_mm_unpackhi_pd(ab.0, ab.1), _mm_unpackhi_pd(cd.0, cd.1)],
                    ]
                });
                transmute_copy(&[first, second])
            };
        }
    }
    core::array::from_fn(|column| core::array::from_fn(|row| square[row][column]))
}

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
    /// Blocks that are at hand at once: a chunk where some pass through a tile, else all.
    at_hand: usize,
    rows: usize,
    length: usize,
    /// Whether a block is one element of 16 rows.
    by_rows: bool,
    /// The most rows of a group.
    group_rows: usize,
    /// Blocks of a row, or of 16; in a run; in a segment.
    blocks: usize,
    run_blocks: usize,
    segment_blocks: usize,
    storage: core::marker::PhantomData<E>,
}

/// A group: rows that are computed together, up to 16.
#[derive(Clone, Copy)]
struct Rows {
    first: usize,
    count: usize,
}

/// Some blocks: whole ones, then the short one of a row.
type Parts<T> = [Part<T>; 2];

/// The scratch memory of one thread: some 140 KiB on its stack.
struct Workspace<T> {
    tiles: [MaybeUninit<[T; GROUP_ELEMENTS]>; MAX_OPERANDS + MAX_RESULTS],
    /// The short last blocks of the rows of a group, of each operand.
    tails: [MaybeUninit<[Lanes<T>; LANES]>; MAX_OPERANDS + MAX_RESULTS],
    /// The sums of the row, of a segment, and those of a run.
    accumulators: [Accumulator; 2 + LANES],
    kept: MaybeUninit<[Plane; 2 * GROUP_ELEMENTS / LANES]>,
    more: Vec<Plane>,
    slab: Vec<T>,
    in_slab: Option<Slab>,
    /// One past the last row this thread knows to come: others may be another thread's.
    end: usize,
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

impl<T: RowNumber> Workspace<T> {
    fn new() -> Workspace<T> {
        Workspace {
            tiles: [const { MaybeUninit::uninit() }; MAX_OPERANDS + MAX_RESULTS],
            tails: [const { MaybeUninit::uninit() }; MAX_OPERANDS + MAX_RESULTS],
            // Lanes without a row are computed too.
            accumulators: [[Plane::ZERO; SUM_PLANES]; 2 + LANES],
            kept: MaybeUninit::uninit(),
            more: Vec::new(),
            slab: Vec::new(),
            in_slab: None,
            end: 0,
        }
    }

    fn accumulator(&mut self, index: usize) -> *mut Accumulator {
        self.accumulators.as_mut_ptr().wrapping_add(index)
    }

    fn tile(&mut self, index: usize) -> *mut T {
        self.tiles[index].as_mut_ptr().cast()
    }

    fn tail(&mut self, index: usize) -> *mut T {
        self.tails[index].as_mut_ptr().cast()
    }

    /// Room for this many bytes, unless that is more than the bound, or memory is short.
    fn keep(&mut self, bytes: usize) -> Kept {
        let planes = bytes.div_ceil(size_of::<Plane>());
        if planes <= 2 * GROUP_ELEMENTS / LANES {
            return Kept::InPlanes(self.kept.as_mut_ptr().cast());
        }
        let missing = planes.saturating_sub(self.more.capacity());
        if planes > KEPT_PLANES || missing > 0 && self.more.try_reserve_exact(planes).is_err() {
            return Kept::Nowhere;
        }
        Kept::InPlanes(self.more.as_mut_ptr().cast())
    }
}

/// Places among the accumulators of a workspace: each is added to the one before it.
const ROW_SUM: usize = 0;
const SEGMENT_SUM: usize = 1;
const RUN_SUM: usize = 2;

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
        let blocks = length.div_ceil(elements);
        let most = if shape.of_output { GROUP_BYTES / size_of::<T>() } else { GROUP_ELEMENTS };
        let group_rows = match by_rows {
            true => LANES,
            false if blocks > CHUNK || jacobian.is_some() => 1,
            false => (most / LANES / blocks.max(1)).clamp(1, LANES),
        };
        let inputs_in_blocks = inputs.map(|operand| operand.is_in_blocks::<E, T>(by_rows));
        let outputs_in_blocks = outputs.map(|operand| operand.is_in_blocks::<E, T>(by_rows));
        let in_place = !by_rows
            && inputs_in_blocks[..shape.gradients].iter().all(|&in_blocks| in_blocks)
            && inputs_in_blocks[MAX_GRADIENTS]
            && outputs_in_blocks[..shape.results].iter().all(|&in_blocks| in_blocks)
            && jacobian.is_none();
        Job {
            shape,
            kernels,
            jacobian,
            scalar: scalar.first().copied().unwrap_or(RowOperand::NONE),
            inputs,
            outputs,
            inputs_in_blocks,
            outputs_in_blocks,
            at_hand: if in_place { usize::MAX } else { CHUNK },
            rows,
            length,
            by_rows,
            group_rows,
            blocks,
            run_blocks: RUN / elements,
            segment_blocks: segment_length(length) / elements,
            storage: core::marker::PhantomData,
        }
    }

    fn passes(&self) -> &'a Passes<T> {
        if self.by_rows { &self.kernels.across } else { &self.kernels.along }
    }

    /// How many rows the kernels are told of.
    fn in_turn(&self, rows: Rows) -> usize {
        if self.by_rows { 1 } else { rows.count }
    }

    fn group(&self) -> Group<T> {
        let sign = |opposite: bool| if opposite { -T::ONE } else { T::ONE };
        let mirrored = self.shape.mirrored;
        Group::new(
            sign(mirrored && !self.shape.of_output),
            self.shape.odd.map(|odd| sign(mirrored && odd)),
        )
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
                let (mut workspace, mut group) = (Workspace::new(), self.group());
                for first in 0..self.rows {
                    self.run_rows(&mut workspace, &mut group, Rows { first, count: 1 }, true);
                }
            } else {
                let lanes = self.group_rows;
                let together = lanes * self.groups_in_slab().max(1);
                let units = self.rows.div_ceil(together);
                self.split(units, together * self.length, |job, workspace, first, count| {
                    let mut group = job.group();
                    workspace.end = job.rows.min((first + count) * together);
                    for unit in first..first + count {
                        let first = unit * together;
                        let last = job.rows.min(first + together);
                        job.fill_slab(workspace, first, last);
                        for first in (first..last).step_by(lanes) {
                            let rows = Rows { first, count: lanes.min(last - first) };
                            job.run_rows(workspace, &mut group, rows, false);
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
        if self.by_rows && self.blocks > CHUNK { (SLAB / group).min(16) } else { 0 }
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
        for slot in 0..=self.shape.gradients {
            let index = if slot == self.shape.gradients { MAX_GRADIENTS } else { slot };
            let operand = &self.inputs[index];
            // SAFETY: see above; the slab has room for all groups of all operands.
            unsafe {
                if self.inputs_in_blocks[index] && (last - first).is_multiple_of(LANES) {
                    self.each_line(first, last, operand, |rows, element, line: *mut T| {
                        let to = start.add(slab.place(slot, rows, element));
                        to.copy_from_nonoverlapping(line, LANES);
                    });
                    continue;
                }
                self.each_chunk(first, last, |rows, chunk, next| {
                    let to = start.add(slab.place(slot, rows, chunk));
                    self.read_tile(operand, rows, chunk, next, to);
                });
            }
        }
    }

    /// Calls `act(rows, element, line)` for one element of each whole group of rows after the other:
    /// those of an element lie side by side.
    fn each_line(
        &self,
        first: usize,
        last: usize,
        operand: &RowOperand,
        act: impl Fn(Rows, usize, *mut T),
    ) {
        for element in 0..self.length {
            for first in (first..last).step_by(LANES) {
                let line = operand.at(first, element).cast::<T>();
                for part in 0..LANES * size_of::<T>() / 64 {
                    prefetch(operand.at(first, element + 8).wrapping_add(64 * part));
                }
                act(Rows { first, count: LANES }, element, line);
            }
        }
    }

    /// Writes results from the slab, if they are there.
    unsafe fn empty_slab(&self, workspace: &mut Workspace<T>, first: usize, last: usize) {
        let Some(slab) = workspace.in_slab.filter(|_| self.results_in_slab()) else { return };
        let start = workspace.slab.as_mut_ptr();
        for k in 0..self.shape.results {
            let (operand, slot) = (&self.outputs[k], self.shape.gradients + 1 + k);
            // SAFETY: see above; the results were written to the slab.
            unsafe {
                if self.outputs_in_blocks[k] && (last - first).is_multiple_of(LANES) {
                    self.each_line(first, last, operand, |rows, element, line: *mut T| {
                        let from = start.add(slab.place(slot, rows, element));
                        line.copy_from_nonoverlapping(from, LANES);
                    });
                    continue;
                }
                self.each_chunk(first, last, |rows, chunk, next| {
                    let from = start.add(slab.place(slot, rows, chunk));
                    self.write_tile(operand, rows, chunk, next, from);
                });
            }
        }
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
    #[inline(never)] // the workspace is larger than what others have on their stacks
    unsafe fn split(
        &self,
        units: usize,
        elements: usize,
        work: impl Fn(&Self, &mut Workspace<T>, usize, usize) + Sync,
    ) {
        let shared = Shared((self, work));
        let part = |space: &mut Workspace<T>, first, count| {
            let Shared((job, work)) = &shared;
            work(job, space, first, count);
        };
        let kind = core::ptr::from_ref(self.kernels).addr() + elements;
        threads::split(kind, units, GRAIN.div_ceil(elements.max(1)), Workspace::new, part);
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

    /// Whether these rows fill the lanes of their blocks.
    fn fills_blocks(&self, rows: Rows) -> bool {
        !self.by_rows || rows.count == LANES
    }

    /// Elements of the short last block of a row; 0 where it is whole.
    fn short(&self) -> usize {
        if self.by_rows { 0 } else { self.length % LANES }
    }

    /// Block `start` and those after it of an operand that lies in blocks.
    fn in_place(&self, operand: &RowOperand, rows: Rows, start: usize) -> Blocks<T> {
        let stride =
            if self.by_rows { operand.stride / size_of::<T>() as isize } else { LANES as isize };
        let element = if self.by_rows { start } else { start * LANES };
        let pointer = operand.at(rows.first, element).cast();
        Blocks { pointer, stride, row_stride: operand.row_stride }
    }

    /// Blocks `start` up to `end`, at most those at hand, of every operand: in place, in the slab, or
    /// in tiles, into which inputs are read.
    unsafe fn parts(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        start: usize,
        end: usize,
        parts: &mut Parts<T>,
    ) {
        let short = if end == self.blocks { self.short() } else { 0 };
        let whole = end - start - usize::from(short > 0);
        parts[0].blocks = whole;
        parts[1].blocks = usize::from(short > 0);
        let (count, width) = (self.in_turn(rows), (end - start) * LANES);
        let block = size_of::<Lanes<T>>() as isize;
        // Blocks one after the other, as in a tile.
        let packed = |pointer: *mut T| {
            let row_stride = (width * size_of::<T>()) as isize;
            Blocks { pointer, stride: LANES as isize, row_stride }
        };
        let slab = workspace.in_slab;
        for index in (0..self.shape.gradients).chain([MAX_GRADIENTS]) {
            let operand = &self.inputs[index];
            let mut tail = None;
            let blocks = if let Some(slab) = slab {
                let place = slab.place(index.min(self.shape.gradients), rows, start);
                packed(workspace.slab.as_mut_ptr().wrapping_add(place))
            } else if self.inputs_in_blocks[index] && self.fills_blocks(rows) {
                let blocks = self.in_place(operand, rows, start);
                if short > 0 {
                    let lanes = workspace.tail(index);
                    for row in 0..count {
                        let lanes = lanes.wrapping_add(row * LANES);
                        // SAFETY: see above: the last block has so many elements.
                        unsafe {
                            lanes.cast::<Lanes<T>>().write([self.padding(index); LANES]);
                            copy_short(blocks.of_row(row).at(whole), lanes, short);
                        }
                    }
                    tail = Some(lanes);
                }
                blocks
            } else {
                let pointer = workspace.tile(index);
                // SAFETY: see above; a tile has room for a chunk.
                unsafe {
                    self.read_tile(operand, rows, start, end, pointer);
                    for row in 0..count {
                        for lane in short..if short > 0 { LANES } else { 0 } {
                            let place = row * width + whole * LANES + lane;
                            *pointer.add(place) = self.padding(index);
                        }
                    }
                }
                packed(pointer)
            };
            parts[0].operands[index] = blocks;
            parts[1].operands[index] = match tail {
                Some(pointer) => Blocks { pointer, stride: 0, row_stride: block },
                None => Blocks { pointer: blocks.at(whole), ..blocks },
            };
        }
        for k in 0..self.shape.results {
            let mut tail = None;
            let blocks = if let Some(slab) = slab.filter(|_| self.results_in_slab()) {
                let place = slab.place(self.shape.gradients + 1 + k, rows, start);
                packed(workspace.slab.as_mut_ptr().wrapping_add(place))
            } else if self.outputs_in_blocks[k] && self.fills_blocks(rows) {
                tail = Some(workspace.tail(MAX_OPERANDS + k));
                self.in_place(&self.outputs[k], rows, start)
            } else {
                packed(workspace.tile(MAX_OPERANDS + k))
            };
            parts[0].results[k] = blocks;
            parts[1].results[k] = match tail {
                Some(pointer) => Blocks { pointer, stride: 0, row_stride: block },
                None => Blocks { pointer: blocks.at(whole), ..blocks },
            };
        }
        let ahead = self.inputs[MAX_GRADIENTS].row_stride * rows.count as isize;
        let near = ahead.unsigned_abs() <= AHEAD && rows.first + rows.count < workspace.end;
        parts[0].ahead = if near { ahead } else { 0 };
        parts[0].near = self.length * size_of::<T>() <= AHEAD && self.at_hand > CHUNK;
    }

    /// The parts there are already, or else [`parts`](Self::parts) in the room given.
    unsafe fn parts_in<'b>(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        start: usize,
        end: usize,
        single: Option<&'b Parts<T>>,
        room: &'b mut Parts<T>,
    ) -> &'b Parts<T> {
        if let Some(parts) = single {
            return parts;
        }
        // SAFETY: see above.
        unsafe { self.parts(workspace, rows, start, end, room) };
        room
    }

    /// What fills up the last block of an input.
    fn padding(&self, index: usize) -> T {
        match index {
            MAX_GRADIENTS if self.shape.mirrored && !self.shape.of_output => {
                T::literal(-self.shape.padding)
            }
            MAX_GRADIENTS => T::literal(self.shape.padding),
            _ => T::ZERO,
        }
    }

    /// One row, or up to 16, of which each step may be split over threads; the group is scratch.
    unsafe fn run_rows(
        &self,
        workspace: &mut Workspace<T>,
        group: &mut Group<T>,
        rows: Rows,
        split: bool,
    ) {
        let blocks = self.blocks;
        // SAFETY: see above; each thread writes results of its own segments.
        unsafe {
            // The operands of all steps are the same where a whole row is at hand.
            let mut parts = [Part::NONE; 2];
            let single = blocks <= self.at_hand;
            if single {
                self.parts(workspace, rows, 0, blocks, &mut parts);
            }
            let single = single.then_some(&parts);
            group.maximum = [-T::INFINITY; LANES];
            let kept = self.kept(workspace, rows);
            // A short row is often outweighed, and its maximum costs little.
            let mut maximum = self.shape.needs_maximum || self.shape.refers && self.length <= SHORT;
            loop {
                if maximum {
                    self.row_maximum(workspace, rows, single, group, split);
                }
                self.refer(workspace, rows, single, group);
                if self.group_rows == 1 {
                    group.spread();
                }
                self.row_sums(workspace, rows, single, group, kept, split);
                maximum = group.again[..rows.count].contains(&true);
                if !maximum {
                    break;
                }
            }
            if self.shape.results > 0 && split {
                let known = *group;
                self.split_segments(|job, workspace, start, end| {
                    let kept = job.kept(workspace, rows);
                    if kept == Kept::InResult && end == blocks && job.short() > 0 {
                        let from = job.outputs[0].at(rows.first, job.length - job.short());
                        let to = workspace.tail(MAX_OPERANDS);
                        copy_short(from.cast(), to, job.short());
                    }
                    job.results(workspace, rows, start, end, None, &known, kept);
                });
            } else if self.shape.results > 0 {
                self.results(workspace, rows, 0, blocks, single, group, kept);
            }
            self.complete(workspace, rows, group);
        }
    }

    /// The maximum of each row.
    unsafe fn row_maximum(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        single: Option<&Parts<T>>,
        group: &mut Group<T>,
        split: bool,
    ) {
        // SAFETY: see above.
        unsafe {
            match single {
                Some(parts) => (self.passes().maximum)(used(parts), self.in_turn(rows), group),
                None if split => self.split_maximum(rows, group),
                None => self.maximum(workspace, rows, 0, self.blocks, group),
            }
        }
    }

    /// The maximum of a row, split over threads.
    #[inline(never)]
    unsafe fn split_maximum(&self, rows: Rows, group: &mut Group<T>) {
        let whole = Mutex::new(*group);
        // SAFETY: see above.
        unsafe {
            self.split_segments(|job, workspace, start, end| {
                let mut group = job.group();
                job.maximum(workspace, rows, start, end, &mut group);
                if let Ok(mut whole) = whole.lock() {
                    raise(&mut whole.maximum, &group.maximum);
                }
            });
            *group = whole.into_inner().unwrap_or(*group);
        }
    }

    /// The sums of each row, and its constants.
    unsafe fn row_sums(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        single: Option<&Parts<T>>,
        group: &mut Group<T>,
        kept: Kept,
        split: bool,
    ) {
        let (blocks, segment) = (self.blocks, self.segment_blocks);
        let segments = blocks.div_ceil(segment);
        let mut sums = Vec::<Accumulator>::new();
        let wanted = split;
        let split = split && sums.try_reserve_exact(segments).is_ok();
        // SAFETY: see above; each segment has a place for its sums.
        unsafe {
            if split {
                let places = Shared(sums.as_mut_ptr());
                let known = *group;
                self.split_segments(|job, workspace, start, end| {
                    let Shared(places) = &places;
                    let kept = job.kept(workspace, rows);
                    for start in (start..end).step_by(segment) {
                        let end = end.min(start + segment);
                        let sum = job.segment_sums(workspace, rows, start, end, None, &known, kept);
                        places.add(start / segment).copy_from_nonoverlapping(sum, 1);
                    }
                    if kept == Kept::InResult {
                        job.deliver(workspace, rows, start, end);
                    }
                });
            }
            let mut total = core::ptr::null_mut();
            for start in (0..blocks).step_by(segment) {
                let end = blocks.min(start + segment);
                total = if split {
                    sums.as_mut_ptr().add(start / segment)
                } else {
                    self.segment_sums(workspace, rows, start, end, single, group, kept)
                };
                if segments > 1 {
                    total = self.add(workspace, ROW_SUM, total, start == 0);
                }
            }
            if wanted && !split && kept == Kept::InResult {
                self.deliver(workspace, rows, 0, blocks);
            }
            (self.kernels.finish)(total, group);
        }
    }

    /// Does work on segments of a row, from one block up to another, on threads.
    unsafe fn split_segments(&self, work: impl Fn(&Self, &mut Workspace<T>, usize, usize) + Sync) {
        let (blocks, segment) = (self.blocks, self.segment_blocks);
        // SAFETY: see above.
        unsafe {
            self.split(
                blocks.div_ceil(segment),
                segment * LANES,
                |job, workspace, first, count| {
                    let end = blocks.min((first + count) * segment);
                    work(job, workspace, first * segment, end);
                },
            );
        }
    }

    /// Where the weights of some rows are kept.
    fn kept(&self, workspace: &mut Workspace<T>, rows: Rows) -> Kept {
        let in_place = self.outputs_in_blocks[0] && self.fills_blocks(rows);
        let in_slab = workspace.in_slab.is_some() && self.results_in_slab();
        let stays = in_place || in_slab || self.blocks <= CHUNK;
        if self.shape.keeps_in_result && stays {
            return Kept::InResult;
        }
        match self.shape.weighted && (self.by_rows || self.length < LONG) {
            true => workspace.keep(self.kernels.kept_bytes * self.blocks * self.in_turn(rows)),
            false => Kept::Nowhere,
        }
    }

    /// The maximum of x of each row over some blocks.
    unsafe fn maximum(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        start: usize,
        end: usize,
        group: &mut Group<T>,
    ) {
        let mut parts = [Part::NONE; 2];
        for chunk in (start..end).step_by(self.at_hand) {
            let next = end.min(chunk.saturating_add(self.at_hand));
            // SAFETY: see above.
            unsafe {
                self.parts(workspace, rows, chunk, next, &mut parts);
                (self.passes().maximum)(used(&parts), self.in_turn(rows), group);
            }
        }
    }

    /// Where each row's first largest element is; 0 where there is none.
    unsafe fn find(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        single: Option<&Parts<T>>,
        group: &Group<T>,
    ) -> Lanes<usize> {
        let mut parts = [Part::NONE; 2];
        let mut largest = [0; LANES];
        largest[..rows.count].fill(usize::MAX);
        for chunk in (0..self.blocks).step_by(self.at_hand) {
            let mut found = [-T::ONE; LANES];
            // SAFETY: see above.
            unsafe {
                let next = self.blocks.min(chunk.saturating_add(self.at_hand));
                let parts = self.parts_in(workspace, rows, chunk, next, single, &mut parts);
                (self.passes().find)(used(parts), self.in_turn(rows), group, &mut found);
            }
            let start = if self.by_rows { chunk } else { chunk * LANES };
            for (largest, found) in largest.iter_mut().zip(found) {
                if *largest == usize::MAX && found >= T::ZERO {
                    *largest = start + found.to_index();
                }
            }
            if !largest.contains(&usize::MAX) {
                break;
            }
        }
        largest.map(|index| if index == usize::MAX { 0 } else { index })
    }

    /// Reads the gradients that all elements refer to: those of the largest element, or of the first.
    unsafe fn refer(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        single: Option<&Parts<T>>,
        group: &mut Group<T>,
    ) {
        let above = T::literal(self.shape.outweighs);
        let outweighed = |lane: usize| group.maximum[lane] > above;
        let refers = self.shape.refers && (0..rows.count).any(outweighed);
        if !refers && !self.shape.refers && !self.shape.scalar_gradient {
            return;
        }
        let mut element = [0; LANES];
        if refers {
            // SAFETY: see above.
            element = unsafe { self.find(workspace, rows, single, group) };
        }
        for lane in 0..rows.count {
            let row = rows.first + lane;
            let element = if group.maximum[lane] > above { element[lane] } else { 0 };
            // SAFETY: see above; the elements are of the rows.
            unsafe {
                for k in 0..self.shape.gradients {
                    group.reference[k][lane] = self.read(&self.inputs[k], row, element);
                }
                if self.shape.scalar_gradient {
                    group.reference[0][lane] = self.read(&self.scalar, row, 0);
                }
            }
        }
    }

    /// The sums over a segment, or the part of one there is.
    #[allow(clippy::too_many_arguments, reason = "what a segment is, and where its sums go")]
    unsafe fn segment_sums(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        start: usize,
        end: usize,
        single: Option<&Parts<T>>,
        group: &Group<T>,
        kept: Kept,
    ) -> *mut Accumulator {
        let (passes, layout) = (self.passes(), self.shape.layout);
        let mut total = workspace.accumulator(RUN_SUM);
        let mut room = [Part::NONE; 2];
        let mut start_of_rest = start;
        if self.blocks > CHUNK && self.at_hand > CHUNK {
            // Up to 16 runs are summed like as many rows.
            // SAFETY: see above; there is room for the weights of all blocks, and 16 accumulators.
            unsafe {
                let parts = self.parts_in(workspace, rows, start, end, None, &mut room);
                let runs = parts[0].blocks / self.run_blocks;
                for first in (0..runs).step_by(LANES) {
                    let block = first * self.run_blocks;
                    let (part, count) = (parts[0].runs(block), LANES.min(runs - first));
                    let kept = self.kept_from(kept, start + block);
                    let accumulators = workspace.accumulator(RUN_SUM);
                    (passes.sums)(&[part], count, group, kept, accumulators, true);
                    (passes.fold)(layout, accumulators, count);
                    total = workspace.accumulator(SEGMENT_SUM);
                    for run in 0..count {
                        self.add_run(&mut *total, &*accumulators, run, first + run == 0);
                    }
                }
                start_of_rest += runs * self.run_blocks;
            }
        }
        for run in (start_of_rest..end).step_by(self.run_blocks) {
            let run_end = end.min(run + self.run_blocks);
            let accumulators = workspace.accumulator(RUN_SUM);
            // SAFETY: see above.
            unsafe {
                for chunk in (run..run_end).step_by(CHUNK) {
                    let next = run_end.min(chunk + CHUNK);
                    let single = single.filter(|_| self.blocks <= CHUNK);
                    let parts = self.parts_in(workspace, rows, chunk, next, single, &mut room);
                    let (count, kept) = (self.in_turn(rows), self.kept_from(kept, chunk));
                    (passes.sums)(used(parts), count, group, kept, accumulators, chunk == run);
                }
                let used = if self.by_rows { LANES.min(run_end - run) } else { rows.count };
                (passes.fold)(layout, accumulators, used);
                if run > start || run_end < end {
                    total = self.add(workspace, SEGMENT_SUM, accumulators, run == start);
                }
            }
        }
        total
    }

    /// The weights kept from a block on.
    fn kept_from(&self, kept: Kept, block: usize) -> Kept {
        match kept {
            Kept::InPlanes(planes) => {
                Kept::InPlanes(planes.wrapping_add(self.kernels.kept_bytes * block))
            }
            _ => kept,
        }
    }

    /// `total += part`, or the part where it is the first; returns the total.
    unsafe fn add(
        &self,
        workspace: &mut Workspace<T>,
        total: usize,
        part: *const Accumulator,
        first: bool,
    ) -> *mut Accumulator {
        let (to, next) = (workspace.accumulator(total), workspace.accumulator(total + 1));
        // SAFETY: see above; an accumulator is added to the one before it.
        unsafe {
            if first {
                to.copy_from_nonoverlapping(part, 1);
            } else {
                next.copy_from(part, 1);
                (self.kernels.across.fold)(self.shape.layout, to, 2);
            }
        }
        to
    }

    /// Adds the sums of a run, in a lane of its own, to those of the row in the first lane; or puts
    /// them there, where the run is the first.
    fn add_run(&self, total: &mut Accumulator, runs: &Accumulator, run: usize, first: bool) {
        let pair = |from: &Accumulator, k: usize, lane: usize| {
            T::Extended::from_planes([from[2 * k].0[lane], from[2 * k + 1].0[lane]])
        };
        for k in 0..self.shape.layout.sums {
            let one = pair(runs, k, run);
            let [hi, lo] = if first { one } else { pair(total, k, 0).sum(one) }.to_planes();
            (total[2 * k].0[0], total[2 * k + 1].0[0]) = (hi, lo);
        }
        if self.shape.layout.counts {
            let before = if first { 0.0 } else { total[2 * MAX_SUMS].0[0] };
            total[2 * MAX_SUMS].0[0] = before + runs[2 * MAX_SUMS].0[run];
        }
    }

    /// The results of some blocks.
    #[allow(clippy::too_many_arguments, reason = "what a segment is, and what its row has become")]
    unsafe fn results(
        &self,
        workspace: &mut Workspace<T>,
        rows: Rows,
        start: usize,
        end: usize,
        single: Option<&Parts<T>>,
        group: &Group<T>,
        kept: Kept,
    ) {
        let mut parts = [Part::NONE; 2];
        for chunk in (start..end).step_by(self.at_hand) {
            let next = end.min(chunk.saturating_add(self.at_hand));
            // SAFETY: see above.
            unsafe {
                let parts = self.parts_in(workspace, rows, chunk, next, single, &mut parts);
                let (count, kept) = (self.in_turn(rows), self.kept_from(kept, chunk));
                (self.passes().results)(used(parts), count, group, kept);
                self.deliver(workspace, rows, chunk, next);
            }
        }
    }

    /// Writes results that are in tiles, or in a tail, to where they belong.
    unsafe fn deliver(&self, workspace: &mut Workspace<T>, rows: Rows, start: usize, end: usize) {
        if workspace.in_slab.is_some() && self.results_in_slab() {
            return;
        }
        for k in 0..self.shape.results {
            // SAFETY: see above.
            unsafe {
                if !(self.outputs_in_blocks[k] && self.fills_blocks(rows)) {
                    let tile = workspace.tile(MAX_OPERANDS + k);
                    self.write_tile(&self.outputs[k], rows, start, end, tile);
                } else if end == self.blocks && self.short() > 0 {
                    let tail = workspace.tail(MAX_OPERANDS + k);
                    for row in 0..rows.count {
                        let at = self.length - self.short();
                        let to = self.outputs[k].at(rows.first + row, at);
                        copy_short(tail.add(row * LANES), to.cast(), self.short());
                    }
                }
            }
        }
    }

    /// The results apart from the rest: of reductions, and rows of NaN.
    unsafe fn complete(&self, workspace: &mut Workspace<T>, rows: Rows, group: &Group<T>) {
        let in_slab = workspace.in_slab.filter(|_| self.results_in_slab());
        let start = workspace.slab.as_mut_ptr();
        for lane in 0..rows.count {
            // SAFETY: see above.
            unsafe {
                if self.shape.results == 0 {
                    self.write(&self.outputs[0], rows.first + lane, 0, group.value[lane]);
                    continue;
                }
                if group.valid[lane] {
                    continue;
                }
                for k in 0..self.shape.results {
                    for element in 0..self.length {
                        match in_slab {
                            None => {
                                self.write(&self.outputs[k], rows.first + lane, element, T::NAN);
                            }
                            Some(slab) => {
                                let slot = self.shape.gradients + 1 + k;
                                *start.add(slab.place(slot, rows, element) + lane) = T::NAN;
                            }
                        }
                    }
                }
            }
        }
    }

    unsafe fn read(&self, operand: &RowOperand, row: usize, element: usize) -> T {
        let mut number = [T::ZERO];
        // SAFETY: see above.
        E::widen::<Always>(&[unsafe { *operand.at(row, element).cast::<E>() }], &mut number);
        number[0]
    }

    unsafe fn write(&self, operand: &RowOperand, row: usize, element: usize, number: T) {
        let mut stored = [E::ZERO];
        E::narrow::<Always>(&[number], &mut stored);
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
        for row in 1..self.in_turn(rows) {
            let one = Rows { first: rows.first + row, count: 1 };
            let tile = tile.wrapping_add(row * (end - start) * LANES);
            // SAFETY: passed on from the caller.
            unsafe { self.read_tile(operand, one, start, end, tile) };
        }
        let mut stored = MaybeUninit::<[E; CHUNK_ELEMENTS]>::uninit();
        // SAFETY: see above. All `count` elements are gathered before they are converted.
        unsafe {
            let to = if E::NATIVE { tile.cast() } else { stored.as_mut_ptr().cast::<E>() };
            if !self.by_rows {
                let from = operand.at(rows.first, start * LANES);
                if operand.stride == size_of::<E>() as isize {
                    to.copy_from_nonoverlapping(from.cast(), count);
                } else {
                    for i in 0..count {
                        *to.add(i) = *from.wrapping_offset(operand.stride * i as isize).cast();
                    }
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
                // Four rows by four elements are transposed at once where elements are in order; the
                // last four may be some of those before again.
                let elements = end - start;
                let in_order = operand.stride == size_of::<E>() as isize && elements >= 4;
                let from = |lane: usize| {
                    let row = rows.first + lane.min(rows.count - 1);
                    operand.at(row, start).cast::<E>()
                };
                for lane in (0..if in_order { LANES } else { 0 }).step_by(4) {
                    let from: [_; 4] = core::array::from_fn(|row| from(lane + row));
                    for i in (0..elements).step_by(4).map(|i| i.min(elements - 4)) {
                        let square = from.map(|row| row.wrapping_add(i).cast::<[E; 4]>().read());
                        for (k, column) in transposed(square).into_iter().enumerate() {
                            to.add((i + k) * LANES + lane).cast::<[E; 4]>().write(column);
                        }
                    }
                }
                for lane in 0..if in_order { 0 } else { LANES } {
                    let from = from(lane).cast::<u8>();
                    for i in 0..elements {
                        let from = from.wrapping_offset(operand.stride * i as isize);
                        *to.add(i * LANES + lane) = *from.cast();
                    }
                }
            }
            if !E::NATIVE {
                let tile = core::slice::from_raw_parts_mut(tile, count);
                tile.fill(T::ZERO);
                E::widen::<Always>(core::slice::from_raw_parts(to, count), tile);
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
        for row in 1..self.in_turn(rows) {
            let one = Rows { first: rows.first + row, count: 1 };
            let tile = tile.wrapping_add(row * (end - start) * LANES);
            // SAFETY: passed on from the caller.
            unsafe { self.write_tile(operand, one, start, end, tile) };
        }
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
                E::narrow::<Always>(core::slice::from_raw_parts(tile, count), to);
                stored
            };
            if !self.by_rows {
                let to = operand.at(rows.first, start * LANES);
                if operand.stride == size_of::<E>() as isize {
                    from.copy_to_nonoverlapping(to.cast(), count);
                } else {
                    for i in 0..count {
                        *to.wrapping_offset(operand.stride * i as isize).cast() = *from.add(i);
                    }
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
                let elements = end - start;
                let in_order = operand.stride == size_of::<E>() as isize && elements >= 4;
                let fours = if in_order { rows.count / 4 * 4 } else { 0 };
                for lane in (0..fours).step_by(4) {
                    for i in (0..elements).step_by(4).map(|i| i.min(elements - 4)) {
                        let square: [[E; 4]; 4] = core::array::from_fn(|k| {
                            from.add((i + k) * LANES + lane).cast::<[E; 4]>().read()
                        });
                        for (row, line) in transposed(square).into_iter().enumerate() {
                            let to = operand.at(rows.first + lane + row, start + i);
                            to.cast::<[E; 4]>().write(line);
                        }
                    }
                }
                for lane in fours..rows.count {
                    let to = operand.at(rows.first + lane, start);
                    for i in 0..elements {
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
        let mut group = self.group();
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
        let mut shares = MaybeUninit::<[Plane; 2 * CHUNK]>::uninit();
        let shares = shares.as_mut_ptr().cast::<Plane>();
        // The diagonal stays in the tile of the first result, entries pass through another.
        let diagonal = workspace.tile(MAX_OPERANDS);
        let buffer = workspace.tile(MAX_OPERANDS + 1);
        let to_tile = |parts: &mut Parts<T>, tile: *mut T| {
            parts[0].results[0] = Blocks { pointer: tile, stride: LANES as isize, row_stride: 0 };
            parts[1].results[0].pointer = tile.wrapping_add(parts[0].blocks * LANES);
        };
        let mut parts = [Part::NONE; 2];
        // SAFETY: see above; both arrays have room for a chunk.
        unsafe {
            self.maximum(workspace, rows, 0, blocks, &mut group);
            let mut total = core::ptr::null_mut();
            for start in (0..blocks).step_by(self.segment_blocks) {
                let end = blocks.min(start + self.segment_blocks);
                let sum =
                    self.segment_sums(workspace, rows, start, end, None, &group, Kept::Nowhere);
                total = self.add(workspace, ROW_SUM, sum, start == 0);
            }
            (self.kernels.finish)(total, &mut group);
            if !group.valid[0] {
                for i in elements {
                    for k in 0..self.length {
                        self.write(&matrix, i, k, T::NAN);
                    }
                }
                return;
            }
            self.parts(workspace, rows, first, last, &mut parts);
            to_tile(&mut parts, diagonal);
            (kernels.diagonal)(used(&parts), &group, shares);
            for chunk in (0..blocks).step_by(CHUNK) {
                let next = blocks.min(chunk + CHUNK);
                self.parts(workspace, rows, chunk, next, &mut parts);
                to_tile(&mut parts, buffer);
                let mut columns = shares;
                if chunk != first {
                    columns = others;
                    (kernels.diagonal)(used(&parts), &group, columns);
                }
                for i in elements.clone() {
                    let place = i - first * LANES;
                    let share = shares.add(place / LANES * T::Extended::PLANES);
                    let tail = share.add(T::Extended::PLANES - 1);
                    let share = [share, tail].map(|plane| (*plane).0[place % LANES]);
                    let share = if self.shape.mirrored { share.map(|part| -part) } else { share };
                    (kernels.entries)(used(&parts), share, columns);
                    let line = Rows { first: i, count: 1 };
                    self.write_tile(&matrix, line, chunk, next, buffer);
                }
            }
            for i in elements {
                self.write(&matrix, i, i, *diagonal.add(i - first * LANES));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RowOperand, compute};
    use crate::rows::catalogue::{ROW_CATALOGUE, RowForm};
    use crate::simd::Level;
    use crate::storage::Storage;

    /// The results of a row function for one row, the same at every level and spacing.
    fn row(name: &str, form: RowForm, inputs: &[&[f64]]) -> Vec<f64> {
        let activation = ROW_CATALOGUE.iter().find(|activation| activation.name == name).unwrap();
        let ufunc = activation.ufuncs.iter().find(|ufunc| ufunc.form == form).unwrap();
        let length = inputs[0].len();
        let mut all = Vec::new();
        for (level, step) in Level::available().flat_map(|level| [(level, 1), (level, 3)]) {
            let spread = |row: &[f64]| row.iter().flat_map(|&x| vec![x; step]).collect::<Vec<_>>();
            let mut arrays: Vec<_> = inputs.iter().map(|row| spread(row)).collect();
            arrays.push(vec![0.5; length * step]);
            let stride = (8 * step) as isize;
            let operand = |array: &mut Vec<f64>| RowOperand {
                pointer: array.as_mut_ptr().cast(),
                row_stride: 0,
                stride,
                column_stride: 0,
            };
            let operands: Vec<_> = arrays.iter_mut().map(operand).collect();
            // SAFETY: an array of so many elements for each operand.
            unsafe { compute(&ufunc.loops(level), Storage::Float64, &operands, 1, length) };
            all.push(arrays.last().unwrap().iter().step_by(step).copied().collect::<Vec<_>>());
        }
        let bits = |row: &Vec<f64>| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert!(all.iter().all(|row| bits(row) == bits(&all[0])), "{name} at some level");
        all.swap_remove(0)
    }

    #[test]
    fn equal_elements_have_equal_shares() {
        for length in [1, 2, 8, 64, 128, 2048] {
            let (x, share) = (vec![3.7; length], 1.0 / length as f64);
            assert_eq!(row("softmax", RowForm::Value, &[&x]), vec![share; length]);
            assert_eq!(row("softmin", RowForm::Value, &[&x]), vec![share; length]);
            let grad = vec![1.3; length];
            let zeros = vec![0.0; length];
            assert_eq!(row("softmax", RowForm::Backward, &[&grad, &x]), zeros);
            let y = vec![share; length];
            assert_eq!(row("softmax", RowForm::BackwardFromOutput, &[&grad, &y]), zeros);
        }
    }

    #[test]
    fn softmin_is_softmax_of_the_opposite() {
        let x: Vec<f64> = (0..77).map(|i| f64::from(i * i % 31) / 7.0).collect();
        let opposite: Vec<f64> = x.iter().map(|x| -x).collect();
        let softmax = row("softmax", RowForm::Value, &[&x]);
        assert_eq!(softmax, row("softmin", RowForm::Value, &[&opposite]));
        let softmax = row("softmax", RowForm::Backward, &[&x, &x]);
        let softmin = row("softmin", RowForm::Backward, &[&x, &opposite]);
        assert_eq!(softmax, softmin.iter().map(|y| -y).collect::<Vec<_>>());
    }

    #[test]
    fn a_row_with_nan_or_infinity_is_nan() {
        for length in [3, 70, 1100] {
            for special in [f64::NAN, f64::INFINITY] {
                let mut x = vec![1.0; length];
                x[length - 1] = special;
                for name in ["softmax", "log_softmax"] {
                    assert!(row(name, RowForm::Value, &[&x]).iter().all(|y| y.is_nan()));
                }
            }
        }
    }
}
