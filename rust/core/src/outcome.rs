//! What became of a push, and how an accepted event ended: the words of the accounting.

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted, and somebody is there to send it.
    Accepted,
    /// Accepted, but no worker has announced itself yet.
    Unattended,
    /// No slot or no bytes left.
    QueueFull,
    /// Its JSON would pass the vendor's limit: this many bytes, or more.
    EventTooLarge(usize),
    /// The queue is closed.
    Closed,
    /// The system has no memory for it.
    NoMemory,
}

/// Why a call was refused. The names are the wire of the accounting: `stats()`, logs, metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation, and `NAMES` spells them")]
pub enum Refused {
    QueueFull,
    EventTooLarge,
    Unserializable,
    Invalid,
    Middleware,
    OptedOut,
    Closed,
    Interrupted,
    Reentrant,
    Memory,
    Internal,
}

impl Refused {
    /// Each reason by its name.
    pub const NAMES: [(&'static str, Self); 11] = [
        ("queue_full", Self::QueueFull),
        ("event_too_large", Self::EventTooLarge),
        ("unserializable", Self::Unserializable),
        ("invalid", Self::Invalid),
        ("middleware", Self::Middleware),
        ("opted_out", Self::OptedOut),
        ("closed", Self::Closed),
        ("interrupted", Self::Interrupted),
        ("reentrant", Self::Reentrant),
        ("memory", Self::Memory),
        ("internal", Self::Internal),
    ];
}

/// How an accepted event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A success status was read for the request that carried it.
    Delivered,
    /// Given up.
    Failed(Failed),
    /// Removed by policy.
    Dropped(Dropped),
    /// Left on disk for a later process.
    HandedOver,
}

/// Why an event failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation, and `NAMES` spells them")]
pub enum Failed {
    Rejected,
    Unauthorized,
    RetriesExhausted,
    Expired,
    Shutdown,
    EventTooLarge,
    Internal,
}

impl Failed {
    /// Each reason by its name.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("rejected", Self::Rejected),
        ("unauthorized", Self::Unauthorized),
        ("retries_exhausted", Self::RetriesExhausted),
        ("expired", Self::Expired),
        ("shutdown", Self::Shutdown),
        ("event_too_large", Self::EventTooLarge),
        ("internal", Self::Internal),
    ];
}

/// Why an event was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation, and `NAMES` spells them")]
pub enum Dropped {
    Overflow,
    Throttled,
    Disabled,
    Purged,
    Corrupt,
}

impl Dropped {
    /// Each reason by its name.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("overflow", Self::Overflow),
        ("throttled", Self::Throttled),
        ("disabled", Self::Disabled),
        ("purged", Self::Purged),
        ("corrupt", Self::Corrupt),
    ];
}
