use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use ha_core::{
    AppendError, Appended, AttemptId, Bounds, ByteStream, Capabilities, ChangeTransport, Delivery,
    Draft, Error, Result, Seq, SnapshotMeta, Stored, TransportHealth,
};
use parking_lot::{Mutex, MutexGuard};

use crate::Fault;
use crate::log::Shared;
use crate::state::{Node, State};
use crate::subscription;

/// One node's transport over a [`crate::MemoryLog`].
#[derive(Debug)]
pub struct Memory {
    log: Arc<Shared>,
    id: usize,
    /// Attempts whose outcome this node was not told.
    unsettled: Mutex<HashSet<AttemptId>>,
}

impl Memory {
    pub(crate) fn new(log: Arc<Shared>, id: usize) -> Self {
        Self { log, id, unsettled: Mutex::default() }
    }

    pub(crate) fn id(&self) -> usize {
        self.id
    }

    /// The state of the log, if this node can reach it.
    fn connected(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.log.state();
        match state.nodes[self.id] {
            Node { closed: true, .. } => Err(Error::Closed),
            Node { disconnected: true, .. } => Err(Error::transport("memory", "disconnected")),
            Node { .. } => Ok(state),
        }
    }

    fn try_append(&self, draft: Draft) -> Result<Appended, AppendError> {
        check_size(&draft, &self.capabilities())?;
        self.log.change(|state| {
            match state.nodes[self.id] {
                Node { closed: true, .. } => return Err(AppendError::Closed),
                Node { disconnected: true, .. } => return Err(not_sent("disconnected")),
                Node { .. } => {}
            }
            match state.faults.pop_front() {
                None => return state.store(&draft),
                Some(Fault::SendLost) => {}
                Some(Fault::Torn { parts }) => state.tear(&draft, parts),
                Some(Fault::Delayed) => state.delay(draft),
                Some(Fault::AckLost) => {
                    let _ = state.store(&draft);
                }
            }
            Err(unknown("the answer was lost"))
        })
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory log {}", self.log.options.name)
    }
}

#[async_trait]
impl ChangeTransport for Memory {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            replicated: true,
            synced: self.log.options.synced,
            max_part_bytes: self.log.options.max_part_bytes,
            max_parts: self.log.options.max_parts,
            snapshots: true,
            trim: true,
            readable: true,
            exact_bounds: self.log.options.exact_bounds,
        }
    }

    async fn append(&self, draft: Draft) -> Result<Appended, AppendError> {
        let attempt = draft.attempt;
        let sent_before = self.unsettled.lock().contains(&attempt);
        let outcome = match self.try_append(draft) {
            // Whatever became of the earlier sends, this answer does not tell.
            Err(error) if sent_before && error != AppendError::Closed => {
                Err(unknown(&error.to_string()))
            }
            outcome => outcome,
        };
        match &outcome {
            Err(AppendError::Unknown { .. }) => self.unsettled.lock().insert(attempt),
            _ => self.unsettled.lock().remove(&attempt),
        };
        outcome
    }

    async fn subscribe(&self, from: Seq) -> Result<BoxStream<'static, Result<Delivery>>> {
        let state = self.connected()?;
        let from = from.max(Seq(1));
        state.get(from)?;
        let interruptions = state.nodes[self.id].interruptions;
        Ok(subscription::stream(Arc::clone(&self.log), self.id, from, interruptions).boxed())
    }

    async fn read(&self, seq: Seq) -> Result<Option<Stored>> {
        self.connected()?.get(seq)
    }

    async fn bounds(&self) -> Result<Bounds> {
        Ok(self.connected()?.bounds())
    }

    async fn trim(&self, before: Seq) -> Result<()> {
        drop(self.connected()?);
        self.log.change(|state| state.trim(before));
        Ok(())
    }

    async fn put_snapshot(&self, meta: SnapshotMeta, body: ByteStream) -> Result<()> {
        drop(self.connected()?);
        let body: BytesMut = meta.checked(body).try_collect().await?;
        let mut state = self.connected()?;
        state.snapshots.retain(|(kept, _)| kept.digest != meta.digest);
        state.snapshots.push((meta, body.freeze()));
        state.snapshots.sort_by_key(|(meta, _)| std::cmp::Reverse(meta.seq));
        Ok(())
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotMeta>> {
        Ok(self.connected()?.snapshots.iter().map(|(meta, _)| meta.clone()).collect())
    }

    async fn get_snapshot(&self, meta: &SnapshotMeta) -> Result<ByteStream> {
        let state = self.connected()?;
        let found = state.snapshots.iter().find(|(kept, _)| kept.digest == meta.digest);
        let (_, body) =
            found.ok_or_else(|| Error::transport("memory", "there is no such snapshot"))?;
        let torn = (body.len() as u64) < meta.bytes;
        let torn = torn.then(|| Err(Error::transport("memory", "the snapshot breaks off")));
        let body = std::iter::once(Ok(body.clone()));
        Ok(stream::iter(body.chain(torn).collect::<Vec<_>>()).boxed())
    }

    async fn remove_snapshot(&self, meta: &SnapshotMeta) -> Result<()> {
        self.connected()?.snapshots.retain(|(kept, _)| kept.digest != meta.digest);
        Ok(())
    }

    async fn health(&self) -> TransportHealth {
        TransportHealth { name: self.to_string(), ..TransportHealth::default() }
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        Err(Error::no_members(name))
    }

    fn warnings(&self) -> Vec<String> {
        self.log.state().warnings.clone()
    }

    async fn close(&self) -> Result<()> {
        self.log.change(|state| state.nodes[self.id].closed = true);
        Ok(())
    }
}

fn check_size(draft: &Draft, capabilities: &Capabilities) -> Result<(), AppendError> {
    let limit = capabilities.max_part_bytes;
    if let Some(part) = draft.parts.iter().find(|part| part.len() > limit) {
        return Err(AppendError::TooLarge { size: part.len(), limit });
    }
    if draft.parts.len() > capabilities.max_parts as usize {
        let size = draft.parts.iter().map(Bytes::len).sum();
        let limit = limit.saturating_mul(capabilities.max_parts as usize);
        return Err(AppendError::TooLarge { size, limit });
    }
    if draft.parts.is_empty() {
        return Err(not_sent("an entry has at least one part"));
    }
    Ok(())
}

fn unknown(reason: &str) -> AppendError {
    AppendError::Unknown { reason: reason.to_owned() }
}

fn not_sent(reason: &str) -> AppendError {
    AppendError::NotSent { reason: reason.to_owned() }
}
