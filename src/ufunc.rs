//! The NumPy C API: the loop behind every ufunc, registration, and type resolution.
//!
//! Contract with NumPy: it copies none of the arrays that describe a ufunc, so they are leaked and
//! live as long as the process. It calls [`ufunc_loop`] without the GIL, with pointers and strides
//! aligned to the item size. A loop cannot unwind: nothing below it panics.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering};

use numpy::npyffi::{
    NPY_CASTING, NPY_TYPES, PY_ARRAY_API, PY_UFUNC_API, PyArray_Descr, PyArrayObject,
    PyUFuncGenericFunction, PyUFuncObject, npy_intp,
};
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::direct::make_direct;
use crate::grid::{Axis, Grid};
use crate::operands::{Kernels, Operand, compute};
use crate::simd::{MAX_INPUTS, MAX_OUTPUTS};
use crate::storage::Storage;

/// What a loop needs to know: handed to NumPy as its `data`.
#[derive(Clone)]
struct LoopData {
    kernels: Kernels,
    storage: Storage,
}

/// The loop of every ufunc.
///
/// # Safety
/// NumPy's contract for `PyUFuncGenericFunction`, with `data` a [`LoopData`].
unsafe extern "C" fn ufunc_loop(
    pointers: *mut *mut c_char,
    dimensions: *mut npy_intp,
    strides: *mut npy_intp,
    data: *mut c_void,
) {
    // SAFETY: NumPy passes one pointer and one stride for each operand, one count, and the data the
    // loop was registered with.
    unsafe {
        let data = &*data.cast::<LoopData>();
        let total = data.kernels.inputs + data.kernels.outputs;
        let mut operands = [Operand { pointer: null_mut(), stride: 0 }; MAX_INPUTS + MAX_OUTPUTS];
        for (k, operand) in operands[..total].iter_mut().enumerate() {
            *operand = Operand { pointer: (*pointers.add(k)).cast(), stride: *strides.add(k) };
        }
        compute(&data.kernels, data.storage, &operands[..total], *dimensions as usize);
    }
}

const LOOP: PyUFuncGenericFunction = Some(ufunc_loop);

/// The formats NumPy has types for, in the order its promotion tries them: narrow to wide.
const BUILTIN: [(Storage, NPY_TYPES); 3] = [
    (Storage::Float16, NPY_TYPES::NPY_HALF),
    (Storage::Float32, NPY_TYPES::NPY_FLOAT),
    (Storage::Float64, NPY_TYPES::NPY_DOUBLE),
];

fn leak<T>(list: Vec<T>) -> *mut T {
    Box::leak(list.into_boxed_slice()).as_mut_ptr()
}

/// A ufunc as NumPy wants it described.
pub struct Description<'a> {
    pub name: &'a str,
    pub documentation: &'a str,
    /// The core dimensions of a generalised ufunc.
    pub signature: Option<&'a str>,
    pub inputs: usize,
    pub outputs: usize,
    pub function: PyUFuncGenericFunction,
}

/// Creates a ufunc with loops for float16, float32 and float64, given what each finds as its `data`.
pub fn create_described<'py, D: Clone>(
    py: Python<'py>,
    description: &Description<'_>,
    data: impl Fn(Storage) -> D,
) -> PyResult<Bound<'py, PyAny>> {
    let operands = description.inputs + description.outputs;
    let functions = leak(vec![description.function; BUILTIN.len()]);
    let data = leak(
        BUILTIN.iter().map(|&(storage, _)| leak(vec![data(storage)]).cast::<c_void>()).collect(),
    );
    let types = BUILTIN.iter().flat_map(|&(_, number)| vec![number as c_char; operands]).collect();
    let types = leak(types);
    let name = CString::new(description.name)?.into_raw();
    let documentation = CString::new(description.documentation)?.into_raw();
    let signature = match description.signature {
        Some(signature) => CString::new(signature)?.into_raw(),
        None => null_mut(),
    };
    const NO_IDENTITY: c_int = -1;
    // SAFETY: the arrays are leaked and have the lengths NumPy expects; the result is a new
    // reference or null with an exception set.
    unsafe {
        let object = PY_UFUNC_API.PyUFunc_FromFuncAndDataAndSignature(
            py,
            functions,
            data,
            types,
            BUILTIN.len() as c_int,
            description.inputs as c_int,
            description.outputs as c_int,
            NO_IDENTITY,
            name,
            documentation,
            0,
            signature,
        );
        let ufunc = Bound::from_owned_ptr_or_err(py, object)?;
        (*object.cast::<PyUFuncObject>()).fields.type_resolver = Some(resolve_types);
        Ok(ufunc)
    }
}

/// The most operands of a ufunc.
const MAX_OPERANDS: usize = MAX_INPUTS + MAX_OUTPUTS;

/// Adds a loop for `ml_dtypes.bfloat16`, whose type number is assigned at run time.
pub fn register_described<D: Clone>(
    ufunc: &Bound<'_, PyAny>,
    function: PyUFuncGenericFunction,
    data: D,
    type_number: c_int,
) -> PyResult<()> {
    let mut types = [type_number; MAX_OPERANDS];
    // SAFETY: `ufunc` is one of ours; NumPy copies the types, and the data is leaked.
    let status = unsafe {
        PY_UFUNC_API.PyUFunc_RegisterLoopForType(
            ufunc.py(),
            ufunc.as_ptr().cast(),
            type_number,
            function,
            types.as_mut_ptr(),
            leak(vec![data]).cast(),
        )
    };
    if status < 0 { Err(PyErr::fetch(ufunc.py())) } else { Ok(()) }
}

/// Creates an elementwise ufunc.
pub fn create<'py>(
    py: Python<'py>,
    name: &str,
    documentation: &str,
    kernels: Kernels,
) -> PyResult<Bound<'py, PyAny>> {
    let description = Description {
        name,
        documentation,
        signature: None,
        inputs: kernels.inputs,
        outputs: kernels.outputs,
        function: LOOP,
    };
    let ufunc = create_described(py, &description, |storage| LoopData { kernels, storage })?;
    make_direct(&ufunc);
    Ok(ufunc)
}

/// Adds a loop for `ml_dtypes.bfloat16` to an elementwise ufunc.
pub fn register_bfloat16(
    ufunc: &Bound<'_, PyAny>,
    kernels: Kernels,
    type_number: c_int,
) -> PyResult<()> {
    BFLOAT16.store(type_number, Ordering::Relaxed);
    let data = LoopData { kernels, storage: Storage::Bfloat16 };
    register_described(ufunc, LOOP, data, type_number)
}

/// The storage format of a dtype, given its number.
pub fn storage_of(type_number: c_int) -> Option<Storage> {
    let known = BUILTIN.iter().find(|(_, number)| *number as c_int == type_number);
    // A dtype of a newer kind has no number but -1, as bfloat16 while it is not known.
    let bfloat16 = || type_number >= 0 && type_number == BFLOAT16.load(Ordering::Relaxed);
    known.map(|&(storage, _)| storage).or_else(|| bfloat16().then_some(Storage::Bfloat16))
}

/// The kernels of a ufunc.
///
/// # Safety
/// An elementwise ufunc of ours, which lives as long as the process.
pub unsafe fn kernels_of(ufunc: *mut pyo3::ffi::PyObject) -> &'static Kernels {
    // SAFETY: the data of its first loop, which is leaked.
    unsafe { &(*(*(*ufunc.cast::<PyUFuncObject>()).fields.data).cast::<LoopData>()).kernels }
}

/// Computes over arrays of one shape and dtype: whether it did.
pub fn compute_broadcast(
    py: Python<'_>,
    kernels: &Kernels,
    arrays: &[Bound<'_, PyUntypedArray>],
) -> bool {
    let total = kernels.inputs + kernels.outputs;
    let (Some(first), true) = (arrays.first(), arrays.len() == total) else { return false };
    let (shape, number) = (first.shape(), first.dtype().num());
    let Some(storage) = storage_of(number) else { return false };
    let alike = |array: &Bound<'_, PyUntypedArray>| {
        array.shape() == shape
            && array.dtype().num() == number
            && array.dtype().is_native_byteorder() != Some(false)
    };
    if !arrays.iter().all(alike) {
        return false;
    }
    let mut axes = vec![Axis { length: 0, strides: [0; MAX_INPUTS + MAX_OUTPUTS] }; shape.len()];
    for (k, array) in arrays.iter().enumerate() {
        for (axis, (&length, &stride)) in axes.iter_mut().zip(shape.iter().zip(array.strides())) {
            axis.length = length;
            axis.strides[k] = stride;
        }
    }
    let Some(grid) = Grid::new(axes, kernels.inputs, total, storage) else { return false };
    let pointers: Vec<usize> = arrays
        .iter()
        // SAFETY: a live array has its data.
        .map(|array| unsafe { (*array.as_array_ptr()).fields.data as usize })
        .collect();
    // SAFETY: the caller in Python has made the arrays for this call, or found them to be apart.
    py.detach(|| unsafe { grid.compute(kernels, storage, &pointers) });
    true
}

/// The number of the dtype bfloat16, once it is known.
static BFLOAT16: AtomicI32 = AtomicI32::new(-1);

/// Chooses the loop for a call: NumPy's own choice, but integers and bools compute in float64.
///
/// NumPy's rule would take int8 to float16. And where there is no loop, the error says so in one
/// line, instead of naming the casting rule.
///
/// # Safety
/// NumPy's contract for `PyUFunc_TypeResolutionFunc`, under the GIL.
unsafe extern "C" fn resolve_types(
    ufunc: *mut PyUFuncObject,
    casting: NPY_CASTING,
    operands: *mut *mut PyArrayObject,
    type_tuple: *mut pyo3::ffi::PyObject,
    descriptors: *mut *mut PyArray_Descr,
) -> c_int {
    // SAFETY: NumPy calls with the GIL held, `nargs` operands (outputs may be null) and room for as
    // many descriptors; the references it gets in return are new.
    unsafe {
        let py = Python::assume_attached();
        let inputs = (*ufunc).fields.nin as usize;
        let total = (*ufunc).fields.nargs as usize;
        let kind = |k: usize| {
            let array: Bound<'_, PyUntypedArray> =
                Bound::from_borrowed_ptr(py, (*operands.add(k)).cast()).cast_into_unchecked();
            numpy::PyUntypedArrayMethods::dtype(&array)
        };
        let kinds: Vec<u8> =
            (0..inputs).map(|k| numpy::PyArrayDescrMethods::kind(&kind(k))).collect();
        if let Some(k) = kinds.iter().position(|kind| !b"biufV".contains(kind)) {
            refuse(py, ufunc, &kind(k));
            return -1;
        }
        if type_tuple.is_null() && kinds.iter().all(|kind| b"biu".contains(kind)) {
            for k in 0..total {
                *descriptors.add(k) =
                    PY_ARRAY_API.PyArray_DescrFromType(py, NPY_TYPES::NPY_DOUBLE as c_int);
            }
            let status =
                PY_UFUNC_API.PyUFunc_ValidateCasting(py, ufunc, casting, operands, descriptors);
            if status < 0 {
                for k in 0..total {
                    pyo3::ffi::Py_CLEAR(descriptors.add(k).cast());
                }
            }
            return status;
        }
        let status = PY_UFUNC_API.PyUFunc_DefaultTypeResolver(
            py,
            ufunc,
            casting,
            operands,
            type_tuple,
            descriptors,
        );
        // No loop although every kind is a number: longdouble, or a structured type.
        let wide = |k: &usize| {
            let descriptor = kind(*k);
            let size = numpy::PyArrayDescrMethods::itemsize(&descriptor);
            kinds[*k] == b'V' || kinds[*k] == b'f' && size > 8
        };
        if status < 0 {
            // Looking at a descriptor may import a part of NumPy, which must not find an error set.
            let error = PyErr::fetch(py);
            match (0..inputs).find(wide) {
                Some(k) => refuse(py, ufunc, &kind(k)),
                None => error.restore(py),
            }
        }
        status
    }
}

/// Raises the one-line `TypeError` for an operand no loop takes.
fn refuse(py: Python<'_>, ufunc: *mut PyUFuncObject, descriptor: &Bound<'_, numpy::PyArrayDescr>) {
    // SAFETY: `ufunc` is a live ufunc, borrowed from the caller.
    let ufunc = unsafe { Bound::from_borrowed_ptr(py, ufunc.cast()) };
    let name = ufunc
        .getattr("__name__")
        .and_then(|name| Ok(name.cast_into::<PyString>()?))
        .map_or_else(|_| "ufunc".to_owned(), |name| name.to_string_lossy().into_owned());
    let message = format!(
        "{name}: got dtype {descriptor}; wanted real numbers (float16, bfloat16, float32, float64, \
         integers or bools); convert with np.asarray(x, dtype=np.float64), or take .real"
    );
    let error = PyModule::import(py, "actgrad.errors")
        .and_then(|module| module.getattr("ActgradTypeError"))
        .map_or_else(
            |_| PyTypeError::new_err(message.clone()),
            |class| match class.call1((message.as_str(),)) {
                Ok(value) => PyErr::from_value(value),
                Err(error) => error,
            },
        );
    error.restore(py);
}
