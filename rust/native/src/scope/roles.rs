//! What the fields of one shape take from a scope, and the values of an event with what it
//! took.
#![allow(unsafe_code, reason = "values are borrowed pointers")]

use sluiceway_core::{layout::Layout, words::Watch};

use super::{ANONYMOUS, CONTEXT, GROUPED, GROUPS, USER, WHO};
use crate::{
    entries::Entries,
    error,
    names::Names,
    text,
    values::{Places, Values},
};
use std::ptr;

use pyo3::{
    ffi,
    ffi::PyObject,
    prelude::*,
    types::{PyDict, PyTuple},
};

/// The most maps of one event that take something.
const MOST: usize = 4;

/// One field that takes something.
struct Take {
    field: usize,
    /// Which item of the scope's tuple.
    part: usize,
    /// Whether an event that has a map of its own takes what that has not.
    is_merged: bool,
}

/// What the fields of one shape take.
pub(crate) struct Roles {
    takes: Box<[Take]>,
    /// Fields that say who did it: an event that has one of them takes none.
    who: u64,
    /// Entries of the context that have a field of their own, by their keys.
    placed: Names,
    /// An empty dict, for a map that has no entry of its own.
    nothing: Py<PyDict>,
    /// The field whose text, if it begins with `$`, makes Python decide what is taken.
    kind: Option<usize>,
}

impl Roles {
    /// Of fields by their keys, and the word that says what each takes; an empty one is nothing.
    pub(crate) fn new(py: Python<'_>, fields: &[(Box<str>, Box<str>)]) -> PyResult<Self> {
        let (mut takes, mut who, mut kind) = (Vec::new(), 0, None);
        let (mut keys, mut slots) = (Vec::new(), Vec::new());
        for (field, (key, takes_what)) in fields.iter().enumerate() {
            let (part, is_merged) = match &**takes_what {
                "" => continue,
                "entry" => {
                    keys.push(String::from(&**key));
                    slots.push(i32::try_from(field).unwrap_or(i32::MAX));
                    continue;
                }
                "kind" => {
                    kind = Some(field);
                    continue;
                }
                "user" => (USER, false),
                "anonymous" => (ANONYMOUS, false),
                "who" => (WHO, false),
                "context" => (CONTEXT, true),
                "grouped" => (GROUPED, true),
                "groups" => (GROUPS, true),
                word => return Err(error::unknown("part of a scope", word)),
            };
            who |= if is_merged { 0 } else { 1 << field };
            takes.push(Take { field, part, is_merged });
        }
        let placed = Names::new(py, &keys, &slots)?.ok_or_else(|| error::unknown("second field", "of one key"))?;
        Ok(Self { takes: takes.into(), who, placed, nothing: PyDict::new(py).unbind(), kind })
    }

    /// The event's values with what it takes. `None`: that is for Python to say.
    ///
    /// # Safety
    /// Attached; the values are held, and so are those of the result as long as `parts`.
    pub(crate) unsafe fn fill<'a>(
        &'a self,
        layout: &'a Layout,
        parts: &Bound<'_, PyTuple>,
        values: Values<'_>,
    ) -> Option<Filled<'a>> {
        let who = values.given() & self.who;
        let mut filled =
            Filled { places: Places::new(), inherited: Inherited { maps: [None; MOST], placed: &self.placed } };
        for (index, value) in values.each() {
            filled.places.put(index, value);
        }
        // SAFETY: promised by the caller; of a `str` only the characters are read.
        unsafe {
            if let Some(kind) = self.kind.and_then(|field| filled.places.get(field))
                && (ffi::PyUnicode_CheckExact(kind) == 0 || text::read(kind).is_none_or(|text| text.begins_with(b'$')))
            {
                return None;
            }
        }
        for take in &self.takes {
            let part = parts.get_borrowed_item(take.part).ok()?;
            if part.is_none() || (!take.is_merged && who != 0) {
                continue;
            }
            let part = part.as_ptr();
            let own = filled.places.get(take.field);
            // SAFETY: the scope's own dict, which nobody changes.
            if take.part == CONTEXT && !self.placed.is_empty() && !unsafe { filled.divide(part) } {
                continue;
            }
            let is_whole = take.part != CONTEXT || self.placed.is_empty();
            if own.is_none() {
                filled.places.put(take.field, if is_whole { part } else { self.nothing.as_ptr() });
            }
            if take.is_merged && !(own.is_none() && is_whole) {
                filled.inherited.put(&layout.fields.get(take.field)?.watch, part)?;
            }
        }
        Some(filled)
    }
}

/// The values of an event with what it took from a scope.
pub(crate) struct Filled<'a> {
    pub(crate) places: Places,
    pub(crate) inherited: Inherited<'a>,
}

impl Filled<'_> {
    /// Puts those entries of the context that have a field of their own there, unless it is
    /// given; true if there are others.
    ///
    /// # Safety
    /// Attached; `context` is a dict that is held and that nobody changes.
    unsafe fn divide(&mut self, context: *mut PyObject) -> bool {
        let mut has_others = false;
        // SAFETY: promised by the caller; a dict of ours has exact texts for keys.
        unsafe {
            let mut entries = Entries::of(context);
            while let Some((key, value)) = entries.next() {
                match self.inherited.placed.find(key).and_then(|placed| usize::try_from(placed.slot).ok()) {
                    Some(slot) if self.places.get(slot).is_none() => self.places.put(slot, value),
                    Some(_) => {}
                    None => has_others = true,
                }
            }
        }
        has_others
    }
}

/// What the maps of an event's fields take beside their own entries.
pub(crate) struct Inherited<'a> {
    /// A field, by the keys that it watches, and what its map takes.
    maps: [Option<(&'a Watch, *mut PyObject)>; MOST],
    /// Keys of entries that stand elsewhere.
    placed: &'a Names,
}

impl<'a> Inherited<'a> {
    /// `None` if there is no place.
    fn put(&mut self, watch: &'a Watch, more: *mut PyObject) -> Option<()> {
        *self.maps.iter_mut().find(|map| map.is_none())? = Some((watch, more));
        Some(())
    }

    /// What the map of the field takes whose watch this is. By its address: the caller may have
    /// given one dict for two fields.
    pub(crate) fn beside(&self, watch: &Watch) -> Option<*mut PyObject> {
        self.maps.iter().flatten().find(|(field, _)| ptr::eq(*field, watch)).map(|(_, more)| *more)
    }

    /// Whether an entry of that key has a field of its own.
    ///
    /// # Safety
    /// Attached; `key` is an exact `str`, and held.
    #[inline]
    pub(crate) unsafe fn stands_elsewhere(&self, key: *mut PyObject) -> bool {
        // SAFETY: promised by the caller.
        unsafe { self.placed.find(key) }.is_some()
    }
}
