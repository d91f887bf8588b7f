//! Blocks: the bytes of sealed events, and what became of each.

use std::ops::Range;

use super::{marks::Marks, spare::Spare};

/// Where one event lies in its block.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its JSON.
    pub event: Range<u32>,
    /// The text of its id in that JSON, quotes excluded.
    pub id: Range<u32>,
    /// Who wants to know its end; zero for nobody.
    pub token: u64,
}

impl Entry {
    /// How many bytes its JSON has.
    #[must_use]
    pub fn bytes(&self) -> usize {
        (self.event.end - self.event.start) as usize
    }

    /// What it charges to the budget: its JSON and the comma that joins it.
    pub(super) fn charge(&self) -> u64 {
        self.bytes() as u64 + 1
    }
}

/// Bytes and entries that the views of one sealed batch share.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    pub(super) entries: Box<[Entry]>,
    /// Which events have reached their end and were counted.
    pub(super) ended: Marks,
    /// Of which events the budget was given back.
    pub(super) released: Marks,
    pub(super) origins: Origins,
    /// Where `bytes` came from; `None` for a small batch, whose memory is its own.
    pub(super) home: Option<Spare>,
}

/// Where in the ring the events came from: for runs of entries, the place in the block of the
/// first and the ring's position after the last of the batch that they were sealed in.
#[derive(Debug)]
pub(super) struct Origins(Box<[(usize, u64)]>);

impl Origins {
    /// One run for all.
    pub(super) fn one(end_position: u64) -> Self {
        Self([(0, end_position)].into())
    }

    /// The origins of events whose end positions these are, in order.
    pub(super) fn of(end_positions: impl Iterator<Item = u64>) -> Self {
        let mut runs: Vec<(usize, u64)> = Vec::new();
        for (place, end_position) in end_positions.enumerate() {
            if runs.last().is_none_or(|(_, last)| *last != end_position) {
                runs.push((place, end_position));
            }
        }
        Self(runs.into())
    }

    /// The end position of the event at `place`.
    pub(super) fn end_position(&self, place: usize) -> u64 {
        let behind = self.0.partition_point(|(first, _)| *first <= place);
        self.0.get(behind.saturating_sub(1)).map_or(0, |(_, end_position)| *end_position)
    }

    /// The end position of all events, if it is the same.
    pub(super) fn only(&self) -> Option<u64> {
        if let [(_, end_position)] = *self.0 { Some(end_position) } else { None }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.give(std::mem::take(&mut self.bytes));
        }
    }
}
