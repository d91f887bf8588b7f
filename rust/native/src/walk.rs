//! The walk: from Python objects to the tape. The only file that reads them.
//!
//! No Python code runs inside a walk. Everything met is of a type whose content lies in
//! memory as CPython documents it (or a subclass of `str`, `int`, `float`, read as its
//! base); at anything else the walk stops, and Python turns the event into plain values
//! first. So nothing the caller wrote can change a container while it is walked: with a
//! GIL nobody else runs, and without one each container is locked while it is read and
//! what it holds is held.
//!
//! Raw `pyo3-ffi` rather than safe pyo3: `PyDict_Next` over borrowed references instead of
//! an iterator that counts references and panics on mutation halves the walk of a small
//! dict, which is most of a push.
#![allow(unsafe_code, reason = "reads objects through borrowed pointers; each block says what holds them")]

use std::{ffi::c_int, ptr};

use pyo3::{Borrowed, Python, ffi, ffi::PyObject, sync::critical_section::with_critical_section};
use sluiceway_core::{
    MAX_DEPTH,
    keys::{Keys, MAX_KEY_BYTES},
    shape::{Field, Kind},
    tape::{Tape, tag},
};

use crate::text::{self, Text};

pub(crate) mod rare;

/// Why a walk stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Something that only Python can turn into plain values, or that breaks a field's rule.
    Hard,
    /// Certainly over the limit: by what the tape holds, or by [`Walk::refused_bytes`].
    TooLarge,
}

/// What was written in place of something JSON cannot say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Replaced {
    pub(crate) nonfinite: u64,
    pub(crate) surrogates: u64,
    pub(crate) integers: u64,
}

/// One walk over the values of one event.
pub(crate) struct Walk<'a, 'py> {
    pub(crate) py: Python<'py>,
    pub(crate) tape: &'a mut Tape,
    /// Where UTF-8 is made, kept between events.
    pub(crate) space: &'a mut Vec<u8>,
    pub(crate) keys: &'a Keys,
    /// An event with more bytes of JSON than this is given up early.
    pub(crate) limit: usize,
    pub(crate) replaced: Replaced,
    /// The size of a text that was too large to copy.
    pub(crate) refused_bytes: usize,
}

impl Walk<'_, '_> {
    /// Writes the value of one field. `is_checked`: Python has validated it already, so an
    /// empty text is meant.
    ///
    /// # Safety
    /// Attached; `value` is an object that somebody holds during the call.
    #[inline]
    pub(crate) unsafe fn field(&mut self, field: &Field, value: *mut PyObject, is_checked: bool) -> Result<(), Stop> {
        // SAFETY: attached; the caller holds `value`, as each callee asks.
        unsafe {
            if value == ffi::Py_None() {
                if field.required {
                    return Err(Stop::Hard);
                }
                self.tape.absent();
                return Ok(());
            }
            match field.kind {
                Kind::Text => {
                    if ffi::PyUnicode_CheckExact(value) == 0 {
                        return Err(Stop::Hard);
                    }
                    if ffi::PyUnicode_GET_LENGTH(value) == 0 && !is_checked {
                        return Err(Stop::Hard);
                    }
                    self.str(value)
                }
                Kind::Map | Kind::Spread => {
                    if ffi::PyDict_CheckExact(value) == 0 {
                        return Err(Stop::Hard);
                    }
                    self.map(value, 1, field.merge_key.as_bytes())
                }
                Kind::Any => self.value(value, 1),
            }
        }
    }

    /// Writes any value. Texts, which most values are, without a call.
    ///
    /// # Safety
    /// As [`Walk::field`].
    #[inline]
    unsafe fn value(&mut self, value: *mut PyObject, depth: usize) -> Result<(), Stop> {
        // SAFETY: attached, and the caller holds `value`; its type is checked.
        unsafe {
            if ffi::Py_TYPE(value) == &raw mut ffi::PyUnicode_Type {
                return self.str(value);
            }
            self.other(value, depth)
        }
    }

    /// Writes a value that is not a text.
    ///
    /// # Safety
    /// As [`Walk::field`].
    unsafe fn other(&mut self, value: *mut PyObject, depth: usize) -> Result<(), Stop> {
        // SAFETY: attached, and the caller holds `value`; each branch has checked its type.
        unsafe {
            let kind = ffi::Py_TYPE(value);
            if kind == &raw mut ffi::PyLong_Type {
                return self.int(value);
            }
            if kind == &raw mut ffi::PyFloat_Type {
                self.float(ffi::PyFloat_AS_DOUBLE(value));
                return Ok(());
            }
            if value == ffi::Py_None() {
                self.tape.constant(tag::NULL);
                return Ok(());
            }
            if kind == &raw mut ffi::PyBool_Type {
                self.tape.constant(if value == ffi::Py_True() { tag::TRUE } else { tag::FALSE });
                return Ok(());
            }
            if kind == &raw mut ffi::PyDict_Type {
                return self.map(value, depth + 1, b"");
            }
            if kind == &raw mut ffi::PyList_Type || kind == &raw mut ffi::PyTuple_Type {
                return self.list(value, depth + 1);
            }
            self.rare(value)
        }
    }

    /// Writes a dict. Notes whether it has `merge_key`, if that is not empty.
    ///
    /// # Safety
    /// As [`Walk::field`]; `dict` is exactly a dict.
    #[inline(never)]
    unsafe fn map(&mut self, dict: *mut PyObject, depth: usize, merge_key: &[u8]) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return Err(Stop::Hard);
        }
        let begin = self.tape.position();
        self.tape.tag(tag::MAP);
        // SAFETY: the caller holds it.
        let held = unsafe { Borrowed::from_ptr(self.py, dict) };
        with_critical_section(&held, || {
            let (mut place, mut key, mut value) = (0, ptr::null_mut(), ptr::null_mut());
            // SAFETY: a dict, attached, and locked where there is no GIL. Key and value
            // are borrowed from it; nothing in the loop runs Python code that could change it.
            while unsafe { ffi::PyDict_Next(dict, &raw mut place, &raw mut key, &raw mut value) } != 0 {
                // Without a GIL the lock is let go while a nested container waits for its
                // own, so what is being walked must be held.
                #[cfg(Py_GIL_DISABLED)]
                // SAFETY: both were just handed out under the dict's lock.
                let _held = unsafe {
                    (
                        pyo3::Py::<pyo3::PyAny>::from_borrowed_ptr(self.py, key),
                        pyo3::Py::<pyo3::PyAny>::from_borrowed_ptr(self.py, value),
                    )
                };
                // SAFETY: as above.
                unsafe {
                    if self.key(key, merge_key)? {
                        self.tape.retag(begin, tag::MAP_COMPLETE);
                    }
                    self.value(value, depth)?;
                }
                self.check()?;
            }
            Ok(())
        })?;
        self.tape.end();
        Ok(())
    }

    /// Writes a key; true if it is `wanted`.
    ///
    /// # Safety
    /// As [`Walk::field`].
    #[inline]
    unsafe fn key(&mut self, key: *mut PyObject, wanted: &[u8]) -> Result<bool, Stop> {
        // SAFETY: attached, and the dict holds `key`; its type is checked first. A key's
        // hash was computed when it went into the dict.
        unsafe {
            if ffi::PyUnicode_CheckExact(key) == 0 {
                return Err(Stop::Hard);
            }
            let Some(name) = text::ascii(key) else {
                self.str(key)?;
                return Ok(false);
            };
            let hash = (*key.cast::<ffi::PyASCIIObject>()).hash;
            if name.len() <= MAX_KEY_BYTES
                && let Some((number, json_len)) = self.keys.find(hash.cast_unsigned() as u64, name)
            {
                self.tape.key(number, json_len);
            } else {
                self.str(key)?;
            }
            Ok(!wanted.is_empty() && *name == *wanted)
        }
    }

    /// Writes a list or a tuple.
    ///
    /// # Safety
    /// As [`Walk::field`]; `sequence` is exactly a list or a tuple.
    #[inline(never)]
    unsafe fn list(&mut self, sequence: *mut PyObject, depth: usize) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return Err(Stop::Hard);
        }
        self.tape.tag(tag::LIST);
        // SAFETY: the caller holds it.
        let held = unsafe { Borrowed::from_ptr(self.py, sequence) };
        with_critical_section(&held, || {
            let mut index = 0;
            // The size is read anew each time: without a GIL it can change while a nested
            // container waits for its lock.
            // SAFETY: exactly a list or a tuple, and both count their items in the same place.
            while index < unsafe { ffi::Py_SIZE(sequence) } {
                // SAFETY: in bounds, and locked where there is no GIL; borrowed as in `map`.
                let item = unsafe {
                    if ffi::PyList_CheckExact(sequence) == 0 {
                        ffi::PyTuple_GET_ITEM(sequence, index)
                    } else {
                        ffi::PyList_GET_ITEM(sequence, index)
                    }
                };
                #[cfg(Py_GIL_DISABLED)]
                // SAFETY: just handed out under the list's lock.
                let _held = unsafe { pyo3::Py::<pyo3::PyAny>::from_borrowed_ptr(self.py, item) };
                // SAFETY: as above.
                unsafe { self.value(item, depth)? };
                self.check()?;
                index += 1;
            }
            Ok(())
        })?;
        self.tape.end();
        Ok(())
    }

    /// Writes a `str`.
    ///
    /// # Safety
    /// As [`Walk::field`]; `value` is a `str` or of a subclass.
    #[inline]
    pub(crate) unsafe fn str(&mut self, value: *mut PyObject) -> Result<(), Stop> {
        // SAFETY: promised by the caller.
        if let Some(ascii) = unsafe { text::ascii(value) } {
            // A short one is over the limit when `check` says so; a long one is not even copied.
            if ascii.len() > tag::SHORT_TEXT_MAX && ascii.len() > self.limit {
                return self.refuse(ascii.len());
            }
            self.tape.text(ascii);
            return Ok(());
        }
        // SAFETY: promised by the caller.
        self.wide(&unsafe { text::read(value) }.ok_or(Stop::Hard)?)
    }

    /// Writes a text that is not plain ASCII.
    #[cold]
    #[inline(never)]
    fn wide(&mut self, text: &Text<'_>) -> Result<(), Stop> {
        if text.chars() > self.limit {
            return self.refuse(text.chars());
        }
        let tape = &mut *self.tape;
        self.replaced.surrogates += text.utf8(self.space, |utf8| tape.text(utf8));
        Ok(())
    }

    #[cold]
    fn refuse(&mut self, text_bytes: usize) -> Result<(), Stop> {
        self.refused_bytes = text_bytes;
        Err(Stop::TooLarge)
    }

    /// Writes an integer.
    ///
    /// # Safety
    /// As [`Walk::field`]; `value` is an `int` or of a subclass.
    #[inline]
    unsafe fn int(&mut self, value: *mut PyObject) -> Result<(), Stop> {
        let mut overflow: c_int = 0;
        // SAFETY: an int, attached: reads its digits, cannot fail.
        let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(value, &raw mut overflow) };
        if overflow != 0 {
            // SAFETY: as above.
            return unsafe { self.long_int(value) };
        }
        self.tape.int(number);
        Ok(())
    }

    #[inline]
    fn float(&mut self, value: f64) {
        if !value.is_finite() {
            self.replaced.nonfinite += 1;
        }
        self.tape.float(value);
    }

    /// Stops once the event is certainly over the limit, so that a huge one costs no more.
    #[inline]
    fn check(&self) -> Result<(), Stop> {
        if self.tape.least_json() > self.limit { Err(Stop::TooLarge) } else { Ok(()) }
    }
}
