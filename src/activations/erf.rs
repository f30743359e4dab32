//! The error function.

use crate::activation::{Activation, Jet, Parameters};
use crate::math::Number;
use crate::math::double::{Double, polynomial, polynomial_by_pairs, two_product};
use crate::math::exp::reduce;

/// `erf(x)`, the integral of `2/sqrt(pi) exp(-t^2)` from 0 to x.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN gives NaN; -1 and 1 at the infinities, with derivatives 0 and second derivatives 0.0
/// and -0.0; `erf(-0.0) = -0.0`.
/// Method: below a border b `x + x q(x^2)` with a polynomial q. From there on `1 - erfc(|x|)`,
/// where erfc need be right to a fraction of an ulp of 1 only: `erfc(b) (1 - w)^8` with a
/// polynomial w in `|x| - b`. The derivatives have `exp(-x^2)` with what rounding takes from the
/// square.
/// Source: the power of a polynomial is from C. Hastings, "Approximations for digital computers",
/// 1955.
pub struct Erf;

impl Activation for Erf {
    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        // 2/sqrt(pi)
        let steepness = T::pair(core::f64::consts::FRAC_2_SQRT_PI, 1.533545961316588e-17);
        let bounded = x.at_least(-T::ERF_SLOPE_LARGEST).at_most(T::ERF_SLOPE_LARGEST);
        let gauss = Gauss::at(bounded);
        // -2x, times a power of two that leaves it normal.
        let factor = steepness.times(-(T::TWO * bounded) * gauss.power);
        Jet {
            value: value(x),
            derivative: gauss.times(steepness) * gauss.power * T::UNBIAS,
            // The sum would lose the sign of zero.
            second_derivative: (gauss.times(factor) * T::UNBIAS).copysign(-x),
        }
    }
}

#[inline(always)]
fn value<T: Number>(x: T) -> T {
    let magnitude = x.abs().at_most(T::ERF_LARGEST);
    // Exact, and 0 at the border, so that w is the more accurate, the larger erfc.
    let y = magnitude - T::ERF_BORDER;
    // erfc(|x|) = erfc(b) (1 - w)^8, and (1 - w)^2 = 1 - (2 w - w^2).
    let mut w = y * polynomial_by_pairs(y, y * y, T::ERF_FAR, T::ONE);
    for _ in 0..3 {
        w = (-w).mul_add(w, w + w);
    }
    let far = (T::ONE - T::ERF_AT_BORDER).mul_add(w, T::ERF_AT_BORDER);
    let near = polynomial(magnitude * magnitude, T::ERF_NEAR).mul_add(magnitude, magnitude);
    T::select(magnitude < T::ERF_BORDER, near, far).copysign(x)
}

/// `exp(-x^2) = (head + rest) power UNBIAS`, where `|rest| < 0.07`.
#[derive(Clone, Copy)]
struct Gauss<T> {
    head: T,
    rest: T,
    power: T,
}

impl<T: Number> Gauss<T> {
    /// For `|x| <= ERF_SLOPE_LARGEST`; error: relative 2^-26 (`f32`), 2^-55 (`f64`).
    #[inline(always)]
    fn at(x: T) -> Self {
        let square = two_product(x, x).negate();
        let (k, power) = square.hi.times_rounded_with_power(T::LOG2_E, T::EXP_BIAS);
        let reduced = reduce(square.hi, square.lo, k);
        let head = T::ONE + reduced.hi;
        let dropped = reduced.hi - (head - T::ONE);
        let r = reduced.hi + reduced.lo;
        let rest = (r * r).mul_add(polynomial(r, T::EXP_TAIL), dropped + reduced.lo);
        Gauss { head, rest, power }
    }

    /// `(head + rest) factor`, rounded.
    #[inline(always)]
    fn times(&self, factor: Double<T>) -> T {
        let rest = self.rest.mul_add(factor.hi, self.head * factor.lo);
        self.head.mul_add(factor.hi, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::Erf;
    use crate::activation::Activation;
    use crate::activations::testing::{assert_jet_at, assert_nan_stays, in_both_precisions};
    use crate::math::Number;

    in_both_precisions! {
        fn reaches_its_limits<T>() {
            for x in [f64::INFINITY, f64::MAX, 1e30, 40.0] {
                assert_jet_at::<Erf, T>(x, [0.0; 2], [1.0, 0.0, -0.0]);
                assert_jet_at::<Erf, T>(-x, [0.0; 2], [-1.0, 0.0, 0.0]);
            }
        }

        fn is_odd_at_zero<T>() {
            let slope = core::f64::consts::FRAC_2_SQRT_PI;
            assert_jet_at::<Erf, T>(0.0, [0.0; 2], [0.0, slope, -0.0]);
            assert_jet_at::<Erf, T>(-0.0, [0.0; 2], [-0.0, slope, 0.0]);
        }

        fn nan_stays<T>() {
            assert_nan_stays::<Erf, T>(1.0, [0.0; 2]);
        }

        /// `erf(x)` is `2/sqrt(pi) x` in the subnormals, its second derivative twice that.
        fn keeps_the_smallest_numbers<T>() {
            let smallest = (1..T::DIGITS).fold(T::MIN_POSITIVE, |number, _| T::HALF * number);
            let jet = Erf::jet(smallest, [T::ZERO; 2]);
            assert!(jet.value == smallest);
            assert!(jet.second_derivative == -(smallest + smallest));
            let eight = T::literal(8.0) * smallest;
            assert!(Erf::jet(-eight, [T::ZERO; 2]).value == -(eight + smallest));
        }
    }
}
