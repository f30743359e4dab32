//! The loops of row functions, compiled for each instruction set.
//!
//! A kernel works on 16 lanes at a time, in blocks. A block is either 16 consecutive elements of one
//! row, or one element of 16 rows: the kernels do not know which. Only the order of summation has to
//! be the same either way, and so it is defined by the element's position in its row:
//!
//! * a row is cut into runs of [`RUN`] elements;
//! * in a run, element `j` is added to accumulator `j mod 16`, in order of `j`;
//! * the accumulators are added as a tree: `i` and `i + 8`, then `i + 4`, `i + 2`, `i + 1`;
//! * runs are added in order to their segment, segments in order to the row ([`segment_length`]).
//!
//! With 16 elements of one row in a block, the accumulators are the lanes of one; with 16 rows, there
//! are 16 of them. Padding adds zero, which changes no bit.

use super::extended::{Extended, RowNumber};
use super::functions::{
    Element, Jacobian, MAX_GRADIENTS, MAX_OPERANDS, MAX_RESULTS, MAX_SUMS, Row, RowFunction, shares,
};
use crate::simd::Level;

/// Elements, or rows, in a block; and accumulators of a run.
pub const LANES: usize = 16;
/// Elements of a row summed by one set of accumulators.
pub const RUN: usize = 1024;
/// The most segments of a row.
pub const SEGMENTS: usize = 64;

/// Elements in a segment of a row of this length: whole runs.
pub fn segment_length(row: usize) -> usize {
    row.div_ceil(SEGMENTS * RUN).max(1) * RUN
}

pub type Lanes<T> = [T; LANES];
/// One machine number for each lane, aligned to a cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Plane(pub Lanes<f64>);
/// One extended number for each lane: a plane for each of its machine numbers.
pub type Planes = [Plane; 2];

impl Plane {
    pub const ZERO: Plane = Plane([0.0; LANES]);
}

/// Machine numbers in the accumulators of all sums: [`MAX_SUMS`] pairs and a count.
pub const SUM_PLANES: usize = 2 * MAX_SUMS + 1;
/// The sums of each lane: pairs, then the count of largest elements. Planes that a function does not
/// use may not be initialised: accumulators are read and written through pointers, plane by plane.
pub type Accumulator = [Plane; SUM_PLANES];

/// What is known of the rows in a block: lane by lane, or the same in all lanes for one row.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Group<T> {
    pub maximum: Lanes<T>,
    pub reference: [Lanes<T>; MAX_GRADIENTS],
    pub constants: [Planes; MAX_SUMS],
    /// [`Finished::value`](super::functions::Finished).
    pub value: Lanes<T>,
    /// Whether the maximum and all constants are finite; if not, the results are NaN.
    pub valid: Lanes<bool>,
}

impl<T: RowNumber> Group<T> {
    pub(super) fn new() -> Group<T> {
        Group {
            maximum: [-T::INFINITY; LANES],
            reference: [[T::ZERO; LANES]; MAX_GRADIENTS],
            constants: [[Plane::ZERO; 2]; MAX_SUMS],
            value: [T::NAN; LANES],
            valid: [false; LANES],
        }
    }

    /// Whether one of the first `count` rows is valid.
    pub fn has_valid(&self, count: usize) -> bool {
        self.valid[..count].contains(&true)
    }

    #[inline(always)]
    fn lane(&self, lane: usize) -> Row<T> {
        let mut constants = [T::Extended::ZERO; MAX_SUMS];
        for k in 0..MAX_SUMS {
            let [Plane(hi), Plane(lo)] = &self.constants[k];
            constants[k] = T::Extended::from_planes([hi[lane], lo[lane]]);
        }
        let [first, second] = &self.reference;
        Row { maximum: self.maximum[lane], reference: [first[lane], second[lane]], constants }
    }
}

/// The blocks of an operand: 16 elements at `pointer + j stride`, for block `j`.
#[derive(Clone, Copy)]
pub struct Blocks<T> {
    pub pointer: *mut T,
    pub stride: isize,
}

impl<T> Blocks<T> {
    pub const NONE: Blocks<T> = Blocks { pointer: core::ptr::null_mut(), stride: 0 };

    #[inline(always)]
    fn at(self, block: usize) -> *mut T {
        self.pointer.wrapping_offset(self.stride * block as isize)
    }
}

/// How many blocks there are, and how many elements in the last of them.
#[derive(Clone, Copy)]
pub struct Extent {
    pub blocks: usize,
    /// From 1 to [`LANES`].
    pub last: usize,
}

impl Extent {
    #[inline(always)]
    fn is_short(self) -> bool {
        self.last < LANES && self.blocks > 0
    }
}

/// Raises the maximum of each lane to that of x.
pub type Maximum<T> = unsafe fn(Extent, x: Blocks<T>, maximum: &mut Lanes<T>);
/// The number of the first block where x is the maximum, for each lane; unchanged where none is.
pub type Find<T> = unsafe fn(Extent, x: Blocks<T>, maximum: &Lanes<T>, found: &mut Lanes<T>);
/// Adds the terms to one accumulator, or to 16, block `j` to `j mod 16`; where `fresh`, to zero
/// instead of what they hold. Keeps the weights unless `kept` is null.
pub type Sums<T> = unsafe fn(
    Extent,
    operands: &[Blocks<T>; MAX_OPERANDS],
    group: &Group<T>,
    kept: *mut Plane,
    accumulators: *mut Accumulator,
    fresh: bool,
);
/// The sum of the first `used` accumulators, left in the first.
pub type Fold = unsafe fn(accumulators: *mut Accumulator, used: usize);
/// The sum of the lanes of an accumulator, left in all of them.
pub type FoldLanes = unsafe fn(total: *mut Accumulator);
/// `total += part`.
pub type Add = unsafe fn(total: *mut Accumulator, part: *const Accumulator);
/// The constants of the group from its sums: of one row, in all lanes, or lane by lane.
pub type Finish<T> = unsafe fn(total: *const Accumulator, group: &mut Group<T>);
/// The results, from the weights kept, or computing them again where `kept` is null.
pub type Results<T> = unsafe fn(
    Extent,
    operands: &[Blocks<T>; MAX_OPERANDS],
    group: &Group<T>,
    kept: *const Plane,
    results: &[Blocks<T>; MAX_RESULTS],
);
/// All steps for rows of no more than a run, whose operands are at hand: 16 elements of one row in a
/// block, or one element of 16 rows. The scalar gradient, where there is one, is in the group; the
/// result of a reduction is left there.
pub type Whole<T> = unsafe fn(
    Extent,
    operands: &[Blocks<T>; MAX_OPERANDS],
    group: &mut Group<T>,
    kept: *mut Plane,
    accumulators: *mut Accumulator,
    results: &[Blocks<T>; MAX_RESULTS],
);
/// The shares `S_k` of x, in planes, and the diagonal of the Jacobian.
pub type Diagonal<T> =
    unsafe fn(Extent, x: Blocks<T>, group: &Group<T>, shares: *mut Plane, diagonal: Blocks<T>);
/// One row of the Jacobian from its share and those of the columns.
pub type Entries<T> = unsafe fn(Extent, row: [f64; 2], columns: *const Plane, entries: Blocks<T>);

/// The loops of a row function at one level. All are unsafe: the CPU has the level's instructions,
/// every operand has the elements the extent names, and results may be operands but not overlap
/// them otherwise.
#[derive(Clone, Copy)]
pub struct RowKernels<T> {
    pub maximum: Maximum<T>,
    pub find: Find<T>,
    /// With one accumulator.
    pub sums: Sums<T>,
    /// With 16 accumulators.
    pub sums_of_rows: Sums<T>,
    pub fold: Fold,
    pub fold_lanes: FoldLanes,
    pub add: Add,
    pub finish: Finish<T>,
    pub finish_rows: Finish<T>,
    pub results: Results<T>,
    pub whole: Whole<T>,
    pub whole_of_rows: Whole<T>,
    /// Planes of a weight.
    pub planes: usize,
}

/// The loops a Jacobian has besides those of its sums.
#[derive(Clone, Copy)]
pub struct JacobianKernels<T> {
    pub diagonal: Diagonal<T>,
    pub entries: Entries<T>,
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

/// An operand to read or write block by block. The last block, when short, is an array here.
struct Operand<T> {
    blocks: Blocks<T>,
    extent: Extent,
    short: Lanes<T>,
}

impl<T: RowNumber> Operand<T> {
    /// An operand to read; the last block is padded.
    ///
    /// # Safety
    /// The extent's elements are readable.
    #[inline(always)]
    unsafe fn input(blocks: Blocks<T>, extent: Extent, padding: T) -> Operand<T> {
        let mut short = [padding; LANES];
        if extent.is_short() {
            let last = blocks.at(extent.blocks - 1);
            // SAFETY: the last block has `last` elements.
            unsafe { copy_short(last, short.as_mut_ptr(), extent.last) };
        }
        Operand { blocks, extent, short }
    }

    #[inline(always)]
    fn output(blocks: Blocks<T>, extent: Extent) -> Operand<T> {
        Operand { blocks, extent, short: [T::ZERO; LANES] }
    }

    #[inline(always)]
    fn pointer(&mut self, block: usize) -> *mut T {
        let short = self.extent.is_short() && block + 1 == self.extent.blocks;
        if short { self.short.as_mut_ptr() } else { self.blocks.at(block) }
    }

    /// # Safety
    /// `block` is one of an input.
    #[inline(always)]
    unsafe fn load(&mut self, block: usize) -> Lanes<T> {
        // SAFETY: a whole block, in the operand or here.
        unsafe { self.pointer(block).cast::<Lanes<T>>().read_unaligned() }
    }

    /// # Safety
    /// `block` is one of an output, to which the extent's elements are writable.
    #[inline(always)]
    unsafe fn store(&mut self, block: usize, values: Lanes<T>) {
        // SAFETY: a whole block, in the operand or here.
        unsafe { self.pointer(block).cast::<Lanes<T>>().write_unaligned(values) };
    }

    /// Writes the last block, when short, after all others.
    ///
    /// # Safety
    /// As [`store`](Self::store).
    #[inline(always)]
    unsafe fn end(self) {
        if self.extent.is_short() {
            let last = self.blocks.at(self.extent.blocks - 1);
            // SAFETY: the last block has `last` elements.
            unsafe { copy_short(self.short.as_ptr(), last, self.extent.last) };
        }
    }
}

#[inline(always)]
unsafe fn maximum<F: RowFunction, T: RowNumber>(
    extent: Extent,
    x: Blocks<T>,
    maximum: &mut Lanes<T>,
) {
    // SAFETY: passed on from the caller. A NaN is no maximum.
    let mut x = unsafe { Operand::input(x, extent, T::NAN) };
    let mut highest = *maximum;
    for block in 0..extent.blocks {
        // SAFETY: passed on from the caller.
        let values = unsafe { x.load(block) };
        for lane in 0..LANES {
            let argument = F::argument(values[lane]);
            highest[lane] = T::select(argument > highest[lane], argument, highest[lane]);
        }
    }
    *maximum = highest;
}

#[inline(always)]
unsafe fn find<F: RowFunction, T: RowNumber>(
    extent: Extent,
    x: Blocks<T>,
    maximum: &Lanes<T>,
    found: &mut Lanes<T>,
) {
    // SAFETY: passed on from the caller. A NaN equals nothing.
    let mut x = unsafe { Operand::input(x, extent, T::NAN) };
    let maximum = *maximum;
    let mut first = *found;
    for back in 0..extent.blocks {
        let block = extent.blocks - 1 - back;
        // SAFETY: passed on from the caller.
        let values = unsafe { x.load(block) };
        let number = T::literal(block as f64);
        for lane in 0..LANES {
            let equal = F::argument(values[lane]) == maximum[lane];
            first[lane] = T::select(equal, number, first[lane]);
        }
    }
    *found = first;
}

/// The operands of a function, to read.
struct Inputs<T>([Operand<T>; MAX_OPERANDS]);

impl<T: RowNumber> Inputs<T> {
    /// # Safety
    /// As [`Operand::input`], for each operand of `F`.
    #[inline(always)]
    unsafe fn new<F: RowFunction>(
        operands: &[Blocks<T>; MAX_OPERANDS],
        extent: Extent,
    ) -> Inputs<T> {
        let [first, second, x] = *operands;
        let none = Extent { blocks: 0, ..extent };
        let [first_extent, second_extent] =
            [0, 1].map(|k| if k < F::GRADIENTS { extent } else { none });
        // SAFETY: passed on from the caller; an operand that is not there has no blocks.
        unsafe {
            Inputs([
                Operand::input(first, first_extent, T::ZERO),
                Operand::input(second, second_extent, T::ZERO),
                Operand::input(x, extent, T::literal(F::PADDING)),
            ])
        }
    }

    /// # Safety
    /// `block` is one of them.
    #[inline(always)]
    unsafe fn load<F: RowFunction>(&mut self, block: usize) -> [Lanes<T>; MAX_OPERANDS] {
        let mut values = [[T::ZERO; LANES]; MAX_OPERANDS];
        for k in 0..MAX_OPERANDS {
            if k < F::GRADIENTS || k == MAX_GRADIENTS {
                // SAFETY: passed on from the caller.
                values[k] = unsafe { self.0[k].load(block) };
            }
        }
        values
    }
}

#[inline(always)]
fn element<F: RowFunction, T: RowNumber>(
    values: &[Lanes<T>; MAX_OPERANDS],
    lane: usize,
) -> Element<T> {
    let [first, second, x] = values;
    Element { gradients: [first[lane], second[lane]], x: F::argument(x[lane]) }
}

#[inline(always)]
unsafe fn sums<F: RowFunction, T: RowNumber, const ROWS: bool>(
    extent: Extent,
    operands: &[Blocks<T>; MAX_OPERANDS],
    group: &Group<T>,
    kept: *mut Plane,
    accumulators: *mut Accumulator,
    fresh: bool,
) {
    // SAFETY: passed on from the caller.
    let mut inputs = unsafe { Inputs::new::<F>(operands, extent) };
    let mut total = [Plane::ZERO; SUM_PLANES];
    // SAFETY: there are as many accumulators as lanes, or one.
    unsafe {
        if ROWS && fresh {
            for index in 0..extent.blocks.min(LANES) {
                write::<F, T>(accumulators.add(index), &total);
            }
        } else if !ROWS && !fresh {
            read::<F, T>(accumulators, &mut total);
        }
    }
    for block in 0..extent.blocks {
        // SAFETY: passed on from the caller.
        let values = unsafe { inputs.load::<F>(block) };
        let accumulator = accumulators.wrapping_add(block % LANES);
        if ROWS {
            // SAFETY: there are as many accumulators as lanes.
            unsafe { read::<F, T>(accumulator, &mut total) };
        }
        let mut weights = [Plane::ZERO; 2];
        for lane in 0..LANES {
            let row = group.lane(lane);
            let element = element::<F, T>(&values, lane);
            let weight = F::weight(element.x, &row);
            put::<T>(&mut weights, lane, weight);
            let terms = F::terms(&element, weight, &row);
            for k in 0..F::SUMS {
                let sum = pair::<T>(&total, k, lane).sum(terms[k]);
                put::<T>(&mut total[2 * k..], lane, sum);
            }
            if F::COUNTS_LARGEST {
                let one = if element.x == row.maximum { 1.0 } else { 0.0 };
                total[2 * MAX_SUMS].0[lane] += one;
            }
        }
        // SAFETY: there are planes for each block's weights, and as many accumulators as lanes.
        unsafe {
            if F::WEIGHTED && !kept.is_null() {
                for plane in 0..T::Extended::PLANES {
                    *kept.add(T::Extended::PLANES * block + plane) = weights[plane];
                }
            }
            if ROWS {
                write::<F, T>(accumulator, &total);
            }
        }
    }
    if !ROWS {
        // SAFETY: there is one accumulator.
        unsafe { write::<F, T>(accumulators, &total) };
    }
}

/// Sum `k` of a lane.
#[inline(always)]
fn pair<T: RowNumber>(from: &Accumulator, k: usize, lane: usize) -> T::Extended {
    T::Extended::from_planes([from[2 * k].0[lane], from[2 * k + 1].0[lane]])
}

#[inline(always)]
fn put<T: RowNumber>(planes: &mut [Plane], lane: usize, value: T::Extended) {
    let [hi, lo] = value.to_planes();
    planes[0].0[lane] = hi;
    planes[1].0[lane] = lo;
}

/// Reads the planes that the function uses.
///
/// # Safety
/// They are initialised.
#[inline(always)]
unsafe fn read<F: RowFunction, T: RowNumber>(from: *const Accumulator, to: &mut Accumulator) {
    for k in 0..F::SUMS {
        for plane in 0..T::Extended::PLANES {
            // SAFETY: passed on from the caller.
            to[2 * k + plane] = unsafe { (*from)[2 * k + plane] };
        }
    }
    if F::COUNTS_LARGEST {
        // SAFETY: passed on from the caller.
        to[2 * MAX_SUMS] = unsafe { (*from)[2 * MAX_SUMS] };
    }
}

/// Writes the planes that the function uses.
///
/// # Safety
/// `to` is writable.
#[inline(always)]
unsafe fn write<F: RowFunction, T: RowNumber>(to: *mut Accumulator, from: &Accumulator) {
    for k in 0..F::SUMS {
        for plane in 0..T::Extended::PLANES {
            // SAFETY: passed on from the caller.
            unsafe { (*to)[2 * k + plane] = from[2 * k + plane] };
        }
    }
    if F::COUNTS_LARGEST {
        // SAFETY: passed on from the caller.
        unsafe { (*to)[2 * MAX_SUMS] = from[2 * MAX_SUMS] };
    }
}

/// `total += part`, where part has been read.
///
/// # Safety
/// As [`Add`].
#[inline(always)]
unsafe fn add_to<F: RowFunction, T: RowNumber>(
    total: *mut Accumulator,
    part: &Accumulator,
    scratch: &mut Accumulator,
) {
    // SAFETY: passed on from the caller.
    unsafe { read::<F, T>(total, scratch) };
    for lane in 0..LANES {
        for k in 0..F::SUMS {
            let sum = pair::<T>(scratch, k, lane).sum(pair::<T>(part, k, lane));
            put::<T>(&mut scratch[2 * k..], lane, sum);
        }
        if F::COUNTS_LARGEST {
            scratch[2 * MAX_SUMS].0[lane] += part[2 * MAX_SUMS].0[lane];
        }
    }
    // SAFETY: passed on from the caller.
    unsafe { write::<F, T>(total, scratch) };
}

#[inline(always)]
unsafe fn add<F: RowFunction, T: RowNumber>(total: *mut Accumulator, part: *const Accumulator) {
    let (mut addend, mut scratch) = ([Plane::ZERO; SUM_PLANES], [Plane::ZERO; SUM_PLANES]);
    // SAFETY: passed on from the caller.
    unsafe {
        read::<F, T>(part, &mut addend);
        add_to::<F, T>(total, &addend, &mut scratch);
    }
}

#[inline(always)]
unsafe fn fold<F: RowFunction, T: RowNumber>(accumulators: *mut Accumulator, used: usize) {
    let (mut addend, mut scratch) = ([Plane::ZERO; SUM_PLANES], [Plane::ZERO; SUM_PLANES]);
    for half in [8, 4, 2, 1] {
        for i in 0..half.min(used.saturating_sub(half)) {
            // SAFETY: the caller vouches for `used` accumulators, and i + half is below that.
            unsafe {
                read::<F, T>(accumulators.add(i + half), &mut addend);
                add_to::<F, T>(accumulators.add(i), &addend, &mut scratch);
            }
        }
    }
}

#[inline(always)]
unsafe fn fold_lanes<F: RowFunction, T: RowNumber>(total: *mut Accumulator) {
    let mut sums = [Plane::ZERO; SUM_PLANES];
    // SAFETY: passed on from the caller.
    unsafe { read::<F, T>(total, &mut sums) };
    for k in 0..F::SUMS {
        let lanes: Lanes<[f64; 2]> =
            core::array::from_fn(|lane| pair::<T>(&sums, k, lane).to_planes());
        let eight: [_; 8] = halve::<T, 16, 8>(lanes);
        let four: [_; 4] = halve::<T, 8, 4>(eight);
        let [sum] = halve::<T, 2, 1>(halve::<T, 4, 2>(four));
        for plane in 0..T::Extended::PLANES {
            sums[2 * k + plane].0 = [sum[plane]; LANES];
        }
    }
    if F::COUNTS_LARGEST {
        // Exact in any order.
        sums[2 * MAX_SUMS].0 = [sums[2 * MAX_SUMS].0.iter().sum(); LANES];
    }
    // SAFETY: passed on from the caller.
    unsafe { write::<F, T>(total, &sums) };
}

/// The sums of each number and the one half a length further.
#[inline(always)]
fn halve<T: RowNumber, const N: usize, const HALF: usize>(
    numbers: [[f64; 2]; N],
) -> [[f64; 2]; HALF] {
    core::array::from_fn(|i| {
        let [a, b] = [numbers[i], numbers[i + HALF]].map(T::Extended::from_planes);
        a.sum(b).to_planes()
    })
}

#[inline(always)]
unsafe fn finish<F: RowFunction, T: RowNumber, const ROWS: bool>(
    total: *const Accumulator,
    group: &mut Group<T>,
) {
    let known = *group;
    let mut sums_of_row = [Plane::ZERO; SUM_PLANES];
    // SAFETY: passed on from the caller.
    unsafe { read::<F, T>(total, &mut sums_of_row) };
    let total = &sums_of_row;
    for lane in 0..if ROWS { LANES } else { 1 } {
        let mut sums = [T::Extended::ZERO; MAX_SUMS];
        for k in 0..F::SUMS {
            sums[k] = pair::<T>(total, k, lane).tidy();
        }
        let row = known.lane(lane);
        let finished = F::finish(&row, sums, total[2 * MAX_SUMS].0[lane]);
        let mut valid = row.maximum.abs() < T::INFINITY;
        for k in 0..MAX_SUMS {
            let constant = finished.constants[k];
            valid &= constant.is_finite();
            put::<T>(&mut group.constants[k], lane, constant);
        }
        group.value[lane] = finished.value;
        group.valid[lane] = valid;
    }
    if !ROWS {
        for k in 0..F::CONSTANTS {
            for plane in 0..T::Extended::PLANES {
                group.constants[k][plane].0 = [group.constants[k][plane].0[0]; LANES];
            }
        }
    }
}

/// The weights kept of a block, or computed again.
#[inline(always)]
unsafe fn weights<F: RowFunction, T: RowNumber>(
    values: &[Lanes<T>; MAX_OPERANDS],
    group: &Group<T>,
    kept: *const Plane,
    block: usize,
) -> Planes {
    let mut weights = [Plane::ZERO; 2];
    if F::WEIGHTED && !kept.is_null() {
        for plane in 0..T::Extended::PLANES {
            // SAFETY: the planes of each block's weights were kept.
            weights[plane] = unsafe { *kept.add(T::Extended::PLANES * block + plane) };
        }
    } else {
        for lane in 0..LANES {
            let element = element::<F, T>(values, lane);
            put::<T>(&mut weights, lane, F::weight(element.x, &group.lane(lane)));
        }
    }
    weights
}

#[inline(always)]
unsafe fn results<F: RowFunction, T: RowNumber>(
    extent: Extent,
    operands: &[Blocks<T>; MAX_OPERANDS],
    group: &Group<T>,
    kept: *const Plane,
    outputs: &[Blocks<T>; MAX_RESULTS],
) {
    // SAFETY: passed on from the caller.
    let mut inputs = unsafe { Inputs::new::<F>(operands, extent) };
    let mut outputs = outputs.map(|output| Operand::output(output, extent));
    for block in 0..extent.blocks {
        // SAFETY: passed on from the caller.
        let (values, weights) = unsafe {
            let values = inputs.load::<F>(block);
            (values, weights::<F, T>(&values, group, kept, block))
        };
        let mut results = [[T::ZERO; LANES]; MAX_RESULTS];
        for lane in 0..LANES {
            let element = element::<F, T>(&values, lane);
            let weight = T::Extended::from_planes([weights[0].0[lane], weights[1].0[lane]]);
            let values = F::results(&element, weight, &group.lane(lane));
            for k in 0..F::RESULTS {
                results[k][lane] = values[k];
            }
        }
        for k in 0..F::RESULTS {
            // SAFETY: passed on from the caller.
            unsafe { outputs[k].store(block, results[k]) };
        }
    }
    for (k, output) in outputs.into_iter().enumerate() {
        if k < F::RESULTS {
            // SAFETY: passed on from the caller.
            unsafe { output.end() };
        }
    }
}

/// The largest of all lanes, in all lanes.
#[inline(always)]
fn spread<T: RowNumber>(lanes: Lanes<T>) -> Lanes<T> {
    let higher = |a: T, b: T| T::select(b > a, b, a);
    let eight: [T; 8] = core::array::from_fn(|i| higher(lanes[i], lanes[i + 8]));
    let four: [T; 4] = core::array::from_fn(|i| higher(eight[i], eight[i + 4]));
    let two = [higher(four[0], four[2]), higher(four[1], four[3])];
    [higher(two[0], two[1]); LANES]
}

#[inline(always)]
unsafe fn whole<F: RowFunction, T: RowNumber, const ROWS: bool>(
    extent: Extent,
    operands: &[Blocks<T>; MAX_OPERANDS],
    group: &mut Group<T>,
    kept: *mut Plane,
    accumulators: *mut Accumulator,
    outputs: &[Blocks<T>; MAX_RESULTS],
) {
    let x = operands[MAX_GRADIENTS];
    let mut highest = [-T::INFINITY; LANES];
    // Where the first largest element of each lane's row is: a block, and a lane of it.
    let mut places = [(0, 0); LANES];
    // SAFETY: passed on from the caller; places are inside the operands.
    unsafe {
        maximum::<F, T>(extent, x, &mut highest);
        group.maximum = if ROWS { highest } else { spread(highest) };
        if F::REFERENCES > 0 || F::PATCHED {
            let none = T::literal(RUN as f64);
            let mut found = [none; LANES];
            find::<F, T>(extent, x, &group.maximum, &mut found);
            let place = |lane: usize| if found[lane] < none { found[lane].to_index() } else { 0 };
            if ROWS {
                places = core::array::from_fn(|lane| (place(lane), lane));
            } else {
                // The first of the lanes: the lowest element number, below 2^15.
                let step = T::literal(LANES as f64);
                let number = |lane: usize| found[lane].mul_add(step, T::literal(lane as f64));
                let first = -spread(core::array::from_fn(|lane| -number(lane)))[0];
                let first = first.to_index() % (RUN * LANES);
                places = [(first / LANES, first % LANES); LANES];
            }
        }
        for k in 0..F::REFERENCES {
            let reference = |(block, lane): (usize, usize)| *operands[k].at(block).add(lane);
            group.reference[k] =
                if ROWS { places.map(reference) } else { [reference(places[0]); LANES] };
        }
        sums::<F, T, ROWS>(extent, operands, group, kept, accumulators, true);
        if ROWS {
            fold::<F, T>(accumulators, LANES.min(extent.blocks));
        } else {
            fold_lanes::<F, T>(accumulators);
        }
        finish::<F, T, ROWS>(accumulators, group);
        if F::RESULTS == 0 {
            return;
        }
        results::<F, T>(extent, operands, group, kept, outputs);
        for lane in 0..if ROWS { LANES } else { 1 } {
            let (block, place) = places[lane];
            if !group.valid[lane] {
                for output in &outputs[..F::RESULTS] {
                    fill::<T, ROWS>(extent, *output, lane);
                }
            } else if F::PATCHED {
                *outputs[0].at(block).add(place) = group.value[lane];
            }
        }
    }
}

/// Fills the row of a lane with NaN.
///
/// # Safety
/// The extent's elements are writable.
#[cold]
unsafe fn fill<T: RowNumber, const ROWS: bool>(extent: Extent, output: Blocks<T>, lane: usize) {
    for block in 0..extent.blocks {
        let whole = block + 1 < extent.blocks;
        let lanes = match ROWS {
            true => lane..lane + 1,
            false => 0..if whole { LANES } else { extent.last },
        };
        for lane in lanes {
            // SAFETY: passed on from the caller.
            unsafe { *output.at(block).add(lane) = T::NAN };
        }
    }
}

#[inline(always)]
unsafe fn diagonal<J: Jacobian, T: RowNumber>(
    extent: Extent,
    x: Blocks<T>,
    group: &Group<T>,
    columns: *mut Plane,
    diagonal: Blocks<T>,
) {
    // SAFETY: passed on from the caller.
    let mut x = unsafe { Operand::input(x, extent, T::literal(J::Sums::PADDING)) };
    let mut diagonal = Operand::output(diagonal, extent);
    for block in 0..extent.blocks {
        // SAFETY: passed on from the caller.
        let values = unsafe { x.load(block) };
        let mut planes = [Plane::ZERO; 2];
        let mut results = [T::ZERO; LANES];
        for lane in 0..LANES {
            let row = group.lane(lane);
            let x = J::Sums::argument(values[lane]);
            let [share, rest] = shares(x, J::Sums::weight(x, &row), &row);
            put::<T>(&mut planes, lane, share);
            results[lane] = J::diagonal::<T>(share, rest);
        }
        for plane in 0..T::Extended::PLANES {
            // SAFETY: there is room for the planes of each block.
            unsafe { *columns.add(T::Extended::PLANES * block + plane) = planes[plane] };
        }
        // SAFETY: passed on from the caller.
        unsafe { diagonal.store(block, results) };
    }
    // SAFETY: passed on from the caller.
    unsafe { diagonal.end() };
}

#[inline(always)]
unsafe fn entries<J: Jacobian, T: RowNumber>(
    extent: Extent,
    row: [f64; 2],
    columns: *const Plane,
    output: Blocks<T>,
) {
    let row = T::Extended::from_planes(row);
    let mut output = Operand::output(output, extent);
    for block in 0..extent.blocks {
        let mut planes = [Plane::ZERO; 2];
        for plane in 0..T::Extended::PLANES {
            // SAFETY: there are planes for each block.
            planes[plane] = unsafe { *columns.add(T::Extended::PLANES * block + plane) };
        }
        let mut results = [T::ZERO; LANES];
        for lane in 0..LANES {
            let column = T::Extended::from_planes([planes[0].0[lane], planes[1].0[lane]]);
            results[lane] = J::entry::<T>(row, column);
        }
        // SAFETY: passed on from the caller.
        unsafe { output.store(block, results) };
    }
    // SAFETY: passed on from the caller.
    unsafe { output.end() };
}

/// The loops above inside functions that enable a level's instructions.
macro_rules! level {
    ($level:ident $(, $feature:meta)?) => {
        mod $level {
            use super::*;

            /// # Safety
            /// As [`RowKernels`], like all of these.
            $(#[$feature])?
            unsafe fn maximum<F: RowFunction, T: RowNumber>(
                extent: Extent,
                x: Blocks<T>,
                maximum: &mut Lanes<T>,
            ) {
                // SAFETY: passed on from the caller, like all of these.
                unsafe { super::maximum::<F, T>(extent, x, maximum) }
            }

            $(#[$feature])?
            unsafe fn find<F: RowFunction, T: RowNumber>(
                extent: Extent,
                x: Blocks<T>,
                maximum: &Lanes<T>,
                found: &mut Lanes<T>,
            ) {
                // SAFETY: see above.
                unsafe { super::find::<F, T>(extent, x, maximum, found) }
            }

            $(#[$feature])?
            unsafe fn sums<F: RowFunction, T: RowNumber, const ROWS: bool>(
                extent: Extent,
                operands: &[Blocks<T>; MAX_OPERANDS],
                group: &Group<T>,
                kept: *mut Plane,
                accumulators: *mut Accumulator,
                fresh: bool,
            ) {
                // SAFETY: see above.
                unsafe {
                    super::sums::<F, T, ROWS>(extent, operands, group, kept, accumulators, fresh)
                }
            }

            $(#[$feature])?
            unsafe fn fold<F: RowFunction, T: RowNumber>(
                accumulators: *mut Accumulator,
                used: usize,
            ) {
                // SAFETY: see above.
                unsafe { super::fold::<F, T>(accumulators, used) }
            }

            $(#[$feature])?
            unsafe fn fold_lanes<F: RowFunction, T: RowNumber>(total: *mut Accumulator) {
                // SAFETY: see above.
                unsafe { super::fold_lanes::<F, T>(total) }
            }

            $(#[$feature])?
            unsafe fn add<F: RowFunction, T: RowNumber>(
                total: *mut Accumulator,
                part: *const Accumulator,
            ) {
                // SAFETY: see above.
                unsafe { super::add::<F, T>(total, part) }
            }

            $(#[$feature])?
            unsafe fn finish<F: RowFunction, T: RowNumber, const ROWS: bool>(
                total: *const Accumulator,
                group: &mut Group<T>,
            ) {
                // SAFETY: see above.
                unsafe { super::finish::<F, T, ROWS>(total, group) }
            }

            $(#[$feature])?
            unsafe fn results<F: RowFunction, T: RowNumber>(
                extent: Extent,
                operands: &[Blocks<T>; MAX_OPERANDS],
                group: &Group<T>,
                kept: *const Plane,
                outputs: &[Blocks<T>; MAX_RESULTS],
            ) {
                // SAFETY: see above.
                unsafe { super::results::<F, T>(extent, operands, group, kept, outputs) }
            }

            $(#[$feature])?
            unsafe fn whole<F: RowFunction, T: RowNumber, const ROWS: bool>(
                extent: Extent,
                operands: &[Blocks<T>; MAX_OPERANDS],
                group: &mut Group<T>,
                kept: *mut Plane,
                accumulators: *mut Accumulator,
                results: &[Blocks<T>; MAX_RESULTS],
            ) {
                // SAFETY: see above.
                unsafe {
                    super::whole::<F, T, ROWS>(extent, operands, group, kept, accumulators, results)
                }
            }

            $(#[$feature])?
            unsafe fn diagonal<J: Jacobian, T: RowNumber>(
                extent: Extent,
                x: Blocks<T>,
                group: &Group<T>,
                columns: *mut Plane,
                diagonal: Blocks<T>,
            ) {
                // SAFETY: see above.
                unsafe { super::diagonal::<J, T>(extent, x, group, columns, diagonal) }
            }

            $(#[$feature])?
            unsafe fn entries<J: Jacobian, T: RowNumber>(
                extent: Extent,
                row: [f64; 2],
                columns: *const Plane,
                output: Blocks<T>,
            ) {
                // SAFETY: see above.
                unsafe { super::entries::<J, T>(extent, row, columns, output) }
            }

            pub fn row_kernels<F: RowFunction, T: RowNumber>() -> RowKernels<T> {
                RowKernels {
                    maximum: maximum::<F, T>,
                    find: find::<F, T>,
                    sums: sums::<F, T, false>,
                    sums_of_rows: sums::<F, T, true>,
                    fold: fold::<F, T>,
                    fold_lanes: fold_lanes::<F, T>,
                    add: add::<F, T>,
                    finish: finish::<F, T, false>,
                    finish_rows: finish::<F, T, true>,
                    results: results::<F, T>,
                    whole: whole::<F, T, false>,
                    whole_of_rows: whole::<F, T, true>,
                    planes: T::Extended::PLANES,
                }
            }

            pub fn jacobian_kernels<J: Jacobian, T: RowNumber>() -> JacobianKernels<T> {
                JacobianKernels { diagonal: diagonal::<J, T>, entries: entries::<J, T> }
            }
        }
    };
}

level!(portable);
#[cfg(target_arch = "x86_64")]
level!(avx2, target_feature(enable = "avx2,fma"));
#[cfg(target_arch = "x86_64")]
level!(avx512, target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma"));

/// The loops of a row function at a level.
pub fn row_kernels<F: RowFunction, T: RowNumber>(level: Level) -> RowKernels<T> {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::row_kernels::<F, T>(),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => avx512::row_kernels::<F, T>(),
        _ => portable::row_kernels::<F, T>(),
    }
}

/// The loops of a Jacobian at a level.
pub fn jacobian_kernels<J: Jacobian, T: RowNumber>(level: Level) -> JacobianKernels<T> {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::jacobian_kernels::<J, T>(),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => avx512::jacobian_kernels::<J, T>(),
        _ => portable::jacobian_kernels::<J, T>(),
    }
}
