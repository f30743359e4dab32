//! The loops of row functions, compiled for each instruction set.
//!
//! A kernel works on up to 16 rows, a group, in blocks of 16 lanes. A block is either 16 consecutive
//! elements of one row, and the rows of the group come one after the other; or, where `ACROSS`, one
//! element of 16 rows. What is known of the rows, and their sums, are 16 lanes either way, one for
//! each row. The order of summation is defined by the element's position in its row:
//!
//! * a row is cut into runs of [`RUN`] elements;
//! * in a run, element `j` is added to accumulator `j mod 16`, in order of `j`;
//! * the accumulators are added as a tree: `i` and `i + 8`, then `i + 4`, `i + 2`, `i + 1`;
//! * runs are added in order to their segment, segments in order to the row ([`segment_length`]).
//!
//! With 16 elements of one row in a block, the accumulators of a row are the lanes of one accumulator;
//! their sum then takes its place beside those of the other rows. Padding adds zero, which changes no
//! bit.

use super::extended::{Extended, RowNumber};
use super::functions::{
    Element, Jacobian, MAX_GRADIENTS, MAX_OPERANDS, MAX_RESULTS, MAX_ROUNDED, MAX_SUMS, Row,
    RowFunction, Shares, shares,
};
use crate::simd::{Level, prefetch};

/// Elements, or rows, in a block; and accumulators of a run.
pub const LANES: usize = 16;
/// Elements of a row summed by one set of accumulators.
pub const RUN: usize = 1024;
/// The most segments of a row.
pub const SEGMENTS: usize = 64;

/// Elements in a segment of a row of this length: whole runs. Of up to [`SEGMENTS`] runs each might be
/// a segment, or all one: they are added in the same order.
pub fn segment_length(row: usize) -> usize {
    let runs = row.div_ceil(RUN).max(1);
    RUN * if runs <= SEGMENTS { runs } else { runs.div_ceil(SEGMENTS) }
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

/// What is known of the rows of a group, lane by lane.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Group<T> {
    pub maximum: Lanes<T>,
    pub reference: [Lanes<T>; MAX_GRADIENTS],
    pub constants: [Planes; MAX_SUMS],
    /// As in [`Finished`](super::functions::Finished), like the next two.
    pub rounded: [Lanes<T>; MAX_ROUNDED],
    pub value: Lanes<T>,
    pub again: Lanes<bool>,
    /// Whether the maximum and all constants are finite; if not, the results are NaN.
    pub valid: Lanes<bool>,
    /// 1, or -1 for a function of `-x`; and what results are multiplied by then.
    pub sign: T,
    pub result_signs: [T; MAX_RESULTS],
}

impl<T: RowNumber> Group<T> {
    pub(super) fn new(sign: T, result_signs: [T; MAX_RESULTS]) -> Group<T> {
        Group {
            maximum: [-T::INFINITY; LANES],
            reference: [[T::ZERO; LANES]; MAX_GRADIENTS],
            constants: [[Plane::ZERO; 2]; MAX_SUMS],
            rounded: [[T::ZERO; LANES]; MAX_ROUNDED],
            value: [T::NAN; LANES],
            again: [false; LANES],
            valid: [false; LANES],
            sign,
            result_signs,
        }
    }

    /// Makes all lanes know what the first does before the sums.
    pub fn spread(&mut self) {
        self.maximum = [self.maximum[0]; LANES];
        self.reference = self.reference.map(|reference| [reference[0]; LANES]);
    }

    #[inline(always)]
    fn lane(&self, lane: usize) -> Row<T> {
        let mut constants = [T::Extended::ZERO; MAX_SUMS];
        for k in 0..MAX_SUMS {
            let [Plane(hi), Plane(lo)] = &self.constants[k];
            constants[k] = T::Extended::from_planes([hi[lane], lo[lane]]);
        }
        let [first, second] = &self.reference;
        Row {
            maximum: self.maximum[lane],
            reference: [first[lane], second[lane]],
            constants,
            rounded: self.rounded.each_ref().map(|rounded| rounded[lane]),
        }
    }
}

/// The blocks of an operand: 16 elements at `pointer + j stride`, for block `j` of the first row.
#[derive(Clone, Copy)]
pub struct Blocks<T> {
    pub pointer: *mut T,
    pub stride: isize,
    /// Bytes from one row to the next.
    pub row_stride: isize,
}

impl<T: RowNumber> Blocks<T> {
    pub const NONE: Blocks<T> = Blocks { pointer: core::ptr::null_mut(), stride: 0, row_stride: 0 };

    /// The blocks of one row.
    #[inline(always)]
    pub fn of_row(self, row: usize) -> Blocks<T> {
        Blocks {
            pointer: self.pointer.wrapping_byte_offset(self.row_stride * row as isize),
            ..self
        }
    }

    #[inline(always)]
    pub fn at(self, block: usize) -> *mut T {
        self.pointer.wrapping_offset(self.stride * block as isize)
    }

    /// # Safety
    /// The block is readable.
    #[inline(always)]
    unsafe fn load(self, block: usize) -> Lanes<T> {
        // SAFETY: passed on from the caller.
        unsafe { self.at(block).cast::<Lanes<T>>().read_unaligned() }
    }

    /// # Safety
    /// The block is writable.
    #[inline(always)]
    unsafe fn store(self, block: usize, values: Lanes<T>) {
        // SAFETY: passed on from the caller.
        unsafe { self.at(block).cast::<Lanes<T>>().write_unaligned(values) };
    }
}

/// Consecutive blocks of every operand, as many for each row. The last block of a row, when short, is
/// a part of its own, padded and somewhere else.
#[derive(Clone, Copy)]
pub struct Part<T> {
    pub blocks: usize,
    pub operands: [Blocks<T>; MAX_OPERANDS],
    pub results: [Blocks<T>; MAX_RESULTS],
    /// Bytes from an operand to what will be read of it next, to be fetched meanwhile.
    pub ahead: isize,
    /// Whether rows are short enough to be fetched while something else is computed.
    pub near: bool,
}

impl<T: RowNumber> Part<T> {
    pub const NONE: Part<T> = Part {
        blocks: 0,
        operands: [Blocks::NONE; MAX_OPERANDS],
        results: [Blocks::NONE; MAX_RESULTS],
        ahead: 0,
        near: false,
    };

    /// Whole runs from a block on, each like a row.
    pub fn runs(&self, block: usize) -> Part<T> {
        let runs = |blocks: Blocks<T>| Blocks {
            pointer: blocks.at(block),
            row_stride: (RUN / LANES * size_of::<T>()) as isize * blocks.stride,
            ..blocks
        };
        let (operands, results) = (self.operands.map(runs), self.results.map(runs));
        Part { blocks: RUN / LANES, operands, results, ..*self }
    }

    /// The part of one row.
    #[inline(always)]
    fn of_row(&self, row: usize) -> Part<T> {
        Part {
            operands: self.operands.map(|blocks| blocks.of_row(row)),
            results: self.results.map(|blocks| blocks.of_row(row)),
            ..*self
        }
    }

    /// Has what comes next fetched while a block is computed. From x that is all of the next rows, in
    /// the sums: with their exponentials they are the heavier pass. From the output the next operands
    /// come with the results, but y with the sums where these are as heavy, and with the sums also
    /// comes where the results of this row will be written.
    #[inline(always)]
    fn fetch<F: RowFunction>(&self, block: usize, summing: bool) {
        for line in 0..LANES * size_of::<T>() / 64 {
            let line = 64 * line as isize;
            for k in 0..MAX_OPERANDS {
                let read = k < F::GRADIENTS || k == MAX_GRADIENTS;
                let early = !F::OF_OUTPUT || F::REFERS && k == MAX_GRADIENTS;
                if read && early == summing && self.ahead != 0 {
                    prefetch(self.operands[k].at(block).wrapping_byte_offset(self.ahead + line));
                }
            }
            for k in 0..if summing { F::RESULTS } else { 0 } {
                if F::OF_OUTPUT {
                    // Without a branch: of long rows a line that is there already.
                    let x = self.operands[MAX_GRADIENTS];
                    let place = if self.near { self.results[k] } else { x };
                    prefetch(place.at(block).wrapping_byte_offset(line));
                } else if self.ahead != 0 {
                    prefetch(self.results[k].at(block).wrapping_byte_offset(self.ahead + line));
                }
            }
        }
    }

    /// The operands of a function in a block.
    ///
    /// # Safety
    /// `block` is one of the part.
    #[inline(always)]
    unsafe fn load<F: RowFunction>(&self, block: usize) -> [Lanes<T>; MAX_OPERANDS] {
        let mut values = [[T::ZERO; LANES]; MAX_OPERANDS];
        for k in 0..MAX_OPERANDS {
            if k < F::GRADIENTS || k == MAX_GRADIENTS {
                // SAFETY: passed on from the caller.
                values[k] = unsafe { self.operands[k].load(block) };
            }
        }
        values
    }
}

/// Where the weights are kept between summing and results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nowhere: they are computed again.
    Nowhere,
    /// Rounded, in the place of the first result.
    InResult,
    /// In planes, or rounded where the function says so.
    InPlanes(*mut u8),
}

/// How the sums of a function are laid out in an accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub sums: usize,
    pub counts: bool,
}

/// Raises the maximum of each row to that of x.
pub type Maximum<T> = unsafe fn(parts: &[Part<T>], rows: usize, group: &mut Group<T>);
/// The number of the first element where x is the maximum, for each row; unchanged where none is.
pub type Find<T> =
    unsafe fn(parts: &[Part<T>], rows: usize, group: &Group<T>, found: &mut Lanes<T>);
/// Adds the terms to 16 accumulators, those of element `j` to the one of `j mod 16`; where `fresh`,
/// to zero instead of what they hold. Rows that come one after the other are whole runs, and fresh:
/// there each has an accumulator, with those of `j mod 16` as its lanes.
pub type Sums<T> = unsafe fn(
    parts: &[Part<T>],
    rows: usize,
    group: &Group<T>,
    kept: Kept,
    accumulators: *mut Accumulator,
    fresh: bool,
);
/// The sums of each row, left in its lane of the first accumulator: from the first `used` ones, or
/// from the lanes of those of `used` rows that come one after the other.
pub type Fold = unsafe fn(Layout, accumulators: *mut Accumulator, used: usize);
/// The constants of the group from its sums, lane by lane.
pub type Finish<T> = unsafe fn(total: *const Accumulator, group: &mut Group<T>);
/// The results.
pub type Results<T> = unsafe fn(parts: &[Part<T>], rows: usize, group: &Group<T>, kept: Kept);
/// The shares `S_k` of x, in planes, and the diagonal of the Jacobian as the result.
pub type Diagonal<T> = unsafe fn(parts: &[Part<T>], group: &Group<T>, shares: *mut Plane);
/// One row of the Jacobian as the result, from its share and those of the columns.
pub type Entries<T> = unsafe fn(parts: &[Part<T>], row: [f64; 2], columns: *const Plane);

/// The loops of a row function at one level. All are unsafe: the CPU has the level's instructions,
/// every operand has the blocks the parts name, and results may be operands but not overlap them
/// otherwise.
#[derive(Clone, Copy)]
pub struct RowKernels<T> {
    pub finish: Finish<T>,
    /// For rows one after the other.
    pub along: Passes<T>,
    /// For blocks across 16 rows.
    pub across: Passes<T>,
    /// Bytes of the weights kept of a block.
    pub kept_bytes: usize,
}

/// The loops over the elements.
#[derive(Clone, Copy)]
pub struct Passes<T> {
    pub maximum: Maximum<T>,
    pub find: Find<T>,
    pub sums: Sums<T>,
    pub fold: Fold,
    pub results: Results<T>,
}

/// The loops a Jacobian has besides those of its sums.
#[derive(Clone, Copy)]
pub struct JacobianKernels<T> {
    pub diagonal: Diagonal<T>,
    pub entries: Entries<T>,
}

#[inline(always)]
unsafe fn maximum<T: RowNumber, const ACROSS: bool>(
    parts: &[Part<T>],
    rows: usize,
    group: &mut Group<T>,
) {
    let sign = group.sign;
    for row in 0..rows {
        let mut highest = if ACROSS { group.maximum } else { [group.maximum[row]; LANES] };
        // Two chains: one alone would wait for itself.
        let mut second = highest;
        for part in parts {
            let x = part.operands[MAX_GRADIENTS].of_row(row);
            for block in 0..part.blocks / 2 {
                // SAFETY: passed on from the caller.
                let (first, next) = unsafe { (x.load(2 * block), x.load(2 * block + 1)) };
                for lane in 0..LANES {
                    highest[lane] = higher(highest[lane], first[lane] * sign);
                    second[lane] = higher(second[lane], next[lane] * sign);
                }
            }
            if part.blocks % 2 == 1 {
                // SAFETY: passed on from the caller.
                let values = unsafe { x.load(part.blocks - 1) };
                for lane in 0..LANES {
                    highest[lane] = higher(highest[lane], values[lane] * sign);
                }
            }
        }
        for lane in 0..LANES {
            highest[lane] = higher(highest[lane], second[lane]);
        }
        if ACROSS {
            group.maximum = highest;
        } else {
            let eight: [T; 8] = core::array::from_fn(|i| higher(highest[i], highest[i + 8]));
            let four: [T; 4] = core::array::from_fn(|i| higher(eight[i], eight[i + 4]));
            group.maximum[row] = higher(higher(four[0], four[2]), higher(four[1], four[3]));
        }
    }
}

#[inline(always)]
unsafe fn find<T: RowNumber, const ACROSS: bool>(
    parts: &[Part<T>],
    rows: usize,
    group: &Group<T>,
    found: &mut Lanes<T>,
) {
    let sign = group.sign;
    for row in 0..rows {
        let maximum = if ACROSS { group.maximum } else { [group.maximum[row]; LANES] };
        let mut first = if ACROSS { *found } else { [T::INFINITY; LANES] };
        // From the end, so that the first stays.
        let mut number = parts.iter().map(|part| part.blocks).sum::<usize>();
        for part in parts.iter().rev() {
            let x = part.operands[MAX_GRADIENTS].of_row(row);
            for back in 0..part.blocks {
                number -= 1;
                // SAFETY: passed on from the caller.
                let values = unsafe { x.load(part.blocks - 1 - back) };
                let number = T::literal(number as f64);
                for lane in 0..LANES {
                    // A NaN equals nothing.
                    let here = values[lane] * sign == maximum[lane];
                    first[lane] = T::select(here, number, first[lane]);
                }
            }
        }
        if ACROSS {
            *found = first;
            continue;
        }
        let mut least = T::INFINITY;
        for lane in 0..LANES {
            let element = first[lane] * T::literal(LANES as f64) + T::literal(lane as f64);
            least = T::select(element < least, element, least);
        }
        found[row] = T::select(least < T::INFINITY, least, found[row]);
    }
}

#[inline(always)]
fn element<F: RowFunction, T: RowNumber>(
    values: &[Lanes<T>; MAX_OPERANDS],
    lane: usize,
    group: &Group<T>,
) -> Element<T> {
    let [first, second, x] = values;
    let x = if F::OF_OUTPUT { x[lane] } else { x[lane] * group.sign };
    Element { gradients: [first[lane], second[lane]], x }
}

#[inline(always)]
unsafe fn sums<F: RowFunction, T: RowNumber, const ACROSS: bool>(
    parts: &[Part<T>],
    rows: usize,
    group: &Group<T>,
    kept: Kept,
    accumulators: *mut Accumulator,
    fresh: bool,
) {
    let mut number = 0;
    for row in 0..rows {
        let known = group.lane(row);
        let mut total = [Plane::ZERO; SUM_PLANES];
        let mut highest = [T::ZERO; LANES];
        for part in parts {
            let part = &part.of_row(row);
            for block in 0..part.blocks {
                // SAFETY: passed on from the caller.
                let values = unsafe { part.load::<F>(block) };
                if !ACROSS {
                    part.fetch::<F>(block, true);
                }
                let accumulator = accumulators.wrapping_add(number % LANES);
                if ACROSS {
                    total = [Plane::ZERO; SUM_PLANES];
                    if !fresh || number >= LANES {
                        // SAFETY: there are as many accumulators as lanes.
                        unsafe { read(F::LAYOUT, T::Extended::PLANES, accumulator, &mut total) };
                    }
                }
                let mut weights = [Plane::ZERO; 2];
                let mut rounded = [T::ZERO; LANES];
                for lane in 0..LANES {
                    let row = if ACROSS { group.lane(lane) } else { known };
                    let element = element::<F, T>(&values, lane, group);
                    let weight = F::weight(values[MAX_GRADIENTS][lane], group.sign, &row);
                    if F::KEEPS_IN_RESULT {
                        rounded[lane] = weight.nearest();
                    } else {
                        put::<T>(&mut weights, lane, weight);
                    }
                    let terms = F::terms(&element, weight, &row);
                    for k in 0..F::LAYOUT.sums {
                        let sum = F::add(pair::<T>(&total, k, lane), terms[k], &element);
                        put::<T>(&mut total[2 * k..], lane, sum);
                    }
                    if F::LAYOUT.counts && F::NEEDS_MAXIMUM {
                        let one = if element.x == row.maximum { 1.0 } else { 0.0 };
                        total[2 * MAX_SUMS].0[lane] += one;
                    } else if F::LAYOUT.counts {
                        highest[lane] = higher(highest[lane], element.x);
                    }
                }
                // SAFETY: there is room for each block's weights, and for as many accumulators as
                // lanes.
                unsafe {
                    if ACROSS {
                        count_outweighing::<F, T>(&mut total, &mut highest);
                    }
                    match kept {
                        Kept::InResult if F::KEEPS_IN_RESULT => {
                            part.results[0].store(block, rounded);
                        }
                        Kept::InPlanes(kept) if F::KEEPS_IN_RESULT => {
                            *kept.cast::<Lanes<T>>().add(number) = rounded;
                        }
                        Kept::InPlanes(kept) if F::WEIGHTED => {
                            for plane in 0..T::Extended::PLANES {
                                *kept.cast::<Plane>().add(T::Extended::PLANES * number + plane) =
                                    weights[plane];
                            }
                        }
                        _ => {}
                    }
                    if ACROSS {
                        write(F::LAYOUT, T::Extended::PLANES, accumulator, &total);
                    }
                }
                number += 1;
            }
        }
        if !ACROSS {
            count_outweighing::<F, T>(&mut total, &mut highest);
            // SAFETY: there are as many accumulators as rows.
            unsafe { write(F::LAYOUT, T::Extended::PLANES, accumulators.add(row), &total) };
        }
    }
}

/// The larger one; a NaN is no maximum.
#[inline(always)]
fn higher<T: RowNumber>(a: T, b: T) -> T {
    T::select(b > a, b, a)
}

/// Counts the lanes in which something outweighs the rest, where that is to be found out; and makes
/// them forget it.
#[inline(always)]
fn count_outweighing<F: RowFunction, T: RowNumber>(
    total: &mut Accumulator,
    highest: &mut Lanes<T>,
) {
    for lane in 0..if F::LAYOUT.counts && !F::NEEDS_MAXIMUM { LANES } else { 0 } {
        let one = if highest[lane] > T::literal(F::OUTWEIGHS) { 1.0 } else { 0.0 };
        total[2 * MAX_SUMS].0[lane] += one;
        highest[lane] = T::ZERO;
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

/// Reads the planes that a function uses.
///
/// # Safety
/// They are initialised.
#[inline(always)]
unsafe fn read(layout: Layout, planes: usize, from: *const Accumulator, to: &mut Accumulator) {
    for k in 0..layout.sums {
        for plane in 0..planes {
            // SAFETY: passed on from the caller.
            to[2 * k + plane] = unsafe { (*from)[2 * k + plane] };
        }
    }
    if layout.counts {
        // SAFETY: passed on from the caller.
        to[2 * MAX_SUMS] = unsafe { (*from)[2 * MAX_SUMS] };
    }
}

/// Writes the planes that a function uses.
///
/// # Safety
/// `to` is writable.
#[inline(always)]
unsafe fn write(layout: Layout, planes: usize, to: *mut Accumulator, from: &Accumulator) {
    for k in 0..layout.sums {
        for plane in 0..planes {
            // SAFETY: passed on from the caller.
            unsafe { (*to)[2 * k + plane] = from[2 * k + plane] };
        }
    }
    if layout.counts {
        // SAFETY: passed on from the caller.
        unsafe { (*to)[2 * MAX_SUMS] = from[2 * MAX_SUMS] };
    }
}

/// Adds the upper half of twice as many lanes to the lower one.
#[inline(always)]
fn halve<T: RowNumber, const HALF: usize>(layout: Layout, total: &mut Accumulator) {
    for k in 0..layout.sums {
        for lane in 0..HALF {
            let sum = pair::<T>(total, k, lane).sum(pair::<T>(total, k, lane + HALF));
            put::<T>(&mut total[2 * k..], lane, sum);
        }
    }
    for lane in 0..if layout.counts { HALF } else { 0 } {
        total[2 * MAX_SUMS].0[lane] += total[2 * MAX_SUMS].0[lane + HALF];
    }
}

#[inline(always)]
unsafe fn fold<T: RowNumber>(layout: Layout, accumulators: *mut Accumulator, used: usize) {
    for half in [8, 4, 2, 1] {
        for i in 0..half.min(used.saturating_sub(half)) {
            // SAFETY: the caller vouches for `used` accumulators, and i + half is below that; the
            // planes of sums and counts are initialised.
            unsafe {
                let total = accumulators.add(i).cast::<Plane>();
                let part = accumulators.add(i + half).cast::<Plane>();
                for k in 0..layout.sums {
                    let mut planes = [Plane::ZERO; 4];
                    for plane in 0..T::Extended::PLANES {
                        planes[plane] = *total.add(2 * k + plane);
                        planes[2 + plane] = *part.add(2 * k + plane);
                    }
                    for lane in 0..LANES {
                        let [a, b] = [0, 2].map(|j| [planes[j].0[lane], planes[j + 1].0[lane]]);
                        let sum = T::Extended::from_planes(a).sum(T::Extended::from_planes(b));
                        put::<T>(&mut planes, lane, sum);
                    }
                    for plane in 0..T::Extended::PLANES {
                        *total.add(2 * k + plane) = planes[plane];
                    }
                }
                if layout.counts {
                    let mut count = *total.add(2 * MAX_SUMS);
                    let addend = *part.add(2 * MAX_SUMS);
                    for lane in 0..LANES {
                        count.0[lane] += addend.0[lane];
                    }
                    *total.add(2 * MAX_SUMS) = count;
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn fold_lanes<T: RowNumber>(layout: Layout, accumulators: *mut Accumulator, rows: usize) {
    for row in 0..rows {
        let mut total = [Plane::ZERO; SUM_PLANES];
        // SAFETY: the caller vouches for an accumulator for each row.
        unsafe { read(layout, T::Extended::PLANES, accumulators.add(row), &mut total) };
        halve::<T, 8>(layout, &mut total);
        halve::<T, 4>(layout, &mut total);
        halve::<T, 2>(layout, &mut total);
        halve::<T, 1>(layout, &mut total);
        // SAFETY: the first accumulator is writable, and its lanes are summed already.
        unsafe {
            for k in 0..layout.sums {
                for plane in 0..T::Extended::PLANES {
                    (*accumulators)[2 * k + plane].0[row] = total[2 * k + plane].0[0];
                }
            }
            if layout.counts {
                (*accumulators)[2 * MAX_SUMS].0[row] = total[2 * MAX_SUMS].0[0];
            }
        }
    }
}

#[inline(always)]
unsafe fn finish<F: RowFunction, T: RowNumber>(total: *const Accumulator, group: &mut Group<T>) {
    let (maximum, [first, second]) = (group.maximum, group.reference);
    let mut total_sums = [Plane::ZERO; SUM_PLANES];
    // SAFETY: passed on from the caller.
    unsafe { read(F::LAYOUT, T::Extended::PLANES, total, &mut total_sums) };
    for lane in 0..LANES {
        let mut sums = [T::Extended::ZERO; MAX_SUMS];
        for k in 0..F::LAYOUT.sums {
            sums[k] = pair::<T>(&total_sums, k, lane).tidy();
        }
        let constants = [T::Extended::ZERO; MAX_SUMS];
        let reference = [first[lane], second[lane]];
        let rounded = [T::ZERO; MAX_ROUNDED];
        let row = Row { maximum: maximum[lane], reference, constants, rounded };
        let finished = F::finish(&row, sums, total_sums[2 * MAX_SUMS].0[lane]);
        let mut valid = !F::NEEDS_MAXIMUM || row.maximum.abs() < T::INFINITY;
        for k in 0..F::CONSTANTS {
            let constant = finished.constants[k];
            valid &= constant.is_finite();
            put::<T>(&mut group.constants[k], lane, constant);
        }
        for k in 0..MAX_ROUNDED {
            group.rounded[k][lane] = finished.rounded[k];
        }
        group.value[lane] = finished.value;
        group.again[lane] = finished.again;
        group.valid[lane] = valid;
    }
}

#[inline(always)]
unsafe fn results<F: RowFunction, T: RowNumber, const ACROSS: bool>(
    parts: &[Part<T>],
    rows: usize,
    group: &Group<T>,
    kept: Kept,
) {
    let mut number = 0;
    for row in 0..rows {
        let known_row = group.lane(row);
        for part in parts {
            let part = &part.of_row(row);
            for block in 0..part.blocks {
                if !ACROSS && F::OF_OUTPUT {
                    part.fetch::<F>(block, false);
                }
                let mut weights = [Plane::ZERO; 2];
                let mut rounded = [T::ZERO; LANES];
                let mut known = true;
                // SAFETY: passed on from the caller; weights were kept of each block.
                let values = unsafe {
                    match kept {
                        Kept::InResult if F::KEEPS_IN_RESULT => {
                            rounded = part.results[0].load(block);
                        }
                        Kept::InPlanes(kept) if F::KEEPS_IN_RESULT => {
                            rounded = *kept.cast::<Lanes<T>>().add(number);
                        }
                        Kept::InPlanes(kept) if F::WEIGHTED => {
                            for plane in 0..T::Extended::PLANES {
                                weights[plane] =
                                    *kept.cast::<Plane>().add(T::Extended::PLANES * number + plane);
                            }
                        }
                        _ => known = false,
                    }
                    part.load::<F>(block)
                };
                let row = |lane| if ACROSS { group.lane(lane) } else { known_row };
                if !known {
                    for lane in 0..LANES {
                        let x = values[MAX_GRADIENTS][lane];
                        let weight = F::weight(x, group.sign, &row(lane));
                        if F::KEEPS_IN_RESULT {
                            rounded[lane] = weight.nearest();
                        } else {
                            put::<T>(&mut weights, lane, weight);
                        }
                    }
                }
                let mut results = [[T::ZERO; LANES]; MAX_RESULTS];
                for lane in 0..LANES {
                    let element = element::<F, T>(&values, lane, group);
                    let weight = if F::KEEPS_IN_RESULT {
                        T::Extended::of(rounded[lane])
                    } else {
                        T::Extended::from_planes([weights[0].0[lane], weights[1].0[lane]])
                    };
                    let values = F::results(&element, weight, &row(lane));
                    for k in 0..F::RESULTS {
                        results[k][lane] = values[k];
                    }
                }
                if F::OUTWEIGHING {
                    let outweighs: Lanes<bool> = core::array::from_fn(|lane| {
                        F::outweighs(element::<F, T>(&values, lane, group).x, &row(lane))
                    });
                    if outweighs.iter().any(|&outweighs| outweighs) {
                        for lane in 0..LANES {
                            let element = element::<F, T>(&values, lane, group);
                            let value = F::outweighing(&element, &row(lane));
                            results[0][lane] = T::select(outweighs[lane], value, results[0][lane]);
                        }
                    }
                }
                for k in 0..F::RESULTS {
                    for lane in 0..if F::ODD[k] { LANES } else { 0 } {
                        results[k][lane] = results[k][lane] * group.result_signs[k];
                    }
                }
                for k in 0..F::RESULTS {
                    // SAFETY: passed on from the caller.
                    unsafe { part.results[k].store(block, results[k]) };
                }
                number += 1;
            }
        }
    }
}

#[inline(always)]
unsafe fn diagonal<J: Jacobian, T: RowNumber>(
    parts: &[Part<T>],
    group: &Group<T>,
    columns: *mut Plane,
) {
    let row = group.lane(0);
    let mut number = 0;
    for part in parts {
        for block in 0..part.blocks {
            // SAFETY: passed on from the caller.
            let values = unsafe { part.operands[MAX_GRADIENTS].load(block) };
            let mut planes = [Plane::ZERO; 2];
            let mut results = [T::ZERO; LANES];
            for lane in 0..LANES {
                let x = values[lane] * group.sign;
                let [share, rest] = shares(x, Shares::weight(x, T::ONE, &row), &row);
                put::<T>(&mut planes, lane, share);
                results[lane] = J::diagonal::<T>(share, rest) * group.result_signs[0];
            }
            for plane in 0..T::Extended::PLANES {
                // SAFETY: there is room for the planes of each block.
                unsafe { *columns.add(T::Extended::PLANES * number + plane) = planes[plane] };
            }
            // SAFETY: passed on from the caller.
            unsafe { part.results[0].store(block, results) };
            number += 1;
        }
    }
}

#[inline(always)]
unsafe fn entries<J: Jacobian, T: RowNumber>(
    parts: &[Part<T>],
    row: [f64; 2],
    columns: *const Plane,
) {
    let row = T::Extended::from_planes(row);
    let mut number = 0;
    for part in parts {
        for block in 0..part.blocks {
            let mut planes = [Plane::ZERO; 2];
            for plane in 0..T::Extended::PLANES {
                // SAFETY: there are planes for each block.
                planes[plane] = unsafe { *columns.add(T::Extended::PLANES * number + plane) };
            }
            let mut results = [T::ZERO; LANES];
            for lane in 0..LANES {
                let column = T::Extended::from_planes([planes[0].0[lane], planes[1].0[lane]]);
                results[lane] = J::entry::<T>(row, column);
            }
            // SAFETY: passed on from the caller.
            unsafe { part.results[0].store(block, results) };
            number += 1;
        }
    }
}

/// The loops above inside functions that enable a level's instructions.
macro_rules! level {
    ($level:ident $(, $feature:meta)?) => {
        mod $level {
            use super::*;

            /// # Safety
            /// As [`RowKernels`], like all of these.
            $(#[$feature])?
            unsafe fn maximum<T: RowNumber, const ACROSS: bool>(
                parts: &[Part<T>],
                rows: usize,
                group: &mut Group<T>,
            ) {
                // SAFETY: passed on from the caller, like all of these.
                unsafe { super::maximum::<T, ACROSS>(parts, rows, group) }
            }

            $(#[$feature])?
            unsafe fn find<T: RowNumber, const ACROSS: bool>(
                parts: &[Part<T>],
                rows: usize,
                group: &Group<T>,
                found: &mut Lanes<T>,
            ) {
                // SAFETY: see above.
                unsafe { super::find::<T, ACROSS>(parts, rows, group, found) }
            }

            $(#[$feature])?
            unsafe fn sums<F: RowFunction, T: RowNumber, const ACROSS: bool>(
                parts: &[Part<T>],
                rows: usize,
                group: &Group<T>,
                kept: Kept,
                accumulators: *mut Accumulator,
                fresh: bool,
            ) {
                // SAFETY: see above.
                unsafe {
                    super::sums::<F, T, ACROSS>(parts, rows, group, kept, accumulators, fresh)
                }
            }

            $(#[$feature])?
            unsafe fn fold<T: RowNumber>(
                layout: Layout,
                accumulators: *mut Accumulator,
                used: usize,
            ) {
                // SAFETY: see above.
                unsafe { super::fold::<T>(layout, accumulators, used) }
            }

            $(#[$feature])?
            unsafe fn fold_lanes<T: RowNumber>(
                layout: Layout,
                accumulators: *mut Accumulator,
                rows: usize,
            ) {
                // SAFETY: see above.
                unsafe { super::fold_lanes::<T>(layout, accumulators, rows) }
            }

            $(#[$feature])?
            unsafe fn finish<F: RowFunction, T: RowNumber>(
                total: *const Accumulator,
                group: &mut Group<T>,
            ) {
                // SAFETY: see above.
                unsafe { super::finish::<F, T>(total, group) }
            }

            $(#[$feature])?
            unsafe fn results<F: RowFunction, T: RowNumber, const ACROSS: bool>(
                parts: &[Part<T>],
                rows: usize,
                group: &Group<T>,
                kept: Kept,
            ) {
                // SAFETY: see above.
                unsafe { super::results::<F, T, ACROSS>(parts, rows, group, kept) }
            }

            $(#[$feature])?
            unsafe fn diagonal<J: Jacobian, T: RowNumber>(
                parts: &[Part<T>],
                group: &Group<T>,
                shares: *mut Plane,
            ) {
                // SAFETY: see above.
                unsafe { super::diagonal::<J, T>(parts, group, shares) }
            }

            $(#[$feature])?
            unsafe fn entries<J: Jacobian, T: RowNumber>(
                parts: &[Part<T>],
                row: [f64; 2],
                columns: *const Plane,
            ) {
                // SAFETY: see above.
                unsafe { super::entries::<J, T>(parts, row, columns) }
            }

            fn passes<F: RowFunction, T: RowNumber, const ACROSS: bool>() -> Passes<T> {
                Passes {
                    maximum: maximum::<T, ACROSS>,
                    find: find::<T, ACROSS>,
                    sums: sums::<F, T, ACROSS>,
                    fold: if ACROSS { fold::<T> } else { fold_lanes::<T> },
                    results: results::<F, T, ACROSS>,
                }
            }

            pub fn row_kernels<F: RowFunction, T: RowNumber>() -> RowKernels<T> {
                RowKernels {
                    finish: finish::<F, T>,
                    along: passes::<F, T, false>(),
                    across: passes::<F, T, true>(),
                    kept_bytes: if F::KEEPS_IN_RESULT {
                        size_of::<Lanes<T>>()
                    } else {
                        T::Extended::PLANES * size_of::<Plane>()
                    },
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
