//! The laws of whole events: what is on a tape comes out as JSON that a strict parser reads back as just that.
// Miri runs the tests inside the modules, which take every path once; these would take it a day.
#![cfg(not(any(loom, miri)))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic, in its own functions too")]

use std::{fmt, hash::BuildHasher};

use proptest::{collection::vec, prelude::*, sample::select};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use sluiceway_core::{
    MAX_DEPTH,
    json::{time, writer},
    keys::{Keys, MAX_KEY_BYTES},
    layout::Layout,
    record::{Record, Stamps},
    shape::{Field, Kind, Shape, TimeFormat},
    tape::{Tape, tag},
};

/// What a walk may put on a tape.
#[derive(Clone, Debug)]
enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Digits(String),
    Float(f64),
    Uuid([u8; 16]),
    Datetime(i64),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(Name, Value)>),
}

/// A key, and whether the table is asked for its number.
#[derive(Clone, Debug)]
struct Name {
    text: String,
    is_numbered: bool,
}

/// A parsed text, as strict as `serde_json` is, which keeps what its own values lose: the order of keys, those that come
/// twice, and the digits of numbers.
#[derive(Clone, Debug, PartialEq)]
enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = vec![];
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut map: Vec<(String, Json)> = vec![];
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(match map.as_slice() {
            // How `arbitrary_precision` hands on what is no `i64` or `u64`: its digits, under a name of its own.
            [(name, Json::Text(digits))] if name == "$serde_json::private::Number" => Json::Number(digits.clone()),
            _ => Json::Map(map),
        })
    }
}

fn parse(json: &[u8]) -> Json {
    serde_json::from_slice(json).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(json)))
}

/// Whether `json` is what `value` has to look like.
fn is_same(value: &Value, json: &Json) -> bool {
    match (value, json) {
        (Value::Null, Json::Null) => true,
        (Value::Float(float), Json::Null) => !float.is_finite(),
        (Value::Bool(value), Json::Bool(json)) => value == json,
        (Value::Int(value), Json::Number(digits)) => *digits == value.to_string(),
        (Value::Uint(value), Json::Number(digits)) => *digits == value.to_string(),
        (Value::Digits(value), Json::Number(digits)) => value == digits,
        (Value::Float(value), Json::Number(digits)) => {
            // The same bits, so that a negative zero stays one; and no integer.
            digits.parse::<f64>().unwrap().to_bits() == value.to_bits() && digits.contains(['.', 'e'])
        }
        (Value::Uuid(id), Json::Text(text)) => *text == hyphenated(*id),
        (Value::Datetime(microseconds), Json::Text(text)) => {
            let mut expected = vec![];
            time::write_rfc3339_micros_from(&mut expected, *microseconds);
            text.as_bytes() == expected
        }
        (Value::Text(value), Json::Text(text)) => value == text,
        (Value::List(values), Json::List(items)) => {
            values.len() == items.len() && values.iter().zip(items).all(|(value, item)| is_same(value, item))
        }
        (Value::Map(entries), Json::Map(found)) => {
            entries.len() == found.len()
                && entries
                    .iter()
                    .zip(found)
                    .all(|((name, value), (key, json))| name.text == *key && is_same(value, json))
        }
        _ => false,
    }
}

fn hyphenated(id: [u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(id));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Writes a value as a walk does.
fn write(tape: &mut Tape, keys: &Keys, value: &Value) {
    match value {
        Value::Null => tape.constant(tag::NULL),
        Value::Bool(value) => tape.constant(if *value { tag::TRUE } else { tag::FALSE }),
        Value::Int(value) => tape.int(*value),
        Value::Uint(value) => tape.uint(*value),
        Value::Digits(digits) => tape.digits(digits.as_bytes()),
        Value::Float(value) => tape.float(*value),
        Value::Uuid(id) => tape.uuid(*id),
        Value::Datetime(microseconds) => tape.datetime(*microseconds),
        Value::Text(text) => tape.text(text.as_bytes()),
        Value::List(values) => {
            tape.tag(tag::LIST);
            for value in values {
                write(tape, keys, value);
            }
            tape.end();
        }
        Value::Map(entries) => {
            tape.tag(tag::MAP);
            for (name, value) in entries {
                write_key(tape, keys, name);
                write(tape, keys, value);
            }
            tape.end();
        }
    }
}

fn write_key(tape: &mut Tape, keys: &Keys, name: &Name) {
    let bytes = name.text.as_bytes();
    // Twice to have it admitted, once to be told its number.
    let mut found = (0..3).map(|_| keys.find(hash(bytes), bytes));
    if name.is_numbered
        && bytes.len() <= MAX_KEY_BYTES
        && let Some((number, json_len)) = found.find_map(|found| found)
    {
        tape.key(number, json_len);
    } else {
        tape.text(bytes);
    }
}

fn hash(bytes: &[u8]) -> u64 {
    std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().hash_one(bytes)
}

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
            merge_json: if merges { *b"1" } else { *b" " }.into(),
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

/// Plain words, and whatever a text may hold: quotes, escapes, characters of every width, all lengths around the changes
/// of path.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_ ]{0,40}",
        "[ -~]{0,300}",
        vec(prop_oneof![any::<char>(), select(vec!['"', '\\', '\n', '\u{1f}', 'é', '😀'])], 0..60)
            .prop_map(|characters| characters.into_iter().collect()),
    ]
}

/// Few enough that some come twice.
fn name() -> impl Strategy<Value = Name> {
    let names = vec!["plan", "a", "", "ü", "a \"quoted\" name", "tab\there", "a name of just thirty-two bytes."];
    let text = prop_oneof![select(names).prop_map(str::to_owned), "[a-z]{1,48}", text()];
    (text, any::<bool>()).prop_map(|(text, is_numbered)| Name { text, is_numbered })
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(|value| Value::Int(value.into())),
        any::<i32>().prop_map(|value| Value::Int(value.into())),
        (any::<i64>(), 0..64).prop_map(|(value, shift)| Value::Int(value >> shift)),
        any::<u64>().prop_map(Value::Uint),
        "-?[1-9][0-9]{19,307}".prop_map(Value::Digits),
        any::<f64>().prop_map(Value::Float),
        (-100_000_i32..100_000, select(vec![1.0, 10.0, 100.0, 1_000.0]))
            .prop_map(|(value, divisor)| Value::Float(f64::from(value) / divisor)),
        select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE, 5e-324]).prop_map(Value::Float),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        any::<i64>().prop_map(Value::Datetime),
        text().prop_map(Value::Text),
        text().prop_map(Value::Text),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    const LEVELS: u32 = 5;
    let value = scalar().prop_recursive(LEVELS, 24, 6, |inner| {
        prop_oneof![vec(inner.clone(), 0..8).prop_map(Value::List), vec((name(), inner), 0..8).prop_map(Value::Map)]
    });
    // Now and then as deep as a walk goes: these levels, its own, and the field's map.
    let around = prop_oneof![
        3 => Just(vec![]),
        1 => vec(proptest::option::of(name()), 1..MAX_DEPTH - 1 - LEVELS as usize),
    ];
    (value, around).prop_map(|(value, around)| {
        around.into_iter().fold(value, |value, name| match name {
            Some(name) => Value::Map(vec![(name, value)]),
            None => Value::List(vec![value]),
        })
    })
}

fn entries() -> impl Strategy<Value = Vec<(Name, Value)>> {
    vec((name(), value()), 0..6)
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
