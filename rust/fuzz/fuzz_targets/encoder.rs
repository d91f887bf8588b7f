//! Any tree of values, through tape and encoder, is what a strict parser reads back, in just the announced length.
#![no_main]

#[path = "../../core/tests/tree/mod.rs"]
mod tree;

use libfuzzer_sys::{
    arbitrary::{Result, Unstructured},
    fuzz_target,
};
use sluiceway_core::{
    json::writer,
    keys::Keys,
    layout::Layout,
    record::{Record, Stamps},
    shape::{Field, Kind, Shape, TimeFormat},
    tape::Tape,
};
use tree::{Json, Name, Value, hyphenated, is_same, parse, write};

/// Below the depth at which a walk stops: the field's own map is one more.
const DEPTH: usize = 62;

fn text(bytes: &mut Unstructured<'_>) -> Result<String> {
    let most = if bytes.ratio(1, 8)? { 600 } else { 40 };
    let len = bytes.int_in_range(0..=most)?.min(bytes.len());
    Ok(String::from_utf8_lossy(bytes.bytes(len)?).into_owned())
}

fn name(bytes: &mut Unstructured<'_>) -> Result<Name> {
    Ok(Name { text: text(bytes)?, is_numbered: bytes.arbitrary()? })
}

fn digits(bytes: &mut Unstructured<'_>) -> Result<String> {
    let sign = if bytes.arbitrary()? { "-" } else { "" };
    let more = bytes.int_in_range(19..=307)?;
    let tail: String = (0..more).map(|place: usize| char::from(b'0' + (place * 7 % 10) as u8)).collect();
    Ok(format!("{sign}{}{tail}", bytes.int_in_range(1..=9)?))
}

fn value(bytes: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let kinds = if depth == 0 || bytes.is_empty() { 9 } else { 12 };
    Ok(match bytes.int_in_range(0..=kinds)? {
        0 => Value::Null,
        1 => Value::Bool(bytes.arbitrary()?),
        2 => Value::Int(bytes.arbitrary::<i64>()? >> bytes.int_in_range(0..=63)?),
        3 => Value::Uint(bytes.arbitrary()?),
        4 => Value::Digits(digits(bytes)?),
        5 => Value::Float(bytes.arbitrary()?),
        6 => Value::Float(f64::from(bytes.arbitrary::<i32>()?) / 100.0),
        7 => Value::Uuid(bytes.arbitrary()?),
        8 => Value::Datetime(bytes.arbitrary()?),
        9 => Value::Text(text(bytes)?),
        10 => Value::List(several(bytes, |bytes| value(bytes, depth - 1))?),
        _ => Value::Map(several(bytes, |bytes| Ok((name(bytes)?, value(bytes, depth - 1)?)))?),
    })
}

fn several<'a, T>(bytes: &mut Unstructured<'a>, one: impl Fn(&mut Unstructured<'a>) -> Result<T>) -> Result<Vec<T>> {
    let mut all = vec![];
    while all.len() < 40 && !bytes.is_empty() && bytes.ratio(5, 6)? {
        all.push(one(bytes)?);
    }
    Ok(all)
}

fn encode(bytes: &mut Unstructured<'_>) -> Result<()> {
    let id: [u8; 16] = bytes.arbitrary()?;
    let unix_nanoseconds = bytes.arbitrary()?;
    let spare = bytes.int_in_range(0..=2000)?;
    let given = several(bytes, |bytes| value(bytes, DEPTH))?;
    let keys = Keys::default();
    let fields = (0..given.len()).map(|index| Field::new(&format!("field {index}"), Kind::Any));
    let shape = Shape { time_format: TimeFormat::EpochMillis, ..Shape::new(br#"{"type":"track""#, fields) };
    let layouts = [Layout::new(&shape)];
    let mut tape = Tape::default();
    Stamps { id: Some(id), unix_nanoseconds, is_time_given: false, shape: 0, token: 0 }.begin(&mut tape);
    for value in &given {
        write(&mut tape, &keys, value);
    }
    let record = Record::read(tape.bytes());
    let mut json = Vec::with_capacity(spare);
    let place = writer::write_event(&mut json, &record, &layouts, &keys);
    assert_eq!(&json[place], hyphenated(id).as_bytes());
    assert_eq!(writer::event_len(&record, &layouts, &keys), json.len(), "the announced length");
    assert!(tape.least_json() + layouts[0].least_bytes <= json.len(), "the least length");
    let Json::Map(found) = parse(&json) else { panic!("no map") };
    assert_eq!(found.len(), 3 + given.len());
    for (value, (_, json)) in given.iter().zip(&found[3..]) {
        assert!(is_same(value, json), "{value:?} became {json:?}");
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let _ = encode(&mut Unstructured::new(data));
});
