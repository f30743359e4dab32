//! The formulas: what every element-wise activation and its first two derivatives are.
//!
//! Each is an explicit formula in the exact input, from the definition in the catalogue and nothing
//! else. They are arranged so that nothing overflows and little cancels, except next to a zero;
//! that makes a bound narrow, and right or wrong it cannot make a result. Branches depend on the
//! input alone. At a kink a form takes the value the catalogue states.
//!
//! To add an activation, add its entry; a row of the catalogue without one is an error that says so.

use crate::ball::{Ball, unambiguous};
use crate::big::Big;
use crate::interval::{Enclosure, Interval};
#[cfg(feature = "mpfr")]
use crate::mpfr::Mpfr;
use crate::pair::Pair;
use crate::reference::{Constant, Reference};
use crate::scaled::Scaled;

/// The parameters in catalogue order; unused places are zero.
pub type Parameters = [f64; 2];

/// A form the promises are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Form {
    Value,
    Derivative,
    SecondDerivative,
}

impl Form {
    pub const ALL: [Form; 3] = [Form::Value, Form::Derivative, Form::SecondDerivative];

    /// As the catalogue and the tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Form::Value => "value",
            Form::Derivative => "derivative",
            Form::SecondDerivative => "second_derivative",
        }
    }
}

/// A form in each number system.
#[derive(Clone, Copy)]
pub struct Evaluators {
    pub single: fn(&[f64], Parameters, &mut [Ball<f64>]),
    /// For all numbers of a ball at once, where they take the same branches.
    pub range: fn(Ball<f64>, Parameters) -> Option<Ball<f64>>,
    pub pair: fn(&[f64], Parameters, &mut [Ball<Pair>]),
    pub scaled: fn(&[f64], Parameters, &mut [Scaled]),
    pub big: fn(f64, Parameters) -> Interval<Big>,
    #[cfg(feature = "mpfr")]
    pub mpfr: fn(f64, Parameters) -> Interval<Mpfr>,
}

/// An activation.
pub struct Formula {
    pub name: &'static str,
    /// Values for parameters without a default.
    pub examples: Parameters,
    /// The result where it is not a real number or not that of the formula: outside the domain.
    pub outside: fn(f64, Form) -> Option<f64>,
    /// The inputs for which the formula holds.
    pub domain: (f64, f64),
    evaluators: [Evaluators; 3],
}

impl Formula {
    pub fn evaluators(&self, form: Form) -> &Evaluators {
        &self.evaluators[form as usize]
    }

    pub fn find(name: &str) -> Option<&'static Formula> {
        FORMULAS.iter().find(|formula| formula.name == name)
    }
}

/// A form of an activation, generic over the numbers it computes with.
trait Evaluate {
    fn at<R: Reference>(x: R, parameters: [R; 2]) -> R;
}

#[inline(always)]
fn each<E: Evaluate, R: Reference>(xs: &[f64], parameters: Parameters, results: &mut [R]) {
    let [p, q] = parameters;
    for (result, &x) in results.iter_mut().zip(xs) {
        *result = E::at(R::exact(x), [R::exact(p), R::exact(q)]);
    }
}

/// [`each`], compiled to use the CPU's fused multiply-add where there is one.
fn block<E: Evaluate, R: Reference>(xs: &[f64], parameters: Parameters, results: &mut [R]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn with_fma<E: Evaluate, R: Reference>(xs: &[f64], p: Parameters, results: &mut [R]) {
            each::<E, R>(xs, p, results);
        }
        if is_x86_feature_detected!("fma") && is_x86_feature_detected!("avx2") {
            // SAFETY: this CPU has both.
            return unsafe { with_fma::<E, R>(xs, parameters, results) };
        }
    }
    each::<E, R>(xs, parameters, results);
}

const fn evaluators<E: Evaluate>() -> Evaluators {
    Evaluators {
        single: block::<E, Ball<f64>>,
        range: range::<E>,
        pair: block::<E, Ball<Pair>>,
        scaled: each::<E, Scaled>,
        big: single::<E, Big>,
        #[cfg(feature = "mpfr")]
        mpfr: single::<E, Mpfr>,
    }
}

fn range<E: Evaluate>(x: Ball<f64>, parameters: Parameters) -> Option<Ball<f64>> {
    unambiguous(|| E::at(x, parameters.map(Ball::exact)))
}

fn single<E: Evaluate, N: Enclosure>(x: f64, parameters: Parameters) -> Interval<N> {
    E::at(Interval::exact(x), parameters.map(Interval::exact))
}

/// The reals, for activations defined everywhere.
const EVERYWHERE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

fn nowhere(_: f64, _: Form) -> Option<f64> {
    None
}

// What formulas are made of. A number on the left of an operation is made one by `n`.

#[inline(always)]
fn n<R: Reference>(x: f64) -> R {
    R::exact(x)
}

#[inline(always)]
fn zero<R: Reference>() -> R {
    n(0.0)
}

#[inline(always)]
fn one<R: Reference>() -> R {
    n(1.0)
}

#[inline(always)]
fn constant<R: Reference>(constant: Constant) -> R {
    R::constant(constant)
}

#[inline(always)]
fn abs<R: Reference>(x: R) -> R {
    if x < 0.0 { -x } else { x }
}

/// What the logistic family needs of `v`: `e = exp(-|v|)`.
#[derive(Clone, Copy)]
struct Logistic<R> {
    v: R,
    negative: bool,
    e: R,
}

impl<R: Reference> Logistic<R> {
    #[inline(always)]
    fn signed(v: R, negative: bool) -> Self {
        Logistic { v, negative, e: if negative { v } else { -v }.exp() }
    }

    #[inline(always)]
    fn at(x: R) -> Self {
        Self::signed(x, x < 0.0)
    }

    /// At `scale x`.
    #[inline(always)]
    fn scaled(scale: R, x: R) -> Self {
        Self::signed(scale * x, (scale < 0.0) != (x < 0.0))
    }

    /// `sigma(v) = 1/(1 + e^-v)`
    #[inline(always)]
    fn value(self) -> R {
        let top = if self.negative { self.e } else { one() };
        top / (self.e + 1.0)
    }

    /// `1 - sigma(v) = sigma(-v)`
    #[inline(always)]
    fn complement(self) -> R {
        let top = if self.negative { one() } else { self.e };
        top / (self.e + 1.0)
    }

    /// `sigma'(v) = e/(1 + e)^2`
    #[inline(always)]
    fn slope(self) -> R {
        self.e / (self.e + 1.0).square()
    }

    /// `tanh(v/2) = 2 sigma(v) - 1`
    #[inline(always)]
    fn tanh_of_half(self) -> R {
        (self.v * 0.5).tanh()
    }

    /// `log(1 + e^v)`
    #[inline(always)]
    fn softplus(self) -> R {
        let rest = self.e.ln_1p();
        if self.negative { rest } else { self.v + rest }
    }

    // x sigma(v(x)), given v and its derivatives.

    #[inline(always)]
    fn gated(self, x: R) -> R {
        x * self.value()
    }

    /// `sigma(v) + x v' sigma'(v)`, over the common denominator
    #[inline(always)]
    fn gated_derivative(self, x: R, v1: R) -> R {
        let sum = self.e + 1.0;
        let top = if self.negative { self.e * (sum + x * v1) } else { sum + x * v1 * self.e };
        top / sum.square()
    }

    /// `sigma'(v) (2v' + x v'' - x v'^2 tanh(v/2))`
    #[inline(always)]
    fn gated_second(self, x: R, v1: R, v2: R) -> R {
        self.slope() * (v1 * 2.0 + x * (v2 - v1.square() * self.tanh_of_half()))
    }
}

/// `tanh'(x) = 4 sigma'(2x)`
#[inline(always)]
fn sech_squared<R: Reference>(x: R) -> R {
    Logistic::scaled(n(2.0), x).slope() * 4.0
}

/// `log(1 + e^x)`
#[inline(always)]
fn softplus<R: Reference>(x: R) -> R {
    Logistic::at(x).softplus()
}

/// `Phi(x) = erfc(-x/sqrt 2)/2`
#[inline(always)]
fn normal_cdf<R: Reference>(x: R) -> R {
    (-x * constant::<R>(Constant::InverseRootTwo)).erfc() * 0.5
}

/// `phi(x) = e^(-x^2/2)/sqrt(2 pi)`
#[inline(always)]
fn normal_pdf<R: Reference>(x: R) -> R {
    (x.square() * -0.5).exp() * constant::<R>(Constant::InverseRootTwoPi)
}

/// `v`, `v'` and `v''` of `v = 2 sqrt(2/pi) (x + 0.044715 x^3)`: `1 + tanh(v/2)` is `2 sigma(v)`.
#[inline(always)]
fn gelu_tanh_gate<R: Reference>(x: R) -> (Logistic<R>, R, R) {
    let scale = constant::<R>(Constant::GeluTanhScale);
    let linear = constant::<R>(Constant::GeluTanhCubic) * x;
    let quadratic = linear * x;
    let v = scale * (x * (quadratic + 1.0));
    let gate = Logistic::signed(v, x < 0.0);
    (gate, scale * (quadratic * 3.0 + 1.0), scale * linear * 6.0)
}

/// `1.702`
#[inline(always)]
fn gelu_sigmoid_scale<R: Reference>() -> R {
    constant(Constant::GeluSigmoidScale)
}

#[inline(always)]
fn gelu_sigmoid_gate<R: Reference>(x: R) -> Logistic<R> {
    Logistic::signed(gelu_sigmoid_scale::<R>() * x, x < 0.0)
}

/// `T = tanh(softplus(x))`, `T'` and `T''`.
///
/// With `w = e^x`, `T = ((1 + w)^2 - 1)/((1 + w)^2 + 1)`; for `x >= 0` top and bottom are multiplied by
/// `e^-2x`. `T' = (1 - T^2) s`, `T'' = T' (1 - s - 2Ts)`, where `s = sigma(x)`.
#[inline(always)]
fn mish_gate<R: Reference>(x: R) -> (R, R, R) {
    let gate = Logistic::<R>::at(x);
    let w = gate.e;
    let (top, bottom, decay) = if x < 0.0 {
        let bottom = w * 2.0 + w.square() + 2.0;
        (w * (w + 2.0), bottom, (w + 1.0) / bottom)
    } else {
        let bottom = w * 2.0 + w.square() * 2.0 + 1.0;
        (w * 2.0 + 1.0, bottom, w * (w + 1.0) / bottom)
    };
    let t = top / bottom;
    // 1 - T^2 = (2 decay)^2
    let slope = decay.square() * gate.value() * 4.0;
    (t, slope, slope * (gate.complement() - t * gate.value() * 2.0))
}

/// `1/(1 + |x|)`
#[inline(always)]
fn softsign_scale<R: Reference>(x: R) -> R {
    (abs(x) + 1.0).inverse()
}

/// `sqrt(x^2 + b)`
#[inline(always)]
fn squareplus_root<R: Reference>(x: R, b: R) -> R {
    (x.square() + b).sqrt()
}

/// `(x + sqrt(x^2 + b))/2`, which is `b/(2 (sqrt(x^2 + b) - x))`
#[inline(always)]
fn squareplus<R: Reference>(x: R, b: R) -> R {
    let sum = squareplus_root(x, b) + abs(x);
    if x >= 0.0 { sum * 0.5 } else { b / sum * 0.5 }
}

/// `x - tanh x`
#[inline(always)]
fn tanh_shrink<R: Reference>(x: R) -> R {
    if abs(x) > 0.5 {
        return x - x.tanh();
    }
    // (x cosh x - sinh x)/cosh x, where x cosh x - sinh x = sum of 2k x^(2k+1)/(2k+1)!, k >= 1.
    // Each term is the one before times x^2/(2k (2k + 3)), so all that follow one are less than it.
    let square = x.square();
    let mut term = x * square / 3.0;
    let mut sum = term;
    // The size of a term, compared to the first: only for knowing when to stop.
    let mut size = 1.0;
    let mut k = 1.0;
    while size > 0.5_f64.powi(R::digits() as i32) {
        let step = 2.0 * k * (2.0 * k + 3.0);
        term = term * square / step;
        sum = sum + term;
        size *= x.float() * x.float() / step;
        k += 1.0;
    }
    let power = x.exp();
    sum.widened(term) / ((power + power.inverse()) * 0.5)
}

/// `log cosh x`
#[inline(always)]
fn log_cosh<R: Reference>(x: R) -> R {
    let size = abs(x);
    if size >= 1.0 {
        // cosh x = e^|x| (1 + e^-2|x|)/2
        return size - constant::<R>(Constant::LnTwo) + (size * -2.0).exp().ln_1p();
    }
    // cosh x - 1 = m^2/(2 (1 + m)), m = e^|x| - 1
    let m = size.exp_m1();
    (m.square() / (m + 1.0) * 0.5).ln_1p()
}

/// `log(p/(1 - p))` inside (0, 1)
#[inline(always)]
fn logit<R: Reference>(p: R) -> R {
    let rest = -p + 1.0;
    if p > 0.25 && p < 0.75 {
        // p/(1 - p) = 1 + (2p - 1)/(1 - p)
        return ((p * 2.0 - 1.0) / rest).ln_1p();
    }
    // The larger logarithm is at least four times the smaller one.
    if p < 0.5 { p.ln() - (-p).ln_1p() } else { p.ln() - rest.ln() }
}

/// The limits of logit at the ends of its domain, from inside, and NaN outside.
fn outside_unit_interval(p: f64, form: Form) -> Option<f64> {
    let at_ends = match form {
        Form::Value | Form::SecondDerivative => [f64::NEG_INFINITY, f64::INFINITY],
        Form::Derivative => [f64::INFINITY; 2],
    };
    match p {
        0.0 => Some(at_ends[0]),
        1.0 => Some(at_ends[1]),
        p if p > 0.0 && p < 1.0 => None,
        _ => Some(f64::NAN),
    }
}

/// One entry: the name, x and the parameters, then the value and the two derivatives.
macro_rules! formulas {
    ($(
        $name:ident($x:ident $(, $p:ident $(= $example:literal)?)*)
        $(on $domain:expr, else $outside:expr)? ;
        $value:expr, $derivative:expr, $second:expr;
    )*) => {
        /// Every activation with a formula.
        pub static FORMULAS: &[Formula] = &[$({
            struct Of<const FORM: usize>;
            formulas!(@form $x [$($p)*] 0 $value);
            formulas!(@form $x [$($p)*] 1 $derivative);
            formulas!(@form $x [$($p)*] 2 $second);
            Formula {
                name: stringify!($name),
                examples: formulas!(@examples $($($example)?)*),
                outside: formulas!(@or nowhere $($outside)?),
                domain: formulas!(@or EVERYWHERE $($domain)?),
                evaluators: [evaluators::<Of<0>>(), evaluators::<Of<1>>(), evaluators::<Of<2>>()],
            }
        }),*];
    };
    (@form $x:ident [] $form:literal $formula:expr) => {
        formulas!(@form $x [_p _q] $form $formula);
    };
    (@form $x:ident [$p:ident] $form:literal $formula:expr) => {
        formulas!(@form $x [$p _q] $form $formula);
    };
    (@form $x:ident [$p:ident $q:ident] $form:literal $formula:expr) => {
        impl Evaluate for Of<$form> {
            #[inline(always)]
            #[allow(unused_variables, reason = "a constant form does not look at its input")]
            fn at<R: Reference>($x: R, [$p, $q]: [R; 2]) -> R {
                $formula
            }
        }
    };
    (@examples) => { [0.0, 0.0] };
    (@examples $first:literal) => { [$first, 0.0] };
    (@examples $first:literal $second:literal) => { [$first, $second] };
    (@or $default:expr) => { $default };
    (@or $default:expr, $given:expr) => { $given };
    (@or $default:ident $given:expr) => { $given };
}

formulas! {
    identity(x);
        x,
        one(),
        zero();
    sigmoid(x);
        Logistic::at(x).value(),
        Logistic::at(x).slope(),
        -(Logistic::at(x).slope() * Logistic::at(x).tanh_of_half());
    log_sigmoid(x);
        -softplus(-x),
        Logistic::at(x).complement(),
        -Logistic::at(x).slope();
    tanh(x);
        x.tanh(),
        sech_squared(x),
        x.tanh() * sech_squared(x) * -2.0;
    // f'(0) = 0
    relu(x);
        if x > 0.0 { x } else { zero() },
        if x > 0.0 { one() } else { zero() },
        zero();
    // f'(0) = f'(6) = 0
    relu6(x);
        if x <= 0.0 { zero() } else if x >= 6.0 { n(6.0) } else { x },
        if x > 0.0 && x < 6.0 { one() } else { zero() },
        zero();
    // f''(0) = 0
    relu_squared(x);
        if x > 0.0 { x.square() } else { zero() },
        if x > 0.0 { x * 2.0 } else { zero() },
        if x > 0.0 { n(2.0) } else { zero() };
    // f'(0) = 1
    leaky_relu(x, a);
        if x >= 0.0 { x } else { a * x },
        if x >= 0.0 { one() } else { a },
        zero();
    // f'(0) = 1
    prelu(x, a = 0.25);
        if x >= 0.0 { x } else { a * x },
        if x >= 0.0 { one() } else { a },
        zero();
    // f'(t) = 0
    threshold(x, t = 0.1, v = 20.0);
        if x > t.float() { x } else { v },
        if x > t.float() { one() } else { zero() },
        zero();
    // f'(0) = f''(0) = alpha
    elu(x, alpha);
        if x > 0.0 { x } else { alpha * x.exp_m1() },
        if x > 0.0 { one() } else { alpha * x.exp() },
        if x > 0.0 { zero() } else { alpha * x.exp() };
    // f'(0) = f''(0) = lambda alpha
    selu(x);
        if x > 0.0 {
            x * constant::<R>(Constant::SeluScale)
        } else {
            x.exp_m1() * constant::<R>(Constant::SeluSlope)
        },
        if x > 0.0 {
            constant(Constant::SeluScale)
        } else {
            x.exp() * constant::<R>(Constant::SeluSlope)
        },
        if x > 0.0 { zero() } else { x.exp() * constant::<R>(Constant::SeluSlope) };
    // f''(0) = 1/alpha
    celu(x, alpha);
        if x > 0.0 { x } else { alpha * (x / alpha).exp_m1() },
        if x > 0.0 { one() } else { (x / alpha).exp() },
        if x > 0.0 { zero() } else { (x / alpha).exp() / alpha };
    softplus(x, beta);
        Logistic::scaled(beta, x).softplus() / beta,
        Logistic::scaled(beta, x).value(),
        beta * Logistic::scaled(beta, x).slope();
    // f''(0) = 0, between -2 and 2
    softsign(x);
        x * softsign_scale(x),
        softsign_scale(x).square(),
        {
            let scale = softsign_scale(x);
            let cube = scale * scale.square();
            if x == 0.0 { zero() } else { cube * if x > 0.0 { -2.0 } else { 2.0 } }
        };
    squareplus(x, b);
        squareplus(x, b),
        squareplus(x, b) / squareplus_root(x, b),
        {
            let inverse = squareplus_root(x, b).inverse();
            b * inverse * inverse.square() * 0.5
        };
    gelu(x);
        x * normal_cdf(x),
        normal_cdf(x) + x * normal_pdf(x),
        (-x.square() + 2.0) * normal_pdf(x);
    gelu_tanh(x);
        gelu_tanh_gate(x).0.gated(x),
        {
            let (gate, v1, _) = gelu_tanh_gate(x);
            gate.gated_derivative(x, v1)
        },
        {
            let (gate, v1, v2) = gelu_tanh_gate(x);
            gate.gated_second(x, v1, v2)
        };
    gelu_sigmoid(x);
        gelu_sigmoid_gate(x).gated(x),
        gelu_sigmoid_gate(x).gated_derivative(x, gelu_sigmoid_scale()),
        gelu_sigmoid_gate(x).gated_second(x, gelu_sigmoid_scale(), zero());
    silu(x);
        Logistic::at(x).gated(x),
        Logistic::at(x).gated_derivative(x, one()),
        Logistic::at(x).gated_second(x, one(), zero());
    swish(x, beta);
        Logistic::scaled(beta, x).gated(x),
        Logistic::scaled(beta, x).gated_derivative(x, beta),
        Logistic::scaled(beta, x).gated_second(x, beta, zero());
    mish(x);
        x * mish_gate(x).0,
        {
            let (t, t1, _) = mish_gate(x);
            t + x * t1
        },
        {
            let (_, t1, t2) = mish_gate(x);
            t1 * 2.0 + x * t2
        };
    // f'(-3) = f'(3) = 0
    hard_sigmoid(x);
        if x <= -3.0 { zero() } else if x >= 3.0 { one() } else { (x + 3.0) / 6.0 },
        if x > -3.0 && x < 3.0 { n::<R>(6.0).inverse() } else { zero() },
        zero();
    // f'(-3) = 0, f'(3) = 1
    hard_swish(x);
        if x <= -3.0 { zero() } else if x >= 3.0 { x } else { x * (x + 3.0) / 6.0 },
        if x <= -3.0 { zero() } else if x >= 3.0 { one() } else { (x * 2.0 + 3.0) / 6.0 },
        if x > -3.0 && x < 3.0 { n::<R>(3.0).inverse() } else { zero() };
    // f' = 0 at both ends
    hard_tanh(x, low, high);
        if x < low.float() { low } else if x > high.float() { high } else { x },
        if x > low.float() && x < high.float() { one() } else { zero() },
        zero();
    tanh_shrink(x);
        tanh_shrink(x),
        x.tanh().square(),
        x.tanh() * sech_squared(x) * 2.0;
    // f' = 0 at both kinks
    soft_shrink(x, l);
        if x > l.float() { x - l } else if x < -l.float() { x + l } else { zero() },
        if abs(x) > l.float() { one() } else { zero() },
        zero();
    // f' = 0 at both kinks
    hard_shrink(x, l);
        if abs(x) > l.float() { x } else { zero() },
        if abs(x) > l.float() { one() } else { zero() },
        zero();
    // f'' = 1/2 on the open (-1, 1)
    sparse_plus(x);
        if x <= -1.0 { zero() } else if x >= 1.0 { x } else { (x + 1.0).square() / 4.0 },
        if x <= -1.0 { zero() } else if x >= 1.0 { one() } else { (x + 1.0) / 2.0 },
        if x > -1.0 && x < 1.0 { n(0.5) } else { zero() };
    // f'(-1) = f'(1) = 0
    sparse_sigmoid(x);
        if x <= -1.0 { zero() } else if x >= 1.0 { one() } else { (x + 1.0) / 2.0 },
        if x > -1.0 && x < 1.0 { n(0.5) } else { zero() },
        zero();
    lisht(x);
        x * x.tanh(),
        x.tanh() + x * sech_squared(x),
        sech_squared(x) * (-x * x.tanh() + 1.0) * 2.0;
    log_cosh(x);
        log_cosh(x),
        x.tanh(),
        sech_squared(x);
    exp(x);
        x.exp(),
        x.exp(),
        x.exp();
    erf(x);
        x.erf(),
        constant::<R>(Constant::TwoOverRootPi) * (-x.square()).exp(),
        constant::<R>(Constant::TwoOverRootPi) * (-x.square()).exp() * x * -2.0;
    logit(p) on (0.0, 1.0), else outside_unit_interval;
        logit(p),
        p.inverse() / (-p + 1.0),
        (p * 2.0 - 1.0) / p.square() / (-p + 1.0).square();
}

/// A result of a form that is not one of the three: a derivative with respect to a parameter, or of a
/// gated unit.
pub struct Case {
    pub function: &'static str,
    /// As the catalogue names it.
    pub form: &'static str,
    /// Which of the form's results.
    pub result: usize,
    pub evaluators: Evaluators,
}

/// `function.form[result](x, p, q) = formula`: the parameters in their order; of a gated unit x is the
/// gate, p the value and q the gradient.
macro_rules! cases {
    ($($function:ident.$form:ident[$result:literal]($x:ident, $p:ident, $q:ident) = $formula:expr;)*) => {
        pub static CASES: &[Case] = &[$({
            struct Of;
            impl Evaluate for Of {
                #[inline(always)]
                #[allow(unused_variables, reason = "not every form looks at all its operands")]
                fn at<R: Reference>($x: R, [$p, $q]: [R; 2]) -> R {
                    $formula
                }
            }
            Case {
                function: stringify!($function),
                form: stringify!($form),
                result: $result,
                evaluators: evaluators::<Of>(),
            }
        }),*];
    };
}

/// `e^u - 1 - u e^u` for `u = x/alpha <= 0`
#[inline(always)]
fn celu_slope<R: Reference>(x: R, alpha: R) -> R {
    let u = x / alpha;
    let ratio = x.float() / alpha.float();
    if ratio < -0.5 {
        return u.exp_m1() - u * u.exp();
    }
    // The negative of the sum of (k - 1) u^k/k!, k >= 2. A term is less than half of the one before, so
    // all that follow one are less than it.
    let mut term = u.square() * 0.5;
    let mut sum = term;
    // The size of a term, compared to the first: only for knowing when to stop.
    let (mut size, mut k) = (1.0, 2.0);
    while size > 0.5_f64.powi(R::digits() as i32) {
        term = term * u * k / ((k - 1.0) * (k + 1.0));
        sum = sum + term;
        size *= ratio.abs() * k / ((k - 1.0) * (k + 1.0));
        k += 1.0;
    }
    -sum.widened(term)
}

/// `ln(1 + e^-|v|) + |v|/(1 + e^|v|)`, the entropy of `sigma(v)`
#[inline(always)]
fn entropy<R: Reference>(gate: Logistic<R>) -> R {
    let size = if gate.negative { -gate.v } else { gate.v };
    gate.e.ln_1p() + size * gate.e / (gate.e + 1.0)
}

cases! {
    leaky_relu.parameter_derivative_negative_slope[0](x, a, _q) = if x < 0.0 { x } else { zero() };
    prelu.parameter_derivative_a[0](x, a, _q) = if x < 0.0 { x } else { zero() };
    threshold.parameter_derivative_threshold[0](x, t, v) = zero();
    threshold.parameter_derivative_value[0](x, t, v) = if x > t.float() { zero() } else { one() };
    elu.parameter_derivative_alpha[0](x, alpha, _q) = if x > 0.0 { zero() } else { x.exp_m1() };
    celu.parameter_derivative_alpha[0](x, alpha, _q) =
        if x > 0.0 { zero() } else { celu_slope(x, alpha) };
    softplus.parameter_derivative_beta[0](x, beta, _q) =
        -(entropy(Logistic::scaled(beta, x)) / beta.square());
    squareplus.parameter_derivative_b[0](x, b, _q) = squareplus_root(x, b).inverse() * 0.25;
    swish.parameter_derivative_beta[0](x, beta, _q) =
        x.square() * Logistic::scaled(beta, x).slope();
    // At a kink the end counts as reached; if the ends are one, that is the upper one.
    hard_tanh.parameter_derivative_min_value[0](x, low, high) =
        if x <= low.float() && low < high.float() { one() } else { zero() };
    hard_tanh.parameter_derivative_max_value[0](x, low, high) =
        if x >= high.float() || low >= high.float() { one() } else { zero() };
    soft_shrink.parameter_derivative_lambd[0](x, l, _q) =
        if x > l.float() { n(-1.0) } else if x < -l.float() { one() } else { zero() };
    hard_shrink.parameter_derivative_lambd[0](x, l, _q) = zero();

    glu.value[0](x, v, _grad) = v * Logistic::at(x).value();
    glu.derivative[0](x, v, _grad) = Logistic::at(x).value();
    glu.derivative[1](x, v, _grad) = v * Logistic::at(x).slope();
    glu.backward[0](x, v, grad) = grad * Logistic::at(x).value();
    glu.backward[1](x, v, grad) = grad * v * Logistic::at(x).slope();
    swiglu.value[0](x, v, _grad) = v * Logistic::at(x).gated(x);
    swiglu.derivative[0](x, v, _grad) = Logistic::at(x).gated(x);
    swiglu.derivative[1](x, v, _grad) = v * Logistic::at(x).gated_derivative(x, one());
    swiglu.backward[0](x, v, grad) = grad * Logistic::at(x).gated(x);
    swiglu.backward[1](x, v, grad) = grad * v * Logistic::at(x).gated_derivative(x, one());
    geglu.value[0](x, v, _grad) = v * (x * normal_cdf(x));
    geglu.derivative[0](x, v, _grad) = x * normal_cdf(x);
    geglu.derivative[1](x, v, _grad) = v * (normal_cdf(x) + x * normal_pdf(x));
    geglu.backward[0](x, v, grad) = grad * (x * normal_cdf(x));
    geglu.backward[1](x, v, grad) = grad * v * (normal_cdf(x) + x * normal_pdf(x));
    reglu.value[0](x, v, _grad) = if x > 0.0 { v * x } else { zero() };
    reglu.derivative[0](x, v, _grad) = if x > 0.0 { x } else { zero() };
    reglu.derivative[1](x, v, _grad) = if x > 0.0 { v } else { zero() };
    reglu.backward[0](x, v, grad) = if x > 0.0 { grad * x } else { zero() };
    reglu.backward[1](x, v, grad) = if x > 0.0 { grad * v } else { zero() };
}
