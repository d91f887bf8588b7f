//! The object that `hot` makes: a descriptor and a callable, as CPython has to be told.
//!
//! The object and its function may form a cycle through the module; they live as long as
//! it, so the collector need not know them.
#![allow(unsafe_code, reason = "a type with the vectorcall protocol, which pyo3 cannot declare")]

use std::{
    ffi::{c_int, c_uint, c_ulong, c_void},
    mem::offset_of,
    ptr,
};

use pyo3::{
    ffi::{self, PyObject},
    prelude::*,
    sync::PyOnceLock,
    types::PyType,
};

use super::Method;
use crate::fault::quiet;

/// The object. Laid out for CPython: header, then what its type's members point at.
#[repr(C)]
pub(super) struct Hot {
    header: PyObject,
    vectorcall: Option<Call>,
    /// For `functools.update_wrapper`: name, docstring, `__wrapped__`.
    dict: *mut PyObject,
    weak_references: *mut PyObject,
    pub(super) method: *mut Method,
}

/// A function of the vectorcall protocol through which Python code may unwind.
type Call = unsafe extern "C-unwind" fn(*mut PyObject, *const *mut PyObject, usize, *mut PyObject) -> *mut PyObject;

/// Makes the object that calls `call` and drops `method` in the end.
pub(super) fn make(py: Python<'_>, call: Call, method: Method) -> PyResult<Py<PyAny>> {
    let kind = hot_type(py)?.as_type_ptr();
    // Now, because the first bound method may be wanted by a `__del__` when nothing can be imported any more.
    method_type(py)?;
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
        (*object).method = Box::into_raw(Box::new(method));
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
        // A plain C function: what panics here would end the process.
        let py = Python::assume_attached();
        quiet(|| bound(py, object, instance)).unwrap_or_else(|| {
            ffi::PyErr_SetString(ffi::PyExc_RuntimeError, c"the engine met an error of its own".as_ptr());
            ptr::null_mut()
        })
    }
}

/// `types.MethodType`.
fn method_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static METHOD_TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    METHOD_TYPE.import(py, "types", "MethodType")
}

/// `types.MethodType(object, instance)`.
///
/// # Safety
/// Attached; both are held.
unsafe fn bound(py: Python<'_>, object: *mut PyObject, instance: *mut PyObject) -> *mut PyObject {
    // SAFETY: promised by the caller.
    let parts = unsafe { (Borrowed::from_ptr(py, object), Borrowed::from_ptr(py, instance)) };
    let made = method_type(py).and_then(|kind| kind.call1(parts));
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
