//! What a formula computes with: numbers that know how wrong they may be.
//!
//! A formula in [`formulas`](crate::formulas) is written once, over [`Reference`], and runs on
//! four number systems. In each a number is a set of reals that certainly holds the exact one:
//!
//! | number | made of | for | cost of an operation |
//! |---|---|---|---|
//! | [`Ball<f64>`](crate::ball::Ball) | an `f64` and a bound of its error | float32, float16, bfloat16 | 1 to 20 ns |
//! | [`Ball<Pair>`](crate::ball::Ball) | two `f64` and a bound of their error | float64 | 5 to 150 ns |
//! | [`Scaled`](crate::scaled::Scaled) | the same with an exponent of their own | what leaves the range of `f64` | 20 to 300 ns |
//! | [`Interval`] | numbers of any precision | whatever the others leave undecided | 0.2 us to 2 ms |
//!
//! Nothing is shared with the kernels on trial.

use core::cmp::Ordering;
use core::ops::{Add, Div, Mul, Neg, Sub};

use crate::interval::{Enclosure, Interval};

/// A set of reals that holds the exact result of the operations that led to it.
///
/// Comparisons are for numbers that are a float, such as the input of a formula, or a range of inputs.
pub trait Reference:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
    + PartialOrd<f64>
{
    /// A finite float: the number itself.
    fn exact(x: f64) -> Self;
    /// The float this number was made from.
    fn float(self) -> f64;
    /// Where the number is compared to a float.
    #[inline(always)]
    fn compare(self, other: f64) -> Option<Ordering> {
        self.float().partial_cmp(&other)
    }
    fn constant(constant: Constant) -> Self;
    /// Bits a series must be carried to, so that the rest is no wider than rounding errors.
    fn digits() -> u32;
    /// Every number within `|by|` of this one.
    fn widened(self, by: Self) -> Self;

    /// `1/x`
    #[inline(always)]
    fn inverse(self) -> Self {
        Self::exact(1.0) / self
    }
    #[inline(always)]
    fn square(self) -> Self {
        self * self
    }
    fn sqrt(self) -> Self;
    /// `e^x`
    fn exp(self) -> Self;
    /// `e^x - 1`
    fn exp_m1(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// `ln(1 + x)`
    fn ln_1p(self) -> Self;
    fn tanh(self) -> Self;
    fn erf(self) -> Self;
    /// `1 - erf(x)`
    fn erfc(self) -> Self;
}

/// The constants of the formulas: exact real numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Constant {
    /// `ln 2`
    LnTwo,
    /// `1/sqrt(2)`
    InverseRootTwo,
    /// `1/sqrt(2 pi)`, the height of the normal density
    InverseRootTwoPi,
    /// `2/sqrt(pi)`, the slope of erf at 0
    TwoOverRootPi,
    /// `2 sqrt(2/pi)`, the scale of gelu_tanh's gate
    GeluTanhScale,
    /// `0.044715`
    GeluTanhCubic,
    /// `1.702`
    GeluSigmoidScale,
    /// SELU's lambda
    SeluScale,
    /// SELU's lambda alpha
    SeluSlope,
}

impl Constant {
    pub const ALL: [Constant; 9] = [
        Constant::LnTwo,
        Constant::InverseRootTwo,
        Constant::InverseRootTwoPi,
        Constant::TwoOverRootPi,
        Constant::GeluTanhScale,
        Constant::GeluTanhCubic,
        Constant::GeluSigmoidScale,
        Constant::SeluScale,
        Constant::SeluSlope,
    ];

    /// The definition; the balls take their constants from it too.
    pub fn define<E: Enclosure>(self) -> Interval<E> {
        let n = Interval::<E>::exact;
        let pi = Interval::<E>::pi();
        match self {
            Constant::LnTwo => n(2.0).ln(),
            Constant::InverseRootTwo => n(0.5).sqrt(),
            Constant::InverseRootTwoPi => (pi * 2.0).sqrt().inverse(),
            Constant::TwoOverRootPi => n(2.0) / pi.sqrt(),
            Constant::GeluTanhScale => (n(8.0) / pi).sqrt(),
            Constant::GeluTanhCubic => n(44_715.0) / 1_000_000.0,
            Constant::GeluSigmoidScale => n(1_702.0) / 1_000.0,
            Constant::SeluScale => selu_scale(),
            Constant::SeluSlope => selu_scale() * selu_alpha(),
        }
    }
}

// With these lambda and alpha, mean 0 and variance 1 are a fixed point of SELU.
// Source: Klambauer et al., "Self-Normalizing Neural Networks", 2017, equation 14.

fn selu_alpha<E: Enclosure>() -> Interval<E> {
    let n = Interval::<E>::exact;
    let (c, root_e) = (n(0.5).sqrt().erfc(), n(0.5).exp());
    -(n(2.0) / Interval::<E>::pi()).sqrt() / (c * root_e - 1.0)
}

fn selu_scale<E: Enclosure>() -> Interval<E> {
    let n = Interval::<E>::exact;
    let (pi, e, root_e) = (Interval::<E>::pi(), n(1.0).exp(), n(0.5).exp());
    let (c, d) = (n(0.5).sqrt().erfc(), n(2.0).sqrt().erfc());
    let under_root =
        d * e.square() * 2.0 + pi * c.square() * e - (pi + 2.0) * c * root_e * 2.0 + pi + 2.0;
    (n(1.0) - c * root_e) * (pi * 2.0).sqrt() / under_root.sqrt()
}

/// Arithmetic with floats, and comparison to them, for a [`Reference`].
macro_rules! mix_with_floats {
    (impl<$($generic:ident: $bound:ident)?> for $number:ty) => {
        mix_with_floats!(@operation [$($generic: $bound)?] $number, Add add);
        mix_with_floats!(@operation [$($generic: $bound)?] $number, Sub sub);
        mix_with_floats!(@operation [$($generic: $bound)?] $number, Mul mul);
        mix_with_floats!(@operation [$($generic: $bound)?] $number, Div div);
        impl<$($generic: $bound)?> PartialEq<f64> for $number {
            #[inline(always)]
            fn eq(&self, other: &f64) -> bool {
                Reference::compare(*self, *other) == Some(core::cmp::Ordering::Equal)
            }
        }
        impl<$($generic: $bound)?> PartialOrd<f64> for $number {
            #[inline(always)]
            fn partial_cmp(&self, other: &f64) -> Option<core::cmp::Ordering> {
                Reference::compare(*self, *other)
            }
        }
    };
    (@operation [$($generic:ident: $bound:ident)?] $number:ty, $trait:ident $method:ident) => {
        impl<$($generic: $bound)?> $trait<f64> for $number {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: f64) -> Self {
                $trait::$method(self, <Self as Reference>::exact(other))
            }
        }
    };
}
pub(crate) use mix_with_floats;
