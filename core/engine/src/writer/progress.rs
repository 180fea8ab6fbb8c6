//! Telling the operator how far something large is.

use std::time::Duration;

use tokio::time::Instant;

/// How often.
const INTERVAL: Duration = Duration::from_secs(2);

/// Something that takes long.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    told: Instant,
}

impl Progress {
    /// It begins now.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, told: Instant::now() }
    }

    /// So much of it is done: logged every few seconds.
    pub(super) fn done(&mut self, done: usize, of: usize) {
        if self.told.elapsed() < INTERVAL {
            return;
        }
        self.told = Instant::now();
        tracing::info!(done, of, "a large transaction: {}", self.what);
    }
}
