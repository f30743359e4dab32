//! The activations, one file for each family.

pub mod logit;
pub mod relu;
pub mod sigmoid;
pub mod softplus;
pub mod tanh_shrink;
