//! A push: the verdict on one event, and its place in the ring.

use super::{Cause, Lost, Queue};
use crate::{
    budget::Reservation,
    json::writer,
    outcome::{Dropped, End, Outcome},
    record::Record,
    ring::Ring,
    sync::lock,
    taker::Taker,
    tape::Tape,
};

/// Up to this limit every event is measured: there, the constant text of an event weighs
/// so much that a bound by halves would be no bound.
const ALWAYS_MEASURED_BYTES: usize = 4096;

impl Queue {
    /// Takes the event that `tape` holds (stamps first), or says why not.
    ///
    /// Never waits. Wakes the worker if this event is the one that it waits for. Refusals
    /// are not counted here: the caller may have a policy for them.
    #[inline]
    pub fn push(&self, tape: &Tape) -> Outcome {
        crate::failpoint!("core::push");
        let record = tape.bytes();
        if let Some(bytes) = self.too_large(tape) {
            return Outcome::EventTooLarge(bytes);
        }
        if !self.ring.has_memory(record.len()) {
            return Outcome::NoMemory;
        }
        let footprint = Ring::footprint(record.len());
        match self.budget.reserve(footprint) {
            Reservation::Granted => {}
            Reservation::Closed => return Outcome::Closed,
            Reservation::Full => {
                // The high-water mark, also where the oldest give way and nothing is refused.
                let held = self.budget.held();
                self.counters.level(held.events, held.bytes);
                if !self.settings.drop_oldest || !self.make_room(footprint) {
                    return if self.budget.is_closed() { Outcome::Closed } else { Outcome::QueueFull };
                }
            }
        }
        // Before the commit, so that no event can end before it was counted.
        self.counters.accepted();
        if self.ring.push(record).is_err() {
            // The ring is built to hold whatever the budget admits.
            debug_assert!(false, "the ring was full for an admitted event");
            self.counters.discarded(1, End::Dropped(Dropped::Overflow));
            self.budget.release(1, footprint);
            return Outcome::Accepted;
        }
        self.wake.committed(|| self.ring.backlog_bytes() >= self.trigger_bytes);
        if self.is_attended() { Outcome::Accepted } else { Outcome::Unattended }
    }

    /// The size of an event that is over the limit, as far as it was measured.
    ///
    /// An event that is below half the limit without its escapes is let through unmeasured:
    /// to be too large after all, they would have to double it. Should it be, it fails when it
    /// is encoded, counted and told of.
    #[inline]
    fn too_large(&self, tape: &Tape) -> Option<usize> {
        let limit = self.settings.limits.event_bytes();
        let record = Record::read(tape.bytes());
        let fixed = self.layouts.get(usize::from(record.stamps.shape))?.least_bytes;
        if tape.most_json_unescaped() + fixed <= limit / 2 && limit > ALWAYS_MEASURED_BYTES {
            return None;
        }
        self.measure(&record, limit)
    }

    #[cold]
    fn measure(&self, record: &Record<'_>, limit: usize) -> Option<usize> {
        let bytes = writer::event_len(record, &self.layouts, &self.keys);
        (bytes > limit).then_some(bytes)
    }

    /// Discards the oldest waiting events until `footprint` is reserved. False if that can
    /// never be, somebody else is taking events at this moment, or none is left to discard.
    #[cold]
    fn make_room(&self, footprint: u64) -> bool {
        if footprint > self.budget.bound().bytes {
            return false;
        }
        let Some(mut taker) = Taker::try_new(&self.ring, &self.wake) else { return false };
        loop {
            let Some((token, freed)) = taker.front(|record| (Record::token(record), Ring::footprint(record.len())))
            else {
                return false;
            };
            taker.advance();
            // Before its room can be another's.
            taker.publish();
            self.counters.discarded(1, End::Dropped(Dropped::Overflow));
            self.budget.release(1, freed);
            if token != 0 {
                lock(&self.lost).push(Lost { token, cause: Cause::Overflow });
                self.signal.ring();
            }
            match self.budget.reserve(footprint) {
                Reservation::Granted => return true,
                Reservation::Full => {}
                Reservation::Closed => return false,
            }
        }
    }
}
