use std::fmt;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use ha_core::{
    AppendError, Appended, Bounds, ByteStream, Capabilities, ChangeTransport, Delivery, Draft,
    Error, Lineage, Result, Seq, SnapshotMeta, Stored, TransportHealth,
};
use tokio::sync::watch;

/// A log of which only the end is kept: it gives a single node its sequences, and nothing is
/// stored or replicated.
#[derive(Debug)]
pub struct Local {
    lineage: Lineage,
    /// `None` once it is closed.
    end: watch::Sender<Option<End>>,
}

/// Where the log ends, and where it ended before the last entry.
#[derive(Debug, Clone, Copy)]
struct End {
    base: Seq,
    last: Seq,
}

impl Local {
    /// A log that goes on after `last`.
    #[must_use]
    pub fn new(lineage: Lineage, last: Seq) -> Self {
        Self { lineage, end: watch::Sender::new(Some(End { base: last, last })) }
    }

    fn last(&self) -> Result<Seq> {
        self.end.borrow().map(|end| end.last).ok_or(Error::Closed)
    }

    /// Nothing up to the end is kept.
    fn check_beyond(&self, seq: Seq) -> Result<()> {
        let first = self.last()?.next();
        if seq < first { Err(Error::Truncated { from: seq, first }) } else { Ok(()) }
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("local (no replication)")
    }
}

#[async_trait]
impl ChangeTransport for Local {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            replicated: false,
            synced: false,
            max_part_bytes: usize::MAX,
            max_parts: u32::MAX,
            snapshots: false,
            trim: false,
            readable: false,
            exact_bounds: true,
        }
    }

    /// The caller's database is the log, so the last entry may be appended again, or another in
    /// its place, by a caller that failed to keep it.
    async fn append(&self, draft: Draft) -> Result<Appended, AppendError> {
        let mut outcome = Err(AppendError::Closed);
        self.end.send_if_modified(|end| {
            let Some(End { base, last }) = *end else { return false };
            let place = draft.expect.unwrap_or(last);
            if place != last && place != base {
                outcome = Err(AppendError::Refused { last: Some(last) });
                return false;
            }
            let last = Seq(place.0 + draft.parts.len() as u64);
            *end = Some(End { base: place, last });
            outcome = Ok(Appended { first: place.next(), last });
            true
        });
        outcome
    }

    /// Stays pending until the transport is closed.
    async fn subscribe(&self, from: Seq) -> Result<BoxStream<'static, Result<Delivery>>> {
        self.check_beyond(from)?;
        let mut end = self.end.subscribe();
        let closed = async move {
            // An error means that the transport is gone, which closes it as well.
            let _ = end.wait_for(Option::is_none).await;
            stream::empty()
        };
        Ok(stream::once(closed).flatten().boxed())
    }

    async fn read(&self, seq: Seq) -> Result<Option<Stored>> {
        self.check_beyond(seq).map(|()| None)
    }

    async fn bounds(&self) -> Result<Bounds> {
        let last = self.last()?;
        Ok(Bounds { lineage: self.lineage, first: last.next(), last, bytes: 0 })
    }

    async fn trim(&self, _before: Seq) -> Result<()> {
        self.last().map(drop)
    }

    async fn put_snapshot(&self, _meta: SnapshotMeta, _body: ByteStream) -> Result<()> {
        self.last()?;
        Err(no_snapshots())
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotMeta>> {
        self.last().map(|_| Vec::new())
    }

    async fn get_snapshot(&self, _meta: &SnapshotMeta) -> Result<ByteStream> {
        self.last()?;
        Err(no_snapshots())
    }

    async fn remove_snapshot(&self, _meta: &SnapshotMeta) -> Result<()> {
        self.last().map(drop)
    }

    async fn health(&self) -> TransportHealth {
        TransportHealth { name: self.to_string(), ..TransportHealth::default() }
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        Err(Error::no_members(name))
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    async fn close(&self) -> Result<()> {
        self.end.send_replace(None);
        Ok(())
    }
}

fn no_snapshots() -> Error {
    Error::Unsupported("snapshots without replication".to_owned())
}
