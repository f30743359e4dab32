//! The logistic function as a gate: what `x sigma(v)` and its derivatives are made of.
//!
//! Everything follows from `sigma(v) = R / (R + e^r)`, where `e^-v = e^r / R` and `R` is a power of
//! two. One division gives `1 / (R + e^r)`; what rounding has taken from it is found from the
//! residual.

use super::Number;
use super::double::{Double, polynomial_by_pairs};
use super::exp::ExpConstants;

/// Constants of the gate, one set for each working precision.
pub trait GateConstants: ExpConstants {
    /// `q` with `exp(r) = 1 + r + r^2 q(r)` on `|r| <= ln(2)/2 + 2^-20`.
    const GATE_TAIL: &'static [Self];
    /// The largest `v` a gate is made for; `sigma(v)` is 1 in the working precision from there on,
    /// and `v sigma(-v)` nothing beside 1.
    const GATE_OPEN: Self;
}

// GATE_TAIL: tools/coefficients/gate.sollya; relative error of 1 + r + r^2 q(r): 2^-28.2.
impl GateConstants for f32 {
    const GATE_TAIL: &'static [f32] =
        &[0.4999999, 0.16666521, 0.041668963, 0.008368669, 0.001378246];
    const GATE_OPEN: f32 = 30.0;
}

// GATE_TAIL: tools/coefficients/gate.sollya; relative error of 1 + r + r^2 q(r): 2^-57.9.
impl GateConstants for f64 {
    const GATE_TAIL: &'static [f64] = &[
        0.5000000000000011,
        0.16666666666666424,
        0.041666666666527075,
        0.008333333333487056,
        0.0013888888944301315,
        0.00019841269522432375,
        2.480149249967189e-05,
        2.7557572353167996e-06,
        2.7630437253462537e-07,
        2.500445882152111e-08,
    ];
    const GATE_OPEN: f64 = 50.0;
}

/// `sigma(v) = R / D`.
#[derive(Clone, Copy)]
pub struct Gate<T> {
    /// `R`, or 0 where that is below the subnormals ...
    pub scale: T,
    /// ... and `R / UNBIAS`, which is normal.
    pub power: T,
    /// `D = sum + rest`, with `|rest| < 0.07`.
    sum: T,
    rest: T,
    /// `1 / D` to a few ulps.
    inverse: T,
}

impl<T: Number> Gate<T> {
    /// The gate at `v`, where `EXP_LOWEST <= v.hi <= GATE_OPEN` and `v.lo` is small; without
    /// `PAIR`, at `v.hi` alone, and below `ln(2) (DIGITS - 1/2)` only. For `product`.
    ///
    /// Error: of D relative to `e^r`, 2^-25.6 (`f32`), 2^-54.9 (`f64`).
    #[inline(always)]
    pub fn coarse<const PAIR: bool>(v: Double<T>) -> Self {
        let (k, power) = v.hi.times_rounded_with_power(T::LOG2_E, T::EXP_BIAS);
        let r = k.mul_add(T::LN2_HI, -v.hi);
        let r = if PAIR { r + k.mul_add(T::LN2_LO, -v.lo) } else { k.mul_add(T::LN2_LO, r) };
        let (gate, _) = Self::reduced::<PAIR>(power, r);
        gate
    }

    /// The gate at `v <= 0`, where `v.hi >= EXP_LOWEST` and `v.lo` is below an ulp; without `PAIR`,
    /// at `v.hi` alone.
    ///
    /// Error: of D relative to `e^r`, 2^-27.7 (`f32`), 2^-56.9 (`f64`); near `r = 0`, less.
    #[inline(always)]
    pub fn fine<const PAIR: bool>(v: Double<T>) -> Self {
        let (k, power) = v.hi.times_rounded_with_power(T::LOG2_E, T::EXP_BIAS);
        // -v = r + d - k ln 2, with r exact.
        let r = k.mul_add(T::LN2_HI, -v.hi);
        let d = if PAIR { k.mul_add(T::LN2_LO, -v.lo) } else { k * T::LN2_LO };
        let (gate, denominator) = Self::reduced::<false>(power, r);
        // e^(r + d) = e^r + d e^r, and e^r = D - R.
        Gate { rest: d.mul_add(denominator - gate.scale, gate.rest), ..gate }
    }

    /// The gate for `R` and `r`, and a first approximation of D; without `BOTH`, for
    /// `R < 2^DIGITS`.
    #[inline(always)]
    fn reduced<const BOTH: bool>(power: T, r: T) -> (Self, T) {
        let scale = power * T::UNBIAS;
        let open = T::ONE + scale;
        let sum = open + r;
        let dropped = r - (sum - open);
        // Either 1 + R is exact, or its smaller term was dropped entirely.
        let dropped = T::select(scale < T::ULP, dropped + scale, dropped);
        let dropped = if BOTH {
            T::select(scale * T::ULP > T::ONE, dropped + T::ONE, dropped)
        } else {
            dropped
        };
        let square = r * r;
        let tail = polynomial_by_pairs(r, square, T::GATE_TAIL);
        let denominator = square.mul_add(tail, sum);
        let rest = square.mul_add(tail, dropped);
        (Gate { scale, power, sum, rest, inverse: denominator.reciprocal() }, denominator)
    }

    /// What `inverse` lacks: `1/D = inverse (1 + residual)`, to the square of the residual.
    #[inline(always)]
    fn residual(&self) -> T {
        (-self.inverse).mul_add(self.rest, (-self.inverse).mul_add(self.sum, T::ONE))
    }

    /// `x sigma(v)`, rounded.
    #[inline(always)]
    pub fn product(&self, x: T) -> T {
        let quotient = x * self.inverse;
        // These signs keep x = -0.0.
        let excess = quotient.mul_add(self.rest, quotient.mul_add(self.sum, -x));
        (-excess).mul_add(self.inverse, quotient) * self.power * T::UNBIAS
    }

    /// `sigma(v)` divided by `power UNBIAS`, as a pair.
    #[inline(always)]
    fn quotient(&self) -> Double<T> {
        Double { hi: self.inverse, lo: self.residual() * self.inverse }
    }

    /// `1 - w sigma(-v)` as a pair, for `w >= 0` and `v <= 0`; without `PAIR`, for `w.hi` alone.
    #[inline(always)]
    pub fn shortfall<const PAIR: bool>(&self, w: Double<T>) -> Double<T> {
        // w sigma(-v) = w - w R/D.
        let part = w.hi * self.scale;
        let product = (-part).mul_add(self.inverse, w.hi);
        let hi = T::ONE - product;
        // 1 - hi is the product: 1 is a multiple of its ulp, or Sterbenz's lemma applies. It is at
        // least w/2, so the difference is exact too.
        let rest = w.hi - (T::ONE - hi);
        let lo = rest.mul_add(self.residual(), part.mul_add(self.inverse, -rest));
        if PAIR {
            let sigma = (-self.scale).mul_add(self.inverse, T::ONE);
            return Double { hi, lo: (-w.lo).mul_add(sigma, lo) };
        }
        Double { hi, lo }
    }

    /// `sigma(v) factor`, rounded, divided by `power UNBIAS`.
    #[inline(always)]
    pub fn times(&self, factor: Double<T>) -> T {
        let lo = factor.hi.mul_add(self.residual(), factor.lo);
        self.inverse.mul_add(factor.hi, self.inverse * lo)
    }

    /// `sigma'(v)` divided by `power UNBIAS`, rounded, for `v <= 0`.
    #[inline(always)]
    pub fn slope_round(&self) -> T {
        // sigma(v) sigma(-v) = (q - R q^2) R with q = inverse (1 + residual).
        let hi = (-self.scale).mul_add(self.inverse, T::ONE);
        let lo = (-self.scale).mul_add(self.inverse, T::ONE - hi);
        let lo = self.residual().mul_add(hi.mul_add(T::TWO, -T::ONE), lo);
        self.inverse.mul_add(hi, self.inverse * lo)
    }

    /// `sigma'(v)` divided by `power UNBIAS`, as a pair, for `v <= 0`.
    #[inline(always)]
    pub fn slope(&self) -> Double<T> {
        // sigma'(v) = sigma(v) sigma(-v), and sigma(-v) = 1 - R/D.
        let quotient = self.quotient();
        let hi = (-self.scale).mul_add(quotient.hi, T::ONE);
        let lo = (-self.scale).mul_add(quotient.hi, T::ONE - hi);
        quotient.multiply(Double { hi, lo: (-self.scale).mul_add(quotient.lo, lo) })
    }
}
