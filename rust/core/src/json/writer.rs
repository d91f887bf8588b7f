//! From a record to an event's JSON: the constant text of its shape and the values of its tape.

use std::ops::Range;

use super::{
    pen::Pen,
    sink::{Length, SHORT_BYTES, Sink},
    time,
};
use crate::{
    keys::Keys,
    layout::{Layout, Place},
    record::Record,
    shape::{Kind, TimeFormat},
    tape::tag,
};

/// Appends the event of `record` to `out`. Returns where its id lies: as JSON text, quotes
/// excluded.
///
/// A record that no push of this queue made gives a text that may not be JSON, or nothing;
/// nothing is read outside the record.
#[inline(never)]
pub fn write_event(out: &mut Vec<u8>, record: &Record<'_>, layouts: &[Layout], keys: &Keys) -> Range<usize> {
    let Some(layout) = layouts.get(usize::from(record.stamps.shape)) else {
        return 0..0;
    };
    let (pen, id) = write(Pen::new(out), record, layout, keys);
    pen.finish();
    id
}

/// The exact bytes that [`write_event`] would write.
#[must_use]
pub fn event_len(record: &Record<'_>, layouts: &[Layout], keys: &Keys) -> usize {
    let Some(layout) = layouts.get(usize::from(record.stamps.shape)) else {
        return 0;
    };
    write(Length::default(), record, layout, keys).0.written()
}

// The sink goes from hand to hand by value, into functions which are inlined: only so do
// its ends stay in registers.
#[allow(clippy::inline_always, reason = "as the sink")]
#[inline(always)]
fn write<S: Sink>(mut sink: S, record: &Record<'_>, layout: &Layout, keys: &Keys) -> (S, Range<usize>) {
    let mut tape = Reader { rest: record.tape };
    sink.constant(&layout.before_id);
    let start = sink.written() + 1;
    if let Some(id) = record.stamps.id {
        sink.uuid(id);
    } else {
        // A caller's own id is the first text on the tape.
        let tag = tape.tag();
        sink.text(tape.text(tag));
    }
    let id = start..sink.written() - 1;
    sink.constant(&layout.before_time);
    let nanoseconds = record.stamps.unix_nanoseconds;
    match layout.time_format {
        TimeFormat::Iso => sink.moment(nanoseconds),
        TimeFormat::EpochMillis => sink.int(time::millis(nanoseconds)),
    }
    if record.stamps.is_time_given && !layout.before_given_time.is_empty() {
        sink = write_given_time(sink, layout, nanoseconds);
    }
    let mut index = 0;
    // What is not on the tape any more is absent, all of it.
    while !tape.rest.is_empty() {
        let Some(place) = layout.fields.get(index) else { break };
        let tag = tape.tag();
        if tag == tag::ABSENT {
            let [count] = tape.array();
            let marked = layout.marked(index, count.into());
            if marked != 0 {
                sink = write_absent(sink, layout, marked);
            }
            index += usize::from(count);
        } else {
            (sink, tape) = write_field(sink, place, tag, tape, keys);
            index += 1;
        }
    }
    if let Some(ending) = layout.ending(index) {
        sink.constant(ending);
    }
    (sink, id)
}

/// Writes what absent fields leave on the wire.
#[inline(never)]
fn write_absent<S: Sink>(mut sink: S, layout: &Layout, mut marked: u64) -> S {
    while let Some(place) = layout.fields.get(marked.trailing_zeros() as usize) {
        sink.constant(&place.absent);
        marked &= marked - 1;
    }
    sink
}

/// Writes the time that the caller gave, under its second key.
#[cold]
#[inline(never)]
fn write_given_time<S: Sink>(mut sink: S, layout: &Layout, unix_nanoseconds: i64) -> S {
    sink.constant(&layout.before_given_time);
    match layout.time_format {
        TimeFormat::Iso => sink.moment(unix_nanoseconds),
        TimeFormat::EpochMillis => sink.int(time::millis(unix_nanoseconds)),
    }
    sink
}

#[allow(clippy::inline_always, reason = "as the sink")]
#[inline(always)]
fn write_field<'a, S: Sink>(mut sink: S, place: &Place, tag: u8, mut tape: Reader<'a>, keys: &Keys) -> (S, Reader<'a>) {
    sink.constant(&place.given);
    let is_spread = place.kind == Kind::Spread;
    let (is_map, mut separator) = match tag {
        _ if is_spread => (true, b','),
        tag::MAP if !place.merge.is_empty() => {
            sink.byte(b'{');
            sink.constant(&place.merge);
            (true, b',')
        }
        tag::MAP | tag::MAP_COMPLETE => (true, b'{'),
        tag::LIST => (false, b'['),
        _ => {
            write_scalar(&mut sink, tag, &mut tape);
            return (sink, tape);
        }
    };
    (sink, tape, separator) = write_content(sink, tape, keys, is_map, separator);
    if !is_spread {
        close(&mut sink, is_map, separator);
    }
    (sink, tape)
}

/// Writes what an open container holds up to its end, itself not closed.
///
/// `separator` stands before the next item: the bracket that opens a container before its
/// first, a comma before all others. Returned is the one that nothing came after.
#[allow(clippy::inline_always, reason = "as the sink")]
#[inline(always)]
fn write_content<'a, S: Sink>(
    mut sink: S,
    mut tape: Reader<'a>,
    keys: &Keys,
    mut is_map: bool,
    mut separator: u8,
) -> (S, Reader<'a>, u8) {
    // Which of the containers around the innermost are maps: one bit each, the nearest
    // lowest, above them a bit that ends the row. MAX_DEPTH of them fit; a damaged tape may
    // lose the upper ones.
    let mut around: u64 = 1;
    loop {
        let tag = if is_map {
            if let Some([key, low, tag, text @ ..]) = tape.rest.first_chunk::<{ 3 + SHORT_BYTES }>()
                && *key & !3 == tag::KEY
            {
                // The most frequent entry, a numbered key and a short text, with one look at
                // what is left of the tape.
                if let Some(piece) = keys.json(u16::from_le_bytes([*low, *key & 3])) {
                    sink.piece_after(separator, piece);
                }
                separator = b',';
                let len = usize::from(tag.wrapping_sub(tag::SHORT_TEXT));
                if len <= SHORT_BYTES {
                    sink.short_text(text, len);
                    tape.skip(3 + len);
                    continue;
                }
                tape.skip(3);
                *tag
            } else {
                let tag = tape.tag();
                if tag == tag::END {
                    tag
                } else {
                    if tag & !3 == tag::KEY {
                        let [low] = tape.array();
                        if let Some(piece) = keys.json(u16::from_le_bytes([low, tag & 3])) {
                            sink.piece_after(separator, piece);
                        }
                    } else {
                        sink.byte(separator);
                        sink.text(tape.text(tag));
                        sink.byte(b':');
                    }
                    separator = b',';
                    tape.tag()
                }
            }
        } else {
            let tag = tape.tag();
            if tag != tag::END {
                sink.byte(separator);
                separator = b',';
            }
            tag
        };
        match tag {
            tag::MAP | tag::MAP_COMPLETE | tag::LIST => {
                around = around << 1 | u64::from(is_map);
                is_map = tag != tag::LIST;
                separator = if is_map { b'{' } else { b'[' };
            }
            tag::END => {
                if around <= 1 {
                    return (sink, tape, separator);
                }
                close(&mut sink, is_map, separator);
                is_map = around & 1 == 1;
                around >>= 1;
                separator = b',';
            }
            _ => write_scalar(&mut sink, tag, &mut tape),
        }
    }
}

/// Closes a container; if nothing came after its bracket, that was not written yet.
#[inline]
fn close<S: Sink>(sink: &mut S, is_map: bool, separator: u8) {
    if separator != b',' {
        sink.byte(separator);
    }
    sink.byte(if is_map { b'}' } else { b']' });
}

/// Writes one value that holds no others; its tag was read.
#[allow(clippy::inline_always, reason = "as the sink")]
#[inline(always)]
fn write_scalar<S: Sink>(sink: &mut S, tag: u8, tape: &mut Reader<'_>) {
    match tag {
        tag::SHORT_TEXT.. => {
            let len = usize::from(tag - tag::SHORT_TEXT);
            if let Some(text) = tape.rest.first_chunk()
                && len <= SHORT_BYTES
            {
                sink.short_text(text, len);
                tape.skip(len);
            } else {
                sink.text(tape.take(len));
            }
        }
        tag::I8 => sink.int(i8::from_ne_bytes(tape.array()).into()),
        tag::I32 => sink.int(i32::from_ne_bytes(tape.array()).into()),
        tag::I64 => sink.int(i64::from_ne_bytes(tape.array())),
        tag::U64 => sink.uint(u64::from_ne_bytes(tape.array())),
        tag::F64 => sink.float(f64::from_ne_bytes(tape.array())),
        tag::FALSE => sink.word(*b"false\0\0\0", 5),
        tag::TRUE => sink.word(*b"true\0\0\0\0", 4),
        tag::TEXT => sink.text(tape.text(tag)),
        tag::DIGITS => {
            let len = u16::from_ne_bytes(tape.array());
            sink.json(tape.take(len.into()));
        }
        tag::UUID => sink.uuid(tape.array()),
        tag::DATETIME => sink.datetime(i64::from_ne_bytes(tape.array())),
        _ => sink.word(*b"null\0\0\0\0", 4),
    }
}

/// Reads a tape. Past its end everything is `END`, empty and zero, so that a damaged tape
/// ends each loop above.
#[derive(Clone, Copy)]
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
    fn skip(&mut self, len: usize) {
        self.rest = self.rest.get(len..).unwrap_or_default();
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

    /// The text whose tag was read; of anything else, nothing.
    #[inline]
    fn text(&mut self, tag: u8) -> &'a [u8] {
        let len = match tag {
            tag::SHORT_TEXT.. => usize::from(tag - tag::SHORT_TEXT),
            tag::TEXT => u32::from_ne_bytes(self.array()) as usize,
            _ => 0,
        };
        self.take(len)
    }
}
