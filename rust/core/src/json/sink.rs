//! Where JSON goes: into bytes, or only into a count of them.
//!
//! One walk over a tape serves both, so the measured length and the written one cannot
//! drift apart.
#![allow(unsafe_code, reason = "a piece is stored whole, padding included, and counted by its length")]

use super::{escape, number, time};
use crate::ident;

/// A short piece of JSON that is written again and again, such as a key with its comma and
/// colon: padded, so that it is copied in one go whatever its length.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct Piece {
    padded: [u8; Self::MAX_BYTES],
    len: u8,
}

impl Piece {
    /// The longest piece: with its length it fills a cache line.
    pub const MAX_BYTES: usize = 63;

    /// A piece of this JSON; `None` if it is too long.
    #[must_use]
    pub fn new(json: &[u8]) -> Option<Self> {
        let mut padded = [0; Self::MAX_BYTES];
        padded.get_mut(..json.len())?.copy_from_slice(json);
        Some(Self { padded, len: u8::try_from(json.len()).ok()? })
    }
}

/// JSON that does not change: a piece if it is short enough.
#[derive(Clone, Debug)]
pub enum Constant {
    /// Short.
    Piece(Piece),
    /// Long.
    Long(Box<[u8]>),
}

impl Constant {
    /// A constant of this JSON.
    #[must_use]
    pub fn new(json: &[u8]) -> Self {
        Piece::new(json).map_or_else(|| Self::Long(json.into()), Self::Piece)
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Piece(piece) => piece.len.into(),
            Self::Long(json) => json.len(),
        }
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Bytes of a moment: `2013-01-01T05:00:00.000Z`.
const MOMENT_BYTES: usize = 24;

/// Takes the pieces of a JSON text.
pub trait Sink {
    /// Bytes that are JSON already.
    fn json(&mut self, bytes: &[u8]);
    /// One byte of JSON.
    fn byte(&mut self, byte: u8);
    /// A piece of JSON.
    fn piece(&mut self, piece: &Piece);
    /// JSON that does not change.
    #[inline]
    fn constant(&mut self, constant: &Constant) {
        match constant {
            Constant::Piece(piece) => self.piece(piece),
            Constant::Long(json) => self.json(json),
        }
    }
    /// Replaces the byte at `place`, which was written before.
    fn replace(&mut self, place: usize, byte: u8);
    /// A string, quoted and escaped.
    fn text(&mut self, utf8: &[u8]);
    /// An integer.
    fn int(&mut self, value: i64);
    /// An integer above `i64::MAX`.
    fn uint(&mut self, value: u64);
    /// A double, `null` if it is not finite.
    fn float(&mut self, value: f64);
    /// A UUID, without quotes.
    fn uuid(&mut self, id: [u8; 16]);
    /// The moment of an event, without quotes: 24 bytes.
    fn moment(&mut self, unix_nanoseconds: i64);
    /// A datetime value, without quotes.
    fn datetime(&mut self, unix_microseconds: i64);
    /// How many bytes it has taken.
    fn written(&self) -> usize;
}

impl Sink for Vec<u8> {
    #[inline]
    fn json(&mut self, bytes: &[u8]) {
        escape::append(self, bytes);
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        self.push(byte);
    }

    #[inline]
    fn piece(&mut self, piece: &Piece) {
        self.reserve(Piece::MAX_BYTES);
        // SAFETY: the whole padded piece fits the reservation, and the part of it that is
        // counted was written.
        unsafe {
            self.as_mut_ptr().add(self.len()).cast::<[u8; Piece::MAX_BYTES]>().write_unaligned(piece.padded);
            self.set_len(self.len() + usize::from(piece.len));
        }
    }

    #[inline]
    fn replace(&mut self, place: usize, byte: u8) {
        if let Some(old) = self.get_mut(place) {
            *old = byte;
        }
    }

    #[inline]
    fn text(&mut self, utf8: &[u8]) {
        escape::write_str(self, utf8);
    }

    #[inline]
    fn int(&mut self, value: i64) {
        number::write_i64(self, value);
    }

    fn uint(&mut self, value: u64) {
        number::write_u64(self, value);
    }

    #[inline]
    fn float(&mut self, value: f64) {
        // A `null` in place of the value was counted at the push.
        let _ = number::write_f64(self, value);
    }

    #[inline]
    fn uuid(&mut self, id: [u8; 16]) {
        ident::write_uuid(self, id);
    }

    #[inline]
    fn moment(&mut self, unix_nanoseconds: i64) {
        time::write_rfc3339_millis(self, unix_nanoseconds);
    }

    fn datetime(&mut self, unix_microseconds: i64) {
        time::write_rfc3339_micros_from(self, unix_microseconds);
    }

    fn written(&self) -> usize {
        self.len()
    }
}

/// Counts what would be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Length(usize);

impl Sink for Length {
    fn json(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    fn byte(&mut self, _byte: u8) {
        self.0 += 1;
    }

    fn piece(&mut self, piece: &Piece) {
        self.0 += usize::from(piece.len);
    }

    fn replace(&mut self, _place: usize, _byte: u8) {}

    fn text(&mut self, utf8: &[u8]) {
        self.0 += escape::escaped_len(utf8);
    }

    fn int(&mut self, value: i64) {
        self.0 += number::len_i64(value);
    }

    fn uint(&mut self, value: u64) {
        self.0 += number::len_u64(value);
    }

    fn float(&mut self, value: f64) {
        self.0 += number::len_f64(value);
    }

    fn uuid(&mut self, _id: [u8; 16]) {
        self.0 += ident::TEXT_BYTES;
    }

    fn moment(&mut self, _unix_nanoseconds: i64) {
        self.0 += MOMENT_BYTES;
    }

    fn datetime(&mut self, unix_microseconds: i64) {
        self.0 += time::len_rfc3339_micros_from(unix_microseconds);
    }

    fn written(&self) -> usize {
        self.0
    }
}
