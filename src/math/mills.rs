//! The tail of the normal distribution: `e^{-t^2/2}` and Mills's ratio `R(t) = (1 - Phi(t)) / phi(t)`.

use super::Number;
use super::double::{Double, polynomial};
use super::exp::{ExpConstants, exp_reduced, reduce};
use super::gate::Reach;
use super::real::Real;

/// Constants of the normal distribution, one set for each working precision.
pub trait MillsConstants: ExpConstants {
    /// The largest argument of [`gauss`]: beyond it the tail of `gelu` rounds to zero.
    const GAUSS_LARGEST: Self;
    /// The largest argument of [`gauss_reach`]: its square is below `2 (n ln 2 - EXP_LOWEST)`, with
    /// the n of [`Reach`].
    const GAUSS_FAR: Self;
    /// Up to here `LEVEL` and `SLOPE` are what they are said to be; from here on eight terms of the
    /// asymptotic series of the ratio are enough.
    const GAUSS_ASYMPTOTIC: Self;
    /// From here up the tail of `gelu` is normal, and so are enough digits of what is dropped from it.
    const GAUSS_PLAIN: Self;
    /// `R(t) (t + 9/8) / sqrt(2 pi)`, between 0.39 and 0.57.
    const LEVEL: Ratio<Self>;
    /// `2 (R(t) - t) / ((z - t) sqrt(2 pi))`, where `R(z) = z`, between 0.8 and 1.34.
    const SLOPE: Ratio<Self>;
}

// tools/coefficients/gelu.sollya, for t up to 14.5; relative errors: 2^-31.2 and 2^-28.8.
impl MillsConstants for f32 {
    const GAUSS_LARGEST: f32 = 15.0;
    const GAUSS_FAR: f32 = 20.5;
    const GAUSS_ASYMPTOTIC: f32 = 14.0;
    const GAUSS_PLAIN: f32 = -12.5;
    const LEVEL: Ratio<f32> = Ratio {
        shift: 6.0,
        scale: 1.2832031,
        coefficients: &[
            0.48642367,
            -0.19529483,
            0.13928929,
            0.027298443,
            -0.28159282,
            0.5390748,
            -0.69067353,
            0.66905564,
            -0.49498037,
            0.2646442,
            -0.081058264,
            -0.013364589,
            0.025968902,
        ],
    };
    const SLOPE: Ratio<f32> = Ratio {
        shift: 3.5,
        scale: 1.3896484,
        coefficients: &[
            1.0113832,
            -0.43067512,
            0.32715008,
            -0.16039118,
            0.032975726,
            0.011888202,
            -0.0069344165,
            -0.0016990484,
            0.0012539317,
            0.00023442144,
        ],
    };
}

// tools/coefficients/gelu.sollya, for t up to 38.8; relative errors: 2^-59.0 and 2^-59.8.
impl MillsConstants for f64 {
    const GAUSS_LARGEST: f64 = 39.0;
    const GAUSS_FAR: f64 = 55.3;
    const GAUSS_ASYMPTOTIC: f64 = 38.0;
    const GAUSS_PLAIN: f64 = -36.0;
    const LEVEL: Ratio<f64> = Ratio {
        shift: 6.0,
        scale: 1.276123046875,
        coefficients: &[
            0.4858829845034341,
            -0.19560065135046448,
            0.14105585435692353,
            0.02462003396833673,
            -0.28033170228496007,
            0.5424934874512375,
            -0.7006402625161433,
            0.6841048816569524,
            -0.5108144028113892,
            0.2755557104617568,
            -0.08446190317435792,
            -0.01031922119399373,
            0.025251136793726148,
            -0.0088839024769124,
            -0.003074182477219525,
            0.0034078052515300558,
            -8.180504043535479e-05,
            -0.000965656122774678,
            0.00020050955249955037,
            0.0002586965488712907,
            -8.927126311282874e-05,
            -5.831050348030154e-05,
            2.497813380853762e-05,
            3.939875711095866e-06,
        ],
    };
    const SLOPE: Ratio<f64> = Ratio {
        shift: 3.5,
        scale: 1.285400390625,
        coefficients: &[
            0.9944463038253014,
            -0.4377650382666176,
            0.35995040497370895,
            -0.19567350091779073,
            0.04810874577870936,
            0.015011415602297747,
            -0.011840456155438026,
            -0.0023739121168605687,
            0.0029275846798252313,
            0.0009294664363965571,
            -0.0007206473687461071,
            -0.00046582757485906756,
            0.0001089862044691835,
            0.00020489487501642722,
            4.062851636895074e-05,
            -6.195770725079003e-05,
            -4.7346990797701164e-05,
            5.708669979989356e-07,
            2.3158044905967017e-05,
            1.3767663071712399e-05,
            -6.440874500087495e-06,
            -8.818544265552263e-06,
            1.184797164698926e-06,
            1.9275698314940844e-06,
        ],
    };
}

/// A function of `t >= 0` as a polynomial in `v = scale t / (t + shift) - 1/2`.
pub struct Ratio<T: 'static> {
    shift: T,
    scale: T,
    coefficients: &'static [T],
}

impl<T: Real> Ratio<T> {
    /// The function at `t`, as a pair with `lo` up to half of `hi`.
    ///
    /// Error: relative, about 2^-25 (`f32`), 2^-54 (`f64`).
    #[inline(always)]
    pub fn at(&self, t: T) -> Double<T> {
        let quotient = self.scale / (t + self.shift);
        // v is also scale - 1/2 - shift quotient: of the two, the smaller multiple of the quotient
        // has the smaller rounding error.
        let far = t > self.shift;
        let factor = T::select(far, -self.shift, t);
        let v = factor.mul_add(quotient, T::select(far, self.scale - T::HALF, -T::HALF));
        // c0 + c1 v exactly, and the rest, which is smaller.
        let [constant, linear] = [self.coefficients[0], self.coefficients[1]];
        let hi = v.mul_add(linear, constant);
        let dropped = v.mul_add(linear, constant - hi);
        let rest = polynomial(v, &self.coefficients[2..]);
        Double { hi, lo: (v * v).mul_add(rest, dropped) }
    }
}

/// `e^{-t^2/2} = mantissa * power * UNBIAS`.
pub struct Gauss<T> {
    /// A normalised pair, about in `[0.7, 1.42]`.
    pub mantissa: Double<T>,
    /// `2^(k + EXP_BIAS)`.
    pub power: T,
    /// `-t^2/2` exactly.
    pub exponent: Double<T>,
}

/// The density without its constant factor, for `0 <= t <= GAUSS_LARGEST`.
///
/// Error: that of `exp_decay`.
/// Edges: NaN gives NaN.
/// Method: `exp_decay` of the exact square, which is above `EXP_LOWEST`.
#[inline(always)]
pub fn gauss<T: MillsConstants>(t: T) -> Gauss<T> {
    let exponent = exponent(t);
    let (mantissa, power) = exponential(exponent, T::EXP_BIAS);
    Gauss { mantissa, power, exponent }
}

/// [`gauss`] for `0 <= t <= -GAUSS_PLAIN`, with `2^k` for the power, and the same mantissa.
#[inline(always)]
pub fn gauss_plain<T: MillsConstants>(t: T) -> Gauss<T> {
    let exponent = exponent(t);
    let (mantissa, power) = exponential(exponent, 0);
    Gauss { mantissa, power, exponent }
}

/// [`gauss`] for `0 <= t <= GAUSS_FAR`, and what its products are made with: beyond `GAUSS_LARGEST`
/// they are not too small where the density is.
#[inline(always)]
pub fn gauss_reach<T: Number>(t: T) -> (Gauss<T>, Reach<T>) {
    let exponent = exponent(t);
    let reach = Reach::of(exponent);
    let (mantissa, power) = exponential(reach.v, T::EXP_BIAS);
    (Gauss { mantissa, power, exponent }, reach)
}

/// `-t^2/2`
#[inline(always)]
fn exponent<T: MillsConstants>(t: T) -> Double<T> {
    let half = -(T::HALF * t);
    let hi = t * half;
    Double { hi, lo: t.mul_add(half, -hi) }
}

#[inline(always)]
fn exponential<T: MillsConstants>(exponent: Double<T>, bias: i32) -> (Double<T>, T) {
    let (k, power) = exponent.hi.times_rounded_with_power(T::LOG2_E, bias);
    (exp_reduced(reduce(exponent.hi, exponent.lo, k)), power)
}
