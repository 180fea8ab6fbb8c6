//! Beginning somewhere else than at the log's beginning.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ha_core::{Bounds, ChangeTransport, Result, RunningHash, Seq};

use super::Start;
use crate::machine::Position;
use crate::snapshots::first_after;
use crate::store::Record;

/// Where in the log a node begins whose file has no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BeginAt {
    /// With everything.
    #[default]
    Beginning,
    /// At the last entry.
    Last,
    /// After the last entry.
    New,
    /// At this entry.
    Sequence(Seq),
    /// At the first entry that was made at this moment or later, by its maker's clock.
    Time(SystemTime),
}

impl BeginAt {
    /// Whether it names a place that the user knows: that of a copy of the database.
    pub(super) fn is_a_place(self) -> bool {
        matches!(self, Self::Sequence(_) | Self::Time(_))
    }
}

/// The first entry that the node is to have, in a log of these bounds.
pub(super) async fn first_wanted(
    begin: BeginAt,
    transport: &Arc<dyn ChangeTransport>,
    bounds: &Bounds,
) -> Result<Seq> {
    let after_all = bounds.last.next();
    Ok(match begin {
        BeginAt::Beginning => bounds.first,
        BeginAt::Last => bounds.last.max(bounds.first),
        BeginAt::New => after_all,
        BeginAt::Sequence(seq) => seq.clamp(bounds.first, after_all),
        BeginAt::Time(moment) => {
            let before = moment.checked_sub(Duration::from_nanos(1)).unwrap_or(moment);
            first_after(transport, before, bounds.first, bounds.last).await?
        }
    })
}

/// The node follows the log from `first` on, with whatever its file holds, and never had what
/// is before.
pub(super) async fn partial(
    transport: &Arc<dyn ChangeTransport>,
    bounds: &Bounds,
    first: Seq,
) -> Result<Start> {
    let seq = Seq(first.0 - 1);
    let hash = hash_at(transport, bounds, seq).await?.unwrap_or_default();
    let record =
        Record { position: Position { lineage: bounds.lineage, seq, hash }, transactions: 0 };
    let (end, partial) = (bounds.last, Some(first));
    Ok(Start { record, end, has_state: true, problem: None, entry: None, partial })
}

/// Why a node that has not the whole database takes no writes.
pub(crate) fn why_read_only(first: Seq) -> String {
    format!(
        "by --replication-policy it follows the log from entry {first} on only, so that its database is not \
         the whole one. To make it a full member, start it without the policy and with a file that \
         does not exist"
    )
}

/// The running hash at `seq`, as the entries beside it tell.
async fn hash_at(
    transport: &Arc<dyn ChangeTransport>,
    bounds: &Bounds,
    seq: Seq,
) -> Result<Option<RunningHash>> {
    for next in [seq, seq.next()] {
        if next < bounds.first || next > bounds.last || next == Seq::ZERO {
            continue;
        }
        let Some(stored) = transport.read(next).await? else { continue };
        let part = ha_changes::decode_part(&stored.payload).ok();
        let base = part.as_ref().and_then(|part| part.meta()).map(|meta| meta.base);
        let Some(base) = base.filter(|base| base.lineage == bounds.lineage) else { continue };
        if base.seq == seq {
            return Ok(Some(base.hash));
        }
        if base.seq.next() == seq {
            return Ok(Some(base.hash.extend(seq, &stored.payload)));
        }
    }
    Ok(None)
}
