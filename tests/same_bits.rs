//! One result per input, whatever the instruction set, here and on other architectures.
//!
//! `cargo test --release --test same_bits -- --nocapture` prints a digest of every flat function;
//! two machines compute the same bits where the two lists are the same. So another architecture is
//! tried in an emulator: the same with `--target aarch64-unknown-linux-gnu`.

use actgrad::catalogue::{CATALOGUE, Ufunc};
use actgrad::gated::GATED;
use actgrad::operands::{Kernels, Operand, compute};
use actgrad::simd::Level;
use actgrad::storage::Storage;

/// Not a multiple of any block, so that there are short and overlapping blocks too.
const COUNT: usize = 30_011;

/// Values of all magnitudes and both signs, many near 1, and the special ones.
fn values(seed: u64) -> Vec<f64> {
    // A linear congruential generator with the multiplier of Knuth's MMIX.
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 12
    };
    let special = [0.0, -0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 5e-324];
    let mut values: Vec<f64> = (special.len()..COUNT)
        .map(|index| {
            let bits = next();
            match index % 3 {
                // An even spread over [-8, 8), one over the float32 exponents, any float64.
                0 => (bits as f64 / (1_u64 << 52) as f64 - 0.5) * 16.0,
                1 => f64::from(f32::from_bits((bits >> 20) as u32)),
                _ => f64::from_bits(bits << 12 | next() & 0xfff),
            }
        })
        .collect();
    values.extend(special);
    values
}

/// FNV-1a over the bits of all results; any NaN counts as any other.
fn digest<T: Copy>(
    kernels: &Kernels,
    storage: Storage,
    convert: fn(f64) -> T,
    bits: fn(T) -> u64,
) -> u64 {
    let mut arrays: Vec<Vec<T>> = (0..kernels.inputs + kernels.outputs)
        .map(|index| values(index as u64 + 1).into_iter().map(convert).collect())
        .collect();
    let stride = size_of::<T>() as isize;
    let operands: Vec<Operand> = arrays
        .iter_mut()
        .map(|array| Operand { pointer: array.as_mut_ptr().cast(), stride })
        .collect();
    // SAFETY: every operand has COUNT elements of the storage, contiguous and used here alone.
    unsafe { compute(kernels, storage, &operands, COUNT) };
    arrays[kernels.inputs..].iter().flatten().fold(0xcbf2_9ce4_8422_2325, |hash, &value| {
        bits(value)
            .to_le_bytes()
            .iter()
            .fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    })
}

fn digests(kernels: &Kernels) -> [u64; 2] {
    let single = |value: f32| u64::from(if value.is_nan() { 0x7fc0_0000 } else { value.to_bits() });
    let double = |value: f64| if value.is_nan() { 0x7ff8 << 48 } else { value.to_bits() };
    [
        digest(kernels, Storage::Float32, |value| value as f32, single),
        digest(kernels, Storage::Float64, |value| value, double),
    ]
}

/// The flat functions of the element-wise catalogue, then those of the gated units.
fn ufuncs(level: Level) -> Vec<Ufunc> {
    let elementwise = CATALOGUE.iter().flat_map(|row| row.ufuncs(level));
    elementwise.chain(GATED.iter().flat_map(|unit| unit.ufuncs(level))).collect()
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let wanted: Vec<_> =
        ufuncs(Level::Portable).into_iter().map(|ufunc| digests(&ufunc.kernels)).collect();
    for (ufunc, [single, double]) in ufuncs(Level::Portable).iter().zip(&wanted) {
        println!("{:<40} {single:016x} {double:016x}", ufunc.name);
    }
    for level in Level::available().filter(|&level| level != Level::Portable) {
        for (ufunc, portable) in ufuncs(level).iter().zip(&wanted) {
            assert!(
                digests(&ufunc.kernels) == *portable,
                "{} differs between {} and portable",
                ufunc.name,
                level.name()
            );
        }
    }
}
