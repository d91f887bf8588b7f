//! Buffers that come back.

use std::sync::{Arc, Mutex};

use crate::sync::try_lock;

/// Where the buffer of a full batch goes when nobody needs the batch any more, so that the
/// next one is written into memory that is there already: fresh memory was measured at a
/// quarter of the encoding.
#[derive(Clone, Debug, Default)]
pub struct Spare(Arc<Mutex<Option<Vec<u8>>>>);

impl Spare {
    /// An empty buffer, if one has come back.
    #[must_use]
    pub fn take(&self) -> Option<Vec<u8>> {
        try_lock(&self.0)?.take()
    }

    /// Never waits: in a forked child the lock may be held for ever.
    pub(super) fn give(&self, mut buffer: Vec<u8>) {
        if let Some(mut place) = try_lock(&self.0) {
            buffer.clear();
            *place = Some(buffer);
        }
    }
}
