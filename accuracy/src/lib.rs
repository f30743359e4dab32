//! The proof of accuracy: every kernel of actgrad on trial, against references that are not ours.
//!
//! | module | what it holds |
//! |---|---|
//! | [`formulas`] | what every activation is: one explicit formula for each form |
//! | [`reference`] | what formulas compute with: numbers that know how wrong they may be |
//! | [`ball`] | fast ones: a midpoint and a bound, with the rules by which errors spread |
//! | [`pair`] | midpoints of 106 bits, for float64 |
//! | [`scaled`] | balls of them with an exponent of their own, which never under- or overflow |
//! | [`interval`] | sets of any precision, the reference that all others rest on |
//! | [`big`] | such sets in integers of any size |
//! | `mpfr` | such sets in MPFR numbers, with the feature of that name |
//! | [`format`] | the float formats: rounding and ulps |
//! | [`screen`] | what a ball proves about a result |
//! | [`arbiter`] | what is certain where a ball proves nothing |
//! | [`trial`] | one form of one activation on trial: kernel, reference, tally |
//! | [`points`] | which inputs: all, a slice, a sample, the hard places |
//! | [`run`] | threads, progress, and going on after an interruption |
//! | [`sweep`] | forms that take more than x: parameters, gated units |
//! | [`tables`] | results and promises as files, and whether they agree |
//!
//! How a result is judged: the ball of its exact value proves that its error is at most the worst
//! found so far, and whether it is the nearest float. Where it cannot, and for every new worst error,
//! the arbiter decides. So the counts are exact, and so is the error of the worst result.

pub mod arbiter;
pub mod ball;
pub mod big;
pub mod format;
pub mod formulas;
pub mod interval;
#[cfg(feature = "mpfr")]
pub mod mpfr;
pub mod pair;
pub mod points;
pub mod reference;
pub mod run;
pub mod scaled;
pub mod screen;
pub mod sweep;
pub mod tables;
pub mod trial;
