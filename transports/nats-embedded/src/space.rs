use std::path::{Path, PathBuf};

use ha_core::{AppendError, Draft};

/// What the server needs beside the messages: its indexes and the state of its streams.
const RESERVE: u64 = 1 << 20;

/// Watches the file system of the server's store. nats-server 2.15 takes no more messages
/// after a write of one has failed, even when there is room again, so none may fail.
#[derive(Debug)]
pub(crate) struct Space(Option<PathBuf>);

impl Space {
    /// Watches the file system of `store`; with a configuration file only the server knows it.
    pub(crate) fn new(store: Option<PathBuf>) -> Self {
        Self(store)
    }

    /// Refuses a draft that might not fit.
    pub(crate) fn check(&self, draft: &Draft) -> Result<(), AppendError> {
        let Some(store) = &self.0 else { return Ok(()) };
        let size: usize = draft.parts.iter().map(bytes::Bytes::len).sum();
        let wanted = RESERVE + 2 * size as u64;
        match free(store) {
            Some(free) if free < wanted => Err(AppendError::NotSent {
                reason: format!(
                    "the disk of the log is full ({}: {free} bytes are free, {wanted} are wanted)",
                    store.display()
                ),
            }),
            Some(_) | None => Ok(()),
        }
    }
}

fn free(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
