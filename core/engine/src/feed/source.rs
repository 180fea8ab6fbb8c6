//! Where a feed gets the messages of the log from.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::stream::{BoxStream, StreamExt};
use ha_changes::{Kind, Part, decode_part};
use ha_core::{ChangeTransport, Delivery, Error, Lineage, Result, RunningHash, Seq, Stored, Token};

use crate::node::Node;
use crate::readers::{Reader, Readers};
use crate::shared::Shared;
use crate::store::{self, Room};

/// Where the node is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) lineage: Lineage,
    pub(super) seq: Seq,
    /// Client transactions in the entry there.
    pub(super) transactions: u32,
    /// The hash there, if the node knows the log's.
    pub(super) hash: Option<RunningHash>,
    /// From here on the node has the log, if it has not all of it.
    pub(super) first: Option<Seq>,
}

/// A message of the log that the node has passed.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) seq: Seq,
    pub(super) payload: Bytes,
    /// `None` if it was skipped.
    pub(super) part: Option<Part>,
}

/// Gives the messages of one log as far as the node has come: those that its file keeps from
/// there, older ones from the log.
pub(super) struct Source {
    lineage: Lineage,
    readers: Arc<Readers>,
    shared: Arc<Shared>,
    transport: Arc<dyn ChangeTransport>,
    log: Option<Following>,
}

/// A subscription, while the file does not keep what is asked for.
struct Following {
    next: Seq,
    deliveries: BoxStream<'static, Result<Delivery>>,
}

/// What the file says of a stretch of the log.
struct Kept {
    /// The newest entry that the node has.
    end: Seq,
    messages: Vec<Message>,
    /// The oldest message in the file, if the wanted one is not there.
    oldest: Option<Seq>,
}

impl Source {
    pub(super) fn new(node: &Node, lineage: Lineage) -> Self {
        Self {
            lineage,
            readers: Arc::clone(&node.readers),
            shared: Arc::clone(&node.shared),
            transport: Arc::clone(&node.transport),
            log: None,
        }
    }

    pub(super) fn lineage(&self) -> Lineage {
        self.lineage
    }

    /// The messages from `next` on, at least one; waits until the node has it.
    pub(super) async fn messages(&mut self, next: Seq) -> Result<Vec<Message>> {
        loop {
            self.shared.arrived(self.lineage, next).await?;
            let kept = self.kept(next).await?;
            if !kept.messages.is_empty() {
                self.log = None;
                return Ok(kept.messages);
            }
            // The node may have gone back to an older state meanwhile.
            if kept.end >= next {
                let stored = self.logged(next, &kept).await?;
                return self.judged(stored).await;
            }
        }
    }

    /// Where the entry begins that ends at `seq`; `None` if nothing does that has transactions.
    pub(super) async fn entry_at(&mut self, seq: Seq) -> Result<Option<Seq>> {
        let mut messages = self.messages(seq).await?;
        self.log = None;
        let Some(part) = messages.swap_remove(0).part else { return Ok(None) };
        let (number, of) = part.place();
        if number != of {
            return Err(Error::invalid(format!(
                "position {seq} is inside an entry, not one that was told"
            )));
        }
        let has_transactions =
            part.meta().is_none_or(|meta| matches!(meta.kind, Kind::Transactions(_)));
        Ok(has_transactions.then_some(Seq(seq.0 + 1 - u64::from(of))))
    }

    async fn kept(&mut self, next: Seq) -> Result<Kept> {
        let lineage = self.lineage;
        self.readers
            .look(move |reader| {
                let at = own(reader, lineage, next)?;
                let found = reader.trusted(|conn| store::stretch(conn, next..=at))?;
                let oldest = match found[..] {
                    [] => reader.trusted(store::oldest_kept)?,
                    _ => None,
                };
                let stored = found.into_iter().map(|(seq, payload)| (seq, payload.into()));
                Ok(Kept { end: at, messages: judge(reader, stored.collect())?, oldest })
            })
            .await
    }

    async fn judged(&mut self, stored: Vec<(Seq, Bytes)>) -> Result<Vec<Message>> {
        let (lineage, first) = (self.lineage, stored.first().map_or(Seq::ZERO, |(seq, _)| *seq));
        self.readers
            .look(move |reader| {
                own(reader, lineage, first)?;
                judge(reader, stored)
            })
            .await
    }

    /// What the log has from `next` on, as much of it as is there now.
    async fn logged(&mut self, next: Seq, kept: &Kept) -> Result<Vec<(Seq, Bytes)>> {
        if !self.transport.capabilities().readable {
            let first = kept.oldest.filter(|oldest| *oldest > next).unwrap_or(kept.end.next());
            return Err(Error::Truncated { from: next, first });
        }
        let mut log = match self.log.take() {
            Some(log) if log.next == next => log,
            _ => Following { next, deliveries: self.transport.subscribe(next).await? },
        };
        let (mut found, mut room) = (Vec::new(), Room::default());
        let first = tokio::select! {
            first = log.step(self.lineage) => first?,
            () = self.shared.closed() => return Err(Error::Closed),
        };
        let mut newest = Some(first);
        while let Some(Stored { seq, payload }) = newest.take() {
            let goes_on = room.take(payload.len()) && seq < kept.end;
            found.push((seq, payload));
            if goes_on {
                newest = log.step(self.lineage).now_or_never().transpose()?;
            }
        }
        self.log = Some(log);
        Ok(found)
    }
}

impl Following {
    async fn step(&mut self, lineage: Lineage) -> Result<Stored> {
        loop {
            match self.deliveries.next().await.ok_or(Error::Closed)?? {
                Delivery::Reconnected(bounds) if bounds.lineage != lineage => {
                    let token = Token { lineage, seq: Seq(self.next.0 - 1), n: 0 };
                    return Err(Error::OtherLog { token, lineage: bounds.lineage, kept: None });
                }
                Delivery::Reconnected(_) => {}
                Delivery::Entry(stored) if stored.seq > self.next => {
                    return Err(Error::Truncated { from: self.next, first: stored.seq });
                }
                Delivery::Entry(stored) if stored.seq < self.next => {}
                Delivery::Entry(stored) => {
                    self.next = stored.seq.next();
                    return Ok(stored);
                }
            }
        }
    }
}

/// How far the node is in the log.
fn own(reader: &Reader, lineage: Lineage, next: Seq) -> Result<Seq> {
    let at = reader.record()?.position;
    if at.lineage == lineage {
        return Ok(at.seq);
    }
    let token = Token { lineage, seq: Seq(next.0.saturating_sub(1)), n: 0 };
    Err(Error::OtherLog { token, lineage: at.lineage, kept: None })
}

fn judge(reader: &Reader, stored: Vec<(Seq, Bytes)>) -> Result<Vec<Message>> {
    let (Some((first, _)), Some((last, _))) = (stored.first(), stored.last()) else {
        return Ok(Vec::new());
    };
    let places = *first..=*last;
    let skipped = reader.trusted(|conn| store::skipped_in(conn, places))?;
    let message = |(seq, payload): (Seq, Bytes)| {
        if skipped.contains(&seq) {
            return Ok(Message { seq, payload, part: None });
        }
        let part = decode_part(&payload);
        let part = part.map_err(|error| Error::Corrupt(format!("entry {seq}: {error}")))?;
        Ok(Message { seq, payload, part: Some(part) })
    };
    stored.into_iter().map(message).collect()
}
