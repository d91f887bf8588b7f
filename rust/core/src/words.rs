//! Words that texts and keys are compared with, by their lengths first: one that is not
//! among them costs the test of a bit.

/// A set of words.
#[derive(Clone, Debug, Default)]
pub struct Words {
    lengths: u64,
    words: Box<[Box<[u8]>]>,
}

impl Words {
    /// The set of these words.
    #[must_use]
    pub fn new(words: &[Box<str>]) -> Self {
        Self {
            lengths: words.iter().fold(0, |lengths, word| lengths | bit(word.chars().count())),
            words: words.iter().map(|word| word.as_bytes().into()).collect(),
        }
    }

    /// Whether a word of so many characters is worth a look.
    #[inline]
    #[must_use]
    pub fn may_hold(&self, len: usize) -> bool {
        self.lengths & bit(len) != 0
    }

    /// Whether `word` is among them.
    #[must_use]
    pub fn holds(&self, word: &[u8]) -> bool {
        self.words.iter().any(|known| **known == *word)
    }

    /// Whether `word` is among them but for the case of ASCII letters.
    #[must_use]
    pub fn holds_in_any_case(&self, word: &[u8]) -> bool {
        self.words.iter().any(|known| known.eq_ignore_ascii_case(word))
    }
}

/// The keys of a map that mean something to its field.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    lengths: u64,
    merged: Box<[u8]>,
    watched: Words,
}

/// What a key means to the field of its map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing.
    None,
    /// It is the key that the map would otherwise be given.
    Merged,
    /// Only Python can take it.
    Watched,
}

impl Watch {
    /// A watch for `merged`, unless it is empty, and for `watched`.
    #[must_use]
    pub fn new(merged: &str, watched: &[Box<str>]) -> Self {
        let watched = Words::new(watched);
        let lengths = watched.lengths | if merged.is_empty() { 0 } else { bit(merged.chars().count()) };
        Self { lengths, merged: merged.as_bytes().into(), watched }
    }

    /// The lengths, in characters, of the keys to look at more closely, for [`is_among`].
    #[inline]
    #[must_use]
    pub fn lengths(&self) -> u64 {
        self.lengths
    }

    /// What `key` means.
    #[cold]
    #[must_use]
    pub fn meaning(&self, key: &[u8]) -> Meaning {
        if self.watched.holds(key) {
            Meaning::Watched
        } else if !self.merged.is_empty() && *self.merged == *key {
            Meaning::Merged
        } else {
            Meaning::None
        }
    }
}

/// Whether a key of so many characters is worth a look; for zero, none is.
#[inline]
#[must_use]
pub fn is_among(lengths: u64, len: usize) -> bool {
    lengths & bit(len) != 0
}

/// The bit of a length. Those beyond 63 share bits with shorter ones.
#[inline]
const fn bit(len: usize) -> u64 {
    1 << (len % u64::BITS as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(words: &[&str]) -> Box<[Box<str>]> {
        words.iter().map(|word| Box::from(*word)).collect()
    }

    #[test]
    fn a_word_is_found_by_all_of_its_bytes_and_whatever_its_length() {
        for len in 0..200 {
            let word = "x".repeat(len);
            let words = Words::new(&boxed(&["other", &word]));
            assert!(words.may_hold(len) && words.holds(word.as_bytes()), "{len}");
            for other in [format!("{word}y"), format!("y{word}"), "x".repeat(len + 1)] {
                assert!(!words.holds(other.as_bytes()), "{other}");
            }
        }
    }

    #[test]
    fn lengths_rule_out_what_no_word_has() {
        let words = Words::new(&boxed(&["none", "anonymous"]));
        let ruled_in: Vec<_> = (0..64).filter(|len| words.may_hold(*len)).collect();
        assert_eq!(ruled_in, [4, 9]);
        assert!((0..200).all(|len| !Words::default().may_hold(len) && !is_among(0, len)));
    }

    #[test]
    fn case_is_folded_for_ascii_alone() {
        let words = Words::new(&boxed(&["none", "größe"]));
        assert!(words.holds_in_any_case(b"NoNe") && !words.holds(b"NoNe"));
        assert!(words.holds_in_any_case("GRöSSE".replace("SS", "ß").as_bytes()));
        assert!(!words.holds_in_any_case("GRÖßE".as_bytes()) && !words.holds_in_any_case(b"nonE "));
    }

    #[test]
    fn a_watch_tells_the_merged_key_from_watched_ones() {
        let watch = Watch::new("library", &boxed(&["$set", "$groups", "library "]));
        for (key, meaning) in [
            ("library", Meaning::Merged),
            ("$groups", Meaning::Watched),
            ("$set", Meaning::Watched),
            ("$Set", Meaning::None),
            ("librarz", Meaning::None),
        ] {
            assert!(is_among(watch.lengths(), key.len()));
            assert_eq!(watch.meaning(key.as_bytes()), meaning, "{key}");
        }
        // Who is not merged has an empty name, which a key may have, too.
        let nobody = Watch::new("", &[]);
        assert_eq!((nobody.lengths(), nobody.meaning(b"")), (0, Meaning::None));
        assert_eq!(Watch::new("", &boxed(&[""])).meaning(b""), Meaning::Watched);
    }
}
