//! Marks: for each event of a block, whether something has happened to it that happens once.

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

const WORD_BITS: usize = u64::BITS as usize;

/// A bit for each event of a block, set once.
#[derive(Debug)]
pub(super) struct Marks(Box<[AtomicU64]>);

impl Marks {
    pub(super) fn new(events: usize) -> Self {
        Self((0..events.div_ceil(WORD_BITS)).map(|_| AtomicU64::new(0)).collect())
    }

    /// Sets the bit of one event; true if it was set before.
    pub(super) fn set_one(&self, place: usize) -> bool {
        let mut was_set = true;
        self.set(place..place + 1, &mut |_| was_set = false);
        was_set
    }

    /// Sets the bits of `range`, a word at a time; calls `newly` for each that was not set.
    pub(super) fn set(&self, range: Range<usize>, newly: &mut impl FnMut(usize)) {
        let mut next = range.start;
        while next < range.end {
            let (word, first) = (next / WORD_BITS, next % WORD_BITS);
            let bits = (range.end - next).min(WORD_BITS - first);
            let mask = (u64::MAX >> (WORD_BITS - bits)) << first;
            if let Some(marks) = self.0.get(word) {
                // AcqRel, paired with itself: whoever marks first does so once; what it did before
                // is seen by whoever finds the mark.
                let mut fresh = mask & !marks.fetch_or(mask, Ordering::AcqRel);
                while fresh != 0 {
                    newly(word * WORD_BITS + fresh.trailing_zeros() as usize);
                    fresh &= fresh - 1;
                }
            }
            next += bits;
        }
    }
}
