//! One form of one activation on trial in one format.
//!
//! Results come from where a NumPy user's come from: [`actgrad::operands::compute`], with the
//! catalogue's kernels, contiguous inputs and parameters repeated by stride 0.

use actgrad::catalogue::Row;
use actgrad::operands::{Kernels, Operand, compute};
use actgrad::simd::Level;

use crate::arbiter::{Exact, Number, exact, judge, rounded};
use crate::format::{Bits, Format, decode, encode, nearest, power_of_two};
use crate::formulas::{Evaluators, Form, Formula, Parameters};
use crate::interval::Enclosure as _;
use crate::reference::Reference;
use crate::screen::{Screen, Screened};

/// Errors up to here are not told apart unless they are exactly zero; else every result of a
/// function that is exact to the last bound would be a new record for the arbiter to confirm.
pub const FLOOR: f64 = 0.001;

/// Errors are not told apart by less.
const EQUAL: f64 = power_of_two(-32);

/// Inputs computed at a time.
const BLOCK: usize = 4096;

/// So many inputs of a block that may or may not be worse than the worst, by less than the
/// resolution of their balls, are looked at again. Where a form is almost constant there are millions.
const CONTENDERS: usize = 4;

/// One input in so many, chosen by its bits, has its ball checked against the arbiter.
const AUDIT: u64 = 1 << 15;

pub struct Trial<F: Format> {
    pub formula: &'static Formula,
    pub form: Form,
    /// As values of the format.
    pub parameters: Parameters,
    pub level: Level,
    /// Whether blocks may be settled as a whole, which gives a loose bound of their errors.
    pub by_ranges: bool,
    kernels: Kernels,
    stored_parameters: [F::Bits; 2],
}

/// A result worse than any before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    pub error: f64,
    /// The bits of the input.
    pub input: u64,
}

/// What was found about some inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    pub inputs: u64,
    /// Results that are not the nearest float.
    pub misrounded: u64,
    /// Inputs the arbiter had to decide.
    pub referred: u64,
    /// Inputs whose ball was checked against the arbiter.
    pub audited: u64,
    /// The first of the worst results above [`FLOOR`], judged by the arbiter.
    pub worst: Option<Worst>,
    /// A bound of the other errors: above the worst one by the resolution of a ball at most.
    pub bound: f64,
}

impl Tally {
    /// The largest error, in ulps; where it is not above [`FLOOR`], a bound of it.
    pub fn error(&self) -> f64 {
        self.worst.map_or(self.bound, |worst| worst.error)
    }

    /// Whether the bound of other errors is above the worst one by more than balls fail to tell.
    pub fn is_loose(&self, resolution: f64) -> bool {
        self.bound > self.limit() + resolution
    }

    pub fn merge(&mut self, other: &Tally) {
        self.inputs += other.inputs;
        self.misrounded += other.misrounded;
        self.referred += other.referred;
        self.audited += other.audited;
        self.bound = self.bound.max(other.bound);
        if other.worst.is_some() && other.error() > self.limit() {
            self.worst = other.worst;
        }
    }

    /// Errors up to here change nothing but the bound.
    fn limit(&self) -> f64 {
        self.worst.map_or(FLOOR, |worst| worst.error)
    }

    /// Adds an error the arbiter has found.
    fn note(&mut self, error: f64, input: u64) {
        if error > self.limit() {
            self.worst = Some(Worst { error, input });
        } else {
            self.bound = self.bound.max(error);
        }
    }
}

/// What is asked about results the first ball leaves open.
type Second<F> = <<F as Format>::Number as Screen>::Second;

/// What is known of a single result, for people to read.
pub struct Account {
    pub input: f64,
    pub got: f64,
    pub exact: String,
    pub error: f64,
}

impl<F: Format> Trial<F> {
    pub fn new(row: &Row, form: Form, level: Level) -> Result<Self, String> {
        let name = row.name;
        let formula = Formula::find(name).ok_or_else(|| {
            format!("{name} is in the catalogue but has no formula; add it to formulas.rs")
        })?;
        let ufunc = row
            .ufuncs(level)
            .into_iter()
            .find(|ufunc| ufunc.form == form.name())
            .ok_or_else(|| format!("{name} has no form {}", form.name()))?;
        let mut parameters = [0.0; 2];
        for (k, parameter) in row.parameters.iter().enumerate() {
            let value = parameter.default.unwrap_or(formula.examples[k]);
            // By way of float64, as NumPy converts Python's numbers.
            parameters[k] = nearest::<F>(value);
        }
        let stored_parameters = parameters.map(encode::<F>);
        Ok(Trial {
            formula,
            form,
            parameters,
            level,
            by_ranges: true,
            kernels: ufunc.kernels,
            stored_parameters,
        })
    }

    pub fn evaluators(&self) -> &'static Evaluators {
        self.formula.evaluators(self.form)
    }

    pub fn is_in_domain(&self, x: f64) -> bool {
        x > self.formula.domain.0 && x < self.formula.domain.1
    }

    /// The exact value at any float, NaN included.
    pub fn exact(&self, x: f64) -> Result<Exact, String> {
        if x.is_nan() {
            return Ok(Exact::Special(f64::NAN));
        }
        if !self.is_in_domain(x)
            && let Some(value) = (self.formula.outside)(x, self.form)
        {
            return Ok(Exact::Special(value));
        }
        exact::<F, Number>(self.evaluators(), x, self.parameters)
            .map_err(|error| self.blame(&error))
    }

    /// The number of the format nearest to the exact value.
    pub fn rounded(&self, x: f64) -> Result<f64, String> {
        if self.is_in_domain(x) {
            let mut ball = [F::Number::exact(0.0)];
            F::Number::evaluate(self.evaluators(), &[x], self.parameters, &mut ball);
            let second = || second(self, x)?.rounded::<F>();
            if let Some(value) = ball[0].rounded::<F>().or_else(second) {
                return Ok(value);
            }
        }
        Ok(rounded::<F, Number>(&self.exact(x)?))
    }

    /// The kernel's results.
    pub fn compute(&self, inputs: &[F::Bits], results: &mut [F::Bits]) {
        assert_eq!(inputs.len(), results.len());
        let stride = size_of::<F::Bits>() as isize;
        let mut operands = vec![Operand { pointer: inputs.as_ptr().cast_mut().cast(), stride }];
        let parameters = &self.stored_parameters[..self.kernels.inputs - 1];
        operands.extend(parameters.iter().map(|parameter| Operand {
            pointer: core::ptr::from_ref(parameter).cast_mut().cast(),
            stride: 0,
        }));
        operands.push(Operand { pointer: results.as_mut_ptr().cast(), stride });
        // SAFETY: the operands are those of a form without gradients: x, the parameters, one result;
        // each has `inputs.len()` elements of the format at its stride, and the inputs are only read.
        unsafe { compute(&self.kernels, F::STORAGE, &operands, inputs.len()) };
    }

    pub fn account(&self, input: u64) -> Result<Account, String> {
        let bits = F::Bits::from_pattern(input);
        let mut result = [F::Bits::default()];
        self.compute(&[bits], &mut result);
        let (x, got) = (decode::<F>(bits), decode::<F>(result[0]));
        let exact = self.exact(x)?;
        let error = judge::<F, Number>(&exact, got).error;
        let exact = match exact {
            Exact::Special(value) => value.to_string(),
            Exact::Real(enclosure) => enclosure.text(),
        };
        Ok(Account { input: x, got, exact, error })
    }

    fn blame(&self, what: &str) -> String {
        format!("{} of {}: {what}", self.form.name(), self.formula.name)
    }
}

/// The working memory of a thread.
pub struct Bench<F: Format> {
    xs: Vec<f64>,
    results: Vec<F::Bits>,
    balls: Vec<F::Number>,
    /// The errors they prove; NaN outside the domain.
    errors: Vec<f64>,
    /// Places in the block of results whose rounding the balls leave undecided.
    undecided: Vec<usize>,
    /// Bounds above the worst error so far, and their places in the block.
    candidates: Vec<(f64, usize)>,
}

impl<F: Format> Default for Bench<F> {
    fn default() -> Self {
        Bench {
            xs: vec![0.0; BLOCK],
            results: vec![F::Bits::default(); BLOCK],
            balls: vec![F::Number::exact(0.0); BLOCK],
            errors: vec![0.0; BLOCK],
            undecided: Vec::new(),
            candidates: Vec::new(),
        }
    }
}

impl<F: Format> Bench<F> {
    /// Tries every input and adds what is found to the tally.
    pub fn run(
        &mut self,
        trial: &Trial<F>,
        inputs: &[F::Bits],
        tally: &mut Tally,
    ) -> Result<(), String> {
        inputs.chunks(BLOCK).try_for_each(|block| self.run_block(trial, block, tally))
    }

    fn run_block(
        &mut self,
        trial: &Trial<F>,
        block: &[F::Bits],
        tally: &mut Tally,
    ) -> Result<(), String> {
        let Bench { xs, results, balls, errors, undecided, candidates } = self;
        let results = &mut results[..block.len()];
        trial.compute(block, results);
        let xs = &mut xs[..block.len()];
        for (x, &bits) in xs.iter_mut().zip(block) {
            // A formula sees its domain only. 1/2 is in every domain; its ball is not looked at.
            let value = decode::<F>(bits);
            *x = if trial.is_in_domain(value) { value } else { 0.5 };
        }
        if trial.by_ranges && settle_together(trial, block, xs, results, tally)? {
            return Ok(());
        }
        let balls = &mut balls[..block.len()];
        F::Number::evaluate(trial.evaluators(), xs, trial.parameters, balls);

        let errors = &mut errors[..block.len()];
        tally.misrounded += screen_block::<F>(trial.formula.domain, block, results, balls, errors);

        let look = |index: usize| (decode::<F>(block[index]), decode::<F>(results[index]));
        let limit = tally.limit();
        for (index, &error) in errors.iter().enumerate() {
            if error <= limit {
                tally.bound = tally.bound.max(error);
            } else if error.is_nan() {
                undecided.push(index);
            } else {
                candidates.push((error, index));
            }
        }
        for (&bits, &ball) in block.iter().zip(&*balls) {
            if is_audited(trial, bits) {
                audit(trial, decode::<F>(bits), ball)?;
                tally.audited += 1;
            }
        }
        tally.inputs += block.len() as u64;

        for index in undecided.drain(..) {
            let (x, got) = look(index);
            let is_inside = trial.is_in_domain(x);
            if is_inside && let Some(screened) = look_again(trial, x, got, tally.limit()) {
                tally.misrounded += u64::from(!screened.correct);
                tally.bound = tally.bound.max(screened.error);
                continue;
            }
            tally.referred += u64::from(is_inside);
            let verdict = judge::<F, Number>(&trial.exact(x)?, got);
            tally.misrounded += u64::from(!verdict.correct);
            tally.note(verdict.error, block[index].pattern());
        }

        // The worst first: what is found of it proves most of the others to be better.
        candidates.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut contenders = 0;
        for (bound, index) in candidates.drain(..) {
            if bound <= tally.limit() + F::Number::RESOLUTION {
                contenders += usize::from(bound > tally.limit());
                if bound <= tally.limit() || contenders > CONTENDERS {
                    tally.bound = tally.bound.max(bound);
                    continue;
                }
            }
            let (x, got) = look(index);
            if let Some(screened) = look_again(trial, x, got, tally.limit()) {
                tally.bound = tally.bound.max(screened.error);
                continue;
            }
            tally.referred += 1;
            let verdict = judge::<F, Number>(&trial.exact(x)?, got);
            tally.note(verdict.error, block[index].pattern());
        }
        Ok(())
    }
}

/// Settles a block in which one float is the nearest to all exact values, and every result is it.
///
/// Most blocks are such: where a function has reached its limit, or has not left its value at 0. The
/// bound of their errors is loose, but not above 1/2.
fn settle_together<F: Format>(
    trial: &Trial<F>,
    block: &[F::Bits],
    xs: &[f64],
    results: &[F::Bits],
    tally: &mut Tally,
) -> Result<bool, String> {
    let is_inside = block.iter().all(|&bits| trial.is_in_domain(decode::<F>(bits)));
    let low = xs.iter().copied().fold(f64::INFINITY, f64::min);
    let high = xs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !is_inside || !low.is_finite() || !high.is_finite() {
        return Ok(false);
    }
    let Some(ball) = F::Number::over(trial.evaluators(), [low, high], trial.parameters) else {
        return Ok(false);
    };
    let got = decode::<F>(results[0]);
    let Screened { error, correct } = ball.screen::<F>(got);
    if !correct || error.is_nan() || results.iter().any(|&result| decode::<F>(result) != got) {
        return Ok(false);
    }
    for &bits in block.iter().filter(|&&bits| is_audited(trial, bits)) {
        audit(trial, decode::<F>(bits), ball)?;
        tally.audited += 1;
    }
    tally.inputs += block.len() as u64;
    tally.bound = tally.bound.max(error);
    Ok(true)
}

/// Whether an input's ball is checked against the arbiter.
fn is_audited<F: Format>(trial: &Trial<F>, bits: F::Bits) -> bool {
    let is_chosen = bits.pattern().wrapping_mul(0x9e37_79b9_7f4a_7c15) < u64::MAX / AUDIT;
    is_chosen && trial.is_in_domain(decode::<F>(bits))
}

/// What balls prove of results: bounds of the errors, NaN where undecided or outside the domain, and
/// how many results are certainly not the nearest.
fn screen_block<F: Format>(
    domain: (f64, f64),
    inputs: &[F::Bits],
    results: &[F::Bits],
    balls: &[F::Number],
    errors: &mut [f64],
) -> u64 {
    let mut misrounded = 0;
    for (((error, &bits), &result), ball) in errors.iter_mut().zip(inputs).zip(results).zip(balls) {
        let x = decode::<F>(bits);
        let found = ball.screen::<F>(decode::<F>(result));
        *error = if (x > domain.0) & (x < domain.1) { found.error } else { f64::NAN };
        misrounded += u64::from(!error.is_nan() & !found.correct);
    }
    misrounded
}

/// What the second ball proves of a result, if that decides the rounding and no error above the limit.
#[cold]
#[inline(never)]
fn look_again<F: Format>(trial: &Trial<F>, x: f64, got: f64, limit: f64) -> Option<Screened> {
    let screened = second::<F>(trial, x)?.screen::<F>(got);
    (screened.error <= limit + EQUAL).then_some(screened)
}

/// The ball that knows better than the first one.
fn second<F: Format>(trial: &Trial<F>, x: f64) -> Option<Second<F>> {
    let mut ball = [Second::<F>::exact(0.0)];
    if F::Number::HAS_SECOND {
        Second::<F>::evaluate(trial.evaluators(), &[x], trial.parameters, &mut ball);
    }
    F::Number::HAS_SECOND.then_some(ball[0])
}

/// Checks balls against the arbiter.
#[cold]
#[inline(never)]
fn audit<F: Format>(trial: &Trial<F>, x: f64, ball: F::Number) -> Result<(), String> {
    match trial.exact(x)? {
        Exact::Real(enclosure)
            if !ball.may_hold(&enclosure)
                || second(trial, x).is_some_and(|ball| !ball.may_hold(&enclosure)) =>
        {
            Err(trial.blame(&format!("the fast reference is wrong at {x:e}")))
        }
        _ => Ok(()),
    }
}
