//! Direct calls: of a ufunc on arrays that need nothing of NumPy but memory for the results.
//!
//! To find out that nothing has to be converted, broadcast or handed to another library takes NumPy as
//! long as 100 to 1000 elements take a kernel. So a call is looked at here first. A direct one has
//! plain arrays of one dtype, shape and order, and numbers beside them at most; all others are
//! NumPy's, and so is every error.
//!
//! A ufunc is called through the function pointer in its `vectorcall`, a public field of its struct:
//! [`make_direct`] puts one of ours there. The object stays what NumPy made.

use std::ffi::{c_int, c_void};
use std::mem::transmute;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use half::{bf16, f16};
use numpy::npyffi::flags::{
    NPY_ARRAY_ALIGNED, NPY_ARRAY_BEHAVED, NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_F_CONTIGUOUS,
};
use numpy::npyffi::{
    NpyTypes, PY_ARRAY_API, PyArrayObject, PyArrayObject_fields, PyUFuncObject, get_type_object,
    npy_intp,
};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::operands::{Grouping, Kernels, Operand, compute, grouping};
use crate::simd::{MAX_INPUTS, MAX_OUTPUTS};
use crate::storage::{Element, Storage};
use crate::ufunc::{kernels_of, storage_of};

/// A function that is called with a vector of arguments: PEP 590. pyo3 names it from the limited API
/// of Python 3.12 on; it has been this since 3.8.
pub type Vectorcall = unsafe extern "C" fn(
    callable: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count_and_flag: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject;

/// Set in the count where the place before the first argument is free.
const ARGUMENTS_OFFSET: usize = 1 << (usize::BITS - 1);

/// The arguments of a call, borrowed from the caller.
#[derive(Clone, Copy)]
pub struct Arguments<'a> {
    pub positional: &'a [*mut ffi::PyObject],
    /// A tuple, or null.
    names: *mut ffi::PyObject,
    keywords: &'a [*mut ffi::PyObject],
}

impl<'a> Arguments<'a> {
    /// # Safety
    /// What a [`Vectorcall`] is given, under the GIL.
    pub unsafe fn new(
        arguments: *const *mut ffi::PyObject,
        count_and_flag: usize,
        names: *mut ffi::PyObject,
    ) -> Self {
        let slice = |start: usize, length: usize| match length {
            0 => &[][..],
            // SAFETY: the positional arguments are followed by those that have names.
            _ => unsafe { std::slice::from_raw_parts(arguments.add(start), length) },
        };
        let count = count_and_flag & !ARGUMENTS_OFFSET;
        // SAFETY: the names are a tuple.
        let named = if names.is_null() { 0 } else { unsafe { ffi::PyTuple_Size(names) } };
        let keywords = slice(count, named as usize);
        Arguments { positional: slice(0, count), names, keywords }
    }

    /// The keywords, with their names.
    pub fn named(self) -> impl Iterator<Item = (*mut ffi::PyObject, *mut ffi::PyObject)> + 'a {
        let names = self.names;
        self.keywords.iter().enumerate().map(move |(k, &value)| {
            // SAFETY: a tuple with as many names, which are borrowed.
            (unsafe { ffi::PyTuple_GetItem(names, k as ffi::Py_ssize_t) }, value)
        })
    }
}

/// The results' places: borrowed arrays, or none where they are to be made.
#[derive(Default)]
pub struct Outputs {
    arrays: [*mut ffi::PyObject; MAX_OUTPUTS],
    count: usize,
}

impl Outputs {
    fn given(arrays: &[*mut ffi::PyObject]) -> Self {
        let mut outputs = Outputs { count: arrays.len(), ..Outputs::default() };
        outputs.arrays[..arrays.len()].copy_from_slice(arrays);
        outputs
    }

    /// What a caller gave as `out=` for `wanted` results.
    ///
    /// # Safety
    /// Under the GIL.
    pub unsafe fn from_keyword(out: *mut ffi::PyObject, wanted: usize) -> Option<Self> {
        // SAFETY: an object of the caller's; the items of a tuple are borrowed.
        unsafe {
            if ffi::PyTuple_CheckExact(out) == 0 {
                return (wanted == 1).then(|| Outputs::given(&[out]));
            }
            if ffi::PyTuple_Size(out) as usize != wanted {
                return None;
            }
            let mut outputs = Outputs { count: wanted, ..Outputs::default() };
            for (k, array) in outputs.arrays.iter_mut().enumerate().take(wanted) {
                *array = ffi::PyTuple_GetItem(out, k as ffi::Py_ssize_t);
            }
            Some(outputs)
        }
    }
}

/// Whether this is the name of the keyword `out`, as the interpreter passes it: interned.
pub fn is_out(py: Python<'_>, name: *mut ffi::PyObject) -> bool {
    static OUT: PyOnceLock<Py<PyString>> = PyOnceLock::new();
    OUT.get_or_init(py, || PyString::intern(py, "out").unbind()).as_ptr() == name
}

/// A number in a storage format.
#[repr(align(8))]
#[derive(Clone, Copy, Default)]
struct Number([u8; 8]);

impl Number {
    /// The number as NumPy would convert it; `None` if it is not finite then.
    fn new(value: f64, storage: Storage) -> Option<Number> {
        let mut number = Number::default();
        let finite = match storage {
            Storage::Float16 => {
                let narrowed = <f16 as Element<f64>>::narrowed(value);
                number.0[..2].copy_from_slice(&narrowed.to_ne_bytes());
                narrowed.is_finite()
            }
            // ml_dtypes rounds to float32 first.
            Storage::Bfloat16 => {
                let narrowed = <bf16 as Element<f32>>::narrowed(value as f32);
                number.0[..2].copy_from_slice(&narrowed.to_ne_bytes());
                narrowed.is_finite()
            }
            Storage::Float32 => {
                number.0[..4].copy_from_slice(&(value as f32).to_ne_bytes());
                (value as f32).is_finite()
            }
            Storage::Float64 => {
                number.0 = value.to_ne_bytes();
                value.is_finite()
            }
        };
        finite.then_some(number)
    }
}

/// The largest integer up to which float64 holds them all.
const INTEGERS: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;

/// A Python float or int.
///
/// # Safety
/// An object, under the GIL.
pub unsafe fn number(object: *mut ffi::PyObject) -> Option<f64> {
    // SAFETY: as the caller vouches.
    unsafe {
        if ffi::PyFloat_CheckExact(object) != 0 {
            return Some(ffi::PyFloat_AsDouble(object));
        }
        if ffi::PyLong_CheckExact(object) == 0 {
            return None;
        }
        let value = ffi::PyLong_AsDouble(object);
        if !ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        (value.abs() <= INTEGERS).then_some(value)
    }
}

/// An array, if the object is one and not of a class derived from it.
///
/// # Safety
/// An object, under the GIL; the result is used while it lives.
unsafe fn plain<'a>(
    py: Python<'_>,
    object: *mut ffi::PyObject,
) -> Option<&'a PyArrayObject_fields> {
    // SAFETY: only an array is read as one.
    unsafe {
        let plain = ffi::Py_TYPE(object) == get_type_object(py, NpyTypes::PyArray_Type);
        plain.then(|| &(*object.cast::<PyArrayObject>()).fields)
    }
}

fn shape(array: &PyArrayObject_fields) -> &[npy_intp] {
    if array.nd == 0 {
        return &[];
    }
    // SAFETY: NumPy keeps as many lengths as there are axes.
    unsafe { std::slice::from_raw_parts(array.dimensions, array.nd as usize) }
}

/// What the arrays of a direct call have in common.
struct Common<'a> {
    model: &'a PyArrayObject_fields,
    type_number: c_int,
    storage: Storage,
    count: usize,
    /// Which of the orders in memory all arrays have.
    orders: c_int,
}

impl<'a> Common<'a> {
    fn of(model: &'a PyArrayObject_fields) -> Option<Self> {
        // SAFETY: an array has a dtype.
        let type_number = unsafe { (*model.descr).fields.type_num };
        let storage = storage_of(type_number)?;
        let count = shape(model).iter().product::<npy_intp>() as usize;
        let orders = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS;
        (count > 0).then_some(Common { model, type_number, storage, count, orders })
    }

    /// The elements of an array of this kind; those of one without axes stand for all.
    fn elements(&mut self, array: &PyArrayObject_fields, flags: c_int) -> Option<Operand> {
        // SAFETY: an array has a dtype.
        let descriptor = unsafe { &(*array.descr).fields };
        let native = descriptor.byteorder as u8 == b'=';
        if descriptor.type_num != self.type_number || !native || array.flags & flags != flags {
            return None;
        }
        let pointer = array.data.cast();
        if array.nd == 0 {
            return Some(Operand { pointer, stride: 0 });
        }
        if shape(array) != shape(self.model) {
            return None;
        }
        if array.nd == 1 {
            // SAFETY: NumPy keeps a stride for each axis.
            return Some(Operand { pointer, stride: unsafe { *array.strides } });
        }
        self.orders &= array.flags;
        let stride = self.storage.item_size() as isize;
        (self.orders != 0).then_some(Operand { pointer, stride })
    }

    /// A new array like the others.
    fn new_array(&self, py: Python<'_>) -> *mut ffi::PyObject {
        let in_columns = self.model.nd > 1 && self.orders & NPY_ARRAY_C_CONTIGUOUS == 0;
        // SAFETY: NumPy takes the reference to the dtype and copies the shape; the result is a new
        // reference, or null with an exception set.
        unsafe {
            PY_ARRAY_API.PyArray_NewFromDescr(
                py,
                get_type_object(py, NpyTypes::PyArray_Type),
                PY_ARRAY_API.PyArray_DescrFromType(py, self.type_number),
                self.model.nd,
                self.model.dimensions,
                null_mut(),
                null_mut(),
                if in_columns { NPY_ARRAY_F_CONTIGUOUS } else { 0 },
                null_mut(),
            )
        }
    }
}

/// A function of a direct call.
#[derive(Clone, Copy)]
pub struct Function<'a> {
    pub kernels: &'a Kernels,
    /// The last operands.
    pub parameters: &'a [f64],
    /// The same without parameters, for float32 and float64.
    pub at_defaults: Option<&'a Kernels>,
}

/// Elements from which other threads of Python may run meanwhile: the lock takes some 40 ns to give
/// back and take again, and the longest calls below take some 10 microseconds.
const LONG: usize = 4096;

/// The result of a call, a new reference (null with an exception set where memory ran out), if the
/// call is direct.
///
/// # Safety
/// Under the GIL, with objects that live as long as the call: as many inputs and parameters as the
/// kernels have.
pub unsafe fn call(
    py: Python<'_>,
    function: Function<'_>,
    inputs: &[*mut ffi::PyObject],
    outputs: &Outputs,
) -> Option<*mut ffi::PyObject> {
    // SAFETY: the objects are the caller's. Operands point to elements that live as long as the
    // arrays or, of numbers, this call.
    unsafe {
        let array = |&object: &*mut ffi::PyObject| plain(py, object);
        let mut common = Common::of(inputs.iter().filter_map(array).find(|array| array.nd > 0)?)?;

        let in_float = matches!(common.storage, Storage::Float32 | Storage::Float64);
        let (kernels, parameters) = match function.at_defaults {
            Some(kernels) if in_float => (kernels, &[][..]),
            _ => (function.kernels, function.parameters),
        };
        let mut numbers = [Number::default(); MAX_INPUTS];
        let mut operands = [Operand { pointer: null_mut(), stride: 0 }; MAX_INPUTS + MAX_OUTPUTS];
        for ((&object, operand), place) in inputs.iter().zip(&mut operands).zip(&mut numbers) {
            *operand = match plain(py, object) {
                Some(array) => common.elements(array, NPY_ARRAY_ALIGNED)?,
                // Beside a dtype NumPy does not know, a number makes the result float32.
                None if common.storage == Storage::Bfloat16 => return None,
                None => {
                    *place = Number::new(number(object)?, common.storage)?;
                    Operand { pointer: place.0.as_mut_ptr(), stride: 0 }
                }
            };
        }
        for (k, &value) in parameters.iter().enumerate() {
            let place = &mut numbers[inputs.len() + k];
            *place = Number::new(value, common.storage)?;
            operands[inputs.len() + k].pointer = place.0.as_mut_ptr();
        }

        let mut results = outputs.arrays;
        for (k, &object) in results.iter().enumerate().take(outputs.count) {
            let array = plain(py, object).filter(|array| array.nd > 0)?;
            let elements = common.elements(array, NPY_ARRAY_BEHAVED)?;
            operands[kernels.inputs + k] = elements;
        }
        let (inputs, given) = operands.split_at(kernels.inputs);
        if !are_apart(inputs, &given[..outputs.count], common.count, common.storage.item_size()) {
            return None;
        }
        let made = if outputs.count == 0 { kernels.outputs } else { 0 };
        for k in 0..made {
            results[k] = common.new_array(py);
            if results[k].is_null() {
                results[..k].iter().for_each(|&array| ffi::Py_DECREF(array));
                return Some(null_mut());
            }
            let stride = common.storage.item_size() as isize;
            let pointer = (*results[k].cast::<PyArrayObject>()).fields.data.cast();
            operands[kernels.inputs + k] = Operand { pointer, stride };
        }

        let operands = &operands[..kernels.inputs + kernels.outputs];
        let waiting = if common.count > LONG { ffi::PyEval_SaveThread() } else { null_mut() };
        compute(kernels, common.storage, operands, common.count);
        if !waiting.is_null() {
            ffi::PyEval_RestoreThread(waiting);
        }

        let results = &results[..kernels.outputs];
        if made == 0 {
            results.iter().for_each(|&array| ffi::Py_INCREF(array));
        }
        Some(if let &[result] = results { result } else { tuple(results) })
    }
}

/// Whether every output has its memory for itself, or is an input, element by element.
fn are_apart(inputs: &[Operand], outputs: &[Operand], count: usize, size: usize) -> bool {
    let others_apart = |k: usize, output: &Operand| {
        let (start, end) = output.span(count, size);
        outputs[..k].iter().all(|other| {
            let (other_start, other_end) = other.span(count, size);
            end <= other_start || other_end <= start
        })
    };
    grouping(inputs, outputs, count, size) == Grouping::Independent
        && outputs.iter().enumerate().all(|(k, output)| {
            (count == 1 || output.stride.unsigned_abs() >= size) && others_apart(k, output)
        })
}

/// A tuple that takes over the references.
///
/// # Safety
/// Under the GIL; each is a reference of the caller's.
unsafe fn tuple(results: &[*mut ffi::PyObject]) -> *mut ffi::PyObject {
    // SAFETY: a new tuple of that length, whose places are filled before anybody sees it.
    unsafe {
        let tuple = ffi::PyTuple_New(results.len() as ffi::Py_ssize_t);
        for (k, &result) in results.iter().enumerate() {
            if tuple.is_null() {
                ffi::Py_DECREF(result);
            } else {
                ffi::PyTuple_SetItem(tuple, k as ffi::Py_ssize_t, result);
            }
        }
        tuple
    }
}

/// NumPy's own function for calls of ufuncs.
static OF_NUMPY: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// Has calls of a ufunc of ours looked at here first.
pub fn make_direct(ufunc: &Bound<'_, PyAny>) {
    // SAFETY: a ufunc that NumPy has just made, under the GIL. Where it has no such function, which no
    // NumPy from 2.0 on does, it stays as it is.
    unsafe {
        let fields = &mut (*ufunc.as_ptr().cast::<PyUFuncObject>()).fields;
        if !fields.vectorcall.is_null() {
            OF_NUMPY.store(fields.vectorcall, Ordering::Relaxed);
            fields.vectorcall = ufunc_vectorcall as *mut c_void;
        }
    }
}

/// Whether an object is a ufunc whose calls are looked at here first.
pub fn is_made_direct(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: only a ufunc is read as one.
    unsafe {
        let class = get_type_object(object.py(), NpyTypes::PyUFunc_Type);
        ffi::Py_TYPE(object.as_ptr()) == class
            && (*object.as_ptr().cast::<PyUFuncObject>()).fields.vectorcall
                == ufunc_vectorcall as *mut c_void
    }
}

/// Calls a ufunc of ours.
///
/// # Safety
/// As [`Vectorcall`], with a ufunc that was made direct.
pub unsafe extern "C" fn ufunc_vectorcall(
    ufunc: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count_and_flag: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as the caller vouches; NumPy's function has the same contract.
    unsafe {
        let py = Python::assume_attached();
        let given = Arguments::new(arguments, count_and_flag, names);
        call_ufunc(py, kernels_of(ufunc), given).unwrap_or_else(|| {
            let of_numpy = transmute::<*mut c_void, Vectorcall>(OF_NUMPY.load(Ordering::Relaxed));
            of_numpy(ufunc, arguments, count_and_flag, names)
        })
    }
}

/// # Safety
/// As [`ufunc_vectorcall`].
unsafe fn call_ufunc(
    py: Python<'_>,
    kernels: &Kernels,
    given: Arguments<'_>,
) -> Option<*mut ffi::PyObject> {
    let (inputs, outputs) = given.positional.split_at_checked(kernels.inputs)?;
    let mut named = given.named();
    // SAFETY: as the caller vouches.
    unsafe {
        let outputs = match (outputs.len(), named.next()) {
            (0, None) => Outputs::default(),
            (0, Some((name, out))) if is_out(py, name) => {
                Outputs::from_keyword(out, kernels.outputs)?
            }
            (count, None) if count == kernels.outputs => Outputs::given(outputs),
            _ => return None,
        };
        if named.next().is_some() {
            return None;
        }
        call(py, Function { kernels, parameters: &[], at_defaults: None }, inputs, &outputs)
    }
}
