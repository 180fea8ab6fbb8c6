//! A writer without a thread.

use std::sync::mpsc::TryRecvError;

use tokio::time::Instant;

use super::Writer;

/// What came of [`Writer::turn_if_due`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There was nothing to do.
    Idle,
    /// There may be more to do.
    Done,
    /// It was the last.
    Over,
}

impl Writer {
    /// A turn, if something has come or is due: for those who have no thread to wait in.
    pub(crate) fn turn_if_due(&mut self) -> Turn {
        let goes_on = match self.inbox.try_recv() {
            Ok(message) => self.turn(Some(message)),
            Err(TryRecvError::Empty) if self.due().is_some_and(|at| at <= Instant::now()) => {
                self.turn(None)
            }
            Err(TryRecvError::Empty) => return Turn::Idle,
            Err(TryRecvError::Disconnected) => return Turn::Over,
        };
        if goes_on { Turn::Done } else { Turn::Over }
    }
}
