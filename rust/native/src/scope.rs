//! `Scoped`: what the events of a context have in common, and how a push finds it.
//!
//! A context variable names the innermost scope. Its values lie ready in one tuple, which is
//! replaced as a whole; a push takes them from there and runs no Python code. Whether the
//! tuple is still what the outer scopes say is told by addresses; if it is not, the event
//! goes to Python, which puts a new one there.

mod roles;

use std::{
    ptr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use pyo3::{ffi, prelude::*, sync::PyOnceLock, types::PyTuple};

pub(crate) use roles::{Inherited, Roles};

/// The items of a scope's tuple, as `inheriting.py` has them; each of the first six may be
/// `None`, and what follows is Python's own.
pub(crate) const USER: usize = 0;
pub(crate) const ANONYMOUS: usize = 1;
/// The user's id, or else the anonymous one.
pub(crate) const WHO: usize = 2;
pub(crate) const CONTEXT: usize = 3;
/// The context with an entry that names the group.
pub(crate) const GROUPED: usize = 4;
pub(crate) const GROUPS: usize = 5;
const LEN: usize = 6;

/// Whether this process has ever made a scope; before that nobody looks for one. Relaxed: a
/// thread that may find a scope has made it, or got it from a thread that had.
static IS_USED: AtomicBool = AtomicBool::new(false);

/// The `ContextVar` that names the innermost scope.
static VARIABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Whether there can be a scope.
#[inline]
pub(crate) fn is_used() -> bool {
    IS_USED.load(Ordering::Relaxed)
}

/// One scope that was opened.
#[pyclass(frozen, subclass, module = "sluiceway._native")]
pub(crate) struct Scoped {
    /// The scope from which it inherits.
    outer: Option<Py<Scoped>>,
    held: Mutex<Held>,
}

/// What a scope says just now.
struct Held {
    parts: Py<PyTuple>,
    /// What the outer scope said when `parts` were made. Kept, so that nothing else can come
    /// to lie at its address.
    inherited: Option<Py<PyTuple>>,
}

/// What a push finds.
pub(crate) enum Now<'py> {
    Nothing,
    Parts(Bound<'py, PyTuple>),
    /// The scope's tuple has to be made anew.
    Unsettled,
}

#[pymethods]
impl Scoped {
    #[new]
    #[pyo3(signature = (outer, parts, inherited, /))]
    fn new(outer: Option<Py<Self>>, parts: Bound<'_, PyTuple>, inherited: Option<Py<PyTuple>>) -> PyResult<Self> {
        let parts = checked(parts)?;
        IS_USED.store(true, Ordering::Relaxed);
        Ok(Self { outer, held: Mutex::new(Held { parts, inherited }) })
    }

    #[getter]
    fn outer(&self, py: Python<'_>) -> Option<Py<Self>> {
        self.outer.as_ref().map(|outer| outer.clone_ref(py))
    }

    #[getter]
    fn parts(&self, py: Python<'_>) -> Py<PyTuple> {
        self.hold().parts.clone_ref(py)
    }

    #[getter]
    fn inherited(&self, py: Python<'_>) -> Option<Py<PyTuple>> {
        self.hold().inherited.as_ref().map(|inherited| inherited.clone_ref(py))
    }

    #[getter]
    fn is_settled(&self) -> bool {
        self.says_what_the_outer_say()
    }

    #[pyo3(signature = (was, parts, inherited, /))]
    #[expect(clippy::needless_pass_by_value, reason = "what pyo3 extracts")]
    fn replace(&self, was: Py<PyTuple>, parts: Bound<'_, PyTuple>, inherited: Option<Py<PyTuple>>) -> PyResult<bool> {
        let mut new = Held { parts: checked(parts)?, inherited };
        let mut held = self.hold();
        if held.parts.as_ptr() != was.as_ptr() {
            return Ok(false);
        }
        std::mem::swap(&mut *held, &mut new);
        // The old values end behind the lock: to end an object may run Python code.
        drop(held);
        Ok(true)
    }
}

impl Scoped {
    /// Nobody waits here: no Python code runs and the GIL stays while the lock is held.
    fn hold(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no outer scope has said anything new since.
    fn says_what_the_outer_say(&self) -> bool {
        let mut scope = self;
        while let Some(outer) = scope.outer.as_ref().map(Py::get) {
            let inherited = scope.hold().inherited.as_ref().map_or(ptr::null_mut(), Py::as_ptr);
            if outer.hold().parts.as_ptr() != inherited {
                return false;
            }
            scope = outer;
        }
        true
    }
}

fn checked(parts: Bound<'_, PyTuple>) -> PyResult<Py<PyTuple>> {
    if parts.len() < LEN {
        return Err(pyo3::exceptions::PyValueError::new_err("a scope has six values at least"));
    }
    Ok(parts.unbind())
}

/// Makes the variable, or finds it made.
pub(crate) fn variable(py: Python<'_>) -> PyResult<&Py<PyAny>> {
    VARIABLE.get_or_try_init(py, || {
        // SAFETY: attached; a static name, and no default. The result is owned, or null with an error.
        #[expect(unsafe_code, reason = "pyo3 has no safe face of it")]
        unsafe {
            let made = ffi::PyContextVar_New(c"sluiceway.scope".as_ptr(), ptr::null_mut());
            Bound::from_owned_ptr_or_err(py, made).map(Bound::unbind)
        }
    })
}

/// What the innermost scope of this thread's context says. No Python code runs: a context
/// compares its variables by identity.
pub(crate) fn now(py: Python<'_>) -> Now<'_> {
    let Some(variable) = VARIABLE.get(py) else { return Now::Nothing };
    let mut value = ptr::null_mut();
    // SAFETY: attached; a context variable, that nobody gives back; the value is owned, or null
    // if there is none.
    #[expect(unsafe_code, reason = "as above")]
    let value = unsafe {
        if ffi::PyContextVar_Get(variable.as_ptr(), ptr::null_mut(), &raw mut value) != 0 {
            ffi::PyErr_Clear();
            return Now::Unsettled;
        }
        Bound::from_owned_ptr_or_opt(py, value)
    };
    let Some(value) = value.filter(|value| !value.is_none()) else { return Now::Nothing };
    match value.cast_into::<Scoped>() {
        Ok(scope) if scope.get().says_what_the_outer_say() => Now::Parts(scope.get().parts(py).into_bound(py)),
        // Python says what is wrong with it.
        _ => Now::Unsettled,
    }
}
