//! Where a blocked producer waits for room in the budget.
//!
//! Nobody comes here while there is room: the budget itself never waits or wakes.

use std::{
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::sync::lock;

/// The waiting room of one queue.
#[derive(Debug, Default)]
pub(crate) struct Room {
    waiting: AtomicU64,
    door: Mutex<()>,
    opened: Condvar,
}

impl Room {
    /// To be called after room was made.
    pub(crate) fn opened(&self) {
        // A read-modify-write on the word that `wait` also modifies, AcqRel on both sides:
        // either it sees our change of the budget, or we see that it waits.
        if self.waiting.fetch_add(0, Ordering::AcqRel) != 0 {
            let _door = lock(&self.door);
            self.opened.notify_all();
        }
    }

    /// Waits until `has_room`, `timeout` at most. Returns what `has_room` said last.
    pub(crate) fn wait(&self, timeout: Duration, mut has_room: impl FnMut() -> bool) -> bool {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let door = lock(&self.door);
        let waited = self.opened.wait_timeout_while(door, timeout, |()| !has_room());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        has_room()
    }
}
