//! The keys of a log, and what is asked of them.

use std::sync::LazyLock;

use bytes::Bytes;
use ha_core::{Bounds, Error, Lineage, Result, Seq, Stored};
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script, cmd};

use crate::link::Link;

static LOOK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/look.lua")));

/// The keys of a log. All begin with the stream's.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// The stream: the entries.
    pub(crate) stream: String,
    /// A hash: lineage, last sequence, bytes of all payloads ever stored.
    pub(crate) state: String,
    /// A sorted set: the newest tries without a condition, by the sequence they were stored at.
    pub(crate) attempts: String,
    /// A hash: the snapshots by their digests.
    pub(crate) snapshots: String,
    /// What the key of a snapshot's pieces begins with.
    pub(crate) pieces: String,
}

impl Keys {
    pub(crate) fn of(stream: &str) -> Self {
        Self {
            stream: stream.to_owned(),
            state: format!("{stream}:state"),
            attempts: format!("{stream}:attempts"),
            snapshots: format!("{stream}:snapshots"),
            pieces: format!("{stream}:snapshot:"),
        }
    }
}

/// The log at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) bounds: Bounds,
    /// What is stored at the place that was asked for.
    pub(crate) found: Option<Bytes>,
}

/// Looks at the log, which begins now if there is none, and at one place in it.
pub(crate) async fn look(
    mut connection: MultiplexedConnection,
    keys: &Keys,
    seq: Seq,
) -> RedisResult<Look> {
    let fresh = Lineage(rand::random());
    let mut invocation = LOOK.key(&keys.stream);
    invocation.key(&keys.state).key(&keys.attempts).arg(fresh.to_string()).arg(seq.0);
    let answer: (String, u64, u64, u64, Option<Vec<u8>>) =
        invocation.invoke_async(&mut connection).await?;
    let (lineage, first, last, bytes, found) = answer;
    let lineage = lineage.parse().map_err(|_| {
        let what = (redis::ErrorKind::UnexpectedReturnType, "the lineage is damaged");
        redis::RedisError::from(what)
    })?;
    let bounds = Bounds { lineage, first: Seq(first), last: Seq(last), bytes };
    Ok(Look { bounds, found: found.map(Bytes::from) })
}

/// See [`ha_core::ChangeTransport::bounds`].
pub(crate) async fn bounds(link: &Link, keys: &Keys) -> Result<Bounds> {
    link.ask(|connection| look(connection, keys, Seq::ZERO)).await.map(|look| look.bounds)
}

/// See [`ha_core::ChangeTransport::read`].
pub(crate) async fn read(link: &Link, keys: &Keys, seq: Seq) -> Result<Option<Stored>> {
    let Look { bounds, found } = link.ask(|connection| look(connection, keys, seq)).await?;
    match found {
        Some(payload) => Ok(Some(Stored { seq, payload })),
        None if seq > bounds.last || seq == Seq::ZERO => Ok(None),
        None => Err(absent(seq, &bounds)),
    }
}

/// See [`ha_core::ChangeTransport::trim`].
pub(crate) async fn trim(link: &Link, keys: &Keys, before: Seq) -> Result<()> {
    let mut command = cmd("XTRIM");
    command.arg(&keys.stream).arg("MINID").arg(format!("{before}-0"));
    let command = &command;
    link.ask(async |mut connection| command.query_async::<u64>(&mut connection).await)
        .await
        .map(drop)
}

/// Why an entry is not there that once was.
pub(crate) fn absent(seq: Seq, bounds: &Bounds) -> Error {
    if seq < bounds.first {
        return Error::Truncated { from: seq, first: bounds.first };
    }
    Error::Corrupt(format!("entry {seq} is missing in the stream, or was not written by ha"))
}
