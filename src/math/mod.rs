//! What activations are made of: the working precisions, pairs, and elementary functions.

pub mod double;
pub mod erf;
pub mod exp;
pub mod expm1;
pub mod gate;
pub mod hyperbolic;
pub mod log;
pub mod mills;
pub mod odd;
pub mod quotient;
pub mod real;
pub mod root;
pub mod tanh;
pub mod wide;

/// A working precision with every constant the kernels need.
pub trait Number:
    real::Real
    + erf::ErfConstants
    + exp::ExpConstants
    + gate::GateConstants
    + hyperbolic::HyperbolicConstants
    + log::LogConstants
    + mills::MillsConstants
    + tanh::TanhConstants
    + wide::WideConstants
    + crate::activations::gelu_tanh::GeluTanhConstants
    + crate::activations::logit::LogitConstants
    + crate::activations::mish::MishConstants
    + crate::activations::silu::SiluConstants
{
}
impl Number for f32 {}
impl Number for f64 {}
