//! `Batch` as Python sees it: a view of the events of one request.

use pyo3::{
    exceptions::{PyIndexError, PyMemoryError, PyValueError},
    prelude::*,
    types::{PyBytes, PyList, PyString},
};
use sluiceway_core::{batch, failpoint};

use crate::fault::caught;

/// A view of the events of one request. Immutable; views share their bytes.
#[pyclass(frozen, module = "sluiceway._native")]
pub(crate) struct Batch(pub(crate) batch::Batch);

impl Batch {
    /// What `work` makes of the view. What panics in it is a `Fault`.
    fn within<T>(&self, work: impl FnOnce(&batch::Batch) -> PyResult<T>) -> PyResult<T> {
        caught(|| {
            failpoint!("native::batch");
            work(&self.0)
        })
    }
}

#[pymethods]
impl Batch {
    fn __len__(&self) -> PyResult<usize> {
        self.within(|view| Ok(view.len()))
    }

    fn __repr__(&self) -> PyResult<String> {
        self.within(|view| Ok(format!("<Batch of {} events, {} bytes>", view.len(), view.joined_bytes())))
    }

    /// The ids of the events, in order.
    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.within(|view| {
            let ids = view.entries().map(|entry| id(py, view.id(entry))).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, ids)
        })
    }

    /// Index and token of each event that somebody wants to be told of.
    #[getter]
    fn tokens(&self) -> PyResult<Vec<(usize, u64)>> {
        self.within(|view| {
            let tokens = view.entries().map(|entry| entry.token).enumerate();
            Ok(tokens.filter(|(_, token)| *token != 0).collect())
        })
    }

    /// The bytes of the events and the commas between them.
    #[getter]
    fn nbytes(&self) -> PyResult<usize> {
        self.within(|view| Ok(view.joined_bytes()))
    }

    /// The memory that the view keeps: its whole block.
    #[getter]
    fn block_bytes(&self) -> PyResult<usize> {
        self.within(|view| Ok(view.block_bytes()))
    }

    /// How many events come from before `mark`.
    #[pyo3(signature = (mark, /))]
    fn count_before(&self, mark: u64) -> PyResult<usize> {
        self.within(|view| Ok(view.count_before(mark)))
    }

    /// Where each event and its id lie in the joined bytes: twelve bytes an event.
    #[getter]
    fn layout<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.within(|view| Ok(PyBytes::new(py, &view.layout())))
    }

    /// The ring's position after the last event of the batch that this view was cut from.
    #[getter]
    fn end_position(&self) -> PyResult<u64> {
        self.within(|view| Ok(view.end_position()))
    }

    /// `head`, the events joined by commas, and `tail`, as one request body; `event_tail` is
    /// written over the end of each event.
    #[pyo3(signature = (head, tail, event_tail = NOTHING, /))]
    fn body<'py>(&self, py: Python<'py>, head: &[u8], tail: &[u8], event_tail: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        self.within(|view| {
            if view.ends().any(|(_, bytes)| bytes < event_tail.len()) {
                return Err(PyValueError::new_err("event_tail is longer than an event"));
            }
            let len = head.len() + view.joined_bytes() + tail.len();
            PyBytes::new_with(py, len, |body| {
                let mut rest = &mut *body;
                let mut put = |bytes: &[u8]| {
                    let (place, behind) = std::mem::take(&mut rest)
                        .split_at_mut_checked(bytes.len())
                        .ok_or_else(|| PyMemoryError::new_err("a batch changed its size"))?;
                    place.copy_from_slice(bytes);
                    rest = behind;
                    PyResult::Ok(())
                };
                put(head)?;
                for (index, run) in view.runs().enumerate() {
                    if index != 0 {
                        put(b",")?;
                    }
                    put(run)?;
                }
                put(tail)?;
                if !event_tail.is_empty() {
                    for end in view.ends().map(|(end, _)| head.len() + end) {
                        body[end - event_tail.len()..end].copy_from_slice(event_tail);
                    }
                }
                Ok(())
            })
        })
    }

    /// The JSON of one event.
    #[pyo3(signature = (index, /))]
    fn event<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyBytes>> {
        self.within(|view| {
            let event = view.event(index).ok_or_else(|| PyIndexError::new_err("no such event in the batch"))?;
            Ok(PyBytes::new(py, event))
        })
    }

    /// The events of `batches`, in order, in a block of their own.
    #[staticmethod]
    #[pyo3(signature = (batches, /))]
    #[expect(clippy::needless_pass_by_value, reason = "what pyo3 extracts")]
    fn join(py: Python<'_>, batches: Vec<PyRef<'_, Self>>) -> PyResult<Self> {
        caught(|| {
            failpoint!("native::batch");
            let views: Vec<_> = batches.iter().map(|batch| batch.0.clone()).collect();
            py.detach(|| batch::Batch::join(&views)).map(Self).map_err(|error| PyValueError::new_err(error.to_string()))
        })
    }

    /// The events before `index`, and the rest.
    #[pyo3(signature = (index, /))]
    fn split_at(&self, index: usize) -> PyResult<(Self, Self)> {
        self.within(|view| {
            let (left, right) = view.split_at(index);
            Ok((Self(left), Self(right)))
        })
    }

    /// The events from `start` up to `stop`.
    #[pyo3(signature = (start, stop, /))]
    fn slice(&self, start: usize, stop: usize) -> PyResult<Self> {
        self.within(|view| Ok(Self(view.slice(start..stop))))
    }

    /// The events except those at `indices`; `None` if no event is left.
    #[pyo3(signature = (indices, /))]
    #[expect(clippy::needless_pass_by_value, reason = "what pyo3 extracts")]
    fn without(&self, indices: Vec<usize>) -> PyResult<Option<Self>> {
        self.within(|view| {
            let rest = view.without(&indices);
            Ok((!rest.is_empty()).then_some(Self(rest)))
        })
    }
}

/// The default of a signature above.
const NOTHING: &[u8] = b"";

/// An id from its JSON text.
fn id<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    if text.contains(&b'\\') {
        // A caller's own id with an escape in it: rare enough for the standard library.
        let quoted = [b"\"", text, b"\""].concat();
        return py.import("json")?.call_method1("loads", (PyBytes::new(py, &quoted),));
    }
    Ok(PyString::new(py, &String::from_utf8_lossy(text)).into_any())
}
