//! How accepted events end: counted once, then their budget given back once.

use super::Queue;
use crate::{
    batch::Batch,
    outcome::{Dropped, End},
    record::Record,
    ring::Ring,
    taker::Taker,
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

    /// Has the events of `batch` that have not ended wait on disk from now on: they have left
    /// this batch, and give their budget back. Returns how many.
    pub fn shelve(&self, batch: &Batch) -> u64 {
        let shelved = batch.end();
        self.counters.shelved(shelved);
        self.release(batch);
        shelved
    }

    /// Gives back what the events of `batch` still charge, and lets blocked producers know.
    pub fn release(&self, batch: &Batch) {
        let (events, bytes) = batch.release();
        if events != 0 {
            self.budget.release_sealed(events, bytes);
            self.room.opened();
        }
    }

    /// Drops what waits in the ring; returns the tokens of those who want to know.
    #[must_use = "their callbacks are owed"]
    pub fn purge(&self) -> Vec<u64> {
        let mut tokens = Vec::new();
        let (mut events, mut bytes) = (0, 0);
        let mut taker = Taker::new(&self.ring, &self.wake);
        // So many and no more, or a busy producer could keep us here.
        for _ in 0..self.wake.count() {
            let Some((token, footprint)) = taker.front(|record| (Record::token(record), Ring::footprint(record.len())))
            else {
                break;
            };
            taker.advance();
            (events, bytes) = (events + 1, bytes + footprint);
            if token != 0 {
                tokens.push(token);
            }
        }
        drop(taker);
        self.counters.discarded(events, End::Dropped(Dropped::Purged));
        self.budget.release(events, bytes);
        self.room.opened();
        tokens
    }
}
