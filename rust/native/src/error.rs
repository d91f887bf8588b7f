//! From the core's errors to Python's, in one place.

use pyo3::{PyErr, exceptions::PyValueError};
use sluiceway_core::error::LimitsError;

/// Limits that contradict each other are a `ValueError`; the client turns it into a
/// `ConfigError` that names the option.
pub(crate) fn to_py(error: LimitsError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// An unknown word where one of a few is wanted.
pub(crate) fn unknown(what: &str, word: &str) -> PyErr {
    PyValueError::new_err(format!("unknown {what}: {word:?}"))
}
