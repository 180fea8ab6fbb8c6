//! Making a database the base of a log.

use std::path::Path;
use std::sync::Arc;

use ha_changes::{Base, BaseSnapshot, Entry, Kind, Meta};
use ha_core::{
    AppendError, AttemptId, Bounds, ChangeTransport, Draft, Error, Result, RunningHash, Seq,
    SnapshotMeta, Stored,
};
use rusqlite::Connection;
use tempfile::NamedTempFile;

use super::file::digest;
use super::{Start, blocking};
use crate::machine::{Identity, Position};
use crate::options::NodeOptions;
use crate::snapshot;
use crate::store::{self, Record};

/// How often the base is offered while nobody knows whether it is stored.
const TRIES: u64 = 10;

/// What the base of a log is made from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// A file that was never part of a log: its SHA-256 as it was given.
    File([u8; 32]),
    /// A database that stands at this place of another log.
    Log(Position),
}

/// What came of offering a base.
#[derive(Debug)]
pub(super) enum Made {
    /// It is this entry.
    Stored(Box<BaseSnapshot>, Stored),
    /// Another entry has its place.
    Late,
}

/// Begins the empty log with the file's state.
pub(super) async fn make(
    options: &NodeOptions,
    identity: &Identity,
    transport: &Arc<dyn ChangeTransport>,
    bounds: &Bounds,
    source: Source,
) -> Result<Start> {
    let made = offer(&options.path, identity, transport, bounds, source).await?;
    let Made::Stored(base, Stored { seq, payload }) = made else {
        return Err(begun_by_another(bounds.last.next()));
    };
    let hash = base.hash.extend(seq, &payload);
    let position = Position { lineage: bounds.lineage, seq, hash };
    tracing::info!(database = %options.path.display(), "the database is the base of the log");
    let record = Record { position, transactions: 0 };
    let entry = Some(payload);
    Ok(Start { record, end: seq, has_state: true, problem: None, entry, partial: None })
}

/// Stores the file's state as a snapshot, and appends an entry to the log that names it and
/// what it was made from, by which others know whether they have the same.
pub(super) async fn offer(
    path: &Path,
    identity: &Identity,
    transport: &Arc<dyn ChangeTransport>,
    bounds: &Bounds,
    source: Source,
) -> Result<Made> {
    let (path, seq) = (path.to_owned(), bounds.last);
    let keys = match source {
        Source::File(_) => None,
        Source::Log(position) => Some((position.seq, seq.next())),
    };
    let (file, digest, bytes) = blocking(move || image(&path, keys)).await?;
    let hash = RunningHash::default().extend(seq, &digest);
    let meta = SnapshotMeta { digest, bytes, lineage: bounds.lineage, seq, hash };
    transport.put_snapshot(meta.clone(), snapshot::body(file)?).await?;
    let (source, from) = match source {
        Source::File(digest) => (Some(digest), None),
        Source::Log(Position { lineage, seq, hash }) => (None, Some(Base { lineage, seq, hash })),
    };
    let base = BaseSnapshot { source, digest, bytes, seq, hash, from };
    if let Some((base, entry)) = append(identity, transport, bounds, base).await? {
        return Ok(Made::Stored(Box::new(base), entry));
    }
    // No base names it; what is left of it harms nobody.
    let _ = transport.remove_snapshot(&meta).await;
    Ok(Made::Late)
}

/// Whether the base is the state of the file at `path`, which may have other bytes than it was
/// given with: the first start, if it did not get to the end, has opened it.
pub(super) fn is_made_of(base: &BaseSnapshot, path: &Path) -> Result<bool> {
    image(path, None).map(|(_, digest, _)| digest == base.digest)
}

/// The file's state, its digest and its size. Of what is ours only the idempotency keys are in it, if
/// they are to go from a place in one log to a place in another.
fn image(path: &Path, keys: Option<(Seq, Seq)>) -> Result<(NamedTempFile, [u8; 32], u64)> {
    let failed = |failure| snapshot::failed("make the log's base", failure);
    let (copied, file) = (snapshot::temporary()?, snapshot::temporary()?);
    let source = Connection::open(path).map_err(failed)?;
    refuse_encoding(&source)?;
    snapshot::copy(&source, copied.path()).map_err(failed)?;
    let copy = Connection::open(copied.path()).map_err(failed)?;
    strip(&copy, keys, file.path()).map_err(failed)?;
    let digest = digest(file.path())?;
    let bytes = std::fs::metadata(file.path())
        .map_err(|error| Error::io("read a temporary file", &error))?
        .len();
    Ok((file, digest, bytes))
}

/// Removes what is ours but for the keys, and writes the rest to `target` with the page size that the
/// databases of all nodes have: a base of another cannot be restored into an open one. VACUUM INTO
/// keeps the rowids, as VACUUM does not.
fn strip(copy: &Connection, keys: Option<(Seq, Seq)>, target: &Path) -> rusqlite::Result<()> {
    match keys {
        Some((from, to)) => store::carry_keys(copy, from, to)?,
        None => copy.execute_batch("DROP TABLE IF EXISTS _ha_keys")?,
    }
    copy.execute_batch(
        "DROP TABLE IF EXISTS _ha_position; DROP TABLE IF EXISTS _ha_entries;
         DROP TABLE IF EXISTS _ha_skipped; DROP TABLE IF EXISTS _ha_partial;
         PRAGMA page_size = 4096;",
    )?;
    copy.execute("VACUUM INTO ?1", [target.to_string_lossy()]).map(drop)
}

/// Open connections cannot change their encoding, so that no node could restore such a base.
fn refuse_encoding(source: &Connection) -> Result<()> {
    let encoding: String = source
        .pragma_query_value(None, "encoding", |row| row.get(0))
        .map_err(|failure| snapshot::failed("make the log's base", failure))?;
    if encoding == "UTF-8" {
        return Ok(());
    }
    Err(Error::config(
        "the database file",
        format!(
            "its texts are stored in {encoding}; only UTF-8 can be replicated. Make it again: \
             sqlite3 OLD .dump | sqlite3 NEW"
        ),
    ))
}

/// Appends the base entry. Another node may have done so with the same state at the same moment:
/// then it is that one's. `None` if something else has its place.
async fn append(
    identity: &Identity,
    transport: &Arc<dyn ChangeTransport>,
    bounds: &Bounds,
    base: BaseSnapshot,
) -> Result<Option<(BaseSnapshot, Stored)>> {
    let attempt = AttemptId { boot: identity.boot, counter: 0 };
    let place = Base { lineage: bounds.lineage, seq: base.seq, hash: base.hash };
    let entry = Entry {
        node: identity.node.clone(),
        process_id: identity.process_id,
        timestamp_ns: identity.process_id,
        meta: Some(Meta::new(attempt, place, Kind::Base(base))),
        changes: Vec::new(),
    };
    let payload = ha_changes::encode(&entry).map_err(|error| Error::Corrupt(error.to_string()))?;
    let stored = Stored { seq: bounds.last.next(), payload: payload.into() };
    let draft = Draft { expect: Some(bounds.last), attempt, parts: vec![stored.payload.clone()] };
    for _ in 0..TRIES {
        match transport.append(draft.clone()).await {
            Ok(appended) if appended.last == stored.seq => return Ok(Some((base, stored))),
            Err(AppendError::NotSent { reason }) => return Err(Error::NotSent(reason)),
            // Refused or unknown: what stands at the place tells.
            Ok(_) | Err(_) => {
                if let Some(found) = transport.read(stored.seq).await? {
                    return Ok(base_in(&found, &base.digest).map(|base| (base, found)));
                }
            }
        }
    }
    Err(Error::NotSent("the log does not answer".to_owned()))
}

/// The base that an entry is, if it names this state.
fn base_in(entry: &Stored, digest: &[u8; 32]) -> Option<BaseSnapshot> {
    match ha_changes::decode(&entry.payload).ok()?.meta?.kind {
        Kind::Base(base) if base.digest == *digest => Some(base),
        _ => None,
    }
}

fn begun_by_another(seq: Seq) -> Error {
    Error::config(
        "the database file",
        format!(
            "another node has begun the log (entry {seq}) at the same moment. To follow it, start \
             again with a file that does not exist"
        ),
    )
}
