//! The founding function: the derivatives of sigmoid, tanh and ReLU in one pass, rounded decimally.

use crate::activations::relu::relu_derivative;
use crate::math::Number;
use crate::math::double::Double;
use crate::math::exp::exp_decay;
use crate::math::quotient::reciprocal_pair;
use crate::simd::{ElementFunction, MAX_INPUTS, MAX_OUTPUTS};

/// `x -> (sigmoid'(x), tanh'(x), relu'(x))`, with one exponential.
///
/// Error: at most 1 ulp; the last bit may differ from that of the separate derivatives.
/// Method: `e = exp(-|x|)` gives `sigmoid' = e/(1+e)^2`, and its square, exact to the pair, gives
/// `tanh' = 4 e^2/(1+e^2)^2`.
pub struct Derivatives;

impl ElementFunction for Derivatives {
    type Home = Self;
    const INPUTS: usize = 1;
    const OUTPUTS: usize = 3;

    #[inline(always)]
    fn apply<T: Number>(inputs: [T; MAX_INPUTS]) -> [T; MAX_OUTPUTS] {
        derivatives(inputs[0])
    }
}

/// `x -> (sigmoid'(x) to 4 decimals, tanh'(x) to 2, relu'(x))`.
///
/// Error: none beyond that of [`Derivatives`]: each result is what Python's `round` gives.
pub struct RoundedDerivatives;

impl ElementFunction for RoundedDerivatives {
    type Home = Self;
    const INPUTS: usize = 1;
    const OUTPUTS: usize = 3;

    #[inline(always)]
    fn apply<T: Number>(inputs: [T; MAX_INPUTS]) -> [T; MAX_OUTPUTS] {
        let [sigmoid, tanh, relu] = derivatives(inputs[0]);
        [round_decimal(sigmoid, T::literal(1e4)), round_decimal(tanh, T::literal(1e2)), relu]
    }
}

/// `(v, 10^d) -> v` rounded to `d` decimals, for `v` in `[0, 1]` and `d` from 0 to 15.
///
/// Error: none: the result is what Python's `round` gives.
pub struct RoundDecimal;

impl ElementFunction for RoundDecimal {
    type Home = Self;
    const INPUTS: usize = 2;
    const OUTPUTS: usize = 1;

    #[inline(always)]
    fn apply<T: Number>(inputs: [T; MAX_INPUTS]) -> [T; MAX_OUTPUTS] {
        [round_decimal(inputs[0], inputs[1]), T::ZERO, T::ZERO]
    }
}

#[inline(always)]
fn derivatives<T: Number>(x: T) -> [T; 3] {
    let decay = exp_decay(Double::from(-x.abs()));
    let e = decay.to_double();
    let sigmoid_quotient = reciprocal_pair(e.plus_larger(T::ONE));
    let sigmoid = decay.mantissa.multiply_round(sigmoid_quotient.square());

    let tanh_quotient = reciprocal_pair(e.square().plus_larger(T::ONE));
    let tanh = decay.mantissa.square().multiply_round(tanh_quotient.square());
    // 2^k is normal wherever 4^k is not below the subnormals: one rounding, at the end.
    let power = decay.power * T::UNBIAS;
    let four = T::TWO + T::TWO;
    [sigmoid * decay.power * T::UNBIAS, tanh * (four * power) * power, relu_derivative(x)]
}

/// `value` in `[0, 1]` rounded to the decimals of `power = 10^d`, halves to even: `round(value, d)`.
///
/// Method: `value 10^d` as an exact pair `p + e` decides the integer `n`; `n / 10^d`, both exact, is
/// then the double nearest to the decimal.
#[inline(always)]
fn round_decimal<T: Number>(value: T, power: T) -> T {
    let product = value * power;
    let error = value.mul_add(power, -product);
    let nearest = product.round_to_integer();
    // |difference| < 1/2 leaves at least an ulp of p to the half, more than e can cross.
    let difference = product - nearest;
    let above = difference == T::HALF && error > T::ZERO;
    let below = difference == -T::HALF && error < T::ZERO;
    let integer = nearest + T::select(above, T::ONE, T::ZERO) - T::select(below, T::ONE, T::ZERO);
    integer / power
}

#[cfg(test)]
mod tests {
    use super::round_decimal;

    /// Rust formats exactly, halves to even, as Python's `round` does.
    fn expected(value: f64, decimals: usize) -> f64 {
        format!("{value:.decimals$}").parse().unwrap()
    }

    #[test]
    fn rounds_as_the_exact_decimal_does() {
        for decimals in 0..=15 {
            let power = 10_f64.powi(decimals);
            for step in 0..20_000_u32 {
                let value = f64::from(step) / 20_000.0;
                for value in [value, value.next_up(), value.next_down().max(0.0)] {
                    let rounded = round_decimal(value.min(1.0), power);
                    assert_eq!(rounded, expected(value.min(1.0), decimals as usize), "{value}");
                }
            }
        }
    }

    #[test]
    fn rounds_exact_ties_to_even() {
        // k/2^n with n > d is the only way to a tie: 0.125 and 0.375 at two decimals, and so on.
        for (value, decimals) in [(0.125, 2), (0.375, 2), (0.5, 0), (0.0625, 3), (0.1875, 3)] {
            let power = 10_f64.powi(decimals);
            assert_eq!(round_decimal(value, power), expected(value, decimals as usize), "{value}");
        }
    }

    #[test]
    fn keeps_nan() {
        assert!(round_decimal(f64::NAN, 1e4).is_nan());
    }
}
