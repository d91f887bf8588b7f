//! What we need to know of the process: whether it forked, whether this is its main thread,
//! and whether this is its main interpreter.
#![allow(unsafe_code, reason = "calls into the C library, and one into CPython")]

use pyo3::{PyResult, Python, exceptions::PyImportError, ffi};

/// CPython's own words, where it refuses by itself; `sluiceway/__init__.py` adds the advice.
const SUBINTERPRETER: &str = "module sluiceway._native does not support loading in subinterpreters";

/// Raises `ImportError` in a subinterpreter: the engine keeps types and objects of the
/// interpreter that loaded it first, which no other may touch.
pub(crate) fn refuse_subinterpreters(_attached: Python<'_>) -> PyResult<()> {
    // SAFETY: attached, so there is a current interpreter; it is only asked for its number.
    let number = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    // The main interpreter's is 0, by CPython's definition.
    if number == 0 { Ok(()) } else { Err(PyImportError::new_err(SUBINTERPRETER)) }
}

/// Has the C library tell the core of every fork, also of those that Python does not see.
///
/// Only the child's side is hooked: nothing happens before a fork or in the parent.
#[cfg(unix)]
pub(crate) fn watch_forks() -> PyResult<()> {
    extern "C" fn in_child() {
        sluiceway_core::fork::in_child();
    }
    // SAFETY: the hook only adds to an atomic, which is async-signal-safe. The module is
    // never unloaded, so the address stays good.
    let failed = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    if failed == 0 { Ok(()) } else { Err(pyo3::exceptions::PyOSError::new_err((failed, "pthread_atfork failed"))) }
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
pub(crate) fn watch_forks() -> PyResult<()> {
    Ok(())
}

/// Whether signals are delivered to this thread, so that it must not wait for long at a time.
#[cfg(target_os = "linux")]
pub(crate) fn is_main_thread() -> bool {
    // SAFETY: no arguments, no failure.
    unsafe { libc::gettid() == libc::getpid() }
}

/// Elsewhere asking is not as simple: every thread waits in slices.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_main_thread() -> bool {
    true
}
