//! Entries that this node makes.

use std::time::Duration;

use ha_changes::{Base, Entry, Kind, Meta};
use ha_core::AttemptId;

use super::Machine;
use super::phase::Attempt;

impl Machine {
    /// The header of the next entry that this node makes on its position. Each call names a
    /// new attempt.
    pub fn next_meta(&mut self, kind: Kind) -> Meta {
        self.attempts += 1;
        Meta::new(
            AttemptId { boot: self.identity.boot, counter: self.attempts },
            Base {
                lineage: self.position.lineage,
                seq: self.position.seq,
                hash: self.position.hash,
            },
            kind,
        )
    }

    /// About what a clock shows, for those who look how old the entry is.
    pub(super) fn wall_clock(&self) -> i64 {
        let since = i64::try_from(self.now.as_nanos()).unwrap_or(0);
        self.identity.process_id.saturating_add(since)
    }

    pub(super) fn noop(&mut self) -> Result<Attempt, ha_changes::Error> {
        self.empty(Kind::Noop)
    }

    /// An entry without changes.
    pub(super) fn empty(&mut self, kind: Kind) -> Result<Attempt, ha_changes::Error> {
        let meta = self.next_meta(kind);
        let id = meta.id;
        let entry = Entry {
            node: self.identity.node.clone(),
            process_id: self.identity.process_id,
            timestamp_ns: self.wall_clock(),
            meta: Some(meta),
            changes: Vec::new(),
        };
        let parts = vec![ha_changes::encode(&entry)?.into()];
        Ok(Attempt::new(id, parts, Duration::MAX))
    }
}
