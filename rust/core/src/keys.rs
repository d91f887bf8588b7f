//! Property names by number: a name seen twice goes on the tape as two bytes.
//!
//! Append-only and bounded, so names that come from user data cannot hurt: when the table
//! is full, or a name is long, its bytes go on the tape. It holds copies, never a
//! reference into the interpreter. Lookups take no lock; two producers that admit the same
//! name at once give it two numbers, which costs a place and nothing else.

use std::sync::{
    OnceLock,
    atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering},
};

use crate::json::{escape, sink::Piece};

/// How many names have a number.
const CAPACITY: usize = 1 << NUMBER_BITS;
const NUMBER_BITS: u32 = 10;
/// The longest name that may have one: what fits a cache line beside its hash and length.
pub const MAX_KEY_BYTES: usize = NAME_WORDS * WORD;
/// Two places a name, so that a probe seldom meets a stranger: as many as fill a page.
const PLACES: usize = CAPACITY * 2;
/// How far a name may stand from the place its hash says.
const PROBES: usize = 8;
const WORD: usize = size_of::<u64>();
const NAME_WORDS: usize = 6;

/// One name, on a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Entry {
    len: AtomicU64,
    name: [AtomicU64; NAME_WORDS],
}

/// The table.
///
/// A lookup goes by a page of places to the few lines that names in use share, in the order
/// they came: the walk streams through the caller's objects, so every page that need not be
/// touched is an address that stays translated. (One table of names scattered by their
/// hashes took 35 ns more for twenty keys.)
#[derive(Debug)]
pub struct Keys {
    /// By hash: a number, some bits of the hash above it, [`TAKEN`]; zero for nobody.
    places: Box<[AtomicU16; PLACES]>,
    /// The names by their numbers.
    entries: Box<[Entry]>,
    /// Which hash was met last at each of these: the second meeting admits.
    seen: Box<[AtomicU64]>,
    /// The JSON of each name by its number.
    json: Box<[OnceLock<Box<Piece>>]>,
    count: AtomicUsize,
}

impl Default for Keys {
    fn default() -> Self {
        let entry = || Entry { len: AtomicU64::new(0), name: [const { AtomicU64::new(0) }; NAME_WORDS] };
        Self {
            places: Box::new([const { AtomicU16::new(0) }; PLACES]),
            entries: (0..CAPACITY).map(|_| entry()).collect(),
            seen: (0..CAPACITY).map(|_| AtomicU64::new(0)).collect(),
            json: (0..CAPACITY).map(|_| OnceLock::new()).collect(),
            count: AtomicUsize::new(0),
        }
    }
}

impl Keys {
    /// The number of `name` and the least length of its JSON, if it has a number. `hash`
    /// is any hash of the name that does not change while the process lives.
    #[inline]
    #[must_use]
    pub fn find(&self, hash: u64, name: &[u8]) -> Option<(u16, usize)> {
        let tag = tag_of(hash);
        for probe in 0..PROBES {
            // Acquire: pairs with the Release in `admit`; the name comes with its place.
            let place = self.places[(index_of(hash) + probe) % PLACES].load(Ordering::Acquire);
            if place & !NUMBER_MASK == tag {
                let number = place & NUMBER_MASK;
                if self.entries.get(usize::from(number))?.is(name) {
                    return Some((number, name.len() + 3));
                }
            }
            if place == 0 {
                break;
            }
        }
        self.meet(hash, name);
        None
    }

    /// The JSON of a key by its number. No push of this table's queue makes a number that
    /// has none.
    #[inline]
    #[must_use]
    pub fn json(&self, number: u16) -> Option<&Piece> {
        self.json.get(usize::from(number)).and_then(OnceLock::get).map(|json| &**json)
    }

    /// Remembers a name met for the first time, admits one met again.
    #[cold]
    #[inline(never)]
    fn meet(&self, hash: u64, name: &[u8]) {
        if name.len() > MAX_KEY_BYTES || self.count.load(Ordering::Relaxed) >= CAPACITY {
            return;
        }
        let Some(seen) = self.seen.get(index_of(hash) % CAPACITY) else { return };
        // Relaxed: a hint; a lost race costs one more meeting.
        if seen.swap(hash, Ordering::Relaxed) != hash {
            return;
        }
        let free = (0..PROBES).map(|probe| &self.places[(index_of(hash) + probe) % PLACES]);
        let mut free = free.filter(|place| place.load(Ordering::Relaxed) == 0).peekable();
        if free.peek().is_some()
            && let Some(number) = self.admit(name)
        {
            let place = tag_of(hash) | number;
            // Release: publishes all of the name to the Acquire in `find`. Another producer may
            // take the place first, then it is the next one, or none: the number is lost.
            let _ = free.any(|free| free.compare_exchange(0, place, Ordering::Release, Ordering::Relaxed).is_ok());
        }
    }

    /// Gives `name` the next number. None: another producer took the last one, or the name is
    /// too long once it is escaped.
    fn admit(&self, name: &[u8]) -> Option<u16> {
        let mut json = vec![b','];
        escape::write_str(&mut json, name);
        json.push(b':');
        let piece = Piece::new(&json)?;
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let (slot, entry) = (self.json.get(number)?, self.entries.get(number)?);
        let _ = slot.set(Box::new(piece));
        entry.write(name);
        u16::try_from(number).ok()
    }
}

// Relaxed throughout: the place, found by an Acquire, published the rest.
impl Entry {
    /// Whether it holds `name`.
    #[inline]
    fn is(&self, name: &[u8]) -> bool {
        if self.len.load(Ordering::Relaxed) != name.len() as u64 {
            return false;
        }
        let [one, other, rest @ ..] = &self.name;
        let (first, last) = ends(name);
        one.load(Ordering::Relaxed) == first
            && other.load(Ordering::Relaxed) == last
            && (name.len() <= 2 * WORD || is_between(rest, name))
    }

    fn write(&self, name: &[u8]) {
        self.len.store(name.len() as u64, Ordering::Relaxed);
        let [one, other, rest @ ..] = &self.name;
        let (first, last) = ends(name);
        one.store(first, Ordering::Relaxed);
        other.store(last, Ordering::Relaxed);
        for (place, word) in rest.iter().zip(between(name)) {
            place.store(u64::from_ne_bytes(*word), Ordering::Relaxed);
        }
    }
}

const NUMBER_MASK: u16 = (1 << NUMBER_BITS) - 1;
/// Set in every place that somebody has.
const TAKEN: u16 = 1 << 15;

/// What stands above the number in the place of a name: bits that its index does not say.
#[expect(clippy::cast_possible_truncation, reason = "a few bits are wanted")]
#[inline]
fn tag_of(hash: u64) -> u16 {
    TAKEN | (hash >> PLACES.ilog2()) as u16 & !NUMBER_MASK
}

/// A name's first eight bytes and its last eight, which may overlap them. Names of one
/// length, sixteen at most, have equal ends only if they are equal.
#[inline]
fn ends(name: &[u8]) -> (u64, u64) {
    match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => (u64::from_ne_bytes(*first), u64::from_ne_bytes(*last)),
        _ => (short_word(name), 0),
    }
}

/// The whole words of a name that its ends do not cover.
fn between(name: &[u8]) -> &[[u8; WORD]] {
    name.as_chunks::<WORD>().0.get(1..name.len().saturating_sub(1) / WORD).unwrap_or_default()
}

#[inline(never)]
fn is_between(places: &[AtomicU64], name: &[u8]) -> bool {
    places.iter().zip(between(name)).all(|(place, word)| place.load(Ordering::Relaxed) == u64::from_ne_bytes(*word))
}

/// A name below eight bytes as one word.
#[inline]
fn short_word(name: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        return u64::from(u32::from_ne_bytes(*first)) | (u64::from(u32::from_ne_bytes(*last)) << 32);
    }
    let byte = |index: usize| name.get(index).map_or(0, |byte| u64::from(*byte));
    byte(0) | (byte(1) << 8) | (byte(2) << 16)
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
#[inline]
fn index_of(hash: u64) -> usize {
    hash as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(keys: &Keys, number: u16) -> Vec<u8> {
        keys.json(number).unwrap().json()
    }

    #[test]
    fn a_name_has_a_number_from_its_third_meeting() {
        let keys = Keys::default();
        assert_eq!(keys.find(77 << 20, b"plan"), None, "met");
        assert_eq!(keys.find(77 << 20, b"plan"), None, "met again: admitted");
        assert_eq!(keys.find(77 << 20, b"plan"), Some((0, 7)));
        assert_eq!(json(&keys, 0), b",\"plan\":");
        assert_eq!(keys.find(77 << 20, b"play"), None, "the same hash is not the same name");
    }

    #[test]
    fn a_full_table_turns_names_away_and_keeps_what_it_has() {
        let keys = Keys::default();
        // A tenth more than it takes; Miri would be at five thousand for minutes.
        let names: u64 = if cfg!(miri) { 1130 } else { 5000 };
        for round in 0..2 {
            for index in (0..names).flat_map(|index| [index; 2]) {
                let name = format!("key-{index}");
                let found = keys.find((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15), name.as_bytes());
                if let Some((number, len)) = found {
                    assert_eq!(json(&keys, number), format!(",\"{name}\":").as_bytes(), "round {round}");
                    assert_eq!(len, name.len() + 3);
                }
            }
        }
        assert!(keys.count.load(Ordering::Relaxed) <= 5000);
        assert!(keys.json.iter().all(|json| json.get().is_some()));
    }

    #[test]
    fn names_of_every_length_are_told_from_their_neighbours() {
        for len in (1..=MAX_KEY_BYTES).step_by(if cfg!(miri) { 9 } else { 1 }) {
            let keys = Keys::default();
            let name: Vec<u8> = (0..len).map(|index| b'a' + u8::try_from(index % 26).unwrap()).collect();
            for _ in 0..2 {
                let _ = keys.find(7, &name);
            }
            assert!(keys.find(7, &name).is_some(), "{len}");
            for index in 0..len {
                let mut other = name.clone();
                other[index] ^= 1;
                assert_eq!(keys.find(7, &other), None, "{len} bytes, byte {index} differs, the hash does not");
            }
        }
    }

    #[test]
    fn long_names_and_names_with_quotes() {
        let keys = Keys::default();
        let long = [b'k'; MAX_KEY_BYTES + 1];
        for _ in 0..3 {
            assert_eq!(keys.find(9 << 30, &long), None);
        }
        for _ in 0..2 {
            let _ = keys.find(5 << 30, b"a\"b");
        }
        let (number, _) = keys.find(5 << 30, b"a\"b").unwrap();
        assert_eq!(json(&keys, number), b",\"a\\\"b\":");
        let quotes = [b'"'; 40];
        for _ in 0..3 {
            assert_eq!(keys.find(6 << 30, &quotes), None, "80 bytes once escaped");
        }
    }
}
