//! The row functions as generalised ufuncs: core dimensions to rows.
//!
//! NumPy's contract is that of [`ufunc`](crate::ufunc). A core dimension of one element may come with
//! any stride, one of none is called all the same, and an output may be an input, element by element.

use std::ffi::{c_char, c_int, c_void};

use numpy::npyffi::{PyUFuncGenericFunction, npy_intp};
use pyo3::prelude::*;

use crate::rows::driver::{Loops, MAX_ROW_OPERANDS, RowOperand, compute};
use crate::storage::Storage;
use crate::ufunc::{Description, create_described, register_described};

/// What a loop needs to know: handed to NumPy as its `data`.
#[derive(Clone)]
struct LoopData {
    loops: Loops,
    storage: Storage,
}

/// The loop of every row function.
///
/// # Safety
/// NumPy's contract for `PyUFuncGenericFunction`, with `data` a [`LoopData`].
unsafe extern "C" fn row_loop(
    pointers: *mut *mut c_char,
    dimensions: *mut npy_intp,
    strides: *mut npy_intp,
    data: *mut c_void,
) {
    // SAFETY: NumPy passes one pointer and one stride from row to row for each operand, then the
    // strides of their core dimensions in order; the number of rows and the length of one; and the
    // data the loop was registered with.
    unsafe {
        let LoopData { loops, storage } = &*data.cast::<LoopData>();
        let shape = &loops.shape;
        let (inputs, total) = (shape.inputs(), shape.inputs() + shape.outputs());
        let (rows, length) = (*dimensions as usize, *dimensions.add(1) as usize);
        let mut core = strides.add(total);
        let mut operands = [RowOperand::NONE; MAX_ROW_OPERANDS];
        for (k, operand) in operands[..total].iter_mut().enumerate() {
            let dimensions = match k {
                0 if shape.scalar_gradient => 0,
                _ if k < inputs => 1,
                _ if shape.jacobian => 2,
                _ => shape.results.min(1),
            };
            operand.pointer = (*pointers.add(k)).cast();
            operand.row_stride = *strides.add(k);
            for stride in
                [&mut operand.stride, &mut operand.column_stride].into_iter().take(dimensions)
            {
                *stride = *core;
                core = core.add(1);
            }
        }
        compute(loops, *storage, &operands[..total], rows, length);
    }
}

const LOOP: PyUFuncGenericFunction = Some(row_loop);

/// Creates the ufunc of a row function, with loops for float16, float32 and float64.
pub fn create<'py>(
    py: Python<'py>,
    name: &str,
    documentation: &str,
    signature: &str,
    loops: Loops,
) -> PyResult<Bound<'py, PyAny>> {
    let description = Description {
        name,
        documentation,
        signature: Some(signature),
        inputs: loops.shape.inputs(),
        outputs: loops.shape.outputs(),
        function: LOOP,
    };
    create_described(py, &description, |storage| LoopData { loops, storage })
}

/// Adds a loop for `ml_dtypes.bfloat16`.
pub fn register_bfloat16(
    ufunc: &Bound<'_, PyAny>,
    loops: Loops,
    type_number: c_int,
) -> PyResult<()> {
    register_described(ufunc, LOOP, LoopData { loops, storage: Storage::Bfloat16 }, type_number)
}
