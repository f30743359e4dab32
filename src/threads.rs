//! Splitting a large call over threads.
//!
//! Threads live for one call: [`std::thread::scope`] starts them and joins them. That costs some
//! ten microseconds a thread, so only calls worth it are split, and there is no pool to survive a
//! fork: a forked child computes like its parent. The calling thread takes chunks until none are
//! left, so a busy second core delays a call by one chunk at most.

use std::num::NonZero;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::float_status::FloatStatus;

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

/// The threads for a call that has work for `useful` of them.
#[inline]
pub fn count_for(useful: usize) -> usize {
    if useful < 2 { 1 } else { limit().min(useful) }
}

/// Calls `work(start, length)` for chunks that make up `0 .. count`, on up to `threads` threads.
///
/// A thread that cannot be started is done without.
pub fn split(count: usize, threads: usize, grain: usize, work: impl Fn(usize, usize) + Sync) {
    // About eight chunks a thread even out different speeds. Whole multiples of 64 elements keep
    // two threads out of one cache line.
    let chunk = (count / (8 * threads)).max(grain / 2).next_multiple_of(64);
    split_in_chunks(count, threads, (chunk, chunk), || (), |(), start, length| work(start, length));
}

/// [`split`] in chunks of the given sizes, with scratch memory that each thread makes for itself.
///
/// Chunks are as large as the first of the range, and smaller towards the end, but not below its
/// other end: a thread that falls behind then delays the call by a small one.
pub fn split_in_chunks<S>(
    count: usize,
    threads: usize,
    (largest, least): (usize, usize),
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, usize) + Sync,
) {
    let next = AtomicUsize::new(0);
    let take_chunks = || {
        let mut scratch = scratch();
        loop {
            let end_of = |start: usize| {
                let size = ((count - start) / (2 * threads)).clamp(least, largest);
                count.min(start + size)
            };
            let take = |start: usize| (start < count).then(|| end_of(start));
            let Ok(start) = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) else {
                break;
            };
            work(&mut scratch, start, end_of(start) - start);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            let helper = || {
                // A new thread inherits its parent's register; it ends with the thread.
                let _status = FloatStatus::isolate();
                take_chunks();
            };
            if std::thread::Builder::new().spawn_scoped(scope, helper).is_err() {
                break;
            }
        }
        take_chunks();
    });
}
