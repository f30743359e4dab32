//! Sets of reals with ends of any precision: the reference of last resort, and the definition of the
//! others.
//!
//! Formulas want numbers that copy. So the sets live in a workspace of the thread, and an
//! `Interval` is an index into it, valid inside one [`evaluate`] only. What a set is made of is an
//! [`Enclosure`]'s business: [`Big`](crate::big::Big) or, with the feature `mpfr`, `Mpfr`.

use core::cell::RefCell;
use core::fmt::Debug;
use core::marker::PhantomData;
use core::ops::{Add, Div, Mul, Neg, Sub};
use std::collections::HashMap;
use std::thread::LocalKey;

use crate::format::Format;
use crate::formulas::{Evaluators, Parameters};
use crate::reference::{Constant, Reference, mix_with_floats};

/// A bounded set of reals that certainly holds the exact result of what led to it. Operations keep
/// so many bits.
pub trait Enclosure: Clone + Debug + 'static {
    fn workspace() -> &'static LocalKey<RefCell<Workspace<Self>>>;
    /// A form, to be evaluated in these sets.
    fn formula(evaluators: &Evaluators) -> fn(f64, Parameters) -> Interval<Self>;

    fn exact(x: f64, precision: u32) -> Self;
    fn pi(precision: u32) -> Self;
    /// The float this set was made from.
    fn float(&self) -> f64;
    fn add(&self, other: &Self, precision: u32) -> Self;
    fn multiply(&self, other: &Self, precision: u32) -> Self;
    fn divide(&self, other: &Self, precision: u32) -> Self;
    fn negate(&self) -> Self;
    fn widened(&self, by: &Self, precision: u32) -> Self;
    fn sqrt(&self, precision: u32) -> Self;
    fn exp(&self, precision: u32) -> Self;
    fn exp_m1(&self, precision: u32) -> Self;
    fn ln(&self, precision: u32) -> Self;
    fn ln_1p(&self, precision: u32) -> Self;
    fn tanh(&self, precision: u32) -> Self;
    fn erf(&self, precision: u32) -> Self;
    fn erfc(&self, precision: u32) -> Self;

    /// The numbers of a format nearest to the ends; NaN if nothing is known.
    fn nearest<F: Format>(&self) -> [f64; 2];
    /// The exponents of the ends' binades; `i32::MIN` for zero.
    fn binades(&self) -> [i32; 2];
    /// The width is at most the power of two with this exponent.
    fn width(&self) -> i32;
    /// The distance of a number to the further end, in units of `2^unit`, rounded up.
    fn distance(&self, from: f64, unit: i32) -> f64;
    /// Whether the set has numbers within `radius` of a sum, both in units of `2^exponent`.
    fn meets(&self, center: [f64; 2], radius: f64, exponent: i64) -> bool;
    /// The lower end to 25 decimal digits.
    fn text(&self) -> String;
}

/// A number of the formula being evaluated.
pub struct Interval<E>(usize, PhantomData<E>);

impl<E> Clone for Interval<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Interval<E> {}

pub struct Workspace<E> {
    precision: u32,
    values: Vec<E>,
    constants: HashMap<(Constant, u32), E>,
}

impl<E> Default for Workspace<E> {
    fn default() -> Self {
        Workspace { precision: 0, values: Vec::new(), constants: HashMap::new() }
    }
}

/// Runs a formula with numbers of so many bits; formulas do not nest.
pub fn evaluate<E: Enclosure>(precision: u32, formula: impl FnOnce() -> Interval<E>) -> E {
    let [result] = evaluate_all(precision, || [formula()]);
    result
}

/// Several results of one evaluation.
pub fn evaluate_all<E: Enclosure, const N: usize>(
    precision: u32,
    formula: impl FnOnce() -> [Interval<E>; N],
) -> [E; N] {
    E::workspace().with_borrow_mut(|work| {
        assert!(work.values.is_empty(), "evaluations do not nest");
        work.precision = precision;
    });
    let results = formula();
    E::workspace().with_borrow_mut(|work| {
        let enclosures = results.map(|interval| work.values[interval.0].clone());
        work.values.clear();
        enclosures
    })
}

/// Adds to the workspace what `operation` makes of the values there and the precision.
fn with_values<E: Enclosure>(operation: impl FnOnce(&[E], u32) -> E) -> Interval<E> {
    E::workspace().with_borrow_mut(|work| {
        let enclosure = operation(&work.values, work.precision);
        work.values.push(enclosure);
        Interval(work.values.len() - 1, PhantomData)
    })
}

impl<E: Enclosure> Interval<E> {
    pub fn pi() -> Self {
        with_values(|_, precision| E::pi(precision))
    }

    fn map(self, function: impl Fn(&E, u32) -> E) -> Self {
        with_values(|values, precision| function(&values[self.0], precision))
    }

    fn with(self, other: Self, function: impl Fn(&E, &E, u32) -> E) -> Self {
        with_values(|values, precision| function(&values[self.0], &values[other.0], precision))
    }
}

impl<E: Enclosure> Add for Interval<E> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.with(other, E::add)
    }
}

impl<E: Enclosure> Sub for Interval<E> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl<E: Enclosure> Mul for Interval<E> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.with(other, E::multiply)
    }
}

impl<E: Enclosure> Div for Interval<E> {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        self.with(other, E::divide)
    }
}

impl<E: Enclosure> Neg for Interval<E> {
    type Output = Self;
    fn neg(self) -> Self {
        self.map(|value, _| value.negate())
    }
}

mix_with_floats!(impl<E: Enclosure> for Interval<E>);

impl<E: Enclosure> Reference for Interval<E> {
    fn exact(x: f64) -> Self {
        with_values(|_, precision| E::exact(x, precision))
    }

    fn float(self) -> f64 {
        E::workspace().with_borrow(|work| work.values[self.0].float())
    }

    fn constant(constant: Constant) -> Self {
        let key = E::workspace().with_borrow(|work| (constant, work.precision));
        let known = E::workspace().with_borrow(|work| work.constants.get(&key).cloned());
        if let Some(enclosure) = known {
            return with_values(|_, _| enclosure);
        }
        let result = constant.define();
        E::workspace().with_borrow_mut(|work| {
            let enclosure = work.values[result.0].clone();
            work.constants.insert(key, enclosure);
        });
        result
    }

    fn digits() -> u32 {
        E::workspace().with_borrow(|work| work.precision)
    }

    fn widened(self, by: Self) -> Self {
        self.with(by, E::widened)
    }

    fn sqrt(self) -> Self {
        self.map(E::sqrt)
    }
    fn exp(self) -> Self {
        self.map(E::exp)
    }
    fn exp_m1(self) -> Self {
        self.map(E::exp_m1)
    }
    fn ln(self) -> Self {
        self.map(E::ln)
    }
    fn ln_1p(self) -> Self {
        self.map(E::ln_1p)
    }
    fn tanh(self) -> Self {
        self.map(E::tanh)
    }
    fn erf(self) -> Self {
        self.map(E::erf)
    }
    fn erfc(self) -> Self {
        self.map(E::erfc)
    }
}
