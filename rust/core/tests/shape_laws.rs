//! The laws of shapes: whatever one says stands between, before and instead of values comes out as JSON that a strict
//! parser reads back as just that, and is counted to the byte.
#![cfg(not(any(loom, miri)))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic, in its own functions too")]

mod tree;

use proptest::{collection::vec, option, prelude::*};
use sluiceway_core::{
    json::{time, writer},
    keys::Keys,
    layout::Layout,
    record::{Record, Stamps},
    shape::{Field, Kind, MAX_FIELDS, Shape, TimeFormat},
    tape::{Tape, tag},
};
use tree::{Json, Name, Value, entries, hyphenated, is_same, parse, text, value, write};

/// A part of a shape, with what an event gives for it.
#[derive(Clone, Debug)]
enum Part {
    /// A value under a key of its own.
    Plain { default: bool, required: bool, given: Option<Value> },
    /// A map that always has a library.
    Merged { default: bool, given: Option<(bool, Vec<(Name, Value)>)> },
    /// Entries of the map that it stands in; with a constant entry of its own in front, given or not.
    Spread { is_led: bool, given: Option<Vec<(Name, Value)>> },
    /// A map whose brackets are constant text around the fields in it.
    Group(Vec<Part>),
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
struct Event {
    parts: Vec<Part>,
    /// The caller's own id, or sixteen bytes of ours.
    id: Result<String, [u8; 16]>,
    unix_nanoseconds: i64,
    is_time_given: bool,
    has_given_time: bool,
    is_iso: bool,
    /// Whether the fields behind the last given one are told on the tape, too.
    is_explicit: bool,
}

const DEFAULT: &str = r#"{"by":["default"],"long enough to be two pieces":"0123456789 0123456789 0123456789"}"#;

/// The shape of an event, what is given for each of its fields, and what a parser should find behind the time.
#[derive(Default)]
struct Said<'a> {
    fields: Vec<Field>,
    given: Vec<Option<Given<'a>>>,
    /// Constant text that stands before the next field, or before the event's end.
    before: String,
}

enum Given<'a> {
    Value(&'a Value),
    Map { is_complete: bool, entries: &'a [(Name, Value)] },
}

enum Expected<'a> {
    Value(&'a Value),
    Json(Json),
    Map(Vec<(String, Expected<'a>)>),
}

impl<'a> Said<'a> {
    /// Says `parts`, and returns the entries that they make.
    fn say(&mut self, parts: &'a [Part]) -> Vec<(String, Expected<'a>)> {
        let mut expected = Vec::new();
        for part in parts {
            let key = format!("field {}", self.fields.len());
            match part {
                Part::Plain { default, required, given } => {
                    let is_required = *required && given.is_some();
                    self.field(Field { required: is_required, ..said(&key, Kind::Any, *default) });
                    self.given.push(given.as_ref().map(Given::Value));
                    match given {
                        Some(value) => expected.push((key, Expected::Value(value))),
                        None if *default => expected.push((key, Expected::Json(parse(DEFAULT.as_bytes())))),
                        None => {}
                    }
                }
                Part::Merged { default, given } => {
                    let merged = Field {
                        merge_key: "library".into(),
                        merge_json: (*b"1").into(),
                        ..said(&key, Kind::Map, *default)
                    };
                    self.field(merged);
                    let map =
                        |(is_complete, entries): &'a (bool, Vec<_>)| Given::Map { is_complete: *is_complete, entries };
                    self.given.push(given.as_ref().map(map));
                    match given {
                        Some((is_complete, entries)) => {
                            let library = ("library".to_owned(), Expected::Json(Json::Number("1".into())));
                            let library = if *is_complete { vec![] } else { vec![library] };
                            expected.push((key, Expected::Map(library.into_iter().chain(spread(entries)).collect())));
                        }
                        None if *default => expected.push((key, Expected::Json(parse(DEFAULT.as_bytes())))),
                        None => {}
                    }
                }
                Part::Spread { is_led, given } => {
                    // A prefix is written only where entries follow.
                    let prefix = if *is_led { format!(r#","led {key}":true"#) } else { String::new() };
                    self.field(Field { prefix: prefix.as_bytes().into(), ..said(&key, Kind::Spread, false) });
                    let map = |entries: &'a Vec<_>| Given::Map { is_complete: false, entries };
                    self.given.push(given.as_ref().map(map));
                    if let Some(entries) = given {
                        if *is_led {
                            expected.push((format!("led {key}"), Expected::Json(Json::Bool(true))));
                        }
                        expected.extend(spread(entries));
                    }
                }
                Part::Group(parts) => {
                    let key = format!("group {} {}", self.fields.len(), self.before.len());
                    self.before.extend([",", &format!("{key:?}"), r#":{"is":"constant""#]);
                    let mut inside = vec![("is".to_owned(), Expected::Json(Json::Text("constant".into())))];
                    inside.extend(self.say(parts));
                    self.before.push('}');
                    expected.push((key, Expected::Map(inside)));
                }
            }
        }
        expected
    }

    fn field(&mut self, field: Field) {
        let before = std::mem::take(&mut self.before).as_bytes().into();
        self.fields.push(Field { before, ..field });
    }
}

/// A field that has a default, or none; every other one says its prefix itself, with the white space that JSON allows.
fn said(key: &str, kind: Kind, has_default: bool) -> Field {
    let is_odd = key.ends_with(['1', '3', '5', '7', '9']) && kind != Kind::Spread;
    let prefix = if is_odd { format!(" , \"{key}\" : ") } else { String::new() };
    let default = if has_default { DEFAULT } else { "" };
    Field { prefix: prefix.as_bytes().into(), default: default.as_bytes().into(), ..Field::new(key, kind) }
}

fn spread(entries: &[(Name, Value)]) -> impl Iterator<Item = (String, Expected<'_>)> {
    entries.iter().map(|(name, value)| (name.text.clone(), Expected::Value(value)))
}

fn shape(event: &Event, said: &Said<'_>) -> Shape {
    Shape {
        time_format: if event.is_iso { TimeFormat::Iso } else { TimeFormat::EpochMillis },
        given_time_key: if event.has_given_time { "given at" } else { "" }.into(),
        tail: format!("{}}}", said.before).as_bytes().into(),
        ..Shape::new(br#"{"type":"track""#, said.fields.clone())
    }
}

/// Writes the event as a push does.
fn record(event: &Event, said: &Said<'_>, layout: &Layout, keys: &Keys) -> Tape {
    let mut tape = Tape::default();
    let Event { unix_nanoseconds, is_time_given, .. } = *event;
    let id = event.id.as_ref().err().copied();
    Stamps { id, unix_nanoseconds, is_time_given, shape: 0, token: 0 }.begin(&mut tape);
    if is_time_given {
        tape.count(layout.given_time_bytes(unix_nanoseconds));
    }
    if let Ok(id) = &event.id {
        tape.text(id.as_bytes());
    }
    let mut absent = 0;
    for given in &said.given {
        if given.is_some() && absent != 0 {
            tape.absent(std::mem::take(&mut absent));
        }
        match given {
            None => absent += 1,
            Some(Given::Value(value)) => write(&mut tape, keys, value),
            Some(Given::Map { is_complete, entries }) => {
                let begin = tape.position();
                write(&mut tape, keys, &Value::Map(entries.to_vec()));
                if *is_complete {
                    tape.retag(begin, tag::MAP_COMPLETE);
                }
            }
        }
    }
    if event.is_explicit && absent != 0 {
        tape.absent(absent);
    }
    tape
}

fn assert_same(expected: &Expected<'_>, json: &Json) {
    match expected {
        Expected::Value(value) => assert!(is_same(value, json), "{value:?} is {json:?}"),
        Expected::Json(expected) => assert_eq!(expected, json),
        Expected::Map(expected) => {
            let Json::Map(found) = json else { panic!("no map: {json:?}") };
            let keys = |found: Vec<&str>| found.join(", ");
            assert_eq!(
                keys(expected.iter().map(|(key, _)| key.as_str()).collect()),
                keys(found.iter().map(|(key, _)| key.as_str()).collect())
            );
            for ((_, expected), (_, json)) in expected.iter().zip(found) {
                assert_same(expected, json);
            }
        }
    }
}

/// All of the event, from what its parts make.
fn whole<'a>(event: &Event, parts: Vec<(String, Expected<'a>)>) -> Expected<'a> {
    let mut moment = vec![];
    time::write_rfc3339_millis(&mut moment, event.unix_nanoseconds);
    let moment = if event.is_iso {
        Json::Text(String::from_utf8(moment).unwrap())
    } else {
        Json::Number(event.unix_nanoseconds.div_euclid(1_000_000).to_string())
    };
    let mut expected = vec![
        ("type".to_owned(), Expected::Json(Json::Text("track".into()))),
        ("messageId".to_owned(), Expected::Json(Json::Text(event.id.clone().unwrap_or_else(hyphenated)))),
        ("timestamp".to_owned(), Expected::Json(moment.clone())),
    ];
    if event.is_time_given && event.has_given_time {
        expected.push(("given at".to_owned(), Expected::Json(moment)));
    }
    expected.extend(parts);
    Expected::Map(expected)
}

fn part() -> impl Strategy<Value = Part> {
    let plain = (any::<bool>(), any::<bool>(), option::of(value()));
    let merged = (any::<bool>(), option::of((any::<bool>(), entries())));
    let leaf = prop_oneof![
        3 => plain.prop_map(|(default, required, given)| Part::Plain { default, required, given }),
        1 => merged.prop_map(|(default, given)| Part::Merged { default, given }),
        2 => (any::<bool>(), option::of(entries())).prop_map(|(is_led, given)| Part::Spread { is_led, given }),
        2 => any::<bool>().prop_map(|default| Part::Plain { default, required: false, given: None }),
    ];
    leaf.prop_recursive(2, 8, 4, |part| vec(part, 0..4).prop_map(Part::Group))
}

fn event() -> impl Strategy<Value = Event> {
    let id = prop_oneof![text().prop_map(Ok), any::<[u8; 16]>().prop_map(Err)];
    (vec(part(), 0..6), id, any::<i64>(), any::<[bool; 4]>()).prop_map(
        |(parts, id, unix_nanoseconds, [is_time_given, has_given_time, is_iso, is_explicit])| Event {
            parts,
            id,
            unix_nanoseconds,
            is_time_given,
            has_given_time,
            is_iso,
            is_explicit,
        },
    )
}

fn written(record: &[u8], layout: &Layout, keys: &Keys) -> Vec<u8> {
    let mut out = vec![];
    let _ = writer::write_event(&mut out, &Record::read(record), std::slice::from_ref(layout), keys);
    out
}

proptest! {
    #[test]
    fn an_event_parses_to_what_its_shape_and_its_values_say(event in event()) {
        let mut said = Said::default();
        let expected = whole(&event, said.say(&event.parts));
        let (keys, layout) = (Keys::default(), Layout::new(&shape(&event, &said)));
        let tape = record(&event, &said, &layout, &keys);
        let json = written(tape.bytes(), &layout, &keys);
        assert_same(&expected, &parse(&json));
        let layouts = [layout];
        prop_assert_eq!(writer::event_len(&Record::read(tape.bytes()), &layouts, &keys), json.len());
        prop_assert!(tape.least_json() + layouts[0].least_bytes <= json.len());
    }

    /// Of an event that gives nothing, all but the id, the digits of a time and the defaults is counted beforehand.
    #[test]
    fn constant_text_is_counted_to_the_byte(mut event in event()) {
        fn strip(parts: &mut [Part]) -> (usize, usize) {
            let (mut uncounted, mut spreads) = (0, 0);
            for part in parts {
                match part {
                    Part::Plain { default, given, .. } => {
                        *given = None;
                        // The value of a default, for which the tape would have counted a comma.
                        uncounted += if *default { DEFAULT.len() + 1 } else { 0 };
                    }
                    Part::Merged { default, given } => {
                        *given = None;
                        uncounted += if *default { DEFAULT.len() + 1 } else { 0 };
                    }
                    Part::Spread { given, .. } => {
                        *given = None;
                        spreads += 1;
                    }
                    Part::Group(parts) => {
                        let (more, inside) = strip(parts);
                        (uncounted, spreads) = (uncounted + more, spreads + inside);
                    }
                }
            }
            (uncounted, spreads)
        }
        let (uncounted, spreads) = strip(&mut event.parts);
        event.id = Err([0; 16]);
        let mut said = Said::default();
        let _ = said.say(&event.parts);
        let (keys, layout) = (Keys::default(), Layout::new(&shape(&event, &said)));
        let tape = record(&event, &said, &layout, &keys);
        let json = written(tape.bytes(), &layout, &keys);
        let digits = event.unix_nanoseconds.div_euclid(1_000_000).to_string().len();
        let time = if event.is_iso { 0 } else { digits - 1 };
        // The comma of an own id and the brackets of spreads are what a tape counts too much.
        prop_assert_eq!(tape.least_json() + layout.least_bytes + 38 + time + uncounted + 1 + spreads, json.len());
    }

    #[test]
    fn a_damaged_tape_of_any_shape_ends(event in event(), noise in vec(any::<u8>(), 0..200), cut in 0..300_usize) {
        let mut said = Said::default();
        let _ = said.say(&event.parts);
        let (keys, layouts) = (Keys::default(), [Layout::new(&shape(&event, &said))]);
        let whole = record(&event, &said, &layouts[0], &keys);
        let damaged = [&whole.bytes()[..cut.min(whole.bytes().len())], &noise].concat();
        let json = written(&damaged, &layouts[0], &keys);
        prop_assert_eq!(writer::event_len(&Record::read(&damaged), &layouts, &keys), json.len());
    }
}

#[test]
fn as_many_fields_as_a_shape_may_have_are_each_told_apart() {
    let field = |index: usize| Field {
        before: format!(r#","b{index}":0"#).as_bytes().into(),
        default: if index.is_multiple_of(3) { (*b"null").into() } else { Box::default() },
        ..Field::new(&format!("k{index}"), Kind::Any)
    };
    let (keys, layout) = (Keys::default(), Layout::new(&Shape::new(b"{", (0..=MAX_FIELDS).map(field))));
    for given in [0, 1, 31, 32, 62, 63, 64] {
        let mut tape = Tape::default();
        Stamps { id: Some([0; 16]), unix_nanoseconds: 0, is_time_given: false, shape: 0, token: 0 }.begin(&mut tape);
        if given != 0 {
            tape.absent(given);
        }
        if usize::from(given) < MAX_FIELDS {
            tape.int(7);
        }
        let Json::Map(found) = parse(&written(tape.bytes(), &layout, &keys)) else { panic!("no map") };
        let mut expected = vec![];
        for index in 0..MAX_FIELDS {
            expected.push((format!("b{index}"), Json::Number("0".into())));
            if index == usize::from(given) {
                expected.push((format!("k{index}"), Json::Number("7".into())));
            } else if index % 3 == 0 {
                expected.push((format!("k{index}"), Json::Null));
            }
        }
        assert_eq!(found[2..], expected, "{given}");
    }
}

#[test]
fn rules_on_what_must_be_given_are_known_by_a_look() {
    let required = |index: &usize| Field { required: [2, 63].contains(index), ..Field::new("k", Kind::Any) };
    let shape = Shape { one_of: [0, 5].into(), ..Shape::new(b"{", (0..64).map(|index| required(&index))) };
    let layout = Layout::new(&shape);
    let bits = |indices: &[u32]| indices.iter().fold(0_u64, |bits, index| bits | 1 << index);
    assert!(layout.allows(bits(&[0, 2, 63])) && layout.allows(bits(&[5, 2, 63])) && layout.allows(u64::MAX));
    for missing in [bits(&[2, 63]), bits(&[0, 63]), bits(&[0, 2]), bits(&[1, 2, 63]), 0] {
        assert!(!layout.allows(missing), "{missing:b}");
    }
    assert!(Layout::new(&Shape::new(b"{", [])).allows(0), "no rule");
}
