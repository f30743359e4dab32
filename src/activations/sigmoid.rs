//! The logistic function and the hyperbolic tangent.

use crate::activation::{Activation, FROM_OUTPUT, Jet, Parameters};
use crate::math::Number;
use crate::math::double::Double;
use crate::math::gate::{
    Factor, Gate, Reach, is_plain_product, plain_times_sigma, sigma, times_sigma,
};
use crate::math::odd;
use crate::math::tanh::{tanh_by_pieces, tanh_pair, tanh_piece, tanh_round};
use crate::simd::MAX_TABLES;

/// `sigmoid(x) = 1 / (1 + e^-x)`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN gives NaN; 0 and 1 at the infinities, with derivatives 0.
/// Method: [`Gate`] at `-|x|` for the derivative `sigma(x) sigma(-x)`; the second
/// derivative is `-sigma'(x) tanh(x/2)`.
pub struct Sigmoid;

impl Activation for Sigmoid {
    const LIGHT: &'static [&'static str] = FROM_OUTPUT;
    const NEVER_OPEN: &'static [&'static str] = &["derivative_from_output"];
    const ODD: &'static [&'static str] = FROM_OUTPUT;

    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let value = times_sigma::<T, false>(T::ONE, Double::from(x.at_least(T::EXP_LOWEST)));
        // 1 - e^-x rounds to the number below 1 until e^-x = 2^-(DIGITS + 1).
        let last = T::literal(f64::from(T::DIGITS + 1) * core::f64::consts::LN_2);
        let nearly_one = T::ONE - T::select(x > last, T::ZERO, T::HALF * T::ULP);
        let distance = (-x.abs()).at_least(T::EXP_LOWEST);
        let gate = Gate::at::<false>(Double::from(distance));
        // The product's scale is that of its result: a subnormal one is rounded once.
        let bend = tanh_pair(T::HALF * x).scale(T::UNBIAS.reciprocal());
        let bend = bend.multiply_round(gate.slope());
        Jet {
            value: T::select(x > T::SILU_LINEAR, nearly_one, value),
            derivative: gate.slope_round() * gate.power,
            second_derivative: -(bend * gate.power * T::UNBIAS),
        }
    }

    #[inline(always)]
    fn jet_times<T: Number>(factor: Factor<T>, x: T) -> Jet<T> {
        let zero = |sign: T| Double { hi: T::ZERO.copysign(sign), lo: T::ZERO.copysign(sign) };
        let reach = Reach::of(Double::from(x.at_most(T::GATE_OPEN)));
        let (part, power) = sigma(reach.v);
        let part = Double::select(x == -T::INFINITY, zero(T::ONE), part);
        let value = reach.product(factor, part, power);

        let infinite = x.abs() == T::INFINITY;
        let reach = Reach::of(Double::from(-x.abs()));
        let gate = Gate::at::<true>(reach.v);
        // Divided by the power, the slope has the factor UNBIAS.
        let lift = T::UNBIAS.reciprocal();
        let slope = Double::select(infinite, zero(T::ONE), gate.slope().scale(lift));
        let bend = tanh_pair(T::HALF * x).scale(-lift).multiply(gate.slope());
        let bend = Double::select(infinite, zero(-x), bend);
        // The second derivative is -x/8 near 0, where x has to be lifted.
        let near = x.abs() < T::ULP;
        let bend = Double::select(near, Double::from(x * (T::literal(-0.125) * lift)), bend);
        let power = T::select(near, T::ONE, gate.power);
        Jet {
            value,
            derivative: reach.product(factor, slope, gate.power),
            second_derivative: reach.product(factor, bend, power),
        }
    }

    const HAS_PLAIN: bool = true;

    #[inline(always)]
    fn is_plain<T: Number>(factor: T, x: T) -> bool {
        is_plain_product(factor, x)
    }

    #[inline(always)]
    fn plain_value<T: Number>(factor: T, x: T) -> T {
        plain_times_sigma(Double::from(factor * T::UNBIAS.reciprocal()), x)
    }

    #[inline(always)]
    fn plain_products<T: Number>(factors: [T; 2], x: T) -> [T; 2] {
        let [a, b] = factors.map(|factor| factor * T::UNBIAS.reciprocal());
        let gate = Gate::plain(-x.abs());
        let (sigma, power) = gate.sigma(x >= T::ZERO);
        let value = sigma.times_round(a) * (power * T::UNBIAS);
        let slope = gate.slope_pair().times_round(b) * (gate.power * T::UNBIAS);
        // For zeros.
        [value.copysign(a), slope.copysign(b)]
    }

    /// `y (1 - y)`, rounded once.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, _: Parameters<T>) -> T {
        (-y).mul_add(y, y)
    }

    #[inline(always)]
    fn odd_derivative_from_output<T: Number>(y: T) -> T {
        odd::logistic_slope(y)
    }

    #[inline(always)]
    fn odd_backward_from_output<T: Number>(grad: T, y: T) -> T {
        odd::times_logistic_slope(grad, y)
    }
}

/// `tanh(x)`.
///
/// Error: value and derivative at most 1 ulp, second derivative at most 2 ulp.
/// Edges: NaN gives NaN; -1 and 1 at the infinities, with derivatives 0; `tanh(-0.0) = -0.0`.
/// Method: [`tanh_round`] for the value, in float32 [`tanh_by_pieces`]; derivative `4 sigma'(2x)` by
/// [`Gate`]; second derivative `-2 tanh(x) tanh'(x)`.
pub struct Tanh;

impl Activation for Tanh {
    const LIGHT: &'static [&'static str] = FROM_OUTPUT;
    const NEVER_OPEN: &'static [&'static str] = &["derivative_from_output"];
    const ODD: &'static [&'static str] = &["backward_from_output"];

    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        let distance = (-(T::TWO * x.abs())).at_least(T::EXP_LOWEST);
        let gate = Gate::at::<false>(Double::from(distance));
        let four = T::TWO + T::TWO;
        // The product's scale is that of its result: a subnormal one is rounded once.
        let bend = tanh_pair(x).scale(T::literal(8.0) / T::UNBIAS).multiply_round(gate.slope());
        Jet {
            value: tanh_round(x),
            derivative: gate.slope_round() * (four * gate.power),
            second_derivative: -(bend * gate.power * T::UNBIAS),
        }
    }

    const HAS_ORDINARY: bool = true;
    const ORDINARY_FORMS: &'static [&'static str] = &["", "value_and_derivative"];

    #[inline(always)]
    fn is_ordinary<T: Number>(_x: T, _: Parameters<T>) -> bool {
        T::DIGITS == 24
    }

    const TABLES: usize = MAX_TABLES;

    #[inline(always)]
    fn tables<T: Number>() -> [&'static [T]; MAX_TABLES] {
        T::TANH_PIECES
    }

    #[inline(always)]
    fn key<T: Number>(x: T, _: Parameters<T>) -> T {
        tanh_piece(x)
    }

    #[inline(always)]
    fn tabled_jet<T: Number>(
        x: T,
        parameters: Parameters<T>,
        _key: T,
        entries: [T; MAX_TABLES],
    ) -> Jet<T> {
        Jet { value: tanh_by_pieces(x, entries), ..Self::jet(x, parameters) }
    }

    /// `(1 - y)(1 + y)`, rounded once.
    #[inline(always)]
    fn derivative_from_output<T: Number>(y: T, _: Parameters<T>) -> T {
        (-y).mul_add(y, T::ONE)
    }

    #[inline(always)]
    fn odd_backward_from_output<T: Number>(grad: T, y: T) -> T {
        odd::times_tanh_slope(grad, y)
    }
}
