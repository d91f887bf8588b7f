//! How a commit wakes the sleeping consumer, and how it usually need not.
//!
//! One word carries the number of committed records that nobody has taken yet (low half)
//! and the number at which the sleeper wants to be woken (high half, zero while it is
//! awake). Producer and consumer each do a read-modify-write on that one word: the producer
//! *after* its commit (releasing it), the consumer *before* its last look (acquiring it).
//! Whichever comes second sees the other, so no wake-up is lost, and a push makes no system
//! call unless it is the one that reaches the threshold.

use std::time::Instant;

use crate::sync::{AtomicPtr, AtomicU64, Mutex, Ordering, OwnLine, lock, thread};

const COUNT_MASK: u64 = u32::MAX as u64;
const THRESHOLD_SHIFT: u32 = 32;

/// The threshold of a sleeper that no commit is to wake: only time, or [`Wake::rouse`].
pub const NEVER: u32 = u32::MAX;

/// The wake word, and whom to wake.
#[derive(Debug)]
pub struct Wake {
    word: OwnLine<AtomicU64>,
    sleeper: AtomicPtr<thread::Thread>,
    /// Every thread that ever slept here, so that `sleeper` never dangles. A queue has
    /// one worker and at most a few other callers, so the list stays short.
    #[expect(clippy::vec_box, reason = "the handles must not move: `sleeper` points at them")]
    threads: Mutex<Vec<Box<thread::Thread>>>,
}

impl Default for Wake {
    fn default() -> Self {
        Self {
            word: OwnLine(AtomicU64::new(0)),
            sleeper: AtomicPtr::new(std::ptr::null_mut()),
            threads: Mutex::new(Vec::new()),
        }
    }
}

impl Wake {
    /// Counts one committed record and wakes the sleeper if that is what it waits for.
    ///
    /// `due` is asked only while somebody sleeps: another reason to wake it now.
    #[inline]
    pub fn committed(&self, due: impl FnOnce() -> bool) {
        // Release: publishes our commit to the sleeper's announcement in `sleep`, if that
        // comes later, and to `count`. If it came earlier, we see its threshold, and
        // `rouse` acquires the rest.
        let before = self.word.fetch_add(1, Ordering::Release);
        let threshold = before >> THRESHOLD_SHIFT;
        if threshold != 0 && ((before & COUNT_MASK) + 1 >= threshold || threshold != u64::from(NEVER) && due()) {
            self.rouse();
        }
    }

    /// Takes `count` records off the word, which must hold so many: a count below zero
    /// would borrow from the threshold. [`Taker`](crate::taker::Taker) sees to that.
    pub fn taken(&self, count: u64) {
        // Relaxed: a number; the reader's lock passes it on to the next who takes. As a
        // read-modify-write it leaves the producers' release sequence intact.
        let before = self.word.fetch_sub(count, Ordering::Relaxed);
        debug_assert!(before & COUNT_MASK >= count, "took more records than were counted");
    }

    /// Committed records that nobody has taken.
    #[must_use]
    pub fn count(&self) -> u64 {
        // Acquire: pairs with the Release in `committed`: what was counted is there.
        self.word.load(Ordering::Acquire) & COUNT_MASK
    }

    /// Wakes the sleeper, if somebody sleeps. Call it after the change it should see.
    #[cold]
    pub fn rouse(&self) {
        // AcqRel: pairs with the announcement in `sleep`: Release publishes the caller's
        // change, Acquire sees `sleeper`. Clearing the threshold makes one of many producers
        // the one that pays for the system call.
        let before = self.word.fetch_and(COUNT_MASK, Ordering::AcqRel);
        if before >> THRESHOLD_SHIFT != 0 {
            // If the one that we saw has woken by itself meanwhile, this may be the next one:
            // it finds its threshold standing and parks again. Likewise a token that is left
            // to a thread which was awake already only makes its next park look once more.
            //
            // Acquire: pairs with the Release in `enter`, for that next one: its announcement is
            // not what we have read.
            // loom: cannot tell. The handle is no cell of its, so it may be read unpublished.
            let sleeper = self.sleeper.load(Ordering::Acquire);
            // SAFETY: a threshold is only announced after `sleeper` was set, and the
            // handle it points at lives in `threads` as long as `self`.
            #[expect(unsafe_code, reason = "reads the handle that `threads` keeps alive")]
            unsafe {
                (*sleeper).unpark();
            }
        }
    }

    /// Sleeps until `threshold` records are committed, somebody calls `rouse`, or `until`.
    ///
    /// `ready` is the last look, taken after the announcement: true means do not sleep.
    /// One thread at a time (two would add their thresholds). May return early.
    pub fn sleep(&self, threshold: u32, until: Option<Instant>, ready: impl FnOnce() -> bool) {
        self.enter();
        let announcement = u64::from(threshold.max(1)) << THRESHOLD_SHIFT;
        // AcqRel: see the top of the file for Acquire; Release publishes `sleeper`.
        let before = self.word.fetch_add(announcement, Ordering::AcqRel);
        if before & COUNT_MASK < u64::from(threshold.max(1)) && !ready() {
            // Relaxed: the last statement acquires.
            while self.word.load(Ordering::Relaxed) >> THRESHOLD_SHIFT != 0 {
                if !park_until(until) {
                    break;
                }
            }
        }
        // Awake. Acquire: what the waker changed is seen by the caller's next look.
        self.word.fetch_and(COUNT_MASK, Ordering::Acquire);
    }

    /// Makes this thread the one that `rouse` unparks.
    fn enter(&self) {
        let current = thread::current();
        let mut threads = lock(&self.threads);
        let known = threads.iter().position(|thread| thread.id() == current.id());
        let index = known.unwrap_or_else(|| {
            threads.push(Box::new(current));
            threads.len() - 1
        });
        // Shared, not exclusive: a late `rouse` may be reading the handle.
        let handle = std::ptr::from_ref::<thread::Thread>(&threads[index]).cast_mut();
        // Release: the handle's content before its address.
        // loom: cannot tell, as in `rouse`.
        self.sleeper.store(handle, Ordering::Release);
    }
}

/// Parks; false once `until` has passed.
#[cfg(not(loom))]
fn park_until(until: Option<Instant>) -> bool {
    match until {
        None => thread::park(),
        Some(until) => {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return false;
            }
            thread::park_timeout(rest);
        }
    }
    true
}

/// Loom has no clock: a deadline passes at once, which is at any moment of the others.
#[cfg(loom)]
fn park_until(until: Option<Instant>) -> bool {
    if until.is_none() {
        thread::park();
    }
    until.is_none()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{sync::Arc, thread, time::Duration};

    use super::*;

    #[test]
    fn the_threshold_wakes_and_fewer_do_not() {
        let wake = Arc::new(Wake::default());
        let sleeper = Arc::clone(&wake);
        let slept = thread::spawn(move || {
            sleeper.sleep(3, None, || false);
            sleeper.count()
        });
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(20));
            wake.committed(|| false);
        }
        assert_eq!(slept.join().unwrap(), 3);
        wake.taken(3);
        assert_eq!(wake.count(), 0);
    }

    #[test]
    fn a_deadline_ends_the_sleep() {
        let wake = Wake::default();
        let start = Instant::now();
        wake.sleep(1, Some(start + Duration::from_millis(30)), || false);
        assert!(start.elapsed() >= Duration::from_millis(30));
    }

    #[test]
    fn whom_no_commit_is_to_wake_only_a_rouse_wakes() {
        let wake = Arc::new(Wake::default());
        let sleeper = Arc::clone(&wake);
        let slept = thread::spawn(move || sleeper.sleep(NEVER, None, || false));
        thread::sleep(Duration::from_millis(20));
        wake.committed(|| true);
        thread::sleep(Duration::from_millis(20));
        assert!(!slept.is_finished());
        wake.rouse();
        slept.join().unwrap();
    }

    #[test]
    fn a_last_look_that_finds_something_does_not_sleep() {
        Wake::default().sleep(1, None, || true);
    }
}
