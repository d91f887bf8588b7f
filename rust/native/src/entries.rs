//! The entries of a dict, in order: read where they lie, or as `PyDict_Next` says.
//!
//! `PyDict_Next` is a call for each entry, and at each it finds out anew how the dict keeps
//! its own: a fifth of a push. How it does is CPython's private affair, so the short way is
//! fenced in. It is taken on the versions whose source was read for it and whose tests were
//! run (3.11 to 3.13, one layout), with a GIL; for a dict with names for keys and a table
//! of its own, which all are but those of instances; and only if, when the module was
//! imported, it found in sample dicts what `PyDict_Next` found.
#![allow(unsafe_code, reason = "reads CPython's dicts; each block says what it relies on")]

use std::{
    ops::Range,
    ptr::{self, NonNull},
    sync::atomic::{AtomicBool, Ordering},
};

use pyo3::{ffi, ffi::PyObject, prelude::*, types::PyDict};

#[cfg(not(all(Py_3_11, not(any(Py_3_14, Py_GIL_DISABLED, PyPy, GraalPy)))))]
use self::elsewhere as table;

/// Whether the short way was shown to find what is there. Relaxed: it is set while the
/// module is imported, which is before any walk.
static IS_PROVEN: AtomicBool = AtomicBool::new(false);

/// A key and its value; a value that is null was deleted.
type Entry = [*mut PyObject; 2];

/// The entries of one dict, and how far they were read.
pub(crate) struct Entries {
    /// What is left of them where they lie; nothing, if `PyDict_Next` is asked.
    rest: Range<*const Entry>,
    /// Whom `PyDict_Next` is asked about.
    dict: Option<NonNull<PyObject>>,
    place: isize,
}

impl Entries {
    /// # Safety
    /// Attached; `dict` is exactly a dict and held, and nobody changes it as long as entries
    /// are asked for: no Python code runs, and where there is no GIL it is locked.
    #[inline]
    pub(crate) unsafe fn of(dict: *mut PyObject) -> Self {
        if IS_PROVEN.load(Ordering::Relaxed) {
            // SAFETY: promised by the caller.
            unsafe { Self::read(dict) }
        } else {
            Self::asked(dict)
        }
    }

    /// Reads the entries where they lie, if they lie as they do in most dicts.
    ///
    /// # Safety
    /// As [`Entries::of`].
    #[inline]
    unsafe fn read(dict: *mut PyObject) -> Self {
        // SAFETY: promised by the caller.
        match unsafe { table::entries(dict) } {
            Some(rest) => Self { rest, dict: None, place: 0 },
            None => Self::asked(dict),
        }
    }

    #[inline]
    fn asked(dict: *mut PyObject) -> Self {
        Self { rest: ptr::null()..ptr::null(), dict: NonNull::new(dict), place: 0 }
    }

    /// The next key and value, borrowed from the dict.
    ///
    /// # Safety
    /// As [`Entries::of`].
    #[inline]
    pub(crate) unsafe fn next(&mut self) -> Option<(*mut PyObject, *mut PyObject)> {
        // SAFETY: promised by the caller: the entries are where they were, and `start` is at
        // one of them until it is at their end.
        unsafe {
            while self.rest.start != self.rest.end {
                let [key, value] = self.rest.start.read();
                self.rest.start = self.rest.start.add(1);
                if !value.is_null() {
                    return Some((key, value));
                }
            }
            let (mut key, mut value) = (ptr::null_mut(), ptr::null_mut());
            let found = ffi::PyDict_Next(self.dict?.as_ptr(), &raw mut self.place, &raw mut key, &raw mut value);
            (found != 0).then_some((key, value))
        }
    }
}

/// Compares the short way with `PyDict_Next` on dicts as they come about, and takes it from
/// then on if it never differs. Returns whether it does.
pub(crate) fn prove(py: Python<'_>) -> PyResult<bool> {
    let mut is_proven = table::IS_KNOWN;
    // Tables of each size up to those whose indices take two bytes.
    for len in [0, 1, 5, 6, 11, 22, 43, 86, 171, 400] {
        let dict = PyDict::new(py);
        for number in 0..len {
            dict.set_item(format!("name {number}"), number)?;
        }
        is_proven &= is_same(&dict);
        for number in (0..len).filter(|number| number % 3 == 0) {
            dict.del_item(format!("name {number}"))?;
            is_proven &= is_same(&dict);
        }
        dict.set_item("name 0", "again")?;
        is_proven &= is_same(&dict) && is_same(&dict.copy()?);
        dict.clear();
        is_proven &= is_same(&dict);
        dict.set_item(len, "not under a name")?;
        is_proven &= is_same(&dict);
    }
    IS_PROVEN.store(is_proven, Ordering::Relaxed);
    Ok(is_proven)
}

/// Whether both ways find the same in `dict`, if the short one can be taken at all.
fn is_same(dict: &Bound<'_, PyDict>) -> bool {
    // SAFETY: attached, exactly a dict, held, and nobody else's.
    unsafe {
        let (mut read, mut asked) = (Entries::read(dict.as_ptr()), Entries::asked(dict.as_ptr()));
        (0..=dict.len()).all(|_| read.next() == asked.next())
    }
}

/// How CPython 3.11 to 3.13 keep a dict: `Objects/dictobject.c`, `Include/internal/pycore_dict.h`.
#[cfg(all(Py_3_11, not(any(Py_3_14, Py_GIL_DISABLED, PyPy, GraalPy))))]
mod table {
    use std::ops::Range;

    use pyo3::{ffi, ffi::PyObject};

    use super::Entry;

    pub(super) const IS_KNOWN: bool = true;

    /// What stands before a table's indices, behind which the entries follow.
    #[repr(C)]
    struct Head {
        references: isize,
        log2_size: u8,
        log2_index_bytes: u8,
        kind: u8,
        version: u32,
        usable: isize,
        /// How many entries there are, those included that were deleted.
        entries: isize,
    }

    /// Each key is exactly a `str`, an entry does not say its hash, and the table is one dict's
    /// own: that of several, whose values are elsewhere, is of another kind.
    const KIND_UNICODE: u8 = 1;

    /// The entries of a dict that has names for keys and a table of its own.
    ///
    /// # Safety
    /// As [`Entries::of`](super::Entries::of).
    #[inline]
    pub(super) unsafe fn entries(dict: *mut PyObject) -> Option<Range<*const Entry>> {
        // SAFETY: a dict always has a table. Behind its indices, which take eight bytes or a
        // multiple, it has as many entries as it says, of the form that its kind says.
        unsafe {
            let head = (*dict.cast::<ffi::PyDictObject>()).ma_keys.cast::<Head>();
            if (*head).kind != KIND_UNICODE {
                return None;
            }
            let first = head.add(1).byte_add(1 << (*head).log2_index_bytes).cast::<Entry>().cast_const();
            Some(first..first.offset((*head).entries))
        }
    }
}

/// Other interpreters are asked.
#[cfg(not(all(Py_3_11, not(any(Py_3_14, Py_GIL_DISABLED, PyPy, GraalPy)))))]
mod elsewhere {
    use std::ops::Range;

    use pyo3::ffi::PyObject;

    use super::Entry;

    pub(super) const IS_KNOWN: bool = false;

    pub(super) unsafe fn entries(_dict: *mut PyObject) -> Option<Range<*const Entry>> {
        None
    }
}
