//! `Field` and `Shape` as Python makes them.

use pyo3::{exceptions::PyValueError, prelude::*};
use sluiceway_core::{
    MAX_DEPTH,
    shape::{self, IdFormat, Kind, MAX_FIELDS, TimeFormat},
};

use crate::{error, scope::Roles};

/// The defaults of the signatures below.
const NOTHING: &[u8] = b"";
const BRACE: &[u8] = b"}";

/// One place of a shape, and the word for what it takes from a scope.
#[pyclass(frozen, module = "sluiceway._native")]
pub(crate) struct Field(shape::Field, Box<str>);

#[pymethods]
impl Field {
    #[new]
    #[pyo3(signature = (
        key, kind, *, required = false, prefix = NOTHING, default = NOTHING, before = NOTHING, merge_key = "",
        merge_json = NOTHING, watched = vec![], refused = vec![], min_chars = 0, max_chars = 0, max_bytes = 0, scope = "",
    ))]
    #[expect(clippy::too_many_arguments, reason = "a field has so many parts; Python names each")]
    #[expect(clippy::needless_pass_by_value, reason = "what pyo3 extracts")]
    fn new(
        key: &str,
        kind: &str,
        required: bool,
        prefix: &[u8],
        default: &[u8],
        before: &[u8],
        merge_key: &str,
        merge_json: &[u8],
        watched: Vec<String>,
        refused: Vec<String>,
        min_chars: usize,
        max_chars: usize,
        max_bytes: usize,
        scope: &str,
    ) -> PyResult<Self> {
        let kind = match kind {
            "text" => Kind::Text,
            "id" => Kind::Id,
            "map" => Kind::Map,
            "any" => Kind::Any,
            "spread" => Kind::Spread,
            "number" => Kind::Number,
            "int" => Kind::Int,
            "guarded" => Kind::Guarded,
            _ => return Err(error::unknown("kind", kind)),
        };
        let has_text_rules = !refused.is_empty() || min_chars != 0 || max_chars != 0 || max_bytes != 0;
        if has_text_rules && !matches!(kind, Kind::Text | Kind::Id) {
            return Err(PyValueError::new_err(format!("{key:?} is no text, so there is none to refuse or to measure")));
        }
        if (!watched.is_empty() || !merge_key.is_empty()) && !matches!(kind, Kind::Map | Kind::Spread) {
            return Err(PyValueError::new_err(format!("{key:?} is no map, so it has no keys to watch or to merge")));
        }
        let boxed = |words: &[String]| words.iter().map(|word| word.as_str().into()).collect();
        let field = shape::Field {
            key: key.into(),
            kind,
            required,
            prefix: prefix.into(),
            default: default.into(),
            before: before.into(),
            merge_key: merge_key.into(),
            merge_json: merge_json.into(),
            watched: boxed(&watched),
            refused: boxed(&refused),
            min_chars,
            max_chars,
            max_bytes,
        };
        Ok(Self(field, scope.into()))
    }
}

/// One kind of event, and what it takes from a scope.
#[pyclass(frozen, module = "sluiceway._native")]
pub(crate) struct Shape(pub(crate) shape::Shape, pub(crate) Roles);

#[pymethods]
impl Shape {
    #[new]
    #[pyo3(signature = (
        head, fields, *, one_of = vec![], id_key = "messageId", time_key = "timestamp", time_format = "iso",
        tail = BRACE, id_max_chars = 100, id_format = "text", given_time_key = "", max_text_chars = 0,
        max_depth = 64,
    ))]
    #[expect(clippy::too_many_arguments, reason = "a shape has so many parts; Python names each")]
    #[expect(clippy::needless_pass_by_value, reason = "what pyo3 extracts")]
    fn new(
        py: Python<'_>,
        head: &[u8],
        fields: Vec<PyRef<'_, Field>>,
        one_of: Vec<String>,
        id_key: &str,
        time_key: &str,
        time_format: &str,
        tail: &[u8],
        id_max_chars: usize,
        id_format: &str,
        given_time_key: &str,
        max_text_chars: usize,
        max_depth: usize,
    ) -> PyResult<Self> {
        let time_format = match time_format {
            "iso" => TimeFormat::Iso,
            "epoch_ms" => TimeFormat::EpochMillis,
            _ => return Err(error::unknown("time format", time_format)),
        };
        let id_format = match id_format {
            "text" => IdFormat::Text,
            "uuid" => IdFormat::Uuid,
            _ => return Err(error::unknown("id format", id_format)),
        };
        if fields.len() > MAX_FIELDS {
            return Err(PyValueError::new_err(format!(
                "a shape has {MAX_FIELDS} fields at most, not {}",
                fields.len()
            )));
        }
        if !(1..=MAX_DEPTH).contains(&max_depth) {
            return Err(PyValueError::new_err(format!("max_depth must be 1 to {MAX_DEPTH}, not {max_depth}")));
        }
        let takes: Vec<_> = fields.iter().map(|field| (field.0.key.clone(), field.1.clone())).collect();
        let fields: Box<[_]> = fields.iter().map(|field| field.0.clone()).collect();
        let index = |key: &String| {
            let index = fields.iter().position(|field| *field.key == **key);
            index.ok_or_else(|| PyValueError::new_err(format!("one_of names {key:?}, which is no field")))
        };
        let one_of = one_of.iter().map(index).collect::<PyResult<_>>()?;
        let shape = shape::Shape {
            head: head.into(),
            id_key: id_key.into(),
            id_format,
            id_max_chars,
            time_key: time_key.into(),
            time_format,
            given_time_key: given_time_key.into(),
            fields,
            one_of,
            tail: tail.into(),
            max_text_chars,
            max_depth,
        };
        Ok(Self(shape, Roles::new(py, &takes)?))
    }
}
