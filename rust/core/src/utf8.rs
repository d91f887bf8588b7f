//! UTF-8 from characters that all have one width, as an interpreter keeps them.
#![allow(unsafe_code, reason = "characters are stored one after the other into capacity reserved for all of them")]

/// The most bytes of a character, by the bytes that it is kept in.
const fn widest<T>() -> usize {
    // Up to U+00FF, U+FFFF and U+10FFFF.
    [0, 2, 3, 4, 4][size_of::<T>()]
}

/// Puts `characters` as UTF-8 into `space`, whose content is replaced. What is no character
/// (a lone surrogate, or beyond the last) becomes U+FFFD; returns how many those are.
#[inline]
pub fn encode<T: Copy + Into<u32>>(space: &mut Vec<u8>, characters: &[T]) -> u64 {
    let mut replaced = 0;
    space.clear();
    space.reserve(characters.len() * const { widest::<T>() });
    // SAFETY: each turn stores what its character takes, `widest` bytes at most, and as much
    // was reserved for each; all bytes up to `end` are stored.
    unsafe {
        let mut end = space.as_mut_ptr();
        for character in characters {
            let mut code: u32 = (*character).into();
            if code < 0x80 {
                end.write(low_byte(code));
                end = end.add(1);
                continue;
            }
            if code < 0x800 {
                end.cast::<[u8; 2]>().write([0xC0 | low_byte(code >> 6), tail(code)]);
                end = end.add(2);
                continue;
            }
            if code & 0xFFFF_F800 == 0xD800 || code > char::MAX as u32 {
                replaced += 1;
                code = char::REPLACEMENT_CHARACTER as u32;
            }
            if code < 0x1_0000 {
                end.cast::<[u8; 3]>().write([0xE0 | low_byte(code >> 12), tail(code >> 6), tail(code)]);
                end = end.add(3);
            } else {
                let head = 0xF0 | low_byte(code >> 18);
                end.cast::<[u8; 4]>().write([head, tail(code >> 12), tail(code >> 6), tail(code)]);
                end = end.add(4);
            }
        }
        space.set_len(end.offset_from_unsigned(space.as_ptr()));
    }
    replaced
}

/// Six bits behind the first byte.
#[inline]
fn tail(code: u32) -> u8 {
    0x80 | low_byte(code & 0x3F)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the bits above are said by others")]
fn low_byte(code: u32) -> u8 {
    code as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded<T: Copy + Into<u32>>(characters: &[T]) -> (String, u64) {
        let mut space = b"what was there before".to_vec();
        let replaced = encode(&mut space, characters);
        (String::from_utf8(space).unwrap(), replaced)
    }

    #[test]
    fn every_code_is_its_character_or_replaced() {
        let step = if cfg!(miri) { 977 } else { 1 };
        for code in (0..=0x11_0010_u32).chain([u32::MAX - 1, u32::MAX]).step_by(step) {
            let character = char::from_u32(code);
            let expected = (character.unwrap_or('\u{FFFD}').to_string(), u64::from(character.is_none()));
            assert_eq!(encoded(&[code]), expected, "{code:x}");
            if let Ok(code) = u16::try_from(code) {
                assert_eq!(encoded(&[code]), expected, "{code:x}");
            }
            if let Ok(code) = u8::try_from(code) {
                assert_eq!(encoded(&[code]), expected, "{code:x}");
            }
        }
    }

    #[test]
    fn characters_of_every_width_follow_each_other() {
        let text = "a\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}é李😀z".repeat(40);
        let codes: Vec<u32> = text.chars().map(u32::from).collect();
        assert_eq!(encoded(&codes), (text.clone(), 0));
        let narrow: Vec<u16> = text.chars().filter_map(|character| u16::try_from(u32::from(character)).ok()).collect();
        let expected: String = text.chars().filter(|character| u32::from(*character) < 0x1_0000).collect();
        assert_eq!(encoded(&narrow), (expected, 0));
        // A pair of surrogates is two that are alone: a string of 16-bit characters has none beyond.
        assert_eq!(encoded(&[0x61_u16, 0xD83D, 0xDE00, 0x62]), ("a\u{FFFD}\u{FFFD}b".into(), 2));
        assert_eq!(encoded::<u8>(&[]), (String::new(), 0));
    }

    #[test]
    fn the_widest_characters_fit_what_was_reserved() {
        for len in [1, 2, 100] {
            assert_eq!(encoded(&vec![0xFF_u8; len]).0, "ÿ".repeat(len));
            assert_eq!(encoded(&vec![0xD800_u16; len]), ("\u{FFFD}".repeat(len), len as u64));
            assert_eq!(encoded(&vec![0x10_FFFF_u32; len]).0, "\u{10FFFF}".repeat(len));
        }
    }
}
