use std::sync::Arc;

use ha_core::{Error, TransactionName};
use parking_lot::Mutex;

/// What the client of a transaction and the writer agree on: whether it may be stored, and whether
/// anybody waits for it still. So a client that leaves while the writer is kept from answering is told
/// no more than is known, and what it was told stays true.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claim(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The tries that may be stored.
    stored_as: Option<TransactionName>,
    has_left: bool,
}

impl Claim {
    /// From now on the transaction may be stored under this name, or without one is not stored.
    /// `false` if the client has left: then it must not be handed to the log.
    pub(crate) fn may_be(&self, stored_as: Option<TransactionName>) -> bool {
        let mut state = self.0.lock();
        if !state.has_left {
            state.stored_as = stored_as;
        }
        !state.has_left
    }

    /// The client waits no longer, for this reason; what it is told. Nothing is handed to the log for it
    /// from now on.
    pub(crate) fn leave(&self, reason: String) -> Error {
        let mut state = self.0.lock();
        state.has_left = true;
        state.stored_as.clone().map_or(Error::NotSent(reason), Error::OutcomeUnknown)
    }

    /// Whether the client has left.
    pub(crate) fn has_left(&self) -> bool {
        self.0.lock().has_left
    }
}
