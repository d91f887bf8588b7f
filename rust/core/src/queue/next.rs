//! The next batch: when one is due, what goes into it, and how to sleep until then.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{Assembly, Lost, Queue};
use crate::{
    batch::Batch,
    batcher::Fit,
    json::writer,
    outcome::{End, Failed},
    record::Record,
    ring::Ring,
    sync::lock,
};

/// How long to let a producer that is between its reservation and its commit finish.
const COMMIT_PATIENCE: Duration = Duration::from_millis(1);

/// What `next_batch` came back with.
#[derive(Debug)]
#[must_use = "a batch that is not sent is lost"]
pub enum Next {
    /// Events to send.
    Batch(Batch),
    /// Nothing was due in time.
    Timeout,
    /// Somebody rang: flush, close, or interrupt.
    Interrupted,
    /// Closed, and everything accepted has been handed out.
    Closed,
}

/// What a look at the ring found.
enum Look {
    Batch(Batch),
    /// Nothing due: sleep until so many events wait, or until then.
    Wait(u32, Option<Instant>),
    Closed,
}

impl Queue {
    /// The next batch that is due, waiting for it `timeout` at most (`None`: as long as it
    /// takes; zero: not at all, and then interrupts are not looked at either).
    ///
    /// Due is what a flush asked for; everything once closed; the first event; and else
    /// what waits when `flush_at` events or a batch's worth of bytes are there, or an
    /// event has waited for `flush_interval`. Then the batch takes whatever is there, up
    /// to the limits.
    pub fn next_batch(&self, timeout: Option<Duration>) -> Next {
        if timeout == Some(Duration::ZERO) {
            return match self.look() {
                Look::Batch(batch) => Next::Batch(batch),
                Look::Closed => Next::Closed,
                Look::Wait(..) => Next::Timeout,
            };
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let _turn = lock(&self.turn);
        loop {
            let (threshold, until) = match self.look() {
                Look::Batch(batch) => return Next::Batch(batch),
                Look::Closed => return Next::Closed,
                Look::Wait(threshold, until) => (threshold, until),
            };
            if self.signal.notice() {
                return Next::Interrupted;
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Next::Timeout;
            }
            let until = until.into_iter().chain(deadline).min();
            self.wake.sleep(threshold, until, || self.is_due_at_once() || self.signal.is_unseen());
        }
    }

    /// Reasons to look again that may have come up while going to sleep. What the wake
    /// word counts is not among them: that it does itself.
    fn is_due_at_once(&self) -> bool {
        self.has_due_mark() && self.wake.count() > 0 || self.budget.is_closed() && self.is_drained()
    }

    fn has_due_mark(&self) -> bool {
        // Acquire: pairs with the Release in `flush_mark`.
        let mark = self.due_before.load(Ordering::Acquire);
        self.ring.head_position() < mark
    }

    /// Whether every reservation has become a record and every record has left the ring.
    fn is_drained(&self) -> bool {
        // `held` first: a release lowers `outside` before it lowers `held`, so a stale
        // pair errs towards "not drained".
        let held = self.budget.held().events;
        held <= self.outside.load(Ordering::Acquire)
    }

    /// Looks once: takes a batch if one is due.
    fn look(&self) -> Look {
        let mut assembly = lock(&self.assembly);
        let waiting = self.wake.count();
        let now = Instant::now();
        let is_closed = self.budget.is_closed();
        if waiting == 0 {
            assembly.empty_at = now;
            if is_closed {
                return if self.is_drained() { Look::Closed } else { Look::Wait(1, Some(now + COMMIT_PATIENCE)) };
            }
            return Look::Wait(1, None);
        }
        let flush_at = self.settings.flush_at.max(1);
        let until = assembly.empty_at.checked_add(self.settings.flush_interval);
        let is_due = waiting >= u64::from(flush_at)
            || assembly.is_first
            || is_closed
            || self.has_due_mark()
            || self.ring.backlog_bytes() >= self.trigger_bytes
            || until.is_some_and(|until| until <= now);
        if is_due && let Some(batch) = self.assemble(&mut assembly) {
            assembly.is_first = false;
            return Look::Batch(batch);
        }
        if is_due {
            // A record is counted but the one before it is not committed yet.
            return Look::Wait(u32::MAX, Some(now + COMMIT_PATIENCE));
        }
        Look::Wait(flush_at, until)
    }

    /// Encodes what waits, up to the limits and up to the next flush mark.
    fn assemble(&self, assembly: &mut Assembly) -> Option<Batch> {
        let mut reader = self.ring.reader();
        while assembly.marks.front().is_some_and(|mark| *mark <= reader.position()) {
            assembly.marks.pop_front();
        }
        let mark = assembly.marks.front().copied().unwrap_or(u64::MAX);
        let held = self.budget.held();
        self.counters.level(held.events, held.bytes);
        // Never more than were counted: a count below zero would be none.
        let (mut counted, mut passed) = (self.wake.count(), 0);
        let mut added_bytes = 0;
        while reader.position() < mark {
            if passed == counted {
                counted = self.wake.count();
                if passed == counted {
                    break;
                }
            }
            let batcher = &mut assembly.batcher;
            let offered = reader.front(|bytes| {
                let record = Record::read(bytes);
                let write = |out: &mut _| writer::write_event(out, &record, &self.settings.shapes, &self.keys);
                (batcher.offer(record.stamps.token, write), record.stamps.token, Ring::footprint(bytes.len()))
            });
            match offered {
                None | Some((Fit::Full, ..)) => break,
                Some((Fit::Added, _, footprint)) => added_bytes += footprint,
                Some((Fit::TooLarge(_), token, footprint)) => self.fail_too_large(token, footprint),
            }
            reader.advance();
            passed += 1;
        }
        let end_position = reader.position();
        reader.release();
        drop(reader);
        self.wake.taken(passed);
        if passed == counted {
            assembly.empty_at = Instant::now();
        }
        let batch = assembly.batcher.seal(end_position)?;
        let events = batch.len() as u64;
        self.counters.sealed(events);
        self.outside.fetch_add(events, Ordering::AcqRel);
        self.budget.recharge(added_bytes, batch.charge());
        Some(batch)
    }

    /// Ends an event whose escapes made it too large after all.
    #[cold]
    fn fail_too_large(&self, token: u64, footprint: u64) {
        self.counters.discarded(1, End::Failed(Failed::EventTooLarge));
        self.budget.release(1, footprint);
        if token != 0 {
            lock(&self.lost).push(Lost { token, too_large: true });
        }
    }
}
