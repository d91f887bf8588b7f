//! The laws of whole events: what is on a tape comes out as JSON that a strict parser reads back as just that.
// Miri runs the tests inside the modules, which take every path once; these would take it a day.
#![cfg(not(any(loom, miri)))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic, in its own functions too")]

mod tree;

use proptest::{collection::vec, prelude::*, sample::select};
use sluiceway_core::{
    MAX_DEPTH,
    json::{time, writer},
    keys::Keys,
    layout::Layout,
    record::{Record, Stamps},
    shape::{Field, Kind, Shape, TimeFormat},
    tape::{Tape, tag},
};
use tree::{Json, Name, Value, entries, hash, hyphenated, is_same, name, parse, scalar, text, value, write};

/// What a call gives for one field of the shape.
#[derive(Clone, Debug)]
enum Given {
    /// Nothing, for a field which leaves its key out.
    Nothing,
    /// Nothing, for a field with a default.
    Default,
    Plain(Value),
    /// A map for a field that merges `"library":1` into it.
    Merged(Vec<(Name, Value)>),
    /// The same, with a library of its own.
    Complete(Vec<(Name, Value)>),
    Spread(Vec<(Name, Value)>),
}

#[derive(Clone, Debug)]
struct Event {
    /// The caller's own id, or sixteen bytes of ours.
    id: Result<String, [u8; 16]>,
    unix_nanoseconds: i64,
    is_iso: bool,
    token: u64,
    fields: Vec<Given>,
}

const DEFAULT: &str = r#"{"by":["default"],"long enough to be no piece":"0123456789 0123456789 0123456789"}"#;
const LIBRARY: &str = "library";

fn shape(event: &Event) -> Shape {
    let field = |(index, given): (usize, &Given)| {
        let merges = matches!(given, Given::Merged(_) | Given::Complete(_));
        let kind = match given {
            Given::Spread(_) => Kind::Spread,
            Given::Merged(_) | Given::Complete(_) => Kind::Map,
            _ => Kind::Any,
        };
        Field {
            default: if matches!(given, Given::Default) { DEFAULT } else { "" }.as_bytes().into(),
            merge_key: if merges { LIBRARY } else { "" }.into(),
            merge_json: if merges { "1" } else { "" }.as_bytes().into(),
            ..Field::new(&format!("field {index}"), kind)
        }
    };
    Shape {
        time_format: if event.is_iso { TimeFormat::Iso } else { TimeFormat::EpochMillis },
        ..Shape::new(br#"{"type":"track""#, event.fields.iter().enumerate().map(field))
    }
}

/// Writes the event as a push does.
fn record(event: &Event, keys: &Keys) -> Tape {
    let mut tape = Tape::default();
    let Event { unix_nanoseconds, token, .. } = *event;
    Stamps { id: event.id.as_ref().err().copied(), unix_nanoseconds, is_time_given: false, shape: 0, token }
        .begin(&mut tape);
    if let Ok(id) = &event.id {
        tape.text(id.as_bytes());
    }
    for given in &event.fields {
        match given {
            Given::Nothing | Given::Default => tape.absent(1),
            Given::Plain(value) => write(&mut tape, keys, value),
            Given::Merged(entries) | Given::Spread(entries) => write(&mut tape, keys, &Value::Map(entries.clone())),
            Given::Complete(entries) => {
                let begin = tape.position();
                write(&mut tape, keys, &Value::Map(entries.clone()));
                tape.retag(begin, tag::MAP_COMPLETE);
            }
        }
    }
    tape
}

/// The event as the parser should see it: constants are parsed, everything else is compared as a value.
fn assert_same(event: &Event, json: &Json) {
    let Json::Map(found) = json else { panic!("no map: {json:?}") };
    let mut found = found.iter();
    let mut next = |key: &str| {
        let Some((name, json)) = found.next() else { panic!("{key} is missing") };
        assert_eq!(name, key);
        json
    };
    assert_eq!(next("type"), &Json::Text("track".into()));
    let id = event.id.clone().unwrap_or_else(hyphenated);
    assert_eq!(next("messageId"), &Json::Text(id));
    let mut moment = vec![];
    time::write_rfc3339_millis(&mut moment, event.unix_nanoseconds);
    let moment = String::from_utf8(moment).unwrap();
    let millis = event.unix_nanoseconds.div_euclid(1_000_000).to_string();
    assert_eq!(next("timestamp"), &if event.is_iso { Json::Text(moment) } else { Json::Number(millis) });
    for (index, given) in event.fields.iter().enumerate() {
        let key = format!("field {index}");
        match given {
            Given::Nothing => {}
            Given::Default => assert_eq!(next(&key), &parse(DEFAULT.as_bytes())),
            Given::Plain(value) => assert!(is_same(value, next(&key)), "{value:?}"),
            Given::Merged(entries) => {
                let library = Name { text: LIBRARY.into(), is_numbered: false };
                let entries = [vec![(library, Value::Int(1))], entries.clone()].concat();
                assert!(is_same(&Value::Map(entries), next(&key)));
            }
            Given::Complete(entries) => assert!(is_same(&Value::Map(entries.clone()), next(&key))),
            Given::Spread(entries) => {
                for (name, value) in entries {
                    assert!(is_same(value, next(&name.text)), "{value:?}");
                }
            }
        }
    }
    assert_eq!(found.next(), None);
}

fn event() -> impl Strategy<Value = Event> {
    let given = prop_oneof![
        Just(Given::Nothing),
        Just(Given::Default),
        value().prop_map(Given::Plain),
        entries().prop_map(|entries| Given::Plain(Value::Map(entries))),
        vec((name(), scalar()), 20..40).prop_map(|entries| Given::Plain(Value::Map(entries))),
        entries().prop_map(Given::Merged),
        entries().prop_map(Given::Complete),
        entries().prop_map(Given::Spread),
    ];
    let id = prop_oneof![text().prop_map(Ok), any::<[u8; 16]>().prop_map(Err)];
    (id, any::<i64>(), any::<bool>(), 0..3_u64, vec(given, 0..4))
        .prop_map(|(id, unix_nanoseconds, is_iso, token, fields)| Event { id, unix_nanoseconds, is_iso, token, fields })
}

/// Anything, tags often enough that a damaged tape opens and closes much.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let tags = vec![tag::MAP, tag::LIST, tag::END, tag::KEY, tag::F64, tag::TEXT, tag::DIGITS, tag::SHORT_TEXT + 1];
    vec(prop_oneof![any::<u8>(), select(tags)], 0..400)
}

/// Writes `record` behind `before`, of a buffer with `spare` bytes to spare. What was there stays.
fn written(record: &[u8], shapes: &[Layout], keys: &Keys, spare: usize) -> (Vec<u8>, std::ops::Range<usize>) {
    const BEFORE: &[u8] = b"[{},";
    let mut out = Vec::with_capacity(BEFORE.len() + spare);
    out.extend_from_slice(BEFORE);
    let id = writer::write_event(&mut out, &Record::read(record), shapes, keys);
    assert_eq!(&out[..BEFORE.len()], BEFORE);
    (out.split_off(BEFORE.len()), id.start.saturating_sub(BEFORE.len())..id.end.saturating_sub(BEFORE.len()))
}

/// A table with a name or two, so that a damaged tape meets numbers that mean something.
fn keys() -> Keys {
    let keys = Keys::default();
    for name in ["plan", "plan", "price", "price"] {
        let _ = keys.find(hash(name.as_bytes()), name.as_bytes());
    }
    keys
}

proptest! {
    #[test]
    fn an_event_parses_to_exactly_the_tree_that_was_walked(event in event(), spare in 0..2_000_usize) {
        let (keys, shapes) = (Keys::default(), [Layout::new(&shape(&event))]);
        let tape = record(&event, &keys);
        let (json, id) = written(tape.bytes(), &shapes, &keys, spare);
        assert_same(&event, &parse(&json));
        let quoted = [b"\"", &json[id], b"\""].concat();
        prop_assert_eq!(parse(&quoted), Json::Text(event.id.clone().unwrap_or_else(hyphenated)));
        prop_assert_eq!(Record::token(tape.bytes()), event.token);
    }

    #[test]
    fn the_announced_length_is_the_written_one(event in event()) {
        let (keys, shapes) = (Keys::default(), [Layout::new(&shape(&event))]);
        let tape = record(&event, &keys);
        let (json, _) = written(tape.bytes(), &shapes, &keys, 0);
        prop_assert_eq!(writer::event_len(&Record::read(tape.bytes()), &shapes, &keys), json.len());
    }

    #[test]
    fn the_least_length_of_a_tape_is_never_above_the_written_one(event in event()) {
        let (keys, shapes) = (Keys::default(), [Layout::new(&shape(&event))]);
        let tape = record(&event, &keys);
        let (json, _) = written(tape.bytes(), &shapes, &keys, 0);
        prop_assert!(tape.least_json() + shapes[0].least_bytes <= json.len());
    }

    #[test]
    fn without_escapes_a_value_is_never_longer_than_its_tape_says(value in value()) {
        let escapes = |text: &str| text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\');
        prop_assume!(!has_text(&value, &escapes));
        let event = Event {
            id: Err([0; 16]),
            unix_nanoseconds: 0,
            is_iso: true,
            token: 0,
            fields: vec![Given::Nothing, Given::Plain(value)],
        };
        let (keys, shapes) = (Keys::default(), [Layout::new(&shape(&event))]);
        let tape = record(&event, &keys);
        let (json, _) = written(tape.bytes(), &shapes, &keys, 0);
        let (bare, _) = written(record(&Event { fields: vec![Given::Nothing; 2], ..event }, &keys).bytes(), &shapes, &keys, 0);
        let value_len = json.len() - bare.len() - shapes[0].fields[1].given.len();
        prop_assert!(value_len <= tape.most_json_unescaped(), "{value_len} > {}", tape.most_json_unescaped());
    }

    #[test]
    fn a_damaged_tape_ends_and_nothing_is_read_beyond_it(event in event(), tape in bytes(), cut in 0..400_usize) {
        let (keys, shapes) = (keys(), [Layout::new(&shape(&event))]);
        let whole = record(&event, &keys);
        let truncated = &whole.bytes()[..cut.min(whole.bytes().len())];
        let overwritten = [&whole.bytes()[..whole.bytes().len().min(26)], &tape].concat();
        for record in [truncated, &tape, &overwritten] {
            let (json, id) = written(record, &shapes, &keys, 0);
            prop_assert!(id.end <= json.len());
            prop_assert_eq!(writer::event_len(&Record::read(record), &shapes, &keys), json.len());
            // The same bytes, with others behind them, say the same: none of those was looked at.
            for behind in [b"\x20", b"\xff", b"\x0f"] {
                let surrounded = [record, &behind.repeat(300)].concat();
                prop_assert_eq!(&written(&surrounded[..record.len()], &shapes, &keys, 0).0, &json);
            }
        }
    }
}

fn has_text(value: &Value, wanted: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::Text(text) => wanted(text),
        Value::List(values) => values.iter().any(|value| has_text(value, wanted)),
        Value::Map(entries) => entries.iter().any(|(name, value)| wanted(&name.text) || has_text(value, wanted)),
        _ => false,
    }
}

#[test]
fn the_deepest_event_that_a_walk_lets_through_is_written_whole() {
    for kinds in [0, u64::MAX, 0x5555_5555_5555_5555, 1 << 63, 1] {
        let deep = (0..MAX_DEPTH).fold(Value::Int(7), |value, level| match (kinds >> level) & 1 {
            0 => Value::List(vec![value, Value::Null]),
            _ => Value::Map(vec![(Name { text: "k".into(), is_numbered: level % 2 == 0 }, value)]),
        });
        let fields = vec![Given::Plain(deep)];
        let event = Event { id: Err([7; 16]), unix_nanoseconds: 0, is_iso: false, token: 0, fields };
        let (keys, shapes) = (Keys::default(), [Layout::new(&shape(&event))]);
        let (json, _) = written(record(&event, &keys).bytes(), &shapes, &keys, 0);
        assert_same(&event, &parse(&json));
    }
}

#[test]
fn a_record_of_no_shape_is_nothing() {
    let record = Record::read(&[9; 40]);
    assert_eq!(writer::write_event(&mut vec![], &record, &[], &Keys::default()), 0..0);
    assert_eq!(writer::event_len(&record, &[], &Keys::default()), 0);
}
