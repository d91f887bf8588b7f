//! From a record to an event's JSON: the constant text of its shape and the values of its tape.

use std::ops::Range;

use super::sink::{Length, Sink};
use crate::{
    keys::Keys,
    record::Record,
    shape::{Field, Kind, Shape, TimeFormat},
    tape::tag,
};

/// Writes the event of `record` to `sink`. Returns where its id lies: as JSON text, quotes
/// excluded.
///
/// A record that no push of this queue made gives a text that may not be JSON, or nothing;
/// it never reads outside the record.
pub fn write_event<S: Sink>(sink: &mut S, record: &Record<'_>, shapes: &[Shape], keys: &Keys) -> Range<usize> {
    let Some(shape) = shapes.get(usize::from(record.stamps.shape)) else {
        return 0..0;
    };
    let mut tape = Reader { rest: record.tape };
    let id = write_stamps(sink, record, shape, &mut tape, keys);
    for field in &shape.fields {
        write_field(sink, field, &mut tape, keys);
    }
    sink.constant(&shape.tail);
    id
}

/// The exact bytes that [`write_event`] would write.
#[must_use]
pub fn event_len(record: &Record<'_>, shapes: &[Shape], keys: &Keys) -> usize {
    let mut length = Length::default();
    write_event(&mut length, record, shapes, keys);
    length.written()
}

fn write_stamps<S: Sink>(
    sink: &mut S,
    record: &Record<'_>,
    shape: &Shape,
    tape: &mut Reader<'_>,
    keys: &Keys,
) -> Range<usize> {
    sink.constant(&shape.before_id);
    let start = sink.written() + 1;
    if let Some(id) = record.stamps.id {
        sink.byte(b'"');
        sink.uuid(id);
        sink.byte(b'"');
    } else {
        // A caller's own id is the first text on the tape.
        let tag = tape.tag();
        write_value(sink, tag, tape, keys);
    }
    let id = start..sink.written() - 1;
    sink.constant(&shape.before_time);
    let nanoseconds = record.stamps.unix_nanoseconds;
    match shape.time_format {
        TimeFormat::Iso => {
            sink.byte(b'"');
            sink.moment(nanoseconds);
            sink.byte(b'"');
        }
        TimeFormat::EpochMillis => sink.int(nanoseconds.div_euclid(1_000_000)),
    }
    id
}

fn write_field<S: Sink>(sink: &mut S, field: &Field, tape: &mut Reader<'_>, keys: &Keys) {
    let tag = tape.tag();
    if tag == tag::ABSENT {
        sink.constant(&field.default);
        return;
    }
    if field.kind == Kind::Spread {
        write_entries(sink, tape, keys);
        return;
    }
    sink.constant(&field.json_key);
    if tag == tag::MAP && !field.merge_json.is_empty() {
        sink.byte(b'{');
        sink.constant(&field.merge_json);
        write_entries(sink, tape, keys);
        sink.byte(b'}');
    } else {
        write_value(sink, tag, tape, keys);
    }
}

/// Writes one value whose tag was read. Recursion is bounded: a walk refuses more than
/// [`MAX_DEPTH`](crate::MAX_DEPTH) levels.
fn write_value<S: Sink>(sink: &mut S, tag: u8, tape: &mut Reader<'_>, keys: &Keys) {
    match tag {
        tag::SHORT_TEXT.. => sink.text(tape.take(usize::from(tag - tag::SHORT_TEXT))),
        tag::I8 => sink.int(i8::from_ne_bytes(tape.array()).into()),
        tag::I32 => sink.int(i32::from_ne_bytes(tape.array()).into()),
        tag::I64 => sink.int(i64::from_ne_bytes(tape.array())),
        tag::U64 => sink.uint(u64::from_ne_bytes(tape.array())),
        tag::F64 => sink.float(f64::from_ne_bytes(tape.array())),
        tag::FALSE => sink.json(b"false"),
        tag::TRUE => sink.json(b"true"),
        tag::TEXT => {
            let len = u32::from_ne_bytes(tape.array());
            sink.text(tape.take(len as usize));
        }
        tag::MAP | tag::MAP_COMPLETE => {
            let begin = sink.written();
            write_entries(sink, tape, keys);
            open(sink, begin, b'{');
            sink.byte(b'}');
        }
        tag::LIST => {
            let begin = sink.written();
            write_items(sink, tape, keys);
            open(sink, begin, b'[');
            sink.byte(b']');
        }
        tag::DIGITS => {
            let len = u16::from_ne_bytes(tape.array());
            sink.json(tape.take(len.into()));
        }
        tag::UUID => {
            sink.byte(b'"');
            sink.uuid(tape.array());
            sink.byte(b'"');
        }
        tag::DATETIME => {
            sink.byte(b'"');
            sink.datetime(i64::from_ne_bytes(tape.array()));
            sink.byte(b'"');
        }
        _ => sink.json(b"null"),
    }
}

/// Writes the entries of a map up to its end, each with a comma before it.
fn write_entries<S: Sink>(sink: &mut S, tape: &mut Reader<'_>, keys: &Keys) {
    loop {
        // The most frequent entry, a key by its number, with one look at what is left.
        let tag = if let [key, low, tag, rest @ ..] = tape.rest
            && *key & !3 == tag::KEY
        {
            tape.rest = rest;
            if let Some(piece) = keys.json(u16::from_le_bytes([*low, *key & 3])) {
                sink.piece(piece);
            }
            *tag
        } else {
            let tag = tape.tag();
            if tag == tag::END {
                return;
            }
            sink.byte(b',');
            write_value(sink, tag, tape, keys);
            sink.byte(b':');
            tape.tag()
        };
        if tag >= tag::SHORT_TEXT {
            sink.text(tape.take(usize::from(tag - tag::SHORT_TEXT)));
        } else {
            write_value(sink, tag, tape, keys);
        }
    }
}

/// Writes the items of a list up to its end, each with a comma before it.
fn write_items<S: Sink>(sink: &mut S, tape: &mut Reader<'_>, keys: &Keys) {
    loop {
        let tag = tape.tag();
        if tag == tag::END {
            return;
        }
        sink.byte(b',');
        write_value(sink, tag, tape, keys);
    }
}

/// Opens a container behind its content: the comma before the first item becomes the
/// bracket, so that no item needs to know whether it is the first.
#[inline]
fn open<S: Sink>(sink: &mut S, begin: usize, bracket: u8) {
    if sink.written() == begin {
        sink.byte(bracket);
    } else {
        sink.replace(begin, bracket);
    }
}

/// Reads a tape. Past its end everything is `END`, empty and zero, so that a damaged tape
/// ends each loop above.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    fn tag(&mut self) -> u8 {
        let Some((tag, rest)) = self.rest.split_first() else { return tag::END };
        self.rest = rest;
        *tag
    }

    #[inline]
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let Some((array, rest)) = self.rest.split_first_chunk() else {
            self.rest = &[];
            return [0; N];
        };
        self.rest = rest;
        *array
    }
}
