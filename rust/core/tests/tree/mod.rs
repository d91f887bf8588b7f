//! What a walk may put on a tape, what a strict parser makes of the JSON, and whether the two are the same.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic, reason = "shared by tests, which may panic")]

use std::{fmt, hash::BuildHasher};

use proptest::{collection::vec, prelude::*, sample::select};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use sluiceway_core::{
    MAX_DEPTH,
    json::time,
    keys::{Keys, MAX_KEY_BYTES},
    tape::{Tape, tag},
};

/// What a walk may put on a tape.
#[derive(Clone, Debug)]
pub enum Value {
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
pub struct Name {
    pub text: String,
    pub is_numbered: bool,
}

/// A parsed text, as strict as `serde_json` is, which keeps what its own values lose: the order of keys, those that come
/// twice, and the digits of numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
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

pub fn parse(json: &[u8]) -> Json {
    serde_json::from_slice(json).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(json)))
}

/// Whether `json` is what `value` has to look like.
pub fn is_same(value: &Value, json: &Json) -> bool {
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

pub fn hyphenated(id: [u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(id));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Writes a value as a walk does.
pub fn write(tape: &mut Tape, keys: &Keys, value: &Value) {
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

pub fn write_key(tape: &mut Tape, keys: &Keys, name: &Name) {
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

pub fn hash(bytes: &[u8]) -> u64 {
    std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().hash_one(bytes)
}

/// Plain words, and whatever a text may hold: quotes, escapes, characters of every width, all lengths around the changes
/// of path.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_ ]{0,40}",
        "[ -~]{0,300}",
        vec(prop_oneof![any::<char>(), select(vec!['"', '\\', '\n', '\u{1f}', 'é', '😀'])], 0..60)
            .prop_map(|characters| characters.into_iter().collect()),
    ]
}

/// Few enough that some come twice.
pub fn name() -> impl Strategy<Value = Name> {
    let names = vec!["plan", "a", "", "ü", "a \"quoted\" name", "tab\there", "a name of just thirty-two bytes."];
    let text = prop_oneof![select(names).prop_map(str::to_owned), "[a-z]{1,48}", text()];
    (text, any::<bool>()).prop_map(|(text, is_numbered)| Name { text, is_numbered })
}

pub fn scalar() -> impl Strategy<Value = Value> {
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

pub fn value() -> impl Strategy<Value = Value> {
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

pub fn entries() -> impl Strategy<Value = Vec<(Name, Value)>> {
    vec((name(), value()), 0..6)
}
