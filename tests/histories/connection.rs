//! What both protocols have in common.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

/// How long a client waits for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);

/// A client of one node.
pub(crate) trait Connection {
    /// Executes the statements as one transaction, whose reads see everything acknowledged
    /// before. Nothing is tried again.
    fn transaction(&mut self, statements: &[String]) -> Told;
}

/// The rows of each statement.
pub(crate) type Results = Vec<Vec<Vec<Value>>>;

/// What a client was told.
#[derive(Debug)]
pub(crate) enum Told {
    Done(Results),
    /// It has not happened and never will.
    Not,
    /// Nobody knows; perhaps the name of the transaction that decides.
    Unknown(Option<String>),
}

/// How operations ended.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    ok: AtomicUsize,
    fail: AtomicUsize,
    info: AtomicUsize,
}

impl Counts {
    pub(crate) fn add(&self, told: &Told) {
        let count = match told {
            Told::Done(_) => &self.ok,
            Told::Not => &self.fail,
            Told::Unknown(_) => &self.info,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ok(&self) -> usize {
        self.ok.load(Ordering::Relaxed)
    }

    pub(crate) fn all(&self) -> usize {
        let others = self.fail.load(Ordering::Relaxed) + self.info.load(Ordering::Relaxed);
        self.ok() + others
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fail, info) = (self.fail.load(Ordering::Relaxed), self.info.load(Ordering::Relaxed));
        write!(f, "operations={} ok={} fail={fail} info={info}", self.all(), self.ok())
    }
}
