//! The next batch: when one is due, what goes into it, and how to sleep until then.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{Assembly, Cause, Lost, Queue};
use crate::{
    batch::Batch,
    batcher::{Batcher, Fit},
    json::writer,
    outcome::{End, Failed},
    record::Record,
    ring::Ring,
    sync::lock,
    taker::Taker,
    wake::NEVER,
};

/// How long to let a producer that is between its reservation and its commit finish.
const COMMIT_PATIENCE: Duration = Duration::from_millis(1);

/// How often to look while events keep coming, instead of having a producer wake us.
///
/// Waking a thread costs a producer tens of microseconds on a virtual machine; at 2,000
/// events a second and a `flush_at` of 20 that was every twentieth call. So whoever has
/// seen events looks again by itself, until nothing new came in between.
const LINGER: Duration = Duration::from_millis(25);

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
    /// Something is due and not to be had: a producer is between its reservation and its
    /// commit. Sleep until so many events wait, for [`COMMIT_PATIENCE`] at most.
    Patience(u32),
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
                Look::Wait(..) | Look::Patience(_) => Next::Timeout,
            };
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let _turn = lock(&self.turn);
        loop {
            let (threshold, until, is_patient) = match self.look() {
                Look::Batch(batch) => return Next::Batch(batch),
                Look::Closed => return Next::Closed,
                Look::Wait(threshold, until) => (threshold, until, false),
                Look::Patience(threshold) => (threshold, Instant::now().checked_add(COMMIT_PATIENCE), true),
            };
            if self.signal.notice() {
                return Next::Interrupted;
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Next::Timeout;
            }
            let until = until.into_iter().chain(deadline).min();
            // The patient know what is due: to look again at once would be to spin.
            self.wake.sleep(threshold, until, || self.signal.is_unseen() || !is_patient && self.is_due_at_once());
        }
    }

    /// Reasons to look again that may have come up while going to sleep. `flush_at` is not
    /// among them: the wake word counts by itself.
    fn is_due_at_once(&self) -> bool {
        self.wake.count() > 0 && (self.has_due_mark() || self.has_due_backlog()) || self.budget.is_drained()
    }

    fn has_due_backlog(&self) -> bool {
        self.ring.backlog_bytes() >= self.trigger_bytes
    }

    fn has_due_mark(&self) -> bool {
        // Acquire: pairs with the Release in `flush_mark`.
        let mark = self.due_before.load(Ordering::Acquire);
        !self.has_passed(mark)
    }

    /// Looks once: takes a batch if one is due.
    fn look(&self) -> Look {
        let mut assembly = lock(&self.assembly);
        let waiting = self.wake.count();
        let now = Instant::now();
        let is_closed = self.budget.is_closed();
        let until = self.until(&assembly, now);
        let follows = self.settings.flush_interval.is_zero() && until.is_some_and(|until| until > now);
        let lingers = (assembly.sees_new_events(self.ring.tail()) || follows) && self.settings.flush_at > 1;
        let again = now.checked_add(self.linger()).filter(|_| lingers);
        if waiting == 0 {
            assembly.empty_at = now;
            self.ring.trim();
            if is_closed {
                return if self.budget.is_drained() { Look::Closed } else { Look::Patience(1) };
            }
            return Look::Wait(if lingers { self.crowd_events } else { 1 }, again);
        }
        let is_due = waiting >= u64::from(self.trigger_events)
            || assembly.is_first
            || is_closed
            || self.has_due_mark()
            || self.has_due_backlog()
            || until.is_some_and(|until| until <= now);
        if is_due && let Some(batch) = self.assemble(&mut assembly) {
            assembly.is_first = false;
            assembly.taken_at = Some(now);
            return Look::Batch(batch);
        }
        if is_due {
            // A record is counted but the one before it is not committed yet.
            return Look::Patience(NEVER);
        }
        match again {
            Some(_) => Look::Wait(self.crowd_events, until.into_iter().chain(again).min()),
            None => Look::Wait(self.trigger_events, until),
        }
    }

    /// When what waits is due whatever it is.
    ///
    /// Without an interval that is at once; but what follows a batch on its heels is given
    /// the time to become one, too, or each request would carry an event or two.
    fn until(&self, assembly: &Assembly, now: Instant) -> Option<Instant> {
        if self.settings.flush_interval.is_zero() {
            assembly.taken_at.map_or(Some(now), |taken_at| taken_at.checked_add(LINGER))
        } else {
            assembly.empty_at.checked_add(self.settings.flush_interval)
        }
    }

    /// How long to let events come before the next look: no longer than any may wait, unless
    /// none may. Then that would be no pause, and to look again and again would be to spin.
    fn linger(&self) -> Duration {
        if self.settings.flush_interval.is_zero() { LINGER } else { LINGER.min(self.settings.flush_interval) }
    }

    /// Encodes what waits, up to the limits and up to the next flush mark.
    fn assemble(&self, assembly: &mut Assembly) -> Option<Batch> {
        let mut taker = Taker::new(&self.ring, &self.wake);
        assembly.forget_marks_up_to(taker.position());
        let mark = assembly.marks.front().copied().unwrap_or(u64::MAX);
        let held = self.budget.held();
        self.counters.level(held.events, held.bytes);
        let mut added_bytes = 0;
        // Caught once for a batch, not once for an event. What broke was the writing of the
        // event in front: it goes, and those behind it do not go with it.
        while catch_unwind(AssertUnwindSafe(|| self.fill(&mut assembly.batcher, &mut taker, mark, &mut added_bytes)))
            .is_err()
        {
            assembly.batcher.tidy();
            let broken = taker.front(|bytes| (Record::token(bytes), Ring::footprint(bytes.len())));
            let Some((token, footprint)) = broken else { break };
            self.fail_in_ring(token, footprint, Failed::Internal, Cause::Internal);
            taker.advance();
        }
        let end_position = taker.position();
        if taker.has_taken_all() {
            assembly.empty_at = Instant::now();
        }
        drop(taker);
        let batch = assembly.batcher.seal(end_position)?;
        let events = batch.len() as u64;
        self.counters.sealed(events);
        self.budget.seal(events, added_bytes, batch.charge());
        // JSON that is shorter than its tape makes room.
        self.room.opened();
        Some(batch)
    }

    /// Moves events from the ring into the open batch until it is full or the mark is reached.
    fn fill(&self, batcher: &mut Batcher, taker: &mut Taker<'_>, mark: u64, added_bytes: &mut u64) {
        while taker.position() < mark {
            let offered = taker.front(|bytes| {
                let record = Record::read(bytes);
                let write = |out: &mut _| {
                    crate::failpoint!("core::encode");
                    writer::write_event(out, &record, &self.layouts, &self.keys)
                };
                (batcher.offer(record.stamps.token, write), record.stamps.token, Ring::footprint(bytes.len()))
            });
            match offered {
                None | Some((Fit::Full, ..)) => break,
                Some((Fit::Added, _, footprint)) => *added_bytes += footprint,
                // Its escapes made it too large after all.
                Some((Fit::TooLarge(_), token, footprint)) => {
                    self.fail_in_ring(token, footprint, Failed::EventTooLarge, Cause::TooLarge);
                }
            }
            taker.advance();
        }
    }

    /// Ends an event that cannot be part of any batch.
    #[cold]
    fn fail_in_ring(&self, token: u64, footprint: u64, reason: Failed, cause: Cause) {
        self.counters.discarded(1, End::Failed(reason));
        self.budget.release(1, footprint);
        self.room.opened();
        if token != 0 {
            lock(&self.lost).push(Lost { token, cause });
            self.signal.ring();
        }
    }
}

#[cfg(test)]
#[cfg(all(target_os = "linux", not(miri)))]
mod tests {
    use super::*;
    use crate::{limits::Limits, queue::Settings};

    /// How long this thread has run.
    fn cpu_time() -> Duration {
        let scheduled = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Duration::from_nanos(scheduled.split_whitespace().next().unwrap().parse().unwrap())
    }

    /// What a producer stuck between claim and commit looks like from here: another's record
    /// is counted, and none is to be had.
    #[test]
    fn patience_does_not_spin() {
        let queue = Queue::new(Settings {
            shapes: Vec::new(),
            limits: Limits::new(1000, 10_000, 10, 0).unwrap(),
            max_queue_events: 10,
            max_queue_bytes: 10_000,
            flush_at: 1,
            flush_interval: Duration::MAX,
            flush_first: true,
            drop_oldest: false,
        });
        queue.wake.committed(|| false);
        // A mark behind it makes it due in each way there is, and so does being closed.
        queue.due_before.store(8, Ordering::Release);
        let reserved = queue.budget.reserve(8);
        assert_eq!(reserved, crate::budget::Reservation::Granted);
        for is_closed in [false, true] {
            if is_closed {
                queue.close();
                assert!(matches!(queue.next_batch(None), Next::Interrupted));
            }
            let before = cpu_time();
            assert!(matches!(queue.next_batch(Some(Duration::from_millis(400))), Next::Timeout));
            let spent = cpu_time().saturating_sub(before);
            // A few hundred sleeps take some ten milliseconds; spinning takes all it can get.
            assert!(spent < Duration::from_millis(80), "{spent:?} of 400 ms, closed: {is_closed}");
        }
    }
}
