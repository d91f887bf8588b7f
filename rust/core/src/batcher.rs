//! Size-bounded batch assembly.
//!
//! A [`Batcher`] is a plain state machine: no clock, no thread, no queue. Offer it events
//! and it says when the next one would not fit; what it then seals is never empty and
//! never over its [`Limits`]. When to seal a batch that still has room is the caller's
//! business.

use std::ops::Range;

use crate::{
    batch::{Batch, Entry, Spare},
    limits::Limits,
};

/// What became of an offered event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is in the batch.
    Added,
    /// The batch has no room for it: seal, then offer it again.
    Full,
    /// It is over the limit of one event, and no batch will ever have room for it. It
    /// has this many bytes.
    TooLarge(usize),
}

/// Groups events into batches that never exceed their limits.
#[derive(Debug)]
pub struct Batcher {
    limits: Limits,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    spare: Spare,
}

impl Batcher {
    /// An empty batcher.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, bytes: Vec::new(), entries: Vec::new(), spare: Spare::default() }
    }

    /// How many events the open batch holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the open batch holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Offers one event: `write` appends its JSON and returns where its id lies. What it
    /// wrote is taken back unless the event was added.
    #[must_use = "an event that was not added is not in the batch"]
    pub fn offer(&mut self, token: u64, write: impl FnOnce(&mut Vec<u8>) -> Range<usize>) -> Fit {
        if self.entries.len() >= self.limits.batch_events() {
            return Fit::Full;
        }
        if self.bytes.capacity() == 0 && !self.open() {
            // Nothing is lost: it stays where it is, and is offered again.
            return Fit::Full;
        }
        let open = self.bytes.len();
        if !self.is_empty() {
            self.bytes.push(b',');
        }
        let start = self.bytes.len();
        let id = write(&mut self.bytes);
        let end = self.bytes.len();
        if end - start > self.limits.event_bytes() {
            self.bytes.truncate(open);
            return Fit::TooLarge(end - start);
        }
        if end > self.limits.joined_bytes() {
            self.bytes.truncate(open);
            return Fit::Full;
        }
        self.entries.push(Entry { event: narrow(start..end), id: narrow(id), token });
        Fit::Added
    }

    /// Takes back what was written of an event whose writing broke off.
    pub fn tidy(&mut self) {
        self.bytes.truncate(self.entries.last().map_or(0, |last| last.event.end as usize));
    }

    /// Closes the open batch and starts the next; `None` if it is empty.
    #[must_use = "a batch that is not sent is lost"]
    pub fn seal(&mut self, end_position: u64) -> Option<Batch> {
        if self.is_empty() {
            return None;
        }
        let next = Vec::with_capacity(self.entries.len());
        let entries = std::mem::replace(&mut self.entries, next);
        if self.bytes.len() < KEPT_BYTES {
            // A small batch takes a copy along, and the buffer stays for the next.
            let bytes = self.bytes.as_slice().into();
            self.bytes.clear();
            return Some(Batch::seal(bytes, entries, end_position, None));
        }
        let bytes = std::mem::take(&mut self.bytes);
        Some(Batch::seal(bytes, entries, end_position, Some(self.spare.clone())))
    }

    #[cold]
    fn open(&mut self) -> bool {
        self.bytes = self.spare.take().unwrap_or_default();
        self.bytes.try_reserve(self.limits.joined_bytes().min(FIRST_BYTES)).is_ok()
    }
}

/// What a batch reserves before its first event, so that a full one of the usual size
/// (500 KB and the event that did not fit) never moves.
const FIRST_BYTES: usize = 560 * 1024;
/// Below this a batch is copied out of the buffer rather than handed over with it.
const KEPT_BYTES: usize = 64 * 1024;

/// Limits keep a batch below 4 GiB, so its offsets fit 32 bits.
fn narrow(range: Range<usize>) -> Range<u32> {
    let narrow = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
    narrow(range.start)..narrow(range.end)
}
