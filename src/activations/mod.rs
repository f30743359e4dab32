//! The activations, one file for each family.

use crate::math::Number;

pub mod elu;
pub mod erf;
pub mod gelu;
pub mod gelu_tanh;
pub mod hard;
pub mod logit;
pub mod mish;
pub mod relu;
pub mod shrink;
pub mod sigmoid;
pub mod silu;
pub mod softplus;
pub mod softsign;
pub mod sparse;
pub mod tanh_shrink;

/// `result`, or NaN where an operand is NaN: for results that a select takes from elsewhere.
#[inline(always)]
pub fn unless_nan<T: Number, const N: usize>(result: T, operands: [T; N]) -> T {
    let mut nan = false;
    for operand in operands {
        nan |= operand.is_nan();
    }
    result.nan_where(nan)
}

/// Asserts that the results are the expected ones, the signs of zeros included.
#[cfg(test)]
fn assert_jet<T: crate::math::Number>(jet: crate::activation::Jet<T>, expected: [f64; 3]) {
    let results = [jet.value, jet.derivative, jet.second_derivative];
    for (result, expected) in results.into_iter().zip(expected.map(T::literal)) {
        assert!(result == expected);
        assert!(T::ONE.copysign(result) == T::ONE.copysign(expected));
    }
}

/// What the tests of the families share.
#[cfg(test)]
pub(crate) mod testing {
    use crate::activation::{Activation, Jet};
    use crate::math::Number;

    /// Tests generic over the precision, each run in both.
    macro_rules! in_both_precisions {
        ($($(#[$doc:meta])* fn $name:ident<T>() $body:block)*) => {$(
            $(#[$doc])*
            #[test]
            fn $name() {
                fn property<T: Number>() $body
                property::<f32>();
                property::<f64>();
            }
        )*};
    }
    pub(crate) use in_both_precisions;

    /// Fails unless a NaN in x, or in one of the parameters, is NaN in every form.
    pub fn assert_nan_stays<A: Activation, T: Number>(x: f64, parameters: [f64; 2]) {
        let good = [x, parameters[0], parameters[1]].map(T::literal);
        for place in 0..=A::PARAMETERS {
            let mut operands = good;
            operands[place] = T::NAN;
            let [x, parameters @ ..] = operands;
            if A::is_ordinary(x, parameters) {
                let Jet { value, derivative, second_derivative } = A::ordinary_jet(x, parameters);
                assert!(value.is_nan() && derivative.is_nan() && second_derivative.is_nan());
            }
            let Jet { value, derivative, second_derivative } = A::jet(x, parameters);
            assert!(value.is_nan(), "value, operand {place}");
            assert!(derivative.is_nan(), "derivative, operand {place}");
            assert!(second_derivative.is_nan(), "second derivative, operand {place}");
            let from_output = A::derivative_from_output(x, parameters);
            assert!(from_output.is_nan(), "derivative from output, operand {place}");
            for slope in &A::parameter_derivatives(x, parameters)[..A::PARAMETERS] {
                assert!(slope.is_nan(), "parameter derivative, operand {place}");
            }
        }
    }

    /// Asserts that the jet at x is this, the signs of zeros included.
    pub fn assert_jet_at<A: Activation, T: Number>(x: f64, parameters: [f64; 2], jet: [f64; 3]) {
        super::assert_jet(A::jet(T::literal(x), parameters.map(T::literal)), jet);
    }
}
