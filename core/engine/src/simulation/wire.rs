//! A node's way to the log. What goes wrong on it is drawn from the seed.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use ha_core::{
    AppendError, Appended, AttemptId, Bounds, ByteStream, Capabilities, ChangeTransport, Delivery,
    Draft, Error, Result, Seq, SnapshotMeta, Stored, TransportHealth,
};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::fault::Fault;
use super::feed::Feed;
use super::nodes::Notice;
use super::op::millis;
use super::post::post;
use super::world;

/// How many parts an entry may have.
const PARTS: u32 = 12;

/// How long an acknowledgement is waited for.
pub(super) const ACK: Duration = Duration::from_millis(300);

/// A node's transport.
#[derive(Debug)]
pub(super) struct Wire {
    node: usize,
    unsettled: Mutex<std::collections::HashSet<AttemptId>>,
    subscriptions: AtomicU64,
}

impl Wire {
    pub(super) fn new(node: usize) -> Self {
        Self { node, unsettled: Mutex::default(), subscriptions: AtomicU64::new(0) }
    }

    /// Asks the log something, which takes a while and may fail.
    async fn ask<T>(&self, question: impl FnOnce(&super::log::Log) -> Result<T>) -> Result<T> {
        let crashes = world().crashes.get();
        way(self.node).await;
        reachable(self.node)?;
        let answer = question(&world().log.borrow());
        way(self.node).await;
        reachable(self.node)?;
        if crashes == world().crashes.get() {
            world().slots[self.node].cut_off.set(false);
        }
        answer
    }

    async fn send(&self, draft: Draft) -> Result<Appended, AppendError> {
        let silent = |reason: &str| AppendError::Unknown { reason: reason.to_owned() };
        if is_cut(self.node) {
            let reason = "no connection".to_owned();
            return Err(AppendError::NotSent { reason });
        }
        if strikes(Fault::NotSent) {
            return Err(AppendError::NotSent { reason: "no server".to_owned() });
        }
        match timeout(ACK, post(self.node, draft)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => {
                // Whoever's packet was lost waits as well.
                Err(silent("no answer"))
            }
        }
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the simulated log")
    }
}

#[async_trait]
impl ChangeTransport for Wire {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            replicated: true,
            synced: true,
            max_part_bytes: world().upkeep.part_bytes.unwrap_or(1 << 20),
            max_parts: world().upkeep.part_bytes.map_or(1, |_| PARTS),
            snapshots: true,
            trim: true,
            readable: true,
            exact_bounds: world().exact_bounds,
        }
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    async fn append(&self, draft: Draft) -> Result<Appended, AppendError> {
        let attempt = draft.attempt;
        let sent_before = self.unsettled.lock().contains(&attempt);
        if sent_before {
            world().note("sent again", attempt.counter, self.node as u64);
        }
        let outcome = match self.send(draft).await {
            // Whatever became of the earlier sends, this answer does not tell.
            Err(error) if sent_before => Err(AppendError::Unknown { reason: error.to_string() }),
            outcome => outcome,
        };
        match &outcome {
            Err(AppendError::Unknown { .. }) => self.unsettled.lock().insert(attempt),
            _ => self.unsettled.lock().remove(&attempt),
        };
        outcome
    }

    async fn subscribe(&self, from: Seq) -> Result<BoxStream<'static, Result<Delivery>>> {
        let from = from.max(Seq(1));
        if self.subscriptions.fetch_add(1, Ordering::Relaxed) > 0 {
            world().note("subscribed again", from.0, self.node as u64);
        }
        self.ask(|log| log.get(from)).await?;
        let feed = Feed::new(self.node, from);
        Ok(stream::unfold(feed, |mut feed| async {
            let item = feed.advance().await?;
            Some((item, feed))
        })
        .boxed())
    }

    async fn read(&self, seq: Seq) -> Result<Option<Stored>> {
        world().note("read back", seq.0, self.node as u64);
        let reconnected = world().slots[self.node].notice.get() == Notice::Reconnected;
        let begun = Instant::now();
        let answer = self.ask(|log| log.get(seq)).await?;
        if answer.is_some() {
            world().slots[self.node].found.borrow_mut().insert(seq, begun);
        }
        let slot = &world().slots[self.node];
        let is_enough = seq >= slot.told_late.get();
        if reconnected && is_enough && slot.notice.get() == Notice::Reconnected {
            slot.notice.set(Notice::Aware);
            slot.told_late.set(Seq::ZERO);
        }
        Ok(answer)
    }

    async fn bounds(&self) -> Result<Bounds> {
        world().note("asked for bounds", 0, self.node as u64);
        let bounds = self.ask(|log| Ok(log.bounds())).await?;
        // A node that starts on too early an end answers local reads before it has caught up.
        let runs = world().slots[self.node].node().is_some();
        if runs && !world().exact_bounds && strikes(Fault::Behind) {
            let back = draw(4).min(bounds.last.0 + 1 - bounds.first.0);
            return Ok(Bounds { last: Seq(bounds.last.0 - back), ..bounds });
        }
        Ok(bounds)
    }

    async fn trim(&self, before: Seq) -> Result<()> {
        let lineage = world().log.borrow().bounds().lineage;
        self.ask(|_| Ok(())).await?;
        if lineage != world().log.borrow().bounds().lineage {
            return Err(Error::transport("simulation", "the log is gone"));
        }
        world().note("trimmed the log", before.0, self.node as u64);
        world().log.borrow_mut().trim(before);
        Ok(())
    }

    async fn put_snapshot(&self, meta: SnapshotMeta, body: ByteStream) -> Result<()> {
        let chunks: Vec<_> = meta.checked(body).try_collect().await?;
        self.ask(|_| Ok(())).await?;
        world().note("stored a snapshot", meta.seq.0, self.node as u64);
        world().log.borrow_mut().keep(meta, chunks.concat().into(), true);
        Ok(())
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotMeta>> {
        reachable(self.node)?;
        Ok(world().log.borrow().snapshots())
    }

    async fn get_snapshot(&self, meta: &SnapshotMeta) -> Result<ByteStream> {
        way(self.node).await;
        reachable(self.node)?;
        world().note("fetched a snapshot", meta.seq.0, self.node as u64);
        let body = world().log.borrow().snapshot(meta.digest);
        let body = body.ok_or_else(|| Error::transport("simulation", "no such snapshot"))?;
        Ok(stream::iter([Ok(body)]).boxed())
    }

    async fn health(&self) -> TransportHealth {
        TransportHealth { name: self.to_string(), ..TransportHealth::default() }
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        Err(Error::no_members(name))
    }

    async fn remove_snapshot(&self, meta: &SnapshotMeta) -> Result<()> {
        self.ask(|_| Ok(())).await?;
        world().log.borrow_mut().forget(meta);
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// The time of a message from a node to the log.
pub(super) async fn way(node: usize) {
    let latency = world().slots[node].latency.get();
    let ms = draw(latency + 1);
    if ms > 0 {
        sleep(millis(ms)).await;
    }
}

fn reachable(node: usize) -> Result<()> {
    if is_cut(node) || strikes(Fault::Unanswered) {
        return Err(Error::transport("simulation", "no answer"));
    }
    Ok(())
}

pub(super) fn is_cut(node: usize) -> bool {
    world().slots[node].cut.get()
}

pub(super) fn strikes(fault: Fault) -> bool {
    let world = world();
    world.faults.strikes(&world.dice, fault)
}

pub(super) fn draw(end: u64) -> u64 {
    world().dice.below(end)
}
