//! The references against each other, and against values of others.

use accuracy::arbiter::{Exact, Number, judge, rounded};
use accuracy::ball::{Ball, Midpoint};
use accuracy::format::{Bfloat16, Float16, Float32, Float64, Format, from_ordinal, ordinal};
use accuracy::formulas::{CASES, FORMULAS, Form, Formula, Parameters};
use accuracy::interval::{Enclosure, evaluate};
use accuracy::pair::Pair;
use accuracy::points::{Source, random};
use accuracy::reference::{Constant, Reference};
use accuracy::scaled::Scaled;
use accuracy::screen::Screen;
use actgrad::catalogue::CATALOGUE;

/// Of the arbiter's numbers: MPFR's with the feature `mpfr`.
type Interval = accuracy::interval::Interval<Number>;

/// The parameters of a formula: the defaults where the catalogue has the row, as it does not have
/// all of them yet.
fn parameters(formula: &Formula) -> Parameters {
    match formula.name {
        "leaky_relu" => [0.01, 0.0],
        "elu" | "celu" | "softplus" | "swish" => [1.0, 0.0],
        "squareplus" => [4.0, 0.0],
        "hard_tanh" => [-1.0, 1.0],
        "soft_shrink" | "hard_shrink" => [0.5, 0.0],
        _ => formula.examples,
    }
}

#[test]
fn parameters_are_those_of_the_catalogue() {
    for row in CATALOGUE {
        let formula = Formula::find(row.name).expect(row.name);
        let mut expected = [0.0; 2];
        for (k, parameter) in row.parameters.iter().enumerate() {
            expected[k] = parameter.default.unwrap_or(formula.examples[k]);
        }
        assert_eq!(parameters(formula), expected, "{}", row.name);
    }
}

/// Inputs of a format as it is sampled, within the domain of a formula.
fn inputs<F: Format>(formula: &Formula, points: u64) -> Vec<f64> {
    let hard = vec![-1.0, -0.0, 0.5, 1.0, 3.0, -0.7517915246935645, 2.399357280515468, -87.5];
    let source = Source::Sample { points, domain: formula.domain, hard };
    let mut bits = vec![F::Bits::default(); points as usize];
    source.fill::<F>(0, &mut bits);
    bits.into_iter()
        .map(accuracy::format::decode::<F>)
        .filter(|&x| x > formula.domain.0 && x < formula.domain.1)
        .collect()
}

/// Every ball holds what the arbiter encloses, and most are narrow enough to decide the result.
fn balls_hold_the_exact_value<F: Format, B: Screen>(points: u64) {
    for formula in FORMULAS {
        let xs = inputs::<F>(formula, points);
        let p = parameters(formula).map(accuracy::format::nearest::<F>);
        for form in Form::ALL {
            let evaluators = formula.evaluators(form);
            let mut balls = vec![B::exact(0.0); xs.len()];
            B::evaluate(evaluators, &xs, p, &mut balls);
            let mut decided = 0;
            for (&x, &ball) in xs.iter().zip(&balls) {
                let exact = evaluate(320, || Number::formula(evaluators)(x, p));
                let place = || format!("{} {} at {x:e}", formula.name, form.name());
                assert!(!exact.nearest::<Float64>()[0].is_nan(), "{}", place());
                assert!(ball.may_hold(&exact), "{}", place());
                if let Some(value) = ball.rounded::<F>() {
                    decided += 1;
                    assert_eq!(value, rounded::<F, Number>(&Exact::Real(exact)), "{}", place());
                }
            }
            let share = f64::from(decided) / xs.len() as f64;
            assert!(share > 0.6, "{} {}: {share} decided", formula.name, form.name());
        }
    }
}

#[test]
fn balls_of_singles_hold_the_exact_value() {
    balls_hold_the_exact_value::<Float32, Ball<f64>>(400);
    balls_hold_the_exact_value::<Float16, Ball<f64>>(100);
    balls_hold_the_exact_value::<Bfloat16, Ball<f64>>(100);
}

#[test]
fn scaled_balls_hold_the_exact_value() {
    balls_hold_the_exact_value::<Float64, Scaled>(400);
    balls_hold_the_exact_value::<Float32, Scaled>(50);
}

#[test]
fn scaled_balls_hold_the_exact_value_at_parameters() {
    let formula = Formula::find("swish").expect("swish");
    let xs = inputs::<Float64>(formula, 300);
    for case in CASES {
        for p in [[1.0, 2.0], [0.3, 0.7], [1e-9, 1e40], [3e5, 4e5]] {
            for &x in &xs {
                let mut ball = [Scaled::exact(0.0)];
                Scaled::evaluate(&case.evaluators, &[x], p, &mut ball);
                let exact = evaluate(320, || Number::formula(&case.evaluators)(x, p));
                let place = format!("{} {} at {x:e}, {p:?}", case.function, case.form);
                assert!(!exact.nearest::<Float64>()[0].is_nan(), "{place}");
                assert!(ball[0].may_hold(&exact), "{place}");
            }
        }
    }
}

#[test]
fn balls_of_pairs_hold_the_exact_value() {
    balls_hold_the_exact_value::<Float64, Ball<Pair>>(400);
    balls_hold_the_exact_value::<Float32, Ball<Pair>>(100);
    balls_hold_the_exact_value::<Float16, Ball<Pair>>(100);
}

/// A function in two number systems, and where it is tried.
type Function<M> = (&'static str, fn(Ball<M>) -> Ball<M>, fn(Interval) -> Interval, f64, f64);

/// The elementary functions on balls with a radius: the result holds the values at both ends.
fn functions_hold_both_ends<M: Midpoint>()
where
    Ball<M>: Screen,
{
    #[rustfmt::skip]
    let functions: [Function<M>; 10] = [
        ("sqrt", Ball::sqrt, Interval::sqrt, 0.0, 1e4),
        ("exp", Ball::exp, Interval::exp, -700.0, 700.0),
        ("exp_m1", Ball::exp_m1, Interval::exp_m1, -700.0, 700.0),
        ("exp_m1", Ball::exp_m1, Interval::exp_m1, -1.0, 1.0),
        ("ln", Ball::ln, Interval::ln, 0.0, 1e4),
        ("ln_1p", Ball::ln_1p, Interval::ln_1p, -0.9, 3.0),
        ("tanh", Ball::tanh, Interval::tanh, -300.0, 300.0),
        ("tanh", Ball::tanh, Interval::tanh, -2.0, 2.0),
        ("erf", Ball::erf, Interval::erf, -7.0, 7.0),
        ("erfc", Ball::erfc, Interval::erfc, -9.0, 26.0),
    ];
    for (name, of_ball, of_interval, low, high) in functions {
        for k in 0..3000 {
            let share = (random(k) >> 11) as f64 / (1u64 << 53) as f64;
            // From a wide one to none at all; and some near zero.
            let radius = [1e-4, 1e-9, 1e-15, 1e-18, 0.0][k as usize % 5];
            let mut center = low + (high - low) * share;
            if k % 7 == 0 && low <= 0.0 && name != "ln" {
                center *= 2.0_f64.powi(-((random(k) % 200) as i32));
            }
            let ball = of_ball(Ball { middle: M::exact(center), radius });
            for end in [-radius, 0.0, radius] {
                let argument = || Interval::exact(center) + end;
                let exact = evaluate(300, || of_interval(argument()));
                if !exact.nearest::<Float64>()[0].is_nan() {
                    assert!(ball.may_hold(&exact), "{name} at {center:e} with {radius:e}: {end:e}");
                }
            }
        }
    }
}

#[test]
fn functions_of_single_balls_hold_both_ends() {
    functions_hold_both_ends::<f64>();
}

#[test]
fn functions_of_pair_balls_hold_both_ends() {
    functions_hold_both_ends::<Pair>();
}

#[test]
fn arithmetic_of_balls_holds_all_corners() {
    fn check<M: Midpoint>()
    where
        Ball<M>: Screen,
    {
        let number = |k: u64| {
            let fraction = (random(k) >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
            let middle = fraction * 2.0_f64.powi((random(k + 1) % 90) as i32 - 45);
            (middle, middle.abs() * [0.0, 1e-16, 1e-5, 0.3][(random(k + 2) % 4) as usize])
        };
        for k in 0..20_000 {
            let ((a, ra), (b, rb)) = (number(8 * k), number(8 * k + 4));
            let ball = |middle, radius| Ball { middle: M::exact(middle), radius };
            let (x, y) = (ball(a, ra), ball(b, rb));
            let (s, t) = (if k % 2 == 0 { ra } else { -ra }, if k % 3 == 0 { rb } else { -rb });
            let n = Interval::exact;
            let (u, v) = (|| n(a) + s, || n(b) + t);
            assert!((x + y).may_hold(&evaluate(300, || u() + v())), "{a:e} + {b:e}");
            assert!((x - y).may_hold(&evaluate(300, || u() - v())), "{a:e} - {b:e}");
            assert!((x * y).may_hold(&evaluate(300, || u() * v())), "{a:e} * {b:e}");
            assert!((x / y).may_hold(&evaluate(300, || u() / v())), "{a:e} / {b:e}");
        }
    }
    check::<f64>();
    check::<Pair>();
}

#[cfg(feature = "mpfr")]
#[test]
fn big_balls_hold_what_mpfr_encloses() {
    use accuracy::big::Big;
    use accuracy::mpfr::Mpfr;
    for formula in FORMULAS {
        for form in Form::ALL {
            let evaluators = formula.evaluators(form);
            for x in inputs::<Float64>(formula, 60) {
                let place = format!("{} {} at {x:e}", formula.name, form.name());
                for bits in [160, 500] {
                    let p = parameters(formula);
                    let big: Big = evaluate(bits, || (evaluators.big)(x, p));
                    let mpfr: Mpfr = evaluate(1000, || (evaluators.mpfr)(x, p));
                    // MPFR's value as the sum of two floats and a little more.
                    let high = mpfr.low.to_f64();
                    if !high.is_finite() {
                        continue;
                    }
                    let low = (mpfr.low.clone() - high).to_f64();
                    let width = 2.0_f64.powi(mpfr.width());
                    let rest = low.abs() * f64::EPSILON + width + f64::from_bits(1);
                    assert!(big.meets([high, low], rest, 0), "{place}");
                    let unit = big.binades()[0].max(-1060);
                    assert!(big.width() <= unit - 30 || big.width() < -1200, "{place}: wide");
                }
            }
        }
    }
}

/// A number in decimal digits, exactly or nearly.
fn decimal(text: &str) -> Interval {
    let n = Interval::exact;
    let (number, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().expect(text);
    let mut value = n(0.0);
    let (mut power, mut is_fraction) = (exponent, false);
    for character in number.trim_start_matches('-').chars() {
        if character == '.' {
            is_fraction = true;
            continue;
        }
        value = value * 10.0 + f64::from(character.to_digit(10).expect(text));
        power -= i32::from(is_fraction);
    }
    let (mut scale, mut factor, mut rest) = (n(1.0), n(10.0), power.unsigned_abs());
    while rest > 0 {
        if rest & 1 == 1 {
            scale = scale * factor;
        }
        factor = factor * factor;
        rest >>= 1;
    }
    let value = if power > 0 { value * scale } else { value / scale };
    if number.starts_with('-') { -value } else { value }
}

#[test]
fn formulas_give_the_values_of_flint() {
    let mut lines = 0;
    for line in include_str!("flint_values.tsv").lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, form, x, text] = fields[..] else { panic!("cannot read {line:?}") };
        let formula = Formula::find(name).expect(name);
        let form = Form::ALL.into_iter().find(|known| known.name() == form).expect(form);
        let x = hexadecimal(x);
        let value = || Number::formula(formula.evaluators(form))(x, parameters(formula));
        // Big balls leave what is so small at a bound of it: no format reaches it.
        let power: i32 = text.split_once('e').map_or(0, |(_, power)| power.parse().expect(text));
        if power < -1300 && !cfg!(feature = "mpfr") {
            assert!(evaluate(1000, value).distance(0.0, -4300) <= 1.0, "{line}");
            lines += 1;
            continue;
        }
        let difference = if text.parse() == Ok(0.0) && !text.contains('e') {
            evaluate(1000, value)
        } else {
            evaluate(1000, || value() / decimal(text) - 1.0)
        };
        assert!(difference.distance(0.0, 0) <= 1e-44, "{line}");
        lines += 1;
    }
    assert!(lines >= 3 * 12 * FORMULAS.len(), "values are missing");
}

/// Python's `float.hex`.
fn hexadecimal(text: &str) -> f64 {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    let (digits, exponent) = rest.strip_prefix("0x").expect(text).split_once('p').expect(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let integer = u64::from_str_radix(&format!("{whole}{fraction}"), 16).expect(text);
    let exponent: i32 = exponent.parse().expect(text);
    sign * integer as f64 * 2.0_f64.powi(exponent - 4 * fraction.len() as i32)
}

#[test]
fn constants_are_what_they_are_called() {
    let near = |constant: Constant, value: f64| {
        let ball = <Ball<f64> as Reference>::constant(constant);
        assert!((ball.middle - value).abs() <= 1e-15 * value, "{constant:?}: {}", ball.middle);
    };
    near(Constant::LnTwo, std::f64::consts::LN_2);
    near(Constant::InverseRootTwo, std::f64::consts::FRAC_1_SQRT_2);
    near(Constant::TwoOverRootPi, std::f64::consts::FRAC_2_SQRT_PI);
    near(Constant::InverseRootTwoPi, 0.398_942_280_401_432_7);
    near(Constant::GeluTanhScale, 1.595_769_121_605_730_7);
    near(Constant::GeluTanhCubic, 0.044_715);
    near(Constant::GeluSigmoidScale, 1.702);
    // As the paper prints them.
    near(Constant::SeluScale, 1.050_700_987_355_480_5);
    near(Constant::SeluSlope, 1.050_700_987_355_480_5 * 1.673_263_242_354_377_2);
}

/// A result some ulps off is judged alike by a ball and by MPFR.
fn ball_and_arbiter_agree<F: Format>() {
    let (mut total, mut close) = (0, 0);
    for name in ["silu", "gelu", "softplus", "exp", "tanh_shrink"] {
        let formula = Formula::find(name).expect(name);
        let evaluators = formula.evaluators(Form::Derivative);
        let p = parameters(formula);
        for x in inputs::<F>(formula, 300) {
            let mut ball = [F::Number::exact(0.0)];
            F::Number::evaluate(evaluators, &[x], p, &mut ball);
            let exact = accuracy::arbiter::exact::<F, Number>(evaluators, x, p).expect(name);
            for steps in [-3, -1, 0, 1, 2, 1000] {
                let got = from_ordinal::<F>(ordinal::<F>(rounded::<F, Number>(&exact)) + steps);
                let verdict = judge::<F, Number>(&exact, got);
                assert_eq!(verdict.correct, steps == 0 || got == rounded::<F, Number>(&exact));
                let screened = ball[0].screen::<F>(got);
                if screened.is_decided() {
                    assert_eq!(screened.correct, verdict.correct, "{name} at {x:e}");
                    // The arbiter rounds up, to about 2^-40 ulp.
                    let least = verdict.error * (1.0 - 1e-9) - 1e-12;
                    assert!(screened.error >= least, "{name} at {x:e}");
                    total += 1;
                    close += i32::from(screened.error <= verdict.error * 1.001 + 0.001);
                }
            }
        }
    }
    // Wider bounds are rare: beside an interior zero, or beneath a power of two.
    assert!(f64::from(close) > 0.9 * f64::from(total), "{close} of {total}");
}

#[test]
fn ball_and_arbiter_agree_on_errors() {
    ball_and_arbiter_agree::<Float16>();
    ball_and_arbiter_agree::<Bfloat16>();
    ball_and_arbiter_agree::<Float32>();
    ball_and_arbiter_agree::<Float64>();
}

#[test]
fn limits_are_those_of_the_functions() {
    let limit = |name: &str, form, x| {
        let formula = Formula::find(name).expect(name);
        let evaluators = formula.evaluators(form);
        let exact = accuracy::arbiter::exact::<Float64, Number>(evaluators, x, parameters(formula));
        rounded::<Float64, _>(&exact.expect(name))
    };
    let inf = f64::INFINITY;
    for name in ["silu", "gelu", "gelu_tanh", "mish", "softplus", "relu", "hard_swish"] {
        assert_eq!(limit(name, Form::Value, inf), inf, "{name}");
        assert_eq!(limit(name, Form::Value, -inf), 0.0, "{name}");
        assert_eq!(limit(name, Form::Derivative, inf), 1.0, "{name}");
        assert_eq!(limit(name, Form::Derivative, -inf), 0.0, "{name}");
        assert_eq!(limit(name, Form::SecondDerivative, inf), 0.0, "{name}");
    }
    assert_eq!(limit("selu", Form::Derivative, inf), 1.050_700_987_355_480_5);
    assert_eq!(limit("leaky_relu", Form::Value, -inf), -inf);
    assert_eq!(limit("relu_squared", Form::Value, inf), inf);
    assert_eq!(limit("softsign", Form::Value, -inf), -1.0);
    assert_eq!(limit("softsign", Form::SecondDerivative, -inf), 0.0);
    assert_eq!(limit("squareplus", Form::Value, -inf), 0.0);
    assert_eq!(limit("exp", Form::Value, inf), inf);
    assert_eq!(limit("threshold", Form::Value, -inf), 20.0);
}
