//! Gated linear units: a value times an activation of a gate, `f(v, g) = v h(g)`.
//!
//! A unit is a row of [`GATED`]; its forms are projected from the jet of its activation as those of
//! the activation itself are, so a pass with both gradients computes the exponential once.

use crate::activation::{Activation, Jet};
use crate::activations::{gelu::Gelu, relu::Relu, sigmoid::Sigmoid, silu::Silu, unless_nan};
use crate::catalogue::{Ufunc, kernels};
use crate::math::Number;
use crate::math::gate::{Factor, is_plain_factor};
use crate::simd::{ElementFunction, Level, MAX_INPUTS, MAX_OUTPUTS};

/// A gated linear unit.
#[derive(Clone, Copy)]
pub struct GatedUnit {
    pub name: &'static str,
    /// The name of `h` in the catalogue.
    pub activation: &'static str,
    /// `f(v, g)` in LaTeX.
    pub formula: &'static str,
    /// Where `f` is not differentiable, and the convention there.
    pub kinks: &'static str,
    /// The values `f` takes, in interval notation.
    pub range: &'static str,
    /// Of the products with `v`, in float32 and float64.
    pub error: &'static str,
    forms: fn(&GatedUnit, Level) -> Vec<Ufunc>,
}

impl GatedUnit {
    /// Every form of the unit, with its loops for an instruction set.
    pub fn ufuncs(&self, level: Level) -> Vec<Ufunc> {
        (self.forms)(self, level)
    }
}

/// The gated linear units, in catalogue order.
pub static GATED: &[GatedUnit] = &[
    unit::<Sigmoid>("glu", "sigmoid", r"v \, \sigma(g)"),
    unit::<Silu>("swiglu", "silu", r"v \, g \, \sigma(g)"),
    unit::<Gelu>("geglu", "gelu", r"v \, g \, \Phi(g)"),
    GatedUnit {
        kinks: "h'(0) = 0",
        error: "that of one rounding",
        ..unit::<Relu>("reglu", "relu", r"v \max(g, 0)")
    },
];

/// A unit without kinks and with the usual error; the others override what differs.
const fn unit<A: Activation>(
    name: &'static str,
    activation: &'static str,
    formula: &'static str,
) -> GatedUnit {
    GatedUnit {
        name,
        activation,
        formula,
        kinks: "",
        range: "(-inf, inf)",
        error: "at most 1 ulp",
        forms: forms::<A>,
    }
}

fn forms<A: Activation>(unit: &GatedUnit, level: Level) -> Vec<Ufunc> {
    vec![
        ufunc::<A, Value<A>>(unit, level),
        ufunc::<A, Derivative<A>>(unit, level),
        ufunc::<A, SecondDerivative<A>>(unit, level),
        ufunc::<A, ValueAndDerivative<A>>(unit, level),
        ufunc::<A, Backward<A>>(unit, level),
        ufunc::<A, DoubleBackward<A>>(unit, level),
    ]
}

/// A form of a unit: [`ElementFunction`] with a name.
trait Form: ElementFunction {
    /// What follows the unit's name and an underscore in the ufunc's name.
    const SUFFIX: &'static str;
    const OPERANDS: &'static [&'static str];
    /// Whether float32 operands are computed in float32 where the activation allows it.
    const NATIVE: bool;
}

fn ufunc<A: Activation, F: Form>(unit: &GatedUnit, level: Level) -> Ufunc {
    let (name, form) = match F::SUFFIX {
        "" => (unit.name.to_owned(), "value"),
        suffix => (format!("{}_{suffix}", unit.name), suffix),
    };
    Ufunc {
        name,
        form: form.to_owned(),
        operands: F::OPERANDS.to_vec(),
        kernels: kernels::<F>(level, F::NATIVE && A::NATIVE),
    }
}

/// The jet of `h` at the gate.
#[inline(always)]
fn jet<A: Activation, T: Number>(gate: T) -> Jet<T> {
    A::jet(gate, [T::ZERO; 2])
}

/// `h` at the gate, the number that the activation itself gives.
#[inline(always)]
fn value_of<A: Activation, T: Number>(gate: T) -> T {
    let value = jet::<A, T>(gate).value;
    if !A::HAS_ORDINARY {
        return value;
    }
    let none = [T::ZERO; 2];
    T::select(A::is_ordinary(gate, none), A::ordinary_jet(gate, none).value, value)
}

macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident $suffix:literal, $native:literal: [$($operand:ident),*] -> $outputs:literal,
       |$A:ident, $T:ident| $result:expr
        $(, ordinary [$($of:ident),*] if $condition:expr => $ordinary:expr)?;)*) => {$(
        $(#[$doc])*
        struct $name<A>(core::marker::PhantomData<A>);
        impl<A: Activation> Form for $name<A> {
            const SUFFIX: &'static str = $suffix;
            const OPERANDS: &'static [&'static str] = &[$(stringify!($operand)),*];
            const NATIVE: bool = $native;
        }
        impl<$A: Activation> ElementFunction for $name<$A> {
            type Home = $A;
            const INPUTS: usize = <Self as Form>::OPERANDS.len();
            const OUTPUTS: usize = $outputs;
            const ARGUMENT: usize = Self::INPUTS - 1; // the gate
            #[inline(always)]
            fn apply<$T: Number>([$($operand,)* ..]: [$T; MAX_INPUTS]) -> [$T; MAX_OUTPUTS] {
                $result
            }
            $(
                const HAS_ORDINARY: bool = $A::HAS_PLAIN;
                #[inline(always)]
                fn is_ordinary<$T: Number>([$($of,)* ..]: [$T; MAX_INPUTS]) -> bool {
                    $condition
                }
                #[inline(always)]
                fn ordinary<$T: Number>([$($of,)* ..]: [$T; MAX_INPUTS]) -> [$T; MAX_OUTPUTS] {
                    $ordinary
                }
            )?
        }
    )*};
}

forms! {
    /// `v h(g)`
    Value "", true: [value, gate] -> 1,
        |A, T| [A::jet_times(Factor::of(value), gate).value, T::ZERO, T::ZERO],
        ordinary [value, gate] if A::is_plain(value, gate) => [A::plain_value(value, gate), T::ZERO, T::ZERO];
    /// `(h(g), v h'(g))`
    Derivative "derivative", true: [value, gate] -> 2, |A, T| {
        [value_of::<A, T>(gate), A::jet_times(Factor::of(value), gate).derivative, T::ZERO]
    }, ordinary [value, gate] if A::is_plain(value, gate) & is_plain_factor(value) => {
        [value_of::<A, T>(gate), A::plain_products([T::ZERO, value], gate)[1], T::ZERO]
    };
    /// `(0, h'(g), v h''(g))`: by value and value, value and gate, gate and gate
    SecondDerivative "second_derivative", false: [value, gate] -> 3, |A, T| [
        unless_nan(T::ZERO, [value, gate]),
        jet::<A, T>(gate).derivative,
        A::jet_times(Factor::of(value), gate).second_derivative,
    ];
    /// `(v h(g), h(g), v h'(g))`
    ValueAndDerivative "value_and_derivative", true: [value, gate] -> 3, |A, T| {
        let product = A::jet_times(Factor::of(value), gate);
        // Plain for its form alone, perhaps.
        let is_plain = A::is_plain(value, gate);
        let result = T::select(is_plain, A::plain_value(value, gate), product.value);
        [result, value_of::<A, T>(gate), product.derivative]
    }, ordinary [value, gate] if A::is_plain(value, gate) & is_plain_factor(value) => {
        let derivative = A::plain_products([T::ZERO, value], gate)[1];
        [A::plain_value(value, gate), value_of::<A, T>(gate), derivative]
    };
    /// `(grad h(g), grad v h'(g))`
    Backward "backward", true: [grad, value, gate] -> 2, |A, T| {
        let by_gate = A::jet_times(Factor::product(grad, value), gate).derivative;
        [A::jet_times(Factor::of(grad), gate).value, by_gate, T::ZERO]
    }, ordinary [grad, value, gate] if A::is_plain(grad, gate) & is_plain_factor(grad * value) => {
        let [by_value, by_gate] = A::plain_products([grad, grad * value], gate);
        [by_value, by_gate, T::ZERO]
    };
    /// The gradients of `gg_value grad h(g) + gg_gate grad v h'(g)` by grad, value and gate
    DoubleBackward "double_backward", false: [gg_value, gg_gate, grad, value, gate] -> 3, |A, T| {
        let by_gate = A::jet_times(Factor::product(gg_gate, value), gate);
        let by_value = A::jet_times(Factor::of(gg_value), gate);
        let slope = by_value.derivative + by_gate.second_derivative;
        [
            by_value.value + by_gate.derivative,
            A::jet_times(Factor::product(grad, gg_gate), gate).derivative,
            grad * slope,
        ]
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activations::testing::in_both_precisions;

    fn backward<A: Activation, T: Number>(operands: [f64; 3]) -> [T; 2] {
        let [grad, value, gate] = operands.map(T::literal);
        let [by_value, by_gate, _] = Backward::<A>::apply([grad, value, gate, T::ZERO, T::ZERO]);
        [by_value, by_gate]
    }

    in_both_precisions! {
        fn half_open<T>() {
            let [by_value, by_gate] = backward::<Sigmoid, T>([4.0, 3.0, 0.0]);
            assert!(by_value == T::TWO && by_gate == T::literal(3.0));
        }

        fn an_open_relu_passes_both_on<T>() {
            let [by_value, by_gate] = backward::<Relu, T>([2.0, 3.0, 5.0]);
            assert!(by_value == T::literal(10.0) && by_gate == T::literal(6.0));
            let [by_value, by_gate] = backward::<Relu, T>([2.0, 3.0, -5.0]);
            assert!(by_value == T::ZERO && by_gate == T::ZERO);
        }

        fn zero_times_infinity_is_nan<T>() {
            for (value, gate) in [(T::INFINITY, -T::INFINITY), (T::INFINITY, T::NAN), (T::NAN, T::ONE)] {
                assert!(Value::<Silu>::apply([value, gate, T::ZERO, T::ZERO, T::ZERO])[0].is_nan());
            }
        }
    }
}
