//! What tells of a place in the log whose entry is not there to be compared.

use ha_core::{Result, Seq, Stored};

use super::{Comparison, Healer};
use crate::chain::{Chain, LOOK};
use crate::machine::Position;

impl Healer {
    /// What the first entry after `at` says of it that says something.
    pub(super) async fn later(&self, at: &Position) -> Result<Comparison> {
        let (mut chain, mut found) = (Chain::new(*at), Comparison::Silent);
        for seq in (at.seq.0 + 1..=at.seq.0 + LOOK).map(Seq) {
            let Some(payload) = self.at(seq).await? else { break };
            match chain.see(&Stored { seq, payload }) {
                Some(true) => return Ok(Comparison::Same),
                // It may be this entry that is void.
                Some(false) => found = Comparison::Other,
                None => {}
            }
        }
        Ok(found)
    }

    /// What the stored snapshots of this very place say. Several that differ say nothing: some are
    /// of what the log has lost.
    pub(super) async fn stored_states(&self, at: &Position) -> Result<Comparison> {
        if !self.log.capabilities().snapshots {
            return Ok(Comparison::Silent);
        }
        let here = self.log.snapshots().await?.into_iter();
        let here = here.filter(|meta| meta.lineage == at.lineage && meta.seq == at.seq);
        let (same, others): (Vec<_>, Vec<_>) = here.partition(|meta| meta.hash == at.hash);
        Ok(match (same.is_empty(), others.is_empty()) {
            (false, true) => Comparison::Same,
            (true, false) => Comparison::Other,
            (true, true) | (false, false) => Comparison::Silent,
        })
    }
}
