//! Eight bytes of a string at a time in a plain register: the short strings, the tails, the portable test.
//!
//! A word holds the string's first byte in its lowest eight bits on every machine.

/// One in every byte.
const ONES: u64 = 0x0101_0101_0101_0101;
/// The highest bit of every byte.
const HIGH: u64 = 0x80 * ONES;
/// Bytes in a word.
pub(super) const WORD_BYTES: usize = 8;

/// The word of eight bytes.
#[inline]
pub(super) const fn load(bytes: [u8; WORD_BYTES]) -> u64 {
    u64::from_le_bytes(bytes)
}

/// The word of at most seven bytes, zeros behind them, without looking past their end.
#[inline]
pub(super) fn load_short(bytes: &[u8]) -> u64 {
    let len = bytes.len();
    debug_assert!(len < WORD_BYTES);
    if let (Some(head), Some(tail)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // Four to seven bytes: two loads which overlap, and agree where they do.
        let (head, tail) = (u32::from_le_bytes(*head), u32::from_le_bytes(*tail));
        u64::from(head) | u64::from(tail) << (8 * (len - 4))
    } else if let (Some(first), Some(middle), Some(last)) = (bytes.first(), bytes.get(len / 2), bytes.last()) {
        u64::from(*first) | u64::from(*middle) << (8 * (len / 2)) | u64::from(*last) << (8 * (len - 1))
    } else {
        0
    }
}

/// The bits of the first `len` bytes of a word; `len` is at most seven.
#[inline]
pub(super) const fn first(len: usize) -> u64 {
    (1 << (8 * len)) - 1
}

/// Spaces, which need no escape, behind the first `len` bytes of a word; `len` is at most seven.
#[inline]
pub(super) const fn spaces_from(len: usize) -> u64 {
    (b' ' as u64 * ONES) << (8 * len)
}

/// Flags, by its highest bit, each byte which JSON wants escaped: below 0x20, `"` and `\`.
///
/// Exact for every byte: the highest bits are put aside first, so no sum carries into the next byte.
#[inline]
pub(super) const fn escapes(word: u64) -> u64 {
    let low = word & !HIGH;
    let printable = low + (0x80 - 0x20) * ONES;
    let not_quote = (low ^ (b'"' as u64 * ONES)) + 0x7f * ONES;
    let not_backslash = (low ^ (b'\\' as u64 * ONES)) + 0x7f * ONES;
    !(printable & not_quote & not_backslash | word) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::escape::expand::extra_len;

    #[test]
    fn word_flags_exactly_the_escaped_bytes_whatever_their_neighbours() {
        for byte in (0..=u8::MAX).step_by(if cfg!(miri) { 5 } else { 1 }) {
            for neighbour in [0x00, 0x01, 0x1f, 0x20, b'"', b'\\', b'a', 0x7f, 0x80, 0xff] {
                for at in 0..WORD_BYTES {
                    let mut bytes = [neighbour; WORD_BYTES];
                    bytes[at] = byte;
                    let expected = bytes.map(|byte| if extra_len(byte) > 0 { 0x80 } else { 0 });
                    assert_eq!(escapes(load(bytes)).to_le_bytes(), expected, "{bytes:x?}");
                }
            }
        }
    }

    #[test]
    fn short_load_is_the_bytes_then_zeros() {
        let bytes = [1, 2, 3, 4, 5, 6, 7];
        for len in 0..WORD_BYTES {
            let mut expected = [0; WORD_BYTES];
            expected[..len].copy_from_slice(&bytes[..len]);
            assert_eq!(load_short(&bytes[..len]).to_le_bytes(), expected);
            expected[len..].fill(b' ');
            assert_eq!((load_short(&bytes[..len]) | spaces_from(len)).to_le_bytes(), expected);
        }
    }
}
