//! Any bytes read as a record give some text in just the announced length, and nothing beyond them is looked at.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sluiceway_core::{
    json::writer,
    keys::Keys,
    layout::Layout,
    record::Record,
    shape::{Field, Kind, Shape},
};

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let keys = Keys::default();
    for _ in 0..2 {
        let _ = (keys.find(77 << 20, b"plan"), keys.find(78 << 20, b"a \"price\""));
    }
    keys
});

static LAYOUTS: LazyLock<[Layout; 2]> = LazyLock::new(|| {
    let merging = Field { merge_key: "library".into(), merge_json: (*b"1").into(), ..Field::new("context", Kind::Map) };
    let absent = Field { default: (*b"{\"by\":0}").into(), ..Field::new("by", Kind::Any) };
    let all = [
        Field::new("text", Kind::Text),
        absent,
        merging,
        Field::new("more", Kind::Spread),
        Field::new("any", Kind::Any),
    ];
    [Layout::new(&Shape::new(b"{", all)), Layout::new(&Shape::new(b"{", []))]
});

fuzz_target!(|data: &[u8]| {
    let mut json = Vec::with_capacity(data.first().copied().unwrap_or(0).into());
    // In a block of its own, so that AddressSanitizer stands behind the last byte.
    let own: Box<[u8]> = data.into();
    let record = Record::read(&own);
    let id = writer::write_event(&mut json, &record, LAYOUTS.as_slice(), &KEYS);
    assert!(id.end <= json.len(), "the id lies outside");
    assert_eq!(writer::event_len(&record, LAYOUTS.as_slice(), &KEYS), json.len(), "the announced length");
    let _ = Record::token(&own);
});
