//! A push in a process that has scopes: the event takes what the innermost one has for it.
//!
//! A function of its own, so that a process without scopes pays one look at a flag.
#![allow(unsafe_code, reason = "as push.rs")]

use std::ffi::c_long;

use pyo3::Python;

use super::{Call, take_as_it_is};
use crate::{
    outcome::HARD,
    queue::Queue,
    scope::{self, Now},
    values::Values,
};

/// As [`super::take`].
///
/// # Safety
/// As [`super::take`].
#[inline(never)]
pub(super) unsafe fn take(py: Python<'_>, queue: &Queue, call: &Call<'_>, values: Values<'_>) -> Option<c_long> {
    // SAFETY: promised by the caller; the scope's values are held by `parts`.
    unsafe {
        match scope::now(py) {
            Now::Nothing => take_as_it_is(py, queue, call, values),
            Now::Unsettled => Some(HARD),
            Now::Parts(parts) => {
                let layout = queue.core().layouts().get(call.shape)?;
                let Some(filled) = queue.roles(call.shape)?.fill(layout, &parts, values) else { return Some(HARD) };
                let call = Call { inherited: Some(&filled.inherited), ..*call };
                take_as_it_is(py, queue, &call, filled.places.first(layout.fields.len()))
            }
        }
    }
}
