//! Bringing a database of v0.0.7 into a log that nodes of that version have begun.
//!
//! The file is the state before some entry, which only its user knows. What stands after that
//! is applied to a copy of it as v0.0.7 would, and what comes out is made the log's base.

use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use ha_changes::{BaseSnapshot, Kind};
use ha_core::{Bounds, ChangeTransport, Delivery, Error, Result, RunningHash, Seq, Stored};
use ha_sqlite::{OpenOptions, error};
use rusqlite::Connection;
use tempfile::NamedTempFile;

use super::base::{self, Made, Source};
use super::{Start, blocking};
use crate::machine::{Identity, Position, Reseed};
use crate::options::NodeOptions;
use crate::snapshot;
use crate::snapshots::Room;
use crate::store::{self, Record, Store, TransactionLimit};
use crate::writer::Problem;

/// How often the base is offered while the nodes of v0.0.7 go on writing.
const TRIES: u32 = 20;

/// Entries that are applied at a time.
const AT_A_TIME: usize = 64;

/// Makes the log's base from the file of `options`, which is the state before `first`; or
/// restores the base if the log has one that was made from this file.
pub(super) async fn migrate(
    options: &NodeOptions,
    open: &OpenOptions,
    identity: &Identity,
    transport: &Arc<dyn ChangeTransport>,
    (digest, first): ([u8; 32], Seq),
) -> Result<Start> {
    let mut bounds = transport.bounds().await?;
    let mut copy = Copy::of(options, open, &bounds, first).await?;
    for _ in 0..TRIES {
        if let Some((base, entry)) = copy.follow(transport, &bounds, digest).await? {
            return Ok(restore(&bounds, base, entry));
        }
        let source = Source::File(digest);
        match base::offer(copy.file.path(), identity, transport, &bounds, source).await? {
            Made::Stored(base, entry) => return Ok(restore(&bounds, *base, entry)),
            Made::Late => bounds = transport.bounds().await?,
        }
    }
    Err(Error::config(
        "--replication-policy",
        "the log moves on faster than the database can be brought to its end; stop the writers for a moment",
    ))
}

/// The node restores the base as every other one does.
fn restore(bounds: &Bounds, base: BaseSnapshot, entry: Stored) -> Start {
    let problem = Some(Problem::Reseed(Reseed::base(bounds.lineage, base, entry)));
    let (record, end) = (Record::empty(bounds.lineage), bounds.last);
    Start { record, end, has_state: false, problem, entry: None, partial: None }
}

/// A copy of the file, on its way to the end of the log.
struct Copy {
    file: NamedTempFile,
    open: OpenOptions,
    record: Record,
    /// Read next; what is before `wanted` is in the file.
    next: Seq,
    wanted: Seq,
}

impl Copy {
    async fn of(
        options: &NodeOptions,
        open: &OpenOptions,
        bounds: &Bounds,
        wanted: Seq,
    ) -> Result<Self> {
        let room = Room::of(&options.path, open.clone(), options.scratch);
        let path = options.path.clone();
        let seq = Seq(wanted.0 - 1);
        let position = Position { lineage: bounds.lineage, seq, hash: RunningHash::default() };
        let record = Record { position, transactions: 0 };
        let file = blocking(move || copied(&path, &room, record)).await?;
        Ok(Self { file, open: open.clone(), record, next: bounds.first, wanted })
    }

    /// Applies what the log has up to these bounds. A base that was made from this very file is
    /// given back; other entries of nodes of this version mean that the log has begun without it.
    async fn follow(
        &mut self,
        transport: &Arc<dyn ChangeTransport>,
        bounds: &Bounds,
        digest: [u8; 32],
    ) -> Result<Option<(BaseSnapshot, Stored)>> {
        if self.next > bounds.last {
            return Ok(None);
        }
        let mut deliveries = transport.subscribe(self.next).await?;
        let mut waiting = Vec::new();
        while self.next <= bounds.last {
            let delivery = deliveries.next().await.ok_or(Error::Closed)??;
            let Delivery::Entry(stored) = delivery else { continue };
            self.next = stored.seq.next();
            if let Some(kind) = kind(&stored) {
                self.apply(std::mem::take(&mut waiting)).await?;
                return self.base(kind, stored, digest).await.map(Some);
            }
            if stored.seq >= self.wanted {
                waiting.push(stored);
            }
            if waiting.len() == AT_A_TIME || self.next > bounds.last {
                self.apply(std::mem::take(&mut waiting)).await?;
            }
        }
        Ok(None)
    }

    /// The base that an entry of a node of this version is, if it was made from this file: a start
    /// that did not get to the end may have opened the file, so that its bytes are others now.
    async fn base(
        &self,
        kind: Kind,
        stored: Stored,
        digest: [u8; 32],
    ) -> Result<(BaseSnapshot, Stored)> {
        if let Kind::Base(base) = kind {
            let (path, made) = (self.file.path().to_owned(), base);
            let is_this = base.source == Some(digest)
                || blocking(move || base::is_made_of(&made, &path)).await?;
            if is_this {
                return Ok((base, stored));
            }
        }
        Err(begun_without(stored.seq))
    }

    async fn apply(&mut self, entries: Vec<Stored>) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let (path, open) = (self.file.path().to_owned(), self.open.clone());
        let record = self.record;
        self.record = blocking(move || apply(&path, &open, record, &entries)).await?;
        Ok(())
    }
}

/// A copy with our tables, at `record`. Blocks.
fn copied(path: &Path, room: &Room, record: Record) -> Result<NamedTempFile> {
    let file = room.file()?;
    let failed = |failure| snapshot::failed("copy the database", failure);
    let source = Connection::open(path).map_err(failed)?;
    snapshot::copy(&source, file.path()).map_err(failed)?;
    let copy = Connection::open(file.path()).map_err(failed)?;
    store::create(&copy).and_then(|()| store::write_record(&copy, &record, None)).map_err(error)?;
    Ok(file)
}

/// Applies entries as nodes of v0.0.7 do. Blocks.
fn apply(path: &Path, open: &OpenOptions, record: Record, entries: &[Stored]) -> Result<Record> {
    let mut store = Store::open(path, open, record, TransactionLimit::none())?;
    let mut record = record;
    for Stored { seq, payload } in entries {
        record.position.seq = *seq;
        record.position.hash = record.position.hash.extend(*seq, payload);
        match ha_changes::decode(payload) {
            Ok(entry) => store.apply(&entry, record, payload)?,
            Err(reason) => store.skip(record, payload, Some(reason.to_string()))?,
        };
    }
    Ok(record)
}

/// What an entry of a node of this version is.
fn kind(stored: &Stored) -> Option<Kind> {
    Some(ha_changes::decode(&stored.payload).ok()?.meta?.kind)
}

fn begun_without(entry: Seq) -> Error {
    Error::config(
        "--replication-policy",
        format!(
            "entry {entry} of the log is of a node of this version: the log has begun without this file. To \
             follow it, start with a file that does not exist and without the policy"
        ),
    )
}
