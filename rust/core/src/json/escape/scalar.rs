//! Sixteen bytes in two registers, for machines without vectors, for Miri, and to hold the vectors to.
#![allow(unsafe_code, reason = "loads and stores go through the pointers of `Lanes`")]

use super::lanes::{LANES, Lanes};
use super::word;

/// Two words.
#[derive(Clone, Copy)]
pub(super) struct Scalar([u64; 2]);

impl Lanes for Scalar {
    #[inline]
    fn clear() -> Self {
        Self([0; 2])
    }

    #[inline]
    fn from_words(head: u64, tail: u64) -> Self {
        Self([head, tail])
    }

    #[inline]
    unsafe fn load(src: *const [u8; LANES]) -> Self {
        // SAFETY: the caller says it may be read; sixteen bytes are two halves of eight, without alignment.
        Self(unsafe { src.cast::<[[u8; 8]; 2]>().read() }.map(word::load))
    }

    #[inline]
    unsafe fn store(self, dst: *mut [u8; LANES]) {
        let halves = self.0.map(u64::to_le_bytes);
        // SAFETY: the caller says it may be written; two halves of eight bytes are sixteen, without alignment.
        unsafe { dst.cast::<[[u8; 8]; 2]>().write(halves) };
    }

    #[inline]
    fn escapes(self) -> Self {
        Self(self.0.map(word::escapes))
    }

    #[inline]
    fn or(self, other: Self) -> Self {
        Self([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }

    #[inline]
    fn any_of_first(low: Self, high: Self, len: usize) -> bool {
        let words = [low.0, high.0].into_iter().flatten().enumerate();
        words.into_iter().any(|(index, flags)| match len.saturating_sub(index * word::WORD_BYTES) {
            len @ 0..word::WORD_BYTES => flags & word::first(len) != 0,
            _ => flags != 0,
        })
    }

    #[inline]
    fn any(self) -> bool {
        self.0[0] | self.0[1] != 0
    }
}
