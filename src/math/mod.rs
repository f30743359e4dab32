//! What activations are made of: the working precisions, pairs, and elementary functions.

pub mod double;
pub mod exp;
pub mod expm1;
pub mod gate;
pub mod log;
pub mod real;
pub mod tanh;

/// A working precision with every constant the kernels need.
pub trait Number:
    real::Real
    + exp::ExpConstants
    + gate::GateConstants
    + log::LogConstants
    + tanh::TanhConstants
    + crate::activations::gelu_tanh::GeluTanhConstants
    + crate::activations::mish::MishConstants
    + crate::activations::silu::SiluConstants
{
}
impl Number for f32 {}
impl Number for f64 {}
