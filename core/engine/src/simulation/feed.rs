//! A node's subscription. What goes wrong with it is drawn from the seed.

use ha_core::{Delivery, Error, Result, Seq};
use tokio::sync::watch;

use super::fault::Fault;
use super::nodes::Notice;
use super::wire::{draw, strikes, way};
use super::world;

/// A subscription.
pub(super) struct Feed {
    node: usize,
    next: Seq,
    interruptions: u64,
    changed: watch::Receiver<()>,
    failed: bool,
}

impl Feed {
    /// Follows the log from there on, over a new connection.
    pub(super) fn new(node: usize, from: Seq) -> Self {
        let world = world();
        reconnected(node);
        Self {
            node,
            next: from,
            interruptions: world.slots[node].interruptions.get(),
            changed: world.changed.subscribe(),
            failed: false,
        }
    }

    /// What it yields next.
    pub(super) async fn advance(&mut self) -> Option<Result<Delivery>> {
        loop {
            self.changed.mark_unchanged();
            if self.failed {
                return None;
            }
            let (next, crashes) = (self.next, world().crashes.get());
            if let Some(item) = self.poll() {
                self.failed = item.is_err();
                way(self.node).await;
                if crashes == world().crashes.get() {
                    return Some(item);
                }
                // The connection has ended before it came.
                (self.next, self.failed) = (next, false);
                continue;
            }
            self.changed.changed().await.ok()?;
        }
    }

    /// What it yields now, if anything.
    fn poll(&mut self) -> Option<Result<Delivery>> {
        let world = world();
        let slot = &world.slots[self.node];
        if slot.cut.get() {
            return None;
        }
        let log = world.log.borrow();
        let next = match log.get(self.next) {
            Err(truncated) => return Some(Err(truncated)),
            Ok(next) => next,
        };
        if self.interruptions != slot.interruptions.get() {
            self.interruptions = slot.interruptions.get();
            reconnected(self.node);
            world.note("was reconnected", self.next.0, self.node as u64);
            return Some(Ok(Delivery::Reconnected(log.bounds())));
        }
        let next = next?;
        if strikes(Fault::Broken) {
            return Some(Err(Error::transport("simulation", "broken")));
        }
        if self.next > log.bounds().first && strikes(Fault::Duplicate) {
            let back = draw(self.next.0 - log.bounds().first.0) + 1;
            let again = log.get(Seq(self.next.0 - back)).ok()??;
            return Some(Ok(Delivery::Entry(again)));
        }
        if let Ok(Some(later)) = log.get(self.next.next())
            && strikes(Fault::Gap)
        {
            self.next = later.seq.next();
            return Some(Ok(Delivery::Entry(later)));
        }
        self.next = next.seq.next();
        Some(Ok(Delivery::Entry(next)))
    }
}

/// A node's connection is a new one.
fn reconnected(node: usize) {
    let notice = &world().slots[node].notice;
    if notice.get() == Notice::Unaware {
        notice.set(Notice::Reconnected);
    }
}
