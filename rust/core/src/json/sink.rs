//! Where JSON goes: into bytes, or only into a count of them.
//!
//! One walk over a tape serves both, so the measured length and the written one cannot
//! drift apart.

use super::{escape, number, time};
use crate::ident;

/// A short piece of JSON that is written again and again, such as a key with its comma and
/// colon: padded, so that it is copied in one go whatever its length.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Piece {
    /// Most pieces need only this half.
    head: [u8; Self::HALF_BYTES],
    tail: [u8; Self::MAX_BYTES - Self::HALF_BYTES],
    len: u8,
}

impl Piece {
    /// The longest piece: with its length it fills a cache line.
    pub const MAX_BYTES: usize = 63;
    pub(super) const HALF_BYTES: usize = 32;

    /// A piece of this JSON; `None` if it is too long.
    #[must_use]
    pub fn new(json: &[u8]) -> Option<Self> {
        let (mut head, mut tail) = ([0; Self::HALF_BYTES], [0; Self::MAX_BYTES - Self::HALF_BYTES]);
        let (first, rest) = json.split_at(json.len().min(head.len()));
        head[..first.len()].copy_from_slice(first);
        tail.get_mut(..rest.len())?.copy_from_slice(rest);
        Some(Self { head, tail, len: u8::try_from(json.len()).ok()? })
    }

    /// Its two halves, padding included.
    #[inline]
    pub(super) fn halves(&self) -> (&[u8; Self::HALF_BYTES], &[u8; Self::MAX_BYTES - Self::HALF_BYTES]) {
        (&self.head, &self.tail)
    }

    /// How many bytes it has.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.into()
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The JSON.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        self.head.iter().chain(&self.tail).copied().take(self.len()).collect()
    }
}

/// JSON that does not change: a piece if it is short enough, else several.
#[derive(Clone, Debug)]
pub enum Constant {
    /// Short.
    Piece(Piece),
    /// Long.
    Pieces(Box<[Piece]>),
}

impl Constant {
    /// A constant of this JSON.
    #[must_use]
    pub fn new(json: &[u8]) -> Self {
        let pieces = || json.chunks(Piece::MAX_BYTES).filter_map(Piece::new).collect();
        Piece::new(json).map_or_else(|| Self::Pieces(pieces()), Self::Piece)
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Piece(piece) => piece.len(),
            Self::Pieces(pieces) => pieces.iter().map(Piece::len).sum(),
        }
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The longest text that [`Sink::short_text`] takes.
pub(super) const SHORT_BYTES: usize = 32;

/// Takes the parts of a JSON text, one after the other.
pub(super) trait Sink {
    /// One byte of JSON.
    fn byte(&mut self, byte: u8);
    /// A piece of JSON.
    fn piece(&mut self, piece: &Piece);
    /// A piece of JSON whose first byte is replaced.
    fn piece_after(&mut self, separator: u8, piece: &Piece);
    /// The first `len` bytes of `padded`, which are JSON.
    fn word(&mut self, padded: [u8; 8], len: usize);
    /// Any JSON.
    fn json(&mut self, json: &[u8]);
    /// The first `len` bytes of `text`, quoted and escaped.
    fn short_text(&mut self, text: &[u8; SHORT_BYTES], len: usize);
    /// A string, quoted and escaped.
    fn text(&mut self, utf8: &[u8]);
    /// An integer.
    fn int(&mut self, value: i64);
    /// An integer above `i64::MAX`.
    fn uint(&mut self, value: u64);
    /// A double, `null` if it is not finite.
    fn float(&mut self, value: f64);
    /// A UUID, quoted.
    fn uuid(&mut self, id: [u8; 16]);
    /// The moment of an event, quoted.
    fn moment(&mut self, unix_nanoseconds: i64);
    /// A datetime value, quoted.
    fn datetime(&mut self, unix_microseconds: i64);
    /// How many bytes there are.
    fn written(&self) -> usize;

    /// JSON that does not change.
    #[inline]
    fn constant(&mut self, constant: &Constant) {
        match constant {
            Constant::Piece(piece) => self.piece(piece),
            Constant::Pieces(pieces) => {
                for piece in pieces {
                    self.piece(piece);
                }
            }
        }
    }
}

/// Counts what would be written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Length(usize);

impl Sink for Length {
    fn byte(&mut self, _byte: u8) {
        self.0 += 1;
    }

    fn piece(&mut self, piece: &Piece) {
        self.0 += piece.len();
    }

    fn piece_after(&mut self, _separator: u8, piece: &Piece) {
        self.0 += piece.len();
    }

    fn word(&mut self, _padded: [u8; 8], len: usize) {
        self.0 += len;
    }

    fn json(&mut self, json: &[u8]) {
        self.0 += json.len();
    }

    fn short_text(&mut self, text: &[u8; SHORT_BYTES], len: usize) {
        self.text(text.get(..len).unwrap_or(text));
    }

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
        self.0 += 2 + ident::TEXT_BYTES;
    }

    fn moment(&mut self, _unix_nanoseconds: i64) {
        self.0 += 2 + time::MILLIS_FORM_BYTES;
    }

    fn datetime(&mut self, unix_microseconds: i64) {
        self.0 += 2 + time::len_rfc3339_micros_from(unix_microseconds);
    }

    fn written(&self) -> usize {
        self.0
    }
}
