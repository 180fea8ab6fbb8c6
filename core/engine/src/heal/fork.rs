//! Where the log and this database part.

use std::pin::pin;
use std::sync::Arc;

use futures::TryStreamExt;
use ha_core::{Bounds, Result, Seq};

use super::compare::{Here, was_made_on};
use super::kept::Kept;
use super::{Healer, Healing, lost};
use crate::host;
use crate::machine::{COPY, Position, Reseed};

impl Healer {
    /// The log holds other entries than were applied here: saves those, so that the database
    /// can begin again.
    pub(super) async fn forked(&self, bounds: &Bounds) -> Result<Healing> {
        let kept = Kept::read(&self.database, self.position).await?;
        let fork = match self.fork(bounds, &kept).await? {
            // What differs is trimmed, or was meanwhile.
            Some(fork) if fork >= self.position.seq => kept.first().map(|first| Seq(first.0 - 1)),
            fork => fork,
        };
        self.parted(kept, fork).await
    }

    /// Compares all that is kept. `None` if the log has lost its end meanwhile: that is given back first.
    pub(super) async fn compare_all(&self, bounds: &Bounds) -> Result<Option<Healing>> {
        let kept = Kept::read(&self.database, self.position).await?;
        let fork = self.fork(bounds, &kept).await?;
        let nothing_to_compare =
            kept.first().is_none_or(|first| first.max(bounds.first) > self.position.seq);
        if nothing_to_compare || fork == Some(self.position.seq) {
            return Ok(Some(Healing::Sound));
        }
        if self.here(self.position.seq).await? == Here::Ends {
            return Ok(None);
        }
        self.parted(kept, fork).await.map(Some)
    }

    async fn parted(&self, kept: Kept, fork: Option<Seq>) -> Result<Healing> {
        // Where nothing is missing, everything can be saved.
        let fork = fork.or_else(|| (kept.first() == Some(Seq(1))).then_some(Seq::ZERO));
        let Some(fork) = fork else {
            return Ok(Healing::Stop(unknown_fork(&self.position, &kept)));
        };
        let kept = Arc::new(kept);
        let saved = self.save(kept, fork).await?;
        let reason = format!(
            "the stream holds other entries after {fork} than this database: it was rewound or restored from \
             an old copy, and others have gone on without entries {} to {}, which are in {saved} now",
            fork.next(),
            self.position.seq
        );
        Ok(Healing::Reseed(Reseed::newest(self.position.lineage, reason, COPY)))
    }

    /// Saves what is kept after `fork`, and all parts of an entry that is lost in part; where that is.
    pub(super) async fn save(&self, kept: Arc<Kept>, fork: Seq) -> Result<String> {
        let (prefix, position) = (self.lost.clone(), self.position);
        let whole = kept.before_entry(fork);
        let save = move || lost::save(&prefix, &position, kept.after(whole));
        let path = host::blocking(save).await??;
        tracing::error!(
            file = %path.display(), first = %fork.next(), last = %self.position.seq,
            "entries that this node had applied are not in the log, or are not known to be; they are saved"
        );
        Ok(path.display().to_string())
    }

    /// The last place up to which the log is the one applied here.
    async fn fork(&self, bounds: &Bounds, kept: &Kept) -> Result<Option<Seq>> {
        let Some(oldest) = kept.first() else { return Ok(None) };
        let (mut lowest, end) = (oldest.max(bounds.first), bounds.last.min(self.position.seq));
        let mut there = pin!(self.each(lowest..=end));
        let mut seq = lowest;
        while let Some((at, here)) = there.try_next().await? {
            match here {
                Here::Entry(payload) if kept.get(at) == Some(&payload) => {}
                // Somebody forgets what is old meanwhile.
                Here::Trimmed if at == end => return Ok(Some(end)),
                Here::Trimmed if at == lowest => lowest = at.next(),
                Here::Trimmed => {}
                Here::Entry(_) | Here::Ends => break,
            }
            seq = at.next();
        }
        if seq > lowest { Ok(Some(Seq(seq.0 - 1))) } else { self.fork_before(lowest, kept).await }
    }

    /// Whether the ways part just before the oldest entry that both have.
    async fn fork_before(&self, lowest: Seq, kept: &Kept) -> Result<Option<Seq>> {
        let before = Seq(lowest.0 - 1);
        if before == Seq::ZERO {
            return Ok(Some(before));
        }
        let (Some(hash), Some(entry)) = (kept.hash_at(before), self.at(lowest).await?) else {
            return Ok(None);
        };
        let place = Position { seq: before, hash, ..self.position };
        Ok((was_made_on(&entry, &place) == Some(true)).then_some(before))
    }
}

fn unknown_fork(position: &Position, kept: &Kept) -> String {
    let kept = kept.first().unwrap_or(position.seq);
    format!(
        "the stream holds other entries than this database has applied, from before {kept} on, which is the \
         oldest that this node keeps: it was rewound or restored from an old copy, or this database follows \
         another cluster. Move the database file away (nothing else has what it holds) and start with an \
         empty one to follow the stream"
    )
}
