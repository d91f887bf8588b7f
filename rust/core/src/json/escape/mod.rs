//! JSON strings: quoted and escaped as RFC 8259 asks, and no more than it asks.
//!
//! Most strings of an event are short and hold nothing to escape. So the bytes are copied first and looked at in the same
//! pass (`clean`); only a string which turns out to hold an escape takes the other path (`expand`), from there on.
#![allow(unsafe_code, reason = "the length is set after the copy into reserved capacity")]

mod append;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod avx2;
mod clean;
mod expand;
mod lanes;
#[cfg(all(target_arch = "aarch64", target_feature = "neon", not(miri)))]
mod neon;
#[cfg(any(test, miri, not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))))]
mod scalar;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod sse2;
mod word;

use lanes::{LANES, Lanes, Native};

pub use append::append;

/// The opening and the closing quote, in bytes.
const QUOTES_BYTES: usize = 2;
/// Room for a clean string besides its own length: the quotes, and the whole word which a short one is stored as.
const SPARE_BYTES: usize = QUOTES_BYTES + word::WORD_BYTES;
/// A byte gains at most five, so this many gains fit in one byte: vectors summed lane by lane before lanes are summed.
const VECTORS_PER_SUM: usize = 51;

/// Appends `utf8` to `out` as a JSON string, quotes included.
///
/// Escaped are `"`, `\` and the bytes below 0x20 (`\b \t \n \f \r`, the others as `\u00xx`); everything else goes as it
/// is, 0x7f, `/` and all beyond ASCII included. Nothing checks that `utf8` is UTF-8: what comes out is as good as it.
#[inline]
pub fn write_str(out: &mut Vec<u8>, utf8: &[u8]) {
    if utf8.len() > clean::GROUP_BYTES || out.capacity() - out.len() < utf8.len() + SPARE_BYTES {
        return write_long(out, utf8);
    }
    // SAFETY: the capacity has just been looked at.
    unsafe { write_reserved(out, utf8) };
}

/// [`write_str`] when it takes a loop, or a larger buffer: out of the way of the short strings, which need neither.
#[inline(never)]
fn write_long(out: &mut Vec<u8>, utf8: &[u8]) {
    out.reserve(utf8.len() + SPARE_BYTES);
    // SAFETY: the capacity has just been reserved.
    unsafe { write_reserved(out, utf8) };
}

/// [`write_str`] without a look at the capacity.
///
/// # Safety
///
/// `out` has at least `utf8.len() + SPARE_BYTES` bytes of spare capacity.
#[allow(
    clippy::inline_always,
    reason = "its two callers need half of it each, and only inlined does the other half go"
)]
#[inline(always)]
unsafe fn write_reserved(out: &mut Vec<u8>, utf8: &[u8]) {
    let len = out.len();
    // SAFETY: the opening quote, the string and a word behind it are within the spare capacity, and so is the closing
    // quote in the place of that word. `copy` initialises what it reports, so every byte below the new length is.
    unsafe {
        let end = out.as_mut_ptr().add(len);
        end.write(b'"');
        let copied = clean::copy(utf8, end.add(1));
        if copied == utf8.len() {
            end.add(1 + copied).write(b'"');
            out.set_len(len + copied + QUOTES_BYTES);
        } else {
            out.set_len(len + 1 + copied);
            expand::write_rest(out, utf8, copied);
        }
    }
}

/// Copies all of `text` to `dst`; are its first `len` bytes without escapes?
///
/// # Safety
///
/// Thirty-two bytes may be written at `dst`.
#[inline]
pub(super) unsafe fn copy_short(text: &[u8; 2 * LANES], len: usize, dst: *mut u8) -> bool {
    // SAFETY: two vectors are the whole text, and fit at `dst`.
    unsafe {
        let (low, high) = (Native::load(text.as_ptr().cast()), Native::load(text.as_ptr().add(LANES).cast()));
        low.store(dst.cast());
        high.store(dst.add(LANES).cast());
        !Native::any_of_first(low.escapes(), high.escapes(), len)
    }
}

/// Copies `utf8` to `dst` if none of it needs an escape; says whether.
///
/// # Safety
///
/// `utf8.len()` bytes and a word may be written at `dst`.
#[inline(never)]
pub(super) unsafe fn copy_clean(utf8: &[u8], dst: *mut u8) -> bool {
    // SAFETY: handed on.
    unsafe { clean::copy(utf8, dst) == utf8.len() }
}

/// How many bytes [`write_str`] appends for `utf8`, without encoding it.
#[must_use]
pub fn escaped_len(utf8: &[u8]) -> usize {
    let (vectors, tail) = utf8.as_chunks::<LANES>();
    let mut extra: usize = vectors.chunks(VECTORS_PER_SUM).map(extra_len).sum();
    if !clean::is_clean_tail(tail) {
        let mut padded = [b' '; LANES];
        padded[..tail.len()].copy_from_slice(tail);
        extra += extra_len(&[padded]);
    }
    utf8.len() + QUOTES_BYTES + extra
}

/// How many bytes longer than themselves at most [`VECTORS_PER_SUM`] vectors are once escaped.
#[inline]
fn extra_len(vectors: &[[u8; LANES]]) -> usize {
    let mut extra = [0; LANES];
    for vector in vectors {
        for (extra, byte) in extra.iter_mut().zip(vector) {
            *extra += expand::extra_len(*byte);
        }
    }
    extra.into_iter().map(usize::from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_written(utf8: &[u8], expected: &[u8]) {
        for spare in [0, 1, utf8.len() + SPARE_BYTES, 1_000] {
            let mut out = Vec::with_capacity(1 + spare);
            out.push(b'[');
            write_str(&mut out, utf8);
            assert_eq!(out.strip_prefix(b"["), Some(expected), "{utf8:x?}");
        }
        assert_eq!(escaped_len(utf8), expected.len(), "{utf8:x?}");
    }

    #[test]
    fn only_what_the_rfc_names_is_escaped() {
        assert_written(b"", br#""""#);
        assert_written(b"\"\\/", br#""\"\\/""#);
        assert_written(b"\x08\t\n\x0c\r", br#""\b\t\n\f\r""#);
        assert_written(b"\0\x07\x0b\x0e\x1f", br#""\u0000\u0007\u000b\u000e\u001f""#);
        assert_written("\x7f\u{80}é\u{2028}😀".as_bytes(), "\"\x7f\u{80}é\u{2028}😀\"".as_bytes());
    }

    #[test]
    fn strings_around_every_change_of_path_are_written_whole() {
        for len in [1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128, 129, 255, 256, 257, 850] {
            let clean = vec![b'x'; len];
            assert_written(&clean, &[b"\"", clean.as_slice(), b"\""].concat());
            for at in [0, len / 2, len - 1] {
                let (before, after) = (&clean[..at], &clean[at + 1..]);
                assert_written(&[before, b"\x1f", after].concat(), &[b"\"", before, b"\\u001f", after, b"\""].concat());
            }
            assert_written(&vec![1; len], &[b"\"", b"\\u0001".repeat(len).as_slice(), b"\""].concat());
        }
    }
}
