//! The sparse counterparts of softplus and sigmoid: exactly 0 to the left of -1.

use super::unless_nan;
use crate::activation::{ALL_FORMS, Activation, Jet, Parameters};
use crate::math::Number;
use crate::math::odd;

/// `sparse_plus(x) = 0` for `x <= -1`, `(x + 1)^2/4` on `(-1, 1)`, `x` for `x >= 1`.
///
/// Error: value at most 0.51 ulp, derivative at most 0.5 ulp, second derivative exact.
/// Edges: NaN gives NaN in every form; `f''(-1) = f''(1) = 0`.
/// Method: `x + 1` as a pair.
pub struct SparsePlus;

impl Activation for SparsePlus {
    const LIGHT: &'static [&'static str] = &["derivative", "backward"];
    const NEVER_OPEN: &'static [&'static str] =
        &["", "derivative", "value_and_derivative", "derivative_from_output"];
    const ODD: &'static [&'static str] = &["", "value_and_derivative", "backward"];

    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        // (x + 1)/2 and what the sum lacks, exact where it counts: -1 <= x <= 1.
        let right = x.at_least(-T::ONE);
        let half = right.mul_add(T::HALF, T::HALF);
        let rest = right - half.mul_add(T::TWO, -T::ONE);
        let bow = half.mul_add(half, half * rest);
        Jet {
            value: T::select(x >= T::ONE, x, bow),
            derivative: ramp(x),
            second_derivative: step(x, -T::ONE, T::ONE),
        }
    }

    /// `sqrt(y)`, at most 1.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, _: Parameters<T>) -> T {
        T::select(y <= T::ZERO, T::ZERO, y.at_most(T::ONE)).sqrt()
    }

    #[inline(always)]
    fn odd_value<T: Number>(x: T) -> T {
        let [below, above] = [x <= -T::ONE, x >= T::ONE];
        T::select(below, T::ZERO, T::select(above, x, odd::sparse_plus_bow(x)))
    }

    #[inline(always)]
    fn odd_backward<T: Number>(grad: T, x: T) -> T {
        T::select(x >= T::ONE, grad, odd::times_sparse_plus_line(grad, x))
    }
}

/// `sparse_sigmoid(x) = min(max((x + 1)/2, 0), 1)`.
///
/// Error: value at most 0.5 ulp, the rest exact.
/// Edges: NaN gives NaN in every form; `f'(-1) = f'(1) = 0`.
pub struct SparseSigmoid;

impl Activation for SparseSigmoid {
    const LIGHT: &'static [&'static str] = ALL_FORMS;
    const NEVER_OPEN: &'static [&'static str] = ALL_FORMS;

    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        Jet {
            value: ramp(x),
            derivative: step(x, -T::ONE, T::ONE),
            second_derivative: unless_nan(T::ZERO, [x]),
        }
    }

    /// `1/2` for `0 < y < 1`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, _: Parameters<T>) -> T {
        step(y, T::ZERO, T::ONE)
    }
}

/// `min(max((x + 1)/2, 0), 1)`.
#[inline(always)]
fn ramp<T: Number>(x: T) -> T {
    (T::HALF * (x + T::ONE)).at_least(T::ZERO).at_most(T::ONE)
}

/// `1/2` for `low < x < high`, else 0; NaN for NaN.
#[inline(always)]
fn step<T: Number>(x: T, low: T, high: T) -> T {
    unless_nan(T::select(x > low && x < high, T::HALF, T::ZERO), [x])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_jet_at, assert_nan_stays, in_both_precisions};
    use super::*;

    const INFINITY: f64 = f64::INFINITY;

    in_both_precisions! {
        fn nan_stays<T>() {
            assert_nan_stays::<SparsePlus, T>(0.0, [0.0; 2]);
            assert_nan_stays::<SparseSigmoid, T>(0.0, [0.0; 2]);
        }

        fn kinks<T>() {
            assert_jet_at::<SparsePlus, T>(-1.0, [0.0; 2], [0.0, 0.0, 0.0]);
            assert_jet_at::<SparsePlus, T>(0.0, [0.0; 2], [0.25, 0.5, 0.5]);
            assert_jet_at::<SparsePlus, T>(1.0, [0.0; 2], [1.0, 1.0, 0.0]);
            assert_jet_at::<SparseSigmoid, T>(-1.0, [0.0; 2], [0.0, 0.0, 0.0]);
            assert_jet_at::<SparseSigmoid, T>(1.0, [0.0; 2], [1.0, 0.0, 0.0]);
        }

        fn limits<T>() {
            assert_jet_at::<SparsePlus, T>(-INFINITY, [0.0; 2], [0.0, 0.0, 0.0]);
            assert_jet_at::<SparsePlus, T>(INFINITY, [0.0; 2], [INFINITY, 1.0, 0.0]);
            assert_jet_at::<SparseSigmoid, T>(-INFINITY, [0.0; 2], [0.0, 0.0, 0.0]);
            assert_jet_at::<SparseSigmoid, T>(INFINITY, [0.0; 2], [1.0, 0.0, 0.0]);
        }
    }
}
