//! Logs that were made again, or seem to be.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use ha_changes::{Base, BaseSnapshot, Kind};
use ha_core::{Bounds, Result, Seq};

use super::compare::{Here, names_history};
use super::kept::Kept;
use super::{Healer, Healing};
use crate::machine::{self, COPY, Position, Reseed};
use crate::planted::{Bug, planted};

/// What a log was made from, as its base says.
struct Beginning {
    seq: Seq,
    payload: Bytes,
    base: BaseSnapshot,
    from: Base,
}

impl Healer {
    /// The log is not the one this database follows. Nothing of the old one is appended to it;
    /// it is followed only if its base says that it goes on from the old one.
    pub(super) async fn another_log(&self, bounds: &Bounds) -> Result<Healing> {
        if self.is_same_log(bounds).await? {
            return Ok(Healing::Renamed(bounds.lineage));
        }
        if bounds.last == Seq::ZERO {
            return Ok(Healing::Stop(empty(&self.position)));
        }
        let Some(beginning) = self.beginning(bounds).await? else {
            let reason = machine::compare(&self.position, bounds).err();
            return Ok(Healing::Stop(reason.unwrap_or_else(|| emptied(bounds))));
        };
        let from = &beginning.from;
        let is_here = (from.seq, from.hash) == (self.position.seq, self.position.hash);
        if is_here || planted(Bug::AnyLineage) {
            return Ok(beginning.adopt(bounds));
        }
        let kept = Kept::read(&self.database, self.position).await?;
        let Some(fork) = last_common(from, &self.position, &kept) else {
            return Ok(Healing::Stop(incomplete(from, &self.position)));
        };
        let beyond = if fork < self.position.seq && !planted(Bug::LostUnsaved) {
            let saved = self.save(Arc::new(kept), fork).await?;
            format!("; entries {} to {} are in {saved} now", fork.next(), self.position.seq)
        } else {
            String::new()
        };
        let reason = format!(
            "the stream was made again from entry {} of the old one, this database is at {}{beyond}",
            from.seq, self.position.seq
        );
        Ok(Healing::Reseed(Reseed::newest(bounds.lineage, reason, COPY)))
    }

    /// Whether the log is the one this database follows though its lineage is another: it holds
    /// what is kept here and nothing else, or an entry that was made on the position. One entry is
    /// not enough: what was on its way to the old log may have got the same place in a new one.
    /// nats-server 2.11 takes the moment of its start for that of a stream's creation, from the next
    /// start on, if the stream's configuration is updated in between; each start of v0.0.7 does that.
    pub(crate) async fn is_same_log(&self, bounds: &Bounds) -> Result<bool> {
        let kept = Kept::read(&self.database, self.position).await?;
        let oldest = kept.first().unwrap_or(self.position.seq.next()).max(bounds.first);
        let mut there = pin!(self.each(oldest..=self.position.seq));
        let mut seen = false;
        while let Some((seq, here)) = there.try_next().await? {
            match here {
                Here::Entry(there) if kept.get(seq) == Some(&there) => seen = true,
                Here::Entry(_) => return Ok(false),
                Here::Trimmed | Here::Ends => break,
            }
        }
        if seen {
            return Ok(true);
        }
        let next = self.at(self.position.seq.next()).await?;
        Ok(next.is_some_and(|next| names_history(&next, &self.position)))
    }

    /// The base of a log that goes on from the one this database follows.
    async fn beginning(&self, bounds: &Bounds) -> Result<Option<Beginning>> {
        let seq = Seq(1);
        if bounds.first > seq {
            return Ok(None);
        }
        let Some(payload) = self.at(seq).await? else { return Ok(None) };
        let meta = ha_changes::decode(&payload).ok().and_then(|entry| entry.meta);
        let Some(Kind::Base(base)) = meta.map(|meta| meta.kind) else { return Ok(None) };
        let from = base.from.filter(|from| from.lineage == self.position.lineage);
        Ok(from.map(|from| Beginning { seq, payload, base, from }))
    }
}

impl Beginning {
    fn adopt(self, bounds: &Bounds) -> Healing {
        let hash = self.base.hash.extend(self.seq, &self.payload);
        let position = Position { lineage: bounds.lineage, seq: self.seq, hash };
        Healing::Adopt { position, payload: self.payload, end: bounds.last }
    }
}

/// The last entry of the old log that both the base and this database have, as far as it is
/// known that everything after it is kept.
fn last_common(from: &Base, position: &Position, kept: &Kept) -> Option<Seq> {
    if from.seq > position.seq {
        // It has gone on without this node.
        return Some(position.seq);
    }
    let first = kept.first()?;
    if first > from.seq.next() {
        return None;
    }
    match kept.hash_at(from.seq) {
        Some(hash) if hash == from.hash => Some(from.seq),
        // They part somewhere before: everything that is kept is saved.
        Some(_) | None if first == Seq(1) => Some(Seq::ZERO),
        Some(_) | None => None,
    }
}

fn empty(position: &Position) -> String {
    format!(
        "the stream is empty, this database is at {}-{}: if no other node is further, start this \
         one with --new-lineage to begin a new log from it",
        position.lineage, position.seq
    )
}

fn emptied(bounds: &Bounds) -> String {
    format!(
        "this database has given up its state to follow a stream that was deleted meanwhile. To follow the \
         one there is now ({}), start this node again",
        bounds.lineage
    )
}

fn incomplete(from: &Base, position: &Position) -> String {
    format!(
        "the stream was made again from entry {} of the old one, and this database, at {}, has entries that \
         the new one has not and that this node no longer keeps one by one. Move the database file away \
         (nothing else has them) and start with an empty one to follow the stream",
        from.seq, position.seq
    )
}
