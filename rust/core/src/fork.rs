//! Which process we are: a number that every fork raises in the child.
//!
//! The process id alone would do, but asking for it is a system call on some platforms,
//! and ids return. Whoever owns a queue, a generator or a batch remembers the generation
//! it was made in and leaves everything alone in another.

use std::sync::atomic::{AtomicU64, Ordering};

static GENERATION: AtomicU64 = AtomicU64::new(1);

/// The generation of this process.
#[inline]
#[must_use]
pub fn generation() -> u64 {
    // Relaxed: it changes only in a child that has one thread so far.
    GENERATION.load(Ordering::Relaxed)
}

/// To be called in the child of a fork, before anything else; async-signal-safe.
pub fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}
