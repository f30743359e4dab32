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
    const ERF_SLOPE_LARGEST: Self;
}

// tools/coefficients/erf.sollya; errors: of x + x q(x^2), relative, 2^-27.0; of erf by ERF_FAR
// 2^-30.0; of ERF_AT_BORDER 2^-29.5.
impl ErfConstants for f32 {
    const ERF_BORDER: f32 = 1741.0 / 2048.0;
    const ERF_LARGEST: f32 = 63.0 / 16.0;
    const ERF_NEAR: &'static [f32] =
        &[0.12837917, -0.3761259, 0.112828724, -0.02680776, 0.005058643, -0.0006354447];
    const ERF_FAR: &'static [f32] = &[
        0.29864275,
        0.058280762,
        -0.02027932,
        -0.004275423,
        0.0014923037,
        0.00010515927,
        -7.254525e-05,
        6.8767945e-06,
    ];
    const ERF_AT_BORDER: f32 = 0.77072155;
    const ERF_SLOPE_LARGEST: f32 = 11.25;
}

// tools/coefficients/erf.sollya; errors: of x + x q(x^2), relative, 2^-55.7; of erf by ERF_FAR
// 2^-57.3; of ERF_AT_BORDER 2^-67.2.
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
        0.30105633748346594,
        0.05776692333757587,
        -0.020549388968905315,
        -0.004204505705859496,
        0.0015098297903069703,
        9.279262189430583e-05,
        -6.737284521487224e-05,
        5.484901644205042e-06,
        -1.209835562316231e-07,
        1.1105947566979863e-07,
        5.592517070466847e-08,
        -5.245422637767661e-08,
        1.8816805373690538e-08,
        -4.5428105278314675e-09,
        8.329833044265655e-10,
        -1.1547728656253247e-10,
        1.1320516346681476e-11,
        -6.925282060927782e-13,
        1.97641191398171e-14,
    ];
    const ERF_AT_BORDER: f64 = 0.777077022174103;
    const ERF_SLOPE_LARGEST: f64 = 28.75;
}
