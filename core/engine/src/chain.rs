//! Whether what comes later in the log was made on a state that is known here.

use std::collections::VecDeque;

use ha_changes::{Kind, Meta, Part};
use ha_core::{RunningHash, Seq, Stored};

use crate::machine::Position;

/// How many entries after a place are looked at for one that tells what it was made on.
pub(crate) const LOOK: u64 = 64;

/// The running hashes from a place on, as they are if the place is the log's.
#[derive(Debug)]
pub(crate) struct Chain {
    start: Position,
    hashes: VecDeque<RunningHash>,
}

impl Chain {
    pub(crate) fn new(start: Position) -> Self {
        Self { start, hashes: VecDeque::from([start.hash]) }
    }

    /// Takes the next entry. Whether it was made on the history of this chain; `None` if it does
    /// not say, or was made on an earlier place.
    pub(crate) fn see(&mut self, stored: &Stored) -> Option<bool> {
        let part = ha_changes::decode_part(&stored.payload).ok();
        let said = part.as_ref().and_then(Part::meta).and_then(|meta| self.judge(meta));
        let last = self.hashes.back().copied().unwrap_or_default();
        self.hashes.push_back(last.extend(stored.seq, &stored.payload));
        said
    }

    fn judge(&self, meta: &Meta) -> Option<bool> {
        let chained = !matches!(meta.kind, Kind::Base(_));
        let here = chained && meta.base.lineage == self.start.lineage;
        let Seq(place) = Some(meta.base.seq).filter(|_| here)?;
        let index = usize::try_from(place.checked_sub(self.start.seq.0)?).ok()?;
        self.hashes.get(index).map(|hash| *hash == meta.base.hash)
    }
}
