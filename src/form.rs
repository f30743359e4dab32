//! Calls of a form that is no ufunc, where a look at the operands is all they need.
//!
//! A form takes its parameters by position or keyword, completes them by defaults and checks them,
//! and that of a gated unit splits one array in halves: that is written in Python, in
//! `actgrad.activation` and `actgrad.gated`. Most calls give arrays and numbers only; these go to the
//! ufunc from here, at about the cost of a call of the ufunc itself.

use numpy::ndarray::arr0;
use numpy::npyffi::NPY_TYPES;
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods, ToPyArray};
use pyo3::PyTypeInfo;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyString, PyTuple};

/// The most parameters an activation has.
const MAX_PARAMETERS: usize = 2;

/// The numbers of the dtypes.
const HALF: i32 = NPY_TYPES::NPY_HALF as i32;
const SINGLE: i32 = NPY_TYPES::NPY_FLOAT as i32;
const DOUBLE: i32 = NPY_TYPES::NPY_DOUBLE as i32;

/// A parameter a caller may give: its name and its range, from `least` up.
struct Parameter {
    name: Py<PyString>,
    least: f64,
    inclusive: bool,
}

/// The base of `ParametrisedForm`.
#[pyclass(frozen, subclass, module = "actgrad._core")]
pub struct QuickForm {
    ufunc: Py<PyAny>,
    /// How many operands come before the parameters.
    operands: usize,
    /// The same with all parameters at their defaults and not among its operands, for float32 and
    /// float64. A half format rounds a default to itself.
    at_defaults: Option<Py<PyAny>>,
    /// Empty where some are fixed.
    parameters: Vec<Parameter>,
    /// For a dtype, by its number, all parameters as arrays of it: Python numbers take the dtype of
    /// the operands, and a ufunc is slow to find that out.
    ready: Vec<(i32, Py<PyTuple>)>,
}

/// What a ufunc is called with.
type Call<'py> = (Bound<'py, PyTuple>, Option<Bound<'py, PyDict>>);

impl QuickForm {
    /// The call of the ufunc, if nothing is wrong or out of the ordinary.
    fn complete<'py>(
        &self,
        given: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Option<Call<'py>>> {
        let py = given.py();
        let Some(positional) = given.len().checked_sub(self.operands) else { return Ok(None) };
        let Some(number) = self.type_number(given)? else { return Ok(None) };
        let ready = self.ready.iter().find(|(known, _)| *known == number);
        let ready = ready.map(|(_, parameters)| parameters.bind(py));
        if let (0, None, Some(parameters)) = (positional, keywords, ready) {
            let completed = given.as_sequence().concat(parameters.as_sequence())?;
            return Ok(Some((completed.to_tuple()?, None)));
        }

        if positional > self.parameters.len() {
            return Ok(None);
        }
        let mut values: [Option<Bound<'py, PyAny>>; MAX_PARAMETERS] = [const { None }; _];
        for (k, value) in values.iter_mut().enumerate().take(positional) {
            *value = Some(given.get_item(self.operands + k)?);
        }
        let mut out = None;
        for (key, value) in keywords.into_iter().flatten() {
            if key.is(intern!(py, "out")) {
                let kept = PyDict::new(py);
                kept.set_item(key, value)?;
                out = Some(kept);
                continue;
            }
            let place = self.parameters.iter().position(|parameter| key.is(&parameter.name));
            match place.map(|place| &mut values[place]) {
                Some(empty @ None) => *empty = Some(value),
                _ => return Ok(None),
            }
        }
        for (value, parameter) in values.iter_mut().zip(&self.parameters) {
            let Some(value) = value else { continue };
            let Ok(given) = value.cast_exact::<PyFloat>() else { return Ok(None) };
            let given = given.value();
            let Parameter { least, inclusive, .. } = *parameter;
            // Not for NaN.
            if !(given > least || inclusive && given == least) {
                return Ok(None);
            }
            if number == DOUBLE {
                *value = arr0(given).to_pyarray(py).into_any();
            } else if number == SINGLE && (given as f32).is_finite() {
                *value = arr0(given as f32).to_pyarray(py).into_any();
            } else if ![HALF, SINGLE].contains(&number) {
                return Ok(None); // beside a dtype NumPy does not know, a number is not weak
            }
        }
        let mut completed = Vec::with_capacity(self.operands + MAX_PARAMETERS);
        completed.extend(given.iter().take(self.operands));
        let count = ready.map_or(self.parameters.len(), |parameters| parameters.len());
        for (k, value) in values.into_iter().enumerate().take(count) {
            match (value, ready) {
                (Some(value), _) => completed.push(value),
                (None, Some(parameters)) => completed.push(parameters.get_item(k)?),
                (None, None) => return Ok(None),
            }
        }
        if completed.len() == self.operands {
            return Ok(None);
        }
        Ok(Some((PyTuple::new(py, completed)?, out)))
    }

    /// The ufunc to call with what was given, if that is as many plain arrays of float32 or float64 as
    /// there are operands, and `out` at most. (A subclass of ndarray may ask which ufunc it is.)
    fn without_parameters(
        &self,
        given: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> Option<&Py<PyAny>> {
        let ufunc = self.at_defaults.as_ref()?;
        if given.len() != self.operands {
            return None;
        }
        let py = given.py();
        let plain = |object: &Bound<'_, PyAny>| {
            let array = object.cast::<PyUntypedArray>().ok()?;
            array.get_type().is(PyUntypedArray::type_object(py)).then(|| array.dtype().num())
        };
        let first = plain(given.get_borrowed_item(0).ok()?.as_any())?;
        let alike = |object: &Bound<'_, PyAny>| plain(object) == Some(first);
        let others = given.iter_borrowed().skip(1).all(|operand| alike(&operand));
        let mut results = keywords.into_iter().flatten();
        let results = results.all(|(key, value)| key.is(intern!(py, "out")) && alike(&value));
        ([SINGLE, DOUBLE].contains(&first) && others && results).then_some(ufunc)
    }

    /// The dtype's number, if the operands are arrays of one there are parameters ready for, or of one
    /// of NumPy's own.
    fn type_number(&self, given: &Bound<'_, PyTuple>) -> PyResult<Option<i32>> {
        let mut common = None;
        for k in 0..self.operands {
            let operand = given.get_borrowed_item(k)?;
            let Ok(array) = operand.cast::<PyUntypedArray>() else { return Ok(None) };
            let number = array.dtype().num();
            if common.is_some_and(|common| common != number)
                || ![HALF, SINGLE, DOUBLE].contains(&number)
                    && !self.ready.iter().any(|(known, _)| *known == number)
            {
                return Ok(None);
            }
            common = Some(number);
        }
        Ok(common)
    }
}

#[pymethods]
impl QuickForm {
    #[new]
    fn new(
        py: Python<'_>,
        ufunc: Py<PyAny>,
        at_defaults: Option<Py<PyAny>>,
        operands: usize,
        parameters: Vec<(String, f64, bool)>,
        ready: Vec<(i32, Py<PyTuple>)>,
    ) -> Self {
        let parameters = parameters
            .into_iter()
            .take(MAX_PARAMETERS)
            // Keywords are interned too, so that names are compared as pointers.
            .map(|(name, least, inclusive)| Parameter {
                name: PyString::intern(py, &name).unbind(),
                least,
                inclusive,
            })
            .collect();
        QuickForm { ufunc, at_defaults, operands, parameters, ready }
    }

    /// Calls the ufunc, or `call_completed` of the class derived from this one.
    #[pyo3(signature = (*operands, **keywords))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        operands: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(ufunc) = slf.get().without_parameters(operands, keywords) {
            return ufunc.bind(slf.py()).call(operands, keywords);
        }
        if let Some((completed, out)) = slf.get().complete(operands, keywords)? {
            return slf.get().ufunc.bind(slf.py()).call(completed, out.as_ref());
        }
        slf.getattr(intern!(slf.py(), "call_completed"))?.call(operands, keywords)
    }
}

/// The base of `GatedForm`.
#[pyclass(frozen, subclass, module = "actgrad._core")]
pub struct QuickGatedForm {
    ufunc: Py<PyAny>,
    /// How many operands the ufunc has.
    operands: usize,
}

impl QuickGatedForm {
    /// Whether NumPy gives the loop of the ufunc the whole call: numbers, and arrays of one shape that
    /// are not parts of arrays of several axes.
    fn is_whole(&self, given: &Bound<'_, PyTuple>) -> bool {
        let mut common: Option<Bound<'_, PyUntypedArray>> = None;
        for operand in given {
            if operand.is_instance_of::<PyFloat>() {
                continue;
            }
            let Ok(array) = operand.cast_into::<PyUntypedArray>() else { return false };
            let axes = array.ndim();
            let contiguous = axes < 2 || array.is_c_contiguous() || array.is_fortran_contiguous();
            let fits = common.as_ref().is_none_or(|common| common.shape() == array.shape());
            if axes > 0 && !(contiguous && fits) {
                return false;
            }
            if axes > 0 {
                common = Some(array);
            }
        }
        given.len() == self.operands
    }
}

#[pymethods]
impl QuickGatedForm {
    #[new]
    fn new(ufunc: Py<PyAny>, operands: usize) -> Self {
        QuickGatedForm { ufunc, operands }
    }

    /// Calls the ufunc, or `call_split` of the class derived from this one.
    #[pyo3(signature = (*operands, **keywords))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        operands: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, form) = (slf.py(), slf.get());
        let axis = keywords.map(|keywords| keywords.contains(intern!(py, "axis"))).transpose()?;
        if axis != Some(true) && form.is_whole(operands) {
            return form.ufunc.bind(py).call(operands, keywords);
        }
        slf.getattr(intern!(py, "call_split"))?.call(operands, keywords)
    }
}
