//! What was answered: requests, bytes, events, and when the last answer went out.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use crate::mode::Mode;

/// Counters that no thread waits for. Relaxed is enough: each stands for itself, and a benchmark reads them only
/// after its client has seen the answers, which the sockets order.
pub(crate) struct Ledger {
    started: Instant,
    requests: AtomicU64,
    bytes: AtomicU64,
    events: AtomicU64,
    gzip_requests: AtomicU64,
    connections: AtomicU64,
    last_answer_ns: AtomicU64,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            events: AtomicU64::new(0),
            gzip_requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            last_answer_ns: AtomicU64::new(0),
        }
    }

    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    pub(crate) fn answered(&self, body_bytes: usize, events: u64, gzip: bool) {
        self.last_answer_ns.fetch_max(self.now_ns(), Relaxed);
        self.requests.fetch_add(1, Relaxed);
        self.bytes.fetch_add(body_bytes as u64, Relaxed);
        self.gzip_requests.fetch_add(u64::from(gzip), Relaxed);
        self.events.fetch_add(events, Relaxed);
    }

    pub(crate) fn reset(&self) {
        for counter in [&self.requests, &self.bytes, &self.events, &self.gzip_requests, &self.connections] {
            counter.store(0, Relaxed);
        }
    }

    /// The counters as JSON; `since_last_answer_ns` lets a client date the last answer on its own clock.
    pub(crate) fn report(&self, mode: Mode) -> String {
        let now = self.now_ns();
        format!(
            r#"{{"mode":"{}","requests":{},"bytes":{},"events":{},"gzip_requests":{},"connections":{},"since_last_answer_ns":{}}}"#,
            mode.name(),
            self.requests.load(Relaxed),
            self.bytes.load(Relaxed),
            self.events.load(Relaxed),
            self.gzip_requests.load(Relaxed),
            self.connections.load(Relaxed),
            now.saturating_sub(self.last_answer_ns.load(Relaxed)),
        )
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
