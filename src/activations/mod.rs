//! The activations, one file for each family.

pub mod gelu_tanh;
pub mod logit;
pub mod mish;
pub mod relu;
pub mod sigmoid;
pub mod silu;
pub mod softplus;
pub mod tanh_shrink;

/// Asserts that the results are the expected ones, the signs of zeros included.
#[cfg(test)]
fn assert_jet<T: crate::math::Number>(jet: crate::activation::Jet<T>, expected: [f64; 3]) {
    let results = [jet.value, jet.derivative, jet.second_derivative];
    for (result, expected) in results.into_iter().zip(expected.map(T::literal)) {
        assert!(result == expected);
        assert!(T::ONE.copysign(result) == T::ONE.copysign(expected));
    }
}
