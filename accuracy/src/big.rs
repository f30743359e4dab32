//! Balls of big numbers: the reference of last resort where MPFR is not installed, and what the
//! tables of [`pair`](crate::pair) are computed with.
//!
//! A ball is `(middle +- radius) 2^exponent` with integers of any size. Its bits are limited by
//! shortening both, which adds to the radius; arithmetic adds nothing else. A function is evaluated
//! at the exact middle, and how a radius spreads follows from a bound of its slope.

use core::cell::RefCell;
use core::ops::Shl;
use std::collections::HashMap;
use std::thread::LocalKey;

use num_bigint::BigInt;
use num_traits::{One, Signed, ToPrimitive, Zero};

use crate::format::{Format, power_of_two};
use crate::formulas::{Evaluators, Parameters};
use crate::interval::{Enclosure, Interval, Workspace};

/// What is known of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Knowledge {
    /// It is in the ball.
    Ball,
    /// It is larger than 2^5000.
    Huge,
    Nothing,
}

#[derive(Clone, Debug)]
pub struct Big {
    middle: BigInt,
    radius: BigInt,
    exponent: i64,
    knowledge: Knowledge,
}

/// What `e^x` may be left at below -2^14: the cubes and squares of the largest floats, by which
/// formulas multiply it, are less than 2^6000. What erfc may be left at is multiplied by x alone.
const EXP_BOUND: i64 = 20_000;
const ERFC_BOUND: i64 = 5_000;
/// Below `2^-SMALL`, series in the argument itself.
const SMALL: i64 = 24;

fn length(value: &BigInt) -> i64 {
    value.bits() as i64
}

/// `value 2^shift`, rounded down.
fn shifted(value: &BigInt, shift: i64) -> BigInt {
    if shift >= 0 { value << shift as u64 } else { value >> shift.unsigned_abs() }
}

impl Big {
    /// At most so many bits of it; exact as long as only zeros go.
    fn new(middle: BigInt, radius: BigInt, exponent: i64, precision: u32) -> Big {
        let excess = (length(&middle).max(length(&radius)) - i64::from(precision)).max(0) as u64;
        let is_exact = [&middle, &radius]
            .iter()
            .all(|value| value.trailing_zeros().is_none_or(|zeros| zeros >= excess));
        // Else both are rounded down: less than one unit each.
        Big {
            middle: middle >> excess,
            radius: (radius >> excess) + if is_exact { 0 } else { 2 },
            exponent: exponent + excess as i64,
            knowledge: Knowledge::Ball,
        }
    }

    fn exactly(middle: BigInt, exponent: i64) -> Big {
        Big { middle, radius: BigInt::zero(), exponent, knowledge: Knowledge::Ball }
    }

    fn integer(value: i64) -> Big {
        Big::exactly(BigInt::from(value), 0)
    }

    fn unknown() -> Big {
        Big { knowledge: Knowledge::Nothing, ..Big::integer(0) }
    }

    fn huge() -> Big {
        Big { knowledge: Knowledge::Huge, ..Big::integer(0) }
    }

    /// Within `2^-bits` of zero.
    fn next_to_zero(bits: i64) -> Big {
        Big { radius: BigInt::one(), exponent: -bits, ..Big::integer(0) }
    }

    fn is_known(&self) -> bool {
        self.knowledge == Knowledge::Ball
    }

    /// The middle alone.
    fn center(&self) -> Big {
        Big::exactly(self.middle.clone(), self.exponent)
    }

    fn is_negative(&self) -> bool {
        self.middle.is_negative()
    }

    /// More than the magnitude of any number of the ball, as a power of two.
    fn magnitude(&self) -> i64 {
        length(&self.middle).max(length(&self.radius)) + 1 + self.exponent
    }

    /// The `f64` next to the middle.
    pub fn to_f64(&self) -> f64 {
        nearest_dyadic(&self.middle, self.exponent, 53, -1074, 1023)
    }

    /// The ball less a float, exactly.
    #[must_use]
    pub fn less(&self, x: f64) -> Big {
        self.add(&Big::exact(-x, 0), u32::MAX)
    }

    #[must_use]
    pub fn scaled(mut self, exponent: i64) -> Big {
        self.exponent += exponent;
        self
    }

    /// The exponent of the power of two at or beneath the middle, if that is not zero.
    pub fn binade(&self) -> i64 {
        length(&self.middle) + self.exponent - 1
    }

    /// Every number within `slope` times the radius of `argument` of this one.
    fn spread(self, argument: &Big, slope: &Big, precision: u32) -> Big {
        if argument.radius.is_zero() {
            return self;
        }
        let radius = Big::exactly(argument.radius.clone(), argument.exponent);
        self.widened(&radius.multiply(slope, 64), precision)
    }

    /// Whether every number of the ball is further from zero than 60.
    fn is_far(&self) -> bool {
        let least = self.middle.abs() - &self.radius;
        shifted(&least, self.exponent) >= BigInt::from(60)
    }

    /// Whether the radius is less than `2^-bits`.
    fn is_within(&self, bits: i64) -> bool {
        self.radius.is_zero() || length(&self.radius) + self.exponent <= -bits
    }

    /// `first` and the terms that follow it, each the one before times `x numerator/denominator`.
    /// Wants the factor to be at most a half from some term on.
    fn series(first: Big, x: &Big, ratio: impl Fn(i64) -> (i64, i64), precision: u32) -> Big {
        let (mut term, mut sum, size) = (first.clone(), first, x.to_f64().abs());
        for n in 0.. {
            let (numerator, denominator) = ratio(n);
            let factor = size * numerator.abs() as f64 / denominator as f64;
            let is_negligible = term.magnitude() + i64::from(precision) < sum.binade();
            if factor < 0.499 && (is_negligible || term.middle.is_zero()) {
                break;
            }
            term = term
                .multiply(x, precision)
                .multiply(&Big::integer(numerator), precision)
                .divide(&Big::integer(denominator), precision);
            sum = sum.add(&term, precision);
        }
        // All that follow are less than the last.
        sum.widened(&term, precision)
    }

    /// `e^x` at an exact number below 2^40.
    fn exp_of_center(&self, precision: u32) -> Big {
        // x = k ln 2 + r, e^r = (e^(r 2^-HALVINGS))^(2^HALVINGS), in units of 2^-fraction.
        const HALVINGS: u32 = 12;
        let fraction = i64::from(precision) + 80;
        let k = (self.to_f64() * std::f64::consts::LOG2_E).round() as i64;
        let x = shifted(&self.middle, self.exponent + fraction + 48);
        let r: BigInt = (x - constant(Known::LnTwo, fraction as u32 + 48) * k) >> 48;
        let step: BigInt = r >> HALVINGS;
        let one: BigInt = BigInt::one() << fraction as u64;
        let (mut term, mut power) = (one.clone(), one);
        for n in 1.. {
            term = ((term * &step) >> fraction as u64) / n;
            if term.is_zero() || term == BigInt::from(-1) {
                break;
            }
            power += &term;
        }
        for _ in 0..HALVINGS {
            power = (&power * &power) >> fraction as u64;
        }
        // Each of at most `fraction` terms is right to two units, and so are r and what is left out;
        // a squaring doubles that and the factors in between make up less than 1.5.
        let radius = BigInt::from(fraction + 4) << (HALVINGS + 2);
        Big::new(power, radius, k - fraction, precision)
    }

    /// `erfc(z)` at an exact `z`, from 1/2 to about 60.
    fn erfc_of_center(&self, precision: u32) -> Big {
        let z = self.to_f64();
        // erf(z) = (2z/sqrt pi) e^(-z^2) sum (2z^2)^n/(2n + 1)!!; the difference to 1 loses z^2/ln 2 bits.
        let precision = precision + (z * z * 1.5) as u32 + 32;
        let square = self.multiply(self, precision);
        let twice = square.clone().scaled(1);
        let sum = Big::series(Big::integer(1), &twice, |n| (1, 2 * n + 3), precision);
        let scale = Big::pi(precision).sqrt(precision);
        let power = square.negate().exp(precision);
        let factor = self.clone().scaled(1).multiply(&power, precision).divide(&scale, precision);
        Big::integer(1).add(&factor.multiply(&sum, precision).negate(), precision)
    }

    /// The ends, in units of `2^exponent`.
    fn ends(&self) -> [BigInt; 2] {
        [&self.middle - &self.radius, &self.middle + &self.radius]
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Known {
    LnTwo,
    Pi,
}

/// A constant in units of `2^-fraction`, right to one unit.
fn constant(known: Known, fraction: u32) -> BigInt {
    thread_local! {
        static CONSTANTS: RefCell<HashMap<(Known, u32), BigInt>> = RefCell::default();
    }
    CONSTANTS.with_borrow_mut(|constants| {
        constants
            .entry((known, fraction))
            .or_insert_with(|| {
                let one = BigInt::one() << (fraction + 32);
                let sum = match known {
                    Known::LnTwo => inverse_tangent(&one, 3, 1) * 2,
                    // Source: J. Machin, 1706.
                    Known::Pi => {
                        (inverse_tangent(&one, 5, -1) * 4 - inverse_tangent(&one, 239, -1)) * 4
                    }
                };
                sum >> 32
            })
            .clone()
    })
}

/// `artanh(1/q)` or, with sign -1, `arctan(1/q)`: `sum sign^n/((2n + 1) q^(2n + 1))`
fn inverse_tangent(one: &BigInt, q: i64, sign: i64) -> BigInt {
    let mut power: BigInt = one / q;
    let mut sum = power.clone();
    for n in 1.. {
        power = power / (q * q) * sign;
        if power.is_zero() {
            break;
        }
        sum += &power / (2 * n + 1);
    }
    sum
}

/// The number nearest to `value 2^exponent` among those of so many digits and at least 2^least apart;
/// ties to even; an infinity from `2^(greatest + 1)` on.
fn nearest_dyadic(value: &BigInt, exponent: i64, digits: i64, least: i64, greatest: i64) -> f64 {
    if value.is_zero() {
        return 0.0;
    }
    let sign = if value.is_negative() { -1.0 } else { 1.0 };
    let binade = length(value) + exponent - 1;
    if binade > greatest {
        return sign * f64::INFINITY;
    }
    let unit = (binade + 1 - digits).max(least);
    let magnitude = value.magnitude();
    let steps = if exponent >= unit {
        magnitude.shl((exponent - unit) as u64).to_f64()
    } else {
        let shift = (unit - exponent) as u64;
        let half = shift - 1;
        let mut whole = magnitude >> shift;
        let is_half = magnitude.bit(half);
        let is_more = magnitude.trailing_zeros().is_some_and(|zeros| zeros < half);
        if is_half && (is_more || whole.bit(0)) {
            whole += 1_u32;
        }
        whole.to_f64()
    };
    let steps = steps.expect("at most 2^53");
    // In two factors: the first may be subnormal alone, the product never rounds.
    let result = steps * power_of_two(unit as i32);
    if result >= 2.0 * power_of_two(greatest as i32) { sign * f64::INFINITY } else { sign * result }
}

impl Enclosure for Big {
    fn workspace() -> &'static LocalKey<RefCell<Workspace<Big>>> {
        thread_local! {
            static WORKSPACE: RefCell<Workspace<Big>> = RefCell::default();
        }
        &WORKSPACE
    }

    fn formula(evaluators: &Evaluators) -> fn(f64, Parameters) -> Interval<Big> {
        evaluators.big
    }

    fn exact(x: f64, _precision: u32) -> Big {
        let bits = x.to_bits();
        let (exponent, fraction) = (((bits >> 52) & 0x7ff) as i64, bits & ((1 << 52) - 1));
        let (fraction, exponent) =
            if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) };
        let zeros = if fraction == 0 { 0 } else { i64::from(fraction.trailing_zeros()) };
        let middle = BigInt::from(fraction >> zeros);
        Big::exactly(if x < 0.0 { -middle } else { middle }, exponent + zeros)
    }

    fn pi(precision: u32) -> Big {
        let fraction = precision + 8;
        Big::new(constant(Known::Pi, fraction), BigInt::one(), -i64::from(fraction), precision)
    }

    fn float(&self) -> f64 {
        debug_assert!(self.radius.is_zero(), "not a float");
        self.to_f64()
    }

    fn add(&self, other: &Big, precision: u32) -> Big {
        if !self.is_known() || !other.is_known() {
            return Big::unknown();
        }
        let exponent = self.exponent.min(other.exponent);
        let align = |value: &BigInt, from: i64| value << (from - exponent) as u64;
        let middle = align(&self.middle, self.exponent) + align(&other.middle, other.exponent);
        let radius = align(&self.radius, self.exponent) + align(&other.radius, other.exponent);
        Big::new(middle, radius, exponent, precision)
    }

    fn multiply(&self, other: &Big, precision: u32) -> Big {
        if !self.is_known() || !other.is_known() {
            return Big::unknown();
        }
        // A B - a b = A (B - b) + (A - a) b
        let radius =
            (self.middle.abs() + &self.radius) * &other.radius + &self.radius * other.middle.abs();
        let exponent = self.exponent + other.exponent;
        Big::new(&self.middle * &other.middle, radius, exponent, precision)
    }

    fn divide(&self, other: &Big, precision: u32) -> Big {
        let divisor = other.middle.abs();
        if !self.is_known() || !other.is_known() || divisor <= other.radius {
            return Big::unknown();
        }
        // A/B - a/b = ((A - a) - (a/b)(B - b)) / B
        let shift =
            (i64::from(precision) + 8 + length(&divisor) - length(&self.middle)).max(0) as u64;
        let quotient = (&self.middle << shift) / &other.middle;
        let mut radius = BigInt::zero();
        if !self.radius.is_zero() || !other.radius.is_zero() {
            let spread = (&self.radius << shift) + (quotient.abs() + 1) * &other.radius;
            radius = spread / (divisor - &other.radius) + 1;
        }
        if &quotient * &other.middle != &self.middle << shift {
            radius += 1;
        }
        let exponent = self.exponent - other.exponent - shift as i64;
        Big::new(quotient, radius, exponent, precision)
    }

    fn negate(&self) -> Big {
        let knowledge =
            if self.knowledge == Knowledge::Huge { Knowledge::Nothing } else { self.knowledge };
        Big { middle: -&self.middle, knowledge, ..self.clone() }
    }

    fn widened(&self, by: &Big, precision: u32) -> Big {
        if !self.is_known() || !by.is_known() {
            return Big::unknown();
        }
        let more = by.middle.abs() + &by.radius;
        let by = Big { middle: BigInt::zero(), radius: more, ..by.clone() };
        self.add(&by, precision)
    }

    fn sqrt(&self, precision: u32) -> Big {
        if !self.is_known() || self.is_negative() || self.radius.clone() * 2 > self.middle {
            return Big::unknown();
        }
        if self.middle.is_zero() {
            return self.clone();
        }
        let shift = (2 * i64::from(precision) + 16 - length(&self.middle)).max(0);
        let shift = shift + (self.exponent - shift).rem_euclid(2);
        let radicand = &self.middle << shift as u64;
        let root = radicand.sqrt();
        let error = BigInt::from(i64::from(&root * &root != radicand));
        let root = Big::new(root, error, (self.exponent - shift) / 2, precision);
        // |sqrt A - sqrt a| <= |A - a| / sqrt a
        let slope = Big::integer(1).divide(&root, 64);
        root.spread(self, &slope, precision)
    }

    fn exp(&self, precision: u32) -> Big {
        if !self.is_known() {
            return Big::unknown();
        }
        let least = self.middle.abs() - &self.radius;
        if least.is_positive() && length(&least) + self.exponent > 14 {
            // All are at 2^14 or beyond, and e^-16384 < 2^-23000.
            return if self.is_negative() { Big::next_to_zero(EXP_BOUND) } else { Big::huge() };
        }
        if !self.is_within(1) {
            return Big::unknown();
        }
        // e^A - e^a = e^a (e^(A - a) - 1), and e^r - 1 <= 2r for r <= 1
        let power = self.exp_of_center(precision);
        let slope = power.clone().scaled(1);
        power.spread(self, &slope, precision)
    }

    fn exp_m1(&self, precision: u32) -> Big {
        if !self.is_known() || self.magnitude() > -SMALL {
            let power = self.exp(precision + SMALL as u32 + 8);
            return power.add(&Big::integer(-1), precision);
        }
        let x = self.center();
        let sum = Big::series(x.clone(), &x, |n| (1, n + 2), precision + 8);
        sum.spread(self, &Big::integer(2), precision)
    }

    fn ln(&self, precision: u32) -> Big {
        if !self.is_known() || self.is_negative() || self.radius.clone() * 2 >= self.middle {
            return Big::unknown();
        }
        // With y = ln a in f64, ln a = y + ln(1 + d), d = a e^-y - 1.
        let a = self.center();
        let mantissa = a.clone().scaled(-a.binade()).to_f64();
        let y = mantissa.ln() + a.binade() as f64 * std::f64::consts::LN_2;
        let wide = precision + 64;
        let y = Big::exact(y, wide);
        let d = a.multiply(&y.negate().exp(wide), wide).add(&Big::integer(-1), wide);
        let result = y.add(&d.ln_1p(wide), precision);
        let slope = Big::integer(2).divide(&a, 64);
        result.spread(self, &slope, precision)
    }

    fn ln_1p(&self, precision: u32) -> Big {
        if !self.is_known() || self.magnitude() > -SMALL {
            let wide = precision + SMALL as u32 + 8;
            return self.add(&Big::integer(1), wide + 64).ln(wide);
        }
        let x = self.center();
        let sum = Big::series(x.clone(), &x, |n| (-(n + 1), n + 2), precision + 8);
        sum.spread(self, &Big::integer(2), precision)
    }

    fn tanh(&self, precision: u32) -> Big {
        // tanh |x| = -m/(2 + m), m = e^(-2|x|) - 1; the slope is at most 1
        let wide = precision + 8;
        let x = self.center();
        let x = if self.is_negative() { x } else { x.negate() };
        let m = x.scaled(1).exp_m1(wide);
        let size = m.negate().divide(&m.add(&Big::integer(2), wide), wide);
        let result = if self.is_negative() { size.negate() } else { size };
        if self.is_known() {
            result.spread(self, &Big::integer(1), precision)
        } else {
            Big::unknown()
        }
    }

    fn erf(&self, precision: u32) -> Big {
        if !self.is_known() {
            return Big::unknown();
        }
        if self.is_far() {
            // 1 - erf(60) < e^-3600 < 2^-5190
            let one = Big::integer(if self.is_negative() { -1 } else { 1 });
            return one.widened(&Big::next_to_zero(ERFC_BOUND), u32::MAX);
        }
        if !self.is_within(0) {
            return Big::unknown();
        }
        let wide = precision + 8;
        let z = self.center();
        let size = if self.is_negative() { z.negate() } else { z.clone() };
        let result = if size.to_f64() < 0.5 {
            let square = z.multiply(&z, wide);
            // (2/sqrt pi) sum (-1)^n z^(2n+1)/(n! (2n + 1))
            let ratio = |n: i64| (-(2 * n + 1), (n + 1) * (2 * n + 3));
            let sum = Big::series(z, &square, ratio, wide);
            sum.scaled(1).divide(&Big::pi(wide).sqrt(wide), wide)
        } else {
            let rest = Big::integer(1).add(&size.erfc_of_center(wide).negate(), wide);
            if self.is_negative() { rest.negate() } else { rest }
        };
        // The slope is at most 2/sqrt(pi) < 2.
        result.spread(self, &Big::integer(2), precision)
    }

    fn erfc(&self, precision: u32) -> Big {
        if !self.is_known() {
            return Big::unknown();
        }
        let z = self.center();
        let size = z.to_f64();
        if size < 0.5 {
            return Big::integer(1).add(&self.erf(precision + 8).negate(), precision);
        }
        if self.is_far() {
            return Big::next_to_zero(ERFC_BOUND);
        }
        if !self.is_within(16) {
            return Big::unknown();
        }
        // For z >= 0, (2/sqrt pi) e^(-z^2) < erfc(z) (2z + 1.5); on the ball e^(-z^2) is at most
        // e^(2zr + r^2) < 1.003 times that, where zr and r < 0.001.
        let result = z.erfc_of_center(precision);
        let slope = result.multiply(&Big::exact(2.0 * size + 2.0, 64), 64).scaled(1);
        result.spread(self, &slope, precision)
    }

    fn nearest<F: Format>(&self) -> [f64; 2] {
        match self.knowledge {
            Knowledge::Nothing => [f64::NAN; 2],
            Knowledge::Huge => [f64::INFINITY; 2],
            Knowledge::Ball => self.ends().map(|end| {
                let least = F::LEAST_EXPONENT - (F::DIGITS - 1);
                nearest_dyadic(
                    &end,
                    self.exponent,
                    F::DIGITS.into(),
                    least.into(),
                    F::GREATEST_EXPONENT.into(),
                )
            }),
        }
    }

    fn binades(&self) -> [i32; 2] {
        if !self.is_known() {
            return [if self.knowledge == Knowledge::Huge { 5000 } else { 0 }; 2];
        }
        self.ends().map(|end| {
            let binade = if end.is_zero() { i64::MIN } else { length(&end) + self.exponent - 1 };
            binade.clamp(i32::MIN.into(), i32::MAX.into()) as i32
        })
    }

    fn width(&self) -> i32 {
        match (self.knowledge, self.radius.is_zero()) {
            (Knowledge::Ball, true) => i32::MIN,
            (Knowledge::Ball, false) => (length(&self.radius) + 1 + self.exponent) as i32,
            _ => i32::MAX,
        }
    }

    fn distance(&self, from: f64, unit: i32) -> f64 {
        if !self.is_known() {
            return f64::INFINITY;
        }
        let distance = self.less(from);
        let most = distance.middle.abs() + distance.radius;
        // 64 bits of it, rounded up.
        let excess = (length(&most) - 64).max(0);
        let top = (&most >> excess as u64).to_f64().expect("64 bits");
        let top = if excess > 0 { top.next_up() } else { top };
        let exponent = distance.exponent + excess - i64::from(unit);
        if exponent > 900 {
            return f64::INFINITY;
        }
        top * power_of_two(exponent.max(-1000) as i32)
    }

    fn meets(&self, center: [f64; 2], radius: f64, exponent: i64) -> bool {
        if !self.is_known() {
            return true;
        }
        let distance = self.clone().scaled(-exponent).less(center[0]).less(center[1]);
        let rest = Big::exactly(distance.middle.abs() - distance.radius, distance.exponent);
        !rest.less(radius).middle.is_positive()
    }

    fn text(&self) -> String {
        if !self.is_known() {
            return "?".to_owned();
        }
        decimal(&self.ends()[0], self.exponent, 25)
    }
}

/// `value 2^exponent` to so many decimal digits.
fn decimal(value: &BigInt, exponent: i64, digits: usize) -> String {
    if value.is_zero() {
        return "0".to_owned();
    }
    // |value| = n 10^-power with some digits more than that.
    let binade = (length(value) + exponent) as f64;
    let power = digits as i64 + 2 - (binade * std::f64::consts::LOG10_2).floor() as i64;
    let scale = num_traits::pow(BigInt::from(10), power.unsigned_abs() as usize);
    let n = if power >= 0 {
        shifted(&(value.abs() * scale), exponent)
    } else {
        shifted(&value.abs(), exponent) / scale
    };
    // To the nearest, as MPFR shows it; 9.99... becomes 10.
    let more = n.to_string().len() - digits;
    let half = BigInt::from(5) * num_traits::pow(BigInt::from(10), more - 1);
    let text = (n + half).to_string();
    let sign = if value.is_negative() { "-" } else { "" };
    format!("{sign}{}.{}e{}", &text[..1], &text[1..digits], text.len() as i64 - 1 - power)
}
