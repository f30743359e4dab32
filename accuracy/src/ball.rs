//! Balls: a midpoint in fast arithmetic and a bound of how far the exact number may be from it.
//!
//! How errors of operands spread is the same for every midpoint and is stated here, once, rule by
//! rule. What an operation on midpoints adds of its own is the midpoint's business: [`Midpoint`].
//! The radius is an ordinary `f64`; [`bound`] makes up for its own roundings.
//!
//! A radius that is NaN or infinite says that nothing is known. It is a legal answer everywhere,
//! and sends the input to [`Interval`](crate::interval::Interval).

use core::cell::Cell;
use core::cmp::Ordering;
use core::ops::{Add, Div, Mul, Neg, Sub};
use std::sync::OnceLock;

use crate::big::Big;
use crate::interval::evaluate;
use crate::reference::{Constant, Reference, mix_with_floats};

/// A number in fast arithmetic. Each operation also gives a bound of its own error.
pub trait Midpoint: Copy + Send + Sync + 'static {
    const DIGITS: u32;
    /// More than any error of an operation that underflows. Far above the subnormals, with which
    /// processors are slow, and below anything that matters to the formats judged.
    const TINY: f64;
    /// `e^x` is less than `TINY` for `x` below it.
    const LEAST_EXPONENT: f64;

    fn exact(x: f64) -> Self;
    /// The midpoint of a narrow ball and a bound of its error.
    fn of(number: &Big) -> (Self, f64);
    /// The number rounded to `f64`, within a relative 2^-52.
    fn rounded(self) -> f64;
    fn negate(self) -> Self;
    fn add(self, other: Self) -> (Self, f64);
    fn multiply(self, other: Self) -> (Self, f64);
    fn divide(self, other: Self) -> (Self, f64);
    fn sqrt(self) -> (Self, f64);
    /// For `self >= LEAST_EXPONENT`. An infinite result with error 0 stands for "more than 2^1000", in
    /// pairs for "more than 2^1024".
    fn exp(self) -> (Self, f64);
    fn exp_m1(self) -> (Self, f64);
    fn ln(self) -> (Self, f64);
    fn ln_1p(self) -> (Self, f64);
    fn tanh(self) -> (Self, f64);
    fn erf(self) -> (Self, f64);
    /// For `0 <= self <= 40`.
    fn erfc(self) -> (Self, f64);
    /// Constants, evaluated once in [`Interval`](crate::interval::Interval).
    fn constants() -> &'static OnceLock<Vec<Ball<Self>>>;
}

/// The reals within `radius` of `middle`.
#[derive(Clone, Copy, Debug)]
pub struct Ball<M> {
    pub middle: M,
    pub radius: f64,
}

/// A bound of sums and products of a few errors: the roundings of computing it, and underflows, are
/// made up for. Zero only where nothing was rounded at all.
#[inline(always)]
fn bound<M: Midpoint>(errors: f64, exact: bool) -> f64 {
    // Room for fifteen roundings; none of the rules below needs ten.
    const INFLATION: f64 = 1.0 + 1.0 / (1u64 << 49) as f64;
    if exact { 0.0 } else { errors * INFLATION + M::TINY }
}

const UNKNOWN: f64 = f64::NAN;

thread_local! {
    /// Whether a ball was compared to a float that it may hold.
    static AMBIGUOUS: Cell<bool> = const { Cell::new(false) };
}

/// The result of a formula for all numbers of a ball at once, unless it takes different branches.
pub fn unambiguous<M: Midpoint>(formula: impl FnOnce() -> Ball<M>) -> Option<Ball<M>> {
    AMBIGUOUS.set(false);
    let result = formula();
    (!AMBIGUOUS.get()).then_some(result)
}

impl<M: Midpoint> Ball<M> {
    #[inline(always)]
    fn magnitude(self) -> f64 {
        self.middle.rounded().abs()
    }

    #[inline(always)]
    fn new((middle, error): (M, f64), spread: f64) -> Self {
        Ball { middle, radius: bound::<M>(error + spread, error == 0.0 && spread == 0.0) }
    }

    fn of(number: &Big) -> Self {
        let (middle, radius) = M::of(number);
        Ball { middle, radius }
    }
}

impl<M: Midpoint> Add for Ball<M> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self::new(self.middle.add(other.middle), self.radius + other.radius)
    }
}

impl<M: Midpoint> Sub for Ball<M> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl<M: Midpoint> Neg for Ball<M> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Ball { middle: self.middle.negate(), ..self }
    }
}

impl<M: Midpoint> Mul for Ball<M> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // A B - a b = A (B - b) + (A - a) b
        let (product, error) = self.middle.multiply(other.middle);
        let spread =
            (self.magnitude() + self.radius) * other.radius + self.radius * other.magnitude();
        let exact = error == 0.0 && self.radius == 0.0 && other.radius == 0.0;
        Ball { middle: product, radius: bound::<M>(error + spread, exact) }
    }
}

impl<M: Midpoint> Div for Ball<M> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // A/B - a/b = ((A - a) - (a/b)(B - b)) / B
        let (quotient, error) = self.middle.divide(other.middle);
        let least = other.magnitude() * (1.0 - f64::EPSILON) - other.radius;
        let spread = (self.radius + quotient.rounded().abs() * other.radius) / least;
        let exact = error == 0.0 && self.radius == 0.0 && other.radius == 0.0;
        let radius = bound::<M>(error + spread, exact);
        // Two roundings more, in `least`, which are relative to it only while it is not small.
        let known = other.radius < 0.5 * other.magnitude();
        Ball { middle: quotient, radius: if known { radius } else { UNKNOWN } }
    }
}

mix_with_floats!(impl<M: Midpoint> for Ball<M>);

impl<M: Midpoint> Reference for Ball<M> {
    #[inline(always)]
    fn exact(x: f64) -> Self {
        Ball { middle: M::exact(x), radius: 0.0 }
    }

    #[inline(always)]
    fn float(self) -> f64 {
        self.middle.rounded()
    }

    #[inline(always)]
    fn compare(self, other: f64) -> Option<Ordering> {
        let middle = self.middle.rounded();
        if self.radius != 0.0 {
            // The factor makes up for what rounding does to either side.
            let is_apart = (middle - other).abs() > self.radius * (1.0 + f64::EPSILON.sqrt());
            AMBIGUOUS.set(AMBIGUOUS.get() | !is_apart);
        }
        middle.partial_cmp(&other)
    }

    #[inline(always)]
    fn constant(constant: Constant) -> Self {
        let constants = M::constants().get_or_init(|| {
            let balls = Constant::ALL.map(|c| Self::of(&evaluate(512, || c.define())));
            balls.to_vec()
        });
        constants[constant as usize]
    }

    #[inline(always)]
    fn digits() -> u32 {
        M::DIGITS
    }

    #[inline(always)]
    fn widened(self, by: Self) -> Self {
        let more = by.magnitude() + by.radius;
        Ball { radius: bound::<M>(self.radius + more, self.radius == 0.0 && more == 0.0), ..self }
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // |sqrt A - sqrt a| = |A - a| / (sqrt A + sqrt a) <= r / sqrt a
        let (root, error) = self.middle.sqrt();
        let center = self.middle.rounded();
        if center == 0.0 && self.radius == 0.0 {
            return self;
        }
        let spread = if self.radius == 0.0 { 0.0 } else { self.radius / root.rounded() };
        let known = center > 0.0 && self.radius < center;
        Ball {
            radius: if known {
                bound::<M>(error + spread, error == 0.0 && spread == 0.0)
            } else {
                UNKNOWN
            },
            middle: root,
        }
    }

    #[inline(always)]
    fn exp(self) -> Self {
        // e^A - e^a = e^a (e^(A - a) - 1), and e^r - 1 <= r (1 + r) for r <= 1
        let (center, radius) = (self.middle.rounded(), self.radius);
        if center + radius < M::LEAST_EXPONENT {
            return Ball { middle: M::exact(0.0), radius: M::TINY };
        }
        let (power, error) = self.middle.exp();
        let size = power.rounded();
        if size == f64::INFINITY {
            return Ball { middle: power, radius: if radius < 0.5 { error } else { UNKNOWN } };
        }
        let known = radius < 0.5;
        let spread = (size + error) * radius * (1.0 + radius);
        Ball {
            middle: power,
            radius: if known { bound::<M>(error + spread, false) } else { UNKNOWN },
        }
    }

    #[inline(always)]
    fn exp_m1(self) -> Self {
        // The slope is at most e^(a + r) <= (f(a) + 1)(1 + 2r).
        let (center, radius) = (self.middle.rounded(), self.radius);
        if center + radius < M::LEAST_EXPONENT {
            return Ball { middle: M::exact(-1.0), radius: M::TINY };
        }
        let (result, error) = self.middle.exp_m1();
        let slope = result.rounded() + 1.0 + error + f64::EPSILON;
        let spread = slope * radius * (1.0 + 2.0 * radius);
        let exact = center == 0.0 && radius == 0.0;
        let radius = if radius < 0.5 { bound::<M>(error + spread, exact) } else { UNKNOWN };
        Ball { middle: result, radius }
    }

    #[inline(always)]
    fn ln(self) -> Self {
        // The slope is at most 1/(a - r).
        let (center, radius) = (self.middle.rounded(), self.radius);
        let (result, error) = self.middle.ln();
        let spread = radius / (center - radius);
        let known = radius < 0.5 * center;
        // Twice the spread covers the rounding of its divisor.
        Ball {
            middle: result,
            radius: if known { bound::<M>(error + 2.0 * spread, false) } else { UNKNOWN },
        }
    }

    #[inline(always)]
    fn ln_1p(self) -> Self {
        // The slope is at most 1/(1 + a - r).
        let (center, radius) = (self.middle.rounded(), self.radius);
        let (result, error) = self.middle.ln_1p();
        let spread = radius / (1.0 + center - radius);
        let known = radius < 0.25 * (1.0 + center) && center > -0.999;
        let exact = center == 0.0 && radius == 0.0;
        Ball {
            middle: result,
            radius: if known { bound::<M>(error + 2.0 * spread, exact) } else { UNKNOWN },
        }
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        // The slope is at most 1; 1 - tanh(354) < 2^-1020.
        let (center, radius) = (self.middle.rounded(), self.radius);
        if center.abs() - radius > 354.0 {
            return Ball { middle: M::exact(1.0_f64.copysign(center)), radius: M::TINY };
        }
        let (result, error) = self.middle.tanh();
        Ball { middle: result, radius: bound::<M>(error + radius, center == 0.0 && radius == 0.0) }
    }

    #[inline(always)]
    fn erf(self) -> Self {
        // The slope is at most 2/sqrt(pi) < 1.13; 1 - erf(40) < 2^-2300.
        let (center, radius) = (self.middle.rounded(), self.radius);
        if center.abs() - radius > 40.0 {
            return Ball { middle: M::exact(1.0_f64.copysign(center)), radius: M::TINY };
        }
        let (result, error) = self.middle.erf();
        let exact = center == 0.0 && radius == 0.0;
        Ball { middle: result, radius: bound::<M>(error + 1.13 * radius, exact) }
    }

    #[inline(always)]
    fn erfc(self) -> Self {
        let (center, radius) = (self.middle.rounded(), self.radius);
        let tail = if center < 0.0 { -self } else { self };
        let size = tail.middle.rounded();
        let tail = if size - radius > 40.0 {
            // Less than 2^-2300.
            Ball { middle: M::exact(0.0), radius: M::TINY }
        } else {
            // For z >= 0, (2/sqrt pi) e^(-z^2) < erfc(z) (z + sqrt(z^2 + 2)) < erfc(z) (2z + 1.5); on
            // the ball e^(-z^2) is at most e^(2zr + r^2) < 1.003 times that, where zr and r < 0.001.
            let (result, error) = tail.middle.erfc();
            let spread = 1.01 * (result.rounded() + error) * (2.0 * size + 1.5) * radius;
            let known = size <= 40.0 && size * radius < 0.001 && radius < 0.001;
            Ball {
                middle: result,
                radius: if known { bound::<M>(error + spread, false) } else { UNKNOWN },
            }
        };
        if center < 0.0 { Self::exact(2.0) - tail } else { tail }
    }
}

/// Correctly rounded elementary functions are trusted to twice the error they promise.
#[inline(always)]
fn function(result: f64) -> (f64, f64) {
    (result, result.abs() * f64::EPSILON + f64::TINY)
}

/// Half an ulp of the result, or more.
#[inline(always)]
fn half_ulp(result: f64) -> f64 {
    result.abs() * (0.5 * f64::EPSILON) + f64::TINY
}

/// Below it, the exact error of an operation may itself underflow.
const SMALL: f64 = f64::from_bits((1023 - 900) << 52); // 2^-900

/// Next to 0, correct rounding is hard to decide and slow, and the first term of a series is enough:
/// the square of such a number is less than the error [`function`] adds.
#[inline(always)]
fn is_negligible(x: f64) -> bool {
    x.abs() < 0.25 * f64::EPSILON
}

impl Midpoint for f64 {
    const DIGITS: u32 = 60;
    const TINY: f64 = f64::from_bits((1023 - 600) << 52); // 2^-600
    const LEAST_EXPONENT: f64 = -420.0;

    #[inline(always)]
    fn exact(x: f64) -> f64 {
        x
    }
    fn of(number: &Big) -> (f64, f64) {
        function(number.to_f64())
    }
    #[inline(always)]
    fn rounded(self) -> f64 {
        self
    }
    #[inline(always)]
    fn negate(self) -> f64 {
        -self
    }
    #[inline(always)]
    fn add(self, other: f64) -> (f64, f64) {
        // The error of a sum is a number.
        let sum = self + other;
        let from_other = sum - self;
        let error = (self - (sum - from_other)) + (other - from_other);
        (sum, error.abs())
    }
    #[inline(always)]
    fn multiply(self, other: f64) -> (f64, f64) {
        // So is that of a product, unless it underflows.
        let product = self * other;
        let error = self.mul_add(other, -product).abs();
        let small = if self == 0.0 || other == 0.0 { 0.0 } else { f64::TINY };
        (product, if product.abs() < SMALL { small } else { error })
    }
    #[inline(always)]
    fn divide(self, other: f64) -> (f64, f64) {
        let quotient = self / other;
        let is_exact = quotient.mul_add(-other, self) == 0.0 && self.abs() >= SMALL;
        (quotient, if is_exact || self == 0.0 { 0.0 } else { half_ulp(quotient) })
    }
    #[inline(always)]
    fn sqrt(self) -> (f64, f64) {
        let root = self.sqrt();
        let is_exact = root.mul_add(-root, self) == 0.0 && self >= SMALL;
        (root, if is_exact || self == 0.0 { 0.0 } else { half_ulp(root) })
    }
    #[inline(always)]
    fn exp(self) -> (f64, f64) {
        if is_negligible(self) {
            return function(1.0);
        }
        let power = core_math::exp(self);
        if power == f64::INFINITY { (power, 0.0) } else { function(power) }
    }
    #[inline(always)]
    fn exp_m1(self) -> (f64, f64) {
        function(if is_negligible(self) { self } else { core_math::expm1(self) })
    }
    #[inline(always)]
    fn ln(self) -> (f64, f64) {
        function(core_math::log(self))
    }
    #[inline(always)]
    fn ln_1p(self) -> (f64, f64) {
        function(if is_negligible(self) { self } else { core_math::log1p(self) })
    }
    #[inline(always)]
    fn tanh(self) -> (f64, f64) {
        function(if is_negligible(self) { self } else { core_math::tanh(self) })
    }
    #[inline(always)]
    fn erf(self) -> (f64, f64) {
        function(core_math::erf(self))
    }
    #[inline(always)]
    fn erfc(self) -> (f64, f64) {
        function(core_math::erfc(self))
    }
    fn constants() -> &'static OnceLock<Vec<Ball<f64>>> {
        static CONSTANTS: OnceLock<Vec<Ball<f64>>> = OnceLock::new();
        &CONSTANTS
    }
}
