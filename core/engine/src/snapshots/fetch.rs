//! Fetching the state that a database is to become.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use ha_changes::BaseSnapshot;
use ha_core::{Bounds, ChangeTransport, Error, Lineage, Result, Seq, SnapshotMeta, Stored};
use tempfile::NamedTempFile;
use tokio::sync::mpsc;

use super::choose::{Fit, candidates, fit, of_other_lineages};
use super::{Room, check, unpack};
use crate::chain::Back;
use crate::heal::Kept;
use crate::host;
use crate::machine::{NoSeed, Position, Target};
use crate::planted::{Bug, planted};
use crate::store::Record;

/// How long the transport may take for an answer, or for the next piece of a snapshot.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pieces that may wait for the disk.
const AHEAD: usize = 4;

/// Told how many bytes of how many have arrived.
pub(crate) type Progress<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

/// A state that a database can become.
#[derive(Debug)]
pub(crate) struct Seed {
    /// A database; an empty file stands for an empty one.
    pub(crate) file: NamedTempFile,
    /// Where the database stands then.
    pub(crate) record: Record,
    /// The entry there, if the file has it not.
    pub(crate) entry: Option<Bytes>,
    /// Where the log ended when it was asked.
    pub(crate) end: Seq,
}

/// Finds and fetches the state, in bounded memory, and checks it.
pub(crate) async fn fetch(
    transport: &Arc<dyn ChangeTransport>,
    target: Target,
    room: &Room,
    progress: Progress<'_>,
) -> Result<Seed, NoSeed> {
    let mut fetching = Fetching { transport, room, progress };
    let failed = |error: Error| NoSeed::Failed(error.to_string());
    let bounds = in_time(transport.bounds()).await.map_err(failed)?;
    let (Target::Newest { lineage } | Target::Base { lineage, .. }) = &target;
    if *lineage != bounds.lineage && !planted(Bug::OtherLogRestored) {
        return Err(NoSeed::OtherLog);
    }
    let Target::Base { lineage, snapshot, entry } = target else {
        return fetching.newest(&bounds, Seq::ZERO).await;
    };
    let at = entry.seq;
    match fetching.base(lineage, *snapshot, entry, bounds.last).await {
        // A later state is as good.
        Err(Error::Corrupt(reason)) => {
            let newer = fetching.newest(&bounds, at).await;
            newer
                .map_err(|_| NoSeed::Failed(format!("the log's base cannot be restored: {reason}")))
        }
        other => other.map_err(failed),
    }
}

struct Fetching<'a> {
    transport: &'a Arc<dyn ChangeTransport>,
    room: &'a Room,
    progress: Progress<'a>,
}

impl Fetching<'_> {
    /// The newest snapshot that is whole and fits; an empty database if there is none and the
    /// log is all there.
    async fn newest(&mut self, bounds: &Bounds, at_least: Seq) -> Result<Seed, NoSeed> {
        let failed = |error: Error| NoSeed::Failed(error.to_string());
        let stored = in_time(self.transport.snapshots()).await.map_err(failed)?;
        let exact = self.transport.capabilities().exact_bounds;
        let ahead = |meta: &SnapshotMeta| meta.lineage == bounds.lineage && meta.seq > bounds.last;
        let is_behind = !exact && stored.iter().any(ahead);
        let mut failure = None;
        let others = of_other_lineages(stored.clone(), bounds, at_least);
        for meta in candidates(stored, bounds, at_least).into_iter().chain(others) {
            match self.snapshot(&meta, bounds).await {
                Ok(Some(seed)) => return Ok(seed),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(seq = %meta.seq, %error, "a snapshot cannot be restored");
                    failure = Some(error);
                }
            }
        }
        if bounds.first <= Seq(1) && at_least == Seq::ZERO {
            return self.nothing(bounds).await;
        }
        match failure {
            Some(error) => Err(failed(error)),
            // Its end is told as it was before the snapshot.
            None if is_behind => Err(NoSeed::Failed("the log is behind its snapshots".to_owned())),
            None => Err(NoSeed::Nothing("No snapshot that would do is stored".to_owned())),
        }
    }

    /// The snapshot's state; `None` if it is not one of this log.
    async fn snapshot(&mut self, meta: &SnapshotMeta, bounds: &Bounds) -> Result<Option<Seed>> {
        let fit = in_time(fit(self.transport, meta, None)).await?;
        let is_proven = fit == Fit::Proven;
        match fit {
            Fit::Unproven if meta.lineage != bounds.lineage => return Ok(None),
            Fit::Proven | Fit::Unproven => {}
            Fit::Contradicted(by) => {
                tracing::error!(seq = %meta.seq, %by, "a snapshot is not the state that a later entry was made on");
                return Ok(None);
            }
            Fit::Base(base, entry) => {
                return self.base(bounds.lineage, *base, entry, bounds.last).await.map(Some);
            }
        }
        let (file, room, described) = (self.download(meta).await?, self.room.clone(), meta.clone());
        let (file, mut record, kept, unproven) = blocking(move || {
            let record = check::check(file.path(), &described, &room)?;
            let kept = check::kept(file.path(), &record, &room)?;
            let unproven: Vec<_> =
                kept.unproven().map(|(seq, payload)| (seq, payload.clone())).collect();
            Ok((check::fitted(file, &room)?, record, kept, unproven))
        })
        .await?;
        // An entry that was made on it may be void itself.
        match ends_like_the_log(self.transport, &record.position, &kept).await? {
            Some(false) => return Ok(None),
            None if !is_proven => tracing::warn!(
                seq = %meta.seq,
                "no entry of the log says what the snapshot was made on; it is taken at its word"
            ),
            Some(true) | None => {}
        }
        keeps_the_log(self.transport, bounds, &unproven).await?;
        record.position.lineage = bounds.lineage;
        Ok(Some(Seed { file, record, entry: None, end: bounds.last }))
    }

    /// What a base entry names. Its digest is in the log, so that it needs no other proof.
    async fn base(
        &mut self,
        lineage: Lineage,
        base: BaseSnapshot,
        entry: Stored,
        end: Seq,
    ) -> Result<Seed> {
        let stored = in_time(self.transport.snapshots()).await?;
        let meta = stored.into_iter().find(|meta| meta.digest == base.digest).ok_or_else(|| {
            Error::Corrupt(format!("snapshot {} is not stored", hex::encode(base.digest)))
        })?;
        let (file, room) = (self.download(&meta).await?, self.room.clone());
        let file = blocking(move || {
            check::sound(file.path(), &room)?;
            check::fitted(file, &room)
        })
        .await?;
        let Stored { seq, payload } = entry;
        let position = Position { lineage, seq, hash: base.hash.extend(seq, &payload) };
        let record = Record { position, transactions: 0 };
        Ok(Seed { file, record, entry: Some(payload), end })
    }

    /// An empty database, if the log is still the one that has everything.
    async fn nothing(&mut self, bounds: &Bounds) -> Result<Seed, NoSeed> {
        let failed = |error: Error| NoSeed::Failed(error.to_string());
        let now = in_time(self.transport.bounds()).await.map_err(failed)?;
        if now.lineage != bounds.lineage {
            return Err(NoSeed::OtherLog);
        }
        let file = self.room.file().map_err(failed)?;
        Ok(Seed { file, record: Record::empty(bounds.lineage), entry: None, end: bounds.last })
    }

    async fn download(&mut self, meta: &SnapshotMeta) -> Result<NamedTempFile> {
        let file = self.room.file()?;
        let out = file.reopen().map_err(|failure| Error::io("open a temporary file", &failure))?;
        let mut body = in_time(self.transport.get_snapshot(meta)).await?;
        let (chunks, received) = mpsc::channel(AHEAD);
        let described = meta.clone();
        let writing = host::beside(move || unpack::unpack(received, &described, out));
        let mut done = 0;
        while let Some(chunk) = in_time(body.try_next()).await? {
            done += chunk.len() as u64;
            (self.progress)(done, meta.bytes);
            if chunks.send(chunk).await.is_err() {
                break;
            }
        }
        drop(chunks);
        writing.await??;
        Ok(file)
    }
}

/// Whether the last entries that a snapshot has applied are the log's, as far back as one of them
/// says what it was made on: it may have been taken before the log lost them and others went on.
/// `None` if nothing can be compared.
async fn ends_like_the_log(
    transport: &Arc<dyn ChangeTransport>,
    at: &Position,
    kept: &Kept,
) -> Result<Option<bool>> {
    let (mut back, mut seen) = (Back::before(*at), None);
    while let Some(seq) = back.next() {
        let stored = match in_time(transport.read(seq)).await {
            Ok(stored) => stored.map(|stored| stored.payload),
            Err(Error::Truncated { .. }) => None,
            Err(error) => return Err(error),
        };
        let (Some(stored), Some(kept)) = (stored, kept.get(seq)) else { break };
        if stored != *kept {
            tracing::error!(%seq, "a snapshot has applied another entry than the log has");
            return Ok(Some(false));
        }
        seen = Some(true);
        back.push(stored);
    }
    Ok(seen)
}

/// The entries of a snapshot that do not prove it themselves are those of the log. A node that kept
/// others would take the log for rewound, and restore the same snapshot again.
///
/// # Errors
/// [`Error::Corrupt`] if one is not; those of the transport.
async fn keeps_the_log(
    transport: &Arc<dyn ChangeTransport>,
    bounds: &Bounds,
    unproven: &[(Seq, Bytes)],
) -> Result<()> {
    for (seq, payload) in unproven.iter().filter(|(seq, _)| *seq >= bounds.first) {
        let differs = match in_time(transport.read(*seq)).await {
            Ok(stored) => stored.is_some_and(|stored| stored.payload != *payload),
            Err(Error::Truncated { .. }) => false,
            Err(error) => return Err(error),
        };
        if differs {
            return Err(Error::Corrupt(format!(
                "the snapshot keeps another entry {seq} than the log has"
            )));
        }
    }
    Ok(())
}

async fn in_time<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::transport("the log", format!("no answer within {PATIENCE:?}"))),
    }
}

async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    host::blocking(run).await?
}
