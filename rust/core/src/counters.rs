//! The accounting: each term of the identity counted where it happens, none derived.
//!
//! `offered = accepted + refused`, and
//! `accepted + adopted = delivered + failed + dropped + handed_over + pending`.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    outcome::{Dropped, End, Failed, Refused},
    sync::OwnLine,
};

/// What was written in place of values that JSON, a strict parser or the vendor cannot take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Floats that are no number: `null`.
    pub nonfinite: u64,
    /// Lone surrogates: U+FFFD.
    pub surrogates: u64,
    /// Integers of more digits than a number may have: a text.
    pub integers: u64,
    /// Texts longer than the vendor's limit: their beginning.
    pub texts: u64,
}

/// Every counter of one queue. They only grow.
#[derive(Debug, Default)]
pub struct Counters {
    /// Public calls that reached us. On a line of its own with `accepted`: both are
    /// written by every push, the rest by nobody in a hurry.
    admission: OwnLine<[AtomicU64; 2]>,
    refused: [AtomicU64; Refused::NAMES.len()],
    adopted: AtomicU64,
    delivered: AtomicU64,
    failed: [AtomicU64; Failed::NAMES.len()],
    dropped: [AtomicU64; Dropped::NAMES.len()],
    handed_over: AtomicU64,
    /// Events in sealed batches that have not ended: a gauge, up at sealing, down at the end.
    sealed: AtomicU64,
    /// Events that wait on disk and not in memory: a gauge, too.
    spooled: AtomicU64,
    batches: AtomicU64,
    nonfinite: AtomicU64,
    surrogates: AtomicU64,
    integers: AtomicU64,
    texts: AtomicU64,
    ids: AtomicU64,
    max_held_events: AtomicU64,
    max_held_bytes: AtomicU64,
}

// Relaxed but for the ends: each is a number by itself; what orders an event's life is the ring.
impl Counters {
    /// One public call.
    #[inline]
    pub fn offered(&self) {
        self.admission[0].fetch_add(1, Ordering::Relaxed);
    }

    /// One event admitted.
    #[inline]
    pub fn accepted(&self) {
        self.admission[1].fetch_add(1, Ordering::Relaxed);
    }

    /// One call refused.
    pub fn refused(&self, reason: Refused) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Events sealed into a batch.
    pub fn sealed(&self, events: u64) {
        self.sealed.fetch_add(events, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    /// Events of sealed batches that ended.
    pub fn ended(&self, events: u64, end: End) {
        self.end(events, end);
        self.sealed.fetch_sub(events, Ordering::Relaxed);
    }

    /// Events of sealed batches that wait on disk from now on, and not in memory.
    pub fn shelved(&self, events: u64) {
        // The new gauge first: an event in both for a moment is never in neither.
        self.spooled.fetch_add(events, Ordering::Relaxed);
        self.sealed.fetch_sub(events, Ordering::Relaxed);
    }

    /// Events that were read from disk and are a sealed batch again.
    pub fn restored(&self, events: u64) {
        self.sealed.fetch_add(events, Ordering::Relaxed);
        self.spooled.fetch_sub(events, Ordering::Relaxed);
    }

    /// Events of an earlier process, found on disk.
    pub fn adopted(&self, events: u64) {
        self.adopted.fetch_add(events, Ordering::Relaxed);
        self.spooled.fetch_add(events, Ordering::Relaxed);
    }

    /// Events that ended on disk, without being read again.
    pub fn ended_on_disk(&self, events: u64, end: End) {
        self.end(events, end);
        self.spooled.fetch_sub(events, Ordering::Relaxed);
    }

    /// Events that were taken out of the ring without ever being sealed.
    pub fn discarded(&self, events: u64, end: End) {
        self.end(events, end);
    }

    fn end(&self, events: u64, end: End) {
        let counter = match end {
            End::Delivered => &self.delivered,
            End::Failed(reason) => &self.failed[reason as usize],
            End::Dropped(reason) => &self.dropped[reason as usize],
            End::HandedOver => &self.handed_over,
        };
        // Release: pairs with the Acquire in `read`. Whoever sees an end sees the acceptance,
        // which the ring has passed on to us.
        counter.fetch_add(events, Ordering::Release);
    }

    /// What was replaced in an event that was admitted.
    #[inline]
    pub fn replaced(&self, replaced: Replaced) {
        if replaced != Replaced::default() {
            self.add_replaced(replaced);
        }
    }

    #[cold]
    fn add_replaced(&self, replaced: Replaced) {
        let Replaced { nonfinite, surrogates, integers, texts } = replaced;
        for (counter, count) in [
            (&self.nonfinite, nonfinite),
            (&self.surrogates, surrogates),
            (&self.integers, integers),
            (&self.texts, texts),
        ] {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// An id of the caller's that the vendor would not take and that a fresh one stands for.
    pub fn replaced_id(&self) {
        self.ids.fetch_add(1, Ordering::Relaxed);
    }

    /// Raises the high-water marks. Called where the level falls next (a seal) or could
    /// not rise (a full queue), which is where it peaks.
    pub fn level(&self, events: u64, bytes: u64) {
        self.max_held_events.fetch_max(events, Ordering::Relaxed);
        self.max_held_bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    /// Every counter with its name, terminal ones first: read in this order, what has
    /// ended never exceeds what was accepted, whatever happens in between.
    #[must_use]
    pub fn read(&self) -> Vec<(String, u64)> {
        let mut rows = Vec::with_capacity(40);
        let mut row = |name: String, counter: &AtomicU64| rows.push((name, counter.load(Ordering::Acquire)));
        row("delivered".into(), &self.delivered);
        for (name, reason) in Failed::NAMES {
            row(format!("failed.{name}"), &self.failed[reason as usize]);
        }
        for (name, reason) in Dropped::NAMES {
            row(format!("dropped.{name}"), &self.dropped[reason as usize]);
        }
        row("handed_over".into(), &self.handed_over);
        row("sealed".into(), &self.sealed);
        row("spooled".into(), &self.spooled);
        row("batches".into(), &self.batches);
        row("adopted".into(), &self.adopted);
        for (name, reason) in Refused::NAMES {
            row(format!("refused.{name}"), &self.refused[reason as usize]);
        }
        row("accepted".into(), &self.admission[1]);
        row("offered".into(), &self.admission[0]);
        row("replaced.nonfinite".into(), &self.nonfinite);
        row("replaced.surrogate".into(), &self.surrogates);
        row("replaced.integer".into(), &self.integers);
        row("replaced.text".into(), &self.texts);
        row("replaced.id".into(), &self.ids);
        row("max_reserved_events".into(), &self.max_held_events);
        row("max_reserved_bytes".into(), &self.max_held_bytes);
        rows
    }
}
