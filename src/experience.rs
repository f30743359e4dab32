//! What short calls have shown: whether more threads made them shorter.
//!
//! Between two cores a line of memory takes about as long as computing with it, so whether a short
//! call gains depends on where its operands are: in a loop over the same arrays each core keeps its
//! part, behind an operation of one thread all of it has to move, and what comes next has to fetch the
//! results. That cannot be known beforehand, but calls of a kind (the same loop, as many elements)
//! follow each other: each is timed, and where two threads gained little, the next ones are done alone.
//!
//! The table is shared by all threads without a lock. An entry may be mixed up by two that write it at
//! once; then a call or two more are tried.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What calls of a kind have shown.
struct Entry {
    /// Of the kind and the number of elements.
    hash: AtomicU64,
    /// Nanoseconds of a call alone; 0 where none is known.
    alone: AtomicU32,
    /// How many calls are still done alone, before the next is timed.
    pause: AtomicU32,
    /// Calls in several threads in a row that gained too little.
    poor: AtomicU32,
    /// Attempts in a row that came to nothing.
    failures: AtomicU32,
    /// Calls in several threads since the last one alone.
    shared: AtomicU32,
}

/// Kinds of calls that are remembered, two that fall on one entry in turn.
const ENTRIES: usize = 256;

static TABLE: [Entry; ENTRIES] = [const {
    Entry {
        hash: AtomicU64::new(0),
        alone: AtomicU32::new(0),
        pause: AtomicU32::new(0),
        poor: AtomicU32::new(0),
        failures: AtomicU32::new(0),
        shared: AtomicU32::new(0),
    }
}; ENTRIES];

/// A call in several threads has to be shorter than this share of one alone: less is not worth the
/// other core's time, nor what the results take on their way to whoever reads them.
const GAIN: f64 = 0.8;

/// Calls of an attempt that comes to nothing: in the first, operands still move to where the next find
/// them, and a core that was asleep takes some more to come to its full speed.
const ATTEMPT: u32 = 12;

/// The most calls alone between two attempts.
const LONGEST_PAUSE: u32 = 256;

/// Calls in several threads after which one alone is timed again.
const TRUSTED: u32 = 256;

/// What is known of calls of a kind.
pub struct Experience(&'static Entry);

impl Experience {
    /// That of calls of this kind with so many elements.
    pub fn of(kind: usize, count: usize) -> Experience {
        // Multiplied by the golden ratio's bits, they spread over the upper ones.
        let hash =
            (kind as u64 ^ (count as u64).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let entry = &TABLE[(hash >> 32) as usize % ENTRIES];
        if entry.hash.load(Ordering::Relaxed) != hash {
            entry.hash.store(hash, Ordering::Relaxed);
            let Entry { hash: _, alone, pause, poor, failures, shared } = entry;
            for field in [alone, pause, poor, failures, shared] {
                field.store(0, Ordering::Relaxed);
            }
        }
        Experience(entry)
    }

    /// Whether this call is best done alone, and not even timed.
    pub fn says_alone(&self) -> bool {
        let pause = self.0.pause.load(Ordering::Relaxed);
        self.0.pause.store(pause.saturating_sub(1), Ordering::Relaxed);
        pause > 0
    }

    /// Whether to try more than one thread now.
    pub fn suggests_sharing(&self) -> bool {
        self.0.shared.load(Ordering::Relaxed) < TRUSTED
    }

    /// Notes that a call was too short to be worth a thought.
    pub fn note_short(&self) {
        self.0.pause.store(LONGEST_PAUSE, Ordering::Relaxed);
    }

    /// Notes how long a call took alone.
    pub fn note_alone(&self, time: Duration) {
        self.0.alone.store(time.as_nanos() as u32, Ordering::Relaxed);
        self.0.shared.store(0, Ordering::Relaxed);
    }

    /// Notes how long a call took in several threads; alone it was expected to take so long.
    pub fn note_shared(&self, time: Duration, expected: Duration) {
        let alone = match self.0.alone.load(Ordering::Relaxed) {
            0 => expected.as_nanos() as f64,
            known => f64::from(known),
        };
        let poor = if (time.as_nanos() as f64) < GAIN * alone {
            self.0.failures.store(0, Ordering::Relaxed);
            0
        } else {
            self.0.poor.load(Ordering::Relaxed) + 1
        };
        self.0.poor.store(poor % ATTEMPT, Ordering::Relaxed);
        if poor == ATTEMPT {
            let failures = self.0.failures.fetch_add(1, Ordering::Relaxed) + 1;
            let pause = (ATTEMPT << failures.min(16)).min(LONGEST_PAUSE);
            self.0.pause.store(pause, Ordering::Relaxed);
        }
        self.0.shared.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Experience;
    use std::time::Duration;

    const ALONE: Duration = Duration::from_micros(10);

    /// How many of `calls` are shared, if so long each, and `ALONE` else.
    fn shared_of(calls: usize, kind: usize, microseconds: u64) -> usize {
        let mut shared = 0;
        for _ in 0..calls {
            let experience = Experience::of(kind, 30_000);
            if experience.says_alone() {
                continue;
            } else if experience.suggests_sharing() {
                experience.note_shared(Duration::from_micros(microseconds), ALONE);
                shared += 1;
            } else {
                experience.note_alone(ALONE);
            }
        }
        shared
    }

    #[test]
    fn calls_that_gain_are_shared_and_others_are_not() {
        assert!(shared_of(1000, 1, 6) > 980);
        assert!((1..100).contains(&shared_of(1000, 2, 10)));
        // What has changed is noticed.
        assert!(shared_of(1000, 1, 10) < 100);
        assert!(shared_of(1000, 2, 6) > 500);
    }
}
