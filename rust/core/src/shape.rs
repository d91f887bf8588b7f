//! Shapes: how one kind of event looks on a vendor's wire, said once and as data.
//!
//! A shape is the constant text of an event with places for its values. A vendor's page
//! lists its shapes; the engine knows no vendor, and makes a [`Layout`](crate::layout::Layout)
//! of each.

/// The most fields of one shape: sets of them are one word.
pub const MAX_FIELDS: usize = u64::BITS as usize;

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A string that shows something, an integer or a UUID, written as a string.
    Id,
    /// A mapping.
    Map,
    /// Any value.
    Any,
    /// A mapping whose entries become fields of the map that the field stands in.
    Spread,
    /// An integer or a float that is finite.
    Number,
    /// An integer of 64 bits.
    Int,
    /// Any value, once Python has seen it.
    Guarded,
}

/// One place of a shape.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its key as the caller of a shape names it.
    pub key: Box<str>,
    /// What it takes.
    pub kind: Kind,
    /// Whether an event without it is refused.
    pub required: bool,
    /// The JSON in front of a value; empty for `,"key":`, and for a spread for nothing.
    pub prefix: Box<[u8]>,
    /// The JSON of a value not given, written behind the prefix; empty leaves both out.
    pub default: Box<[u8]>,
    /// The JSON in front of all that, value given or not.
    pub before: Box<[u8]>,
    /// A key that the field's map always has, empty for none.
    pub merge_key: Box<str>,
    /// Its value, unless the caller's map has that key.
    pub merge_json: Box<[u8]>,
    /// Keys of the field's map that only Python can take.
    pub watched: Box<[Box<str>]>,
    /// Texts that only Python can take, compared without regard to ASCII case.
    pub refused: Box<[Box<str>]>,
    /// The shortest text that is taken, in characters.
    pub min_chars: usize,
    /// The longest, zero for any.
    pub max_chars: usize,
    /// The longest in bytes of UTF-8, zero for any.
    pub max_bytes: usize,
}

impl Field {
    /// A field that may be absent, without a rule.
    #[must_use]
    pub fn new(key: &str, kind: Kind) -> Self {
        Self {
            key: key.into(),
            kind,
            required: false,
            prefix: Box::default(),
            default: Box::default(),
            before: Box::default(),
            merge_key: Box::default(),
            merge_json: Box::default(),
            watched: Box::default(),
            refused: Box::default(),
            min_chars: 0,
            max_chars: 0,
            max_bytes: 0,
        }
    }
}

/// How the moment of an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// RFC 3339, UTC, milliseconds, quoted: always 24 bytes between the quotes.
    Iso,
    /// Milliseconds since 1970.
    EpochMillis,
}

/// What a caller's own id may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdFormat {
    /// Any text.
    Text,
    /// The text of a UUID, hyphenated.
    Uuid,
}

/// One kind of event.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The opening brace and what else stands before the id's key.
    pub head: Box<[u8]>,
    /// The key of the id.
    pub id_key: Box<str>,
    /// What a caller's own id may be.
    pub id_format: IdFormat,
    /// The longest of them, in characters.
    pub id_max_chars: usize,
    /// The key of the time.
    pub time_key: Box<str>,
    /// How the time is written.
    pub time_format: TimeFormat,
    /// A second key for a time that the caller gave, empty for none.
    pub given_time_key: Box<str>,
    /// The places, in wire order: [`MAX_FIELDS`] at most.
    pub fields: Box<[Field]>,
    /// Indices of fields of which one must be given; empty for no such rule.
    pub one_of: Box<[usize]>,
    /// What ends the event, its closing brace included.
    pub tail: Box<[u8]>,
    /// Longer texts are cut to so many characters; zero for no cut.
    pub max_text_chars: usize,
    /// How deep containers may nest, a field's own map included: [`MAX_DEPTH`](crate::MAX_DEPTH) at most.
    pub max_depth: usize,
}

impl Shape {
    /// A shape of these fields with an ISO time and the most usual keys.
    #[must_use]
    pub fn new(head: &[u8], fields: impl IntoIterator<Item = Field>) -> Self {
        Self {
            head: head.into(),
            id_key: "messageId".into(),
            id_format: IdFormat::Text,
            id_max_chars: 100,
            time_key: "timestamp".into(),
            time_format: TimeFormat::Iso,
            given_time_key: "".into(),
            fields: fields.into_iter().collect(),
            one_of: Box::default(),
            tail: (*b"}").into(),
            max_text_chars: 0,
            max_depth: crate::MAX_DEPTH,
        }
    }
}
