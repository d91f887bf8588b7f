//! How the sink behaves, switchable while connections are open.

use std::sync::{Condvar, Mutex, PoisonError};

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// Answered at once.
    Ok,
    /// Read, and answered only when the mode changes.
    Blackhole,
    /// Answered, one byte at a time.
    Drip,
    /// The connection is reset before a byte is read.
    Reset,
}

impl Mode {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Ok, Self::Blackhole, Self::Drip, Self::Reset].into_iter().find(|mode| mode.name() == text)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Blackhole => "blackhole",
            Self::Drip => "drip",
            Self::Reset => "reset",
        }
    }
}

/// Holds requests back while the sink is a black hole.
pub(crate) struct Gate {
    mode: Mutex<Mode>,
    switched: Condvar,
}

impl Gate {
    pub(crate) fn new(mode: Mode) -> Self {
        Self { mode: Mutex::new(mode), switched: Condvar::new() }
    }

    pub(crate) fn mode(&self) -> Mode {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn switch(&self, mode: Mode) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
        self.switched.notify_all();
    }

    /// Waits until the sink is no black hole; returns what it is then.
    pub(crate) fn pass(&self) -> Mode {
        let guard = self.mode.lock().unwrap_or_else(PoisonError::into_inner);
        *self.switched.wait_while(guard, |mode| *mode == Mode::Blackhole).unwrap_or_else(PoisonError::into_inner)
    }
}
