//! Which inputs: all of a format, a slice, a sample of float64, and the hard places.

use crate::format::{Bits, Format, decode, encode, from_ordinal, ordinal, power_of_two};
use crate::trial::Trial;

/// A sequence of inputs that can be started anywhere.
pub enum Source {
    /// One bit pattern of every `stride`, at a place in it that varies; with 1, all of them.
    Patterns { stride: u64, width: u32 },
    /// So many points of a mixture that covers a format and dwells on what is hard.
    Sample { points: u64, domain: (f64, f64), hard: Vec<f64> },
    /// These bit patterns.
    List(Vec<u64>),
}

/// Numbers that look random, one for each index.
///
/// Source: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014.
pub fn random(index: u64) -> u64 {
    let mut z = index.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// In `[0, 1)`.
fn fraction(random: u64) -> f64 {
    (random >> 11) as f64 / (1u64 << 53) as f64
}

impl Source {
    pub fn len(&self) -> u64 {
        match self {
            Source::Patterns { stride, width } => (1u64 << width).div_ceil(*stride),
            Source::Sample { points, .. } => *points,
            Source::List(patterns) => patterns.len() as u64,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The inputs from `first` on.
    pub fn fill<F: Format>(&self, first: u64, inputs: &mut [F::Bits]) {
        for (index, input) in (first..).zip(inputs) {
            let pattern = match self {
                Source::Patterns { stride: 1, .. } => index,
                Source::Patterns { stride, width } => {
                    (index * stride + random(index) % stride).min((1 << width) - 1)
                }
                Source::Sample { domain, hard, .. } => {
                    encode::<F>(sample::<F>(index, *domain, hard)).pattern()
                }
                Source::List(patterns) => patterns[index as usize],
            };
            *input = F::Bits::from_pattern(pattern);
        }
    }
}

/// A point of the mixture. In twentieths: 6 are uniform in [-20, 20], 1 as far as an exponential
/// reaches, 5 have a random exponent up to 2^11, 1 has random bits, 7 are around the hard places.
fn sample<F: Format>(index: u64, domain: (f64, f64), hard: &[f64]) -> f64 {
    let random = |k: u64| random(4 * index + k);
    let symmetric = 2.0 * fraction(random(0)) - 1.0;
    let x = match index % 20 {
        0..6 => 20.0 * symmetric,
        6 => 760.0 * symmetric,
        7..12 => {
            let exponent = (random(1) % 80) as i32 - 69;
            (1.0 + fraction(random(0))).copysign(symmetric) * power_of_two(exponent)
        }
        12 => {
            let x = decode::<F>(F::Bits::from_pattern(random(0)));
            if x.is_finite() { x } else { symmetric }
        }
        _ => {
            let center = hard[(random(1) % hard.len() as u64) as usize];
            neighbour::<F>(center, random(2), F::DIGITS as u32 * 5 / 6)
        }
    };
    let (low, high) = domain;
    if x > low && x < high {
        x
    } else if low == 0.0 && high == 1.0 {
        // Brought into the unit interval, small or large as it was.
        if x.abs() < 1.0 { x.abs() } else { 1.0 / x.abs() }
    } else {
        symmetric
    }
}

/// A float up to `2^reach` steps from a center, near more often than far.
pub fn neighbour<F: Format>(center: f64, random: u64, reach: u32) -> f64 {
    let bits = (random % u64::from(reach)) as u32;
    let steps = (random >> 16) & ((2 << bits) - 1);
    let steps = if random >> 15 & 1 == 0 { steps as i64 } else { -(steps as i64) };
    let last = ordinal::<F>(f64::INFINITY) - 1;
    from_ordinal::<F>((ordinal::<F>(center) + steps).clamp(-last, last))
}

/// What may be special about a number.
#[derive(PartialEq)]
struct Kind {
    sign: i8,
    is_subnormal: bool,
    is_finite: bool,
    is_nan: bool,
    is_one: bool,
    is_input: bool,
}

/// The hard places of a form: kinks and parameters, and the inputs between which the nearest float
/// to the exact value changes its kind: interior zeros, overflow, underflow, where it becomes 1 or x.
pub fn hard_places<F: Format>(trial: &Trial<F>) -> Result<Vec<f64>, String> {
    let kind = |steps: i64| -> Result<Kind, String> {
        let x = from_ordinal::<F>(steps);
        let y = trial.rounded(x)?;
        Ok(Kind {
            sign: if y > 0.0 {
                1
            } else if y < 0.0 {
                -1
            } else {
                0
            },
            is_subnormal: y.abs() < 2.0_f64.powi(F::LEAST_EXPONENT),
            is_finite: y.is_finite(),
            is_nan: y.is_nan(),
            is_one: y.abs() == 1.0,
            is_input: y == x,
        })
    };
    let largest = ordinal::<F>(f64::INFINITY) - 1;
    let mut places = vec![0.0, 0.5, 1.0, 3.0, 6.0];
    places.extend(trial.parameters);
    places.extend(places.clone().iter().map(|x| -x));
    let mut grid: Vec<i64> = places.iter().map(|&x| ordinal::<F>(x)).collect();
    for exponent in F::LEAST_EXPONENT - F::DIGITS + 1..=F::GREATEST_EXPONENT {
        grid.push(ordinal::<F>(2.0_f64.powi(exponent)));
    }
    grid.extend((1..100).map(|k| ordinal::<F>(f64::from(k) * 0.25)));
    grid.push(largest);
    grid.extend(grid.clone().iter().map(|steps| -steps));
    grid.sort_unstable();
    grid.dedup();

    let mut before = kind(grid[0])?;
    for pair in grid.windows(2) {
        let (mut low, high) = (pair[0], pair[1]);
        let after = kind(high)?;
        // Several borders may lie between two points of the grid.
        while before != after {
            let (mut inside, mut outside) = (low, high);
            while outside - inside > 1 {
                let middle = inside + (outside - inside) / 2;
                if kind(middle)? == before { inside = middle } else { outside = middle }
            }
            places.push(from_ordinal::<F>(outside));
            (low, before) = (outside, kind(outside)?);
        }
    }
    places.sort_by(f64::total_cmp);
    places.dedup();
    Ok(places)
}

/// The floats next to the hard places.
pub fn around<F: Format>(places: &[f64], reach: i64) -> Source {
    let mut steps: Vec<i64> = places
        .iter()
        .flat_map(|&place| {
            let center = ordinal::<F>(place);
            center - reach..=center + reach
        })
        .collect();
    steps.sort_unstable();
    steps.dedup();
    let pattern = |&steps: &i64| encode::<F>(from_ordinal::<F>(steps)).pattern();
    Source::List(steps.iter().map(pattern).collect())
}
