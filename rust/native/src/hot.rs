//! `hot`: a Python method with a native short cut in front of it.
//!
//! A call whose arguments are plain and whose event is accepted ends in the short cut, at
//! the price of a native method. Every other call is handed on to the Python function as
//! it came, which then does all of it: what a call means is written there alone, its
//! errors included. Take the short cut away and nothing changes but the time.
//!
//! Measured on the method of 694-byte events: 0.11 us less a call, of 0.51.
#![allow(unsafe_code, reason = "a C function gets its arguments as an array of borrowed pointers")]

mod object;

use std::{ffi::c_long, ptr};

use pyo3::{
    Borrowed,
    exceptions::PyValueError,
    ffi::{self, PyObject},
    prelude::*,
    sync::critical_section::with_critical_section,
    type_object::PyTypeInfo,
    types::{PyFunction, PyString, PyTuple},
};
use sluiceway_core::{failpoint, shape::MAX_FIELDS};

use crate::{
    entries::Entries,
    fault::quiet,
    inlet::Inlet,
    names::{Names, Parameter},
    outcome::UNATTENDED,
    push::{self, Call},
    queue::Queue,
    values::Places,
};
use object::Hot;

/// Where a parameter's value goes: the field of that index, or one of these.
const MESSAGE_ID: i32 = -1;
const TIMESTAMP: i32 = -2;

/// These by their names in the module.
pub(crate) const SLOTS: [(&str, i32); 2] = [("MESSAGE_ID", MESSAGE_ID), ("TIMESTAMP", TIMESTAMP)];

/// What a short cut knows of its method.
struct Method {
    function: Py<PyFunction>,
    shape: usize,
    fields: usize,
    /// The parameters behind `self`.
    names: Names,
    /// Where the values of those that may be given by position go.
    positional: Box<[i32]>,
    /// Whether it takes them all in one dict instead.
    takes_mapping: bool,
    submission: Submission,
}

/// What `client._submit` is called with for an event that was accepted with nobody there, the
/// client apart. Made beforehand: see `call`.
struct Submission {
    name: Py<PyString>,
    code: Py<PyAny>,
    shape: Py<PyAny>,
    values: Py<PyTuple>,
}

// Python code may not come back: while the interpreter goes down, CPython ends a thread that
// asks for the GIL by a forced unwind, through the frames of whoever called it. So these are
// declared as what they are.
unsafe extern "C-unwind" {
    // Of CPython 3.10, the general one is in the headers only; what is called is a function.
    #[cfg_attr(Py_3_11, link_name = "PyObject_Vectorcall")]
    #[cfg_attr(not(Py_3_11), link_name = "_PyFunction_Vectorcall")]
    fn call_function(
        function: *mut PyObject,
        args: *const *mut PyObject,
        count: usize,
        names: *mut PyObject,
    ) -> *mut PyObject;
    #[link_name = "PyObject_VectorcallMethod"]
    fn call_method(
        name: *mut PyObject,
        args: *const *mut PyObject,
        count: usize,
        names: *mut PyObject,
    ) -> *mut PyObject;
}

/// Puts a short cut in front of `function`, a method of an `Inlet` that takes the event
/// of `shape`: `names` are its parameters behind `self`, `slots` say for each where its
/// value goes (a field's index, -1 for the message id, -2 for the timestamp), the first
/// `positional` of them may be given by position. A parameter that is not named here
/// makes a call take the way through Python. With `mapping` the names are the keys of one
/// dict, given by position and alone.
#[pyfunction]
#[pyo3(signature = (function, shape, fields, names, slots, positional, /, mapping = false))]
#[expect(clippy::needless_pass_by_value, reason = "what pyo3 extracts")]
#[expect(clippy::too_many_arguments, reason = "called once for each method, with a word to each in the stub")]
pub(crate) fn hot(
    py: Python<'_>,
    function: Py<PyFunction>,
    shape: usize,
    fields: usize,
    names: Vec<String>,
    slots: Vec<i32>,
    positional: usize,
    mapping: bool,
) -> PyResult<Py<PyAny>> {
    let wrong = || PyValueError::new_err("these parameters do not fit the shape");
    let fits =
        |slot: &i32| matches!(*slot, MESSAGE_ID | TIMESTAMP) || usize::try_from(*slot).is_ok_and(|slot| slot < fields);
    if names.len() != slots.len() || fields > MAX_FIELDS || !slots.iter().all(fits) {
        return Err(wrong());
    }
    let by_position = slots.get(..positional).ok_or_else(wrong)?.into();
    let names = Names::new(py, &names, &slots)?.ok_or_else(wrong)?;
    let submission = Submission {
        name: PyString::intern(py, "_submit").unbind(),
        code: UNATTENDED.into_pyobject(py)?.into_any().unbind(),
        shape: shape.into_pyobject(py)?.into_any().unbind(),
        values: PyTuple::empty(py).unbind(),
    };
    let method = Method { function, shape, fields, names, positional: by_position, takes_mapping: mapping, submission };
    object::make(py, call, method)
}

/// The call: the short cut, or else Python.
///
/// While Python code runs in it, this frame holds nothing that would be dropped: a forced
/// unwind passes through it then (see `call_function`), and through a frame with something to
/// drop it would end the process.
unsafe extern "C-unwind" fn call(
    object: *mut PyObject,
    args: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: CPython passes an object of our type, whose method lives as long as it, and
    // arguments as the vectorcall protocol has them, all held during the call. A call that
    // was accepted had a client as its first.
    unsafe {
        let method = (*object.cast::<Hot>()).method.cast_const();
        match attempt(method, args, count, names) {
            Some(Done::Accepted) => {
                let accepted = ffi::Py_True();
                ffi::Py_INCREF(accepted);
                accepted
            }
            Some(Done::Unattended) => {
                // Python starts the worker for an event that was accepted just as the last one left.
                let Submission { name, code, shape, values } = &(*method).submission;
                let none = ffi::Py_None();
                let submitted = [*args, code.as_ptr(), shape.as_ptr(), none, none, none, values.as_ptr()];
                call_method(name.as_ptr(), submitted.as_ptr(), submitted.len(), ptr::null_mut())
            }
            None => call_function((*method).function.as_ptr(), args, count, names),
        }
    }
}

/// Takes the event if all is plain, as `short_cut` does; what panics has not taken it.
///
/// Never inlined: the landing pad of what is caught here must not be in a frame through which
/// Python code unwinds. Inlined, it caught that as well.
///
/// # Safety
/// As for `short_cut`; attached, and the method is alive.
#[inline(never)]
unsafe fn attempt(
    method: *const Method,
    args: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> Option<Done> {
    // SAFETY: promised by the caller.
    unsafe { quiet(|| short_cut(Python::assume_attached(), &*method, args, count, names)).flatten() }
}

/// What became of a call that ended in the short cut.
enum Done {
    Accepted,
    /// Accepted, and nobody is there to send it.
    Unattended,
}

/// Takes the event if all is plain. `None`: nothing was done. If it panics, nothing was done
/// either: nothing panics behind the push.
///
/// # Safety
/// `args`, `count` and `names` are what CPython passed to a vectorcall function.
#[inline]
unsafe fn short_cut(
    py: Python<'_>,
    method: &Method,
    args: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> Option<Done> {
    failpoint!("native::hot");
    // SAFETY: promised by the caller: as many positional arguments as `count` says, and
    // one more for each name.
    unsafe {
        let positional = ffi::PyVectorcall_NARGS(count).cast_unsigned();
        let keywords = if names.is_null() { 0 } else { ffi::PyTuple_GET_SIZE(names).cast_unsigned() };
        // A call without arguments may come without an array.
        if args.is_null() {
            return None;
        }
        let (client, args) = std::slice::from_raw_parts(args, positional + keywords).split_first()?;
        if ffi::PyObject_TypeCheck(*client, Inlet::type_object_raw(py)) == 0 {
            return None;
        }
        let inlet: &Py<Inlet> = &*ptr::from_ref(client).cast();
        let queue = inlet.get().queue().filter(|queue| !queue.is_stale())?;
        if !queue.core().is_attended() {
            return None;
        }
        let code = if method.takes_mapping {
            let ([event], 0) = (args, keywords) else { return None };
            mapped(py, queue, method, *event)?
        } else {
            let (positional, given) = args.split_at_checked(positional.checked_sub(1)?)?;
            listed(py, queue, method, positional, given, names)?
        };
        if !matches!(code, 0 | UNATTENDED) {
            return None;
        }
        queue.core().counters().offered();
        Some(if code == UNATTENDED { Done::Unattended } else { Done::Accepted })
    }
}

/// Takes an event whose values are the arguments: `given` by the keywords `names`, the
/// others by position.
///
/// # Safety
/// Attached; all are held; `names` is a tuple of as many names as `given` has values.
#[inline]
unsafe fn listed(
    py: Python<'_>,
    queue: &Queue,
    method: &Method,
    positional: &[*mut PyObject],
    given: &[*mut PyObject],
    names: *mut PyObject,
) -> Option<c_long> {
    let mut event = Event::new(method);
    for (slot, value) in method.positional.get(..positional.len())?.iter().zip(positional) {
        event.put(*slot, *value);
    }
    // SAFETY: promised by the caller; keywords are `str`, as CPython sees to.
    unsafe {
        for (index, value) in given.iter().enumerate() {
            // One that belongs to a parameter given already is Python's affair.
            let parameter = method.names.find(ffi::PyTuple_GET_ITEM(names, index.cast_signed()))?;
            if parameter.index < positional.len() {
                return None;
            }
            event.put(parameter.slot, *value);
        }
        event.take(py, queue)
    }
}

/// Takes an event whose values are the entries of a dict.
///
/// # Safety
/// Attached; `dict` is held.
unsafe fn mapped(py: Python<'_>, queue: &Queue, method: &Method, dict: *mut PyObject) -> Option<c_long> {
    // SAFETY: promised by the caller; its type is checked first.
    let held = unsafe {
        if ffi::PyDict_CheckExact(dict) == 0 {
            return None;
        }
        Borrowed::from_ptr(py, dict)
    };
    // Without a GIL another thread may take out what is being walked: a copy holds it.
    #[cfg(Py_GIL_DISABLED)]
    let held = held.cast::<pyo3::types::PyDict>().ok()?.copy().ok()?.into_any();
    let dict = held.as_ptr();
    with_critical_section(&held, || {
        let mut event = Event::new(method);
        // SAFETY: a dict, attached. Key and value are borrowed from it, and nothing from here
        // to the end of the push runs Python code that could change it.
        unsafe {
            let mut entries = Entries::of(dict);
            while let Some((key, value)) = entries.next() {
                if ffi::PyUnicode_CheckExact(key) == 0 {
                    return None;
                }
                let Parameter { slot, .. } = method.names.find(key)?;
                event.put(*slot, value);
            }
            event.take(py, queue)
        }
    })
}

/// What a call has given so far.
struct Event<'a> {
    method: &'a Method,
    call: Call<'a>,
    places: Places,
}

impl<'a> Event<'a> {
    #[inline]
    fn new(method: &'a Method) -> Self {
        // SAFETY: reads an address; it lives as long as the interpreter.
        let none = unsafe { ffi::Py_None() };
        let call = Call {
            shape: method.shape,
            token: 0,
            message_id: none,
            timestamp: none,
            is_checked: false,
            inherited: None,
        };
        Self { method, call, places: Places::new() }
    }

    #[inline]
    fn put(&mut self, slot: i32, value: *mut PyObject) {
        match slot {
            MESSAGE_ID => self.call.message_id = value,
            TIMESTAMP => self.call.timestamp = value,
            field => self.places.put(usize::try_from(field).unwrap_or(usize::MAX), value),
        }
    }

    /// Has the queue take it: the code of the outcome.
    ///
    /// # Safety
    /// Attached; what was put is held.
    #[inline]
    unsafe fn take(&self, py: Python<'_>, queue: &Queue) -> Option<c_long> {
        // SAFETY: promised by the caller.
        unsafe { push::take(py, queue, &self.call, self.places.first(self.method.fields)) }
    }
}
