//! The list of activations: one row for each, in catalogue order.
//!
//! Everything else follows from a row: the kernels of every form, the ufuncs, the Python objects,
//! the documentation and the tests. To add an activation, write its jet in `activations/`, its row
//! here, its formula in `tests/oracle.py` and its entry in `python/actgrad/reference.py`; the tests
//! name whichever is missing.

use crate::activation::{
    Activation, AtDefaults, Backward, BackwardFromOutput, Derivative, DerivativeFromOutput,
    DoubleBackward, FirstParameterDerivative, Form, Projection, SecondDerivative,
    SecondParameterDerivative, Value, ValueAndDerivative,
};
use crate::activations::{
    elu, erf, gelu, gelu_tanh, hard, logit, mish, relu, shrink, sigmoid, silu, softplus, softsign,
    sparse, tanh_shrink,
};
use crate::operands::{HalfKernels, Kernels};
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
    /// The magnitudes of the first parameter for which the error bounds hold, from one to the other, in
    /// float32 and float64; none where they hold for all.
    pub promised: Option<[(f64, f64); 2]>,
    pub from_output: FromOutput,
    forms: fn(&Row, Level) -> Vec<Ufunc>,
    forms_at_defaults: Option<fn(&Row, Level) -> Vec<Ufunc>>,
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

    /// The forms that are called most, with the parameters at their defaults and not among the
    /// operands; none without defaults.
    pub fn ufuncs_at_defaults(&self, level: Level) -> Vec<Ufunc> {
        let complete = self.parameters.iter().all(|parameter| parameter.default.is_some());
        let forms = self.forms_at_defaults.filter(|_| complete);
        forms.map_or(Vec::new(), |forms| forms(self, level))
    }

    /// The values of the first parameter for which the error bounds hold, if they do not hold for all.
    pub fn promised_range(&self) -> Option<String> {
        let [single, double] = self.promised?;
        let parameter = self.parameters.first()?;
        let name = match parameter.range {
            Range::Real => format!("abs({})", parameter.name),
            Range::NotNegative | Range::Positive => parameter.name.to_owned(),
        };
        let number = |x: f64| {
            let exponent = x.log2();
            if exponent == exponent.round() { format!("2^{exponent}") } else { x.to_string() }
        };
        let span = |(low, high): (f64, f64)| match low {
            0.0 => format!("up to {}", number(high)),
            _ => format!("from {} to {}", number(low), number(high)),
        };
        Some(if single == double {
            format!("{name} {}", span(single))
        } else {
            format!("{name} {} in float32, {} in float64", span(single), span(double))
        })
    }
}

/// The loops of `F`; without `native` float32 operands are computed in float64.
pub fn kernels<F: ElementFunction>(level: Level, native: bool) -> Kernels {
    Kernels {
        inputs: F::INPUTS,
        outputs: F::OUTPUTS,
        argument: F::ARGUMENT,
        level,
        single: native.then(|| level.kernel::<F, f32>()),
        double: level.kernel::<F, f64>(),
        half: native.then(|| HalfKernels::of::<F>(level)),
        never_open: F::NEVER_OPEN,
        light: F::LIGHT,
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
    let parameters = row.parameters.iter().take(A::PARAMETERS).map(|parameter| parameter.name);
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

fn forms_at_defaults<A: Activation>(row: &Row, level: Level) -> Vec<Ufunc> {
    vec![
        ufunc::<AtDefaults<A>, Value>(row, level, None),
        ufunc::<AtDefaults<A>, Derivative>(row, level, None),
        ufunc::<AtDefaults<A>, ValueAndDerivative>(row, level, None),
        ufunc::<AtDefaults<A>, Backward>(row, level, None),
    ]
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
        promised: None,
        from_output: FromOutput::No,
        forms: forms::<A>,
        forms_at_defaults: if A::PARAMETERS == 0 { None } else { Some(forms_at_defaults::<A>) },
    }
}

/// `2^exponent`, a normal number.
const fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// The catalogue.
pub static CATALOGUE: &[Row] = &[
    Row {
        aliases: &["linear"],
        range: "(-inf, inf)",
        from_output: FromOutput::Accurate,
        ..row::<relu::Identity>("identity", r"x")
    },
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
        kinks: "f'(0) = f'(6) = 0",
        range: "[0, 6]",
        from_output: FromOutput::Accurate,
        ..row::<relu::Relu6>("relu6", r"\min(\max(x, 0), 6)")
    },
    Row {
        aliases: &["relu2"],
        kinks: "f''(0) = 0",
        range: "[0, inf)",
        from_output: FromOutput::Accurate,
        ..row::<relu::ReluSquared>("relu_squared", r"\max(x, 0)^2")
    },
    Row {
        parameters: &[Parameter {
            name: "negative_slope",
            default: Some(relu::LeakyRelu::DEFAULTS[0]),
            range: Range::Real,
        }],
        kinks: "f'(0) = 1",
        range: "(-inf, inf) for a > 0",
        from_output: FromOutput::AccurateIfPositive,
        ..row::<relu::LeakyRelu>(
            "leaky_relu",
            r"\begin{cases} x & x \ge 0 \\ a x & x < 0 \end{cases}",
        )
    },
    Row {
        parameters: &[Parameter { name: "a", default: None, range: Range::Real }],
        kinks: "f'(0) = 1, df/da = min(x, 0)",
        range: "(-inf, inf) for a > 0",
        from_output: FromOutput::AccurateIfPositive,
        ..row::<relu::LeakyRelu>("prelu", r"\begin{cases} x & x \ge 0 \\ a x & x < 0 \end{cases}")
    },
    Row {
        parameters: &[
            Parameter { name: "threshold", default: None, range: Range::Real },
            Parameter { name: "value", default: None, range: Range::Real },
        ],
        kinks: "f'(t) = 0, df/dt = 0",
        range: "{v} and (t, inf)",
        ..row::<relu::Threshold>("threshold", r"\begin{cases} x & x > t \\ v & x \le t \end{cases}")
    },
    Row {
        parameters: &[Parameter {
            name: "alpha",
            default: Some(elu::Elu::DEFAULTS[0]),
            range: Range::Real,
        }],
        kinks: "f'(0) = f''(0) = alpha",
        range: "(-alpha, inf) for alpha > 0",
        promised: Some([(0.0, power_of_two(99)), (0.0, power_of_two(964))]),
        from_output: FromOutput::LosesTailIfPositive,
        ..row::<elu::Elu>(
            "elu",
            r"\begin{cases} x & x > 0 \\ \alpha (e^x - 1) & x \le 0 \end{cases}",
        )
    },
    Row {
        kinks: "f'(0) = f''(0) = lambda alpha",
        range: "(-lambda alpha, inf)",
        from_output: FromOutput::LosesTail,
        ..row::<elu::Selu>(
            "selu",
            r"\lambda \begin{cases} x & x > 0 \\ \alpha (e^x - 1) & x \le 0 \end{cases}",
        )
    },
    Row {
        parameters: &[Parameter {
            name: "alpha",
            default: Some(elu::Celu::DEFAULTS[0]),
            range: Range::Positive,
        }],
        kinks: "f''(0) = 1/alpha",
        range: "(-alpha, inf)",
        promised: Some([
            (power_of_two(-99), power_of_two(99)),
            (power_of_two(-964), power_of_two(964)),
        ]),
        from_output: FromOutput::LosesTailIfPositive,
        ..row::<elu::Celu>("celu", r"\max(x, 0) + \alpha (e^{\min(x, 0)/\alpha} - 1)")
    },
    Row {
        parameters: &[Parameter {
            name: "beta",
            default: Some(softplus::Softplus::DEFAULTS[0]),
            range: Range::Positive,
        }],
        promised: Some([(power_of_two(-32), power_of_two(32)); 2]),
        range: "(0, inf)",
        from_output: FromOutput::Accurate,
        ..row::<softplus::Softplus>("softplus", r"\frac{1}{\beta} \log(1 + e^{\beta x})")
    },
    Row {
        kinks: "f''(0) = 0",
        range: "(-1, 1)",
        from_output: FromOutput::LosesTail,
        ..row::<softsign::Softsign>("softsign", r"\frac{x}{1 + |x|}")
    },
    Row {
        parameters: &[Parameter {
            name: "b",
            default: Some(softsign::Squareplus::DEFAULTS[0]),
            range: Range::NotNegative,
        }],
        range: "(0, inf) for b > 0",
        from_output: FromOutput::AccurateIfPositive,
        ..row::<softsign::Squareplus>("squareplus", r"\frac{x + \sqrt{x^2 + b}}{2}")
    },
    Row {
        aliases: &["gelu_erf"],
        range: "[-0.17, inf)",
        ..row::<gelu::Gelu>("gelu", r"x \Phi(x)")
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
        parameters: &[Parameter {
            name: "beta",
            default: Some(silu::Swish::DEFAULTS[0]),
            range: Range::Real,
        }],
        range: "[-0.2785 / beta, inf) for beta > 0",
        promised: Some([(0.01, 50.0); 2]),
        ..row::<silu::Swish>("swish", r"x \sigma(\beta x)")
    },
    Row { range: "[-0.309, inf)", ..row::<mish::Mish>("mish", r"x \tanh(\log(1 + e^x))") },
    Row {
        aliases: &["hardsigmoid"],
        kinks: "f'(-3) = f'(3) = 0",
        range: "[0, 1]",
        from_output: FromOutput::Accurate,
        ..row::<hard::HardSigmoid>("hard_sigmoid", r"\min(\max(\tfrac{x + 3}{6}, 0), 1)")
    },
    Row {
        aliases: &["hardswish", "hard_silu"],
        kinks: "f'(-3) = 0, f'(3) = 1, f''(-3) = f''(3) = 0",
        range: "[-3/8, inf)",
        ..row::<hard::HardSwish>("hard_swish", r"x \min(\max(\tfrac{x + 3}{6}, 0), 1)")
    },
    Row {
        aliases: &["hardtanh"],
        parameters: &[
            Parameter {
                name: "min_value",
                default: Some(hard::HardTanh::DEFAULTS[0]),
                range: Range::Real,
            },
            Parameter {
                name: "max_value",
                default: Some(hard::HardTanh::DEFAULTS[1]),
                range: Range::Real,
            },
        ],
        kinks: "f' = 0 at both",
        range: "[min_value, max_value]",
        from_output: FromOutput::Accurate,
        ..row::<hard::HardTanh>("hard_tanh", r"\min(\max(x, l), h)")
    },
    Row {
        aliases: &["tanhshrink"],
        range: "(-inf, inf)",
        ..row::<tanh_shrink::TanhShrink>("tanh_shrink", r"x - \tanh x")
    },
    Row {
        aliases: &["softshrink"],
        parameters: &[Parameter {
            name: "lambd",
            default: Some(shrink::SoftShrink::DEFAULTS[0]),
            range: Range::NotNegative,
        }],
        kinks: "f' = 0 at -lambd and lambd",
        range: "(-inf, inf)",
        from_output: FromOutput::Accurate,
        ..row::<shrink::SoftShrink>("soft_shrink", r"\operatorname{sign}(x) \max(|x| - \lambda, 0)")
    },
    Row {
        aliases: &["hardshrink"],
        parameters: &[Parameter {
            name: "lambd",
            default: Some(shrink::HardShrink::DEFAULTS[0]),
            range: Range::NotNegative,
        }],
        kinks: "f' = 0 at -lambd and lambd",
        range: "(-inf, -lambd), {0} and (lambd, inf)",
        from_output: FromOutput::Accurate,
        ..row::<shrink::HardShrink>(
            "hard_shrink",
            r"\begin{cases} x & |x| > \lambda \\ 0 & |x| \le \lambda \end{cases}",
        )
    },
    Row {
        kinks: "f''(-1) = f''(1) = 0",
        range: "[0, inf)",
        from_output: FromOutput::Accurate,
        ..row::<sparse::SparsePlus>(
            "sparse_plus",
            r"\begin{cases} 0 & x \le -1 \\ \tfrac{(x + 1)^2}{4} & |x| < 1 \\ x & x \ge 1 \end{cases}",
        )
    },
    Row {
        kinks: "f'(-1) = f'(1) = 0",
        range: "[0, 1]",
        from_output: FromOutput::Accurate,
        ..row::<sparse::SparseSigmoid>("sparse_sigmoid", r"\min(\max(\tfrac{x + 1}{2}, 0), 1)")
    },
    Row { range: "[0, inf)", ..row::<tanh_shrink::Lisht>("lisht", r"x \tanh x") },
    Row { range: "[0, inf)", ..row::<softplus::LogCosh>("log_cosh", r"\log \cosh x") },
    Row { range: "(0, inf)", from_output: FromOutput::Accurate, ..row::<elu::Exp>("exp", r"e^x") },
    Row { range: "(-1, 1)", ..row::<erf::Erf>("erf", r"\operatorname{erf} x") },
    Row { range: "(-inf, inf)", ..row::<logit::Logit>("logit", r"\log \frac{x}{1 - x}") },
];
