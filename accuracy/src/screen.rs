//! The fast references at work: what a ball proves about a result.

use crate::ball::Ball;
use crate::format::{Format, nearest, power_of_two, ulp};
use crate::formulas::{Evaluators, Parameters};
use crate::interval::Enclosure;
use crate::pair::{Pair, fast_two_sum, two_sum};
use crate::reference::Reference;
use crate::scaled::Scaled;

/// What is proven of one result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Screened {
    /// Its error in ulps is at most this; NaN where nothing is proven.
    pub error: f64,
    /// It is the number nearest to the exact value.
    pub correct: bool,
}

impl Screened {
    pub fn is_decided(&self) -> bool {
        !self.error.is_nan()
    }
}

/// A reference that decides results in bulk.
pub trait Screen: Reference + Send {
    /// What is asked about results it does not decide, if it has one.
    type Second: Screen;
    /// How much a bound is above the error, about: smaller differences are not worth a second look.
    const RESOLUTION: f64;
    /// Whether there is one to ask.
    const HAS_SECOND: bool;

    fn evaluate(evaluators: &Evaluators, xs: &[f64], parameters: Parameters, results: &mut [Self]);
    /// The form at all numbers between two floats, if it is known and they take the same branches.
    fn over(_evaluators: &Evaluators, _between: [f64; 2], _parameters: Parameters) -> Option<Self> {
        None
    }
    /// The number nearest to the exact value, where the ball decides it.
    fn rounded<F: Format>(self) -> Option<f64>;
    /// What the ball proves of a result; nothing, if it does not decide the rounding.
    fn screen<F: Format>(self, got: f64) -> Screened;
    /// Whether the ball can hold the number enclosed.
    fn may_hold<E: Enclosure>(self, enclosure: &E) -> bool;
}

/// The roundings of a few operations on a bound.
pub(crate) const INFLATION: f64 = 1.0 + 1.0 / (1u64 << 40) as f64;

impl Ball<f64> {
    /// Two floats around the ball.
    #[inline(always)]
    fn ends(self) -> [f64; 2] {
        let Ball { middle, radius } = self;
        // The second term makes up for rounding the ends.
        let reach = (radius + middle.abs() * (2.0 * f64::EPSILON)) * INFLATION;
        if radius == 0.0 { [middle; 2] } else { [middle - reach, middle + reach] }
    }
}

/// What is proven of a result, given the number nearest to the exact value, if that is decided, two
/// floats around it and the distance to the further end. Without branches: the compiler makes vectors
/// of it.
#[inline(always)]
fn screened<F: Format>(
    expected: Option<f64>,
    ends: [f64; 2],
    got: f64,
    distance: impl Fn(f64) -> f64,
) -> Screened {
    let (is_decided, expected) = (expected.is_some(), expected.unwrap_or(0.0));
    let correct = is_decided & (got == expected);
    // An infinity counts as the power of two after the largest number, which is no f64 in float64.
    let beyond = if F::WIDTH == 64 { f64::NAN } else { power_of_two(F::GREATEST_EXPONENT + 1) };
    let finite = if got.is_infinite() { beyond.copysign(got) } else { got };
    // If the ends have different signs, both round to zero: the ulp is the smallest.
    let unit = ulp::<F>(ends[0].abs().min(ends[1].abs()));
    let error = distance(finite) / unit * INFLATION;
    let error = if got.is_nan() { f64::INFINITY } else { error };
    let infinite = if correct { 0.0 } else { f64::NAN };
    let error = if expected.is_infinite() { infinite } else { error };
    let error = if is_decided { error } else { f64::NAN };
    Screened { error, correct }
}

/// Whether a number is half a unit from an exact one, which is in the middle between two floats then:
/// both are right.
#[inline(always)]
pub(crate) fn is_tie(got: f64, exact: Pair, unit: f64) -> bool {
    let first = two_sum(got, -exact.hi);
    let second = two_sum(first.hi, -exact.lo);
    first.lo == 0.0 && second.lo == 0.0 && second.hi.abs() == 0.5 * unit
}

impl Screen for Ball<f64> {
    type Second = Ball<Pair>;
    const RESOLUTION: f64 = power_of_two(-22);
    const HAS_SECOND: bool = true;

    fn evaluate(evaluators: &Evaluators, xs: &[f64], parameters: Parameters, results: &mut [Self]) {
        (evaluators.single)(xs, parameters, results);
    }

    fn over(
        evaluators: &Evaluators,
        [low, high]: [f64; 2],
        parameters: Parameters,
    ) -> Option<Self> {
        let middle = 0.5 * low + 0.5 * high;
        let radius = (high - middle).max(middle - low) * INFLATION;
        (evaluators.range)(Ball { middle, radius }, parameters)
    }

    #[inline(always)]
    fn rounded<F: Format>(self) -> Option<f64> {
        let [low, high] = self.ends().map(nearest::<F>);
        (low == high).then_some(low)
    }

    #[inline(always)]
    fn screen<F: Format>(self, got: f64) -> Screened {
        let ends = self.ends();
        screened::<F>(self.rounded::<F>(), ends, got, |got| {
            let [low, high] = ends.map(|end| (got - end).abs());
            if low > high { low } else { high }
        })
    }

    fn may_hold<E: Enclosure>(self, enclosure: &E) -> bool {
        if self.middle.is_infinite() && self.radius == 0.0 {
            return enclosure.binades()[0] >= 1000;
        }
        may_hold([self.middle, 0.0], self.radius, 0, enclosure)
    }
}

impl Ball<Pair> {
    /// Pairs around the ball.
    #[inline(always)]
    fn ends(self) -> [Pair; 2] {
        let Ball { middle: Pair { hi, lo }, radius } = self;
        // The second term makes up for rounding the ends.
        let reach = (radius + lo.abs() * (2.0 * f64::EPSILON)) * INFLATION;
        let reach = if radius == 0.0 { 0.0 } else { reach };
        [fast_two_sum(hi, lo - reach), fast_two_sum(hi, lo + reach)]
    }
}

/// An `f64` next to a pair, not further from zero.
#[inline(always)]
pub(crate) fn truncated(Pair { hi, lo }: Pair) -> f64 {
    let is_beyond = lo != 0.0 && hi.is_sign_negative() != lo.is_sign_negative();
    if is_beyond { f64::from_bits(hi.to_bits() - 1) } else { hi }
}

/// The number nearest to a pair.
#[inline(always)]
fn nearest_to_pair<F: Format>(Pair { hi, lo }: Pair) -> f64 {
    if F::WIDTH == 64 || lo == 0.0 || hi.to_bits() & 1 == 1 {
        return nearest::<F>(hi);
    }
    // Rounded to odd, an f64 is on the same side of the middle between two numbers as the pair.
    nearest::<F>(if lo > 0.0 { hi.next_up() } else { hi.next_down() })
}

impl Screen for Ball<Pair> {
    type Second = Scaled;
    const RESOLUTION: f64 = power_of_two(-30);
    const HAS_SECOND: bool = true;

    fn evaluate(evaluators: &Evaluators, xs: &[f64], parameters: Parameters, results: &mut [Self]) {
        (evaluators.pair)(xs, parameters, results);
    }

    #[inline(always)]
    fn rounded<F: Format>(self) -> Option<f64> {
        let [low, high] = self.ends();
        let (low, high) = (nearest_to_pair::<F>(low), nearest_to_pair::<F>(high));
        let is_huge = self.middle.hi.is_infinite() && self.radius == 0.0;
        (low == high && (self.middle.hi.is_finite() || is_huge)).then_some(low)
    }

    #[inline(always)]
    fn screen<F: Format>(self, got: f64) -> Screened {
        let [low, high] = self.ends();
        let ends = [truncated(low), truncated(high)];
        let found = screened::<F>(self.rounded::<F>(), ends, got, |got| {
            // The first difference is exact, or so large that its rounding does not matter.
            ((got - self.middle.hi) - self.middle.lo).abs() + self.radius
        });
        let unit = ulp::<F>(ends[0].abs().min(ends[1].abs()));
        let is_exact_tie = self.radius == 0.0 && is_tie(got, self.middle, unit);
        Screened { correct: found.correct | is_exact_tie, ..found }
    }

    fn may_hold<E: Enclosure>(self, enclosure: &E) -> bool {
        let Pair { hi, lo } = self.middle;
        if hi.is_infinite() && self.radius == 0.0 {
            return enclosure.binades()[0] >= 1023;
        }
        may_hold([hi, lo], self.radius, 0, enclosure)
    }
}

pub(crate) fn may_hold<E: Enclosure>(
    center: [f64; 2],
    radius: f64,
    exponent: i64,
    enclosure: &E,
) -> bool {
    // An infinite radius, or NaN: nothing was claimed.
    center[0].is_nan() || !radius.is_finite() || enclosure.meets(center, radius, exponent)
}
