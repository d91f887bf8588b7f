//! `hot`: a Python method with a native short cut in front of it.
//!
//! A call whose arguments are plain and whose event is accepted ends in the short cut, at
//! the price of a native method. Every other call is handed on to the Python function as
//! it came, which then does all of it: what a call means is written there alone, its
//! errors included. Take the short cut away and nothing changes but the time.
//!
//! The object and its function may form a cycle through the module; they live as long as
//! it, so the collector need not know them.
//!
//! Measured on the method of 694-byte events: 0.11 us less a call, of 0.51.
#![allow(unsafe_code, reason = "a type with the vectorcall protocol, which pyo3 cannot declare")]

use std::{
    ffi::{c_int, c_uint, c_ulong, c_void},
    mem::offset_of,
    ptr,
};

use pyo3::{
    exceptions::PyValueError,
    ffi::{self, PyObject},
    prelude::*,
    sync::PyOnceLock,
    type_object::PyTypeInfo,
    types::{PyFunction, PyString, PyTuple, PyType},
};

use crate::{
    inlet::Inlet,
    outcome::UNATTENDED,
    push::{self, Call},
};

/// The most arguments of a call that takes the short cut.
const MAX_ARGUMENTS: usize = 32;

/// Where a parameter's value goes: the field of that index, or one of these.
const MESSAGE_ID: i32 = -1;
const TIMESTAMP: i32 = -2;

/// These by their names in the module.
pub(crate) const SLOTS: [(&str, i32); 2] = [("MESSAGE_ID", MESSAGE_ID), ("TIMESTAMP", TIMESTAMP)];

/// The object. Laid out for CPython: header, then what its type's members point at.
#[repr(C)]
struct Hot {
    header: PyObject,
    vectorcall: Option<ffi::vectorcallfunc>,
    /// For `functools.update_wrapper`: name, docstring, `__wrapped__`.
    dict: *mut PyObject,
    weak_references: *mut PyObject,
    method: *mut Method,
}

/// What a short cut knows of its method.
struct Method {
    function: Py<PyFunction>,
    shape: usize,
    fields: usize,
    /// The interned names of the parameters behind `self`, and where each one's value goes.
    parameters: Vec<(Py<PyString>, i32)>,
    /// How many of them may be given by position.
    positional: usize,
}

/// Puts a short cut in front of `function`, a method of an `Inlet` that takes the event
/// of `shape`: `names` are its parameters behind `self`, `slots` say for each where its
/// value goes (a field's index, -1 for the message id, -2 for the timestamp), the first
/// `positional` of them may be given by position. A parameter that is not named here
/// makes a call take the way through Python.
#[pyfunction]
#[pyo3(signature = (function, shape, fields, names, slots, positional, /))]
#[expect(clippy::needless_pass_by_value, reason = "what pyo3 extracts")]
pub(crate) fn hot(
    py: Python<'_>,
    function: Py<PyFunction>,
    shape: usize,
    fields: usize,
    names: Vec<String>,
    slots: Vec<i32>,
    positional: usize,
) -> PyResult<Py<PyAny>> {
    let fits =
        |slot: &i32| matches!(*slot, MESSAGE_ID | TIMESTAMP) || usize::try_from(*slot).is_ok_and(|slot| slot < fields);
    if names.len() != slots.len() || positional > names.len() || fields > MAX_ARGUMENTS || !slots.iter().all(fits) {
        return Err(PyValueError::new_err("these parameters do not fit the shape"));
    }
    let names = names.iter().map(|name| PyString::intern(py, name).unbind());
    let parameters = names.zip(slots).collect();
    let method = Box::new(Method { function, shape, fields, parameters, positional });
    let kind = hot_type(py)?.as_type_ptr();
    // SAFETY: attached. The type is heap-allocated and its objects are `Hot`, whose fields
    // behind the header are written here before anybody sees the object.
    unsafe {
        let object: *mut Hot = ffi::PyType_GenericAlloc(kind, 0).cast();
        if object.is_null() {
            return Err(PyErr::fetch(py));
        }
        (*object).vectorcall = Some(call);
        (*object).dict = ptr::null_mut();
        (*object).weak_references = ptr::null_mut();
        (*object).method = Box::into_raw(method);
        Ok(Bound::from_owned_ptr(py, object.cast()).unbind())
    }
}

/// The type of the objects that `hot` makes.
fn hot_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let made = TYPE.get_or_try_init(py, || {
        let mut members = [
            member(c"__vectorcalloffset__", offset_of!(Hot, vectorcall)),
            member(c"__dictoffset__", offset_of!(Hot, dict)),
            member(c"__weaklistoffset__", offset_of!(Hot, weak_references)),
            // SAFETY: all zeroes are what ends the list.
            unsafe { std::mem::zeroed() },
        ];
        let mut slots = [
            slot(ffi::Py_tp_call, ffi::PyVectorcall_Call as *mut c_void),
            slot(ffi::Py_tp_descr_get, get as *mut c_void),
            slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
            slot(ffi::Py_tp_members, members.as_mut_ptr().cast()),
            slot(ffi::Py_tp_getset, GETTERS.0.as_ptr().cast_mut().cast()),
            slot(ffi::Py_tp_methods, METHODS.0.as_ptr().cast_mut().cast()),
            slot(0, ptr::null_mut()),
        ];
        // Nobody but `hot` makes one: an object without a method would be a trap.
        let flags: c_ulong = ffi::Py_TPFLAGS_DEFAULT
            | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION
            | ffi::Py_TPFLAGS_HAVE_VECTORCALL
            | ffi::Py_TPFLAGS_METHOD_DESCRIPTOR;
        let mut spec = ffi::PyType_Spec {
            name: c"sluiceway._native.hot_method".as_ptr(),
            #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "a few words")]
            basicsize: size_of::<Hot>() as c_int,
            itemsize: 0,
            #[expect(clippy::cast_possible_truncation, reason = "the flags are in the low half")]
            flags: flags as c_uint,
            slots: slots.as_mut_ptr(),
        };
        // SAFETY: attached; the specification and what it points at outlive the call, which
        // copies them (names are static).
        unsafe {
            let made = Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&raw mut spec))?;
            Ok::<_, PyErr>(made.cast_into::<PyType>()?.unbind())
        }
    })?;
    Ok(made.bind(py))
}

fn slot(number: c_int, function: *mut c_void) -> ffi::PyType_Slot {
    ffi::PyType_Slot { slot: number, pfunc: function }
}

fn member(name: &'static std::ffi::CStr, offset: usize) -> ffi::PyMemberDef {
    ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code: ffi::Py_T_PYSSIZET,
        offset: offset.cast_signed(),
        flags: ffi::Py_READONLY,
        doc: ptr::null(),
    }
}

/// What CPython must know of the type's methods; it takes the list by a mutable pointer for
/// the sake of old code, and does not write to it.
struct Methods([ffi::PyMethodDef; 2]);

// SAFETY: nobody writes to it.
unsafe impl Sync for Methods {}

static METHODS: Methods = Methods([
    ffi::PyMethodDef {
        ml_name: c"__reduce__".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: reduce },
        ml_flags: ffi::METH_NOARGS,
        ml_doc: ptr::null(),
    },
    ffi::PyMethodDef::zeroed(),
]);

/// The type's attributes; unlike the members, CPython keeps the address and copies nothing.
struct Getters([ffi::PyGetSetDef; 2]);

// SAFETY: nobody writes to it.
unsafe impl Sync for Getters {}

static GETTERS: Getters = Getters([
    ffi::PyGetSetDef {
        name: c"__dict__".as_ptr(),
        get: Some(ffi::PyObject_GenericGetDict),
        set: Some(ffi::PyObject_GenericSetDict),
        doc: ptr::null(),
        closure: ptr::null_mut(),
    },
    ffi::PyGetSetDef { name: ptr::null(), get: None, set: None, doc: ptr::null(), closure: ptr::null_mut() },
]);

/// Copied and pickled by its name, as a function is.
unsafe extern "C" fn reduce(object: *mut PyObject, _nothing: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes an object of our type, attached.
    unsafe { ffi::PyObject_GetAttrString(object, c"__qualname__".as_ptr()) }
}

/// `client.track` as a value: a bound method, as of any function.
unsafe extern "C" fn get(object: *mut PyObject, instance: *mut PyObject, _owner: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes the descriptor and the instance, or null for the class.
    unsafe {
        if instance.is_null() || instance == ffi::Py_None() {
            ffi::Py_INCREF(object);
            return object;
        }
        bound(Python::assume_attached(), object, instance)
    }
}

/// `types.MethodType(object, instance)`.
///
/// # Safety
/// Attached; both are held.
unsafe fn bound(py: Python<'_>, object: *mut PyObject, instance: *mut PyObject) -> *mut PyObject {
    static METHOD_TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    // SAFETY: promised by the caller.
    let parts = unsafe { (Borrowed::from_ptr(py, object), Borrowed::from_ptr(py, instance)) };
    let made = METHOD_TYPE.import(py, "types", "MethodType").and_then(|kind| kind.call1(parts));
    made.map_or_else(
        |error| {
            error.restore(py);
            ptr::null_mut()
        },
        Bound::into_ptr,
    )
}

unsafe extern "C" fn dealloc(object: *mut PyObject) {
    // SAFETY: CPython passes an object of our type that nobody holds any more; its method
    // came from a box, and a heap type's object holds its type.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        let hot: *mut Hot = object.cast();
        if !(*hot).weak_references.is_null() {
            ffi::PyObject_ClearWeakRefs(object);
        }
        if !(*hot).method.is_null() {
            drop(Box::from_raw((*hot).method));
        }
        ffi::Py_XDECREF((*hot).dict);
        if let Some(free) = (*kind).tp_free {
            free(object.cast());
        }
        ffi::Py_DECREF(kind.cast());
    }
}

/// The call: the short cut, or else Python.
unsafe extern "C" fn call(
    object: *mut PyObject,
    args: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: CPython passes an object of our type, whose method lives as long as it, and
    // arguments as the vectorcall protocol has them, all held during the call.
    unsafe {
        let method = &*(*object.cast::<Hot>()).method;
        let py = Python::assume_attached();
        match short_cut(py, method, args, count, names) {
            Some(done) => done,
            None => ffi::PyObject_Vectorcall(method.function.as_ptr(), args, count, names),
        }
    }
}

/// Takes the event if all is plain: a new reference to `True`. `None`: nothing was done.
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
) -> Option<*mut PyObject> {
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
        let (positional, given) = args.split_at_checked(positional.checked_sub(1)?)?;
        if positional.len() > method.positional || ffi::PyObject_TypeCheck(*client, Inlet::type_object_raw(py)) == 0 {
            return None;
        }
        let inlet: &Py<Inlet> = &*ptr::from_ref(client).cast();
        let queue = inlet.get().queue().filter(|queue| !queue.is_stale())?;
        if !queue.core().is_attended() {
            return None;
        }
        let none = ffi::Py_None();
        let mut values = [none; MAX_ARGUMENTS];
        let mut call = Call { shape: method.shape, token: 0, message_id: none, timestamp: none, is_checked: false };
        for ((_, slot), value) in method.parameters.iter().zip(positional) {
            place(&mut values, &mut call, *slot, *value);
        }
        for (index, value) in given.iter().enumerate() {
            let name = ffi::PyTuple_GET_ITEM(names, index.cast_signed());
            // By address: names of keywords and of parameters are interned. A name that
            // is not, or belongs to a parameter given already, is Python's affair.
            let known = method.parameters.iter().position(|(known, _)| known.as_ptr() == name);
            let known = known.filter(|known| *known >= positional.len())?;
            place(&mut values, &mut call, method.parameters.get(known)?.1, *value);
        }
        let code = push::take(py, queue, &call, values.get(..method.fields)?)?;
        if !matches!(code, 0 | UNATTENDED) {
            return None;
        }
        queue.core().counters().offered();
        if code == UNATTENDED {
            return Some(unattended(Borrowed::from_ptr(py, *client), method.shape));
        }
        let accepted = ffi::Py_True();
        ffi::Py_INCREF(accepted);
        Some(accepted)
    }
}

#[inline]
fn place(values: &mut [*mut PyObject; MAX_ARGUMENTS], call: &mut Call, slot: i32, value: *mut PyObject) {
    match slot {
        MESSAGE_ID => call.message_id = value,
        TIMESTAMP => call.timestamp = value,
        field => {
            if let Some(place) = usize::try_from(field).ok().and_then(|field| values.get_mut(field)) {
                *place = value;
            }
        }
    }
}

/// Has Python start the worker for an event that was accepted just as the last one left.
fn unattended(client: Borrowed<'_, '_, PyAny>, shape: usize) -> *mut PyObject {
    let nothing = PyTuple::empty(client.py());
    let none = client.py().None();
    match client.call_method1("_submit", (UNATTENDED, shape, &none, &none, &none, nothing)) {
        Ok(answer) => answer.into_ptr(),
        Err(error) => {
            error.restore(client.py());
            ptr::null_mut()
        }
    }
}
