//! The fields of an event: what each kind takes, and the rules that a page has for its texts.
//!
//! Whatever breaks a rule goes to Python, which says what is wrong, or mends it.
#![allow(unsafe_code, reason = "as walk.rs")]

use pyo3::{ffi, ffi::PyObject};
use sluiceway_core::{ident, layout::Place, shape::Kind};

use super::{
    Stop, Walk,
    rare::{self, Integer, MAX_NUMBER_DIGITS, MAX_TEXT_DIGITS, count},
};
use crate::text::{self, Text};

impl Walk<'_, '_> {
    /// Writes the value of one field, which is not `None`.
    ///
    /// # Safety
    /// Attached; `value` is an object that somebody holds during the call.
    #[inline]
    pub(crate) unsafe fn field(&mut self, place: &Place, value: *mut PyObject) -> Result<(), Stop> {
        // SAFETY: attached; the caller holds `value`, as each callee asks.
        unsafe {
            match place.kind {
                Kind::Text | Kind::Id => {
                    if ffi::PyUnicode_CheckExact(value) == 0 {
                        return if place.kind == Kind::Id { self.id(place, value) } else { Err(Stop::Hard) };
                    }
                    if !self.is_checked && self.breaks_rule(place, value)? {
                        return Err(Stop::Hard);
                    }
                    self.str(value)
                }
                Kind::Map | Kind::Spread => {
                    if ffi::PyDict_CheckExact(value) == 0 {
                        return Err(Stop::Hard);
                    }
                    self.map(value, 1, Some(&place.watch))
                }
                Kind::Any => self.value(value, 0),
                Kind::Number => self.number(value),
                Kind::Int => self.fixed_int(value),
                Kind::Guarded if self.is_checked => self.value(value, 0),
                Kind::Guarded => Err(Stop::Hard),
            }
        }
    }

    /// Whether a text is one that its field does not take.
    ///
    /// # Safety
    /// As [`Walk::field`]; `value` is a `str`.
    #[inline]
    unsafe fn breaks_rule(&mut self, place: &Place, value: *mut PyObject) -> Result<bool, Stop> {
        // SAFETY: promised by the caller.
        unsafe {
            let chars = ffi::PyUnicode_GET_LENGTH(value).cast_unsigned();
            if breaks_length(place, chars) {
                return Ok(true);
            }
            // Nearly every text begins with a character that shows, and in one byte.
            match text::ascii(value) {
                Some([b'!'..=b'~', ..]) if !place.refused.may_hold(chars) => Ok(false),
                _ => Ok(self.is_refused(place, &text::read(value).ok_or(Stop::Hard)?)),
            }
        }
    }

    /// Whether a text is one that its field does not take, if its length in characters is
    /// right: by its very words, by its bytes, or because it is an id that nobody can see.
    #[cold]
    #[inline(never)]
    fn is_refused(&mut self, place: &Place, text: &Text<'_>) -> bool {
        let mut is_refused = false;
        text.utf8(self.space, |text| {
            let is_seen = place.kind != Kind::Id || text.iter().any(u8::is_ascii_graphic);
            is_refused = !is_seen || text.len() > place.max_bytes || place.refused.holds_in_any_case(text);
        });
        is_refused
    }

    /// Writes the id that a text of ours is, under the rules for the caller's.
    fn id_text(&mut self, place: &Place, text: &[u8]) -> Result<(), Stop> {
        if !self.is_checked && (breaks_length(place, text.len()) || self.is_refused(place, &Text::Ascii(text))) {
            return Err(Stop::Hard);
        }
        self.text(Text::Ascii(text))
    }

    /// Writes an id that is no text: an integer or a UUID.
    ///
    /// # Safety
    /// As [`Walk::field`].
    #[inline(never)]
    unsafe fn id(&mut self, place: &Place, value: *mut PyObject) -> Result<(), Stop> {
        // SAFETY: attached and held; its type is checked first.
        unsafe {
            if ffi::PyLong_CheckExact(value) == 0 {
                let bytes = rare::uuid(self.py, value).ok_or(Stop::Hard)?;
                return self.id_text(place, &ident::text(bytes));
            }
            match rare::integer(self.py, value).ok_or(Stop::Hard)? {
                Integer::Small(number) => self.id_text(place, itoa::Buffer::new().format(number).as_bytes()),
                Integer::Large(digits) if count(&digits) <= MAX_TEXT_DIGITS => self.id_text(place, digits.as_bytes()),
                Integer::Large(_) | Integer::Huge => Err(Stop::Hard),
            }
        }
    }

    /// Writes an integer, or a float that is finite.
    ///
    /// # Safety
    /// As [`Walk::field`].
    unsafe fn number(&mut self, value: *mut PyObject) -> Result<(), Stop> {
        // SAFETY: attached and held; its type is checked first.
        unsafe {
            if ffi::PyFloat_CheckExact(value) != 0 {
                let number = ffi::PyFloat_AS_DOUBLE(value);
                if !number.is_finite() {
                    return Err(Stop::Hard);
                }
                self.tape.float(number);
                return Ok(());
            }
            if ffi::PyLong_CheckExact(value) == 0 {
                return Err(Stop::Hard);
            }
            match rare::integer(self.py, value).ok_or(Stop::Hard)? {
                Integer::Small(number) => self.tape.int(number),
                Integer::Large(digits) if count(&digits) <= MAX_NUMBER_DIGITS => self.tape.digits(digits.as_bytes()),
                Integer::Large(_) | Integer::Huge => return Err(Stop::Hard),
            }
        }
        Ok(())
    }

    /// Writes an integer of 64 bits, with a sign or without.
    ///
    /// # Safety
    /// As [`Walk::field`].
    unsafe fn fixed_int(&mut self, value: *mut PyObject) -> Result<(), Stop> {
        // SAFETY: attached and held; its type is checked first.
        unsafe {
            if ffi::PyLong_CheckExact(value) == 0 {
                return Err(Stop::Hard);
            }
            match rare::integer(self.py, value).ok_or(Stop::Hard)? {
                Integer::Small(number) => self.tape.int(number),
                Integer::Large(digits) => self.tape.uint(digits.parse().map_err(|_| Stop::Hard)?),
                Integer::Huge => return Err(Stop::Hard),
            }
        }
        Ok(())
    }
}

/// Whether a text of so many characters is too short or too long for its field.
#[inline]
fn breaks_length(place: &Place, chars: usize) -> bool {
    chars < place.min_chars || chars > place.max_chars
}
