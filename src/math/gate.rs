//! The logistic function as a gate: what `sigma(v)`, `x sigma(v)` and their derivatives are made of.
//!
//! Everything follows from `sigma(v) = R / (R + e^r)`, where `e^-v = e^r / R` and `R` is a power of
//! two. One division gives `1 / (R + e^r)`; what rounding has taken from it is found from the
//! residual.

use super::Number;
use super::double::{Double, polynomial_by_pairs, two_product};
use super::exp::{ExpConstants, Stepped};
use super::quotient::reciprocal_estimate;
use super::real::Real;

/// Constants of the gate, one set for each working precision.
pub trait GateConstants: ExpConstants {
    /// `q` with `e^r - 1 = r + r^2 q(r)` on `|r| <= ln(2)/2 + 2^-20`.
    const GATE_TAIL: &'static [Self];
    /// The largest `v` a gate is made for; `sigma(v)` is 1 in the working precision from there on,
    /// and `v sigma(-v)` nothing beside 1.
    const GATE_OPEN: Self;
    /// `n ln 2` of [`Reach`], where `2^-n = GATE_FAR_SCALE 2^-EXP_BIAS`.
    const GATE_SHIFT: Double<Self>;
    const GATE_FAR_SCALE: Self;
    /// Above `EXP_LOWEST`, and below `-n ln 2` by so much that `sigma` is an exponential.
    const GATE_FAR: Self;
    /// From here to `GATE_OPEN` even `2^(k - EXP_BIAS)` is normal, with `2^k` the `R` of `sigma(v)`.
    const GATE_PLAIN: Self;
}

// GATE_TAIL: tools/coefficients/gate.sollya; error of r + r^2 q(r) relative to e^r - 1: 2^-26.1.
// GATE_SHIFT: 120 ln 2.
impl GateConstants for f32 {
    const GATE_TAIL: &'static [f32] =
        &[0.49999997, 0.16666543, 0.041667502, 0.008366532, 0.001386452];
    const GATE_OPEN: f32 = 30.0;
    const GATE_SHIFT: Double<f32> = Double { hi: 83.17766, lo: 3.5861387e-06 };
    const GATE_FAR_SCALE: f32 = f32::UNBIAS;
    const GATE_FAR: f32 = -110.0;
    const GATE_PLAIN: f32 = -45.0;
}

// GATE_TAIL: tools/coefficients/gate.sollya; error of r + r^2 q(r) relative to e^r - 1: 2^-55.5.
// GATE_SHIFT: 1000 ln 2.
impl GateConstants for f64 {
    const GATE_TAIL: &'static [f64] = &[
        0.5000000000000006,
        0.16666666666666594,
        0.04166666666657382,
        0.00833333333338624,
        0.0013888888932289294,
        0.00019841269727105583,
        2.480150456645109e-05,
        2.7557399665628556e-06,
        2.7626276324285624e-07,
        2.5056428449245024e-08,
    ];
    const GATE_OPEN: f64 = 50.0;
    const GATE_SHIFT: Double<f64> = Double { hi: 693.1471805599454, lo: -4.5199270178446646e-14 };
    const GATE_FAR_SCALE: f64 = f64::from_bits((1023 - 800) << 52);
    const GATE_FAR: f64 = -760.0;
    const GATE_PLAIN: f64 = -500.0;
}

/// `x sigma(v)`, rounded, where `EXP_LOWEST <= v.hi <= GATE_OPEN` and `v.lo` is small; without
/// `PAIR`, at `v.hi` alone, and below `ln(2) (DIGITS - 1/2)` only.
///
/// Error: before rounding, relative 2^-25.4 (`f32`), 2^-54.7 (`f64`). It takes either sign of v and is
/// shorter than a [`Gate`], whose values serve nothing else.
#[inline(always)]
pub fn times_sigma<T: Number, const PAIR: bool>(x: T, v: Double<T>) -> T {
    let Opening { power, inverse, sum, rest } = Opening::at::<PAIR, PAIR>(v);
    let quotient = x * inverse;
    // These signs keep x = -0.0.
    let excess = quotient.mul_add(rest, quotient.mul_add(sum, -x));
    (-excess).mul_add(inverse, quotient) * power * T::UNBIAS
}

/// `sigma(v)` as a pair, not rounded, and the power of two it is to be multiplied by, which has the
/// factor `2^EXP_BIAS`; for v as in [`times_sigma`].
#[inline(always)]
pub fn sigma<T: Number>(v: Double<T>) -> (Double<T>, T) {
    let Opening { power, inverse, sum, rest } = Opening::at::<true, true>(v);
    let excess = inverse.mul_add(rest, inverse.mul_add(sum, -T::ONE));
    (Double { hi: inverse, lo: -(excess * inverse) }, power)
}

/// `x sigma(v)`, rounded, where [`is_plain_product`] holds for v. The pair x is times `2^EXP_BIAS`.
///
/// Error: before rounding, relative 2^-25.4 (`f32`), 2^-54.7 (`f64`).
#[inline(always)]
pub fn plain_times_sigma<T: Number>(x: Double<T>, v: T) -> T {
    let Opening { power, inverse, sum, rest } = Opening::at::<false, true>(Double::from(v));
    let quotient = x.hi * inverse;
    // These signs keep x = -0.0.
    let excess = quotient.mul_add(rest, quotient.mul_add(sum, -x.hi)) - x.lo;
    (-excess).mul_add(inverse, quotient) * (power * T::UNBIAS * T::UNBIAS)
}

/// Whether nothing overflows or underflows on the way to the product of a factor and `sigma(v)`.
#[inline(always)]
pub fn is_plain_product<T: Number>(factor: T, v: T) -> bool {
    is_plain_factor(factor) & (v >= T::GATE_PLAIN) & (v <= T::GATE_OPEN)
}

/// Whether a factor times `2^EXP_BIAS`, and that times a few more, is far from overflowing.
#[inline(always)]
pub fn is_plain_factor<T: Number>(factor: T) -> bool {
    factor.abs() <= T::UNBIAS.reciprocal()
}

/// `sigma(v) = R / (sum + rest)`, of either sign of v.
#[derive(Clone, Copy)]
struct Opening<T> {
    /// `R 2^EXP_BIAS`.
    power: T,
    /// About `1 / (sum + rest)`.
    inverse: T,
    sum: T,
    rest: T,
}

impl<T: Number> Opening<T> {
    #[inline(always)]
    fn at<const PAIR: bool, const WIDE: bool>(v: Double<T>) -> Self {
        let (k, power) = v.hi.times_rounded_with_power(T::LOG2_E, T::EXP_BIAS);
        let r = k.mul_add(T::LN2_HI, -v.hi);
        let r = if PAIR { r + k.mul_add(T::LN2_LO, -v.lo) } else { k.mul_add(T::LN2_LO, r) };
        let scale = power * T::UNBIAS;
        let open = T::ONE + scale;
        let sum = open + r;
        let dropped = r - (sum - open);
        // Either 1 + R is exact, or its smaller term was dropped entirely.
        let dropped = T::select(scale < T::ULP, dropped + scale, dropped);
        let dropped = if WIDE {
            T::select(scale > T::ULP.reciprocal(), dropped + T::ONE, dropped)
        } else {
            dropped
        };
        let square = r * r;
        let tail = polynomial_by_pairs(r, square, T::GATE_TAIL, T::ONE);
        let inverse = reciprocal_estimate(square.mul_add(tail, sum));
        Opening { power, inverse, sum, rest: square.mul_add(tail, dropped) }
    }
}

/// A `v <= 0` from which a gate is made whose product with a large number is not too small.
///
/// Below `GATE_FAR` the logistic function is an exponential, so `sigma(v) = 2^-n sigma(v + n ln 2)`.
#[derive(Clone, Copy)]
pub struct Reach<T> {
    /// `v`, or `v + n ln 2` where it is far.
    pub v: Double<T>,
    far: bool,
    /// Below what the products reach: they are 0 for every single factor.
    shut: bool,
}

impl<T: Number> Reach<T> {
    /// `v` may be above 0 too, up to `GATE_OPEN`.
    #[inline(always)]
    pub fn of(v: Double<T>) -> Self {
        let far = v.hi < T::GATE_FAR;
        // The sum is exact: its terms are multiples of 2^-17 (f32) or 2^-43 (f64).
        let hi = v.hi + T::select(far, T::GATE_SHIFT.hi, T::ZERO);
        let lo = v.lo + T::select(far, T::GATE_SHIFT.lo, T::ZERO);
        Reach { v: Double { hi: hi.at_least(T::EXP_LOWEST), lo }, far, shut: hi < T::EXP_LOWEST }
    }

    /// The same for products in which nothing is far unless the condition holds.
    #[inline(always)]
    pub fn only(self, condition: bool) -> Self {
        Reach { far: self.far & condition, shut: self.shut & condition, ..self }
    }

    /// `factor * number * power / 2^EXP_BIAS`, and times `2^-n` where `v` is far: rounded once.
    ///
    /// The number is below `2^EXP_BIAS`. Edges: an infinite factor gives NaN where the number is 0,
    /// else an infinity.
    #[inline(always)]
    pub fn product(self, factor: Factor<T>, number: Double<T>, power: T) -> T {
        let Factor { number: factor, last } = factor;
        let last = T::select(self.shut, T::ONE, last);
        // The product of the mantissas, and that with the power, neither overflow nor are they
        // subnormal unless the result is. A small factor of what is far makes it 0.
        let large = factor.abs() >= T::ONE;
        let near = T::select(large, T::UNBIAS, T::UNBIAS.reciprocal());
        let scaled = factor * T::select(self.far, T::GATE_FAR_SCALE, near);
        let unscale = T::select(large & !self.far, T::ONE, T::UNBIAS * T::UNBIAS);
        // Where there is a last factor, it is not to meet what has become subnormal, nor what is
        // larger than the result.
        let lifted = (last > T::ONE) & (power < T::UNBIAS);
        let power = T::select(lifted, power * last * (last * unscale), power);
        let unscale = T::select(self.far, last * unscale * last, unscale);
        let unscale = T::select(lifted, T::ONE, unscale);
        let last = T::select(lifted | self.far, T::ONE, last);
        let result = number.times_round(scaled) * power * unscale;
        // Zeros keep their signs so, and infinities are not taken from each other.
        let zero = (factor == T::ZERO) | (number.round() == T::ZERO);
        let plain = zero | (factor.abs() == T::INFINITY);
        T::select(plain, factor * number.hi, result * last * last)
    }
}

/// `number * last^2`: a factor, or the product of two, which may be too large for the precision.
#[derive(Clone, Copy)]
pub struct Factor<T> {
    /// Infinite only where a factor is.
    number: T,
    /// 1, or larger where the number is at least 1.
    last: T,
}

impl<T: Real> Factor<T> {
    #[inline(always)]
    pub fn of(number: T) -> Self {
        Factor { number, last: T::ONE }
    }

    #[inline(always)]
    pub fn product(a: T, b: T) -> Self {
        let product = a * b;
        let large = product.abs() > T::MAX;
        let number = (a * T::ROOT_SCALE) * (b * T::ROOT_SCALE);
        Factor {
            number: T::select(large, number, product),
            last: T::select(large, T::ROOT_SCALE.reciprocal(), T::ONE),
        }
    }

    /// The product with `x`, rounded.
    #[inline(always)]
    pub fn times(self, x: T) -> T {
        self.number * x * self.last * self.last
    }

    /// The same multiplied by a power of two up to 1.
    #[inline(always)]
    pub fn scale(self, power: T) -> Self {
        Factor { number: self.number * power, ..self }
    }
}

/// `sigma(v) = R / D` and `sigma(-v) = e^r / D` for a `v <= 0`.
///
/// The numbers inside are kept times or over `2^EXP_BIAS`, so that `R` is normal however small
/// `sigma(v)` is, and the power of two comes last.
#[derive(Clone, Copy)]
pub struct Gate<T> {
    /// `R 2^EXP_BIAS`: what is divided by it is multiplied by it in the end.
    pub power: T,
    /// `q`, about `1 / (D 2^EXP_BIAS)`: it lacks the residual.
    inverse: T,
    /// `1 - q R 2^EXP_BIAS`, to the pair.
    complement: Double<T>,
    /// `1/D = q 2^EXP_BIAS (1 + residual)`, to the square of the residual.
    residual: T,
}

impl<T: Number> Gate<T> {
    /// The gate at `v <= 0`, where `v.hi >= EXP_LOWEST` and `v.lo` is below an ulp; without `PAIR`,
    /// at `v.hi` alone.
    ///
    /// Error: of `e^r`, relative 2^-27.2 (`f32`), 2^-56.6 (`f64`).
    #[inline(always)]
    pub fn at<const PAIR: bool>(v: Double<T>) -> Self {
        Gate::lifted::<PAIR, false>(v, T::EXP_BIAS, T::UNBIAS.reciprocal()).0
    }

    /// The same and `e^r 2^EXP_BIAS` as a pair, with an error of 2^-28.5 (`f32`), 2^-57.5 (`f64`).
    #[inline(always)]
    pub fn with_growth<const PAIR: bool>(v: Double<T>) -> (Self, Double<T>) {
        Gate::lifted::<PAIR, true>(v, T::EXP_BIAS, T::UNBIAS.reciprocal())
    }

    /// The same where `v >= GATE_PLAIN`, with 1 in place of the powers of `2^EXP_BIAS`.
    #[inline(always)]
    pub fn plain(v: T) -> Self {
        Gate::lifted::<false, false>(Double::from(v), 0, T::ONE).0
    }

    /// The gate at `-t` for `e^t`, with 1 for the power: nothing underflows.
    #[inline(always)]
    pub fn stepped(growing: Stepped<T>) -> Self {
        let (sum, rest) = (growing.power, growing.power * growing.growth);
        let inverse = reciprocal_estimate(T::ONE + growing.round());
        let hi = T::ONE - inverse;
        let lo = (T::ONE - hi) - inverse;
        // As in `lifted`; the growth is smaller than what is dropped there.
        let residual = (-inverse).mul_add(rest, (-inverse).mul_add(sum, hi)) + lo;
        Gate { power: T::ONE, inverse, complement: Double { hi, lo }, residual }
    }

    /// The gate and `e^r lift`, as a pair with a tail below an ulp if `PRECISE`.
    #[inline(always)]
    fn lifted<const PAIR: bool, const PRECISE: bool>(
        v: Double<T>,
        bias: i32,
        lift: T,
    ) -> (Self, Double<T>) {
        let (k, power) = v.hi.times_rounded_with_power(T::LOG2_E, bias);
        let r = k.mul_add(T::LN2_HI, -v.hi);
        let d = if PAIR { k.mul_add(T::LN2_LO, -v.lo) } else { k * T::LN2_LO };
        let square = r * r;
        let tail = if PRECISE { T::EXP_TAIL } else { T::GATE_TAIL };
        let tail = polynomial_by_pairs(r, square, tail, lift);
        // e^(r + d) = 1 + r + (r^2 q(r) + d e^r), with the first sum exact.
        let sum = r.mul_add(lift, lift);
        let dropped = r.mul_add(lift, lift - sum);
        let exponential = square.mul_add(tail, sum);
        let (sum, rest) = if PRECISE {
            // What rounding has taken from the exponential: none of its terms is large.
            let lost = square.mul_add(tail, sum - exponential);
            (exponential, d.mul_add(exponential, dropped) + lost)
        } else {
            (sum, d.mul_add(exponential, square.mul_add(tail, dropped)))
        };
        let inverse = reciprocal_estimate(exponential + power);
        let hi = (-power).mul_add(inverse, T::ONE);
        let lo = (-power).mul_add(inverse, T::ONE - hi);
        // 1 - q D = (1 - q R) - q e^r; hi - q sum is below 0.08: its rounding counts for nothing.
        let residual = (-inverse).mul_add(rest, (-inverse).mul_add(sum, hi)) + lo;
        let gate = Gate { power, inverse, complement: Double { hi, lo }, residual };
        (gate, Double { hi: sum, lo: rest })
    }

    /// `sigma(v)` divided by `power`.
    #[inline(always)]
    fn left(&self) -> Double<T> {
        Double { hi: self.inverse, lo: self.inverse * self.residual }
    }

    /// `sigma(-v)`.
    #[inline(always)]
    fn right(&self) -> Double<T> {
        let Double { hi, lo } = self.complement;
        Double { hi, lo: self.residual.mul_add(hi - T::ONE, lo) }
    }

    /// `sigma(-v)` where `opposite`, else `sigma(v)`, and the power of two it is to be multiplied by.
    #[inline(always)]
    pub fn sigma(&self, opposite: bool) -> (Double<T>, T) {
        let power = T::select(opposite, T::ONE, self.power);
        (Double::select(opposite, self.right(), self.left()), power)
    }

    /// `sigma(-v)` where `opposite`, else `sigma(v)`, rounded once.
    #[inline(always)]
    pub fn sigma_round(&self, opposite: bool) -> T {
        let (sigma, power) = self.sigma(opposite);
        sigma.round() * power
    }

    /// `1 - w sigma(-v)` as a pair, for `w >= 0`; without `PAIR`, for `w.hi` alone.
    #[inline(always)]
    pub fn shortfall<const PAIR: bool>(&self, w: Double<T>) -> Double<T> {
        // w sigma(-v) = w - w R/D.
        let part = w.hi * self.power;
        let product = (-part).mul_add(self.inverse, w.hi);
        let hi = T::ONE - product;
        // 1 - hi is the product: 1 is a multiple of its ulp, or Sterbenz's lemma applies. It is at
        // least w/2, so the difference is exact too.
        let rest = w.hi - (T::ONE - hi);
        let lo = rest.mul_add(self.residual, part.mul_add(self.inverse, -rest));
        if PAIR {
            return Double { hi, lo: (-w.lo).mul_add(self.complement.hi, lo) };
        }
        Double { hi, lo }
    }

    /// `sigma(v) factor`, rounded, divided by `power`.
    #[inline(always)]
    pub fn times(&self, factor: Double<T>) -> T {
        // The tail may be the larger part next to a zero.
        let lo = factor.round().mul_add(self.residual, factor.lo);
        self.inverse.mul_add(factor.hi, self.inverse * lo)
    }

    /// `sigma(v) factor` divided by `power`, as a pair.
    #[inline(always)]
    pub fn times_pair(&self, factor: Double<T>) -> Double<T> {
        self.left().normalize().multiply(factor)
    }

    /// `sigma'(v)` divided by `power`, rounded.
    #[inline(always)]
    pub fn slope_round(&self) -> T {
        // sigma(v) sigma(-v) = q (1 + residual) (hi + lo + (hi - 1) residual).
        let Double { hi, lo } = self.complement;
        let lo = self.residual.mul_add(hi.mul_add(T::TWO, -T::ONE), lo);
        self.inverse.mul_add(hi, self.inverse * lo)
    }

    /// `sigma(v) factor` divided by `power`, as a pair that is not normalised; the tail of the factor
    /// may be its larger part.
    #[inline(always)]
    pub fn times_any(&self, factor: Double<T>) -> Double<T> {
        let lo = factor.round().mul_add(self.residual, factor.lo);
        let product = two_product(self.inverse, factor.hi);
        Double { hi: product.hi, lo: self.inverse.mul_add(lo, product.lo) }
    }

    /// `sigma'(v)` divided by `power`, as a pair that is not normalised.
    #[inline(always)]
    pub fn slope_pair(&self) -> Double<T> {
        let Double { hi, lo } = self.complement;
        let lo = self.residual.mul_add(hi.mul_add(T::TWO, -T::ONE), lo);
        let product = two_product(self.inverse, hi);
        Double { hi: product.hi, lo: self.inverse.mul_add(lo, product.lo) }
    }

    /// `sigma'(v)` divided by `power`, as a normalised pair.
    #[inline(always)]
    pub fn slope(&self) -> Double<T> {
        self.left().multiply(self.right()).normalize()
    }
}
