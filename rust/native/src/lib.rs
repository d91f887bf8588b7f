//! The Python face of the engine: converts, calls the core, converts back. No logic.

mod batch;
mod entries;
mod error;
mod fault;
mod hot;
mod inlet;
mod names;
mod outcome;
mod process;
mod push;
mod queue;
mod scope;
mod shape;
mod stamp;
mod text;
mod values;
mod walk;

/// sluiceway's engine. Private: everything here is called by `client.py` and nobody else.
//
// `gil_used`: the code is written for a free-threaded interpreter, but nobody has run the
// tests on one yet, and what was not run is not claimed.
#[pyo3::pymodule(gil_used = true)]
mod _native {
    use pyo3::prelude::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_export]
    use crate::batch::Batch;
    #[cfg(feature = "failpoints")]
    #[pymodule_export]
    use crate::fault::fail_at;
    #[pymodule_export]
    use crate::fault::{Fault, faults};
    #[pymodule_export]
    use crate::hot::hot;
    #[pymodule_export]
    use crate::inlet::Inlet;
    #[pymodule_export]
    use crate::queue::Queue;
    #[pymodule_export]
    use crate::scope::Scoped;
    #[pymodule_export]
    use crate::shape::{Field, Shape};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::fault::note_quietly();
        crate::process::refuse_subinterpreters(module.py())?;
        crate::process::watch_forks()?;
        crate::walk::rare::prepare(module.py())?;
        module.add("READS_DICTS", crate::entries::prove(module.py())?)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("SCOPE", crate::scope::variable(module.py())?)?;
        for (name, slot) in crate::hot::SLOTS {
            module.add(name, slot)?;
        }
        for (name, code) in crate::outcome::NAMES {
            module.add(name, code)?;
        }
        Ok(())
    }
}
