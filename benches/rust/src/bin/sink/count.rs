//! Counting events: how often a vendor's id key occurs in a body, at several gigabytes a second.

/// Bytes looked at together: the compiler turns one block into a few vector instructions.
const BLOCK_BYTES: usize = 64;

/// Counts `needle` in `body`.
///
/// Each block is first asked only whether it holds the needle's rarest byte at all; the exact look is for those that do.
pub(crate) fn occurrences(body: &[u8], needle: Needle) -> u64 {
    let (blocks, rest) = body.as_chunks::<BLOCK_BYTES>();
    let mut found = 0;
    for (index, block) in blocks.iter().enumerate() {
        // No early end, so that the compiler makes a few vector comparisons of it.
        if block.iter().fold(0, |seen, &byte| seen | u8::from(byte == needle.rare())) != 0 {
            found += needle.count_in(body, index * BLOCK_BYTES, block);
        }
    }
    found + needle.count_in(body, body.len() - rest.len(), rest)
}

/// A text that occurs once in every event of a vendor, and the place in it of its rarest byte.
#[derive(Clone, Copy)]
pub(crate) struct Needle {
    text: &'static [u8],
    rare_at: usize,
}

impl Needle {
    pub(crate) const fn new(text: &'static str, rare_at: usize) -> Self {
        Self { text: text.as_bytes(), rare_at }
    }

    fn rare(self) -> u8 {
        self.text[self.rare_at]
    }

    /// Counts in `block`, which is the part of `body` from `start` on, the needles whose rarest byte lies in it.
    fn count_in(self, body: &[u8], start: usize, block: &[u8]) -> u64 {
        let is_rare = |&(_, &byte): &(usize, &u8)| byte == self.rare();
        block.iter().enumerate().filter(is_rare).filter(|(at, _)| self.is_around(body, start + at)).map(|_| 1).sum()
    }

    fn is_around(self, body: &[u8], rare: usize) -> bool {
        rare.checked_sub(self.rare_at).is_some_and(|start| body[start..].starts_with(self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_BYTES, Needle, occurrences};

    #[test]
    fn a_needle_is_found_wherever_it_lies_across_blocks() {
        let needle = Needle::new("\"messageId\"", 8);
        for before in 0..2 * BLOCK_BYTES {
            let body = format!("{}\"messageId\": \"Id\", \"Id\"", "x".repeat(before));
            assert_eq!(occurrences(body.as_bytes(), needle), 1, "{before} bytes before it");
        }
    }

    #[test]
    fn a_part_of_a_needle_at_either_end_is_not_an_event() {
        let needle = Needle::new("\"messageId\"", 8);
        assert_eq!(occurrences(b"Id\" and \"messageI", needle), 0);
        assert_eq!(occurrences(b"\"messageId\"\"messageId\"", needle), 2);
    }
}
