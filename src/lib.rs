//! The calculus of neural-network activation functions: a map of the code.
//!
//! | module | what it holds |
//! |---|---|
//! | [`catalogue`] | the list: one row for each activation, from which the rest follows |
//! | [`activation`] | what an activation is, and how its forms are projected from its jet |
//! | [`activations`] | the jets, one file for each family |
//! | [`gated`] | gated linear units: a value times an activation of a gate |
//! | [`founding`] | `derivatives`: sigmoid, tanh and ReLU in one pass, decimally rounded |
//! | [`math`] | working precisions, pairs `hi + lo`, elementary functions |
//! | [`simd`] | instruction sets, and the loop compiled for each |
//! | [`storage`] | storage formats: reading them and rounding to them |
//! | `settling` | results of half formats that float32 leaves open |
//! | [`operands`] | strides and overlap: from arrays to kernels |
//! | [`rows`] | softmax and its relatives: functions of rows |
//! | [`grid`] | operands that repeat along some of several axes |
//! | [`threads`] | splitting a large call |
//! | `experience` | whether splitting made short calls shorter |
//! | [`helpers`] | the threads that take parts of it |
//! | [`float_status`] | the floating-point environment of a call |
//! | `documentation` | the docstrings of the ufuncs (feature `python`) |
//! | `ufunc` | the NumPy C API: loops, registration, type resolution (feature `python`) |
//! | `row_ufunc` | the same for functions of rows (feature `python`) |
//! | `direct` | calls on plain arrays, past NumPy (feature `python`) |
//! | `form` | the same with parameters (feature `python`) |
//! | `callable` | objects that are called as fast as functions (feature `python`) |
//! | `python` | the extension module `actgrad._core` (feature `python`) |
//!
//! Invariants: kernels are generic over `f32` and `f64`, branch-free, and cannot panic, allocate or
//! touch Python. A result depends on the input's bits alone: not on its position, stride, thread or
//! instruction set. `unsafe` appears in `simd`, `operands`, `float_status`, `helpers`, `rows::kernels`,
//! `rows::driver`, `ufunc`, `row_ufunc`, `direct`, `form`, `callable`, and where `documentation` and
//! `python` compute one element.

#![deny(unsafe_code)]

pub mod activation;
pub mod activations;
pub mod catalogue;
mod experience;
#[allow(unsafe_code, reason = "reads and writes the floating-point control register")]
pub mod float_status;
pub mod founding;
pub mod gated;
#[allow(unsafe_code, reason = "calls kernels on elements it finds by strides")]
pub mod grid;
#[allow(unsafe_code, reason = "lets other threads call what lives as long as a call")]
pub mod helpers;
pub mod math;
#[allow(unsafe_code, reason = "follows the pointers and strides of array operands")]
pub mod operands;
pub mod rows;
mod settling;
#[allow(unsafe_code, reason = "calls code compiled for instructions found at run time")]
pub mod simd;
pub mod storage;
pub mod threads;

#[cfg(feature = "python")]
#[allow(unsafe_code, reason = "computes its examples with a kernel")]
mod documentation;

#[cfg(feature = "python")]
#[allow(unsafe_code, reason = "is called by NumPy with raw operands")]
mod row_ufunc;

#[cfg(feature = "python")]
#[allow(unsafe_code, reason = "calls the C API of NumPy")]
mod ufunc;

#[cfg(feature = "python")]
#[allow(unsafe_code, reason = "is called by Python and NumPy with borrowed objects")]
mod direct;

#[cfg(feature = "python")]
#[allow(unsafe_code, reason = "reads the arguments of direct calls")]
mod form;

#[cfg(feature = "python")]
#[allow(unsafe_code, reason = "defines classes with the C API of Python")]
mod callable;

#[cfg(feature = "python")]
#[allow(unsafe_code, reason = "the fast path of `derivatives` calls a kernel")]
mod python;
