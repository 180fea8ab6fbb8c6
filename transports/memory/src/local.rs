use std::fmt;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use ha_core::{
    AppendError, Appended, Bounds, ByteStream, Capabilities, ChangeTransport, Delivery, Draft,
    Error, Lineage, Result, Seq, SnapshotMeta, Stored,
};
use tokio::sync::watch;

/// A log of which only the end is kept: it gives a single node its sequences, and nothing is
/// stored or replicated.
#[derive(Debug)]
pub struct Local {
    lineage: Lineage,
    /// The end of the log; `None` once it is closed.
    last: watch::Sender<Option<Seq>>,
}

impl Local {
    /// A log that goes on after `last`.
    #[must_use]
    pub fn new(lineage: Lineage, last: Seq) -> Self {
        Self { lineage, last: watch::Sender::new(Some(last)) }
    }

    fn last(&self) -> Result<Seq> {
        self.last.borrow().ok_or(Error::Closed)
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
        }
    }

    /// The caller's database is the log, so an entry that the caller failed to keep may be
    /// appended again at its place.
    async fn append(&self, draft: Draft) -> Result<Appended, AppendError> {
        let mut outcome = Err(AppendError::Closed);
        self.last.send_if_modified(|end| {
            let Some(last) = end else { return false };
            let again = draft.expect.is_some_and(|expect| expect.next() == *last);
            if draft.expect.is_some_and(|expect| expect != *last) && !again {
                outcome = Err(AppendError::Refused { last: Some(*last) });
                return false;
            }
            let first = if again { *last } else { last.next() };
            *last = Seq(first.0 + draft.parts.len() as u64 - 1);
            outcome = Ok(Appended { first, last: *last });
            true
        });
        outcome
    }

    /// Stays pending until the transport is closed.
    async fn subscribe(&self, from: Seq) -> Result<BoxStream<'static, Result<Delivery>>> {
        self.check_beyond(from)?;
        let mut last = self.last.subscribe();
        let closed = async move {
            // An error means that the transport is gone, which closes it as well.
            let _ = last.wait_for(Option::is_none).await;
            stream::empty()
        };
        Ok(stream::once(closed).flatten().boxed())
    }

    async fn read(&self, seq: Seq) -> Result<Option<Stored>> {
        self.check_beyond(seq).map(|()| None)
    }

    async fn bounds(&self) -> Result<Bounds> {
        let last = self.last()?;
        Ok(Bounds { lineage: self.lineage, first: last.next(), last })
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

    async fn close(&self) -> Result<()> {
        self.last.send_replace(None);
        Ok(())
    }
}

fn no_snapshots() -> Error {
    Error::Unsupported("snapshots without replication".to_owned())
}
