//! How accepted events end: counted once, then their budget given back once.

use std::sync::atomic::Ordering;

use super::Queue;
use crate::{
    batch::Batch,
    outcome::{Dropped, End},
    record::Record,
    ring::Ring,
};

impl Queue {
    /// Counts the end of those events of `batch` that have not ended; returns how many.
    pub fn settle(&self, batch: &Batch, end: End) -> u64 {
        let ended = batch.end();
        if ended != 0 {
            self.counters.ended(ended, end);
        }
        ended
    }

    /// Gives back what the events of `batch` still charge, and lets blocked producers know.
    pub fn release(&self, batch: &Batch) {
        let (events, bytes) = batch.release();
        if events != 0 {
            // In this order: see `is_drained`.
            self.outside.fetch_sub(events, Ordering::AcqRel);
            self.budget.release(events, bytes);
            self.room.opened();
        }
    }

    /// Drops what waits in the ring; returns the tokens of those who want to know.
    #[must_use = "their callbacks are owed"]
    pub fn purge(&self) -> Vec<u64> {
        let mut reader = self.ring.reader();
        let mut tokens = Vec::new();
        let mut waiting = self.wake.count();
        while waiting != 0 {
            let Some((token, footprint)) =
                reader.front(|record| (Record::token(record), Ring::footprint(record.len())))
            else {
                break;
            };
            reader.advance();
            waiting -= 1;
            self.wake.taken(1);
            self.counters.discarded(1, End::Dropped(Dropped::Purged));
            self.budget.release(1, footprint);
            if token != 0 {
                tokens.push(token);
            }
        }
        reader.release();
        drop(reader);
        self.room.opened();
        tokens
    }
}
