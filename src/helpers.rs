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

use std::hint::spin_loop;
use std::process;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use rayon_core::{ThreadPool, ThreadPoolBuilder};

use crate::float_status::FloatStatus;

/// How long a helper without work watches for the next call: a little more than what Python does
/// between two calls on arrays, and little enough to count for nothing where no call comes.
pub const WATCH: Duration = Duration::from_micros(200);

/// Looks between two offers of the core to others; a look takes some 40 ns.
const LOOKS: usize = 32;

/// A call's work, which its helpers do as well.
struct Job {
    work: *const (dyn Fn() + Sync),
    /// How many more may join.
    seats: AtomicUsize,
    /// [`HELPER`] for each helper inside, and [`CLOSED`] once nobody may enter any more.
    state: AtomicUsize,
    /// How many jobs the team had been given with this one.
    number: usize,
}

const CLOSED: usize = 1;
const HELPER: usize = 2;

// SAFETY: `work` is shared between threads, which `Sync` allows, and called by helpers only
// between entering and leaving, when its owner has not yet returned: see `Job::join`.
unsafe impl Send for Job {}
// SAFETY: as above.
unsafe impl Sync for Job {}

impl Job {
    /// Helps, if there is a seat left and the call still goes on.
    fn join(&self) {
        let take = |seats: usize| seats.checked_sub(1);
        if self.seats.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return;
        }
        // Acquire, for what the caller wrote before it posted the job.
        if self.state.fetch_add(HELPER, Ordering::Acquire) & CLOSED == 0 {
            // A thread inherits the register of the one that started it.
            let _status = FloatStatus::isolate();
            // SAFETY: the caller keeps the work alive until `close` returns, and that waits for
            // this helper, which has entered before the job was closed.
            unsafe { (*self.work)() };
        }
        self.state.fetch_sub(HELPER, Ordering::Release);
    }

    /// Lets nobody enter any more and waits for those inside.
    fn close(&self) {
        let mut state = self.state.fetch_or(CLOSED, Ordering::Acquire) | CLOSED;
        let mut looks = 0;
        while state != CLOSED {
            looks += 1;
            if looks % LOOKS == 0 {
                yield_now()
            } else {
                spin_loop()
            }
            state = self.state.load(Ordering::Acquire);
        }
    }
}

/// Closes a job when the call ends, also by a panic.
struct Closing<'a>(&'a Job);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The helpers of one process.
struct Team {
    process: u32,
    size: usize,
    pool: ThreadPool,
    /// The last job posted.
    board: Mutex<Option<Arc<Job>>>,
    /// How many jobs have been posted.
    posted: AtomicUsize,
    /// How many helpers watch for the next.
    watching: AtomicUsize,
}

static TEAM: AtomicPtr<Team> = AtomicPtr::new(null_mut());

impl Team {
    /// The team of this process, if there is one.
    fn existing() -> Option<&'static Team> {
        // SAFETY: the pointer is null or to a team that is never freed.
        let team = unsafe { TEAM.load(Ordering::Acquire).as_ref() };
        team.filter(|team| team.process == process::id())
    }

    /// A team of at least `size` helpers, of which there is one; `None` if it cannot be started.
    fn with(size: usize) -> Option<&'static Team> {
        let old = TEAM.load(Ordering::Acquire);
        if let Some(team) = Team::existing().filter(|team| team.size >= size) {
            return Some(team);
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(size)
            .thread_name(|index| format!("actgrad-{index}"))
            .build()
            .ok()?;
        let team = Box::new(Team {
            process: process::id(),
            size,
            pool,
            board: Mutex::new(None),
            posted: AtomicUsize::new(0),
            watching: AtomicUsize::new(0),
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

    fn board(&self) -> MutexGuard<'_, Option<Arc<Job>>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives helpers work.
    fn post(&'static self, work: *const (dyn Fn() + Sync), helpers: usize) -> Arc<Job> {
        let mut board = self.board();
        let number = self.posted.load(Ordering::Relaxed) + 1;
        let (seats, state) = (AtomicUsize::new(helpers), AtomicUsize::new(0));
        let job = Arc::new(Job { work, seats, state, number });
        *board = Some(job.clone());
        self.posted.store(number, Ordering::Release);
        drop(board);
        for _ in self.watching.load(Ordering::Acquire)..helpers {
            let job = job.clone();
            self.pool.spawn(move || self.help(job));
        }
        job
    }

    /// Helps with a job, and those posted soon after.
    fn help(&self, mut job: Arc<Job>) {
        loop {
            job.join();
            self.watching.fetch_add(1, Ordering::AcqRel);
            let next = self.watch(job.number);
            self.watching.fetch_sub(1, Ordering::AcqRel);
            match next {
                Some(next) => job = next,
                None => return,
            }
        }
    }

    /// Waits for a job after number `seen`.
    fn watch(&self, seen: usize) -> Option<Arc<Job>> {
        let since = Instant::now();
        while since.elapsed() < WATCH {
            for _ in 0..LOOKS {
                if self.posted.load(Ordering::Acquire) != seen {
                    return self.board().clone();
                }
                spin_loop();
            }
            yield_now();
        }
        None
    }
}

/// Whether a helper watches for work, so that giving it some costs next to nothing.
pub fn are_awake() -> bool {
    Team::existing().is_some_and(|team| team.watching.load(Ordering::Acquire) > 0)
}

/// Calls `own` on this thread and meanwhile `help` on up to `helpers` others.
///
/// Each of them ends when there is nothing left to do; `own` does what no helper does, for there may
/// be none.
pub fn work_with(helpers: usize, help: &(dyn Fn() + Sync), own: impl FnOnce()) {
    let Some(team) = Team::with(helpers) else { return own() };
    let help: *const (dyn Fn() + Sync + '_) = help;
    // SAFETY: only the lifetime changes, and no helper calls the work after `close`, which comes
    // before this function returns.
    let help = unsafe {
        std::mem::transmute::<*const (dyn Fn() + Sync + '_), *const (dyn Fn() + Sync + 'static)>(
            help,
        )
    };
    let job = team.post(help, helpers);
    let _closing = Closing(&job);
    own();
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread::sleep;
    use std::time::Duration;

    use super::{WATCH, work_with};

    /// Helpers are at work only while `work_with` is, whether it returns or panics.
    #[test]
    fn nobody_works_after_the_end() {
        let helped = AtomicUsize::new(0);
        for round in 0..200 {
            let over = AtomicBool::new(false);
            let help = || {
                for _ in 0..10 {
                    assert!(!over.load(Ordering::Acquire));
                    sleep(Duration::from_micros(5));
                }
                helped.fetch_add(1, Ordering::Relaxed);
            };
            let own = || {
                sleep(Duration::from_micros(round));
                assert!(round % 3 > 0, "a panic on purpose");
            };
            let result = catch_unwind(AssertUnwindSafe(|| work_with(3, &help, own)));
            over.store(true, Ordering::Release);
            assert_eq!(result.is_err(), round % 3 == 0);
            if round % 10 == 0 {
                sleep(2 * WATCH); // the helpers go to sleep
            }
        }
        assert!(helped.into_inner() > 0);
    }
}
