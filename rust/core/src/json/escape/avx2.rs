//! Thirty-two bytes in an AVX2 vector: for long strings, on an `x86_64` which turns out to have it.
#![allow(unsafe_code, reason = "vector loads and stores take pointers; the feature is detected by the caller")]

use super::clean::GROUP_BYTES;
use std::arch::x86_64::{
    __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_or_si256, _mm256_set1_epi8,
    _mm256_storeu_si256, _mm256_testz_si256,
};

/// `clean::copy_long`, with vectors twice as wide.
///
/// # Safety
///
/// The machine has AVX2, `src` is at least [`GROUP_BYTES`] long, and `src.len()` bytes may be written at `dst`.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn copy_long(src: &[u8], dst: *mut u8) -> usize {
    let last = src.len() - GROUP_BYTES;
    let mut at = 0;
    loop {
        let begin = at.min(last);
        // SAFETY: a group at `last` ends where `src` does, and none begins later.
        let clean = unsafe {
            let (src, dst) = (src.as_ptr().add(begin), dst.add(begin));
            let (low, high) = (_mm256_loadu_si256(src.cast()), _mm256_loadu_si256(src.add(32).cast()));
            _mm256_storeu_si256(dst.cast(), low);
            _mm256_storeu_si256(dst.add(32).cast(), high);
            let escapes = _mm256_or_si256(escapes(low), escapes(high));
            _mm256_testz_si256(escapes, escapes) == 1
        };
        if !clean {
            return at;
        }
        at += GROUP_BYTES;
        if at >= src.len() {
            return src.len();
        }
    }
}

/// Flags the bytes which JSON wants escaped.
#[target_feature(enable = "avx2")]
fn escapes(bytes: __m256i) -> __m256i {
    let control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
    let quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'"'.cast_signed()));
    let backslash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\\'.cast_signed()));
    _mm256_or_si256(_mm256_or_si256(control, quote), backslash)
}
