//! The list of row functions, in catalogue order.
//!
//! The ufuncs, the Python objects and the docstrings follow from a row. To add a row function, write
//! it in [`functions`](super::functions), its row here, and its entry in
//! `python/actgrad/reference.py`.

use super::driver::{Loops, Shape};
use super::functions::{
    Jacobian, LogSoftmax, LogSoftmaxBackward, LogSoftmaxBackwardFromOutput,
    LogSoftmaxDoubleBackward, LogSoftmaxJacobian, Logsumexp, LogsumexpBackward, MAX_RESULTS,
    RowFunction, Shares, Softmax, SoftmaxBackward, SoftmaxBackwardFromOutput,
    SoftmaxDoubleBackward, SoftmaxJacobian,
};
use super::kernels::{jacobian_kernels, row_kernels};
use crate::catalogue::FromOutput;
use crate::simd::Level;

/// A row of the catalogue.
pub struct RowActivation {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// Result `k` of a row `x`, in LaTeX.
    pub formula: &'static str,
    /// The values it takes, in interval notation.
    pub range: &'static str,
    pub from_output: FromOutput,
    /// What special numbers in x give.
    pub edges: &'static str,
    pub ufuncs: &'static [RowUfunc],
}

/// One flat function: a form of a row function.
#[derive(Clone, Copy)]
pub struct RowUfunc {
    pub form: RowForm,
    /// What it gives, in LaTeX.
    pub formula: &'static str,
    pub error: &'static str,
    /// Arguments, and what the call shows.
    pub example: [&'static str; 2],
    loops: fn(Level) -> Loops,
}

impl RowUfunc {
    /// Its loops for an instruction set.
    pub fn loops(&self, level: Level) -> Loops {
        (self.loops)(level)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowForm {
    Value,
    /// The value of a function with one result for a row.
    Reduction,
    Backward,
    /// The gradient of a reduction.
    ReductionBackward,
    DoubleBackward,
    BackwardFromOutput,
    Jacobian,
}

impl RowForm {
    /// What the name of its ufunc ends in.
    pub fn suffix(self) -> &'static str {
        match self {
            RowForm::Value | RowForm::Reduction => "",
            RowForm::Backward | RowForm::ReductionBackward => "_backward",
            RowForm::DoubleBackward => "_double_backward",
            RowForm::BackwardFromOutput => "_backward_from_output",
            RowForm::Jacobian => "_jacobian",
        }
    }

    /// Its core dimensions, as NumPy writes them.
    pub fn signature(self) -> &'static str {
        match self {
            RowForm::Value => "(n)->(n)",
            RowForm::Reduction => "(n)->()",
            RowForm::Backward | RowForm::BackwardFromOutput => "(n),(n)->(n)",
            RowForm::ReductionBackward => "(),(n)->(n)",
            RowForm::DoubleBackward => "(n),(n),(n)->(n),(n)",
            RowForm::Jacobian => "(n)->(n,n)",
        }
    }

    /// The operands in order.
    pub fn operands(self) -> &'static [&'static str] {
        match self {
            RowForm::Value | RowForm::Reduction | RowForm::Jacobian => &["x"],
            RowForm::Backward | RowForm::ReductionBackward => &["grad", "x"],
            RowForm::DoubleBackward => &["gg", "grad", "x"],
            RowForm::BackwardFromOutput => &["grad", "y"],
        }
    }
}

const fn shape<F: RowFunction>(mirrored: bool) -> Shape {
    Shape {
        gradients: F::GRADIENTS,
        scalar_gradient: F::SCALAR_GRADIENT,
        results: F::RESULTS,
        layout: F::LAYOUT,
        weighted: F::WEIGHTED && F::RESULTS > 0,
        keeps_in_result: F::KEEPS_IN_RESULT,
        needs_maximum: F::NEEDS_MAXIMUM,
        refers: F::REFERS,
        outweighs: F::OUTWEIGHS,
        padding: F::PADDING,
        jacobian: false,
        mirrored,
        odd: F::ODD,
        of_output: F::OF_OUTPUT,
    }
}

fn row_loops<F: RowFunction, const MIRRORED: bool>(level: Level) -> Loops {
    Loops {
        shape: shape::<F>(MIRRORED),
        single: row_kernels::<F, f32>(level),
        double: row_kernels::<F, f64>(level),
        jacobian: None,
    }
}

fn jacobian_loops<J: Jacobian, const MIRRORED: bool>(level: Level) -> Loops {
    // The Jacobian of softmin is the opposite of that of softmax at -x.
    let odd = [true; MAX_RESULTS];
    Loops {
        shape: Shape { jacobian: true, results: 1, odd, ..shape::<Shares>(MIRRORED) },
        jacobian: Some((jacobian_kernels::<J, f32>(level), jacobian_kernels::<J, f64>(level))),
        ..row_loops::<Shares, MIRRORED>(level)
    }
}

const ULP: &str = "at most 1 ulp";
const ULP_AND_A_HALF: &str = "at most 1.5 ulp";
const SHARES: &str = "-inf counts for nothing: 0, and 0 in gradients. A row with NaN or inf, or of \
                      -inf only, gives NaN; so does a gradient with NaN or inf.";
const LOGARITHMS: &str = "-inf counts for nothing and gives -inf. A row with NaN or inf, or of -inf \
                          only, gives NaN; so does a gradient with NaN or inf.";
const REDUCTION: &str = "-inf counts for nothing; -inf for a row of -inf only or without elements. \
                         inf gives inf, NaN gives NaN. The gradient is NaN in these rows, but not \
                         for a few -inf, where it is 0.";
// Measured on rows of 1 to 64 elements: logits normal, wide, saturated and among the subnormals,
// gradients normal, positive, one-hot and wide; tests/test_rows.py asserts the bounds.
const BACKWARD: &str = "at most 1 ulp of S_k sum_j S_j abs(grad_k - grad_j), the size of its terms: \
                        1 ulp of the result itself unless grad_k is about the mean. As measured: \
                        0.51 of it in float32; 0.57 in float64, also in saturated rows, but where \
                        shares of a row are subnormal up to 1.5 times the smallest subnormal times \
                        sum_j abs(grad_k - grad_j) besides";
const LOG_BACKWARD: &str = "at most 1 ulp of abs(grad_k) (1 - S_k) + S_k sum_(j != k) abs(grad_j), \
                            the size of its terms: 1 ulp of the result itself unless they cancel. \
                            As measured: 0.51 of it in float32, 0.57 in float64, and up to 1 where \
                            S_k is subnormal";
const DOUBLE_BACKWARD: &str = "each result at most 1 ulp of the terms it is a sum of. As measured: \
                               0.51 of it in float32, 0.75 in float64; where shares of a row are \
                               subnormal in float64, up to the smallest subnormal times the \
                               largest product of gradients besides";
// Measured on the same rows, but those with a subnormal y: accuracy/rows.py.
const FROM_OUTPUT: &str = "at most 1 ulp of y_k (abs(h_k) + sum_j y_j abs(h_j)), the size of the terms \
                           of y_k (h_k - sum_j y_j h_j), for y as it is given and h_k = grad_k - r, \
                           where r is the first gradient, or that of a y above 0.875; equal gradients \
                           give exact zeros. Where the y do not sum to 1, by their rounding, the \
                           formula with grad differs by y_k r (1 - sum_j y_j). As measured: 0.99 of it \
                           in float32, 0.95 in float64";
const LOG_FROM_OUTPUT: &str = "at most 1.25 ulp of abs(grad_k) + e^y_k sum_j abs(grad_j), the size of \
                               its terms, for y as it is given; as measured 0.97 in float32 and 1.17 \
                               in float64. As a gradient at x it has the rounding of y besides, in \
                               proportion: 0.5 ulp of a y of -20 changes e^y by 10 ulp";

/// All row functions.
pub const ROW_CATALOGUE: &[RowActivation] = &[
    RowActivation {
        name: "softmax",
        aliases: &[],
        formula: r"\frac{e^{x_k}}{\sum_j e^{x_j}}",
        range: "[0, 1]",
        from_output: FromOutput::Accurate,
        edges: SHARES,
        ufuncs: &[
            RowUfunc {
                form: RowForm::Value,
                formula: r"S_k = \frac{e^{x_k}}{\sum_j e^{x_j}}",
                error: ULP_AND_A_HALF,
                example: ["[1.0, 2.0, 4.0]", "array([0.04201007, 0.1141952 , 0.84379473])"],
                loops: row_loops::<Softmax, false>,
            },
            RowUfunc {
                form: RowForm::Backward,
                formula: r"S_k (g_k - \sum_j S_j g_j)",
                error: BACKWARD,
                example: [
                    "[1.0, 0.0, 0.0], [1.0, 2.0, 4.0]",
                    "array([ 0.04024522, -0.00479735, -0.03544787])",
                ],
                loops: row_loops::<SoftmaxBackward, false>,
            },
            RowUfunc {
                form: RowForm::DoubleBackward,
                formula: r"S_k (a_k - \bar a), \quad S_k ((a_k - \bar a)(g_k - \bar g) - \sum_j S_j (a_j - \bar a)(g_j - \bar g)), \quad \bar a = \sum_j S_j a_j, \ a = gg",
                error: DOUBLE_BACKWARD,
                example: [
                    "[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 2.0, 4.0]",
                    "(array([-0.00479735,  0.10115466, -0.09635731]), \
                     array([-0.00439427, -0.00370168,  0.00809595]))",
                ],
                loops: row_loops::<SoftmaxDoubleBackward, false>,
            },
            RowUfunc {
                form: RowForm::BackwardFromOutput,
                formula: r"y_k (g_k - \sum_j y_j g_j)",
                error: FROM_OUTPUT,
                example: [
                    "[1.0, 0.0, 0.0], [0.25, 0.25, 0.5]",
                    "array([ 0.1875, -0.0625, -0.125 ])",
                ],
                loops: row_loops::<SoftmaxBackwardFromOutput, false>,
            },
            RowUfunc {
                form: RowForm::Jacobian,
                formula: r"J_{ik} = S_i (\delta_{ik} - S_k)",
                error: ULP,
                example: [
                    "[1.0, 2.0, 4.0]",
                    "array([[ 0.04024522, -0.00479735, -0.03544787],\n       \
                     [-0.00479735,  0.10115466, -0.09635731],\n       \
                     [-0.03544787, -0.09635731,  0.13180518]])",
                ],
                loops: jacobian_loops::<SoftmaxJacobian, false>,
            },
        ],
    },
    RowActivation {
        name: "log_softmax",
        aliases: &[],
        formula: r"x_k - \log \sum_j e^{x_j}",
        range: "[-inf, 0]",
        from_output: FromOutput::Accurate,
        edges: LOGARITHMS,
        ufuncs: &[
            RowUfunc {
                form: RowForm::Value,
                formula: r"\log S_k = x_k - \log \sum_j e^{x_j}",
                error: ULP,
                example: ["[1.0, 2.0, 4.0]", "array([-3.16984602, -2.16984602, -0.16984602])"],
                loops: row_loops::<LogSoftmax, false>,
            },
            RowUfunc {
                form: RowForm::Backward,
                formula: r"g_k - S_k \sum_j g_j",
                error: LOG_BACKWARD,
                example: [
                    "[1.0, 0.0, 0.0], [1.0, 2.0, 4.0]",
                    "array([ 0.95798993, -0.1141952 , -0.84379473])",
                ],
                loops: row_loops::<LogSoftmaxBackward, false>,
            },
            RowUfunc {
                form: RowForm::DoubleBackward,
                formula: r"a_k - \bar a, \quad -S_k (a_k - \bar a) \sum_j g_j, \quad \bar a = \sum_j S_j a_j, \ a = gg",
                error: DOUBLE_BACKWARD,
                example: [
                    "[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 2.0, 4.0]",
                    "(array([-0.1141952,  0.8858048, -0.1141952]), \
                     array([ 0.00479735, -0.10115466,  0.09635731]))",
                ],
                loops: row_loops::<LogSoftmaxDoubleBackward, false>,
            },
            RowUfunc {
                form: RowForm::BackwardFromOutput,
                formula: r"g_k - e^{y_k} \sum_j g_j",
                error: LOG_FROM_OUTPUT,
                example: [
                    "[1.0, 0.0, 0.0], [-1.0, -2.0, -0.5]",
                    "array([ 0.63212056, -0.13533528, -0.60653066])",
                ],
                loops: row_loops::<LogSoftmaxBackwardFromOutput, false>,
            },
            RowUfunc {
                form: RowForm::Jacobian,
                formula: r"J_{ik} = \delta_{ik} - S_k",
                error: ULP,
                example: [
                    "[1.0, 2.0, 4.0]",
                    "array([[ 0.95798993, -0.1141952 , -0.84379473],\n       \
                     [-0.04201007,  0.8858048 , -0.84379473],\n       \
                     [-0.04201007, -0.1141952 ,  0.15620527]])",
                ],
                loops: jacobian_loops::<LogSoftmaxJacobian, false>,
            },
        ],
    },
    RowActivation {
        name: "softmin",
        aliases: &[],
        formula: r"\frac{e^{-x_k}}{\sum_j e^{-x_j}}",
        range: "[0, 1]",
        from_output: FromOutput::Accurate,
        edges: "inf counts for nothing: 0, and 0 in gradients. A row with NaN or -inf, or of inf \
                only, gives NaN; so does a gradient with NaN or inf.",
        ufuncs: &[
            RowUfunc {
                form: RowForm::Value,
                formula: r"S_k = \frac{e^{-x_k}}{\sum_j e^{-x_j}}",
                error: ULP_AND_A_HALF,
                example: ["[1.0, 2.0, 4.0]", "array([0.70538451, 0.25949646, 0.03511903])"],
                loops: row_loops::<Softmax, true>,
            },
            RowUfunc {
                form: RowForm::Backward,
                formula: r"-S_k (g_k - \sum_j S_j g_j)",
                error: BACKWARD,
                example: [
                    "[1.0, 0.0, 0.0], [1.0, 2.0, 4.0]",
                    "array([-0.2078172 ,  0.18304478,  0.02477242])",
                ],
                loops: row_loops::<SoftmaxBackward, true>,
            },
            RowUfunc {
                form: RowForm::DoubleBackward,
                formula: r"-S_k (a_k - \bar a), \quad S_k ((a_k - \bar a)(g_k - \bar g) - \sum_j S_j (a_j - \bar a)(g_j - \bar g)), \quad \bar a = \sum_j S_j a_j, \ a = gg",
                error: DOUBLE_BACKWARD,
                example: [
                    "[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 2.0, 4.0]",
                    "(array([ 0.18304478, -0.19215805,  0.00911326]), \
                     array([ 0.07518913, -0.08804584,  0.01285671]))",
                ],
                loops: row_loops::<SoftmaxDoubleBackward, true>,
            },
            RowUfunc {
                form: RowForm::BackwardFromOutput,
                formula: r"-y_k (g_k - \sum_j y_j g_j)",
                error: FROM_OUTPUT,
                example: ["[1.0, 0.0, 0.0], [0.5, 0.25, 0.25]", "array([-0.25 ,  0.125,  0.125])"],
                loops: row_loops::<SoftmaxBackwardFromOutput, true>,
            },
            RowUfunc {
                form: RowForm::Jacobian,
                formula: r"J_{ik} = -S_i (\delta_{ik} - S_k)",
                error: ULP,
                example: [
                    "[1.0, 2.0, 4.0]",
                    "array([[-0.2078172 ,  0.18304478,  0.02477242],\n       \
                     [ 0.18304478, -0.19215805,  0.00911326],\n       \
                     [ 0.02477242,  0.00911326, -0.03388568]])",
                ],
                loops: jacobian_loops::<SoftmaxJacobian, true>,
            },
        ],
    },
    RowActivation {
        name: "logsumexp",
        aliases: &[],
        formula: r"\log \sum_j e^{x_j}",
        range: "[-inf, inf)",
        from_output: FromOutput::No,
        edges: REDUCTION,
        ufuncs: &[
            RowUfunc {
                form: RowForm::Reduction,
                formula: r"\log \sum_j e^{x_j}",
                error: "at most 1 ulp, but where the largest x is negative and cancels against \
                        the logarithm of the sum, 2^-32 (float32) or 2^-56 (float64) of that x \
                        besides",
                example: ["[1.0, 2.0, 4.0]", "np.float64(4.169846019556286)"],
                loops: row_loops::<Logsumexp, false>,
            },
            RowUfunc {
                form: RowForm::ReductionBackward,
                formula: r"g \frac{e^{x_k}}{\sum_j e^{x_j}}",
                error: ULP_AND_A_HALF,
                example: ["2.0, [1.0, 2.0, 4.0]", "array([0.08402013, 0.2283904 , 1.68758947])"],
                loops: row_loops::<LogsumexpBackward, false>,
            },
        ],
    },
];
