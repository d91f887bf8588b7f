//! `Queue` as Python sees it. Each wait is detached, comes back for signals on the main
//! thread, and ends when the queue is closed.

use std::{
    mem::ManuallyDrop,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use pyo3::{
    exceptions::{PyRuntimeError, PyValueError},
    prelude::*,
    types::PyDict,
};
use sluiceway_core::{
    batch,
    error::RestoreError,
    failpoint, fork,
    limits::Limits,
    outcome::{Dropped, End, Failed, Refused},
    queue::{self, Cause, Next, Settings},
};

use crate::{
    batch::Batch,
    error,
    fault::{self, caught},
    process, push,
    scope::Roles,
    shape::Shape,
};

/// How long the main thread waits at a time before it looks for signals.
const SLICE: Duration = Duration::from_millis(50);

/// The queue of one client.
#[pyclass(frozen, module = "sluiceway._native")]
pub(crate) struct Queue {
    inner: ManuallyDrop<Box<queue::Queue>>,
    generation: u64,
    /// Batches that were taken and never reached Python: the next to be handed out.
    unreturned: Mutex<Vec<batch::Batch>>,
    /// As they were given, by their numbers.
    shapes: Vec<Py<Shape>>,
}

/// A batch on its way to Python. Unless it arrives, it goes back to its queue.
struct OnItsWay<'a> {
    queue: &'a Queue,
    batch: Option<batch::Batch>,
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        self.queue.unreturned.lock().unwrap_or_else(PoisonError::into_inner).extend(self.batch.take());
    }
}

impl Queue {
    /// Whether it belongs to the parent of this process and must not be touched.
    #[inline]
    pub(crate) fn is_stale(&self) -> bool {
        self.generation != fork::generation()
    }

    #[inline]
    pub(crate) fn core(&self) -> &queue::Queue {
        &self.inner
    }

    /// What an event of that shape takes from a scope.
    #[inline]
    pub(crate) fn roles(&self, shape: usize) -> Option<&Roles> {
        self.shapes.get(shape).map(|shape| &shape.get().1)
    }

    /// The queue, if it is this process's: its locks may be held for ever in a child.
    fn own(&self) -> PyResult<&queue::Queue> {
        if self.is_stale() {
            return Err(PyRuntimeError::new_err("this queue belongs to the parent process"));
        }
        failpoint!("native::queue");
        Ok(&self.inner)
    }

    /// What `work` makes of the queue, if it is this process's. What panics in it is a `Fault`.
    fn within<T>(&self, work: impl FnOnce(&queue::Queue) -> T) -> PyResult<T> {
        caught(|| Ok(work(self.own()?)))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // In a child it is left alone: dropping takes locks that a thread of the parent
        // may have held at the fork.
        if !self.is_stale() {
            // SAFETY: dropped once, here.
            #[expect(unsafe_code, reason = "a field that is dropped on a condition")]
            unsafe {
                ManuallyDrop::drop(&mut self.inner);
            }
        }
    }
}

#[pymethods]
impl Queue {
    #[new]
    #[pyo3(signature = (
        shapes, *, max_queue_events, max_queue_bytes, max_event_bytes, max_batch_bytes, max_batch_events,
        envelope_bytes, flush_at, flush_interval, flush_first, drop_oldest,
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword-only in Python, where each is named")]
    fn new(
        shapes: Vec<Py<Shape>>,
        max_queue_events: u64,
        max_queue_bytes: u64,
        max_event_bytes: usize,
        max_batch_bytes: usize,
        max_batch_events: usize,
        envelope_bytes: usize,
        flush_at: u32,
        flush_interval: f64,
        flush_first: bool,
        drop_oldest: bool,
    ) -> PyResult<Self> {
        let limits =
            Limits::new(max_event_bytes, max_batch_bytes, max_batch_events, envelope_bytes).map_err(error::to_py)?;
        let settings = Settings {
            shapes: shapes.iter().map(|shape| shape.get().0.clone()).collect(),
            limits,
            max_queue_events,
            max_queue_bytes,
            flush_at,
            flush_interval: seconds(flush_interval),
            flush_first,
            drop_oldest,
        };
        caught(|| {
            failpoint!("native::new");
            let inner = ManuallyDrop::new(Box::new(queue::Queue::new(settings)));
            Ok(Self { inner, generation: fork::generation(), unreturned: Mutex::default(), shapes })
        })
    }

    #[getter]
    fn push(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        caught(|| push::bind(slf, "push"))
    }

    #[getter]
    fn admit(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        caught(|| push::bind(slf, "admit"))
    }

    #[getter]
    fn offer(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        caught(|| push::bind(slf, "offer"))
    }

    #[pyo3(signature = (reason, /))]
    fn refuse(&self, reason: &str) -> PyResult<()> {
        let reason = named(&Refused::NAMES, reason).ok_or_else(|| error::unknown("reason to refuse", reason))?;
        self.within(|core| core.counters().refused(reason))
    }

    #[pyo3(signature = (what, /))]
    fn count_replaced(&self, what: &str) -> PyResult<()> {
        if what != "id" {
            return Err(error::unknown("thing to replace", what));
        }
        self.within(|core| core.counters().replaced_id())
    }

    #[expect(clippy::unused_self, reason = "a method, like its neighbours")]
    fn refused_bytes(&self) -> usize {
        push::refused_bytes()
    }

    #[pyo3(signature = (timeout, /))]
    fn next_batch(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Py<Batch>>> {
        caught(|| {
            let core = self.own()?;
            let unreturned = self.unreturned.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let taken = match unreturned {
                Some(batch) => Some(batch),
                None => in_slices(py, timeout, |slice| match core.next_batch(slice) {
                    Next::Batch(batch) => Some(Some(batch)),
                    Next::Interrupted | Next::Closed => Some(None),
                    Next::Timeout => None,
                })?
                .flatten(),
            };
            let Some(batch) = taken else { return Ok(None) };
            // To make the object takes memory, which there may be none of.
            let mut way = OnItsWay { queue: self, batch: Some(batch.clone()) };
            failpoint!("native::return");
            let object = Py::new(py, Batch(batch))?;
            way.batch = None;
            Ok(Some(object))
        })
    }

    /// Says whether this thread sends from now on: what it offers to any client is refused.
    #[expect(clippy::unused_self, reason = "a method, like its neighbours; the mark is the thread's")]
    #[pyo3(signature = (is_sending, /))]
    fn mark_sending(&self, is_sending: bool) -> bool {
        push::mark_sending(is_sending)
    }

    #[pyo3(signature = (timeout, /))]
    fn pause(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        caught(|| {
            let core = self.own()?;
            in_slices(py, timeout, |slice| core.pause(slice).then_some(())).map(|rang| rang.is_some())
        })
    }

    #[pyo3(signature = (timeout, /))]
    fn wait_for_space(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        caught(|| {
            let core = self.own()?;
            let waited = wait(py, timeout, SLICE, |slice| core.wait_for_room(slice.unwrap_or(SLICE)).then_some(()));
            waited.map(|room| room.is_some())
        })
    }

    fn interrupt(&self, py: Python<'_>) -> PyResult<()> {
        self.within(|core| py.detach(|| core.interrupt()))
    }

    fn flush_mark(&self, py: Python<'_>) -> PyResult<u64> {
        self.within(|core| py.detach(|| core.flush_mark()))
    }

    #[pyo3(signature = (mark, /))]
    fn count_before(&self, py: Python<'_>, mark: u64) -> PyResult<u64> {
        self.within(|core| py.detach(|| core.count_before(mark)))
    }

    #[pyo3(signature = (mark, /))]
    fn has_passed(&self, mark: u64) -> PyResult<bool> {
        self.within(|core| core.has_passed(mark))
    }

    #[pyo3(signature = (attended, /))]
    fn attend(&self, attended: bool) -> PyResult<()> {
        self.within(|core| core.attend(attended))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.within(|core| py.detach(|| core.close()))
    }

    fn purge(&self, py: Python<'_>) -> PyResult<Vec<u64>> {
        self.within(|core| py.detach(|| core.purge()))
    }

    fn take_overflow(&self, py: Python<'_>) -> PyResult<Vec<(u64, &'static str)>> {
        let lost = self.within(|core| py.detach(|| core.take_lost()))?;
        let reason = |cause| match cause {
            Cause::Overflow => "overflow",
            Cause::TooLarge => "event_too_large",
            Cause::Internal => "internal",
        };
        Ok(lost.into_iter().map(|lost| (lost.token, reason(lost.cause))).collect())
    }

    #[pyo3(signature = (batch, end, reason = "", /))]
    fn settle(&self, batch: &Batch, end: &str, reason: &str) -> PyResult<u64> {
        let end = end_named(end, reason)?;
        self.within(|core| core.settle(&batch.0, end))
    }

    #[pyo3(signature = (batch, /))]
    fn shelve(&self, batch: &Batch) -> PyResult<u64> {
        self.within(|core| core.shelve(&batch.0))
    }

    #[pyo3(signature = (events, layout, tokens, end_position, /))]
    #[expect(clippy::needless_pass_by_value, reason = "what pyo3 extracts")]
    fn restore(&self, events: &[u8], layout: &[u8], tokens: Vec<(usize, u64)>, end_position: u64) -> PyResult<Batch> {
        let restored = self.within(|core| {
            let batch = batch::Batch::restore(events.to_vec(), layout, &tokens, end_position)?;
            core.counters().restored(batch.len() as u64);
            Ok::<_, RestoreError>(batch)
        })?;
        restored.map(Batch).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    #[pyo3(signature = (events, /))]
    fn adopt(&self, events: u64) -> PyResult<()> {
        self.within(|core| core.counters().adopted(events))
    }

    #[pyo3(signature = (events, end, reason = "", /))]
    fn settle_spooled(&self, events: u64, end: &str, reason: &str) -> PyResult<()> {
        let end = end_named(end, reason)?;
        self.within(|core| core.counters().ended_on_disk(events, end))
    }

    #[pyo3(signature = (batch, /))]
    fn release(&self, batch: &Batch) -> PyResult<()> {
        self.within(|core| core.release(&batch.0))
    }

    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        caught(|| {
            let core = self.own()?;
            let rows = PyDict::new(py);
            for (name, count) in core.counters().read() {
                rows.set_item(name, count)?;
            }
            let held = core.held();
            rows.set_item("reserved_events", held.events)?;
            rows.set_item("reserved_bytes", held.bytes)?;
            rows.set_item("ring", core.waiting())?;
            rows.set_item("faults", fault::faults().0)?;
            Ok(rows)
        })
    }

    #[getter]
    fn closed(&self) -> bool {
        self.is_stale() || self.inner.is_closed()
    }

    #[getter]
    fn stale(&self) -> bool {
        self.is_stale()
    }
}

fn end_named(end: &str, reason: &str) -> PyResult<End> {
    match end {
        "delivered" => Some(End::Delivered),
        "handed_over" => Some(End::HandedOver),
        "failed" => named(&Failed::NAMES, reason).map(End::Failed),
        "dropped" => named(&Dropped::NAMES, reason).map(End::Dropped),
        _ => None,
    }
    .ok_or_else(|| error::unknown("end", &format!("{end:?} {reason}")))
}

fn named<T: Copy>(names: &[(&str, T)], wanted: &str) -> Option<T> {
    names.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
}

/// Seconds from Python; nonsense means no time at all, and too much means very long.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

/// Waits as `step` does: in one go on a worker's thread, so that an idle client never
/// wakes, and in slices where signals must be served.
fn in_slices<T: Send>(
    py: Python<'_>,
    timeout: Option<f64>,
    step: impl FnMut(Option<Duration>) -> Option<T> + Send,
) -> PyResult<Option<T>> {
    let slice = if process::is_main_thread() { SLICE } else { Duration::MAX };
    wait(py, timeout, slice, step)
}

/// Calls `step` detached with `slice` at most, until it has something or `timeout` is over.
fn wait<T: Send>(
    py: Python<'_>,
    timeout: Option<f64>,
    slice: Duration,
    mut step: impl FnMut(Option<Duration>) -> Option<T> + Send,
) -> PyResult<Option<T>> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(seconds(timeout)));
    loop {
        let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let next = match rest {
            None if slice == Duration::MAX => None,
            None => Some(slice),
            Some(rest) => Some(rest.min(slice)),
        };
        if let Some(found) = py.detach(|| step(next)) {
            return Ok(Some(found));
        }
        py.check_signals()?;
        if rest.is_some_and(|rest| rest <= next.unwrap_or(Duration::MAX)) {
            return Ok(None);
        }
    }
}
