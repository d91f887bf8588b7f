//! Sixteen bytes in a NEON vector.
#![allow(unsafe_code, reason = "vector loads and stores take pointers")]

use super::lanes::{LANES, Lanes};
use std::arch::aarch64::{
    uint8x16_t, vandq_u8, vceqq_u8, vcltq_u8, vcombine_u8, vcreate_u8, vdupq_n_u8, vld1q_u8, vmaxvq_u32, vorrq_u8,
    vreinterpretq_u32_u8, vst1q_u8,
};

/// One vector.
#[derive(Clone, Copy)]
pub(super) struct Neon(uint8x16_t);

impl Lanes for Neon {
    #[inline]
    fn clear() -> Self {
        // SAFETY: this file is compiled where NEON is a given.
        Self(unsafe { vdupq_n_u8(0) })
    }

    #[inline]
    fn from_words(head: u64, tail: u64) -> Self {
        // SAFETY: this file is compiled where NEON is a given.
        Self(unsafe { vcombine_u8(vcreate_u8(head), vcreate_u8(tail)) })
    }

    #[inline]
    unsafe fn load(src: *const [u8; LANES]) -> Self {
        // SAFETY: the caller says sixteen bytes may be read; this load asks for no alignment.
        Self(unsafe { vld1q_u8(src.cast()) })
    }

    #[inline]
    unsafe fn store(self, dst: *mut [u8; LANES]) {
        // SAFETY: the caller says sixteen bytes may be written; this store asks for no alignment.
        unsafe { vst1q_u8(dst.cast(), self.0) };
    }

    #[inline]
    fn escapes(self) -> Self {
        // SAFETY: this file is compiled where NEON is a given, and these touch no memory.
        unsafe {
            let control = vcltq_u8(self.0, vdupq_n_u8(0x20));
            let quote = vceqq_u8(self.0, vdupq_n_u8(b'"'));
            let backslash = vceqq_u8(self.0, vdupq_n_u8(b'\\'));
            Self(vorrq_u8(vorrq_u8(control, quote), backslash))
        }
    }

    #[inline]
    fn or(self, other: Self) -> Self {
        // SAFETY: this file is compiled where NEON is a given.
        Self(unsafe { vorrq_u8(self.0, other.0) })
    }

    #[inline]
    fn any_of_first(low: Self, high: Self, len: usize) -> bool {
        const PLACES: [u8; 2 * LANES] = [
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
            29, 30, 31,
        ];
        #[expect(clippy::cast_possible_truncation, reason = "at most 32")]
        // SAFETY: this file is compiled where NEON is a given; the loads are within the constant.
        unsafe {
            let len = vdupq_n_u8(len as u8);
            let in_low = vcltq_u8(vld1q_u8(PLACES.as_ptr()), len);
            let in_high = vcltq_u8(vld1q_u8(PLACES.as_ptr().add(LANES)), len);
            Self(vorrq_u8(vandq_u8(low.0, in_low), vandq_u8(high.0, in_high))).any()
        }
    }

    #[inline]
    fn any(self) -> bool {
        // Flags are whole bytes of ones, so four wide lanes tell as much as sixteen narrow ones, for less.
        // SAFETY: this file is compiled where NEON is a given.
        unsafe { vmaxvq_u32(vreinterpretq_u32_u8(self.0)) != 0 }
    }
}
