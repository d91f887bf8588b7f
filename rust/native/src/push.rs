//! A push, from the arguments of a Python call to the ring.
//!
//! `push` and `admit` are plain `METH_FASTCALL` functions: pyo3's argument parsing was
//! measured at a tenth of the whole call.
#![allow(unsafe_code, reason = "a C function gets its arguments as an array of borrowed pointers")]

mod scoped;

use std::{cell::Cell, ffi::c_long};

use pyo3::{
    Bound, Py, PyAny, PyResult, Python, ffi,
    ffi::{Py_ssize_t, PyMethodDef, PyMethodDefPointer, PyObject},
};
use sluiceway_core::{failpoint, ident::Generator, layout::Layout, record::Stamps, tape::Tape};

use crate::{
    fault::quiet,
    outcome::{self, HARD, INTERNAL, REENTRANT, STALE},
    queue::Queue,
    scope::{self, Inherited},
    stamp::{self, Id},
    values::Values,
    walk::{Stop, Walk},
};

/// What a thread keeps between two pushes. Taken out while in use, so that a push inside a
/// push (a signal handler, a finaliser) finds none and makes its own.
struct Scratch {
    tape: Tape,
    space: Vec<u8>,
    ids: Generator,
}

/// What a thread is known by. One variable, since to find one takes a call.
struct Local {
    scratch: Cell<Option<Box<Scratch>>>,
    /// Whether it is sending just now.
    is_sending: Cell<bool>,
    /// The size of the event that it last saw refused as too large.
    refused_bytes: Cell<usize>,
}

thread_local! {
    static LOCAL: Local =
        const { Local { scratch: Cell::new(None), is_sending: Cell::new(false), refused_bytes: Cell::new(0) } };
}

/// The bytes of JSON, as far as measured, of the event that this thread last saw refused.
pub(crate) fn refused_bytes() -> usize {
    LOCAL.try_with(|local| local.refused_bytes.get()).unwrap_or(0)
}

/// Says whether this thread sends from now on; returns whether it did. What a sender offers is
/// refused, to whichever client: a log line about a request must not become a request.
///
/// A mark, and not a function around the sending: at the end of the interpreter CPython ends a
/// thread that waits in a request where it waits, and must find no frame of ours below it.
pub(crate) fn mark_sending(is_sending: bool) -> bool {
    LOCAL.try_with(|local| local.is_sending.replace(is_sending)).unwrap_or(false)
}

fn is_sending() -> bool {
    LOCAL.try_with(|local| local.is_sending.get()).unwrap_or(false)
}

/// The arguments before the values of the shape's fields.
pub(crate) struct Call<'a> {
    pub(crate) shape: usize,
    /// Zero: nobody wants to know the event's end.
    pub(crate) token: u64,
    pub(crate) message_id: *mut PyObject,
    pub(crate) timestamp: *mut PyObject,
    /// Python has validated the values already.
    pub(crate) is_checked: bool,
    /// What its maps take from a scope beside their own entries.
    pub(crate) inherited: Option<&'a Inherited<'a>>,
}

/// What CPython must know of a function.
struct Definition(PyMethodDef);

// SAFETY: nobody writes to it: neither we nor CPython, which takes it by a mutable pointer
// for the sake of old code.
unsafe impl Sync for Definition {}

impl Definition {
    const fn new(name: &'static std::ffi::CStr, function: ffi::PyCFunctionFast) -> Self {
        Self(PyMethodDef {
            ml_name: name.as_ptr(),
            ml_meth: PyMethodDefPointer { PyCFunctionFast: function },
            ml_flags: ffi::METH_FASTCALL,
            ml_doc: std::ptr::null(),
        })
    }
}

static PUSH: Definition = Definition::new(c"push", push);
static ADMIT: Definition = Definition::new(c"admit", admit);
static OFFER: Definition = Definition::new(c"offer", offer);

/// The function `name` bound to `queue`, for a client to keep.
pub(crate) fn bind(queue: &Bound<'_, Queue>, name: &str) -> PyResult<Py<PyAny>> {
    let definition = match name {
        "push" => &raw const PUSH.0,
        "admit" => &raw const ADMIT.0,
        _ => &raw const OFFER.0,
    };
    // SAFETY: attached. The definition is static, and CPython does not write to it; the
    // function holds the queue.
    unsafe {
        let function = ffi::PyCFunction_NewEx(definition.cast_mut(), queue.as_ptr(), std::ptr::null_mut());
        Bound::from_owned_ptr_or_err(queue.py(), function).map(Bound::unbind)
    }
}

/// `push(shape, callback, message_id, timestamp, *values)`: see `_native.pyi`.
unsafe extern "C" fn push(queue: *mut PyObject, args: *mut *mut PyObject, count: Py_ssize_t) -> *mut PyObject {
    // SAFETY: what CPython passes to a fastcall function: the object it was bound to and
    // `count` arguments, all held until it returns, on an attached thread.
    let (py, queue, args) = unsafe { arguments(queue, args, count) };
    if queue.is_stale() {
        return outcome::to_py(STALE);
    }
    queue.core().counters().offered();
    if is_sending() {
        return outcome::to_py(REENTRANT);
    }
    let [shape, callback, message_id, timestamp, values @ ..] = args else {
        return wrong_count();
    };
    // SAFETY: attached.
    if *callback != unsafe { ffi::Py_None() } {
        return outcome::to_py(HARD);
    }
    // SAFETY: attached; a shape is an int.
    let shape = usize::try_from(unsafe { ffi::PyLong_AsSsize_t(*shape) }).unwrap_or(usize::MAX);
    let call =
        Call { shape, token: 0, message_id: *message_id, timestamp: *timestamp, is_checked: false, inherited: None };
    // SAFETY: the caller of this function holds its arguments.
    answer(|| unsafe { take(py, queue, &call, Values::of(values)) })
}

/// `admit(token, shape, message_id, timestamp, *values)`: see `_native.pyi`.
unsafe extern "C" fn admit(queue: *mut PyObject, args: *mut *mut PyObject, count: Py_ssize_t) -> *mut PyObject {
    // SAFETY: as in `push`.
    let (py, queue, args) = unsafe { arguments(queue, args, count) };
    if queue.is_stale() {
        return outcome::to_py(STALE);
    }
    let [token, shape, message_id, timestamp, values @ ..] = args else {
        return wrong_count();
    };
    // SAFETY: attached; both are ints.
    let (token, shape) = unsafe {
        (ffi::PyLong_AsUnsignedLongLong(*token), usize::try_from(ffi::PyLong_AsSsize_t(*shape)).unwrap_or(usize::MAX))
    };
    let call = Call { shape, token, message_id: *message_id, timestamp: *timestamp, is_checked: true, inherited: None };
    // SAFETY: the caller of this function holds its arguments.
    answer(|| unsafe { take(py, queue, &call, Values::of(values)) })
}

/// `offer(*anything)`: counts the call and sends it the long way.
unsafe extern "C" fn offer(queue: *mut PyObject, args: *mut *mut PyObject, count: Py_ssize_t) -> *mut PyObject {
    // SAFETY: as in `push`.
    let (_, queue, _) = unsafe { arguments(queue, args, count) };
    if queue.is_stale() {
        return outcome::to_py(STALE);
    }
    queue.core().counters().offered();
    outcome::to_py(if is_sending() { REENTRANT } else { HARD })
}

/// Gives the raw arguments their types.
///
/// # Safety
/// They are what CPython passed to a function that [`bind`] made.
#[inline]
unsafe fn arguments<'a>(
    queue: *mut PyObject,
    args: *mut *mut PyObject,
    count: Py_ssize_t,
) -> (Python<'a>, &'a Queue, &'a [*mut PyObject]) {
    // SAFETY: promised by the caller: attached, bound to a `Queue`, and `count` arguments.
    // `Queue` is frozen, so a shared reference needs no borrow flag.
    unsafe {
        let py = Python::assume_attached();
        let queue: &Py<Queue> = &*(&raw const queue).cast();
        let queue: *const Queue = queue.get();
        let args = if count == 0 { &[] } else { std::slice::from_raw_parts(args, usize::try_from(count).unwrap_or(0)) };
        (py, &*queue, args)
    }
}

/// What Python gets: the code of the outcome, or an error for a wrong call. A panic of ours is
/// an outcome as well, never an exception in a request.
#[inline]
fn answer(take: impl FnOnce() -> Option<c_long>) -> *mut PyObject {
    quiet(take).unwrap_or(Some(INTERNAL)).map_or_else(wrong_count, outcome::to_py)
}

/// Takes the event, with what it inherits if it is made in a scope: zero or the code of the
/// outcome. `None`: no such shape, or more values than it has fields. The caller catches what
/// panics.
///
/// # Safety
/// Attached; somebody holds what `call` and `values` name until this returns.
#[inline]
pub(crate) unsafe fn take(py: Python<'_>, queue: &Queue, call: &Call<'_>, values: Values<'_>) -> Option<c_long> {
    // SAFETY: promised by the caller.
    unsafe {
        // What Python has checked has its part already.
        if !call.is_checked && scope::is_used() {
            return scoped::take(py, queue, call, values);
        }
        take_as_it_is(py, queue, call, values)
    }
}

/// Takes the event with these values and no others; never inlined, so that there is one copy
/// of the walk into which all is inlined.
///
/// # Safety
/// As [`take`].
#[inline(never)]
unsafe fn take_as_it_is(py: Python<'_>, queue: &Queue, call: &Call<'_>, values: Values<'_>) -> Option<c_long> {
    failpoint!("native::take");
    let layout = queue.core().layouts().get(call.shape)?;
    if values.len() > layout.fields.len() {
        return None;
    }
    // SAFETY: promised by the caller.
    Some(with_scratch(|scratch| unsafe { record(py, queue, layout, call, values, scratch) }))
}

#[inline]
fn with_scratch(work: impl FnOnce(&mut Scratch) -> c_long) -> c_long {
    let scratch = match LOCAL.try_with(|local| (!local.is_sending.get()).then(|| local.scratch.take())) {
        Ok(Some(scratch)) => scratch,
        Ok(None) => return REENTRANT,
        // The thread's storage is being torn down.
        Err(_) => None,
    };
    let scratch = scratch.filter(|scratch| !scratch.ids.is_inherited());
    let Some(mut scratch) = scratch.or_else(new_scratch) else { return INTERNAL };
    let code = work(&mut scratch);
    // Fails only while the thread's storage is being torn down; then the next push makes
    // a new one.
    let _ = LOCAL.try_with(|local| local.scratch.set(Some(scratch)));
    code
}

#[cold]
fn refuse_bytes(bytes: usize) {
    let _ = LOCAL.try_with(|local| local.refused_bytes.set(bytes));
}

#[cold]
fn new_scratch() -> Option<Box<Scratch>> {
    let ids = Generator::new().ok()?;
    Some(Box::new(Scratch { tape: Tape::default(), space: Vec::new(), ids }))
}

/// Makes the record and pushes it.
///
/// # Safety
/// As [`take`].
#[inline]
unsafe fn record(
    py: Python<'_>,
    queue: &Queue,
    layout: &Layout,
    call: &Call<'_>,
    values: Values<'_>,
    scratch: &mut Scratch,
) -> c_long {
    let queue = queue.core();
    if !layout.allows(values.given()) {
        return HARD;
    }
    let Scratch { tape, space, ids } = scratch;
    // SAFETY: promised by the caller.
    let (moment, id) = unsafe { (stamp::moment(call.timestamp), stamp::id(py, layout, call.message_id)) };
    let (Some(unix_nanoseconds), Some(id)) = (moment, id) else { return HARD };
    // SAFETY: attached.
    let is_time_given = call.timestamp != unsafe { ffi::Py_None() };
    let stamps = Stamps {
        id: match id {
            Id::Fresh => Some(ids.next(unix_nanoseconds)),
            Id::Uuid(bytes) => Some(bytes),
            Id::Text(_) => None,
        },
        unix_nanoseconds,
        is_time_given,
        shape: u8::try_from(call.shape).unwrap_or(u8::MAX),
        token: call.token,
    };
    stamps.begin(tape);
    if is_time_given {
        tape.count(layout.given_time_bytes(unix_nanoseconds));
    }
    let limit = queue.settings().limits.event_bytes();
    let mut walk = Walk::new(py, layout, limit, call.is_checked, call.inherited, (tape, space, queue.keys()));
    let own_id = if let Id::Text(text) = id { walk.whole(&text) } else { Ok(()) };
    failpoint!("native::walk");
    // SAFETY: promised by the caller.
    let walked = own_id.and_then(|()| unsafe { fields(&mut walk, layout, values) });
    let replaced = walk.replaced;
    match walked {
        Ok(()) => {}
        Err(Stop::Hard) => return HARD,
        Err(Stop::TooLarge) => {
            refuse_bytes(walk.tape.least_json() + walk.refused_bytes);
            return outcome::EVENT_TOO_LARGE;
        }
    }
    let outcome = queue.push(tape);
    if let sluiceway_core::outcome::Outcome::EventTooLarge(bytes) = outcome {
        refuse_bytes(bytes);
    }
    let code = outcome::code(outcome);
    if code == 0 || code == outcome::UNATTENDED {
        queue.counters().replaced(replaced);
    }
    code
}

/// Walks the values of the fields. Those behind the last that is given are not told.
///
/// # Safety
/// Attached; the values are held.
#[inline]
unsafe fn fields(walk: &mut Walk<'_, '_>, layout: &Layout, values: Values<'_>) -> Result<(), Stop> {
    let mut next = 0;
    for (index, value) in values.each() {
        let Some(place) = layout.fields.get(index) else { return Err(Stop::Hard) };
        if index != next {
            // A shape has no more fields than a byte can count.
            walk.tape.absent(u8::try_from(index - next).unwrap_or(u8::MAX));
        }
        // SAFETY: promised by the caller; a value that is given is not `None`.
        unsafe { walk.field(place, value)? };
        next = index + 1;
    }
    Ok(())
}

#[cold]
fn wrong_count() -> *mut PyObject {
    // SAFETY: attached: called by functions that Python calls.
    unsafe {
        ffi::PyErr_SetString(ffi::PyExc_TypeError, c"wrong shape or wrong number of values".as_ptr());
    }
    std::ptr::null_mut()
}
