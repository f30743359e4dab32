//! Rectifiers: piecewise polynomials of degree one and two.

use crate::activation::{Activation, Jet, Parameters};
use crate::math::Number;

/// `relu(x) = max(x, 0)`.
///
/// Error: exact.
/// Edges: NaN gives NaN in every form; `relu(-0.0) = 0.0`; `f'(0) = 0`.
pub struct Relu;

impl Activation for Relu {
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        Jet {
            // A NaN fails the comparison and is passed on.
            value: T::select(x <= T::ZERO, T::ZERO, x),
            derivative: relu_derivative(x),
            second_derivative: T::select(x.is_nan(), x, T::ZERO),
        }
    }

    /// `y > 0` exactly where `x > 0`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, parameters: Parameters<T>) -> T {
        Self::jet(y, parameters).derivative
    }
}

/// 1 for `x > 0`, 0 for `x <= 0`, NaN for NaN.
#[inline(always)]
pub fn relu_derivative<T: Number>(x: T) -> T {
    T::select(x > T::ZERO, T::ONE, T::select(x <= T::ZERO, T::ZERO, x))
}
