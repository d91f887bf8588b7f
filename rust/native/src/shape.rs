//! `Field` and `Shape` as Python makes them.

use pyo3::{exceptions::PyValueError, prelude::*};
use sluiceway_core::{
    json::{escape, sink::Constant},
    shape::{self, Kind, TimeFormat},
};

use crate::error;

/// The defaults of the signatures below.
const NOTHING: &[u8] = b"";
const BRACE: &[u8] = b"}";

/// One place of a shape.
#[pyclass(frozen, module = "sluiceway._native")]
pub(crate) struct Field(shape::Field);

#[pymethods]
impl Field {
    #[new]
    #[pyo3(signature = (key, kind, *, required = false, default = NOTHING, merge_key = "", merge_json = NOTHING))]
    fn new(
        key: &str,
        kind: &str,
        required: bool,
        default: &[u8],
        merge_key: &str,
        merge_json: &[u8],
    ) -> PyResult<Self> {
        let kind = match kind {
            "text" => Kind::Text,
            "map" => Kind::Map,
            "any" => Kind::Any,
            "spread" => Kind::Spread,
            _ => return Err(error::unknown("kind", kind)),
        };
        let mut json_key = vec![b','];
        json_key.extend(quoted(key));
        json_key.push(b':');
        let mut entry = Vec::new();
        if !merge_key.is_empty() {
            entry = quoted(merge_key);
            entry.push(b':');
            entry.extend_from_slice(merge_json);
        }
        let default = if default.is_empty() { vec![] } else { [&json_key, default].concat() };
        Ok(Self(shape::Field {
            key: key.into(),
            kind,
            required,
            json_key: Constant::new(&json_key),
            default: Constant::new(&default),
            merge_key: merge_key.into(),
            merge_json: Constant::new(&entry),
        }))
    }
}

/// One kind of event.
#[pyclass(frozen, module = "sluiceway._native")]
pub(crate) struct Shape(pub(crate) shape::Shape);

#[pymethods]
impl Shape {
    #[new]
    #[pyo3(signature = (
        head, fields, *, one_of = vec![], id_key = "messageId", time_key = "timestamp", time_format = "iso",
        tail = BRACE, id_max_chars = 100,
    ))]
    #[expect(clippy::too_many_arguments, reason = "a shape has so many parts; Python names each")]
    #[expect(clippy::needless_pass_by_value, reason = "what pyo3 extracts")]
    fn new(
        head: &[u8],
        fields: Vec<PyRef<'_, Field>>,
        one_of: Vec<String>,
        id_key: &str,
        time_key: &str,
        time_format: &str,
        tail: &[u8],
        id_max_chars: usize,
    ) -> PyResult<Self> {
        let time_format = match time_format {
            "iso" => TimeFormat::Iso,
            "epoch_ms" => TimeFormat::EpochMillis,
            _ => return Err(error::unknown("time format", time_format)),
        };
        let fields: Box<[_]> = fields.iter().map(|field| field.0.clone()).collect();
        let index = |key: &String| {
            let index = fields.iter().position(|field| *field.key == **key);
            index.ok_or_else(|| PyValueError::new_err(format!("one_of names {key:?}, which is no field")))
        };
        let one_of = one_of.iter().map(index).collect::<PyResult<_>>()?;
        let mut before_id = head.to_vec();
        if head.last() != Some(&b'{') {
            before_id.push(b',');
        }
        before_id.extend(quoted(id_key));
        before_id.push(b':');
        let mut before_time = vec![b','];
        before_time.extend(quoted(time_key));
        before_time.push(b':');
        Ok(Self(shape::Shape {
            before_id: Constant::new(&before_id),
            before_time: Constant::new(&before_time),
            time_format,
            fields,
            one_of,
            tail: Constant::new(tail),
            id_max_chars,
        }))
    }
}

fn quoted(text: &str) -> Vec<u8> {
    let mut json = Vec::new();
    escape::write_str(&mut json, text.as_bytes());
    json
}
