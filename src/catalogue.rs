//! The list of activations: one row for each, in catalogue order.
//!
//! Everything else follows from a row: the kernels of every form, the ufuncs, the Python objects,
//! the documentation and the tests. To add an activation, write its jet in `activations/`, its row
//! here, its formula in `tests/oracle.py` and its entry in `python/actgrad/reference.py`; the tests
//! name whichever is missing.

use crate::activation::{
    Activation, Backward, BackwardFromOutput, Derivative, DerivativeFromOutput, DoubleBackward,
    FirstParameterDerivative, Form, Projection, SecondDerivative, SecondParameterDerivative, Value,
    ValueAndDerivative,
};
use crate::activations::{gelu_tanh, logit, mish, relu, sigmoid, silu, softplus, tanh_shrink};
use crate::operands::Kernels;
use crate::simd::{ElementFunction, Level};

/// A parameter of an activation.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    pub name: &'static str,
    /// `None` where the caller must give it.
    pub default: Option<f64>,
    /// The values it may take, for documentation and for checks before any work.
    pub range: Range,
}

/// The values a parameter may take; NaN in an array is passed on as NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    Real,
    NotNegative,
    Positive,
}

/// Whether the derivative is offered as a function of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromOutput {
    No,
    /// As accurate as from x.
    Accurate,
    /// Exact algebra, but the output has lost what the tail of the derivative needs.
    LosesTail,
    /// Accurate, or losing the tail, but only where the first parameter is positive.
    AccurateIfPositive,
    LosesTailIfPositive,
}

/// A row of the catalogue.
#[derive(Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// `f(x)` in LaTeX.
    pub formula: &'static str,
    pub parameters: &'static [Parameter],
    /// Where `f` is not differentiable, and the convention there.
    pub kinks: &'static str,
    /// The values `f` takes, in interval notation.
    pub range: &'static str,
    pub from_output: FromOutput,
    forms: fn(&Row, Level) -> Vec<Ufunc>,
}

/// One flat function: a form of an activation, with its loops.
#[derive(Clone)]
pub struct Ufunc {
    /// `<activation>_<form>`, or the activation's name for the value.
    pub name: String,
    /// The form's name, `value` or for example `parameter_derivative_alpha`.
    pub form: String,
    /// The operands in order.
    pub operands: Vec<&'static str>,
    pub kernels: Kernels,
}

impl Row {
    /// Every form of the activation, with its loops for an instruction set.
    pub fn ufuncs(&self, level: Level) -> Vec<Ufunc> {
        (self.forms)(self, level)
    }
}

/// Elements one thread works through in about the time starting a thread takes.
const GRAIN: usize = 1 << 15;

/// The loops of `F`; without `native` float32 operands are computed in float64.
pub fn kernels<F: ElementFunction>(level: Level, native: bool) -> Kernels {
    Kernels {
        inputs: F::INPUTS,
        outputs: F::OUTPUTS,
        level,
        single: native.then(|| level.kernel::<F, f32>()),
        double: level.kernel::<F, f64>(),
        grain: GRAIN,
    }
}

fn ufunc<A: Activation, F: Form>(row: &Row, level: Level, parameter: Option<&str>) -> Ufunc {
    let mut form = F::SUFFIX.to_owned();
    if let Some(parameter) = parameter {
        form = format!("{form}_{parameter}");
    }
    let gradients: &[&str] = match F::GRADIENTS {
        0 => &[],
        1 => &["grad"],
        _ => &["gg", "grad"],
    };
    let point = if F::SUFFIX.ends_with("from_output") { "y" } else { "x" };
    let parameters = row.parameters.iter().map(|parameter| parameter.name);
    Ufunc {
        name: if form.is_empty() { row.name.to_owned() } else { format!("{}_{form}", row.name) },
        form: if form.is_empty() { "value".to_owned() } else { form },
        operands: gradients.iter().copied().chain([point]).chain(parameters).collect(),
        kernels: kernels::<Projection<A, F>>(level, F::NATIVE && A::NATIVE),
    }
}

fn forms<A: Activation>(row: &Row, level: Level) -> Vec<Ufunc> {
    let mut list = vec![
        ufunc::<A, Value>(row, level, None),
        ufunc::<A, Derivative>(row, level, None),
        ufunc::<A, SecondDerivative>(row, level, None),
        ufunc::<A, ValueAndDerivative>(row, level, None),
        ufunc::<A, Backward>(row, level, None),
        ufunc::<A, DoubleBackward>(row, level, None),
    ];
    if row.from_output != FromOutput::No {
        list.push(ufunc::<A, DerivativeFromOutput>(row, level, None));
        list.push(ufunc::<A, BackwardFromOutput>(row, level, None));
    }
    if let Some(first) = row.parameters.first() {
        list.push(ufunc::<A, FirstParameterDerivative>(row, level, Some(first.name)));
    }
    if let Some(second) = row.parameters.get(1) {
        list.push(ufunc::<A, SecondParameterDerivative>(row, level, Some(second.name)));
    }
    list
}

/// A row without parameters and kinks; the others override what differs.
const fn row<A: Activation>(name: &'static str, formula: &'static str) -> Row {
    Row {
        name,
        aliases: &[],
        formula,
        parameters: &[],
        kinks: "",
        range: "",
        from_output: FromOutput::No,
        forms: forms::<A>,
    }
}

/// The catalogue.
pub static CATALOGUE: &[Row] = &[
    Row {
        aliases: &["logistic", "expit"],
        range: "(0, 1)",
        from_output: FromOutput::LosesTail,
        ..row::<sigmoid::Sigmoid>("sigmoid", r"\frac{1}{1 + e^{-x}}")
    },
    Row {
        aliases: &["logsigmoid"],
        range: "(-inf, 0)",
        from_output: FromOutput::Accurate,
        ..row::<softplus::LogSigmoid>("log_sigmoid", r"-\log(1 + e^{-x})")
    },
    Row {
        range: "(-1, 1)",
        from_output: FromOutput::LosesTail,
        ..row::<sigmoid::Tanh>("tanh", r"\tanh x")
    },
    Row {
        kinks: "f'(0) = 0",
        range: "[0, inf)",
        from_output: FromOutput::Accurate,
        ..row::<relu::Relu>("relu", r"\max(x, 0)")
    },
    Row {
        parameters: &[Parameter { name: "beta", default: Some(1.0), range: Range::Positive }],
        range: "(0, inf)",
        from_output: FromOutput::Accurate,
        ..row::<softplus::Softplus>("softplus", r"\frac{1}{\beta} \log(1 + e^{\beta x})")
    },
    Row {
        aliases: &["gelu_new"],
        range: "[-0.1701, inf)",
        ..row::<gelu_tanh::GeluTanh>(
            "gelu_tanh",
            r"\frac{x}{2} \left(1 + \tanh\left(\sqrt{2/\pi} (x + 0.044715 x^3)\right)\right)",
        )
    },
    Row {
        aliases: &["quick_gelu"],
        range: "[-0.1637, inf)",
        ..row::<silu::GeluSigmoid>("gelu_sigmoid", r"x \sigma(1.702 x)")
    },
    Row {
        aliases: &["swish1"],
        range: "[-0.2785, inf)",
        ..row::<silu::Silu>("silu", r"x \sigma(x)")
    },
    Row {
        parameters: &[Parameter { name: "beta", default: Some(1.0), range: Range::Real }],
        range: "[-0.2785 / beta, inf) for beta > 0",
        ..row::<silu::Swish>("swish", r"x \sigma(\beta x)")
    },
    Row {
        aliases: &["tanhshrink"],
        range: "(-inf, inf)",
        ..row::<tanh_shrink::TanhShrink>("tanh_shrink", r"x - \tanh x")
    },
    Row { range: "[0, inf)", ..row::<tanh_shrink::Lisht>("lisht", r"x \tanh x") },
    Row { range: "[-0.309, inf)", ..row::<mish::Mish>("mish", r"x \tanh(\log(1 + e^x))") },
    Row { range: "[0, inf)", ..row::<softplus::LogCosh>("log_cosh", r"\log \cosh x") },
    Row { range: "(-inf, inf)", ..row::<logit::Logit>("logit", r"\log \frac{x}{1 - x}") },
];
