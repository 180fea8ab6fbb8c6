//! A transport whose snapshots break a promise on demand; all else is the transport in memory.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use ha_conformance::TransportFixture;
use ha_core::{
    AppendError, Appended, Bounds, ByteStream, Capabilities, ChangeTransport, Delivery, Draft,
    Error, Result, Seq, SnapshotMeta, Stored, TransportHealth,
};
use ha_memory::{Memory, MemoryLog};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, MutexGuard};

/// Which promise is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// What comes is listed, whatever it is.
    Believes,
    /// What comes is listed at once, and no longer when it turns out to be something else.
    Hasty,
    /// Of a body that comes again, what was stored before is given up first.
    Overwrites,
    /// Only the digest is compared.
    Shallow,
}

type Snapshots = Arc<Mutex<Vec<(SnapshotMeta, Bytes)>>>;

#[derive(Debug)]
pub struct Unverified {
    flaw: Flaw,
    memory: Arc<Memory>,
    snapshots: Snapshots,
}

#[async_trait]
impl TransportFixture for Flaw {
    type Guard = (MemoryLog, Snapshots);

    async fn open(&self) -> (Self::Guard, Arc<dyn ChangeTransport>) {
        let guard = (MemoryLog::new(), Snapshots::default());
        let node = self.join(&guard).await;
        (guard, node)
    }

    async fn join(&self, (log, snapshots): &Self::Guard) -> Arc<dyn ChangeTransport> {
        let (flaw, memory, snapshots) = (*self, log.open(), Arc::clone(snapshots));
        Arc::new(Unverified { flaw, memory, snapshots })
    }
}

impl Unverified {
    /// The snapshots, unless the transport is closed.
    async fn open(&self) -> Result<MutexGuard<'_, Vec<(SnapshotMeta, Bytes)>>> {
        self.memory.bounds().await?;
        Ok(self.snapshots.lock().await)
    }

    async fn store(&self, meta: &SnapshotMeta, body: ByteStream) -> Result<()> {
        let body = body.try_collect::<BytesMut>().await?.freeze();
        self.verify(meta, &body)?;
        self.list(meta, body).await
    }

    async fn list(&self, meta: &SnapshotMeta, body: Bytes) -> Result<()> {
        let mut snapshots = self.open().await?;
        snapshots.retain(|(kept, _)| kept.digest != meta.digest);
        snapshots.push((meta.clone(), body));
        snapshots.sort_by_key(|(meta, _)| std::cmp::Reverse(meta.seq));
        Ok(())
    }

    fn verify(&self, meta: &SnapshotMeta, body: &Bytes) -> Result<()> {
        let has_length = self.flaw == Flaw::Shallow || body.len() as u64 == meta.bytes;
        let is_sound = has_length && Sha256::digest(body)[..] == meta.digest;
        if is_sound || self.flaw == Flaw::Believes {
            return Ok(());
        }
        Err(Error::Corrupt("the body is another".to_owned()))
    }
}

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.memory.fmt(f)
    }
}

#[async_trait]
impl ChangeTransport for Unverified {
    async fn put_snapshot(&self, meta: SnapshotMeta, body: ByteStream) -> Result<()> {
        let is_new = !self.snapshots().await?.contains(&meta);
        match self.flaw {
            Flaw::Hasty if is_new => self.list(&meta, Bytes::new()).await?,
            Flaw::Overwrites => self.remove_snapshot(&meta).await?,
            _ => {}
        }
        let stored = self.store(&meta, body).await;
        if stored.is_err() && self.flaw == Flaw::Hasty && is_new {
            self.remove_snapshot(&meta).await?;
        }
        stored
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotMeta>> {
        Ok(self.open().await?.iter().map(|(meta, _)| meta.clone()).collect())
    }

    async fn get_snapshot(&self, meta: &SnapshotMeta) -> Result<ByteStream> {
        let snapshots = self.open().await?;
        let found = snapshots.iter().find(|(kept, _)| kept.digest == meta.digest);
        let (_, body) = found.ok_or_else(|| Error::transport("test", "there is none"))?;
        Ok(stream::iter([Ok(body.clone())]).boxed())
    }

    async fn remove_snapshot(&self, meta: &SnapshotMeta) -> Result<()> {
        self.open().await?.retain(|(kept, _)| kept.digest != meta.digest);
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn append(&self, draft: Draft) -> Result<Appended, AppendError> {
        self.memory.append(draft).await
    }

    async fn subscribe(&self, from: Seq) -> Result<BoxStream<'static, Result<Delivery>>> {
        self.memory.subscribe(from).await
    }

    async fn read(&self, seq: Seq) -> Result<Option<Stored>> {
        self.memory.read(seq).await
    }

    async fn bounds(&self) -> Result<Bounds> {
        self.memory.bounds().await
    }

    async fn trim(&self, before: Seq) -> Result<()> {
        self.memory.trim(before).await
    }

    fn warnings(&self) -> Vec<String> {
        self.memory.warnings()
    }

    async fn health(&self) -> TransportHealth {
        self.memory.health().await
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        self.memory.remove_member(name).await
    }

    async fn close(&self) -> Result<()> {
        self.memory.close().await
    }
}
