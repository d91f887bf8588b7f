//! Sixteen bytes in an SSE2 vector, which every `x86_64` has.
#![allow(unsafe_code, reason = "vector loads and stores take pointers")]

use super::lanes::{LANES, Lanes};
use super::{avx2, clean};
use std::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
    _mm_set1_epi8, _mm_setzero_si128, _mm_storeu_si128,
};

/// One vector.
#[derive(Clone, Copy)]
pub(super) struct Sse2(__m128i);

impl Lanes for Sse2 {
    #[inline]
    fn clear() -> Self {
        // SAFETY: SSE2 is part of every x86_64.
        Self(unsafe { _mm_setzero_si128() })
    }

    #[inline]
    fn from_words(head: u64, tail: u64) -> Self {
        // SAFETY: SSE2 is part of every x86_64.
        Self(unsafe { _mm_set_epi64x(tail.cast_signed(), head.cast_signed()) })
    }

    #[inline]
    unsafe fn load(src: *const [u8; LANES]) -> Self {
        // SAFETY: the caller says sixteen bytes may be read; this load asks for no alignment.
        Self(unsafe { _mm_loadu_si128(src.cast()) })
    }

    #[inline]
    unsafe fn store(self, dst: *mut [u8; LANES]) {
        // SAFETY: the caller says sixteen bytes may be written; this store asks for no alignment.
        unsafe { _mm_storeu_si128(dst.cast(), self.0) };
    }

    #[inline]
    fn escapes(self) -> Self {
        // SAFETY: SSE2 is part of every x86_64, and these touch no memory.
        unsafe {
            // SSE2 compares signed bytes only: below 0x20 is what the smaller of it and 0x1f leaves unchanged.
            let control = _mm_cmpeq_epi8(_mm_min_epu8(self.0, _mm_set1_epi8(0x1f)), self.0);
            let quote = _mm_cmpeq_epi8(self.0, _mm_set1_epi8(b'"'.cast_signed()));
            let backslash = _mm_cmpeq_epi8(self.0, _mm_set1_epi8(b'\\'.cast_signed()));
            Self(_mm_or_si128(_mm_or_si128(control, quote), backslash))
        }
    }

    #[inline]
    fn or(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86_64.
        Self(unsafe { _mm_or_si128(self.0, other.0) })
    }

    #[inline]
    fn any(self) -> bool {
        // SAFETY: SSE2 is part of every x86_64.
        unsafe { _mm_movemask_epi8(self.0) != 0 }
    }

    #[inline]
    fn any_of_first(low: Self, high: Self, len: usize) -> bool {
        // SAFETY: SSE2 is part of every x86_64.
        let flags = unsafe { _mm_movemask_epi8(low.0) | _mm_movemask_epi8(high.0) << LANES };
        u64::from(flags.cast_unsigned()) & ((1 << len) - 1) != 0
    }

    #[inline(never)]
    unsafe fn copy_wide(src: &[u8], dst: *mut u8) -> usize {
        // The standard library keeps the answer: asking again is one load.
        if is_x86_feature_detected!("avx2") {
            // SAFETY: detected just now; the rest is what the caller vouches for.
            unsafe { avx2::copy_long(src, dst) }
        } else {
            // SAFETY: handed on.
            unsafe { clean::copy_long::<Self>(src, dst) }
        }
    }
}
