//! The tape: one event's values as tags, lengths and raw bytes.
//!
//! It is what a push copies out of the caller's objects: cheaper to write than JSON (no
//! escaping, no digits), complete (nothing refers back to the caller), and enough to say
//! how long the JSON will be. Numbers are native-endian: a tape never leaves its process.
#![allow(unsafe_code, reason = "each value is one capacity check and raw stores: a push is made of little else")]

/// What follows on the tape.
pub mod tag {
    /// How many fields were not given (one byte). Those behind the last value are not told.
    pub const ABSENT: u8 = 0x00;
    /// `null`
    pub const NULL: u8 = 0x01;
    /// `false`
    pub const FALSE: u8 = 0x02;
    /// `true`
    pub const TRUE: u8 = 0x03;
    /// One byte, signed.
    pub const I8: u8 = 0x04;
    /// Four bytes, signed.
    pub const I32: u8 = 0x05;
    /// Eight bytes, signed.
    pub const I64: u8 = 0x06;
    /// Eight bytes, unsigned.
    pub const U64: u8 = 0x07;
    /// Eight bytes, a double.
    pub const F64: u8 = 0x08;
    /// A length (two bytes) and that many decimal digits, a sign before them allowed.
    pub const DIGITS: u8 = 0x09;
    /// Sixteen bytes.
    pub const UUID: u8 = 0x0A;
    /// Eight bytes: microseconds since 1970, UTC.
    pub const DATETIME: u8 = 0x0B;
    /// Keys and values until `END`.
    pub const MAP: u8 = 0x0C;
    /// A map that has the key its field would otherwise add.
    pub const MAP_COMPLETE: u8 = 0x0D;
    /// Values until `END`.
    pub const LIST: u8 = 0x0E;
    /// Ends a map or a list.
    pub const END: u8 = 0x0F;
    /// A length (four bytes) and that much UTF-8.
    pub const TEXT: u8 = 0x10;
    /// A key by its number in [`Keys`](crate::keys::Keys): two low bits here, one byte more.
    pub const KEY: u8 = 0x14;
    /// From here on the tag is the length of the UTF-8 that follows.
    pub const SHORT_TEXT: u8 = 0x20;
    /// The longest text whose length fits the tag.
    pub const SHORT_TEXT_MAX: usize = (u8::MAX - SHORT_TEXT) as usize;
}

/// Writes a tape, and keeps a lower bound of the JSON it will become.
///
/// The bound is what decides whether an event is certainly too large, certainly small
/// enough, or worth measuring.
#[derive(Debug, Default)]
pub struct Tape {
    bytes: Vec<u8>,
    least_json: usize,
    spread: usize,
}

impl Tape {
    /// Empties the tape and keeps its memory, unless one huge event made it grow.
    pub fn clear(&mut self) {
        const KEPT_BYTES: usize = 256 * 1024;
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes.shrink_to(KEPT_BYTES);
        }
        self.least_json = 0;
        self.spread = 0;
    }

    /// What was written.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A number of bytes that the JSON of this tape cannot fall below.
    #[must_use]
    pub fn least_json(&self) -> usize {
        self.least_json
    }

    /// What its JSON takes at most, but for escapes.
    #[must_use]
    pub fn most_json_unescaped(&self) -> usize {
        self.least_json + self.spread
    }

    /// How much is written: a place to come back to with [`Tape::retag`].
    #[must_use]
    pub fn position(&self) -> usize {
        self.bytes.len()
    }

    /// Replaces the tag at `position`.
    pub fn retag(&mut self, position: usize, tag: u8) {
        if let Some(byte) = self.bytes.get_mut(position) {
            *byte = tag;
        }
    }

    /// The beginning of a map or a list.
    #[inline]
    pub fn tag(&mut self, tag: u8) {
        self.bytes.push(tag);
        self.least_json += 1;
        // Empty, it is its other bracket longer, and a comma; else the last value paid for one.
        self.spread += 2;
    }

    /// `null`, `false` or `true`, by its tag.
    #[inline]
    pub fn constant(&mut self, tag: u8) {
        self.bytes.push(tag);
        self.least_json += if tag == tag::FALSE { 6 } else { 5 };
    }

    /// The end of a map or a list. Its bracket pays for the comma that was counted after
    /// the last value and will not be written.
    #[inline]
    pub fn end(&mut self) {
        self.bytes.push(tag::END);
    }

    /// So many fields that were not given, in front of one that was.
    #[inline]
    pub fn absent(&mut self, fields: u8) {
        self.tagged(tag::ABSENT, [fields]);
    }

    /// Counts JSON that will be written for another reason than what is on the tape.
    pub fn count(&mut self, json_bytes: usize) {
        self.least_json += json_bytes;
    }

    /// Raw bytes in front of the first value: a record's stamps.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A string value or a key spelled out. `utf8` must be UTF-8.
    #[inline]
    pub fn text(&mut self, utf8: &[u8]) {
        const LENGTH_BYTES: usize = size_of::<u32>();
        let len = utf8.len();
        self.least_json += len + 3;
        let end = self.room(1 + LENGTH_BYTES + len);
        // SAFETY: `room` left space behind `end` for a tag, a length and the text; what is
        // counted in `set_len` was written just before.
        unsafe {
            if len <= tag::SHORT_TEXT_MAX {
                #[expect(clippy::cast_possible_truncation, reason = "at most SHORT_TEXT_MAX")]
                end.write(tag::SHORT_TEXT + len as u8);
                copy(utf8, end.add(1));
                self.bytes.set_len(self.bytes.len() + 1 + len);
            } else {
                end.write(tag::TEXT);
                let length = u32::try_from(len).unwrap_or(u32::MAX).to_ne_bytes();
                end.add(1).cast::<[u8; LENGTH_BYTES]>().write(length);
                std::ptr::copy_nonoverlapping(utf8.as_ptr(), end.add(1 + LENGTH_BYTES), len);
                self.bytes.set_len(self.bytes.len() + 1 + LENGTH_BYTES + len);
            }
        }
    }

    /// A key by its number; its JSON, quotes and colon included, has `json_len` bytes.
    #[inline]
    pub fn key(&mut self, number: u16, json_len: usize) {
        let [low, high] = number.to_le_bytes();
        self.tagged(tag::KEY | high, [low]);
        self.least_json += json_len;
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: i64) {
        if let Ok(value) = i8::try_from(value) {
            self.number(tag::I8, value.to_ne_bytes(), 2, 5);
        } else if let Ok(value) = i32::try_from(value) {
            self.number(tag::I32, value.to_ne_bytes(), 4, 12);
        } else {
            self.number(tag::I64, value.to_ne_bytes(), 11, 21);
        }
    }

    /// An integer above `i64::MAX`.
    pub fn uint(&mut self, value: u64) {
        self.number(tag::U64, value.to_ne_bytes(), 20, 21);
    }

    /// A number whose JSON, a comma included, takes from `least` to `most` bytes.
    #[inline]
    fn number<const N: usize>(&mut self, tag: u8, bytes: [u8; N], least: usize, most: usize) {
        self.least_json += least;
        self.spread += most - least;
        self.tagged(tag, bytes);
    }

    /// An integer beyond 64 bits, as its decimal digits.
    pub fn digits(&mut self, digits: &[u8]) {
        self.least_json += digits.len() + 1;
        let len = u16::try_from(digits.len()).unwrap_or(u16::MAX);
        self.tagged(tag::DIGITS, len.to_ne_bytes());
        self.bytes.extend_from_slice(digits);
    }

    /// A double; what JSON cannot say becomes `null` when written.
    #[inline]
    pub fn float(&mut self, value: f64) {
        self.number(tag::F64, value.to_ne_bytes(), 4, 25);
    }

    /// A UUID, printed in its hyphenated form.
    pub fn uuid(&mut self, value: [u8; 16]) {
        self.least_json += 39;
        self.tagged(tag::UUID, value);
    }

    /// A moment, in microseconds since 1970, UTC.
    pub fn datetime(&mut self, unix_microseconds: i64) {
        self.number(tag::DATETIME, unix_microseconds.to_ne_bytes(), 27, 30);
    }

    /// A tag and its fixed bytes.
    #[inline]
    fn tagged<const N: usize>(&mut self, tag: u8, bytes: [u8; N]) {
        let end = self.room(1 + N);
        // SAFETY: `room` left space for both, and both are written.
        unsafe {
            end.write(tag);
            end.add(1).cast::<[u8; N]>().write(bytes);
            self.bytes.set_len(self.bytes.len() + 1 + N);
        }
    }

    /// The end of what is written, with space for `len` bytes behind it.
    #[inline]
    fn room(&mut self, len: usize) -> *mut u8 {
        if self.bytes.capacity() - self.bytes.len() < len {
            self.grow(len);
        }
        // SAFETY: within the allocation, or at its end.
        unsafe { self.bytes.as_mut_ptr().add(self.bytes.len()) }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, len: usize) {
        self.bytes.reserve(len);
    }
}

/// Copies a short text with two overlapping moves instead of a call.
///
/// # Safety
/// There is space for `text.len()` bytes at `to`, which does not lie in `text`.
#[inline]
unsafe fn copy(text: &[u8], to: *mut u8) {
    /// Moves the first and the last `N` bytes; between `N` and `2 * N` of them, that is all.
    ///
    /// # Safety
    /// `len >= N`, and there are `len` bytes at both places.
    #[inline]
    unsafe fn ends<const N: usize>(from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: promised by the caller; an array of bytes needs no alignment.
        unsafe {
            let (first, last) = (from.cast::<[u8; N]>().read(), from.add(len - N).cast::<[u8; N]>().read());
            to.cast::<[u8; N]>().write(first);
            to.add(len - N).cast::<[u8; N]>().write(last);
        }
    }
    let (from, len) = (text.as_ptr(), text.len());
    // SAFETY: each arm has checked its length.
    unsafe {
        if len >= 8 {
            match len {
                ..=16 => ends::<8>(from, to, len),
                17..=32 => ends::<16>(from, to, len),
                _ => std::ptr::copy_nonoverlapping(from, to, len),
            }
        } else if len >= 4 {
            ends::<4>(from, to, len);
        } else if len > 0 {
            to.write(from.read());
            ends::<1>(from.add(len / 2), to.add(len / 2), len - len / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_are_copied_whole() {
        for len in (0..600_u16).step_by(if cfg!(miri) { 31 } else { 1 }) {
            let text: Vec<u8> = (0..len).map(|index| b'a' + (index % 23) as u8).collect();
            let mut tape = Tape::default();
            tape.text(&text);
            let head = if text.len() <= tag::SHORT_TEXT_MAX { 1 } else { 5 };
            assert_eq!(&tape.bytes()[head..], text, "{len}");
            assert_eq!(tape.least_json(), text.len() + 3);
        }
    }

    #[test]
    fn a_huge_event_does_not_keep_its_memory() {
        let mut tape = Tape::default();
        tape.text(&vec![b'x'; 4 << 20]);
        tape.clear();
        assert!(tape.bytes.capacity() <= 256 * 1024);
    }
}
