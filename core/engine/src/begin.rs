//! Where a node begins: what its file is, what the log is, and whether they fit.

mod base;
mod file;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ha_changes::Kind;
use ha_core::{Bounds, ChangeTransport, Error, Lineage, Result, Seq};
use ha_sqlite::{OpenOptions, Role, error};
use rusqlite::Connection;

use crate::host;
use crate::machine::{Identity, Position, Reseed, compare};
use crate::options::NodeOptions;
use crate::store::{self, Record};
use crate::writer::Problem;
use file::{Looked, look};

pub(crate) use file::lock;
pub use file::{Found, inspect};

/// How the node starts.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) record: Record,
    pub(crate) end: Seq,
    /// The file has a state that is worth reading before the node is caught up.
    pub(crate) has_state: bool,
    /// What keeps the node from simply going on, if something does.
    pub(crate) problem: Option<Problem>,
    /// The entry at the position, if the file has it not.
    pub(crate) entry: Option<Bytes>,
}

/// Decides how the node starts, and makes what has to be made for it: the file, the base.
pub(crate) async fn begin(
    options: &NodeOptions,
    open: &OpenOptions,
    identity: &Identity,
    transport: &Arc<dyn ChangeTransport>,
) -> Result<Start> {
    let path = options.path.clone();
    let found = blocking(move || look(&path)).await?;
    let bounds = transport.bounds().await?;
    let readable = transport.capabilities().readable;
    let start = match found {
        Looked::Nothing => empty(&bounds),
        Looked::Position(record) if !readable => resume(record, &bounds),
        Looked::Foreign(_) if !readable => from_here(bounds.lineage),
        Looked::Position(record) => match beginning_of(record.position, &bounds, options)? {
            Beginning::Resume => verified(record, &bounds, options, transport).await?,
            Beginning::NewBase => base::make(options, identity, transport, &bounds, None).await?,
            Beginning::Reseed(reseed) => {
                Start { problem: Some(Problem::Reseed(reseed)), ..resume(record, &bounds) }
            }
            Beginning::Stop(reason) => stand_still(record, &bounds, reason),
        },
        Looked::Foreign(digest) if bounds.last == Seq::ZERO => {
            base::make(options, identity, transport, &bounds, Some(digest)).await?
        }
        Looked::Foreign(digest) => accepted(&options.path, digest, &bounds, transport).await?,
    };
    let (path, open, record) = (options.path.clone(), open.clone(), start.record);
    let entry = start.entry.clone();
    blocking(move || prepare(&path, &open, record, entry.as_deref())).await?;
    Ok(start)
}

enum Beginning {
    Resume,
    NewBase,
    Reseed(Reseed),
    Stop(String),
}

/// What a file with a position and a log mean for each other.
fn beginning_of(position: Position, bounds: &Bounds, options: &NodeOptions) -> Result<Beginning> {
    let other_log = bounds.lineage != position.lineage;
    let stream_is_empty = bounds.last == Seq::ZERO;
    if position.seq == Seq::ZERO && stream_is_empty {
        return Ok(Beginning::Resume);
    }
    if stream_is_empty && other_log && (options.own_stream || options.new_lineage) {
        tracing::warn!(
            database = %options.path.display(),
            position = %position.seq,
            lineage = %position.lineage,
            "the stream is new and empty: this database becomes the base of a new log"
        );
        return Ok(Beginning::NewBase);
    }
    if options.new_lineage {
        return Err(Error::config(
            "--new-lineage",
            format!(
                "the stream already holds a log (lineage {}, entries {} to {}); a new one begins only on an empty stream",
                bounds.lineage, bounds.first, bounds.last
            ),
        ));
    }
    if stream_is_empty && other_log {
        return Ok(Beginning::Stop(format!(
            "the stream is empty, this database is at {}-{}: if no other node is further, start this \
             one with --new-lineage to begin a new log from it",
            position.lineage, position.seq
        )));
    }
    if let Some(reseed) = Reseed::across_gap(&position, bounds) {
        return Ok(Beginning::Reseed(reseed));
    }
    Ok(compare(&position, bounds).err().map_or(Beginning::Resume, Beginning::Stop))
}

/// Resumes if the log's entry at the position is the one applied here.
async fn verified(
    record: Record,
    bounds: &Bounds,
    options: &NodeOptions,
    transport: &Arc<dyn ChangeTransport>,
) -> Result<Start> {
    let seq = record.position.seq;
    if seq == Seq::ZERO || seq < bounds.first {
        return Ok(resume(record, bounds));
    }
    let path = options.path.clone();
    let kept = blocking(move || {
        let conn = Connection::open(&path).map_err(error)?;
        store::entry(&conn, seq).map_err(error)
    })
    .await?;
    let stored = transport.read(seq).await?;
    match (kept, stored) {
        (Some(kept), Some(stored)) if kept != stored.payload => Ok(stand_still(
            record,
            bounds,
            format!(
                "the stream holds another entry at {seq} than the one applied here: it was rewound or \
                 restored from an old copy, or this database follows another cluster. Start with an \
                 empty database file to follow the stream"
            ),
        )),
        _ => Ok(resume(record, bounds)),
    }
}

/// A file without a position beside a log that has begun is accepted only if it is the very
/// file that the log's base was made of.
async fn accepted(
    path: &Path,
    digest: [u8; 32],
    bounds: &Bounds,
    transport: &Arc<dyn ChangeTransport>,
) -> Result<Start> {
    let refusal = || {
        Error::config(
            path.display().to_string(),
            "the file has content but no position in the log, and the stream has begun without it. \
             To follow the stream, start with a file that does not exist; to import this file, load \
             it over SQL (sqlite3 FILE .dump | psql) or start it on an empty stream",
        )
    };
    let first = transport.read(bounds.first).await?.ok_or_else(refusal)?;
    let entry = ha_changes::decode(&first.payload).map_err(|_| refusal())?;
    let Some(Kind::Base(base)) = entry.meta.map(|meta| meta.kind) else { return Err(refusal()) };
    if base.source != Some(digest) {
        return Err(refusal());
    }
    let hash = base.hash.extend(first.seq, &first.payload);
    let position = Position { lineage: bounds.lineage, seq: first.seq, hash };
    let record = Record { position, transactions: 0 };
    Ok(Start {
        record,
        end: bounds.last,
        has_state: false,
        problem: None,
        entry: Some(first.payload),
    })
}

fn empty(bounds: &Bounds) -> Start {
    let record = Record::empty(bounds.lineage);
    let problem = Reseed::across_gap(&record.position, bounds).map(Problem::Reseed);
    Start { record, end: bounds.last, has_state: false, problem, entry: None }
}

fn resume(record: Record, bounds: &Bounds) -> Start {
    let mut record = record;
    if record.position.seq == Seq::ZERO {
        record.position.lineage = bounds.lineage;
    }
    let has_state = record.position.seq > Seq::ZERO;
    Start { record, end: bounds.last, has_state, problem: None, entry: None }
}

fn from_here(lineage: Lineage) -> Start {
    Start {
        record: Record::empty(lineage),
        end: Seq::ZERO,
        has_state: true,
        problem: None,
        entry: None,
    }
}

fn stand_still(record: Record, bounds: &Bounds, reason: String) -> Start {
    Start {
        record,
        end: bounds.last,
        has_state: true,
        problem: Some(Problem::Stop(reason)),
        entry: None,
    }
}

/// Makes the file and our tables if they are missing, and records the position.
fn prepare(path: &Path, open: &OpenOptions, record: Record, entry: Option<&[u8]>) -> Result<()> {
    let conn = ha_sqlite::open(path, Role::Apply, open).map_err(|failure| {
        Error::Corrupt(format!("open the database {}: {}", path.display(), error(failure)))
    })?;
    store::create(&conn).map_err(error)?;
    if store::read_record(&conn)? == Some(record) {
        return Ok(());
    }
    // What it kept of another log decides nothing in this one.
    conn.execute_batch(
        "BEGIN IMMEDIATE; DELETE FROM _ha_entries; DELETE FROM _ha_keys; DELETE FROM _ha_skipped",
    )
    .and_then(|()| store::write_record(&conn, &record, entry))
    .and_then(|()| conn.execute_batch("COMMIT"))
    .map_err(error)
}

async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    host::blocking(run).await?
}
