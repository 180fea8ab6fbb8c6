//! How much of the log may be forgotten.

use std::sync::Arc;
use std::time::Duration;

use ha_core::{Bounds, ChangeTransport, Result, Seq, SnapshotMeta};

use super::age;
use crate::host;
use crate::planted::{Bug, planted};

/// How much of the log is kept. What two snapshots do not cover is kept in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Entries older than this are forgotten.
    pub max_age: Option<Duration>,
    /// The oldest entries are forgotten if all together take more.
    pub max_bytes: Option<u64>,
}

/// A snapshot that a node could restore and follow the log from.
#[derive(Debug)]
pub(super) struct Usable {
    pub(super) meta: SnapshotMeta,
    /// A later entry was made on its state.
    pub(super) proven: bool,
}

/// Forgets what the retention allows to. `snapshots` are the newest first.
pub(super) async fn trim(
    transport: &Arc<dyn ChangeTransport>,
    retention: &Retention,
    snapshots: &[Usable],
) -> Result<()> {
    let bounds = transport.bounds().await?;
    let Some(limit) = limit(snapshots, &bounds) else { return Ok(()) };
    let old = match retention.max_age.and_then(|age| host::system_time().checked_sub(age)) {
        Some(moment) => age::first_after(transport, moment, bounds.first, limit).await?,
        None => bounds.first,
    };
    let before = old.max(too_many(retention.max_bytes, &bounds)).min(limit);
    if before <= bounds.first {
        return Ok(());
    }
    transport.trim(before).await?;
    tracing::info!(first = %before, forgotten = before.0 - bounds.first.0, "the log is trimmed");
    Ok(())
}

/// The first entry that has to stay: the one at the older of two snapshots, so that who
/// restores it can compare. `None` if nothing may go: the older one would have to be trusted
/// for its position once the entries that prove it are gone.
fn limit(snapshots: &[Usable], bounds: &Bounds) -> Option<Seq> {
    let [_, older, ..] = snapshots else { return None };
    if planted(Bug::TrimmedTooFar) {
        return Some(bounds.last.next());
    }
    (older.proven && older.meta.seq > bounds.first).then_some(older.meta.seq)
}

/// The first entry that stays so that the rest takes about `max` bytes. Entries are taken for
/// equally large; what that leaves is seen the next time.
fn too_many(max: Option<u64>, bounds: &Bounds) -> Seq {
    let excess = max.map_or(0, |max| bounds.bytes.saturating_sub(max));
    let entries = bounds.last.next().0 - bounds.first.0;
    let share = u128::from(entries) * u128::from(excess) / u128::from(bounds.bytes.max(1));
    Seq(bounds.first.0 + u64::try_from(share).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use ha_core::{Lineage, RunningHash};

    use super::*;

    const LINEAGE: Lineage = Lineage([7; 8]);

    fn bounds(first: u64, last: u64, bytes: u64) -> Bounds {
        Bounds { lineage: LINEAGE, first: Seq(first), last: Seq(last), bytes }
    }

    fn usable(seq: u64, proven: bool) -> Usable {
        let (lineage, hash) = (LINEAGE, RunningHash::default());
        let meta = SnapshotMeta { digest: [0; 32], bytes: 1, lineage, seq: Seq(seq), hash };
        Usable { meta, proven }
    }

    #[test]
    fn nothing_is_forgotten_that_is_not_covered_twice() {
        let limit_of = |snapshots: &[Usable]| limit(snapshots, &bounds(3, 20, 0));
        assert_eq!(limit_of(&[]), None);
        assert_eq!(limit_of(&[usable(15, true)]), None);
        assert_eq!(limit_of(&[usable(15, false), usable(9, true)]), Some(Seq(9)));
        assert_eq!(
            limit_of(&[usable(15, true), usable(9, false)]),
            None,
            "it may be another log's"
        );
        let three = [usable(15, true), usable(9, true), usable(5, true)];
        assert_eq!(limit_of(&three), Some(Seq(9)));
        assert_eq!(limit_of(&[usable(15, true), usable(3, true)]), None, "it is trimmed so far");
    }

    #[test]
    fn the_oldest_go_until_the_rest_is_small_enough() {
        assert_eq!(too_many(None, &bounds(3, 22, 2_000)), Seq(3));
        assert_eq!(too_many(Some(2_000), &bounds(3, 22, 2_000)), Seq(3));
        assert_eq!(too_many(Some(500), &bounds(3, 22, 2_000)), Seq(18));
        assert_eq!(too_many(Some(5), &bounds(3, 2, 0)), Seq(3), "an empty log");
    }
}
