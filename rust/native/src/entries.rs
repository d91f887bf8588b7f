//! The entries of a dict, in order: read where they lie, or as `PyDict_Next` says.
//!
//! `PyDict_Next` is a call for each entry, and at each it finds out anew how the dict keeps
//! its own: a fifth of a push. How it does is CPython's private affair, so the short way is
//! fenced in. It is taken on the versions whose source was read for it and whose tests were
//! run (3.11 to 3.13, one layout), with a GIL; for a dict with names for keys and a table
//! of its own, which all are but those of instances; and only if, when the module was
//! imported, it found in sample dicts what `PyDict_Next` found.
#![allow(unsafe_code, reason = "reads CPython's dicts; each block says what it relies on")]

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::{ffi, ffi::PyObject, prelude::*, types::PyDict};

#[cfg(not(all(Py_3_11, not(any(Py_3_14, Py_GIL_DISABLED, PyPy, GraalPy)))))]
use self::elsewhere as table;

/// Whether the short way was shown to find what is there. Relaxed: it is set while the
/// module is imported, which is before any walk.
static IS_PROVEN: AtomicBool = AtomicBool::new(false);

/// The entries of one dict, and how far they were read.
///
/// As with `PyDict_Next`, what it says of a dict that is changed meanwhile is stale, and to
/// ask on is safe.
pub(crate) struct Entries {
    dict: *mut PyObject,
    place: isize,
    is_short: bool,
}

impl Entries {
    /// # Safety
    /// Attached; `dict` is exactly a dict and held, and locked where there is no GIL, as
    /// long as entries are asked for.
    #[inline]
    pub(crate) unsafe fn of(dict: *mut PyObject) -> Self {
        // SAFETY: promised by the caller.
        let is_short = IS_PROVEN.load(Ordering::Relaxed) && unsafe { table::is_plain(dict) };
        Self { dict, place: 0, is_short }
    }

    /// The next key and value, borrowed from the dict.
    ///
    /// # Safety
    /// As [`Entries::of`].
    #[inline]
    pub(crate) unsafe fn next(&mut self) -> Option<(*mut PyObject, *mut PyObject)> {
        // SAFETY: promised by the caller.
        unsafe {
            if self.is_short {
                return table::next(self.dict, &mut self.place);
            }
            let (mut key, mut value) = (std::ptr::null_mut(), std::ptr::null_mut());
            (ffi::PyDict_Next(self.dict, &raw mut self.place, &raw mut key, &raw mut value) != 0)
                .then_some((key, value))
        }
    }
}

/// Compares the short way with `PyDict_Next` on dicts as they come about, and takes it from
/// then on if it never differs.
pub(crate) fn prove(py: Python<'_>) -> PyResult<()> {
    let mut is_proven = true;
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
    Ok(())
}

/// Whether both ways find the same in `dict`, if the short one may be taken at all.
fn is_same(dict: &Bound<'_, PyDict>) -> bool {
    // SAFETY: attached, exactly a dict, held, and nobody else's.
    unsafe {
        let is_short = table::is_plain(dict.as_ptr());
        let mut ways = [is_short, false].map(|is_short| Entries { dict: dict.as_ptr(), place: 0, is_short });
        for _ in 0..=dict.len() {
            let [one, other] = &mut ways;
            if one.next() != other.next() {
                return false;
            }
        }
        true
    }
}

/// How CPython 3.11 to 3.13 keep a dict (Objects/dictobject.c, Include/internal/pycore_dict.h).
#[cfg(all(Py_3_11, not(any(Py_3_14, Py_GIL_DISABLED, PyPy, GraalPy))))]
mod table {
    use pyo3::{ffi, ffi::PyObject};

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

    /// Each key is exactly a `str`, and an entry is a key and a value.
    const KIND_UNICODE: u8 = 1;

    /// Whether the dict has a table of its own with entries of a key and a value.
    ///
    /// # Safety
    /// As [`Entries::of`](super::Entries::of).
    #[inline]
    pub(super) unsafe fn is_plain(dict: *mut PyObject) -> bool {
        // SAFETY: a dict always has a table; it may share that with others of its class,
        // and has its values elsewhere then.
        unsafe {
            let dict = dict.cast::<ffi::PyDictObject>();
            (*dict).ma_values.is_null() && (*(*dict).ma_keys.cast::<Head>()).kind == KIND_UNICODE
        }
    }

    /// The next entry that was not deleted.
    ///
    /// # Safety
    /// As [`Entries::of`](super::Entries::of), and `is_plain` has said so.
    #[inline]
    pub(super) unsafe fn next(dict: *mut PyObject, place: &mut isize) -> Option<(*mut PyObject, *mut PyObject)> {
        // SAFETY: dict and table are looked at anew for each entry, so they are as they are
        // now: behind its indices a table has as many entries as it says.
        unsafe {
            if !is_plain(dict) {
                return None;
            }
            let head = (*dict.cast::<ffi::PyDictObject>()).ma_keys.cast::<Head>();
            let indices = head.add(1).cast::<u8>();
            let entries = indices.add(1 << (*head).log2_index_bytes).cast::<[*mut PyObject; 2]>();
            while *place < (*head).entries {
                let [key, value] = entries.offset(*place).read();
                *place += 1;
                if !value.is_null() {
                    return Some((key, value));
                }
            }
            None
        }
    }
}

/// Other interpreters are asked.
#[cfg(not(all(Py_3_11, not(any(Py_3_14, Py_GIL_DISABLED, PyPy, GraalPy)))))]
mod elsewhere {
    use pyo3::ffi::PyObject;

    pub(super) unsafe fn is_plain(_dict: *mut PyObject) -> bool {
        false
    }

    pub(super) unsafe fn next(_dict: *mut PyObject, _place: &mut isize) -> Option<(*mut PyObject, *mut PyObject)> {
        None
    }
}
