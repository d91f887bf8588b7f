//! The parameters of a method by their names, found as Python finds a name: by its hash,
//! then by its address, and only then by its characters.
#![allow(unsafe_code, reason = "reads the hash that a str carries")]

use pyo3::{
    ffi::{self, PyObject},
    prelude::*,
    types::PyString,
};

use crate::text;

/// One parameter.
pub(crate) struct Parameter {
    /// Interned.
    name: Py<PyString>,
    /// Which one it is behind `self`.
    pub(crate) index: usize,
    /// Where its value goes.
    pub(crate) slot: i32,
}

/// The table: at most half of its places are taken.
pub(crate) struct Names(Box<[Option<Parameter>]>);

impl Names {
    /// The table of these names and their slots; `None` if a name comes twice.
    pub(crate) fn new(py: Python<'_>, names: &[String], slots: &[i32]) -> PyResult<Option<Self>> {
        let mut table = Self((0..(2 * names.len()).next_power_of_two()).map(|_| None).collect());
        for (index, (name, slot)) in names.iter().zip(slots).enumerate() {
            let name = PyString::intern(py, name);
            // From here on it carries its hash.
            name.hash()?;
            // SAFETY: attached; an exact `str`, which is held.
            let Err(free) = (unsafe { table.look(name.as_ptr()) }) else { return Ok(None) };
            if let Some(place) = table.0.get_mut(free) {
                *place = Some(Parameter { name: name.unbind(), index, slot: *slot });
            }
        }
        Ok(Some(table))
    }

    /// Whether there is no name at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// The parameter of this name. `None` also for a `str` whose hash nobody has asked for yet.
    ///
    /// # Safety
    /// Attached; `name` is an exact `str`, and held.
    #[inline]
    pub(crate) unsafe fn find(&self, name: *mut PyObject) -> Option<&Parameter> {
        // SAFETY: promised by the caller.
        unsafe { self.look(name) }.ok()
    }

    /// The parameter, or else the place where it would be.
    ///
    /// # Safety
    /// As [`Names::find`].
    #[inline]
    unsafe fn look(&self, name: *mut PyObject) -> Result<&Parameter, usize> {
        // SAFETY: promised by the caller: a `str` begins as this does.
        let hash = unsafe { (*name.cast::<ffi::PyASCIIObject>()).hash };
        let mask = self.0.len() - 1;
        let mut place = hash.cast_unsigned() & mask;
        while let Some(Some(parameter)) = self.0.get(place) {
            // SAFETY: promised by the caller; our own name is a `str` as well.
            if parameter.name.as_ptr() == name || unsafe { is_same(parameter.name.as_ptr(), name) } {
                return Ok(parameter);
            }
            place = (place + 1) & mask;
        }
        Err(place)
    }
}

/// Whether two strings at different places have the same characters: a name from parsed
/// JSON is not interned.
///
/// # Safety
/// As [`Names::find`], for both.
#[inline]
unsafe fn is_same(one: *mut PyObject, other: *mut PyObject) -> bool {
    // SAFETY: promised by the caller.
    unsafe {
        (*one.cast::<ffi::PyASCIIObject>()).hash == (*other.cast::<ffi::PyASCIIObject>()).hash
            && matches!((text::ascii(one), text::ascii(other)), (Some(one), Some(other)) if one == other)
    }
}
