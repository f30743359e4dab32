//! Splitting a large call over threads.
//!
//! Whether more threads pay depends on the function, the dtype, the memory and the machine. So it
//! is not guessed: the calling thread does the first piece, and how long that takes tells how long
//! the rest would. The calling thread goes on from the front, [`helpers`] take pieces from the
//! back, so that calls in turn on the same arrays find in each core's caches what the last one left
//! there. Which thread computes an element has no influence on its bits.

use std::num::NonZero;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::helpers;

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

/// The time from which a call is worth another thread that is awake: handing over a piece and
/// waiting for the last take some 2 microseconds.
const WORTH_HANDING_OVER: Duration = Duration::from_micros(10);

/// The time from which it is worth waking one, which takes some 30 microseconds.
const WORTH_WAKING: Duration = Duration::from_micros(150);

/// The least a thread takes at a time.
const PIECE: Duration = Duration::from_micros(2);

/// Pieces for each thread: the more, the smaller the difference at the end.
const PIECES: usize = 16;

/// The threads that work of this duration is worth.
fn threads_worth(work: Duration, limit: usize) -> usize {
    let long = work >= WORTH_WAKING;
    let wake = || (long || calls_follow_closely()) && may_wake();
    if work < WORTH_HANDING_OVER || !helpers::are_awake() && !wake() {
        return 1;
    }
    let least = if long { WORTH_WAKING / 2 } else { WORTH_HANDING_OVER / 2 };
    limit.min((work.as_nanos() / least.as_nanos()) as usize)
}

/// When nobody came last, in nanoseconds of [`now`]; 0 where somebody came after that.
static NOBODY_CAME: AtomicU64 = AtomicU64::new(0);

/// How long helpers are not woken after nobody came: where the other cores are busy none comes in
/// time, and waking takes the caller some 10 microseconds.
const PAUSE: Duration = Duration::from_millis(1);

/// Whether waking helpers is worth a try.
fn may_wake() -> bool {
    let last = NOBODY_CAME.load(Ordering::Relaxed);
    last == 0 || now().saturating_sub(last) > PAUSE.as_nanos() as u64
}

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
/// A piece is at least `least` long; a call shorter than four is not split.
#[inline]
pub fn split<S>(
    count: usize,
    least: usize,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, usize) + Sync,
) {
    if count < 4 * least || limit() < 2 {
        work(&mut scratch(), 0, count);
    } else {
        split_if_it_pays(count, least, scratch, work);
    }
}

fn split_if_it_pays<S>(
    count: usize,
    least: usize,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, usize) + Sync,
) {
    let mut own = scratch();
    let begin = Instant::now();
    work(&mut own, 0, least);
    let each = begin.elapsed().as_secs_f64() / least as f64;
    let rest = count - least;
    let threads = threads_worth(Duration::from_secs_f64(each * rest as f64), limit());
    if threads < 2 {
        work(&mut own, least, rest);
        return;
    }

    let lasting = (PIECE.as_secs_f64() / each) as usize;
    let piece = rest.div_ceil(PIECES * threads).max(lasting.min(rest)).next_multiple_of(least);
    let pieces = Pieces { count: rest.div_ceil(piece), taken: AtomicU64::new(0) };
    let work_on = |scratch: &mut S, index: usize| {
        let start = least + index * piece;
        work(scratch, start, piece.min(count - start));
    };
    let help = || {
        if let Some(mut index) = pieces.take_last() {
            let mut scratch = scratch();
            loop {
                work_on(&mut scratch, index);
                match pieces.take_last() {
                    Some(next) => index = next,
                    None => break,
                }
            }
        }
    };
    helpers::work_with(threads - 1, &help, || {
        while let Some(index) = pieces.take_first() {
            work_on(&mut own, index);
        }
    });
    NOBODY_CAME.store(if pieces.anybody_helped() { 0 } else { now() }, Ordering::Relaxed);
}

/// Pieces of a call that are taken from both ends.
struct Pieces {
    count: usize,
    /// How many are taken from the front, below 2^32, and from the back, above.
    taken: AtomicU64,
}

const FRONT: u64 = 1;
const BACK: u64 = 1 << 32;

impl Pieces {
    /// The pieces taken from this end before, if there is one left, which is taken now.
    fn take(&self, end: u64) -> Option<usize> {
        let split = |taken: u64| ((taken % BACK) as usize, (taken / BACK) as usize);
        let take = |taken: u64| {
            let (front, back) = split(taken);
            (front + back < self.count).then_some(taken + end)
        };
        let before = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        let (front, back) = split(before);
        Some(if end == FRONT { front } else { back })
    }

    fn anybody_helped(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= BACK
    }

    fn take_first(&self) -> Option<usize> {
        self.take(FRONT)
    }

    fn take_last(&self) -> Option<usize> {
        Some(self.count - 1 - self.take(BACK)?)
    }
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
        split(count, least, Vec::new, |scratch: &mut Vec<f64>, start, length| {
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
