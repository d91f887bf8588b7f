//! Copying while looking: a string without escapes is done in one pass.
#![allow(unsafe_code, reason = "vectors are stored before they are looked at, into capacity reserved by the caller")]

use super::lanes::{LANES, Lanes, Native};
use super::word::{self, WORD_BYTES};

/// Bytes looked at together: four vectors, so that a long string takes one branch for each cache line.
pub(super) const GROUP_BYTES: usize = 4 * LANES;

/// From this length on it pays to ask the machine for wider vectors than it surely has. Measured with AVX2 against SSE2:
/// 1,000 bytes in 28 ns instead of 46, 500 bytes in 17 instead of 24, and 200 bytes in no less.
const WIDE_FROM_BYTES: usize = 4 * GROUP_BYTES;

/// Copies `src` to `dst` up to somewhere before its first escape; returns how many bytes are copied and clean.
///
/// That is all of them, or a whole number of 64-byte groups: the group with the escape is left to the caller.
///
/// # Safety
///
/// `src.len() + WORD_BYTES` bytes may be written at `dst`; `src` is elsewhere.
#[allow(clippy::inline_always, reason = "as for `copy_with`")]
#[inline(always)]
pub(super) unsafe fn copy(src: &[u8], dst: *mut u8) -> usize {
    // SAFETY: handed on.
    unsafe { copy_with::<Native>(src, dst) }
}

/// [`copy`] with the vectors named by the caller.
///
/// # Safety
///
/// As for [`copy`].
#[allow(clippy::inline_always, reason = "its callers know on which side of GROUP_BYTES they are")]
#[inline(always)]
pub(super) unsafe fn copy_with<L: Lanes>(src: &[u8], dst: *mut u8) -> usize {
    let len = src.len();
    let escapes = if len < WORD_BYTES {
        let word = word::load_short(src);
        // SAFETY: a whole word may be written behind however few bytes.
        unsafe { dst.cast::<[u8; WORD_BYTES]>().write_unaligned(word.to_le_bytes()) };
        short_escapes::<L>(word, len).any()
    } else if len <= LANES {
        let (Some(head), Some(tail)) = (src.first_chunk(), src.last_chunk()) else {
            return 0;
        };
        // SAFETY: 8..=16 bytes, so both words end within them.
        unsafe {
            dst.cast::<[u8; WORD_BYTES]>().write_unaligned(*head);
            dst.add(len - WORD_BYTES).cast::<[u8; WORD_BYTES]>().write_unaligned(*tail);
        }
        L::from_words(word::load(*head), word::load(*tail)).escapes().any()
    } else if len <= 2 * LANES {
        // SAFETY: 17..=32 bytes: sixteen from the beginning and sixteen up to the end are both within.
        unsafe { copy_block::<L, 1>(src, 0, dst).or(copy_block::<L, 1>(src, len - LANES, dst)).any() }
    } else if len <= GROUP_BYTES {
        // SAFETY: 33..=64 bytes: the same with thirty-two.
        unsafe { copy_block::<L, 2>(src, 0, dst).or(copy_block::<L, 2>(src, len - 2 * LANES, dst)).any() }
    } else if len < WIDE_FROM_BYTES {
        // SAFETY: more than 64 bytes, and `dst` as the caller vouches.
        return unsafe { copy_long::<L>(src, dst) };
    } else {
        // SAFETY: as above.
        return unsafe { L::copy_wide(src, dst) };
    };
    if escapes { 0 } else { len }
}

/// Do fewer than sixteen bytes hold no escape?
#[inline]
pub(super) fn is_clean_tail(bytes: &[u8]) -> bool {
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(head), Some(tail)) => !Native::from_words(word::load(*head), word::load(*tail)).escapes().any(),
        _ => !short_escapes::<Native>(word::load_short(bytes), bytes.len()).any(),
    }
}

/// The flags of the first `len` bytes of `word`, at most seven.
#[inline]
fn short_escapes<L: Lanes>(word: u64, len: usize) -> L {
    let padded = word | word::spaces_from(len);
    L::from_words(padded, padded).escapes()
}

/// [`copy_with`] for more than [`GROUP_BYTES`].
///
/// # Safety
///
/// `src.len()`, more than `GROUP_BYTES`, bytes may be written at `dst`.
#[inline]
pub(super) unsafe fn copy_long<L: Lanes>(src: &[u8], dst: *mut u8) -> usize {
    let last = src.len() - GROUP_BYTES;
    let mut at = 0;
    while at < last {
        // SAFETY: `at + GROUP_BYTES` is below the length.
        if unsafe { copy_block::<L, 4>(src, at, dst).any() } {
            return at;
        }
        at += GROUP_BYTES;
    }
    // SAFETY: the last group ends where `src` does; what it shares with the one before is copied again, the same.
    if unsafe { copy_block::<L, 4>(src, last, dst).any() } {
        return at;
    }
    src.len()
}

/// Copies `VECTORS` vectors from `src[at..]` to the same place behind `dst`; returns the flags of all of them together.
///
/// # Safety
///
/// `at + VECTORS * LANES` is at most `src.len()`, and as much may be written at `dst`.
#[inline]
unsafe fn copy_block<L: Lanes, const VECTORS: usize>(src: &[u8], at: usize, dst: *mut u8) -> L {
    debug_assert!(at + VECTORS * LANES <= src.len());
    let mut escapes = L::clear();
    for vector in 0..VECTORS {
        let at = at + vector * LANES;
        // SAFETY: `at + LANES` is within both, says the caller.
        unsafe {
            let lanes = L::load(src.as_ptr().add(at).cast());
            lanes.store(dst.add(at).cast());
            escapes = escapes.or(lanes.escapes());
        }
    }
    escapes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::escape::expand::extra_len;
    use crate::json::escape::scalar::Scalar;

    /// What `copy_with` reports, once it is shown to be copied, clean, and followed by nothing beyond a word.
    fn copied<L: Lanes>(src: &[u8]) -> usize {
        const CANARY: u8 = 0xa5;
        let mut dst = vec![CANARY; src.len() + 2 * WORD_BYTES];
        // SAFETY: `dst` is longer than `src` by more than a word.
        let copied = unsafe { copy_with::<L>(src, dst.as_mut_ptr()) };
        assert_eq!(dst[..copied], src[..copied]);
        assert!(src[..copied].iter().all(|byte| extra_len(*byte) == 0), "an escape was passed over: {src:x?}");
        let written = src.len().max(WORD_BYTES);
        assert!(dst[written..].iter().all(|byte| *byte == CANARY), "{} bytes wrote too far", src.len());
        copied
    }

    #[test]
    fn copy_stops_before_the_group_of_the_first_escape_on_every_kind_of_vector() {
        // Bytes next to the escaped ones, and those which only a signed comparison would take for small.
        let clean: Vec<u8> = [0x20, 0x21, 0x23, 0x5b, 0x5d, 0x7f, 0x80, 0x9f, 0xa2, 0xdc, 0xff].repeat(30);
        for len in (0..=330).step_by(if cfg!(miri) { 41 } else { 1 }) {
            let mut src = clean[..len].to_vec();
            assert_eq!((copied::<Native>(&src), copied::<Scalar>(&src)), (len, len));
            // Miri looks at each byte: a prime stride takes it through every place of the groups soon enough.
            for at in (0..len).step_by(if cfg!(miri) { 37 } else { 1 }) {
                for escape in [0x00, 0x1f, b'"', b'\\'] {
                    src[at] = escape;
                    let expected = at / GROUP_BYTES * GROUP_BYTES;
                    assert_eq!((copied::<Native>(&src), copied::<Scalar>(&src)), (expected, expected), "{at} of {len}");
                }
                src[at] = clean[at];
            }
        }
    }
}
