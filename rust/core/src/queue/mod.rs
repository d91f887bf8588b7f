//! The queue: ring, budget, wake and batcher as one thing that takes events and gives batches.
//!
//! `push` is any thread's and never waits. `next_batch` is the worker's. In between stand
//! three small locks, none of them on the path of a push: the *turn* (who sleeps), the
//! *assembly* (who builds a batch), and the ring's reader (who takes records). Whoever takes
//! several takes them in that order.

mod ends;
mod next;
mod push;

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

pub use next::Next;

use crate::{
    batcher::Batcher,
    budget::Budget,
    counters::Counters,
    keys::Keys,
    layout::Layout,
    limits::Limits,
    ring::Ring,
    room::Room,
    shape::Shape,
    signal::Signal,
    sync::{Mutex, lock},
    wake::Wake,
};

/// What a queue is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The kinds of events it takes; a record names its own by index.
    pub shapes: Vec<Shape>,
    /// The vendor's limits.
    pub limits: Limits,
    /// The most events between acceptance and end.
    pub max_queue_events: u64,
    /// The most bytes of them.
    pub max_queue_bytes: u64,
    /// How many waiting events trigger a batch.
    pub flush_at: u32,
    /// How long an event may wait for others.
    pub flush_interval: Duration,
    /// Whether the first event goes at once.
    pub flush_first: bool,
    /// Whether a full queue drops its oldest event rather than refuse the new one.
    pub drop_oldest: bool,
}

/// Takes events, gives batches, accounts for both.
#[derive(Debug)]
pub struct Queue {
    settings: Settings,
    /// The shapes, ready.
    layouts: Box<[Layout]>,
    /// So many waiting events are a batch: `flush_at`, or all that may wait or be in one if
    /// that is less.
    trigger_events: u32,
    /// So many waiting events wake a worker that would look again by itself soon: a full
    /// batch, or half of what may wait.
    crowd_events: u32,
    /// A backlog of so many ring bytes is a batch, whatever `flush_at` says.
    trigger_bytes: u64,
    ring: Ring,
    budget: Budget,
    wake: Wake,
    keys: Keys,
    counters: Counters,
    /// Whether a worker has announced itself.
    attended: AtomicBool,
    /// The latest flush mark: what lies before it is due.
    due_before: AtomicU64,
    turn: Mutex<()>,
    assembly: Mutex<Assembly>,
    signal: Signal,
    room: Room,
    /// Tokens of events that ended without being in a batch.
    lost: Mutex<Vec<Lost>>,
}

/// An event that ended in the ring, and that somebody wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The token it carried.
    pub token: u64,
    /// Why.
    pub cause: Cause,
}

/// Why an event ended in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Dropped to make room.
    Overflow,
    /// Found too large when it was encoded.
    TooLarge,
    /// A fault of ours when it was encoded.
    Internal,
}

/// What building batches needs to remember between two of them.
#[derive(Debug)]
struct Assembly {
    batcher: Batcher,
    /// Flush marks not yet passed, in order: no batch holds events from both sides of one.
    marks: VecDeque<u64>,
    /// When the ring was last seen empty: no waiting event is older than that.
    empty_at: Instant,
    /// The first event of a queue goes at once; this is false from then on.
    is_first: bool,
    /// The ring's tail when it was looked at last.
    seen: u64,
    /// When the last batch was taken.
    taken_at: Option<Instant>,
}

impl Assembly {
    /// Whether events came since the last time it was asked.
    fn sees_new_events(&mut self, tail: u64) -> bool {
        std::mem::replace(&mut self.seen, tail) != tail
    }

    fn forget_marks_up_to(&mut self, position: u64) {
        while self.marks.front().is_some_and(|mark| *mark <= position) {
            self.marks.pop_front();
        }
    }
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let budget = Budget::new(settings.max_queue_events, settings.max_queue_bytes);
        let bound = budget.bound();
        let batch_events = settings.limits.batch_events() as u64;
        // A trigger beyond what may wait would never fire, and the queue stand full. And a
        // full batch gains nothing by waiting.
        let trigger_events = u32::try_from(bound.events.min(batch_events)).unwrap_or(u32::MAX).min(settings.flush_at);
        let trigger_events = trigger_events.max(1);
        let crowd_events = (bound.events / 2).min(batch_events);
        Self {
            layouts: settings.shapes.iter().map(Layout::new).collect(),
            trigger_events,
            crowd_events: u32::try_from(crowd_events).unwrap_or(u32::MAX).max(trigger_events),
            // Tape is three quarters of its JSON, more or less; a batch that is nearly
            // full is worth a request.
            trigger_bytes: bound.bytes.min(settings.limits.batch_bytes() as u64) / 4 * 3,
            ring: Ring::new(bound.events, bound.bytes),
            budget,
            wake: Wake::default(),
            keys: Keys::default(),
            counters: Counters::default(),
            attended: AtomicBool::new(false),
            due_before: AtomicU64::new(0),
            turn: Mutex::new(()),
            assembly: Mutex::new(Assembly {
                batcher: Batcher::new(settings.limits),
                marks: VecDeque::new(),
                empty_at: Instant::now(),
                is_first: settings.flush_first,
                taken_at: None,
                seen: 0,
            }),
            signal: Signal::default(),
            room: Room::default(),
            lost: Mutex::new(Vec::new()),
            settings,
        }
    }

    /// What it was made of.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its shapes, ready for a walk.
    #[inline]
    #[must_use]
    pub fn layouts(&self) -> &[Layout] {
        &self.layouts
    }

    /// The property names that have a number.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The accounting.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What waits, is in flight, or is parked: events and bytes.
    #[must_use]
    pub fn held(&self) -> crate::budget::Held {
        self.budget.held()
    }

    /// Committed events in the ring.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.wake.count()
    }

    /// Tells whether somebody will come for the batches.
    pub fn attend(&self, attended: bool) {
        self.attended.store(attended, Ordering::Release);
    }

    /// Whether somebody will come for the batches.
    #[inline]
    #[must_use]
    pub fn is_attended(&self) -> bool {
        self.attended.load(Ordering::Acquire)
    }

    /// Marks everything accepted before this call as due, and returns the mark: a batch
    /// whose end position is not beyond it holds only such events.
    pub fn flush_mark(&self) -> u64 {
        let mut assembly = lock(&self.assembly);
        // Under the assembly's lock, so that no batch is being built across the mark.
        let mark = self.ring.tail();
        // Those that a purge or `drop_oldest` has passed in the meantime.
        assembly.forget_marks_up_to(self.ring.head_position());
        if assembly.marks.back() != Some(&mark) {
            assembly.marks.push_back(mark);
        }
        // Release: pairs with the Acquire in `has_due_mark`.
        self.due_before.store(mark, Ordering::Release);
        drop(assembly);
        self.interrupt();
        mark
    }

    /// Counts the events that wait in the ring before `mark`: at each of them, so it takes
    /// a while. An event whose push has not returned yet hides those behind it; whether
    /// none waits any more is for [`Queue::has_passed`] to say.
    #[must_use]
    pub fn count_before(&self, mark: u64) -> u64 {
        self.ring.reader().count_before(mark)
    }

    /// Whether every event before `mark` has left the ring: into a batch, or to its end.
    ///
    /// That batch may be one that `next_batch` is about to return to another thread. So
    /// whoever wants to know that nothing before the mark is anywhere asks on the thread
    /// that takes the batches, between two of them.
    #[must_use]
    pub fn has_passed(&self, mark: u64) -> bool {
        // Positions only grow, and a mark is the end of a claim: what the reader has not
        // reached lies at or behind the mark, claimed but not committed events included.
        self.ring.head_position() >= mark
    }

    /// Brings the threads in `next_batch` and `pause` back to their callers, once each.
    pub fn interrupt(&self) {
        self.signal.ring();
        self.wake.rouse();
    }

    /// Waits until interrupted, `timeout` at most; true if interrupted.
    pub fn pause(&self, timeout: Option<Duration>) -> bool {
        self.signal.wait(timeout)
    }

    /// Refuses new events from now on and brings everybody back. Events accepted before
    /// are handed out by `next_batch` without waiting.
    pub fn close(&self) {
        self.budget.close();
        self.interrupt();
        self.room.opened();
    }

    /// Whether [`Queue::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.budget.is_closed()
    }

    /// Waits until there is room again, `timeout` at most. True if there is, or if the
    /// queue was closed and waiting is pointless.
    #[must_use]
    pub fn wait_for_room(&self, timeout: Duration) -> bool {
        // Any event finds its bytes after such a wait; for less, a producer would be told
        // of room that is none, again and again.
        let footprint = most_footprint(self.settings.limits.event_bytes());
        self.room.wait(timeout, || self.budget.is_closed() || self.budget.has_room(footprint))
    }

    /// The events that ended in the ring since the last call and carried a token.
    #[must_use = "their callbacks are owed"]
    pub fn take_lost(&self) -> Vec<Lost> {
        std::mem::take(&mut *lock(&self.lost))
    }
}

/// The most bytes that an event of `json_bytes` takes in the ring. What takes more on the
/// tape than as JSON is a small float: nine bytes for `0.0,`. Its stamps take less than the
/// constant text of any shape that a vendor has.
fn most_footprint(json_bytes: usize) -> u64 {
    Ring::footprint(json_bytes.div_ceil(4).saturating_mul(9))
}
