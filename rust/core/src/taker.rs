//! Taking records: the ring's reader and the wake word's count as one role.
//!
//! A producer commits to the ring first and counts second, so for a moment the ring holds
//! more than the word counts. Whoever takes therefore takes no more than were counted, and
//! takes them off the word *before* it gives the role back: the next one would else find
//! them counted still, take records that are not, and bring the count below zero.

use crate::{
    ring::{Reader, Ring},
    wake::Wake,
};

/// The consumer's role in both, held.
#[derive(Debug)]
pub struct Taker<'a> {
    reader: Reader<'a>,
    wake: &'a Wake,
    /// How many may be taken, as far as was looked.
    counted: u64,
    /// How many were taken and not published.
    taken: u64,
}

impl<'a> Taker<'a> {
    /// Takes the role, waiting while somebody else has it.
    pub fn new(ring: &'a Ring, wake: &'a Wake) -> Self {
        Self { reader: ring.reader(), wake, counted: 0, taken: 0 }
    }

    /// Takes the role if nobody has it.
    pub fn try_new(ring: &'a Ring, wake: &'a Wake) -> Option<Self> {
        Some(Self { reader: ring.try_reader()?, wake, counted: 0, taken: 0 })
    }

    /// Shows the oldest record, committed and counted, to `read`, without taking it.
    pub fn front<R>(&mut self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if self.has_taken_all() {
            self.counted = self.wake.count();
            if self.has_taken_all() {
                return None;
            }
        }
        self.reader.front(read)
    }

    /// Takes the record that `front` showed.
    pub fn advance(&mut self) {
        self.reader.advance();
        self.taken += 1;
    }

    /// Whether it has taken every record that it knows was counted.
    #[must_use]
    pub fn has_taken_all(&self) -> bool {
        self.taken == self.counted
    }

    /// The position of the next record.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.reader.position()
    }

    /// Lets everybody know what was taken so far.
    pub fn publish(&mut self) {
        self.reader.release();
        self.wake.taken(self.taken);
        self.counted -= self.taken;
        self.taken = 0;
    }
}

impl Drop for Taker<'_> {
    fn drop(&mut self) {
        // Still with the reader's lock, which is a field and dropped after this.
        self.publish();
    }
}
