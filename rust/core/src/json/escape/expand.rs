//! What an escape looks like, and the path of the strings which hold one.
#![allow(unsafe_code, reason = "escapes are stored eight bytes at a time into reserved capacity, then counted")]

use super::clean::{self, GROUP_BYTES};
use super::word::{self, WORD_BYTES};

/// The longest escape, `\u00xx`, in bytes.
const MAX_ESCAPE_BYTES: usize = 6;

/// The escape of a byte, and in its last place how many bytes of it count. Only those flagged by `word::escapes` are real.
static ESCAPES: [[u8; WORD_BYTES]; 128] = escape_table();

/// How many bytes longer than itself a byte is once escaped.
#[inline]
pub(super) const fn extra_len(byte: u8) -> u8 {
    // Sums of comparisons, not a match: a loop over this then becomes vector code.
    let control = (byte < 0x20) as u8;
    // \b \t \n \f \r, which are 8 to 13 without 11.
    let short = (byte.wrapping_sub(0x08) < 6) as u8 - (byte == 0x0b) as u8;
    5 * control - 4 * short + (byte == b'"') as u8 + (byte == b'\\') as u8
}

const fn escape_table() -> [[u8; WORD_BYTES]; 128] {
    let hex = b"0123456789abcdef";
    let mut table = [[0; WORD_BYTES]; 128];
    let mut byte: u8 = 0;
    while byte < 128 {
        let short = match byte {
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0c => b'f',
            b'\r' => b'r',
            other => other,
        };
        let low = hex[(byte & 15) as usize];
        table[byte as usize] = match extra_len(byte) {
            0 => [byte, 0, 0, 0, 0, 0, 0, 1],
            1 => [b'\\', short, 0, 0, 0, 0, 0, 2],
            _ => [b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low, 0, 6],
        };
        byte += 1;
    }
    table
}

/// Appends what is behind the first `copied` bytes of `utf8`, an escape among it soon, and the closing quote.
#[cold]
#[inline(never)]
pub(super) fn write_rest(out: &mut Vec<u8>, utf8: &[u8], copied: usize) {
    let mut rest = &utf8[copied..];
    loop {
        let (group, after) = rest.split_at(rest.len().min(GROUP_BYTES));
        out.reserve(group.len() * MAX_ESCAPE_BYTES + after.len() + 1 + WORD_BYTES);
        let before = out.len();
        // SAFETY: the reservation above is what `write_group` asks for.
        unsafe { write_group(out, group) };
        rest = after;
        if out.len() - before == group.len() {
            // Sixty-four bytes without an escape: the wide scan pays again. In dense text it would be done twice.
            let len = out.len();
            // SAFETY: the reservation holds `after` and a word besides, and `copy` initialises what it reports.
            unsafe {
                let copied = clean::copy(rest, out.as_mut_ptr().add(len));
                out.set_len(len + copied);
                rest = &rest[copied..];
            }
        }
        if rest.is_empty() {
            break;
        }
    }
    out.push(b'"');
}

/// Appends `group`, escaped.
///
/// # Safety
///
/// `out` has at least `MAX_ESCAPE_BYTES * group.len() + WORD_BYTES` bytes of spare capacity.
#[inline]
unsafe fn write_group(out: &mut Vec<u8>, group: &[u8]) {
    let (words, tail) = group.as_chunks();
    // SAFETY: each byte moves the end forward by at most MAX_ESCAPE_BYTES, and each word is stored whole at an end: never
    // beyond the capacity the caller vouches for. All bytes before the last end are initialised.
    unsafe {
        let mut end = out.as_mut_ptr().add(out.len());
        for bytes in words {
            let bytes = word::load(*bytes);
            end = write_word(end, bytes, word::escapes(bytes), WORD_BYTES);
        }
        let bytes = word::load_short(tail);
        end = write_word(end, bytes, word::escapes(bytes) & word::first(tail.len()), tail.len());
        let len = end.offset_from_unsigned(out.as_ptr());
        out.set_len(len);
    }
}

/// Stores the first `len` bytes of `word`, those in `flags` escaped; returns where they end.
///
/// # Safety
///
/// `MAX_ESCAPE_BYTES * len + WORD_BYTES` bytes may be written at `end`.
#[inline]
unsafe fn write_word(mut end: *mut u8, mut word: u64, mut flags: u64, mut len: usize) -> *mut u8 {
    // SAFETY: each turn moves `end` past the clean bytes before one escape, then past that escape, so after taking k of
    // the bytes it has moved by at most MAX_ESCAPE_BYTES * k; each store is one word at `end`, and k < len at an escape's.
    unsafe {
        end.cast::<[u8; WORD_BYTES]>().write_unaligned(word.to_le_bytes());
        while flags != 0 {
            let before = flags.trailing_zeros() & !7;
            word >>= before;
            end = end.add(before as usize / 8);
            let escape = ESCAPES[(word & 0x7f) as usize];
            end.cast::<[u8; WORD_BYTES]>().write_unaligned(escape);
            end = end.add(usize::from(escape[WORD_BYTES - 1]));
            word >>= 8;
            // Two shifts: together they may be the whole word.
            flags = flags >> before >> 8;
            len -= before as usize / 8 + 1;
            end.cast::<[u8; WORD_BYTES]>().write_unaligned(word.to_le_bytes());
        }
        end.add(len)
    }
}
