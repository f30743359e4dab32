//! Direct calls of forms: with parameters, which have names, defaults and ranges.
//!
//! A form completes its parameters, checks them and calls its ufunc; that of a gated unit takes one
//! array in place of two halves as well. That is written in Python, in `actgrad.activation` and
//! `actgrad.gated`. Most calls give plain arrays, and numbers for parameters if any: these need no
//! Python, see [`direct`](crate::direct).

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::direct::{Arguments, Function, Outputs, call, is_made_direct, is_out, number};
use crate::operands::Kernels;
use crate::ufunc::kernels_of;

/// The most parameters an activation has.
const MAX_PARAMETERS: usize = 2;

/// A parameter: its value where none is given, and its range, from `least` up.
struct Parameter {
    /// Interned, as the names of keywords are, so that pointers are compared.
    name: Py<PyString>,
    /// `None` where one has to be given, or where it is no number.
    value: Option<f64>,
    /// Whether a caller may give it.
    is_open: bool,
    least: f64,
    inclusive: bool,
}

impl Parameter {
    /// Whether a value is in range; NaN is not.
    fn admits(&self, value: f64) -> bool {
        value > self.least || self.inclusive && value == self.least
    }
}

/// What direct calls of a form need to know.
#[pyclass(frozen, module = "actgrad._core")]
pub struct DirectForm {
    kernels: &'static Kernels,
    /// Those with all parameters at their defaults and not among the operands.
    at_defaults: Option<&'static Kernels>,
    /// How many operands come before the parameters.
    operands: usize,
    parameters: Vec<Parameter>,
}

#[pymethods]
impl DirectForm {
    /// `at_defaults` is the ufunc without parameters; each of these is given by its name, its value or
    /// None, whether a caller may give it, the least value, and whether that is one of its range.
    #[new]
    fn new(
        py: Python<'_>,
        ufunc: &Bound<'_, PyAny>,
        at_defaults: Option<&Bound<'_, PyAny>>,
        parameters: Vec<(String, Option<f64>, bool, f64, bool)>,
    ) -> PyResult<Self> {
        let kernels = |ufunc: &Bound<'_, PyAny>| {
            if !is_made_direct(ufunc) {
                return Err(PyTypeError::new_err(format!("{ufunc} is no ufunc of actgrad")));
            }
            // SAFETY: checked.
            Ok(unsafe { kernels_of(ufunc.as_ptr()) })
        };
        let parameters: Vec<_> = parameters
            .into_iter()
            .take(MAX_PARAMETERS)
            .map(|(name, value, is_open, least, inclusive)| Parameter {
                name: PyString::intern(py, &name).unbind(),
                value,
                is_open,
                least,
                inclusive,
            })
            .collect();
        let at_defaults = at_defaults.map(kernels).transpose()?;
        let kernels = kernels(ufunc)?;
        let operands = kernels.inputs.saturating_sub(parameters.len());
        if at_defaults.is_some_and(|without| without.inputs != operands) {
            return Err(PyTypeError::new_err("the ufunc without parameters has others"));
        }
        Ok(DirectForm { kernels, at_defaults, operands, parameters })
    }
}

impl DirectForm {
    /// The result of a call, if it is direct.
    ///
    /// # Safety
    /// Under the GIL, with arguments that live as long as the call.
    pub unsafe fn call(&self, py: Python<'_>, given: Arguments<'_>) -> Option<*mut ffi::PyObject> {
        let (operands, positional) = given.positional.split_at_checked(self.operands)?;
        let mut values = [None; MAX_PARAMETERS];
        let mut outputs = Outputs::default();
        // SAFETY: the objects are the caller's.
        unsafe {
            let mut open =
                self.parameters.iter().zip(&mut values).filter(|(parameter, _)| parameter.is_open);
            for &argument in positional {
                let (parameter, value) = open.next()?;
                *value = Some(number(argument).filter(|&number| parameter.admits(number))?);
            }
            for (name, argument) in given.named() {
                if is_out(py, name) {
                    outputs = Outputs::from_keyword(argument, self.kernels.outputs)?;
                    continue;
                }
                let is_named = |parameter: &Parameter| parameter.name.as_ptr() == name;
                let place = self.parameters.iter().position(is_named)?;
                let parameter = &self.parameters[place];
                if !parameter.is_open || values[place].is_some() {
                    return None;
                }
                values[place] = Some(number(argument).filter(|&number| parameter.admits(number))?);
            }
            let at_defaults = self.at_defaults.filter(|_| values == [None; MAX_PARAMETERS]);
            let mut completed = [0.0; MAX_PARAMETERS];
            for ((place, value), parameter) in
                completed.iter_mut().zip(values).zip(&self.parameters)
            {
                *place = value.or(parameter.value)?;
            }
            let parameters = &completed[..self.parameters.len()];
            let function = Function { kernels: self.kernels, parameters, at_defaults };
            call(py, function, operands, &outputs)
        }
    }
}
