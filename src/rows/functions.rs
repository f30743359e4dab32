//! The row functions: what is summed along a row, and what each element becomes.
//!
//! A row function runs in three steps. The maximum of its last operand is found first; then its
//! terms are summed over the row; from the sums come constants of the row, and from those and the
//! operands each result. A function states the three for one element; the loops are elsewhere. One
//! of the output does without the maximum, unless an element turns out to outweigh the rest.
//!
//! What cancels when one element outweighs the rest is never formed by subtraction from 1. The sum
//! of the *others* is taken without the largest element, and gradients are taken relative to the
//! gradient there: `g_k - sum_j S_j g_j = h_k - sum_j S_j h_j` with `h = g - g_max`, where the
//! largest element adds nothing to the sum.

use super::extended::{Extended, RowNumber};
use super::kernels::Layout;
use crate::math::double::polynomial;

/// The most gradients a row function reads.
pub const MAX_GRADIENTS: usize = 2;
/// The most elementwise operands: the gradients, then x or y.
pub const MAX_OPERANDS: usize = MAX_GRADIENTS + 1;
/// The most elementwise results.
pub const MAX_RESULTS: usize = 2;
/// The most constants in the element type.
pub const MAX_ROUNDED: usize = 4;
/// The most sums, and the most constants.
pub const MAX_SUMS: usize = 4;

/// The sums of a row, a term of each, or its constants.
pub type Terms<T> = [<T as RowNumber>::Extended; MAX_SUMS];
/// The results at one element.
pub type Results<T> = [T; MAX_RESULTS];

/// The operands at one element.
#[derive(Clone, Copy)]
pub struct Element<T> {
    pub gradients: [T; MAX_GRADIENTS],
    /// x, or y for a function of the output.
    pub x: T,
}

/// What is known of a row.
#[derive(Clone, Copy)]
pub struct Row<T: RowNumber> {
    /// The largest x (or y).
    pub maximum: T,
    /// The gradients at the first largest element; or the gradient of a scalar result.
    pub reference: [T; MAX_GRADIENTS],
    /// As [`RowFunction::finish`] gave them.
    pub constants: Terms<T>,
    /// As [`RowFunction::finish`] gave them.
    pub rounded: [T; MAX_ROUNDED],
}

/// What the sums of a row lead to.
#[derive(Clone, Copy)]
pub struct Finished<T: RowNumber> {
    /// What the results are computed from; unused places are zero.
    pub constants: Terms<T>,
    /// Constants in the element type: first comes the first of the others, and the rest of it, unless
    /// the function says otherwise.
    pub rounded: [T; MAX_ROUNDED],
    /// The result of a reduction.
    pub value: T,
    /// Whether an element outweighs all others, which was not known when they were summed: they are
    /// to be summed again, relative to the gradient there.
    pub again: bool,
}

impl<T: RowNumber> Finished<T> {
    #[inline(always)]
    fn constants(constants: Terms<T>) -> Finished<T> {
        let rounded = constants[0].nearest();
        let rest = constants[0].minus(T::Extended::of(rounded)).nearest();
        let rounded = [rounded, rest, T::ZERO, T::ZERO];
        Finished { constants, rounded, value: T::ZERO, again: false }
    }
}

/// Shorthand for the constants of a row.
macro_rules! constants {
    ($T:ident: $($value:expr),*) => {{
        let given = [$($value),*];
        let mut all = [$T::Extended::ZERO; MAX_SUMS];
        let mut k = 0;
        while k < given.len() {
            all[k] = given[k];
            k += 1;
        }
        all
    }};
}

/// A function of rows, written once for both element types.
///
/// The methods are kernels: no branches on data, no panics, no allocation, `#[inline(always)]`.
pub trait RowFunction: 'static {
    /// Elementwise operands before the last.
    const GRADIENTS: usize;
    /// Whether one gradient for each row comes first.
    const SCALAR_GRADIENT: bool = false;
    /// Elementwise results; a function without any is a reduction.
    const RESULTS: usize = 1;
    const SUMS: usize;
    /// How many constants its results are computed from.
    const CONSTANTS: usize = 1;
    /// Whether results need the weights that were summed.
    const WEIGHTED: bool = true;
    /// Whether each weight is kept rounded, in the place of its result, until the sum is known.
    const KEEPS_IN_RESULT: bool = false;
    /// Whether the maximum of the row is needed.
    const NEEDS_MAXIMUM: bool = true;
    /// Whether gradients are taken relative to one of them: that of the first largest element, or of
    /// the first element where none is above [`OUTWEIGHS`](Self::OUTWEIGHS).
    const REFERS: bool = false;
    /// From where on one element outweighs all others by far.
    const OUTWEIGHS: f64 = f64::NEG_INFINITY;
    /// Whether the largest elements are counted; or, where the maximum is not needed, lanes with one
    /// above [`OUTWEIGHS`](Self::OUTWEIGHS).
    const COUNTS: bool = false;
    /// Whether the first result has another formula where an element outweighs the others.
    const OUTWEIGHING: bool = false;
    /// Which results change their sign when the function is mirrored.
    const ODD: [bool; MAX_RESULTS] = [false; MAX_RESULTS];
    /// Whether the last operand is the softmax (or its logarithm) itself.
    const OF_OUTPUT: bool = false;
    /// An x that adds nothing to the sums.
    const PADDING: f64 = f64::NEG_INFINITY;
    /// Derived from the others.
    const LAYOUT: Layout = Layout { sums: Self::SUMS, counts: Self::COUNTS };

    /// The weight of an element: `UNIT e^(sign x - maximum)`.
    #[inline(always)]
    fn weight<T: RowNumber>(x: T, sign: T, row: &Row<T>) -> T::Extended {
        T::Extended::signed_difference(x, sign, row.maximum).exp()
    }

    /// What an element adds to the sums: its weight, but that of the largest elements where they are
    /// counted instead.
    #[inline(always)]
    fn terms<T: RowNumber>(element: &Element<T>, weight: T::Extended, row: &Row<T>) -> Terms<T> {
        match Self::COUNTS {
            true => constants!(T: without_largest(element.x, weight, row)),
            false => constants!(T: weight),
        }
    }

    /// A sum and the next term of it.
    #[inline(always)]
    fn add<T: RowNumber>(sum: T::Extended, term: T::Extended, _: &Element<T>) -> T::Extended {
        sum.sum(term)
    }

    /// The constants of a row from its sums; `count` is how many elements were counted.
    fn finish<T: RowNumber>(row: &Row<T>, sums: Terms<T>, count: f64) -> Finished<T>;

    /// Whether an element has the other formula; few have.
    #[inline(always)]
    fn outweighs<T: RowNumber>(_x: T, _row: &Row<T>) -> bool {
        false
    }

    /// The first result by the other formula.
    #[inline(always)]
    fn outweighing<T: RowNumber>(_element: &Element<T>, _row: &Row<T>) -> T {
        T::ZERO
    }

    /// The results at one element.
    fn results<T: RowNumber>(
        _element: &Element<T>,
        _weight: T::Extended,
        _row: &Row<T>,
    ) -> Results<T> {
        [T::ZERO; MAX_RESULTS]
    }
}

/// The sum of the weights without one largest element.
#[inline(always)]
fn others<T: RowNumber>(sum: T::Extended, largest: f64) -> T::Extended {
    let further = T::Extended::from_planes([largest - 1.0, 0.0]);
    further.product(T::Extended::UNIT).sum(sum).tidy()
}

/// `weight`, or zero for the largest elements.
#[inline(always)]
fn without_largest<T: RowNumber>(x: T, weight: T::Extended, row: &Row<T>) -> T::Extended {
    T::Extended::select(x == row.maximum, T::Extended::ZERO, weight)
}

/// `a - b` for gradients.
#[inline(always)]
fn relative<T: RowNumber>(gradient: T, reference: T) -> T::Extended {
    T::Extended::difference(gradient, reference)
}

/// `softmax(x)_k = e^x_k / sum_j e^x_j`.
///
/// Error: at most 1.5 ulp.
/// Edges: -inf gives 0; a row with NaN, with inf or of -inf only gives NaN.
/// Method: `e^(x - max)` and its sum with digits to spare; the exponential is rounded until the sum
/// is known, and so is the quotient.
pub struct Softmax;

impl RowFunction for Softmax {
    const GRADIENTS: usize = 0;
    const SUMS: usize = 1;
    const KEEPS_IN_RESULT: bool = true;

    #[inline(always)]
    fn finish<T: RowNumber>(_: &Row<T>, sums: Terms<T>, _: f64) -> Finished<T> {
        let inverse = sums[0].without_unit().inverse();
        Finished::constants(constants!(T: inverse))
    }
    #[inline(always)]
    fn results<T: RowNumber>(_: &Element<T>, weight: T::Extended, row: &Row<T>) -> Results<T> {
        let share = T::Extended::share_of_rounded(weight.nearest(), row.constants[0], row.rounded);
        [share, T::ZERO]
    }
}

/// `log_softmax(x)_k = x_k - log sum_j e^x_j`.
///
/// Error: at most 1 ulp.
/// Edges: -inf gives -inf; a row with NaN, with inf or of -inf only gives NaN.
/// Method: `max + log1p(sum of the others)` as a sum of two, of which x and the first have an exact
/// difference where the second counts. That is not negative, so taking it away leads to no finer
/// ulps than the difference was rounded to: each rounding costs half an ulp.
pub struct LogSoftmax;

impl RowFunction for LogSoftmax {
    const GRADIENTS: usize = 0;
    const SUMS: usize = 1;
    const WEIGHTED: bool = false;
    const COUNTS: bool = true;

    #[inline(always)]
    fn finish<T: RowNumber>(row: &Row<T>, sums: Terms<T>, largest: f64) -> Finished<T> {
        let logarithm = others::<T>(sums[0], largest).without_unit().ln_1p();
        let [log_sum, rest] = logarithm.added_to_from_below(row.maximum);
        let rounded = [log_sum, rest, T::ZERO, T::ZERO];
        Finished { rounded, ..Finished::constants(constants!(T: logarithm)) }
    }
    #[inline(always)]
    fn results<T: RowNumber>(element: &Element<T>, _: T::Extended, row: &Row<T>) -> Results<T> {
        let [log_sum, rest, ..] = row.rounded;
        [(element.x - log_sum) - rest, T::ZERO]
    }
}

/// `logsumexp(x) = log sum_j e^x_j`.
///
/// Error: at most 1 ulp, but where the maximum is negative and cancels against the logarithm of
/// the sum, at most 2^-32 (`f32`) or 2^-56 (`f64`) of the maximum besides.
/// Edges: -inf for an empty row or one of -inf only; inf for a row with inf; NaN for one with NaN.
/// Method: `max + log1p(sum of the others)`.
pub struct Logsumexp;

impl RowFunction for Logsumexp {
    const GRADIENTS: usize = 0;
    const RESULTS: usize = 0;
    const SUMS: usize = 1;
    const WEIGHTED: bool = false;
    const COUNTS: bool = true;

    #[inline(always)]
    fn finish<T: RowNumber>(row: &Row<T>, sums: Terms<T>, largest: f64) -> Finished<T> {
        let logarithm = others::<T>(sums[0], largest).without_unit().ln_1p();
        let result = T::Extended::of(row.maximum).sum(logarithm).nearest();
        // An infinite maximum is the result, unless a NaN is in the sum.
        let infinite = row.maximum.abs() == T::INFINITY && sums[0].is_finite();
        let value = T::select(infinite, row.maximum, result);
        Finished { value, ..Finished::constants(constants!(T: T::Extended::ZERO)) }
    }
}

/// `grad softmax(x)_k`, the gradient of `grad logsumexp(x)`.
///
/// Error: at most 1.5 ulp.
/// Edges: as softmax; a `grad` that is not finite gives a row of NaN.
pub struct LogsumexpBackward;

impl RowFunction for LogsumexpBackward {
    const GRADIENTS: usize = 0;
    const SCALAR_GRADIENT: bool = true;
    const SUMS: usize = 1;
    const KEEPS_IN_RESULT: bool = true;

    #[inline(always)]
    fn finish<T: RowNumber>(row: &Row<T>, sums: Terms<T>, _: f64) -> Finished<T> {
        let factor = sums[0].inverse().product(T::Extended::of(row.reference[0]));
        Finished::constants(constants!(T: factor))
    }
    #[inline(always)]
    fn results<T: RowNumber>(_: &Element<T>, weight: T::Extended, row: &Row<T>) -> Results<T> {
        [weight.product_nearest(row.constants[0]), T::ZERO]
    }
}

/// `S_k (g_k - sum_j S_j g_j)` with `S = softmax(x)`: the gradient of softmax.
///
/// Error: at most 1 ulp, times the condition of the difference and the sum.
/// Edges: as softmax; a gradient that is not finite gives a row of NaN.
/// Method: the gradients relative to that of the largest element (see the head of the file).
pub struct SoftmaxBackward;

impl RowFunction for SoftmaxBackward {
    const GRADIENTS: usize = 1;
    const SUMS: usize = 2;
    const CONSTANTS: usize = 2;
    const REFERS: bool = true;
    const ODD: [bool; MAX_RESULTS] = [true, false];

    #[inline(always)]
    fn terms<T: RowNumber>(element: &Element<T>, weight: T::Extended, row: &Row<T>) -> Terms<T> {
        let h = relative(element.gradients[0], row.reference[0]);
        constants!(T: weight, weight.without_unit().product(h))
    }
    #[inline(always)]
    fn finish<T: RowNumber>(_: &Row<T>, sums: Terms<T>, _: f64) -> Finished<T> {
        let inverse = sums[0].without_unit().inverse();
        let mean = sums[1].product(inverse);
        Finished::constants(constants!(T: inverse, mean))
    }
    #[inline(always)]
    fn results<T: RowNumber>(
        element: &Element<T>,
        weight: T::Extended,
        row: &Row<T>,
    ) -> Results<T> {
        let [inverse, mean, ..] = row.constants;
        let h = relative(element.gradients[0], row.reference[0]);
        [weight.share_product_nearest(inverse, h.minus(mean)), T::ZERO]
    }
}

/// The gradients of `sum_k gg_k S_k (g_k - sum_j S_j g_j)` with respect to `g` and x.
///
/// `S_k (a_k - mean a)` and `S_k ((a_k - mean a)(g_k - mean g) - cov(a, g))`, with `a = gg` and
/// means and covariance weighted by `S = softmax(x)`.
///
/// Error and edges: as the gradient.
pub struct SoftmaxDoubleBackward;

impl RowFunction for SoftmaxDoubleBackward {
    const GRADIENTS: usize = 2;
    const RESULTS: usize = 2;
    const SUMS: usize = 4;
    const CONSTANTS: usize = 4;
    const REFERS: bool = true;
    const ODD: [bool; MAX_RESULTS] = [true, false];

    #[inline(always)]
    fn terms<T: RowNumber>(element: &Element<T>, weight: T::Extended, row: &Row<T>) -> Terms<T> {
        let a = relative(element.gradients[0], row.reference[0]);
        let g = relative(element.gradients[1], row.reference[1]);
        let weighted = weight.without_unit().product(a);
        [weight, weighted, weight.without_unit().product(g), weighted.product(g)]
    }
    #[inline(always)]
    fn finish<T: RowNumber>(_: &Row<T>, sums: Terms<T>, _: f64) -> Finished<T> {
        let inverse = sums[0].without_unit().inverse();
        let (mean_a, mean_g) = (sums[1].product(inverse), sums[2].product(inverse));
        let covariance = sums[3].product(inverse).minus(mean_a.product(mean_g));
        Finished::constants([inverse, mean_a, mean_g, covariance])
    }
    #[inline(always)]
    fn results<T: RowNumber>(
        element: &Element<T>,
        weight: T::Extended,
        row: &Row<T>,
    ) -> Results<T> {
        let [inverse, mean_a, mean_g, covariance] = row.constants;
        let a = relative(element.gradients[0], row.reference[0]).minus(mean_a);
        let g = relative(element.gradients[1], row.reference[1]).minus(mean_g);
        let bend = a.product(g).minus(covariance);
        [a, bend].map(|factor| weight.share_product_nearest(inverse, factor))
    }
}

/// `g_k - S_k sum_j g_j` with `S = softmax(x)`: the gradient of log_softmax.
///
/// Error: at most 1 ulp, times the condition of the difference and the sum.
/// Edges: as softmax; a gradient that is not finite gives a row of NaN.
/// Method: at the largest element `g (1 - S) - S (the other gradients)`, with `1 - S` the others'
/// share.
pub struct LogSoftmaxBackward;

impl RowFunction for LogSoftmaxBackward {
    const GRADIENTS: usize = 1;
    const SUMS: usize = 2;
    const CONSTANTS: usize = 4;
    const COUNTS: bool = true;
    const OUTWEIGHING: bool = true;
    const ODD: [bool; MAX_RESULTS] = [true, false];

    #[inline(always)]
    fn terms<T: RowNumber>(element: &Element<T>, weight: T::Extended, row: &Row<T>) -> Terms<T> {
        let gradient = T::Extended::of(element.gradients[0]);
        constants!(T: without_largest(element.x, weight, row), gradient)
    }
    #[inline(always)]
    fn finish<T: RowNumber>(_: &Row<T>, sums: Terms<T>, largest: f64) -> Finished<T> {
        let others = others::<T>(sums[0], largest);
        let inverse = others.sum(T::Extended::UNIT).tidy().inverse();
        let (share, rest) = (T::Extended::UNIT.product(inverse), others.product(inverse));
        Finished::constants([sums[1].product(inverse), sums[1], share, rest])
    }
    #[inline(always)]
    fn results<T: RowNumber>(
        element: &Element<T>,
        weight: T::Extended,
        row: &Row<T>,
    ) -> Results<T> {
        let share = weight.product(row.constants[0]);
        [T::Extended::of(element.gradients[0]).minus(share).nearest(), T::ZERO]
    }
    #[inline(always)]
    fn outweighs<T: RowNumber>(x: T, row: &Row<T>) -> bool {
        x == row.maximum
    }
    #[inline(always)]
    fn outweighing<T: RowNumber>(element: &Element<T>, row: &Row<T>) -> T {
        let [_, total, share, rest] = row.constants;
        let gradient = T::Extended::of(element.gradients[0]);
        let of_others = share.product(total.minus(gradient));
        gradient.product(rest).minus(of_others).nearest()
    }
}

/// The gradients of `sum_k gg_k (g_k - S_k sum_j g_j)` with respect to `g` and x.
///
/// `a_k - mean a` and `-S_k (a_k - mean a) sum_j g_j`, with `a = gg` and the mean weighted by
/// `S = softmax(x)`.
///
/// Error and edges: as the gradient.
pub struct LogSoftmaxDoubleBackward;

impl RowFunction for LogSoftmaxDoubleBackward {
    const GRADIENTS: usize = 2;
    const RESULTS: usize = 2;
    const SUMS: usize = 3;
    const CONSTANTS: usize = 2;
    const REFERS: bool = true;

    #[inline(always)]
    fn terms<T: RowNumber>(element: &Element<T>, weight: T::Extended, row: &Row<T>) -> Terms<T> {
        let a = relative(element.gradients[0], row.reference[0]);
        let gradient = T::Extended::of(element.gradients[1]);
        constants!(T: weight, weight.without_unit().product(a), gradient)
    }
    #[inline(always)]
    fn finish<T: RowNumber>(_: &Row<T>, sums: Terms<T>, _: f64) -> Finished<T> {
        let inverse = sums[0].inverse();
        let mean = sums[1].product(inverse.product(T::Extended::UNIT));
        let factor = inverse.product(sums[2].opposite());
        Finished::constants(constants!(T: mean, factor))
    }
    #[inline(always)]
    fn results<T: RowNumber>(
        element: &Element<T>,
        weight: T::Extended,
        row: &Row<T>,
    ) -> Results<T> {
        let [mean, factor, ..] = row.constants;
        let a = relative(element.gradients[0], row.reference[0]).minus(mean);
        [a.nearest(), weight.product(factor).product_nearest(a)]
    }
}

/// `y_k (g_k - sum_j y_j g_j)` with `y = softmax(x)`.
///
/// Error: as from x, with the error of `y` besides.
/// Edges: a NaN in `y`, or a gradient that is not finite, gives a row of NaN.
/// Method: the sum relative to the first gradient, so that equal ones cancel exactly; or to that of a
/// `y` that outweighs all others, if there is one, which uses that `y` sums to 1. Then the mean as a
/// sum of two: the difference of `g_k` and the first is exact where the second counts.
pub struct SoftmaxBackwardFromOutput;

impl RowFunction for SoftmaxBackwardFromOutput {
    const GRADIENTS: usize = 1;
    const SUMS: usize = 1;
    const WEIGHTED: bool = false;
    const NEEDS_MAXIMUM: bool = false;
    const REFERS: bool = true;
    const OUTWEIGHS: f64 = 0.875;
    const COUNTS: bool = true;
    const ODD: [bool; MAX_RESULTS] = [true, false];
    const OF_OUTPUT: bool = true;
    const PADDING: f64 = 0.0;

    #[inline(always)]
    fn terms<T: RowNumber>(element: &Element<T>, _: T::Extended, row: &Row<T>) -> Terms<T> {
        constants!(T: relative(element.gradients[0], row.reference[0]))
    }
    #[inline(always)]
    fn add<T: RowNumber>(sum: T::Extended, term: T::Extended, element: &Element<T>) -> T::Extended {
        sum.plus_product(term, element.x)
    }
    #[inline(always)]
    fn finish<T: RowNumber>(row: &Row<T>, sums: Terms<T>, outweighing: f64) -> Finished<T> {
        let [mean, rest] = sums[0].added_to(row.reference[0]);
        // Half of it where the difference might overflow.
        let small = mean.abs() < T::literal(T::HUGE);
        let scale = T::select(small, T::ONE, T::literal(0.5));
        let rounded =
            [mean * scale, rest * scale, scale, T::select(small, T::ONE, T::literal(2.0))];
        let again = outweighing > 0.0 && row.maximum == -T::INFINITY;
        Finished { rounded, again, ..Finished::constants(constants!(T: sums[0])) }
    }
    #[inline(always)]
    fn results<T: RowNumber>(element: &Element<T>, _: T::Extended, row: &Row<T>) -> Results<T> {
        let [mean, rest, scale, unscale] = row.rounded;
        let y = element.x;
        let centred = element.gradients[0].mul_add(scale, -mean);
        [centred.mul_add(y, -(y * rest)) * unscale, T::ZERO]
    }
}

/// `g_k - e^y_k sum_j g_j` with `y = log_softmax(x)`.
///
/// Error and edges: as from x.
/// Method: for a `y` that outweighs all others `-g expm1(y) - e^y (the other gradients)`.
pub struct LogSoftmaxBackwardFromOutput;

impl RowFunction for LogSoftmaxBackwardFromOutput {
    const GRADIENTS: usize = 1;
    const SUMS: usize = 1;
    const WEIGHTED: bool = false;
    const NEEDS_MAXIMUM: bool = false;
    const OUTWEIGHS: f64 = -0.125;
    const OUTWEIGHING: bool = true;
    const OF_OUTPUT: bool = true;

    #[inline(always)]
    fn terms<T: RowNumber>(element: &Element<T>, _: T::Extended, _: &Row<T>) -> Terms<T> {
        constants!(T: T::Extended::of(element.gradients[0]))
    }
    #[inline(always)]
    fn finish<T: RowNumber>(_: &Row<T>, sums: Terms<T>, _: f64) -> Finished<T> {
        Finished::constants(constants!(T: sums[0]))
    }
    #[inline(always)]
    fn results<T: RowNumber>(element: &Element<T>, _: T::Extended, row: &Row<T>) -> Results<T> {
        // A logarithm of a softmax is not positive.
        let y = element.x.at_most(T::ZERO).at_least(T::EXP_LOWEST);
        let (k, power) = y.times_rounded_with_power(T::LOG2_E, T::EXP_BIAS);
        let r = (-k).mul_add(T::LN2_LO, (-k).mul_add(T::LN2_HI, y));
        let grown = (r * r).mul_add(polynomial(r, T::EXP_TAIL), r);
        let share = grown.mul_add(power, power) * T::UNBIAS;
        let [total, rest, ..] = row.rounded;
        let result = (-share).mul_add(total, element.gradients[0]);
        [(-share).mul_add(rest, result), T::ZERO]
    }
    #[inline(always)]
    fn outweighs<T: RowNumber>(x: T, _: &Row<T>) -> bool {
        x > T::literal(Self::OUTWEIGHS)
    }
    #[inline(always)]
    fn outweighing<T: RowNumber>(element: &Element<T>, row: &Row<T>) -> T {
        let y = T::Extended::of(element.x.at_most(T::ZERO));
        let gradient = T::Extended::of(element.gradients[0]);
        let rest = y.exp().without_unit().product(row.constants[0].minus(gradient));
        gradient.product(y.exp_m1()).sum(rest).opposite().nearest()
    }
}

/// The sums behind a Jacobian, and `1 - S_k` from them without cancellation.
///
/// Method: for a largest element the sum of the others; for any other the total less its own
/// weight, which is at most half of it.
pub struct Shares;

impl RowFunction for Shares {
    const GRADIENTS: usize = 0;
    const RESULTS: usize = 0;
    const SUMS: usize = 1;
    const CONSTANTS: usize = 3;
    const WEIGHTED: bool = false;
    const COUNTS: bool = true;

    #[inline(always)]
    fn finish<T: RowNumber>(_: &Row<T>, sums: Terms<T>, largest: f64) -> Finished<T> {
        let others = others::<T>(sums[0], largest);
        let total = others.sum(T::Extended::UNIT).tidy();
        Finished::constants(constants!(T: total.inverse(), total, others))
    }
}

/// `S_k` and `1 - S_k` of an element.
#[inline(always)]
pub fn shares<T: RowNumber>(x: T, weight: T::Extended, row: &Row<T>) -> [T::Extended; 2] {
    let [inverse, total, others, _] = row.constants;
    let rest = T::Extended::select(x == row.maximum, others, total.minus(weight));
    [weight.product(inverse), rest.product(inverse)]
}

/// A Jacobian with entries that depend on the softmax alone.
pub trait Jacobian: 'static {
    /// The entry `(k, k)` from `S_k` and `1 - S_k`.
    fn diagonal<T: RowNumber>(share: T::Extended, rest: T::Extended) -> T;
    /// The entry `(i, k)` from `S_i` and `S_k`, for `i` other than `k`.
    fn entry<T: RowNumber>(row: T::Extended, column: T::Extended) -> T;
}

/// `S_k (1 - S_k)` on the diagonal, `-S_i S_k` off it.
///
/// Error: at most 1 ulp.
/// Edges: as softmax.
pub struct SoftmaxJacobian;

impl Jacobian for SoftmaxJacobian {
    #[inline(always)]
    fn diagonal<T: RowNumber>(share: T::Extended, rest: T::Extended) -> T {
        share.product_nearest(rest)
    }
    #[inline(always)]
    fn entry<T: RowNumber>(row: T::Extended, column: T::Extended) -> T {
        -row.product_nearest(column)
    }
}

/// `1 - S_k` on the diagonal, `-S_k` off it.
///
/// Error: at most 1 ulp.
/// Edges: as softmax.
pub struct LogSoftmaxJacobian;

impl Jacobian for LogSoftmaxJacobian {
    #[inline(always)]
    fn diagonal<T: RowNumber>(_: T::Extended, rest: T::Extended) -> T {
        rest.nearest()
    }
    #[inline(always)]
    fn entry<T: RowNumber>(_: T::Extended, column: T::Extended) -> T {
        -column.nearest()
    }
}
