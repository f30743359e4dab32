//! The last word on a result: [`Enclosure`]s, as many bits as it takes.

use crate::format::{Format, largest, ulp, unit_exponent};
use crate::formulas::{Evaluators, Parameters};
use crate::interval::{Enclosure, evaluate};

/// What the arbiter computes with.
#[cfg(feature = "mpfr")]
pub type Number = crate::mpfr::Mpfr;
#[cfg(not(feature = "mpfr"))]
pub type Number = crate::big::Big;

/// Its name.
pub const NAME: &str = if cfg!(feature = "mpfr") { "MPFR" } else { "big balls" };

/// The error of one result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// In ulps, rounded up, to about 2^-40 ulp.
    pub error: f64,
    /// It is the number nearest to the exact value, or one of two that are equally near.
    pub correct: bool,
}

/// Bits of the first attempt; each next one takes twice as many.
pub const FIRST_PRECISION: u32 = 192;
const LAST_PRECISION: u32 = FIRST_PRECISION << 6;

/// An exact value, known well enough to be told from what is not it.
#[derive(Debug)]
pub enum Exact<E = Number> {
    /// NaN, or an infinity.
    Special(f64),
    Real(E),
}

/// The exact value of a form at any float, enclosed to a small part of an ulp of the format.
///
/// At an infinity it is the limit. Every form is there as good as at its limit already at the
/// largest `f64`: a number beyond 2^128 goes on to infinity, one below 2^-149 to zero.
pub fn exact<F: Format, E: Enclosure>(
    evaluators: &Evaluators,
    x: f64,
    parameters: Parameters,
) -> Result<Exact<E>, String> {
    if x.is_infinite() {
        let far = f64::MAX.copysign(x);
        let enclosure: E = enclose::<F, E>(evaluators, far, parameters)?;
        return Ok(match enclosure.binades()[0] {
            128.. => Exact::Special(f64::INFINITY.copysign(enclosure.nearest::<F>()[0])),
            ..-148 => Exact::Real(E::exact(0.0, FIRST_PRECISION)),
            _ => Exact::Real(enclosure),
        });
    }
    Ok(Exact::Real(enclose::<F, E>(evaluators, x, parameters)?))
}

/// Encloses a form at a finite number, so narrowly that the nearest float is known unless the value
/// is within 2^-100 ulp of the middle between two: that is taken for a tie.
fn enclose<F: Format, E: Enclosure>(
    evaluators: &Evaluators,
    x: f64,
    parameters: Parameters,
) -> Result<E, String> {
    let mut precision = FIRST_PRECISION;
    while precision <= LAST_PRECISION {
        let enclosure = evaluate(precision, || E::formula(evaluators)(x, parameters));
        let [low, high] = enclosure.nearest::<F>();
        let is_decided = low == high;
        let limit = if is_decided { -40 } else { -100 };
        let is_narrow = enclosure.width() <= unit::<F, E>(&enclosure) + limit;
        if is_narrow || is_decided && low.is_infinite() {
            return Ok(enclosure);
        }
        precision *= 2;
    }
    Err(format!("the reference does not settle at {x:e} with {LAST_PRECISION} bits"))
}

/// The exponent of the smaller of the ulps at the ends.
fn unit<F: Format, E: Enclosure>(enclosure: &E) -> i32 {
    let [low, high] = enclosure.binades();
    unit_exponent::<F>(low.min(high))
}

/// Judges a result.
pub fn judge<F: Format, E: Enclosure>(exact: &Exact<E>, got: f64) -> Verdict {
    let enclosure = match exact {
        Exact::Special(value) => {
            let correct = got == *value || got.is_nan() && value.is_nan();
            return Verdict { error: if correct { 0.0 } else { f64::INFINITY }, correct };
        }
        Exact::Real(enclosure) => enclosure,
    };
    let correct = enclosure.nearest::<F>().contains(&got);
    if got.is_nan() || correct && got.is_infinite() {
        return Verdict { error: if correct { 0.0 } else { f64::INFINITY }, correct };
    }
    let unit = unit::<F, E>(enclosure);
    let error = if got.is_infinite() {
        // It counts as the power of two after the largest number, which is no f64 in float64.
        let largest = largest::<F>().copysign(got);
        let rest = enclosure.add(&E::exact(-largest, LAST_PRECISION), LAST_PRECISION);
        rest.distance(ulp::<F>(largest).copysign(got), unit)
    } else {
        enclosure.distance(got, unit)
    };
    Verdict { error, correct }
}

/// The number of the format nearest to the exact value.
pub fn rounded<F: Format, E: Enclosure>(exact: &Exact<E>) -> f64 {
    match exact {
        Exact::Special(value) => *value,
        Exact::Real(enclosure) => enclosure.nearest::<F>()[0],
    }
}
