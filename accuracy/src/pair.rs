//! Pairs of `f64`: about 106 bits, and elementary functions to about 90.
//!
//! Fast where MPFR is slow, and as independent of the kernels: functions are Taylor polynomials
//! around grid points whose coefficients are computed in [`Big`] numbers when the program starts. Error
//! bounds are generous by some bits, since 75 would do; the program keeps checking them against
//! MPFR as it runs.
//!
//! Source of the arithmetic: M. Joldes, J.-M. Muller, V. Popescu, "Tight and rigorous error bounds
//! for basic building blocks of double-word arithmetic", 2017: errors of at most 15 2^-106.

use std::iter::successors;
use std::sync::{LazyLock, OnceLock};

use crate::ball::{Ball, Midpoint};
use crate::big::Big;
use crate::format::power_of_two;
use crate::interval::{Enclosure, evaluate, evaluate_all};
use crate::reference::Reference;

type Interval = crate::interval::Interval<Big>;

/// `hi + lo`, with `hi` the nearest `f64` to it.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub hi: f64,
    pub lo: f64,
}

/// Bound of the relative error of an arithmetic operation, 15 2^-106 in the source.
const OPERATION: f64 = power_of_two(-100);
/// Where the error of a product that is larger cannot underflow.
const SAFE: f64 = power_of_two(-900);
/// Bounds of the relative error of functions, each derived at the function.
pub(crate) const FUNCTION: f64 = power_of_two(-94);

/// `a + b`, where `a` is the larger.
#[inline(always)]
pub fn fast_two_sum(a: f64, b: f64) -> Pair {
    let hi = a + b;
    Pair { hi, lo: b - (hi - a) }
}

#[inline(always)]
pub(crate) fn two_sum(a: f64, b: f64) -> Pair {
    let hi = a + b;
    let from_b = hi - a;
    Pair { hi, lo: (a - (hi - from_b)) + (b - from_b) }
}

#[inline(always)]
fn two_product(a: f64, b: f64) -> Pair {
    let hi = a * b;
    Pair { hi, lo: a.mul_add(b, -hi) }
}

impl Pair {
    const fn new(hi: f64) -> Pair {
        Pair { hi, lo: 0.0 }
    }

    /// The pair next to the middle of a narrow ball.
    fn near(number: &Big) -> Pair {
        let hi = number.to_f64();
        Pair { hi, lo: number.less(hi).to_f64() }
    }

    #[inline(always)]
    fn plus(self, other: Pair) -> Pair {
        let high = two_sum(self.hi, other.hi);
        let low = two_sum(self.lo, other.lo);
        let sum = fast_two_sum(high.hi, high.lo + low.hi);
        fast_two_sum(sum.hi, low.lo + sum.lo)
    }

    #[inline(always)]
    fn minus(self, other: Pair) -> Pair {
        self.plus(other.negate())
    }

    #[inline(always)]
    pub(crate) fn times(self, other: Pair) -> Pair {
        let product = two_product(self.hi, other.hi);
        let cross = self.hi.mul_add(other.lo, self.lo * other.hi);
        fast_two_sum(product.hi, product.lo + cross)
    }

    #[inline(always)]
    fn over(self, other: Pair) -> Pair {
        let hi = self.hi / other.hi;
        let product = other.times(Pair::new(hi));
        let rest = (self.hi - product.hi) + (self.lo - product.lo);
        fast_two_sum(hi, rest / other.hi)
    }

    /// Multiplied by a power of two: exact unless it underflows.
    #[inline(always)]
    fn scale(self, power: f64) -> Pair {
        Pair { hi: self.hi * power, lo: self.lo * power }
    }

    #[inline(always)]
    fn is_single(self) -> bool {
        self.lo == 0.0
    }

    #[inline(always)]
    fn abs(self) -> Pair {
        if self.hi < 0.0 { self.negate() } else { self }
    }

    #[inline(always)]
    fn with_error(self, relative: f64) -> (Pair, f64) {
        (self, self.hi.abs() * relative + Pair::TINY)
    }
}

/// `sum c_n x^n`: coefficients from `pairs` first, then from `singles` in `f64`.
#[inline(always)]
fn polynomial(x: Pair, pairs: &[Pair], singles: &[f64]) -> Pair {
    let tail = singles.iter().rev().fold(0.0, |sum: f64, &c| sum.mul_add(x.hi, c));
    let tail = Pair::new(tail);
    pairs.iter().rev().fold(tail, |sum, &c| c.plus(x.times(sum)))
}

/// What the elementary functions look up.
struct Tables {
    /// `e^n` as `m 2^k`, with the mantissa in `[1, 2)`.
    integer_powers: Vec<(Pair, i64)>,
    /// `e^(j/1024) - 1`.
    fraction_powers: Vec<Pair>,
    /// `1/n!`.
    inverse_factorials: Vec<Pair>,
    /// For grid point `c = i/16`, the Taylor coefficients of `e^(z^2) erfc(z)` around it.
    scaled_erfc: Vec<([Pair; ERFC_PAIRS], [f64; ERFC_SINGLES])>,
    /// `c_n = (-1)^n (2/sqrt pi) / (n! (2n + 1))`, with `erf(z) = z sum c_n z^(2n)`.
    erf_series: ([Pair; ERF_PAIRS], [f64; ERF_SINGLES]),
}

/// `e^n` for `|n|` up to here, and one more.
pub(crate) const GREATEST_POWER: i32 = 1500;
/// `e^(j/1024)` for `|j|` up to here, and one more.
const FRACTIONS: i32 = 513;
const ERFC_STEPS: f64 = 16.0;
/// Above it erfc is less than 2^-1020, and `e^(-z^2)` out of reach without an exponent of its own.
const ERFC_END: f64 = 26.6;
/// The last grid point.
pub(crate) const ERFC_GRID_END: f64 = 29.0;
const ERFC_PAIRS: usize = 9;
const ERFC_SINGLES: usize = 9;
const ERF_PAIRS: usize = 11;
const ERF_SINGLES: usize = 11;

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    const BITS: u32 = 640; // the recurrence below loses 130 of them at z = 29
    let n = Interval::exact;
    let pair = |formula: &dyn Fn() -> Interval| Pair::near(&evaluate(BITS, formula));
    let factorial = |k: usize| (1..=k).map(|i| i as f64).product::<f64>(); // exact up to 22!

    // From x^-count to x^count, given 1/x and x.
    let powers = |bases: [Big; 2], count: usize| {
        let [down, up] = bases.map(|base| {
            let next = move |power: &Big| Some(power.multiply(&base, BITS));
            successors(Some(Big::exact(1.0, BITS)), next).take(count + 1).collect::<Vec<_>>()
        });
        down.into_iter().rev().chain(up.into_iter().skip(1))
    };
    let exp = |x: f64| evaluate(BITS, || n(x).exp());
    let integer_power = |power: Big| {
        let k = power.binade();
        (Pair::near(&power.scaled(-k)), k)
    };
    let step = 1.0 / 1024.0;
    let scaled_erfc = |step: usize| {
        // w = e^(z^2) erfc(z) has w' = 2zw - 2/sqrt pi; for a_n = w^(n)/n! that gives
        // a_1 = 2z a_0 - 2/sqrt pi, (n + 1) a_(n+1) = 2z a_n + 2 a_(n-1).
        let z = step as f64 / ERFC_STEPS;
        let coefficients = evaluate_all::<_, { ERFC_PAIRS + ERFC_SINGLES }>(BITS, || {
            let mut a = [(n(z) * n(z)).exp() * n(z).erfc(); _];
            a[1] = n(2.0 * z) * a[0] - n(2.0) / Interval::pi().sqrt();
            for k in 1..a.len() - 1 {
                a[k + 1] = (n(2.0 * z) * a[k] + n(2.0) * a[k - 1]) / n((k + 1) as f64);
            }
            a
        });
        let coefficient = |index: usize| Pair::near(&coefficients[index]);
        (
            core::array::from_fn(coefficient),
            core::array::from_fn(|index| coefficient(ERFC_PAIRS + index).hi),
        )
    };
    let erf_coefficient = |k: usize| {
        pair(&|| {
            let sign = if k.is_multiple_of(2) { 2.0 } else { -2.0 };
            n(sign) / Interval::pi().sqrt() / n(factorial(k)) / n((2 * k + 1) as f64)
        })
    };
    Tables {
        integer_powers: powers([exp(-1.0), exp(1.0)], GREATEST_POWER as usize + 1)
            .map(integer_power)
            .collect(),
        fraction_powers: powers([exp(-step), exp(step)], FRACTIONS as usize)
            .map(|power| Pair::near(&power.less(1.0)))
            .collect(),
        inverse_factorials: (0..12).map(|k| pair(&|| n(1.0) / n(factorial(k)))).collect(),
        scaled_erfc: (0..=(ERFC_GRID_END * ERFC_STEPS) as usize).map(scaled_erfc).collect(),
        erf_series: (
            core::array::from_fn(erf_coefficient),
            core::array::from_fn(|k| erf_coefficient(ERF_PAIRS + k).hi),
        ),
    }
});

impl Tables {
    fn integer_power(&self, n: f64) -> (Pair, i64) {
        self.integer_powers[(n as i32 + GREATEST_POWER + 1) as usize]
    }
    fn fraction_power(&self, j: f64) -> Pair {
        self.fraction_powers[(j as i32 + FRACTIONS) as usize]
    }
    /// `e^r - 1` for `|r| <= 2^-10`, to 2^-100.
    #[inline(always)]
    fn small_exp_m1(&self, r: Pair) -> Pair {
        // Terms left out are 2^-115 of the sum; those in f64 are 2^-45 of it.
        let f = &self.inverse_factorials;
        let tail = [f[5].hi, f[6].hi, f[7].hi, f[8].hi, f[9].hi];
        r.times(polynomial(r, &f[1..5], &tail))
    }
}

/// `x = n + j/1024 + r` with `|r|` about 2^-11.
#[inline(always)]
fn split(x: Pair) -> (f64, f64, Pair) {
    let steps = (x.hi * 1024.0).round_ties_even();
    let n = (steps * (1.0 / 1024.0)).round_ties_even();
    // The difference of the leading parts is exact.
    (n, steps - n * 1024.0, two_sum(x.hi - steps * (1.0 / 1024.0), x.lo))
}

/// `e^x` as `m 2^k` with `m` about 1, for `|x| <= GREATEST_POWER`, to 2^-97.
#[inline(always)]
pub(crate) fn exp_parts(x: Pair) -> (Pair, i64) {
    let tables = &*TABLES;
    let (n, j, r) = split(x);
    let fraction = tables.fraction_power(j).plus(Pair::new(1.0));
    let power = fraction.plus(fraction.times(tables.small_exp_m1(r)));
    let (mantissa, k) = tables.integer_power(n);
    (mantissa.times(power), k)
}

/// `e^x` for `-708 <= x <= 709`, to 2^-97 where it does not underflow.
#[inline(always)]
fn exp(x: Pair) -> Pair {
    let (mantissa, k) = exp_parts(x);
    // In two factors that are normal.
    let power = |exponent: i64| f64::from_bits(((exponent + 1023) as u64) << 52);
    mantissa.scale(power(k / 2)).scale(power(k - k / 2))
}

/// `e^x - 1` for `-708 <= x <= 709`, to 2^-95.
#[inline(always)]
fn exp_m1(x: Pair) -> Pair {
    let (n, j, r) = split(x);
    if n != 0.0 {
        // |x| >= 0.49: at most 2^1.5 is lost.
        return exp(x).minus(Pair::new(1.0));
    }
    // e^(c + r) - 1 = f + s + fs; |s| is at most about half of |f|, or f is 0.
    let f = TABLES.fraction_power(j);
    let s = TABLES.small_exp_m1(r);
    f.plus(s.plus(f.times(s)))
}

/// `e^(z^2) erfc(z)` for `0 <= z <= 29`, to 2^-97.
#[inline(always)]
pub(crate) fn scaled_erfc(z: Pair) -> Pair {
    let step = (z.hi * ERFC_STEPS).round_ties_even();
    let h = two_sum(z.hi - step / ERFC_STEPS, z.lo);
    // |h| <= 1/32. On a disc of radius 2, |w(z)| <= w(Re z), so a_n <= w(c - 2)/2^n, which is at
    // most 2^7 w(c)/2^n: what is left out is 2^-101 of w, and the terms in f64 are 2^-47 of it.
    let (pairs, singles) = &TABLES.scaled_erfc[step as usize];
    polynomial(h, pairs, singles)
}

/// `erfc(z)` for `0 <= z <= 27`, to 2^-92 where it does not underflow.
#[inline(always)]
fn erfc(z: Pair) -> Pair {
    // z^2 < 730 is right to 2^-94 absolutely.
    exp(z.times(z).negate()).times(scaled_erfc(z))
}

const NOTHING: (Pair, f64) = (Pair { hi: f64::NAN, lo: f64::NAN }, f64::NAN);

impl Midpoint for Pair {
    const DIGITS: u32 = 108;
    const TINY: f64 = power_of_two(-1020);
    const LEAST_EXPONENT: f64 = -708.0;

    #[inline(always)]
    fn exact(x: f64) -> Pair {
        Pair::new(x)
    }
    fn of(number: &Big) -> (Pair, f64) {
        Pair::near(number).with_error(OPERATION)
    }
    #[inline(always)]
    fn rounded(self) -> f64 {
        self.hi
    }
    #[inline(always)]
    fn negate(self) -> Pair {
        Pair { hi: -self.hi, lo: -self.lo }
    }
    #[inline(always)]
    fn add(self, other: Pair) -> (Pair, f64) {
        let (sum, error) = self.plus(other).with_error(OPERATION);
        (sum, if self.is_single() && other.is_single() { 0.0 } else { error })
    }
    #[inline(always)]
    fn multiply(self, other: Pair) -> (Pair, f64) {
        let (product, error) = self.times(other).with_error(OPERATION);
        let are_single = self.is_single() && other.is_single();
        // So is the product of a pair and a power of two.
        let is_scaling = other.is_single() && other.hi.to_bits() << 12 == 0;
        let is_scaling = is_scaling && product.lo.abs() > SAFE;
        let is_zero = product.hi == 0.0 && (self.hi == 0.0 || other.hi == 0.0);
        let is_exact = (are_single || is_scaling) && (product.hi.abs() > SAFE || is_zero);
        (product, if is_exact { 0.0 } else { error })
    }
    #[inline(always)]
    fn divide(self, other: Pair) -> (Pair, f64) {
        // An underflow in the remainder counts 1/other times.
        let (quotient, error) = self.over(other).with_error(OPERATION);
        let are_single = self.is_single() && other.is_single() && quotient.is_single();
        // Then nothing is left over, and that is exact where the parts of the product are numbers.
        let is_safe = self.hi.abs() > SAFE && quotient.hi.abs() > SAFE || self.hi == 0.0;
        let is_exact = are_single && is_safe && other.hi != 0.0;
        (quotient, if is_exact { 0.0 } else { error + Pair::TINY / other.hi.abs() })
    }
    #[inline(always)]
    fn sqrt(self) -> (Pair, f64) {
        // One step of Newton's method from the root to 2^-53; what it leaves is 2^-107.
        let root = self.hi.sqrt();
        let square = two_product(root, root);
        let rest = (self.hi - square.hi) + (self.lo - square.lo);
        let (root, error) = fast_two_sum(root, rest / (2.0 * root)).with_error(OPERATION);
        (root, error + Pair::TINY / root.hi)
    }
    #[inline(always)]
    fn exp(self) -> (Pair, f64) {
        if self.hi >= 711.0 {
            // More than 2^1025; a radius of 1/2 takes less than a binade from it.
            return (Pair::new(f64::INFINITY), 0.0);
        }
        if !(self.hi >= Pair::LEAST_EXPONENT && self.hi <= 709.0) {
            return NOTHING;
        }
        exp(self).with_error(FUNCTION)
    }
    #[inline(always)]
    fn exp_m1(self) -> (Pair, f64) {
        if !(self.hi >= Pair::LEAST_EXPONENT && self.hi <= 709.0) {
            return NOTHING;
        }
        exp_m1(self).with_error(FUNCTION)
    }
    #[inline(always)]
    fn ln(self) -> (Pair, f64) {
        // With y = ln x to 2^-53: ln x = y + ln(1 + d), d = x e^-y - 1, |d| < 2^-42.
        if !(self.hi > 1e-300 && self.hi < 1e300) {
            return NOTHING;
        }
        let y = Pair::new(core_math::log(self.hi));
        let d = self.times(exp(y.negate())).minus(Pair::new(1.0));
        let result = y.plus(d.minus(d.times(d).scale(0.5)));
        // d is right to 2^-94, absolutely; d^3/3 is 2^-127.
        (result, power_of_two(-92) + result.hi.abs() * FUNCTION)
    }
    #[inline(always)]
    fn ln_1p(self) -> (Pair, f64) {
        // With y = ln(1 + x) to 2^-53: ln(1 + x) = y + ln(1 + d), d = (x - (e^y - 1)) e^-y.
        if !(self.hi > -0.9999 && self.hi < 1e300) {
            return NOTHING;
        }
        let y = Pair::new(core_math::log1p(self.hi));
        let m = exp_m1(y);
        let d = self.minus(m).over(m.plus(Pair::new(1.0)));
        let result = y.plus(d.minus(d.times(d).scale(0.5)));
        // m is right to 2^-95 of x, so d to 2^-94 x/(1 + x), which is at most 16 ln(1 + x) here.
        result.with_error(power_of_two(-88))
    }
    #[inline(always)]
    fn tanh(self) -> (Pair, f64) {
        // tanh |x| = -m/(2 + m), m = e^(-2|x|) - 1
        if !(0.0..=354.0).contains(&self.hi.abs()) {
            return NOTHING;
        }
        let m = exp_m1(self.abs().scale(-2.0));
        let result = m.negate().over(m.plus(Pair::new(2.0)));
        let result = if self.hi < 0.0 { result.negate() } else { result };
        result.with_error(4.0 * FUNCTION)
    }
    #[inline(always)]
    fn erf(self) -> (Pair, f64) {
        let size = self.abs();
        if size.hi < 0.5 {
            // Terms left out are 2^-108 of the sum; those in f64 are 2^-50 of it.
            let square = self.times(self);
            let (pairs, singles) = &TABLES.erf_series;
            let sum = polynomial(square, pairs, singles);
            return self.times(sum).with_error(FUNCTION);
        }
        let (tail, error) = size.erfc();
        let result = Pair::new(1.0).minus(tail);
        let result = if self.hi < 0.0 { result.negate() } else { result };
        (result, result.hi.abs() * OPERATION + error)
    }
    #[inline(always)]
    fn erfc(self) -> (Pair, f64) {
        if self.hi.is_nan() {
            return NOTHING;
        }
        if self.hi > ERFC_END {
            return (Pair::new(0.0), Pair::TINY);
        }
        erfc(self).with_error(power_of_two(-90))
    }
    fn constants() -> &'static OnceLock<Vec<Ball<Pair>>> {
        static CONSTANTS: OnceLock<Vec<Ball<Pair>>> = OnceLock::new();
        &CONSTANTS
    }
}
