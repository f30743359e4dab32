//! Objects of Python classes that are called like functions written in C.
//!
//! A class with `__call__` written in Python costs a call some 100 ns: a tuple and a dictionary of the
//! arguments are made, and taken apart again. So the objects here are of a class derived from the one
//! in Python which has a vectorcall function (PEP 590): [`callable_class`] makes it. Python passes
//! that function on to derived classes written in Python from 3.12 on only, so it is the other way
//! round: the last class is the one written in C.

use std::ffi::{CString, c_int, c_uint};
use std::mem::{offset_of, size_of};
use std::ptr::{null, null_mut};

use pyo3::exceptions::{PySystemError, PyTypeError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::direct::{Arguments, Vectorcall, is_made_direct, ufunc_vectorcall};
use crate::form::DirectForm;

/// What these objects have besides what the class in Python gives them.
#[repr(C)]
struct Fields {
    /// Null before there is a target: Python then calls [`tp_call`].
    vectorcall: Option<Vectorcall>,
    /// What a call is handed to: an owned reference, or null.
    target: *mut ffi::PyObject,
    /// The target's own function for calls, if it has one.
    of_target: Option<Vectorcall>,
}

/// Where the fields are in an object: beyond what any class in Python needs.
const PLACE: usize = 128;

/// `Py_TPFLAGS_HAVE_VECTORCALL`, which the limited API has from 3.12 on; it has this value since 3.8.
const HAVE_VECTORCALL: c_uint = 1 << 11;

/// # Safety
/// An object of a class made here.
unsafe fn fields(object: *mut ffi::PyObject) -> *mut Fields {
    // SAFETY: as the caller vouches.
    unsafe { object.byte_add(PLACE).cast() }
}

/// The classes made here.
static CLASSES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

fn classes(py: Python<'_>) -> &Bound<'_, PyDict> {
    CLASSES.get_or_init(py, || PyDict::new(py).unbind()).bind(py)
}

/// The class derived from this one whose objects are called without the detour by `__call__`.
#[pyfunction]
pub fn callable_class<'py>(base: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    let py = base.py();
    if is_made(base) {
        return Ok(base.clone().into_any());
    }
    if let Some(class) = classes(py).get_item(base)? {
        return Ok(class);
    }
    let size: usize = base.getattr(intern!(py, "__basicsize__"))?.extract()?;
    if size > PLACE {
        return Err(PySystemError::new_err(format!(
            "{base} needs {size} bytes; PLACE has {PLACE}"
        )));
    }
    let name = CString::new(format!("{}.{}", base.module()?, base.name()?))?;
    let member = |name: &'static std::ffi::CStr, type_code, offset, flags| ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code,
        offset: (PLACE + offset) as ffi::Py_ssize_t,
        flags,
        doc: null(),
    };
    let mut members = [
        member(
            c"__vectorcalloffset__",
            ffi::Py_T_PYSSIZET,
            offset_of!(Fields, vectorcall),
            ffi::Py_READONLY,
        ),
        // For the garbage collection, as a slot of a class in Python would be; nobody can change it.
        member(c"_target", ffi::Py_T_OBJECT_EX, offset_of!(Fields, target), ffi::Py_READONLY),
        ffi::PyMemberDef::default(),
    ];
    let mut slots = [
        ffi::PyType_Slot { slot: ffi::Py_tp_call, pfunc: tp_call as *mut _ },
        ffi::PyType_Slot { slot: ffi::Py_tp_finalize, pfunc: tp_finalize as *mut _ },
        ffi::PyType_Slot { slot: ffi::Py_tp_members, pfunc: members.as_mut_ptr().cast() },
        ffi::PyType_Slot { slot: 0, pfunc: null_mut() },
    ];
    let mut specification = ffi::PyType_Spec {
        name: name.into_raw(), // some versions of Python keep it
        basicsize: (PLACE + size_of::<Fields>()) as c_int,
        itemsize: 0,
        flags: ffi::Py_TPFLAGS_DEFAULT as c_uint | HAVE_VECTORCALL,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the specification lives as long as the call, and Python copies the members; the fields lie
    // behind those of the base and inside the size; the result is a new reference or null.
    let class = unsafe {
        let class = ffi::PyType_FromSpecWithBases(&raw mut specification, base.as_ptr());
        Bound::from_owned_ptr_or_err(py, class)?
    };
    class.setattr("__doc__", base.getattr("__dict__")?.get_item("__doc__")?)?;
    class.setattr("__qualname__", base.qualname()?)?;
    classes(py).set_item(base, &class)?;
    Ok(class)
}

/// Has calls of an object go to a target: a ufunc, a [`DirectForm`] (whose other calls go to the
/// object's method `call_general`), or another object that can be called.
#[pyfunction]
pub fn set_target(object: &Bound<'_, PyAny>, target: Bound<'_, PyAny>) -> PyResult<()> {
    if !is_made(&object.get_type()) {
        return Err(PyTypeError::new_err(format!("{} is of no callable class", object.get_type())));
    }
    let is_form = target.is_instance_of::<DirectForm>();
    let of_target = if is_made_direct(&target) {
        Some(ufunc_vectorcall as Vectorcall)
    } else if is_made(&target.get_type()) {
        // SAFETY: an object of a class made here.
        unsafe { (*fields(target.as_ptr())).vectorcall }
    } else {
        None
    };
    // SAFETY: an object of a class made here; a target there was before is given up.
    unsafe {
        let fields = fields(object.as_ptr());
        let before = (*fields).target;
        *fields = Fields {
            vectorcall: Some(if is_form { call_form } else { call_target }),
            target: target.into_ptr(),
            of_target,
        };
        ffi::Py_XDECREF(before);
    }
    Ok(())
}

/// Whether a class is one made here.
fn is_made(class: &Bound<'_, PyType>) -> bool {
    classes(class.py()).values().iter().any(|made| made.is(class))
}

/// # Safety
/// As [`Vectorcall`], with an object whose target is a [`DirectForm`].
unsafe extern "C" fn call_form(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count_and_flag: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as the caller vouches.
    unsafe {
        let py = Python::assume_attached();
        let given = Arguments::new(arguments, count_and_flag, names);
        let target = Bound::from_borrowed_ptr(py, (*fields(object)).target);
        if let Some(result) = target.cast_unchecked::<DirectForm>().get().call(py, given) {
            return result;
        }
        let general = Bound::from_borrowed_ptr(py, object).getattr(intern!(py, "call_general"));
        finish(py, general.and_then(|general| call_with(&general, given)))
    }
}

/// # Safety
/// As [`Vectorcall`], with an object that has another target.
unsafe extern "C" fn call_target(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count_and_flag: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as the caller vouches.
    unsafe {
        let Fields { target, of_target, .. } = *fields(object);
        if let Some(vectorcall) = of_target {
            return vectorcall(target, arguments, count_and_flag, names);
        }
        let py = Python::assume_attached();
        let target = Bound::from_borrowed_ptr(py, target);
        finish(py, call_with(&target, Arguments::new(arguments, count_and_flag, names)))
    }
}

/// Calls with a tuple and a dictionary, the way that is always there.
///
/// # Safety
/// Under the GIL, with arguments that live as long as the call.
unsafe fn call_with<'py>(
    callable: &Bound<'py, PyAny>,
    given: Arguments<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = callable.py();
    // SAFETY: as the caller vouches.
    let object = |pointer| unsafe { Bound::<PyAny>::from_borrowed_ptr(py, pointer) };
    let positional = PyTuple::new(py, given.positional.iter().map(|&pointer| object(pointer)))?;
    let keywords = PyDict::new(py);
    for (name, value) in given.named() {
        keywords.set_item(object(name), object(value))?;
    }
    callable.call(positional, (!keywords.is_empty()).then_some(&keywords))
}

/// The result as Python wants it: a new reference, or null with the exception set.
fn finish(py: Python<'_>, result: PyResult<Bound<'_, PyAny>>) -> *mut ffi::PyObject {
    match result {
        Ok(result) => result.into_ptr(),
        Err(error) => {
            error.restore(py);
            null_mut()
        }
    }
}

/// Gives up the target, at the end of an object's life.
///
/// # Safety
/// Python's contract for `tp_finalize`, for an object of a class made here.
unsafe extern "C" fn tp_finalize(object: *mut ffi::PyObject) {
    // SAFETY: as the caller vouches; the object can no longer be called then.
    unsafe {
        let fields = fields(object);
        let target = (*fields).target;
        *fields = Fields { vectorcall: None, target: null_mut(), of_target: None };
        ffi::Py_XDECREF(target);
    }
}

/// A call with a tuple and a dictionary: `type(object).__call__(object, ...)`.
///
/// # Safety
/// Python's contract for `tp_call`, for an object of a class made here.
unsafe extern "C" fn tp_call(
    object: *mut ffi::PyObject,
    positional: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: a tuple, and a dictionary or null, are the caller's; borrowed items live as long.
    unsafe {
        let py = Python::assume_attached();
        let Some(vectorcall) = (*fields(object)).vectorcall else {
            return finish(py, Err(PyTypeError::new_err("the object is not complete")));
        };
        let positional = Bound::from_borrowed_ptr(py, positional).cast_into_unchecked::<PyTuple>();
        let mut arguments: Vec<_> = positional.iter().collect();
        let count = arguments.len();
        let mut names = Vec::new();
        if !keywords.is_null() {
            let keywords = Bound::from_borrowed_ptr(py, keywords).cast_into_unchecked::<PyDict>();
            for (name, value) in &keywords {
                names.push(name);
                arguments.push(value);
            }
        }
        let names = match PyTuple::new(py, names) {
            Ok(names) => names,
            Err(error) => return finish(py, Err(error)),
        };
        let pointers: Vec<_> = arguments.iter().map(Bound::as_ptr).collect();
        vectorcall(object, pointers.as_ptr(), count, names.as_ptr())
    }
}
