//! Threads that help with a call.
//!
//! They come from a pool of rayon's. Waking a thread that sleeps takes tens of microseconds, as long
//! as many a call, so a helper that has nothing left to do first watches for the next call, for
//! [`WATCH`], and leaves its core meanwhile to whoever else wants it.
//!
//! A call posts its work, works itself until nothing is left to take, and then waits only for
//! helpers that have begun: one that never gets a core delays nobody.
//!
//! Forking: a child has none of its parent's threads, and a lock may have been held at the fork. So
//! each process has a team of its own; a child never touches the one it was born with.

use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use rayon_core::{ThreadPool, ThreadPoolBuilder};

use crate::float_status::FloatStatus;
use crate::simd::{CACHE_LINE, prefetch};

/// How long a helper without work watches for the next call: a little more than what Python does
/// between two calls on arrays, and little enough to count for nothing where no call comes.
pub const WATCH: Duration = Duration::from_micros(200);

/// Looks between two offers of the core to others; a look takes some 10 to 40 ns.
const LOOKS: usize = 32;

/// Lines of the caller's stack from the closure on that helpers fetch at once.
const STACK_LINES: usize = 8;

/// Calls that may have helpers at the same time; those beyond have none.
const PLACES: usize = 16;

type Work = *const (dyn Fn(&Pieces) + Sync);

/// Pieces of a call that are taken from both ends: by the calling thread from the front, by helpers
/// from the back.
///
/// Each taking has the line of memory sent from core to core, so the first are large: a share of what
/// is left.
pub struct Pieces {
    /// The first that is left, below 2^32, and one past the last, above.
    left: AtomicU64,
    /// A thread takes one of so many parts of what is left.
    shares: AtomicU64,
}

impl Pieces {
    const fn none() -> Pieces {
        Pieces { left: AtomicU64::new(0), shares: AtomicU64::new(1) }
    }

    /// Sets what there is to take, before anybody may.
    fn set(&self, count: u32, threads: usize) {
        self.left.store(u64::from(count) << 32, Ordering::Relaxed);
        self.shares.store(SHARES[0] * threads as u64 / SHARES[1], Ordering::Relaxed);
    }

    /// The ends of what is left before and after something is taken, if anything is left.
    fn take(&self, end: fn(u64, u64, u64) -> (u64, u64)) -> Option<[(u64, u64); 2]> {
        let shares = self.shares.load(Ordering::Relaxed);
        let ends = |left: u64| (left & u64::from(u32::MAX), left >> 32);
        let after = |left: u64| {
            let (front, back) = ends(left);
            let (front, back) = end(front, back, (back - front).div_ceil(shares));
            front | back << 32
        };
        let take = |left: u64| {
            let (front, back) = ends(left);
            (front < back).then(|| after(left))
        };
        let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some([ends(before), ends(after(before))])
    }

    /// Takes pieces from the front.
    pub fn take_first(&self) -> Option<Range<usize>> {
        let [before, after] = self.take(|front, back, share| (front + share, back))?;
        Some(before.0 as usize..after.0 as usize)
    }

    /// Takes pieces from the back.
    pub fn take_last(&self) -> Option<Range<usize>> {
        let [before, after] = self.take(|front, back, share| (front, back - share))?;
        Some(after.1 as usize..before.1 as usize)
    }
}

/// Of what is left a thread takes two thirds of its share.
const SHARES: [u64; 2] = [3, 2];

/// Where a call posts its work: lines of memory of its own, which a helper may look at whenever it
/// likes, since they are never freed.
#[repr(align(128))]
struct Place {
    /// [`INSIDE`] for each helper inside and [`SEAT`] for each that may still enter, [`OPEN`] while
    /// they may, [`TAKEN`] while the place is a call's, and [`TURN`] for each call it has had.
    state: AtomicU64,
    pieces: Pieces,
    /// Written by the call that has taken the place, before it opens it.
    work: UnsafeCell<Option<Work>>,
}

const INSIDE: u64 = 1;
const SEAT: u64 = 1 << 12;
const OPEN: u64 = 1 << 24;
const TAKEN: u64 = 1 << 25;
const TURN: u64 = 1 << 26;
const MOST_SEATS: usize = (SEAT - 1) as usize;

// SAFETY: `work` is read by helpers inside only, and written when there is none: between `take` and
// `open`.
unsafe impl Sync for Place {}
// SAFETY: what `work` points to is shared, which `Work` allows.
unsafe impl Send for Place {}

impl Place {
    const fn new() -> Place {
        Place { state: AtomicU64::new(0), pieces: Pieces::none(), work: UnsafeCell::new(None) }
    }

    /// Makes the place this call's, if it is nobody's.
    fn take(&self) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        // Acquire, for what the helpers of the last call read.
        state & (TAKEN | OPEN) == 0
            && (self.state)
                .compare_exchange(state, state | TAKEN, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
    }

    /// Lets helpers enter and do the work.
    ///
    /// # Safety
    /// The caller has taken the place, and keeps the work alive until `close` has returned.
    unsafe fn open(&self, work: Work, seats: usize) {
        // SAFETY: nobody is inside before the place is open.
        unsafe { *self.work.get() = Some(work) };
        let turn = self.state.load(Ordering::Relaxed).wrapping_add(TURN) & !(TURN - 1);
        let seats = seats.min(MOST_SEATS) as u64 * SEAT;
        // Release, for the work.
        self.state.store(turn | TAKEN | OPEN | seats, Ordering::Release);
    }

    /// Helps, if the place is open and there is a seat left.
    fn join(&self) {
        let enter = |state: u64| {
            (state & OPEN != 0 && state & (OPEN - SEAT) != 0).then(|| state - SEAT + INSIDE)
        };
        // Acquire, for the work.
        if self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, enter).is_err() {
            return;
        }
        {
            // A thread inherits the register of the one that started it.
            let _status = FloatStatus::isolate();
            // SAFETY: the call keeps its work alive until `close` returns, and that waits for this
            // helper, which has entered before the place was closed.
            unsafe {
                if let Some(work) = *self.work.get() {
                    // What the work refers to lies on the caller's stack, not far from it.
                    for line in 0..STACK_LINES {
                        prefetch(work.cast::<u8>().wrapping_add(CACHE_LINE * line));
                    }
                    (*work)(&self.pieces);
                }
            }
        }
        self.state.fetch_sub(INSIDE, Ordering::Release);
    }

    /// Lets nobody enter any more, waits for those inside and gives the place up.
    fn close(&self) {
        let mut state = self.state.fetch_and(!OPEN, Ordering::Acquire);
        let mut looks = 0;
        while state & (SEAT - 1) != 0 {
            looks += 1;
            if looks % LOOKS == 0 {
                yield_now()
            } else {
                spin_loop()
            }
            state = self.state.load(Ordering::Acquire);
        }
        self.state.fetch_and(!TAKEN, Ordering::Release);
    }
}

/// Closes a place when the call ends, also by a panic.
struct Closing<'a>(&'a Place);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The helpers of one process.
struct Team {
    size: usize,
    pool: ThreadPool,
    /// How often work has been posted, times [`PLACES`], and the last place.
    posted: AtomicUsize,
    places: [Place; PLACES],
    /// How many helpers watch for the next.
    watching: AtomicUsize,
    /// How many have been woken and have not come yet.
    coming: AtomicUsize,
    /// How many do not sleep: those that come, watch or help.
    up: AtomicUsize,
}

static TEAM: AtomicPtr<Team> = AtomicPtr::new(null_mut());

/// Called in a child process: none of the threads are there.
#[cfg(unix)]
extern "C" fn forget_team() {
    TEAM.store(null_mut(), Ordering::Release);
}

impl Team {
    /// The team of this process, if there is one.
    fn existing() -> Option<&'static Team> {
        // SAFETY: the pointer is null or to a team that is never freed.
        unsafe { TEAM.load(Ordering::Acquire).as_ref() }
    }

    /// A team of at least `size` helpers, of which there is one; `None` if it cannot be started.
    fn with(size: usize) -> Option<&'static Team> {
        let old = TEAM.load(Ordering::Acquire);
        if let Some(team) = Team::existing().filter(|team| team.size >= size) {
            return Some(team);
        }
        #[cfg(unix)]
        {
            // Twice does no harm, and a lock might be held at a fork.
            static FORGETS: AtomicBool = AtomicBool::new(false);
            if !FORGETS.load(Ordering::Acquire) {
                // SAFETY: the handler does nothing that is forbidden in a child process.
                if unsafe { libc::pthread_atfork(None, None, Some(forget_team)) } != 0 {
                    return None;
                }
                FORGETS.store(true, Ordering::Release);
            }
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(size)
            .thread_name(|index| format!("actgrad-{index}"))
            .build()
            .ok()?;
        let team = Box::new(Team {
            size,
            pool,
            posted: AtomicUsize::new(0),
            places: [const { Place::new() }; PLACES],
            watching: AtomicUsize::new(0),
            coming: AtomicUsize::new(0),
            up: AtomicUsize::new(0),
        });
        // The team replaced stays: of a parent process, it cannot be ended; of this one, it is
        // smaller, and other calls may be using it.
        let team = Box::into_raw(team);
        match TEAM.compare_exchange(old, team, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: just made, and never freed from now on.
            Ok(_) => Some(unsafe { &*team }),
            Err(_) => {
                // SAFETY: made above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(team) });
                Team::existing() // whatever its size: another call has just made it
            }
        }
    }

    /// Gives helpers work; `None` if there is no place left for it.
    ///
    /// # Safety
    /// The caller keeps the work alive until it has closed the place.
    unsafe fn post(
        &'static self,
        work: Work,
        pieces: u32,
        helpers: usize,
    ) -> Option<&'static Place> {
        let posted = self.posted.load(Ordering::Relaxed);
        // From the place posted last on: of calls in turn all use the same one.
        let index =
            (0..PLACES).map(|k| (posted + k) % PLACES).find(|&index| self.places[index].take())?;
        let place = &self.places[index];
        place.pieces.set(pieces, helpers + 1);
        // SAFETY: just taken; the rest as the caller vouches.
        unsafe { place.open(work, helpers) };
        let next = (posted / PLACES + 1) * PLACES + index;
        self.posted.store(next, Ordering::Release);
        Some(place)
    }

    /// Has so many helpers, if there are as many, up and about.
    fn wake(&'static self, helpers: usize) {
        for _ in self.up.load(Ordering::Relaxed)..helpers.min(self.size) {
            self.up.fetch_add(1, Ordering::Relaxed);
            self.coming.fetch_add(1, Ordering::Relaxed);
            self.pool.spawn(move || {
                self.coming.fetch_sub(1, Ordering::Relaxed);
                self.help();
                self.up.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    /// Helps with the work posted last, and what is posted soon after.
    fn help(&self) {
        let mut posted = self.posted.load(Ordering::Acquire);
        loop {
            self.places[posted % PLACES].join();
            self.watching.fetch_add(1, Ordering::AcqRel);
            let next = self.watch(posted);
            self.watching.fetch_sub(1, Ordering::AcqRel);
            match next {
                Some(next) => posted = next,
                None => return,
            }
        }
    }

    /// Waits until something else has been posted than `seen`.
    fn watch(&self, seen: usize) -> Option<usize> {
        let since = Instant::now();
        while since.elapsed() < WATCH {
            for _ in 0..LOOKS {
                let posted = self.posted.load(Ordering::Acquire);
                if posted != seen {
                    return Some(posted);
                }
                spin_loop();
            }
            yield_now();
        }
        None
    }
}

/// How many helpers watch for work, so that giving them some costs next to nothing.
pub fn watching() -> usize {
    Team::existing().map_or(0, |team| team.watching.load(Ordering::Acquire))
}

/// Whether a helper has been woken and has not come yet: its core may be busy with something else.
pub fn are_coming() -> bool {
    Team::existing().is_some_and(|team| team.coming.load(Ordering::Relaxed) > 0)
}

/// Has so many helpers come that are asleep, if there are as many.
pub fn wake(helpers: usize) {
    if let Some(team) = Team::with(helpers) {
        team.wake(helpers);
    }
}

/// Calls `own` on this thread and meanwhile `help` on up to `helpers` others that are awake, all with
/// the same pieces to take.
///
/// Each of them ends when nothing is left; `own` does what no helper does, for there may be none.
pub fn work_with(
    helpers: usize,
    pieces: u32,
    help: &(dyn Fn(&Pieces) + Sync),
    own: impl FnOnce(&Pieces),
) {
    let help: *const (dyn Fn(&Pieces) + Sync + '_) = help;
    // SAFETY: only the lifetime changes, and no helper calls the work after `close`, which comes
    // before this function returns.
    let place = unsafe {
        let help = std::mem::transmute::<*const (dyn Fn(&Pieces) + Sync + '_), Work>(help);
        Team::with(helpers).and_then(|team| team.post(help, pieces, helpers))
    };
    match place {
        Some(place) => {
            let _closing = Closing(place);
            own(&place.pieces);
        }
        None => {
            let alone = Pieces::none();
            alone.set(pieces, 1);
            own(&alone);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread::sleep;
    use std::time::Duration;

    use super::{Pieces, WATCH, wake, work_with};

    /// Helpers are at work only while `work_with` is, whether it returns or panics.
    #[test]
    fn nobody_works_after_the_end() {
        let helped = AtomicUsize::new(0);
        for round in 0..200 {
            let over = AtomicBool::new(false);
            let help = |_: &Pieces| {
                for _ in 0..10 {
                    assert!(!over.load(Ordering::Acquire));
                    sleep(Duration::from_micros(5));
                }
                helped.fetch_add(1, Ordering::Relaxed);
            };
            let own = |_: &Pieces| {
                wake(3);
                sleep(Duration::from_micros(round));
                assert!(round % 3 > 0, "a panic on purpose");
            };
            let result = catch_unwind(AssertUnwindSafe(|| work_with(3, 1, &help, own)));
            over.store(true, Ordering::Release);
            assert_eq!(result.is_err(), round % 3 == 0);
            if round % 10 == 0 {
                sleep(2 * WATCH); // the helpers go to sleep
            }
        }
        assert!(helped.into_inner() > 0);
    }
}
