//! Functions of rows: softmax, log_softmax, softmin, logsumexp, their gradients and Jacobians.
//!
//! | module | what it holds |
//! |---|---|
//! | [`extended`] | arithmetic with digits to spare, one for each element type |
//! | [`functions`] | the functions: what is summed, and what each element becomes |
//! | [`kernels`] | the loops, the order of summation, an instance for each instruction set |
//! | [`driver`] | strided rows of any storage format, and threads |
//! | [`catalogue`] | the list, from which the ufuncs and their documentation follow |
//!
//! A result depends on the bits of its row alone: not on where
//! the row lies, its strides, the rows beside it, threads or the instruction set.

#![allow(clippy::needless_range_loop, reason = "a lane's number indexes several arrays")]

pub mod catalogue;
#[allow(unsafe_code, reason = "follows the pointers and strides of array operands")]
pub mod driver;
pub mod extended;
pub mod functions;
#[allow(unsafe_code, reason = "runs code compiled for instructions found at run time")]
pub mod kernels;
