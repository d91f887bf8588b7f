//! `Inlet`: the part of a client that native methods reach without asking Python.

use std::{
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

use pyo3::{
    ffi::PyObject,
    prelude::*,
    types::{PyDict, PyTuple},
};

use crate::queue::Queue;

/// The base of every client: holds the queue that its calls go straight into.
#[pyclass(frozen, subclass, module = "sluiceway._native")]
pub(crate) struct Inlet {
    queue: AtomicPtr<PyObject>,
}

#[pymethods]
impl Inlet {
    #[new]
    #[pyo3(signature = (*_args, **_options))]
    fn new(_args: &Bound<'_, PyTuple>, _options: Option<&Bound<'_, PyDict>>) -> Self {
        Self { queue: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Sends calls straight into `queue`, or with `None` through Python.
    ///
    /// What was open before is never given back: a call on another thread may be in it,
    /// and it is replaced only in the child of a fork.
    #[pyo3(signature = (queue, /))]
    fn _open(&self, queue: Option<Bound<'_, Queue>>) {
        let queue = queue.map_or(ptr::null_mut(), Bound::into_ptr);
        // Release: pairs with the Acquire in `queue`.
        self.queue.store(queue, Ordering::Release);
    }
}

impl Inlet {
    /// The queue that is open now.
    #[inline]
    pub(crate) fn queue(&self) -> Option<&Queue> {
        let queue = self.queue.load(Ordering::Acquire);
        if queue.is_null() {
            return None;
        }
        // SAFETY: `_open` gave up a reference of its own to a `Queue`, which is frozen, and
        // nobody gives that reference back while `self` lives.
        #[expect(unsafe_code, reason = "an object held by address, so that it can be replaced atomically")]
        unsafe {
            let queue: &Py<Queue> = &*ptr::from_ref(&queue).cast();
            Some(&*ptr::from_ref(queue.get()))
        }
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        let queue = *self.queue.get_mut();
        if !queue.is_null() {
            // SAFETY: the reference that `_open` gave up; attached, as every object's end is.
            #[expect(unsafe_code, reason = "as above")]
            unsafe {
                drop(Bound::from_owned_ptr(Python::assume_attached(), queue));
            }
        }
    }
}
