//! Shapes: how one kind of event looks on a vendor's wire, said once and as data.
//!
//! A shape is the constant text of an event with places for its values. A vendor's page
//! lists its shapes; the engine knows no vendor.

use crate::json::sink::Constant;

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A mapping.
    Map,
    /// Any value.
    Any,
    /// A mapping whose entries become fields of the event itself.
    Spread,
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
    /// `,"key":`
    pub json_key: Constant,
    /// `,"key":` and what stands in for a value not given; empty leaves the key out.
    pub default: Constant,
    /// A key that the field's map always has, empty for none.
    pub merge_key: Box<str>,
    /// `"merge_key":value`, written unless the caller's map has that key.
    pub merge_json: Constant,
}

/// How the moment of an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// RFC 3339, UTC, milliseconds, quoted: always 24 bytes between the quotes.
    Iso,
    /// Milliseconds since 1970.
    EpochMillis,
}

/// One kind of event.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Everything up to the id's value.
    pub before_id: Constant,
    /// Everything between id and time.
    pub before_time: Constant,
    /// How the time is written.
    pub time_format: TimeFormat,
    /// The places, in wire order.
    pub fields: Box<[Field]>,
    /// Indices of fields of which one must be given; empty for no such rule.
    pub one_of: Box<[usize]>,
    /// What ends the event, its closing brace included.
    pub tail: Constant,
    /// The longest id a caller may give, in characters.
    pub id_max_chars: usize,
}

impl Shape {
    /// Bytes that each event of this shape has whatever its values: with the lower bound
    /// of a tape they make a lower bound of the event.
    #[must_use]
    pub fn least_bytes(&self) -> usize {
        let time = match self.time_format {
            TimeFormat::Iso => 26,
            TimeFormat::EpochMillis => 1,
        };
        let fields: usize = self.fields.iter().map(Field::least_bytes).sum();
        // A tape counts a comma with each value. The one after a caller's id, and what a
        // spread's tape counts for its bracket, are not written a second time.
        let counted = 1 + self.fields.iter().filter(|field| field.kind == Kind::Spread).count();
        (self.before_id.len() + self.before_time.len() + time + fields + self.tail.len()).saturating_sub(counted)
    }
}

impl Field {
    fn least_bytes(&self) -> usize {
        if self.default.is_empty() && !self.required {
            return 0;
        }
        // The value is counted by the tape, with a comma; a default is longer than none.
        self.json_key.len() - 1
    }
}
