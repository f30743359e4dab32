//! The fast references at work: what a ball proves about a result.

use crate::ball::Ball;
use crate::format::{Format, nearest, ulp};
use crate::formulas::{Evaluators, Parameters};
use crate::interval::Enclosure;
use crate::pair::Pair;
use crate::reference::Reference;

/// What is proven of one result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Screened {
    /// Its error in ulps is at most this.
    pub error: f64,
    /// It is the number nearest to the exact value.
    pub correct: bool,
}

/// A reference that decides results in bulk.
pub trait Screen: Reference + Send {
    fn evaluate(evaluators: &Evaluators, xs: &[f64], parameters: Parameters, results: &mut [Self]);
    /// The number nearest to the exact value, where the ball decides it.
    fn rounded<F: Format>(self) -> Option<f64>;
    /// What the ball proves of a result; nothing, if it does not decide the rounding.
    fn screen<F: Format>(self, got: f64) -> Option<Screened>;
    /// Whether the ball can hold the number enclosed.
    fn may_hold<E: Enclosure>(self, enclosure: &E) -> bool;
}

/// The roundings of a few operations on a bound.
const INFLATION: f64 = 1.0 + 1.0 / (1u64 << 40) as f64;

/// An infinity counts as the power of two after the largest number.
fn finite<F: Format>(got: f64) -> f64 {
    if got.is_infinite() { 2.0_f64.powi(F::GREATEST_EXPONENT + 1).copysign(got) } else { got }
}

impl Ball<f64> {
    /// Two floats around the ball.
    #[inline(always)]
    fn ends(self) -> (f64, f64) {
        let Ball { middle, radius } = self;
        // The second term makes up for rounding the ends.
        let reach = (radius + middle.abs() * (2.0 * f64::EPSILON)) * INFLATION;
        if radius == 0.0 { (middle, middle) } else { (middle - reach, middle + reach) }
    }
}

impl Screen for Ball<f64> {
    fn evaluate(evaluators: &Evaluators, xs: &[f64], parameters: Parameters, results: &mut [Self]) {
        (evaluators.single)(xs, parameters, results);
    }

    #[inline(always)]
    fn rounded<F: Format>(self) -> Option<f64> {
        let (low, high) = self.ends();
        let rounded = nearest::<F>(low);
        (rounded == nearest::<F>(high)).then_some(rounded)
    }

    #[inline(always)]
    fn screen<F: Format>(self, got: f64) -> Option<Screened> {
        let expected = self.rounded::<F>()?;
        let correct = got == expected;
        if expected.is_infinite() {
            return correct.then_some(Screened { error: 0.0, correct });
        }
        if got.is_nan() {
            return Some(Screened { error: f64::INFINITY, correct });
        }
        let (low, high) = self.ends();
        // If the ends have different signs, both round to zero: the ulp is the smallest.
        let unit = ulp::<F>(low.abs().min(high.abs()));
        let got = finite::<F>(got);
        let distance = (got - low).abs().max((got - high).abs());
        Some(Screened { error: distance / unit * INFLATION, correct })
    }

    fn may_hold<E: Enclosure>(self, enclosure: &E) -> bool {
        if self.middle.is_infinite() && self.radius == 0.0 {
            return enclosure.binades()[0] >= 1000;
        }
        may_hold([self.middle, 0.0], self.radius, enclosure)
    }
}

impl Ball<Pair> {
    /// Whether `hi` is the `f64` nearest to every number of the ball, and half the smaller of the
    /// distances to its neighbours.
    #[inline(always)]
    fn settled<F: Format>(self) -> bool {
        let Pair { hi, lo } = self.middle;
        hi.is_finite() && (lo.abs() + self.radius) * INFLATION < 0.5 * self.unit::<F>()
    }

    /// The ulp of `hi`, or the smaller one beneath it where `hi` is a power of two.
    #[inline(always)]
    fn unit<F: Format>(self) -> f64 {
        let below = f64::from_bits((self.middle.hi.abs().to_bits()).saturating_sub(1));
        ulp::<F>(below)
    }
}

impl Screen for Ball<Pair> {
    fn evaluate(evaluators: &Evaluators, xs: &[f64], parameters: Parameters, results: &mut [Self]) {
        (evaluators.pair)(xs, parameters, results);
    }

    #[inline(always)]
    fn rounded<F: Format>(self) -> Option<f64> {
        debug_assert_eq!(F::WIDTH, 64, "pairs are for float64");
        let exact = self.radius == 0.0 && self.middle.lo == 0.0;
        (exact || self.settled::<F>()).then_some(self.middle.hi)
    }

    #[inline(always)]
    fn screen<F: Format>(self, got: f64) -> Option<Screened> {
        let expected = self.rounded::<F>()?;
        if got.is_nan() {
            return Some(Screened { error: f64::INFINITY, correct: false });
        }
        if got.is_infinite() {
            return None;
        }
        // The first difference is exact, or so large that its rounding does not matter.
        let distance = ((got - self.middle.hi) - self.middle.lo).abs() + self.radius;
        let error = distance / self.unit::<F>() * INFLATION;
        Some(Screened { error, correct: got == expected })
    }

    fn may_hold<E: Enclosure>(self, enclosure: &E) -> bool {
        let Pair { hi, lo } = self.middle;
        may_hold([hi, lo], self.radius, enclosure)
    }
}

fn may_hold<E: Enclosure>(center: [f64; 2], radius: f64, enclosure: &E) -> bool {
    // An infinite radius, or NaN: nothing was claimed.
    center[0].is_nan() || !radius.is_finite() || enclosure.meets(center, radius)
}
