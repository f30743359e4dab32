//! Constants of the error function.

use super::real::Real;

/// Constants of the error function, one set for each working precision.
pub trait ErfConstants: Real {
    /// Where the parts of erf meet: a multiple of 2^-11 at which erf is nearly a number.
    const ERF_BORDER: Self;
    /// `erf` is 1 in the working precision from here on.
    const ERF_LARGEST: Self;
    /// `q` with `erf(x) = x + x q(x^2)` for `|x| <= ERF_BORDER`.
    const ERF_NEAR: &'static [Self];
    /// `q` with `erfc(ERF_BORDER + y) = erfc(ERF_BORDER) (1 - y q(y))^8` up to `ERF_LARGEST`.
    const ERF_FAR: &'static [Self];
    /// `erf(ERF_BORDER)`.
    const ERF_AT_BORDER: Self;
    /// `exp(-x^2)` is 0 even in the subnormals from here on, and so is its product with `4 x`; the
    /// square is below `-EXP_LOWEST`.
    const GAUSS_LARGEST: Self;
}

// tools/coefficients/erf.sollya; errors: of x + x q(x^2), relative, 2^-27.1; of erf by ERF_FAR
// 2^-27.9; of ERF_AT_BORDER 2^-30.7.
impl ErfConstants for f32 {
    const ERF_BORDER: f32 = 1730.0 / 2048.0;
    const ERF_LARGEST: f32 = 63.0 / 16.0;
    const ERF_NEAR: &'static [f32] =
        &[0.12837917, -0.37612593, 0.11282917, -0.026809853, 0.0050624805, -0.0006378548];
    const ERF_FAR: &'static [f32] = &[
        0.29753816,
        0.058513027,
        -0.020154739,
        -0.0043085515,
        0.0014864911,
        0.00010771858,
        -7.272387e-05,
        6.865754e-06,
    ];
    const ERF_AT_BORDER: f32 = 0.76776594;
    const GAUSS_LARGEST: f32 = 11.25;
}

// tools/coefficients/erf.sollya; errors: of x + x q(x^2), relative, 2^-55.7; of erf by ERF_FAR
// 2^-55.9; of ERF_AT_BORDER 2^-67.2.
impl ErfConstants for f64 {
    const ERF_BORDER: f64 = 1765.0 / 2048.0;
    const ERF_LARGEST: f64 = 95.0 / 16.0;
    const ERF_NEAR: &'static [f64] = &[
        0.12837916709551256,
        -0.3761263890318324,
        0.1128379167092713,
        -0.026866170639207775,
        0.005223977561168555,
        -0.0008548322951435274,
        0.00012055171863685393,
        -1.4921543079146967e-05,
        1.6394454204110034e-06,
        -1.5665348094690632e-07,
        1.0584121733207554e-08,
    ];
    const ERF_FAR: &'static [f64] = &[
        0.30105633748346444,
        0.05776692333767784,
        -0.0205493889712724,
        -0.0042045056784731985,
        0.0015098296041352994,
        9.279343812142608e-05,
        -6.737529327719486e-05,
        5.49012638956525e-06,
        -1.2913427406389512e-07,
        1.2052138668844405e-07,
        4.7662718539380096e-08,
        -4.700195010618264e-08,
        1.6102355806864393e-08,
        -3.532065767168802e-09,
        5.565149175652456e-10,
        -6.167671299878823e-11,
        4.2837738951557325e-12,
        -1.3894719662393006e-13,
    ];
    const ERF_AT_BORDER: f64 = 0.777077022174103;
    const GAUSS_LARGEST: f64 = 28.75;
}
