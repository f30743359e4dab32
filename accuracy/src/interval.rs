//! Intervals of MPFR numbers: the reference of last resort, and the definition of the others.
//!
//! Every function here is monotone and MPFR rounds each correctly in a chosen direction, so an
//! interval's ends are enclosed by rounding the lower one down and the upper one up. Nothing else
//! is needed for a proof.
//!
//! Formulas want numbers that copy. So the ends live in a workspace of the thread, and an
//! `Interval` is an index into it, valid inside one [`evaluate`] only.

use core::cell::RefCell;
use core::cmp::Ordering;
use core::ops::{Add, Div, Mul, Neg, Sub};
use std::collections::HashMap;

use rug::Float;
use rug::float::{Constant as MpfrConstant, Round, Special};
use rug::ops::NegAssign;

use crate::reference::{Constant, Reference, mix_with_floats};

/// The reals between two numbers, both included.
#[derive(Clone, Debug)]
pub struct Enclosure {
    pub low: Float,
    pub high: Float,
}

/// A number of the formula being evaluated.
#[derive(Clone, Copy, Debug)]
pub struct Interval(usize);

#[derive(Default)]
struct Workspace {
    precision: u32,
    values: Vec<Enclosure>,
    constants: HashMap<(Constant, u32), Enclosure>,
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

/// Runs a formula with MPFR numbers of so many bits; formulas do not nest.
pub fn evaluate(precision: u32, formula: impl FnOnce() -> Interval) -> Enclosure {
    let [result] = evaluate_all(precision, || [formula()]);
    result
}

/// Several results of one evaluation.
pub fn evaluate_all<const N: usize>(
    precision: u32,
    formula: impl FnOnce() -> [Interval; N],
) -> [Enclosure; N] {
    WORKSPACE.with_borrow_mut(|work| {
        assert!(work.values.is_empty(), "evaluations do not nest");
        work.precision = precision;
    });
    let results = formula();
    WORKSPACE.with_borrow_mut(|work| {
        let enclosures = results.map(|Interval(index)| work.values[index].clone());
        work.values.clear();
        enclosures
    })
}

/// Adds to the workspace what `operation` makes of the values there and the precision.
fn with_values(operation: impl FnOnce(&[Enclosure], u32) -> Enclosure) -> Interval {
    WORKSPACE.with_borrow_mut(|work| {
        let enclosure = operation(&work.values, work.precision);
        work.values.push(enclosure);
        Interval(work.values.len() - 1)
    })
}

impl Enclosure {
    fn point(value: Float) -> Enclosure {
        Enclosure { low: value.clone(), high: value }
    }

    /// `function` rounds its operand in place and tells on which side of the exact result it is.
    fn increasing(&self, function: impl Fn(&mut Float, Round) -> Ordering) -> Enclosure {
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
        Enclosure { low, high }
    }

    fn negate(mut self) -> Enclosure {
        self.low.neg_assign();
        self.high.neg_assign();
        Enclosure { low: self.high, high: self.low }
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
) -> Enclosure {
    let (low, high) = if is_negative { (largest, smallest) } else { (smallest, largest) };
    Enclosure {
        low: operation(low.0, low.1, Round::Down),
        high: operation(high.0, high.1, Round::Up),
    }
}

impl Interval {
    pub fn pi() -> Interval {
        with_values(|_, precision| {
            let round = |round| Float::with_val_round(precision, MpfrConstant::Pi, round).0;
            Enclosure { low: round(Round::Down), high: round(Round::Up) }
        })
    }

    fn increasing(self, function: impl Fn(&mut Float, Round) -> Ordering) -> Interval {
        with_values(|values, _| values[self.0].increasing(function))
    }
}

impl Add for Interval {
    type Output = Interval;
    fn add(self, other: Interval) -> Interval {
        with_values(|values, precision| {
            let (a, b) = (&values[self.0], &values[other.0]);
            Enclosure {
                low: Float::with_val_round(precision, &a.low + &b.low, Round::Down).0,
                high: Float::with_val_round(precision, &a.high + &b.high, Round::Up).0,
            }
        })
    }
}

impl Sub for Interval {
    type Output = Interval;
    fn sub(self, other: Interval) -> Interval {
        self + -other
    }
}

impl Mul for Interval {
    type Output = Interval;
    fn mul(self, other: Interval) -> Interval {
        with_values(|values, precision| {
            let (a, b) = (&values[self.0], &values[other.0]);
            let times =
                |x: &Float, y: &Float, round| Float::with_val_round(precision, x * y, round).0;
            let (sign, other_sign) = (a.sign(), b.sign());
            if sign == 0 || other_sign == 0 {
                // At least one holds zero inside, or NaN: no further than this on either side.
                let high = times(&a.magnitude(), &b.magnitude(), Round::Up);
                return Enclosure { low: -high.clone(), high };
            }
            let (a_small, a_large) = a.by_magnitude(sign);
            let (b_small, b_large) = b.by_magnitude(other_sign);
            extremes((a_small, b_small), (a_large, b_large), sign != other_sign, times)
        })
    }
}

impl Div for Interval {
    type Output = Interval;
    fn div(self, other: Interval) -> Interval {
        with_values(|values, precision| {
            let (a, b) = (&values[self.0], &values[other.0]);
            let over =
                |x: &Float, y: &Float, round| Float::with_val_round(precision, x / y, round).0;
            let (sign, other_sign) = (a.sign(), b.sign());
            let (b_small, b_large) = b.by_magnitude(other_sign);
            if other_sign == 0 || *b_small == 0 {
                return Enclosure::point(Float::with_val(precision, Special::Nan));
            }
            if sign == 0 {
                let high = over(&a.magnitude(), &b_small.clone().abs(), Round::Up);
                return Enclosure { low: -high.clone(), high };
            }
            let (a_small, a_large) = a.by_magnitude(sign);
            extremes((a_small, b_large), (a_large, b_small), sign != other_sign, over)
        })
    }
}

impl Neg for Interval {
    type Output = Interval;
    fn neg(self) -> Interval {
        with_values(|values, _| values[self.0].clone().negate())
    }
}

mix_with_floats!(impl<> for Interval);

impl Reference for Interval {
    fn exact(x: f64) -> Interval {
        with_values(|_, precision| Enclosure::point(Float::with_val(precision.max(53), x)))
    }

    fn float(self) -> f64 {
        WORKSPACE.with_borrow(|work| {
            let enclosure = &work.values[self.0];
            debug_assert!(enclosure.low == enclosure.high, "not a float");
            enclosure.low.to_f64()
        })
    }

    fn constant(constant: Constant) -> Interval {
        let key = WORKSPACE.with_borrow(|work| (constant, work.precision));
        let known = WORKSPACE.with_borrow(|work| work.constants.get(&key).cloned());
        if let Some(enclosure) = known {
            return with_values(|_, _| enclosure);
        }
        let result = constant.define();
        WORKSPACE.with_borrow_mut(|work| {
            let enclosure = work.values[result.0].clone();
            work.constants.insert(key, enclosure);
        });
        result
    }

    fn digits() -> u32 {
        WORKSPACE.with_borrow(|work| work.precision)
    }

    fn widened(self, by: Interval) -> Interval {
        with_values(|values, precision| {
            let (center, by) = (&values[self.0], values[by.0].magnitude());
            Enclosure {
                low: Float::with_val_round(precision, &center.low - &by, Round::Down).0,
                high: Float::with_val_round(precision, &center.high + &by, Round::Up).0,
            }
        })
    }

    fn sqrt(self) -> Interval {
        self.increasing(Float::sqrt_round)
    }
    fn exp(self) -> Interval {
        self.increasing(Float::exp_round)
    }
    fn exp_m1(self) -> Interval {
        self.increasing(Float::exp_m1_round)
    }
    fn ln(self) -> Interval {
        self.increasing(Float::ln_round)
    }
    fn ln_1p(self) -> Interval {
        self.increasing(Float::ln_1p_round)
    }
    fn tanh(self) -> Interval {
        self.increasing(Float::tanh_round)
    }
    fn erf(self) -> Interval {
        self.increasing(Float::erf_round)
    }
    fn erfc(self) -> Interval {
        // Decreasing; its negative increases.
        let negative = self.increasing(|value, round| {
            let mirrored = if round == Round::Down { Round::Up } else { Round::Down };
            let side = value.erfc_round(mirrored);
            value.neg_assign();
            side.reverse()
        });
        -negative
    }
}
