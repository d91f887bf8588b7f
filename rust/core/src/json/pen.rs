//! The sink of bytes: a raw end in reserved memory.
//!
//! A vector keeps its length in memory and asks for its capacity at each part; of an
//! event's parts most are a few bytes. A pen keeps both ends in registers, asks once for
//! each part whether there is room for any part of a fixed size, and leaves the rest (long
//! strings, a larger buffer) to functions out of line, which get the vector back.
#![allow(unsafe_code, reason = "parts are stored whole, padding included, and counted by their length")]

use super::{
    escape, number,
    sink::{Piece, SHORT_BYTES, Sink},
    time,
};
use crate::ident;

/// No part but a long text stores more.
const ROOM_BYTES: usize = 256;
/// A text up to this length is a part as others are, unless it needs escapes.
const CLEAN_BYTES: usize = ROOM_BYTES - 16;
const _: () =
    assert!(Piece::MAX_BYTES <= ROOM_BYTES && SHORT_BYTES + 2 <= ROOM_BYTES && number::ROOM_BYTES <= ROOM_BYTES);

/// Appends to a vector, which has its new length when the pen is [put down](Pen::finish).
pub(super) struct Pen<'a> {
    out: &'a mut Vec<u8>,
    /// Behind the last byte: in the allocation of `out`, everything before it initialised.
    end: *mut u8,
    /// How far `end` may go and still have [`ROOM_BYTES`] behind it.
    limit: *mut u8,
}

impl<'a> Pen<'a> {
    #[inline]
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        out.reserve(ROOM_BYTES);
        let (end, limit) = ends(out);
        Self { out, end, limit }
    }

    /// Gives the vector its length.
    #[inline]
    pub(super) fn finish(self) {
        // SAFETY: see `end`.
        unsafe { self.out.set_len(self.end.offset_from_unsigned(self.out.as_ptr())) }
    }

    /// The end, with [`ROOM_BYTES`] behind it.
    #[inline]
    fn room(&mut self) -> *mut u8 {
        if self.end > self.limit {
            // SAFETY: see `end`.
            (self.end, self.limit) = unsafe { with_vector(self.out, self.end, |out| out.reserve(ROOM_BYTES)) };
        }
        self.end
    }

    /// Counts `len` bytes as written.
    ///
    /// # Safety
    /// They are, behind the `end` that `room` gave.
    #[inline]
    unsafe fn wrote(&mut self, len: usize) {
        // SAFETY: no more than were written, so within the allocation.
        self.end = unsafe { self.end.add(len) };
    }

    /// Writes a part that takes a loop.
    #[inline]
    fn long(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        // SAFETY: see `end`.
        (self.end, self.limit) = unsafe { with_vector(self.out, self.end, write) };
    }
}

/// The end of what `out` holds and the limit that goes with its capacity.
#[inline]
fn ends(out: &mut Vec<u8>) -> (*mut u8, *mut u8) {
    let spare = out.spare_capacity_mut().as_mut_ptr_range();
    (spare.start.cast(), spare.end.cast::<u8>().wrapping_sub(ROOM_BYTES))
}

/// Lets `write` have the vector at its true length.
///
/// Takes and returns the ends by value: an address taken would put them into memory for good.
///
/// # Safety
/// `end` is in the allocation of `out`, everything before it initialised.
#[inline(never)]
unsafe fn with_vector(out: &mut Vec<u8>, end: *mut u8, write: impl FnOnce(&mut Vec<u8>)) -> (*mut u8, *mut u8) {
    // SAFETY: promised by the caller.
    unsafe { out.set_len(end.offset_from_unsigned(out.as_ptr())) };
    write(out);
    ends(out)
}

#[allow(
    clippy::inline_always,
    reason = "a method that is called takes the pen's address, and then both ends live in memory"
)]
impl Sink for Pen<'_> {
    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        // SAFETY: there is room.
        unsafe {
            self.room().write(byte);
            self.wrote(1);
        }
    }

    #[inline(always)]
    fn piece(&mut self, piece: &Piece) {
        let end = self.room();
        let (head, tail) = piece.halves();
        // SAFETY: there is room for the padded piece.
        unsafe {
            end.cast::<[u8; Piece::HALF_BYTES]>().write(*head);
            if piece.len() > Piece::HALF_BYTES {
                end.add(Piece::HALF_BYTES).cast::<[u8; Piece::MAX_BYTES - Piece::HALF_BYTES]>().write(*tail);
            }
            self.wrote(piece.len());
        }
    }

    #[inline(always)]
    fn piece_after(&mut self, separator: u8, piece: &Piece) {
        let start = self.room();
        self.piece(piece);
        // SAFETY: `room` gave this place, and the piece was written over it.
        unsafe { start.write(separator) };
    }

    #[inline(always)]
    fn word(&mut self, padded: [u8; 8], len: usize) {
        // SAFETY: there is room for a word.
        unsafe {
            self.room().cast::<[u8; 8]>().write(padded);
            self.wrote(len.min(padded.len()));
        }
    }

    #[inline(always)]
    fn json(&mut self, json: &[u8]) {
        self.long(|out| escape::append(out, json));
    }

    #[inline(always)]
    fn short_text(&mut self, text: &[u8; SHORT_BYTES], len: usize) {
        // SAFETY: there is room for the whole text and two quotes.
        unsafe {
            let end = self.room();
            if escape::copy_short(text, len, end.add(1)) {
                end.write(b'"');
                end.add(1 + len).write(b'"');
                self.wrote(len + 2);
                return;
            }
        }
        self.text(text.get(..len).unwrap_or(text));
    }

    #[inline(always)]
    fn text(&mut self, utf8: &[u8]) {
        if utf8.len() <= CLEAN_BYTES {
            // SAFETY: there is room for the text, two quotes and a word.
            unsafe {
                let end = self.room();
                if escape::copy_clean(utf8, end.add(1)) {
                    end.write(b'"');
                    end.add(1 + utf8.len()).write(b'"');
                    self.wrote(utf8.len() + 2);
                    return;
                }
            }
        }
        self.long(|out| escape::write_str(out, utf8));
    }

    #[inline(always)]
    fn int(&mut self, value: i64) {
        // SAFETY: there is room for a number's bytes.
        unsafe {
            let len = number::put_i64(value, self.room());
            self.wrote(len);
        }
    }

    #[inline(always)]
    fn uint(&mut self, value: u64) {
        // SAFETY: there is room for a number's bytes.
        unsafe {
            let len = number::put_u64(value, self.room());
            self.wrote(len);
        }
    }

    #[inline(always)]
    fn float(&mut self, value: f64) {
        // SAFETY: there is room for a number's bytes.
        unsafe {
            let len = number::put_f64(value, self.room());
            self.wrote(len);
        }
    }

    #[inline(always)]
    fn uuid(&mut self, id: [u8; 16]) {
        // SAFETY: there is room for an id and two quotes.
        unsafe {
            let end = self.room();
            end.write(b'"');
            end.add(1).cast::<[u8; ident::TEXT_BYTES]>().write(ident::text(id));
            end.add(1 + ident::TEXT_BYTES).write(b'"');
            self.wrote(ident::TEXT_BYTES + 2);
        }
    }

    #[inline(always)]
    fn moment(&mut self, unix_nanoseconds: i64) {
        // SAFETY: there is room for a moment and two quotes.
        unsafe {
            let end = self.room();
            end.write(b'"');
            end.add(1).cast::<[[u8; 8]; 3]>().write(time::rfc3339_millis(unix_nanoseconds));
            end.add(1 + time::MILLIS_FORM_BYTES).write(b'"');
            self.wrote(time::MILLIS_FORM_BYTES + 2);
        }
    }

    #[inline(always)]
    fn datetime(&mut self, unix_microseconds: i64) {
        self.long(|out| {
            out.push(b'"');
            time::write_rfc3339_micros_from(out, unix_microseconds);
            out.push(b'"');
        });
    }

    #[inline(always)]
    fn written(&self) -> usize {
        // SAFETY: see `end`.
        unsafe { self.end.offset_from_unsigned(self.out.as_ptr()) }
    }
}
