//! The activations, one file for each family.

pub mod relu;
pub mod sigmoid;
