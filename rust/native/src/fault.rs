//! Panics of ours: caught at each entry from Python, counted, and told without a word of what they say.
//!
//! A panic that pyo3 catches becomes a `PanicException`, which derives from `BaseException`
//! and passes every `except Exception` of an application; one that nobody catches in a plain
//! C function ends the process. So each entry catches its own: a push answers `INTERNAL`,
//! everything else raises `Fault`, and `client.py` lets neither reach a program.

use std::{
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use pyo3::{create_exception, exceptions::PyRuntimeError, prelude::*};

create_exception!(sluiceway._native, Fault, PyRuntimeError, "The engine met an error of its own.");

/// How often it came to one in this process. Relaxed: a number for people.
static COUNT: AtomicU64 = AtomicU64::new(0);
/// Where it did last.
static PLACE: Mutex<String> = Mutex::new(String::new());

/// Has panics of ours noted instead of printed: their text may quote a value, and what they
/// would be printed to is the application's.
///
/// The hook is that of this library's own copy of std: those of others are not touched.
pub(crate) fn note_quietly() {
    panic::set_hook(Box::new(|info| {
        COUNT.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = info.location() {
            // The path without what it begins with on the machine that built it.
            let path = place.file().rsplit(['/', '\\']).take(2).collect::<Vec<_>>();
            let path = path.into_iter().rev().collect::<Vec<_>>().join("/");
            *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = format!("{path}:{}", place.line());
        }
    }));
}

/// How often the engine met an error of its own in this process, and where last.
#[pyfunction]
pub(crate) fn faults() -> (u64, String) {
    (COUNT.load(Ordering::Relaxed), PLACE.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// What `work` makes, or `None` if it panics.
#[inline]
pub(crate) fn quiet<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// What `work` makes, or a `Fault` if it panics.
pub(crate) fn caught<T>(work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    quiet(work).unwrap_or_else(|| Err(Fault::new_err("the engine met an error of its own")))
}

/// Has a place of that name panic: see the core's `failpoint`.
#[cfg(feature = "failpoints")]
#[pyfunction]
pub(crate) fn fail_at(name: &str, passes: u64, panics: u64) -> u64 {
    sluiceway_core::failpoint::arm(name, passes, panics)
}
