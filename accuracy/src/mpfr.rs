//! Intervals of MPFR numbers, rounded outwards.
//!
//! Every function here is monotone and MPFR rounds each correctly in a chosen direction, so an
//! interval's ends are enclosed by rounding the lower one down and the upper one up. Nothing else
//! is needed for a proof.

use core::cell::RefCell;
use core::cmp::Ordering;
use std::thread::LocalKey;

use rug::Float;
use rug::float::{Constant, Round, Special};
use rug::ops::NegAssign;

use crate::format::{Format, largest, power_of_two};
use crate::formulas::{Evaluators, Parameters};
use crate::interval::{Enclosure, Interval, Workspace};

/// The reals between two numbers, both included.
#[derive(Clone, Debug)]
pub struct Mpfr {
    pub low: Float,
    pub high: Float,
}

impl Mpfr {
    fn point(value: Float) -> Mpfr {
        Mpfr { low: value.clone(), high: value }
    }

    /// `function` rounds its operand in place and tells on which side of the exact result it is.
    fn increasing(&self, function: impl Fn(&mut Float, Round) -> Ordering) -> Mpfr {
        let mut low = self.low.clone();
        let side = function(&mut low, Round::Down);
        let mut high;
        if self.low == self.high {
            // One evaluation serves both: the exact result is here or before the next number.
            high = low.clone();
            if side != Ordering::Equal {
                high.next_up();
            }
        } else {
            high = self.high.clone();
            function(&mut high, Round::Up);
        }
        Mpfr { low, high }
    }

    fn negate(mut self) -> Mpfr {
        self.low.neg_assign();
        self.high.neg_assign();
        Mpfr { low: self.high, high: self.low }
    }

    /// The larger of the ends' absolute values.
    fn magnitude(&self) -> Float {
        let (low, high) = (self.low.clone().abs(), self.high.clone().abs());
        if low > high { low } else { high }
    }

    /// 1 or -1 if no number here has the other sign, else 0.
    fn sign(&self) -> i8 {
        if self.low >= 0 {
            1
        } else if self.high <= 0 {
            -1
        } else {
            0
        }
    }

    /// The ends in order of their magnitude, if the interval has a sign.
    fn by_magnitude(&self, sign: i8) -> (&Float, &Float) {
        if sign > 0 { (&self.low, &self.high) } else { (&self.high, &self.low) }
    }
}

/// Encloses a product or quotient of which the smallest and the largest magnitude are those of these
/// operands.
fn extremes(
    smallest: (&Float, &Float),
    largest: (&Float, &Float),
    is_negative: bool,
    operation: impl Fn(&Float, &Float, Round) -> Float,
) -> Mpfr {
    let (low, high) = if is_negative { (largest, smallest) } else { (smallest, largest) };
    Mpfr { low: operation(low.0, low.1, Round::Down), high: operation(high.0, high.1, Round::Up) }
}

impl Enclosure for Mpfr {
    fn workspace() -> &'static LocalKey<RefCell<Workspace<Mpfr>>> {
        thread_local! {
            static WORKSPACE: RefCell<Workspace<Mpfr>> = RefCell::default();
        }
        &WORKSPACE
    }

    fn formula(evaluators: &Evaluators) -> fn(f64, Parameters) -> Interval<Mpfr> {
        evaluators.mpfr
    }

    fn exact(x: f64, precision: u32) -> Mpfr {
        Mpfr::point(Float::with_val(precision.max(53), x))
    }

    fn pi(precision: u32) -> Mpfr {
        let round = |round| Float::with_val_round(precision, Constant::Pi, round).0;
        Mpfr { low: round(Round::Down), high: round(Round::Up) }
    }

    fn float(&self) -> f64 {
        debug_assert!(self.low == self.high, "not a float");
        self.low.to_f64()
    }

    fn add(&self, other: &Mpfr, precision: u32) -> Mpfr {
        Mpfr {
            low: Float::with_val_round(precision, &self.low + &other.low, Round::Down).0,
            high: Float::with_val_round(precision, &self.high + &other.high, Round::Up).0,
        }
    }

    fn multiply(&self, other: &Mpfr, precision: u32) -> Mpfr {
        let times = |x: &Float, y: &Float, round| Float::with_val_round(precision, x * y, round).0;
        let (sign, other_sign) = (self.sign(), other.sign());
        if sign == 0 || other_sign == 0 {
            // At least one holds zero inside, or NaN: no further than this on either side.
            let high = times(&self.magnitude(), &other.magnitude(), Round::Up);
            return Mpfr { low: -high.clone(), high };
        }
        let (a_small, a_large) = self.by_magnitude(sign);
        let (b_small, b_large) = other.by_magnitude(other_sign);
        extremes((a_small, b_small), (a_large, b_large), sign != other_sign, times)
    }

    fn divide(&self, other: &Mpfr, precision: u32) -> Mpfr {
        let over = |x: &Float, y: &Float, round| Float::with_val_round(precision, x / y, round).0;
        let (sign, other_sign) = (self.sign(), other.sign());
        let (b_small, b_large) = other.by_magnitude(other_sign);
        if other_sign == 0 || *b_small == 0 {
            return Mpfr::point(Float::with_val(precision, Special::Nan));
        }
        if sign == 0 {
            let high = over(&self.magnitude(), &b_small.clone().abs(), Round::Up);
            return Mpfr { low: -high.clone(), high };
        }
        let (a_small, a_large) = self.by_magnitude(sign);
        extremes((a_small, b_large), (a_large, b_small), sign != other_sign, over)
    }

    fn negate(&self) -> Mpfr {
        let (mut low, mut high) = (self.high.clone(), self.low.clone());
        low.neg_assign();
        high.neg_assign();
        Mpfr { low, high }
    }

    fn widened(&self, by: &Mpfr, precision: u32) -> Mpfr {
        let by = by.magnitude();
        Mpfr {
            low: Float::with_val_round(precision, &self.low - &by, Round::Down).0,
            high: Float::with_val_round(precision, &self.high + &by, Round::Up).0,
        }
    }

    // MPFR rounds results to the precision of operands.

    fn sqrt(&self, _precision: u32) -> Mpfr {
        self.increasing(Float::sqrt_round)
    }
    fn exp(&self, _precision: u32) -> Mpfr {
        self.increasing(Float::exp_round)
    }
    fn exp_m1(&self, _precision: u32) -> Mpfr {
        self.increasing(Float::exp_m1_round)
    }
    fn ln(&self, _precision: u32) -> Mpfr {
        self.increasing(Float::ln_round)
    }
    fn ln_1p(&self, _precision: u32) -> Mpfr {
        self.increasing(Float::ln_1p_round)
    }
    fn tanh(&self, _precision: u32) -> Mpfr {
        self.increasing(Float::tanh_round)
    }
    fn erf(&self, _precision: u32) -> Mpfr {
        self.increasing(Float::erf_round)
    }
    fn erfc(&self, _precision: u32) -> Mpfr {
        // Decreasing; its negative increases.
        let negative = self.increasing(|value, round| {
            let mirrored = if round == Round::Down { Round::Up } else { Round::Down };
            let side = value.erfc_round(mirrored);
            value.neg_assign();
            side.reverse()
        });
        negative.negate()
    }

    fn nearest<F: Format>(&self) -> [f64; 2] {
        [&self.low, &self.high].map(nearest_to::<F>)
    }

    fn binades(&self) -> [i32; 2] {
        // |value| is in [2^(exponent - 1), 2^exponent).
        [&self.low, &self.high].map(|end| end.get_exp().map_or(i32::MIN, |exponent| exponent - 1))
    }

    fn width(&self) -> i32 {
        let width = Float::with_val_round(64, &self.high - &self.low, Round::Up).0;
        if width.is_zero() { i32::MIN } else { width.get_exp().unwrap_or(i32::MAX) }
    }

    fn distance(&self, from: f64, unit: i32) -> f64 {
        let distance = |end: &Float| Float::with_val_round(64, end - from, Round::Nearest).0.abs();
        let (low, high) = (distance(&self.low), distance(&self.high));
        ((if low > high { low } else { high }) >> unit).to_f64_round(Round::Up)
    }

    fn meets(&self, center: [f64; 2], radius: f64, exponent: i64) -> bool {
        let exponent = exponent as i32;
        // The sum of two floats is exact.
        const EXACT: u32 = 2200;
        let middle = (Float::with_val(EXACT, center[0]) + center[1]) << exponent;
        let radius = Float::with_val(53, radius) << exponent;
        // The distance from the middle to the enclosure.
        let below = Float::with_val(EXACT, &self.low - &middle);
        let above = Float::with_val(EXACT, &middle - &self.high);
        below <= radius && above <= radius
    }

    fn text(&self) -> String {
        self.low.to_string_radix(10, Some(25))
    }
}

/// A number rounded to the format: to nearest, ties to even.
fn nearest_to<F: Format>(value: &Float) -> f64 {
    let Some(exponent) = value.get_exp() else {
        return value.to_f64(); // zero, infinite or NaN
    };
    // |value| is in [2^(exponent - 1), 2^exponent).
    let least = F::LEAST_EXPONENT - (F::DIGITS - 1);
    let digits = F::DIGITS.min(exponent - least);
    let rounded = match digits {
        1.. => Float::with_val(digits as u32, value).to_f64(),
        // Half of the smallest number or more: a tie goes to zero, which is even.
        0 if !is_power_of_two(value) => power_of_two(least).copysign(sign_of(value)),
        _ => 0.0_f64.copysign(sign_of(value)),
    };
    if rounded.abs() > largest::<F>() { f64::INFINITY.copysign(rounded) } else { rounded }
}

fn sign_of(value: &Float) -> f64 {
    if value.is_sign_negative() { -1.0 } else { 1.0 }
}

fn is_power_of_two(value: &Float) -> bool {
    Float::with_val(1, value) == *value
}
