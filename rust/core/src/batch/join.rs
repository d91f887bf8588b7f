//! Joining: the events of several views in a block of their own.
//!
//! Many small batches become one request, and a small view lets go of the large block it
//! was cut from. Bytes are copied; nothing is encoded.

use std::{ops::Range, sync::Arc};

use super::{
    Batch, Shown,
    block::{Block, Entry, Origins},
    marks::Marks,
};
use crate::error::JoinError;

impl Batch {
    /// The events of `views`, in order, with their ids, tokens, charges and end positions.
    ///
    /// They move: what has not ended, or not given its budget back, does so in the new batch.
    /// From now on the views join, show and measure as before, but to end or to release them
    /// does nothing.
    ///
    /// # Errors
    /// The views show nothing, or more bytes than a batch can hold.
    pub fn join(views: &[Self]) -> Result<Self, JoinError> {
        let events: usize = views.iter().map(Self::len).sum();
        if events == 0 {
            return Err(JoinError::Empty);
        }
        let len = views.iter().filter(|view| !view.is_empty()).map(|view| view.joined_bytes() + 1).sum::<usize>() - 1;
        // An offset in a block is 32 bits wide.
        if len > u32::MAX as usize {
            return Err(JoinError::TooLarge { bytes: len });
        }
        let mut bytes = Vec::with_capacity(len);
        let mut entries = Vec::with_capacity(events);
        let (ended, released) = (Marks::new(events), Marks::new(events));
        for view in views {
            for (place, entry) in view.placed() {
                if !entries.is_empty() {
                    bytes.push(b',');
                }
                let start = bytes.len();
                bytes.extend_from_slice(view.bytes(&entry.event).unwrap_or_default());
                for (old, new) in [(&view.block.ended, &ended), (&view.block.released, &released)] {
                    if old.set_one(place) {
                        new.set_one(entries.len());
                    }
                }
                entries.push(entry.moved_to(start));
            }
        }
        let origins = views.iter().flat_map(|view| view.places().map(|place| view.block.origins.end_position(place)));
        let block =
            Block { origins: Origins::of(origins), bytes, entries: entries.into(), ended, released, home: None };
        Ok(Self { block: Arc::new(block), shown: Shown::Range(0..events) })
    }

    /// The events shown, in order, with their places in the block.
    fn placed(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.places().filter_map(|place| self.block.entries.get(place).map(|entry| (place, entry)))
    }
}

impl Entry {
    /// The same event where it begins at `start`.
    fn moved_to(&self, start: usize) -> Self {
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        let moved = |range: &Range<u32>| {
            let place = |offset: u32| start.saturating_add(offset.saturating_sub(self.event.start));
            place(range.start)..place(range.end)
        };
        Self { event: moved(&self.event), id: moved(&self.id), token: self.token }
    }
}
