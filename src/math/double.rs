//! Pairs `hi + lo`: about twice the working precision for the last steps of a kernel.
//!
//! A result is at most 1 ulp off only if everything before the final rounding is right to well
//! below an ulp. So the steps near the end of a kernel carry the part that rounding would drop:
//! `lo`, at most a few ulps of `hi`. Pairs are not renormalised unless a comment says so.
//!
//! Source: T. J. Dekker, "A floating-point technique for extending the available precision",
//! 1971; M. Joldes, J.-M. Muller, V. Popescu, "Tight and rigorous error bounds for basic
//! building blocks of double-word arithmetic", 2017.

use super::real::Real;

/// The unevaluated sum `hi + lo`.
#[derive(Clone, Copy, Debug)]
pub struct Double<T> {
    pub hi: T,
    pub lo: T,
}

/// `a + b` exactly, for `|a| >= |b|` or `a = 0`.
#[inline(always)]
pub fn fast_two_sum<T: Real>(a: T, b: T) -> Double<T> {
    let hi = a + b;
    Double { hi, lo: b - (hi - a) }
}

/// `a + b` exactly.
#[inline(always)]
pub fn two_sum<T: Real>(a: T, b: T) -> Double<T> {
    let hi = a + b;
    let from_b = hi - a;
    let from_a = hi - from_b;
    Double { hi, lo: (a - from_a) + (b - from_b) }
}

/// `a * b` exactly, unless the error term underflows.
#[inline(always)]
pub fn two_product<T: Real>(a: T, b: T) -> Double<T> {
    let hi = a * b;
    Double { hi, lo: a.mul_add(b, -hi) }
}

impl<T: Real> Double<T> {
    /// The number itself, with nothing behind it.
    #[inline(always)]
    pub fn from(hi: T) -> Self {
        Double { hi, lo: T::ZERO }
    }

    /// The nearest number of the working precision.
    #[inline(always)]
    pub fn round(self) -> T {
        self.hi + self.lo
    }

    /// The same value with `hi` its nearest number; needs `|hi| >= |lo|`.
    #[inline(always)]
    pub fn normalize(self) -> Self {
        fast_two_sum(self.hi, self.lo)
    }

    #[inline(always)]
    pub fn negate(self) -> Self {
        Double { hi: -self.hi, lo: -self.lo }
    }

    /// Multiplies by a power of two (or by zero, or by +-1): exact.
    #[inline(always)]
    pub fn scale(self, power: T) -> Self {
        Double { hi: self.hi * power, lo: self.lo * power }
    }

    /// `self + other` for any order of magnitudes.
    #[inline(always)]
    pub fn plus(self, other: Self) -> Self {
        let sum = two_sum(self.hi, other.hi);
        Double { hi: sum.hi, lo: sum.lo + (self.lo + other.lo) }
    }

    /// `self + other` for `|self| >= |other|`.
    #[inline(always)]
    pub fn plus_smaller(self, other: Self) -> Self {
        let sum = fast_two_sum(self.hi, other.hi);
        Double { hi: sum.hi, lo: sum.lo + (self.lo + other.lo) }
    }

    /// `number + self` for `|number| >= |self|`.
    #[inline(always)]
    pub fn plus_larger(self, number: T) -> Self {
        let sum = fast_two_sum(number, self.hi);
        Double { hi: sum.hi, lo: sum.lo + self.lo }
    }

    /// `self * other`, without the product of the two tails.
    #[inline(always)]
    pub fn multiply(self, other: Self) -> Self {
        let product = two_product(self.hi, other.hi);
        let cross = self.lo.mul_add(other.hi, self.hi.mul_add(other.lo, product.lo));
        Double { hi: product.hi, lo: cross }
    }

    /// `self * number`.
    #[inline(always)]
    pub fn times(self, number: T) -> Self {
        let product = two_product(self.hi, number);
        Double { hi: product.hi, lo: self.lo.mul_add(number, product.lo) }
    }

    /// `self * number` rounded once, without forming the exact product.
    #[inline(always)]
    pub fn times_round(self, number: T) -> T {
        self.hi.mul_add(number, self.lo * number)
    }

    /// [`times_round`](Self::times_round) where a zero has the sign of the product.
    #[inline(always)]
    pub fn times_round_signed(self, number: T) -> T {
        T::select(number == T::ZERO, self.hi * number, self.times_round(number))
    }

    /// `self * self`.
    #[inline(always)]
    pub fn square(self) -> Self {
        let product = two_product(self.hi, self.hi);
        let twice = self.hi + self.hi;
        Double { hi: product.hi, lo: twice.mul_add(self.lo, product.lo) }
    }

    /// `self * other` rounded once, without forming the exact product.
    #[inline(always)]
    pub fn multiply_round(self, other: Self) -> T {
        let cross = self.lo.mul_add(other.hi, self.hi * other.lo);
        self.hi.mul_add(other.hi, cross)
    }

    /// `self / other` as a pair, with one division.
    #[inline(always)]
    pub fn divide(self, other: Self) -> Self {
        let reciprocal = other.hi.reciprocal();
        let hi = self.hi * reciprocal;
        // self - hi * other, exact in its first term.
        let remainder = (-hi).mul_add(other.hi, self.hi);
        let remainder = (-hi).mul_add(other.lo, remainder + self.lo);
        Double { hi, lo: remainder * reciprocal }
    }

    /// `self / other` rounded once, with one division.
    #[inline(always)]
    pub fn divide_round(self, other: Self) -> T {
        let reciprocal = other.hi.reciprocal();
        let quotient = self.hi * reciprocal;
        let remainder = (-quotient).mul_add(other.hi, self.hi);
        let remainder = (-quotient).mul_add(other.lo, remainder + self.lo);
        remainder.mul_add(reciprocal, quotient)
    }

    /// `1 / self` as a pair, with one division.
    #[inline(always)]
    pub fn reciprocal(self) -> Self {
        let hi = self.hi.reciprocal();
        let remainder = (-hi).mul_add(self.lo, (-hi).mul_add(self.hi, T::ONE));
        Double { hi, lo: remainder * hi }
    }

    #[inline(always)]
    pub fn select(condition: bool, yes: Self, no: Self) -> Self {
        Double { hi: T::select(condition, yes.hi, no.hi), lo: T::select(condition, yes.lo, no.lo) }
    }
}

/// The polynomial with these coefficients, constant term first, in the working precision.
#[inline(always)]
pub fn polynomial<T: Real>(x: T, coefficients: &[T]) -> T {
    let mut sum = coefficients[coefficients.len() - 1];
    let mut index = coefficients.len() - 1;
    while index > 0 {
        index -= 1;
        sum = sum.mul_add(x, coefficients[index]);
    }
    sum
}

/// `scale`, a power of two, times the polynomial as of [`polynomial`], from `x` and `x^2`: as many
/// operations, in a chain half as long. With a constant scale it costs nothing.
#[inline(always)]
pub fn polynomial_by_pairs<T: Real>(x: T, square: T, coefficients: &[T], scale: T) -> T {
    let mut index = (coefficients.len() - 1) & !1;
    let pair = |index: usize| {
        let even = coefficients[index] * scale;
        match coefficients.get(index + 1) {
            Some(odd) => (*odd * scale).mul_add(x, even),
            None => even,
        }
    };
    let mut sum = pair(index);
    while index > 0 {
        index -= 2;
        sum = sum.mul_add(square, pair(index));
    }
    sum
}
