//! What we need to know of the process: whether it forked, and whether this is its main thread.
#![allow(unsafe_code, reason = "two calls into the C library")]

use pyo3::PyResult;

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
