//! What may wait in memory: events and bytes, reserved and released in one atomic step.
//!
//! One word holds both: 24 bits of events above 40 bits of bytes. A reservation is the
//! gate of admission: whoever holds one has room in the ring, so its push cannot fail.

use crate::sync::{AtomicU64, Ordering, OwnLine};

const BYTES_BITS: u32 = 40;
/// The highest of the 40 bits says that the budget is closed, so that closing and
/// reserving are ordered by the one word.
const CLOSED: u64 = 1 << (BYTES_BITS - 1);
const BYTES_MASK: u64 = CLOSED - 1;

/// The most events a budget can be bound to (24 bits).
pub const MAX_EVENTS: u64 = (1 << 24) - 1;
/// The most bytes a budget can be bound to: 64 GiB. What is left of the 39 bits is for
/// growth at sealing, since JSON can be six times its tape.
pub const MAX_BYTES: u64 = 1 << 36;

/// What a producer was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a reservation that is not used must be released"]
pub enum Reservation {
    /// Reserved.
    Granted,
    /// No slot or no bytes left; nothing was reserved.
    Full,
    /// Closed; nothing was reserved.
    Closed,
}

/// Events and bytes held at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Events between acceptance and their end.
    pub events: u64,
    /// Their bytes: tape while in the ring, JSON once sealed.
    pub bytes: u64,
}

impl Held {
    fn unpack(word: u64) -> Self {
        Self { events: word >> BYTES_BITS, bytes: word & BYTES_MASK }
    }

    fn pack(self) -> u64 {
        (self.events << BYTES_BITS) | self.bytes
    }
}

/// The bound on what a queue holds.
#[derive(Debug)]
pub struct Budget {
    held: OwnLine<AtomicU64>,
    /// How many of the events held have left the ring in a batch.
    sealed: AtomicU64,
    bound: Held,
}

impl Budget {
    /// A budget of `max_events` and `max_bytes`, clamped to what one word can count.
    #[must_use]
    pub fn new(max_events: u64, max_bytes: u64) -> Self {
        let bound = Held { events: max_events.min(MAX_EVENTS), bytes: max_bytes.min(MAX_BYTES) };
        Self { held: OwnLine(AtomicU64::new(0)), sealed: AtomicU64::new(0), bound }
    }

    /// Reserves one event of `bytes`, or nothing.
    #[inline]
    pub fn reserve(&self, bytes: u64) -> Reservation {
        let mut word = self.held.load(Ordering::Relaxed);
        loop {
            let held = Held::unpack(word);
            if word & CLOSED != 0 {
                return Reservation::Closed;
            }
            if held.events >= self.bound.events || held.bytes + bytes > self.bound.bytes {
                return Reservation::Full;
            }
            let wanted = Held { events: held.events + 1, bytes: held.bytes + bytes }.pack();
            // Acquire: pairs with the Release in `release` and `seal`: whoever has the room
            // sees the head that left it, so that its push finds an address.
            match self.held.compare_exchange_weak(word, wanted, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Reservation::Granted,
                Err(now) => word = now,
            }
        }
    }

    /// Grants nothing any more. Reservations made before stay until they are released.
    pub fn close(&self) {
        // Relaxed: every reservation is either before this, and seen by whoever sees this, or
        // refused. One word needs no help to be in order with itself.
        self.held.fetch_or(CLOSED, Ordering::Relaxed);
    }

    /// Whether [`Budget::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // Relaxed: see `close`.
        self.held.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Changes the bytes charged to `events` that have left the ring in a batch: tape has
    /// become JSON. To be called once the ring's head is published.
    ///
    /// Never refused: an accepted event is not un-accepted because its JSON is longer.
    pub fn seal(&self, events: u64, before: u64, after: u64) {
        // Relaxed: too low for a moment only means "not drained yet".
        self.sealed.fetch_add(events, Ordering::Relaxed);
        if after >= before {
            self.held.fetch_add(after - before, Ordering::Relaxed);
        } else {
            // Release: as in `release`, for this makes room too.
            self.held.fetch_sub(before - after, Ordering::Release);
        }
    }

    /// Gives back `events` of a batch, now holding `bytes`.
    pub fn release_sealed(&self, events: u64, bytes: u64) {
        // Before `held`, and Relaxed, since the Release there publishes it: see `is_drained`.
        self.sealed.fetch_sub(events, Ordering::Relaxed);
        self.release(events, bytes);
    }

    /// Whether nothing can come out of the ring any more: the budget is closed, every
    /// reservation has become a record, and every record has left.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        // Acquire: pairs with the Release in `release`: whoever sees a release here sees its
        // events gone from `sealed` below. So events are never missed, at worst they are
        // seen a moment too long.
        let word = self.held.load(Ordering::Acquire);
        word & CLOSED != 0 && Held::unpack(word).events <= self.sealed.load(Ordering::Relaxed)
    }

    /// Gives back `events` holding `bytes`.
    pub fn release(&self, events: u64, bytes: u64) {
        // Release: pairs with the Acquires in `reserve` and `is_drained`.
        let before = self.held.fetch_sub(Held { events, bytes }.pack(), Ordering::Release);
        debug_assert!(Held::unpack(before).events >= events, "released more events than were held");
        debug_assert!(Held::unpack(before).bytes >= bytes, "released more bytes than were held");
    }

    /// What is held now.
    #[must_use]
    pub fn held(&self) -> Held {
        // Relaxed: two numbers of one moment.
        Held::unpack(self.held.load(Ordering::Relaxed))
    }

    /// The bound.
    #[must_use]
    pub fn bound(&self) -> Held {
        self.bound
    }

    /// Whether a blocked producer should try again: an eighth of the bound is free, or
    /// `bytes`, whichever is more. Waking it for less would have producer and sender take
    /// turns event by event.
    #[must_use]
    pub fn has_room(&self, bytes: u64) -> bool {
        let held = self.held();
        let events = (self.bound.events / 8).max(1);
        let bytes = (self.bound.bytes / 8).max(bytes).min(self.bound.bytes);
        held.events + events <= self.bound.events && held.bytes + bytes <= self.bound.bytes
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    use Reservation::{Closed, Full, Granted};

    #[test]
    fn a_reservation_takes_both_or_nothing() {
        let budget = Budget::new(2, 100);
        assert_eq!(budget.reserve(60), Granted);
        assert_eq!(budget.reserve(41), Full, "41 bytes over a rest of 40");
        assert_eq!(budget.held(), Held { events: 1, bytes: 60 });
        assert_eq!(budget.reserve(40), Granted);
        assert_eq!(budget.reserve(0), Full, "no third event");
        budget.release(2, 100);
        assert_eq!(budget.held(), Held::default());
    }

    #[test]
    fn bounds_are_what_one_word_can_count() {
        let bound = Budget::new(u64::MAX, u64::MAX).bound();
        assert_eq!(bound, Held { events: 16_777_215, bytes: 68_719_476_736 });
    }

    #[test]
    fn sealing_may_pass_the_bound_and_then_nothing_more_is_admitted() {
        let budget = Budget::new(10, 100);
        assert_eq!(budget.reserve(90), Granted);
        budget.seal(1, 90, 130);
        assert_eq!(budget.held().bytes, 130);
        assert_eq!(budget.reserve(0), Full);
        budget.seal(0, 130, 20);
        assert_eq!(budget.reserve(80), Granted);
    }

    #[test]
    fn a_closed_budget_keeps_what_it_holds_and_grants_nothing() {
        let budget = Budget::new(10, 100);
        assert_eq!(budget.reserve(90), Granted);
        assert!(!budget.is_closed());
        budget.close();
        assert_eq!(budget.reserve(1), Closed);
        assert_eq!(budget.held(), Held { events: 1, bytes: 90 });
        budget.release(1, 90);
        assert_eq!((budget.held(), budget.is_closed()), (Held::default(), true));
    }

    #[test]
    fn drained_is_closed_with_nothing_held_outside_a_batch() {
        let budget = Budget::new(10, 100);
        assert!(!budget.is_drained(), "open");
        assert_eq!((budget.reserve(10), budget.reserve(10)), (Granted, Granted));
        budget.seal(1, 10, 30);
        assert!(!budget.is_drained());
        budget.close();
        assert!(!budget.is_drained(), "one is in the ring");
        budget.release_sealed(1, 30);
        assert!(!budget.is_drained(), "still is");
        budget.seal(1, 10, 5);
        assert!(budget.is_drained());
        budget.release_sealed(1, 5);
        assert!(budget.is_drained() && budget.held() == Held::default());
    }

    #[test]
    fn room_is_an_eighth_of_the_bound_or_the_bytes_asked_for() {
        let budget = Budget::new(16, 1600);
        for _ in 0..15 {
            assert_eq!(budget.reserve(100), Granted);
        }
        assert!(!budget.has_room(0), "one event free of sixteen is less than an eighth");
        budget.release(1, 100);
        assert!(budget.has_room(200));
        assert!(!budget.has_room(201));
        // Each of the two by itself.
        let (events, bytes) = (Budget::new(16, 1_000_000), Budget::new(1000, 1600));
        for _ in 0..15 {
            assert_eq!(events.reserve(100), Granted);
        }
        assert!(!events.has_room(0), "one event of sixteen");
        assert_eq!(bytes.reserve(1401), Granted);
        assert!(!bytes.has_room(0), "199 bytes of 1600");
        let single = Budget::new(1, 8);
        assert!(single.has_room(8));
        assert_eq!(single.reserve(8), Granted);
        assert!(!single.has_room(1));
    }
}
