//! What can be wrong with a queue's settings, with batches to be joined, or with one to be restored. (What can be wrong with an event is an
//! [`Outcome`](crate::outcome::Outcome), not an error.)

use std::fmt;

/// Limits that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitsError {
    /// An event or a batch that may hold nothing.
    Zero,
    /// A batch beyond what an offset can say.
    BatchTooLarge {
        /// The limit asked for.
        batch_bytes: usize,
    },
    /// An event that may be larger than a batch has room for.
    EventExceedsBatch {
        /// The event limit asked for.
        event_bytes: usize,
        /// What the envelope takes.
        envelope_bytes: usize,
        /// The batch limit asked for.
        batch_bytes: usize,
    },
}

impl fmt::Display for LimitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("max_event_bytes and max_batch_events must be at least 1"),
            Self::BatchTooLarge { batch_bytes } => {
                write!(f, "max_batch_bytes is {batch_bytes}; the most is {}", u32::MAX)
            }
            Self::EventExceedsBatch { event_bytes, envelope_bytes, batch_bytes } => write!(
                f,
                "max_event_bytes ({event_bytes}) and the envelope ({envelope_bytes}) do not fit max_batch_bytes ({batch_bytes})"
            ),
        }
    }
}

impl std::error::Error for LimitsError {}

/// Batches that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// None of them has an event.
    Empty,
    /// Together they are beyond what an offset can say.
    TooLarge {
        /// How many bytes that would be.
        bytes: usize,
    },
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is no event to join"),
            Self::TooLarge { bytes } => write!(f, "the events have {bytes} bytes together; the most is {}", u32::MAX),
        }
    }
}

impl std::error::Error for JoinError {}

/// A layout that is not one of the bytes it came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreError;

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the layout does not fit the events")
    }
}

impl std::error::Error for RestoreError {}
