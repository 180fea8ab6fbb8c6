use std::ops::ControlFlow;
use std::sync::Arc;

use futures::Stream;
use futures::stream;
use ha_core::{Delivery, Error, Result, Seq};
use tokio::sync::watch;

use crate::log::Shared;

/// Everything from `next` on, for the node `id` that has seen `interruptions`. Ends when the
/// node is closed or after an error.
pub(crate) fn stream(
    log: Arc<Shared>,
    id: usize,
    next: Seq,
    interruptions: u64,
) -> impl Stream<Item = Result<Delivery>> + Send {
    let changed = log.watch();
    let cursor = Cursor { log, changed, id, next, interruptions, failed: false };
    stream::unfold(cursor, |mut cursor| async {
        let item = cursor.advance().await?;
        Some((item, cursor))
    })
}

struct Cursor {
    log: Arc<Shared>,
    changed: watch::Receiver<()>,
    id: usize,
    next: Seq,
    interruptions: u64,
    failed: bool,
}

impl Cursor {
    async fn advance(&mut self) -> Option<Result<Delivery>> {
        loop {
            self.changed.mark_unchanged();
            if let ControlFlow::Break(item) = self.poll() {
                return item;
            }
            self.changed.changed().await.ok()?;
        }
    }

    /// What the subscription yields now, if anything.
    fn poll(&mut self) -> ControlFlow<Option<Result<Delivery>>> {
        let state = self.log.state();
        let node = &state.nodes[self.id];
        if node.closed || self.failed {
            return ControlFlow::Break(None);
        }
        if node.disconnected {
            return ControlFlow::Continue(());
        }
        let result = if node.interruptions != self.interruptions {
            self.interruptions = node.interruptions;
            Self::reachable(self.next, &state).map(Some)
        } else {
            state.get(self.next).map(|entry| entry.map(Delivery::Entry))
        };
        drop(state);
        self.note(result)
    }

    /// After an interruption: whether the next entry is still to come.
    fn reachable(next: Seq, state: &crate::state::State) -> Result<Delivery, Error> {
        state.get(next).map(|_| Delivery::Reconnected(state.bounds()))
    }

    fn note(&mut self, result: Result<Option<Delivery>>) -> ControlFlow<Option<Result<Delivery>>> {
        match result {
            Ok(None) => return ControlFlow::Continue(()),
            Ok(Some(Delivery::Entry(_))) => self.next = self.next.next(),
            Ok(Some(Delivery::Reconnected(_))) => {}
            Err(_) => self.failed = true,
        }
        ControlFlow::Break(result.transpose())
    }
}
