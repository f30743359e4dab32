//! Splitting a large call over threads.
//!
//! Whether more threads pay depends on the function, the dtype, the memory and the machine. So it
//! is not guessed: the calling thread does the first piece, and how long that takes tells how long
//! the rest would; what short calls gain is remembered ([`experience`](crate::experience)). The calling
//! thread goes on from the front, [`helpers`] take pieces from the back, so that calls in turn on the
//! same arrays find in each core's caches what the last one left there. Which thread computes an
//! element has no influence on its bits.

use std::num::NonZero;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::experience::Experience;
use crate::helpers::{self, Pieces};

/// The limit set by [`set_limit`]; 0 where none was.
static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// The most threads a call may use, from now on and in every thread of the process.
pub fn set_limit(threads: NonZero<usize>) {
    LIMIT.store(threads.get(), Ordering::Relaxed);
}

/// The most threads a call may use: the limit set, or else what the environment says.
pub fn limit() -> usize {
    match LIMIT.load(Ordering::Relaxed) {
        0 => default_limit(),
        threads => threads,
    }
}

/// `ACTGRAD_NUM_THREADS`, else `OMP_NUM_THREADS` (which joblib and Dask set in their workers), else
/// the cores this process may use; read once.
fn default_limit() -> usize {
    static DEFAULT: OnceLock<usize> = OnceLock::new();
    *DEFAULT.get_or_init(|| {
        ["ACTGRAD_NUM_THREADS", "OMP_NUM_THREADS"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok()?.trim().parse::<NonZero<usize>>().ok())
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, NonZero::get)
    })
}

/// The time from which a call may be worth another thread that is awake: handing over and waiting for
/// the last piece take about a microsecond.
const WORTH_HANDING_OVER: Duration = Duration::from_micros(4);

/// The time from which it is worth waking one, which takes some 30 microseconds.
const WORTH_WAKING: Duration = Duration::from_micros(150);

/// The least that is taken at a time: taking sends a line of memory from core to core.
const PIECE: Duration = Duration::from_nanos(100);

/// The pieces that are taken are a fraction of what a call has at least to be split, and of a call.
const PIECES: usize = 4;
const MOST_PIECES: usize = 1 << 16;

/// Nanoseconds since the first call that asked.
fn now() -> u64 {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    BEGINNING.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Whether the last call that asked this was a moment ago. Where calls follow each other, one of
/// them pays for waking helpers, and those after it find them awake.
fn calls_follow_closely() -> bool {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = now();
    let last = LAST.swap(now, Ordering::Relaxed);
    last > 0 && now.saturating_sub(last) < helpers::WATCH.as_nanos() as u64
}

/// Calls `work(scratch, start, length)` for pieces that make up `0 .. count`, in as many threads as
/// pay, each with scratch memory it makes for itself.
///
/// A call shorter than four times `least` is not split; pieces are a fourth of `least`. Calls of the same
/// `kind`, which is any number, take as long for as many elements.
#[inline]
pub fn split<S>(
    kind: usize,
    count: usize,
    least: usize,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, usize) + Sync,
) {
    if count < 4 * least || limit() < 2 {
        work(&mut scratch(), 0, count);
    } else {
        split_if_it_pays(kind, count, least, scratch, work);
    }
}

fn split_if_it_pays<S>(
    kind: usize,
    count: usize,
    least: usize,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, usize) + Sync,
) {
    let mut own = scratch();
    let experience = Experience::of(kind, count);
    if experience.says_alone() {
        work(&mut own, 0, count);
        return;
    }
    let begin = Instant::now();
    // Long enough for a clock that takes 60 ns to read.
    work(&mut own, 0, least);
    let rest = count - least;
    let expected = begin.elapsed().mul_f64(rest as f64 / least as f64);
    let threads =
        |worth: Duration| limit().min((2 * expected.as_nanos() / worth.as_nanos()) as usize);
    // Whole fractions of the first, which keep its alignment.
    let piece = least.div_ceil(PIECES);
    let lasting = (rest as f64 * PIECE.as_secs_f64() / expected.as_secs_f64()) as usize;
    let taken = lasting.clamp((rest / MOST_PIECES).max(1), rest).next_multiple_of(piece);
    if expected >= WORTH_WAKING {
        let threads = threads(WORTH_WAKING);
        helpers::wake(threads - 1);
        share(least..count, taken, threads, own, scratch, work);
        return;
    }
    let alone = |own: &mut S| work(own, least, rest);
    if expected < WORTH_HANDING_OVER {
        alone(&mut own);
        experience.note_short();
        return;
    }
    if helpers::watching() == 0 {
        // One that was woken and has not come finds a core busy with something else.
        if calls_follow_closely() && !helpers::are_coming() {
            helpers::wake(threads(WORTH_HANDING_OVER) - 1);
        }
        alone(&mut own);
        return;
    }
    if experience.suggests_sharing() {
        share(least..count, taken, threads(WORTH_HANDING_OVER), own, scratch, work);
        experience.note_shared(begin.elapsed(), expected);
    } else {
        alone(&mut own);
        experience.note_alone(begin.elapsed());
    }
}

/// Does the elements of a range in up to so many threads.
fn share<S>(
    range: Range<usize>,
    piece: usize,
    threads: usize,
    mut own: S,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, usize) + Sync,
) {
    let work_on = |scratch: &mut S, pieces: Range<usize>| {
        let start = range.start + pieces.start * piece;
        work(scratch, start, (pieces.len() * piece).min(range.end - start));
    };
    let help = |pieces: &Pieces| {
        if let Some(mut taken) = pieces.take_last() {
            let mut scratch = scratch();
            loop {
                work_on(&mut scratch, taken);
                match pieces.take_last() {
                    Some(next) => taken = next,
                    None => break,
                }
            }
        }
    };
    helpers::work_with(threads - 1, range.len().div_ceil(piece) as u32, &help, |pieces| {
        while let Some(taken) = pieces.take_first() {
            work_on(&mut own, taken);
        }
    });
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::{set_limit, split};

    /// Does something slow to each of `count` elements, and says how often each was done.
    fn times_done(count: usize, least: usize) -> Vec<u32> {
        let done: Vec<AtomicU32> = (0..count).map(|_| AtomicU32::new(0)).collect();
        split(1, count, least, Vec::new, |scratch: &mut Vec<f64>, start, length| {
            for (element, done) in done.iter().enumerate().skip(start).take(length) {
                scratch.push((0..20).fold(element as f64, |x, _| (x + 1.0).sqrt()));
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
        done.into_iter().map(AtomicU32::into_inner).collect()
    }

    #[test]
    fn every_element_is_done_once() {
        for threads in [1, 2, 3, 7, 40, 2] {
            set_limit(NonZero::new(threads).unwrap());
            for count in [0, 1, 7, 8, 100, 4097, 65_536, 300_001] {
                for least in [1, 2, 2048] {
                    assert_eq!(times_done(count, least), vec![1; count], "{count} by {least}");
                }
            }
        }
    }

    #[test]
    fn calls_from_several_threads_share_the_helpers() {
        set_limit(NonZero::new(4).unwrap());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        assert_eq!(times_done(20_000, 64), vec![1; 20_000]);
                    }
                });
            }
        });
    }
}
