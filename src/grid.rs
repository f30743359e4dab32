//! Operands of several axes, where some repeat along some: a slope for each channel of an image.
//!
//! NumPy cuts such a call into pieces of a few thousand elements, copies what does not fit one
//! stride, and so it can be neither split over threads nor as fast as memory allows. Here the axes
//! are merged as far as they go, and every run along the last one is a call of the kernel.

use crate::float_status::FloatStatus;
use crate::operands::{GRAIN, Kernels, Operand, compute_range};
use crate::simd::{MAX_INPUTS, MAX_OUTPUTS, Stores};
use crate::storage::Storage;
use crate::threads;

const MAX_OPERANDS: usize = MAX_INPUTS + MAX_OUTPUTS;

/// Runs shorter than this are not worth a call each: NumPy's iteration gathers them.
const SHORTEST_RUN: usize = 64;

/// An axis of a call: its length, and the bytes from one element to the next in each operand.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    pub length: usize,
    pub strides: [isize; MAX_OPERANDS],
}

/// A call on several axes.
pub struct Grid {
    /// As few as possible, the last the one that the kernels run along.
    axes: Vec<Axis>,
    operands: usize,
}

impl Grid {
    /// The call over these axes, of `inputs` operands and the outputs after them; `None` where runs
    /// would be short, or elements of an output overlap.
    pub fn new(
        mut axes: Vec<Axis>,
        inputs: usize,
        operands: usize,
        storage: Storage,
    ) -> Option<Grid> {
        axes.retain(|axis| axis.length != 1);
        axes.sort_by_key(|axis| core::cmp::Reverse(axis.strides[inputs].unsigned_abs()));
        for output in inputs..operands {
            let mut inner: Vec<_> = axes
                .iter()
                .map(|axis| (axis.strides[output].unsigned_abs(), axis.length))
                .collect();
            inner.sort_unstable();
            let mut extent = storage.item_size();
            for (stride, length) in inner {
                if stride < extent {
                    return None;
                }
                extent += stride * (length - 1);
            }
        }
        let mut merged: Vec<Axis> = Vec::with_capacity(axes.len());
        for axis in axes {
            match merged.last_mut() {
                Some(outer) if outer.holds(&axis, operands) => {
                    *outer = Axis { length: outer.length * axis.length, ..axis };
                }
                _ => merged.push(axis),
            }
        }
        let run = merged.last().map_or(1, |axis| axis.length);
        (run >= SHORTEST_RUN).then_some(Grid { axes: merged, operands })
    }

    /// Computes every element, in threads.
    ///
    /// # Safety
    /// `pointers` are to the first elements of `kernels`' inputs, then outputs, with elements of
    /// `storage` along all axes, aligned to the item size. An output is apart from the other
    /// operands, or the same as an input. No other thread writes them during the call.
    pub unsafe fn compute(&self, kernels: &Kernels, storage: Storage, pointers: &[usize]) {
        let count = self.axes.iter().map(|axis| axis.length).product::<usize>();
        if count == 0 {
            return;
        }
        let _status = FloatStatus::isolate();
        // SAFETY: passed on from the caller; each thread has elements of its own.
        let part = |(): &mut (), start, length| unsafe {
            self.compute_part(kernels, storage, pointers, start, length);
        };
        threads::split(kernels.kind(storage), count, GRAIN, || (), part);
    }

    /// # Safety
    /// As [`Grid::compute`], for the elements `start .. start + length` in the order of the axes.
    unsafe fn compute_part(
        &self,
        kernels: &Kernels,
        storage: Storage,
        pointers: &[usize],
        start: usize,
        length: usize,
    ) {
        let Some((run, outer)) = self.axes.split_last() else { return };
        let mut operands = [Operand { pointer: core::ptr::null_mut(), stride: 0 }; MAX_OPERANDS];
        let operands = &mut operands[..self.operands];
        let (mut position, end) = (start, start + length);
        while position < end {
            let first = position % run.length;
            let count = (run.length - first).min(end - position);
            for (k, operand) in operands.iter_mut().enumerate() {
                *operand = Operand { pointer: pointers[k] as *mut u8, stride: run.strides[k] };
            }
            let mut rest = position / run.length;
            for axis in outer.iter().rev() {
                let place = (rest % axis.length) as isize;
                rest /= axis.length;
                for (operand, stride) in operands.iter_mut().zip(axis.strides) {
                    operand.pointer = operand.pointer.wrapping_offset(place * stride);
                }
            }
            let (inputs, outputs) = operands.split_at(kernels.inputs);
            // SAFETY: the elements of one run, which the caller vouches for.
            unsafe {
                compute_range(kernels, storage, inputs, outputs, first, count, Stores::Cached)
            };
            position += count;
        }
    }
}

impl Axis {
    /// Whether this axis goes on where `inner` ends, in every operand.
    fn holds(&self, inner: &Axis, operands: usize) -> bool {
        let strides = self.strides.iter().zip(inner.strides).take(operands);
        strides.into_iter().all(|(&outer, stride)| outer == stride * inner.length as isize)
    }
}

#[cfg(test)]
mod tests {
    use super::{Axis, Grid, MAX_OPERANDS};
    use crate::storage::Storage;

    fn axis(length: usize, strides: [isize; 3]) -> Axis {
        let mut all = [0; MAX_OPERANDS];
        all[..3].copy_from_slice(&strides);
        Axis { length, strides: all }
    }

    fn lengths(axes: &[Axis]) -> Option<Vec<usize>> {
        let grid = Grid::new(axes.to_vec(), 2, 3, Storage::Float32)?;
        Some(grid.axes.iter().map(|axis| axis.length).collect())
    }

    /// Images of 5 channels with a slope for each, in C order and with the channels last.
    #[test]
    fn axes_are_merged() {
        let [batch, channel] = [axis(3, [20 * 16 * 5, 0, 20 * 16 * 5]), axis(5, [320, 4, 320])];
        let [row, column] = [axis(4, [80, 0, 80]), axis(20, [4, 0, 4])];
        assert_eq!(lengths(&[batch, channel, row, column]), Some(vec![3, 5, 80]));
        assert_eq!(lengths(&[column, row, channel, batch]), Some(vec![3, 5, 80]));
        assert_eq!(lengths(&[axis(7, [280, 0, 280]), axis(70, [4, 4, 4])]), Some(vec![7, 70]));
        assert_eq!(lengths(&[axis(1, [0, 0, 0]), axis(70, [4, 4, 4])]), Some(vec![70]));
    }

    #[test]
    fn short_runs_and_overlapping_outputs_are_left_alone() {
        assert_eq!(lengths(&[axis(100, [12, 0, 12]), axis(3, [4, 4, 4])]), None);
        assert_eq!(lengths(&[axis(100, [280, 4, 0]), axis(70, [4, 0, 4])]), None);
        assert_eq!(lengths(&[axis(100, [280, 4, 140]), axis(70, [4, 0, 4])]), None);
        assert_eq!(lengths(&[]), None);
    }
}
