//! Values that are walked natively but seldom met: subclasses, UUIDs, datetimes, huge integers.
#![allow(unsafe_code, reason = "as walk.rs")]

use pyo3::{
    Borrowed, Bound, Py, PyAny, PyErr, PyResult, Python, ffi,
    ffi::PyObject,
    prelude::PyAnyMethods,
    sync::PyOnceLock,
    types::{PyInt, PyType},
};

use sluiceway_core::json::time::days_from_civil;

use super::{Stop, Walk};
use crate::text::Text;

/// Above this many bits an integer has more than 4,300 digits, CPython's own limit for text.
const MAX_TEXT_BITS: u64 = 14_285;
/// The most digits that every JSON parser takes for a number: the next power is beyond a double.
pub(super) const MAX_NUMBER_DIGITS: usize = 308;
/// The most digits that Python itself prints.
pub(super) const MAX_TEXT_DIGITS: usize = 4_300;
const HUGE_INT: &[u8] = b"<int>";

impl Walk<'_, '_> {
    /// Writes a value of none of the frequent types.
    ///
    /// # Safety
    /// As [`Walk::field`].
    #[cold]
    pub(super) unsafe fn rare(&mut self, value: *mut PyObject) -> Result<(), Stop> {
        // SAFETY: attached and held; each is checked before it is read as its base.
        unsafe {
            if ffi::PyUnicode_Check(value) != 0 {
                return self.str(value);
            }
            if ffi::PyLong_Check(value) != 0 {
                return self.int(value);
            }
            if ffi::PyFloat_Check(value) != 0 {
                self.float(ffi::PyFloat_AS_DOUBLE(value));
                return Ok(());
            }
            if let Some(microseconds) = datetime(value) {
                self.tape.datetime(microseconds);
                return Ok(());
            }
        }
        // SAFETY: attached; the caller holds it.
        let bytes = unsafe { uuid(self.py, value) }.ok_or(Stop::Hard)?;
        self.tape.uuid(bytes);
        Ok(())
    }

    /// Writes an integer beyond 64 bits with a sign.
    ///
    /// # Safety
    /// As [`Walk::field`]; `value` is an `int` or of a subclass.
    #[cold]
    pub(super) unsafe fn long_int(&mut self, value: *mut PyObject) -> Result<(), Stop> {
        // SAFETY: promised by the caller.
        match unsafe { long_integer(self.py, value) }.ok_or(Stop::Hard)? {
            Integer::Small(number) => self.tape.int(number),
            Integer::Large(digits) if count(&digits) <= MAX_NUMBER_DIGITS => self.tape.digits(digits.as_bytes()),
            Integer::Large(digits) if count(&digits) <= MAX_TEXT_DIGITS => {
                self.replaced.integers += 1;
                self.text(Text::Ascii(digits.as_bytes()))?;
            }
            Integer::Large(_) | Integer::Huge => {
                self.replaced.integers += 1;
                self.tape.text(HUGE_INT);
            }
        }
        Ok(())
    }
}

/// An integer as far as it is worth reading.
pub(super) enum Integer {
    /// Of 64 bits, with a sign.
    Small(i64),
    /// Its decimal digits, behind a sign if it is negative.
    Large(String),
    /// Beyond what Python itself would print.
    Huge,
}

/// How many digits there are.
pub(super) fn count(digits: &str) -> usize {
    digits.trim_start_matches('-').len()
}

/// Reads an `int`. `None` if there is no memory for its digits.
///
/// # Safety
/// Attached; `value` is an `int` or of a subclass, and held.
pub(super) unsafe fn integer(py: Python<'_>, value: *mut PyObject) -> Option<Integer> {
    let mut overflow = 0;
    // SAFETY: an int, attached: reads its digits, cannot fail.
    let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(value, &raw mut overflow) };
    if overflow == 0 {
        return Some(Integer::Small(number));
    }
    // SAFETY: promised by the caller.
    unsafe { long_integer(py, value) }
}

/// Reads an `int` by its digits.
///
/// # Safety
/// As [`integer`].
#[cold]
unsafe fn long_integer(py: Python<'_>, value: *mut PyObject) -> Option<Integer> {
    // SAFETY: attached and held.
    let held = unsafe { Borrowed::from_ptr(py, value) };
    // The methods of `int` itself: a subclass could bring Python code.
    let int = py.get_type::<PyInt>();
    let bits = int.call_method1("bit_length", (&*held,)).and_then(|bits| bits.extract::<u64>());
    if bits.ok()? > MAX_TEXT_BITS {
        return Some(Integer::Huge);
    }
    // Its slot rather than a call: that would pack its arguments into a tuple, and up to
    // 3.11 an allocation may run the collector there and then, which runs Python code.
    // SAFETY: attached; the slot of `int` itself, given an int.
    let digits = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyLong_Type.tp_repr?(value)) };
    digits.and_then(|digits| digits.extract::<String>()).ok().map(Integer::Large)
}

/// The microseconds since 1970 of a datetime that is exact and naive (meant as UTC) or in
/// `timezone.utc`; any other `tzinfo` would be Python code.
///
/// # Safety
/// Attached; `value` is held.
pub(crate) unsafe fn datetime(value: *mut PyObject) -> Option<i64> {
    // SAFETY: attached; the type is checked before the fields are read. The API pointer is
    // null only if the import failed, which is looked at.
    unsafe {
        if ffi::PyDateTimeAPI().is_null() || ffi::PyDateTime_CheckExact(value) == 0 {
            return None;
        }
        let zone = ffi::PyDateTime_DATE_GET_TZINFO(value);
        if zone != ffi::Py_None() && zone != ffi::PyDateTime_TimeZone_UTC() {
            return None;
        }
        let days = days_from_civil(
            ffi::PyDateTime_GET_YEAR(value).into(),
            ffi::PyDateTime_GET_MONTH(value).into(),
            ffi::PyDateTime_GET_DAY(value).into(),
        );
        let hours = days * 24 + i64::from(ffi::PyDateTime_DATE_GET_HOUR(value));
        let minutes = hours * 60 + i64::from(ffi::PyDateTime_DATE_GET_MINUTE(value));
        let seconds = minutes * 60 + i64::from(ffi::PyDateTime_DATE_GET_SECOND(value));
        Some(seconds * 1_000_000 + i64::from(ffi::PyDateTime_DATE_GET_MICROSECOND(value)))
    }
}

/// `uuid.UUID`, and the slot in which each holds its number.
static UUID: PyOnceLock<(Py<PyType>, Py<PyAny>)> = PyOnceLock::new();

/// Imports what a walk compares types with: an import is Python code, so it has no place in
/// a walk.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    UUID.get_or_try_init(py, || {
        let kind = py.import("uuid")?.getattr("UUID")?.cast_into::<PyType>()?;
        let slot = kind.getattr("int")?;
        Ok::<_, PyErr>((kind.unbind(), slot.unbind()))
    })?;
    // SAFETY: attached.
    unsafe {
        ffi::PyDateTime_IMPORT();
        if ffi::PyDateTimeAPI().is_null() { Err(PyErr::fetch(py)) } else { Ok(()) }
    }
}

/// The bytes of an exact `uuid.UUID`. Its slot is read as it was when the module was imported,
/// whatever the class says by now, so no Python code runs; and only an exact int is taken
/// from it, as anybody may have put anything there.
///
/// # Safety
/// Attached; `value` is held.
pub(crate) unsafe fn uuid(py: Python<'_>, value: *mut PyObject) -> Option<[u8; 16]> {
    let (kind, slot) = UUID.get(py)?;
    // SAFETY: attached and held; a slot is read by its type, which is checked, from an object
    // of the class that it belongs to.
    let number = unsafe {
        if ffi::Py_TYPE(value) != kind.as_ptr().cast()
            || ffi::Py_TYPE(slot.as_ptr()) != &raw mut ffi::PyMemberDescr_Type
        {
            return None;
        }
        let read = ffi::PyMemberDescr_Type.tp_descr_get?;
        Bound::from_owned_ptr_or_err(py, read(slot.as_ptr(), value, kind.as_ptr())).ok()?
    };
    if !number.is_exact_instance_of::<PyInt>() {
        return None;
    }
    Some(number.extract::<u128>().ok()?.to_be_bytes())
}
