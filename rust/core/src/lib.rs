//! The engine of sluiceway: everything between an accepted event and a sealed batch, without Python.
//!
//! An event's way: a walk writes it on a [`tape`](tape::Tape), [`Queue::push`](queue::Queue::push)
//! reserves its room in the [`budget`] and copies the [`record`] into the [`ring`];
//! [`Queue::next_batch`](queue::Queue::next_batch) takes it out, writes it as [`json`] into
//! the open batch of the [`batcher`] and seals the [`batch`]; `settle` counts its end in
//! the [`counters`].

#[cfg(not(loom))]
pub mod batch;
#[cfg(not(loom))]
pub mod batcher;
pub mod budget;
#[cfg(not(loom))]
pub mod counters;
#[cfg(not(loom))]
pub mod error;
#[cfg(not(loom))]
pub mod failpoint;
pub mod fork;
#[cfg(not(loom))]
pub mod ident;
#[cfg(not(loom))]
pub mod json;
#[cfg(not(loom))]
pub mod keys;
#[cfg(not(loom))]
pub mod layout;
#[cfg(not(loom))]
pub mod limits;
pub mod outcome;
mod page;
#[cfg(not(loom))]
pub mod queue;
#[cfg(not(loom))]
pub mod record;
pub mod ring;
#[cfg(not(loom))]
mod room;
#[cfg(not(loom))]
pub mod shape;
#[cfg(not(loom))]
mod signal;
mod sync;
pub mod taker;
#[cfg(not(loom))]
pub mod tape;
#[cfg(not(loom))]
pub mod utf8;
pub mod wake;
#[cfg(not(loom))]
pub mod words;

/// How deep containers may nest, the event's own map included.
pub const MAX_DEPTH: usize = 64;
