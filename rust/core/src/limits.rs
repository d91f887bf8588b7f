//! The vendor's limits on one event and one request, checked once so that the rest need not.

use crate::error::LimitsError;

/// How much one event and one request may hold, in bytes as sent, uncompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    event_bytes: usize,
    batch_bytes: usize,
    batch_events: usize,
    envelope_bytes: usize,
}

impl Limits {
    /// Limits for requests whose envelope (everything but the events and the commas
    /// between them) takes `envelope_bytes`.
    ///
    /// # Errors
    /// A limit of zero, or an event that would not fit a batch by itself.
    pub fn new(
        event_bytes: usize,
        batch_bytes: usize,
        batch_events: usize,
        envelope_bytes: usize,
    ) -> Result<Self, LimitsError> {
        if event_bytes == 0 || batch_events == 0 {
            return Err(LimitsError::Zero);
        }
        // An offset in a batch is 32 bits wide.
        if batch_bytes > u32::MAX as usize {
            return Err(LimitsError::BatchTooLarge { batch_bytes });
        }
        match event_bytes.checked_add(envelope_bytes) {
            Some(alone) if alone <= batch_bytes => Ok(Self { event_bytes, batch_bytes, batch_events, envelope_bytes }),
            _ => Err(LimitsError::EventExceedsBatch { event_bytes, envelope_bytes, batch_bytes }),
        }
    }

    /// The most bytes of one event.
    #[must_use]
    pub fn event_bytes(&self) -> usize {
        self.event_bytes
    }

    /// The most bytes of one request body, envelope included.
    #[must_use]
    pub fn batch_bytes(&self) -> usize {
        self.batch_bytes
    }

    /// The most events of one request.
    #[must_use]
    pub fn batch_events(&self) -> usize {
        self.batch_events
    }

    /// The most bytes of the events of one request and the commas between them.
    #[must_use]
    pub fn joined_bytes(&self) -> usize {
        self.batch_bytes - self.envelope_bytes
    }
}
