//! The docstrings of the flat ufuncs, made from the rows of the catalogue.
//!
//! The examples are computed when the module is loaded, by the kernels they document; the tests run
//! them as doctests.

use crate::catalogue::{FromOutput, Parameter, Range, Row, Ufunc};
use crate::gated::GatedUnit;
use crate::operands::{Operand, compute};
use crate::rows::catalogue::{RowActivation, RowForm, RowUfunc};
use crate::simd::{MAX_INPUTS, MAX_OUTPUTS};
use crate::storage::Storage;

/// The numpydoc docstring of a flat ufunc; NumPy puts its signature before it.
pub fn docstring(row: &Row, ufunc: &Ufunc) -> String {
    let mut text = format!(
        "{} of the activation {}.\n\n.. math:: f(x) = {}\n\nParameters\n----------\n",
        title(&ufunc.form),
        row.name,
        row.formula
    );
    for &operand in &ufunc.operands {
        text += &match operand {
            "gg" => {
                "gg : array_like\n    Gradient with respect to the result of backward.\n".into()
            }
            "grad" => "grad : array_like\n    Gradient with respect to f(x).\n".into(),
            "x" => "x : array_like\n    Where to evaluate: real numbers of any shape.\n".into(),
            "y" => "y : array_like\n    The output, f(x).\n".into(),
            name => parameter_entry(row, name),
        };
    }
    text += &format!(
        "\nReturns\n-------\n{}\n    {} Of the broadcast shape.\n\n{RAISES}\nNotes\n-----\n{}",
        if ufunc.kernels.outputs == 1 { "ndarray or scalar" } else { "tuple of two" },
        result(&ufunc.form),
        notes(row, ufunc)
    );
    text += &example(row, ufunc);
    text
}

const RAISES: &str = "Raises
------
ActgradTypeError
    If an operand is not real numbers: complex, longdouble, string, object, None.
ValueError
    If the shapes do not broadcast.
";

fn title(form: &str) -> String {
    match form {
        "value" => "Value".into(),
        "derivative" => "Derivative".into(),
        "second_derivative" => "Second derivative".into(),
        "value_and_derivative" => "Value and derivative, in one pass,".into(),
        "backward" => "Backward pass".into(),
        "double_backward" => "Backward pass of the backward pass".into(),
        "derivative_from_output" => "Derivative, as a function of the output,".into(),
        "backward_from_output" => "Backward pass, as a function of the output,".into(),
        _ => format!("Derivative with respect to the parameter {}", parameter_name(form)),
    }
}

fn parameter_name(form: &str) -> &str {
    form.strip_prefix("parameter_derivative_").unwrap_or(form)
}

fn result(form: &str) -> String {
    match form {
        "value" => "f(x).".into(),
        "derivative" | "derivative_from_output" => "f'(x).".into(),
        "second_derivative" => "f''(x).".into(),
        "value_and_derivative" => "f(x) and f'(x).".into(),
        "backward" | "backward_from_output" => "grad f'(x), the vector-Jacobian product.".into(),
        "double_backward" => "gg f'(x) and gg grad f''(x).".into(),
        _ => format!("df/d{}, element by element.", parameter_name(form)),
    }
}

fn parameter_entry(row: &Row, name: &str) -> String {
    let Some(Parameter { default, range, .. }) =
        row.parameters.iter().find(|parameter| parameter.name == name)
    else {
        return format!("{name} : array_like\n");
    };
    let range = match range {
        Range::Real => "any real number",
        Range::NotNegative => "not negative",
        Range::Positive => "positive",
    };
    let default = default.map_or("required".into(), |value| format!("{value} by default"));
    format!(
        "{name} : array_like\n    A parameter, {range}; {default} in ``actgrad.{}``. Broadcasts.\n",
        row.name
    )
}

fn notes(row: &Row, ufunc: &Ufunc) -> String {
    let error = match ufunc.form.as_str() {
        "second_derivative" => "Error: at most 2 ulp; float16 and bfloat16 correctly rounded.",
        "backward" => "Error: that of the derivative, at most 1 ulp, and one rounding.",
        "double_backward" => "Error: those of the derivatives, and the roundings of the products.",
        "derivative_from_output" | "backward_from_output" => match row.from_output {
            FromOutput::LosesTail | FromOutput::LosesTailIfPositive => {
                "Exact algebra of y, but where f saturates y has lost what the tail of the \
                 derivative needs: use x for that."
            }
            _ => "As accurate as from x.",
        },
        "value" | "derivative" | "value_and_derivative" => {
            "Error: at most 1 ulp; float16 and bfloat16 correctly rounded."
        }
        _ => "Error: at most 1 ulp; float16 and bfloat16 correctly rounded.",
    };
    let promised = match row.promised_range() {
        Some(range) => format!("The bounds hold for {range}.\n"),
        None => String::new(),
    };
    let kinks = if row.kinks.is_empty() || ufunc.form == "value" {
        String::new()
    } else {
        format!("Kinks: {}.\n", row.kinks)
    };
    format!(
        "{error}\n{promised}{kinks}NaN gives NaN, infinities the limits; no floating-point warning is raised.\n\
         float16, bfloat16, float32 and float64 are kept, integers and bools compute in float64.\n"
    )
}

fn example(row: &Row, ufunc: &Ufunc) -> String {
    let default = |name: &str| {
        let parameter = row.parameters.iter().find(|parameter| parameter.name == name);
        parameter.and_then(|parameter| parameter.default).unwrap_or(0.25)
    };
    example_at(ufunc, |operand| match operand {
        "gg" => 3.0,
        "grad" => 2.0,
        "x" | "y" => 0.5,
        name => default(name),
    })
}

/// The section with a call of the ufunc, given the operands of the call.
fn example_at(ufunc: &Ufunc, operand: impl Fn(&str) -> f64) -> String {
    let mut inputs: Vec<f64> = ufunc.operands.iter().map(|name| operand(name)).collect();
    let mut operands = Vec::with_capacity(MAX_INPUTS + MAX_OUTPUTS);
    let mut results = [0.0_f64; MAX_OUTPUTS];
    let places = inputs.iter_mut().chain(&mut results[..ufunc.kernels.outputs]);
    for place in places {
        operands.push(Operand { pointer: (place as *mut f64).cast(), stride: 0 });
    }
    // SAFETY: one element for each operand of the ufunc, in variables of their own.
    unsafe { compute(&ufunc.kernels, Storage::Float64, &operands, 1) };
    let shown = |values: &[f64]| values.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>();
    let results: Vec<String> = results[..ufunc.kernels.outputs]
        .iter()
        .map(|result| format!("np.float64({})", format!("{result:?}").replace("NaN", "nan")))
        .collect();
    let results = match results.as_slice() {
        [one] => one.clone(),
        several => format!("({})", several.join(", ")),
    };
    format!(
        "\nExamples\n--------\n>>> from actgrad.ufuncs import {name}\n>>> {name}({})\n{results}\n",
        shown(&inputs).join(", "),
        name = ufunc.name
    )
}

/// The numpydoc docstring of a form of a gated unit.
pub fn gated_docstring(unit: &GatedUnit, ufunc: &Ufunc) -> String {
    let form = ufunc.form.as_str();
    let mut text = format!(
        "{} of the gated unit {}.\n\n.. math:: f(v, g) = v \\, h(g) = {}\n\nParameters\n----------\n",
        title(form),
        unit.name,
        unit.formula
    );
    for &operand in &ufunc.operands {
        text += match operand {
            "gg_value" => {
                "gg_value : array_like\n    Gradient with respect to the first result of backward.\n"
            }
            "gg_gate" => {
                "gg_gate : array_like\n    Gradient with respect to the second result of backward.\n"
            }
            "grad" => "grad : array_like\n    Gradient with respect to f(v, g).\n",
            "value" => "value : array_like\n    v: real numbers of any shape.\n",
            _ => {
                "gate : array_like\n    g: real numbers of any shape; broadcasts against the value.\n"
            }
        };
    }
    let (returns, result) = match form {
        "value" => ("ndarray or scalar", "v h(g)."),
        "derivative" => ("tuple of two", "The derivatives by v and by g: h(g) and v h'(g)."),
        "second_derivative" => (
            "tuple of three",
            "The second derivatives by v twice, by v and g, and by g twice: 0, h'(g) and v h''(g).",
        ),
        "value_and_derivative" => {
            ("tuple of three", "v h(g), and its derivatives h(g) and v h'(g).")
        }
        "backward" => (
            "tuple of two",
            "The gradients by v and by g, in one pass: grad h(g) and grad v h'(g).",
        ),
        _ => (
            "tuple of three",
            "The gradients of ``gg_value * grad_value + gg_gate * grad_gate``, where backward gives\n    \
             (grad_value, grad_gate), by grad, v and g: gg_value h(g) + gg_gate v h'(g),\n    \
             gg_gate grad h'(g) and grad (gg_value h'(g) + gg_gate v h''(g)).",
        ),
    };
    let error = match form {
        "backward" => format!("{}, and by g that of rounding grad v besides", unit.error),
        "double_backward" => "that of the terms, and of the sums where they cancel".to_owned(),
        _ => format!(
            "{}; h(g) and its derivatives as in ``actgrad.{}``",
            unit.error, unit.activation
        ),
    };
    let kinks = if unit.kinks.is_empty() || form == "value" {
        String::new()
    } else {
        format!("Kinks: {}.\n", unit.kinks)
    };
    text += &format!(
        "\nReturns\n-------\n{returns}\n    {result} Of the broadcast shape.\n\n{RAISES}\nNotes\n-----\n\
         h is ``actgrad.{}``.\nError: {error}.\n{kinks}{GATED_EDGES}",
        unit.activation
    );
    text += &example_at(ufunc, |operand| match operand {
        "gg_value" => 3.0,
        "gg_gate" => -1.0,
        "grad" => 2.0,
        "value" => 4.0,
        _ => 0.5,
    });
    text
}

const GATED_EDGES: &str =
    "A product is rounded once, also where h(g) itself is subnormal or less than any number of the dtype.
A factor of 0 times an infinite one is NaN, as 0 * inf is; other infinities give the limits, and
NaN gives NaN. No floating-point warning is raised. float16, bfloat16, float32 and float64 are kept;
the first two are rounded from an error below 1e-15. Integers and bools compute in float64.
";

/// The numpydoc docstring of a flat row function.
pub fn row_docstring(activation: &RowActivation, ufunc: &RowUfunc) -> String {
    let form = ufunc.form;
    let (title, result) = match form {
        RowForm::Value => ("Value, of each row,", "Of the shape of x."),
        RowForm::Reduction => ("Value, of each row,", "Of the shape of x without its last axis."),
        RowForm::Backward | RowForm::ReductionBackward => {
            ("Backward pass", "The vector-Jacobian product of each row.")
        }
        RowForm::BackwardFromOutput => (
            "Backward pass, as a function of the output,",
            "The vector-Jacobian product of each row.",
        ),
        RowForm::DoubleBackward => (
            "Backward pass of the backward pass",
            "The gradients of sum_k gg_k backward(grad, x)_k with respect to grad and x.",
        ),
        RowForm::Jacobian => (
            "Jacobian, of each row,",
            "Of shape (..., n, n): the entry (i, k) is the derivative of result i with respect to \
             x_k.",
        ),
    };
    let mut text = format!(
        "{title} of the activation {}.\n\n.. math:: {}\n\nParameters\n----------\n",
        activation.name, ufunc.formula
    );
    for &operand in form.operands() {
        text += match (operand, form) {
            ("gg", _) => {
                "gg : array_like, shape (..., n)\n    Gradient with respect to the result of backward.\n"
            }
            ("grad", RowForm::ReductionBackward) => {
                "grad : array_like, shape (...)\n    Gradient with respect to the result.\n"
            }
            ("grad", _) => {
                "grad : array_like, shape (..., n)\n    Gradient with respect to the result.\n"
            }
            ("y", _) => "y : array_like, shape (..., n)\n    The output.\n",
            _ => {
                "x : array_like, shape (..., n)\n    Rows along the last axis, or along ``axis``.\n"
            }
        };
    }
    let axis = match form {
        RowForm::Jacobian => "``axes=[axis, (-2, -1)]`` chooses another axis, not ``axis=``.\n",
        RowForm::Reduction => "``axis=``, ``keepdims=``, ``out=`` and ``dtype=`` as in NumPy.\n",
        _ => "``axis=``, ``out=`` and ``dtype=`` as in NumPy.\n",
    };
    let name = format!("{}{}", activation.name, form.suffix());
    let [arguments, shown] = ufunc.example;
    text += &format!(
        "\nReturns\n-------\n{}\n    {result}\n\n{RAISES}numpy.exceptions.AxisError\n    If there is \
         no such axis.\n\nNotes\n-----\n{axis}{}\n{}\nNo floating-point warning is raised. float16, \
         bfloat16, float32 and float64 are kept, integers and bools\ncompute in float64. A row has \
         the same bits wherever it lies and however many threads compute it.\n\nReferences\n\
         ----------\n{SOURCE}\nExamples\n--------\n>>> from actgrad.ufuncs import {name}\n\
         >>> {name}({arguments})\n{shown}\n",
        if form == RowForm::DoubleBackward { "tuple of two" } else { "ndarray or scalar" },
        wrapped(&format!("Error: {}.", ufunc.error)),
        wrapped(activation.edges),
    );
    text
}

/// The text in lines of at most 98 characters.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= 98 => *line += &format!(" {word}"),
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

const SOURCE: &str =
    "P. Blanchard, D. J. Higham, N. J. Higham, \"Accurately computing the log-sum-exp and softmax
functions\", IMA Journal of Numerical Analysis 41, 2021: the maximum taken out, and log1p of the
sum of the others.
";
