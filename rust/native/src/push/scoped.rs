//! A push in a process that has scopes: the event takes what the innermost one has for it.
//!
//! A function of its own, never inlined, so that a process without scopes pays one look at a
//! flag and nothing else.
#![allow(unsafe_code, reason = "as push.rs")]

use std::ffi::c_long;

use pyo3::Python;
use sluiceway_core::layout::Layout;

use super::{Call, fields, record, with_scratch};
use crate::{
    outcome::{HARD, INTERNAL},
    queue::Queue,
    scope::{self, Now},
    values::Values,
};

/// Takes the event with what it inherits: zero or the code of the outcome.
///
/// # Safety
/// Attached; somebody holds what `call` and `values` name until this returns.
#[inline(never)]
pub(super) unsafe fn take(py: Python<'_>, queue: &Queue, layout: &Layout, call: &Call, values: Values<'_>) -> c_long {
    let parts = match scope::now(py) {
        Now::Unsettled => return HARD,
        Now::Parts(parts) => parts,
        Now::Nothing => {
            // SAFETY: promised by the caller.
            return with_scratch(|scratch| unsafe {
                record(py, queue, layout, call, values.given(), scratch, |walk| fields(walk, layout, values))
            });
        }
    };
    let Some(roles) = queue.roles(call.shape) else { return INTERNAL };
    // SAFETY: promised by the caller; the scope's values are held by `parts`.
    unsafe {
        let Some(filled) = roles.fill(&parts, values) else { return HARD };
        with_scratch(|scratch| {
            record(py, queue, layout, call, filled.given(), scratch, |walk| filled.walk(walk, layout))
        })
    }
}
