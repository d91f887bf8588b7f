//! The stamps of an event, its id and its moment, from what the caller gave.
#![allow(unsafe_code, reason = "reads objects through borrowed pointers")]

use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::{Python, ffi, ffi::PyObject};
use sluiceway_core::{ident, layout::Layout, shape::IdFormat};

use crate::{
    text::{self, Text},
    walk::rare,
};

/// A Unix time whose amount is below this is in seconds, else in milliseconds: as seconds it
/// is the year 5138, as milliseconds 1973, and nobody means the other unit in between.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// The id of an event.
pub(crate) enum Id<'a> {
    /// One of ours is wanted.
    Fresh,
    /// The caller's own UUID.
    Uuid([u8; 16]),
    /// The caller's own text.
    Text(Text<'a>),
}

/// The id that the caller gave, if it is a plain one that the vendor takes.
///
/// # Safety
/// Attached; `id` outlives the result.
pub(crate) unsafe fn id<'a>(py: Python<'_>, layout: &Layout, id: *mut PyObject) -> Option<Id<'a>> {
    // SAFETY: promised by the caller; a text is read only if it is one.
    unsafe {
        if id == ffi::Py_None() {
            return Some(Id::Fresh);
        }
        if ffi::PyUnicode_CheckExact(id) == 0 {
            let bytes = rare::uuid(py, id)?;
            return (ident::TEXT_BYTES <= layout.id_max_chars).then_some(Id::Uuid(bytes));
        }
        let text = text::read(id)?;
        let is_taken = (1..=layout.id_max_chars).contains(&text.chars())
            && match layout.id_format {
                IdFormat::Text => true,
                IdFormat::Uuid => matches!(text, Text::Ascii(text) if ident::is_text(text)),
            };
        is_taken.then_some(Id::Text(text))
    }
}

/// The nanoseconds since 1970 that a timestamp means; now for `None`. `None` if it is
/// neither a plain datetime nor a whole number, or beyond the years 1677 to 2262.
///
/// # Safety
/// Attached; `timestamp` is held.
#[inline]
pub(crate) unsafe fn moment(timestamp: *mut PyObject) -> Option<i64> {
    // SAFETY: promised by the caller.
    unsafe {
        if timestamp == ffi::Py_None() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            return i64::try_from(now.as_nanos()).ok();
        }
        given_moment(timestamp)
    }
}

/// [`moment`] of what is not `None`.
///
/// # Safety
/// As [`moment`].
unsafe fn given_moment(timestamp: *mut PyObject) -> Option<i64> {
    // SAFETY: promised by the caller; a number is read only if it is one.
    unsafe {
        if ffi::PyLong_CheckExact(timestamp) == 0 {
            return rare::datetime(timestamp)?.checked_mul(1_000);
        }
        let mut overflow = 0;
        let number = ffi::PyLong_AsLongLongAndOverflow(timestamp, &raw mut overflow);
        if overflow != 0 {
            return None;
        }
        number.checked_mul(if number.unsigned_abs() < MILLISECONDS_FROM { 1_000_000_000 } else { 1_000_000 })
    }
}
