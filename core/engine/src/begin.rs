//! Where a node begins: what its file is, what the log is, and whether they fit.

mod base;
mod file;
mod migrate;
mod policy;
mod position;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ha_changes::Kind;
use ha_core::{Bounds, ChangeTransport, Error, Lineage, Result, Seq};
use ha_sqlite::{OpenOptions, Role, error};

use crate::heal::{KeptFile, lost_entries};
use crate::host;
use crate::machine::{Identity, Position, Reseed};
use crate::options::NodeOptions;
use crate::store::{self, Record};
use crate::writer::Problem;
use base::Source;
use file::{Looked, look};
use migrate::migrate;
use policy::{first_wanted, partial};
use position::with_position;

pub use file::{Found, inspect};
pub(crate) use file::{found, lock};
pub use policy::BeginAt;
pub(crate) use policy::why_read_only;

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
    /// The node has the log from this entry on only, and not the whole database.
    pub(crate) partial: Option<Seq>,
}

/// Decides how the node starts, and makes what has to be made for it: the file, the base. `file` is the
/// database's.
pub(crate) async fn begin(
    options: &NodeOptions,
    open: &OpenOptions,
    identity: &Identity,
    transport: &Arc<dyn ChangeTransport>,
    file: &KeptFile,
) -> Result<Start> {
    remind_of_lost_entries(options);
    let kept = file.clone();
    let found = blocking(move || look(&kept)).await?;
    let bounds = transport.bounds().await?;
    let readable = transport.capabilities().readable;
    let start = match found {
        Looked::Position(record) if !readable => resume(record, &bounds),
        Looked::Foreign(_) if !readable => from_here(bounds.lineage),
        Looked::Nothing => without_file(options, transport, &bounds).await?,
        Looked::Position(record) => {
            with_position(record, options, identity, transport, &bounds, file).await?
        }
        Looked::Foreign(digest) if bounds.last == Seq::ZERO => {
            base::make(options, identity, transport, &bounds, Source::File(digest)).await?
        }
        Looked::Foreign(digest) => with_content(options, open, identity, transport, digest).await?,
    };
    let (kept, open, record) = (file.clone(), open.clone(), start.record);
    let (entry, partial) = (start.entry.clone(), start.partial);
    let prepare = move || match is_prepared(&kept, record) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => prepare(kept.path(), &open, record, entry.as_deref(), partial),
    };
    blocking(prepare).await?;
    Ok(start)
}

/// No file: everything is to come from the log, or what the policy says of it.
async fn without_file(
    options: &NodeOptions,
    transport: &Arc<dyn ChangeTransport>,
    bounds: &Bounds,
) -> Result<Start> {
    if options.begin_at == BeginAt::Beginning {
        return Ok(empty(bounds));
    }
    let first = first_wanted(options.begin_at, transport, bounds).await?;
    if first <= Seq(1) { Ok(empty(bounds)) } else { partial(transport, bounds, first).await }
}

/// A file with content that was never part of a log, beside a log that has begun.
async fn with_content(
    options: &NodeOptions,
    open: &OpenOptions,
    identity: &Identity,
    transport: &Arc<dyn ChangeTransport>,
    digest: [u8; 32],
) -> Result<Start> {
    let bounds = transport.bounds().await?;
    let begin_at = options.begin_at;
    if begin_at == BeginAt::Beginning {
        return accepted(&options.path, digest, &bounds, transport).await;
    }
    let first = first_wanted(begin_at, transport, &bounds).await?;
    if !begin_at.is_a_place() {
        return partial(transport, &bounds, first).await;
    }
    if options.compat_v007 {
        return migrate(options, open, identity, transport, (digest, first)).await;
    }
    Err(Error::config(
        "--replication-policy",
        "by_start_… beside a file without a position is for a database of v0.0.7: add --compat v0.0.7",
    ))
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
    let path = path.to_owned();
    if base.source != Some(digest) && !blocking(move || base::is_made_of(&base, &path)).await? {
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
        partial: None,
    })
}

fn empty(bounds: &Bounds) -> Start {
    let record = Record::empty(bounds.lineage);
    let problem = Reseed::across_gap(&record.position, bounds).map(Problem::Reseed);
    Start { record, end: bounds.last, has_state: false, problem, entry: None, partial: None }
}

fn resume(record: Record, bounds: &Bounds) -> Start {
    let mut record = record;
    if record.position.seq == Seq::ZERO {
        record.position.lineage = bounds.lineage;
    }
    let has_state = record.position.seq > Seq::ZERO;
    Start { record, end: bounds.last, has_state, problem: None, entry: None, partial: None }
}

fn from_here(lineage: Lineage) -> Start {
    Start {
        record: Record::empty(lineage),
        end: Seq::ZERO,
        has_state: true,
        problem: None,
        entry: None,
        partial: None,
    }
}

/// Whether the file has all our tables and the position.
fn is_prepared(file: &KeptFile, record: Record) -> Result<bool> {
    file.read(|conn| {
        let is_there = || Ok(store::read_record(conn)? == Some(record));
        Ok(store::is_created(conn).map_err(error)? && is_there()?)
    })
}

/// Makes the file and our tables if they are missing, and records the position.
fn prepare(
    path: &Path,
    open: &OpenOptions,
    record: Record,
    entry: Option<&[u8]>,
    partial: Option<Seq>,
) -> Result<()> {
    let conn = ha_sqlite::open(path, Role::Apply, open).map_err(|failure| {
        Error::Corrupt(format!("open the database {}: {}", path.display(), error(failure)))
    })?;
    store::create(&conn).map_err(error)?;
    let known = store::read_record(&conn)?;
    if known == Some(record) {
        return Ok(());
    }
    let place = |record: Record| (record.position.seq, record.position.hash);
    let is_same_log = record.position.seq > Seq::ZERO && known.map(place) == Some(place(record));
    let from = known.map_or(Seq::ZERO, |known| known.position.seq);
    let change_log = || store::change_log(&conn, from, record.position.seq);
    conn.execute_batch("BEGIN IMMEDIATE")
        .and_then(|()| if is_same_log { Ok(()) } else { change_log() })
        .and_then(|()| store::write_record(&conn, &record, entry))
        .and_then(|()| partial.map_or(Ok(()), |first| store::mark_partial(&conn, first)))
        .and_then(|()| conn.execute_batch("COMMIT"))
        .map_err(error)
}

fn remind_of_lost_entries(options: &NodeOptions) {
    for file in lost_entries(&options.lost) {
        tracing::warn!(
            file = %file.display(),
            "holds entries that this node had applied and the log has lost; look at them, then move the file away"
        );
    }
}

async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    host::blocking(run).await?
}
