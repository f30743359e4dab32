//! Functions of rows: softmax, log_softmax, softmin, logsumexp, their gradients and Jacobians.
//!
//! | module | what it holds |
//! |---|---|
//! | [`extended`] | arithmetic with digits to spare, one for each element type |
//! | [`functions`] | the functions: what is summed, and what each element becomes |
//! | [`kernels`] | the loops, the order of summation, an instance for each instruction set |
//! | [`driver`] | strided rows of any storage format, and threads |
//!
//! [`ROW_FUNCTIONS`] lists them all. A result depends on the bits of its row alone: not on where
//! the row lies, its strides, the rows beside it, threads or the instruction set.

#[allow(unsafe_code, reason = "follows the pointers and strides of array operands")]
pub mod driver;
pub mod extended;
pub mod functions;
#[allow(unsafe_code, reason = "runs code compiled for instructions found at run time")]
pub mod kernels;

use driver::{Loops, Shape};
use functions::{
    Jacobian, LogSoftmax, LogSoftmaxBackward, LogSoftmaxBackwardFromOutput,
    LogSoftmaxDoubleBackward, LogSoftmaxJacobian, Logsumexp, LogsumexpBackward, Mirrored,
    RowFunction, Softmax, SoftmaxBackward, SoftmaxBackwardFromOutput, SoftmaxDoubleBackward,
    SoftmaxJacobian, SoftminJacobian,
};
use kernels::{jacobian_kernels, row_kernels};

use crate::simd::Level;

/// A flat row function.
#[derive(Clone, Copy)]
pub struct RowUfunc {
    pub name: &'static str,
    /// The core dimensions, as NumPy writes them.
    pub signature: &'static str,
    pub documentation: &'static str,
    loops: fn(Level) -> Loops,
}

impl RowUfunc {
    /// Its loops for an instruction set.
    pub fn loops(&self, level: Level) -> Loops {
        (self.loops)(level)
    }
}

const fn shape<F: RowFunction>() -> Shape {
    Shape {
        gradients: F::GRADIENTS,
        scalar_gradient: F::SCALAR_GRADIENT,
        results: F::RESULTS,
        weighted: F::WEIGHTED && F::RESULTS > 0,
        references: F::REFERENCES,
        patched: F::PATCHED,
        jacobian: false,
    }
}

fn row_loops<F: RowFunction>(level: Level) -> Loops {
    Loops {
        shape: shape::<F>(),
        single: row_kernels::<F, f32>(level),
        double: row_kernels::<F, f64>(level),
        jacobian: None,
    }
}

fn jacobian_loops<J: Jacobian>(level: Level) -> Loops {
    Loops {
        shape: Shape { jacobian: true, results: 1, ..shape::<J::Sums>() },
        jacobian: Some((jacobian_kernels::<J, f32>(level), jacobian_kernels::<J, f64>(level))),
        ..row_loops::<J::Sums>(level)
    }
}

const fn row(
    name: &'static str,
    signature: &'static str,
    documentation: &'static str,
    loops: fn(Level) -> Loops,
) -> RowUfunc {
    RowUfunc { name, signature, documentation, loops }
}

/// All row functions.
pub const ROW_FUNCTIONS: &[RowUfunc] = &[
    row(
        "softmax",
        "(n)->(n)",
        "The softmax e^x_k / sum_j e^x_j of each row.",
        row_loops::<Softmax>,
    ),
    row(
        "softmax_backward",
        "(n),(n)->(n)",
        "The gradient of softmax: S_k (grad_k - sum_j S_j grad_j), S = softmax(x).",
        row_loops::<SoftmaxBackward>,
    ),
    row(
        "softmax_backward_from_output",
        "(n),(n)->(n)",
        "The gradient of softmax from its output y: y_k (grad_k - sum_j y_j grad_j).",
        row_loops::<SoftmaxBackwardFromOutput>,
    ),
    row(
        "softmax_double_backward",
        "(n),(n),(n)->(n),(n)",
        "The gradients of sum_k gg_k softmax_backward(grad, x)_k with respect to grad and x.",
        row_loops::<SoftmaxDoubleBackward>,
    ),
    row(
        "softmax_jacobian",
        "(n)->(n,n)",
        "The Jacobian of softmax: S_k (1 - S_k) on the diagonal, -S_i S_k off it.",
        jacobian_loops::<SoftmaxJacobian>,
    ),
    row(
        "log_softmax",
        "(n)->(n)",
        "The logarithm of softmax, x_k - log sum_j e^x_j, of each row.",
        row_loops::<LogSoftmax>,
    ),
    row(
        "log_softmax_backward",
        "(n),(n)->(n)",
        "The gradient of log_softmax: grad_k - S_k sum_j grad_j, S = softmax(x).",
        row_loops::<LogSoftmaxBackward>,
    ),
    row(
        "log_softmax_backward_from_output",
        "(n),(n)->(n)",
        "The gradient of log_softmax from its output y: grad_k - e^y_k sum_j grad_j.",
        row_loops::<LogSoftmaxBackwardFromOutput>,
    ),
    row(
        "log_softmax_double_backward",
        "(n),(n),(n)->(n),(n)",
        "The gradients of sum_k gg_k log_softmax_backward(grad, x)_k with respect to grad and x.",
        row_loops::<LogSoftmaxDoubleBackward>,
    ),
    row(
        "log_softmax_jacobian",
        "(n)->(n,n)",
        "The Jacobian of log_softmax: 1 - S_k on the diagonal, -S_k off it.",
        jacobian_loops::<LogSoftmaxJacobian>,
    ),
    row(
        "softmin",
        "(n)->(n)",
        "The softmin softmax(-x) of each row.",
        row_loops::<Mirrored<Softmax>>,
    ),
    row(
        "softmin_backward",
        "(n),(n)->(n)",
        "The gradient of softmin: -S_k (grad_k - sum_j S_j grad_j), S = softmin(x).",
        row_loops::<Mirrored<SoftmaxBackward>>,
    ),
    row(
        "softmin_backward_from_output",
        "(n),(n)->(n)",
        "The gradient of softmin from its output y: -y_k (grad_k - sum_j y_j grad_j).",
        row_loops::<Mirrored<SoftmaxBackwardFromOutput>>,
    ),
    row(
        "softmin_double_backward",
        "(n),(n),(n)->(n),(n)",
        "The gradients of sum_k gg_k softmin_backward(grad, x)_k with respect to grad and x.",
        row_loops::<Mirrored<SoftmaxDoubleBackward>>,
    ),
    row(
        "softmin_jacobian",
        "(n)->(n,n)",
        "The Jacobian of softmin: -S_k (1 - S_k) on the diagonal, S_i S_k off it.",
        jacobian_loops::<SoftminJacobian>,
    ),
    row("logsumexp", "(n)->()", "log sum_j e^x_j of each row.", row_loops::<Logsumexp>),
    row(
        "logsumexp_backward",
        "(),(n)->(n)",
        "The gradient of logsumexp: grad softmax(x)_k.",
        row_loops::<LogsumexpBackward>,
    ),
];
