//! What an activation is, and how each of its forms is projected from its jet.
//!
//! An activation is written once, as its jet: the value, the derivative and the second derivative
//! at a point, sharing what they have in common. A form (`derivative`, `backward`, ...) picks from
//! the jet; the compiler drops what a form does not use, so each costs what it needs and no more.

use core::marker::PhantomData;

use crate::math::Number;
use crate::math::gate::Factor;
use crate::simd::{ElementFunction, MAX_INPUTS, MAX_OUTPUTS, MAX_TABLES};

/// The parameters of an activation at one element; unused places are zero.
pub type Parameters<T> = [T; 2];

/// The value and the first two derivatives at a point, each rounded to the working precision.
#[derive(Clone, Copy, Debug)]
pub struct Jet<T> {
    pub value: T,
    pub derivative: T,
    pub second_derivative: T,
}

/// An element-wise activation function.
///
/// The methods are kernels: no branches on data, no panics, no allocation, `#[inline(always)]`.
pub trait Activation: 'static {
    /// How many parameters follow x.
    const PARAMETERS: usize = 0;
    /// The parameters' defaults; NaN for one that has none.
    const DEFAULTS: Parameters<f64> = [f64::NAN; 2];
    /// Whether the jet keeps its promise in float32 arithmetic; else float32 operands are computed
    /// in float64 and rounded once.
    const NATIVE: bool = true;
    /// The forms, by their suffixes, that are a few comparisons and products: see
    /// [`ElementFunction::LIGHT`].
    const LIGHT: &'static [&'static str] = &[];
    /// The forms, by suffix, with [`ElementFunction::NEVER_OPEN`]. One rounded operation is such a
    /// form: rounding its result again gives what rounding the exact one would, since
    /// 24 >= 2 * 11 + 2. (S. A. Figueroa, "When is double rounding innocuous?", 1995.) So is one whose
    /// float32 result is a tie only where the exact one is.
    const NEVER_OPEN: &'static [&'static str] = &[];

    /// The forms, by suffix, that half formats have from the functions named `odd` below, for an
    /// activation without parameters. Their float32 results round as the exact ones do, if those are 0
    /// or above 2^-100 in magnitude, or else the form is in `NEVER_OPEN` too. For functions of so few
    /// bits that many results are ties: all of these would be computed again in float64.
    const ODD: &'static [&'static str] = &[];

    fn jet<T: Number>(x: T, parameters: Parameters<T>) -> Jet<T>;

    /// `f(x)` for [`ODD`](Self::ODD) forms.
    #[inline(always)]
    fn odd_value<T: Number>(x: T) -> T {
        Self::jet(x, [T::ZERO; 2]).value
    }

    /// `grad f'(x)` likewise.
    #[inline(always)]
    fn odd_backward<T: Number>(grad: T, x: T) -> T {
        grad * Self::jet(x, [T::ZERO; 2]).derivative
    }

    /// `f'(x)` likewise, as a function of `y = f(x)`.
    #[inline(always)]
    fn odd_derivative_from_output<T: Number>(y: T) -> T {
        Self::derivative_from_output(y, [T::ZERO; 2])
    }

    /// `grad f'(x)` likewise, as a function of `y = f(x)`.
    #[inline(always)]
    fn odd_backward_from_output<T: Number>(grad: T, y: T) -> T {
        grad * Self::derivative_from_output(y, [T::ZERO; 2])
    }

    /// The jet at the default parameters: the same bits, sooner.
    #[inline(always)]
    fn jet_at_defaults<T: Number>(x: T) -> Jet<T> {
        Self::jet(x, Self::DEFAULTS.map(T::literal))
    }

    /// Whether there are `ordinary` operands: see [`is_ordinary`](Self::is_ordinary).
    const HAS_ORDINARY: bool = false;

    /// The forms, by suffix, that ask for them.
    const ORDINARY_FORMS: &'static [&'static str] = ALL_FORMS;

    /// Whether [`ordinary_jet`](Self::ordinary_jet) stands for the jet here, in those of these forms
    /// that are made of a jet: where nothing underflows, overflows or is negligible, much of the jet is
    /// idle. A block of which not all is ordinary pays for both jets.
    #[inline(always)]
    fn is_ordinary<T: Number>(_x: T, _parameters: Parameters<T>) -> bool {
        false
    }

    /// The jet at ordinary operands, sooner.
    #[inline(always)]
    fn ordinary_jet<T: Number>(x: T, parameters: Parameters<T>) -> Jet<T> {
        if Self::TABLES == 0 {
            return Self::jet(x, parameters);
        }
        let key = Self::key(x, parameters);
        let mut entries = [T::ZERO; MAX_TABLES];
        for (entry, table) in entries.iter_mut().zip(Self::tables()).take(Self::TABLES) {
            *entry = table[key.low_bits() % T::TABLE_LENGTH];
        }
        Self::tabled_jet(x, parameters, key, entries)
    }

    /// How many numbers the jet at ordinary operands looks up: it is then
    /// [`tabled_jet`](Self::tabled_jet), which loops ask for themselves, a block at a time.
    const TABLES: usize = 0;

    /// The tables, of `T::TABLE_LENGTH` numbers.
    #[inline(always)]
    fn tables<T: Number>() -> [&'static [T]; MAX_TABLES] {
        [&[]; MAX_TABLES]
    }

    /// A number whose lowest bits are the place in the tables.
    #[inline(always)]
    fn key<T: Number>(x: T, _parameters: Parameters<T>) -> T {
        x
    }

    /// The jet at ordinary operands, given the key and what the tables have for it.
    #[inline(always)]
    fn tabled_jet<T: Number>(
        x: T,
        parameters: Parameters<T>,
        _key: T,
        _entries: [T; MAX_TABLES],
    ) -> Jet<T> {
        Self::jet(x, parameters)
    }

    /// The jet times a factor, for an activation without parameters: where the jet is too small for
    /// the working precision, its product with a large factor need not be.
    #[inline(always)]
    fn jet_times<T: Number>(factor: Factor<T>, x: T) -> Jet<T> {
        let Jet { value, derivative, second_derivative } = Self::jet(x, [T::ZERO; 2]);
        Jet {
            value: factor.times(value),
            derivative: factor.times(derivative),
            second_derivative: factor.times(second_derivative),
        }
    }

    /// Whether there are `plain` x: see [`is_plain`](Self::is_plain).
    const HAS_PLAIN: bool = false;

    /// Whether the product of the factor and the value at x is to be had from the functions below, and
    /// that with the derivative too if the factor is one of `is_plain_factor`: nothing overflows on
    /// the way, and nothing that counts underflows.
    #[inline(always)]
    fn is_plain<T: Number>(_factor: T, _x: T) -> bool {
        false
    }

    /// `factor f(x)`
    #[inline(always)]
    fn plain_value<T: Number>(factor: T, x: T) -> T {
        Self::plain_products([factor, T::ZERO], x)[0]
    }

    /// `[a f(x), b f'(x)]`, with as much as possible in common.
    #[inline(always)]
    fn plain_products<T: Number>(_factors: [T; 2], _x: T) -> [T; 2] {
        [T::NAN; 2]
    }

    /// The derivatives with respect to the parameters, in their order.
    #[inline(always)]
    fn parameter_derivatives<T: Number>(_x: T, _parameters: Parameters<T>) -> [T; 2] {
        [T::NAN; 2]
    }

    /// `f'(x)` as a function of `y = f(x)`, where the catalogue offers it.
    #[inline(always)]
    fn derivative_from_output<T: Number>(_y: T, _parameters: Parameters<T>) -> T {
        T::NAN
    }
}

/// The activation `A` at its default parameters: constants, which the compiler computes with.
pub struct AtDefaults<A>(PhantomData<A>);

impl<A: Activation> Activation for AtDefaults<A> {
    const NATIVE: bool = A::NATIVE;
    const LIGHT: &'static [&'static str] = A::LIGHT;

    #[inline(always)]
    fn jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        A::jet_at_defaults(x)
    }

    const HAS_ORDINARY: bool = A::HAS_ORDINARY;
    const ORDINARY_FORMS: &'static [&'static str] = A::ORDINARY_FORMS;

    #[inline(always)]
    fn is_ordinary<T: Number>(x: T, _: Parameters<T>) -> bool {
        A::is_ordinary(x, A::DEFAULTS.map(T::literal))
    }

    #[inline(always)]
    fn ordinary_jet<T: Number>(x: T, _: Parameters<T>) -> Jet<T> {
        A::ordinary_jet(x, A::DEFAULTS.map(T::literal))
    }

    const TABLES: usize = A::TABLES;

    #[inline(always)]
    fn tables<T: Number>() -> [&'static [T]; MAX_TABLES] {
        A::tables()
    }

    #[inline(always)]
    fn key<T: Number>(x: T, _: Parameters<T>) -> T {
        A::key(x, A::DEFAULTS.map(T::literal))
    }

    #[inline(always)]
    fn tabled_jet<T: Number>(x: T, _: Parameters<T>, key: T, entries: [T; MAX_TABLES]) -> Jet<T> {
        A::tabled_jet(x, A::DEFAULTS.map(T::literal), key, entries)
    }
}

/// One way of asking an activation something: which operands come in, which results go out.
pub trait Form: 'static {
    /// How many gradients come before `x`.
    const GRADIENTS: usize;
    const OUTPUTS: usize;
    /// What follows the activation's name and an underscore in the ufunc's name. The parameter
    /// forms add an underscore and the parameter's name.
    const SUFFIX: &'static str;
    /// Whether float32 operands are computed in float32 where the activation allows it.
    const NATIVE: bool;
    /// Whether the results are made of a jet.
    const OF_JET: bool;

    /// `inputs` holds the gradients, then x (or y), then the parameters.
    fn apply<A: Activation, T: Number>(inputs: [T; MAX_INPUTS]) -> [T; MAX_OUTPUTS];

    /// The same from the jet at x, for a form that is made of one.
    #[inline(always)]
    fn project<T: Number>(_inputs: [T; MAX_INPUTS], _jet: Jet<T>) -> [T; MAX_OUTPUTS] {
        [T::NAN; MAX_OUTPUTS]
    }

    /// For [`Activation::ODD`].
    #[inline(always)]
    fn apply_odd<A: Activation, T: Number>(inputs: [T; MAX_INPUTS]) -> [T; MAX_OUTPUTS] {
        Self::apply::<A, T>(inputs)
    }
}

/// The form `F` of the activation `A` as a function of its operands.
pub struct Projection<A, F>(PhantomData<(A, F)>);

impl<A: Activation, F: Form> ElementFunction for Projection<A, F> {
    type Home = A;
    const INPUTS: usize = F::GRADIENTS + 1 + A::PARAMETERS;
    const OUTPUTS: usize = F::OUTPUTS;
    const ARGUMENT: usize = F::GRADIENTS;
    const LIGHT: bool = contains(A::LIGHT, F::SUFFIX);
    const NEVER_OPEN: bool = contains(A::NEVER_OPEN, F::SUFFIX);
    const ODD: bool = contains(A::ODD, F::SUFFIX);
    // The exact result is less than an ulp away, and a tie is a float32: it is the result, or farther.
    const MARGIN: u32 = if F::GRADIENTS + A::PARAMETERS == 0 { 0 } else { 2 };
    #[inline(always)]
    fn apply<T: Number>(inputs: [T; MAX_INPUTS]) -> [T; MAX_OUTPUTS] {
        F::apply::<A, T>(inputs)
    }
    #[inline(always)]
    fn apply_odd<T: Number>(inputs: [T; MAX_INPUTS]) -> [T; MAX_OUTPUTS] {
        if Self::ODD { F::apply_odd::<A, T>(inputs) } else { F::apply::<A, T>(inputs) }
    }

    const HAS_ORDINARY: bool =
        A::HAS_ORDINARY && F::OF_JET && contains(A::ORDINARY_FORMS, F::SUFFIX);

    #[inline(always)]
    fn is_ordinary<T: Number>(inputs: [T; MAX_INPUTS]) -> bool {
        A::is_ordinary(inputs[F::GRADIENTS], parameters_of::<F, T>(inputs))
    }

    #[inline(always)]
    fn ordinary<T: Number>(inputs: [T; MAX_INPUTS]) -> [T; MAX_OUTPUTS] {
        F::project(inputs, A::ordinary_jet(inputs[F::GRADIENTS], parameters_of::<F, T>(inputs)))
    }

    const TABLES: usize = A::TABLES;

    #[inline(always)]
    fn tables<T: Number>() -> [&'static [T]; MAX_TABLES] {
        A::tables()
    }

    #[inline(always)]
    fn key<T: Number>(inputs: [T; MAX_INPUTS]) -> T {
        A::key(inputs[F::GRADIENTS], parameters_of::<F, T>(inputs))
    }

    #[inline(always)]
    fn tabled<T: Number>(
        inputs: [T; MAX_INPUTS],
        key: T,
        entries: [T; MAX_TABLES],
    ) -> [T; MAX_OUTPUTS] {
        let (x, parameters) = (inputs[F::GRADIENTS], parameters_of::<F, T>(inputs));
        F::project(inputs, A::tabled_jet(x, parameters, key, entries))
    }
}

/// Whether a text is in a list, known at compile time.
const fn contains(list: &[&str], text: &str) -> bool {
    let mut place = 0;
    while place < list.len() {
        let (one, other) = (list[place].as_bytes(), text.as_bytes());
        let mut same = 0;
        while same < one.len() && same < other.len() && one[same] == other[same] {
            same += 1;
        }
        if same == one.len() && same == other.len() {
            return true;
        }
        place += 1;
    }
    false
}

#[inline(always)]
fn jet_at<A: Activation, F: Form, T: Number>(inputs: [T; MAX_INPUTS]) -> Jet<T> {
    A::jet(inputs[F::GRADIENTS], parameters_of::<F, T>(inputs))
}

#[inline(always)]
fn parameters_of<F: Form, T: Number>(inputs: [T; MAX_INPUTS]) -> Parameters<T> {
    [inputs[F::GRADIENTS + 1], inputs[F::GRADIENTS + 2]]
}

/// What a form computes: of its operands, or of them and the jet.
macro_rules! form_functions {
    ($inputs:ident, $jet:ident: $T:ident => $result:expr) => {
        const OF_JET: bool = true;
        #[inline(always)]
        fn apply<A: Activation, $T: Number>($inputs: [$T; MAX_INPUTS]) -> [$T; MAX_OUTPUTS] {
            Self::project($inputs, jet_at::<A, Self, $T>($inputs))
        }
        #[inline(always)]
        fn project<$T: Number>($inputs: [$T; MAX_INPUTS], $jet: Jet<$T>) -> [$T; MAX_OUTPUTS] {
            $result
        }
    };
    ($inputs:ident: $A:ident, $T:ident => $result:expr) => {
        const OF_JET: bool = false;
        #[inline(always)]
        fn apply<$A: Activation, $T: Number>($inputs: [$T; MAX_INPUTS]) -> [$T; MAX_OUTPUTS] {
            $result
        }
    };
}

macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident $suffix:literal, $native:literal:
       $gradients:literal -> $outputs:literal, { $($function:tt)* }
       $(, odd |$inputs:ident: $A:ident, $T:ident| $odd:expr)?;)*) => {$(
        $(#[$doc])*
        pub struct $name;
        impl Form for $name {
            const GRADIENTS: usize = $gradients;
            const OUTPUTS: usize = $outputs;
            const SUFFIX: &'static str = $suffix;
            const NATIVE: bool = $native;
            form_functions! { $($function)* }
            $(
                #[inline(always)]
                fn apply_odd<$A: Activation, $T: Number>(
                    $inputs: [$T; MAX_INPUTS],
                ) -> [$T; MAX_OUTPUTS] {
                    $odd
                }
            )?
        }
    )*
        /// Those of the forms from the output.
        pub const FROM_OUTPUT: &[&str] = &[DerivativeFromOutput::SUFFIX, BackwardFromOutput::SUFFIX];
        /// The suffixes of all forms.
        pub const ALL_FORMS: &[&str] = &[$($suffix),*];
    };
}

forms! {
    /// `f(x)`
    Value "", true: 0 -> 1, { _inputs, jet: T => [jet.value, T::ZERO, T::ZERO] },
        odd |inputs: A, T| [A::odd_value(inputs[0]), T::ZERO, T::ZERO];
    /// `f'(x)`
    Derivative "derivative", true: 0 -> 1, { _inputs, jet: T => [jet.derivative, T::ZERO, T::ZERO] };
    /// `f''(x)`
    SecondDerivative "second_derivative", false: 0 -> 1, {
        _inputs, jet: T => [jet.second_derivative, T::ZERO, T::ZERO]
    };
    /// `(f(x), f'(x))`
    ValueAndDerivative "value_and_derivative", true: 0 -> 2, {
        _inputs, jet: T => [jet.value, jet.derivative, T::ZERO]
    }, odd |inputs: A, T| {
        [A::odd_value(inputs[0]), jet_at::<A, Self, T>(inputs).derivative, T::ZERO]
    };
    /// `grad f'(x)`
    Backward "backward", true: 1 -> 1, {
        inputs, jet: T => [inputs[0] * jet.derivative, T::ZERO, T::ZERO]
    }, odd |inputs: A, T| [A::odd_backward(inputs[0], inputs[1]), T::ZERO, T::ZERO];
    /// `(gg f'(x), gg grad f''(x))`
    DoubleBackward "double_backward", false: 2 -> 2, {
        inputs, jet: T =>
            [inputs[0] * jet.derivative, (inputs[0] * inputs[1]) * jet.second_derivative, T::ZERO]
    };
    /// `f'(x)` from `y = f(x)`
    DerivativeFromOutput "derivative_from_output", true: 0 -> 1, {
        inputs: A, T =>
            [A::derivative_from_output(inputs[0], parameters_of::<Self, T>(inputs)), T::ZERO, T::ZERO]
    }, odd |inputs: A, T| [A::odd_derivative_from_output(inputs[0]), T::ZERO, T::ZERO];
    /// `grad f'(x)` from `y = f(x)`
    BackwardFromOutput "backward_from_output", true: 1 -> 1, {
        inputs: A, T => {
            let derivative = A::derivative_from_output(inputs[1], parameters_of::<Self, T>(inputs));
            [inputs[0] * derivative, T::ZERO, T::ZERO]
        }
    }, odd |inputs: A, T| [A::odd_backward_from_output(inputs[0], inputs[1]), T::ZERO, T::ZERO];
    /// `df/dp` of the first parameter
    FirstParameterDerivative "parameter_derivative", false: 0 -> 1, {
        inputs: A, T =>
            [A::parameter_derivatives(inputs[0], parameters_of::<Self, T>(inputs))[0], T::ZERO, T::ZERO]
    };
    /// `df/dp` of the second parameter
    SecondParameterDerivative "parameter_derivative", false: 0 -> 1, {
        inputs: A, T =>
            [A::parameter_derivatives(inputs[0], parameters_of::<Self, T>(inputs))[1], T::ZERO, T::ZERO]
    };
}
