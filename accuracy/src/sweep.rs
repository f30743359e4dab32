//! Forms that take more than x: activations at sampled parameters, their derivatives with respect to
//! a parameter, and gated units.
//!
//! Parameters are drawn from the range for which the documentation promises its bounds, log-uniform in
//! magnitude and of both signs where they may have them; the ends and zero are in it. Every result is
//! judged by [`Scaled`] balls, and by the arbiter where they do not settle it or it is the worst.

use std::sync::atomic::{AtomicUsize, Ordering};

use actgrad::catalogue::{CATALOGUE, Range, Row, Ufunc};
use actgrad::gated::{GATED, GatedUnit};
use actgrad::operands::{Operand, compute};
use actgrad::simd::{Level, MAX_OUTPUTS};
use indicatif::ProgressBar;

use crate::arbiter::{Exact, Number, exact, judge};
use crate::format::{Bits, Float32, Float64, Format, decode, encode, largest, power_of_two};
use crate::formulas::{CASES, Evaluators, Form, Formula};
use crate::interval::Enclosure as _;
use crate::points::{neighbour, random};
use crate::reference::Reference;
use crate::scaled::Scaled;
use crate::screen::Screen;

/// Points computed at a time.
const BLOCK: usize = 4096;

/// A result of a form, and how it is tried.
pub struct Cell {
    pub function: &'static str,
    /// As the catalogue names it; a result of several has its number behind it.
    pub form: String,
    pub format: &'static str,
    /// The operands tried, in words.
    pub range: String,
    /// What is promised in public, in ulps.
    pub allowed: f64,
    ufunc: Ufunc,
    result: usize,
    evaluators: Evaluators,
    operands: Operands,
}

/// Where operands come from.
#[derive(Clone, Copy)]
enum Operands {
    /// x and the parameters: a row, and the magnitudes of the first one.
    Activation(&'static Row, (f64, f64)),
    /// A gate between two numbers, a value and a gradient from `2^-reach` to `2^reach`.
    Gated { least: f64, greatest: f64, reach: i32 },
}

/// What was found in a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub points: u64,
    pub error: f64,
    /// x and the parameters at the worst result, the result and the exact value.
    pub place: Option<([f64; 3], f64, String)>,
}

/// Every cell, in catalogue order.
pub fn cells(level: Level, functions: &[String]) -> Vec<Cell> {
    let mut cells = Vec::new();
    let is_chosen = |name: &str| functions.is_empty() || functions.iter().any(|f| f == name);
    for format in [Float32::NAME, Float64::NAME] {
        for row in CATALOGUE.iter().filter(|row| !row.parameters.is_empty() && is_chosen(row.name))
        {
            add_row(&mut cells, row, level, format);
        }
        for unit in GATED.iter().filter(|unit| is_chosen(unit.name)) {
            for ufunc in unit.ufuncs(level) {
                add_gated(&mut cells, unit, &ufunc, format);
            }
        }
    }
    let function = |name: &str| {
        let gated = || GATED.iter().position(|unit| unit.name == name).map(|k| k + 1000);
        CATALOGUE.iter().position(|row| row.name == name).or_else(gated)
    };
    cells.sort_by_key(|cell| function(cell.function));
    cells
}

fn add_row(cells: &mut Vec<Cell>, row: &'static Row, level: Level, format: &'static str) {
    let formula = Formula::find(row.name);
    let span = span(row, format);
    for ufunc in row.ufuncs(level) {
        let form = Form::ALL.into_iter().find(|form| form.name() == ufunc.form);
        let evaluators = match (form, formula) {
            (Some(form), Some(formula)) => formula.evaluators(form),
            _ => match CASES.iter().find(|c| c.function == row.name && c.form == ufunc.form) {
                Some(case) => &case.evaluators,
                None => continue, // made of those tried
            },
        };
        cells.push(Cell {
            function: row.name,
            form: ufunc.form.clone(),
            format,
            range: row.promised_range().unwrap_or_else(|| "all".to_owned()),
            allowed: if form == Some(Form::SecondDerivative) { 2.0 } else { 1.0 },
            ufunc,
            result: 0,
            evaluators: *evaluators,
            operands: Operands::Activation(row, span),
        });
    }
}

fn add_gated(cells: &mut Vec<Cell>, unit: &GatedUnit, ufunc: &Ufunc, format: &'static str) {
    let name = unit.name;
    let is_double = format == Float64::NAME;
    // The value and the gradient: their product is no reason for an overflow.
    let reach = if is_double { 500 } else { 60 };
    let sizes = format!("abs(value) and abs(grad) from 2^-{reach} to 2^{reach}");
    let mut parts = vec![(f64::NEG_INFINITY, f64::INFINITY, sizes.clone())];
    if name == "geglu" && is_double {
        // Below it gelu is less than any float64, and only products are not.
        parts = vec![
            (-38.7, f64::INFINITY, format!("gate from -38.7, {sizes}")),
            (-50.0, -38.7, format!("gate from -50 to -38.7, {sizes}")),
        ];
    }
    let bound = stated_bounds(unit.error)[0];
    for case in CASES.iter().filter(|case| case.function == name && case.form == ufunc.form) {
        for (least, greatest, range) in parts.clone() {
            let result = ["value", "gate"][case.result];
            // By the gate, `grad value` is rounded.
            let rounding = if ufunc.form == "backward" && case.result == 1 { 1.0 } else { 0.0 };
            cells.push(Cell {
                function: name,
                form: match ufunc.kernels.outputs {
                    1 => ufunc.form.clone(),
                    _ => format!("{}_{result}", ufunc.form),
                },
                format,
                range,
                allowed: bound + rounding,
                ufunc: ufunc.clone(),
                result: case.result,
                evaluators: case.evaluators,
                operands: Operands::Gated { least, greatest, reach },
            });
        }
    }
}

/// The numbers before `ulp` in what the documentation says of an error; one rounding, if there are none.
pub fn stated_bounds(text: &str) -> Vec<f64> {
    let words: Vec<&str> = text.split([' ', ';', ',', '\n']).collect();
    let numbers = words.windows(2).filter(|pair| pair[1] == "ulp").map(|pair| pair[0].parse());
    let bounds: Vec<f64> = numbers.flatten().collect();
    if bounds.is_empty() { vec![0.5] } else { bounds }
}

/// The magnitudes of the first parameter for which the bounds hold.
fn span(row: &Row, format: &str) -> (f64, f64) {
    let [single, double] =
        row.promised.unwrap_or([(0.0, largest::<Float32>()), (0.0, largest::<Float64>())]);
    if format == Float32::NAME { single } else { double }
}

/// Tries so many points of every cell.
pub fn run(
    cells: &[Cell],
    points: u64,
    threads: usize,
    progress: &ProgressBar,
) -> Result<Vec<Finding>, String> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut findings = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(cell) = cells.get(index) else { break };
            let finding = if cell.format == Float32::NAME {
                try_cell::<Float32>(cell, points)
            } else {
                try_cell::<Float64>(cell, points)
            };
            progress.inc(points);
            findings.push((index, finding));
        }
        findings
    };
    let mut findings = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut findings = work();
        for helper in helpers {
            findings.extend(helper.join().expect("no thread panics"));
        }
        findings
    });
    findings.sort_by_key(|&(index, _)| index);
    findings.into_iter().map(|(_, finding)| finding).collect()
}

fn try_cell<F: Format>(cell: &Cell, points: u64) -> Result<Finding, String> {
    let zero = F::Bits::default();
    let mut operands = vec![vec![zero; BLOCK]; 3];
    let mut results = vec![vec![zero; BLOCK]; MAX_OUTPUTS];
    let mut finding = Finding { points, error: 0.0, place: None };
    for first in (0..points).step_by(BLOCK) {
        let count = BLOCK.min((points - first) as usize);
        for k in 0..count {
            let drawn = draw::<F>(cell.operands, first + k as u64).map(encode::<F>);
            for (operand, bits) in operands.iter_mut().zip(drawn) {
                operand[k] = bits;
            }
        }
        call::<F>(cell, &mut operands, &mut results, count);
        for k in 0..count {
            let [x, p, q] = [0, 1, 2].map(|n| decode::<F>(operands[n][k]));
            let got = decode::<F>(results[cell.result][k]);
            let mut ball = [Scaled::exact(0.0)];
            Scaled::evaluate(&cell.evaluators, &[x], [p, q], &mut ball);
            if ball[0].screen::<F>(got).error <= finding.error * (1.0 + 1e-9) {
                continue;
            }
            let value = exact::<F, Number>(&cell.evaluators, x, [p, q]).map_err(|error| {
                format!("{} {} ({p:e}, {q:e}): {error}", cell.function, cell.form)
            })?;
            let error = judge::<F, Number>(&value, got).error;
            if error > finding.error {
                let text = match value {
                    Exact::Special(value) => value.to_string(),
                    Exact::Real(enclosure) => enclosure.text(),
                };
                finding.error = error;
                finding.place = Some(([x, p, q], got, text));
            }
        }
    }
    Ok(finding)
}

/// The kernel's results for operands x, p and q.
fn call<F: Format>(
    cell: &Cell,
    operands: &mut [Vec<F::Bits>],
    results: &mut [Vec<F::Bits>],
    count: usize,
) {
    let order: &[usize] = match (cell.operands, cell.ufunc.kernels.inputs) {
        (Operands::Activation(..), inputs) => &[0, 1, 2][..inputs],
        (Operands::Gated { .. }, 2) => &[1, 0],
        (Operands::Gated { .. }, _) => &[2, 1, 0],
    };
    let stride = size_of::<F::Bits>() as isize;
    let mut pointers: Vec<Operand> = order
        .iter()
        .map(|&k| Operand { pointer: operands[k].as_mut_ptr().cast(), stride })
        .collect();
    for result in &mut results[..cell.ufunc.kernels.outputs] {
        pointers.push(Operand { pointer: result.as_mut_ptr().cast(), stride });
    }
    // SAFETY: the inputs and outputs of the form, each of at least `count` elements of the format.
    unsafe { compute(&cell.ufunc.kernels, F::STORAGE, &pointers, count) };
}

/// In `[0, 1)`.
fn fraction(random: u64) -> f64 {
    (random >> 11) as f64 / (1u64 << 53) as f64
}

/// x and the parameters with this number, as values of the format.
fn draw<F: Format>(operands: Operands, index: u64) -> [f64; 3] {
    let random = |k: u64| random(8 * index + k);
    let round = |x: f64| crate::format::nearest::<F>(x);
    let sign = |bit: u64| if bit & 1 == 0 { 1.0 } else { -1.0 };
    let (row, span) = match operands {
        Operands::Activation(row, span) => (row, span),
        Operands::Gated { least, greatest, reach } => {
            let gate = if greatest < 0.0 {
                least + (greatest - least) * fraction(random(1))
            } else {
                round(argument::<F>(random(0), random(1))).max(least)
            };
            let size = |k: u64| {
                let exponent = (random(k + 1) % (2 * reach as u64)) as i32 - reach;
                let size = round(1.0 + fraction(random(k))) * power_of_two(exponent);
                size * sign(random(k + 1) >> 32)
            };
            return [finite::<F>(gate), size(2), size(4)];
        }
    };
    let mut p = [0.0; 2];
    for (k, parameter) in row.parameters.iter().enumerate() {
        let (low, high) = if k == 0 { span } else { (0.0, largest::<F>()) };
        let size = round(magnitude::<F>(low, high, random(2), random(3 + k as u64)));
        let is_signed = parameter.range == Range::Real;
        p[k] = size * if is_signed { sign(random(5) >> k) } else { 1.0 };
        if parameter.range == Range::Positive && p[k] == 0.0 {
            p[k] = 1.0;
        }
    }
    if row.name == "hard_tanh" && p[0] > p[1] {
        p.swap(0, 1);
    }
    // Where the formula has e^(beta x), e^(x/alpha), x^2 + b or a kink at the parameter.
    let u = argument::<F>(random(0), random(1));
    let size = p[random(6) as usize % row.parameters.len()].abs();
    let x = match random(7) % 6 {
        0 => u,
        1 | 2 => u * size,
        3 | 4 => u / size,
        _ if random(7) >> 32 & 1 == 0 => u * size.sqrt(),
        _ => neighbour::<F>(size, random(7) >> 33, F::DIGITS as u32) * sign(random(6) >> 32),
    };
    let x = finite::<F>(round(if x.is_nan() { u } else { x }));
    // At the kink of |x| there is no derivative.
    if row.name == "squareplus" && x == 0.0 && p[0] == 0.0 {
        [u, p[0], p[1]]
    } else {
        [x, p[0], p[1]]
    }
}

/// The number or, for an infinity, the largest one.
fn finite<F: Format>(x: f64) -> f64 {
    x.clamp(-largest::<F>(), largest::<F>())
}

/// From `low` to `high`, both included, log-uniform; zero now and then if that is `low`.
fn magnitude<F: Format>(low: f64, high: f64, choice: u64, random: u64) -> f64 {
    let least = F::LEAST_EXPONENT - F::DIGITS + 1;
    let first = if low == 0.0 { f64::from(least) } else { low.log2() };
    match choice % 32 {
        0 => low,
        1 => high,
        // The values people use.
        2..8 if low <= 0.0625 && high >= 16.0 => (8.0 * fraction(random) - 4.0).exp2(),
        _ => (first + (high.log2() - first) * fraction(random)).exp2().clamp(low, high),
    }
}

/// Arguments for functions like those of the catalogue without parameters.
fn argument<F: Format>(choice: u64, random: u64) -> f64 {
    // Zeros of silu' and silu'', gelu' and gelu'', and where e^x leaves float32 and float64.
    #[allow(clippy::approx_constant, reason = "a place like the others")]
    const PLACES: [f64; 12] = [
        -1.278_464_542_761_073_7,
        2.399_357_280_515_468,
        0.751_791_524_693_564_5,
        1.414_213_562_373_095,
        87.336_544_750_553_1,
        103.972_077_083_991_8,
        88.722_839_111_673,
        708.396_418_532_264_1,
        745.133_219_101_941_2,
        709.782_712_893_384,
        37.519_379_347_144_56,
        38.567_445_226_234_8,
    ];
    let symmetric = 2.0 * fraction(random) - 1.0;
    match choice % 8 {
        0..3 => 20.0 * symmetric,
        3 => 760.0 * symmetric,
        4 | 5 => {
            let exponent = ((choice >> 8) % 80) as i32 - 69;
            (1.0 + fraction(random)).copysign(symmetric) * power_of_two(exponent)
        }
        6 => {
            let x = decode::<F>(F::Bits::from_pattern(random));
            if x.is_finite() { x } else { symmetric }
        }
        _ => {
            let place = PLACES[(choice >> 8) as usize % PLACES.len()];
            let near = neighbour::<F>(
                crate::format::nearest::<F>(place),
                random,
                F::DIGITS as u32 * 5 / 6,
            );
            if choice >> 16 & 1 == 0 { near } else { -near }
        }
    }
}
