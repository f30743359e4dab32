//! The founding function: the derivatives of sigmoid, tanh and ReLU in one pass, rounded decimally.

use crate::activations::relu::relu_derivative;
use crate::math::Number;
use crate::math::double::Double;
use crate::math::exp::exp_decay;
use crate::simd::{ElementFunction, MAX_INPUTS, MAX_OUTPUTS};

/// `x -> (sigmoid'(x), tanh'(x), relu'(x))`, with one exponential.
///
/// Error: at most 1 ulp; the last bit may differ from that of the separate derivatives.
/// Method: `e = exp(-|x|)` gives `sigmoid' = e/(1+e)^2`, and its square, exact to the pair, gives
/// `tanh' = 4 e^2/(1+e^2)^2`.
pub struct Derivatives;

impl ElementFunction for Derivatives {
    const INPUTS: usize = 1;
    const OUTPUTS: usize = 3;

    #[inline(always)]
    fn apply<T: Number>(inputs: [T; MAX_INPUTS]) -> [T; MAX_OUTPUTS] {
        derivatives(inputs[0])
    }
}

/// `(x, 10^d, 10^e) -> (sigmoid' to d decimals, tanh' to e, relu')`.
///
/// The powers are at most 10^15, or 0 to round every digit away.
/// Error: none beyond that of [`Derivatives`]: each result is what Python's `round` gives.
pub struct RoundedDerivatives;

impl ElementFunction for RoundedDerivatives {
    const INPUTS: usize = 3;
    const OUTPUTS: usize = 3;

    #[inline(always)]
    fn apply<T: Number>(inputs: [T; MAX_INPUTS]) -> [T; MAX_OUTPUTS] {
        let [sigmoid, tanh, relu] = derivatives(inputs[0]);
        [round_decimal(sigmoid, inputs[1]), round_decimal(tanh, inputs[2]), relu]
    }
}

#[inline(always)]
fn derivatives<T: Number>(x: T) -> [T; 3] {
    let decay = exp_decay(Double::from(-x.abs()));
    let e = decay.to_double();
    let sigmoid_quotient = e.plus_larger(T::ONE).reciprocal();
    let sigmoid = decay.mantissa.multiply_round(sigmoid_quotient.square());

    let tanh_quotient = e.square().plus_larger(T::ONE).reciprocal();
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
    let rounded = integer / power;
    // With power = 0 the integer is 0: every digit is rounded away. A NaN stays.
    T::select(power == T::ZERO, product, rounded)
}
