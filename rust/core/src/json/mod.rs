//! JSON, written one concern a file: strings, numbers, times, and whole events from their tapes.

pub mod escape;
pub mod number;
mod pen;
pub mod sink;
pub mod time;
pub mod writer;
