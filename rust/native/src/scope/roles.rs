//! What the fields of one shape take from a scope, and the values of an event with what it
//! took.
#![allow(unsafe_code, reason = "values are borrowed pointers")]

use pyo3::{ffi, ffi::PyObject, prelude::*, types::PyTuple};
use sluiceway_core::layout::Layout;

use super::{ANONYMOUS, CONTEXT, GROUPED, GROUPS, USER, WHO};
use crate::{
    entries::Entries,
    error,
    names::Names,
    text,
    values::{Places, Values},
    walk::{Stop, Walk},
};

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
        Ok(Self { takes: takes.into(), who, placed, kind })
    }

    /// The event's values with what it takes. `None`: that is for Python to say.
    ///
    /// # Safety
    /// Attached; the values are held.
    #[inline]
    pub(crate) unsafe fn fill<'a>(&'a self, parts: &'a Bound<'_, PyTuple>, values: Values<'_>) -> Option<Filled<'a>> {
        let who = values.given() & self.who;
        let mut filled = Filled { places: Places::new(), inherited: Places::new(), placed: &self.placed, _held: parts };
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
            let Ok(part) = parts.get_borrowed_item(take.part) else { continue };
            if part.is_none() || (!take.is_merged && who != 0) {
                continue;
            }
            let own = filled.places.get(take.field);
            if !take.is_merged || (own.is_none() && (take.part != CONTEXT || self.placed.is_empty())) {
                filled.places.put(take.field, part.as_ptr());
            } else if take.part != CONTEXT || self.placed.is_empty() {
                filled.inherited.put(take.field, part.as_ptr());
            } else {
                // SAFETY: the scope's own dict, which nobody changes.
                unsafe { filled.divide(take.field, own, part.as_ptr()) }
            }
        }
        Some(filled)
    }
}

/// The values of an event with what it took from a scope, whose values it holds.
pub(crate) struct Filled<'a> {
    places: Places,
    /// What maps take beside their own entries; of a map without such, the same as in `places`.
    inherited: Places,
    placed: &'a Names,
    _held: &'a Bound<'a, PyTuple>,
}

impl Filled<'_> {
    /// Puts those entries of the context that have a field of their own there, unless it is
    /// given, and leaves the others to the map `field`, whose own value is `own`.
    ///
    /// # Safety
    /// Attached; `context` is a dict that is held and that nobody changes.
    unsafe fn divide(&mut self, field: usize, own: Option<*mut PyObject>, context: *mut PyObject) {
        let mut has_others = false;
        // SAFETY: promised by the caller; a dict of ours has exact texts for keys.
        unsafe {
            let mut entries = Entries::of(context);
            while let Some((key, value)) = entries.next() {
                match self.placed.find(key).and_then(|placed| usize::try_from(placed.slot).ok()) {
                    Some(slot) if self.places.get(slot).is_none() => self.places.put(slot, value),
                    Some(_) => {}
                    None => has_others = true,
                }
            }
        }
        if has_others {
            self.inherited.put(field, context);
            if own.is_none() {
                self.places.put(field, context);
            }
        }
    }

    /// Which fields are given, a bit for each.
    #[inline]
    pub(crate) fn given(&self) -> u64 {
        self.places.given()
    }

    /// Walks the values, as the push does with those of an event that takes nothing.
    ///
    /// # Safety
    /// Attached; the values are held.
    #[inline]
    pub(crate) unsafe fn walk(&self, walk: &mut Walk<'_, '_>, layout: &Layout) -> Result<(), Stop> {
        let mut next = 0;
        for (index, value) in self.places.first(layout.fields.len()).each() {
            let Some(place) = layout.fields.get(index) else { return Err(Stop::Hard) };
            if index != next {
                walk.tape.absent(u8::try_from(index - next).unwrap_or(u8::MAX));
            }
            // SAFETY: promised by the caller; what the scope holds is held with it.
            unsafe {
                match self.inherited.get(index) {
                    None => walk.field(place, value)?,
                    Some(more) => {
                        let own = (value != more).then_some(value);
                        walk.merged(place, own, more, |key| self.placed.find(key).is_some())?;
                    }
                }
            }
            next = index + 1;
        }
        Ok(())
    }
}
