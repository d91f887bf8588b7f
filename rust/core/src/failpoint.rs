//! Named places where a test build panics on demand, to show what a fault of ours does to everybody else.
//!
//! Compiled with the feature `failpoints` only, which no build of a release has: elsewhere
//! [`failpoint!`](crate::failpoint!) is nothing at all.

/// Panics if the test build was told to do so here.
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        $crate::failpoint::reach($name);
    };
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::{Mutex, PoisonError};

    /// What is armed: the place, how often it is passed first, how often it panics then, and
    /// how often it did.
    struct Armed {
        name: String,
        passes: u64,
        panics: u64,
        reached: u64,
    }

    static ARMED: Mutex<Option<Armed>> = Mutex::new(None);

    /// Has the place of that name panic `panics` times, after `passes` times of letting pass.
    /// Returns how often the place that was armed before has panicked.
    pub fn arm(name: &str, passes: u64, panics: u64) -> u64 {
        let armed = Armed { name: name.to_owned(), passes, panics, reached: 0 };
        let before = ARMED.lock().unwrap_or_else(PoisonError::into_inner).replace(armed);
        before.map_or(0, |before| before.reached)
    }

    /// A thread is at the place of that name.
    ///
    /// # Panics
    /// If it is armed: that is what it is for.
    #[expect(clippy::panic, reason = "the fault that is asked for")]
    pub fn reach(name: &str) {
        if let Some(armed) = &mut *ARMED.lock().unwrap_or_else(PoisonError::into_inner)
            && armed.name == name
        {
            if armed.passes > 0 {
                armed.passes -= 1;
                return;
            }
            if armed.panics == 0 {
                return;
            }
            armed.panics -= 1;
            armed.reached += 1;
        } else {
            return;
        }
        panic!("a fault at {name}, as asked for, that quotes canary-of-the-payload");
    }
}

#[cfg(feature = "failpoints")]
pub use armed::{arm, reach};
