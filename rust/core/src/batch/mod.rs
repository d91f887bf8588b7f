//! A batch: the events of one request, encoded once.
//!
//! The events lie comma-joined in one block of bytes that is never written again; a
//! [`Batch`] is a view of some of them. Splitting, leaving events out, resending: all make
//! further views. How each event ends is kept in the block itself, so an event that two
//! views share still ends exactly once.

mod block;
mod join;
mod marks;
mod shelf;
mod spare;

use std::{ops::Range, sync::Arc};

use block::{Block, Origins};
use marks::Marks;

pub use block::Entry;
pub use spare::Spare;

/// Which entries of its block a view shows, in order.
#[derive(Clone, Debug)]
enum Shown {
    Range(Range<usize>),
    Listed(Arc<[u32]>),
}

/// A view of the events of one request.
#[derive(Clone, Debug)]
pub struct Batch {
    block: Arc<Block>,
    shown: Shown,
}

impl Batch {
    /// Seals `bytes`, comma-joined events as `entries` say. `end_position` is the ring's
    /// position after the last of them; `home` is where the buffer goes in the end.
    #[must_use]
    pub fn seal(bytes: Vec<u8>, entries: Vec<Entry>, end_position: u64, home: Option<Spare>) -> Self {
        let shown = Shown::Range(0..entries.len());
        let (ended, released) = (Marks::new(entries.len()), Marks::new(entries.len()));
        let (entries, origins) = (entries.into_boxed_slice(), Origins::one(end_position));
        let block = Block { bytes, entries, ended, released, origins, home };
        Self { block: Arc::new(block), shown }
    }

    /// How many events it shows.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.shown {
            Shown::Range(range) => range.len(),
            Shown::Listed(list) => list.len(),
        }
    }

    /// Whether it shows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ring's position after the last event of the batch this view was cut from; of
    /// events that were joined, the largest.
    #[must_use]
    pub fn end_position(&self) -> u64 {
        let origins = &self.block.origins;
        origins.only().or_else(|| self.places().map(|place| origins.end_position(place)).max()).unwrap_or(0)
    }

    /// How many of its events come from a batch that ended at or before `mark`, a position of the ring.
    #[must_use]
    pub fn count_before(&self, mark: u64) -> usize {
        let origins = &self.block.origins;
        match origins.only() {
            Some(end_position) if end_position <= mark => self.len(),
            Some(_) => 0,
            None => self.places().filter(|place| origins.end_position(*place) <= mark).count(),
        }
    }

    /// How much memory it keeps: its whole block, whatever it shows of it.
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        self.block.bytes.capacity()
    }

    /// The place in the block of the event shown at `index`.
    fn place(&self, index: usize) -> Option<usize> {
        match &self.shown {
            Shown::Range(range) => {
                let place = range.start.checked_add(index)?;
                (place < range.end).then_some(place)
            }
            Shown::Listed(list) => list.get(index).map(|place| *place as usize),
        }
    }

    fn places(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter_map(|index| self.place(index))
    }

    /// The events shown, in order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.places().filter_map(|place| self.block.entries.get(place))
    }

    /// The JSON of one event.
    #[must_use]
    pub fn event(&self, index: usize) -> Option<&[u8]> {
        let entry = self.block.entries.get(self.place(index)?)?;
        self.bytes(&entry.event)
    }

    /// The id of an entry, as JSON text without its quotes.
    #[must_use]
    pub fn id(&self, entry: &Entry) -> &[u8] {
        self.bytes(&entry.id).unwrap_or_default()
    }

    fn bytes(&self, range: &Range<u32>) -> Option<&[u8]> {
        self.block.bytes.get(range.start as usize..range.end as usize)
    }

    /// The events in as few runs of bytes as the view allows; between two runs a comma is due.
    pub fn runs(&self) -> impl Iterator<Item = &[u8]> {
        let mut places = self.places().peekable();
        std::iter::from_fn(move || {
            let first = places.next()?;
            let mut last = first;
            while let Some(next) = places.next_if_eq(&(last + 1)) {
                last = next;
            }
            let start = self.block.entries.get(first)?.event.start;
            let end = self.block.entries.get(last)?.event.end;
            self.bytes(&(start..end))
        })
    }

    /// The bytes of the events shown and the commas between them.
    #[must_use]
    pub fn joined_bytes(&self) -> usize {
        self.runs().map(|run| run.len() + 1).sum::<usize>().saturating_sub(1)
    }

    /// Where each event shown ends in the joined bytes, and how many bytes it has.
    pub fn ends(&self) -> impl Iterator<Item = (usize, usize)> {
        self.entries().scan(0, |next, entry| {
            let end = *next + entry.bytes();
            *next = end + 1;
            Some((end, entry.bytes()))
        })
    }

    /// A view of the events at `range` of this one; what lies outside is left out.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        let shown = match &self.shown {
            Shown::Range(all) => Shown::Range(all.start + start..all.start + end),
            Shown::Listed(list) => Shown::Listed(list[start..end].into()),
        };
        Self { block: Arc::clone(&self.block), shown }
    }

    /// Two views: the events before `index`, and the rest.
    #[must_use]
    pub fn split_at(&self, index: usize) -> (Self, Self) {
        (self.slice(0..index), self.slice(index..self.len()))
    }

    /// A view without the events at `indices`, which may come in any order, repeat, and
    /// name events that are not there.
    #[must_use]
    pub fn without(&self, indices: &[usize]) -> Self {
        let mut left_out = vec![false; self.len()];
        for index in indices {
            if let Some(mark) = left_out.get_mut(*index) {
                *mark = true;
            }
        }
        let kept = self.places().zip(left_out).filter(|(_, left_out)| !left_out);
        // A block's entries are addressed with 32 bits throughout.
        let list = kept.filter_map(|(place, _)| u32::try_from(place).ok()).collect();
        Self { block: Arc::clone(&self.block), shown: Shown::Listed(list) }
    }

    /// Marks the events shown as ended; returns how many had not ended before.
    #[must_use = "the events must be counted under their end"]
    pub fn end(&self) -> u64 {
        let mut ended = 0;
        self.mark(&self.block.ended, |_| ended += 1);
        ended
    }

    /// Marks the budget of the events shown as given back; returns how many events and
    /// charged bytes that frees.
    #[must_use = "the budget must be given back"]
    pub fn release(&self) -> (u64, u64) {
        let (mut events, mut bytes) = (0, 0);
        self.mark(&self.block.released, |place| {
            events += 1;
            bytes += self.block.entries.get(place).map_or(0, Entry::charge);
        });
        (events, bytes)
    }

    /// What the events shown charge to the budget while they wait.
    #[must_use]
    pub fn charge(&self) -> u64 {
        match &self.shown {
            // Joined, each event but the last already has its comma.
            Shown::Range(range) if !range.is_empty() => self.joined_bytes() as u64 + 1,
            _ => self.entries().map(Entry::charge).sum(),
        }
    }

    /// Marks the events shown; calls `newly` for each that was not marked.
    fn mark(&self, marks: &Marks, mut newly: impl FnMut(usize)) {
        match &self.shown {
            Shown::Range(range) => marks.set(range.clone(), &mut newly),
            Shown::Listed(list) => {
                for place in list.iter().map(|place| *place as usize) {
                    marks.set(place..place + 1, &mut newly);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(events: &[&str]) -> Batch {
        let mut bytes = Vec::new();
        let mut entries = Vec::new();
        for event in events {
            if !bytes.is_empty() {
                bytes.push(b',');
            }
            let start = u32::try_from(bytes.len()).unwrap();
            bytes.extend_from_slice(event.as_bytes());
            let end = u32::try_from(bytes.len()).unwrap();
            entries.push(Entry { event: start..end, id: start..end, token: 0 });
        }
        Batch::seal(bytes, entries, 0, None)
    }

    fn joined(batch: &Batch) -> String {
        let runs: Vec<_> = batch.runs().map(|run| String::from_utf8(run.to_vec()).unwrap()).collect();
        let joined = runs.join(",");
        assert_eq!(joined.len(), batch.joined_bytes());
        joined
    }

    #[test]
    fn views_share_and_join() {
        let all = batch(&["1", "22", "333", "4444"]);
        assert_eq!(joined(&all), "1,22,333,4444");
        assert_eq!(all.runs().count(), 1, "a whole batch is one run");
        let (left, right) = all.split_at(1);
        assert_eq!((joined(&left), joined(&right)), ("1".into(), "22,333,4444".into()));
        let rest = all.without(&[2, 0, 2, 9]);
        assert_eq!(joined(&rest), "22,4444");
        assert_eq!(joined(&rest.slice(1..7)), "4444");
        assert_eq!(joined(&rest.without(&[0, 1])), "");
        assert!(rest.without(&[0, 1]).is_empty());
        assert_eq!(joined(&right.split_at(2).1), "4444");
    }

    #[test]
    fn an_event_ends_once_whatever_view_ends_it() {
        let all = batch(&["1", "22", "333"]);
        assert_eq!(all.slice(1..2).end(), 1);
        assert_eq!(all.end(), 2);
        assert_eq!(all.end(), 0);
        assert_eq!(all.without(&[0]).release(), (2, 3 + 4));
        assert_eq!(all.release(), (1, 2));
        assert_eq!(all.release(), (0, 0));
    }

    #[test]
    fn marks_cross_words() {
        let events: Vec<String> = (0..200).map(|index| index.to_string()).collect();
        let all = batch(&events.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(all.slice(60..130).end(), 70);
        assert_eq!(all.slice(129..200).end(), 70);
        assert_eq!(all.without(&[0, 1]).end(), 58);
        assert_eq!(all.end(), 2);
        let charge = all.charge();
        assert_eq!(all.without(&[]).charge(), charge);
        assert_eq!(all.slice(3..190).release().0 + all.release().0, 200);
    }
}
