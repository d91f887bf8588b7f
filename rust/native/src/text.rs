//! The characters of a `str`, read where they lie.
//!
//! `PyUnicode_AsUTF8` would leave a second copy in the caller's string for as long as that
//! lives; this does not.
#![allow(unsafe_code, reason = "reads CPython's string layout; each block says what it relies on")]

use pyo3::ffi::{self, PyObject};
use sluiceway_core::utf8;

/// A string's characters at their width.
pub(crate) enum Text<'a> {
    Ascii(&'a [u8]),
    Latin1(&'a [u8]),
    Ucs2(&'a [u16]),
    Ucs4(&'a [u32]),
}

/// The characters of a string that is known to be ASCII, which most are.
///
/// # Safety
/// As [`read`].
#[inline]
pub(crate) unsafe fn ascii<'a>(string: *mut PyObject) -> Option<&'a [u8]> {
    // SAFETY: promised by the caller. A compact ASCII string has its characters right
    // behind its header.
    #[cfg(not(Py_3_14))]
    unsafe {
        (ffi::PyUnicode_IS_COMPACT_ASCII(string) != 0).then(|| {
            let characters = string.cast::<ffi::PyASCIIObject>().add(1).cast::<u8>();
            std::slice::from_raw_parts(characters, length(string))
        })
    }
    // The state that says so is out of reach in 3.14's bindings: look at the characters.
    #[cfg(Py_3_14)]
    // SAFETY: promised by the caller.
    match unsafe { read(string) } {
        Some(Text::Ascii(characters)) => Some(characters),
        _ => None,
    }
}

/// Reads `string`. `None` if its characters cannot be had (no memory for a legacy string).
///
/// # Safety
/// Attached; `string` is a `str` or of a subclass, and outlives the result.
pub(crate) unsafe fn read<'a>(string: *mut PyObject) -> Option<Text<'a>> {
    // SAFETY: promised by the caller. Strings are ready after `PyUnicode_READY`, and then
    // kind, data and length describe one array, which strings never change.
    unsafe {
        #[cfg(not(Py_3_12))]
        if ffi::PyUnicode_READY(string) != 0 {
            ffi::PyErr_Clear();
            return None;
        }
        let data = ffi::PyUnicode_DATA(string);
        let len = length(string);
        Some(match ffi::PyUnicode_KIND(string) {
            ffi::PyUnicode_1BYTE_KIND => {
                let bytes = std::slice::from_raw_parts(data.cast::<u8>(), len);
                if bytes.is_ascii() { Text::Ascii(bytes) } else { Text::Latin1(bytes) }
            }
            ffi::PyUnicode_2BYTE_KIND => Text::Ucs2(std::slice::from_raw_parts(data.cast::<u16>(), len)),
            ffi::PyUnicode_4BYTE_KIND => Text::Ucs4(std::slice::from_raw_parts(data.cast::<u32>(), len)),
            _ => return None,
        })
    }
}

/// The number of characters.
///
/// # Safety
/// As [`read`].
#[inline]
unsafe fn length(string: *mut PyObject) -> usize {
    // SAFETY: promised by the caller.
    unsafe { ffi::PyUnicode_GET_LENGTH(string) }.cast_unsigned()
}

impl Text<'_> {
    /// How many characters there are; the UTF-8 is never shorter.
    #[inline]
    pub(crate) fn chars(&self) -> usize {
        match self {
            Self::Ascii(text) | Self::Latin1(text) => text.len(),
            Self::Ucs2(text) => text.len(),
            Self::Ucs4(text) => text.len(),
        }
    }

    /// Whether its first character is this one.
    pub(crate) fn begins_with(&self, ascii: u8) -> bool {
        match self {
            Self::Ascii(text) | Self::Latin1(text) => text.first() == Some(&ascii),
            Self::Ucs2(text) => text.first() == Some(&ascii.into()),
            Self::Ucs4(text) => text.first() == Some(&ascii.into()),
        }
    }

    /// Its first `chars` characters.
    pub(crate) fn first(self, chars: usize) -> Self {
        match self {
            Self::Ascii(text) => Self::Ascii(&text[..text.len().min(chars)]),
            Self::Latin1(text) => Self::Latin1(&text[..text.len().min(chars)]),
            Self::Ucs2(text) => Self::Ucs2(&text[..text.len().min(chars)]),
            Self::Ucs4(text) => Self::Ucs4(&text[..text.len().min(chars)]),
        }
    }

    /// Hands the text as UTF-8 to `take`, using `space` where it must be made. Lone
    /// surrogates, which UTF-8 cannot say, become U+FFFD; returns how many there were.
    #[inline]
    pub(crate) fn utf8(&self, space: &mut Vec<u8>, take: impl FnOnce(&[u8])) -> u64 {
        let surrogates = match self {
            Self::Ascii(text) => {
                take(text);
                return 0;
            }
            Self::Latin1(text) => utf8::encode(space, text),
            Self::Ucs2(text) => utf8::encode(space, text),
            Self::Ucs4(text) => utf8::encode(space, text),
        };
        take(space);
        surrogates
    }
}
