//! Piecewise linear stand-ins for sigmoid, silu and tanh.

use super::unless_nan;
use crate::activation::{ALL_FORMS, Activation, Jet, Parameters};
use crate::math::Number;
use crate::math::double::{Double, fast_two_sum};
use crate::math::odd;

/// `1/6` and `1/3` as pairs.
const SIXTH: (f64, f64) = (1.0 / 6.0, 9.25185853854297e-18);
const THIRD: (f64, f64) = (1.0 / 3.0, 1.850371707708594e-17);

/// `hard_sigmoid(x) = min(max((x + 3)/6, 0), 1)`.
///
/// Error: value at most 0.51 ulp, derivative at most 0.5 ulp.
/// Edges: NaN gives NaN in every form; `f'(-3) = f'(3) = 0`.
/// Method: `x + 3` and `1/6` as pairs.
pub struct HardSigmoid;

impl Activation for HardSigmoid {
    const LIGHT: &'static [&'static str] =
        &["derivative", "backward", "derivative_from_output", "backward_from_output"];
    const NEVER_OPEN: &'static [&'static str] = ALL_FORMS;

    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let three = T::literal(3.0);
        let inside = x > -three && x < three;
        // Exact, and at the ends 0 and 6.
        let sum = fast_two_sum(three, x.at_least(-three).at_most(three));
        Jet {
            value: sum.multiply_round(T::pair(SIXTH.0, SIXTH.1)),
            derivative: unless_nan(T::select(inside, T::literal(SIXTH.0), T::ZERO), [x]),
            second_derivative: unless_nan(T::ZERO, [x]),
        }
    }

    /// `1/6` for `0 < y < 1`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, _: Parameters<T>) -> T {
        let inside = y > T::ZERO && y < T::ONE;
        unless_nan(T::select(inside, T::literal(SIXTH.0), T::ZERO), [y])
    }
}

/// `hard_swish(x) = x hard_sigmoid(x)`.
///
/// Error: value and derivative at most 0.51 ulp, second derivative at most 0.5 ulp.
/// Edges: NaN gives NaN in every form; `f'(-3) = 0`, `f'(3) = 1`, `f''(-3) = f''(3) = 0`.
/// Method: `x + 3`, `2x + 3`, `1/6` and `1/3` as pairs.
pub struct HardSwish;

impl Activation for HardSwish {
    const NEVER_OPEN: &'static [&'static str] = &["derivative"];
    const ODD: &'static [&'static str] = &["", "value_and_derivative", "backward"];

    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let three = T::literal(3.0);
        let below = x <= -three;
        let above = x >= three;
        let sixth = T::pair(SIXTH.0, SIXTH.1);
        // A little more, so that the tail of the gate is above 0 where its head is 1/2 or 1: a zero keeps
        // its sign, and infinity is not multiplied by 0.
        let more = Double { lo: sixth.lo + T::ULP * T::literal(1.0 / 1_048_576.0), ..sixth };
        // 1 from x = 3 on.
        let gate = fast_two_sum(three, x.at_most(three)).multiply(more);
        // Rounded once: x enters last.
        let bow = gate.times_round(x);
        // 2x + 3 as a pair, so that the zero at -3/2 is met: either the sum is exact, or 3 less than it.
        let hi = x.mul_add(T::TWO, three);
        let line = Double { hi, lo: x.mul_add(T::TWO, three - hi) }.multiply_round(sixth);
        let bend = T::select(below || above, T::ZERO, T::literal(THIRD.0));
        Jet {
            value: T::select(below, T::ZERO, bow),
            derivative: T::select(below, T::ZERO, T::select(above, T::ONE, line)),
            second_derivative: unless_nan(bend, [x]),
        }
    }

    #[inline(always)]
    fn odd_value<T: Number>(x: T) -> T {
        let [below, above] = [x <= -T::literal(3.0), x >= T::literal(3.0)];
        T::select(below, T::ZERO, T::select(above, x, odd::hard_swish_bow(x)))
    }

    #[inline(always)]
    fn odd_backward<T: Number>(grad: T, x: T) -> T {
        T::select(x >= T::literal(3.0), grad, odd::times_hard_swish_line(grad, x))
    }
}

/// `hard_tanh(x; low, high) = min(max(x, low), high)`.
///
/// Error: exact.
/// Edges: NaN in x, low or high gives NaN in every form; `f' = 0` at both ends, where the end's own
/// derivative is 1.
pub struct HardTanh;

impl Activation for HardTanh {
    const PARAMETERS: usize = 2;
    const DEFAULTS: Parameters<f64> = [-1.0, 1.0];
    const LIGHT: &'static [&'static str] = ALL_FORMS;
    const NEVER_OPEN: &'static [&'static str] = ALL_FORMS;

    #[inline(always)]
    fn jet<T: Number>(x: T, [low, high]: Parameters<T>) -> Jet<T> {
        Jet {
            value: unless_nan(x.at_least(low).at_most(high), [low, high]),
            derivative: inside(x, low, high),
            second_derivative: unless_nan(T::ZERO, [x, low, high]),
        }
    }

    #[inline(always)]
    fn parameter_derivatives<T: Number>(x: T, [low, high]: Parameters<T>) -> [T; 2] {
        let at_low = T::select(x <= low && low < high, T::ONE, T::ZERO);
        let at_high = T::select(x.at_least(low) >= high, T::ONE, T::ZERO);
        [unless_nan(at_low, [x, low, high]), unless_nan(at_high, [x, low, high])]
    }

    /// `low < y < high` exactly where `low < x < high`.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, [low, high]: Parameters<T>) -> T {
        inside(y, low, high)
    }
}

/// 1 for `low < x < high`, else 0; NaN for NaN.
#[inline(always)]
fn inside<T: Number>(x: T, low: T, high: T) -> T {
    unless_nan(T::select(x > low && x < high, T::ONE, T::ZERO), [x, low, high])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_jet_at, assert_nan_stays, in_both_precisions};
    use super::*;

    const INFINITY: f64 = f64::INFINITY;

    in_both_precisions! {
        /// In x and in every parameter, on every branch.
        fn nan_stays<T>() {
            assert_nan_stays::<HardSigmoid, T>(1.0, [0.0; 2]);
            assert_nan_stays::<HardSwish, T>(1.0, [0.0; 2]);
            for x in [-2.0, 0.0, 2.0] {
                assert_nan_stays::<HardTanh, T>(x, [-1.0, 1.0]);
            }
        }

        fn kinks<T>() {
            assert_jet_at::<HardSigmoid, T>(-3.0, [0.0; 2], [0.0, 0.0, 0.0]);
            assert_jet_at::<HardSigmoid, T>(3.0, [0.0; 2], [1.0, 0.0, 0.0]);
            assert_jet_at::<HardSwish, T>(-3.0, [0.0; 2], [0.0, 0.0, 0.0]);
            assert_jet_at::<HardSwish, T>(3.0, [0.0; 2], [3.0, 1.0, 0.0]);
            assert_jet_at::<HardTanh, T>(-1.0, [-1.0, 1.0], [-1.0, 0.0, 0.0]);
            assert_jet_at::<HardTanh, T>(1.0, [-1.0, 1.0], [1.0, 0.0, 0.0]);
        }

        fn zeros<T>() {
            assert_jet_at::<HardSigmoid, T>(0.0, [0.0; 2], [0.5, SIXTH.0, 0.0]);
            assert_jet_at::<HardSwish, T>(-0.0, [0.0; 2], [-0.0, 0.5, THIRD.0]);
            assert_jet_at::<HardSwish, T>(-1.5, [0.0; 2], [-0.375, 0.0, THIRD.0]);
        }

        fn limits<T>() {
            assert_jet_at::<HardSigmoid, T>(INFINITY, [0.0; 2], [1.0, 0.0, 0.0]);
            assert_jet_at::<HardSwish, T>(-INFINITY, [0.0; 2], [0.0, 0.0, 0.0]);
            assert_jet_at::<HardSwish, T>(INFINITY, [0.0; 2], [INFINITY, 1.0, 0.0]);
            assert_jet_at::<HardTanh, T>(-INFINITY, [-2.0, 1.0], [-2.0, 0.0, 0.0]);
        }

        fn ends_of_hard_tanh<T>() {
            let [minus_one, one] = [-T::ONE, T::ONE];
            let slopes = |x| HardTanh::parameter_derivatives(x, [minus_one, one]);
            assert!(slopes(minus_one) == [T::ONE, T::ZERO]);
            assert!(slopes(T::ZERO) == [T::ZERO, T::ZERO]);
            assert!(slopes(one) == [T::ZERO, T::ONE]);
        }
    }
}
