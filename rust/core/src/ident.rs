//! Event ids: UUIDv7 (RFC 9562), sortable by time, never shared between processes.
//!
//! The 74 random bits come from a `ChaCha8` stream that is seeded by the operating system,
//! one for each thread, and thrown away in the child of a fork: no two processes, forked
//! siblings included, draw from one stream.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::fork;

/// Bytes of an id in its hyphenated form.
pub const TEXT_BYTES: usize = 36;

/// A source of ids for one thread.
#[derive(Debug)]
pub struct Generator {
    stream: ChaCha8Rng,
    generation: u64,
}

impl Generator {
    /// A generator seeded by the operating system.
    ///
    /// # Errors
    /// The system's source of randomness failed.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self { stream: ChaCha8Rng::from_seed(seed), generation: fork::generation() })
    }

    /// Whether this generator was made by a parent process and must not be used here.
    #[inline]
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        self.generation != fork::generation()
    }

    /// A new id for an event of this moment.
    #[inline]
    pub fn next(&mut self, unix_nanoseconds: i64) -> [u8; 16] {
        let milliseconds = u128::from((unix_nanoseconds / 1_000_000).unsigned_abs() & 0xFFFF_FFFF_FFFF);
        let high = u128::from(self.stream.next_u32() & 0xFFF);
        let low = u128::from(self.stream.next_u64() >> 2);
        ((milliseconds << 80) | (7 << 76) | (high << 64) | (0b10 << 62) | low).to_be_bytes()
    }
}

/// Each byte as its two hexadecimal digits.
static HEX: [[u8; 2]; 256] = hex_table();

const fn hex_table() -> [[u8; 2]; 256] {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
}

/// An id in its hyphenated form.
#[inline]
#[must_use]
pub fn text(id: [u8; 16]) -> [u8; TEXT_BYTES] {
    let mut text = [b'-'; TEXT_BYTES];
    let groups = [(0..4, 0), (4..6, 9), (6..8, 14), (8..10, 19), (10..16, 24)];
    for (bytes, start) in groups {
        for (byte, place) in id[bytes].iter().zip(text[start..].as_chunks_mut::<2>().0) {
            *place = HEX[usize::from(*byte)];
        }
    }
    text
}

/// Whether `text` is an id in its hyphenated form, in whatever case.
#[must_use]
pub fn is_text(text: &[u8]) -> bool {
    let is_hyphen_at = |place| matches!(place, 8 | 13 | 18 | 23);
    text.len() == TEXT_BYTES
        && text
            .iter()
            .enumerate()
            .all(|(place, byte)| if is_hyphen_at(place) { *byte == b'-' } else { byte.is_ascii_hexdigit() })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_have_version_7_the_variant_and_the_time() {
        let mut generator = Generator::new().unwrap();
        let id = generator.next(1_700_000_000_123_456_789);
        assert_eq!(id[6] >> 4, 7);
        assert_eq!(id[8] >> 6, 0b10);
        let mut time = [0; 8];
        time[2..].copy_from_slice(&id[..6]);
        assert_eq!(u64::from_be_bytes(time), 1_700_000_000_123);
    }

    #[test]
    fn ids_of_one_millisecond_differ() {
        let mut generator = Generator::new().unwrap();
        let count = if cfg!(miri) { 300 } else { 100_000 };
        let ids: HashSet<_> = (0..count).map(|_| generator.next(5)).collect();
        assert_eq!(ids.len(), count);
    }

    #[test]
    fn two_generators_do_not_share_a_stream() {
        let (mut one, mut other) = (Generator::new().unwrap(), Generator::new().unwrap());
        assert_ne!(one.next(5), other.next(5));
    }

    #[test]
    fn the_text_is_hyphenated_lower_case() {
        let id = *b"\x01\x23\x45\x67\x89\xab\x7c\xde\x8f\x00\x11\x22\x33\x44\x55\xff";
        assert_eq!(&text(id), b"01234567-89ab-7cde-8f00-1122334455ff");
    }
    #[test]
    fn only_an_id_in_its_hyphenated_form_is_one() {
        let id = *b"01234567-89ab-7cde-8f00-1122334455fF";
        assert!(is_text(&id) && is_text(&id.to_ascii_uppercase()));
        for place in 0..TEXT_BYTES {
            for byte in *b"-0gG/:@`\x80" {
                let mut text = id;
                text[place] = byte;
                assert_eq!(is_text(&text), (byte == b'0' && id[place] != b'-') || byte == id[place], "{place} {byte}");
            }
            assert!(!is_text(&id[..place]) && !is_text(&id[place + 1..]));
        }
        assert!(!is_text(&[id.as_slice(), b"0"].concat()));
    }
}
