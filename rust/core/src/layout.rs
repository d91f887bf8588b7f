//! Layouts: shapes made ready for the walk and the writer.
//!
//! What a shape says in parts is joined here once: the text in front of a value, the text
//! in the place of one, and, for each field, the text of an event that ends before it. So
//! fields at the end that are not given cost one copy together, and others that leave
//! nothing on the wire one bit each.

use crate::{
    json::{escape, number, sink::Constant, time},
    shape::{Field, IdFormat, Kind, MAX_FIELDS, Shape, TimeFormat},
    words::{Watch, Words},
};

/// One kind of event, ready.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Everything up to the id's value.
    pub before_id: Constant,
    /// Everything between id and time.
    pub before_time: Constant,
    /// How the time is written.
    pub time_format: TimeFormat,
    /// What stands between the time and the same again where the caller gave it; empty if
    /// it is written once.
    pub before_given_time: Constant,
    /// The places, in wire order.
    pub fields: Box<[Place]>,
    /// Fields that must be given, a bit for each.
    pub required: u64,
    /// Fields of which one must be given; zero for no such rule.
    pub one_of: u64,
    /// What a caller's own id may be.
    pub id_format: IdFormat,
    /// The longest of them, in characters.
    pub id_max_chars: usize,
    /// The longest text, in characters.
    pub max_text_chars: usize,
    /// How deep containers may nest.
    pub max_depth: usize,
    /// Bytes that each event has whatever its values: with the lower bound of a tape they
    /// make a lower bound of the event.
    pub least_bytes: usize,
    /// Fields that leave something on the wire though they are absent.
    marked: u64,
    /// For each field, and behind them all: the rest of an event if none is given from there on.
    endings: Box<[Constant]>,
}

/// One place of an event, ready.
#[derive(Clone, Debug)]
pub struct Place {
    /// Everything between the value before and this one.
    pub given: Constant,
    /// What is written instead if there is none.
    pub absent: Constant,
    /// `"merge_key":value`, written unless the caller's map has that key.
    pub merge: Constant,
    /// What it takes.
    pub kind: Kind,
    /// The keys of its map that matter.
    pub watch: Watch,
    /// Texts that only Python can take.
    pub refused: Words,
    /// The shortest text that is taken, in characters: one at least.
    pub min_chars: usize,
    /// The longest.
    pub max_chars: usize,
    /// The longest in bytes of UTF-8.
    pub max_bytes: usize,
}

impl Layout {
    /// Makes a shape ready. Fields beyond [`MAX_FIELDS`] are left out.
    #[must_use]
    pub fn new(shape: &Shape) -> Self {
        let fields = &shape.fields[..shape.fields.len().min(MAX_FIELDS)];
        let places: Box<[_]> = fields.iter().map(Place::new).collect();
        let mut before_id = shape.head.to_vec();
        if shape.head.last() != Some(&b'{') {
            before_id.push(b',');
        }
        append_key(&mut before_id, &shape.id_key);
        let before_time = prefix(&shape.time_key);
        let before_given_time = if shape.given_time_key.is_empty() { vec![] } else { prefix(&shape.given_time_key) };
        let set = |is_in: &dyn Fn(usize, &Field) -> bool| {
            let members = fields.iter().enumerate().filter(|(index, field)| is_in(*index, field));
            members.fold(0, |set, (index, _)| set | 1 << index)
        };
        Self {
            least_bytes: least_bytes(shape, before_id.len() + before_time.len(), fields),
            before_id: Constant::new(&before_id),
            before_time: Constant::new(&before_time),
            time_format: shape.time_format,
            before_given_time: Constant::new(&before_given_time),
            required: set(&|_, field| field.required),
            one_of: set(&|index, _| shape.one_of.contains(&index)),
            id_format: shape.id_format,
            id_max_chars: shape.id_max_chars,
            max_text_chars: if shape.max_text_chars == 0 { usize::MAX } else { shape.max_text_chars },
            max_depth: shape.max_depth.min(crate::MAX_DEPTH),
            marked: set(&|index, _| !places[index].absent.is_empty()),
            endings: (0..=fields.len()).map(|from| ending(&fields[from..], &shape.tail)).collect(),
            fields: places,
        }
    }

    /// Whether these fields, and no others, may be given, as far as that can be told
    /// without looking at them.
    #[inline]
    #[must_use]
    pub fn allows(&self, given: u64) -> bool {
        self.required & !given == 0 && (self.one_of == 0 || self.one_of & given != 0)
    }

    /// How many bytes a time that the caller gave adds to the event.
    #[must_use]
    pub fn given_time_bytes(&self, unix_nanoseconds: i64) -> usize {
        if self.before_given_time.is_empty() {
            return 0;
        }
        self.before_given_time.len()
            + match self.time_format {
                TimeFormat::Iso => 2 + time::MILLIS_FORM_BYTES,
                TimeFormat::EpochMillis => number::len_i64(time::millis(unix_nanoseconds)),
            }
    }

    /// Of `count` fields from `from` on, those that leave something on the wire though they
    /// are absent.
    #[inline]
    pub(crate) fn marked(&self, from: usize, count: usize) -> u64 {
        // Of a damaged tape both may be anything.
        let below = |end: usize| 1_u64.checked_shl(end.try_into().unwrap_or(u32::MAX)).map_or(u64::MAX, |bit| bit - 1);
        self.marked & below(from + count) & !below(from)
    }

    /// The rest of an event of which no field from `from` on is given. Nothing beyond the
    /// fields, where only a damaged tape leads.
    #[inline]
    pub(crate) fn ending(&self, from: usize) -> Option<&Constant> {
        self.endings.get(from)
    }
}

impl Place {
    fn new(field: &Field) -> Self {
        let mut merge = Vec::new();
        if !field.merge_key.is_empty() {
            append_key(&mut merge, &field.merge_key);
            merge.extend_from_slice(&field.merge_json);
        }
        let limit = |limit: usize| if limit == 0 { usize::MAX } else { limit };
        Self {
            given: Constant::new(&[&*field.before, &field.prefix()].concat()),
            absent: Constant::new(&field.absent()),
            merge: Constant::new(&merge),
            kind: field.kind,
            watch: Watch::new(&field.merge_key, &field.watched),
            refused: Words::new(&field.refused),
            min_chars: field.min_chars.max(1),
            // No text has more characters than bytes.
            max_chars: limit(field.max_chars).min(limit(field.max_bytes)),
            max_bytes: limit(field.max_bytes),
        }
    }
}

impl Field {
    fn prefix(&self) -> Box<[u8]> {
        if !self.prefix.is_empty() {
            return self.prefix.clone();
        }
        if self.kind == Kind::Spread { Box::default() } else { prefix(&self.key).into() }
    }

    fn absent(&self) -> Vec<u8> {
        let mut json = self.before.to_vec();
        if !self.default.is_empty() {
            json.extend_from_slice(&self.prefix());
            json.extend_from_slice(&self.default);
        }
        json
    }

    fn least_bytes(&self) -> usize {
        // The value is counted by the tape, with a comma; a default is longer than none.
        let prefix = if self.required || !self.default.is_empty() { self.prefix().len() } else { 0 };
        self.before.len() + prefix.saturating_sub(1)
    }
}

fn least_bytes(shape: &Shape, before_bytes: usize, fields: &[Field]) -> usize {
    let time = match shape.time_format {
        TimeFormat::Iso => 2 + time::MILLIS_FORM_BYTES,
        TimeFormat::EpochMillis => 1,
    };
    let in_fields: usize = fields.iter().map(Field::least_bytes).sum();
    // A tape counts a comma with each value. The one after a caller's id, and what a
    // spread's tape counts for its bracket, are not written a second time.
    let counted = 1 + fields.iter().filter(|field| field.kind == Kind::Spread).count();
    (before_bytes + time + in_fields + shape.tail.len()).saturating_sub(counted)
}

fn ending(fields: &[Field], tail: &[u8]) -> Constant {
    let absent: Vec<u8> = fields.iter().flat_map(Field::absent).collect();
    Constant::new(&[&*absent, tail].concat())
}

/// `,"key":`
fn prefix(key: &str) -> Vec<u8> {
    let mut json = vec![b','];
    append_key(&mut json, key);
    json
}

fn append_key(json: &mut Vec<u8>, key: &str) {
    escape::write_str(json, key.as_bytes());
    json.push(b':');
}
