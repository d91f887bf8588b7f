//! A tap on the shoulder: an epoch that each waiting thread notices once.
//!
//! Flush, close and interrupt ring; threads in `next_batch` or `pause` come back to look at
//! the world anew. Because each thread remembers the epoch it saw last, a ring between its
//! last look and its next wait is not lost.

use std::{
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, ThreadId},
    time::Duration,
};

use crate::sync::lock;

/// The epoch and its waiters.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    epoch: AtomicU64,
    /// The epoch that each thread saw last. Only threads that wait are here: the worker's.
    seen: Mutex<Vec<(ThreadId, u64)>>,
    changed: Condvar,
}

impl Signal {
    /// Raises the epoch and wakes the threads in `wait`.
    pub(crate) fn ring(&self) {
        let _seen = lock(&self.seen);
        // AcqRel: what changed before the ring is seen by whoever notices it.
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_all();
    }

    /// Whether the epoch rose since this thread last noticed. Does not notice.
    pub(crate) fn is_unseen(&self) -> bool {
        let epoch = self.epoch.load(Ordering::Acquire);
        last_seen(&lock(&self.seen)) != epoch
    }

    /// Whether the epoch rose since this thread last noticed; notices.
    pub(crate) fn notice(&self) -> bool {
        let mut seen = lock(&self.seen);
        let epoch = self.epoch.load(Ordering::Acquire);
        notice(&mut seen, epoch)
    }

    /// Waits until the epoch rises, `timeout` at most; notices. True if it rose.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        let seen = lock(&self.seen);
        let unchanged = |seen: &mut Vec<_>| last_seen(seen) == self.epoch.load(Ordering::Acquire);
        let mut seen = match timeout {
            None => self.changed.wait_while(seen, unchanged).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = self.changed.wait_timeout_while(seen, timeout, unchanged);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        notice(&mut seen, self.epoch.load(Ordering::Acquire))
    }
}

fn last_seen(seen: &[(ThreadId, u64)]) -> u64 {
    let current = thread::current().id();
    seen.iter().find(|(thread, _)| *thread == current).map_or(0, |(_, epoch)| *epoch)
}

fn notice(seen: &mut Vec<(ThreadId, u64)>, epoch: u64) -> bool {
    let current = thread::current().id();
    if let Some((_, last)) = seen.iter_mut().find(|(thread, _)| *thread == current) {
        return std::mem::replace(last, epoch) != epoch;
    }
    seen.push((current, epoch));
    epoch != 0
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Instant};

    use super::*;

    #[test]
    fn a_ring_before_the_wait_is_not_lost() {
        let signal = Signal::default();
        assert!(!signal.notice());
        signal.ring();
        assert!(signal.is_unseen());
        assert!(signal.wait(None));
        assert!(!signal.notice());
        assert!(!signal.wait(Some(Duration::from_millis(1))));
    }

    #[test]
    fn every_thread_notices_each_ring_once() {
        let signal = Arc::new(Signal::default());
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let signal = Arc::clone(&signal);
                thread::spawn(move || signal.wait(Some(Duration::from_secs(30))))
            })
            .collect();
        let start = Instant::now();
        signal.ring();
        assert!(waiting.into_iter().all(|thread| thread.join().unwrap()));
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}
