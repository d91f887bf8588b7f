//! A record: one event as bytes, from the push that makes it to the batch that takes it.
//!
//! Stamps of fixed size first (id, time, shape, flags), then a token if somebody wants to
//! be told of the event's end, then the tape.

use crate::tape::Tape;

const ID: std::ops::Range<usize> = 0..16;
const TIME: std::ops::Range<usize> = 16..24;
const SHAPE: usize = 24;
const FLAGS: usize = 25;
const STAMPS: usize = 26;
const TOKEN: std::ops::Range<usize> = STAMPS..STAMPS + 8;

/// The id is the first text on the tape, not the sixteen bytes.
const OWN_ID: u8 = 1;
/// A token stands between stamps and tape.
const HAS_TOKEN: u8 = 2;
/// The caller gave the time.
const GIVEN_TIME: u8 = 4;

/// What is known of an event before its values.
#[derive(Clone, Copy, Debug)]
pub struct Stamps {
    /// The event's id; `None` when the caller gave one of its own, first on the tape.
    pub id: Option<[u8; 16]>,
    /// Nanoseconds since 1970, UTC.
    pub unix_nanoseconds: i64,
    /// Whether the caller gave that time.
    pub is_time_given: bool,
    /// Which of the queue's shapes.
    pub shape: u8,
    /// Who wants to know the event's end; zero for nobody.
    pub token: u64,
}

impl Stamps {
    /// Begins a record on `tape`, which is cleared first; the values follow.
    #[inline]
    pub fn begin(&self, tape: &mut Tape) {
        tape.clear();
        let mut stamps = [0; STAMPS];
        stamps[ID].copy_from_slice(&self.id.unwrap_or_default());
        stamps[TIME].copy_from_slice(&self.unix_nanoseconds.to_ne_bytes());
        stamps[SHAPE] = self.shape;
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        stamps[FLAGS] =
            flag(self.id.is_none(), OWN_ID) | flag(self.token != 0, HAS_TOKEN) | flag(self.is_time_given, GIVEN_TIME);
        tape.raw(&stamps);
        if self.token != 0 {
            tape.raw(&self.token.to_ne_bytes());
        }
    }
}

/// A record read back.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its stamps.
    pub stamps: Stamps,
    /// Its values.
    pub tape: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads what [`Stamps::begin`] and the walk wrote. Bytes from elsewhere give nonsense,
    /// never a fault.
    #[inline]
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Self {
        let mut stamps = Stamps { id: None, unix_nanoseconds: 0, is_time_given: false, shape: 0, token: 0 };
        let Some((head, mut tape)) = bytes.split_first_chunk::<STAMPS>() else {
            return Self { stamps, tape: &[] };
        };
        if head[FLAGS] & OWN_ID == 0 {
            let mut id = [0; 16];
            id.copy_from_slice(&head[ID]);
            stamps.id = Some(id);
        }
        let mut time = [0; 8];
        time.copy_from_slice(&head[TIME]);
        stamps.unix_nanoseconds = i64::from_ne_bytes(time);
        stamps.is_time_given = head[FLAGS] & GIVEN_TIME != 0;
        stamps.shape = head[SHAPE];
        if head[FLAGS] & HAS_TOKEN != 0
            && let Some((token, rest)) = tape.split_first_chunk()
        {
            stamps.token = u64::from_ne_bytes(*token);
            tape = rest;
        }
        Self { stamps, tape }
    }

    /// The most bytes of a record whose event has `json_bytes` of JSON. What takes more on
    /// the tape than as JSON is a small float: nine bytes for `0.0,`.
    #[must_use]
    pub fn most_bytes(json_bytes: usize) -> usize {
        TOKEN.end + json_bytes.div_ceil(4).saturating_mul(9)
    }

    /// The token of a record, without reading the rest.
    #[must_use]
    pub fn token(bytes: &[u8]) -> u64 {
        match (bytes.get(FLAGS), bytes.get(TOKEN)) {
            (Some(flags), Some(token)) if flags & HAS_TOKEN != 0 => token.try_into().map_or(0, u64::from_ne_bytes),
            _ => 0,
        }
    }
}
