//! What a node does about a log that is not the one it has applied.
//!
//! A log may lose its end (a server that had not synced, or was restored from an older copy),
//! go on without what it lost, or be made again. What this node has applied it still has: the
//! newest entries are kept byte for byte. So
//!
//! * an end that is merely missing is appended again ([`again`]);
//! * what no longer fits is saved to a file ([`lost`]), and the database begins again from the
//!   log ([`fork`] finds where the ways part);
//! * a log that is the same, though its server takes it for a younger one, is gone on with;
//! * a log that was made again from this very database is adopted, one from an earlier state
//!   of it is followed, any other is left alone ([`lineage`]).
//!
//! Nothing here writes to the database.

mod again;
mod compare;
mod file;
mod fork;
mod inside;
mod kept;
mod lineage;
mod lost;
mod places;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use ha_core::{ChangeTransport, Error, Lineage, Result, RunningHash, Seq, Stored};

use crate::chain::Chain;
use crate::machine::{Position, Reseed};
pub(crate) use compare::Comparison;
use compare::Here;
pub use lost::lost_entries;

pub(crate) use file::KeptFile;
pub(crate) use kept::Kept;
pub(crate) use places::Place;

/// So many entries of the log are read at once: over a long way, each takes its time.
const AT_ONCE: usize = 16;

/// How often an entry is read before it is given up.
const TRIES: usize = 3;

/// A node's end of the comparison. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Healer {
    log: Arc<dyn ChangeTransport>,
    /// The database file.
    database: KeptFile,
    /// Where what is lost is saved: the beginning of a path.
    lost: PathBuf,
    position: Position,
    attempts: Attempts,
    /// The log has acknowledged what stands after that, and not given it back.
    unseen_after: Option<Seq>,
    /// What the database was made by a snapshot: the one that counts if nothing else tells.
    restored: Option<Position>,
}

/// Names for the appends of one healing; no two healings of a process share a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempts {
    pub(crate) boot: u64,
    pub(crate) round: u32,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) enum Healing {
    /// The log goes on from this node's position.
    Sound,
    /// The log was made again from exactly this database: the state is right, and the place is
    /// this one now.
    Adopt {
        /// The base's.
        position: Position,
        /// The base.
        payload: Bytes,
        /// Where the log ends.
        end: Seq,
    },
    /// It is the same log, and this node stands where it stood. Only its lineage is another.
    Renamed(Lineage),
    /// The log has a whole entry where this node has passed the first parts of one: the state is that
    /// before them, which is this place.
    Inside(Position),
    /// The state has to become another one of the log; what it had beyond is saved.
    Reseed(Reseed),
    /// Somebody has to act; the text says how. Asked again later, the answer may be another.
    Stop(String),
}

impl Healer {
    pub(crate) fn new(
        log: Arc<dyn ChangeTransport>,
        database: KeptFile,
        lost: PathBuf,
        position: Position,
        attempts: Attempts,
    ) -> Self {
        Self { log, database, lost, position, attempts, unseen_after: None, restored: None }
    }

    /// Tells after which entry those begin that the log has acknowledged and not given back.
    pub(crate) fn with_unseen_after(self, unseen_after: Option<Seq>) -> Self {
        Self { unseen_after, ..self }
    }

    /// Tells what the database was made by a snapshot, if it was.
    pub(crate) fn with_restored(self, restored: Option<Position>) -> Self {
        Self { restored, ..self }
    }

    /// Does what can be done about whatever is wrong, if anything is. Compares everything that is kept
    /// with the log: that the last entry is the same proves nothing of those before it, if the log
    /// has lost some and got others. Whoever appended that entry may not have known, and a node that
    /// was killed does not know any more what of its own it has never seen there.
    ///
    /// # Errors
    /// Those of the transport, and of reading the file: nothing is known then, and it may be
    /// tried again.
    pub(crate) async fn heal(&self) -> Result<Healing> {
        match self.compared().await? {
            Healing::Sound => {
                Ok(self.before_passed_parts().await?.map_or(Healing::Sound, Healing::Inside))
            }
            other => Ok(other),
        }
    }

    async fn compared(&self) -> Result<Healing> {
        loop {
            let bounds = self.log.bounds().await?;
            if bounds.lineage != self.position.lineage {
                return self.another_log(&bounds).await;
            }
            if let Some(reseed) = Reseed::across_gap(&self.position, &bounds) {
                return self.across(reseed).await;
            }
            match self.compare().await? {
                Comparison::Same => {
                    if let Some(healing) = self.compare_all(&bounds).await? {
                        return Ok(healing);
                    }
                }
                Comparison::Silent | Comparison::Gone => return Ok(Healing::Sound),
                Comparison::Other => return self.forked(&bounds).await,
                Comparison::Ends => {
                    if let Some(healing) = self.ends_early().await? {
                        return Ok(healing);
                    }
                }
            }
        }
    }

    /// What this node knows of by an acknowledgement only may be of an end that the log has lost; nothing
    /// tells any more.
    async fn across(&self, reseed: Reseed) -> Result<Healing> {
        let Some(after) = self.unseen_after.filter(|after| *after < self.position.seq) else {
            return Ok(Healing::Reseed(reseed));
        };
        let kept = Kept::read(&self.database, self.position).await?;
        let saved = self.save(Arc::new(kept), after).await?;
        let (first, last) = (after.next(), self.position.seq);
        let reason = format!(
            "{}; entries {first} to {last} may be lost and are in {saved} now",
            reseed.reason
        );
        Ok(Healing::Reseed(Reseed { reason, ..reseed }))
    }

    /// The log ends before the position: gives it back what it lost. `None` if it has changed
    /// meanwhile.
    async fn ends_early(&self) -> Result<Option<Healing>> {
        let bounds = self.log.bounds().await?;
        let (end, position) = (bounds.last, self.position.seq);
        if end >= position || bounds.lineage != self.position.lineage {
            return Ok(None);
        }
        let kept = Kept::read(&self.database, self.position).await?;
        let is_ours =
            self.is_ours(&kept, end, kept.hash_at(end)).await? && self.is_same_before(end).await?;
        if !is_ours {
            return match kept.first() {
                Some(first) if first <= end => self.forked(&bounds).await.map(Some),
                _ => Ok(Some(Healing::Stop(too_much(end, &self.position, &kept)))),
            };
        }
        if kept.first().is_none_or(|first| first > end.next()) {
            return Ok(Some(Healing::Stop(too_much(end, &self.position, &kept))));
        }
        if !self.append_again(end, &kept).await? {
            return Ok(None);
        }
        // The log may have lost more, and got something else, before that was appended.
        let bounds = self.log.bounds().await?;
        self.compare_all(&bounds).await
    }

    /// Whether what the log has at its end, or had, is what was applied here, where that made `hash`.
    async fn is_ours(&self, kept: &Kept, end: Seq, hash: Option<RunningHash>) -> Result<bool> {
        if end == Seq::ZERO {
            return Ok(true);
        }
        match (self.log.read(end).await, kept.get(end)) {
            (Ok(Some(Stored { payload, .. })), Some(kept)) if payload == *kept => {
                // Without the hash nothing is proven, and more is compared.
                let at = Position { seq: end, hash: hash.unwrap_or_default(), ..self.position };
                Ok(self.before(&at, payload).await? == Comparison::Same)
            }
            (Ok(_), _) => Ok(false),
            (Err(Error::Truncated { .. }), _) => self.was_ours(kept, end).await,
            (Err(error), _) => Err(error),
        }
    }

    /// Whether what the log had at `seq` is what was applied here, as far as a snapshot tells.
    async fn was_ours(&self, kept: &Kept, seq: Seq) -> Result<bool> {
        let hash = kept.hash_at(seq);
        let there = hash.map(|hash| Position { seq, hash, ..self.position });
        let said = match &there {
            Some(there) => self.stored_states(&Chain::new(*there)).await?.told(),
            None => Comparison::Silent,
        };
        if said == Comparison::Silent {
            tracing::warn!(end = %seq, "the log's last entry is no longer stored; it is taken for the one applied here");
        }
        Ok(said != Comparison::Other)
    }

    /// The payload at `seq`, if the log has it now.
    async fn at(&self, seq: Seq) -> Result<Option<Bytes>> {
        match self.here(seq).await? {
            Here::Entry(payload) => Ok(Some(payload)),
            Here::Trimmed | Here::Ends => Ok(None),
        }
    }

    /// What the log has at these places, one after the other.
    fn each(&self, places: RangeInclusive<Seq>) -> impl Stream<Item = Result<(Seq, Here)>> {
        let read = move |seq| async move { Ok((seq, self.here(seq).await?)) };
        let places = (places.start().0..=places.end().0).map(Seq);
        stream::iter(places).map(read).buffered(AT_ONCE)
    }

    /// What the log has at `seq` now.
    async fn here(&self, seq: Seq) -> Result<Here> {
        let mut read = self.log.read(seq).await;
        for _ in 1..TRIES {
            if matches!(read, Err(Error::Transport { .. })) {
                read = self.log.read(seq).await;
            }
        }
        match read {
            Ok(Some(stored)) => Ok(Here::Entry(stored.payload)),
            Ok(None) => Ok(Here::Ends),
            Err(Error::Truncated { .. }) => Ok(Here::Trimmed),
            Err(error) => Err(error),
        }
    }
}

fn too_much(end: Seq, position: &Position, kept: &Kept) -> String {
    let kept = match kept.first() {
        Some(first) => format!("keeps them from {first} on only"),
        None => "keeps none of them".to_owned(),
    };
    format!(
        "the stream ends at {end}, this database has applied {}: the stream has lost entries, and this \
         node {kept}. If no other node gives them back: delete the stream (of an embedded server its \
         store directory) and start the node that is furthest with --new-lineage, or start this one \
         with an empty database file to follow the stream without them",
        position.seq
    )
}
