//! The last word on a result: MPFR intervals, as many bits as it takes.

use rug::Float;
use rug::float::Round;

use crate::format::{Format, nearest_to, ulp_of};
use crate::formulas::{Evaluators, Parameters};
use crate::interval::{Enclosure, evaluate};

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
pub enum Exact {
    /// NaN, or an infinity.
    Special(f64),
    Real(Enclosure),
}

/// The exact value of a form at any float, enclosed to a small part of an ulp of the format.
///
/// At an infinity it is the limit. Every form is there as good as at its limit already at the
/// largest `f64`: a number beyond 2^128 goes on to infinity, one below 2^-149 to zero.
pub fn exact<F: Format>(
    evaluators: &Evaluators,
    x: f64,
    parameters: Parameters,
) -> Result<Exact, String> {
    if x.is_infinite() {
        let far = f64::MAX.copysign(x);
        let enclosure = enclose::<F>(evaluators, far, parameters)?;
        let exponent = enclosure.low.get_exp().unwrap_or(i32::MIN);
        return Ok(match exponent {
            129.. => Exact::Special(f64::INFINITY.copysign(enclosure.low.to_f64())),
            ..-148 => Exact::Real(Enclosure { low: Float::new(2), high: Float::new(2) }),
            _ => Exact::Real(enclosure),
        });
    }
    Ok(Exact::Real(enclose::<F>(evaluators, x, parameters)?))
}

/// Encloses a form at a finite number, so narrowly that the nearest float is known unless the value
/// is within 2^-100 ulp of the middle between two: that is taken for a tie.
fn enclose<F: Format>(
    evaluators: &Evaluators,
    x: f64,
    parameters: Parameters,
) -> Result<Enclosure, String> {
    let mut precision = FIRST_PRECISION;
    while precision <= LAST_PRECISION {
        let enclosure = evaluate(precision, || (evaluators.interval)(x, parameters));
        let nearest = nearest_to::<F>(&enclosure.low);
        let is_decided = nearest == nearest_to::<F>(&enclosure.high);
        let width = Float::with_val(64, &enclosure.high - &enclosure.low) / unit::<F>(&enclosure);
        let limit = if is_decided { -40 } else { -100 };
        let is_narrow = width <= Float::with_val(2, 1) << limit;
        if is_narrow || is_decided && nearest.is_infinite() {
            return Ok(enclosure);
        }
        precision *= 2;
    }
    Err(format!("the reference does not settle at {x:e} with {LAST_PRECISION} bits"))
}

/// The smaller of the ulps at the ends.
fn unit<F: Format>(enclosure: &Enclosure) -> Float {
    let (low, high) = (ulp_of::<F>(&enclosure.low), ulp_of::<F>(&enclosure.high));
    if low < high { low } else { high }
}

/// Judges a result.
pub fn judge<F: Format>(exact: &Exact, got: f64) -> Verdict {
    let enclosure = match exact {
        Exact::Special(value) => {
            let correct = got == *value || got.is_nan() && value.is_nan();
            return Verdict { error: if correct { 0.0 } else { f64::INFINITY }, correct };
        }
        Exact::Real(enclosure) => enclosure,
    };
    let correct = [&enclosure.low, &enclosure.high].map(|end| nearest_to::<F>(end)).contains(&got);
    if got.is_nan() || correct && got.is_infinite() {
        return Verdict { error: if correct { 0.0 } else { f64::INFINITY }, correct };
    }
    let got = if got.is_infinite() {
        // It counts as the power of two after the largest number.
        let power = Float::with_val(2, 1) << (F::GREATEST_EXPONENT + 1);
        if got < 0.0 { -power } else { power }
    } else {
        Float::with_val(53, got)
    };
    let distance = |end: &Float| Float::with_val_round(64, &got - end, Round::Nearest).0.abs();
    let (low, high) = (distance(&enclosure.low), distance(&enclosure.high));
    let distance = if low > high { low } else { high };
    let error = (distance / unit::<F>(enclosure)).to_f64_round(Round::Up);
    Verdict { error, correct }
}

/// The number of the format nearest to the exact value.
pub fn rounded<F: Format>(exact: &Exact) -> f64 {
    match exact {
        Exact::Special(value) => *value,
        Exact::Real(enclosure) => nearest_to::<F>(&enclosure.low),
    }
}
