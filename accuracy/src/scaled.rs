//! Balls of pairs with an exponent of their own: nothing under- or overflows.
//!
//! They decide what [`Ball<Pair>`] leaves open: results among the subnormals and next to overflow,
//! and formulas in which an exponential or a square leaves the range of `f64` on the way to a result
//! that does not. The arithmetic is that of `Ball<Pair>` on numbers of about one. Operations are not
//! inlined: a form takes a microsecond or less, and nothing here is taken for most inputs.

use core::ops::{Add, Div, Mul, Neg, Sub};

use crate::ball::{Ball, Midpoint};
use crate::format::{Format, largest, power_of_two, unit_exponent};
use crate::formulas::{Evaluators, Parameters};
use crate::interval::Enclosure;
use crate::pair::{
    ERFC_GRID_END, FUNCTION, GREATEST_POWER, Pair, exp_parts, fast_two_sum, scaled_erfc,
};
use crate::reference::{Constant, Reference, mix_with_floats};
use crate::screen::{INFLATION, Screen, Screened, is_tie, may_hold, truncated};

/// The reals within `radius` of `middle`, times `2^exponent`. The larger of middle and radius is in
/// `[1, 2)`, unless both are zero.
#[derive(Clone, Copy, Debug)]
pub struct Scaled {
    ball: Ball<Pair>,
    exponent: i64,
}

/// The trailing part of a pair, and errors, below this are not worth a digit.
const LEAST: f64 = power_of_two(-900);
const FAR: i64 = 900;

/// Below `2^-SMALL` the first term of a series is enough.
const SMALL: i64 = 120;

/// Beyond `2^LARGE` the functions are at their limits.
const LARGE: i64 = 12;

/// `e^x` for `x` below -`EXP_END` is left at a bound: the largest powers of floats in the formulas
/// are far from making up for it.
const EXP_END: f64 = GREATEST_POWER as f64;

const UNKNOWN: Scaled =
    Scaled { ball: Ball { middle: Pair { hi: 0.0, lo: 0.0 }, radius: f64::NAN }, exponent: 0 };

#[inline(always)]
fn number(middle: Pair, radius: f64) -> Ball<Pair> {
    Ball { middle, radius }
}

/// `2^exponent`, which must be normal.
#[inline(always)]
fn power(exponent: i64) -> f64 {
    debug_assert!((-1022..=1023).contains(&exponent), "not normal");
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// The exponent of a normal number.
#[inline(always)]
fn binade(x: f64) -> i64 {
    ((x.to_bits() >> 52) & 0x7ff) as i64 - 1023
}

/// Within `2^exponent` of zero.
#[inline(always)]
fn next_to_zero(exponent: i64) -> Scaled {
    Scaled { ball: number(Pair { hi: 0.0, lo: 0.0 }, 1.0), exponent }
}

impl Scaled {
    /// `ball 2^exponent`, brought to the form it must have.
    #[inline(always)]
    fn new(ball: Ball<Pair>, exponent: i64) -> Scaled {
        let Ball { middle: Pair { hi, lo }, radius } = ball;
        let size = if hi.abs() > radius { hi.abs() } else { radius };
        // False for NaN too.
        if !(hi.abs() < f64::INFINITY && radius < f64::INFINITY) {
            return UNKNOWN;
        }
        if size == 0.0 {
            return Scaled { ball: number(Pair { hi: 0.0, lo: 0.0 }, 0.0), exponent: 0 };
        }
        let shift = binade(size).clamp(-1020, 1020);
        let factor = power(-shift);
        let (lo, rest) = if lo.abs() < LEAST { (0.0, lo.abs()) } else { (lo, 0.0) };
        // Errors too small for a normal number are rounded up.
        let radius = (radius + rest * 2.0) * INFLATION * factor;
        let radius = if radius > 0.0 && radius < LEAST { radius + LEAST } else { radius };
        let middle = Pair { hi: hi * factor, lo: lo * factor };
        Scaled { ball: number(middle, radius), exponent: exponent + shift }
    }

    fn is_zero(self) -> bool {
        self.ball.middle.hi == 0.0 && self.ball.radius == 0.0
    }

    /// Multiplied by `2^-steps`.
    #[inline(always)]
    fn lowered(self, steps: i64) -> Ball<Pair> {
        let Ball { middle, radius } = self.ball;
        if steps > FAR {
            // What is here is less than 4.
            return number(Pair { hi: 0.0, lo: 0.0 }, 8.0 * LEAST);
        }
        let factor = power(-steps);
        let is_exact = middle.lo == 0.0 && radius == 0.0 || steps == 0;
        let radius = if is_exact { radius } else { radius * factor + LEAST };
        number(Pair { hi: middle.hi * factor, lo: middle.lo * factor }, radius)
    }

    /// As a ball without an exponent; nothing, if its numbers are beyond `2^LARGE`.
    #[inline(always)]
    fn plain(self) -> Option<Ball<Pair>> {
        if self.exponent > LARGE {
            return None;
        }
        if self.exponent > 0 {
            let factor = power(self.exponent);
            let Ball { middle, radius } = self.ball;
            return Some(number(
                Pair { hi: middle.hi * factor, lo: middle.lo * factor },
                radius * factor,
            ));
        }
        Some(self.lowered(-self.exponent))
    }

    /// Every number times one within `2^exponent` of 1.
    fn blurred(self, exponent: i64) -> Scaled {
        let one = number(Pair { hi: 1.0, lo: 0.0 }, power(exponent.max(-FAR)));
        multiply(self, Scaled { ball: one, exponent: 0 })
    }

    /// Whether every number is less than 4 2^-SMALL from zero.
    fn is_small(self) -> bool {
        self.exponent < -SMALL
    }

    /// Whether no number has the sign of another; for numbers beyond `2^LARGE`.
    fn has_sign(self) -> bool {
        self.ball.radius < 0.4
    }

    fn is_negative(self) -> bool {
        self.ball.middle.hi < 0.0
    }
}

/// Functions compiled to use the CPU's fused multiply-add where there is one.
macro_rules! compiled {
    ($($(#[$comment:meta])* fn $name:ident($($x:ident),+) $body:block)*) => {$(
        $(#[$comment])*
        fn $name($($x: Scaled),+) -> Scaled {
            #[inline(always)]
            fn body($($x: Scaled),+) -> Scaled $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn with_fma($($x: Scaled),+) -> Scaled {
                    body($($x),+)
                }
                if is_x86_feature_detected!("fma") && is_x86_feature_detected!("avx2") {
                    // SAFETY: this CPU has both.
                    return unsafe { with_fma($($x),+) };
                }
            }
            body($($x),+)
        }
    )*};
}

compiled! {
    fn add(x, y) {
        if x.is_zero() {
            return y;
        }
        if y.is_zero() {
            return x;
        }
        let (large, small) = if x.exponent >= y.exponent { (x, y) } else { (y, x) };
        let small = small.lowered(large.exponent - small.exponent);
        Scaled::new(large.ball + small, large.exponent)
    }

    fn multiply(x, y) {
        Scaled::new(x.ball * y.ball, x.exponent + y.exponent)
    }

    fn divide(x, y) {
        Scaled::new(x.ball / y.ball, x.exponent - y.exponent)
    }

    fn sqrt(x) {
        let odd = x.exponent.rem_euclid(2);
        let Ball { middle, radius } = x.ball;
        let factor = power(odd);
        let radicand = number(Pair { hi: middle.hi * factor, lo: middle.lo * factor }, radius * factor);
        Scaled::new(radicand.sqrt(), (x.exponent - odd) / 2)
    }

    fn exp(x) {
        let Some(Ball { middle, radius }) = x.plain() else {
            // e^x < 2^x; half of the largest 2^exponent is for the radius and for lo.
            let bits = 1_i64 << (x.exponent - 1).min(40);
            return if x.has_sign() && x.is_negative() { next_to_zero(-bits) } else { UNKNOWN };
        };
        let top = middle.hi + radius;
        if top < -EXP_END {
            // log2 e > 1.44
            return next_to_zero((top * 1.44) as i64 + 1);
        }
        if !(middle.hi < EXP_END && middle.hi > -EXP_END && radius < 0.5) {
            return UNKNOWN;
        }
        // e^A - e^a = e^a (e^(A - a) - 1), and e^r - 1 <= r (1 + r) for r <= 1
        let (mantissa, exponent) = exp_parts(middle);
        let error = mantissa.hi * (2.0 * FUNCTION) + LEAST;
        let spread = (mantissa.hi + error) * radius * (1.0 + radius) * INFLATION;
        Scaled::new(number(mantissa, error + spread), exponent)
    }

    /// `e^x - 1`
    fn exp_m1(x) {
        if x.is_small() {
            // x (1 + x/2 + ...)
            return x.blurred(x.exponent + 2);
        }
        match x.plain() {
            Some(ball) => Scaled::new(ball.exp_m1(), 0),
            None if x.has_sign() && x.is_negative() => {
                Scaled::new(number(Pair { hi: -1.0, lo: 0.0 }, LEAST), 0)
            }
            None => UNKNOWN,
        }
    }

    fn ln(x) {
        // x = m 2^k with m about 1.
        let Ball { middle, radius } = x.ball;
        let is_above = middle.hi > 1.4;
        let factor = if is_above { 0.5 } else { 1.0 };
        let exponent = x.exponent + i64::from(is_above);
        let m = number(Pair { hi: middle.hi * factor, lo: middle.lo * factor }, radius * factor);
        let whole = <Ball<Pair>>::exact(exponent as f64);
        Scaled::new(whole * <Ball<Pair>>::constant(Constant::LnTwo) + m.ln(), 0)
    }

    /// `ln(1 + x)`
    fn ln_1p(x) {
        if x.is_small() {
            // x (1 - x/2 + ...)
            return x.blurred(x.exponent + 2);
        }
        x.plain().map_or(UNKNOWN, |ball| Scaled::new(ball.ln_1p(), 0))
    }

    fn tanh(x) {
        if x.is_small() {
            // x (1 - x^2/3 + ...)
            return x.blurred(2 * x.exponent + 4);
        }
        match x.plain() {
            Some(ball) => Scaled::new(ball.tanh(), 0),
            None if x.has_sign() => {
                let limit = if x.is_negative() { -1.0 } else { 1.0 };
                Scaled::new(number(Pair { hi: limit, lo: 0.0 }, LEAST), 0)
            }
            None => UNKNOWN,
        }
    }

    fn erf(x) {
        if x.is_small() {
            // (2/sqrt pi) x (1 - x^2/3 + ...)
            return multiply(x, Scaled::constant(Constant::TwoOverRootPi)).blurred(2 * x.exponent + 4);
        }
        match x.plain() {
            Some(ball) => Scaled::new(ball.erf(), 0),
            None if x.has_sign() => {
                let limit = if x.is_negative() { -1.0 } else { 1.0 };
                Scaled::new(number(Pair { hi: limit, lo: 0.0 }, LEAST), 0)
            }
            None => UNKNOWN,
        }
    }

    /// `1 - erf(x)`
    fn erfc(x) {
        let Some(ball) = x.plain() else {
            // erfc z < e^(-z^2) for z > 1; half of 2^exponent is for the radius and for lo.
            return match (x.has_sign(), x.is_negative()) {
                (true, false) => next_to_zero(-(1 << (2 * (x.exponent - 1)).min(40))),
                (true, true) => Scaled::new(number(Pair { hi: 2.0, lo: 0.0 }, LEAST), 0),
                (false, _) => UNKNOWN,
            };
        };
        let Ball { middle: z, radius } = ball;
        if z.hi < 1.0 {
            return Scaled::new(ball.erfc(), 0);
        }
        let least = z.hi - radius;
        if least > ERFC_GRID_END - 0.1 {
            return next_to_zero((least * least * -1.44) as i64 + 1);
        }
        // The spread as in balls without an exponent.
        if !(z.hi < ERFC_GRID_END && z.hi * radius < 0.001 && radius < 0.001) {
            return UNKNOWN;
        }
        let (mantissa, exponent) = exp_parts(z.times(z).negate());
        let result = mantissa.times(scaled_erfc(z));
        // z^2 < 900 is right to 2^-94 absolutely.
        let error = result.hi * power_of_two(-90) + LEAST;
        let spread = 1.01 * (result.hi + error) * (2.0 * z.hi + 1.5) * radius;
        Scaled::new(number(result, error + spread), exponent)
    }
}

impl Add for Scaled {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        add(self, other)
    }
}

impl Sub for Scaled {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        add(self, -other)
    }
}

impl Mul for Scaled {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        multiply(self, other)
    }
}

impl Div for Scaled {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        divide(self, other)
    }
}

impl Neg for Scaled {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Scaled { ball: -self.ball, ..self }
    }
}

mix_with_floats!(impl<> for Scaled);

impl Reference for Scaled {
    #[inline(always)]
    fn exact(x: f64) -> Self {
        // Subnormals are made normal first.
        let (x, exponent) = if x.abs() < LEAST { (x * power_of_two(200), -200) } else { (x, 0) };
        Scaled::new(<Ball<Pair>>::exact(x), exponent)
    }

    #[inline(always)]
    fn float(self) -> f64 {
        debug_assert!(self.ball.radius == 0.0, "not a float");
        // In two factors: neither product rounds.
        let first = self.exponent.max(-900);
        self.ball.middle.hi * power(first) * power(self.exponent - first)
    }

    fn constant(constant: Constant) -> Self {
        Scaled::new(<Ball<Pair>>::constant(constant), 0)
    }

    fn digits() -> u32 {
        Pair::DIGITS
    }

    fn widened(self, by: Self) -> Self {
        let Ball { middle, radius } = by.ball;
        let radius = (middle.hi.abs() * (1.0 + f64::EPSILON) + radius) * INFLATION;
        add(self, Scaled::new(number(Pair { hi: 0.0, lo: 0.0 }, radius), by.exponent))
    }

    fn sqrt(self) -> Self {
        sqrt(self)
    }
    fn exp(self) -> Self {
        exp(self)
    }
    fn exp_m1(self) -> Self {
        exp_m1(self)
    }
    fn ln(self) -> Self {
        ln(self)
    }
    fn ln_1p(self) -> Self {
        ln_1p(self)
    }
    fn tanh(self) -> Self {
        tanh(self)
    }
    fn erf(self) -> Self {
        erf(self)
    }
    fn erfc(self) -> Self {
        erfc(self)
    }
}

/// The exponent of the ulp that counts for `end 2^exponent`.
fn unit<F: Format>(end: Pair, exponent: i64) -> i64 {
    let size = truncated(end).abs();
    // No format reaches further than the limits.
    let binade = if size == 0.0 { -5000 } else { binade(size) + exponent.clamp(-3000, 3000) };
    unit_exponent::<F>(binade as i32).into()
}

/// A number in units of `2^unit`, within 4 LEAST.
fn in_units(Pair { hi, lo }: Pair, exponent: i64, unit: i64) -> Pair {
    let factor = power((exponent - unit).clamp(-FAR, 1000));
    Pair { hi: hi * factor, lo: lo * factor }
}

/// The number of the format nearest to `end 2^exponent`.
fn nearest<F: Format>(end: Pair, exponent: i64) -> f64 {
    let unit = unit::<F>(end, exponent);
    let Pair { hi, lo } = in_units(end, exponent, unit);
    // At most 2^53, unless it is too large for the format: then whole anyway.
    let whole = hi.round_ties_even();
    let rest = hi - whole;
    let steps = if rest == 0.5 && lo > 0.0 {
        whole + 1.0
    } else if rest == -0.5 && lo < 0.0 {
        whole - 1.0
    } else if rest == 0.0 && lo.abs() > 0.5 {
        // Only with a leading part of more digits than the format has.
        whole + lo.signum()
    } else {
        whole
    };
    // In two factors: neither product rounds where the result is finite.
    let first = unit.max(-1000);
    let value = steps * power(first) * power_of_two((unit - first) as i32);
    if value.abs() > largest::<F>() { f64::INFINITY.copysign(value) } else { value }
}

impl Scaled {
    /// Pairs around the ball.
    fn ends(self) -> [Pair; 2] {
        let Ball { middle: Pair { hi, lo }, radius } = self.ball;
        let reach = (radius + lo.abs() * (2.0 * f64::EPSILON)) * INFLATION;
        let reach = if radius == 0.0 { 0.0 } else { reach };
        [lo - reach, lo + reach]
            .map(|lo| if hi == 0.0 { Pair { hi: lo, lo: 0.0 } } else { fast_two_sum(hi, lo) })
    }
}

impl Screen for Scaled {
    type Second = Scaled;
    const RESOLUTION: f64 = power_of_two(-30);
    const HAS_SECOND: bool = false;

    fn evaluate(evaluators: &Evaluators, xs: &[f64], parameters: Parameters, results: &mut [Self]) {
        (evaluators.scaled)(xs, parameters, results);
    }

    fn rounded<F: Format>(self) -> Option<f64> {
        if self.ball.radius.is_nan() {
            return None;
        }
        let [low, high] = self.ends();
        let low = nearest::<F>(low, self.exponent);
        (low == nearest::<F>(high, self.exponent)).then_some(low)
    }

    fn screen<F: Format>(self, got: f64) -> Screened {
        let undecided = Screened { error: f64::NAN, correct: false };
        let Some(expected) = self.rounded::<F>() else { return undecided };
        if expected.is_infinite() && got == expected {
            return Screened { error: 0.0, correct: true };
        }
        if expected.is_infinite() || !got.is_finite() {
            return undecided;
        }
        let [low, high] = self.ends();
        let unit = unit::<F>(low, self.exponent).min(unit::<F>(high, self.exponent));
        let is_far = self.exponent - unit < -FAR;
        let radius = self.ball.radius * power((self.exponent - unit).clamp(-FAR, 1000));
        // What underflowed there.
        let radius = if is_far { radius + 8.0 * LEAST } else { radius };
        let middle = in_units(self.ball.middle, self.exponent, unit);
        // In two factors: no product rounds.
        let first = (-unit).min(1000);
        let got_units = got * power(first) * power(-unit - first);
        // The first difference is exact, or so large that its rounding does not matter.
        let error = (((got_units - middle.hi) - middle.lo).abs() + radius) * INFLATION;
        let is_tie = radius == 0.0 && is_tie(got_units, middle, 1.0);
        Screened { error, correct: got == expected || is_tie }
    }

    fn may_hold<E: Enclosure>(self, enclosure: &E) -> bool {
        let Ball { middle: Pair { hi, lo }, radius } = self.ball;
        // What is left at a bound so close to zero is taken for a larger ball.
        may_hold([hi, lo], radius, self.exponent.max(-100_000), enclosure)
    }
}
