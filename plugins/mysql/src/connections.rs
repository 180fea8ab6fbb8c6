use std::collections::HashMap;
use std::sync::Arc;

use ha_core::Canceller;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::error::{Failure, Outcome};

/// The connections, by number, for KILL.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    last: u32,
    open: HashMap<u32, (Canceller, Arc<Notify>)>,
}

/// Forgets its connection when it is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    connections: Arc<Connections>,
    id: u32,
    /// Told when the connection is to end.
    pub(crate) killed: Arc<Notify>,
}

impl Connections {
    /// A number that no open connection has.
    pub(crate) fn number(&self) -> u32 {
        let mut inner = self.0.lock();
        loop {
            inner.last = inner.last.wrapping_add(1).max(1);
            if !inner.open.contains_key(&inner.last) {
                return inner.last;
            }
        }
    }

    pub(crate) fn register(self: &Arc<Self>, id: u32, canceller: Canceller) -> Registration {
        let killed = Arc::new(Notify::new());
        self.0.lock().open.insert(id, (canceller, Arc::clone(&killed)));
        Registration { connections: Arc::clone(self), id, killed }
    }

    /// Stops a connection's statement, and the connection too unless `query` is set.
    pub(crate) fn kill(&self, id: u32, query: bool) -> Outcome<()> {
        let found = self.0.lock().open.get(&id).cloned();
        let Some((canceller, killed)) = found else {
            return Err(Failure::new(1094, "HY000", format!("Unknown thread id: {id}")));
        };
        canceller.cancel();
        if !query {
            killed.notify_one();
        }
        Ok(())
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.connections.0.lock().open.remove(&self.id);
    }
}
