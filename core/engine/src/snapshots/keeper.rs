//! Keeping snapshots, and the log no longer than they allow.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ha_changes::Kind;
use ha_core::{Bounds, ChangeTransport, Readiness, Result, Seq, SnapshotMeta};
use tokio::time::Instant;

use super::choose::{Fit, candidates, fit};
use super::due::{Due, Facts, Limits, due};
use super::trim::{Retention, Usable};
use super::{Room, age, take, trim};
use crate::host;
use crate::readers::Readers;
use crate::shared::Shared;

/// How many are kept.
const KEPT: usize = 2;

/// How often it is looked whether something is due, at most and at least.
const OFTEN: Duration = Duration::from_millis(20);
const SELDOM: Duration = Duration::from_secs(1);

/// When a node takes snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// Once an entry that no snapshot covers is so old.
    pub interval: Option<Duration>,
    /// Once so many bytes of log are not covered.
    pub bytes: Option<u64>,
    /// So long, and up to twice as long, a node waits for another to do it; the one that made
    /// the entry that was too much does not.
    pub patience: Duration,
    /// The server drops entries of this age by itself.
    pub dropped_at: Option<Duration>,
}

impl SnapshotOptions {
    /// Snapshots after so much time and so many bytes, if any of them.
    #[must_use]
    pub fn every(interval: Option<Duration>, bytes: Option<u64>) -> Self {
        let patience = interval.map_or(LONGEST_PATIENCE, |interval| interval / 10);
        Self { interval, bytes, patience: patience.min(LONGEST_PATIENCE), dropped_at: None }
    }
}

const LONGEST_PATIENCE: Duration = Duration::from_secs(60);

impl Default for SnapshotOptions {
    /// Every hour, and every 256 MiB.
    fn default() -> Self {
        Self::every(Some(Duration::from_secs(3600)), Some(256 << 20))
    }
}

/// The part of a node that takes snapshots and trims the log.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) transport: Arc<dyn ChangeTransport>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) room: Room,
    pub(crate) options: SnapshotOptions,
    /// `None` if the log is not this node's to trim.
    pub(crate) retention: Option<Retention>,
}

/// What it remembers between two looks.
#[derive(Debug, Default)]
struct Memory {
    looked: Option<Instant>,
    /// Where the newest snapshot was; 0 if there was none.
    newest: Option<Seq>,
    /// When the first entry after the newest snapshot was made.
    uncovered: Option<(Seq, SystemTime)>,
    /// A snapshot is due then, if no other node was faster.
    our_turn: Option<Instant>,
    failing: bool,
}

impl Keeper {
    /// Looks after the snapshots until it is dropped.
    pub(crate) async fn run(self) {
        let mut memory = Memory::default();
        loop {
            tokio::time::sleep((self.options.patience / 2).clamp(OFTEN, SELDOM)).await;
            if !self.is_fit() {
                memory.our_turn = None;
            } else if self.is_time(&memory) {
                memory.looked = Some(Instant::now());
                let looked = self.look(&mut memory).await;
                if let Err(error) = &looked {
                    tracing::warn!(%error, "the snapshots could not be looked after");
                }
                memory.failing = looked.is_err();
            }
        }
    }

    /// Whether this node's state is one to be kept.
    fn is_fit(&self) -> bool {
        self.shared.status().readiness == Readiness::Ready && !self.shared.is_in_doubt()
    }

    /// The list is asked for rarely, unless something is known to be due.
    fn is_time(&self, memory: &Memory) -> bool {
        let patience = self.options.patience;
        let waited = memory.looked.is_none_or(|looked| looked.elapsed() >= patience);
        let turn = memory.our_turn.is_some_and(|at| at <= Instant::now());
        let new = self.shared.growth.is_too_much() && memory.our_turn.is_none();
        waited || !memory.failing && (turn || new)
    }

    async fn look(&self, memory: &mut Memory) -> Result<()> {
        let bounds = self.transport.bounds().await?;
        let snapshots = self.usable(&bounds).await?;
        self.note_newest(memory, &snapshots, &bounds);
        let facts = self.facts(memory, &bounds).await?;
        match (due(&facts, &self.limits()), memory.our_turn) {
            (Due::No, _) => memory.our_turn = None,
            (Due::Later, None) => memory.our_turn = Some(Instant::now() + self.delay()),
            (Due::Later, Some(at)) if at > Instant::now() => {}
            (Due::Now | Due::Later, _) => {
                take::take(&self.transport, &self.readers, &self.room).await?;
                memory.our_turn = None;
                return self.tidy(memory).await;
            }
        }
        self.trim(&snapshots).await
    }

    /// After a snapshot was taken, of a state that may be newer than what was known before.
    async fn tidy(&self, memory: &mut Memory) -> Result<()> {
        let bounds = self.transport.bounds().await?;
        let snapshots = self.usable(&bounds).await?;
        self.note_newest(memory, &snapshots, &bounds);
        self.remove_old(&snapshots, &bounds).await?;
        self.trim(&snapshots).await
    }

    async fn trim(&self, snapshots: &[Usable]) -> Result<()> {
        match &self.retention {
            Some(retention) => trim::trim(&self.transport, retention, snapshots).await,
            None => Ok(()),
        }
    }

    /// Those that a node could restore now, the newest first. One may be of entries that the log
    /// has lost since.
    async fn usable(&self, bounds: &Bounds) -> Result<Vec<Usable>> {
        let (mut usable, here) = (Vec::new(), self.shared.record().position);
        for meta in candidates(self.transport.snapshots().await?, bounds, Seq::ZERO) {
            match fit(&self.transport, &meta, Some(&here)).await? {
                Fit::Contradicted(_) => {}
                Fit::Unproven => usable.push(Usable { meta, proven: false }),
                Fit::Proven | Fit::Base(..) => usable.push(Usable { meta, proven: true }),
            }
        }
        Ok(usable)
    }

    /// What was counted of the log begins at a newer snapshot now: the part of it that is newer.
    fn note_newest(&self, memory: &mut Memory, snapshots: &[Usable], bounds: &Bounds) {
        let newest = snapshots.first().map_or(Seq::ZERO, |newest| newest.meta.seq);
        if memory.newest != Some(newest) {
            let position = self.shared.token().seq;
            self.shared.growth.restart(bytes_between(newest, position, bounds));
            memory.newest = Some(newest);
        }
    }

    async fn facts(&self, memory: &mut Memory, bounds: &Bounds) -> Result<Facts> {
        let newest = memory.newest.unwrap_or_default();
        let first = newest.next().max(bounds.first);
        if memory.uncovered.is_none_or(|(seq, _)| seq != first) {
            let made = age::made(&self.transport, first, bounds.last).await?;
            memory.uncovered = made.map(|made| (first, made));
        }
        let age = memory.uncovered.map(|(_, made)| made);
        let age = age.map(|made| host::system_time().duration_since(made).unwrap_or_default());
        let (position, grown) = (self.shared.token().seq, self.shared.growth.get());
        Ok(Facts { position, newest, grown, age })
    }

    fn limits(&self) -> Limits {
        let SnapshotOptions { interval, bytes, dropped_at, .. } = self.options;
        Limits { age: interval, bytes }.before(dropped_at)
    }

    /// Never the same on two nodes.
    fn delay(&self) -> Duration {
        self.options.patience.mul_f64(1.0 + host::share())
    }

    /// Removes all but the newest, and what the log still names as its beginning; of other logs
    /// once there are enough of this one.
    async fn remove_old(&self, snapshots: &[Usable], bounds: &Bounds) -> Result<()> {
        if snapshots.len() < KEPT {
            return Ok(());
        }
        let kept: Vec<_> = snapshots[..KEPT].iter().map(|usable| &usable.meta).collect();
        for meta in self.transport.snapshots().await? {
            let newer = meta.lineage == bounds.lineage && meta.seq > kept[0].seq;
            if !newer && !kept.contains(&&meta) && !self.is_base(&meta, bounds).await? {
                self.transport.remove_snapshot(&meta).await?;
            }
        }
        Ok(())
    }

    async fn is_base(&self, meta: &SnapshotMeta, bounds: &Bounds) -> Result<bool> {
        let seq = meta.seq.next();
        if seq < bounds.first {
            return Ok(false);
        }
        let Some(stored) = self.transport.read(seq).await? else { return Ok(false) };
        let entry = ha_changes::decode(&stored.payload).ok();
        let kind = entry.and_then(|entry| entry.meta).map(|meta| meta.kind);
        Ok(matches!(kind, Some(Kind::Base(base)) if base.digest == meta.digest))
    }
}

/// About how many bytes of log are behind `from` and not behind `to`.
fn bytes_between(from: Seq, to: Seq, bounds: &Bounds) -> u64 {
    let stored = u128::from(bounds.last.next().0 - bounds.first.0);
    let between = u128::from(to.0.saturating_sub(from.0.max(bounds.first.0 - 1)));
    let share = u128::from(bounds.bytes) * between / stored.max(1);
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use ha_core::Lineage;

    use super::*;

    #[test]
    fn what_no_snapshot_covers_is_about_its_share_of_the_log() {
        let bounds =
            Bounds { lineage: Lineage([7; 8]), first: Seq(11), last: Seq(20), bytes: 1_000 };
        assert_eq!(bytes_between(Seq(15), Seq(20), &bounds), 500);
        assert_eq!(bytes_between(Seq::ZERO, Seq(20), &bounds), 1_000);
        assert_eq!(bytes_between(Seq(20), Seq(20), &bounds), 0);
        let empty = Bounds { first: Seq(21), bytes: 0, ..bounds };
        assert_eq!(bytes_between(Seq::ZERO, Seq(20), &empty), 0);
    }

    #[test]
    fn patience_is_a_part_of_the_interval_and_never_long() {
        let patience = |seconds| {
            SnapshotOptions::every(Some(Duration::from_secs(seconds)), None).patience.as_secs()
        };
        assert_eq!((patience(10), patience(3600)), (1, 60));
        assert_eq!(SnapshotOptions::every(None, Some(1)).patience, LONGEST_PATIENCE);
    }
}
