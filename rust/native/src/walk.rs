//! The walk: from Python objects to the tape. The only file that reads them.
//!
//! No Python code runs inside a walk. Everything met is of a type whose content lies in
//! memory as CPython documents it (or a subclass of `str`, `int`, `float`, read as its
//! base); at anything else the walk stops, and Python turns the event into plain values
//! first. So nothing the caller wrote can change a container while it is walked: with a
//! GIL nobody else runs, and without one each container is locked while it is read and
//! what it holds is held.
//!
//! Raw `pyo3-ffi` rather than safe pyo3: borrowed references instead of an iterator that
//! counts references and panics on mutation halve the walk of a small dict, which is most
//! of a push.
#![allow(unsafe_code, reason = "reads objects through borrowed pointers; each block says what holds them")]

use std::ffi::c_int;

use pyo3::{Borrowed, Python, ffi, ffi::PyObject, sync::critical_section::with_critical_section};
use sluiceway_core::{
    counters::Replaced,
    keys::{Keys, MAX_KEY_BYTES},
    layout::Layout,
    tape::{Tape, tag},
    words::{Meaning, Watch, is_among},
};

use crate::{
    entries::Entries,
    scope::Inherited,
    text::{self, Text},
};

mod field;
pub(crate) mod rare;

/// Why a walk stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Something that only Python can turn into plain values, or that breaks a field's rule.
    Hard,
    /// Certainly over the limit: by what the tape holds, or by [`Walk::refused_bytes`].
    TooLarge,
}

/// One walk over the values of one event.
pub(crate) struct Walk<'a, 'py> {
    py: Python<'py>,
    pub(crate) tape: &'a mut Tape,
    /// Where UTF-8 is made, kept between events.
    space: &'a mut Vec<u8>,
    keys: &'a Keys,
    /// An event with more bytes of JSON than this is given up early.
    limit: usize,
    /// The most characters of a text that is taken without a closer look.
    longest: usize,
    /// Longer texts are cut.
    max_text_chars: usize,
    max_depth: usize,
    /// Python has validated the values already: the rules of fields are not looked at again.
    is_checked: bool,
    /// What maps of fields take from a scope.
    inherited: Option<&'a Inherited<'a>>,
    pub(crate) replaced: Replaced,
    /// The size of a text that was too large to copy.
    pub(crate) refused_bytes: usize,
}

impl<'a, 'py> Walk<'a, 'py> {
    /// A walk that writes the values of an event of `layout` on `tape`; above `limit` bytes
    /// of JSON it is given up.
    #[inline]
    pub(crate) fn new(
        py: Python<'py>,
        layout: &Layout,
        limit: usize,
        is_checked: bool,
        inherited: Option<&'a Inherited<'a>>,
        (tape, space, keys): (&'a mut Tape, &'a mut Vec<u8>, &'a Keys),
    ) -> Self {
        Self {
            py,
            tape,
            space,
            keys,
            limit,
            // A short one over the limit is copied, and `check` sees it.
            longest: limit.max(tag::SHORT_TEXT_MAX).min(layout.max_text_chars),
            max_text_chars: layout.max_text_chars,
            max_depth: layout.max_depth,
            is_checked,
            inherited,
            replaced: Replaced::default(),
            refused_bytes: 0,
        }
    }
}

impl Walk<'_, '_> {
    /// Writes any value. Texts, which most values are, without a call. `depth` is how many
    /// containers it lies in.
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
                return self.map(value, depth + 1, None);
            }
            if kind == &raw mut ffi::PyList_Type || kind == &raw mut ffi::PyTuple_Type {
                return self.list(value, depth + 1);
            }
            self.rare(value)
        }
    }

    /// Writes a dict. `watch` knows which of its keys mean something.
    ///
    /// # Safety
    /// As [`Walk::field`]; `dict` is exactly a dict.
    #[inline(never)]
    unsafe fn map(&mut self, dict: *mut PyObject, depth: usize, watch: Option<&Watch>) -> Result<(), Stop> {
        if depth > self.max_depth {
            return Err(Stop::Hard);
        }
        let begin = self.tape.position();
        let lengths = watch.map_or(0, Watch::lengths);
        self.tape.tag(tag::MAP);
        // SAFETY: the caller holds it.
        let held = unsafe { Borrowed::from_ptr(self.py, dict) };
        with_critical_section(&held, || {
            // SAFETY: a dict, attached, and locked where there is no GIL. Key and value are
            // borrowed from it; nothing in the loop runs Python code that could change it.
            let mut entries = unsafe { Entries::of(dict) };
            // SAFETY: as above.
            while let Some((key, value)) = unsafe { entries.next() } {
                // Without a GIL the lock is let go while a nested container waits for its
                // own, so what is being walked must be held.
                #[cfg(Py_GIL_DISABLED)]
                // SAFETY: both were just handed out under the dict's lock.
                let _held = unsafe {
                    (pyo3::Bound::from_borrowed_ptr(self.py, key), pyo3::Bound::from_borrowed_ptr(self.py, value))
                };
                // SAFETY: as above.
                unsafe {
                    if self.key(key, lengths)? {
                        self.notice(key, watch, begin)?;
                    }
                    self.value(value, depth)?;
                }
                self.check()?;
            }
            if let (Some(inherited), Some(watch)) = (self.inherited, watch) {
                // SAFETY: the caller holds the dict, whose keys were all seen to be texts.
                unsafe { self.inherit(dict, inherited, watch, begin)? };
            }
            Ok(())
        })?;
        self.tape.end();
        Ok(())
    }

    /// Writes what the map of a field that begins at `begin` inherits, behind its own entries:
    /// what it has not, but for entries that stand elsewhere.
    ///
    /// Their keys are written as texts, without a number: they are few, and the code that
    /// finds one must stay inlined where most keys are written.
    ///
    /// # Safety
    /// As [`Walk::field`]; `own` is a dict whose keys are exact texts.
    #[cold]
    #[inline(never)]
    unsafe fn inherit(
        &mut self,
        own: *mut PyObject,
        inherited: &Inherited<'_>,
        watch: &Watch,
        begin: usize,
    ) -> Result<(), Stop> {
        let Some(more) = inherited.beside(watch) else { return Ok(()) };
        // Without a GIL, another thread may have put a key into `own` that is no text, since the
        // walk saw them; and to compare such a key may be to run Python code.
        if cfg!(Py_GIL_DISABLED) {
            return Err(Stop::Hard);
        }
        // SAFETY: promised by the caller, and attached; `more` is the scope's own dict, held
        // with it, whose keys are exact texts and which nobody changes. Texts compare by their
        // characters, so no Python code runs, and nobody changes `own` meanwhile.
        unsafe {
            let mut entries = Entries::of(more);
            while let Some((key, value)) = entries.next() {
                if ffi::PyDict_Contains(own, key) == 1 || inherited.stands_elsewhere(key) {
                    continue;
                }
                self.whole(&text::read(key).ok_or(Stop::Hard)?)?;
                if watch.lengths() != 0 {
                    self.notice(key, Some(watch), begin)?;
                }
                self.value(value, 1)?;
                self.check()?;
            }
        }
        Ok(())
    }

    /// Writes a key; true if it is worth a look, as one of these lengths may be.
    ///
    /// # Safety
    /// As [`Walk::field`].
    #[inline]
    unsafe fn key(&mut self, key: *mut PyObject, lengths: u64) -> Result<bool, Stop> {
        // SAFETY: attached, and the dict holds `key`; its type is checked first. A key's
        // hash was computed when it went into the dict.
        unsafe {
            if ffi::PyUnicode_CheckExact(key) == 0 {
                return Err(Stop::Hard);
            }
            let Some(name) = text::ascii(key) else {
                self.whole(&text::read(key).ok_or(Stop::Hard)?)?;
                return Ok(lengths != 0);
            };
            let hash = (*key.cast::<ffi::PyASCIIObject>()).hash;
            if name.len() <= MAX_KEY_BYTES
                && let Some((number, json_len)) = self.keys.find(hash.cast_unsigned() as u64, name)
            {
                self.tape.key(number, json_len);
            } else if name.len() > self.limit {
                self.refuse(name.len())?;
            } else {
                self.tape.text(name);
            }
            Ok(is_among(lengths, name.len()))
        }
    }

    /// Looks what a key of the map that begins at `begin` means to its field.
    ///
    /// # Safety
    /// As [`Walk::field`]; `key` is a `str`.
    #[cold]
    #[inline(never)]
    unsafe fn notice(&mut self, key: *mut PyObject, watch: Option<&Watch>, begin: usize) -> Result<(), Stop> {
        // SAFETY: promised by the caller.
        let key = unsafe { text::read(key) }.ok_or(Stop::Hard)?;
        let mut meaning = Meaning::None;
        key.utf8(self.space, |key| meaning = watch.map_or(Meaning::None, |watch| watch.meaning(key)));
        match meaning {
            Meaning::Merged => self.tape.retag(begin, tag::MAP_COMPLETE),
            Meaning::Watched if !self.is_checked => return Err(Stop::Hard),
            Meaning::Watched | Meaning::None => {}
        }
        Ok(())
    }

    /// Writes a list or a tuple.
    ///
    /// # Safety
    /// As [`Walk::field`]; `sequence` is exactly a list or a tuple.
    #[inline(never)]
    unsafe fn list(&mut self, sequence: *mut PyObject, depth: usize) -> Result<(), Stop> {
        if depth > self.max_depth {
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
                let _held = unsafe { pyo3::Bound::from_borrowed_ptr(self.py, item) };
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
    unsafe fn str(&mut self, value: *mut PyObject) -> Result<(), Stop> {
        // SAFETY: promised by the caller.
        if let Some(ascii) = unsafe { text::ascii(value) } {
            if ascii.len() > self.longest {
                return self.text(Text::Ascii(ascii));
            }
            self.tape.text(ascii);
            return Ok(());
        }
        // SAFETY: promised by the caller.
        self.text(unsafe { text::read(value) }.ok_or(Stop::Hard)?)
    }

    /// Writes a text of any kind and length, cut to the vendor's.
    #[cold]
    #[inline(never)]
    fn text(&mut self, mut text: Text<'_>) -> Result<(), Stop> {
        if text.chars() > self.max_text_chars {
            text = text.first(self.max_text_chars);
            self.replaced.texts += 1;
        }
        self.whole(&text)
    }

    /// Writes a text that is not cut: a key, or the event's id.
    pub(crate) fn whole(&mut self, text: &Text<'_>) -> Result<(), Stop> {
        // Over the limit it is not even copied.
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
