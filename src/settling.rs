//! Results for half formats that float32 leaves open, computed in float64.
//!
//! A float32 result is an ulp or two off, so its rounding is in doubt where a tie between two numbers of
//! the format is as near: at most one in 1,600 for float16, one in 13,000 for bfloat16, where operands
//! have no pattern. float64 decides all of these but exact ties, and those it cannot tell from one.

use crate::simd::{MAX_INPUTS, MAX_OUTPUTS, Precise};
use crate::storage::{Element, Half};

/// The most points that are computed at a time: a kernel takes as long for one.
pub(crate) const SETTLED_TOGETHER: usize = 32;

/// The results at a few points, rounded once.
pub(crate) fn settled<H: Half>(
    function: &Precise,
    points: &[[H; MAX_INPUTS]],
) -> [[H; MAX_OUTPUTS]; SETTLED_TOGETHER] {
    let mut operands = [[1.0; SETTLED_TOGETHER]; MAX_INPUTS];
    for (k, operand) in operands.iter_mut().enumerate().take(function.inputs) {
        for (number, point) in operand.iter_mut().zip(points) {
            *number = point[k].widened();
        }
    }
    let precise = function.results(&operands, points.len());
    let mut rounded = [[<H as Element<f64>>::ZERO; MAX_OUTPUTS]; SETTLED_TOGETHER];
    for (element, rounded) in rounded.iter_mut().enumerate().take(points.len()) {
        let point = operands.map(|operand| operand[element]);
        for k in 0..function.outputs {
            let result = off_the_tie::<H>(function, &point, k, precise[k][element]);
            rounded[k] = <H as Element<f64>>::narrowed(result);
        }
    }
    rounded
}

/// Elements that are looked at together.
const BLOCK: usize = 64;

/// Moves float64 results `k` that are exact ties, or look so, [off the tie](off_the_tie); an operand of
/// one element stands for as many.
#[inline(always)]
pub(crate) fn leave_ties<H: Half>(
    function: &Precise,
    operands: [&[f64]; MAX_INPUTS],
    k: usize,
    results: &mut [f64],
) {
    for (block, results) in results.chunks_mut(BLOCK).enumerate() {
        let is_open = |any, result: &f64| any | <H as Element<f64>>::is_open(*result, 0);
        if results.iter().fold(false, is_open) {
            leave_ties_of_block::<H>(function, operands, k, BLOCK * block, results);
        }
    }
}

/// [`leave_ties`] for a block that starts at an element.
#[cold]
#[inline(never)]
fn leave_ties_of_block<H: Half>(
    function: &Precise,
    operands: [&[f64]; MAX_INPUTS],
    k: usize,
    start: usize,
    results: &mut [f64],
) {
    for (lane, result) in results.iter_mut().enumerate() {
        if <H as Element<f64>>::is_open(*result, 0) {
            let at = |operand: &[f64]| match operand {
                [] => 1.0,
                [only] => *only,
                _ => operand[start + lane],
            };
            *result = off_the_tie::<H>(function, &operands.map(at), k, *result);
        }
    }
}

/// A result half-way between two numbers of the format, moved to the side the exact one is on.
///
/// Near zero a function is `c x^p (1 + a x^q ...)`, and far out a line or a constant, with a
/// deviation that float64 cannot show: `silu(x) = x/2 + x^2/4` lies above the tie at `x/2`, and
/// `x - tanh(x)` above the one at `x - 1`. Nearer to 1 the deviation has the same sign and can be
/// seen. Other operands are factors, and a product scales exactly.
fn off_the_tie<H: Half>(
    function: &Precise,
    point: &[f64; MAX_INPUTS],
    k: usize,
    result: f64,
) -> f64 {
    let argument = function.argument;
    let x = point[argument].abs();
    let shows_deviations = (NEAR..FAR).contains(&x);
    let is_open = <H as Element<f64>>::is_open(result, 0);
    if !is_open || shows_deviations || x == 0.0 || x.is_infinite() {
        return result;
    }
    let at = |point: [f64; MAX_INPUTS]| function.results(&point.map(|operand| [operand]), 1)[k][0];
    // Near zero a constant may have a visible slope, and its ties are exact then.
    let mut further = *point;
    further[argument] *= if x < NEAR { 0.5 } else { 2.0 };
    let constant = at(further) == result;
    // Where deviations show: those like e^-x up to 32, those like e^(-x^2 / 2) up to 8.
    let targets: &[f64] = if x < NEAR { &[NEAR] } else { &[16.0, 32.0, 8.0] };
    for target in targets {
        // A power of two that takes x to the upper half of what is below the target.
        let scale = f64::from_bits((target / x).to_bits() & f64::INFINITY.to_bits());
        let mut moved = *point;
        moved[argument] *= scale;
        let seen = at(moved);
        // From 4 on x - tanh(x) deviates by less than 2^-12, a line of another slope by more than
        // 2^-9; and the float64 itself is an ulp off.
        let (other, least, most) = if x < NEAR {
            (result * scale * scale, 0.0, 1.0 / 16.0)
        } else {
            let line = moved[argument] + (result - point[argument]);
            (line, 2.0 * f64::EPSILON, 1.0 / 8192.0)
        };
        // The product comes first: where it is exact, so is the tie.
        let product = result * scale;
        for expected in [product, if constant { result } else { product }, other] {
            let (deviation, size) = (seen - expected, expected.abs());
            if deviation.abs() < size * most {
                if deviation.abs() <= size * least {
                    break;
                }
                return if deviation > 0.0 { result.next_up() } else { result.next_down() };
            }
        }
    }
    result
}

/// Below this a function of x may be so close to a power of x that float64 shows no difference.
const NEAR: f64 = 1.0 / 256.0;
/// From here on it may be as close to a line.
const FAR: f64 = 4.0;
