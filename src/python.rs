//! The extension module `actgrad._core`: ufuncs, settings, and the scalar path of `derivatives`.

use std::convert::Infallible;
use std::num::NonZero;
use std::sync::OnceLock;

use numpy::PyUntypedArray;
use pyo3::Borrowed;
use pyo3::exceptions::{PyImportError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyFloat, PyList};

use crate::callable::{callable_class, set_target};
use crate::catalogue::{CATALOGUE, FromOutput, Range, kernels};
use crate::documentation::{docstring, gated_docstring, row_docstring};
use crate::float_status::FloatStatus;
use crate::form::DirectForm;
use crate::founding::{Derivatives, RoundDecimal, RoundedDerivatives};
use crate::gated::GATED;
use crate::operands::Kernels;
use crate::rows::catalogue::ROW_CATALOGUE;
use crate::rows::driver::Loops;
use crate::simd::{Input, Kernel, Level, Stores};
use crate::{row_ufunc, threads, ufunc};

/// The instruction set all loops were chosen for, at import.
static LEVEL: OnceLock<Level> = OnceLock::new();

fn choose_level() -> PyResult<Level> {
    match std::env::var("ACTGRAD_SIMD") {
        Ok(name) if !name.is_empty() && name != "auto" => name
            .parse()
            .map_err(|error| PyImportError::new_err(format!("ACTGRAD_SIMD: {error}, or auto"))),
        _ => Ok(Level::best()),
    }
}

/// The instruction set in use.
#[pyfunction]
fn simd_level() -> &'static str {
    LEVEL.get().map_or("", |level| level.name())
}

/// The instruction sets this CPU can run, the slowest first.
#[pyfunction]
fn available_simd_levels() -> Vec<&'static str> {
    Level::available().map(Level::name).collect()
}

#[pyfunction]
fn get_num_threads() -> usize {
    threads::limit()
}

#[pyfunction]
fn set_num_threads(count: isize) -> PyResult<()> {
    let limit = usize::try_from(count).ok().and_then(NonZero::new).ok_or_else(|| {
        PyValueError::new_err(format!("set_num_threads: got {count}; wanted a number from 1 up"))
    })?;
    threads::set_limit(limit);
    Ok(())
}

fn entry<'py>(
    py: Python<'py>,
    kind: &str,
    [name, formula, kinks, range]: [&str; 4],
    aliases: &[&str],
    from_output: FromOutput,
) -> PyResult<Bound<'py, PyDict>> {
    let entry = PyDict::new(py);
    entry.set_item("kind", kind)?;
    entry.set_item("name", name)?;
    entry.set_item("aliases", aliases)?;
    entry.set_item("formula", formula)?;
    entry.set_item("kinks", kinks)?;
    entry.set_item("range", range)?;
    let from_output = match from_output {
        FromOutput::No => "no",
        FromOutput::Accurate => "accurate",
        FromOutput::LosesTail => "loses tail",
        FromOutput::AccurateIfPositive => "accurate if positive",
        FromOutput::LosesTailIfPositive => "loses tail if positive",
    };
    entry.set_item("from_output", from_output)?;
    Ok(entry)
}

/// The rows of the catalogues as dictionaries.
fn catalogue(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for row in CATALOGUE {
        let texts = [row.name, row.formula, row.kinks, row.range];
        let entry = entry(py, "element-wise", texts, row.aliases, row.from_output)?;
        let parameters = PyList::empty(py);
        for parameter in row.parameters {
            let range = match parameter.range {
                Range::Real => "real",
                Range::NotNegative => "not negative",
                Range::Positive => "positive",
            };
            parameters.append((parameter.name, parameter.default, range))?;
        }
        entry.set_item("parameters", parameters)?;
        list.append(entry)?;
    }
    for unit in GATED {
        let texts = [unit.name, unit.formula, unit.kinks, unit.range];
        let entry = entry(py, "gated", texts, &[], FromOutput::No)?;
        entry.set_item("activation", unit.activation)?;
        entry.set_item("parameters", PyList::empty(py))?;
        list.append(entry)?;
    }
    for row in ROW_CATALOGUE {
        let texts = [row.name, row.formula, "", row.range];
        let entry = entry(py, "rows", texts, row.aliases, row.from_output)?;
        entry.set_item("parameters", PyList::empty(py))?;
        list.append(entry)?;
    }
    Ok(list)
}

/// `rounded_derivatives` for one element.
static SCALAR_KERNEL: OnceLock<Kernel<f64>> = OnceLock::new();

/// Derivatives of sigmoid, tanh and ReLU at x.
///
/// .. math:: \sigma'(x) = \frac{e^{-x}}{(1 + e^{-x})^2}, \qquad \tanh'(x) = 1 - \tanh^2 x,
///           \qquad \mathrm{relu}'(x) = [x > 0]
///
/// Computed in one pass, with one exponential for both.
///
/// Parameters
/// ----------
/// x : array_like
///     Real numbers, of any shape. Integers and bools compute in float64.
/// decimals : tuple of two ints, optional
///     To how many decimals to round the derivatives of sigmoid and tanh; ``None`` does not round.
///     Each result is exactly what Python's ``round`` gives for the float64 derivative, on arrays
///     too (:func:`numpy.round` multiplies, rounds and divides, and differs near ties).
/// out : tuple of three arrays, optional
///     Where to store the derivatives of sigmoid, tanh and ReLU; of the shape of `x`.
///
/// Returns
/// -------
/// dict
///     With the keys ``'sigmoid'``, ``'tanh'``, ``'relu'``: Python floats if `x` is a Python or
///     NumPy scalar, else arrays of the shape and dtype of `x` (float64 for integers).
///
/// Raises
/// ------
/// ActgradTypeError
///     If `x` is not real numbers, or `decimals` are not two integers.
/// ActgradValueError
///     If `out` is not three arrays.
///
/// Notes
/// -----
/// ReLU's derivative at 0 is 0. NaN gives NaN; the infinities give 0, and 1 for ReLU at inf. Not
/// rounded, each derivative is at most 1 ulp from the exact one.
///
/// Examples
/// --------
/// >>> import actgrad as ag
/// >>> ag.derivatives(1.0)
/// {'sigmoid': 0.1966, 'tanh': 0.42, 'relu': 1.0}
/// >>> ag.derivatives([-1.0, 0.0])["sigmoid"]
/// array([0.1966, 0.25  ])
/// >>> ag.derivatives(1.0, decimals=None)["sigmoid"]
/// 0.19661193324148185
#[pyfunction]
#[pyo3(
    signature = (x, decimals = Decimals::Default, out = None),
    text_signature = "(x, decimals=(4, 2), out=None)"
)]
fn derivatives<'py>(
    x: &Bound<'py, PyAny>,
    decimals: Decimals<'py>,
    out: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    static GENERAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = x.py();
    if let (Ok(x), Decimals::Default, None) = (x.cast_exact::<PyFloat>(), &decimals, out) {
        return Ok(derivatives_of_float(py, x.value())?.into_any());
    }
    let general = GENERAL.import(py, "actgrad.founding", "general")?;
    match decimals {
        Decimals::Default => general.call1((x, (4, 2), out)),
        Decimals::Given(decimals) => general.call1((x, decimals, out)),
    }
}

/// An argument that may be None, and may be missing.
enum Decimals<'py> {
    Default,
    Given(Bound<'py, PyAny>),
}

impl<'py> FromPyObject<'_, 'py> for Decimals<'py> {
    type Error = Infallible;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> Result<Self, Infallible> {
        Ok(Decimals::Given(object.to_owned()))
    }
}

/// The founding dictionary at one point, rounded to 4 and 2 decimals, without touching NumPy.
fn derivatives_of_float(py: Python<'_>, x: f64) -> PyResult<Bound<'_, PyDict>> {
    let kernel = SCALAR_KERNEL.get().ok_or_else(|| PyImportError::new_err("not initialised"))?;
    let mut results = [0.0; 3];
    let inputs = [Input { pointer: &raw const x, repeated: false }];
    let outputs = results.each_mut().map(|result| result as *mut f64);
    {
        let _status = FloatStatus::isolate();
        // SAFETY: one input and three outputs of one element, at the level this CPU has.
        unsafe { kernel(1, inputs.as_ptr(), outputs.as_ptr(), Stores::Cached) };
    }
    let [sigmoid, tanh, relu] = results;
    let result = PyDict::new(py);
    result.set_item(intern!(py, "sigmoid"), sigmoid)?;
    result.set_item(intern!(py, "tanh"), tanh)?;
    result.set_item(intern!(py, "relu"), relu)?;
    Ok(result)
}

/// Creates every ufunc: a dictionary from its flat name.
fn create_ufuncs(py: Python<'_>, level: Level) -> PyResult<(Bound<'_, PyDict>, Vec<Registered>)> {
    let table = PyDict::new(py);
    let mut registered = Vec::new();
    let mut add = |name: &str, documentation: &str, kernels: Kernels| -> PyResult<()> {
        let object = ufunc::create(py, name, documentation, kernels)?;
        table.set_item(name, &object)?;
        registered.push((object.unbind(), kernels));
        Ok(())
    };
    for row in CATALOGUE {
        for form in row.ufuncs(level) {
            add(&form.name, &docstring(row, &form), form.kernels)?;
        }
    }
    for unit in GATED {
        for form in unit.ufuncs(level) {
            add(&form.name, &gated_docstring(unit, &form), form.kernels)?;
        }
    }
    add(
        "derivatives",
        "The derivatives of sigmoid, tanh and ReLU at x, in one pass.",
        kernels::<Derivatives>(level, true),
    )?;
    add(
        "rounded_derivatives",
        "The derivatives of sigmoid, tanh and ReLU at x, in one pass; the first rounded to 4 \
         decimals and the second to 2, as Python's round does.",
        kernels::<RoundedDerivatives>(level, false),
    )?;
    add(
        "round_decimal",
        "v in [0, 1] rounded to d decimals, as Python's round does, given 10^d with d from 0 to 15.",
        kernels::<RoundDecimal>(level, false),
    )?;
    Ok((table, registered))
}

/// Creates the ufuncs with parameters at their defaults, which are not among the operands.
fn create_ufuncs_at_defaults(py: Python<'_>, level: Level) -> PyResult<Bound<'_, PyDict>> {
    let table = PyDict::new(py);
    for row in CATALOGUE {
        for form in row.ufuncs_at_defaults(level) {
            // Not public: nobody reads a docstring here.
            let ufunc = ufunc::create(py, &form.name, "At default parameters.", form.kernels)?;
            table.set_item(form.name, ufunc)?;
        }
    }
    Ok(table)
}

/// Creates the ufuncs of the row functions and adds them to the table.
fn create_row_ufuncs(table: &Bound<'_, PyDict>, level: Level) -> PyResult<Vec<RegisteredRows>> {
    let mut registered = Vec::new();
    for activation in ROW_CATALOGUE {
        for ufunc in activation.ufuncs {
            let loops = ufunc.loops(level);
            let name = format!("{}{}", activation.name, ufunc.form.suffix());
            let documentation = row_docstring(activation, ufunc);
            let signature = ufunc.form.signature();
            let object = row_ufunc::create(table.py(), &name, &documentation, signature, loops)?;
            table.set_item(name, &object)?;
            registered.push((object.unbind(), loops));
        }
    }
    Ok(registered)
}

type Registered = (Py<PyAny>, Kernels);
type RegisteredRows = (Py<PyAny>, Loops);

/// All ufuncs with their loops, for the registration of bfloat16.
static REGISTERED: PyOnceLock<Vec<Registered>> = PyOnceLock::new();
static REGISTERED_ROWS: PyOnceLock<Vec<RegisteredRows>> = PyOnceLock::new();

/// Adds loops for bfloat16, given the number of its dtype.
#[pyfunction]
fn register_bfloat16(py: Python<'_>, type_number: i32) -> PyResult<()> {
    for (object, kernels) in REGISTERED.get(py).into_iter().flatten() {
        ufunc::register_bfloat16(object.bind(py), *kernels, type_number)?;
    }
    for (object, loops) in REGISTERED_ROWS.get(py).into_iter().flatten() {
        row_ufunc::register_bfloat16(object.bind(py), *loops, type_number)?;
    }
    Ok(())
}

/// Computes a ufunc over arrays of one shape and dtype, some of which repeat along axes.
///
/// Whether it did: not where NumPy would be as quick, or an output has elements that overlap. The
/// arrays are aligned and in native byte order; an output is apart from the others, or an input.
#[pyfunction]
fn compute_broadcast(
    py: Python<'_>,
    ufunc: &Bound<'_, PyAny>,
    arrays: Vec<Bound<'_, PyUntypedArray>>,
) -> PyResult<bool> {
    let mut registered = REGISTERED.get(py).into_iter().flatten();
    let Some((_, kernels)) = registered.find(|(object, _)| object.is(ufunc)) else {
        return Ok(false);
    };
    Ok(ufunc::compute_broadcast(py, kernels, &arrays))
}

/// The calculus of neural-network activation functions: the compiled part of actgrad.
#[pymodule(gil_used = true)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let level = match LEVEL.get() {
        Some(level) => *level,
        None => choose_level()?,
    };
    let _ = LEVEL.set(level);
    let _ = SCALAR_KERNEL.set(level.scalar_kernel::<RoundedDerivatives, f64>());
    // Reads the environment now, so that no lock is taken later, across a fork.
    threads::limit();

    let (ufuncs, registered) = create_ufuncs(py, level)?;
    let _ = REGISTERED.set(py, registered);
    let _ = REGISTERED_ROWS.set(py, create_row_ufuncs(&ufuncs, level)?);
    module.add("ufuncs", ufuncs)?;
    module.add("ufuncs_at_defaults", create_ufuncs_at_defaults(py, level)?)?;
    module.add("catalogue", catalogue(py)?)?;
    module.add_class::<DirectForm>()?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    for function in [
        wrap_pyfunction!(simd_level, module)?,
        wrap_pyfunction!(available_simd_levels, module)?,
        wrap_pyfunction!(get_num_threads, module)?,
        wrap_pyfunction!(set_num_threads, module)?,
        wrap_pyfunction!(derivatives, module)?,
        wrap_pyfunction!(callable_class, module)?,
        wrap_pyfunction!(set_target, module)?,
        wrap_pyfunction!(register_bfloat16, module)?,
        wrap_pyfunction!(compute_broadcast, module)?,
    ] {
        module.add_function(function)?;
    }
    Ok(())
}
