//! The values of a call's fields, and which of them are given.
#![allow(unsafe_code, reason = "places that nobody wrote are not read")]

use std::mem::MaybeUninit;

use pyo3::{ffi, ffi::PyObject};
use sluiceway_core::shape::MAX_FIELDS;

/// A place for each field of an event, of which those not given need not be written.
pub(crate) struct Places {
    places: [MaybeUninit<*mut PyObject>; MAX_FIELDS],
    given: u64,
}

impl Places {
    /// Nothing is given.
    #[inline]
    pub(crate) fn new() -> Self {
        // A constant: a value would be copied to each place, by a call.
        Self { places: [const { MaybeUninit::uninit() }; MAX_FIELDS], given: 0 }
    }

    /// Puts `value` in the place of the field at `index`; `None` is no value.
    #[inline]
    pub(crate) fn put(&mut self, index: usize, value: *mut PyObject) {
        // SAFETY: reads an address; it lives as long as the interpreter.
        if value != unsafe { ffi::Py_None() }
            && let Some(place) = self.places.get_mut(index)
        {
            place.write(value);
            self.given |= 1 << index;
        }
    }

    /// What was put in the place of the field at `index`.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<*mut PyObject> {
        let is_given = index < MAX_FIELDS && self.given & 1 << index != 0;
        // SAFETY: its bit says that it was written.
        self.places.get(index).filter(|_| is_given).map(|place| unsafe { place.assume_init() })
    }

    /// The first `len` of them, which are all that were put.
    #[inline]
    pub(crate) fn first(&self, len: usize) -> Values<'_> {
        let len = len.min(MAX_FIELDS);
        Values { places: &self.places[..len], given: self.given }
    }
}

/// The values of fields, `None` left out.
///
/// Each bit of `given` is that of a place which was written; there may be bits beyond the
/// places, and those are nobody's.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    places: &'a [MaybeUninit<*mut PyObject>],
    given: u64,
}

impl<'a> Values<'a> {
    /// The arguments of a call, one for each of the first fields.
    #[inline]
    pub(crate) fn of(arguments: &'a [*mut PyObject]) -> Self {
        // SAFETY: reads an address; it lives as long as the interpreter.
        let none = unsafe { ffi::Py_None() };
        let given = arguments.iter().take(MAX_FIELDS).enumerate();
        let given = given.fold(0, |given, (index, value)| given | u64::from(*value != none) << index);
        // SAFETY: the same pointers, all of them written.
        let places = unsafe { std::slice::from_raw_parts(arguments.as_ptr().cast(), arguments.len()) };
        Self { places, given }
    }

    /// How many fields they are for.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Which of them are given, a bit for each.
    #[inline]
    pub(crate) fn given(&self) -> u64 {
        self.given
    }

    /// Those that are given, with the indices of their fields, in order.
    #[inline]
    pub(crate) fn each(self) -> impl Iterator<Item = (usize, *mut PyObject)> + use<'a> {
        let Self { places, mut given } = self;
        std::iter::from_fn(move || {
            if given == 0 {
                return None;
            }
            let index = given.trailing_zeros() as usize;
            given &= given - 1;
            // SAFETY: its bit says that it was written.
            places.get(index).map(|place| (index, unsafe { place.assume_init() }))
        })
    }
}
