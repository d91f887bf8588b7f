//! How an outcome looks in Python: `True`, or a small integer that says what to do next.

use std::ffi::c_long;

use pyo3::ffi;
use sluiceway_core::outcome::Outcome;

pub(crate) const UNATTENDED: c_long = 2;
pub(crate) const HARD: c_long = 3;
pub(crate) const QUEUE_FULL: c_long = 4;
pub(crate) const EVENT_TOO_LARGE: c_long = 5;
pub(crate) const CLOSED: c_long = 6;
pub(crate) const STALE: c_long = 7;
pub(crate) const INTERNAL: c_long = 8;
pub(crate) const REENTRANT: c_long = 9;
pub(crate) const NO_MEMORY: c_long = 10;

/// The codes by their names in the module.
pub(crate) const NAMES: [(&str, c_long); 9] = [
    ("UNATTENDED", UNATTENDED),
    ("HARD", HARD),
    ("QUEUE_FULL", QUEUE_FULL),
    ("EVENT_TOO_LARGE", EVENT_TOO_LARGE),
    ("CLOSED", CLOSED),
    ("STALE", STALE),
    ("INTERNAL", INTERNAL),
    ("REENTRANT", REENTRANT),
    ("NO_MEMORY", NO_MEMORY),
];

/// `True` for zero, else the code itself. A new reference; small integers are shared.
pub(crate) fn to_py(code: c_long) -> *mut ffi::PyObject {
    if code == 0 {
        // SAFETY: called by functions that Python calls, so we are attached; `True` lives
        // as long as the interpreter.
        #[expect(unsafe_code, reason = "one pointer, without the detour over a bound bool")]
        unsafe {
            let accepted = ffi::Py_True();
            ffi::Py_INCREF(accepted);
            accepted
        }
    } else {
        // SAFETY: attached, as above.
        #[expect(unsafe_code, reason = "as above")]
        unsafe {
            ffi::PyLong_FromLong(code)
        }
    }
}

/// The code of a push's outcome; zero is accepted.
pub(crate) fn code(outcome: Outcome) -> c_long {
    match outcome {
        Outcome::Accepted => 0,
        Outcome::Unattended => UNATTENDED,
        Outcome::QueueFull => QUEUE_FULL,
        Outcome::EventTooLarge(_) => EVENT_TOO_LARGE,
        Outcome::Closed => CLOSED,
        Outcome::NoMemory => NO_MEMORY,
    }
}
